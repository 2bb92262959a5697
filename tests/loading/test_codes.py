"""The table of codes is complete: in the code, in the documentation, in the corpus's list.

Run as a program, this writes the table into the documentation.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from naftiko_run.codes import CODES, GROUPS, Code
from naftiko_run.findings import Severity

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "diagnostics.md"
MARK = "written by tests/loading/test_codes.py. -->\n"
CODE = re.compile(r"[EWI]-[A-Z]+(?:-[A-Z]+)*")

NOT_YET_GIVEN = {"E-UNSUPPORTED"}
"""Codes that may be missing from the source: kept for what is to come, or for what was."""


def given() -> Iterator[tuple[str, str]]:
    """Find every text in the source that is written like a code, and where."""
    for file in sorted((ROOT / "src").rglob("*.py")):
        if file.name == "codes.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and CODE.fullmatch(node.value)
            ):
                yield node.value, f"{file.relative_to(ROOT)}:{node.lineno}"


def page() -> str:
    """Write the table as the documentation has it."""
    parts = []
    for group, codes in GROUPS.items():
        parts.append(f"## {group}\n")
        parts += [section(code) for code in codes]
    return "\n" + "\n".join(parts)


def section(code: Code) -> str:
    shell = code.example.startswith("naftiko-run ")
    fence = f"```{'' if shell else 'yaml'}\n{code.example}\n```"
    return (
        f"### {code.code}\n\n{code.title}. {code.meaning}\n\n*What to do:* {code.fix}\n\n{fence}\n"
    )


def test_every_code_in_the_source_is_in_the_table() -> None:
    assert [(code, where) for code, where in given() if code not in CODES] == []


def test_every_code_of_the_table_is_in_the_source() -> None:
    assert set(CODES) - {code for code, _ in given()} <= NOT_YET_GIVEN


def test_every_code_that_the_corpus_expects_is_in_the_table() -> None:
    listed = (ROOT / "tests" / "corpus" / "CODES.md").read_text(encoding="utf-8")
    expected = re.findall(r"^\| ([EWI]-[A-Z-]+)", listed, re.MULTILINE)
    assert len(expected) > 40
    assert [code for code in expected if code not in CODES] == []


def test_the_documentation_is_the_table() -> None:
    head, mark, written = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark
    assert not CODE.findall(re.sub(r"(?s)```.*?```", "", head))
    assert written == page(), f"run: python {Path(__file__).relative_to(ROOT)}"


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_a_row_is_whole_sentences(code: Code) -> None:
    assert CODE.fullmatch(code.code)
    assert code.severity is Severity({"E": "error", "W": "warning", "I": "notice"}[code.code[0]])
    assert not code.title.endswith(".")
    assert code.meaning.endswith(".")
    assert code.fix.endswith(".")
    assert code.example


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_an_example_is_yaml_except_where_it_is_about_that(code: Code) -> None:
    if code.code in ("E-FILE", "E-YAML", "E-TRUNCATED"):
        return
    assert isinstance(yaml.safe_load(code.example), dict)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.partition(MARK)[0] + MARK + page(), encoding="utf-8")
