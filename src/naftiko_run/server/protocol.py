"""The connections of a listener: HTTP/1.1 parsed by httptools, requests answered in their order.

It makes nothing per request that nobody asks for, and one timer looks after all connections. What
the parser would collect without any bound has one here: a head has to come within
:data:`HEAD_SECONDS` and :data:`MAX_HEAD`, and a whole message, its trailer fields too, within
:data:`MAX_MESSAGE`; the limit of a body is the faces' own, and lower. A body that is passed on
while it comes has none, and what brings no body between its pieces has this one. Requests that come
ahead of their turn wait as the bytes that they came as; and who takes nothing of an answer for
:data:`TAKING_SECONDS` loses it.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp, Scope

from naftiko_run.exposes.messages import STREAMED
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem
from naftiko_run.server.exchange import BUFFERED, Exchange, status_line
from naftiko_run.server.state import ServerState
from naftiko_run.together import FEW

MAX_HEAD = 64 * 1024
MAX_MESSAGE = 64 * 1024 * 1024
HEAD_SECONDS = 30.0
IDLE_SECONDS = 75.0
"""How long a connection may wait for its next request, or for the end of one that is answered."""
TAKING_SECONDS = 60.0
"""How long a caller may take nothing of an answer."""
LINGER_SECONDS = 5.0
"""How long what still comes of a request is read and forgotten before its connection closes."""
PIECE = 8 * 1024
"""So many bytes are parsed before it is looked whether more can be dealt with."""

_NEVER: Final = float("inf")
_NOTHING: Final = memoryview(b"")
_log = logging.getLogger("naftiko_run.server")


class HttpProtocol(asyncio.Protocol):
    """One connection; its requests are answered one after the other."""

    head_seconds = HEAD_SECONDS
    idle_seconds = IDLE_SECONDS
    taking_seconds = TAKING_SECONDS

    def __init__(self, app: ASGIApp, state: ServerState) -> None:
        """Prepare for a connection of a server with this state."""
        self.last = False
        self.due = _NEVER
        """When this connection has waited for too long."""
        self.taken_by = _NEVER
        """When its caller must have taken something of what waits to be sent."""
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._state = state
        self._parser = self._new_parser()
        self._transport = cast("asyncio.Transport", None)  # until there is one
        self._base: dict[str, Any] = {}
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects = False
        self._upgrades = False
        self._coming: Exchange | None = None
        self._answering: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._reading = True
        self._rest = _NOTHING
        self._unsent = 0
        self._held = b""
        """What is sent with the answers of other connections, a turn of the event loop later."""
        self._drain: asyncio.Future[None] | None = None
        self._in_head = True
        self._messages = 0
        self._size = 0

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # What follows a request that closes the connection is not read, and no error either.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    # ---------------------------------------------------------------------------- transport's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        self._transport = cast("asyncio.Transport", transport)
        self._base = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "scheme": "http",
            "root_path": "",
        }
        self.due = self._loop.time() + self.head_seconds
        self._state.opened(self, self.head_seconds)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._state.connections.discard(self)
        self.due = self.taken_by = _NEVER
        self._rest = _NOTHING
        self._held = b""
        for exchange in (self._answering, self._coming, *self._queue):
            if exchange is not None and not exchange.complete:
                exchange.lose()
        self._queue.clear()
        self._answering = self._coming = None
        self.resume_writing()

    def pause_writing(self) -> None:
        """Hear that the caller does not take what is written."""
        self._drain = self._loop.create_future()
        self._unsent = self._transport.get_write_buffer_size()
        self.taken_by = self._loop.time() + self.taking_seconds

    def resume_writing(self) -> None:
        """Hear that it does again."""
        drain, self._drain = self._drain, None
        self.taken_by = _NEVER
        if drain is not None:
            if not drain.done():
                drain.set_result(None)
            self._next()

    def data_received(self, data: bytes | memoryview) -> None:
        """Parse what came, and count what belongs to a message that is not complete."""
        if len(data) > PIECE:
            # Hundreds of requests may be in it, each far larger once it is parsed.
            self._rest = memoryview(data)
            self._go_on()
            return
        messages = self._messages
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(Problem(400, "this is no HTTP/1.1 request"))
            return
        if messages != self._messages:
            self._size = 0
            return
        self._size += len(data)
        if self._in_head:
            if self._size > MAX_HEAD:
                self._refuse(Problem(431, "the head is too large"))
            elif self._size == len(data):
                self.due = self._loop.time() + self.head_seconds
        elif self._size > MAX_MESSAGE:
            self._abort()

    def _go_on(self) -> None:
        """Parse what came at once piece by piece, as long as more can be dealt with."""
        while self._rest and self._reading and not self._transport.is_closing():
            piece, self._rest = self._rest[:PIECE], self._rest[PIECE:]
            self.data_received(piece)
        if not self._rest and self._reading and not self._transport.is_closing():
            self._transport.resume_reading()

    def _decline(self, rest: bytes | memoryview) -> None:
        """Read the body of a request whose upgrade is not made (RFC 9110 section 7.8).

        The parser takes it for the protocol that was asked for, as all that follows, and has to be
        another one. What follows is not read.
        """
        fields = [field for field in self._headers if field[0] in _FRAMING]
        self._parser = httptools.HttpRequestParser(_Body(self.on_body, self._declined))
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        head = b"".join(b"%s: %s\r\n" % field for field in fields)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nconnection: close\r\n%s\r\n" % head)
        self.data_received(rest)

    def _declined(self) -> None:
        self._upgrades = False
        self.on_message_complete()
        self._read_no_more()

    def eof_received(self) -> None:
        """Close, as nobody reads what would be answered from now on."""
        self.flush()

    # ------------------------------------------------------------------------------- parser's

    def on_message_begin(self) -> None:
        """Begin with the head of a request."""
        self._url = b""
        self._headers = []
        self._expects = False

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; one behind the body is none (RFC 9110 section 6.5.1)."""
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin to answer, in its turn."""
        self._in_head = False
        self.due = _NEVER
        parser = self._parser
        scope: Scope = self._base.copy()
        scope["method"] = parser.get_method().decode("ascii")
        keep = parser.should_keep_alive()
        version = parser.get_http_version()
        if version != "1.1":
            if version != "1.0":
                raise ValueError(f"HTTP/{version} is not spoken here")
            scope["http_version"] = version
            keep = self._expects = False  # RFC 9110 section 10.1.1
        if parser.should_upgrade():
            self._upgrades = True
            keep = False
        _target(self._url, scope)
        scope["headers"] = self._headers
        exchange = Exchange(self, scope, keep=keep, expects=self._expects)
        self._coming = exchange
        if self._answering is None and self._drain is None:
            self._begin(exchange)
        else:
            self._queue.append(exchange)
            self._hold_reading()

    def on_body(self, body: bytes) -> None:
        """Take a part of a request's body."""
        exchange = self._coming
        if exchange is not None:
            exchange.feed(body)
            if exchange.size > BUFFERED and not exchange.complete:
                self._hold_reading()
            if STREAMED in exchange.scope and not exchange.complete:
                self._size = 0

    def on_message_complete(self) -> None:
        """Expect the next head."""
        if self._upgrades:
            return  # its body comes yet
        self._in_head = True
        self._messages += 1
        exchange, self._coming = self._coming, None
        if exchange is not None:
            exchange.end()
            if exchange.complete and not exchange.keep:
                self._close()
            elif exchange.complete:
                self.due = self._loop.time() + self.idle_seconds

    # ------------------------------------------------------------------------------ exchanges'

    def write(self, data: bytes) -> None:
        """Send bytes, unless the connection is being closed."""
        if self._held:
            self.flush()
        self._transport.write(data)

    def write_together(self, data: bytes) -> None:
        """Send bytes along with what other connections send, where there are some."""
        if len(self._state.tasks) <= FEW or len(data) > BUFFERED:
            self.write(data)
        elif self._held:
            self._held += data
        else:
            self._held = data
            self._state.writes.add(self)

    def flush(self) -> None:
        """Send what is held."""
        held, self._held = self._held, b""
        if held:
            self._transport.write(held)

    async def drained(self) -> None:
        """Wait until what was written is on its way."""
        while self._drain is not None:
            await asyncio.shield(self._drain)

    def defaults(self) -> bytes:
        """Give the field lines that every answer has."""
        return self._state.lines

    def completed(self, exchange: Exchange) -> None:
        """Go on to the next request, or close."""
        if exchange is not self._answering:
            return
        self._answering = None
        if exchange is self._coming and not exchange.keep:
            # RFC 9112 section 9.6: closed now, a caller who still sends would lose the answer.
            self.flush()
            with contextlib.suppress(OSError):  # the caller closed it meanwhile
                self._transport.write_eof()
            self.due = self._loop.time() + LINGER_SECONDS
            self.resume_reading()
        elif not exchange.keep:
            self._close()
        elif self._queue:
            self._next()
        else:
            self.due = self._loop.time() + self.idle_seconds
            self.resume_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            if self._rest:
                # Not within what an exchange is at.
                self._loop.call_soon(self._go_on)
            else:
                self._transport.resume_reading()

    def _hold_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _read_no_more(self) -> None:
        self._rest = _NOTHING
        self._hold_reading()

    def _next(self) -> None:
        if self._queue and self._answering is None and self._drain is None:
            self._begin(self._queue.popleft())
            if not self._queue:
                self.resume_reading()

    def _begin(self, exchange: Exchange) -> None:
        self._answering = exchange
        exchange.task = task = self._loop.create_task(self._answer(exchange))
        self._state.tasks.add(task)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange)
            if not exchange.complete and not exchange.gone:
                _log.error("a request was left without a whole answer")
                self._give_up(exchange)
        except asyncio.CancelledError:
            self._abort()
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the connection must not wait for ever
            _log.exception("a request could not be answered")
            self._give_up(exchange)
        finally:
            if exchange.task is not None:
                self._state.tasks.discard(exchange.task)
                exchange.task = None

    def _give_up(self, exchange: Exchange) -> None:
        if exchange.started or exchange.gone:
            if exchange.until_closed:
                # Closed in order, it would look like a whole answer.
                sock = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._abort()
            return
        exchange.keep = False
        exchange.whole(500, *_written(Problem(500, "the server's log tells why")))

    # -------------------------------------------------------------------------------- timely

    def shutdown(self) -> None:
        """Close, once what was asked is answered."""
        self.last = True
        if self._answering is None and not self._queue:
            self._close()

    def _close(self) -> None:
        """Close, once what was written is on its way."""
        self.flush()
        self._transport.close()
        self.due = self._loop.time() + self.idle_seconds

    def _abort(self) -> None:
        """Close at once; what answered earlier requests is not held back for that."""
        self.flush()
        self._transport.abort()

    def stuck(self) -> None:
        """End what is written to somebody who takes nothing of it."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent = unsent
            self.taken_by = self._loop.time() + self.taking_seconds
        else:
            self._abort()

    def late(self) -> None:
        """End what has waited for too long."""
        self.due = _NEVER
        if self._transport.is_closing():
            if self._drain is None:
                self._abort()
            else:  # it is looked whether something is taken
                self.due = self._loop.time() + self.idle_seconds
        elif not (self._size and self._in_head):
            # Idle, opened ahead of need and never used, or answered before its body was there.
            self._close()
        else:
            seconds = f"{self.head_seconds:g}"
            self._refuse(Problem(408, f"no whole head came within {seconds} seconds"))

    def _refuse(self, problem: Problem) -> None:
        if self._transport.is_closing():
            return
        if self._queue and self._queue[-1] is self._coming:
            self._queue.pop()
        ahead = self._queue[-1] if self._queue else self._answering
        if ahead is not None and ahead is not self._coming:
            # Those before it were right, and are answered. The last one closes the connection.
            ahead.keep = False
            self.due = _NEVER
            self._read_no_more()
            return
        if ahead is not None:
            if ahead.started:
                # Nothing may come within an answer.
                self._abort()
                return
            ahead.lose()
        fields, body = _written(problem)
        self.write(b"%s%sconnection: close\r\n\r\n%s" % (status_line(problem.status), fields, body))
        self._close()


_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))


class _Body(NamedTuple):
    """What a parser tells that reads a body alone."""

    on_body: Callable[[bytes], None]
    on_message_complete: Callable[[], None]


def _address(name: object) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


def _target(url: bytes, scope: Scope) -> None:
    """Read a request's target (RFC 9112 section 3.2) into an ASGI scope."""
    if url[:1] == b"/" and b"#" not in url:
        raw, _, query = url.partition(b"?")
    else:
        parsed = httptools.parse_url(url)
        raw, query = parsed.path or b"", parsed.query or b""
    path = raw.decode("latin-1")
    scope["path"] = unquote(path) if "%" in path else path
    scope["raw_path"] = raw
    scope["query_string"] = query


def _written(problem: Problem) -> tuple[bytes, bytes]:
    """Write the field lines of a problem's answer, and its body."""
    body = problem.dumps()
    fields = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
    return fields.encode(), body
