"""Forwards on real sockets: a served document, an upstream, and a caller that writes bytes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from naftiko_run.consumes.client import ClientLimits, create_client
from naftiko_run.exposes import rest
from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.loading.load import Settings, load
from naftiko_run.loading.schema import check
from naftiko_run.plan import Options, Plan, compile_plan
from naftiko_run.server.http import HttpServer, bind
from tests.consumes.upstreams import Connection

PATIENCE = 20

DOCUMENT = """
naftiko: 1.0.0-alpha2
info: {{label: Proxy, description: What is passed on.}}
binds:
- {{namespace: env, keys: {{TOKEN: TOKEN}}}}
capability:
  consumes:
  - type: http
    namespace: up
    description: Whatever is asked for.
    baseUri: {url}/v1
{consumes}
  exposes:
  - type: rest
    namespace: gate
    port: 8080
{exposes}
    resources:
    - path: /proxy/{{path}}
      forward: {{targetNamespace: up{forward}}}
{resources}
"""


def document(
    url: str, *, consumes: str = "", exposes: str = "", forward: str = "", resources: str = ""
) -> str:
    """Write a capability that forwards /proxy; each part is YAML on lines of its own."""
    return DOCUMENT.format(
        url=url,
        consumes="\n".join(f"    {line}" for line in consumes.splitlines()),
        exposes="\n".join(f"    {line}" for line in exposes.splitlines()),
        forward=f", {forward}" if forward else "",
        resources="\n".join(f"    {line}" for line in resources.splitlines()),
    )


@dataclass
class Answer:
    """What a caller got; ``whole`` says whether it ended as its framing promised."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    whole: bool = True

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass
class Caller:
    """A connection to what is served."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> Answer:
        """Read the head of an answer, passing over interim ones."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        status = int(lines[0].split(" ")[1])
        fields = [line.partition(": ") for line in lines[1:]]
        if status == 100:
            return await self.head()
        return Answer(status, [(name.lower(), value) for name, _, value in fields])

    async def chunk(self) -> bytes:
        """Read one chunk of an answer."""
        size = int(await self.reader.readline(), 16)
        piece = await self.reader.readexactly(size)
        await self.reader.readexactly(2)
        return piece

    async def answer(self, method: str = "GET") -> Answer:
        """Read a whole answer, or what there is of it."""
        answer = await self.head()
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        try:
            if answer.header("transfer-encoding") == ["chunked"]:
                while piece := await self.chunk():
                    answer.body += piece
            elif length := answer.header("content-length"):
                answer.body = await self.reader.readexactly(int(length[0]))
            else:
                answer.body = await self.reader.read()
        except asyncio.IncompleteReadError as error:
            answer.body += error.partial
            answer.whole = False
        except (OSError, ValueError):
            answer.whole = False
        return answer


@dataclass
class Served:
    """A document while it is served."""

    port: int
    plan: Plan
    app: ListenerApp = field(repr=False)

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.plan.findings]

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[Caller]:
        """Connect to it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Caller(reader, writer)
        finally:
            writer.close()

    async def ask(
        self,
        target: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        version: str = "1.1",
    ) -> Answer:
        """Send a request on a connection of its own."""
        fields = list(headers.items() if isinstance(headers, Mapping) else headers)
        if body is not None:
            fields.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/{version}", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in fields]
        async with asyncio.timeout(PATIENCE), self.calling() as caller:
            await caller.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
            return await caller.answer(method)


@asynccontextmanager
async def serving(
    folder: Path,
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    seconds: float = 5.0,
    silence: float | None = None,
    engine: str = "httptools",
) -> AsyncIterator[Served]:
    """Serve a document; the upstream may be silent for ``seconds``, a caller for ``silence``."""
    path = folder / "proxy.yaml"
    path.write_text(text, "utf-8")
    loaded = load(path, Settings(environ=environ or {}), schema=check)
    client = create_client(ClientLimits(timeout=seconds), engine=engine, environ={})
    plan = compile_plan([loaded], Options(), client)
    (listener,) = plan.listeners
    app = ListenerApp("127.0.0.1")
    await app.update(listener)
    if silence is not None:
        app.rest = rest.RestFace(listener.routes, listener.adapters, body_seconds=silence)
    listening = bind("127.0.0.1", 0)
    server = HttpServer(app, listening)
    await server.start()
    try:
        async with asyncio.timeout(PATIENCE * 3):
            yield Served(listening.getsockname()[1], plan, app)
    finally:
        server.refuse()
        app.release()
        await client.aclose()
        await server.stop()
        await app.stop()


async def body_of(connection: Connection) -> bytes:
    """Read the body of a request, whose head is read already, in either framing."""
    fields = connection.upstream.requests[-1]
    if fields.header("transfer-encoding"):
        body = b""
        while size := int(await connection.reader.readline(), 16):
            body += await connection.reader.readexactly(size)
            await connection.reader.readexactly(2)
        await connection.reader.readexactly(2)
        return body
    return fields.body
