"""``naftiko-run serve``: every listener in one process, until SIGINT or SIGTERM."""

import gc
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace

from naftiko_run.cli import INVALID, NO_LISTENER, OK
from naftiko_run.cli.logs import configure
from naftiko_run.cli.prepare import load_all, printable, show, with_files
from naftiko_run.cli.runtime import Runtime, running
from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.units import Listener
from naftiko_run.findings import Finding
from naftiko_run.server import (
    PortError,
    Site,
    authority,
    bind,
    run,
    serving,
    until_stopped,
)
from naftiko_run.settings import Settings


def serve(paths: Sequence[str], settings: Settings) -> int:
    """Serve files; returns the exit status."""
    configure(settings.log_level, settings.log_format)
    loaded, missing = load_all(paths, settings)

    async def main() -> int:
        try:
            async with running(loaded, settings) as runtime:
                return await _serve(runtime, settings, missing)
        except PortError as error:
            print(f"naftiko-run: {error}", file=sys.stderr)
            return NO_LISTENER

    result = run(main)
    return result if isinstance(result, int) else INVALID


async def _serve(runtime: Runtime, settings: Settings, missing: Sequence[Finding]) -> int:
    prepared = with_files(runtime.prepared, missing)
    plan = prepared.plan
    if not plan.serves_anything or (settings.strict and prepared.has_errors):
        show(prepared.findings)
        why = "a file is invalid (--strict)" if plan.serves_anything else "nothing can be served"
        print(f"naftiko-run: {why}", file=sys.stderr)
        return INVALID
    apps: list[ListenerApp] = []
    sites: list[Site] = []
    bound: list[Listener] = []
    try:
        for listener in plan.listeners:
            listening = _bind(listener)
            placed = replace(listener, port=listening.getsockname()[1])
            app = ListenerApp(placed, allowed_hosts=settings.allow_host)
            apps.append(app)
            bound.append(placed)
            sites.append(Site(app, listening))
    except PortError:
        for site in sites:
            site.listening.close()
        raise
    # What was loaded stays for good: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    async with serving(sites, *(app.running() for app in apps)):
        for line in summary(bound, apps, runtime):
            print(printable(line), flush=True)
        show(prepared.findings)
        await until_stopped()
    return OK


def _bind(listener: Listener) -> socket.socket:
    try:
        return bind(listener.address, listener.port)
    except PortError as error:
        first = listener.adapters[0]
        raise PortError(
            f"{error} ({', '.join(listener.adapters)}); move it with --port {first}=PORT"
        ) from None


def summary(
    listeners: Sequence[Listener], apps: Sequence[ListenerApp], runtime: Runtime
) -> list[str]:
    """Say, one line per listener, what is served and where."""
    lines = []
    for listener, app in zip(listeners, apps, strict=True):
        base = f"http://{authority(listener.address, listener.port)}"
        served = []
        if listener.routes:
            count = sum(1 for route in listener.routes if route.flow)
            served.append(f"REST {base} ({_count(count, 'route')}, docs {base}/docs)")
        for server in listener.servers:
            paths = [
                path
                for path, face in app.endpoints.items()
                if face.namespace == server.namespace and not app.claims(path)
            ]
            path = "/mcp" if "/mcp" in paths else f"/{server.namespace}/mcp"
            served.append(f"MCP {base}{path} ({_count(len(server.tools), 'tool')})")
        names = ", ".join(listener.adapters)
        lines.append(f"{' and '.join(served)}: {names}")
    lines += [f"sandbox of {o} at {s.url}" for o, s in runtime.sandboxes.items()]
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
