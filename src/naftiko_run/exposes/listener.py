"""One listener: everything that an address and port serve, behind one guard (ASGI)."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from naftiko_run.exposes.docs import page
from naftiko_run.exposes.guard import Guard
from naftiko_run.exposes.messages import send_bytes
from naftiko_run.exposes.openapi import describe
from naftiko_run.exposes.problems import MEDIA_TYPE
from naftiko_run.exposes.rest import RestFace
from naftiko_run.exposes.units import Listener, ToolServer
from naftiko_run.mapping.json_codec import dumps

if TYPE_CHECKING:
    from naftiko_run.exposes.mcp import McpFace

HEALTH_PATH = "/healthz"


class ListenerApp:
    """Answers the requests of one listener.

    REST routes come first; ``/openapi.json``, ``/docs``, ``/healthz`` and the MCP endpoints answer
    where no route claims their path.
    """

    def __init__(self, listener: Listener, *, allowed_hosts: Iterable[str] = ()) -> None:
        """Build the faces of the listener; the MCP SDK is only loaded where tools are served."""
        self.guard = Guard(listener.address, allowed_hosts)
        self.rest = RestFace(listener.routes, listener.adapters)
        self.tool_servers = [_face(server) for server in listener.servers]
        self.endpoints = {f"/{face.namespace}/mcp": face for face in self.tool_servers}
        if len(self.tool_servers) == 1:
            self.endpoints |= {"/mcp": self.tool_servers[0], "/": self.tool_servers[0]}
        self.pages: dict[str, tuple[bytes, str]] = {
            HEALTH_PATH: (dumps({"status": "ok"}), "application/json")
        }
        if listener.routes:
            document = describe(listener.routes, listener.title, "")
            self.pages["/openapi.json"] = (dumps(document), "application/json")
            self.pages["/docs"] = (page(document), "text/html; charset=utf-8")

    def claims(self, path: str) -> bool:
        """Say whether a REST route serves a path, so that an endpoint of that path gives way."""
        return bool(self.rest.router.find(path.encode()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run what the faces need around the listener's life."""
        async with AsyncExitStack() as stack:
            for face in self.tool_servers:
                await stack.enter_async_context(face.running())
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1003})
            return
        refusal = self.guard.refusal(scope)
        if refusal is not None:
            await send_bytes(send, refusal.status, refusal.dumps(), MEDIA_TYPE)
            return
        path: str = scope["path"]
        ours = path in self.pages or path == "/" or path.rstrip("/") in self.endpoints
        if ours and not self.rest.find(scope):
            await self._answer(path, scope, receive, send)
        else:
            await self.rest(scope, receive, send)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if path in self.pages and scope["method"] in ("GET", "HEAD"):
            body, media_type = self.pages[path]
            await send_bytes(send, 200, b"" if scope["method"] == "HEAD" else body, media_type)
            return
        face = self.endpoints.get(path.rstrip("/") or "/")
        if face is not None:
            await face(scope, receive, send)
            return
        await self.rest(scope, receive, send)


def _face(server: ToolServer) -> "McpFace":
    from naftiko_run.exposes.mcp import McpFace  # noqa: PLC0415 - its SDK costs a second to load

    return McpFace(server)
