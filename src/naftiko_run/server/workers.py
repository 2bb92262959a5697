"""Several processes on the same ports: a supervisor accepts, workers serve.

The supervisor owns the sockets. It hands each accepted connection to the next worker, so that load
is even whatever the clients do, and it replaces a worker that dies. A changed file makes a new set
of workers: once it is ready it gets every new connection, and the old set finishes what it has.
Connections travel over a Unix socket as file descriptors; its end tells a worker to stop.
"""

import array
import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from naftiko_run.server.http import GRACE_SECONDS, HttpServer

ENVIRONMENT = "NAFTIKO_WORKER"
"""Tells a process that it is a worker: the descriptor of its socket."""

_READY = b"ready"
_START_SECONDS = 60
_RESTART_SECONDS = 0.5


@dataclass(slots=True)
class _Worker:
    process: asyncio.subprocess.Process
    channel: socket.socket
    retired: bool = False


@dataclass(slots=True)
class Supervisor:
    """Keeps a number of workers running, and gives them the connections of its sockets.

    ``command`` starts a worker and ``say`` tells people. ``content`` is what a worker reads from
    its standard input before it is ready: what it serves.
    """

    count: int
    command: Sequence[str]
    say: Callable[[str], None]
    content: bytes = b""
    _workers: list[_Worker] = field(default_factory=list)
    _listening: dict[str, socket.socket] = field(default_factory=dict)
    _turn: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _stopping: bool = False

    async def start(self, listening: Mapping[str, socket.socket]) -> None:
        """Start the workers; once they are ready, accept on these sockets.

        Raises:
            RuntimeError: a worker did not become ready.
        """
        self._workers = list(await asyncio.gather(*(self._spawn() for _ in range(self.count))))
        self._accept(listening)

    async def replace(self, listening: Mapping[str, socket.socket]) -> None:
        """Serve anew: new workers take over, the old ones finish what they have."""
        fresh = await asyncio.gather(*(self._spawn() for _ in range(self.count)))
        retired, self._workers = self._workers, list(fresh)
        self._accept(listening)
        for worker in retired:
            worker.retired = True
            worker.channel.close()

    def _accept(self, listening: Mapping[str, socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for name, sock in self._listening.items():
            if listening.get(name) is not sock:
                loop.remove_reader(sock)
                sock.close()
        for name, sock in listening.items():
            if self._listening.get(name) is not sock:
                loop.add_reader(sock, self._accepted, name, sock)
        self._listening = dict(listening)

    def _accepted(self, name: str, sock: socket.socket) -> None:
        for _ in range(64):
            try:
                connection, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self.say(f"cannot accept a connection: {error.strerror}")
                return
            with connection:
                self._hand_over(name, connection)

    def _hand_over(self, name: str, connection: socket.socket) -> None:
        for _ in range(len(self._workers)):
            self._turn = (self._turn + 1) % len(self._workers)
            try:
                socket.send_fds(
                    self._workers[self._turn].channel, [name.encode()], [connection.fileno()]
                )
            except OSError:
                continue
            return

    # ------------------------------------------------------------------------------- workers

    async def _spawn(self) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003 - the socket's own signature
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                env={**os.environ, ENVIRONMENT: str(theirs.fileno())},
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.PIPE,
            )
        worker = _Worker(process, ours)
        await _give(process, self.content)
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = await asyncio.get_running_loop().sock_recv(ours, 64)
        except (TimeoutError, OSError):
            said = b""
        if said != _READY:
            ours.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise RuntimeError("a worker did not start")
        self._watch(worker)
        return worker

    def _watch(self, worker: _Worker) -> None:
        task = asyncio.create_task(self._replace_when_dead(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace_when_dead(self, worker: _Worker) -> None:
        status = await worker.process.wait()
        if self._stopping or worker.retired:
            return
        self.say(f"worker {worker.process.pid} ended with status {status}: it is replaced")
        worker.channel.close()
        while not self._stopping and not worker.retired:
            try:
                fresh = await self._spawn()
            except RuntimeError as error:
                self.say(str(error))
                await asyncio.sleep(_RESTART_SECONDS)
                continue
            if worker in self._workers:
                self._workers[self._workers.index(worker)] = fresh
            else:
                fresh.retired = True
                fresh.channel.close()
            return

    async def stop(self) -> None:
        """Accept nothing more, let every worker finish, and end them."""
        self._stopping = True
        loop = asyncio.get_running_loop()
        for sock in self._listening.values():
            self._accepted_last(sock)
            loop.remove_reader(sock)
            sock.close()
        for worker in self._workers:
            worker.channel.close()
        waits = [worker.process.wait() for worker in self._workers]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS + 5):
                await asyncio.gather(*waits)
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()

    def _accepted_last(self, sock: socket.socket) -> None:
        for name, known in self._listening.items():
            if known is sock:
                self._accepted(name, sock)


async def _give(process: asyncio.subprocess.Process, content: bytes) -> None:
    pipe = process.stdin
    if pipe is None:
        return
    with contextlib.suppress(ConnectionError):
        pipe.write(content)
        await pipe.drain()
        pipe.close()
        await pipe.wait_closed()


# ----------------------------------------------------------------------------------- the worker


def channel_of_worker() -> int | None:
    """Return the descriptor of a worker's socket; None in a process that is no worker."""
    told = os.environ.pop(ENVIRONMENT, "")
    return int(told) if told.isdecimal() else None


async def serve_channel(descriptor: int, accepting: Mapping[str, HttpServer]) -> None:
    """Serve the connections that arrive over the supervisor's socket, until it is closed."""
    loop = asyncio.get_running_loop()
    channel = socket.socket(fileno=descriptor)
    channel.setblocking(False)  # noqa: FBT003 - the socket's own signature
    ended = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    def arrived() -> None:
        for _ in range(64):
            try:
                name, descriptors = _receive(channel)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                name, descriptors = b"", []
            if not name:
                ended.set()
                return
            for number in descriptors:
                connection = socket.socket(fileno=number)
                target = accepting.get(name.decode())
                if target is None:
                    connection.close()
                    continue
                task = loop.create_task(target.take(connection))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    loop.add_reader(channel, arrived)
    channel.send(_READY)
    await ended.wait()
    loop.remove_reader(channel)
    channel.close()
    if tasks:
        await asyncio.wait(tasks)


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    numbers = array.array("i")
    message, ancillary, _, _ = channel.recvmsg(256, socket.CMSG_SPACE(numbers.itemsize))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return message, list(numbers)


def command() -> list[str]:
    """Return the command that starts this process once more, with the same arguments."""
    return [sys.executable, "-m", "naftiko_run", *sys.argv[1:]]
