"""The supervisor alone: what it does when workers are full, fail, or are slow to end."""

import asyncio
import os
import resource
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from naftiko_run.server.workers import Supervisor
from tests.e2e.process import PATIENCE

CHANNEL = """
import os, socket, sys, time
sys.stdin.buffer.read()
channel = socket.socket(fileno=int(os.environ["NAFTIKO_WORKER"]))
"""
TAKE = """
channel.send(b"ready")
while True:
    name, numbers, _, _ = socket.recv_fds(channel, 256, 1)
    if not name:
        break
    with socket.socket(fileno=numbers[0]) as connection:
        connection.sendall(b"taken")
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def supervisor(code: str, said: list[str], count: int = 1) -> Supervisor:
    """Make one whose workers run this code once they were told everything."""
    return Supervisor(count, [sys.executable, "-c", CHANNEL + code], said.append)


def listening() -> tuple[dict[str, socket.socket], int]:
    """Listen on a free port."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
    sock.setblocking(False)
    return {"one": sock}, sock.getsockname()[1]


def names(folder: Path) -> list[str]:
    """Name what is in a folder."""
    return [each.name for each in folder.iterdir()]


async def answered(ports: Sequence[int]) -> list[bytes]:
    """Connect to each port, and give what comes back."""

    async def one(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await reader.read()
        finally:
            writer.close()

    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*map(one, ports))


@pytest.mark.anyio
async def test_no_connection_is_lost_while_the_workers_are_full() -> None:
    said: list[str] = []
    late = 'channel.send(b"ready"); time.sleep(1)\n' + TAKE.replace('channel.send(b"ready")', "")
    workers = supervisor(late, said)
    sockets, port = listening()
    await workers.start(sockets)
    # More than a channel holds, and than what processes may have under way between them.
    assert set(await answered([port] * 600)) == {b"taken"}
    await workers.stop()
    assert said == []


@pytest.mark.anyio
async def test_no_connection_is_lost_while_every_worker_is_dead() -> None:
    said: list[str] = []
    workers = supervisor("time.sleep(0.5)\n" + TAKE, said, 2)
    sockets, port = listening()
    await workers.start(sockets)
    ended = [worker.process for worker in workers._workers]
    for process in ended:
        process.kill()
    for process in ended:
        await process.wait()
    assert await answered([port] * 50) == [b"taken"] * 50
    await workers.stop()
    assert "connections wait: no worker is there to take them" in said
    assert not any("lost" in each for each in said)


@pytest.mark.anyio
async def test_when_one_worker_does_not_start_none_stays(tmp_path: Path) -> None:
    said: list[str] = []
    code = (
        f"""
first = True
try:
    os.mkdir({str(tmp_path)!r} + "/first")
except FileExistsError:
    first = False
if first:
    sys.exit(1)
open({str(tmp_path)!r} + f"/{{os.getpid()}}", "w").close()
"""
        + TAKE
    )
    workers = supervisor(code, said, 3)
    sockets, _ = listening()
    with pytest.raises(RuntimeError, match="a worker did not start"):
        await workers.start(sockets)
    await workers.stop()
    started = [int(name) for name in names(tmp_path) if name != "first"]
    assert len(started) == 2
    for number in started:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)
    for sock in sockets.values():
        sock.close()


@pytest.mark.anyio
async def test_the_end_waits_for_workers_that_were_replaced() -> None:
    said: list[str] = []
    workers = supervisor(TAKE + "time.sleep(1.5)\n", said)
    sockets, port = listening()
    await workers.start(sockets)
    (old,) = workers._workers
    await workers.replace(sockets)
    assert await answered([port]) == [b"taken"]
    await workers.stop()
    assert old.process.returncode == 0
    assert said == []


@pytest.mark.anyio
async def test_without_descriptors_it_waits_and_says_so_once() -> None:
    said: list[str] = []
    workers = supervisor(TAKE, said)
    sockets, port = listening()
    await workers.start(sockets)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = socket.socket()
    client.setblocking(False)
    used = len(names(Path("/proc/self/fd")))
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 64, hard))
    try:
        while True:
            try:
                held.append(os.dup(0))
            except OSError:
                break
        client.connect_ex(("127.0.0.1", port))
        before = time.process_time()
        await asyncio.sleep(0.7)
        assert time.process_time() - before < 0.3
        assert said == ["cannot accept a connection: Too many open files"]
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.get_running_loop().sock_recv(client, 16) == b"taken"
    client.close()
    await workers.stop()
