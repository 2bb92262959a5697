"""MCP adapters as a file writes them, with resources and prompts, served to the SDK's client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client
from mcp.shared.exceptions import MCPError

from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.units import ToolServer
from naftiko_run.findings import Finding
from naftiko_run.loading.load import Settings, load
from naftiko_run.plan import Options, Plan, compile_plan
from naftiko_run.server.http import HttpServer, bind
from naftiko_run.types import Reply, Request

MODES = ["legacy", "auto"]
"""How a client finds the revision: by a handshake, or in the newest one."""

JSON = (("content-type", "application/json"),)
SHIP = b'{"name":"Ada","crew":[1,2]}'
UP = {
    "type": "http",
    "namespace": "up",
    "baseUri": "https://api.test",
    "resources": [
        {
            "path": "/ships/{imo}",
            "operations": [
                {
                    "name": "get-ship",
                    "method": "GET",
                    "inputParameters": [{"name": "imo", "in": "path", "type": "string"}],
                }
            ],
        },
        {
            "path": "/decks/{deck}",
            "operations": [
                {
                    "name": "get-deck",
                    "method": "GET",
                    "inputParameters": [{"name": "deck", "in": "path", "type": "integer"}],
                }
            ],
        },
        {"path": "/news", "operations": [{"name": "news", "method": "GET"}]},
    ],
}


@dataclass
class Upstream:
    """Answers every request alike, or as a function says, and keeps it."""

    answer: Reply = field(default_factory=lambda: Reply(200, JSON, SHIP))
    requests: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.answer

    async def aclose(self) -> None:
        pass


@dataclass
class Made:
    """What a file became."""

    plan: Plan
    upstream: Upstream
    files: tuple[Path, ...]

    @property
    def server(self) -> ToolServer:
        """The only MCP adapter."""
        (found,) = (server for listener in self.plan.listeners for server in listener.servers)
        return found

    @property
    def codes(self) -> list[str]:
        """The codes of all findings."""
        return [finding.code for finding in self.plan.findings]


def no_schema(*_: object, **__: object) -> list[Finding]:
    return []


def make(folder: Path, upstream: Upstream | None = None, **adapter: Any) -> Made:  # noqa: ANN401
    """Write a capability with one MCP adapter, load and compile it."""
    aggregates = adapter.pop("aggregates", [])
    exposed = {"type": "mcp", "namespace": "ships", **adapter}
    whole = {
        "naftiko": "1.0.0-alpha2",
        "info": {"label": "Ships"},
        "capability": {"consumes": [UP], "aggregates": aggregates, "exposes": [exposed]},
    }
    path = folder / "ships.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), "utf-8")
    loaded = load(path, Settings(), schema=no_schema)
    client = upstream or Upstream()
    return Made(compile_plan([loaded], Options(), client), client, loaded.files)


def entries(form: str, named: Mapping[str, Mapping[str, Any]]) -> Any:  # noqa: ANN401 - YAML
    """Write entries as a list, or as a map by their names."""
    if form == "map":
        return {name: dict(entry) for name, entry in named.items()}
    return [{"name": name, **entry} for name, entry in named.items()]


@asynccontextmanager
async def client_of(server: ToolServer, mode: str = "auto") -> AsyncIterator[Client]:
    """Serve an adapter on a socket and connect the SDK's client to it."""
    listening = bind("127.0.0.1", 0)
    face = McpFace(server)
    async with face.running():
        http = HttpServer(face, listening)
        await http.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        try:
            async with Client(url, mode=mode) as client:
                yield client
        finally:
            await http.stop()


async def refused(client: Client, uri: str) -> Any:  # noqa: ANN401 - the SDK's record of an error
    """Read a resource that cannot be read; gives the error."""
    with pytest.raises(MCPError) as error:
        await client.read_resource(uri)
    return error.value.error
