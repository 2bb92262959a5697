"""The worker processes of scripts: started when they are first needed, each runs one at a time.

A worker that goes beyond its time or answers nonsense is killed with all that it started, and the
next script gets a new one; so is one that nobody waits for any more, unless its script ends in a
moment: who calls and leaves again and again makes no new workers. They see none of this process's
environment, and end with it, whatever ends it.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from naftiko_run.errors import ScriptError, ScriptsBusy
from naftiko_run.scripts.job import (
    LENGTHS,
    MOST_CONTEXT_BYTES,
    MOST_RESULT_BYTES,
    READY,
    End,
    Limits,
    job_of,
    message,
    read_end,
)
from naftiko_run.scripts.program import Program

MOST_WORKERS: Final = max(2, min(4, os.cpu_count() or 1))
"""How many scripts run at once."""
MOST_WAITING: Final = 1000
"""How many more may wait for a worker."""
_START_SECONDS = 30.0
"""How long a worker and its engine may take to be there."""
_GRACE_SECONDS = 0.5
"""How much longer than an engine the pool waits: the engine's own end keeps its worker."""
_LINGER_SECONDS = 0.25
"""How long a script may go on that nobody waits for."""
_MOST_HEAD_BYTES = 1024 * 1024
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from naftiko_run.scripts.worker import main; main()"
)


class _GoneError(Exception):
    """A worker that does not answer any more."""


class _Worker(Struct, eq=False):
    process: Process
    languages: set[str] = field(default_factory=set)

    async def run(self, program: Program, limits: Limits, context: bytes) -> End:
        """Run a job; raises :class:`_GoneError`, or TimeoutError for one that must be killed."""
        into, out = self.process.stdin, self.process.stdout
        assert into is not None and out is not None  # noqa: S101, PT018 - both are pipes
        try:
            async with asyncio.timeout(_START_SECONDS):
                into.write(message(job_of(program, limits), context))
                await into.drain()
                head, _ = await _read(out)
        except (TimeoutError, OSError) as error:
            raise _GoneError from error
        if head != READY:
            raise _GoneError
        self.languages.add(program.language)
        try:
            async with asyncio.timeout(limits.milliseconds / 1000 + _GRACE_SECONDS):
                return read_end(*await _read(out))
        except (OSError, ValueError, KeyError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise _GoneError from error

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self.process.returncode is not None:
            return  # its id may be another's by now; what it started ends with its pipe
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()


async def _read(out: asyncio.StreamReader) -> tuple[bytes, bytes]:
    try:
        head, body = LENGTHS.unpack(await out.readexactly(LENGTHS.size))
        if head > _MOST_HEAD_BYTES or body > MOST_RESULT_BYTES:
            raise _GoneError
        return await out.readexactly(head), await out.readexactly(body)
    except asyncio.IncompleteReadError as error:
        raise _GoneError from error


class ScriptWorkers:
    """Runs programs, at most so many at once; whoever comes later waits for a worker."""

    def __init__(self, most: int = MOST_WORKERS) -> None:
        """Start nothing yet."""
        self._most = most
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._waiting = 0
        self._free: asyncio.Semaphore | None = None
        self._ending: set[asyncio.Task[int]] = set()
        self._running: set[asyncio.Task[End]] = set()

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers that are there."""
        return [worker.process.pid for worker in (*self._idle, *self._busy)]

    async def run(self, program: Program, limits: Limits, context: bytes) -> bytes:
        """Run a program over a context as JSON; gives the result as JSON, empty for none.

        Raises:
            ScriptsBusy: too many wait already, or none of the others ended in time.
            ScriptError: it failed or went beyond a limit; the step's name is still to be added.
        """
        file = program.places[-1][1]
        if len(context) > MOST_CONTEXT_BYTES:
            size = f"{len(context) / 2**20:.1f} MB"
            most = f"{MOST_CONTEXT_BYTES >> 20} MB"
            raise ScriptError(f"has a context of {size}; at most {most} are given", file=file)
        await self._take_turn(limits, file)
        running = asyncio.ensure_future(self._run(program, limits, context))
        self._running.add(running)
        running.add_done_callback(self._forget)
        try:
            end = await asyncio.shield(running)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, running.cancel)
            raise
        except _GoneError:
            raise ScriptError("failed: its process ended unexpectedly", file=file) from None
        except TimeoutError:
            what = f"exceeded the timeout limit ({limits.milliseconds} ms)"
            raise ScriptError(what, file=file) from None
        if not end.error:
            return end.result
        place = program.place(end.line) if end.line else None
        file, line = place or (file, 0)
        raise ScriptError(end.error if end.limit else f"failed: {end.error}", file=file, line=line)

    async def aclose(self) -> None:
        """End every worker."""
        while self._running:
            # One that only begins is there to be ended a moment later.
            for worker in self._busy:
                worker.kill()
            await asyncio.wait(self._running, timeout=0.05)
        for worker in self._idle:
            self._end(worker)
        self._idle.clear()
        if self._ending:
            await asyncio.wait(self._ending)

    async def _take_turn(self, limits: Limits, file: str) -> None:
        if self._free is None:
            self._free = asyncio.Semaphore(self._most)
        if self._waiting >= MOST_WAITING:
            raise ScriptsBusy("cannot run: too many scripts are waiting", file=file)
        self._waiting += 1
        try:
            async with asyncio.timeout(limits.milliseconds / 1000):
                await self._free.acquire()
        except TimeoutError:
            what = f"cannot run: no other script ended within {limits.milliseconds} ms"
            raise ScriptsBusy(what, file=file) from None
        finally:
            self._waiting -= 1

    async def _run(self, program: Program, limits: Limits, context: bytes) -> End:
        assert self._free is not None  # noqa: S101 - made by the turn that this takes
        try:
            worker = self._idle_one(program.language) or await _started()
            self._busy.add(worker)
            try:
                end = await worker.run(program, limits, context)
            except BaseException:
                # Also where nobody waits any more: the script goes on otherwise.
                self._end(worker)
                raise
            finally:
                self._busy.discard(worker)
            self._idle.append(worker)
            return end
        finally:
            self._free.release()

    def _forget(self, running: asyncio.Task[End]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # nobody may be left to hear of it

    def _idle_one(self, language: str) -> _Worker | None:
        """Take a worker that waits, one that knows the language if there is one."""
        for gone in [each for each in self._idle if _is_gone(each)]:
            self._idle.remove(gone)
            self._end(gone)
        if not self._idle:
            return None
        knowing = [each for each in self._idle if language in each.languages]
        if not knowing and len(self._idle) + len(self._busy) < self._most:
            return None
        worker = (knowing or self._idle)[-1]
        self._idle.remove(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        worker.kill()
        task = asyncio.ensure_future(worker.process.wait())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _is_gone(worker: _Worker) -> bool:
    out = worker.process.stdout
    return worker.process.returncode is not None or out is None or out.at_eof()


def _paths() -> list[str]:
    return [str(Path(each).absolute()) for each in sys.path]


async def _started() -> _Worker:
    environment = {k: v for k, v in os.environ.items() if k == "SYSTEMROOT"}  # Windows needs it
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-IB",
        "-c",
        _START,
        json.dumps(_paths()),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=os.sep,
        env=environment,
        start_new_session=True,
    )
    return _Worker(process)
