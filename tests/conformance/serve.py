"""Serve the conformance capability with the extension, from the modules that the command uses."""

import asyncio
import sys
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[2]))

from naftiko_run.server.deployment import Deployment
from naftiko_run.server.http import run, until_stopped
from naftiko_run.server.prepare import load_all
from naftiko_run.server.runtime import running
from naftiko_run.settings import Settings
from tests.conformance.extension import EXTENSION


async def main(capability: str, upstream: str) -> None:
    """Serve until the process is asked to stop."""
    stopped = asyncio.ensure_future(until_stopped())
    await asyncio.sleep(0)  # it listens for signals from now on
    settings = Settings(ports={"conformance": 0}, upstreams={"fixtures": upstream})
    loaded, _ = load_all([capability], settings)
    async with running(loaded, settings) as runtime:
        deployment = Deployment(settings.allow_host)
        await deployment.apply(
            [
                replace(
                    listener,
                    servers=tuple(replace(s, extension=EXTENSION) for s in listener.servers),
                )
                for listener in runtime.prepare(loaded).plan.listeners
            ]
        )
        print("\n".join(deployment.summary()), flush=True)  # noqa: T201 - as the command does
        await stopped
        await deployment.stop()


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
