"""Several processes on the same ports: a supervisor accepts, workers serve.

The supervisor owns the sockets. It hands each accepted connection to the next worker, so that load
is even whatever the clients do, and it replaces a worker that dies. A changed file makes a new set
of workers: once it is ready it gets every new connection, and the old set finishes what it has.
Connections travel over a Unix socket as file descriptors; its end tells a worker to stop.
"""

import array
import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from naftiko_run.server.backlog import accept_last
from naftiko_run.server.http import GRACE_SECONDS, HttpServer

ENVIRONMENT = "NAFTIKO_WORKER"
"""Tells a process that it is a worker: the descriptor of its socket."""

_READY = b"ready"
_FAREWELL = b"\0"
MAX_FAREWELL = 60_000
"""The most bytes that a farewell may have."""
_START_SECONDS = 60
_RESTART_SECONDS = 0.5
_PAUSE_SECONDS = 0.1
"""How long nothing is accepted where the system lacks what a connection needs."""
_QUIET_SECONDS = 60
"""How long the same trouble is not told again."""
_BATCH = 64
_LATER = frozenset({errno.EINTR, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})
"""What the system may have again in a moment."""


class _Worker(Struct, eq=False):
    process: asyncio.subprocess.Process
    channel: socket.socket
    retired: bool = False


class Supervisor(Struct):
    """Keeps a number of workers running, and gives them the connections of its sockets.

    ``command`` starts a worker and ``say`` tells people. ``content`` is what a worker reads from
    its standard input before it is ready: what it serves. ``inherited`` are descriptors that
    every worker has too, under the same numbers.
    """

    count: int
    command: Sequence[str]
    say: Callable[[str], None]
    content: bytes = b""
    inherited: Sequence[int] = ()
    _workers: list[_Worker] = field(default_factory=list)
    _listening: dict[str, socket.socket] = field(default_factory=dict)
    _turn: int = 0
    _alive: set[_Worker] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _stopping: bool = False
    _pending: deque[tuple[str, socket.socket]] = field(default_factory=deque)
    _full: list[socket.socket] = field(default_factory=list)
    _paused: asyncio.TimerHandle | None = None
    _told: dict[str, float] = field(default_factory=dict)

    async def start(self, listening: Mapping[str, socket.socket]) -> None:
        """Start the workers; once they are ready, accept on these sockets.

        Raises:
            RuntimeError: a worker did not become ready.
        """
        self._workers = await self._crew()
        self._accept(listening)

    async def replace(self, listening: Mapping[str, socket.socket], farewell: bytes = b"") -> None:
        """Serve anew: new workers take over, the old ones finish what they have.

        ``farewell`` is told to the old ones before they are asked to stop.

        Raises:
            RuntimeError: a worker did not become ready; nothing has changed then.
        """
        fresh = await self._crew()
        retired, self._workers = self._workers, fresh
        self._accept(listening)
        for worker in retired:
            self._retire(worker, farewell)

    def _accept(self, listening: Mapping[str, socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for name, sock in self._listening.items():
            if listening.get(name) is not sock:
                loop.remove_reader(sock)
                sock.close()
        self._listening = dict(listening)
        self._resume()

    def _accepted(self, name: str, sock: socket.socket) -> None:
        for _ in range(_BATCH):
            if self._pending or self._paused:
                return
            try:
                connection, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # It stays in the backlog: looking again at once would find the same.
                self._say_once(f"cannot accept a connection: {error.strerror}")
                self._pause(_PAUSE_SECONDS)
                return
            self._pending.append((name, connection))
            self._hand_over()

    def _hand_over(self) -> None:
        """Give what was accepted to the workers; accept nothing while none can take it."""
        while self._pending:
            name, connection = self._pending[0]
            if not self._given(name, connection):
                return
            self._pending.popleft()
            connection.close()

    def _given(self, name: str, connection: socket.socket) -> bool:
        """Give a connection to a worker; where none can take it, wait until one does."""
        full: list[socket.socket] = []
        gone = True
        for _ in range(len(self._workers)):
            self._turn = (self._turn + 1) % len(self._workers)
            channel = self._workers[self._turn].channel
            try:
                socket.send_fds(channel, [name.encode()], [connection.fileno()])
            except BlockingIOError:
                full.append(channel)
            except OSError as error:
                gone = gone and error.errno not in _LATER
            else:
                return True
        if gone and not full:
            if self._stopping:
                self._say_once("a connection is lost: no worker is there to take it")
                return True
            self._say_once("connections wait: no worker is there to take them")
        self._pause(_PAUSE_SECONDS)
        for channel in full:
            asyncio.get_running_loop().add_writer(channel, self._resume)
        self._full.extend(full)
        return False

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._listening.values():
            loop.remove_reader(sock)
        if self._paused is None:
            self._paused = loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        loop = asyncio.get_running_loop()
        for channel in self._full:
            loop.remove_writer(channel)
        self._full.clear()
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        self._hand_over()
        if self._paused is None:
            for name, sock in self._listening.items():
                loop.add_reader(sock, self._accepted, name, sock)

    def _say_once(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told.get(text, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._told[text] = now
            self.say(text)

    # ------------------------------------------------------------------------------- workers

    async def _crew(self) -> list[_Worker]:
        """Start all workers, or none.

        Raises:
            RuntimeError: one did not become ready; the others are told to stop.
        """
        spawned = await asyncio.gather(
            *(self._spawn() for _ in range(self.count)), return_exceptions=True
        )
        workers = [each for each in spawned if isinstance(each, _Worker)]
        for failure in spawned:
            if isinstance(failure, BaseException):
                for worker in workers:
                    self._retire(worker)
                raise failure
        return workers

    async def _spawn(self) -> _Worker:
        try:
            worker = await self._process()
        except OSError as error:
            raise RuntimeError(f"a worker did not start: {error.strerror}") from None
        self._alive.add(worker)
        try:
            await _give(worker.process, self.content)
            async with asyncio.timeout(_START_SECONDS):
                said = await asyncio.get_running_loop().sock_recv(worker.channel, 64)
        except (TimeoutError, OSError):
            said = b""
        except asyncio.CancelledError:
            _kill(worker)
            worker.channel.close()
            raise
        if said != _READY:
            _kill(worker)
            worker.channel.close()
            await worker.process.wait()
            self._alive.discard(worker)
            raise RuntimeError("a worker did not start")
        task = asyncio.create_task(self._replace_when_dead(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return worker

    async def _process(self) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *self.command,
                    env={**os.environ, ENVIRONMENT: str(theirs.fileno())},
                    pass_fds=(theirs.fileno(), *self.inherited),
                    stdin=asyncio.subprocess.PIPE,
                )
        except OSError:
            ours.close()
            raise
        return _Worker(process, ours)

    def _retire(self, worker: _Worker, farewell: bytes = b"") -> None:
        """Tell a worker to finish what it has, and to end."""
        worker.retired = True
        if farewell:
            # One that cannot hear it ends its streams all the same: clients then ask again.
            with contextlib.suppress(OSError):
                worker.channel.send(_FAREWELL + farewell[:MAX_FAREWELL])
        self._close(worker)

    def _close(self, worker: _Worker) -> None:
        if worker.channel in self._full:
            asyncio.get_running_loop().remove_writer(worker.channel)
            self._full.remove(worker.channel)
        worker.channel.close()

    async def _replace_when_dead(self, worker: _Worker) -> None:
        status = await worker.process.wait()
        self._alive.discard(worker)
        if self._stopping or worker.retired:
            return
        self.say(f"worker {worker.process.pid} ended with status {status}: it is replaced")
        self._close(worker)
        while not worker.retired:
            try:
                fresh = await self._spawn()
            except RuntimeError as error:
                self.say(str(error))
                await asyncio.sleep(_RESTART_SECONDS)
                continue
            if worker in self._workers:
                self._workers[self._workers.index(worker)] = fresh
                self._resume()
            else:
                self._retire(fresh)
            return

    async def stop(self) -> None:
        """Accept nothing more, let every worker finish, also retired ones, and end them."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await self._accept_last()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                while self._pending:  # noqa: ASYNC110 - room comes without an event
                    await asyncio.sleep(_PAUSE_SECONDS / 10)
        for _, connection in self._pending:
            self._say_once("a connection is lost: no worker took it in time")
            connection.close()
        self._pending.clear()
        self._resume()
        for worker in self._alive:
            self._retire(worker)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS + 5):
                await self._ended()
        self.kill()
        await self._ended()

    async def _accept_last(self) -> None:
        """Take who waits in the backlogs: connected already, and reset if the sockets closed."""
        loop = asyncio.get_running_loop()
        sockets, self._listening = self._listening, {}
        for sock in sockets.values():
            loop.remove_reader(sock)
        lasts = await asyncio.gather(*(accept_last(sock) for sock in sockets.values()))
        for name, last in zip(sockets, lasts, strict=True):
            self._pending += [(name, connection) for connection in last]
        self._hand_over()

    async def _ended(self) -> None:
        await asyncio.gather(*(worker.process.wait() for worker in self._alive))

    def kill(self) -> None:
        """End every worker at once, whatever it does."""
        for worker in self._alive:
            _kill(worker)


def _kill(worker: _Worker) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.process.kill()


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


async def serve_channel(descriptor: int, accepting: Mapping[str, HttpServer]) -> bytes:
    """Serve the connections that arrive over the supervisor's socket, until it is closed.

    Gives the supervisor's farewell, empty where there was none.
    """
    farewell = b""
    loop = asyncio.get_running_loop()
    channel = socket.socket(fileno=descriptor)
    channel.setblocking(False)  # noqa: FBT003 - the socket's own signature
    ended = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    def arrived() -> None:
        nonlocal farewell
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
            if name.startswith(_FAREWELL):
                farewell = name.removeprefix(_FAREWELL)
                continue
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
    return farewell


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    numbers = array.array("i")
    message, ancillary, _, _ = channel.recvmsg(
        MAX_FAREWELL + 1, socket.CMSG_SPACE(numbers.itemsize)
    )
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return message, list(numbers)


def command() -> list[str]:
    """Return the command that starts this process once more, with the same arguments."""
    return [sys.executable, "-m", "naftiko_run", *sys.argv[1:]]
