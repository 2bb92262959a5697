"""What a running command has open: the upstream client, the sandboxes, and the plan over them."""

import importlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from naftiko_run.cli.prepare import Prepared, prepare, sandbox_modules
from naftiko_run.plan.apis import Sandbox
from naftiko_run.plan.client import LazyClient, Limits
from naftiko_run.server import Servers, Site, authority, bind
from naftiko_run.settings import Settings
from naftiko_run.spec.document import Loaded


@dataclass(slots=True)
class Runtime:
    """A compiled plan whose flows can be called."""

    prepared: Prepared
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)


@asynccontextmanager
async def running(loaded: Sequence[Loaded], settings: Settings) -> AsyncIterator[Runtime]:
    """Open what the flows need, and close it afterwards."""
    async with AsyncExitStack() as stack:
        sandboxes: dict[str, Sandbox] = {}
        if settings.sandbox:
            sandboxes = await _start_sandboxes(loaded, settings, stack)
        client = LazyClient(Limits(timeout=settings.timeout), os.environ)
        stack.push_async_callback(client.aclose)
        yield Runtime(prepare(loaded, settings, client, sandboxes=sandboxes), sandboxes)


async def _start_sandboxes(
    loaded: Sequence[Loaded], settings: Settings, stack: AsyncExitStack
) -> dict[str, Sandbox]:
    sandboxes: dict[str, Sandbox] = {}
    for origin, name in sandbox_modules(loaded).items():
        module = importlib.import_module(name)
        listening = bind("127.0.0.1", 0)
        app = module.create_app(database=settings.sandbox_database)
        await stack.enter_async_context(Servers([Site(app, listening)]).running())
        url = f"http://{authority('127.0.0.1', listening.getsockname()[1])}"
        sandboxes[origin] = Sandbox(url, module.ROOT_KEY)
    return sandboxes
