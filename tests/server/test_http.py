"""Listeners on sockets."""

import asyncio
import socket

from starlette.responses import PlainTextResponse

from naftiko_run.server.http import HttpServer, bind


def test_small_answers_are_sent_at_once_on_any_event_loop() -> None:
    """Else each answer but the first of a connection waits for the caller's delayed ACK."""

    async def connected() -> list[int]:
        listening = bind("127.0.0.1", 0)
        server = HttpServer(PlainTextResponse("here"), listening)
        await server.start()
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        await reader.readuntil(b"here")
        options = [
            protocol.transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )
            for protocol in server._server.server_state.connections
        ]
        writer.close()
        await server.stop()
        return options

    (option,) = asyncio.run(connected())
    assert option != 0
