"""The listeners of a process: started once, then changed in place while they serve."""

import asyncio
import socket
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.units import Listener
from naftiko_run.server.http import AddressError, HttpServer, PortError, authority, bind
from naftiko_run.spec.document import Loaded


def key_of(listener: Listener) -> str:
    """Name a listener by what stays the same from one plan to the next."""
    adapter = listener.adapters[0] if listener.port == 0 else ""
    return f"{listener.address} {listener.port} {adapter}"


def open_sockets(listeners: Mapping[str, Listener]) -> dict[str, socket.socket]:
    """Bind a socket for each listener.

    Raises:
        PortError: one of them cannot be bound; all are closed again then.
    """
    opened: dict[str, socket.socket] = {}
    try:
        for key, listener in listeners.items():
            opened[key] = _bind(listener)
    except PortError:
        for listening in opened.values():
            listening.close()
        raise
    return opened


def _bind(listener: Listener) -> socket.socket:
    try:
        return bind(listener.address, listener.port)
    except PortError as error:
        todo = f"move it with --port {listener.adapters[0]}=PORT"
        if isinstance(error, AddressError):
            todo = "write one of this machine's as 'address' of the adapter, or with --host"
        raise PortError(f"{error} ({', '.join(listener.adapters)}); {todo}") from None


def line_of(listener: Listener, port: int) -> str:
    """Say in one line what a listener serves and where."""
    base = f"http://{authority(listener.address, port)}"
    served = []
    if listener.routes:
        count = sum(1 for route in listener.routes if route.flow or route.forwarder)
        served.append(f"REST {base} ({_count(count, 'route')}, docs {base}/docs)")
    for server in listener.servers:
        path = listener.endpoint(server.namespace)
        parts = {"tool": len(server.tools)}
        parts["resource"] = len(server.resources) + len(server.resource_templates)
        parts["prompt"] = len(server.prompts)
        parts["skill"] = len(server.skills)
        counts = [_count(number, noun) for noun, number in parts.items() if number]
        served.append(f"MCP {base}{path} ({', '.join(counts) or '0 tools'})")
    for adapter in listener.skills:
        path = listener.skills_path(adapter.namespace)
        served.append(f"Skills {base}{path} ({_count(len(adapter.skills), 'skill')})")
    return f"{' and '.join(served)}: {', '.join(listener.adapters)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Running(Struct):
    listener: Listener
    app: ListenerApp
    server: HttpServer


class Deployment:
    """Serves the listeners of a plan, and moves from one plan to the next without a gap."""

    def __init__(self, allowed_hosts: Sequence[str]) -> None:
        """Begin with nothing."""
        self._allowed = tuple(allowed_hosts)
        self._running: dict[str, _Running] = {}
        self._draining: set[asyncio.Task[None]] = set()

    async def apply(self, listeners: Sequence[Listener], _loaded: Sequence[Loaded] = ()) -> None:
        """Serve these listeners: new ones start, known ones change, others stop.

        It waits for the sockets of those that stop, not for the requests that they finish.

        Raises:
            PortError: a new listener cannot start; nothing has changed then.
        """
        wanted = {key_of(listener): listener for listener in listeners}
        opened = open_sockets({k: v for k, v in wanted.items() if k not in self._running})
        for key, listener in wanted.items():
            running = self._running.get(key)
            if running is not None:
                running.listener = replace(listener, port=running.listener.port)
                await running.app.update(running.listener)
                continue
            await self._start(key, listener, opened[key])
        gone = [self._running.pop(key) for key in list(self._running) if key not in wanted]
        self._drain(gone)
        for running in gone:
            await running.server.released()

    async def stop(self) -> None:
        """Finish what is in flight, also of what stopped earlier, and stop everything."""
        stopping = list(self._running.values())
        self._running.clear()
        self._drain(stopping)
        if self._draining:
            await asyncio.wait(self._draining)

    async def _start(self, key: str, listener: Listener, listening: socket.socket) -> None:
        placed = replace(listener, port=listening.getsockname()[1])
        app = ListenerApp(placed.address, allowed_hosts=self._allowed)
        await app.update(placed)
        server = HttpServer(app, listening)
        await server.start()
        self._running[key] = _Running(placed, app, server)

    def kill(self) -> None:
        """Do nothing: what there is ends with this process."""

    def _drain(self, stopping: Sequence[_Running]) -> None:
        # Every listener stops accepting before the first one waits for its requests.
        for running in stopping:
            running.server.refuse()
            running.app.release()
        for running in stopping:
            task = asyncio.create_task(_finish(running))
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)

    def summary(self) -> list[str]:
        """Say, one line per listener, what is served and where."""
        return [line_of(r.listener, r.listener.port) for r in self._running.values()]


async def _finish(running: _Running) -> None:
    await running.server.stop()
    await running.app.stop()
