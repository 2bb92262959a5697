"""The upstream client of a plan: made with the first request, shared by all consumed APIs.

Connections are pooled per scheme, host and port, so APIs do not share them; one client keeps what
is costly to make (trusted certificates) once.
"""

from collections.abc import Coroutine, Mapping
from typing import Any

from naftiko_run.consumes.client import create_client
from naftiko_run.consumes.engines.settings import ClientLimits as Limits
from naftiko_run.types import Reply, Request, StreamedReply, StreamingClient, Upload

__all__ = ["LazyClient", "Limits"]


class LazyClient:
    """Makes the real client when it is first needed."""

    def __init__(self, limits: Limits, environ: Mapping[str, str]) -> None:
        """Keep what the client is made with."""
        self._limits = limits
        self._environ = environ
        self._client: StreamingClient | None = None

    def send(self, request: Request) -> Coroutine[Any, Any, Reply]:
        """Send one request."""
        client = self._client
        if client is None:
            client = self._made()
        return client.send(request)

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Send one request and read the head of its reply."""
        return await (self._client or self._made()).stream(request, upload)

    def _made(self) -> StreamingClient:
        self._client = create_client(self._limits, environ=self._environ)
        return self._client

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
