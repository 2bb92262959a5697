"""An upstream that takes 20 ms and next to no CPU time: ``python slow.py PORT BODY_FILE``."""

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop

DELAY = 0.020


class Slow(asyncio.Protocol):
    """Answers each request after the delay; requests are small and come one at a time."""

    reply = b""
    transport: asyncio.WriteTransport
    buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        _, found, rest = head.lower().partition(b"content-length:")
        length = int(rest.partition(b"\r\n")[0]) if found else 0
        if len(body) >= length:
            self.buffer = body[length:]
            asyncio.get_running_loop().call_later(DELAY, self.answer)

    def answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.reply)


async def main(port: int, body: bytes) -> None:
    Slow.reply = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
    )
    server = await asyncio.get_running_loop().create_server(Slow, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
