"""``naftiko-run serve``: every listener, in one process or several, until SIGINT or SIGTERM."""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable, Sequence

from naftiko_run.cli.logs import configure
from naftiko_run.cli.status import INVALID, NO_LISTENER, OK
from naftiko_run.cli.terminal import printable, say, show
from naftiko_run.findings import Finding
from naftiko_run.server.deployment import Deployment
from naftiko_run.server.http import PortError, allow_connections, run, until_stopped
from naftiko_run.server.prepare import all_loaded, check_names, load_all, with_files
from naftiko_run.server.runtime import Runtime, running
from naftiko_run.server.supervised import (
    SupervisedDeployment,
    read_content,
    serve_as_worker,
)
from naftiko_run.server.watch import Watcher
from naftiko_run.server.workers import Supervisor, channel_of_worker, command
from naftiko_run.settings import Settings
from naftiko_run.spec.document import Loaded


def serve(paths: Sequence[str], settings: Settings) -> int:
    """Serve files; returns the exit status."""
    configure(settings.log_level, settings.log_format)
    # Modules stay: what is loaded from now on is all that the collector has to look through.
    gc.freeze()
    allow_connections()
    channel = channel_of_worker()
    if channel is not None:
        return _work(channel, settings)
    since = time.time()
    loaded, missing = load_all(paths, settings)

    async def main() -> int:
        # Before anything is announced: who reads the announcement may ask to stop at once.
        at_once: list[Callable[[], None]] = []
        stopped = asyncio.ensure_future(until_stopped(at_once))
        await asyncio.sleep(0)  # it listens for signals from now on
        try:
            async with running(loaded, settings) as runtime:
                deployment = _deployment(runtime)
                at_once.append(deployment.kill)
                return await _serve(paths, runtime, deployment, loaded, missing, stopped, since)
        except PortError as error:
            say(str(error))
            return NO_LISTENER

    result = run(main)
    return result if isinstance(result, int) else INVALID


async def _serve(
    paths: Sequence[str],
    runtime: Runtime,
    deployment: Deployment | SupervisedDeployment,
    loaded: list[Loaded],
    missing: Sequence[Finding],
    stopped: asyncio.Future[None],
    since: float,
) -> int:
    settings = runtime.settings
    prepared = with_files(runtime.prepare(loaded), missing)
    plan = prepared.plan
    if not plan.serves_anything or (settings.strict and prepared.has_errors):
        show(prepared.findings)
        why = "a file is invalid (--strict)" if plan.serves_anything else "nothing can be served"
        say(why)
        return INVALID
    # A file that cannot be read, or that comes later, may be the one that has the name.
    strictly = not settings.watch and all_loaded(prepared, missing)
    warnings = check_names(settings, prepared, strictly=strictly)
    try:
        await deployment.apply(plan.listeners, loaded)
    except (PortError, RuntimeError) as error:
        # What was found may be the very reason: a port that only a misspelt name leaves in place.
        show(prepared.findings)
        for line in warnings:
            say(line)
        if isinstance(error, PortError):
            raise
        say(str(error))
        await deployment.stop()
        return INVALID
    _freeze()
    for line in deployment.summary():
        print(printable(line), flush=True)
    for origin, sandbox in runtime.sandboxes.items():
        print(f"sandbox of {origin} at {sandbox.url}", flush=True)
    show(prepared.findings)
    for line in warnings:
        say(line)
    if settings.watch:
        watcher = Watcher(paths, runtime, deployment, loaded, since=since, say=say, show=show)
        watching = asyncio.ensure_future(watcher.run())
        await asyncio.wait({stopped, watching}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await stopped
    await deployment.stop()
    return OK


def _deployment(runtime: Runtime) -> Deployment | SupervisedDeployment:
    settings = runtime.settings
    if settings.workers == 1:
        return Deployment(settings.allow_host)
    supervisor = Supervisor(settings.workers, command(), say)
    return SupervisedDeployment(supervisor, runtime.sandboxes)


def _freeze() -> None:
    # What was loaded stays for long: the collector need not look at it at every turn.
    gc.collect()
    gc.freeze()
    # A request leaves no garbage behind but where something fails: what is under way is not it.
    gc.set_threshold(10_000, 20, 100)


def _work(channel: int, settings: Settings) -> int:
    """Serve as one worker of several; the supervisor says when to stop, not the terminal."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    content = read_content(sys.stdin.buffer.read())

    async def main() -> int:
        async with running((), settings) as runtime:
            runtime.sandboxes.update(content.sandboxes)
            runtime.share_nonces(content.nonces)
            plan = runtime.prepare(content.loaded).plan
            await serve_as_worker(channel, plan.listeners, settings.allow_host, _freeze)
        return OK

    result = run(main)
    return result if isinstance(result, int) else INVALID
