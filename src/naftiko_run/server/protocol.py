"""One HTTP connection: uvicorn's, with bounds for what its parser would collect without any.

The parser keeps a request's head until it is complete, whatever its size and however long it takes,
and so it does with the trailer fields behind a chunked body. Here a head has to come within
:data:`HEAD_SECONDS` and :data:`MAX_HEAD`, and a whole message within :data:`MAX_MESSAGE`; the limit
of a body is the faces' own, and lower.
"""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
MAX_MESSAGE = 64 * 1024 * 1024
HEAD_SECONDS = 30.0


class BoundedProtocol(HttpToolsProtocol):
    """Refuses heads that are too large or too slow; costs nothing for one that comes at once."""

    head_seconds = HEAD_SECONDS

    _in_head = True
    _messages = 0
    _size = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count what belongs to a message that is not complete."""
        messages = self._messages
        super().data_received(data)
        if messages != self._messages:
            self._size = 0
            return
        self._size += len(data)
        if self._in_head:
            if self._size > MAX_HEAD:
                self._refuse(431, "Request Header Fields Too Large", "the head is too large")
            elif self._timer is None:
                self._start_timer()
        elif self._size > MAX_MESSAGE:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._in_head = False
        if self._timer is not None:
            self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._in_head = True
        self._messages += 1
        super().on_message_complete()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self._size:  # a connection that was opened ahead of need, and never used
            self.transport.close()
            return
        self._refuse(
            408, "Request Timeout", f"no whole head came within {self.head_seconds:g} seconds"
        )

    def _refuse(self, status: int, title: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # Another request of this connection is being answered: nothing may come between.
            self.transport.abort()
            return
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        body = json.dumps(problem).encode()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, title.encode(), len(body), body)
        )
        self.transport.close()
