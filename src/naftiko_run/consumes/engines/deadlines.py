"""Deadlines that are all equally far away: whatever came first is due first, so one timer does.

A timer of the event loop for each call costs more than all the rest that is done to wait for it.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls ``expire`` with each item that was not discarded within ``seconds``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, expire: Callable[[T], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expire = expire
        self._due: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many items' time is running."""
        return len(self._due)

    def add(self, item: T) -> None:
        """Start an item's time."""
        self._due[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._tick)

    def discard(self, item: T) -> None:
        """Forget an item."""
        self._due.pop(item, None)

    def first(self) -> T | None:
        """The item that is due first."""
        return next(iter(self._due), None)

    def stop(self) -> None:
        """Forget every item."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        while (item := self.first()) is not None and self._due[item] <= now:
            del self._due[item]
            self._expire(item)
        if item is not None and self._timer is None:
            # A millisecond is the finest that timers are.
            self._timer = self._loop.call_later(max(self._due[item] - now, 0.001), self._tick)
