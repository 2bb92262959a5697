"""The worker processes: what they cannot do, how they end, and what many scripts at once do."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from naftiko_run.errors import ScriptError, ScriptsBusy
from naftiko_run.scripts import workers as room
from naftiko_run.scripts.job import MOST_CONTEXT_BYTES, Limits
from naftiko_run.scripts.program import Program, compile_program
from naftiko_run.scripts.texts import ScriptText
from naftiko_run.scripts.workers import ScriptWorkers

pytestmark = pytest.mark.anyio
LANGUAGES = ("javascript", "python")
SHORT = Limits(100_000, 300)
LONG = Limits(100_000, 30_000)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def _pool() -> AsyncIterator[ScriptWorkers]:
    pool = ScriptWorkers(2)
    yield pool
    await pool.aclose()
    assert not pool.processes


shared = pytest.fixture(scope="module", name="shared")(_pool)
workers = pytest.fixture(name="workers")(_pool)


def program(language: str, *sources: str) -> Program:
    texts = [ScriptText(f"lib{n}", source) for n, source in enumerate(sources[:-1])]
    return compile_program(language, [*texts, ScriptText("main", sources[-1])])


async def result(
    workers: ScriptWorkers,
    language: str,
    source: str,
    limits: Limits = LONG,
    **context: Any,  # noqa: ANN401 - any JSON
) -> Any:  # noqa: ANN401 - as above
    found = await workers.run(program(language, source), limits, json.dumps(context).encode())
    return json.loads(found) if found else None


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(process: int) -> list[int]:
    return [
        int(each)
        for task in Path(f"/proc/{process}/task").iterdir()
        for each in (task / "children").read_text().split()
    ]


async def gone(process: int) -> None:
    """Wait until a process has ended."""
    async with asyncio.timeout(10):
        while alive(process):  # noqa: ASYNC110 - nothing tells of another's child
            await asyncio.sleep(0.01)


def environment(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def sockets(process: int) -> set[str]:
    opened = set()
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            opened.add(str(each.readlink()))
    return {name for name in opened if name.startswith("socket:")}


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

HOSTILE: list[tuple[str, str, str]] = [
    ("javascript", "/^(a+)+$/.test('a'.repeat(40) + 'b')", "exceeded the timeout limit (300 ms)"),
    ("javascript", "new Array(2 ** 32 - 1).join('x')", "exceeded the timeout limit (300 ms)"),
    ("javascript", "[2, 1].sort(() => { for (;;); })", "exceeded the statement limit (100000)"),
    ("javascript", "for (;;) try { for (;;); } catch {}", "exceeded the statement limit (100000)"),
    ("javascript", "const f = () => f(); f()", "exceeded the depth that calls may have"),
    ("javascript", "function f() { try { f() } finally { f() } } f()", "exceeded the depth"),
    ("javascript", "x = []; for (;;) x.push(new Uint8Array(1e7))", "exceeded the memory"),
    ("javascript", "new Uint8Array(2 ** 30)", "exceeded the memory limit (128 MB)"),
    ("javascript", "x = 'x'; for (;;) x += x", "string too long"),
    (
        "javascript",
        "x = []; for (let i = 0; i < 1e4; i++) x = [x]; result = x",
        "exceeded the depth",
    ),
    ("javascript", "result = { toJSON() { for (;;); } }", "exceeded the statement limit (100000)"),
    ("javascript", "result = new Proxy({}, { ownKeys() { for (;;); } })", "exceeded the statement"),
    ("javascript", "class A { constructor() { return new A() } } new A()", "exceeded the depth"),
    ("javascript", "label: for (;;) { continue label }", "exceeded the statement limit (100000)"),
    ("javascript", "switch (1) { case 1: for (;;); }", "exceeded the statement limit (100000)"),
    ("javascript", "if (1) for (;;); else for (;;);", "exceeded the statement limit (100000)"),
    ("javascript", "function* g() { for (;;) yield 1 } for (x of g());", "exceeded the statement"),
    (
        "javascript",
        (
            "Error.prepareStackTrace = (_, s) => s.map((c) => c.getFunction())\n"
            "try { null.x } catch (e) { e.stack[1]('for (;;);') }"
        ),
        "not a function",
    ),
    ("python", "sum(range(10 ** 12))", "exceeded the timeout limit (300 ms)"),
    ("python", "list(range(10 ** 10))", "exceeded the memory limit (128 MB)"),
    ("python", "x = [1]\nwhile True: x = x + x", "exceeded the memory limit (128 MB)"),
    ("python", "x = 'x'\nwhile True: x += x", "exceeded the memory limit (128 MB)"),
    ("python", "10 ** 10 ** 9", "exceeded the memory limit (128 MB)"),
    ("python", "def f(): return f()\nf()", "exceeded the depth that calls may have"),
    ("python", "f = lambda: f()\nf()", "exceeded the depth that calls may have"),
    ("python", "x = []\nfor i in range(9999): x = [x]\nresult = x", "exceeded the depth"),
    ("python", "while True:\n  try:\n    1 / 0\n  except BaseException: pass", "exceeded the stat"),
    ("python", "while True:\n  try: pass\n  finally:\n    continue", "exceeded the statement"),
    ("python", "{x: 1 for x in iter(int, 1)}", "exceeded the statement limit (100000)"),
    ("python", "sorted([2, 1], key=lambda x: [0 for _ in iter(int, 1)])", "exceeded the statement"),
    ("python", "while True: print('x' * 10 ** 3)", "exceeded the statement limit (100000)"),
]


@pytest.mark.parametrize(("language", "source", "said"), HOSTILE)
async def test_a_hostile_script_ends_with_what_it_exceeded(
    shared: ScriptWorkers, language: str, source: str, said: str
) -> None:
    limits = SHORT if "timeout" in said else LONG
    with pytest.raises(ScriptError) as caught:
        await result(shared, language, source, limits)
    assert said in str(caught.value)
    assert await result(shared, language, "result = 1") == 1


async def test_a_regular_expression_of_python_cannot_take_for_ever(shared: ScriptWorkers) -> None:
    source = "import re\nresult = re.match('(a+)+$', 'a' * 40 + 'b') is None"
    assert await result(shared, "python", source, SHORT) is True


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_limit_is_the_number_of_statements(shared: ScriptWorkers, language: str) -> None:
    source = {
        "javascript": "let a = 0; for (let i = 0; i < 3; i++) { a++; a++; } result = a;",
        "python": "a = 0\nfor i in range(3):\n    a += 1\n    a += 1\nresult = a",
    }[language]
    # a, the loop, two in each of three rounds, and the result
    assert await result(shared, language, source, Limits(9, 5000)) == 6
    with pytest.raises(ScriptError, match=r"exceeded the statement limit \(8\)"):
        await result(shared, language, source, Limits(8, 5000))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_fifty_scripts_at_once_are_served_by_a_few_workers(
    shared: ScriptWorkers, language: str
) -> None:
    source = {"javascript": "result = context.n + 1", "python": "result = context['n'] + 1"}
    found = await asyncio.gather(
        *(result(shared, language, source[language], n=number) for number in range(50))
    )
    assert found == list(range(1, 51))
    assert 1 <= len(shared.processes) <= 2


async def test_the_event_loop_goes_on_while_scripts_run(workers: ScriptWorkers) -> None:
    loop = "import re\nwhile True: x = sum(range(10 ** 5))"
    await result(workers, "python", "result = 1")
    running = asyncio.gather(
        *(result(workers, "python", loop, Limits(10**9, 400)) for _ in range(2)),
        return_exceptions=True,
    )
    turns = 0
    while not running.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert all("exceeded the timeout limit (400 ms)" in str(each) for each in running.result())
    assert turns > 9  # about 80, where nothing else runs


async def started(workers: ScriptWorkers, language: str) -> tuple[asyncio.Task[Any], int]:
    """Begin a script that does not end; gives it with the process that it runs in."""
    await result(workers, language, "result = 1")
    (process,) = workers.processes
    loop = {"javascript": "for (;;);", "python": "while True: pass"}[language]
    task = asyncio.ensure_future(result(workers, language, loop, Limits(10**12, 30_000)))
    await asyncio.sleep(0.1)  # until it is at work
    return task, process


@linux
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_script_that_nobody_waits_for_is_stopped(
    workers: ScriptWorkers, language: str
) -> None:
    task, process = await started(workers, language)
    interpreters = children(process)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    for each in (process, *interpreters):
        await gone(each)
    assert await result(workers, language, "result = 2") == 2


@linux
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_worker_that_is_killed_is_replaced_and_its_caller_told(
    workers: ScriptWorkers, language: str
) -> None:
    task, process = await started(workers, language)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(ScriptError, match="failed: its process ended unexpectedly"):
        await task
    assert await result(workers, language, "result = 2") == 2


@linux
async def test_who_calls_and_leaves_at_once_makes_no_new_workers(workers: ScriptWorkers) -> None:
    await result(workers, "python", "result = 1")
    before = workers.processes
    for _ in range(10):
        task = asyncio.ensure_future(result(workers, "python", "result = 1"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert await result(workers, "python", "result = 2") == 2
    assert set(before) <= set(workers.processes)


@linux
async def test_a_worker_that_is_killed_while_it_waits_is_replaced(workers: ScriptWorkers) -> None:
    await result(workers, "python", "result = 1")
    (process,) = workers.processes
    os.kill(process, signal.SIGKILL)
    await gone(process)
    await asyncio.sleep(0.05)  # the end of its pipe has to arrive
    assert await result(workers, "python", "result = 2") == 2
    assert workers.processes != [process]


@linux
async def test_an_interpreter_that_is_killed_is_replaced(workers: ScriptWorkers) -> None:
    task, process = await started(workers, "python")
    for interpreter in children(process):
        os.kill(interpreter, signal.SIGKILL)
    with pytest.raises(ScriptError, match="ended the interpreter"):
        await task
    assert await result(workers, "python", "result = 2") == 2


@linux
async def test_a_worker_sees_no_environment_and_few_files(
    workers: ScriptWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "secret")
    ours = sockets(os.getpid())
    assert ours
    await result(workers, "python", "result = 1")
    (process,) = workers.processes
    for each in (process, *children(process)):
        assert b"secret" not in environment(each)
        assert not sockets(each) & ours


@linux
async def test_closing_ends_all_processes_also_those_at_work() -> None:
    workers = ScriptWorkers(2)
    task, process = await started(workers, "python")
    interpreters = children(process)
    await workers.aclose()
    with pytest.raises(ScriptError, match="ended unexpectedly"):
        await task
    await workers.aclose()
    for each in (process, *interpreters):
        await gone(each)


async def test_nothing_starts_before_the_first_script() -> None:
    workers = ScriptWorkers()
    assert workers.processes == []
    program("python", "result = 1")
    await workers.aclose()


async def test_who_waits_too_long_for_a_worker_is_told(workers: ScriptWorkers) -> None:
    await result(workers, "python", "result = 1")
    loop = program("python", "while True: pass")
    busy = [asyncio.ensure_future(workers.run(loop, Limits(10**12, 3000), b"{}")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(ScriptsBusy, match="no other script ended within 100 ms"):
        await result(workers, "python", "result = 1", Limits(10, 100))
    for each in busy:
        each.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    assert await result(workers, "python", "result = 1") == 1


async def test_a_context_that_is_too_long_is_refused(workers: ScriptWorkers) -> None:
    context = b'{"a": "' + b"x" * MOST_CONTEXT_BYTES + b'"}'
    with pytest.raises(ScriptError, match=r"has a context of 16\.0 MB; at most 16 MB"):
        await workers.run(program("python", "result = 1"), LONG, context)
    assert workers.processes == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_large_values_go_through(shared: ScriptWorkers, language: str) -> None:
    source = {"javascript": "result = context.a", "python": "result = context['a']"}[language]
    value = ["é" * 1000] * 1500
    assert await result(shared, language, source, a=value) == value


def test_the_pool_is_small() -> None:
    assert 2 <= room.MOST_WORKERS <= 4
