"""What only the direct engine promises: its pool, its framing, how it ends; on both event loops."""

import asyncio
import contextlib
import socket
import sys
import time
import tracemalloc
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from naftiko_run.consumes.client import ClientLimits, create_client
from naftiko_run.consumes.engines import connection as kept
from naftiko_run.consumes.engines.deadlines import Deadlines
from naftiko_run.consumes.engines.direct import DirectClient
from naftiko_run.errors import (
    UnreadableReply,
    UpstreamError,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from naftiko_run.together import Together
from naftiko_run.types import Client, Request
from tests.consumes import upstreams
from tests.consumes.upstreams import (
    Connection,
    answer,
    answer_and_close,
    answer_and_hang,
    echo,
    ok,
    upstream,
)

LIMITS = ClientLimits(timeout=5, connect_timeout=2)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=["asyncio", "uvloop", "uvloop, among many"])
def anyio_backend(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, dict[str, bool]]:
    if request.param == "uvloop, among many":
        # Requests are written along with others.
        monkeypatch.setattr("naftiko_run.consumes.engines.direct.FEW", -1)
    return "asyncio", {"use_uvloop": request.param != "asyncio"}


@contextlib.asynccontextmanager
async def opened(limits: ClientLimits = LIMITS, **environ: str) -> AsyncIterator[Client]:
    client = create_client(limits, engine="httptools", environ=environ)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with opened() as client:
        yield client


# ---------------------------------------------------------------------------- the pool


async def test_requests_that_differ_a_little_are_sent_as_they_are(client: Client) -> None:
    async with upstream(echo) as api, upstream(echo) as other:
        wanted = [
            Request(method, f"{url}/{path}", headers, body)
            for url in (api.url, other.url)
            for method in ("POST", "PUT", "DELETE")
            for path in ("a", "b?c=1", "a" * 2000)
            for headers in ((), (("X-One", "1"),), (("X-One", "2"), ("Accept", "text/csv")))
            for body in (None, b"x", b"yy", b"")
        ]
        for request in (*wanted, *wanted):
            await client.send(request)
    sent = [*api.requests, *other.requests]
    half = len(wanted) // 2
    expected = [*wanted[:half], *wanted[:half], *wanted[half:], *wanted[half:]]
    for request, received in zip(expected, sent, strict=True):
        path = request.url.split("/", 3)[3]
        assert received.line == f"{request.method} /{path} HTTP/1.1"
        assert received.body == (request.body or b"")
        given = dict(request.headers)
        assert received.header("x-one") == ([given["X-One"]] if given else [])
        assert received.header("accept") == [given.get("Accept", "*/*")]
        port = api.port if request.url.startswith(api.url) else other.port
        assert received.header("host") == [f"localhost:{port}"]


async def test_the_connection_used_last_is_used_next(client: Client) -> None:
    served: list[tuple[int, bytes]] = []

    async def number(connection: Connection) -> None:
        mine = connection.upstream.connections
        while True:
            request = await connection.request()
            served.append((mine, request.body))
            await asyncio.sleep(0.02 * int(request.body))
            await connection.send(ok(b""))

    async with upstream(number) as api:
        calls = [client.send(Request("POST", api.url, (), b"%d" % n)) for n in (1, 2, 3)]
        await asyncio.gather(*calls)
        last = {body: mine for mine, body in served}[b"3"]
        for _ in range(10):
            await client.send(Request("POST", api.url, (), b"0"))
    assert api.connections == 3
    assert [mine for mine, body in served if body == b"0"] == [last] * 10


class Held(Together[kept.Connection]):
    """Writes when the test says so."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), kept.Connection.flush)
        self.items: list[kept.Connection] = []

    def add(self, item: kept.Connection) -> None:
        self.items.append(item)


def held(client: DirectClient, monkeypatch: pytest.MonkeyPatch) -> Held:
    monkeypatch.setattr("naftiko_run.consumes.engines.direct.FEW", -1)
    client._writes = writes = Held()
    return writes


@pytest.mark.parametrize("unasked", [b"", ok(b"not yours")], ids=["end", "reply"])
async def test_a_request_that_was_not_yet_written_goes_on_another_connection(
    unasked: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    leave = asyncio.Event()

    async def leaving(connection: Connection) -> None:
        first = connection.upstream.connections == 1
        while True:
            bodies.append((await connection.request()).body)
            await connection.send(ok(b"%d" % connection.upstream.connections))
            if first:
                await leave.wait()
                if unasked:
                    await connection.send(unasked)
                return

    async with opened() as client, upstream(leaving) as api:
        assert isinstance(client, DirectClient)
        request = Request("POST", api.url, (), b"1")
        assert (await client.send(request)).body == b"1"
        writes = held(client, monkeypatch)
        call = asyncio.create_task(client.send(replace(request, body=b"2")))
        while not writes.items:  # noqa: ASYNC110 - nothing tells that it waits
            await asyncio.sleep(0)
        leave.set()
        async with asyncio.timeout(2):
            assert (await call).body == b"2"
        writes.items[0].flush()
    assert bodies == [b"1", b"2"]


async def test_a_call_that_is_given_up_before_its_request_is_written_is_never_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies: list[bytes] = []

    async def noting(connection: Connection) -> None:
        while True:
            bodies.append((await connection.request()).body)
            await connection.send(ok(b""))

    async with opened() as client, upstream(noting) as api:
        assert isinstance(client, DirectClient)
        request = Request("POST", api.url, (), b"1")
        await client.send(request)
        writes = held(client, monkeypatch)
        call = asyncio.create_task(client.send(replace(request, body=b"2")))
        while not writes.items:  # noqa: ASYNC110 - nothing tells that it waits
            await asyncio.sleep(0)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        writes.items[0].flush()
        monkeypatch.setattr("naftiko_run.consumes.engines.direct.FEW", 64)
        await client.send(replace(request, body=b"3"))
    assert bodies == [b"1", b"3"]


async def test_whoever_waits_first_is_served_first() -> None:
    order: list[int] = []
    async with (
        opened(replace(LIMITS, connections=1)) as client,
        upstream(echo) as one,
        upstream(echo) as two,
    ):

        async def call(number: int, api: upstreams.Upstream) -> None:
            await client.send(Request("POST", api.url, (), b"x"))
            order.append(number)

        await asyncio.gather(*[call(n, two if n % 3 else one) for n in range(12)])
    assert order == list(range(12))


async def test_an_idle_connection_gives_way_to_another_host() -> None:
    async with (
        opened(replace(LIMITS, connections=2)) as client,
        upstream(echo) as one,
        upstream(echo) as two,
        upstream(echo) as three,
    ):
        for api in (one, two, three):
            await client.send(Request("POST", api.url, (), b"x"))
        async with asyncio.timeout(1):
            await one.closed()
        assert (two.open, three.open) == (1, 1)


async def test_whoever_stops_waiting_leaves_the_line() -> None:
    async with opened(replace(LIMITS, connections=1)) as client, upstream(echo) as api:
        request = Request("POST", api.url, (), b"x")
        calls = [asyncio.create_task(client.send(request)) for _ in range(9)]
        await api.asked.wait()
        for call in calls[1::2]:
            call.cancel()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(end, asyncio.CancelledError) for end in ends] == [
            False, True, False, True, False, True, False, True, False,
        ]  # fmt: skip
        # No place was lost on the way.
        await client.send(request)
    assert len(api.requests) == 6


async def test_many_calls_to_a_slow_upstream_run_at_once(client: Client) -> None:
    async def slow(connection: Connection) -> None:
        while True:
            request = await connection.request()
            await asyncio.sleep(0.2)
            await connection.send(ok(request.body))

    async with upstream(slow) as api:
        start = time.monotonic()
        bodies = [b"%d" % number for number in range(512)]
        replies = await asyncio.gather(
            *[client.send(Request("POST", api.url, (), body)) for body in bodies]
        )
        assert [reply.body for reply in replies] == bodies
        # One after the other they would take 102 seconds.
        assert time.monotonic() - start < 20
    assert api.connections == 256


async def test_no_place_is_lost_however_calls_end() -> None:
    async def fickle(connection: Connection) -> None:
        while True:
            request = await connection.request()
            await asyncio.sleep(int(request.body) % 7 / 1000)
            match int(request.body) % 5:
                case 0:
                    return
                case 1:
                    connection.reset()
                case 2:
                    await connection.send(b"?")
                case _:
                    await connection.send(ok(request.body))

    async with opened(replace(LIMITS, connections=3, timeout=3)) as client, upstream(fickle) as api:

        async def call(number: int) -> bool:
            with contextlib.suppress(UpstreamError, TimeoutError):
                async with asyncio.timeout(0.001 * (number % 11) if number % 3 else None):
                    request = Request("POST", api.url, (), b"%d" % number)
                    return (await client.send(request)).body == b"%d" % number
            return False

        for _ in range(5):
            await asyncio.gather(*[call(number) for number in range(60)])
        assert all(await asyncio.gather(*[call(3 + 15 * number) for number in range(20)]))
        bodies = [received.body for received in api.requests]
    assert max(map(bodies.count, bodies)) <= 6


async def test_a_time_that_the_upstream_announces_is_kept_to() -> None:
    reply = ok(b"", "Keep-Alive: timeout=1, max=9")
    async with opened() as client, upstream(answer(reply)) as api:
        for pause in (0.0, 0.2, 0.7):
            await asyncio.sleep(pause)
            await client.send(Request("GET", api.url))
    assert api.connections == 2


# ----------------------------------------------------------------------- nothing smuggled


async def test_bytes_on_an_idle_connection_close_it(client: Client) -> None:
    async def late(connection: Connection) -> None:
        await connection.request()
        await connection.send(ok(b"first"))
        await asyncio.sleep(0.05)
        await connection.send(ok(b"smuggled"))
        await connection.hang()

    async with upstream(late) as api:
        for _ in range(3):
            assert (await client.send(Request("GET", api.url))).body == b"first"
            await asyncio.sleep(0.1)
        assert (api.connections, api.open) == (3, 0)


async def test_what_follows_a_large_reply_is_seen_before_the_next_request(client: Client) -> None:
    large = bytes(3 * 1024 * 1024)
    async with upstream(answer(ok(large) + ok(b"smuggled"))) as api:
        for _ in range(4):
            assert (await client.send(Request("GET", api.url))).body == large
            await asyncio.sleep(0.05)
    assert api.connections == 4


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 3),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 3),
        (b"HTTP/1.1 204 None\r\n\r\nx", 3),
    ],
)
async def test_a_reply_to_head_ends_with_its_head(
    client: Client, reply: bytes, connections: int
) -> None:
    async with upstream(answer(reply)) as api:
        for _ in range(3):
            assert (await client.send(Request("HEAD", api.url))).body == b""
    assert api.connections == connections


async def test_a_trailer_is_no_header_of_any_reply(client: Client) -> None:
    trailer = b"1\r\nx\r\n0\r\nSet-Cookie: a=b\r\n\r\n"
    async with upstream(answer(CHUNKED + trailer)) as api:
        for _ in range(3):
            assert (await client.send(Request("GET", api.url))).headers == ()
    assert api.connections == 1


async def test_interim_replies_leave_the_connection_usable(client: Client) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    async with upstream(answer(interim + ok(b"x", "X-A: 1"))) as api:
        for _ in range(3):
            reply = await client.send(Request("GET", api.url))
            assert (reply.status, reply.headers, reply.body) == (200, (("x-a", "1"),), b"x")
    assert api.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 66_000 + b"\r\nContent-Length: 1\r\n\r\nx",
    ],
)
async def test_a_reply_that_two_readers_could_read_differently_is_refused(
    client: Client, reply: bytes
) -> None:
    async with upstream(answer(reply)) as api:
        with pytest.raises(UnreadableReply, match="is not valid HTTP"):
            await client.send(Request("GET", api.url))


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1  \r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 60_000 + b"\r\nContent-Length: 1\r\n\r\nx",
    ],
)
async def test_a_reply_that_is_unusual_but_clear_is_read(client: Client, reply: bytes) -> None:
    async with upstream(answer(reply)) as api:
        assert (await client.send(Request("GET", api.url))).body == b"x"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (CHUNKED + b"0\r\n", b"X-A: " + b"a" * 8192 + b"\r\n"),
        (CHUNKED + b"0\r\nX-A: ", b"a" * 8192),
        (CHUNKED + b"1;", b"a" * 8192),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 100),
    ],
    ids=["trailers", "a trailer", "a chunk's extension", "interim replies"],
)
async def test_what_brings_no_body_may_not_go_on_without_end(
    client: Client, head: bytes, piece: bytes
) -> None:
    async with upstream(upstreams.endless(head, piece)) as api:
        with pytest.raises(UnreadableReply):
            await client.send(Request("GET", api.url))
        async with asyncio.timeout(1):
            await api.closed()


@pytest.mark.parametrize("farewell", [True, False])
async def test_over_tls_only_a_farewell_ends_a_body(farewell: bool, tmp_path: Path) -> None:
    authority = upstreams.authority(tmp_path)

    async def end(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if not farewell:
            await asyncio.sleep(0.05)
            plain = connection.writer.get_extra_info("socket")
            with socket.socket(fileno=socket.dup(plain.fileno())) as same:
                same.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.3)

    async with (
        opened(SSL_CERT_FILE=str(authority.file)) as client,
        upstream(end, tls=authority.tls) as api,
    ):
        if farewell:
            assert (await client.send(Request("GET", api.url))).body == b"hello"
        else:
            with pytest.raises((UnreadableReply, UpstreamReset)):
                await client.send(Request("GET", api.url))


# --------------------------------------------------------------------------- large bodies


async def test_large_bodies_go_both_ways(tmp_path: Path) -> None:
    authority = upstreams.authority(tmp_path)
    body = bytes(range(256)) * 32 * 1024
    async with opened(replace(LIMITS, timeout=30), SSL_CERT_FILE=str(authority.file)) as client:
        for tls in (None, authority.tls):
            async with upstream(echo, tls=tls) as api:
                for _ in range(2):
                    assert (await client.send(Request("POST", api.url, (), body))).body == body
            assert api.connections == 1


async def test_a_reply_that_ends_with_its_connection_is_whole(client: Client) -> None:
    large = bytes(range(256)) * 4096
    async with upstream(answer_and_close(b"HTTP/1.1 200 OK\r\n\r\n" + large)) as api:
        assert (await client.send(Request("GET", api.url))).body == large


async def test_a_large_request_is_not_copied_for_an_upstream_that_takes_its_time(
    client: Client,
) -> None:
    async def unread(connection: Connection) -> None:
        await asyncio.sleep(10)

    body = bytes(32 * 1024 * 1024)
    async with upstream(unread) as api:
        tracemalloc.start()
        try:
            call = asyncio.create_task(client.send(Request("POST", api.url, (), body)))
            await asyncio.sleep(0.3)
            assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
        finally:
            tracemalloc.stop()
            call.cancel()


async def test_a_body_in_tiny_chunks_takes_no_more_memory_than_it_holds(client: Client) -> None:
    reply = CHUNKED + b"2\r\nab\r\n" * 250_000 + b"0\r\n\r\n"
    async with upstream(answer(reply)) as api:
        tracemalloc.start()
        try:
            assert (await client.send(Request("GET", api.url))).body == b"ab" * 250_000
            assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
        finally:
            tracemalloc.stop()


async def test_an_idle_connection_holds_nothing_of_what_it_carried(client: Client) -> None:
    async def swap(connection: Connection) -> None:
        while True:
            request = await connection.request()
            await asyncio.sleep(0.05)
            await connection.send(CHUNKED + b"80000\r\n%b\r\n0\r\n\r\n" % request.body)
            connection.upstream.requests.clear()
            del request

    async with upstream(swap) as api:
        tracemalloc.start()
        try:
            calls = [client.send(Request("POST", api.url, (), bytes(1 << 19))) for _ in range(8)]
            assert {len(reply.body) for reply in await asyncio.gather(*calls)} == {1 << 19}
            del calls
            await asyncio.sleep(0.1)
            assert api.open == 8
            assert tracemalloc.get_traced_memory()[0] < 2 * 1024 * 1024
        finally:
            tracemalloc.stop()


# ---------------------------------------------------------------------------- the request


async def test_a_host_of_the_documents_own_is_sent_instead_of_the_urls(client: Client) -> None:
    async with upstream(answer(ok(b""))) as api:
        await client.send(Request("GET", f"http://me:s3cret@localhost:{api.port}"))
        await client.send(Request("GET", api.url, (("host", "api.test"),)))
        with pytest.raises(UpstreamError, match="cannot be sent"):
            await client.send(Request("GET", api.url, (("Host", "a"), ("host", "b"))))
    hosts = [received.header("host") for received in api.requests]
    assert hosts == [[f"localhost:{api.port}"], ["api.test"]]


# ------------------------------------------------------------------------- cancelling, closing


async def test_a_call_cancelled_while_it_connects_leaves_nothing_open() -> None:
    async def hangs(connection: Connection) -> None:
        connection.upstream.asked.set()
        await connection.hang()

    async with opened(replace(LIMITS, connections=1)) as client:
        async with upstream(hangs) as api:
            call = asyncio.create_task(client.send(Request("GET", f"https://localhost:{api.port}")))
            await api.asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            async with asyncio.timeout(1):
                await api.closed()
        async with upstream(echo) as api:
            await client.send(Request("POST", api.url, (), b"x"))


async def test_a_cancelled_upload_ends_at_once(client: Client) -> None:
    async def unread(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.upstream.asked.set()
        await asyncio.sleep(0.2)
        await connection.hang()

    async with upstream(unread) as api:
        request = Request("POST", api.url, (), bytes(64 * 1024 * 1024))
        call = asyncio.create_task(client.send(request))
        await api.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(1):
            await api.closed()


async def test_a_closed_client_sends_nothing(client: Client) -> None:
    async with upstream(echo) as api:
        await client.send(Request("POST", api.url, (), b"x"))
        await client.aclose()
        with pytest.raises(UpstreamError, match="was given up: the client is closed"):
            await client.send(Request("POST", api.url, (), b"x"))
    assert len(api.requests) == 1


async def test_a_client_that_is_closed_before_its_first_call_sends_nothing(client: Client) -> None:
    await client.aclose()
    with pytest.raises(UpstreamError, match="was given up: the client is closed"):
        await client.send(Request("GET", "http://localhost:9"))


async def test_closing_ends_the_line() -> None:
    async with upstream(answer_and_hang(b"")) as api:
        async with opened(replace(LIMITS, connections=1)) as client:
            calls = [asyncio.create_task(client.send(Request("GET", api.url))) for _ in range(4)]
            await api.asked.wait()
        for call in calls:
            with pytest.raises(UpstreamError, match="was given up: the client is closed"):
                await call


def test_a_client_outlives_its_event_loop() -> None:
    client = create_client(LIMITS, engine="httptools", environ={})

    async def life() -> bytes:
        async with upstream(echo) as api:
            reply = await client.send(Request("POST", api.url, (), b"x"))
            await client.send(Request("POST", api.url, (), b"x"))
            assert api.connections == 1
            return reply.body

    with contextlib.suppress(ResourceWarning):
        assert [asyncio.run(life()) for _ in range(3)] == [b"x"] * 3


LIFE = """
import asyncio, sys, uvloop
from naftiko_run.consumes.client import ClientLimits, create_client
from naftiko_run.types import Request
async def life():
    client = create_client(ClientLimits(), engine="httptools", environ={})
    call = asyncio.create_task(client.send(Request("GET", sys.argv[1] + "/hang")))
    print((await client.send(Request("GET", sys.argv[1]))).status)
    await client.aclose()
    await asyncio.wait([call])
    print(call.exception() is not None)
asyncio.run(life())
uvloop.run(life())
"""


async def test_a_client_that_is_closed_leaves_nothing_to_warn_of() -> None:
    async def behave(connection: Connection) -> None:
        while (await connection.request()).target == "/":
            await connection.send(ok(b""))
        await connection.hang()

    async with upstream(behave) as api:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-c", LIFE, api.url), stdout=PIPE, stderr=PIPE
        )
        out, err = await process.communicate()
    # asyncio's debug mode also tells of each step that a machine under load was slow with.
    lines = [line for line in err.splitlines() if b"uvloop" not in line and b" took " not in line]
    assert (out, lines) == (b"200\nTrue\n" * 2, [])


# ----------------------------------------------------------------------------- names, addresses


class Names(asyncio.SelectorEventLoop):
    """Knows every name, at these addresses; those that start with 127.9 never answer."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self._addresses = addresses
        self.asked: list[object] = []

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:  # noqa: ANN401
        self.asked.append(host)
        await asyncio.sleep(0.01)
        families = [socket.AF_INET6 if ":" in a else socket.AF_INET for a in self._addresses]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in zip(families, self._addresses, strict=True)
        ]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # noqa: ANN401
        if address[0].startswith("127.9."):
            await asyncio.sleep(9)
        await super().sock_connect(sock, address)


def test_a_name_is_looked_up_once_for_many_connections() -> None:
    async def life() -> None:
        async with opened() as client, upstream(echo) as api:
            url = f"http://b\u00fccher.example:{api.port}"
            calls = [client.send(Request("POST", url, (), b"x")) for _ in range(9)]
            await asyncio.gather(*calls)
            await client.send(Request("POST", url, (), b"x"))
        assert api.requests[0].header("host") == [f"xn--bcher-kva.example:{api.port}"]

    loop = Names("127.0.0.1")
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(life())
    assert loop.asked == [b"xn--bcher-kva.example"]


@pytest.mark.parametrize(
    ("addresses", "least", "most"),
    [
        (["127.9.0.1", "127.0.0.1"], 0.2, 0.45),
        (["::1", "127.0.0.1"], 0.0, 0.2),
        (["127.0.0.3", "127.9.0.1", "::1", "127.0.0.1"], 0.2, 0.45),
    ],
    ids=["silent", "refused", "both"],
)
def test_every_address_of_a_name_is_tried(addresses: list[str], least: float, most: float) -> None:
    async def life() -> float:
        async with opened() as client, upstream(echo) as api:
            start = time.monotonic()
            await client.send(Request("POST", f"http://api.test:{api.port}", (), b"x"))
            return time.monotonic() - start

    with asyncio.Runner(loop_factory=lambda: Names(*addresses)) as runner:
        # The machine may be busy with something else for a moment, though hardly every time.
        assert least < min(runner.run(life()) for _ in range(3)) < most


def test_a_name_whose_addresses_all_fail_is_looked_up_again() -> None:
    async def life() -> None:
        async with opened(replace(LIMITS, connect_timeout=0.3)) as client:
            for error in (UpstreamUnreachable, UpstreamUnreachable):
                with pytest.raises(error, match="the connection is refused"):
                    await client.send(Request("GET", "http://api.test:9"))

    loop = Names("127.0.0.1", "::1")
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(life())
    assert loop.asked == [b"api.test"] * 2


def test_addresses_that_never_answer_are_given_up() -> None:
    async def life() -> None:
        async with opened(replace(LIMITS, connect_timeout=0.4)) as client:
            with pytest.raises(UpstreamTimeout, match=r"no connection to api\.test:80"):
                await client.send(Request("GET", "http://api.test"))

    with asyncio.Runner(loop_factory=lambda: Names("127.9.0.1", "127.9.0.2")) as runner:
        runner.run(life())


async def test_a_host_that_closes_at_once_is_not_asked_for_ever(client: Client) -> None:
    async def closes(connection: Connection) -> None:
        connection.reset()

    async with upstream(closes) as api:
        with pytest.raises((UpstreamReset, UpstreamUnreachable)):
            await client.send(Request("GET", api.url))
    assert api.connections == 1


# ---------------------------------------------------------------------------------- deadlines


class Clock(asyncio.SelectorEventLoop):
    """A time that goes on when it is told to."""

    now = 100.0

    def time(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.call_soon(self.stop)
        self.run_forever()


def test_deadlines_come_in_order_and_only_for_what_is_still_there() -> None:
    expired: list[str] = []
    with contextlib.closing(Clock()) as clock:
        deadlines: Deadlines[str] = Deadlines(clock, 10, expired.append)
        deadlines.add("a")
        deadlines.add("b")
        clock.pass_by(6)
        deadlines.add("c")
        deadlines.discard("a")
        clock.pass_by(5)
        assert expired == ["b"]
        clock.pass_by(4)
        assert expired == ["b"]
        clock.pass_by(2)
        assert expired == ["b", "c"]
        clock.pass_by(60)
        deadlines.add("d")
        deadlines.stop()
        clock.pass_by(60)
        assert expired == ["b", "c"]
