"""The processes that a run starts: what they cost, and that none of them outlives it."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60


class BenchError(Exception):
    """What ends a run, or one contender of it, with one line for people."""


@dataclass(frozen=True)
class Request:
    """One HTTP request of the load; ``path`` is that of the server under test."""

    method: str
    path: str
    body: str = ""
    headers: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, str]:
        return dict(line.split(": ", 1) for line in self.headers)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, request: Request, seconds: float = 30) -> tuple[int, bytes]:
    """Send one request and read the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(
            request.method, request.path, request.body.encode() or None, request.fields
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Tree:
    """Processes that are measured as one, seen through /proc."""

    @property
    def tree(self) -> list[int]:
        raise NotImplementedError

    def cpu(self) -> float:
        """User and system time of the whole tree, in seconds."""
        return sum(cpu_of(pid) for pid in self.tree)

    def written(self) -> dict[int, int]:
        """How many bytes each process has written; among equals it tells who did how much."""
        return {pid: _written(pid) for pid in self.tree}

    def memory(self) -> tuple[float, float]:
        """Resident memory of the whole tree now and at its highest, in MB."""
        now = peak = 0.0
        for pid in self.tree:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/status").read_text().split()
                now += int(fields[fields.index("VmRSS:") + 1]) / 1024
                peak += int(fields[fields.index("VmHWM:") + 1]) / 1024
        return now, peak


class Process(Tree):
    """A server with its children."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self.began = time.perf_counter()
        with log.open("wb") as output:
            # A group of its own: Ctrl-C reaches the run, which ends what it started. It is no
            # session of its own, as Linux shares the processors out among sessions before it
            # does among processes (autogroup): two workers would get what one process gets.
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                process_group=0,
            )

    def until(self, port: int, request: Request, *, seconds: float = START_SECONDS) -> float:
        """Wait for the first answered request; returns the seconds since the start."""
        while time.perf_counter() - self.began < seconds:
            if self.popen.poll() is not None:
                break
            try:
                status, _ = ask(port, request)
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)
                continue
            if status < 500:
                return time.perf_counter() - self.began
            time.sleep(0.005)
        raise BenchError(f"{self.name} does not serve: {self.last_words()}")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"

    @property
    def tree(self) -> list[int]:
        found = [self.popen.pid]
        for pid in found:
            found += _children(pid)
        return found

    def end(self) -> None:
        """Ask it to stop; what is still there after that is killed, by its id."""
        tree = self.tree
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        group = str(self.popen.pid)
        for pid in tree[1:]:
            # The number may be another process's by now: a child of ours is in our group.
            with contextlib.suppress(OSError, IndexError):
                if _stat(pid)[2] == group:
                    os.kill(pid, signal.SIGKILL)


class SideBySide(Tree):
    """Servers that know nothing of each other."""

    def __init__(self, *parts: Tree) -> None:
        self.parts = parts

    @property
    def tree(self) -> list[int]:
        return [pid for part in self.parts for pid in part.tree]


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_of(pid: int) -> float:
    try:
        fields = _stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _written(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/io").read_text().split()
    except OSError:
        return 0
    return int(fields[fields.index("wchar:") + 1])


def _children(pid: int) -> Iterator[int]:
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from (int(child) for child in (task / "children").read_text().split())
    except OSError:
        return


class Processes:
    """Everything that was started; leaving it ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Process] = []

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> Process:
        log = self.folder / f"process-{len(self._started)}.log"
        process = Process(name, command, log, env or {})
        self._started.append(process)
        return process

    def end_all(self) -> None:
        for process in self._started:
            process.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end_all()
