"""Findings as text, JSON, SARIF and GitHub commands."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from naftiko_run.codes import CODES
from naftiko_run.findings import Finding, Severity
from naftiko_run.loading.report import FORMATS, render, safe, wants_colour

CASES = Path(__file__).parent / "cases"

CALL = Finding(
    code="E-CALL-OPERATION",
    severity=Severity.ERROR,
    message="no operation 'lst' in 'ships'",
    fix="did you mean 'ships.list'?",
    file="specs/ships.yaml",
    line=13,
    column=17,
    path=("capability", "exposes", 0, "tools", 0, "call"),
    source_line="          call: ships.lst",
    width=9,
)
KEY = Finding(
    code="W-KEY-UNKNOWN",
    severity=Severity.WARNING,
    message="unknown key 'descripton'",
    file="specs/ships.yaml",
    line=2,
    column=1,
    path=("descripton",),
    source_line="descripton: x",
    width=10,
)
FILE = Finding(
    code="E-FILE",
    severity=Severity.ERROR,
    message="the file cannot be read: it is empty",
    fix="name a YAML file",
    file="/specs/none.yaml",
)
UNSET = Finding(
    code="I-VAR-UNSET",
    severity=Severity.NOTICE,
    message="variable 'TOKEN' has no value",
    file="specs/ships.yaml",
    line=4,
    column=3,
    source_line="  TOKEN: TOKEN",
    width=5,
)
FILES = ["specs/ships.yaml", "/specs/none.yaml", "fine.yaml"]

TEXT = """\
specs/ships.yaml:13:17: error E-CALL-OPERATION: no operation 'lst' in 'ships'
  13 |           call: ships.lst
     |                 ^~~~~~~~~
  at capability.exposes[0].tools[0].call
  fix: did you mean 'ships.list'?

specs/ships.yaml:2:1: warning W-KEY-UNKNOWN: unknown key 'descripton'
  2 | descripton: x
    | ^~~~~~~~~~
  at descripton

/specs/none.yaml: error E-FILE: the file cannot be read: it is empty
  fix: name a YAML file

specs/ships.yaml:4:3: notice I-VAR-UNSET: variable 'TOKEN' has no value
  4 |   TOKEN: TOKEN
    |   ^~~~~

3 files: 2 errors, 1 warning, 1 notice
"""


def test_text_shows_the_line_the_place_and_what_to_do() -> None:
    assert render([CALL, KEY, FILE, UNSET], FILES, "text") == TEXT


def test_text_without_findings_is_a_summary() -> None:
    assert render([], ["a.yaml"], "text") == "1 file: no problems\n"
    assert render([], [], "text") == "0 files: no problems\n"


def test_colours_change_nothing_but_colours() -> None:
    coloured = render([CALL, KEY, FILE, UNSET], FILES, "text", colour=True)
    assert "\x1b[1;31merror E-CALL-OPERATION\x1b[0m" in coloured
    assert "\x1b[1;33m^~~~~~~~~~\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == TEXT


class Terminal:
    def __init__(self, answer: bool) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return self.answer


@pytest.mark.parametrize(
    ("terminal", "environ", "expect"),
    [
        (True, {}, True),
        (True, {"TERM": "xterm"}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals(terminal: bool, environ: dict[str, str], expect: bool) -> None:
    assert wants_colour(Terminal(terminal), environ) is expect


def about(source_line: str, column: int, width: int) -> Finding:
    return Finding(
        code="E-YAML",
        severity=Severity.ERROR,
        message="m",
        file="f",
        line=1,
        column=column,
        source_line=source_line,
        width=width,
    )


def excerpt(finding: Finding) -> list[str]:
    return render([finding], ["f"], "text").splitlines()[1:3]


@pytest.mark.parametrize(
    ("line", "column", "width", "expect"),
    [
        ("a\tb: 1", 3, 1, ["  1 | a b: 1", "    |   ^"]),
        ("é: x", 4, 1, ["  1 | é: x", "    |    ^"]),
        ("e\u0301: x", 5, 1, ["  1 | e\u0301: x", "    |    ^"]),
        ("海上: 道路", 5, 2, ["  1 | 海上: 道路", "    |       ^~~~"]),
        ("a: b\x07c", 4, 3, ["  1 | a: b\\x07c", "    |    ^~~~~~"]),
        ("a:", 3, 1, ["  1 | a:", "    |   ^"]),
        (
            "x" * 300 + "HERE" + "y" * 300,
            301,
            4,
            [
                "  1 | …" + "x" * 33 + "HERE" + "y" * 63 + "…",
                "    | " + " " * 34 + "^~~~",
            ],
        ),
        ("HERE" + "y" * 300, 1, 200, ["  1 | HERE" + "y" * 96 + "…", "    | ^" + "~" * 99]),
        ("x" * 120 + "HERE", 121, 4, ["  1 | …" + "x" * 33 + "HERE", "    | " + " " * 34 + "^~~~"]),
    ],
)
def test_the_mark_is_under_what_is_meant(
    line: str, column: int, width: int, expect: list[str]
) -> None:
    assert excerpt(about(line, column, width)) == expect


def test_a_line_of_ten_megabytes_is_cut() -> None:
    text = render([about("x" * 10_000_000, 5_000_000, 3_000_000)], ["f"], "text")
    assert len(text) < 400
    assert len(render([about("x" * 10_000_000, 5_000_000, 9)], ["f"], "json")) < 3000


EVIL = "\x1b]0;owned\x07\x9b31m\r\n::error::x\u202etxt\u200b\x00"


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_acts_on_a_terminal(form: str) -> None:
    finding = Finding(
        code="W-KEY-UNKNOWN",
        severity=Severity.WARNING,
        message=EVIL,
        fix=EVIL,
        file=f"{EVIL}.yaml",
        line=1,
        column=3,
        path=(EVIL,),
        source_line=EVIL,
        width=4,
    )
    text = render([finding], [f"{EVIL}.yaml"], form)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]", text)
    assert "\n::error::x" not in text


def test_what_is_unsafe_is_shown_as_its_code_point() -> None:
    assert safe("a\x1b[31m\u202eb\ud800 é 海") == "a\\x1b[31m\\u202eb\\ud800 é 海"


def test_json_has_the_documented_shape() -> None:
    assert json.loads(render([CALL, FILE], FILES, "json")) == {
        "version": 1,
        "summary": {"files": 3, "errors": 2, "warnings": 0, "notices": 0},
        "files": FILES,
        "findings": [
            {
                "code": "E-CALL-OPERATION",
                "severity": "error",
                "message": "no operation 'lst' in 'ships'",
                "fix": "did you mean 'ships.list'?",
                "file": "specs/ships.yaml",
                "line": 13,
                "column": 17,
                "width": 9,
                "path": ["capability", "exposes", 0, "tools", 0, "call"],
                "pointer": "capability.exposes[0].tools[0].call",
                "source": "          call: ships.lst",
            },
            {
                "code": "E-FILE",
                "severity": "error",
                "message": "the file cannot be read: it is empty",
                "fix": "name a YAML file",
                "file": "/specs/none.yaml",
                "line": 0,
                "column": 0,
                "width": 1,
                "path": [],
                "pointer": "",
                "source": "",
            },
        ],
    }


def test_json_has_every_documented_member() -> None:
    page = Path(__file__).parents[2] / "docs" / "diagnostics.md"
    written = page.read_text(encoding="utf-8")
    report = json.loads(render([CALL], FILES, "json"))
    for member in {*report, *report["summary"], *report["findings"][0]}:
        assert f"`{member}`" in written or f"[].{member}`" in written, member


def sarif(findings: list[Finding]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(render(findings, FILES, "sarif"))
    return report


def test_sarif_has_the_published_shape() -> None:
    shape = yaml.safe_load((CASES / "sarif.yaml").read_text(encoding="utf-8"))
    validator = jsonschema_rs.Draft202012Validator(shape, validate_formats=True)
    for findings in ([], [CALL, KEY, FILE, UNSET], [about("x" * 5000, 2500, 9)]):
        errors = [error.message for error in validator.iter_errors(sarif(findings))]
        assert errors == []


def test_sarif_describes_every_code_and_points_at_it() -> None:
    (run,) = sarif([CALL, KEY, FILE, UNSET])["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "error", "note"]
    assert run["results"][0]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "specs/ships.yaml"},
                "region": {
                    "startLine": 13,
                    "startColumn": 17,
                    "endColumn": 26,
                    "snippet": {"text": "          call: ships.lst"},
                },
            },
            "logicalLocations": [{"fullyQualifiedName": "capability.exposes[0].tools[0].call"}],
        }
    ]
    assert run["results"][2]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "file:///specs/none.yaml"}}}
    ]


def test_sarif_names_files_by_uris() -> None:
    report = json.loads(render([], ["a b/ü:%.yaml", "c:d.yaml", "/x y.yaml"], "sarif"))
    uris = [each["location"]["uri"] for each in report["runs"][0]["artifacts"]]
    assert uris == ["a%20b/%C3%BC%3A%25.yaml", "c%3Ad.yaml", "file:///x%20y.yaml"]


def test_github_commands_are_escaped() -> None:
    odd = Finding(
        code="W-SCHEMA",
        severity=Severity.WARNING,
        message="100% wrong: a, b",
        file="a,b:c%.yaml",
        line=1,
        column=2,
        width=3,
    )
    assert render([CALL, odd, FILE, UNSET], FILES, "github") == (
        "::error file=specs/ships.yaml,line=13,col=17,endColumn=25,title=E-CALL-OPERATION"
        "::capability.exposes[0].tools[0].call: no operation 'lst' in 'ships'"
        " (did you mean 'ships.list'?)\n"
        "::warning file=a%2Cb%3Ac%25.yaml,line=1,col=2,endColumn=4,title=W-SCHEMA"
        "::100%25 wrong: a, b\n"
        "::error file=/specs/none.yaml,title=E-FILE"
        "::the file cannot be read: it is empty (name a YAML file)\n"
        "::notice file=specs/ships.yaml,line=4,col=3,endColumn=7,title=I-VAR-UNSET"
        "::variable 'TOKEN' has no value\n"
    )
    assert render([], FILES, "github") == ""


def test_a_code_that_is_not_in_the_table_is_reported_all_the_same() -> None:
    unknown = Finding(code="E-NEW", severity=Severity.ERROR, message="m", file="f")
    for form in FORMATS:
        assert "E-NEW" in render([unknown], ["f"], form)
    assert "ruleIndex" not in sarif([unknown])["runs"][0]["results"][0]
