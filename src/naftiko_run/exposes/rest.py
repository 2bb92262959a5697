"""The REST face: requests become arguments, outcomes become responses.

Names that no argument takes are refused, not ignored. Everything about a route is worked out when
it is added; a request only runs it.
"""

from collections.abc import Awaitable, Mapping, Sequence

from msgspec import Struct, field
from starlette.types import Receive, Scope, Send

from naftiko_run.errors import InputError
from naftiko_run.exposes.auth import settled
from naftiko_run.exposes.forward import ForwardEndpoint
from naftiko_run.exposes.given import NOTHING, Given, bad_body, decode, take_of, untyped
from naftiko_run.exposes.messages import (
    BODY_SECONDS,
    MAX_BODY,
    MAX_FIELDS,
    WHOLE_BODY,
    BodyReader,
    BodyTooLargeError,
    BodyTooSlowError,
    DisconnectedError,
    Unknown,
    parse_pairs,
    send_and_close,
    send_bytes,
    send_problem,
)
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem, problem_of, unservable
from naftiko_run.exposes.router import ANY, Match, Router, shape, takes_rest
from naftiko_run.exposes.units import Route
from naftiko_run.types import MISSING, Flow, Json

_BY_NAME = frozenset({"", "body", "whole"})


class Endpoint:
    """One route, ready to answer."""

    __slots__ = (
        "_fields",
        "_names",
        "_read_body",
        "_reads_fields",
        "_selects",
        "_takes",
        "_takes_content",
        "_takes_whole",
        "_whole",
        "flow",
        "route",
    )

    def __init__(self, route: Route, read_body: BodyReader) -> None:
        """Work out where each argument of the route comes from."""
        self.route = route
        self._read_body = read_body
        self.flow: Flow | None = route.flow
        places = [place for a in route.arguments for place in (a, *a.others)]
        names = frozenset(p.name for p in places if p.selection is None)
        firsts = {p.selection.first for p in places if p.selection}
        constants = route.constants
        self._names = names | {name for name, place in constants if place in ("", "query")}
        self._fields = names | {name for name, place in constants if place in ("", "body")}
        self._fields |= {name for name in firsts if name is not None}
        named = {p.name for p in places if p.location in _BY_NAME and p.selection is None}
        self._whole = frozenset(named | {name for name, place in constants if place == "body"})
        self._takes = tuple((a.key, take_of(a, self._whole)) for a in route.arguments)
        # A path that may lead anywhere takes all of the body, as does an argument that is the body.
        self._takes_content = None in firsts or any(p.location == "content" for p in places)
        self._takes_whole = any(p.location == "whole" for p in places)
        self._selects = bool(firsts)
        # What is read by paths alone, and may be absent, is absent in a body that is no JSON.
        self._reads_fields = any(
            p.location in ("", "body", "content", "whole") and p.selection is None for p in places
        ) or any(a.selection and a.required for a in route.arguments)

    async def answer(self, given: Given, receive: Receive, send: Send) -> None:
        """Answer a request of this route."""
        flow = self.flow
        if flow is None:
            finding = self.route.finding
            await send_problem(send, unservable(finding) if finding else Problem(501, ""))
            return
        try:
            body: bytes | None = given.scope.get(WHOLE_BODY)
            if body is None or len(body) > MAX_BODY:
                body = await self._read_body(given.scope, receive)
            if body:
                self._take_body(given, body)
            outcome = await flow(self.arguments(given))
        except BodyTooLargeError:
            problem = Problem(413, f"the request body has more than {MAX_BODY} bytes")
            await send_and_close(receive, send, 413, problem.dumps(), MEDIA_TYPE)
            return
        except BodyTooSlowError:
            seconds = f"{self._read_body.seconds:g}"
            problem = Problem(408, f"the request body took longer than {seconds} seconds")
            await send_and_close(receive, send, 408, problem.dumps(), MEDIA_TYPE)
            return
        except DisconnectedError:
            return
        except Exception as error:  # noqa: BLE001 - one boundary turns every error into an answer
            await send_problem(send, problem_of(error))
            return
        if not 200 <= outcome.status <= 599:
            # HTTP has no such status (RFC 9110 section 15), so it cannot be passed on.
            text = f"the upstream answered with the status {outcome.status}"
            await send_problem(send, Problem(502, text))
            return
        await send_bytes(send, outcome.status, outcome.body, outcome.media_type, outcome.headers)

    def _take_body(self, given: Given, body: bytes) -> None:
        coding = content_type = b""
        for name, value in given.scope["headers"]:
            if name == b"content-type":
                content_type = content_type or value
            elif name == b"content-encoding":
                coding = coding or value
        if coding and coding.strip().lower() != b"identity":
            coded = coding.decode("latin-1").strip().lower()
            raise bad_body(f"is encoded as {coded}; send it without a content coding")
        try:
            decoded, is_form = decode(body, content_type)
        except InputError:
            if self._reads_fields:
                raise
            return
        given.content = untyped(decoded) if is_form else decoded
        if isinstance(decoded, dict):
            if len(decoded) > MAX_FIELDS and not (self._takes_content or self._is_whole(decoded)):
                raise bad_body(f"has more than {MAX_FIELDS} fields")
            given.fields = decoded
        elif is_form or not (self._takes_content or self._takes_whole or self._selects):
            raise bad_body("must be a JSON object with the fields of this operation")

    def arguments(self, given: Given) -> dict[str, Json]:
        """Take the arguments out of a request, and whatever it gives beside them.

        The flow refuses names that it does not know, so nothing is dropped silently; none of them
        can be taken for the key of an argument, such as ``header.X-User``.
        """
        found: dict[str, Json] = {}
        for key, take in self._takes:
            value = take(given)
            if value is not MISSING:
                found[key] = value
        names = self._names
        if not names.issuperset(given.query):
            found |= {Unknown(n): v for n, v in given.query.items() if n not in names}
        fields = self._fields
        if self._takes_content or fields.issuperset(given.fields) or self._is_whole(given.fields):
            return found
        return found | {Unknown(n): v for n, v in given.fields.items() if n not in fields}

    def _is_whole(self, fields: Mapping[str, Json]) -> bool:
        """Say whether a body has no field of any argument, and is one as a whole."""
        return self._takes_whole and self._whole.isdisjoint(fields)


class Claim(Struct, frozen=True):
    """The endpoints that share a method and path.

    Several of one adapter differ by constant query parameters; those of several adapters are
    reachable under their prefixes alone, which ``conflict`` lists. One that ``forwards`` takes
    queries as they are, and with ``rest`` whatever is below its path.
    """

    endpoints: tuple[Endpoint | ForwardEndpoint, ...]
    conflict: tuple[str, ...] = ()
    selective: bool = False
    forwards: bool = False
    rest: bool = False
    plain: bool = False
    """Whether there is nothing to choose, and everybody may ask."""


class _Claimants(Struct):
    """The routes of one method and shape of path: those at their own path, those below a prefix."""

    path: str
    bare: list[Route] = field(default_factory=list)
    prefixed: list[Route] = field(default_factory=list)

    def add(self, route: Route, path: str) -> None:
        (self.bare if path == route.path else self.prefixed).append(route)


class RestFace:
    """Serves the REST routes of one listener; as ASGI it answers every path."""

    def __init__(
        self,
        routes: Sequence[Route],
        adapters: Sequence[str],
        *,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """Build the router: each route at its own path and below its adapter's namespace."""
        self.router: Router[Claim] = Router()
        self._read_body = BodyReader(body_seconds)
        self._endpoints: dict[int, Endpoint | ForwardEndpoint] = {}
        self._forwards = [route for route in routes if route.method == ANY]
        claims: dict[tuple[str, str], _Claimants] = {}
        for route in routes:
            for path in (f"/{route.adapter}{route.path}", route.path):
                rest = "/*" if route.method == ANY and takes_rest(path) else ""
                key = (shape(path) + rest, route.method)
                claimants = claims.setdefault(key, _Claimants(path))
                claimants.add(route, path)
        for (_, method), claimants in claims.items():
            self._claim(method, claimants)
        self.adapters = tuple(adapters)

    def _claim(self, method: str, claimants: "_Claimants") -> None:
        # Below an adapter's namespace its own routes are what is meant.
        routes = claimants.bare
        if claimants.prefixed:
            own = {route.adapter for route in claimants.prefixed}
            routes = [r for r in routes if r.adapter in own] or claimants.prefixed
        conflict: tuple[str, ...] = ()
        others = [] if method == ANY or claimants.prefixed else self._forwarding(routes)
        if len({route.adapter for route in (*routes, *others)}) > 1:
            conflict = tuple(f"/{r.adapter}{r.path}" for r in (*routes, *others))
        # A route that asks for a constant query comes before one that does not.
        ordered = sorted(routes, key=lambda route: -len(route.query))
        endpoints = tuple(self._endpoint(route) for route in ordered)
        selective = any(route.query for route in routes)
        forwards = method == ANY
        rest = forwards and takes_rest(claimants.path)
        plain = not (conflict or selective or ordered[0].authenticator)
        claim = Claim(endpoints, conflict, selective, forwards, rest, plain)
        self.router.add(claimants.path, method, claim)

    def _forwarding(self, routes: Sequence[Route]) -> list[Route]:
        """Find the forwards of other adapters that have the path of these routes."""
        adapters, shapes = {r.adapter for r in routes}, {shape(r.path) for r in routes}
        return [f for f in self._forwards if f.adapter not in adapters and shape(f.path) in shapes]

    def _endpoint(self, route: Route) -> Endpoint | ForwardEndpoint:
        known = self._endpoints.get(id(route))
        if known is None:
            kind = ForwardEndpoint if route.method == ANY else Endpoint
            known = self._endpoints[id(route)] = kind(route, self._read_body)
        return known

    def find(self, scope: Scope) -> list[Match[Claim]]:
        """Find the routes of a request's path, the best first."""
        return self.router.find(_raw_path(scope))

    def serves(self, scope: Scope) -> bool:
        """Say whether a route has the path and the method of a request."""
        return self.claims(_raw_path(scope), scope["method"])

    def claims(self, raw_path: bytes, method: str) -> bool:
        """Say whether a route is meant for a path itself, not for whatever is below another."""
        found = self.router.best(raw_path, method)
        return found is not None and not found[0].rest

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        found = self.router.best(_raw_path(scope), scope["method"])
        if found is None:
            return self._not_found(scope, send)
        claim, captures = found
        query_string: bytes = scope["query_string"]
        try:
            read = query_string and not claim.forwards
            query = parse_pairs(query_string) if read else NOTHING
        except ValueError as error:
            return send_problem(send, Problem(400, f"the query {error}"))
        if claim.plain:
            return claim.endpoints[0].answer(Given(captures, query, scope), receive, send)
        return _choose_and_answer(claim, Given(captures, query, scope), receive, send)

    async def _not_found(self, scope: Scope, send: Send) -> None:
        matches = self.find(scope)
        if not matches:
            hint = "; GET /docs lists those that there are" if self._endpoints else ""
            await send_problem(send, Problem(404, f"no route {scope['path']!r} here{hint}"))
            return
        allowed = ", ".join(sorted({m for match in matches for m in match.values}))
        problem = Problem(405, f"{scope['method']} is not served here; use {allowed}")
        await send_problem(send, problem, (("allow", allowed),))


async def _choose_and_answer(claim: Claim, given: Given, receive: Receive, send: Send) -> None:
    """Answer where several endpoints share a path, or not everybody may ask."""
    if claim.conflict:
        await send_problem(send, _conflict(claim))
        return
    query = given.query
    endpoint = claim.endpoints[0]
    chosen = _choose(claim.endpoints, query) if claim.selective else endpoint
    authenticator = (chosen or endpoint).route.authenticator
    if authenticator is not None:
        verdict = authenticator.refusal(given.scope)
        refusal = None if verdict is None else await settled(verdict)
        if refusal is not None:
            await send_problem(send, refusal.problem, refusal.headers)
            return
        if authenticator.query:
            query = {n: v for n, v in query.items() if n != authenticator.query}
    if chosen is None:
        await send_problem(send, _wrong_query(claim))
        return
    if chosen.route.query:
        constant = {name for name, _ in chosen.route.query}
        query = {name: value for name, value in query.items() if name not in constant}
    given.query = query
    await chosen.answer(given, receive, send)


def _raw_path(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0] if b"?" in raw else raw


def _choose(
    endpoints: Sequence[Endpoint | ForwardEndpoint], query: Mapping[str, Json]
) -> Endpoint | ForwardEndpoint | None:
    for endpoint in endpoints:
        if all(query.get(name) == value for name, value in endpoint.route.query):
            return endpoint
    return None


def _conflict(claim: Claim) -> Problem:
    return Problem(
        409,
        f"several adapters serve this route: use one of {', '.join(claim.conflict)}",
        extra={"routes": list(claim.conflict)},
    )


def _wrong_query(claim: Claim) -> Problem:
    needed = (e.route.query for e in claim.endpoints)
    texts = " or ".join("&".join(f"{n}={v}" for n, v in pairs) for pairs in needed)
    return Problem(400, f"this route needs the query {texts}")
