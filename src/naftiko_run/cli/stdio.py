"""``naftiko-run stdio``: one MCP adapter over stdin and stdout, where nothing else is written."""

from naftiko_run.cli.logs import configure
from naftiko_run.cli.status import INVALID, OK
from naftiko_run.cli.terminal import say, show
from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.units import ToolServer
from naftiko_run.plan import Plan
from naftiko_run.server.http import run
from naftiko_run.server.prepare import load_all, with_files
from naftiko_run.server.runtime import running
from naftiko_run.settings import Settings, UsageError


def stdio(path: str, adapter: str | None, settings: Settings) -> int:
    """Serve until stdin ends; returns the exit status."""
    configure(settings.log_level, settings.log_format)
    loaded, missing = load_all([path], settings)

    async def main() -> int:
        async with running(loaded, settings) as runtime:
            prepared = with_files(runtime.prepare(loaded), missing)
            show(prepared.findings)
            if not prepared.plan.serves_anything:
                return INVALID
            server = _choose(prepared.plan, adapter)
            if server.authenticator is not None:
                say(
                    f"the authentication of {server.namespace!r} is not used over stdin and"
                    " stdout: whoever starts this process is its caller"
                )
            await McpFace(server).run_stdio()
        return OK

    result = run(main)
    return result if isinstance(result, int) else INVALID


def _choose(plan: Plan, adapter: str | None) -> ToolServer:
    servers = [server for listener in plan.listeners for server in listener.servers]
    names = ", ".join(server.namespace for server in servers) or "none"
    chosen = [s for s in servers if adapter in (None, s.namespace)]
    if len(chosen) == 1:
        return chosen[0]
    if adapter is None and chosen:
        raise UsageError(f"several MCP adapters: choose one with --adapter ({names})")
    raise UsageError(f"no MCP adapter{f' {adapter!r}' if adapter else ''}; there is {names}")
