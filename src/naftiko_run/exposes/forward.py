"""Forwards: requests that are passed on as they come, and answers that are passed back.

Bodies flow piece by piece in both directions, each side as fast as the other takes it, so their
size does not matter; what has a limit is silence. The framing of both messages is our own
(RFC 9112 section 6): what a caller or an upstream says of it is read, not copied.

Where the upstream fails before its head there is a problem document; after that the connection is
cut, as a caller must not take what came for the whole.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from naftiko_run.errors import UpstreamError
from naftiko_run.exposes.messages import (
    MAX_BODY,
    STREAMED,
    BodyReader,
    BodyTooLargeError,
    BodyTooSlowError,
    DisconnectedError,
    field_text,
    header,
    linger,
    send_and_close,
    send_bytes,
)
from naftiko_run.exposes.overseer import Overseer, Work
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem, problem_of, unservable
from naftiko_run.exposes.router import takes_rest
from naftiko_run.exposes.units import Route
from naftiko_run.types import Forwarded, Headers, StreamedReply, Upload

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""The methods that are named where a list is wanted; others are passed on as well."""

_NOT_PASSED: Final = frozenset({"CONNECT", "TRACE"})
"""The one makes a tunnel, the other shows what was sent, with the credentials that we added."""
_OWN: Final = frozenset({"connection", "content-length", "date", "transfer-encoding"})
_TAKING_SECONDS: Final = 60.0
"""How long a caller may take nothing of an answer."""

_log = logging.getLogger("naftiko_run.forward")


class Asked(Protocol):
    """A request, and what its path has for the placeholders of the route."""

    @property
    def captures(self) -> Mapping[str, str]:
        """The values by their names."""

    @property
    def scope(self) -> Scope:
        """The request (ASGI)."""


class ForwardEndpoint:
    """One forward, ready to answer requests of every method."""

    __slots__ = ("_overseer", "_read_body", "_rest", "_seconds", "route")

    def __init__(self, route: Route, read_body: BodyReader) -> None:
        """Work out what is known before a request."""
        self.route = route
        self._rest = takes_rest(route.path)
        self._read_body = read_body
        self._seconds = read_body.seconds
        self._overseer = Overseer()

    async def answer(self, given: Asked, receive: Receive, send: Send) -> None:
        """Pass a request on, and the reply back."""
        caller = _Caller(given.scope, receive, send, self._seconds)
        refusal = self._refusal(given.scope)
        if refusal is not None:
            await caller.refuse(*refusal)
            return
        caller.work = work = self._overseer.begin(math.inf)
        try:
            await self._pass(given, caller)
        except asyncio.CancelledError:
            if self._overseer.why(work) is None:
                raise
        except DisconnectedError:
            return
        finally:
            self._overseer.end(work)

    def _refusal(self, scope: Scope) -> tuple[Problem, Headers] | None:
        route, method = self.route, scope["method"]
        if route.forwarder is None:
            return (unservable(route.finding) if route.finding else Problem(501, "")), ()
        if method in _NOT_PASSED:
            return Problem(501, f"{method} is not passed on"), ()
        if method in route.excluded:
            allowed = ", ".join(name for name in METHODS if name not in route.excluded)
            return Problem(405, f"{method} is not served here; use {allowed}"), (
                ("allow", allowed),
            )
        coding = ",".join(
            field_text(value) for name, value in scope["headers"] if name == b"transfer-encoding"
        )
        if coding.strip().lower() not in ("", "chunked"):
            # RFC 9112 section 6.1: it would be passed on as if it were not there.
            return Problem(501, f"the transfer coding {coding!r} is not known"), ()
        return None

    async def _pass(self, given: Asked, caller: "_Caller") -> None:
        reply: StreamedReply | None = None
        try:
            forwarded = await self._forwarded(given, caller)
            assert self.route.forwarder is not None  # noqa: S101 - refused otherwise
            reply = await self.route.forwarder(forwarded)
            if reply.status <= 599:
                await self._passed_back(reply, caller)
            else:
                # HTTP has no such status (RFC 9110 section 15), so it cannot be passed on.
                text = f"the upstream answered with the status {reply.status}"
                await caller.refuse(Problem(502, text))
        except DisconnectedError:
            raise
        except BodyTooLargeError:
            await caller.refuse(Problem(413, f"the request body has more than {MAX_BODY} bytes"))
        except BodyTooSlowError:
            seconds = f"{self._seconds:g}"
            await caller.refuse(Problem(408, f"nothing of the body came for {seconds} seconds"))
        except Exception as error:  # noqa: BLE001 - one boundary turns every error into an answer
            await caller.refuse(problem_of(error))
        finally:
            if reply is not None:
                await reply.aclose()

    async def _forwarded(self, given: Asked, caller: "_Caller") -> Forwarded:
        scope, route = given.scope, self.route
        length = caller.length
        has_body = length is None or length > 0
        body: bytes | None = None
        upload: Upload | None = None
        if not has_body:
            caller.heard_all()
        elif route.whole:
            body = await self._read_body(scope, caller.receive)
            caller.heard_all()
        else:
            scope[STREAMED] = True
            upload = Upload(caller.body(), length)
        captures = dict(given.captures)
        path = captures.pop("path", "")
        return Forwarded(
            method=scope["method"],
            path=path if self._rest else quote(path, safe="", errors="surrogateescape"),
            query=scope["query_string"].decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1"), field_text(value)) for name, value in scope["headers"]
            ),
            captures=captures,
            private=route.authenticator.query if route.authenticator else "",
            body=body,
            upload=upload,
        )

    async def _passed_back(self, reply: StreamedReply, caller: "_Caller") -> None:
        await caller.start(reply)
        try:
            async for piece in reply:
                await caller.give(piece)
        except (BodyTooSlowError, TimeoutError, UpstreamError) as error:
            # The connection is cut as its answer is not whole: nothing else can be said now.
            _log.warning("an answer that was passed back ends before its time: %s", error)
            return
        await reply.aclose()
        await caller.finish()


class _Caller:
    """Who asked: what comes from there, and what goes there."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        self.receive = receive
        self.work: Work | None = None
        self._scope = scope
        self._send = send
        self._seconds = seconds
        self._heard = False
        self._answered = False

    @property
    def length(self) -> int | None:
        """How long the body is; None where only its end tells it."""
        if header(self._scope, b"transfer-encoding"):
            return None
        text = header(self._scope, b"content-length")
        return int(text) if text.isdecimal() else 0

    def heard_all(self) -> None:
        """Know that nothing more belongs to the request: from now on, look whether they wait."""
        self._heard = True
        if self.work is not None:
            self.work.receive = self.receive

    async def body(self) -> AsyncIterator[bytes]:
        """Give the body as it comes."""
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    message = await self.receive()
            except TimeoutError:
                raise BodyTooSlowError from None
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            if not message.get("more_body", False):
                self.heard_all()
            if piece := message.get("body", b""):
                yield piece
            if self._heard:
                return

    async def start(self, reply: StreamedReply) -> None:
        """Send the head of an answer."""
        self._answered = True
        fields = [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in reply.headers
            if name not in _OWN
        ]
        if reply.length is not None and reply.status not in (204, 304):
            fields.append((b"content-length", b"%d" % reply.length))
        if not self._heard:
            fields.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": reply.status, "headers": fields})
        if reply.length != 0:
            # The head goes ahead of a body that may be long in coming.
            await self.give(b"")

    async def give(self, piece: bytes) -> None:
        """Send a piece of the answer, once there is room for it."""
        async with asyncio.timeout(_TAKING_SECONDS):
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def finish(self) -> None:
        """End the answer; what still comes of a request that was answered early is dropped."""
        if not self._heard:
            await linger(self.receive)
        await self._send({"type": "http.response.body", "body": b""})

    async def refuse(self, problem: Problem, headers: Headers = ()) -> None:
        """Say what is wrong instead, unless an answer has begun."""
        if self._answered:
            return
        body = problem.dumps()
        if self._heard or self.length == 0:
            await send_bytes(self._send, problem.status, body, MEDIA_TYPE, headers)
        else:
            await send_and_close(
                self.receive, self._send, problem.status, body, MEDIA_TYPE, headers
            )
