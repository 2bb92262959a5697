"""Programs that count their statements do what they would do without, and say where they fail."""

import json
from collections.abc import AsyncIterator

import pytest

from naftiko_run.errors import ScriptError
from naftiko_run.scripts.job import Limits
from naftiko_run.scripts.program import compile_program
from naftiko_run.scripts.texts import ScriptSyntaxError, ScriptText
from naftiko_run.scripts.workers import ScriptWorkers

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[ScriptWorkers]:
    pool = ScriptWorkers(1)
    yield pool
    await pool.aclose()


async def run(workers: ScriptWorkers, language: str, *sources: str) -> object:
    texts = [ScriptText(f"f{n}", source) for n, source in enumerate(sources)]
    found = await workers.run(compile_program(language, texts), Limits(), b"{}")
    return json.loads(found) if found else None


JAVASCRIPT = [
    ("a = 1\nb = 2\nresult = [a, b]", [1, 2]),
    ("a = [1, 2]\nresult = a\n[1]", 2),
    ("a = 1\n++a\nresult = a", 2),
    ("if (0) result = 1; else if (1) result = 2; else result = 3", 2),
    ("if (1)\n  result = 1\nelse\n  result = 2", 1),
    ("for (var i = 0, s = ''; i < 3; i++) s += i\nresult = s", "012"),
    ("s = 0; for (const k in {a: 1, b: 2}) for (const v of [1, 2]) s += v; result = s", 6),
    ("i = 0\ndo i++\nwhile (i < 3)\nresult = i", 3),
    ("i = 0; do { i++ } while (i < 3) result = i", 3),
    ("outer: for (;;) { for (;;) break outer }\nresult = 1", 1),
    ("a: { b: { break a } }\nresult = 1", 1),
    ("switch (2) { case 1: result = 1; break; case 2: { result = 2 } default: result += 10 }", 12),
    ("switch (f) { default: } function f() {} result = 1", 1),
    ("result = f(); function f() { return 'hoisted' }", "hoisted"),
    ("function f() { 'use strict'; return this === undefined } result = f()", True),
    ("function f() { 'use strict' } f()\nresult = (() => { x = 1; return x })()", 1),
    ("'use strict'\nvar result = (function () { return this === undefined })()", True),
    ("result = (a => b => a + b)(1)(2)", 3),
    ("result = [1, 2].map(x => ({x}))", [{"x": 1}, {"x": 2}]),
    ("result = ((a, b = () => a) => b())(7)", 7),
    ("f = async () => 1; result = typeof f().then", "function"),
    ("function* g() { yield 1; yield* [2, 3] } result = [...g()]", [1, 2, 3]),
    (("class A { static n = 1; #p = 2; get p() { return this.#p } static { A.n++ } }\n"
     "result = [A.n, new A().p]"), [2, 2]),
    (("class A { constructor() { this.x = 1 } } class B extends A { constructor() { super() } }\n"
     "result = new B().x"), 1),
    ("try { throw 1 } catch { result = 2 } finally { result += 1 }", 3),
    ("try { null.x } catch ({message}) { result = message.length > 0 }", True),
    ("const {a, ...rest} = {a: 1, b: 2}; let [x = 5] = []; result = [a, rest, x]",
     [1, {"b": 2}, 5]),
    ("result = `a${(() => { return 1 })()}b`", "a1b"),
    ("result = /[/]\\/{1}/.test('//')", True),
    ("// comment only\n/* and */ result = 1 // end", 1),
    ("#!/usr/bin/env node\nresult = 1", 1),
    ("<!-- old\nresult = 1", 1),
    ("result = 1;;;", 1),
    (";(function () { result = 4 })()", 4),
    ("result = 'a\\\r\nb'", "ab"),
    ("var context = 3; result = context", 3),
    ("let result = { get a() { return 1 }, ['b' + 1]() { return 2 } }; result.b = result.b1()",
     {"a": 1, "b": 2}),
    ("x = 5; if (x) { } else { } while (x) x--\nresult = x", 0),
    ("var get = 1, of = 2, async = 3, let_ = 4\nasync\nresult = get + of + async", 6),
    ("result = (function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) })(10)", 55),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), JAVASCRIPT)
async def test_javascript_is_what_it_was(
    workers: ScriptWorkers, source: str, expected: object
) -> None:
    assert await run(workers, "javascript", source) == expected


PYTHON = [
    ("'''doc'''\nresult = 1", 1),
    ("x = 1; y = 2\nresult = [x, y]", [1, 2]),
    ("if 0: result = 1\nelif 1: result = 2\nelse: result = 3", 2),
    ("for i in range(3):\n    if i == 1: continue\n    result = i\nelse:\n    result += 10", 12),
    ("def f(*a, b=1, **c):\n    '''doc'''\n    return [list(a), b, c]\nresult = f(1, b=2, d=3)",
     [[1], 2, {"d": 3}]),
    ("n = 0\ndef f():\n    global n\n    n += 1\nf()\nresult = n", 1),
    (("def f():\n  n = 0\n  def g():\n    nonlocal n\n    n += 1\n  g()\n  return n\n"
     "result = f()"), 1),
    ("result = (lambda a, b=2: a + b)(1)", 3),
    ("result = [x + y for x in range(3) if x for y in range(2) if y]", [2, 3]),
    ("result = {k: v for k, v in {'a': 1}.items()}", {"a": 1}),
    ("result = sum(x for x in range(4))", 6),
    ("result = sorted({x % 2 for x in range(4)})", [0, 1]),
    ("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    result = str(error)\nfinally: pass",
     "division by zero"),
    (("class Point:\n    x = 1\n    def __init__(self, y):\n        self.y = y\n"
     "    def sum(self):\n        return self.x + self.y\nresult = Point(2).sum()"), 3),
    (("match {'a': 1}:\n    case {'a': x} if x > 5:\n        result = 0\n    case {'a': x}:\n"
     "        result = x"), 1),
    ("result = f\"{1 + 1:>3}|{'a'!r}|{2.5:.2f}\"", "  2|'a'|2.50"),
    ("x = '''two\nlines'''\nresult = x", "two\nlines"),
    ("from __future__ import annotations\nresult = 1", 1),
    ("import json, math, re\nresult = [json.dumps([1]), math.floor(1.5), re.sub('a', 'b', 'aa')]",
     ["[1]", 1, "bb"]),
    ("while (n := 1) < 1: pass\nresult = n", 1),
    ("result = 2 ** 100", 2**100),
    ("result = -7 // 2, -7 % 3, 7 / 2", [-4, 2, 3.5]),
    ("# only\n\nresult = 'é'", "é"),
    ("\tif True:\n\t\tresult = 1".replace("\t", "    ").lstrip(), 1),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), PYTHON)
async def test_python_is_what_it_was(workers: ScriptWorkers, source: str, expected: object) -> None:
    assert await run(workers, "python", source) == expected


@pytest.mark.parametrize(
    ("language", "sources", "file", "line"),
    [
        ("javascript", ["let a = 1", "\n\nnull.x"], "f1", 3),
        ("javascript", ["// no end of line", "null.x"], "f1", 1),
        ("javascript", ["/*\n\n*/ function f() {\n null.x }", "f()"], "f0", 4),
        ("python", ["a = '''\n\n'''\n", "\n\n1 / 0"], "f1", 3),
        ("python", ["def f():\n    # why\n\n    return 1 / 0\n", "f()"], "f0", 4),
        ("python", ["if 1:\n    x = [\n        1,\n    ]\n    1 / 0"], "f0", 5),
    ],
)
async def test_an_error_is_told_where_it_stands_in_its_file(
    workers: ScriptWorkers, language: str, sources: list[str], file: str, line: int
) -> None:
    with pytest.raises(ScriptError) as caught:
        await run(workers, language, *sources)
    assert (caught.value.file, caught.value.line) == (file, line)


@pytest.mark.parametrize(
    ("language", "source", "place"),
    [
        ("javascript", "a = 1;\n  b = (;", (2, 5)),
        ("javascript", "function f() {", (1, 15)),
        ("javascript", "export default 1", (1, 1)),
        ("javascript", "a = {}\nif (a) with (a) b = 1", (2, 8)),
        ("python", "a = 1\n  b = 2", (2, 2)),
        ("python", "a = \0", (1, 1)),
        ("python", "(" * 500 + ")" * 500, (1, 201)),
        ("python", "x = " + "-" * 3000 + "1", (1, 1)),
        ("python", "x = " + "+".join(["1"] * 500), (1, 1)),
    ],
)
def test_what_is_not_the_language_is_told_with_its_place(
    language: str, source: str, place: tuple[int, int]
) -> None:
    with pytest.raises(ScriptSyntaxError) as caught:
        compile_program(language, [ScriptText("main", source)])
    line, column = place
    assert str(caught.value).startswith(f"main:{line}:{column}: ")


def test_no_two_programs_call_their_counter_the_same() -> None:
    first, second = (compile_program("python", [ScriptText("a", "x = 1")]) for _ in range(2))
    assert first.names.tick != second.names.tick
    assert first.names.tick in first.source
