"""What serving costs: nothing unneeded is loaded, nor the SDK for what clients ask all day."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.request import Request, urlopen

from tests.e2e.process import ADAPTERS, CAPABILITIES, IDENTITIES_MCP, KEYS_MCP, Process, serving

MODERN = "2026-07-28"
VERSIONS = (MODERN, "2025-11-25", "2024-11-05")
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "roots": {}},
}
HEAVY = ("mcp", "mcp_types", "pydantic", "pydantic_core", "sse_starlette", "opentelemetry", "jwt")
UNUSED = ("uvicorn", "click", "multiprocessing", "watchfiles", "httpx", "httpx2", "pyreqwest")


def ask(url: str, version: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    fields = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": version,
    }
    asked: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params}}
    if version == MODERN:
        asked["params"]["_meta"] = META
        fields["mcp-method"] = method
        if "name" in params:
            fields["mcp-name"] = params["name"]
    with urlopen(Request(url, json.dumps(asked).encode(), fields)) as answer:  # noqa: S310 - http
        return json.load(answer)["result"]


def loaded(process: Process) -> set[str]:
    """The packages that a process has imported, as Python's own trace says."""
    traced = (line.rpartition("|")[2].strip() for line in process.err.all if "|" in line)
    return {name.partition(".")[0] for name in traced}


def test_what_clients_ask_all_day_loads_no_sdk() -> None:
    environ = {"PYTHONPROFILEIMPORTTIME": "1"}
    with serving("--sandbox", *CAPABILITIES, adapters=ADAPTERS, environ=environ) as process:
        for name in (KEYS_MCP, IDENTITIES_MCP):
            url = process.url(name)
            for version in VERSIONS:
                if version == MODERN:
                    ask(url, version, "server/discover", {})
                else:
                    client = {"name": "test", "version": "1"}
                    offered = {"protocolVersion": version, "clientInfo": client}
                    ask(url, version, "initialize", {**offered, "capabilities": {}})
                    ask(url, version, "ping", {})
                for tool in ask(url, version, "tools/list", {})["tools"]:
                    called = ask(url, version, "tools/call", {"name": tool["name"]})
                    assert called["content"]
        assert loaded(process).isdisjoint(HEAVY + UNUSED)
        # A request with something unusual in it is the SDK's.
        ask(process.url(KEYS_MCP), VERSIONS[1], "ping", {"unusual": True})
        assert loaded(process) > {"mcp", "mcp_types", "pydantic"}
