"""The HTTP face: one ASGI application that reads a request, answers it, and lets no error out.

What is checked in which order is part of the behaviour: path and method, whether there is an
Authorization header, the body, the root key, the workspace's limit, and then the operation.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio.to_thread
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from naftiko_run.sandbox.unkey import errors, gojson
from naftiko_run.sandbox.unkey.access import Allowance, admit, authenticate
from naftiko_run.sandbox.unkey.call import Call, Nothing, Operation, Page, Reply
from naftiko_run.sandbox.unkey.errors import ApiError
from naftiko_run.sandbox.unkey.gojson import Json, JsonError
from naftiko_run.sandbox.unkey.ids import new_id
from naftiko_run.sandbox.unkey.operations import OPERATIONS
from naftiko_run.sandbox.unkey.schema import Findings, check
from naftiko_run.sandbox.unkey.store import Store

_LOG = logging.getLogger(__name__)

_BODY_LIMIT = 10 * 1024 * 1024
_DRAIN_LIMIT = 8 * _BODY_LIMIT
_LARGE_BODY = 256 * 1024
_LIVENESS = "/v2/liveness"
_MATCHES = "Ensure that the object being submitted, matches the schema correctly"

_JSON = b"application/json"
_PROBLEM = b"application/problem+json"
_TEXT = b"text/plain; charset=utf-8"
_PROBLEM_RANGES = frozenset({"*/*", "application/*", "application/problem+json"})

_Headers: TypeAlias = list[tuple[bytes, bytes]]


def build_app(*, database: str, root_key: str, clock: Callable[[], int] | None) -> Starlette:
    """Make the application; its store is `app.state.store`."""
    store = Store(database, clock)
    store.create_root_key(root_key)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            store.close()

    app = Starlette(routes=[Mount("/", app=_Endpoint(store))], lifespan=lifespan)
    app.state.store = store
    return app


class _Endpoint:
    """The ASGI application under every path."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        path, method = scope["path"], scope["method"]
        if path == _LIVENESS:
            await _liveness(method, send)
            return
        operation = OPERATIONS.get(path)
        if operation is None:
            await _plain(send, 404, b"404 page not found\n")
        elif method != "POST":
            await _plain(send, 405, b"Method Not Allowed\n", allow=b"POST")
        else:
            await self._answer(operation, scope, receive, send)

    async def _answer(
        self, operation: Operation, scope: Scope, receive: Receive, send: Send
    ) -> None:
        request = _Request(scope)
        allowance = Allowance()
        status, media = 200, _JSON
        body = await _read(receive)
        try:
            findings, value = await request.parse(operation, body)
            envelope = _envelope(self._run(operation, request, findings, value, allowance))
        except ApiError as error:
            status, envelope = error.status, {"error": error.body()}
            if error.negotiable and request.accepts_problems():
                media = _PROBLEM
        except Exception:  # noqa: BLE001 - callers never see a stack trace
            _LOG.exception("The sandbox failed to answer %s", scope["path"])
            status, envelope = 500, {"error": errors.unexpected().body()}
        envelope["meta"] = {"requestId": new_id("req")}
        await _respond(send, status, media, gojson.dumps(envelope), allowance.headers)

    def _run(
        self,
        operation: Operation,
        request: "_Request",
        findings: Findings,
        value: Json,
        allowance: Allowance,
    ) -> Reply:
        store = self._store
        store.refill_credits()
        now = store.clock()
        root, per_minute = authenticate(store, request.header("authorization"), now)
        admit(store, root.workspace, per_minute, now, allowance)
        if findings.undecodable:
            raise errors.bad_request(
                "The request body is invalid. The request body was not valid JSON."
            )
        call = Call(db=store.db, root=root, now=now, address=request.address())
        with store.db.writing() if operation.writes else store.db.reading():
            return operation.answer(call, value)


class _Request:
    """The parts of a request that decide its answer."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            self._headers.setdefault(name.decode("latin-1"), value.decode("latin-1").strip())

    def header(self, name: str) -> str:
        """Give a header's value, or nothing where it is absent."""
        return self._headers.get(name, "")

    def accepts_problems(self) -> bool:
        """Tell whether the caller takes `application/problem+json`."""
        ranges = self.header("accept").split(",")
        return any(each.partition(";")[0].strip().lower() in _PROBLEM_RANGES for each in ranges)

    def address(self) -> str:
        """Give the caller's address: the first that a proxy names, or the peer's."""
        forwarded = self.header("x-forwarded-for").partition(",")[0].strip()
        client: Sequence[str] | None = self._scope.get("client")
        return forwarded or (str(client[0]) if client else "")

    async def parse(self, operation: Operation, body: bytes) -> tuple[Findings, Json]:
        """Decode the body and check it against the operation's schema.

        Raises:
            ApiError: Something is missing or not as it must be.

        """
        path = self._scope["path"]
        if not self.header("authorization"):
            raise errors.invalid(
                "Authorization header for 'bearer' scheme",
                "security",
                "Authorization header was not found",
                "Add an 'Authorization' header to this request",
            )
        self._check_media()
        if not body:
            raise errors.invalid(
                f"POST request body is empty for '{path}'",
                "requestBody",
                "The request body is empty but there is a schema defined",
                _MATCHES,
            )
        if len(body) > _LARGE_BODY:
            findings, value = await anyio.to_thread.run_sync(_decode, operation, path, body)
        else:
            findings, value = _decode(operation, path, body)
        if findings.violations:
            raise errors.violates_schema(path, findings.violations)
        return findings, value

    def _check_media(self) -> None:
        media = self.header("content-type").partition(";")[0].strip()
        if media.lower() != "application/json":
            raise errors.invalid(
                f"POST operation request content type '{media}' does not exist",
                "requestBody",
                f"The content type '{media}' of the POST request submitted has not been defined,"
                " it's an unknown type",
                "The content type is invalid, Use one of the 1 supported types for this operation:"
                " application/json",
            )


def _decode(operation: Operation, path: str, body: bytes) -> tuple[Findings, Json]:
    try:
        value = gojson.loads(body)
    except JsonError as fault:
        raise errors.invalid(
            errors.schema_detail(path),
            "requestBody",
            f"The request body cannot be decoded: {fault}",
            _MATCHES,
        ) from None
    return check(operation.body, value), value


async def _read(receive: Receive) -> bytes:
    """Read a body; one over the limit counts as empty, as on the server."""
    chunks: list[bytes] = []
    size = 0
    while size <= _DRAIN_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > _BODY_LIMIT:
            chunks.clear()
        else:
            chunks.append(chunk)
        if not message.get("more_body", False):
            break
    return b"".join(chunks) if size <= _BODY_LIMIT else b""


def _envelope(reply: Reply) -> dict[str, Json]:
    if isinstance(reply, Nothing):
        return {}
    if not isinstance(reply, Page):
        return {"data": reply}
    pagination: dict[str, Json] = {"hasMore": reply.cursor is not None}
    if reply.cursor is not None:
        pagination["cursor"] = reply.cursor
    return {"data": reply.items, "pagination": pagination}


async def _liveness(method: str, send: Send) -> None:
    if method not in ("GET", "HEAD"):
        await _plain(send, 405, b"Method Not Allowed\n", allow=b"GET, HEAD")
        return
    envelope = {"data": {"message": "we're cooking"}, "meta": {"requestId": new_id("req")}}
    await _respond(send, 200, _JSON, gojson.dumps(envelope), head=method == "HEAD")


async def _plain(send: Send, status: int, text: bytes, allow: bytes | None = None) -> None:
    headers = [(b"x-content-type-options", b"nosniff")]
    if allow is not None:
        headers.append((b"allow", allow))
    await _respond(send, status, _TEXT, text, headers)


async def _respond(
    send: Send,
    status: int,
    media: bytes,
    body: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    head: bool = False,
) -> None:
    start: _Headers = [
        (b"content-type", media),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": b"" if head else body})
