"""The MCP SDK's server for an adapter: what is unusual, wrong, a stream, or over stdio.

Nothing else of the runtime imports the SDK, and this module is loaded when it is needed.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ServerEvent
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from starlette.types import Message, Receive, Scope, Send

from naftiko_run.exposes.mcp_adapter import Adapter
from naftiko_run.exposes.mcp_gate import accepts
from naftiko_run.exposes.mcp_listen import check_uris
from naftiko_run.exposes.mcp_protocol import HANDSHAKE_VERSIONS, MODERN, McpError
from naftiko_run.exposes.mcp_results import Calls
from naftiko_run.exposes.mcp_skills import EXTENSION
from naftiko_run.exposes.mcp_stdio import stdio_streams
from naftiko_run.exposes.messages import MAX_BODY
from naftiko_run.exposes.trace import traced_as
from naftiko_run.exposes.units import Tool
from naftiko_run.mapping.json_codec import loads
from naftiko_run.types import PROGRESS

_Context = ServerRequestContext[Any, Any]
_Handler = Callable[[_Context, Any], Awaitable[dict[str, Any]]]


class _GetSkillParams(types.RequestParams):
    """The SDK does not know the extension of skills."""

    uri: str


_PARAMS: Mapping[str, type[types.RequestParams]] = {
    "completion/complete": types.CompleteRequestParams,
    "prompts/get": types.GetPromptRequestParams,
    "prompts/list": types.PaginatedRequestParams,
    "resources/list": types.PaginatedRequestParams,
    "resources/read": types.ReadResourceRequestParams,
    "resources/subscribe": types.SubscribeRequestParams,
    "resources/templates/list": types.PaginatedRequestParams,
    "resources/unsubscribe": types.UnsubscribeRequestParams,
    "skills/get": _GetSkillParams,
    "skills/list": types.PaginatedRequestParams,
}
_EVENTS: Mapping[str, Callable[[], ServerEvent]] = {
    "prompts": PromptsListChanged,
    "resources": ResourcesListChanged,
    "tools": ToolsListChanged,
}


MOST_SUBSCRIBED = 1000
"""How many sessions are subscribed, and to how many resources each; the oldest are forgotten."""


class SdkServer:
    """Answers requests of an adapter with the SDK."""

    def __init__(self, adapter: Adapter, calls: Calls) -> None:
        """Make the server that dispatches; ``running`` must be entered before it answers."""
        self._calls = calls
        self._bus = InMemorySubscriptionBus()
        self._listening = ListenHandler(self._bus)
        self._released = False
        self._listened: Counter[str] = Counter()
        self._subscribed: dict[str, tuple[ServerSession, set[str]]] = {}
        self._serve(adapter)
        extension = adapter.served.extension
        stateless = extension is None or not extension.sessions
        self._json = self._manager(json_response=True, stateless=stateless)
        self._stream = self._manager(json_response=False, stateless=stateless)

    def _manager(self, *, json_response: bool, stateless: bool) -> StreamableHTTPSessionManager:
        return StreamableHTTPSessionManager(
            app=self._server,
            json_response=json_response,
            stateless=stateless,
            max_request_body_size=MAX_BODY,
            # Host and Origin are checked for the whole listener, before any face.
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )

    def _serve(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._staged = {name for name, tool in adapter.tools.items() if tool.stages > 1}
        self._server = self._new_server()

    def _new_server(self) -> Server[Any]:
        served = self._adapter.served
        hint = CacheHint(ttl_ms=served.lists_kept.ttl_ms, scope=served.lists_kept.scope)
        server: Server[Any] = Server(
            served.namespace,
            version=served.version,
            title=served.title or None,
            instructions=served.instructions or None,
            cache_hints={"tools/list": hint, "server/discover": hint},
            on_subscriptions_listen=self._listen,
            get_tool_input_schema=self._input_schema,
        )
        if self._adapter.lists_tools:
            server.add_request_handler("tools/list", types.PaginatedRequestParams, self._list_tools)
            server.add_request_handler("tools/call", types.CallToolRequestParams, self._call_tool)
        for name, method in self._adapter.methods.items():
            handler = _handler(method.answer)
            if name in ("resources/subscribe", "resources/unsubscribe"):
                handler = self._subscribing(handler, wanted=name == "resources/subscribe")
            server.add_request_handler(name, _PARAMS[name], handler)
        if served.skills:
            server.extensions = {EXTENSION: {}}
            server.middleware.append(_declaring)
        if served.extension is not None and served.extension.register is not None:
            served.extension.register(server, self._bus)
        return server

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the session managers around the server's life."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._json.run())
            await stack.enter_async_context(self._stream.run())
            yield

    def update(self, adapter: Adapter) -> None:
        """Serve something else from now on."""
        self._serve(adapter)
        self._json.app = self._stream.app = self._server

    async def tell(self, lists: Iterable[str]) -> None:
        """Tell clients that listen which lists changed, and that what they read may have."""
        for name in lists:
            await self._bus.publish(_EVENTS[name]())
        for uri in sorted(self._listened):
            await self._bus.publish(ResourceUpdated(uri=uri))
        for session, uris in list(self._subscribed.values()):
            for uri in sorted(uris):
                await session.send_resource_updated(uri)

    def release(self) -> None:
        """End the streams of clients that listen."""
        self._released = True
        self._listening.close()

    # ------------------------------------------------------------------------------------ HTTP

    async def __call__(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Answer a request, whose body was read already."""
        # RFC 9110 section 5.5: white space around a field value is no part of it; the parser
        # leaves what is behind it, and the header checks compare exactly. The media type was
        # checked already, in whichever case it was written.
        headers = [
            (name, b"application/json" if name == b"content-type" else value.strip(b" \t"))
            for name, value in scope["headers"]
        ]
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
        older = version is None or version.decode("latin-1") in HANDSHAKE_VERSIONS
        if older and not self._json.stateless:
            return True  # the sessions are in one place
        accept = next((value for name, value in headers if name == b"accept"), b"")
        if not accepts(accept, b"text/event-stream"):
            return False
        return not older or self._notifies(body)

    def _notifies(self, body: bytes) -> bool:
        """Say whether a message calls a tool that has something to notify."""
        if not self._adapter.added and not self._staged:
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
        return name in self._adapter.added or (asks and name in self._staged)

    # ----------------------------------------------------------------------------------- stdio

    async def run_stdio(self) -> None:
        """Serve over stdin and stdout until stdin ends."""
        async with stdio_streams() as (read, write):
            await self._server.run(read, write, self._server.create_initialization_options())

    # -------------------------------------------------------------------------------- handlers

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self._adapter.tools.get(name)
        if tool is not None:
            return tool.input_schema
        extension = self._adapter.served.extension
        added = extension.tools if extension else ()
        return next((tool.input_schema for tool in added if tool.name == name), None)

    async def _listen(
        self, context: _Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        if self._released:
            raise MCPError(code=types.INTERNAL_ERROR, message="this server is stopping")
        with _as_theirs():
            check_uris(params.notifications.resource_subscriptions)
        uris = Counter(set(params.notifications.resource_subscriptions or ()))
        self._listened += uris
        try:
            return await self._listening(context, params)
        finally:
            self._listened -= uris

    def _subscribing(self, handler: _Handler, *, wanted: bool) -> _Handler:
        """Remember what a session subscribes to; without one there is nobody to tell."""

        async def subscribing(context: _Context, params: Any) -> dict[str, Any]:  # noqa: ANN401
            result = await handler(context, params)
            name = context.request.headers.get("mcp-session-id") if context.request else "stdio"
            if name is None or (not wanted and name not in self._subscribed):
                return result
            _, uris = self._subscribed.pop(name, (None, set[str]()))
            (uris.add if wanted and len(uris) < MOST_SUBSCRIBED else uris.discard)(params.uri)
            if uris:
                self._subscribed[name] = (context.session, uris)
            while len(self._subscribed) > MOST_SUBSCRIBED:
                del self._subscribed[next(iter(self._subscribed))]
            return result

        return subscribing

    async def _list_tools(
        self, context: _Context, params: types.PaginatedRequestParams
    ) -> dict[str, Any]:
        with _as_theirs():
            page = self._adapter.catalog.page(context.protocol_version, params.cursor)
        return {**page, "resultType": "complete"}

    async def _call_tool(
        self, context: _Context, params: types.CallToolRequestParams
    ) -> dict[str, Any] | types.CallToolResult | types.InputRequiredResult:
        tool = self._adapter.tools.get(params.name)
        if tool is not None:
            with _reporting(context, tool), traced_as(context.meta):
                result = await self._calls(tool, params.arguments or {}, context.protocol_version)
            found = loads(result) if result is not None else None
            members = found if isinstance(found, dict) else {}
            return {**members, "resultType": "complete"}
        added, extension = self._adapter.added, self._adapter.served.extension
        if params.name in added and extension is not None and extension.call_tool is not None:
            return await extension.call_tool(context, params)
        raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")


def _handler(answer: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]) -> _Handler:
    """Make a handler of the SDK's server of a method."""

    async def handler(context: _Context, params: types.RequestParams) -> dict[str, Any]:
        given = params.model_dump(by_alias=True, mode="json", exclude_none=True)
        with _as_theirs(), traced_as(context.meta):
            result = await answer(given)
        if context.protocol_version != MODERN:
            # The SDK shapes the results of methods that it knows; those of extensions it sends.
            return {k: v for k, v in result.items() if k not in ("ttlMs", "cacheScope")}
        return {**result, "resultType": "complete"}

    return handler


async def _declaring(ctx: _Context, call_next: CallNext) -> HandlerResult:
    """Declare extensions to clients of the older revisions too: the SDK leaves them out there."""
    result = await call_next(ctx)
    if ctx.method == "initialize" and isinstance(result, dict):
        capabilities = {**result["capabilities"], "extensions": {EXTENSION: {}}}
        return {**result, "capabilities": capabilities}
    return result


@contextmanager
def _as_theirs() -> Iterator[None]:
    """Turn this project's errors of the protocol into the SDK's."""
    try:
        yield
    except McpError as error:
        raise MCPError(code=error.code, message=error.message, data=error.data) from None


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
