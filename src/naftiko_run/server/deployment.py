"""The listeners of a process: started once, then changed in place while they serve."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.units import Listener
from naftiko_run.server.http import HttpServer, PortError, authority, bind

Key = tuple[str, int, str]


@dataclass(slots=True)
class _Running:
    listener: Listener
    app: ListenerApp
    server: HttpServer


class Deployment:
    """Serves the listeners of a plan, and moves from one plan to the next without a gap."""

    def __init__(self, allowed_hosts: Sequence[str]) -> None:
        """Begin with nothing."""
        self._allowed = tuple(allowed_hosts)
        self._running: dict[Key, _Running] = {}

    async def apply(self, listeners: Sequence[Listener]) -> None:
        """Serve these listeners: new ones start, known ones change, others stop.

        Raises:
            PortError: a new listener cannot start; nothing has changed then.
        """
        wanted = {_key(listener): listener for listener in listeners}
        opened = self._open([key for key in wanted if key not in self._running], wanted)
        for key, listener in wanted.items():
            running = self._running.get(key)
            if running is not None:
                running.listener = replace(listener, port=running.listener.port)
                await running.app.update(running.listener)
                continue
            await self._start(key, listener, opened[key])
        for key in [key for key in self._running if key not in wanted]:
            await self._stop(self._running.pop(key))

    async def stop(self) -> None:
        """Finish what is in flight and stop everything."""
        # Every listener stops accepting before the first one waits for its requests.
        stopping = list(self._running.values())
        self._running.clear()
        for running in stopping:
            running.server.refuse()
        for running in stopping:
            await self._stop(running)

    def _open(self, keys: Sequence[Key], wanted: dict[Key, Listener]) -> dict[Key, socket.socket]:
        opened: dict[Key, socket.socket] = {}
        try:
            for key in keys:
                opened[key] = _bind(wanted[key])
        except PortError:
            for listening in opened.values():
                listening.close()
            raise
        return opened

    async def _start(self, key: Key, listener: Listener, listening: socket.socket) -> None:
        placed = replace(listener, port=listening.getsockname()[1])
        app = ListenerApp(placed.address, allowed_hosts=self._allowed)
        await app.update(placed)
        server = HttpServer(app, listening)
        await server.start()
        self._running[key] = _Running(placed, app, server)

    async def _stop(self, running: _Running) -> None:
        await running.server.stop()
        await running.app.stop()

    def summary(self) -> list[str]:
        """Say, one line per listener, what is served and where."""
        return [_line(running.listener, running.app) for running in self._running.values()]


def _key(listener: Listener) -> Key:
    return (
        listener.address,
        listener.port,
        listener.adapters[0] if listener.port == 0 else "",
    )


def _bind(listener: Listener) -> socket.socket:
    try:
        return bind(listener.address, listener.port)
    except PortError as error:
        first = listener.adapters[0]
        raise PortError(
            f"{error} ({', '.join(listener.adapters)}); move it with --port {first}=PORT"
        ) from None


def _line(listener: Listener, app: ListenerApp) -> str:
    base = f"http://{authority(listener.address, listener.port)}"
    served = []
    if listener.routes:
        count = sum(1 for route in listener.routes if route.flow)
        served.append(f"REST {base} ({_count(count, 'route')}, docs {base}/docs)")
    for server in listener.servers:
        path = app.endpoint(server.namespace)
        served.append(f"MCP {base}{path} ({_count(len(server.tools), 'tool')})")
    return f"{' and '.join(served)}: {', '.join(listener.adapters)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
