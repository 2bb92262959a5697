"""What one upstream call costs, by engine: ``python bench/client.py`` (about twenty seconds).

The upstream is another process on the loopback interface, so that the CPU time shown is the
client's alone, its threads included. Engines take turns within a round, and the best of the rounds
is shown: whatever else runs on the machine only ever adds to it.
"""

import asyncio
import gzip
import subprocess
import sys
import time
from typing import cast

import uvloop

from naftiko_run.consumes.client import ENGINES, ClientLimits, create_client
from naftiko_run.types import Client, Request

ROUNDS = 4
SECONDS = 0.15
SLOW = 0.02

JSON = (
    b'{"meta":{"requestId":"req_2cGKbMxRyIzhCxo1Idjz8q"},"data":{"valid":true,"code":"VALID"}}' * 3
)
LARGE = JSON * 380  # 100 KB


def plain(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", "Server: bench", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


REPLIES = {
    "300 B": plain(JSON),
    "300 B chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (len(JSON), JSON),
    "300 B gzip": plain(gzip.compress(JSON), "Content-Encoding: gzip"),
    "10 KB": plain(JSON * 38),
    "100 KB": plain(LARGE),
    "100 KB gzip": plain(gzip.compress(LARGE), "Content-Encoding: gzip"),
    "1 MB": plain(LARGE * 10),
    "after 20 ms": plain(JSON),
}
CONCURRENCY = dict.fromkeys(REPLIES, (1, 32)) | {"after 20 ms": (256,)}
HEADERS = (
    ("Authorization", "Bearer unkey_xxxxxxxxxxxxxxxx"),
    ("Content-Type", "application/json"),
    ("Accept", "application/json"),
)
BODY = b'{"keyId":"key_2cGKbMxRyIzhCxo1Idjz8q","permissions":"documents.read"}'


class Upstream(asyncio.Protocol):
    """Answers the request for ``/N`` with reply N; every request has the same body."""

    transport: asyncio.WriteTransport
    buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n" + BODY)) >= 0:
            which = int(self.buffer.split(b" ", 2)[1][1:])
            self.buffer = self.buffer[end + 4 + len(BODY) :]
            name, reply = list(REPLIES.items())[which]
            if name == "after 20 ms":
                asyncio.get_running_loop().call_later(SLOW, self.transport.write, reply)
            else:
                self.transport.write(reply)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def measure(client: Client, request: Request, concurrency: int) -> tuple[float, float]:
    """CPU microseconds per call and calls per second."""
    calls = 0

    async def worker() -> None:
        nonlocal calls
        while time.perf_counter() < end:
            await client.send(request)
            calls += 1

    end = time.perf_counter() + SECONDS / 5
    await asyncio.gather(*[worker() for _ in range(concurrency)])
    calls, cpu, start = 0, time.process_time(), time.perf_counter()
    end = start + SECONDS
    await asyncio.gather(*[worker() for _ in range(concurrency)])
    return (time.process_time() - cpu) / calls * 1e6, calls / (time.perf_counter() - start)


async def run(port: int) -> None:
    clients = {name: create_client(ClientLimits(), engine=name, environ={}) for name in ENGINES}
    print(f"{'reply':14} {'at once':>7}", *[f"{name:>24}" for name in clients])
    print(f"{'':22}", *[f"{'CPU us':>12}{'calls/s':>12}" for _ in clients])
    for which, (reply, concurrencies) in enumerate(CONCURRENCY.items()):
        request = Request("POST", f"http://127.0.0.1:{port}/{which}", HEADERS, BODY)
        for concurrency in concurrencies:
            best = dict.fromkeys(clients, (float("inf"), 0.0))
            for _ in range(ROUNDS):
                for name, client in clients.items():
                    best[name] = min(best[name], await measure(client, request, concurrency))
            cells = [f"{cpu:12.1f}{rate:12,.0f}" for cpu, rate in best.values()]
            print(f"{reply:14} {concurrency:7}", *cells, flush=True)
    for client in clients.values():
        await client.aclose()


def main() -> None:
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as upstream:
        try:
            port = upstream.stdout.readline() if upstream.stdout else ""
            uvloop.run(run(int(port)))
        finally:
            upstream.kill()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        uvloop.run(serve())
    else:
        main()
