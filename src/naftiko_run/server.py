"""Listeners on sockets: one process, one event loop, one HTTP server per address and port.

Stopping loses nothing that was accepted: listening ends first, answers then close their
connection, and what is in flight is finished before the process ends.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BACKLOG = 2048
GRACE_SECONDS = 30
"""How long requests in flight may take after the process was asked to stop."""

_IDLE_SECONDS = 0.5
_log = logging.getLogger("naftiko_run.server")


class PortError(Exception):
    """A listener that could not start: its port is taken, or the address is not this machine's."""


def bind(address: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes any free one.

    Raises:
        PortError: with one line for people.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise PortError(_why(address, port, error)) from None
    listening.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listening


def _why(address: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    reasons = {
        98: "the port is already in use",
        48: "the port is already in use",
        13: "this user may not use the port",
        99: "the address is not one of this machine",
    }
    reason = reasons.get(number or 0) or str(error)
    return f"cannot listen on {authority(address, port)}: {reason}"


def authority(address: str, port: int) -> str:
    """Write an address and port as they stand in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclass(slots=True)
class Site:
    """An ASGI application with the socket that it answers on."""

    app: ASGIApp
    listening: socket.socket


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Drain:
    """Passes requests on; while the process stops, each answer closes its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.draining:
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, self._closing(send))

    def _closing(self, send: Send) -> Send:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [h for h in message["headers"] if h[0] != b"connection"]
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
            await send(message)

        return closing


class Servers:
    """Serves several sites until it is told to stop."""

    def __init__(self, sites: Sequence[Site]) -> None:
        """Prepare a server for each site."""
        self._drains = [_Drain(site.app) for site in sites]
        self._servers = [_Server(_config(drain)) for drain in self._drains]
        self._sites = sites

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside this block; leaving it stops gracefully."""
        tasks = [
            asyncio.create_task(server.serve(sockets=[site.listening]))
            for server, site in zip(self._servers, self._sites, strict=True)
        ]
        try:
            while not all(server.started for server in self._servers):
                for task in tasks:
                    if task.done():
                        await task
                await asyncio.sleep(0.005)
            yield
        finally:
            await self._stop()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self) -> None:
        for server, drain in zip(self._servers, self._drains, strict=True):
            for listening in getattr(server, "servers", ()):
                listening.close()
            drain.draining = True
        # A keep-alive connection may be about to send: it gets a moment, and an answer that
        # tells it to close, before it is closed under it.
        deadline = asyncio.get_running_loop().time() + _IDLE_SECONDS
        while (  # noqa: ASYNC110 - the server gives no event for its last connection
            asyncio.get_running_loop().time() < deadline and self._connections()
        ):
            await asyncio.sleep(0.02)
        for server in self._servers:
            server.should_exit = True

    def _connections(self) -> int:
        return sum(len(server.server_state.connections) for server in self._servers)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )


async def until_stopped() -> None:
    """Wait for SIGINT or SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, asked)
    await stop.wait()


@asynccontextmanager
async def serving(sites: Sequence[Site], *parts: object) -> AsyncIterator[None]:
    """Serve sites around the lives of their ``parts`` (async context managers)."""
    async with AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(part)  # type: ignore[arg-type]
        await stack.enter_async_context(Servers(sites).running())
        yield


def run(main: Callable[[], object]) -> object:
    """Run the process's main coroutine on the fastest event loop that is there."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.run(main())  # type: ignore[arg-type]
    return uvloop.run(main())  # type: ignore[arg-type]
