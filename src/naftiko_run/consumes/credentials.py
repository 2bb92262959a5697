"""Credentials of a consumed API: from the ``authentication`` clause to what each request carries.

Fixed credentials (bearer, basic, apikey in every published shape) are worked out once, at load.
Schemes that sign each request, or answer a challenge, wrap the client instead.
"""

import base64
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.mapping.scope import Scope
from naftiko_run.mapping.template import text_of
from naftiko_run.spec.document import Authentication, Consumes
from naftiko_run.types import Discreet, Json

_SIGNATURE_PREFIX = re.compile(r"\s*(AWS4-HMAC-SHA256|HMAC(-SHA\d+)?)\s", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Credentials(Discreet, Struct, frozen=True):
    """What is added to each request.

    ``path`` replaces ``{name}`` in the base URI. ``scheme`` names one that signs, with its
    resolved ``fields``. ``refusal`` says why no request may be sent at all.
    """

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    body: tuple[tuple[str, str], ...] = ()
    path: tuple[str, str] | None = None
    scheme: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    unset: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""

    def fills(self, place: str, name: str) -> bool:
        """Say whether the credentials already give a parameter: they win over the caller's."""
        if place == "header":
            names = {n.lower() for n, _ in self.headers}
            names |= {"cookie"} if self.cookies else set()
            names |= {"authorization"} if self.scheme else set()
            return name.lower() in names
        pairs = {"query": self.query, "cookie": self.cookies, "body": self.body}
        return any(n == name for n, _ in pairs.get(place, ()))

    def __repr__(self) -> str:
        """Show where the credential goes, never what it is."""
        places = [f"header {n}" for n, _ in self.headers]
        places += [f"query {n}" for n, _ in self.query]
        places += [f"cookie {n}" for n, _ in self.cookies]
        places += [f"body field {n}" for n, _ in self.body]
        places += [f"path {{{self.path[0]}}}"] if self.path else []
        places += [f"{self.scheme} signature"] if self.scheme else []
        return ", ".join(places) or "none"


class _Fields:
    """Reads the clause's fields with their aliases; texts are resolved against the variables."""

    def __init__(self, clause: Authentication, scope: Scope) -> None:
        self.clause = clause
        self.scope = scope

    def text(self, *names: str) -> str | None:
        for name in names:
            value = self.clause.fields.get(name)
            if value is not None and not isinstance(value, dict | list):
                return self.resolve(text_of(value), name)
        return None

    def resolve(self, text: str, *path: str | int) -> str:
        return self.scope.constant_text(text, self.clause.where.at(*path))


def compile_credentials(api: Consumes, scope: Scope) -> Credentials:
    """Work out what an API's ``authentication`` adds to its requests."""
    clause = api.authentication
    if clause is None:
        return Credentials()
    scope = scope.using(f"authentication of '{api.namespace}'").of_its_own()
    compile_scheme = _SCHEMES.get(clause.type, _unsupported)
    credentials = compile_scheme(_Fields(clause, scope), clause)
    if scope.unreadable:
        refusal = f"the {scope.used_by} has no value: {scope.unreadable[0]} is not known"
        return Credentials(refusal=refusal)
    if any(_CONTROL.search(value) for _, value in (*credentials.headers, *credentials.cookies)):
        refusal = f"the {scope.used_by} holds a control character such as a line end"
        return Credentials(refusal=refusal, unset=dict(scope.unset))
    return replace(credentials, unset=dict(scope.unset))


def placeholder_of(api: Consumes) -> str:
    """Return the base URI placeholder that the credential fills, empty where there is none."""
    clause = api.authentication
    if clause is None or clause.type != "apikey":
        return ""
    if str(clause.fields.get("placement", clause.fields.get("in", ""))).lower() != "path":
        return ""
    return str(clause.fields.get("key") or clause.fields.get("name") or "")


def _bearer(fields: _Fields, clause: Authentication) -> Credentials:
    token = fields.text("token", "value", "key")
    if token is None:
        return _no_secret(fields, clause)
    return Credentials(headers=(("Authorization", f"Bearer {token.removeprefix('Bearer ')}"),))


def _basic(fields: _Fields, _: Authentication) -> Credentials:
    user = fields.text("username", "user") or ""
    password = fields.text("password", "pass") or ""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Credentials(headers=(("Authorization", f"Basic {pair}"),))


def _apikey(fields: _Fields, clause: Authentication) -> Credentials:
    several = clause.fields.get("headers")
    if several:
        return Credentials(headers=tuple(_pairs(fields, several, "headers")))
    header = fields.text("header")
    if header:
        secret = fields.text("value", "token", "key")
        if secret is None:
            return _no_secret(fields, clause)
        _warn_unsigned(fields, clause)
        return Credentials(headers=((header, secret),))
    secret = fields.text("value", "token")
    name = fields.text("name", "key") if secret is not None else None
    if name is None or secret is None:
        return _no_secret(fields, clause)
    _warn_unsigned(fields, clause)
    return _placed(name, secret, fields.text("placement", "in") or "header")


def _placed(name: str, secret: str, place: str) -> Credentials:
    match place.lower():
        case "query":
            return Credentials(query=((name, secret),))
        case "body":
            return Credentials(body=((name, secret),))
        case "cookie":
            return Credentials(cookies=((name, secret),))
        case "path":
            return Credentials(path=(name, quote(secret, safe=":-._~")))
        case _:
            return Credentials(headers=((name, secret),))


def _header(fields: _Fields, clause: Authentication) -> Credentials:
    name = fields.text("header", "name", "key")
    secret = fields.text("value", "token")
    if name is None or secret is None:
        return _no_secret(fields, clause)
    _warn_unsigned(fields, clause)
    return Credentials(headers=((name, secret),))


def _query(fields: _Fields, clause: Authentication) -> Credentials:
    several = clause.fields.get("parameters")
    if several:
        return Credentials(query=tuple(_pairs(fields, several, "parameters")))
    name = fields.text("name", "key")
    secret = fields.text("value", "token")
    if name is None or secret is None:
        return _no_secret(fields, clause)
    return Credentials(query=((name, secret),))


def _pairs(fields: _Fields, several: Json, path: str) -> list[tuple[str, str]]:
    if isinstance(several, dict):
        return [(k, fields.resolve(text_of(v), path, k)) for k, v in several.items()]
    pairs = []
    for index, item in enumerate(several if isinstance(several, list) else ()):
        if isinstance(item, dict):
            name = item.get("key") or item.get("name") or item.get("header")
            value = item.get("value", item.get("token"))
            if name:
                pairs.append((text_of(name), fields.resolve(text_of(value), path, index, "value")))
    return pairs


def _signing(scheme: str) -> Callable[[_Fields, Authentication], Credentials]:
    def compile_scheme(fields: _Fields, clause: Authentication) -> Credentials:
        resolved = {
            name: " ".join(str(v) for v in value)
            if isinstance(value, list)
            else fields.resolve(text_of(value), name)
            for name, value in clause.fields.items()
            if not isinstance(value, dict)
        }
        return Credentials(scheme=scheme, fields=resolved)

    return compile_scheme


def _unsupported(fields: _Fields, clause: Authentication) -> Credentials:
    scheme = clause.type or "(none)"
    fields.scope.report(
        clause.where.warning(
            "W-AUTH-UNSUPPORTED",
            f"authentication scheme {scheme!r} is not supported: calls are refused",
            f"use one of {', '.join(sorted(_SCHEMES))}",
        )
    )
    return Credentials(refusal=f"authentication scheme {scheme!r} is not supported")


def _no_secret(fields: _Fields, clause: Authentication) -> Credentials:
    fields.scope.report(
        clause.where.warning(
            "W-AUTH-NO-SECRET",
            f"this {clause.type} authentication gives no secret: requests are sent without",
            "add 'value: \"{{VARIABLE}}\"'",
        )
    )
    return Credentials()


def _warn_unsigned(fields: _Fields, clause: Authentication) -> None:
    value = clause.fields.get("value")
    if isinstance(value, str) and _SIGNATURE_PREFIX.match(value):
        fields.scope.report(
            clause.where.warning(
                "W-AUTH-UNSIGNED",
                "this looks like a signature, but it is a fixed text that is sent as written",
                "use 'type: aws-sig-v4', or give the variable a value that the server accepts",
            )
        )


_SCHEMES: Mapping[str, Callable[[_Fields, Authentication], Credentials]] = {
    "bearer": _bearer,
    "basic": _basic,
    "apikey": _apikey,
    "header": _header,
    "query": _query,
    "oauth1": _signing("oauth1"),
    "aws-sig-v4": _signing("aws-sig-v4"),
    "awssigv4": _signing("aws-sig-v4"),
    "sigv4": _signing("aws-sig-v4"),
    "hmac": _signing("hmac"),
    "digest": _signing("digest"),
    "oauth2": _signing("oauth2"),
}
