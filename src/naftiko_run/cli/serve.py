"""``naftiko-run serve``: every listener in one process, until SIGINT or SIGTERM."""

import asyncio
import gc
from collections.abc import Sequence

from naftiko_run.cli.logs import configure
from naftiko_run.cli.status import INVALID, NO_LISTENER, OK
from naftiko_run.cli.terminal import printable, say, show
from naftiko_run.findings import Finding
from naftiko_run.server.deployment import Deployment
from naftiko_run.server.http import PortError, run, until_stopped
from naftiko_run.server.prepare import load_all, with_files
from naftiko_run.server.runtime import Runtime, running
from naftiko_run.server.watch import Watcher
from naftiko_run.settings import Settings
from naftiko_run.spec.document import Loaded


def serve(paths: Sequence[str], settings: Settings) -> int:
    """Serve files; returns the exit status."""
    configure(settings.log_level, settings.log_format)
    loaded, missing = load_all(paths, settings)

    async def main() -> int:
        try:
            async with running(loaded, settings) as runtime:
                return await _serve(paths, runtime, loaded, missing)
        except PortError as error:
            say(str(error))
            return NO_LISTENER

    result = run(main)
    return result if isinstance(result, int) else INVALID


async def _serve(
    paths: Sequence[str], runtime: Runtime, loaded: list[Loaded], missing: Sequence[Finding]
) -> int:
    settings = runtime.settings
    prepared = with_files(runtime.prepare(loaded), missing)
    plan = prepared.plan
    if not plan.serves_anything or (settings.strict and prepared.has_errors):
        show(prepared.findings)
        why = "a file is invalid (--strict)" if plan.serves_anything else "nothing can be served"
        say(why)
        return INVALID
    deployment = Deployment(settings.allow_host)
    await deployment.apply(plan.listeners)
    # What was loaded stays for long: the collector need not look at it at every turn.
    gc.collect()
    gc.freeze()
    for line in deployment.summary():
        print(printable(line), flush=True)
    for origin, sandbox in runtime.sandboxes.items():
        print(f"sandbox of {origin} at {sandbox.url}", flush=True)
    show(prepared.findings)
    stopped = asyncio.ensure_future(until_stopped())
    if settings.watch:
        watcher = Watcher(paths, runtime, deployment, loaded, say=say, show=show)
        watching = asyncio.ensure_future(watcher.run())
        await asyncio.wait({stopped, watching}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await stopped
    await deployment.stop()
    return OK
