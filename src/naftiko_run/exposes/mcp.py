"""The MCP face: one endpoint for every protocol revision over Streamable HTTP, stateless."""

import asyncio
import codecs
import importlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from naftiko_run.exposes.load import RETRY_AFTER, Load
from naftiko_run.exposes.mcp_adapter import adapter_of
from naftiko_run.exposes.mcp_direct import Direct, send_json
from naftiko_run.exposes.mcp_gate import Refused, check_fields, read
from naftiko_run.exposes.mcp_listen import Listeners
from naftiko_run.exposes.mcp_results import Calls
from naftiko_run.exposes.messages import (
    BODY_SECONDS,
    MAX_BODY,
    WHOLE_BODY,
    BodyReader,
    BodyTooLargeError,
    BodyTooSlowError,
    DisconnectedError,
    header,
    send_and_close,
    send_problem,
)
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem
from naftiko_run.exposes.units import ToolServer

if TYPE_CHECKING:
    from naftiko_run.exposes.mcp_sdk import SdkServer

_log = logging.getLogger("naftiko_run.mcp")


class McpFace:
    """Serves one MCP adapter; as ASGI it answers its endpoint.

    ``direct`` answers the requests that are made all day without the SDK. It changes how fast an
    answer comes, and nothing else. The SDK takes longer to load, and more memory, than all the
    rest: it is loaded for the first request that needs it, beside what is served meanwhile.
    """

    def __init__(
        self, served: ToolServer, *, direct: bool = True, load: Load | None = None
    ) -> None:
        """Make the adapter ready; nothing has to be started.

        ``load`` counts the requests of the listener, of which these are some.
        """
        self.namespace = served.namespace
        self._busy = 0
        self._idle: asyncio.Event | None = None
        self._calls = Calls()
        self._load = load or Load()
        self._listeners = Listeners(self._load)
        self._read_body = BodyReader()
        self._wants_direct = direct
        self._released = False
        self._sdk: SdkServer | None = None
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._serve(served)

    def _serve(self, served: ToolServer) -> None:
        self._adapter = adapter = adapter_of(served)
        self._keeps_sessions = served.extension is not None and served.extension.sessions
        self._direct: Direct | None = None
        if self._wants_direct:
            listed = adapter.catalog.page if adapter.lists_tools else None
            self._direct = Direct(
                served, adapter.tools, adapter.methods, self._calls, listed, self._listeners
            )

    async def update(self, served: ToolServer) -> None:
        """Serve something else from now on, and tell clients that listen for it."""
        before = self._adapter
        self._serve(served)
        if self._sdk is not None:
            self._sdk.update(self._adapter)
        await self.tell(before.changes_to(self._adapter))

    async def tell(self, lists: Sequence[str]) -> None:
        """Tell clients that listen which lists changed, and that what they read may have."""
        self._listeners.tell(lists)
        if self._sdk is not None:
            await self._sdk.tell(lists)

    def release(self) -> None:
        """End the streams of clients that listen: they would never end by themselves."""
        self._released = True
        self._listeners.close()
        if self._sdk is not None:
            self._sdk.release()

    async def idle(self) -> None:
        """Wait until no request is under way."""
        if self._busy:
            if self._idle is None or self._idle.is_set():
                self._idle = asyncio.Event()
            await self._idle.wait()

    async def stop(self) -> None:
        """Finish the requests under way, and end."""
        self.release()
        await self.idle()
        await self._end()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End at once what was begun inside."""
        try:
            yield
        finally:
            await self._end()

    async def _end(self) -> None:
        self._stopping.set()
        if self._running is not None:
            await self._running

    # ------------------------------------------------------------------------------------ HTTP

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request of the endpoint."""
        if scope["method"] != "POST" and not self._keeps_sessions:
            # Stateless, there is nothing that the stream of a GET would ever bring, and no session
            # that a DELETE could end (every revision allows 405 for both).
            detail = f"{scope['method']} is not served here; MCP clients use POST"
            await send_problem(send, Problem(405, detail), (("allow", "POST"),))
            return
        load = self._load
        if load.under_way >= load.most:
            await send_problem(send, load.refusal, RETRY_AFTER)
            return
        load.under_way += 1
        self._busy += 1
        try:
            body: bytes | None = scope.get(WHOLE_BODY)
            if body is None or len(body) > MAX_BODY or body[:3] == codecs.BOM_UTF8:
                body = await self._body(scope, receive, send)
                if body is None:
                    return
            if self._direct is not None:
                call = self._direct.call(scope, body, receive)
                if call is not None:
                    calling, before, behind = call
                    result = await calling
                    if result is not None:
                        await send_json(send, 200, before + result[:-1] + behind)
                    return
                answering = self._direct(scope, body, receive, send)
                if answering is not None and await answering:
                    return
            await self._by_sdk(scope, body, receive, send)
        finally:
            load.under_way -= 1
            self._busy -= 1
            if not self._busy and self._idle is not None:
                self._idle.set()

    async def _by_sdk(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            try:
                check_fields(scope)
                read(body, header(scope, b"mcp-protocol-version"))
            except Refused as refused:
                await send_json(send, refused.status, refused.body)
                return
        sdk = await self._loaded()
        if sdk is None:
            problem = Problem(500, "this request cannot be served; the server's log tells why")
            await send_problem(send, problem)
            return
        await sdk(scope, body, receive, send)

    async def _body(self, scope: Scope, receive: Receive, send: Send) -> bytes | None:
        """Read the body; None where there is none to answer any more."""
        try:
            # RFC 8259 section 8.1 lets a reader ignore the mark: not every one of ours does.
            return (await self._read_body(scope, receive)).removeprefix(codecs.BOM_UTF8)
        except DisconnectedError:
            return None
        except BodyTooLargeError:
            problem = Problem(413, f"the request body is larger than {MAX_BODY} bytes")
        except BodyTooSlowError:
            problem = Problem(408, f"the request body took longer than {BODY_SECONDS:g} seconds")
        await send_and_close(receive, send, problem.status, problem.dumps(), MEDIA_TYPE)
        return None

    # ------------------------------------------------------------------------------------- SDK

    async def _loaded(self) -> "SdkServer | None":
        """Give the SDK's server; None where it cannot be had."""
        if self._running is None:
            # It must end in the task in which it began.
            self._running = asyncio.create_task(self._run())
        if not self._ready.is_set():
            await self._ready.wait()
        return self._sdk

    async def _run(self) -> None:
        try:
            # A package's first import takes seconds: other requests are answered meanwhile.
            module = await asyncio.to_thread(importlib.import_module, "naftiko_run.exposes.mcp_sdk")
            sdk: SdkServer = module.SdkServer(self._adapter, self._calls)
            async with sdk.running():
                self._sdk = sdk
                if self._released:
                    sdk.release()
                self._ready.set()
                await self._stopping.wait()
        except Exception:  # noqa: BLE001 - whatever it is, requests get an answer
            _log.exception("the MCP adapter %s cannot be served by the SDK", self.namespace)
        finally:
            self._sdk = None
            self._ready.set()

    # ----------------------------------------------------------------------------------- stdio

    async def run_stdio(self) -> None:
        """Serve over stdin and stdout until stdin ends."""
        sdk = await self._loaded()
        if sdk is None:
            raise RuntimeError("the SDK cannot be loaded")
        await sdk.run_stdio()
        await self._end()
