"""Connections that are slow or large, against the server in this process and with less patience."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from naftiko_run.exposes.messages import send_bytes
from naftiko_run.server.protocol import MAX_MESSAGE, HttpProtocol
from naftiko_run.server.state import ServerState

WHOLE = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"
PART = b"GET / HTTP/1.1\r\nhost: loc"
OK = b"HTTP/1.1 200 OK\r\n"


class Hasty(HttpProtocol):
    """Waits for a head no longer than a test can."""

    head_seconds = 0.2


class Restless(Hasty):
    """Keeps a connection no longer than a test can wait."""

    idle_seconds = 0.3


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send_bytes(send, 200, b"{}", "application/json")


@asynccontextmanager
async def connected(
    app: ASGIApp = answer, protocol: type[HttpProtocol] = Hasty
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server of its own."""
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: protocol(app, state), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            async with asyncio.timeout(20):
                yield reader, writer
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_half_a_head_is_waited_for_and_then_refused() -> None:
    async with connected() as (reader, writer):
        writer.write(PART)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_a_connection_that_is_never_used_is_closed_without_a_word() -> None:
    async with connected() as (reader, _):
        assert await reader.read() == b""


async def test_half_a_head_after_a_whole_request_is_refused_too() -> None:
    async with connected() as (reader, writer):
        writer.write(WHOLE)
        assert (await reader.readuntil(b"{}")).startswith(OK)
        writer.write(PART)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_kept_connection_may_rest_longer_than_a_head_may_take() -> None:
    async with connected() as (reader, writer):
        for _ in range(2):
            writer.write(WHOLE)
            assert (await reader.readuntil(b"{}")).startswith(OK)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2 * Hasty.head_seconds):
                    await reader.read()


async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_bytes(send, 404, b"{}", "application/json")


@pytest.mark.parametrize("body", [b"", b"12345", b"1234567890"])
async def test_who_is_answered_before_the_body_is_there_is_not_waited_for_forever(
    body: bytes,
) -> None:
    async with connected(refuse, Restless) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n")
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 404 ")
        writer.write(body)
        assert await reader.read() == b""


async def test_a_body_that_comes_after_its_answer_is_followed_by_the_next_request() -> None:
    async with connected(refuse, Restless) as (reader, writer):
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n")
            assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 404 ")
            writer.write(b"1234567890")
        assert await reader.read() == b""


async def test_a_head_that_arrives_in_pieces_is_whole_in_the_end() -> None:
    async with connected() as (reader, writer):
        for byte in WHOLE:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"{}")).startswith(OK)


async def test_trailer_fields_without_end_are_cut_off() -> None:
    async with connected() as (_, writer):
        writer.write(
            b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
        )
        field = b"x: %s\r\n" % (b"y" * 1_000_000)
        with pytest.raises(ConnectionError):
            await _send(writer, field, 2 * MAX_MESSAGE // len(field))


async def _send(writer: asyncio.StreamWriter, data: bytes, times: int) -> None:
    for _ in range(times):
        writer.write(data)
        await writer.drain()
