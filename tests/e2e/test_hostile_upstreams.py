"""Upstreams that are down, slow, broken or lying: callers get 502 or 504, and the process lives."""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from mcp import Client

from tests.e2e.process import KEYS, KEYS_MCP, KEYS_REST, PATIENCE, Process, serving
from tests.e2e.upstream import misbehaving, reset
from tests.e2e.wire import Answer, Connection, ask, free_port, request

MEGABYTE = 1024 * 1024
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
Behave = Callable[[socket.socket], None]


class Upstream:
    """What the next request meets, and how many there were."""

    def __init__(self) -> None:
        self.behave: Behave = reset
        self.requests = 0

    def __call__(self, connection: socket.socket) -> None:
        self.requests += 1
        self.behave(connection)


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[Process, Upstream]]:
    upstream = Upstream()
    with (
        misbehaving(upstream) as url,
        serving(
            KEYS,
            f"--upstream=unkey={url}",
            "--timeout=1",
            adapters=(KEYS_REST, KEYS_MCP),
            environ={"UNKEY_ROOT_KEY": "unkey_secret"},
        ) as process,
    ):
        yield process, upstream
        assert "Traceback" not in process.err.text
        assert "unkey_secret" not in process.err.text


@pytest.fixture
def process(_served: tuple[Process, Upstream]) -> Process:
    return _served[0]


@pytest.fixture
def upstream(_served: tuple[Process, Upstream]) -> Upstream:
    _served[1].requests = 0
    return _served[1]


def saying(*parts: bytes, wait: bool = False) -> Behave:
    """Say something and close, or wait for the other side to close."""

    def behave(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
        while wait and connection.recv(65_536):
            pass  # the request's body
        connection.shutdown(socket.SHUT_WR)

    return behave


def endless(head: bytes, chunk: bytes) -> Behave:
    """Send a gigabyte, or as much of it as anyone reads."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(1024 * MEGABYTE // len(chunk)):
                connection.sendall(chunk)

    return behave


def _dripping(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"content-length: 1000\r\n\r\n")
    connection.settimeout(0.1)
    for _ in range(1000):
        connection.sendall(b" ")
        with contextlib.suppress(TimeoutError):
            if connection.recv(1) == b"":
                return


BOMB = gzip.compress(b"[") + gzip.compress(b"0," * MEGABYTE) * 100 + gzip.compress(b"0]")
CASES: list[tuple[str, Behave, int, str]] = [
    ("resets", reset, 502, ""),
    ("closes without a word", saying(), 502, ""),
    ("speaks no HTTP", saying(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), 502, ""),
    ("says less than it announced", saying(HEAD + b"content-length: 100\r\n\r\n{}"), 502, ""),
    (
        "cuts a chunk short",
        saying(HEAD + b"transfer-encoding: chunked\r\n\r\nff\r\n{}"),
        502,
        "",
    ),
    (
        "announces two lengths",
        saying(HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} "),
        502,
        "",
    ),
    ("says that it is JSON", saying(HEAD + b"content-length: 6\r\n\r\n<html>"), 502, "JSON"),
    (
        "nests 100,000 deep",
        saying(HEAD + b"content-length: 200000\r\n\r\n" + b"[" * 100_000 + b"]" * 100_000),
        502,
        "JSON",
    ),
    (
        "sends broken gzip",
        saying(HEAD + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"),
        502,
        "",
    ),
    (
        "has a status of its own",
        saying(b"HTTP/1.1 999 Request Denied\r\ncontent-length: 0\r\n\r\n"),
        502,
        "999",
    ),
    (
        "sends a gigabyte",
        endless(HEAD + b"content-length: 1073741824\r\n\r\n", b"0" * MEGABYTE),
        502,
        "larger",
    ),
    (
        "sends chunks without end",
        endless(
            HEAD + b"transfer-encoding: chunked\r\n\r\n", b"100000\r\n%s\r\n" % (b"0" * MEGABYTE)
        ),
        502,
        "larger",
    ),
    (
        "sends a gzip bomb",
        saying(HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB), BOMB),
        502,
        "larger",
    ),
    ("sends fields without end", endless(HEAD, b"x: %s\r\n" % (b"y" * 65_536)), 502, ""),
    ("is silent", saying(wait=True), 504, "1 s"),
    ("stops in the middle", saying(HEAD + b"content-length: 9\r\n\r\n{", wait=True), 504, "1 s"),
    ("drips", _dripping, 504, "1 s"),
]


@pytest.mark.parametrize(
    ("behave", "status", "detail"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_an_upstream_that_is_broken(
    process: Process, upstream: Upstream, behave: Behave, status: int, detail: str
) -> None:
    upstream.behave = behave
    began = time.monotonic()
    problem = ask(process.url(KEYS_REST), "POST", "/v1/apis", {"name": "payments"}).problem(status)
    assert time.monotonic() - began < 20
    assert detail in problem["detail"]
    assert "unkey_secret" not in problem["detail"]
    assert upstream.requests == 1, "a POST is never repeated"
    assert process.memory_peak < 400 * MEGABYTE


async def test_a_tool_says_so_too(process: Process, upstream: Upstream) -> None:
    for behave, status in ((reset, 502), (saying(wait=True), 504)):
        upstream.behave = behave
        async with Client(process.url(KEYS_MCP)) as client:
            result = await client.call_tool("create-api-namespace", {"name": "payments"})
        assert result.is_error
        (content,) = result.content
        assert content.type == "text"
        problem = result.structured_content
        assert problem is not None
        assert (problem["status"], problem["detail"]) == (status, content.text)


async def test_a_deep_reply_reaches_agents_as_text(process: Process, upstream: Upstream) -> None:
    body = b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"
    for line in (b"200 OK", b"500 Internal Server Error"):
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n" % line
        upstream.behave = saying(head + b"content-length: %d\r\n\r\n%s" % (len(body), body))
        async with Client(process.url(KEYS_MCP)) as client:
            result = await client.call_tool("create-api-namespace", {"name": "payments"})
        assert result.is_error is (line != b"200 OK")
        (content,) = result.content
        assert content.type == "text"
        assert content.text.encode() == body
        failure = {"status": 500, "body": content.text}
        assert result.structured_content == (failure if result.is_error else None)


def test_one_that_hangs_holds_nobody_else_up(process: Process, upstream: Upstream) -> None:
    upstream.behave = saying(wait=True)
    answers: list[Answer] = []

    def call() -> None:
        answers.append(ask(process.url(KEYS_REST), "POST", "/v1/apis", {"name": "payments"}))

    threads = [threading.Thread(target=call) for _ in range(40)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    assert ask(process.url(KEYS_REST), "GET", "/healthz").status == 200
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [504] * 40
    assert time.monotonic() - began < 20, "they waited at once, not one after the other"


def test_a_caller_that_leaves_takes_its_call_with_it_or_lets_it_end(
    process: Process, upstream: Upstream
) -> None:
    arrived: list[socket.socket] = []
    began, ended = threading.Event(), threading.Event()
    silent = saying(wait=True)

    def behave(connection: socket.socket) -> None:
        arrived.append(connection)
        began.set()
        try:
            silent(connection)
        finally:
            ended.set()

    upstream.behave = behave
    with Connection(process.port(KEYS_REST)) as connection:
        connection.send(request("POST", "/v1/apis", {"name": "payments"}))
        assert began.wait(PATIENCE), "who leaves before that may leave without a call"
    assert ended.wait(PATIENCE), "the upstream's connection is closed in the end"
    assert len(arrived) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_an_upstream_that_is_not_there(host: str) -> None:
    url = f"http://{host}:{free_port()}"
    with serving(
        KEYS,
        f"--upstream=unkey={url}",
        adapters=(KEYS_REST, KEYS_MCP),
        environ={"UNKEY_ROOT_KEY": "unkey_secret"},
    ) as process:
        answer = ask(process.url(KEYS_REST), "POST", "/v1/apis", {"name": "payments"})
        assert host in answer.problem(502)["detail"]
