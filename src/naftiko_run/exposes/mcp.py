"""The MCP face: tools over Streamable HTTP, every protocol revision on one endpoint, stateless."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import Message, Receive, Scope, Send

from naftiko_run.exposes.mcp_catalog import Catalog, CursorError
from naftiko_run.exposes.mcp_content import changes, has_content, register_content
from naftiko_run.exposes.mcp_direct import Direct, accepts
from naftiko_run.exposes.mcp_pages import LIST_SECONDS
from naftiko_run.exposes.mcp_results import Calls
from naftiko_run.exposes.mcp_stdio import stdio_streams
from naftiko_run.exposes.messages import (
    BODY_SECONDS,
    MAX_BODY,
    BodyReader,
    BodyTooLargeError,
    BodyTooSlowError,
    DisconnectedError,
    send_and_close,
    send_bytes,
)
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem
from naftiko_run.exposes.units import Tool, ToolServer
from naftiko_run.mapping.json_codec import loads
from naftiko_run.types import PROGRESS

_Context = ServerRequestContext[Any, Any]


class McpFace:
    """Serves the tools of one MCP adapter; as ASGI it answers its endpoint.

    ``direct`` answers the requests that are made all day without the SDK. It changes how fast an
    answer comes, and nothing else.
    """

    def __init__(self, served: ToolServer, *, direct: bool = True) -> None:
        """Prepare the list of tools and the server that dispatches to them."""
        self.namespace = served.namespace
        self._bus = InMemorySubscriptionBus()
        self._listening = ListenHandler(self._bus)
        self._released = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls = Calls()
        self._read_body = BodyReader()
        self._wants_direct = direct
        self._serve(served)
        sessions = served.extension is not None and served.extension.sessions
        self._json = self._manager(json_response=True, stateless=not sessions)
        self._stream = self._manager(json_response=False, stateless=not sessions)

    def _manager(self, *, json_response: bool, stateless: bool) -> StreamableHTTPSessionManager:
        return StreamableHTTPSessionManager(
            app=self._server,
            json_response=json_response,
            stateless=stateless,
            max_request_body_size=MAX_BODY,
            # Host and Origin are checked for the whole listener, before any face.
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )

    def _serve(self, served: ToolServer) -> None:
        self._served = served
        self._tools = {tool.name: tool for tool in served.tools}
        extension = served.extension
        added = extension.tools if extension else ()
        self._added = {tool.name for tool in added} - self._tools.keys()
        self._staged = {tool.name for tool in served.tools if tool.stages > 1}
        self._catalog = Catalog(
            served.tools,
            [
                tool.model_dump(by_alias=True, mode="json", exclude_none=True)
                for tool in added
                if tool.name in self._added
            ],
        )
        # An adapter of resources or prompts alone does not advertise tools.
        self._lists_tools = bool(served.tools or extension) or not has_content(served)
        self._server = self._new_server(served)
        self._direct: Direct | None = None
        if self._wants_direct and self._lists_tools:
            self._direct = Direct(
                self._server,
                self._tools,
                self._calls,
                self._catalog.page,
                handshake=extension is None or not extension.sessions,
            )

    def _new_server(self, served: ToolServer) -> Server[Any]:
        hint = CacheHint(ttl_ms=LIST_SECONDS * 1000, scope=served.cache_scope)
        server: Server[Any] = Server(
            served.namespace,
            version=served.version,
            title=served.title or None,
            instructions=served.instructions or None,
            cache_hints={"tools/list": hint, "server/discover": hint},
            on_subscriptions_listen=self._listen,
            get_tool_input_schema=self._input_schema,
        )
        if self._lists_tools:
            server.add_request_handler("tools/list", types.PaginatedRequestParams, self._list_tools)
            server.add_request_handler("tools/call", types.CallToolRequestParams, self._call_tool)
        register_content(server, served)
        if served.extension is not None and served.extension.register is not None:
            served.extension.register(server, self._bus)
        return server

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the session managers around the face's life."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._json.run())
            await stack.enter_async_context(self._stream.run())
            yield

    async def update(self, served: ToolServer) -> None:
        """Serve other tools from now on, and tell clients that listen for it."""
        before, former = self._catalog, self._served
        self._serve(served)
        self._json.app = self._stream.app = self._server
        if self._catalog != before:
            await self._bus.publish(ToolsListChanged())
        for change in changes(former, served):
            await self._bus.publish(change)

    def release(self) -> None:
        """End the streams of clients that listen: they would never end by themselves."""
        self._released = True
        self._listening.close()

    async def idle(self) -> None:
        """Wait until no request is under way."""
        await self._idle.wait()

    # ------------------------------------------------------------------------------------ HTTP

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request of the endpoint."""
        if scope["method"] != "POST" and not self._keeps_sessions:
            # Stateless, there is nothing that the stream of a GET would ever bring, and no session
            # that a DELETE could end (every revision allows 405 for both).
            detail = f"{scope['method']} is not served here; use POST"
            problem = Problem(405, detail).dumps()
            await send_bytes(send, 405, problem, MEDIA_TYPE, (("allow", "POST"),))
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
        body = await self._body(scope, receive, send)
        if body is None:
            return
        if self._direct is None or not await self._direct(scope, body, receive, send):
            await self._by_sdk(scope, body, receive, send)

    async def _body(self, scope: Scope, receive: Receive, send: Send) -> bytes | None:
        """Read the body; None where there is none to answer any more."""
        try:
            return await self._read_body(scope, receive)
        except DisconnectedError:
            return None
        except BodyTooLargeError:
            problem = Problem(413, f"the request body is larger than {MAX_BODY} bytes")
        except BodyTooSlowError:
            problem = Problem(408, f"the request body took longer than {BODY_SECONDS:g} seconds")
        await send_and_close(receive, send, problem.status, problem.dumps(), MEDIA_TYPE)
        return None

    @property
    def _keeps_sessions(self) -> bool:
        return not self._json.stateless

    async def _by_sdk(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        # RFC 9110 section 5.5: white space around a field value is no part of it; the parser
        # leaves what is behind it, and the header checks compare exactly.
        headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
        version = next((v for n, v in headers if n == b"mcp-protocol-version"), None)
        manager = self._stream if self._streams(headers, version, body) else self._json
        await manager.asgi_app({**scope, "headers": headers}, _replayed(body, receive), send)

    def _streams(
        self, headers: list[tuple[bytes, bytes]], version: bytes | None, body: bytes
    ) -> bool:
        """Say whether the answer may become a stream of notifications.

        In the newest revision it becomes one only when there is a notification, and a caller
        that goes away cancels the call. In the older ones it always would be: there it is one
        only for tools that have something to notify.
        """
        older = version is None or version.decode("latin-1") in HANDSHAKE_PROTOCOL_VERSIONS
        if older and self._keeps_sessions:
            return True  # the sessions are in one place
        accept = next((value for name, value in headers if name == b"accept"), b"")
        if not accepts(accept, b"text/event-stream"):
            return False
        return not older or self._notifies(body)

    def _notifies(self, body: bytes) -> bool:
        """Say whether a message calls a tool that has something to notify."""
        if not self._added and not self._staged:
            return False
        try:
            message = loads(body)
        except ValueError:
            return False
        params = message.get("params") if isinstance(message, dict) else None
        if not isinstance(params, dict):
            return False
        name, meta = params.get("name"), params.get("_meta")
        asks = isinstance(meta, dict) and "progressToken" in meta
        return name in self._added or (asks and name in self._staged)

    # ----------------------------------------------------------------------------------- stdio

    async def run_stdio(self) -> None:
        """Serve over stdin and stdout until stdin ends."""
        async with stdio_streams() as (read, write):
            await self._server.run(read, write, self._server.create_initialization_options())

    # -------------------------------------------------------------------------------- handlers

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self._tools.get(name)
        if tool is not None:
            return tool.input_schema
        extension = self._served.extension
        added = extension.tools if extension else ()
        return next((tool.input_schema for tool in added if tool.name == name), None)

    async def _listen(
        self, context: _Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        if self._released:
            raise MCPError(code=types.INTERNAL_ERROR, message="this server is stopping")
        return await self._listening(context, params)

    async def _list_tools(
        self, context: _Context, params: types.PaginatedRequestParams
    ) -> dict[str, Any]:
        try:
            page = self._catalog.page(context.protocol_version, params.cursor)
        except CursorError:
            raise MCPError(code=-32602, message="Unknown cursor: list from the start") from None
        return {**page, "resultType": "complete"}

    async def _call_tool(
        self, context: _Context, params: types.CallToolRequestParams
    ) -> dict[str, Any] | types.CallToolResult | types.InputRequiredResult:
        tool = self._tools.get(params.name)
        if tool is not None:
            with _reporting(context, tool):
                result = await self._calls(tool, params.arguments or {}, context.protocol_version)
            return {**(result or {}), "resultType": "complete"}
        extension = self._served.extension
        if params.name in self._added and extension is not None and extension.call_tool is not None:
            return await extension.call_tool(context, params)
        raise MCPError(code=-32602, message=f"Unknown tool: {params.name}")


@contextmanager
def _reporting(context: _Context, tool: Tool) -> Iterator[None]:
    """Tell the caller how far a tool of several stages is, if it asked."""

    async def report(done: int, total: int) -> None:
        await context.session.report_progress(done, total)

    token = PROGRESS.set(report if tool.stages > 1 else None)
    try:
        yield
    finally:
        PROGRESS.reset(token)


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
