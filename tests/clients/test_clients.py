"""Other people's MCP clients list and call every tool: of our capabilities, and of published files.

The Python SDK's client calls ours in tests/e2e/test_capabilities.py; here it says what the others
must see. The clients for Node are installed with npm; ``NAFTIKO_CONFORMANCE=required`` is set
where they must not be skipped.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import pytest
from mcp import Client

from tests.clients.arguments import example
from tests.corpus.runtime import running
from tests.corpus.samples import variables
from tests.corpus.test_corpus import DOCUMENTS, FILES
from tests.e2e.conftest import Faces
from tests.e2e.process import ADAPTERS, CAPABILITIES, IDENTITIES_MCP, KEYS_MCP, command, serving
from tests.e2e.test_capabilities import TOOLS, Operation, Stock, endpoint_of, stock_of
from tests.e2e.upstream import Reply, recording
from tests.npm import installed, node_of

TYPESCRIPT = "@modelcontextprotocol/client@2.4.0"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
SECONDS = 120
REVISIONS = {"legacy": "2025-11-25", "auto": "2026-07-28", "pinned": "2026-07-28"}
ERAS: tuple[Literal["legacy", "auto"], ...] = ("legacy", "auto")


@pytest.fixture(scope="module")
def folder(pytestconfig: pytest.Config) -> Path:
    """The folder with the clients for Node."""
    return installed(pytestconfig, "clients", [TYPESCRIPT, INSPECTOR])


@pytest.fixture(scope="module")
def faces() -> Iterator[Faces]:
    """Serve both capabilities from the embedded sandbox."""
    with serving("--sandbox", *CAPABILITIES, adapters=ADAPTERS) as process:
        yield Faces.of(process)


def typescript(folder: Path, jobs: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
    """Have the TypeScript client do some calls, all in one process."""
    done = subprocess.run(
        [str(node_of(folder)), str(Path(__file__).with_name("calls.mjs")), str(folder)],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Call:
    """One call of a tool of ours, and what the sandbox holds before it."""

    operation: Operation
    stock: Stock

    @property
    def wire(self) -> Any:  # noqa: ANN401 - JSON
        """What a client sends."""
        given = self.stock.fill(self.operation.for_tool)
        return {"tool": self.operation.tool, "arguments": given}

    def check(self, structured: Any) -> None:  # noqa: ANN401 - JSON
        """Check what came of it."""
        assert self.operation.holds(structured.get("data"), self.stock), (self.wire, structured)


def calls_of(faces: Faces, endpoint: str) -> list[Call]:
    """One call of each tool of an endpoint, each with a stock of its own."""
    return [
        Call(operation, stock_of(faces))
        for operation in TOOLS
        if endpoint_of(faces, str(operation.tool)) == endpoint
    ]


@pytest.mark.parametrize("mode", REVISIONS)
def test_the_typescript_client_calls_every_tool_of_ours(
    folder: Path, faces: Faces, mode: str
) -> None:
    endpoints = {url: calls_of(faces, url) for url in (faces.keys_mcp, faces.identities_mcp)}
    jobs = [
        {"url": url, "mode": mode, "calls": [call.wire for call in calls]}
        for url, calls in endpoints.items()
    ]
    answers = typescript(folder, jobs)
    for (url, calls), answer in zip(endpoints.items(), answers, strict=True):
        assert answer["revision"] == REVISIONS[mode]
        assert set(answer["listed"]) == {call.operation.tool for call in calls}, url
        for call, result in zip(calls, answer["results"], strict=True):
            assert not result.get("isError", True), (call.wire, result)
            assert json.loads(result["text"]) == result["structuredContent"]
            call.check(result["structuredContent"])


# ------------------------------------------------------------------------------ the Inspector


def inspector(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Inspector for terminals."""
    modules = folder / "node_modules"
    launcher = modules / "@modelcontextprotocol" / "inspector" / "clients" / "launcher"
    return subprocess.run(
        [str(node_of(folder)), str(launcher / "build" / "index.js"), "--cli", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "PATH": f"{modules / '.bin'}{os.pathsep}{os.environ['PATH']}"},
    )


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_the_inspector_calls_every_tool_of_ours(folder: Path, faces: Faces, era: str) -> None:
    for url in (faces.keys_mcp, faces.identities_mcp):
        calls = calls_of(faces, url)
        on = ["--server-url", url, "--protocol-era", era, "--format", "json"]
        listed = inspector(folder, *on, "--method", "tools/list", "--strict")
        assert listed.returncode == 0, listed.stderr
        # Null is a type like others: that is told as a warning, about older clients' readers.
        assert "0 errors" in listed.stderr or not listed.stderr, listed.stderr
        tools = {tool["name"] for tool in json.loads(listed.stdout)["result"]["tools"]}
        assert tools == {call.operation.tool for call in calls}
        for call in calls:
            wire = call.wire
            asked = ["--tool-name", wire["tool"], "--tool-args-json", json.dumps(wire["arguments"])]
            done = inspector(folder, *on, "--method", "tools/call", *asked)
            assert done.returncode == 0, done.stderr
            call.check(json.loads(done.stdout)["result"]["structuredContent"])


@pytest.mark.parametrize(
    ("era", "capability", "adapter", "tool"),
    [
        ("modern", 0, KEYS_MCP, "list-roles"),
        ("legacy", 0, KEYS_MCP, "list-permissions"),
        ("auto", 1, IDENTITIES_MCP, "list-identities"),
    ],
)
def test_the_inspector_is_served_over_stdio(
    folder: Path, era: str, capability: int, adapter: str, tool: str
) -> None:
    served = command("stdio", CAPABILITIES[capability], "--adapter", adapter, "--sandbox")
    on = ["--protocol-era", era, "--format", "json"]
    listed = inspector(folder, *on, "--method", "tools/list", "--strict", "--", *served)
    assert listed.returncode == 0, listed.stderr
    assert tool in {each["name"] for each in json.loads(listed.stdout)["result"]["tools"]}
    asked = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", "{}"]
    done = inspector(folder, *on, *asked, "--", *served)
    assert done.returncode == 0, done.stderr
    assert "data" in json.loads(done.stdout)["result"]["structuredContent"]


# ---------------------------------------------------------------------------- published files


@dataclass(frozen=True)
class Published:
    """An adapter of a published file: its endpoint, and a call of each tool."""

    url: str
    listed: list[str]
    calls: list[dict[str, Any]]


@pytest.fixture(scope="module")
def published() -> Iterator[list[Published]]:
    """Serve all published files with an upstream that answers whatever it is asked."""
    if not FILES:
        pytest.skip("there are no published files here")
    names = {name for d in DOCUMENTS.values() for _, name in d.adapters if name}
    wanted = {
        name
        for document in DOCUMENTS.values()
        if document.servable
        for kind, name in document.adapters
        if kind == "mcp"
    }
    with recording() as upstream:
        upstream.reply = Reply(body=b'{"data":{"id":"1","items":[{"id":"2","n":null}]},"list":[]}')
        with running(
            FILES.values(),
            sorted(names),
            upstream=[f"*={upstream.url}"],
            variables=variables(DOCUMENTS),
            wanted=wanted,
        ) as runtime:
            urls = [f"{runtime.urls[name]}/{name}/mcp" for name in sorted(wanted)]
            yield asyncio.run(_describe(urls))


async def _describe(urls: Sequence[str]) -> list[Published]:
    found = []
    for url in urls:
        async with Client(url) as client:
            tools = (await client.list_tools()).tools
        calls = []
        for tool in tools:
            given = example(tool.input_schema)
            jsonschema_rs.validate(tool.input_schema, given)
            calls.append({"tool": tool.name, "arguments": given})
        found.append(Published(url, [tool.name for tool in tools], calls))
    return found


async def _python(published: Published, mode: Literal["legacy", "auto"]) -> list[Any]:
    """Call every tool with the Python SDK's client."""
    results = []
    async with Client(published.url, mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == published.listed
        for call in published.calls:
            result = await client.call_tool(call["tool"], call["arguments"])
            text = "\n".join(getattr(each, "text", f"({each.type})") for each in result.content)
            results.append({"isError": result.is_error or False, "text": text})
    return results


def test_every_tool_of_the_published_files_is_called_alike(
    folder: Path, published: list[Published]
) -> None:
    jobs = [
        {"url": each.url, "mode": mode, "calls": each.calls} for each in published for mode in ERAS
    ]
    answers = iter(typescript(folder, jobs))
    count = wrong = 0
    for each in published:
        for mode in ERAS:
            answer = next(answers)
            assert answer["listed"] == each.listed
            assert answer["revision"] == REVISIONS[mode]
            python = asyncio.run(_python(each, mode))
            for call, one, other in zip(each.calls, answer["results"], python, strict=True):
                assert "thrown" not in one, (each.url, call, one)
                assert (one["isError"], one["text"]) == (other["isError"], other["text"]), call
                count += 1
                wrong += one["isError"]
    assert count > 2 * 100
    assert wrong < count * 0.1, f"{wrong} of {count}"


def test_the_inspector_finds_the_published_files_schemas_portable(
    folder: Path, published: list[Published]
) -> None:
    for each in published[::6]:
        on = ["--server-url", each.url, "--protocol-era", "modern", "--method", "tools/list"]
        done = inspector(folder, *on, "--strict", "--format", "json")
        assert done.returncode == 0, (each.url, done.stderr)
