"""An upstream that records what arrives, byte for byte, and answers as it is told."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recorded:
    """One request as it arrived; ``target`` is what stood in the request line."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def raw_path(self) -> str:
        """The path, still percent-encoded, without the origin that a proxy would see."""
        rest = self.target
        if "://" in rest.partition("?")[0]:
            rest = "/" + rest.partition("://")[2].partition("/")[2]
        return rest.partition("?")[0]

    @property
    def raw_query(self) -> str:
        """What follows the first question mark."""
        return self.target.partition("?")[2]

    @property
    def origin(self) -> str:
        """Scheme and authority, where the request came as to a proxy."""
        scheme, mark, rest = self.target.partition("?")[0].partition("://")
        return f"{scheme}://{rest.partition('/')[0]}" if mark else ""

    def header(self, name: str) -> list[str]:
        """All values of a header field, by its lower-case name."""
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True)
class Answer:
    """What the upstream says."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b'{"ok": true, "data": [1, 2]}'
    headers: tuple[tuple[str, str], ...] = ()


ANSWERS = {
    "json": Answer(),
    "xml": Answer(content_type="application/xml", body=b"<reply><ok>true</ok></reply>"),
    "text": Answer(content_type="text/plain; charset=utf-8", body="grüße\n".encode()),
    "csv": Answer(content_type="text/csv", body=b"a,b\n1,2\n"),
    "binary": Answer(content_type="application/octet-stream", body=b"\x00\xff\x01"),
}


@dataclass
class Recorder:
    """A running recording upstream."""

    port: int = 0
    requests: list[Recorded] = field(default_factory=list)
    answer: Answer = ANSWERS["json"]

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://{self.authority}"

    def take(self) -> list[Recorded]:
        """Return what arrived since the last call, and forget it."""
        taken, self.requests = self.requests, []
        return taken

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while await self.exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ", 2)
        pairs = [item.partition(":") for item in fields]
        headers = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
        named = dict(headers)
        if named.get("transfer-encoding") == "chunked":
            body = b""
            while size := int((await reader.readline()).partition(b";")[0], 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        else:
            body = await reader.readexactly(int(named.get("content-length", "0")))
        answer = self.answer
        self.requests.append(Recorded(method, target, headers, body))
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        writer.write(
            f"HTTP/1.1 {answer.status} OK\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n{extra}\r\n".encode("latin-1")
        )
        if method != "HEAD":
            writer.write(answer.body)
        await writer.drain()
        return named.get("connection", "").lower() != "close"


@contextmanager
def recording() -> Iterator[Recorder]:
    """Run a recorder in a thread of its own."""
    recorder = Recorder()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0, limit=1 << 20)
        recorder.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        current = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield recorder
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
