"""What all schemes share: a request's parts as they go over the wire, and the client that signs.

A signature covers precisely what is sent, so nothing here ever rewrites a URL or a body.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from msgspec.structs import replace

from naftiko_run.errors import UnsupportedError
from naftiko_run.types import Client, Reply, Request, StreamedReply, StreamingClient, Upload

_AUTHORITY = re.compile(r"[^:/?#]+://[^/?#]*")
Send = Callable[[Request], Awaitable[Reply]]
"""Sends a request; of a reply that is passed on it gives the head alone."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_of(url: str) -> str:
    """Return the Host field that belongs to a URL: lower case, no default port, no user."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme):
        return host
    return f"{host}:{parts.port}"


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    return f"{urlsplit(url).scheme}://{host_of(url)}"


def target_of(url: str) -> str:
    """Return the request target (RFC 9112 section 3.2.1): path and query as they are sent."""
    # Not by urlsplit, which loses the "?" of an empty query.
    target = _AUTHORITY.sub("", url, count=1).partition("#")[0]
    return target if target.startswith("/") else f"/{target}"


def with_header(request: Request, name: str, value: str) -> Request:
    """Return the request with this one value in a header field, whatever it held before."""
    kept = tuple(field for field in request.headers if field[0].lower() != name.lower())
    return replace(request, headers=(*kept, (name, value)))


def fits_header(text: str) -> bool:
    """Tell whether text can be sent inside a header field: visible ASCII and spaces."""
    return text.isascii() and text.isprintable()


class Decorator:
    """A client around another one; closing it closes that one. Its repr shows no credentials."""

    def __init__(self, inner: Client) -> None:
        self._inner = inner

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Send one request with credentials, and read the head of its reply."""
        raise NotImplementedError

    @property
    def _streams(self) -> StreamingClient:
        if not isinstance(self._inner, StreamingClient):
            raise UnsupportedError("this client passes no bodies on")
        return self._inner

    async def _streamed(self, converse: Callable[[Send], Awaitable[Reply]]) -> StreamedReply:
        """Give the last reply of a conversation, its body still to come."""
        replies: list[StreamedReply] = []

        async def send(request: Request) -> Reply:
            while replies:
                await replies.pop().aclose()
            replies.append(await self._streams.stream(request))
            return Reply(replies[0].status, replies[0].headers, b"")

        try:
            await converse(send)
        except BaseException:
            while replies:
                await replies.pop().aclose()
            raise
        return replies[0]

    async def aclose(self) -> None:
        """Close the client inside."""
        await self._inner.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r})"


class Signer(Decorator):
    """A client that signs each request by itself, without asking the server for anything."""

    reads_body = True
    """Whether the signature covers the body."""

    async def send(self, request: Request) -> Reply:
        """Sign one request and send it."""
        return await self._inner.send(self.sign(request))

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Sign one request and send it; one that needs its body must have it whole."""
        if upload is not None and self.reads_body:
            raise UnsupportedError("the signature needs the whole body")
        return await self._streams.stream(self.sign(request), upload)

    def sign(self, request: Request) -> Request:
        """Return the request with its signature; all else about it stays."""
        raise NotImplementedError
