"""The REST face: requests become arguments, outcomes become responses.

Where nothing declares a place, an argument is taken from the route, then from a field of the JSON
or form body, then from the query. Names that nothing takes are refused, not ignored.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from naftiko_run.errors import FieldProblem, InputError
from naftiko_run.exposes.messages import (
    MAX_BODY,
    BodyTooLargeError,
    DisconnectedError,
    header,
    parse_cookies,
    parse_pairs,
    read_body,
    send_bytes,
)
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem, problem_of, unservable
from naftiko_run.exposes.router import Match, Router, shape
from naftiko_run.exposes.units import Route
from naftiko_run.mapping.json_codec import loads
from naftiko_run.types import MISSING, Argument, Json, Missing, Text

_log = logging.getLogger("naftiko_run.rest")
_FORM = "application/x-www-form-urlencoded"
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "host", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Claim:
    """The routes that share a method and path.

    Several of one adapter differ by constant query parameters; those of several adapters are
    reachable under their prefixes alone, which ``conflict`` lists.
    """

    routes: tuple[Route, ...]
    conflict: tuple[str, ...] = ()


@dataclass(slots=True)
class _Given:
    """What a request brings: each place where an argument may be."""

    captures: Mapping[str, str]
    query: Mapping[str, Json]
    fields: Mapping[str, Json]
    scope: Scope
    content: Json = None
    has_content: bool = False
    cookies: Mapping[str, Text] = field(default_factory=dict)

    def header(self, name: str) -> Json | Missing:
        """Return a header field of the request; those that carry credentials are never given."""
        lowered = name.lower()
        if lowered in _PRIVATE_HEADERS:
            return MISSING
        value = header(self.scope, lowered.encode("latin-1", "replace"))
        return Text(value) if value else MISSING


class RestFace:
    """Serves the REST routes of one listener; as ASGI it answers every path."""

    def __init__(self, routes: Sequence[Route], adapters: Sequence[str]) -> None:
        """Build the router: each route at its own path and below its adapter's namespace."""
        self.router: Router[Claim] = Router()
        claims: dict[tuple[str, str], list[Route]] = {}
        for route in routes:
            prefixed = f"/{route.adapter}{route.path}"
            claims.setdefault((prefixed, route.method), []).append(route)
            claims.setdefault((route.path, route.method), []).append(route)
        self._merge(claims)
        self.adapters = tuple(adapters)

    def _merge(self, claims: Mapping[tuple[str, str], list[Route]]) -> None:
        merged: dict[tuple[str, str], tuple[str, list[Route]]] = {}
        for (path, method), routes in claims.items():
            _, known = merged.setdefault((shape(path), method), (path, []))
            known.extend(r for r in routes if r not in known)
        for (_, method), (path, routes) in merged.items():
            adapters = dict.fromkeys(r.adapter for r in routes)
            conflict: tuple[str, ...] = ()
            if len(adapters) > 1:
                conflict = tuple(f"/{r.adapter}{r.path}" for r in routes)
            self.router.add(path, method, Claim(tuple(routes), conflict))

    def find(self, scope: Scope) -> list[Match[Claim]]:
        """Find the routes of a request's path."""
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        return self.router.find(raw.partition(b"?")[0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        matches = self.find(scope)
        if not matches:
            await _send_problem(send, Problem(404, f"no route {scope['path']!r} here"))
            return
        method: str = scope["method"]
        for match in matches:
            claim = match.values.get(method)
            if claim is not None:
                await self._serve(claim, match.captures, scope, receive, send)
                return
        allowed = ", ".join(sorted({m for match in matches for m in match.values}))
        problem = Problem(405, f"{method} is not served here; use {allowed}")
        await _send_problem(send, problem, (("allow", allowed),))

    async def _serve(
        self,
        claim: Claim,
        captures: Mapping[str, str],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if claim.conflict:
            names = ", ".join(claim.conflict)
            problem = Problem(
                409,
                f"several adapters serve this route: use one of {names}",
                extra={"routes": list(claim.conflict)},
            )
            await _send_problem(send, problem)
            return
        try:
            query = parse_pairs(scope.get("query_string", b""))
        except ValueError:
            await _send_problem(send, Problem(400, "the query is not UTF-8 text"))
            return
        route = _choose(claim.routes, query)
        if route is None:
            needed = " or ".join("&".join(f"{n}={v}" for n, v in r.query) for r in claim.routes)
            await _send_problem(send, Problem(400, f"this route needs the query {needed}"))
            return
        await serve(route, captures, query, scope, receive, send)


def _choose(routes: Sequence[Route], query: Mapping[str, Json]) -> Route | None:
    for route in routes:
        if all(query.get(name) == value for name, value in route.query):
            return route
    return None


async def serve(
    route: Route,
    captures: Mapping[str, str],
    query: Mapping[str, Json],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Answer a request of one route."""
    if route.flow is None:
        problem = unservable(route.finding) if route.finding else Problem(501, "not served")
        await _send_problem(send, problem)
        return
    try:
        constant = {name for name, _ in route.query}
        given = _Given(captures, {n: v for n, v in query.items() if n not in constant}, {}, scope)
        await _add_body(route, given, receive)
        outcome = await route.flow(arguments(route.arguments, given))
    except BodyTooLargeError:
        detail = f"the request body has more than {MAX_BODY} bytes"
        await _send_problem(send, Problem(413, detail), (("connection", "close"),))
        return
    except DisconnectedError:
        return
    except Exception as error:  # noqa: BLE001 - one boundary turns every error into an answer
        await _send_problem(send, problem_of(error))
        return
    await send_bytes(send, outcome.status, outcome.body, outcome.media_type, outcome.headers)


async def _send_problem(
    send: Send, problem: Problem, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    await send_bytes(send, problem.status, problem.dumps(), MEDIA_TYPE, headers)


# ------------------------------------------------------------------------------------ arguments


async def _add_body(route: Route, given: _Given, receive: Receive) -> None:
    scope = given.scope
    if scope["method"] in ("GET", "HEAD") and not header(scope, b"content-length"):
        return
    body = await read_body(scope, receive)
    if not body:
        return
    takes_content = any(a.location == "content" for a in route.arguments)
    value, is_form = _decode(body, header(scope, b"content-type"))
    given.content, given.has_content = value, True
    if takes_content and not is_form:
        if isinstance(value, dict):
            given.fields = value
    elif isinstance(value, dict):
        given.fields = value
    else:
        raise _bad_body("must be a JSON object with the fields of this operation")


def _bad_body(detail: str) -> InputError:
    return InputError([FieldProblem("body", detail, "body")])


def _decode(body: bytes, content_type: str) -> tuple[Json, bool]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _FORM and body.lstrip()[:1] not in (b"{", b"["):
        try:
            return dict(parse_pairs(body)), True
        except ValueError:
            raise _bad_body("is not UTF-8 text") from None
    # curl says "form" of whatever -d gives it: a body that begins as JSON is read as JSON.
    json_like = media_type in ("", _FORM) or media_type.endswith(("/json", "+json"))
    if not json_like:
        raise _bad_body(f"is {media_type}; send application/json or {_FORM}")
    try:
        return loads(body), False
    except ValueError as error:
        raise _bad_body(f"is not JSON: {str(error).removeprefix('not JSON: ')}") from None


def arguments(wanted: Sequence[Argument], given: _Given) -> dict[str, Json]:
    """Take the arguments of a route out of a request, and whatever else it gives beside them.

    The flow refuses names that it does not know, so nothing is dropped silently.
    """
    found: dict[str, Json] = {}
    names: set[str] = set()
    takes_content = False
    for argument in wanted:
        names.add(argument.name)
        if argument.location == "content":
            takes_content = True
        value = _PLACES[argument.location](argument, given)
        if value is not MISSING:
            found[argument.key] = value
    extra = given.query if takes_content else {**given.fields, **given.query}
    return {**found, **{name: value for name, value in extra.items() if name not in names}}


def _anywhere(argument: Argument, given: _Given) -> Json | Missing:
    name = argument.name
    if name in given.captures:
        return Text(given.captures[name])
    if name in given.fields:
        return given.fields[name]
    value = given.query.get(name, MISSING)
    if value is MISSING and argument.header:
        return given.header(name)
    return value


def _from_path(argument: Argument, given: _Given) -> Json | Missing:
    value = given.captures.get(argument.name)
    return MISSING if value is None else Text(value)


def _from_content(_: Argument, given: _Given) -> Json | Missing:
    return given.content if given.has_content else MISSING


def _from_cookie(argument: Argument, given: _Given) -> Json | Missing:
    cookies = parse_cookies(header(given.scope, b"cookie"))
    return cookies.get(argument.name, MISSING)


def _from_query(argument: Argument, given: _Given) -> Json | Missing:
    value = given.query.get(argument.name, MISSING)
    return given.header(argument.name) if value is MISSING and argument.header else value


_PLACES: Mapping[str, Callable[[Argument, _Given], Json | Missing]] = {
    "": _anywhere,
    "path": _from_path,
    "query": _from_query,
    "header": lambda argument, given: given.header(argument.name),
    "cookie": _from_cookie,
    "body": lambda a, given: given.fields.get(a.name, MISSING),
    "content": _from_content,
}
