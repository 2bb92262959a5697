"""The shipyard of ``examples``: where its files lie, how they are served, how they are called."""

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from naftiko_run.loading.files import parse
from naftiko_run.loading.migrate.document import migrate
from naftiko_run.loading.migrate.language import versions
from naftiko_run.server.deployment import Deployment
from naftiko_run.server.prepare import load_all
from naftiko_run.server.runtime import running
from naftiko_run.settings import Settings
from tests.e2e.process import ROOT, addresses
from tests.e2e.upstream import Upstream
from tests.e2e.wire import Answer, Json, ask

EXAMPLES = ROOT / "examples"
SHIPYARD = EXAMPLES / "shipyard"
TOOLS, API, SKILLS = "shipyard-tools", "shipyard-api", "shipyard-skills"
CALLER_TOKEN = "sk-mcp-YYYYYYYYYYYY"


@dataclass(frozen=True)
class Stage:
    """A stage while it is served, and ways to call it."""

    urls: Mapping[str, str]
    registry: Upstream
    dockyard: Upstream
    connected: Client | None = None

    @property
    def client(self) -> Client:
        """An MCP client that shows the caller's token, whether it is asked for or not."""
        assert self.connected is not None, "the stage has no tools"
        return self.connected

    async def tool(self, name: str, **arguments: Json) -> Json:
        """Call a tool; gives its answer, or the text of its error."""
        result = await self.client.call_tool(name, arguments)
        (content,) = result.content
        assert isinstance(content, TextContent)
        return content.text if result.is_error else json.loads(content.text)

    async def ask(
        self, method: str, target: str, body: Json = None, *, of: str = API, **headers: str
    ) -> Answer:
        """Send a request over a socket."""
        asking = partial(ask, self.urls[of], method, target, body, **headers)
        return await anyio.to_thread.run_sync(asking)

    async def get(self, target: str) -> Json:
        """Get what a route answers with 200."""
        answer = await self.ask("GET", target)
        assert answer.status == 200, answer
        return answer.json

    def asked(self, upstream: Upstream) -> list[str]:
        """List what an upstream was asked, and forget it."""
        requests = [f"{each.method} {each.target}" for each in upstream.received]
        upstream.received.clear()
        return requests


@asynccontextmanager
async def serving(file: Path, registry: Upstream, dockyard: Upstream) -> AsyncIterator[Stage]:
    """Serve a file as the command does, strictly, on free ports, in front of the two upstreams."""
    settings = Settings(
        ports=dict.fromkeys((TOOLS, API, SKILLS), 0),
        upstreams={"registry": registry.url, "dockyard": dockyard.url},
        strict=True,
    )
    loaded, missing = load_all([str(file)], settings, environ={})
    async with running(loaded, settings) as runtime:
        prepared = runtime.prepare(loaded)
        assert [str(finding) for finding in (*missing, *prepared.findings)] == []
        deployment = Deployment(settings.allow_host)
        await deployment.apply(prepared.plan.listeners, loaded)
        urls = addresses(deployment.summary())
        try:
            async with AsyncExitStack() as opened:
                client = None
                if TOOLS in urls:
                    client = await opened.enter_async_context(_connected(urls[TOOLS]))
                yield Stage(urls, registry, dockyard, client)
        finally:
            await deployment.stop()


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Client]:
    caller = {"Authorization": f"Bearer {CALLER_TOKEN}"}
    # Without certificates, which nothing here needs and which take long to load.
    bare = SSLContext(PROTOCOL_TLS_CLIENT)
    async with (
        httpx2.AsyncClient(headers=caller, verify=bare) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def migrated(folder: Path, form: str, to: str) -> None:
    """Rewrite every file of a form to a version, in place; what cannot be is taken away."""
    (version,) = versions(to)
    for file in (folder / form).rglob("*.yaml"):
        result = migrate(parse(file.read_bytes(), file.name, file), version)
        if result.text is None:
            file.unlink()
        else:
            file.write_text(result.text, "utf-8")


def copied(folder: Path, form: str, *steps: str) -> Path:
    """Copy the shipyard, rewritten from one version to the next; gives the folder of the form."""
    shutil.copytree(SHIPYARD, folder, dirs_exist_ok=True)
    for to in steps:
        migrated(folder, form, to)
    return folder / form
