"""Authentication of callers: what an exposed adapter asks of each request.

Secrets are compared in constant time, and an answer never says how close a wrong one was. What a
caller authenticates with is passed on only where a unit's ``with`` names that header field: no
input is bound to it for having the same name.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import Scope

from naftiko_run.exposes.messages import header, parse_pairs
from naftiko_run.exposes.problems import Problem
from naftiko_run.types import Headers


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in, and the header fields of the answer."""

    problem: Problem
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Lets requests in or refuses them; ``query`` names the parameter that carries the secret."""

    accepts: Callable[[Scope], bool] = field(repr=False)
    challenge: str
    query: str = ""
    unset: tuple[str, ...] = ()

    def refusal(self, scope: Scope) -> Refusal | None:
        """Say why a request is refused; None lets it in."""
        if self.unset:
            names = ", ".join(self.unset)
            detail = f"this adapter's authentication needs {names}, which is not set"
            return Refusal(Problem(503, detail, extra={"variables": list(self.unset)}))
        if self.accepts(scope):
            return None
        detail = "the credentials are missing or wrong"
        return Refusal(Problem(401, detail), (("www-authenticate", self.challenge),))


def equal(given: str, expected: str) -> bool:
    """Compare two secrets in constant time; an empty secret lets nobody in."""
    same = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
    return same and bool(expected)


def bearer(token: str, realm: str) -> Authenticator:
    """Ask for a bearer token (RFC 6750)."""

    def accepts(scope: Scope) -> bool:
        scheme, _, given = header(scope, b"authorization").partition(" ")
        return equal(given.strip(), token) and scheme.lower() == "bearer"

    return Authenticator(accepts, f'Bearer realm="{_quoted(realm)}"')


def basic(user: str, password: str, realm: str) -> Authenticator:
    """Ask for a name and password (RFC 7617)."""

    def accepts(scope: Scope) -> bool:
        scheme, _, given = header(scope, b"authorization").partition(" ")
        try:
            pair = base64.b64decode(given.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return equal(pair, f"{user}:{password}") and scheme.lower() == "basic" and bool(password)

    return Authenticator(accepts, f'Basic realm="{_quoted(realm)}", charset="UTF-8"')


def apikey(name: str, value: str, place: str, realm: str) -> Authenticator:
    """Ask for a key in a header field or a query parameter."""
    if place == "query":
        return Authenticator(
            lambda scope: equal(_parameter(scope, name), value),
            f'ApiKey realm="{_quoted(realm)}", in="query", name="{_quoted(name)}"',
            query=name,
        )
    field_name = name.lower().encode("latin-1", "replace")
    return Authenticator(
        lambda scope: equal(header(scope, field_name), value),
        f'ApiKey realm="{_quoted(realm)}", in="header", name="{_quoted(name)}"',
    )


def _parameter(scope: Scope, name: str) -> str:
    try:
        value = parse_pairs(scope.get("query_string", b"")).get(name)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
