"""A worker process: runs one job after another, each on a new engine, until its input ends.

It is started with an empty environment and holds nothing but the programs it is given. The system
limits it besides the engines: memory, files, no core dumps, and an alarm that ends it where
an engine does not look at the time and the server is gone.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

from naftiko_run.scripts.job import (
    LENGTHS,
    MOST_RESULT_BYTES,
    READY,
    End,
    Limits,
    head_of,
    message,
    read_job,
)
from naftiko_run.scripts.program import Program

_MOST_DATA = 1536 * 1024 * 1024
"""What engine, compiled code and scripts may need together: a bound for what goes wrong."""
_MOST_FILE = 16 * 1024 * 1024
"""WebAssembly keeps the first state of its memory in a file that has no name."""
_GRACE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1

Engine = Callable[[Program, Limits, bytes], End]


def main() -> None:
    """Serve jobs from stdin, answer on stdout."""
    jobs = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever an engine prints, it does not go between the answers.
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _limit()
    engines: dict[str, Engine] = {}
    while (job := _read(jobs)) is not None:
        program, limits = read_job(job[0])
        if program.language not in engines:
            engines[program.language] = _engine(program.language)
        answers.write(message(READY))
        answers.flush()
        _alarm(limits.milliseconds / 1000 + _GRACE_SECONDS)
        end = _short_enough(engines[program.language](program, limits, job[1]))
        _alarm(0)
        answers.write(message(head_of(end), end.result))
        answers.flush()


def _read(jobs: BinaryIO) -> tuple[bytes, bytes] | None:
    lengths = jobs.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    return jobs.read(head), jobs.read(body)


def _engine(language: str) -> Engine:
    if language == "javascript":
        from naftiko_run.scripts import quickjs  # noqa: PLC0415 - only what scripts are written in

        quickjs.warm()
        return quickjs.run
    from naftiko_run.scripts.monty import Interpreter  # noqa: PLC0415 - as above

    _end_what_it_starts()
    return Interpreter().run


def _short_enough(end: End) -> End:
    if len(end.result) <= MOST_RESULT_BYTES:
        return end
    size = f"{len(end.result) / 2**20:.1f} MB"
    return End(error=f"has a result of {size}; at most {MOST_RESULT_BYTES >> 20} MB are taken")


def _alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit() -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on every system

    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _MOST_FILE),
        (resource.RLIMIT_NOFILE, 256),
    ]
    if sys.platform == "linux":
        wanted.append((resource.RLIMIT_DATA, _MOST_DATA))
        _end_with_the_server()
    for limit, most in wanted:
        hard = resource.getrlimit(limit)[1]
        most_ = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most_, most_))


def _end_with_the_server() -> None:
    if not _told_of_the_end_of(os.getppid(), signal.SIGKILL):
        os._exit(0)


def _end_what_it_starts() -> None:
    """Have somebody who ends the rest of this group, whatever ends this process.

    An interpreter would otherwise go on until its script's time is over.
    """
    worker = os.getpid()
    if sys.platform != "linux" or os.getpgrp() != worker or os.fork():
        return
    try:
        os.closerange(0, 256)  # the pipes end with the worker
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        if _told_of_the_end_of(worker, signal.SIGUSR1):
            signal.sigwait({signal.SIGUSR1})
        os.killpg(worker, signal.SIGKILL)
    finally:
        os._exit(0)


def _told_of_the_end_of(parent: int, number: int) -> bool:
    """Ask for a signal once the parent ends; False where it went before that was asked for."""
    import ctypes  # noqa: PLC0415 - on Linux alone

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    return os.getppid() == parent
