"""Capabilities that ask who calls, on a real socket in front of an upstream that remembers."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from naftiko_run.callers.nonces import Nonces
from naftiko_run.consumes.client import ClientLimits, create_client
from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.loading.load import Settings, load
from naftiko_run.loading.schema import check
from naftiko_run.plan import Options, Plan, compile_plan
from naftiko_run.server.http import HttpServer, bind
from naftiko_run.types import Client, Reply, Request

SHIPS = "https://ships.test"


class Upstream:
    """Answers what the capability consumes by itself; everything else goes over the network."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.network = create_client(ClientLimits(), environ={})

    async def send(self, request: Request) -> Reply:
        if not request.url.startswith(SHIPS):
            return await self.network.send(request)
        self.requests.append(request)
        return Reply(200, (("content-type", "application/json"),), b'{"ship": "Ada"}')

    async def aclose(self) -> None:
        await self.network.aclose()


@dataclass
class Served:
    """A capability while it is served."""

    url: str
    plan: Plan
    upstream: Upstream
    app: ListenerApp = field(repr=False)

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.plan.findings]


def capability(authentication: Mapping[str, Any] | None, binds: Mapping[str, str] = {}) -> str:
    """Write a capability with a REST and an MCP adapter, both behind the same clause."""
    clause = {"authentication": dict(authentication)} if authentication else {}
    inputs = [{"name": "Authorization", "in": "header"}, {"name": "X-Trace", "in": "header"}]
    document = {
        "naftiko": "1.0.0-alpha2",
        "info": {"label": "Ships", "description": "All ships."},
        "binds": [{"namespace": "env", "keys": dict(binds)}] if binds else [],
        "capability": {
            "consumes": [
                {
                    "type": "http",
                    "namespace": "ships",
                    "baseUri": SHIPS,
                    "inputParameters": inputs,
                    "resources": [
                        {
                            "name": "ships",
                            "path": "/ships/{{name}}",
                            "operations": [
                                {
                                    "name": "get",
                                    "method": "GET",
                                    "inputParameters": [{"name": "name", "in": "path"}],
                                }
                            ],
                        }
                    ],
                }
            ],
            "exposes": [
                {
                    "type": "rest",
                    "namespace": "harbour",
                    "port": 8080,
                    **clause,
                    "resources": [
                        {
                            "name": "ships",
                            "path": "/ships/{{name}}",
                            "operations": [{"method": "GET", "call": "ships.get"}],
                        }
                    ],
                },
                {
                    "type": "mcp",
                    "namespace": "tower",
                    "port": 8080,
                    **clause,
                    "tools": [
                        {"name": "get-ship", "description": "One ship.", "call": "ships.get"}
                    ],
                },
            ],
        },
    }
    return yaml.safe_dump(document, sort_keys=False)


def compiled(
    folder: Path,
    text: str,
    client: Client,
    *,
    environ: Mapping[str, str] | None = None,
    nonces: Nonces | None = None,
) -> Plan:
    """Write, load and compile a capability."""
    path = folder / "ships.yaml"
    path.write_text(text, "utf-8")
    loaded = load(path, Settings(environ=environ or {}), schema=check)
    options = Options(nonces=nonces) if nonces else Options()
    return compile_plan([loaded], options, client)


@asynccontextmanager
async def serving(
    folder: Path,
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    nonces: Nonces | None = None,
    port: int = 0,
) -> AsyncIterator[Served]:
    """Serve a capability whose adapters share a port."""
    upstream = Upstream()
    plan = compiled(folder, text, upstream, environ=environ, nonces=nonces)
    (listener,) = plan.listeners
    listening = bind("127.0.0.1", port)
    app = ListenerApp("127.0.0.1")
    await app.update(listener)
    server = HttpServer(app, listening)
    await server.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        yield Served(url, plan, upstream, app)
    finally:
        server.refuse()
        app.release()
        await server.stop()
        await app.stop()
        await upstream.aclose()


def direct() -> dict[str, str]:
    """Give an environment for a client's process that uses no proxy."""
    return {n: v for n, v in os.environ.items() if not n.upper().endswith("_PROXY")}
