"""One HTTP/1.1 connection of the direct engine: a request out, its reply parsed as it comes.

A connection carries one exchange at a time. It is used again only where nothing is in doubt: the
reply had an end of its own, the upstream did not say ``close``, the request had been taken whole,
and not a byte came that nobody asked for. Whatever else happens closes it.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from typing import Any, Final, Protocol, cast

import httptools

from naftiko_run.consumes.engines import coding
from naftiko_run.consumes.engines.kept import Kept
from naftiko_run.consumes.engines.settings import TRANSFER
from naftiko_run.together import Together
from naftiko_run.types import Reply

_OVERHEAD: Final = 64 * 1024
"""So many bytes in a row may bring no byte of body: a head, the sizes of chunks, trailers."""
_STEP: Final = 256 * 1024
"""What is handed to the transport at once of a large request."""
_FRESH: Final = 0.1
"""Seconds for which an idle connection is believed to be as the event loop left it."""
_NOTHING: Final = memoryview(b"")
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_TIMEOUT: Final = re.compile(r"timeout=([0-9]{1,6})", re.IGNORECASE)


class UnsentError(Exception):
    """The connection ended before anything of the request was written to it."""


class NotHttpError(Exception):
    """What came is no HTTP reply."""


Address = tuple[socket.AddressFamily, Any]


class Origin:
    """Where requests go: a host, a port, and whether by TLS."""

    __slots__ = ("addresses", "host", "idle", "known_until", "lookup", "port", "tls")

    def __init__(self, host: str, port: int, *, tls: bool) -> None:
        self.host = host
        """In ASCII, an IPv6 address without its brackets."""
        self.port = port
        self.tls = tls
        self.idle: list[Connection] = []
        self.addresses: list[Address] = []
        self.known_until = 0.0
        self.lookup: asyncio.Task[list[Address]] | None = None


class Keeper(Protocol):
    """Whoever made the connection."""

    def released(self, connection: "Connection") -> None:
        """Take back a connection that may be used again."""

    def lost(self, connection: "Connection") -> None:
        """Learn that a connection is gone; said once."""


class Connection(asyncio.Protocol):
    """A connection to one origin."""

    __slots__ = (
        "_body",
        "_done",
        "_doubtful",
        "_error",
        "_framing",
        "_headed",
        "_headers",
        "_keep",
        "_keeper",
        "_limit",
        "_loop",
        "_only_head",
        "_overhead",
        "_parser",
        "_paused",
        "_reply",
        "_rest",
        "_sized",
        "_sock",
        "_status",
        "_surplus",
        "_transport",
        "_unsent",
        "closed",
        "idle_since",
        "keep_seconds",
        "origin",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        keeper: Keeper,
        origin: Origin,
        sock: socket.socket,
        limit: int,
    ) -> None:
        self.origin = origin
        self.closed = False
        self.idle_since = 0.0
        self.keep_seconds: float | None = None
        self._loop = loop
        self._keeper = keeper
        self._sock = sock
        self._limit = limit
        self._transport: asyncio.Transport | None = None
        self._parser = renewed(self)
        self._reply: asyncio.Future[Reply] | None = None
        self._rest = _NOTHING
        self._unsent = b""
        self._paused = False
        # Some servers close after each reply without saying so: before its first use again, every
        # connection is looked at.
        self._doubtful = True
        self._error: Exception | None = None
        self._begin(only_head=False)

    def _begin(self, *, only_head: bool) -> None:
        self._only_head = only_head
        self._headers: list[tuple[str, str]] = []
        self._framing: dict[str, str] = {}
        self._body: coding.Body | None = None
        self._status = 0
        self._overhead = 0
        self._headed = self._sized = self._done = self._surplus = self._keep = False

    # -------------------------------------------------------------------------- the keeper's

    def send(
        self,
        head: bytes,
        body: bytes | None,
        *,
        only_head: bool,
        writes: "Together[Connection] | None" = None,
    ) -> "asyncio.Future[Reply]":
        """Write a whole request; its reply, or why there is none, comes with the future.

        With ``writes`` it is written along with others; it may then end with :class:`UnsentError`.
        """
        self._begin(only_head=only_head)
        self._reply = reply = self._loop.create_future()
        assert self._transport is not None  # noqa: S101 - a keeper has it only once it is connected
        if not body or len(body) <= _STEP:
            request = head + body if body else head
            if writes is None:
                self._transport.write(request)
            else:
                self._unsent = request
                writes.add(self)
        else:
            self._transport.write(head)
            self._rest = memoryview(body)
            self._pour()
        return reply

    def flush(self) -> None:
        """Write the request, if it is still wanted."""
        unsent, self._unsent = self._unsent, b""
        if unsent and self._transport is not None:
            self._transport.write(unsent)

    def abandon(self, reply: "asyncio.Future[Reply]") -> None:
        """Close the connection, if it is still at this reply: the upstream sees it at once."""
        if self._reply is reply:
            self._reply = None
            self.abort()
        if reply.done() and not reply.cancelled():
            # Where the call was cancelled in the same moment nobody will ask for its error.
            reply.exception()

    def abort(self) -> None:
        """Close at once, whatever was not yet written; an exchange ends with a reset."""
        # Without a farewell also over TLS: nobody waits for a peer that may be gone.
        self.closed = True
        self._rest = _NOTHING
        self._unsent = b""
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                self._transport.abort()

    def usable(self, now: float) -> bool:
        """Say whether an idle connection may take a request: nothing came, not even its end."""
        if self.closed:
            return False
        idle = now - self.idle_since
        if self.keep_seconds is not None and idle >= self.keep_seconds:
            return False
        if self._doubtful or idle > _FRESH:
            # What came since the event loop last looked would only be seen after the request went.
            self._doubtful = False
            return self._silent()
        return True

    def _silent(self) -> bool:
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    # ---------------------------------------------------------------------- the transport's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be connected."""
        self._transport = cast("asyncio.Transport", transport)
        if self.closed:
            self.abort()

    def pause_writing(self) -> None:
        """Wait: the upstream takes less than there is."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._pour()

    def _pour(self) -> None:
        while self._rest and not self._paused and self._transport is not None:
            piece, self._rest = self._rest[:_STEP], self._rest[_STEP:] or _NOTHING
            self._transport.write(piece)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._reply is None or self._unsent:
            # Nobody asked: it would be taken for the next reply.
            self._fail(UnsentError())
            return
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            # After the end of the reply it is no longer the reply that is wrong.
            self._surplus = True
            if not self._done:
                self._fail(self._error or NotHttpError())
                return
        if self._done:
            if len(data) >= _OVERHEAD:
                # More may lie in the socket than one read brings.
                self._doubtful = True
            if self._only_head and not data.endswith(b"\r\n\r\n"):
                self._surplus = True
            self._finish()
        elif self._overhead > _OVERHEAD:
            self._fail(NotHttpError())

    def eof_received(self) -> None:
        """Take the upstream's end for the reply's, where it has no other."""
        self.closed = True
        if self._reply is None:
            return
        if self._unsent:
            self._fail(UnsentError())
        elif not self._headed:
            self._fail(ConnectionResetError())
        elif self._sized or self._cut_by_a_third():
            self._fail(coding.TruncatedError())
        else:
            self._finish()

    def _cut_by_a_third(self) -> bool:
        """Say whether the end came without TLS's own: anybody on the way can forge that."""
        if self._transport is None or not self.origin.tls:
            return False
        tls = self._transport.get_extra_info("ssl_object")
        try:
            return bool(tls.read(1))
        except ssl.SSLZeroReturnError:
            return False
        except ssl.SSLError:
            return True

    def connection_lost(self, _: Exception | None) -> None:
        """Be gone."""
        self.closed = True
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            reply.set_exception(UnsentError() if self._unsent else ConnectionResetError())
        self._unsent = b""
        self._keeper.lost(self)
        # The parser holds this object's methods: without it there is no circle to collect.
        del self._parser
        self._transport = None

    # ------------------------------------------------------------------------ the parser's

    def on_message_begin(self) -> None:
        """See a reply begin: after the end of one, it is one too many."""
        self._surplus = self._done

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; those that follow the body are left out."""
        if self._headed:
            return
        key, of_transfer = _names[name]
        if not of_transfer:
            self._headers.append((key, value.decode("latin-1")))
        elif key in self._framing:
            self._framing[key] += "," + value.decode("latin-1")
        else:
            self._framing[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Learn what the head says about the body."""
        if self._headed:
            return
        parser = self._parser
        self._status = status = parser.get_status_code()
        if status < 100 or status == 101 or parser.get_http_version() not in _VERSIONS:
            raise NotHttpError
        if self._overhead > _OVERHEAD and _size(self._headers) > _OVERHEAD:
            raise NotHttpError
        if status < 200:
            self._headers.clear()
            self._framing.clear()
            return
        self._headed = True
        self._keep = parser.should_keep_alive()
        if self._framing:
            self._heed(self._framing)
        if self._only_head:
            # The parser does not know that and waits for a body: it is not used again.
            self._done = True
        elif status not in (204, 304):
            self._expect(self._framing)

    def _heed(self, framing: dict[str, str]) -> None:
        coding_of_transfer = framing.get("transfer-encoding")
        if coding_of_transfer is not None and coding_of_transfer.strip().lower() != "chunked":
            # The other transfer codings would be left in the body, and nobody asked for them.
            raise NotHttpError
        self._sized = coding_of_transfer is not None or "content-length" in framing
        if "keep-alive" in framing and (found := _TIMEOUT.search(framing["keep-alive"])):
            # A request may be on its way when the time is up: a second less, where there is one.
            self.keep_seconds = max(int(found[1]) - 1, int(found[1]) / 2)

    def _expect(self, framing: dict[str, str]) -> None:
        try:
            self._body = coding.Body(framing.get("content-encoding", ""), self._limit)
            self._body.announce(framing.get("content-length"))
        except coding.BodyError as error:
            self._error = error
            raise

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._overhead = 0
        if self._done or self._body is None:
            self._surplus = True
            return
        try:
            self._body.add(data)
        except coding.BodyError as error:
            self._error = error
            raise

    def on_message_complete(self) -> None:
        """See the end; that of an interim reply (RFC 9110 section 15.2) is passed over."""
        self._done = self._headed

    def _finish(self) -> None:
        reply = self._reply
        try:
            body = b"" if self._body is None else self._body.finish()
        except coding.BodyError as error:
            self._fail(error)
            return
        headers, self._headers = self._headers, []
        # An idle connection holds nothing of what it brought.
        self._reply = self._body = None
        if self._may_be_kept():
            if self._only_head:
                self._parser = renewed(self)
            self._keeper.released(self)
        else:
            self.abort()
        if reply is not None and not reply.done():
            reply.set_result(Reply(self._status, tuple(headers), body))

    def _may_be_kept(self) -> bool:
        return (
            self._keep
            and not (self._surplus or self.closed or self._rest)
            and self._transport is not None
            and not self._transport.get_write_buffer_size()
        )

    def _fail(self, error: Exception) -> None:
        reply, self._reply, self._body = self._reply, None, None
        self.abort()
        if reply is not None and not reply.done():
            reply.set_exception(error)


def _named(name: bytes) -> tuple[str, bool]:
    """Give a field's name in lower case, and whether it is about the transfer alone."""
    key = name.decode("ascii").lower()
    return key, key in TRANSFER


_names = Kept(_named, len)


def renewed(connection: Connection) -> httptools.HttpResponseParser:
    """Make a parser that gives a connection what it reads."""
    parser = httptools.HttpResponseParser(connection)
    # A line may end without CR (RFC 9112 section 2.2), and some servers pad the size of a chunk.
    parser.set_dangerous_leniencies(
        lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
    )
    return parser


def _size(headers: list[tuple[str, str]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)
