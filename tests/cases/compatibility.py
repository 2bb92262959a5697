"""docs/compatibility.md: what the language has, what the reference does with it, and what we do.

``make compatibility`` writes it of keywords.yaml, cases.yaml and the tests that are marked with
cases. No row is without a test; a test that is gone is an error.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cases.marks import NUMBERS, ROOT, Mark, functions, marks

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "compatibility.md"
VERSIONS = ("naftiko", "ikanos", "alpha1", "alpha2", "alpha3", "beta1", "beta4", "all")

INTRODUCTION = """\
# Compatibility

What documents of the language mean to this runtime, beside what the reference engine (Ikanos, in
Java) makes of them. `make compatibility` writes this page of the tests that prove it: each row
names them, and none is here without one.

Versions are those of the language that have the keyword: *all*; *naftiko* (1.0.0-alpha1 to alpha3,
the list form) or *ikanos* (1.0.0-alpha3 to beta5, the map form) alone; or from one on, such as
*naftiko alpha2+*, which all of ikanos follows. This runtime reads every keyword in every version,
and tells with `--strict` which one a version does not have.

What holds everywhere:

- What is wrong with a document is found when it is read, all of it at once, each with its place.
  A unit that cannot work is left out: its route answers 501, its tool is not listed, and the rest
  is served. The reference ends, or answers 400 or 500 to each call.
- Errors of ours are problem details (RFC 9457), not plain text.
- An upstream's error reaches the caller with its status and body, unmapped, from steps too.
- What is put into a URL, a JSON text, a form or XML is encoded for it.
- Templates have names and filters (`{{id}}`, `{{name | slug}}`). Sections and other parts of
  Mustache, which the reference has, are told with W-TEMPLATE.
"""


@dataclass(frozen=True)
class Case:
    """A conformance case; ``differs`` are the reasons of the tests that answer otherwise."""

    number: int
    area: str
    what: str
    marks: tuple[Mark, ...]

    @property
    def differs(self) -> list[str]:
        return list(dict.fromkeys(mark.differs for mark in self.marks if mark.differs))

    @property
    def verdict(self) -> str:
        if not self.differs:
            return "same"
        some = all(mark.differs for mark in self.marks)
        return f"{'differs' if some else 'same, but'}: {'; '.join(self.differs)}"


def cases() -> list[Case]:
    """Give all cases by number."""
    areas: dict[str, dict[int, str]] = yaml.safe_load((HERE / "cases.yaml").read_text("utf-8"))
    return [
        Case(number, area, what, tuple(mark for mark in marks() if mark.number == number))
        for area, lines in areas.items()
        for number, what in lines.items()
    ]


@dataclass(frozen=True)
class Keyword:
    """A keyword of the language; ``tests`` are names of tests and numbers of cases."""

    section: str
    keyword: str
    versions: str
    reference: str
    ours: str
    tests: tuple[str | int, ...]
    unknown: tuple[str, ...] = ()
    """What else the row says: most likely a comma without quotes around its text."""

    def problem(self) -> str:
        """Say what is wrong with the row; empty where nothing is."""
        empty = [n for n in ("versions", "reference", "ours", "tests") if not getattr(self, n)]
        gone = [t for t in self.tests if t not in NUMBERS and _named(t) not in functions()]
        wrong = [
            *(f"has no {name}" for name in empty),
            *(f"no test {test!r}" for test in gone),
            *(f"what is {key!r}?" for key in self.unknown),
        ]
        return f"{self.section}, {self.keyword}: {', '.join(wrong)}" if wrong else ""


def _named(test: str | int) -> str:
    """Give a test's whole name: in this folder it is written without."""
    text = str(test)
    return text if text.startswith("tests/") else f"tests/cases/{text}"


def keywords() -> list[Keyword]:
    """Give all rows of keywords.yaml."""
    sections: list[dict[str, Any]] = yaml.safe_load((HERE / "keywords.yaml").read_text("utf-8"))
    return [
        Keyword(
            section["section"],
            str(row["keyword"]),
            str(row.get("versions", section.get("versions", ""))),
            row.get("reference", ""),
            row.get("ours", ""),
            tuple(row.get("tests", section.get("tests", ()))),
            tuple(row.keys() - {"keyword", "versions", "reference", "ours", "tests"}),
        )
        for section in sections
        for row in section["rows"]
    ]


def page() -> str:
    """Write the page."""
    return "\n".join([INTRODUCTION, *_keywords(), *_cases()])


def _keywords() -> Iterator[str]:
    yield "## Keywords\n"
    section = ""
    for row in keywords():
        if row.section != section:
            yield f"{chr(10) if section else ''}### {row.section}\n"
            yield "| keyword | versions | the reference | here | tests |\n|---|---|---|---|---|"
            section = row.section
        proofs = ", ".join(_proof(test) for test in row.tests)
        yield _row(_code(row.keyword), row.versions, row.reference, row.ours, proofs)


def _cases() -> Iterator[str]:
    found = cases()
    same = sum(not case.differs for case in found)
    yield "\n## Conformance cases\n"
    yield (
        f"Of {len(found)} cases, {same} are answered as the reference answers them. The others say"
        " why not.\n"
    )
    area = ""
    for case in found:
        if case.area != area:
            yield f"{chr(10) if area else ''}### {case.area}\n"
            yield "| case | what | here | tests |\n|---|---|---|---|"
            area = case.area
        proofs = ", ".join(dict.fromkeys(_proof(mark.test) for mark in case.marks))
        yield _row(f'<a id="case-{case.number}"></a>{case.number}', case.what, case.verdict, proofs)
    yield ""


def _proof(test: str | int) -> str:
    if isinstance(test, int):
        return f"[case {test}](#case-{test})"
    file, _, name = _named(test).partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{file})"


def _code(keyword: str) -> str:
    return ", ".join(f"`{each.strip()}`" for each in keyword.split(","))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').strip() for cell in cells)} |"


def wrong() -> list[str]:
    """Say what keeps the page from being written."""
    found = [problem for row in keywords() if (problem := row.problem())]
    missing = sorted(set(NUMBERS) - {mark.number for mark in marks()})
    unknown = sorted({mark.number for mark in marks()} - set(NUMBERS))
    numbered = [case.number for case in cases()]
    return [
        *found,
        *(f"case {number} has no test" for number in missing),
        *(f"there is no case {number}" for number in unknown),
        *([] if numbered == list(NUMBERS) else ["cases.yaml has not each case once, in order"]),
    ]


def main() -> None:
    """Write the page."""
    if found := wrong():
        sys.exit("\n".join(found))
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
