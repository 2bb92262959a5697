"""One request of a connection and its answer, as ASGI has them.

An exchange is its application's ``send``. Beside ASGI it takes an answer that is there as a whole
(:meth:`Exchange.whole`), which most are: that needs neither messages nor a turn of the event loop.
A request that is there as a whole stands in its scope (``WHOLE_BODY``), so that nobody has to ask
for it.
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol

from starlette.types import Message, Scope

from naftiko_run.exposes.messages import WHOLE_BODY

BUFFERED = 64 * 1024
"""So many bytes of a request's body wait for its application before no more are read."""

_BREAK: Final = re.compile(rb"[\r\n\0]")


class Framing(Enum):
    """How the end of an answer's content is told (RFC 9112 section 6)."""

    SIZED = "by its length"
    CHUNKED = "in chunks"
    UNTIL_CLOSED = "by the end of the connection"
    NONE = "there is no content"


class Line(Protocol):
    """The connection that an exchange belongs to."""

    last: bool
    """Whether the answer closes the connection."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def write_together(self, data: bytes) -> None:
        """Send bytes, it may be a little later, with what others send."""

    def resume_reading(self) -> None:
        """Take more of the request."""

    async def drained(self) -> None:
        """Wait until what was written is on its way."""

    def completed(self, exchange: "Exchange") -> None:
        """Learn that an answer is complete."""

    def defaults(self) -> bytes:
        """Give the field lines that every answer has."""


class Exchange:
    """A request, as far as it has come, and the answer, as far as it has gone."""

    __slots__ = (
        "_asked",
        "_chunks",
        "_expects",
        "_framing",
        "_given",
        "_held",
        "_left",
        "_line",
        "_more",
        "_waiting",
        "complete",
        "gone",
        "keep",
        "scope",
        "size",
        "started",
        "task",
    )

    def __init__(self, line: Line, scope: Scope, *, keep: bool, expects: bool) -> None:
        """Begin with the head of a request."""
        self.scope = scope
        self.keep = keep
        self.gone = False
        self.started = False
        """Whether anything of the answer was sent."""
        self.complete = False
        self.size = 0
        self.task: asyncio.Task[None] | None = None
        self._line = line
        self._expects = expects
        self._more = True
        self._asked = False
        self._given = False
        self._chunks: deque[bytes] | None = None
        self._waiting: list[asyncio.Future[None]] | None = None
        self._held: bytes | None = None
        self._framing: Framing | None = None
        self._left = 0

    @property
    def until_closed(self) -> bool:
        """Whether the end of the connection is the end of the answer."""
        return self._framing is Framing.UNTIL_CLOSED

    # ------------------------------------------------------------------------------- request

    def feed(self, chunk: bytes) -> None:
        """Take a part of the body."""
        if self.complete:
            return
        if self._chunks is None:
            self._chunks = deque()
        self._chunks.append(chunk)
        self.size += len(chunk)
        if self._waiting is not None:
            self._wake()

    def end(self) -> None:
        """Learn that the body is complete."""
        self._more = False
        if self._waiting is not None:
            self._wake()
        elif not self._asked:
            self.scope[WHOLE_BODY] = b"".join(self._chunks or ())

    def lose(self) -> None:
        """Learn that the caller is gone."""
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)

    async def receive(self) -> Message:
        """Give the next part of the request (ASGI)."""
        self._asked = True
        if self._expects and not (self.started or self.gone):
            self._expects = False
            self._line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self.gone or self.complete):
            if self._chunks or not (self._more or self._given):
                body = b"".join(self._chunks or ())
                self._chunks, self.size = None, 0
                self._given = not self._more
                return {"type": "http.request", "body": body, "more_body": self._more}
            self._line.resume_reading()
            future = asyncio.get_running_loop().create_future()
            if self._waiting is None:
                self._waiting = []
            self._waiting.append(future)
            await future
        return {"type": "http.disconnect"}

    # -------------------------------------------------------------------------------- answer

    def whole(self, status: int, fields: bytes, body: bytes) -> None:
        """Send a whole answer.

        ``fields`` are its field lines, Content-Length among them, each with the end of its line.
        They are sent as they are.
        """
        if self.started:
            raise RuntimeError("this request is answered already")
        self.started = True
        if self.gone:
            return
        keep = self.keep and not self._line.last
        parts = (
            status_line(status),
            self._line.defaults(),
            fields,
            b"\r\n" if keep else b"connection: close\r\n\r\n",
            b"" if self.scope["method"] == "HEAD" else body,
        )
        self._line.write_together(b"".join(parts))
        self._finish(keep=keep)

    async def __call__(self, message: Message) -> None:
        """Send a part of the answer (ASGI)."""
        await self._line.drained()
        if self.gone:
            return
        kind = message["type"]
        if kind == "http.response.start" and self._framing is None and not self.started:
            self._start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self._framing is not None and not self.complete:
            self._continue(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind!r} has no place here")

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        lines = [status_line(status), self._line.defaults()]
        length: bytes | None = None
        closes = False
        for name, value in headers:
            if _BREAK.search(name) or _BREAK.search(value):
                raise RuntimeError("a header field with the end of a line in it")
            lower = name.lower()
            if lower == b"transfer-encoding":
                continue  # how an answer is framed is decided here
            if lower == b"content-length":
                length = value
            elif lower == b"connection":
                closes = closes or b"close" in value.lower()
            lines += (name, b": ", value, b"\r\n")
        if self.scope["method"] == "HEAD" or status in (204, 304):
            self._framing = Framing.NONE
        elif length is not None:
            self._framing, self._left = Framing.SIZED, int(length)
        elif self.scope["http_version"] == "1.0":
            self._framing = Framing.UNTIL_CLOSED
        else:
            self._framing = Framing.CHUNKED
            lines.append(b"transfer-encoding: chunked\r\n")
        if closes or self._line.last or self._framing is Framing.UNTIL_CLOSED:
            self.keep = False
        lines.append(b"\r\n" if self.keep or closes else b"connection: close\r\n\r\n")
        head = b"".join(lines)
        if self._framing is Framing.SIZED or self._framing is Framing.NONE:
            self._held = head  # its body follows: both leave together
        else:
            self.started = True
            self._line.write(head)

    def _continue(self, body: bytes, *, more: bool) -> None:
        data = body
        match self._framing:
            case Framing.NONE:
                data = b""
            case Framing.CHUNKED:
                data = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
                if not more:
                    data += b"0\r\n\r\n"
            case Framing.SIZED:
                if len(body) > self._left:
                    raise RuntimeError("the answer is longer than its Content-Length")
                self._left -= len(body)
        held, self._held = self._held, None
        if held is not None:
            data = held + data
        if data:
            self.started = True
            self._line.write(data)
        if not more:
            if self._left:
                raise RuntimeError("the answer is shorter than its Content-Length")
            self._finish(keep=self.keep)

    def _finish(self, *, keep: bool) -> None:
        self.keep = keep
        self.complete = True
        if self._waiting is not None:
            self._wake()
        self._line.completed(self)


@lru_cache(256)
def status_line(status: int) -> bytes:
    """Write the status line of an answer."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()
