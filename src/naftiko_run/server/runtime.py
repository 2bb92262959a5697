"""What a running command has open: the client, scripts, the sandboxes, and the plan over them."""

import importlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct, field

from naftiko_run.callers.nonces import Nonces, Sharing
from naftiko_run.plan.apis import Sandbox
from naftiko_run.plan.client import LazyClient, Limits
from naftiko_run.scripts.workers import ScriptWorkers
from naftiko_run.server.http import HttpServer, authority, bind
from naftiko_run.server.prepare import Prepared, prepare, sandbox_modules
from naftiko_run.settings import Settings
from naftiko_run.spec.document import Loaded
from naftiko_run.types import Client, Discreet, without


class Runtime(Discreet, Struct):
    """What flows need to be called: a client, a sandbox for each API that has one, and scripts.

    ``nonces`` outlive the plans: a request that was used once is not taken again after a change.
    """

    settings: Settings
    client: Client
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    nonces: Nonces = field(default_factory=Nonces)
    workers: ScriptWorkers = field(default_factory=ScriptWorkers)
    _servers: list[HttpServer] = field(default_factory=list)

    def __repr__(self) -> str:
        return without(self, "nonces", "workers")

    def share_nonces(self, sharing: Sharing) -> None:
        """Take the nonces of all who share this."""
        self.nonces = Nonces(sharing)

    async def start_sandboxes(self, loaded: Sequence[Loaded]) -> None:
        """Start the sandboxes that these files can use, where they were asked for."""
        if not self.settings.sandbox:
            return
        for origin, name in sandbox_modules(loaded).items():
            if origin in self.sandboxes:
                continue
            module = importlib.import_module(name)
            listening = bind("127.0.0.1", 0)
            app = module.create_app(database=self.settings.sandbox_database)
            server = HttpServer(app, listening)
            await server.start()
            self._servers.append(server)
            url = f"http://{authority('127.0.0.1', listening.getsockname()[1])}"
            self.sandboxes[origin] = Sandbox(url, module.ROOT_KEY)

    def prepare(self, loaded: Sequence[Loaded]) -> Prepared:
        """Compile files into a plan whose flows can be called."""
        return prepare(
            loaded,
            self.settings,
            self.client,
            sandboxes=self.sandboxes,
            nonces=self.nonces,
            workers=self.workers,
        )

    async def aclose(self) -> None:
        """Close connections, end scripts and stop the sandboxes."""
        await self.client.aclose()
        await self.workers.aclose()
        for server in self._servers:
            await server.stop()


@asynccontextmanager
async def running(loaded: Sequence[Loaded], settings: Settings) -> AsyncIterator[Runtime]:
    """Open what the flows of these files need, and close it afterwards."""
    runtime = Runtime(settings, LazyClient(Limits(timeout=settings.timeout), os.environ))
    try:
        await runtime.start_sandboxes(loaded)
        yield runtime
    finally:
        await runtime.aclose()
