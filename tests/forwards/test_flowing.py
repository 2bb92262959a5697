"""Bodies that flow through a forward, and everything that can go wrong with them."""

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.consumes.upstreams import (
    Behaviour,
    Connection,
    answer,
    answer_and_close,
    answer_and_hang,
    answer_and_reset,
    echo,
    ok,
    three_events,
    upstream,
)
from tests.e2e import process
from tests.e2e.upstream import misbehaving
from tests.forwards.serving import body_of, document, serving

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
HOST = b"Host: localhost\r\n"
PUT = b"PUT /proxy/a HTTP/1.1\r\n" + HOST
MEGABYTE = 1024 * 1024


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["httptools", "httpx2"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def echoed(connection: Connection) -> None:
    while True:
        await connection.request()
        await connection.send(ok(await body_of(connection)))


# --------------------------------------------------------------------------------- the request


async def test_a_body_in_chunks_goes_on_in_chunks_of_our_own(tmp_path: Path, engine: str) -> None:
    async with (
        upstream(echoed) as api,
        serving(tmp_path, document(api.url), engine=engine) as served,
        served.calling() as caller,
    ):
        await caller.send(
            b"POST /proxy/a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
            b"003;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
        )
        assert (await caller.answer()).body == b"abcde"
    (received,) = api.requests
    assert received.header("transfer-encoding") == ["chunked"]
    assert received.header("content-length") == []
    assert received.header("x-trailer") == []


async def test_a_trailer_is_no_header_field(tmp_path: Path) -> None:
    trusted = "trustedHeaders: [X-User]"
    clause = "authentication: {type: apikey, key: X-Key, value: key, placement: header}"
    async with (
        upstream(echoed) as api,
        serving(tmp_path, document(api.url, forward=trusted, exposes=clause)) as served,
        served.calling() as caller,
    ):
        begin = b"POST /proxy/a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
        await caller.send(begin + b"X-Key: key\r\n\r\n1\r\na\r\n0\r\nX-User: root\r\n\r\n")
        assert (await caller.answer()).body == b"a"
        await caller.send(begin + b"\r\n1\r\na\r\n0\r\nX-Key: key\r\n\r\n")
        assert (await caller.answer()).status == 401
    (received,) = api.requests
    assert received.header("x-user") == []


async def test_who_waits_for_leave_to_send_a_body_gets_it(tmp_path: Path, engine: str) -> None:
    async with (
        upstream(echo) as api,
        serving(tmp_path, document(api.url), engine=engine) as served,
        served.calling() as caller,
    ):
        await caller.send(
            b"PUT /proxy/a HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        interim = await asyncio.wait_for(caller.reader.readuntil(b"\r\n\r\n"), 5)
        assert interim.startswith(b"HTTP/1.1 100 ")
        await caller.send(b"abc")
        assert (await caller.answer()).body == b"abc"


async def test_an_early_answer_ends_an_upload_that_nobody_wants(tmp_path: Path) -> None:
    async def refusing(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.send(ok(b"too much", status="413 Content Too Large"))
        await connection.hang()

    async with (
        upstream(refusing) as api,
        serving(tmp_path, document(api.url)) as served,
        served.calling() as caller,
    ):
        await caller.send(PUT + b"Content-Length: 1000000\r\n\r\nabc")
        head = await caller.head()
        assert head.status == 413
        assert head.header("connection") == ["close"]
        assert await caller.reader.readexactly(8) == b"too much"
        await api.closed()


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: +3\r\n",
        b"Content-Length: 3, 3\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X: a\r\n Transfer-Encoding: chunked\r\n",
    ],
)
async def test_a_request_that_two_readers_could_read_differently_goes_nowhere(
    tmp_path: Path, framing: bytes
) -> None:
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url)) as served,
        served.calling() as caller,
    ):
        smuggled = b"GET /proxy/smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
        await caller.send(
            b"POST /proxy/a HTTP/1.1\r\n" + HOST + framing + b"\r\n0\r\n\r\n" + smuggled
        )
        assert (await caller.answer()).status in (400, 501)
        assert "/v1/smuggled" not in [received.target for received in api.requests]
        assert api.requests == []


async def test_what_follows_a_body_is_the_next_request_and_no_part_of_it(tmp_path: Path) -> None:
    async with (
        upstream(echo) as api,
        serving(tmp_path, document(api.url)) as served,
        served.calling() as caller,
    ):
        second = b"POST /proxy/b HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nxy"
        await caller.send(
            b"POST /proxy/a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc" + second
        )
        assert (await caller.answer()).body == b"abc"
        assert (await caller.answer()).body == b"xy"
    assert [(each.target, each.body) for each in api.requests] == [
        ("/v1/a", b"abc"),
        ("/v1/b", b"xy"),
    ]


async def test_a_body_that_stops_coming_is_given_up(tmp_path: Path, engine: str) -> None:
    async def waiting(connection: Connection) -> None:
        connection.upstream.asked.set()
        await connection.hang()

    async with (
        upstream(waiting) as api,
        serving(tmp_path, document(api.url), silence=0.3, engine=engine) as served,
        served.calling() as caller,
    ):
        await caller.send(PUT + b"Content-Length: 10\r\n\r\nabc")
        found = await caller.answer()
        assert found.status == 408
        await api.closed()
        assert api.connections == 1


async def test_a_slow_body_has_all_the_time_that_it_needs(tmp_path: Path) -> None:
    async with (
        upstream(echo) as api,
        serving(tmp_path, document(api.url), silence=0.4, seconds=0.4) as served,
        served.calling() as caller,
    ):
        await caller.send(PUT + b"Content-Length: 8\r\n\r\n")
        for _ in range(8):
            await caller.send(b"x")
            await asyncio.sleep(0.12)
        assert (await caller.answer()).body == b"xxxxxxxx"


# -------------------------------------------------------------------------------- disconnects


async def test_a_caller_who_leaves_during_an_upload_takes_it_along(
    tmp_path: Path, engine: str
) -> None:
    async def waiting(connection: Connection) -> None:
        await connection.reader.readuntil(b"abc")
        connection.upstream.asked.set()
        await connection.hang()

    async with (
        upstream(waiting) as api,
        serving(tmp_path, document(api.url), engine=engine) as served,
    ):
        async with served.calling() as caller:
            await caller.send(PUT + b"Content-Length: 10\r\n\r\nabc")
            await api.asked.wait()
        await api.closed()
        assert api.connections == 1


@pytest.mark.parametrize("reply", [b"", CHUNKED + b"3\r\nabc\r\n"], ids=["no head", "half"])
async def test_a_caller_who_leaves_takes_the_upstream_request_along(
    tmp_path: Path, engine: str, reply: bytes
) -> None:
    async with (
        upstream(answer_and_hang(reply)) as api,
        serving(tmp_path, document(api.url), engine=engine) as served,
    ):
        async with served.calling() as caller:
            await caller.send(b"POST /proxy/a HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx")
            await api.asked.wait()
            if reply:
                await caller.head()
        await asyncio.wait_for(api.closed(), 5)


# ----------------------------------------------------------------------------------- the reply


async def test_events_come_one_by_one(tmp_path: Path, engine: str) -> None:
    more = asyncio.Event()
    async with (
        upstream(three_events(CHUNKED, more)) as api,
        serving(tmp_path, document(api.url), engine=engine) as served,
        served.calling() as caller,
    ):
        await caller.send(b"GET /proxy/events HTTP/1.1\r\n" + HOST + b"\r\n")
        head = await caller.head()
        assert head.header("content-type") == ["text/event-stream"]
        for number in range(3):
            assert await caller.chunk() == b"data: %d\n" % number
            more.set()
        assert await caller.chunk() == b""


async def test_a_head_comes_before_its_body(tmp_path: Path, engine: str) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    async with (
        upstream(answer_and_hang(reply)) as api,
        serving(tmp_path, document(api.url), engine=engine) as served,
        served.calling() as caller,
    ):
        await caller.send(b"GET /proxy/a HTTP/1.1\r\n" + HOST + b"\r\n")
        head = await asyncio.wait_for(caller.head(), 3)
        assert head.header("content-length") == ["3"]


BEFORE: dict[str, tuple[Behaviour, int]] = {
    "resets": (answer_and_reset(b""), 502),
    "closes": (answer_and_close(b""), 502),
    "no HTTP": (answer_and_close(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), 502),
    "is silent": (answer_and_hang(b""), 504),
    "no such status": (answer(b"HTTP/1.1 700 No\r\nContent-Length: 0\r\n\r\n"), 502),
}


@pytest.mark.parametrize("case", BEFORE)
async def test_what_fails_before_the_head_is_told_as_a_problem(
    tmp_path: Path, engine: str, case: str
) -> None:
    behaviour, status = BEFORE[case]
    async with (
        upstream(behaviour) as api,
        serving(tmp_path, document(api.url), seconds=0.4, engine=engine) as served,
    ):
        found = await served.ask("/proxy/a?k=s3cret", method="POST", body=b"abc")
        assert found.status == status
        assert found.header("content-type") == ["application/problem+json"]
        assert b"s3cret" not in found.body
        assert api.connections == 1


async def test_an_upstream_that_is_not_there_is_told_before_the_body_is_asked_for(
    tmp_path: Path,
) -> None:
    async with upstream(echo) as api:
        pass
    async with serving(tmp_path, document(api.url)) as served, served.calling() as caller:
        await caller.send(
            b"PUT /proxy/a HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        )
        line = await caller.reader.readline()
        assert line.startswith(b"HTTP/1.1 502 ")


AFTER: dict[str, Behaviour] = {
    "length": answer_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    "chunked": answer_and_close(CHUNKED + b"3\r\nabc\r\n"),
    "no chunk": answer_and_close(CHUNKED + b"3\r\nabc\r\nz\r\n"),
    "reset": answer_and_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    "silent": answer_and_hang(CHUNKED + b"3\r\nabc\r\n"),
}


@pytest.mark.parametrize("case", AFTER)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_what_fails_after_the_head_cuts_the_connection(
    tmp_path: Path, engine: str, case: str, version: str
) -> None:
    async with (
        upstream(AFTER[case]) as api,
        serving(tmp_path, document(api.url), seconds=0.4, engine=engine) as served,
    ):
        found = await served.ask("/proxy/a", version=version)
        assert found.status == 200
        assert not found.whole
        assert len(api.requests) == 1


async def test_old_callers_read_until_the_end_of_the_connection(tmp_path: Path) -> None:
    async with (
        upstream(answer(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n")) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        found = await served.ask("/proxy/a", version="1.0")
        assert found.header("transfer-encoding") == []
        assert (found.body, found.whole) == (b"abc", True)


async def test_a_bomb_passes_without_going_off(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(64 * MEGABYTE))
    async with (
        upstream(answer(ok(bomb, "Content-Encoding: gzip"))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        found = await served.ask("/proxy/a", headers={"Accept-Encoding": "gzip"})
        assert found.body == bomb
        again = await served.ask(
            "/proxy/a", method="POST", body=bomb, headers={"Content-Encoding": "gzip"}
        )
        assert again.status == 200
    assert api.requests[1].body == bomb


async def test_a_connection_is_used_again_after_a_clean_end_alone(tmp_path: Path) -> None:
    replies = iter([ok(b"a"), CHUNKED + b"1\r\nb\r\n0\r\n\r\n", ok(b"c") + b"surplus"])

    async def one_by_one(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(next(replies, ok(b"d")))

    async with upstream(one_by_one) as api, serving(tmp_path, document(api.url)) as served:
        bodies = [(await served.ask("/proxy/a")).body for _ in range(4)]
        assert bodies == [b"a", b"b", b"c", b"d"]
        assert api.connections == 2


# ------------------------------------------------------------------------------ a real process


def _pouring(connection: socket.socket) -> None:
    """Send 200 MB."""
    connection.settimeout(60)
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
    connection.sendall(b"Content-Length: %d\r\n\r\n" % (200 * MEGABYTE))
    piece = bytes(MEGABYTE)
    for _ in range(200):
        connection.sendall(piece)


def _swallowing(connection: socket.socket) -> None:
    """Take 200 MB, of which some may have come with the head."""
    size = 65_536
    buffer = bytearray(MEGABYTE)
    while size < 200 * MEGABYTE:
        size += connection.recv_into(buffer)
    connection.sendall(ok(b"taken", "Connection: close"))


@pytest.fixture
def forwarding(tmp_path: Path) -> Iterator[process.Process]:
    """Serve a forward in a process of its own, whose upstream does as the path says."""
    with misbehaving(_pouring) as pouring, misbehaving(_swallowing) as swallowing:
        text = document(
            pouring,
            resources="- path: /up/{path}\n  forward: {targetNamespace: down}",
        ).replace(
            "  exposes:\n",
            f"  - {{type: http, namespace: down, description: All., baseUri: '{swallowing}'}}\n"
            "  exposes:\n",
        )
        path = tmp_path / "proxy.yaml"
        path.write_text(text, "utf-8")
        with process.serving(str(path), adapters=["gate"]) as running:
            yield running


def test_bodies_of_any_size_take_no_memory_in_either_direction(
    forwarding: process.Process,
) -> None:
    with socket.create_connection(("127.0.0.1", forwarding.port("gate"))) as caller:
        caller.settimeout(60)
        for _ in range(2):  # what a process needs for the first one is not what a body takes
            before = forwarding.memory_peak
            caller.sendall(b"GET /proxy/a HTTP/1.1\r\n" + HOST + b"\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += caller.recv(1)
            left = 200 * MEGABYTE
            buffer = bytearray(MEGABYTE)
            while left:
                left -= caller.recv_into(buffer, min(left, MEGABYTE))
        assert forwarding.memory_peak - before < 4 * MEGABYTE
    with socket.create_connection(("127.0.0.1", forwarding.port("gate"))) as caller:
        caller.settimeout(60)
        for _ in range(2):
            before = forwarding.memory_peak
            caller.sendall(
                b"PUT /up/a HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (200 * MEGABYTE)
            )
            piece = bytes(MEGABYTE)
            for _ in range(200):
                caller.sendall(piece)
            found = b""
            while not found.endswith(b"taken"):
                found += caller.recv(65536)
        assert forwarding.memory_peak - before < 4 * MEGABYTE


def test_a_caller_who_takes_nothing_holds_the_upstream_up(forwarding: process.Process) -> None:
    before = forwarding.memory_peak
    callers = []
    for _ in range(8):
        caller = socket.create_connection(("127.0.0.1", forwarding.port("gate")))
        caller.sendall(b"GET /proxy/a HTTP/1.1\r\n" + HOST + b"\r\n")
        callers.append(caller)
    for caller in callers:
        assert caller.recv(1) == b"H"
    time.sleep(0.3)
    assert forwarding.memory_peak - before < 24 * MEGABYTE
    for caller in callers:
        caller.close()


def test_many_callers_are_served_by_workers_at_once(tmp_path: Path) -> None:
    def hello(connection: socket.socket) -> None:
        connection.sendall(ok(b"hello", "Connection: close"))

    with misbehaving(hello) as url:
        path = tmp_path / "proxy.yaml"
        path.write_text(document(url), "utf-8")
        with process.serving(str(path), "--workers", "2", "--watch", adapters=["gate"]) as running:
            answers: list[bytes] = []

            def ask(name: bytes) -> None:
                with (
                    suppress(OSError),
                    socket.create_connection(("127.0.0.1", running.port("gate"))) as caller,
                ):
                    caller.settimeout(20)
                    caller.sendall(
                        b"GET /%s/a HTTP/1.1\r\n" % name + HOST + b"Connection: close\r\n\r\n"
                    )
                    answers.append(b"".join(iter(lambda: caller.recv(65536), b"")))

            threads = [threading.Thread(target=ask, args=(b"proxy",)) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [each[-5:] for each in answers] == [b"hello"] * 16
            path.write_text(document(url).replace("/proxy/", "/moved/"), "utf-8")

            def moved() -> bool:
                ask(b"moved")
                return answers[-1].endswith(b"hello")

            assert process.until(moved)
            ask(b"proxy")
            assert answers[-1].startswith(b"HTTP/1.1 404 ")
