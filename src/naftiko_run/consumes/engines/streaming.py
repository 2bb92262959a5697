"""A connection of the direct engine that passes bodies on while they come, in both directions.

What comes of a reply waits in its :class:`Exchange` until it is asked for; once more than
:data:`_AHEAD` waits there, nothing further is read from the upstream. What goes out is written as
the transport takes it. So a body of any size takes little memory, and whoever is slower sets the
pace.

The bodies are those on the wire: no content coding is removed. How they are framed is this
connection's own matter in each direction (RFC 9112 section 6).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from naftiko_run.consumes.engines.connection import Connection, NotHttpError, renewed
from naftiko_run.consumes.engines.settings import end_to_end
from naftiko_run.types import Headers, Reply, Upload

_AHEAD: Final = 256 * 1024
"""So many bytes of a reply may wait for whoever reads them."""
_OVERHEAD: Final = 64
"""What a piece takes beside its bytes."""


class SilentError(Exception):
    """The upstream neither sent nor took anything for too long."""


class UploadError(Exception):
    """An upload that does not have the length that it announced."""


class Exchange:
    """One request and its reply on a connection; the reply may outlast its time there."""

    __slots__ = (
        "_connection",
        "_ended",
        "_error",
        "_pieces",
        "_seconds",
        "_waiting",
        "head",
        "size",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: "StreamConnection", seconds: float
    ) -> None:
        self.head: asyncio.Future[Reply] = loop.create_future()
        """The reply with no body yet."""
        self.size = 0
        self._connection = connection
        self._seconds = seconds
        self._pieces: list[bytes] = []
        self._waiting: asyncio.Future[None] | None = None
        self._ended = False
        self._error: Exception | None = None

    def add(self, piece: bytes) -> None:
        """Keep a piece of the body until it is asked for."""
        self._pieces.append(piece)
        self.size += len(piece) + _OVERHEAD
        self._wake()

    def end(self) -> None:
        """Know that the body is complete."""
        self._ended = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """End with an error, which comes after what came before it."""
        if self._ended or self._error is not None:
            return
        self._error = error
        if not self.head.done():
            self.head.set_exception(error)
            # Where the call was cancelled in the same moment nobody will ask for it.
            self.head.exception()
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def read(self) -> bytes:
        """Give what came since, waiting for something to come; nothing at the end."""
        while not self._pieces:
            if self._error is not None:
                raise self._error.with_traceback(None)
            if self._ended:
                return b""
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(self._seconds):
                    await self._waiting
            except TimeoutError:
                raise SilentError from None
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        self._connection.resume(self)
        return piece

    async def begun(self, upload: "asyncio.Task[None] | None") -> Reply:
        """Wait for the head; the upstream's time begins once it has the whole request."""
        if upload is not None:
            either: set[asyncio.Future[Any]] = {self.head, upload}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(self.head)
        except TimeoutError:
            raise SilentError from None

    def leave(self) -> None:
        """Give up what is not complete: the upstream sees it at once."""
        self._connection.leave(self)


class StreamConnection(Connection):
    """A connection to one origin whose bodies are passed on."""

    __slots__ = ("_exchange", "_held", "_sent", "_writable")

    _exchange: Exchange | None
    _held: bool
    _sent: bool
    _writable: "asyncio.Future[None] | None"

    def _begin(self, *, only_head: bool) -> None:
        super()._begin(only_head=only_head)
        self._exchange = self._writable = None
        self._held = False
        self._sent = True

    # -------------------------------------------------------------------------- the keeper's

    def begin(
        self, head: bytes, body: bytes | None, *, only_head: bool, seconds: float
    ) -> Exchange:
        """Write a whole request, and wait for its reply."""
        self._begin(only_head=only_head)
        self._exchange = exchange = Exchange(self._loop, self, seconds)
        self._reply = exchange.head
        assert self._transport is not None  # noqa: S101 - a keeper has it only once it is connected
        self._transport.write(head + body if body else head)
        return exchange

    def upload(self, exchange: Exchange, upload: Upload, seconds: float) -> "asyncio.Task[None]":
        """Send the body that belongs to a head which was written; errors go to the exchange."""
        self._sent = False
        return self._loop.create_task(self._send_all(exchange, upload, seconds))

    async def _send_all(self, exchange: Exchange, upload: Upload, seconds: float) -> None:
        try:
            async for piece in framed(upload):
                await self._write(exchange, piece, seconds)
            if self._exchange is exchange:
                self._sent = True
        except ConnectionError:
            # What the upstream said before it hung up is the answer; if nothing, it is told there.
            return
        except Exception as error:  # noqa: BLE001 - whatever the caller's side raises is passed on
            exchange.fail(error)
            self.leave(exchange)
        finally:
            if (close := getattr(upload.chunks, "aclose", None)) is not None:
                await close()

    async def _write(self, exchange: Exchange, data: bytes, seconds: float) -> None:
        """Write as fast as the upstream takes it."""
        transport = self._transport
        if self.closed or transport is None or self._exchange is not exchange:
            raise ConnectionResetError
        transport.write(data)
        if not self._paused:
            return
        self._writable = self._loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._writable
        except TimeoutError:
            raise SilentError from None
        finally:
            self._writable = None

    def leave(self, exchange: Exchange) -> None:
        """Close the connection, if it is still at this exchange."""
        if self._exchange is exchange:
            self._exchange = self._reply = None
            self.abort()

    def resume(self, exchange: Exchange) -> None:
        """Read on, if this exchange is what it waited for."""
        if self._held and self._exchange is exchange:
            self._read_on()

    def _read_on(self) -> None:
        if self._held and self._transport is not None:
            self._held = False
            with contextlib.suppress(RuntimeError):  # it is closing
                self._transport.resume_reading()

    # ---------------------------------------------------------------------- the transport's

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._let_write()

    def _let_write(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Be gone."""
        exchange, self._exchange, self._reply = self._exchange, None, None
        if exchange is not None:
            exchange.fail(ConnectionResetError())
        self._let_write()
        super().connection_lost(error)

    # ------------------------------------------------------------------------ the parser's

    def on_headers_complete(self) -> None:
        """Give the head on."""
        super().on_headers_complete()
        exchange = self._exchange
        if self._headed and exchange is not None and not exchange.head.done():
            framing = self._framing
            fields = [*self._headers, *((n, framing[n]) for n in _PASSED if n in framing)]
            fields = list(end_to_end(fields, framing.get("connection", "")))
            exchange.head.set_result(Reply(self._status, tuple(fields), b""))

    def _expect(self, framing: dict[str, str]) -> None:
        """Remove no coding, whatever it is."""

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body, and read no more while too much of it waits."""
        self._overhead = 0
        exchange = self._exchange
        if self._done or exchange is None:
            self._surplus = True
            return
        exchange.add(data)
        if exchange.size > _AHEAD and not self._held and self._transport is not None:
            self._held = True
            self._transport.pause_reading()

    def _finish(self) -> None:
        exchange, self._exchange, self._reply = self._exchange, None, None
        self._headers = []
        self._read_on()
        if self._sent and self._may_be_kept():
            if self._only_head:
                self._parser = renewed(self)
            self._keeper.released(self)
        else:
            self.abort()
        self._let_write()
        if exchange is not None:
            exchange.end()

    def _fail(self, error: Exception) -> None:
        exchange, self._exchange, self._reply = self._exchange, None, None
        self.abort()
        if exchange is not None:
            exchange.fail(error)


_PASSED: Final = ("content-encoding", "content-length")


class Streamed:
    """A reply of the direct engine whose body is passed on."""

    __slots__ = ("_exchange", "_explained", "_upload", "headers", "length", "status")

    def __init__(
        self,
        head: Reply,
        exchange: Exchange,
        upload: "asyncio.Task[None] | None",
        explained: Callable[[Exception], Exception],
    ) -> None:
        self.status = head.status
        self.headers: Headers = tuple(h for h in head.headers if h[0] != "content-length")
        self.length = length_of(head.header("content-length"))
        self._exchange = exchange
        self._upload = upload
        self._explained = explained

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body as it comes."""
        while True:
            try:
                piece = await self._exchange.read()
            except Exception as error:  # noqa: BLE001 - those of the upload stay as they are
                # Their tracebacks would hold the request.
                raise self._explained(error) from None
            if not piece:
                return
            yield piece

    async def aclose(self) -> None:
        """End the exchange."""
        self._exchange.leave()
        if self._upload is not None:
            await ended(self._upload)


async def framed(upload: Upload) -> AsyncIterator[bytes]:
    """Give an upload as it goes over the wire (RFC 9112 section 6)."""
    left = upload.length
    async for piece in upload.chunks:
        if left is None:
            if piece:
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
            continue
        left -= len(piece)
        if left < 0:
            raise UploadError
        yield piece
    if left:
        raise UploadError
    if left is None:
        yield b"0\r\n\r\n"


def length_of(text: str | None) -> int | None:
    """Read a Content-Length; raises :class:`NotHttpError` for what is none."""
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise NotHttpError
    return int(text)


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait until it is over."""
    task.cancel()
    await asyncio.wait({task})
