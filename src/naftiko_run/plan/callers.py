"""What an adapter's ``authentication`` asks of its callers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from naftiko_run.callers.digest import digest
from naftiko_run.callers.nonces import Nonces
from naftiko_run.exposes.auth import Authenticator, apikey, basic, bearer
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import apikey_of
from naftiko_run.mapping.scope import Scope
from naftiko_run.spec.document import Adapter, Authentication
from naftiko_run.types import Client


@dataclass(frozen=True, slots=True)
class Means:
    """What schemes work with: the upstream client, and nonces that all plans of a process share."""

    client: Client
    nonces: Nonces = field(repr=False)


def authenticator_of(
    adapter: Adapter, scope: Scope, means: Means
) -> Authenticator | Finding | None:
    """Compile an adapter's authentication; None asks for nothing.

    The finding says that the scheme cannot be served: then nothing of the adapter is, as serving
    it open is what nobody asked for.
    """
    clause = adapter.authentication
    if clause is None:
        return None
    make = _SCHEMES.get(clause.type)
    if make is None:
        return clause.where.error(
            "E-AUTH-EXPOSED",
            f"callers cannot be authenticated by {clause.type or 'nothing'!r}:"
            f" {adapter.namespace!r} is not served",
            f"use one of {', '.join(sorted(_SCHEMES))}",
        )
    fields = _Fields(clause, scope.using(f"authentication of {adapter.namespace!r}"), adapter)
    made = make(fields, means)
    unset = tuple(fields.scope.unset)
    return made.waiting_for(unset) if unset and isinstance(made, Authenticator) else made


@dataclass(slots=True)
class _Fields:
    """Reads a clause's fields; texts are resolved against the variables."""

    clause: Authentication
    scope: Scope
    adapter: Adapter

    @property
    def realm(self) -> str:
        return self.adapter.namespace

    def text(self, name: str) -> str:
        value = self.clause.fields.get(name)
        if value is None:
            return ""
        return self.scope.constant_text(str(value), self.clause.where.at(name))

    def lacking(self, *names: str) -> Finding | None:
        """Say which of these fields the clause does not have."""
        absent = [repr(name) for name in names if not self.clause.fields.get(name)]
        return self.incomplete(f"without {' and '.join(absent)}", "add it") if absent else None

    def incomplete(self, what: str, fix: str, *place: str) -> Finding:
        """Say why nobody could be authenticated by this clause."""
        return self.clause.where.at(*place).error(
            "E-AUTH-EXPOSED",
            f"callers cannot be authenticated by {self.clause.type!r} {what}:"
            f" {self.adapter.namespace!r} is not served",
            fix,
        )


def _bearer(fields: _Fields, _: Means) -> Authenticator:
    return bearer(fields.text("token") or fields.text("value"), fields.realm)


def _basic(fields: _Fields, _: Means) -> Authenticator:
    return basic(fields.text("username"), fields.text("password"), fields.realm)


def _digest(fields: _Fields, means: Means) -> Authenticator | Finding:
    lacking = fields.lacking("username", "password")
    if lacking:
        return lacking
    return digest(fields.text("username"), fields.text("password"), fields.realm, means.nonces)


def _apikey(fields: _Fields, _: Means) -> Authenticator:
    name, place = apikey_of(fields.clause)
    return apikey(name, fields.text("value"), place, fields.realm)


_SCHEMES: dict[str, Callable[[_Fields, Means], Authenticator | Finding]] = {
    "apikey": _apikey,
    "basic": _basic,
    "bearer": _bearer,
    "digest": _digest,
}
