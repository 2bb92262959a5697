"""Authentication of callers: what an exposed adapter asks of each request.

Secrets are compared in constant time, and an answer never says how close a wrong one was. What a
caller authenticates with is passed on only where a unit's ``with`` names that header field: no
input is bound to it for having the same name.
"""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Scope

from naftiko_run.exposes.messages import header, parse_pairs
from naftiko_run.exposes.problems import Problem
from naftiko_run.types import Discreet, Headers, Json, without


class SeveralFieldsError(Exception):
    """A request with more than one Authorization field: which one is meant cannot be told."""

    def __init__(self) -> None:
        """Say what a request may have."""
        super().__init__("a request has one Authorization header field at most")


def credentials(scope: Scope) -> tuple[str, str]:
    """Return the scheme, in lower case, and what follows it; both empty where there is neither.

    Raises:
        SeveralFieldsError: the request has the field more than once.
    """
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) > 1:
        raise SeveralFieldsError
    text = found[0].decode("latin-1") if found else ""
    scheme, _, rest = text.strip(" \t").partition(" ")
    return scheme.lower(), rest.strip(" \t")


class Refusal(Struct, frozen=True):
    """Why a request is not let in, and the header fields of the answer."""

    problem: Problem
    headers: Headers = ()


Verdict = Refusal | Awaitable[Refusal | None] | None
"""None lets a request in; what can be awaited has to ask somebody first. See :func:`settled`."""


class ProtectedResource(Struct, frozen=True):
    """What everybody may know of a resource that asks for tokens (RFC 9728).

    ``path`` is the path of its identifier, empty where it has none.
    """

    path: str
    document: Mapping[str, Json]


class Authenticator(Discreet, Struct, frozen=True):
    """Lets requests in or refuses them: ``refusal`` says why one is refused.

    ``query`` names the parameter that carries the secret. ``security`` describes the scheme as
    OpenAPI does, and ``scopes`` are what a caller's token needs.
    """

    refusal: Callable[[Scope], Verdict]
    security: Mapping[str, Json]
    query: str = ""
    scopes: tuple[str, ...] = ()
    resource: ProtectedResource | None = None

    def __repr__(self) -> str:
        return without(self, "refusal")

    def waiting_for(self, variables: tuple[str, ...]) -> "Authenticator":
        """Return one that lets nobody in, as these variables are not set."""
        detail = f"this adapter's authentication needs {', '.join(variables)}, which is not set"
        refusal = Refusal(Problem(503, detail, extra={"variables": list(variables)}))
        return replace(self, refusal=lambda _: refusal, resource=None)


async def settled(verdict: Verdict) -> Refusal | None:
    """Wait for a verdict that is not known yet."""
    return verdict if verdict is None or isinstance(verdict, Refusal) else await verdict


def _asking(
    accepts: Callable[[Scope], bool], challenge: str, security: Mapping[str, Json], query: str = ""
) -> Authenticator:
    """Make an authenticator that knows right from wrong, and says no more than that."""
    refused = Refusal(
        Problem(401, "the credentials are missing or wrong"), (("www-authenticate", challenge),)
    )

    def refusal(scope: Scope) -> Refusal | None:
        try:
            return None if accepts(scope) else refused
        except SeveralFieldsError as error:
            return Refusal(Problem(400, str(error)))

    return Authenticator(refusal, security, query)


def equal(given: str, expected: str) -> bool:
    """Compare two secrets in constant time; an empty secret lets nobody in."""
    same = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
    return same and bool(expected)


def bearer(token: str, realm: str) -> Authenticator:
    """Ask for a bearer token (RFC 6750)."""

    def accepts(scope: Scope) -> bool:
        scheme, given = credentials(scope)
        if not given.isascii():
            given = given.encode("latin-1").decode("utf-8", "replace")
        return equal(given, token) and scheme == "bearer"

    security: dict[str, Json] = {"type": "http", "scheme": "bearer"}
    return _asking(accepts, f'Bearer realm="{quoted(realm)}"', security)


def basic(user: str, password: str, realm: str) -> Authenticator:
    """Ask for a name and password (RFC 7617)."""

    def accepts(scope: Scope) -> bool:
        scheme, given = credentials(scope)
        try:
            pair = base64.b64decode(given, validate=True).decode()
        except ValueError:  # neither Base64 nor UTF-8
            return False
        return equal(pair, f"{user}:{password}") and scheme == "basic" and bool(password)

    security: dict[str, Json] = {"type": "http", "scheme": "basic"}
    return _asking(accepts, f'Basic realm="{quoted(realm)}", charset="UTF-8"', security)


def apikey(name: str, value: str, place: str, realm: str) -> Authenticator:
    """Ask for a key in a header field or a query parameter."""
    place = "query" if place == "query" else "header"
    challenge = f'ApiKey realm="{quoted(realm)}", in="{place}", name="{quoted(name)}"'
    security: dict[str, Json] = {"type": "apiKey", "in": place, "name": name}
    if place == "query":
        return _asking(
            lambda scope: equal(_parameter(scope, name), value), challenge, security, name
        )
    field_name = name.lower().encode("latin-1", "replace")
    return _asking(lambda scope: equal(header(scope, field_name), value), challenge, security)


def _parameter(scope: Scope, name: str) -> str:
    try:
        value = parse_pairs(scope.get("query_string", b"")).get(name)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def quoted(text: str) -> str:
    """Escape a text for the inside of a quoted-string (RFC 9110 section 5.6.4)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
