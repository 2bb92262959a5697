"""The MCP face: tools over Streamable HTTP, every protocol revision on one endpoint, stateless."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged
from starlette.types import Receive, Scope, Send

from naftiko_run.errors import FieldProblem, InputError
from naftiko_run.exposes.messages import MAX_BODY, MAX_FIELDS, send_bytes
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem, problem_of
from naftiko_run.exposes.units import Tool, ToolServer
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.types import Json, Outcome

ERROR_TEXT_LIMIT = 16_384
"""How many characters of an upstream's error body a tool's answer repeats."""

STRUCTURED_DEPTH = 200
"""How deep a value may be nested to stand in ``structuredContent``: the SDK's serializer stops at
255, and answers nothing then. Deeper ones are in the text all the same."""

_STRUCTURED_SINCE = "2025-06-18"
_ANY_ROOT_SINCE = "2026-07-28"


class McpFace:
    """Serves the tools of one MCP adapter; as ASGI it answers its endpoint."""

    def __init__(self, served: ToolServer) -> None:
        """Prepare the list of tools and the server that dispatches to them."""
        self.namespace = served.namespace
        self._serve(served)
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus)
        self._released = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        server: Server[Any] = Server(
            served.namespace,
            version=served.version,
            title=served.title or None,
            instructions=served.instructions or None,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_subscriptions_listen=self._listen,
            get_tool_input_schema=self._input_schema,
        )
        self._server = server
        self._manager = StreamableHTTPSessionManager(
            app=server,
            json_response=True,
            stateless=True,
            max_request_body_size=MAX_BODY,
            # Host and Origin are checked for the whole listener, before any face.
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        self._app = StreamableHTTPASGIApp(self._manager)

    def _serve(self, served: ToolServer) -> None:
        self._served = served
        self._tools = {tool.name: tool for tool in served.tools}
        self._listed = types.ListToolsResult(tools=[_listed(tool) for tool in served.tools])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the session manager around the face's life."""
        async with self._manager.run():
            yield

    async def update(self, served: ToolServer) -> None:
        """Serve other tools from now on, and tell clients that listen for it."""
        before = self._listed
        self._serve(served)
        if self._listed != before:
            await self._bus.publish(ToolsListChanged())

    def release(self) -> None:
        """End the streams of clients that listen: they would never end by themselves."""
        self._released = True
        self._streams.close()

    async def idle(self) -> None:
        """Wait until no request is under way."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request of the endpoint."""
        if scope["method"] != "POST":
            # Stateless, there is nothing that the stream of a GET would ever bring, and no session
            # that a DELETE could end (every revision allows 405 for both).
            problem = Problem(405, f"{scope['method']} is not served here; use POST")
            await send_bytes(send, 405, problem.dumps(), MEDIA_TYPE, (("allow", "POST"),))
            return
        self._busy += 1
        self._idle.clear()
        try:
            await self._post(scope, receive, send)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        # RFC 9110 section 5.5: white space around a field value is no part of it; the parser
        # leaves what is behind it, and the header checks compare exactly.
        headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
        await self._app({**scope, "headers": headers}, receive, send)

    async def run_stdio(self) -> None:
        """Serve over stdin and stdout until stdin ends."""
        async with stdio_server() as (read, write):
            await self._server.run(read, write, self._server.create_initialization_options())

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self._tools.get(name)
        return tool.input_schema if tool else None

    async def _listen(
        self,
        context: Any,  # noqa: ANN401 - as for a call
        params: types.SubscriptionsListenRequestParams,
    ) -> types.SubscriptionsListenResult:
        if self._released:
            raise MCPError(code=types.INTERNAL_ERROR, message="this server is stopping")
        return await self._streams(context, params)

    async def _list_tools(self, _context: Any, _params: Any) -> types.ListToolsResult:  # noqa: ANN401
        return self._listed

    async def _call_tool(
        self,
        context: Any,  # noqa: ANN401 - the SDK's context is generic over what it never reads
        params: types.CallToolRequestParams,
    ) -> types.CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(code=-32602, message=f"Unknown tool: {params.name}")
        version = str(getattr(context, "protocol_version", "") or "")
        return await call(tool, params.arguments or {}, version)


async def call(tool: Tool, given: Mapping[str, Any], version: str) -> types.CallToolResult:
    """Call a tool; what goes wrong is a result with ``isError``, as agents can read that."""
    if len(given) > MAX_FIELDS:
        return _refused(Problem(400, f"there are more than {MAX_FIELDS} arguments"), version)
    try:
        renamed: dict[str, Json] = {tool.properties.get(n, n): v for n, v in given.items()}
        outcome = await tool.flow(renamed)
    except InputError as error:
        return _refused(problem_of(_as_given(error, tool)), version)
    except Exception as error:  # noqa: BLE001 - one boundary turns every error into an answer
        return _refused(problem_of(error), version)
    return result_of(outcome, version)


def _as_given(error: InputError, tool: Tool) -> InputError:
    published = {key: name for name, key in tool.properties.items()}
    return InputError(
        FieldProblem(published.get(p.field, p.field), p.detail) for p in error.problems
    )


def _refused(problem: Problem, version: str) -> types.CallToolResult:
    members = problem.members
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=problem.detail)],
        structured_content=members if version >= _STRUCTURED_SINCE else None,
        is_error=True,
    )


def result_of(outcome: Outcome, version: str) -> types.CallToolResult:
    """Turn an outcome into a tool's result, in the form that a protocol revision allows."""
    kind = outcome.media_type.partition(";")[0].strip().lower()
    value, text, is_json = _read(outcome.body, kind)
    if outcome.failed:
        return _failed(outcome, value if is_json else text or "", text, version)
    if text is None:
        return types.CallToolResult(content=[_binary(outcome.body, kind)])
    structured: Any = None
    if is_json and (
        version >= _ANY_ROOT_SINCE or (version >= _STRUCTURED_SINCE and isinstance(value, dict))
    ):
        structured = value if _is_flat(value, text) else None
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=structured
    )


def _failed(outcome: Outcome, value: Json, text: str | None, version: str) -> types.CallToolResult:
    shown = text or f"the upstream answered {outcome.status}"
    if not _is_flat(value, shown):
        value = shown
    if len(shown) > ERROR_TEXT_LIMIT:
        shown = f"{shown[:ERROR_TEXT_LIMIT]}… ({len(shown)} characters in all)"
        value = shown
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=shown)],
        structured_content=(
            {"status": outcome.status, "body": value} if version >= _STRUCTURED_SINCE else None
        ),
        is_error=True,
    )


def _is_flat(value: Json, text: str) -> bool:
    """Say whether a value is nested no deeper than structured content may be."""
    if text.count("[") + text.count("{") <= STRUCTURED_DEPTH:
        return True
    level: list[Json] = [value]
    for _ in range(STRUCTURED_DEPTH):
        inner: list[Json] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        if not inner:
            return True
        level = inner
    return False


def _read(body: bytes, kind: str) -> tuple[Json, str | None, bool]:
    """Read a body: its JSON value, its text (None where it is binary), and whether it is JSON."""
    if kind in ("", "application/json") or kind.endswith("+json"):
        try:
            value = loads(body)
        except ValueError:
            pass
        else:
            return value, dumps(value).decode(), True
    try:
        return None, body.decode("utf-8"), False
    except UnicodeDecodeError:
        return None, None, False


def _binary(body: bytes, kind: str) -> types.ContentBlock:
    data = base64.b64encode(body).decode()
    if kind.startswith("image/"):
        return types.ImageContent(type="image", data=data, mime_type=kind)
    if kind.startswith("audio/"):
        return types.AudioContent(type="audio", data=data, mime_type=kind)
    return types.EmbeddedResource(
        type="resource",
        resource=types.BlobResourceContents(
            uri="naftiko-run:///reply",
            blob=data,
            mime_type=kind or "application/octet-stream",
        ),
    )


def _listed(tool: Tool) -> types.Tool:
    hints = tool.hints
    annotations = (
        types.ToolAnnotations(
            title=tool.title or None,
            read_only_hint=hints.get("readOnly"),
            destructive_hint=hints.get("destructive"),
            idempotent_hint=hints.get("idempotent"),
            open_world_hint=hints.get("openWorld"),
        )
        if hints or tool.title
        else None
    )
    return types.Tool(
        name=tool.name,
        title=tool.title or None,
        description=tool.description or None,
        input_schema=tool.input_schema,
        annotations=annotations,
    )
