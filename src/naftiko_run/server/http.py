"""Listeners on sockets: one process, one event loop, one HTTP server per address and port.

Stopping loses nothing that was accepted: listening ends first, answers then close their
connection, and what is in flight is finished before the process ends.
"""

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp

from naftiko_run.server.backlog import accept_last
from naftiko_run.server.protocol import HttpProtocol
from naftiko_run.server.state import ServerState

BACKLOG = 2048
GRACE_SECONDS = 30
"""How long requests in flight may take after the process was asked to stop."""

_IDLE_SECONDS = 0.5
_log = logging.getLogger("naftiko_run.server")


class PortError(Exception):
    """A listener that could not start: its port is taken, or the address is not this machine's."""


class AddressError(PortError):
    """No port would help: the address is not this machine's, or no address at all."""


def bind(address: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes any free one.

    Raises:
        PortError: with one line for people.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) only where the socket says that it is TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        kind = PortError if getattr(error, "errno", None) in _OF_PORT else AddressError
        raise kind(_why(address, port, error)) from None
    listening.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listening


_OF_PORT = {
    errno.EADDRINUSE: "the port is already in use",
    errno.EACCES: "this user may not use the port",
}
_OF_ADDRESS = {
    errno.EADDRNOTAVAIL: "the address is not one of this machine",
    socket.EAI_NONAME: "the name is not known",
}


def _why(address: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None) or 0
    reason = _OF_PORT.get(number) or _OF_ADDRESS.get(number) or str(error)
    return f"cannot listen on {authority(address, port)}: {reason}"


def authority(address: str, port: int) -> str:
    """Write an address and port as they stand in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class HttpServer:
    """Serves an ASGI application, from ``start`` to ``stop``.

    It accepts on a listening socket, or is given connections that were accepted elsewhere.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket | None = None) -> None:
        """Prepare a server; nothing is accepted yet."""
        self._app = app
        self._state = ServerState()
        self._refusing = False
        self._listening = listening
        self._accepting: asyncio.Server | None = None
        self._backlog: socket.socket | None = None
        self._released = asyncio.Event()

    async def start(self) -> None:
        """Begin to accept connections; returns once they are."""
        self._state.keep_time()
        if self._listening is not None:
            # Not only when it stops: there may be no descriptor left then.
            self._backlog = self._listening.dup()
            self._accepting = await asyncio.get_running_loop().create_server(
                self._protocol, sock=self._listening, backlog=BACKLOG
            )

    def _protocol(self) -> HttpProtocol:
        made = HttpProtocol(self._app, self._state)
        made.last = self._refusing
        return made

    async def take(self, connection: socket.socket) -> None:
        """Serve a connection that was accepted elsewhere."""
        connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()

    def refuse(self) -> None:
        """Accept no further connection; answers from now on close theirs."""
        if self._refusing:
            return
        self._refusing = True
        for connection in self._state.connections:
            connection.last = True
        if self._accepting is not None:
            self._accepting.close()

    async def _accept_last(self) -> None:
        """Serve who waits in the backlog: connected already, and reset if the socket closed."""
        backlog, self._backlog = self._backlog, None
        if backlog is None:
            return
        last = [asyncio.ensure_future(self.take(c)) for c in await accept_last(backlog)]
        if last:
            await asyncio.wait(last)

    async def released(self) -> None:
        """Wait until its address and port are free again, once it was asked to stop."""
        await self._released.wait()

    async def stop(self) -> None:
        """Accept nothing more, finish what is in flight, and close."""
        self.refuse()
        try:
            await self._accept_last()
        finally:
            self._released.set()
        # A keep-alive connection may be about to send: it gets a moment, and an answer that
        # tells it to close, before it is closed under it.
        await self._left(_IDLE_SECONDS)
        for connection in list(self._state.connections):
            connection.shutdown()
        if not await self._left(GRACE_SECONDS):
            # One that is answered, and whose caller takes nothing of it, is a connection alone.
            number = max(len(self._state.tasks), len(self._state.connections))
            are = "request is" if number == 1 else "requests are"
            _log.error("%s %s not waited for any longer", number, are)
            for task in self._state.tasks:
                task.cancel()
        self._state.stop_time()
        if self._listening is not None:
            self._listening.close()

    async def _left(self, seconds: float) -> bool:
        """Wait until nobody is connected and nothing is under way, but no longer than this."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._state.connections or self._state.tasks:
            if loop.time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


async def until_stopped(at_once: Sequence[Callable[[], None]] = ()) -> None:
    """Wait for SIGINT or SIGTERM; a second one ends the process at once.

    ``at_once`` is called before that end, which leaves no time for anything else: the status is
    that of a process which the signal ended.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked(number: int) -> None:
        if stop.is_set():
            for end in at_once:
                end()
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, asked, number)
    await stop.wait()


def allow_connections() -> None:
    """Raise the number of descriptors that this process may have as far as the system lets it.

    Each connection is one. The usual limit, 1024, is for programs that use ``select``.
    """
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # the system's own bound may be lower
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(main: Callable[[], object]) -> object:
    """Run the process's main coroutine on the fastest event loop that is there."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.run(main())  # type: ignore[arg-type]
    return uvloop.run(main())  # type: ignore[arg-type]
