"""Bodies that are passed on while they come, on real sockets and with every engine."""

import asyncio
import contextlib
import gzip
import resource
from collections.abc import AsyncIterator

import pytest

from naftiko_run.consumes.client import ClientLimits, create_client
from naftiko_run.errors import (
    UnreadableReply,
    UpstreamError,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from naftiko_run.types import Request, StreamedReply, StreamingClient, Upload
from tests.consumes.upstreams import (
    Behaviour,
    Connection,
    answer,
    answer_and_close,
    answer_and_hang,
    answer_and_reset,
    ok,
    proxy,
    three_events,
    upstream,
)

LIMITS = ClientLimits(timeout=5, connect_timeout=2)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEGABYTE = 1024 * 1024
PATIENCE = 10


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(engine: str) -> AsyncIterator[StreamingClient]:
    async with opened(engine) as client:
        yield client


@contextlib.asynccontextmanager
async def opened(engine: str, limits: ClientLimits = LIMITS) -> AsyncIterator[StreamingClient]:
    client = create_client(limits, engine=engine, environ={})
    try:
        async with asyncio.timeout(PATIENCE):
            yield client
    finally:
        await client.aclose()


async def pieces(*texts: bytes) -> AsyncIterator[bytes]:
    for text in texts:
        yield text


async def whole(client: StreamingClient, request: Request, upload: Upload | None = None) -> bytes:
    reply = await client.stream(request, upload)
    try:
        return b"".join([piece async for piece in reply])
    finally:
        await reply.aclose()


async def collect(reply: StreamedReply, came: list[bytes]) -> None:
    async for piece in reply:
        came += [piece]


async def uploaded(connection: Connection) -> bytes:
    """Read a request's body in either framing; a chunked one is given with its frames removed."""
    head = await connection.reader.readuntil(b"\r\n\r\n")
    fields = head.lower()
    if b"transfer-encoding: chunked" in fields:
        assert b"content-length" not in fields
        body = b""
        while size := int(await connection.reader.readline(), 16):
            body += await connection.reader.readexactly(size)
            assert await connection.reader.readline() == b"\r\n"
        assert await connection.reader.readline() == b"\r\n"
        return body
    length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
    return await connection.reader.readexactly(length)


async def echo(connection: Connection) -> None:
    while True:
        body = await uploaded(connection)
        await connection.send(ok(body))


# --------------------------------------------------------------------------------- the request


@pytest.mark.parametrize("length", [10, None])
async def test_an_upload_is_sent_in_the_framing_that_its_length_asks_for(
    client: StreamingClient, length: int | None
) -> None:
    async with upstream(echo) as api:
        for _ in range(2):
            upload = Upload(pieces(b"hello", b"", b"world"), length)
            assert await whole(client, Request("POST", api.url), upload) == b"helloworld"
        assert api.connections == 1


async def test_fields_that_frame_a_message_are_the_engines_own(client: StreamingClient) -> None:
    headers = (
        ("Content-Length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close, x-trace"),
        ("X-Trace", "1"),
    )
    async with upstream(answer(ok(b""))) as api:
        await whole(client, Request("PUT", f"{api.url}/x", headers), Upload(pieces(b"12345"), 5))
    (received,) = api.requests
    assert received.header("content-length") == ["5"]
    assert received.header("transfer-encoding") == []
    assert received.header("x-trace") == ["1"]
    assert received.body == b"12345"


@pytest.mark.parametrize("sent", [b"123", b"1234567"])
async def test_an_upload_of_another_length_than_announced_is_never_taken_for_a_whole(
    client: StreamingClient, sent: bytes
) -> None:
    seen = asyncio.Event()

    async def behave(connection: Connection) -> None:
        with pytest.raises(asyncio.IncompleteReadError):
            await uploaded(connection)
        seen.set()

    async with upstream(behave) as api:
        with pytest.raises(UpstreamError):
            await whole(client, Request("PUT", api.url), Upload(pieces(sent), 5))
        await seen.wait()
        assert api.connections == 1


async def test_what_an_upload_raises_comes_out_and_ends_the_request(
    client: StreamingClient,
) -> None:
    class CallerLeft(Exception):
        pass

    async def leaving() -> AsyncIterator[bytes]:
        yield b"beginning"
        await asyncio.wait_for(api.asked.wait(), PATIENCE)
        raise CallerLeft

    async def behave(connection: Connection) -> None:
        await connection.reader.readuntil(b"beginning")
        connection.upstream.asked.set()
        await connection.hang()

    async with upstream(behave) as api:
        with pytest.raises(CallerLeft):
            await whole(client, Request("POST", api.url), Upload(leaving()))
        await api.closed()
        assert api.connections == 1


async def test_an_upload_waits_for_an_upstream_that_takes_its_time(engine: str) -> None:
    taken = 0

    async def many() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(64):
            taken += 1
            yield bytes(MEGABYTE)

    reading = asyncio.Event()

    async def behave(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.upstream.asked.set()
        await reading.wait()
        await connection.reader.readexactly(64 * MEGABYTE)
        await connection.send(ok(b"all"))

    async with opened(engine) as client, upstream(behave) as api:
        call = asyncio.create_task(
            whole(client, Request("PUT", api.url), Upload(many(), 64 * MEGABYTE))
        )
        await api.asked.wait()
        before = -1
        while taken != before:
            before = taken
            await asyncio.sleep(0.2)
        assert taken < 32
        reading.set()
        assert await call == b"all"


async def test_an_upstream_that_stops_taking_an_upload_is_silent(engine: str) -> None:
    async def many() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MEGABYTE)

    async def behave(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(PATIENCE)

    async with opened(engine, ClientLimits(timeout=0.3)) as client, upstream(behave) as api:
        with pytest.raises(UpstreamTimeout, match=r"was silent for 0.3 seconds"):
            await client.stream(Request("PUT", api.url), Upload(many()))
        assert api.connections == 1


# ----------------------------------------------------------------------------------- the reply


async def test_a_reply_comes_with_its_end_to_end_fields_and_its_coding(
    client: StreamingClient,
) -> None:
    packed = gzip.compress(b"x" * 1000)
    reply = ok(
        packed,
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        'ETag: "1"',
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=9",
        "Proxy-Authenticate: Basic",
        "Upgrade: h2c",
        "Alt-Svc: h3=:443",
    )
    async with upstream(answer(reply)) as api:
        streamed = await client.stream(Request("GET", api.url))
        assert sorted(streamed.headers) == [
            ("content-encoding", "gzip"),
            ("content-type", "text/plain"),
            ("etag", '"1"'),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]
        assert (streamed.status, streamed.length) == (200, len(packed))
        assert b"".join([piece async for piece in streamed]) == packed
        await streamed.aclose()


@pytest.mark.parametrize(
    ("method", "reply", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 100),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 100),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b""), 0),
        ("GET", ok(b"", "Location: /else", status="302 Found"), 0),
    ],
)
async def test_replies_without_a_body_leave_the_connection_usable(
    client: StreamingClient, method: str, reply: bytes, length: int | None
) -> None:
    async with upstream(answer(reply)) as api:
        for _ in range(2):
            streamed = await client.stream(Request(method, api.url))
            assert streamed.length == length
            assert [piece async for piece in streamed] == []
            await streamed.aclose()
        assert api.connections == 1


async def test_each_piece_comes_when_it_is_sent(client: StreamingClient) -> None:
    more = asyncio.Event()
    async with upstream(three_events(CHUNKED, more)) as api:
        streamed = await client.stream(Request("GET", api.url))
        came = []
        async for piece in streamed:
            came.append(piece)
            more.set()
        await streamed.aclose()
    assert came == [b"data: 0\n", b"data: 1\n", b"data: 2\n"]


async def test_an_upstream_waits_for_a_reader_that_takes_its_time(
    client: StreamingClient,
) -> None:
    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MEGABYTE))
        for _ in range(64):
            await connection.send(bytes(MEGABYTE))
        await connection.hang()

    async with upstream(behave) as api:
        streamed = await client.stream(Request("GET", api.url))
        before = -1
        while api.sent != before:
            before = api.sent
            await asyncio.sleep(0.2)
        assert api.sent < 32 * MEGABYTE
        size = 0
        async for piece in streamed:
            assert len(piece) < 2 * MEGABYTE
            size += len(piece)
        assert size == 64 * MEGABYTE
        await streamed.aclose()


async def test_a_large_reply_takes_no_memory() -> None:
    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MEGABYTE))
        piece = bytes(MEGABYTE)
        for _ in range(200):
            await connection.send(piece)

    async with opened("httptools") as client, upstream(behave) as api:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        streamed = await client.stream(Request("GET", api.url))
        size = 0
        async for piece in streamed:
            size += len(piece)
        await streamed.aclose()
    assert size == 200 * MEGABYTE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


BROKEN: dict[str, tuple[Behaviour, type[UpstreamError]]] = {
    "resets before its reply": (answer_and_reset(b""), UpstreamReset),
    "closes before its reply": (answer_and_close(b""), UpstreamReset),
    "no HTTP": (answer_and_close(b"SSH-2.0-OpenSSH_9.9\r\n"), UpstreamError),
    "two lengths": (
        answer_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        UnreadableReply,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_goes_wrong_before_the_head_is_told_at_once(
    client: StreamingClient, case: str
) -> None:
    behaviour, kind = BROKEN[case]
    async with upstream(behaviour) as api:
        with pytest.raises(kind):
            await client.stream(Request("POST", f"{api.url}?k=s3cret"), Upload(pieces(b"abc"), 3))
        assert api.connections == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        answer_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        answer_and_close(CHUNKED + b"3\r\nabc\r\n"),
        answer_and_close(CHUNKED + b"3\r\nabc\r\nz\r\n"),
        answer_and_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    ],
    ids=["length", "chunked", "no chunk", "reset"],
)
async def test_a_body_that_is_cut_short_is_never_taken_for_a_whole(
    client: StreamingClient, behaviour: Behaviour
) -> None:
    async with upstream(behaviour) as api:
        streamed = await client.stream(Request("GET", api.url))
        came: list[bytes] = []
        with pytest.raises(UpstreamError):
            await collect(streamed, came)
        await streamed.aclose()
        assert b"".join(came) == b"abc"
        assert api.connections == 1


async def test_a_body_that_ends_with_its_connection_is_whole(client: StreamingClient) -> None:
    async with upstream(answer_and_close(b"HTTP/1.1 200 OK\r\n\r\nabc")) as api:
        streamed = await client.stream(Request("GET", api.url))
        assert streamed.length is None
        assert b"".join([piece async for piece in streamed]) == b"abc"
        await streamed.aclose()


@pytest.mark.parametrize("reply", [b"", CHUNKED + b"3\r\nabc\r\n"])
async def test_silence_has_a_limit_and_the_whole_has_none(engine: str, reply: bytes) -> None:
    async with (
        opened(engine, ClientLimits(timeout=0.4)) as client,
        upstream(answer_and_hang(reply)) as api,
    ):
        with pytest.raises(UpstreamTimeout, match=r"was silent for 0.4 seconds"):
            await whole(client, Request("GET", api.url))
        await api.closed()

    async def slow(connection: Connection) -> None:
        await connection.request()
        await connection.send(CHUNKED)
        for _ in range(6):
            await connection.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.15)
        await connection.send(b"0\r\n\r\n")

    async with opened(engine, ClientLimits(timeout=0.4)) as client, upstream(slow) as api:
        assert await whole(client, Request("GET", api.url)) == b"xxxxxx"


async def test_a_refused_connection(client: StreamingClient) -> None:
    async with upstream(echo) as api:
        pass
    with pytest.raises(UpstreamUnreachable):
        await client.stream(Request("GET", api.url))


async def test_a_reply_that_is_given_up_costs_its_connection(client: StreamingClient) -> None:
    async with upstream(answer_and_hang(CHUNKED + b"3\r\nabc\r\n")) as api:
        streamed = await client.stream(Request("GET", api.url))
        assert await anext(aiter(streamed)) == b"abc"
        await streamed.aclose()
        await api.closed()


async def test_a_cancelled_call_ends_at_once(client: StreamingClient) -> None:
    async with upstream(answer_and_hang(b"")) as api:
        call = asyncio.create_task(whole(client, Request("GET", api.url)))
        await api.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await api.closed()


@pytest.mark.parametrize("engine", ["httptools"], indirect=True)
async def test_a_reply_may_come_before_its_request_is_whole(client: StreamingClient) -> None:
    done = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"beginning"
        await done.wait()

    refusal = ok(b"no", status="413 Content Too Large")

    async def behave(connection: Connection) -> None:
        await connection.reader.readuntil(b"beginning")
        await connection.send(refusal)
        await connection.hang()

    async with upstream(behave) as api:
        streamed = await client.stream(Request("POST", api.url), Upload(endless()))
        assert streamed.status == 413
        assert [piece async for piece in streamed] == [b"no"]
        await streamed.aclose()
        # Half a request has gone out on it: nothing else may.
        await api.closed()
        assert api.connections == 1


@pytest.mark.parametrize("engine", ["httptools"], indirect=True)
async def test_both_directions_flow_at_once(client: StreamingClient) -> None:
    answered = asyncio.Event()

    async def asking() -> AsyncIterator[bytes]:
        yield b"ping"
        await answered.wait()
        yield b"over"

    async def behave(connection: Connection) -> None:
        await connection.reader.readuntil(b"ping\r\n")
        await connection.send(CHUNKED + b"4\r\npong\r\n")
        await connection.reader.readuntil(b"over\r\n0\r\n\r\n")
        await connection.send(b"3\r\nout\r\n0\r\n\r\n")
        await connection.hang()

    async with upstream(behave) as api:
        streamed = await client.stream(Request("POST", api.url), Upload(asking()))
        came = []
        async for piece in streamed:
            came.append(piece)
            answered.set()
        await streamed.aclose()
    assert came == [b"pong", b"out"]


async def test_streams_go_through_a_proxy() -> None:
    async with upstream(proxy()) as via:
        client = create_client(LIMITS, environ={"http_proxy": via.url})
        try:
            upload = Upload(pieces(b"abc"), 3)
            body = await whole(client, Request("PUT", "http://far.test/x"), upload)
        finally:
            await client.aclose()
    assert body == b"PUT http://far.test/x HTTP/1.1"
    assert via.requests[0].body == b"abc"


async def test_streams_keep_no_call_waiting() -> None:
    async def behave(connection: Connection) -> None:
        received = await connection.request()
        if received.target == "/stream":
            await connection.send(CHUNKED + b"3\r\nabc\r\n")
            await connection.hang()
        await connection.send(ok(b"{}"))

    limits = ClientLimits(timeout=5, connections=1)
    async with opened("httptools", limits) as client, upstream(behave) as api:
        streamed = await client.stream(Request("GET", f"{api.url}/stream"))
        assert (await client.send(Request("GET", api.url))).body == b"{}"
        await streamed.aclose()
