"""What the connections of one server share."""

import asyncio
import time
from operator import methodcaller
from typing import Final, Protocol

from naftiko_run.together import Together

TICK_SECONDS: Final = 1.0


class Connection(Protocol):
    """One connection, as its server sees it.

    ``last`` says that its next answer closes it; ``due`` and ``taken_by`` are when it has waited
    for too long, for bytes of its caller and for the caller to take some.
    """

    last: bool
    due: float
    taken_by: float

    def late(self) -> None:
        """Hear that it was due."""

    def stuck(self) -> None:
        """Hear that nothing was taken."""

    def flush(self) -> None:
        """Send what is held to be sent with the answers of others."""

    def shutdown(self) -> None:
        """Close, once what was asked is answered."""


class ServerState:
    """The open connections of a server, the requests that they answer, and the date.

    ``lines`` are the field lines of every answer; ``writes`` are for connections that hold some.
    One timer looks after all connections. Made where the event loop runs that they have.
    """

    def __init__(self) -> None:
        """Begin with no connection."""
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.lines = b""
        self._loop = asyncio.get_running_loop()
        self.writes: Together[Connection] = Together(self._loop, methodcaller("flush"))
        self._ticking: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None

    def opened(self, connection: Connection, seconds: float) -> None:
        """Look after a connection that is never due in less than so many seconds."""
        self.connections.add(connection)
        if self._looking is None:
            # Often enough for the shortest time to be told within a tenth of it.
            every = min(1.0, seconds / 10)
            self._looking = self._loop.call_later(every, self._look, every)

    def _look(self, every: float) -> None:
        self._looking = None
        now = self._loop.time()
        for connection in list(self.connections):
            if connection.due <= now:
                connection.late()
            if connection.taken_by <= now:
                connection.stuck()
        if self.connections:
            self._looking = self._loop.call_later(every, self._look, every)

    def keep_time(self) -> None:
        """Tell the date in answers, from now on (RFC 9110 section 6.6.1)."""
        # The names are English, as nothing here sets a locale.
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        self.lines = f"date: {date}\r\n".encode()
        self._ticking = self._loop.call_later(TICK_SECONDS, self.keep_time)

    def stop_time(self) -> None:
        """Leave the date as it is."""
        if self._ticking is not None:
            self._ticking.cancel()
