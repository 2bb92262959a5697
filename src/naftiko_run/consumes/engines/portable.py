"""The portable engine: httpx2, pure Python, for machines that the default has no wheel for.

Its transport is used alone: the client around it would follow, remember and normalise.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx2

from naftiko_run.consumes.engines import coding, faults, urls
from naftiko_run.consumes.engines.connection import NotHttpError
from naftiko_run.consumes.engines.settings import (
    USER_AGENT,
    EngineSettings,
    basic,
    end_to_end,
    incoming,
    outgoing,
)
from naftiko_run.consumes.engines.streaming import length_of
from naftiko_run.consumes.engines.trust import trusting
from naftiko_run.errors import UpstreamError
from naftiko_run.types import Headers, Reply, Request, Upload

_DEFAULTS: Final = (
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate"),
    ("User-Agent", USER_AGENT),
)

# What it tells at DEBUG are headers, credentials among them.
logging.getLogger("httpcore2").setLevel(logging.INFO)


class PortableClient:
    """Sends with the transport of httpx2."""

    def __init__(self, settings: EngineSettings) -> None:
        self._limits = settings.limits
        self._proxy = settings.proxy
        self._transport = httpx2.AsyncHTTPTransport(
            verify=trusting(settings.roots()),
            trust_env=False,
            limits=httpx2.Limits(
                max_connections=settings.limits.connections,
                max_keepalive_connections=settings.limits.connections,
                keepalive_expiry=settings.limits.idle_seconds,
            ),
            proxy=_proxy(settings),
        )

    async def send(self, request: Request) -> Reply:
        """Send one request and read the whole reply."""
        url = request.url
        try:
            call = self._call(request)
        except (httpx2.InvalidURL, ValueError):
            raise faults.unsendable(url) from None
        try:
            async with asyncio.timeout(self._limits.timeout):
                response = await self._transport.handle_async_request(call)
                try:
                    return await self._reply(request, response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise faults.timeout(url, self._limits.timeout) from None
        except coding.BodyError as error:
            raise faults.of_body(url, error, self._limits.max_reply_bytes) from None
        except httpx2.HTTPError as error:
            # Its text may hold a header, so that not even a traceback may show it.
            raise self._fault(url, error) from None

    async def stream(self, request: Request, upload: Upload | None = None) -> "_Streamed":
        """Send one request, with its own body or an upload's, and read the head of the reply.

        The reply is looked at once the whole request is sent: httpx2 does one after the other.
        """
        url = request.url
        seconds = self._limits.timeout
        try:
            call = self._call(request, upload, silence=seconds)
        except (httpx2.InvalidURL, ValueError):
            raise faults.unsendable(url) from None

        def explained(error: httpx2.HTTPError) -> UpstreamError:
            if isinstance(error, httpx2.TimeoutException) and not isinstance(
                error, httpx2.ConnectTimeout
            ):
                return faults.silent(url, seconds)
            return self._fault(url, error)

        try:
            response = await self._transport.handle_async_request(call)
        except httpx2.HTTPError as error:
            raise explained(error) from None
        try:
            return _Streamed(response, explained)
        except NotHttpError:
            await response.aclose()
            raise faults.not_http(url) from None

    def _call(
        self, request: Request, upload: Upload | None = None, silence: float | None = None
    ) -> httpx2.Request:
        parts = urls.split(request.url)
        headers = _headers(request.headers, parts.user)
        if upload is not None and upload.length is not None:
            headers.append((b"Content-Length", b"%d" % upload.length))
        limits = {"read": silence, "write": silence, "pool": silence} if silence else {}
        return httpx2.Request(
            request.method.encode("ascii").decode(),
            httpx2.URL(parts.origin),
            headers=headers,
            content=request.body if upload is None else _chunks(upload),
            extensions={
                # Exactly the caller's bytes; an httpx2.URL would resolve its dot segments.
                "target": parts.target.encode("ascii"),
                "timeout": {"connect": self._limits.connect_timeout, **limits},
            },
        )

    async def _reply(self, request: Request, response: httpx2.Response) -> Reply:
        if response.status_code < 200:
            raise faults.not_http(request.url)
        body = coding.Body(
            ",".join(response.headers.get_list("content-encoding")), self._limits.max_reply_bytes
        )
        if request.method != "HEAD" and response.status_code != 304:
            body.announce(response.headers.get("content-length"))
        async for chunk in response.aiter_raw():
            body.add(chunk)
        if _leftover(response):
            await response.extensions["network_stream"].aclose()
        headers = incoming(
            (name.decode("ascii").lower(), value.decode("latin-1"))
            for name, value in response.headers.raw
        )
        return Reply(response.status_code, headers, body.finish())

    def _fault(self, url: str, error: httpx2.HTTPError) -> UpstreamError:
        match error:
            case httpx2.ConnectTimeout():
                return faults.connect_timeout(url, self._limits.connect_timeout)
            case httpx2.TimeoutException():
                return faults.timeout(url, self._limits.timeout)
            case httpx2.ConnectError() | httpx2.ProxyError() | httpx2.UnsupportedProtocol():
                return faults.unreachable(url, _why(error), self._proxy)
            case httpx2.LocalProtocolError():
                return faults.unsendable(url)
            case httpx2.RemoteProtocolError():
                text = str(error)
                if "without sending a response" in text:
                    return faults.reset(url)
                return faults.cut_short(url) if "complete message" in text else faults.not_http(url)
        return faults.reset(url)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


class _Streamed:
    """A reply whose body is passed on."""

    def __init__(
        self,
        response: httpx2.Response,
        explained: Callable[[httpx2.HTTPError], UpstreamError],
    ) -> None:
        fields = [
            (name.decode("ascii").lower(), value.decode("latin-1"))
            for name, value in response.headers.raw
        ]
        if response.status_code < 200:
            raise NotHttpError
        self.status = response.status_code
        self.length = length_of(response.headers.get("content-length"))
        connection = response.headers.get("connection", "")
        self.headers = end_to_end((f for f in fields if f[0] != "content-length"), connection)
        self._response = response
        self._explained = explained

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body as it comes."""
        pieces = self._response.aiter_raw()
        while True:
            try:
                piece = await anext(pieces, None)
            except httpx2.HTTPError as error:
                raise self._explained(error) from None
            if piece is None:
                break
            if piece:
                yield piece
        if _leftover(self._response):
            await self._response.extensions["network_stream"].aclose()

    async def aclose(self) -> None:
        """End the exchange."""
        await self._response.aclose()


async def _chunks(upload: Upload) -> AsyncIterator[bytes]:
    """Give an upload's body; a piece without content would end it."""
    left = upload.length
    async for piece in upload.chunks:
        if left is not None:
            left -= len(piece)
            if left < 0:
                break
        if piece:
            yield piece
    if left:
        raise httpx2.LocalProtocolError("another length than announced")


def _headers(given: Headers, user: str) -> list[tuple[bytes, bytes]]:
    headers = outgoing(given)
    names = {name.lower() for name, _ in headers}
    added = [h for h in _DEFAULTS if h[0].lower() not in names]
    if user and "authorization" not in names:
        added.append(("Authorization", basic(user)))
    return [(name.encode("ascii"), value.encode()) for name, value in (*added, *headers)]


def _leftover(response: httpx2.Response) -> bool:
    """Say whether bytes came after the reply: httpx2 would take them for the next one.

    It offers no way to ask, so this looks inside; where the inside has changed the answer is yes,
    and the connection is not used again.
    """
    try:
        connection = response.stream._httpcore_stream._stream._connection  # type: ignore[union-attr]  # noqa: SLF001
        return bool(connection._h11_state.trailing_data[0])  # noqa: SLF001
    except AttributeError:
        return True


def _proxy(settings: EngineSettings) -> httpx2.Proxy | None:
    if settings.proxy is None:
        return None
    over_tls = settings.proxy.lower().startswith("https:")
    trust = trusting(settings.roots()) if over_tls else None
    return httpx2.Proxy(settings.proxy, ssl_context=trust)


def _why(error: BaseException) -> str:
    if any(isinstance(cause, httpx2.ProxyError) for cause in faults.causes(error)):
        return "the proxy refuses to connect"
    return faults.why(error)
