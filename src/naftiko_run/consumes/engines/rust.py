"""The default engine: pyreqwest, that is Rust's reqwest, its work done on a thread of its own.

What is not left to it (each has its test):

* A URL that it would change on the way: it reads URLs as browsers do (WHATWG), so it resolves
  ``%2e%2e`` and quotes ``'`` in a query. The portable engine carries these requests.
* gzip and deflate: it stops after the first member of gzip, whatever follows.
* Bodies that are passed on while they come: a cancelled one has to end at once. The portable
  engine carries these as well.
* Cancelling: a cancelled call ends at once, but what it sent upstream goes on until the reply or
  the time limit, and its connection counts as in use until then.
"""

import atexit
import re
import time
from datetime import timedelta
from typing import Final

from pyreqwest.client import Client as ReqwestClient
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

from naftiko_run.consumes.engines import coding, faults, urls
from naftiko_run.consumes.engines.settings import (
    USER_AGENT,
    EngineError,
    EngineSettings,
    incoming,
    outgoing,
)
from naftiko_run.errors import UpstreamError
from naftiko_run.types import Headers, Reply, Request, StreamedReply, StreamingClient, Upload

_CODINGS: Final = "gzip, deflate, br, zstd"
# Without a body these still say that its length is 0 (RFC 9110 section 8.6): some servers insist.
_WITH_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})
_ENDED: Final = re.compile(
    r"end of file before|unexpected (?:EOF|end of file)|did not finish", re.IGNORECASE
)

# reqwest's thread wakes the event loop while it is still inside Python; were the interpreter to end
# in that moment, it would abort the process. A pause before the end lets the thread step out.
atexit.register(time.sleep, 0.05)


class RustClient:
    """Sends with pyreqwest."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._limits = settings.limits
        try:
            self._client: ReqwestClient | None = _builder(settings).build()
        except BuilderError as error:
            causes = [cause["message"] for cause in error.details.get("causes") or ()]
            reason = causes[-1] if causes else error.message
            raise EngineError(reason.removeprefix("unexpected error: ")) from error
        self._verbatim: StreamingClient | None = None

    async def send(self, request: Request) -> Reply:
        """Send one request and read the whole reply."""
        url = request.url
        if self._client is None:
            raise faults.given_up(url, "the client is closed")
        try:
            parsed = Url(url)
            as_given = (
                str(parsed) == url or urls.split(str(parsed)).target == urls.split(url).target
            )
            streamed = _streamed(self._client, request, parsed)
        except (BuilderError, ValueError):
            raise faults.unsendable(url) from None
        if not as_given:
            return await self._send_verbatim(request)
        try:
            response = await streamed.__aenter__()
            try:
                return await self._reply(request, response)
            except BaseException:
                # Left unread, the upstream would go on sending: this closes the connection.
                await streamed.__aexit__(None, None, None)
                raise
        except PyreqwestError as error:
            # Its text holds the query, so that not even a traceback may show it.
            raise self._fault(url, error) from None
        except coding.BodyError as error:
            raise faults.of_body(url, error, self._limits.max_reply_bytes) from None

    async def _reply(self, request: Request, response: Response) -> Reply:
        status = response.status
        if status < 200:
            raise faults.not_http(request.url)
        try:
            # br and zstd are gone already, and Content-Encoding and Content-Length with them.
            codings = ",".join(response.get_header_all("content-encoding"))
            length = response.get_header("content-length")
            transfer = response.get_header("transfer-encoding")
        except ValueError:
            raise faults.not_http(request.url) from None
        if transfer is not None and transfer.strip().lower() != "chunked":
            # The other transfer codings are left in the body, and nobody asked for them.
            raise faults.not_http(request.url)
        body = coding.Body(codings, self._limits.max_reply_bytes)
        if request.method != "HEAD" and status != 304:
            body.announce(length)
        reader = response.body_reader
        while (chunk := await reader.read_chunk()) is not None:
            body.add(chunk.to_bytes())
        return Reply(status, _headers(response), body.finish())

    async def _send_verbatim(self, request: Request) -> Reply:
        return await self._portable().send(request)

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Send one request and read the head of its reply."""
        if self._client is None:
            raise faults.given_up(request.url, "the client is closed")
        return await self._portable().stream(request, upload)

    def _portable(self) -> StreamingClient:
        if self._verbatim is None:
            # Rarely needed, and 50 ms of every start.
            from naftiko_run.consumes.engines.portable import PortableClient  # noqa: PLC0415

            self._verbatim = PortableClient(self._settings)
        return self._verbatim

    def _fault(self, url: str, error: PyreqwestError) -> UpstreamError:
        if isinstance(error, ClientClosedError) or not isinstance(error, DetailedPyreqwestError):
            return faults.given_up(url, error.message)
        if isinstance(error, BuilderError):
            return faults.unsendable(url)
        causes = [cause["message"] for cause in error.details.get("causes") or ()]
        connecting = "client error (Connect)" in causes
        if isinstance(error, RequestTimeoutError):
            if connecting:
                return faults.connect_timeout(url, self._limits.connect_timeout)
            return faults.timeout(url, self._limits.timeout)
        last = causes[-1] if causes else ""
        if connecting:
            return faults.unreachable(url, _why(causes), self._settings.proxy)
        if _ENDED.search(last):
            return faults.cut_short(url)
        if isinstance(error, DecodeError):
            in_body = "error decoding response body" in causes
            on_wire = "error reading a body from connection" in causes
            return faults.bad_coding(url) if in_body and not on_wire else faults.not_http(url)
        return faults.reset(url)

    async def aclose(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            # Idle connections are closed when the last reference to them goes.
            await client.close()
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
        .default_headers({"accept-encoding": _CODINGS})
        .gzip(enable=False)
        .deflate(enable=False)
        .timeout(timedelta(seconds=limits.timeout))
        .connect_timeout(timedelta(seconds=limits.connect_timeout))
        .max_connections(limits.connections)
        .pool_timeout(timedelta(seconds=limits.timeout))
        .pool_max_idle_per_host(limits.connections)
        .pool_idle_timeout(timedelta(seconds=limits.idle_seconds))
    )
    for root in settings.roots():
        builder = builder.add_root_certificate_pem(root.encode())
    return builder.proxy(ProxyBuilder.all(settings.proxy)) if settings.proxy else builder


def _streamed(client: ReqwestClient, request: Request, url: Url) -> StreamRequest:
    call = client.request(request.method, url).headers(outgoing(request.headers))
    if request.body:
        call = call.body_bytes(request.body)
    elif request.method in _WITH_CONTENT:
        call = call.header("content-length", "0")
    return call.build_streamed()


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
    last = causes[-1]
    if "dns error" in causes:
        return "the name is not known"
    if any(cause.startswith("tunnel error") for cause in causes):
        return "the proxy refuses to connect"
    if "refused" in last:
        return "the connection is refused"
    return last if "tcp connect error" in causes else f"no trusted TLS connection ({last})"
