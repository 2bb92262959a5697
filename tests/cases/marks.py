"""Which tests say that they are a conformance case: read from their source, so that all are seen.

A run collects what it was asked for; the source has every test. What is read here is held against
what is collected by test_compatibility.py.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NUMBERS = range(1, 104)
"""The conformance cases of the language, by number."""


@dataclass(frozen=True, order=True)
class Mark:
    """A test that is a case; ``differs`` says why it answers otherwise than the reference."""

    number: int
    test: str
    """As pytest names it, without parameters: ``tests/cases/test_mcp.py::test_name``."""

    differs: str = ""


@cache
def functions() -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give every test function by its name."""
    return {
        f"{file.relative_to(ROOT).as_posix()}::{node.name}": node
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


@cache
def marks() -> tuple[Mark, ...]:
    """Give every mark, by number and test.

    Raises:
        ValueError: a mark is not written out in a decorator of its test.
    """
    found = [mark for test, node in functions().items() for mark in _of(test, node)]
    return tuple(sorted(set(found)))


def _of(test: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mark]:
    for decorator in node.decorator_list:
        for each in ast.walk(decorator):
            if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.case":
                yield from _read(test, each)


def _read(test: str, call: ast.Call) -> Iterator[Mark]:
    try:
        numbers = [ast.literal_eval(each) for each in call.args]
        keywords = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    except ValueError as error:
        raise ValueError(f"{test}: write the case's number and reason out") from error
    if not numbers or keywords.keys() - {"differs"}:
        raise ValueError(f"{test}: write pytest.mark.case(NUMBER, differs=REASON)")
    for number in numbers:
        yield Mark(number, test, keywords.get("differs") or "")
