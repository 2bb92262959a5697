"""What many do in one turn of the event loop, done for all of them in the next.

A write to a socket runs thousands of instructions of the kernel, and wakes whoever reads there. Of
what the processor had at hand for the next request little is left after that. Where hundreds of
requests are under way, the same writes one after the other save a tenth of all that these cost;
where a few are, nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

FEW: Final = 64
"""With no more than so many under way there is nothing to gain, and each would wait for a turn."""


class Together(Generic[T]):
    """Calls ``do`` with each item that was added, a turn of the event loop later."""

    def __init__(self, loop: asyncio.AbstractEventLoop, do: Callable[[T], None]) -> None:
        self._loop = loop
        self._do = do
        self._items: deque[T] = deque()

    def add(self, item: T) -> None:
        """Have it done with the others."""
        if not self._items:
            self._loop.call_soon(self._go)
        self._items.append(item)

    def _go(self) -> None:
        items = self._items
        try:
            while items:
                self._do(items.popleft())
        finally:
            if items:  # what goes wrong for one is nothing to the others
                self._loop.call_soon(self._go)
