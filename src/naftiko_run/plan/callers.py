"""What an adapter's ``authentication`` asks of its callers."""

from collections.abc import Callable

from naftiko_run.exposes.auth import Authenticator, apikey, basic, bearer
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import apikey_of
from naftiko_run.mapping.scope import Scope
from naftiko_run.spec.document import Adapter, Authentication

_Text = Callable[[str], str]


def authenticator_of(adapter: Adapter, scope: Scope) -> Authenticator | Finding | None:
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
    scope = scope.using(f"authentication of {adapter.namespace!r}")

    def text(name: str) -> str:
        value = clause.fields.get(name)
        return scope.constant_text(str(value), clause.where.at(name)) if value is not None else ""

    made = make(clause, text, adapter.namespace)
    return Authenticator(made.accepts, made.challenge, made.query, tuple(scope.unset))


def _bearer(_: Authentication, text: _Text, realm: str) -> Authenticator:
    return bearer(text("token") or text("value"), realm)


def _basic(_: Authentication, text: _Text, realm: str) -> Authenticator:
    return basic(text("username"), text("password"), realm)


def _apikey(clause: Authentication, text: _Text, realm: str) -> Authenticator:
    name, place = apikey_of(clause)
    return apikey(name, text("value"), place, realm)


_SCHEMES: dict[str, Callable[[Authentication, _Text, str], Authenticator]] = {
    "apikey": _apikey,
    "basic": _basic,
    "bearer": _bearer,
}
