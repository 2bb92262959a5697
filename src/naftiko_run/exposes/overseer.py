"""Ends what takes too long, and what nobody waits for any more, at next to no cost for the rest.

A timer for each piece of work would cost more than the work: here one timer looks after all of
it, a few times a second, and nothing is done for what is over by then.
"""

import asyncio
from enum import Enum
from time import monotonic
from typing import Any

from msgspec import Struct
from starlette.types import Receive

LOOK_SECONDS = 0.1
"""How often the work under way is looked at."""


async def disconnected(receive: Receive) -> None:
    """Wait until the sender of a request goes away; what still comes of it is forgotten."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Ended(Enum):
    """Why work was ended."""

    LATE = "it took too long"
    GONE = "its caller went away"


class Work(Struct, eq=False):
    """What a task does between :meth:`Overseer.begin` and :meth:`Overseer.end`."""

    deadline: float
    receive: Receive | None
    task: asyncio.Task[Any] | None
    seen: bool = False
    watching: asyncio.Task[None] | None = None
    ended: Ended | None = None

    def cancel(self, reason: Ended) -> None:
        """Cancel the task, once."""
        if self.ended is None and self.task is not None:
            self.ended = reason
            self.task.cancel()

    async def watch(self, receive: Receive) -> None:
        """Wait for the caller to go away."""
        await disconnected(receive)
        self.cancel(Ended.GONE)


class Overseer:
    """Looks after the work of one event loop."""

    def __init__(self) -> None:
        """Begin with nothing to look after."""
        self.under_way: set[Work] = set()
        """What is looked after; not to be changed by others."""
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, seconds: float, receive: Receive | None = None) -> Work:
        """Look after what this task does now.

        It has so many seconds; with ``receive``, it ends when the sender of the request, whose
        body was read already, closes the connection.
        """
        loop = self._loop
        if loop is None or self._timer is None:
            # Asking which one is running costs Python 3.11 a system call.
            loop = self._loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LOOK_SECONDS, self._look)
        work = Work(monotonic() + seconds, receive, asyncio.current_task(loop))
        self.under_way.add(work)
        return work

    def end(self, work: Work) -> None:
        """Look after it no longer; to be called whatever has become of it."""
        self.under_way.discard(work)
        if work.watching is not None:
            work.watching.cancel()

    def why(self, work: Work) -> Ended | None:
        """Tell a cancellation that came from here, and let the task go on; None for others."""
        if work.ended is not None and work.task is not None:
            work.task.uncancel()
        return work.ended

    def _look(self) -> None:
        self._timer = None
        now = monotonic()
        for work in self.under_way:
            if now >= work.deadline:
                work.cancel(Ended.LATE)
            elif work.receive is None or work.watching is not None:
                continue
            elif not work.seen:
                work.seen = True  # most is over before the next look: nobody has to watch it
            else:
                work.watching = asyncio.ensure_future(work.watch(work.receive))
        if self.under_way:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
