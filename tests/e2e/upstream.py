"""Upstreams on real sockets: one that remembers what it was asked, and ones that misbehave."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from tests.e2e.wire import Json


@dataclass(frozen=True)
class Received:
    """A request as the upstream got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Give all values of a header field."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def json(self) -> Json:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass
class Reply:
    """What the upstream answers."""

    status: int = 200
    body: bytes = b'{"data":{}}'
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class Held:
    """Replies once it is released; an upstream's ``reply``."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.arrived, self.released = threading.Event(), threading.Event()
        self._reply = reply or Reply()

    def __call__(self, _: Received) -> Reply:
        self.arrived.set()
        assert self.released.wait(20)
        return self._reply


class Upstream:
    """Remembers each request and answers with ``reply``, or what it makes of the request."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.reply: Reply | Callable[[Received], Reply] = Reply()
        self.url = ""

    def renewed(self, reply: Reply | Callable[[Received], Reply] | None = None) -> Self:
        """Forget what was asked; answer with this from now on."""
        self.received.clear()
        self.reply = reply or Reply()
        return self

    @property
    def last(self) -> Received:
        """The latest request."""
        return self.received[-1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # With the default of 5 the kernel drops connections under load, and they come again after
    # one, three or seven seconds.
    request_queue_size = 256


@contextmanager
def recording(port: int = 0) -> Iterator[Upstream]:
    """Run an upstream that remembers, on any free port where none is given."""
    upstream = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            with suppress(ConnectionError, TimeoutError):
                super().handle_one_request()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            received = Received(self.command, self.path, list(self.headers.items()), body)
            upstream.received.append(received)
            reply = (
                upstream.reply if isinstance(upstream.reply, Reply) else upstream.reply(received)
            )
            self.send_response(reply.status)
            for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            return

    server = _Server(("127.0.0.1", port), Handler)
    upstream.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def misbehaving(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run an upstream that reads each request's head, and then does what it is told to."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(65_536)
                if not more:
                    return
                head += more
            behave(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        # Closing alone does not wake a thread that waits in accept.
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)
        for connection in connections:
            connection.close()


def reset(connection: socket.socket) -> None:
    """Break the connection instead of answering."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
