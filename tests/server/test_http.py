"""Listeners on sockets."""

import asyncio
import socket

from naftiko_run.server.http import bind


def test_small_answers_are_sent_at_once_on_any_event_loop() -> None:
    """Else each answer but the first of a connection waits for the caller's delayed ACK."""

    async def accepted() -> socket.socket:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[asyncio.BaseTransport] = loop.create_future()

        class Accepting(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.set_result(transport)

        listening = bind("127.0.0.1", 0)
        server = await loop.create_server(Accepting, sock=listening)
        _, writer = await asyncio.open_connection(*listening.getsockname())
        transport = await made
        told = transport.get_extra_info("socket").dup()
        transport.close()
        writer.close()
        server.close()
        assert isinstance(told, socket.socket)
        return told

    with asyncio.run(accepted()) as connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
