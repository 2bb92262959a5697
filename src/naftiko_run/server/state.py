"""What the connections of one server share."""

import asyncio
import time
from typing import Final, Protocol

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

    def shutdown(self) -> None:
        """Close, once what was asked is answered."""


class ServerState:
    """The open connections of a server, the requests that they answer, and the date.

    ``fields`` stand in every answer; the list is another one when they change.
    """

    def __init__(self) -> None:
        """Begin with no connection."""
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.fields: list[tuple[bytes, bytes]] = []
        self._timer: asyncio.TimerHandle | None = None

    def keep_time(self) -> None:
        """Tell the date in answers, from now on (RFC 9110 section 6.6.1)."""
        # The names are English, as nothing here sets a locale.
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        self.fields = [(b"date", date.encode())]
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self.keep_time)

    def stop_time(self) -> None:
        """Leave the date as it is."""
        if self._timer is not None:
            self._timer.cancel()
