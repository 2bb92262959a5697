"""MCP over standard input and output: what was asked is answered, also after the input has ended.

The SDK gives up what is in flight when its input ends. A client that pipes its requests in and
waits for the lines (``naftiko-run stdio orders.yaml < requests``) would lose answers by that.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import anyio
import mcp_types as types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from msgspec import Struct, field

GRACE_SECONDS = 30.0
"""How long requests in flight may take after the input has ended."""

_ENDLESS = frozenset({"subscriptions/listen"})
"""Requests that nobody waits for: they are answered when the connection ends."""

_Item = SessionMessage | Exception


@asynccontextmanager
async def stdio_streams() -> AsyncIterator[tuple["_Input", "_Output"]]:
    """Open both streams of the process as the SDK's server wants them."""
    async with stdio_server() as (read, write):
        owed = _Owed()
        yield _Input(read, owed), _Output(write, owed)


class _Owed(Struct):
    """The ids of requests that are not answered yet."""

    ids: set[object] = field(default_factory=set)
    changed: anyio.Event = field(default_factory=anyio.Event)

    def asked(self, item: _Item) -> None:
        """Note a request, or that the client no longer wants its answer (cancelled)."""
        message = item.message if isinstance(item, SessionMessage) else None
        if isinstance(message, types.JSONRPCRequest) and message.method not in _ENDLESS:
            self.ids.add(message.id)
        elif (
            isinstance(message, types.JSONRPCNotification)
            and message.method == "notifications/cancelled"
        ):
            self.settle((message.params or {}).get("requestId"))

    def answered(self, item: SessionMessage) -> None:
        """Note an answer."""
        if isinstance(item.message, types.JSONRPCResponse | types.JSONRPCError):
            self.settle(item.message.id)

    def settle(self, identifier: object) -> None:
        """Owe nothing for a request."""
        if isinstance(identifier, str | int):
            self.ids.discard(identifier)
        self.changed.set()
        self.changed = anyio.Event()

    async def paid(self) -> None:
        """Wait until every request is answered, as long as they may take."""
        with anyio.move_on_after(GRACE_SECONDS):
            while self.ids:
                await self.changed.wait()


class _Stream:
    """Passes on what a stream of the SDK can do beside sending and receiving."""

    def __init__(self, inner: Any, owed: _Owed) -> None:  # noqa: ANN401 - the SDK's own, private type
        self._inner = inner
        self._owed = owed

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        await self.aclose()
        return None


class _Input(_Stream):
    """Ends once the input has ended and every request is answered."""

    async def receive(self) -> _Item:
        try:
            item: _Item = await self._inner.receive()
        except anyio.EndOfStream:
            await self._owed.paid()
            raise
        self._owed.asked(item)
        return item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Item:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class _Output(_Stream):
    """Counts the answers."""

    async def send(self, item: SessionMessage, /) -> None:
        await self._inner.send(item)
        self._owed.answered(item)
