"""One listener: everything that an address and port serve, behind one guard (ASGI)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable

from starlette.types import Message, Receive, Scope, Send

from naftiko_run.exposes.auth import Authenticator, Refusal, settled
from naftiko_run.exposes.docs import page
from naftiko_run.exposes.guard import Guard
from naftiko_run.exposes.load import Load
from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.messages import fields_of, send_bytes, send_problem
from naftiko_run.exposes.openapi import describe
from naftiko_run.exposes.problems import Problem
from naftiko_run.exposes.protected import documents
from naftiko_run.exposes.rest import RestFace
from naftiko_run.exposes.skills import SkillsFace
from naftiko_run.exposes.trace import context_of_fields, traced
from naftiko_run.exposes.units import Listener
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.types import Headers

HEALTH_PATH = "/healthz"
_log = logging.getLogger("naftiko_run.access")


class ListenerApp:
    """Answers the requests of one listener.

    REST routes come first; ``/openapi.json``, ``/docs``, ``/healthz``, the MCP endpoints and the
    skills answer where no route claims their path and method.
    """

    def __init__(self, address: str, *, allowed_hosts: Iterable[str] = ()) -> None:
        """Make a listener that serves nothing yet; ``update`` gives it what it serves."""
        self.guard = Guard(address, allowed_hosts)
        self.rest = RestFace((), ())
        self.skills: SkillsFace | None = None
        self.endpoints: dict[str, McpFace] = {}
        self.pages: dict[str, tuple[bytes, str]] = {}
        self._ours: set[str] = set()
        self._public: frozenset[str] = frozenset()
        self._metadata: frozenset[str] = frozenset()
        self._mixed = False
        self._authenticators: dict[str, Authenticator] = {}
        self._asked: tuple[Authenticator, ...] = ()
        self.faces: dict[str, McpFace] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._load = Load()

    async def update(self, listener: Listener) -> None:
        """Serve this from now on; requests under way finish on what they began with.

        An MCP adapter that stays keeps its face, so that its clients hear of changed tools.
        """
        rest = RestFace(listener.routes, listener.adapters)
        pages = {HEALTH_PATH: (dumps({"status": "ok"}), "application/json")}
        if listener.routes:
            document = describe(
                listener.routes, listener.title, listener.version, listener.description
            )
            pages["/openapi.json"] = (dumps(document), "application/json")
            pages["/docs"] = (page(document), "text/html; charset=utf-8")
        gone = dict(self.faces)
        for server in listener.servers:
            running = gone.pop(server.namespace, None)
            if running is None:
                self.faces[server.namespace] = McpFace(server, load=self._load)
            else:
                await running.update(server)
        faces = [self.faces[server.namespace] for server in listener.servers]
        endpoints = {f"/{face.namespace}/mcp": face for face in faces}
        if len(faces) == 1:
            endpoints |= {"/mcp": faces[0], "/": faces[0]}
        self._authenticators = {
            s.namespace: s.authenticator for s in listener.servers if s.authenticator
        }
        asking = {r.adapter: r.authenticator for r in listener.routes if r.authenticator}
        asking |= {s.namespace: s.authenticator for s in listener.skills if s.authenticator}
        public = {
            path: (dumps(dict(document)), "application/json")
            for path, document in documents(
                asking | self._authenticators,
                {path: face.namespace for path, face in endpoints.items()},
            ).items()
            # Only a route of exactly this path is meant instead: clients have to find it.
            if (claimed := rest.router.best(path.encode(), "GET")) is None or claimed[1]
        }
        pages |= public
        # What a route claims is the route's: a page or an endpoint that it would answer for is
        # not served, and at those that are a route still answers its other methods.
        methods = dict.fromkeys(pages, "GET") | dict.fromkeys(endpoints, "POST")
        free = {
            path
            for path, method in methods.items()
            if path in public or not rest.claims(path.encode(), method)
        }
        asked = {id(r.authenticator): r.authenticator for r in listener.routes if r.authenticator}
        self._asked = tuple(asked.values())
        self.rest, self.pages, self._ours = rest, pages, free
        self.skills = SkillsFace(listener.skills) if listener.skills else None
        self._mixed = bool(listener.routes)
        self._public = frozenset({HEALTH_PATH, *public})
        self._metadata = frozenset(public)
        self.endpoints = {path: face for path, face in endpoints.items() if path in free}
        for namespace, running in gone.items():
            del self.faces[namespace]
            # Its calls under way finish; nothing waits for them here.
            leaving = asyncio.create_task(running.stop())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    def release(self) -> None:
        """End what never ends by itself, before anything waits for the requests under way."""
        for running in self.faces.values():
            running.release()

    async def stop(self) -> None:
        """Stop the faces, once their calls are finished."""
        await asyncio.gather(*(running.stop() for running in self.faces.values()), *self._leaving)
        self.faces.clear()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        if scope["type"] != "http":
            return _close(scope, send)
        if _log.isEnabledFor(logging.INFO):
            send = _Logged(scope, send)
        path: str = scope["path"]
        # Where many fields are looked for, it is cheaper to have them by name.
        fields = fields_of(scope) if path in self.endpoints else None
        if fields is None or not self.guard.knows(fields):
            refusal = self.guard.refusal(scope)
            if refusal is not None:
                return send_problem(send, refusal)
        ours = path in self._ours or path.rstrip("/") in self.endpoints
        # No route is posted to at an endpoint that is served: such a request is not looked up.
        if ours and self._mixed and (scope["method"] != "POST" or path not in self.endpoints):
            ours = path in self._metadata or not self.rest.serves(scope)
        if ours:
            face = self.endpoints.get(path)
            if face is None or face.namespace in self._authenticators:
                answering: Awaitable[None] = self._answer(path, scope, receive, send)
            else:
                answering = face(scope, receive, send)
        elif self.skills is not None and self._is_of_skills(self.skills, path, scope):
            answering = self.skills(scope, receive, send)
        else:
            answering = self.rest(scope, receive, send)
        if fields is not None and b"traceparent" not in fields:
            return answering
        trace = context_of_fields(scope)
        return _in_trace(trace, answering) if trace else answering

    def _is_of_skills(self, skills: SkillsFace, path: str, scope: Scope) -> bool:
        return skills.claims(path) and not (self._mixed and self.rest.serves(scope))

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        face = self.endpoints.get(path.rstrip("/") or "/")
        refusal = await self._refusal(path, face, scope)
        if refusal is not None:
            await send_problem(send, refusal.problem, refusal.headers)
            return
        if path in self.pages and scope["method"] in ("GET", "HEAD"):
            body, media_type = self.pages[path]
            await send_bytes(send, 200, body, media_type)  # the server keeps the body of a HEAD
            return
        if face is not None:
            await face(scope, receive, send)
            return
        problem = Problem(405, f"{scope['method']} is not served here; use GET")
        await send_problem(send, problem, (("allow", "GET, HEAD"),))

    async def _refusal(self, path: str, face: McpFace | None, scope: Scope) -> Refusal | None:
        """Say why an endpoint or a page is refused; some pages are for everybody."""
        if path in self._public:
            return None
        asked = self._asked if path in self.pages else ()
        if face is not None:
            authenticator = self._authenticators.get(face.namespace)
            asked = (authenticator,) if authenticator else ()
        refused: Refusal | None = None
        for authenticator in asked:
            verdict = authenticator.refusal(scope)
            refusal = None if verdict is None else await settled(verdict)
            if refusal is None:
                # A page that describes several adapters is open to the callers of any of them.
                return None
            refused = refused or refusal
        return refused


async def _in_trace(trace: Headers, answering: Awaitable[None]) -> None:
    with traced(trace):
        await answering


async def _close(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1003})


class _Logged:
    """Sends an answer, and writes a line about it."""

    __slots__ = ("_began", "_scope", "_send")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._began = time.perf_counter()
        self._scope = scope
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._write(message["status"])
        await self._send(message)

    def __getattr__(self, name: str) -> object:
        # A server that takes whole answers says so by having this.
        whole = getattr(self._send, name)
        if name != "whole":
            return whole

        def logged(status: int, fields: bytes, body: bytes) -> None:
            self._write(status)
            whole(status, fields, body)

        return logged

    def _write(self, status: int) -> None:
        milliseconds = (time.perf_counter() - self._began) * 1000
        # The path alone: a query may carry what its sender wants to keep for itself.
        _log.info(
            "%s %s %d %.1f ms", self._scope["method"], self._scope["path"], status, milliseconds
        )
