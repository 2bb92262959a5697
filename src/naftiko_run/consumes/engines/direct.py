"""The direct engine: HTTP/1.1 on asyncio's own transports, its replies parsed by httptools.

It goes to hosts only, not through proxies. What a call does where an idle connection is at hand
stands in :meth:`DirectClient.send`; all else is in :mod:`~naftiko_run.consumes.engines.pool`.

A request is written once. A connection that proves closed before that is replaced; what happens
after is reported.
"""

import asyncio
import functools
import re
from collections.abc import Callable
from itertools import chain
from typing import Final, cast

from naftiko_run.consumes.engines import coding, faults, urls
from naftiko_run.consumes.engines.connection import Connection, NotHttpError, Origin, UnsentError
from naftiko_run.consumes.engines.deadlines import Deadlines
from naftiko_run.consumes.engines.kept import Kept
from naftiko_run.consumes.engines.pool import (
    ClosedError,
    ConnectTimeoutError,
    Pool,
    UnreachableError,
)
from naftiko_run.consumes.engines.settings import (
    OWNED,
    USER_AGENT,
    EngineError,
    EngineSettings,
    basic,
)
from naftiko_run.consumes.engines.streaming import (
    SilentError,
    StreamConnection,
    Streamed,
    UploadError,
    ended,
)
from naftiko_run.errors import UpstreamError
from naftiko_run.together import FEW, Together
from naftiko_run.types import Headers, Reply, Request, Upload

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Without a body these still say that its length is 0 (RFC 9110 section 8.6): some servers insist.
_WITH_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})
Site = tuple[str, str, int]
"""An origin as URLs name it: scheme, host and port."""
Origins = dict[Site, Origin]
_MOST_ORIGINS: Final = 1024
_FAILURES: Final = (
    coding.BodyError,
    ClosedError,
    ConnectTimeoutError,
    NotHttpError,
    OSError,
    SilentError,
    UnreachableError,
    UploadError,
)


class DirectClient:
    """Sends on connections of its own, from one event loop at a time."""

    def __init__(self, settings: EngineSettings) -> None:
        if settings.proxy is not None:
            raise EngineError("it goes through no proxy")
        self._settings = settings
        self._limits = settings.limits
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._origins: Origins = {}

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin anew: connections end with their event loop."""
        self._loop = loop
        self._pool = Pool(loop, self._settings)
        self._pool.closed = self._closed
        self._calls: Deadlines[asyncio.Future[Reply]] = Deadlines(loop, self._limits.timeout, _late)
        self._origins = {}
        self._writes = Together(loop, Connection.flush)
        self._streams = Pool(loop, self._settings, StreamConnection)
        self._streams.closed = self._closed
        self._stream_origins: Origins = {}

    async def send(self, request: Request) -> Reply:
        """Send one request and read the whole reply."""
        if self._loop is None or not self._loop.is_running():
            # Asking which one is running costs Python 3.11 a system call.
            self._enter(asyncio.get_running_loop())
        try:
            site, head = _head(request)
            origin = _origin(site, self._origins)
        except ValueError:
            raise faults.unsendable(request.url) from None
        try:
            connection = self._pool.take(origin)
            if connection is None:
                return await self._send_later(origin, head, request)
            reply = connection.send(
                head,
                request.body,
                only_head=request.method == "HEAD",
                writes=self._writes if len(self._calls) > FEW else None,
            )
            self._calls.add(reply)
            try:
                return await reply
            except UnsentError:
                return await self._send_later(origin, head, request)
            finally:
                self._calls.discard(reply)
                connection.abandon(reply)
        except _FAILURES as error:
            # Their tracebacks would hold the request.
            raise self._fault(request.url, error) from None

    async def _send_later(self, origin: Origin, head: bytes, request: Request) -> Reply:
        async with asyncio.timeout(self._limits.timeout):
            connection = await self._pool.acquire(origin)
            reply = connection.send(head, request.body, only_head=request.method == "HEAD")
            try:
                return await reply
            finally:
                connection.abandon(reply)

    async def stream(self, request: Request, upload: Upload | None = None) -> Streamed:
        """Send one request, with its own body or an upload's, and read the head of the reply.

        Streams have connections of their own: those that last long keep no call waiting.
        """
        if self._loop is None or not self._loop.is_running():
            # Asking which one is running costs Python 3.11 a system call.
            self._enter(asyncio.get_running_loop())
        try:
            site, head = _head(request) if upload is None else _streamed_head(request, upload)
            origin = _origin(site, self._stream_origins)
        except ValueError:
            raise faults.unsendable(request.url) from None

        def explained(error: Exception) -> Exception:
            return self._fault(request.url, error) if isinstance(error, _FAILURES) else error

        try:
            async with asyncio.timeout(self._limits.timeout):
                connection = await self._streams.acquire(origin)
        except _FAILURES as error:
            raise self._fault(request.url, error) from None
        taken = cast("StreamConnection", connection)
        return await self._streamed(taken, head, request, upload, explained)

    async def _streamed(
        self,
        connection: StreamConnection,
        head: bytes,
        request: Request,
        upload: Upload | None,
        explained: Callable[[Exception], Exception],
    ) -> Streamed:
        seconds = self._limits.timeout
        body = None if upload else request.body
        only_head = request.method == "HEAD"
        exchange = connection.begin(head, body, only_head=only_head, seconds=seconds)
        sending = connection.upload(exchange, upload, seconds) if upload else None
        try:
            return Streamed(await exchange.begun(sending), exchange, sending, explained)
        except BaseException as error:
            exchange.leave()
            if sending is not None:
                await ended(sending)
            if isinstance(error, Exception):
                raise explained(error) from None
            raise

    def _fault(self, url: str, error: Exception) -> UpstreamError:
        match error:
            case coding.BodyError():
                return faults.of_body(url, error, self._limits.max_reply_bytes)
            case NotHttpError():
                return faults.not_http(url)
            case ConnectTimeoutError():
                return faults.connect_timeout(url, self._limits.connect_timeout)
            case SilentError():
                return faults.silent(url, self._limits.timeout)
            case UploadError():
                return faults.given_up(url, "its body has another length than announced")
            case TimeoutError():
                return faults.timeout(url, self._limits.timeout)
            case UnreachableError():
                return faults.unreachable(url, faults.why(error.__cause__ or error))
        if self._closed or isinstance(error, ClosedError):
            return faults.given_up(url, "the client is closed")
        return faults.reset(url)

    async def aclose(self) -> None:
        """Close every connection."""
        self._closed = True
        if self._loop is asyncio.get_running_loop():
            self._calls.stop()
            await self._pool.aclose()
            await self._streams.aclose()


def _late(reply: "asyncio.Future[Reply]") -> None:
    if not reply.done():
        reply.set_exception(TimeoutError())


# ------------------------------------------------------------------------------- the request


def _origin(site: Site, origins: Origins) -> Origin:
    """Give the origin of a site; where there are too many, those without a connection make room."""
    origin = origins.get(site)
    if origin is None:
        if len(origins) >= _MOST_ORIGINS:
            for key in [key for key, known in origins.items() if not known.idle]:
                del origins[key]
        scheme, host, port = site
        origin = Origin(_ascii(host).strip("[]"), port, tls=scheme == "https")
        origins[site] = origin
    return origin


_DEFAULTS: Final = {
    "Host": "",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": USER_AGENT,
}
_HOST: Final = 1
_AUTHORIZATION: Final = 1 << len(_DEFAULTS)
_BITS: Final = {name.lower(): 1 << bit for bit, name in enumerate(_DEFAULTS)} | {
    "authorization": _AUTHORIZATION
}
_OMITTED: Final = -1


def _ascii(host: str) -> str:
    """Write a host as DNS knows it; raises :class:`ValueError` where it cannot be one."""
    if host.isascii():
        return host
    # Rarely needed, and 50 ms of every start.
    import httpx2  # noqa: PLC0415

    try:
        return httpx2.URL(f"http://{host}").raw_host.decode("ascii")
    except httpx2.InvalidURL as error:
        raise ValueError("no such host") from error


def _head(request: Request) -> tuple[Site, bytes]:
    """Write all but the body; raises :class:`ValueError` where it would be no HTTP."""
    site, head = _heads[request.method, request.url, request.headers]
    if request.body:
        return site, b"%sContent-Length: %d\r\n\r\n" % (head, len(request.body))
    if request.method in _WITH_CONTENT:
        return site, head + b"Content-Length: 0\r\n\r\n"
    return site, head + b"\r\n"


def _streamed_head(request: Request, upload: Upload) -> tuple[Site, bytes]:
    """Write all but the body of a request that is sent while it comes.

    Raises :class:`ValueError` where it would be no HTTP.
    """
    site, head = _heads[request.method, request.url, request.headers]
    if upload.length is None:
        return site, head + b"Transfer-Encoding: chunked\r\n\r\n"
    return site, b"%sContent-Length: %d\r\n\r\n" % (head, upload.length)


def _begun(key: tuple[str, str, Headers]) -> tuple[Site, bytes]:
    """Write what does not depend on the body: many requests differ by nothing else."""
    method, url, headers = key
    parts = urls.split(url)
    site = parts.scheme, parts.host, parts.port
    given, fields = _field_lines[headers]
    defaults = _defaults(_authority(*site), given & ~_AUTHORIZATION)
    head = f"{_token(method)} {parts.target} HTTP/1.1\r\n{defaults}{fields}"
    if parts.user and not given & _AUTHORIZATION:
        head += f"Authorization: {basic(parts.user)}\r\n"
    return site, head.encode()


@functools.lru_cache(256)
def _authority(scheme: str, host: str, port: int) -> str:
    usual = port == (443 if scheme == "https" else 80)
    return _ascii(host) if usual else f"{_ascii(host)}:{port}"


@functools.lru_cache(256)
def _defaults(authority: str, given: int) -> str:
    """The fields that a request which names ``given`` of :data:`_DEFAULTS` goes without."""
    fields = ((name, value or authority) for name, value in _DEFAULTS.items())
    return "".join(
        f"{name}: {value}\r\n" for bit, (name, value) in enumerate(fields) if not given >> bit & 1
    )


def _fields(headers: Headers) -> tuple[int, str]:
    given, lines = 0, []
    for name, value in headers:
        bit = _bit(name)
        if bit == _OMITTED:
            continue
        if bit == _HOST and given & _HOST:
            raise ValueError("two hosts")
        given |= bit
        if not value.isprintable() and _CONTROL.search(value):
            raise ValueError("a control character")
        lines.append(f"{name}: {value}\r\n")
    return given, "".join(lines)


def _size(headers: Headers) -> int:
    return sum(map(len, chain.from_iterable(headers)))


_field_lines = Kept(_fields, _size)
_heads = Kept(_begun, lambda key: len(key[0]) + len(key[1]) + _size(key[2]))


@functools.lru_cache(1024)
def _bit(name: str) -> int:
    """Which default a header field is instead of, :data:`_OMITTED` for one that is not sent."""
    lower = _token(name).lower()
    return _OMITTED if lower in OWNED else _BITS.get(lower, 0)


@functools.lru_cache(64)
def _token(word: str) -> str:
    """Give a token (RFC 9110 section 5.6.2) back; raises :class:`ValueError` for anything else."""
    if not _TOKEN.fullmatch(word):
        raise ValueError("no token")
    return word
