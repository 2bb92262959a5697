"""What a connection does with requests and answers, byte for byte, over a real socket."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from naftiko_run.exposes.messages import WHOLE_BODY, read_body, send_bytes
from naftiko_run.server.protocol import HttpProtocol
from naftiko_run.server.state import ServerState

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop", "uvloop, among many"])
def anyio_backend(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, dict[str, bool]]:
    """Have answers written at once, or along with those of others as where many are under way."""
    if request.param == "uvloop, among many":
        monkeypatch.setattr("naftiko_run.server.protocol.FEW", 0)
    return "asyncio", {"use_uvloop": request.param != "asyncio"}


HEAD = b"host: localhost\r\n"


class Line:
    """A client's end of a connection, and the server's state."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: ServerState
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.state = state

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request; give the head of its answer, and the content that its length tells."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> tuple[bytes, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        return head, await self.reader.readexactly(length)

    async def begun(self) -> None:
        """Wait until a request is being answered."""
        while not self.state.tasks:  # noqa: ASYNC110 - the server gives no event for that
            await asyncio.sleep(0)

    async def rest(self) -> bytes:
        return await self.reader.read()


@asynccontextmanager
async def connected(app: ASGIApp) -> AsyncIterator[Line]:
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(app, state), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            async with asyncio.timeout(20):
                yield Line(reader, writer, state)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    async with asyncio.timeout(20):
        while state.tasks or state.connections:  # noqa: ASYNC110 - the server gives no event for that
            await asyncio.sleep(0.001)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the target and the body of a request."""
    whole = scope.get(WHOLE_BODY)
    body = await read_body(scope, receive)
    assert whole is None or whole == body
    target = scope["raw_path"] + b"?" + scope["query_string"]
    await send_bytes(send, 200, b"%s %s" % (target, body), "text/plain")


async def test_requests_are_answered_in_their_order_however_they_are_sent() -> None:
    turns = [asyncio.Event(), asyncio.Event()]
    turns[1].set()

    async def slow_first(scope: Scope, receive: Receive, send: Send) -> None:
        await turns[int(scope["path"][1:])].wait()
        await echo(scope, receive, send)

    async with connected(slow_first) as line:
        line.writer.write(
            b"POST /0 HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\na"
            b"POST /1 HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nb"
        )
        await line.writer.drain()
        await line.begun()
        assert len(line.state.tasks) == 1, "the second waits for its turn"
        turns[0].set()
        assert (await line.answer())[1] == b"/0? a"
        assert (await line.answer())[1] == b"/1? b"


async def test_many_requests_in_one_piece_are_all_answered() -> None:
    async with connected(echo) as line:
        line.writer.write(
            b"".join(b"GET /%d?n=%d HTTP/1.1\r\nhost: h\r\n\r\n" % (n, n) for n in range(200))
        )
        for number in range(200):
            assert (await line.answer())[1] == b"/%d?n=%d " % (number, number)


async def test_a_body_in_pieces_and_one_in_chunks_are_put_together() -> None:
    async with connected(echo) as line:
        line.writer.write(b"POST / HTTP/1.1\r\n" + HEAD + b"content-length: 6\r\n\r\nab")
        await line.begun()
        await asyncio.sleep(0.01)
        line.writer.write(b"cd")
        await asyncio.sleep(0.01)
        assert (await line.ask(b"ef"))[1] == b"/? abcdef"
        chunks = b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
        request = b"POST / HTTP/1.1\r\n" + HEAD + b"transfer-encoding: chunked\r\n\r\n"
        assert (await line.ask(request + chunks))[1] == b"/? abcde"


async def test_who_expects_to_be_asked_for_the_body_is_asked() -> None:
    async with connected(echo) as line:
        fields = b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        line.writer.write(b"POST / HTTP/1.1\r\n" + HEAD + fields)
        assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await line.ask(b"{}"))[1] == b"/? {}"


async def test_an_older_client_does_not_know_what_it_would_be_told_to_go_on_with() -> None:
    async with connected(echo) as line:
        fields = b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        line.writer.write(b"POST / HTTP/1.0\r\n" + HEAD + fields)
        await line.begun()
        assert (await line.ask(b"{}"))[1] == b"/? {}"


async def test_an_older_client_gets_its_answer_and_the_end_of_the_connection() -> None:
    async def parts(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async with connected(parts) as line:
        line.writer.write(b"GET / HTTP/1.0\r\n" + HEAD + b"\r\n")
        head, _, content = (await line.rest()).partition(b"\r\n\r\n")
        assert b"connection: close" in head
        assert b"chunked" not in head
        assert content == b"ab"
    async with connected(parts) as line:
        head, _ = await line.ask(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert b"transfer-encoding: chunked" in head
        assert await line.reader.readuntil(b"0\r\n\r\n") == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"


async def test_the_answer_to_head_has_no_content_and_the_connection_goes_on() -> None:
    async with connected(echo) as line:
        line.writer.write(b"HEAD /x HTTP/1.1\r\n" + HEAD + b"\r\n")
        head = await line.reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 4\r\n" in head
        assert (await line.ask(b"GET /y HTTP/1.1\r\n" + HEAD + b"\r\n"))[1] == b"/y? "


async def test_an_upgrade_is_not_made_and_what_follows_it_is_no_request() -> None:
    async with connected(echo) as line:
        fields = b"connection: upgrade\r\nupgrade: websocket\r\n\r\n"
        line.writer.write(b"GET /a HTTP/1.1\r\n" + HEAD + fields + b"\x81\x05hello")
        answer = await line.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert b"connection: close" in answer


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"content-length: 20005", b"12345" + bytes(20_000)),
        (b"transfer-encoding: chunked", b"12345"),
    ],
)
@pytest.mark.parametrize("pause", [False, True])
async def test_the_body_of_a_request_for_an_upgrade_is_read(
    framing: bytes, body: bytes, *, pause: bool
) -> None:
    async with connected(echo) as line:
        fields = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\n%s\r\n\r\n" % framing
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if b"chunked" in framing else body
        line.writer.write(b"GET /before HTTP/1.1\r\n" + HEAD + b"\r\n")
        line.writer.write(b"POST /a HTTP/1.1\r\n" + HEAD + fields)
        if pause:
            assert (await line.answer())[1] == b"/before? "
        line.writer.write(sent + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        if not pause:
            assert (await line.answer())[1] == b"/before? "
        head, content = await line.answer()
        assert content == b"/a? " + body
        assert b"connection: close" in head
        assert await line.rest() == b""


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b=c", b"a\nb", b"a\0b"])
async def test_a_field_with_the_end_of_a_line_is_never_sent(value: bytes) -> None:
    async def split(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", value)]})

    async def whole(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_bytes(send, 200, b"", "text/plain", (("x", value.decode()),))

    for app in (split, whole):
        async with connected(app) as line:
            head, _ = await line.ask(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert head.startswith(b"HTTP/1.1 500 ")
            assert b"set-cookie" not in head


async def test_whatever_goes_wrong_the_caller_gets_an_answer_or_the_end_of_one() -> None:
    async def fails(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("a secret")

    async def stops(_scope: Scope, _receive: Receive, _send: Send) -> None:
        return

    async def breaks_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        fields = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        raise LookupError("a secret")

    for app in (fails, stops):
        async with connected(app) as line:
            line.writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            answer = await line.rest()
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"secret" not in answer
    async with connected(breaks_off) as line:
        line.writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
        await line.reader.readuntil(b"12345")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await line.reader.readexactly(5)


async def test_who_reads_slowly_is_not_written_to_without_end() -> None:
    written = 0
    part = b"x" * 65536

    async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal written
        fields = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        while written < 1000:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            written += 1
        await send({"type": "http.response.body", "body": b""})

    async with connected(endless) as line:
        line.writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
        await line.reader.readexactly(1000)
        before = -1
        while before != written:  # until nothing more fits anywhere
            before = written
            await asyncio.sleep(0.05)
        assert written < 500
        while not (await line.reader.read(1 << 20)).endswith(b"0\r\n\r\n"):
            pass
        assert written == 1000


async def test_an_application_hears_that_its_caller_went_away() -> None:
    heard = asyncio.Event()

    async def waits(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        heard.set()

    async with connected(waits) as line:
        line.writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
        await line.writer.drain()
        line.writer.close()
        await heard.wait()


async def test_a_caller_who_is_gone_is_not_told_to_go_on(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    go_on = asyncio.Event()

    async def asks_late(_scope: Scope, receive: Receive, _send: Send) -> None:
        await go_on.wait()
        heard.append((await receive())["type"])

    async with connected(asks_late) as line:
        fields = b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        line.writer.write(b"POST / HTTP/1.1\r\n" + HEAD + fields)
        await line.begun()
        line.writer.transport.abort()
        while line.state.connections:  # noqa: ASYNC110 - the server gives no event for that
            await asyncio.sleep(0)
        go_on.set()
        while line.state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert heard == ["http.disconnect"]
    assert caplog.messages == []


async def test_a_caller_may_close_while_the_last_answer_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    callers: list[socket.socket] = []

    async def closed_meanwhile(_scope: Scope, _receive: Receive, send: Send) -> None:
        callers.pop().close()
        await send_bytes(send, 404, b"not here", "text/plain")

    async with connected(closed_meanwhile) as line:
        callers.append(socket.create_connection(line.writer.get_extra_info("peername")))
        fields = b"connection: close\r\ncontent-length: 2\r\n\r\n"
        callers[0].sendall(b"POST / HTTP/1.1\r\n" + HEAD + fields)
        await line.begun()
        while line.state.tasks or len(line.state.connections) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert caplog.messages == []


async def test_a_target_is_read_as_it_is_meant() -> None:
    async with connected(echo) as line:
        for target, expected in (
            (b"/a%20b?c=%2F", b"/a%20b?c=%2F "),
            (b"http://localhost/x?y", b"/x?y "),
            (b"/?a?b", b"/?a?b "),
            (b"//other/x", b"//other/x? "),
        ):
            request = b"GET " + target + b" HTTP/1.1\r\n" + HEAD + b"\r\n"
            assert (await line.ask(request))[1] == expected


async def test_requests_ahead_of_their_turn_wait_as_bytes_and_are_answered_in_the_end() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def waits(_scope: Scope, _receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await send_bytes(send, 200, b"", "text/plain")

    many = 7000
    async with connected(waits) as line:
        line.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await begun.wait()
        tracemalloc.start()
        try:
            line.writer.write(b"GET / HTTP/1.1\r\n\r\n" * many)
            for _ in range(50):
                await asyncio.sleep(0)
            assert tracemalloc.get_traced_memory()[0] < 2_000_000
        finally:
            tracemalloc.stop()
        go_on.set()
        for _ in range(many + 1):
            await line.answer()


async def test_a_large_body_that_comes_at_once_is_there_as_a_whole() -> None:
    body = bytes(range(256)) * 160  # more than is parsed at once
    async with connected(echo) as line:
        head = b"POST / HTTP/1.1\r\n" + HEAD + b"content-length: %d\r\n\r\n" % len(body)
        for _ in range(2):
            assert (await line.ask(head + body))[1] == b"/? " + body


@pytest.mark.parametrize("version", [b"", b" HTTP/0.9", b" HTTP/2.0"])
async def test_other_versions_of_http_are_refused(version: bytes) -> None:
    async with connected(echo) as line:
        head, _ = await line.ask(b"GET /" + version + b"\r\n" + HEAD + b"\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert await line.rest() == b""


async def test_who_still_sends_a_body_gets_the_last_answer_of_a_connection() -> None:
    async def at_once(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_bytes(send, 404, b"not here", "text/plain")

    size = 16 * 1024 * 1024  # more than fits between the two
    head = b"POST / HTTP/1.1\r\n" + HEAD + b"connection: close\r\n"
    async with connected(at_once) as line:
        line.writer.write(head + b"content-length: %d\r\n\r\n" % size)
        await line.begun()
        line.writer.write(bytes(size))
        await line.writer.drain()
        head, body = await line.answer()
        assert (head[9:12], body) == (b"404", b"not here")
        assert await line.rest() == b""


async def test_the_rest_of_a_body_is_read_that_was_answered_early() -> None:
    async def at_once(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_bytes(send, 404, b"not here", "text/plain")

    size = 1024 * 1024
    async with connected(at_once) as line:
        for _ in range(2):
            line.writer.write(
                b"POST / HTTP/1.1\r\n" + HEAD + b"content-length: %d\r\n\r\n" % size + bytes(size)
            )
            assert (await line.answer())[1] == b"not here"


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"])
async def test_who_takes_nothing_of_an_answer_loses_it(
    monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    monkeypatch.setattr(HttpProtocol, "head_seconds", 0.3)
    monkeypatch.setattr(HttpProtocol, "taking_seconds", 0.1)

    async def much(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_bytes(send, 200, bytes(32 * 1024 * 1024), "text/plain")

    async with connected(much) as line:
        line.writer.write(b"GET / HTTP/1.1\r\n" + HEAD + last + b"\r\n")
        await line.begun()
        while line.state.connections:  # noqa: ASYNC110 - the server gives no event for that
            await asyncio.sleep(0.01)


async def test_an_answer_is_sent_to_somebody_who_sends_nothing_more() -> None:
    async with connected(echo) as line:
        line.writer.write(b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n" * 3)
        line.writer.write(b"GET /last HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        for path in (b"/x", b"/x", b"/x", b"/last"):
            assert (await line.answer())[1] == path + b"? "
        assert await line.rest() == b""


async def test_what_was_answered_is_sent_before_a_wrong_request_closes_the_connection() -> None:
    async with connected(echo) as line:
        assert (await line.ask(b"GET /1 HTTP/1.1\r\nhost: h\r\n\r\n"))[1] == b"/1? "
        line.writer.write(b"GET /2 HTTP/1.1\r\nhost: h\r\n\r\n")
        await line.begun()
        line.writer.write(b"\0\0 HTTP\r\n\r\n")
        assert (await line.answer())[1] == b"/2? "
        assert (await line.rest()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(
    "wrong",
    [
        b"\0\0 HTTP\r\n\r\n",
        b"GET /x HTTP/1.1\r\nx: " + b"x" * 90_000,
        b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
    ],
)
async def test_what_came_before_a_wrong_request_is_answered(wrong: bytes, number: int) -> None:
    go_on = asyncio.Event()

    async def waits(_scope: Scope, _receive: Receive, send: Send) -> None:
        await go_on.wait()
        await send_bytes(send, 200, b"right", "text/plain")

    async with connected(waits) as line:
        line.writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n" * number + wrong)
        await line.begun()
        for _ in range(20):
            await asyncio.sleep(0)
        go_on.set()
        for _ in range(number):
            head, content = await line.answer()
            assert content == b"right"
        # Where there was room to read it in its turn, what is wrong is told.
        rest = await line.rest()
        assert b"connection: close" in (rest or head)
        assert rest[:13] in (b"", b"HTTP/1.1 400 ", b"HTTP/1.1 431 ")
