"""The HTTP face: one ASGI application that reads a request, answers it, and lets no error out.

What is checked in which order is part of the behaviour: path and method, whether there is an
Authorization header, the body, the root key, the workspace's limit, and then the operation.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from naftiko_run.sandbox.unkey import errors, gojson
from naftiko_run.sandbox.unkey.access import Headers, admit, authenticate
from naftiko_run.sandbox.unkey.call import Call, Nothing, Operation, Page, Reply
from naftiko_run.sandbox.unkey.errors import ApiError
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.ids import new_id
from naftiko_run.sandbox.unkey.operations import OPERATIONS
from naftiko_run.sandbox.unkey.reading import Request, read_body
from naftiko_run.sandbox.unkey.schema import Findings
from naftiko_run.sandbox.unkey.store import Store

_LOG = logging.getLogger(__name__)

_LIVENESS = "/v2/liveness"

_JSON = b"application/json"
_PROBLEM = b"application/problem+json"
_TEXT = b"text/plain; charset=utf-8"


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
        path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
        if path == _LIVENESS:
            await _liveness(method, send)
            return
        operation = OPERATIONS.get(path)
        if operation is None:
            await _plain(send, 404, b"404 page not found\n")
        elif method != "POST":
            await _plain(send, 405, b"Method Not Allowed\n", allow=b"POST")
        else:
            await self._answer(operation, Request(scope, path), receive, send)

    async def _answer(
        self, operation: Operation, request: Request, receive: Receive, send: Send
    ) -> None:
        headers: Headers = []
        status, media = 200, _JSON
        body = await read_body(receive)
        try:
            findings, value = await request.parse(operation, body)
            envelope = _envelope(self._run(operation, request, findings, value, headers))
        except ApiError as error:
            status, envelope = error.status, {"error": error.body()}
            if error.negotiable and request.accepts_problems():
                media = _PROBLEM
        except Exception:  # noqa: BLE001 - callers never see a stack trace
            _LOG.exception("The sandbox failed to answer %s", request.path)
            status, envelope = 500, {"error": errors.unexpected().body()}
        envelope["meta"] = {"requestId": new_id("req")}
        await _respond(send, status, media, gojson.dumps(envelope), headers)

    def _run(
        self,
        operation: Operation,
        request: Request,
        findings: Findings,
        value: Json,
        headers: Headers,
    ) -> Reply:
        store = self._store
        store.refill_credits()
        now = store.clock()
        root = authenticate(store, request.header("authorization"), now)
        admit(store, root, now, headers)
        if findings.undecodable:
            raise errors.bad_request(
                "The request body is invalid. The request body was not valid JSON."
            )
        call = Call(db=store.db, root=root, now=now, address=request.address())
        with store.db.writing() if operation.writes else store.db.reading():
            return operation.answer(call, value)


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
    start: Headers = [
        (b"content-type", media),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": b"" if head else body})
