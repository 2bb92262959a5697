"""The date in answers, and the end of a server that has requests under way."""

import asyncio
import socket
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from naftiko_run.exposes.messages import send_bytes
from naftiko_run.server import http, state
from naftiko_run.server.http import HttpServer, bind

pytestmark = pytest.mark.anyio

ASKED = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send_bytes(send, 200, b"{}", "application/json")


class Asked(NamedTuple):
    """A server that somebody has asked something."""

    server: HttpServer
    listening: socket.socket
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def asked(app: ASGIApp) -> Asked:
    """Start a server, and send it a request."""
    listening = bind("127.0.0.1", 0)
    server = HttpServer(app, listening)
    await server.start()
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(ASKED)
    return Asked(server, listening, reader, writer)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server wait for next to no time before it ends."""
    monkeypatch.setattr(http, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(http, "_IDLE_SECONDS", 0.05)


async def test_an_answer_tells_the_date() -> None:
    server, _, reader, writer = await asked(answer)
    head = await reader.readuntil(b"{}")
    (date,) = (line[6:] for line in head.decode().split("\r\n") if line.startswith("date: "))
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 10
    writer.close()
    await server.stop()


async def test_the_date_goes_on_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter((784111777, 784111778))
    gmtime = time.gmtime
    monkeypatch.setattr(time, "gmtime", lambda: gmtime(next(seconds)))
    monkeypatch.setattr(state, "TICK_SECONDS", 0.001)
    kept = state.ServerState()
    kept.keep_time()
    first = kept.lines
    assert first == b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    while kept.lines is first:  # noqa: ASYNC110 - a timer gives no event
        await asyncio.sleep(0)
    kept.stop_time()
    assert kept.lines == b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
    await asyncio.sleep(0.01)  # a third one would find no more seconds


@pytest.mark.usefixtures("_impatient")
async def test_a_request_that_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    server, listening, _, writer = await asked(never)
    await begun.wait()
    async with asyncio.timeout(10):
        await server.stop()
        await ended.wait()
    assert caplog.messages == ["1 request is not waited for any longer"]
    assert listening.fileno() == -1
    writer.close()


@pytest.mark.usefixtures("_impatient")
async def test_an_answer_that_nobody_takes_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    answered = asyncio.Event()

    async def much(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send_bytes(send, 200, bytes(32 * 1024 * 1024), "text/plain")
        answered.set()

    server, _, _, writer = await asked(much)
    await answered.wait()
    async with asyncio.timeout(10):
        await server.stop()
    assert caplog.messages == ["1 request is not waited for any longer"]
    writer.transport.abort()
    while server._state.connections:  # noqa: ASYNC110 - the server gives no event for its last one
        await asyncio.sleep(0.001)
