"""HTTP as bytes on a socket, so that tests can send what no client library would."""

import io
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Self, TypeAlias
from urllib.parse import urlsplit

from tests.e2e.process import PATIENCE

Headers = Mapping[str, str]
Json: TypeAlias = Any
"""A JSON value, of which a test expects what it expects."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body, read as text."""
        return self.body.decode()

    @property
    def media_type(self) -> str:
        """The media type of the body."""
        return self.headers.get("content-type", "").partition(";")[0]

    def problem(self, status: int) -> dict[str, Json]:
        """Check that this is a problem document (RFC 9457) of a status, and give it."""
        assert (self.status, self.media_type) == (status, "application/problem+json"), self
        document = self.json
        assert isinstance(document, dict)
        assert document["status"] == status
        assert document["type"] == "about:blank"
        assert document["title"]
        assert document["detail"]
        return document


class _Reader(io.BufferedReader):
    """Reads one answer after another: what a response leaves unread stays for the next one."""

    def makefile(self, *_: object) -> Self:
        """Stand in for the socket that a response would read from."""
        return self

    def close(self) -> None:
        """Stay open: a response closes what it reads from at its end."""


class Connection:
    """One connection, which may be kept for several requests."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), PATIENCE)
        self._reader = _Reader(socket.SocketIO(self.socket, "rb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def read(self, method: str = "GET") -> Answer:
        """Read one answer."""
        response = HTTPResponse(self._reader, method=method)  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body)

    def ask(self, method: str, target: str, body: Json = None, **headers: str) -> Answer:
        """Send one request and read its answer."""
        self.send(request(method, target, body, headers))
        return self.read(method)


def request(method: str, target: str, body: Json = None, headers: Headers | None = None) -> bytes:
    """Write a request; a body that is no bytes is sent as JSON."""
    fields = {name.lower().replace("_", "-"): value for name, value in (headers or {}).items()}
    content = body if isinstance(body, bytes) else b"" if body is None else dumps(body)
    if body is not None:
        fields = {
            "content-type": "application/json",
            "content-length": str(len(content)),
            **fields,
        }
    fields = {"host": "127.0.0.1", **fields}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + content


def dumps(value: Json) -> bytes:
    """Write JSON."""
    return json.dumps(value).encode()


def ask(url: str, method: str, path: str, body: Json = None, **headers: str) -> Answer:
    """Send one request on a connection of its own."""
    parts = urlsplit(url)
    with Connection(parts.port or 80, parts.hostname or "") as connection:
        return connection.ask(method, parts.path.rstrip("/") + path, body, **headers)


def exchange(port: int, data: bytes) -> Answer:
    """Send bytes on a connection of their own and read one answer."""
    with Connection(port) as connection:
        connection.send(data)
        return connection.read()


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
