"""Runs programs in Python: Monty, an interpreter that has no way out of itself, in its own process.

It knows the language and a few modules without files, network or environment; what it does not
know it refuses by name. A session is new for each run.
"""

import re
from typing import Final

from pydantic_monty import (
    Monty,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
    ResourceLimits,
)

from naftiko_run.scripts.job import DEEPEST, MEMORY_BYTES, End, Limits
from naftiko_run.scripts.program import Program

_TOOLS: Final = """
import json as json_{tick}
count_{tick} = 0
def {tick}():
    global count_{tick}
    count_{tick} += 1
    if count_{tick} > {limit}:
        raise RuntimeError('{tick}')
def print(*values, **how):
    pass
def eval(*given):
    raise RuntimeError('code made of texts is refused here')
exec = compile = eval
context = json_{tick}.loads(given_{tick})
result = None
""".lstrip()
_TAKE: Final = """
None if result is None else json_{tick}.dumps(result, ensure_ascii=False, allow_nan=False)
"""
_CALLS_OUT = 100
"""How often a script may ask for what only a host could give; it is refused each time."""


class Interpreter:
    """One interpreter process; it is replaced when it dies."""

    def __init__(self) -> None:
        """Start it."""
        self._pool = Monty(min_processes=1, max_processes=1)
        self._pool.__enter__()

    def run(self, program: Program, limits: Limits, context: bytes) -> End:
        """Run a program once."""
        tick = program.names.tick
        tools = _TOOLS.format(tick=tick, limit=limits.statements)
        allowed = ResourceLimits(
            max_feed_duration_secs=limits.milliseconds / 1000,
            max_memory=MEMORY_BYTES,
            max_recursion_depth=DEEPEST,
            max_suspensions=_CALLS_OUT,
        )
        before = tools.count("\n")
        source = tools + program.source + _TAKE.format(tick=tick)
        session = self._pool.checkout(limits=allowed, os_policy={"sleep": "zero"})
        try:
            with session as opened:
                result = opened.feed_run(
                    source, inputs={f"given_{tick}": context.decode()}, print_callback=_drop
                )
        except MontyCrashedError:
            return End(error="ended the interpreter")
        except (MontyRuntimeError, MontySyntaxError) as error:
            return _failed(error, program, limits, before)
        except MontyError as error:
            return End(error=str(error))
        return End(result=result.encode() if isinstance(result, str) else b"")


def _drop(_stream: str, _text: str) -> None:
    """Forget what is printed: a script has no terminal."""


def _failed(
    error: MontyRuntimeError | MontySyntaxError, program: Program, limits: Limits, before: int
) -> End:
    said = error.display("type-msg")
    if program.names.tick in said:
        return End(error=f"exceeded the statement limit ({limits.statements})", limit=True)
    if said.startswith("TimeoutError: feed time limit exceeded"):
        return End(error=f"exceeded the timeout limit ({limits.milliseconds} ms)", limit=True)
    if said.startswith("MemoryError: memory limit exceeded"):
        return End(error=f"exceeded the memory limit ({MEMORY_BYTES >> 20} MB)", limit=True)
    if said.startswith("RecursionError: maximum recursion depth exceeded"):
        return End(error="exceeded the depth that calls may have", limit=True)
    last = before + program.source.count("\n")
    lines = [frame.line for frame in error.traceback() if before < frame.line <= last]
    return End(
        error=re.sub(r"^(\w+): \1: ", r"\1: ", said), line=lines[-1] - before if lines else 0
    )
