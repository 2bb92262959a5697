"""A deployment over several workers, and what one worker serves."""

import asyncio
import json
import pickle
import socket
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from naftiko_run.callers.nonces import Sharing
from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.mcp_adapter import changes_between
from naftiko_run.exposes.mcp_methods import LISTS
from naftiko_run.exposes.units import Listener
from naftiko_run.plan.apis import Sandbox
from naftiko_run.server.deployment import key_of, line_of, open_sockets
from naftiko_run.server.http import HttpServer
from naftiko_run.server.workers import MAX_FAREWELL, Supervisor, serve_channel
from naftiko_run.spec.document import Loaded


class Content(Struct, frozen=True):
    """What a worker serves: documents as the supervisor read them, and the sandboxes it runs.

    ``nonces`` is the same for all workers of a start: each takes the nonces of the others, and
    knows which were used.
    """

    loaded: Sequence[Loaded]
    sandboxes: Mapping[str, Sandbox]
    nonces: Sharing

    def dumps(self) -> bytes:
        """Write it for a worker's standard input."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)


def read_content(data: bytes) -> Content:
    """Read what the supervisor, and nobody else, wrote."""
    content = pickle.loads(data)  # noqa: S301 - from the parent process, over its own pipe
    if not isinstance(content, Content):
        raise TypeError("not the content of a worker")
    return content


class SupervisedDeployment:
    """Serves plans with several workers; the same face as a deployment in one process."""

    def __init__(self, supervisor: Supervisor, sandboxes: Mapping[str, Sandbox]) -> None:
        """Begin with nothing; ``sandboxes`` are those of this process, which workers call."""
        self._supervisor = supervisor
        self._sandboxes = sandboxes
        self._nonces = Sharing()
        supervisor.inherited = (self._nonces.memory,)
        self._sockets: dict[str, socket.socket] = {}
        self._served: dict[str, Listener] = {}
        self._lines: list[str] = []

    async def apply(self, listeners: Sequence[Listener], loaded: Sequence[Loaded] = ()) -> None:
        """Serve these listeners, made of these files.

        Raises:
            PortError: a new listener cannot start.
            RuntimeError: a worker cannot.
        """
        wanted = {key_of(listener): listener for listener in listeners}
        opened = open_sockets({k: v for k, v in wanted.items() if k not in self._sockets})
        sockets = {key: opened.get(key) or self._sockets[key] for key in wanted}
        before = self._supervisor.content
        content = Content(tuple(loaded), dict(self._sandboxes), self._nonces)
        self._supervisor.content = content.dumps()
        try:
            if self._sockets:
                await self._supervisor.replace(sockets, _farewell(self._served, wanted))
            else:
                await self._supervisor.start(sockets)
        except (RuntimeError, asyncio.CancelledError):
            self._supervisor.content = before
            for listening in opened.values():
                listening.close()
            raise
        self._sockets, self._served = sockets, wanted
        self._lines = [
            line_of(listener, sockets[key].getsockname()[1]) for key, listener in wanted.items()
        ]

    async def stop(self) -> None:
        """Let every worker finish and end."""
        await self._supervisor.stop()
        self._nonces.close()

    def kill(self) -> None:
        """End every worker at once."""
        self._supervisor.kill()

    def summary(self) -> list[str]:
        """Say, one line per listener, what is served and where."""
        return list(self._lines)


def _farewell(before: Mapping[str, Listener], after: Mapping[str, Listener]) -> bytes:
    """Write what clients that listen are to hear of a reload: the lists that changed.

    They listen to workers that end. Each listener's adapters are told by their names.
    """
    changed: dict[str, dict[str, list[str]]] = {}
    for key in before.keys() & after.keys():
        new = {server.namespace: server for server in after[key].servers}
        changed[key] = {
            server.namespace: changes_between(server, new[server.namespace])
            for server in before[key].servers
            if server.namespace in new
        }
    text = json.dumps(changed).encode()
    return text if len(text) <= MAX_FAREWELL else _EVERYTHING


_EVERYTHING = b"null"
"""Stands for changes that are too many to name."""


async def _tell(farewell: bytes, apps: Mapping[str, ListenerApp]) -> None:
    """Tell clients that listen what the supervisor said of a reload."""
    changed = json.loads(farewell) if farewell else {}
    for key, app in apps.items():
        for namespace, face in app.faces.items():
            if changed is None:
                await face.tell(LISTS)
            elif namespace in changed.get(key, {}):
                await face.tell(changed[key][namespace])


async def serve_as_worker(
    descriptor: int,
    listeners: Sequence[Listener],
    allowed_hosts: Sequence[str],
    ready: Callable[[], None],
) -> None:
    """Serve listeners with the connections of the supervisor until it says to stop.

    ``ready`` is called when everything that stays is made, and no connection has come yet.
    """
    apps: dict[str, ListenerApp] = {}
    servers: dict[str, HttpServer] = {}
    for listener in listeners:
        app = ListenerApp(listener.address, allowed_hosts=allowed_hosts)
        await app.update(listener)
        server = HttpServer(app)
        await server.start()
        apps[key_of(listener)] = app
        servers[key_of(listener)] = server
    ready()
    farewell = await serve_channel(descriptor, servers)
    for server in servers.values():
        server.refuse()
    await _tell(farewell, apps)
    for app in apps.values():
        app.release()
    await asyncio.gather(*(server.stop() for server in servers.values()))
    for app in apps.values():
        await app.stop()
