"""The direct engine's connections: kept per origin, limited in all, and how a new one is made."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from itertools import zip_longest
from typing import Final

from naftiko_run.consumes.engines.connection import Address, Connection, Origin
from naftiko_run.consumes.engines.deadlines import Deadlines
from naftiko_run.consumes.engines.settings import EngineSettings
from naftiko_run.consumes.engines.trust import trusting
from naftiko_run.errors import NaftikoError

_log = logging.getLogger(__name__)

_REMEMBERED: Final = 30.0
"""Seconds for which the addresses of a name are used again."""
_HEAD_START: Final = 0.25
"""Seconds before the next address is tried beside the one before (RFC 8305 section 5)."""


class ConnectTimeoutError(Exception):
    """No connection came about in time."""


class UnreachableError(Exception):
    """No connection came about; its cause is the error that says why."""


class ClosedError(Exception):
    """The client is closed."""


class Pool:
    """All connections of one client on one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: EngineSettings,
        kind: type[Connection] = Connection,
    ) -> None:
        self._loop = loop
        self._kind = kind
        self._roots = settings.roots
        self._limits = settings.limits
        self.closed = False
        self._connections: set[Connection] = set()
        self._open = 0
        """Connections and those to be: never more than the limit."""
        self._waiting: deque[tuple[asyncio.Future[Connection | None], Origin]] = deque()
        self._idle: Deadlines[Connection] = Deadlines(
            loop, settings.limits.idle_seconds, Connection.abort
        )
        self._lookups: set[asyncio.Task[list[Address]]] = set()
        self._emptied: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------------- taking one

    def take(self, origin: Origin) -> Connection | None:
        """Give an idle connection, the one used last, if there is any."""
        if self.closed:
            raise ClosedError
        now = self._loop.time()
        while origin.idle:
            connection = origin.idle.pop()
            self._idle.discard(connection)
            if connection.usable(now):
                return connection
            connection.abort()
        return None

    async def acquire(self, origin: Origin) -> Connection:
        """Give a connection as soon as there may be one; whoever came first is served first."""
        while True:
            connection = self.take(origin) or await self._turn(origin)
            if connection is None:
                return await self._connect(origin)
            if connection.usable(self._loop.time()):
                return connection
            connection.abort()

    async def _turn(self, origin: Origin) -> Connection | None:
        """Wait for a connection to this origin, or None for leave to make one."""
        if self._open < self._limits.connections and not self._waiting:
            self._open += 1
            return None
        turn: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiting.append((turn, origin))
        if (oldest := self._idle.first()) is not None:
            self._forget(oldest)
            oldest.abort()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # passed over already
                    self._waiting.remove((turn, origin))
            elif not turn.exception():
                self._give_back(turn.result())
            raise

    def _give_back(self, connection: Connection | None) -> None:
        if connection is None:
            self._leave()
        elif not connection.closed:
            self.released(connection)

    # ------------------------------------------------------------------------ giving back

    def released(self, connection: Connection) -> None:
        """Hand a connection to whoever waits, or keep it."""
        connection.idle_since = self._loop.time()
        if turn := self._next(connection.origin):
            turn.set_result(connection)
        elif self._waiting or self.closed:
            # The first in line goes elsewhere: it is told when this one is gone.
            connection.abort()
        else:
            connection.origin.idle.append(connection)
            self._idle.add(connection)

    def lost(self, connection: Connection) -> None:
        """Let the next one make a connection in place of one that is gone."""
        if connection not in self._connections:
            return  # gone before it was whole: whoever was making it knows
        self._connections.discard(connection)
        self._forget(connection)
        self._leave()
        if self._emptied is not None and not self._connections and not self._emptied.done():
            self._emptied.set_result(None)

    def _forget(self, connection: Connection) -> None:
        self._idle.discard(connection)
        if connection in connection.origin.idle:
            connection.origin.idle.remove(connection)

    def _leave(self) -> None:
        self._open -= 1
        if turn := self._next(None):
            self._open += 1
            turn.set_result(None)

    def _next(self, origin: Origin | None) -> "asyncio.Future[Connection | None] | None":
        """The first in line, if it wants to go to this origin (None for any)."""
        while self._waiting:
            turn, wanted = self._waiting[0]
            if not turn.done():
                if origin is not None and wanted is not origin:
                    return None
                self._waiting.popleft()
                return turn
            self._waiting.popleft()
        return None

    # ---------------------------------------------------------------------------- making one

    async def _connect(self, origin: Origin) -> Connection:
        made: list[Connection] = []
        try:
            async with asyncio.timeout(self._limits.connect_timeout) as time_limit:
                await self._open_to(origin, made)
            self._check(made[0])
        except BaseException as error:
            for connection in made:
                connection.abort()
            self._leave()
            if not isinstance(error, OSError | ValueError):
                raise
            origin.known_until = 0.0
            if isinstance(error, TimeoutError) and time_limit.expired():
                raise ConnectTimeoutError from None
            raise UnreachableError from error
        self._connections.add(made[0])
        return made[0]

    def _check(self, connection: Connection) -> None:
        if self.closed:
            raise ClosedError
        if connection.closed:
            raise ConnectionResetError("it is closed as soon as it is made")

    async def _open_to(self, origin: Origin, made: list[Connection]) -> None:
        # Whom to trust is known before anything is open: where it cannot be, nothing is left open.
        trust = self._trust() if origin.tls else None
        sock = await _first(self._loop, await self._addresses(origin))

        def make() -> Connection:
            limit = self._limits.max_reply_bytes
            made.append(self._kind(self._loop, self, origin, sock, limit))
            return made[0]

        if trust is not None:
            # A certificate names a host without the dot that ends an absolute name.
            host = origin.host.rstrip(".")
            await self._loop.create_connection(make, sock=sock, ssl=trust, server_hostname=host)
        else:
            await self._loop.create_connection(make, sock=sock)

    def _trust(self) -> ssl.SSLContext:
        try:
            return trusting(self._roots())
        except NaftikoError as error:
            # The paths are for those who run the server.
            _log.error("%s", error)
            raise OSError("the certificates of authorities cannot be read") from error

    async def _addresses(self, origin: Origin) -> list[Address]:
        if self._loop.time() < origin.known_until:
            return origin.addresses
        if origin.lookup is None:
            origin.lookup = self._loop.create_task(self._look_up(origin))
            self._lookups.add(origin.lookup)
            origin.lookup.add_done_callback(self._lookups.discard)
        # Many may wait for one answer; that one of them gives up is nothing to the others.
        return await asyncio.shield(origin.lookup)

    async def _look_up(self, origin: Origin) -> list[Address]:
        try:
            found = await self._loop.getaddrinfo(
                origin.host.encode("ascii"), origin.port, type=socket.SOCK_STREAM
            )
        finally:
            origin.lookup = None
        origin.addresses = _in_turn((family, address) for family, _, _, _, address in found)
        origin.known_until = self._loop.time() + _REMEMBERED
        return origin.addresses

    # ------------------------------------------------------------------------------ closing

    async def aclose(self) -> None:
        """Close every connection and wait until they are gone."""
        self.closed = True
        self._idle.stop()
        for lookup in self._lookups:
            lookup.cancel()
        while turn := self._next(None):
            turn.set_exception(ClosedError())
        if self._connections:
            if self._emptied is None:
                self._emptied = self._loop.create_future()
            for connection in list(self._connections):
                connection.abort()
            await asyncio.shield(self._emptied)


def _in_turn(addresses: Iterable[Address]) -> list[Address]:
    """IPv6 and IPv4 by turns, in the order that the system prefers (RFC 8305 section 4)."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [a for pair in zip_longest(*families.values()) for a in pair if a is not None]


async def _first(loop: asyncio.AbstractEventLoop, addresses: list[Address]) -> socket.socket:
    """Connect to whichever address answers first, trying them in order."""
    if len(addresses) == 1:
        return await _dial(loop, addresses[0])
    untried, trying = deque(addresses), set[asyncio.Task[socket.socket]]()
    try:
        while True:
            if untried:
                trying.add(loop.create_task(_dial(loop, untried.popleft())))
            done, _ = await asyncio.wait(
                trying,
                timeout=_HEAD_START if untried else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                trying.discard(task)
                error = task.exception()
                if error is None:
                    trying |= done - {task}
                    return task.result()
                if not untried and not trying:
                    raise error
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_hang_up)


def _hang_up(task: "asyncio.Task[socket.socket]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _dial(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - its only parameter
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock
