"""The default engine: pyreqwest, that is Rust's reqwest, its work done on a thread of its own.

Where reqwest would change a request on its way, the portable engine carries it instead: reqwest
reads URLs as browsers do (WHATWG), so it resolves ``%2e%2e`` and quotes ``'`` in a query.

A cancelled call gives up at once, but pyreqwest 0.15 leaves what it sent upstream running until the
reply or the time limit; the connection counts as in use until then.
"""

import re
from datetime import timedelta
from typing import Final

from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import (
    BuilderError,
    ClientClosedError,
    DecodeError,
    DetailedPyreqwestError,
    PyreqwestError,
    RequestTimeoutError,
)
from pyreqwest.http import Url
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from naftiko_run.consumes.engines import coding, faults
from naftiko_run.consumes.engines.portable import PortableClient
from naftiko_run.consumes.engines.settings import (
    USER_AGENT,
    EngineError,
    EngineSettings,
    incoming,
    outgoing,
)
from naftiko_run.errors import UpstreamError
from naftiko_run.types import Client, Headers, Reply, Request

_CONNECTING: Final = "client error (Connect)"
_ENDED: Final = re.compile(r"end of file before|unexpected (?:EOF|end of file)", re.IGNORECASE)
# Without a body these still say that its length is 0 (RFC 9110 section 8.6): some servers insist.
_WITH_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})
_REFUSED: Final = re.compile(r"refused", re.IGNORECASE)
_TARGET: Final = re.compile(r"[^:/?#]+://[^/?#]*([^#]*)")


class RustClient:
    """Sends with pyreqwest."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._limits = settings.limits
        try:
            self._client = _builder(settings).build()
        except BuilderError as error:
            causes = [cause["message"] for cause in error.details.get("causes") or ()]
            raise EngineError(causes[-1] if causes else error.message) from error
        self._verbatim: Client | None = None

    async def send(self, request: Request) -> Reply:
        """Send one request and read the whole reply."""
        url = request.url
        try:
            parsed = Url(url)
            if str(parsed) != url and _target(str(parsed)) != (_target(url) or "/"):
                return await self._send_verbatim(request)
            streamed = self._streamed(request, parsed)
        except (BuilderError, ValueError) as error:
            raise faults.unsendable(url) from error
        try:
            response = await streamed.__aenter__()
            try:
                return await self._reply(request, response)
            except BaseException:
                # Left unread, the upstream would go on sending: this closes the connection.
                await streamed.__aexit__(None, None, None)
                raise
        except PyreqwestError as error:
            raise self._fault(url, error) from error
        except coding.BodyError as error:
            raise faults.of_body(url, error, self._limits.max_reply_bytes) from error

    def _streamed(self, request: Request, url: Url) -> StreamRequest:
        call = self._client.request(request.method, url).headers(outgoing(request.headers))
        if request.body:
            call = call.body_bytes(request.body)
        elif request.method in _WITH_CONTENT:
            call = call.header("content-length", "0")
        return call.build_streamed()

    async def _reply(self, request: Request, response: Response) -> Reply:
        if response.status < 200:
            raise faults.not_http(request.url)
        headers = _headers(response)
        body = await self._body(request, response)
        encoding = response.get_header("content-encoding")
        if encoding and body:
            # What reqwest does not decode: several codings, x-gzip, capital letters.
            body = coding.decode(encoding, body, self._limits.max_reply_bytes)
        return Reply(response.status, headers, body)

    async def _body(self, request: Request, response: Response) -> bytes:
        limit = self._limits.max_reply_bytes
        length = response.get_header("content-length")
        # reqwest removes this header from a body that it decodes: it is the true size. Replies to
        # HEAD and 304 announce a body that does not follow.
        if length is not None and int(length) > limit:
            if request.method != "HEAD" and response.status != 304:
                raise coding.TooLargeError
        reader = response.body_reader
        chunks = []
        size = 0
        while (chunk := await reader.read_chunk()) is not None:
            size += len(chunk)
            if size > limit:
                raise coding.TooLargeError
            chunks.append(chunk)
        return b"".join(chunks)

    async def _send_verbatim(self, request: Request) -> Reply:
        if self._verbatim is None:
            self._verbatim = PortableClient(self._settings)
        return await self._verbatim.send(request)

    def _fault(self, url: str, error: PyreqwestError) -> UpstreamError:
        if isinstance(error, ClientClosedError) or not isinstance(error, DetailedPyreqwestError):
            return UpstreamError(f"the call to {faults.place(url)} was given up: {error.message}")
        causes = [cause["message"] for cause in error.details.get("causes") or ()]
        connecting = _CONNECTING in causes
        if isinstance(error, RequestTimeoutError):
            if connecting:
                return faults.connect_timeout(url, self._limits.connect_timeout)
            return faults.timeout(url, self._limits.timeout)
        last = causes[-1] if causes else ""
        if connecting:
            return faults.unreachable(url, _why(causes))
        if _ENDED.search(last):
            return faults.cut_short(url)
        if isinstance(error, DecodeError):
            in_body = "error decoding response body" in causes
            on_wire = "error reading a body from connection" in causes
            return faults.bad_coding(url) if in_body and not on_wire else faults.not_http(url)
        return faults.reset(url)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.close()
        if self._verbatim is not None:
            await self._verbatim.aclose()


def _builder(settings: EngineSettings) -> ClientBuilder:
    limits = settings.limits
    builder = (
        ClientBuilder()
        .no_proxy()
        .follow_redirects(enable=False)
        .referer(enable=False)
        .user_agent(USER_AGENT)
        .timeout(timedelta(seconds=limits.timeout))
        .connect_timeout(timedelta(seconds=limits.connect_timeout))
        .max_connections(limits.connections)
        .pool_timeout(timedelta(seconds=limits.timeout))
        .pool_max_idle_per_host(limits.connections)
        .pool_idle_timeout(timedelta(seconds=limits.idle_seconds))
    )
    for root in settings.roots:
        builder = builder.add_root_certificate_pem(root.encode())
    return builder.proxy(ProxyBuilder.all(settings.proxy)) if settings.proxy else builder


def _target(url: str) -> str | None:
    match = _TARGET.match(url)
    return match[1] if match else None


def _headers(response: Response) -> Headers:
    try:
        return incoming(response.headers.items())
    except ValueError:
        # Some value is not ASCII, which pyreqwest cannot give: the others are kept.
        return incoming(pair for name in set(response.headers) for pair in _values(response, name))


def _values(response: Response, name: str) -> list[tuple[str, str]]:
    try:
        return [(name, value) for value in response.get_header_all(name)]
    except ValueError:
        return []


def _why(causes: list[str]) -> str:
    text = " ".join(causes)
    if "dns error" in causes:
        return "the name is not known"
    if _REFUSED.search(text):
        return "the connection is refused"
    if "certificate" in text or "tls" in text.lower():
        return f"no trusted TLS connection ({causes[-1]})"
    return causes[-1]
