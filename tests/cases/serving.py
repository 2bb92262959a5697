"""Documents served on real ports of this process, and ways to ask them over HTTP and MCP."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import mcp_types as types
from anyio.from_thread import BlockingPortal
from mcp import Client

from naftiko_run.findings import Finding
from naftiko_run.plan.client import LazyClient, Limits
from naftiko_run.scripts.workers import ScriptWorkers
from naftiko_run.server.deployment import Deployment
from naftiko_run.server.prepare import load_one, prepare
from naftiko_run.settings import Settings
from naftiko_run.spec.document import Loaded
from tests.corpus.runtime import listeners
from tests.e2e.upstream import Received, Reply, Upstream
from tests.e2e.wire import Answer, Json, ask

MODERN = "2026-07-28"


def answer(value: Json, status: int = 200) -> Reply:
    """Make a reply in JSON."""
    return Reply(status, json.dumps(value).encode())


def text(body: str | bytes, media_type: str) -> Reply:
    """Make a reply of another media type."""
    content = body.encode() if isinstance(body, str) else body
    return Reply(200, content, {"content-type": media_type})


def paths(replies: Mapping[str, Json | Reply]) -> Callable[[Received], Reply]:
    """Make an upstream of replies by target, with or without a method before it; others are 404."""

    def reply(received: Received) -> Reply:
        asked = (f"{received.method} {received.target}", received.target)
        found = next((replies[each] for each in asked if each in replies), None)
        if found is None:
            return answer({"error": "not_found"}, 404)
        return found if isinstance(found, Reply) else answer(found)

    return reply


@dataclass
class Served:
    """A document while it is served."""

    portal: BlockingPortal
    urls: Mapping[str, str]
    """The address of each adapter's listener, by namespace."""

    findings: list[Finding]
    upstream: Upstream

    @property
    def codes(self) -> list[str]:
        """The codes of what was found in the document."""
        return [finding.code for finding in self.findings]

    def finding(self, code: str) -> Finding:
        """Give the first finding of a code."""
        return next(finding for finding in self.findings if finding.code == code)

    def url(self, adapter: str = "") -> str:
        """Give the address of an adapter; where none is named, of ``rest`` or the only one."""
        if adapter or "rest" in self.urls:
            return self.urls[adapter or "rest"]
        (only,) = self.urls.values()
        return only

    def ask(
        self, method: str, target: str, body: Json = None, *, adapter: str = "", **headers: str
    ) -> Answer:
        """Send a request; ``-`` of a header's name is written ``_``."""
        return ask(self.url(adapter), method, target, body, **headers)

    def get(self, target: str, *, adapter: str = "", **headers: str) -> Answer:
        """Send a GET request."""
        return self.ask("GET", target, adapter=adapter, **headers)

    def mcp(self, use: Callable[[Client], Any], *, adapter: str = "mcp", mode: Any = "auto") -> Any:  # noqa: ANN401 - what the use gives
        """Connect a client of the MCP SDK, use it, and give what that gives."""

        async def connected() -> Any:  # noqa: ANN401 - as above
            async with Client(f"{self.url(adapter)}/{adapter}/mcp", mode=mode) as client:
                return await use(client)

        return self.portal.call(connected)

    def tools(self, adapter: str = "mcp") -> dict[str, Json]:
        """List the tools of an adapter by name, in the order of the list, as JSON."""
        listed = self.mcp(lambda client: client.list_tools(), adapter=adapter)
        return {
            tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True)
            for tool in listed.tools
        }

    def call(self, tool: str, *, adapter: str = "mcp", **arguments: Json) -> types.CallToolResult:
        """Call a tool."""
        result = self.mcp(lambda client: client.call_tool(tool, arguments), adapter=adapter)
        assert isinstance(result, types.CallToolResult)
        return result

    def result(self, tool: str, *, adapter: str = "mcp", **arguments: Json) -> Json:
        """Call a tool that succeeds, and read its text as JSON."""
        called = self.call(tool, adapter=adapter, **arguments)
        assert not called.is_error, called
        return json.loads(text_of(called))

    def rpc(
        self,
        message: Json,
        *,
        adapter: str = "mcp",
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Post a message of the revision 2026-07-28; a header of None is left out.

        Bytes are sent as they are, with the header fields of ``tools/list``.
        """
        method, name = "tools/list", None
        if isinstance(message, dict):
            message = {"jsonrpc": "2.0", "id": 1, **message}
            method = message["method"]
            params = {"_meta": META, **message.get("params", {})}
            name = params.get("name", params.get("uri"))
            message["params"] = params
        fields: dict[str, str | None] = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": MODERN,
            "mcp-method": method,
            "mcp-name": name,
            **(headers or {}),
        }
        kept = {key.replace("-", "_"): value for key, value in fields.items() if value is not None}
        return ask(self.url(adapter), "POST", f"/{adapter}/mcp", message, **kept)


META: Mapping[str, Json] = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "cases", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def text_of(result: types.CallToolResult) -> str:
    """Give the text of a result that is one text."""
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


class Stage:
    """Where documents are served, one after the other: each takes the place of the one before."""

    def __init__(self, portal: BlockingPortal) -> None:
        self.portal = portal
        self._client = LazyClient(Limits(), {})
        self._deployment = Deployment(())
        self.workers = ScriptWorkers()

    def show(self, loaded: Loaded, settings: Settings) -> tuple[dict[str, str], list[Finding]]:
        """Serve a document; gives the addresses of its adapters, and what was found in it."""
        prepared = prepare([loaded], settings, self._client, workers=self.workers)
        self.portal.call(self._deployment.apply, prepared.plan.listeners, [loaded])
        return listeners("\n".join(self._deployment.summary())), prepared.findings

    def close(self) -> None:
        """Stop."""
        self.portal.call(self._deployment.stop)
        self.portal.call(self._client.aclose)
        self.portal.call(self.workers.aclose)


@dataclass
class Serve:
    """Serves documents that lie in a folder."""

    stage: Stage
    upstream: Upstream
    folder: Path

    def load(
        self,
        document: str,
        *,
        files: Mapping[str, str | bytes] | None = None,
        environ: Mapping[str, str] | None = None,
        settings: Settings | None = None,
    ) -> Loaded:
        """Load a document that lies beside other files."""
        for name, content in {"capability.yaml": document, **(files or {})}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
        return load_one(self.folder / "capability.yaml", settings or Settings(), environ or {})

    def __call__(
        self,
        document: str,
        *,
        files: Mapping[str, str | bytes] | None = None,
        environ: Mapping[str, str] | None = None,
        **options: Any,  # noqa: ANN401 - the options of the command, by their names in Settings
    ) -> Served:
        """Serve a document instead of the one before, each adapter on a port of its own.

        It calls the upstream where it would call the origin of a ``baseUri``.
        """
        given = {"origin": self.upstream.url, **options}
        loaded = self.load(document, files=files, environ=environ, settings=Settings(**given))
        adapters = loaded.document.adapters if loaded.document else ()
        names = [adapter.namespace for adapter in adapters]
        # A second adapter of one name is served under another.
        ports = dict.fromkeys([*names, *(f"{name}-2" for name in names)], 0)
        urls, findings = self.stage.show(loaded, Settings(**{"ports": ports, **given}))
        return Served(self.stage.portal, urls, findings, self.upstream)
