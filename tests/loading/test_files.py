"""From bytes to data and positions: what is read, what is refused and in which words."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from naftiko_run.errors import DocumentError
from naftiko_run.findings import DocPath, Finding, Severity
from naftiko_run.loading.events import Take, events
from naftiko_run.loading.files import DEFAULT, Source, parse, read
from naftiko_run.types import Json

CASES = Path(__file__).parent / "cases"
FILE = Path("/specs/ships.yaml")


def pure(text: str) -> Take:
    return events(text, pure=True)


PARSERS = pytest.mark.parametrize("parser", [events, pure], ids=["libyaml", "pure"])


def source(text: str | bytes) -> Source:
    return parse(text if isinstance(text, bytes) else text.encode(), "ships.yaml", FILE)


def located(where: Source, path: DocPath, *, key: bool = False) -> tuple[int, int]:
    """Give the line and the column that a finding about a value or its key shows."""
    finding = where.finding("W-SCHEMA", "m", path=path, key=key)
    return finding.line, finding.column


def refused(content: str | bytes, parser: Callable[[str], Take] = events) -> tuple[Finding, ...]:
    content = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(DocumentError) as caught:
        parse(content, "ships.yaml", FILE, parser=parser)
    return caught.value.findings


def told(finding: Finding) -> str:
    where = f"{finding.line}:{finding.column}+{finding.width}"
    fix = f" | {finding.fix}" if finding.fix else ""
    return f"{where} {finding.code} [{finding.pointer}] {finding.message}{fix}"


def cases(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return loaded


# ------------------------------------------------------------------------------------- faults


@PARSERS
@pytest.mark.parametrize("case", cases("syntax.yaml"), ids=lambda case: case["name"])
def test_a_fault_is_told_in_a_sentence(case: dict[str, Any], parser: Callable[[str], Take]) -> None:
    expect = case.get("pure", case["expect"]) if parser is pure else case["expect"]
    if expect is None:
        pytest.skip("PyYAML's own parser is more tolerant here")
    assert [told(each) for each in refused(case["document"], parser)] == expect


def test_a_finding_shows_the_line_and_where_the_file_is() -> None:
    assert refused("a: 1\r\nb: @me\r\n") == (
        Finding(
            code="E-YAML",
            severity=Severity.ERROR,
            message="a value cannot begin with '@'",
            fix='quote it: "@me"',
            file="ships.yaml",
            line=2,
            column=4,
            source_line="b: @me",
            width=3,
        ),
    )


def test_what_a_message_repeats_is_cut() -> None:
    for text in ("!" * 9000, "a: *" + "b" * 9000, "'" + "k" * 900 + "': 1\n'" + "k" * 900 + "': 2"):
        for finding in refused(text):
            assert len(finding.message) < 300, finding.message
            assert len(finding.fix) < 300, finding.fix


def test_faults_that_can_be_passed_over_are_told_together_but_not_endlessly() -> None:
    assert len(refused("a: {x: 1, x: 2}\nb: [{y: 1, y: 2}]\nb: 3\n")) == 3
    assert len(refused("a: 1\n" * 10_000)) == 51


# -------------------------------------------------------------------------------------- values


@PARSERS
@pytest.mark.parametrize("case", cases("scalars.yaml"), ids=lambda case: case["text"])
def test_plain_texts_have_the_types_of_yaml_1_2(
    case: dict[str, Any], parser: Callable[[str], Take]
) -> None:
    if case.get("quoted"):
        pytest.skip("stands for a list item when it is alone")
    content = f"value: {case['text']}\n".encode()
    data = parse(content, "a.yaml", FILE, parser=parser).data
    expect = json.loads(case["json"])
    assert data == {"value": expect}
    assert isinstance(data, dict)
    assert type(data["value"]) is type(expect)


def test_keys_are_texts_as_they_are_written() -> None:
    data = source("true: a\n012: b\n~: c\n2026-05-03: d\n1.0: e\n'x': f\n").data
    assert data == {
        "true": "a",
        "012": "b",
        "~": "c",
        "2026-05-03": "d",
        "1.0": "e",
        "x": "f",
    }


def test_an_alias_stands_for_what_it_names() -> None:
    data = source("a: &x {b: 1}\nc: *x\nd: [*x, *x]\n&k e: f\ng: *k\nh: {*k : 1}\n").data
    assert data == {
        "a": {"b": 1},
        "c": {"b": 1},
        "d": [{"b": 1}, {"b": 1}],
        "e": "f",
        "g": "e",
        "h": {"e": 1},
    }


def test_merged_keys_give_way_to_own_ones_and_to_earlier_merged_ones() -> None:
    text = """
a: &a {x: 1, y: 1}
b: &b {y: 2, z: 2}
c: {<<: *a, y: 3}
d: {<<: [*a, *b], w: 4}
e: {w: 5, <<: {<<: *b, y: 6}}
f: {"<<": text}
"""
    data = source(text).data
    assert isinstance(data, dict)
    assert data["c"] == {"x": 1, "y": 3}
    assert data["d"] == {"x": 1, "y": 1, "z": 2, "w": 4}
    assert data["e"] == {"y": 6, "z": 2, "w": 5}
    assert data["f"] == {"<<": "text"}
    assert data["a"] == {"x": 1, "y": 1}


def test_line_breaks_of_yaml_1_1_are_ordinary_characters() -> None:
    text = 'a: x\u2028b\nc: "\u2029"\nd\x85: \ue000\n'
    assert source(text).data == {"a": "x\u2028b", "c": "\u2029", "d\x85": "\ue000"}
    (finding,) = refused("a: x\x85b: 2\n")
    assert (finding.line, finding.column, finding.width) == (1, 4, 6)
    assert finding.fix == 'quote it: a: "x\x85b: 2"'


@pytest.mark.parametrize(
    "encoding",
    [
        *["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"],
        *["utf-32", "utf-32-le", "utf-32-be"],
    ],
)
def test_encodings_of_yaml_are_read(encoding: str) -> None:
    read_back = source("name: \u9053 \U0001f6a2\n".encode(encoding))
    assert read_back.data == {"name": "\u9053 \U0001f6a2"}
    assert located(read_back, ("name",)) == (1, 7)


@pytest.mark.parametrize(
    ("content", "expect"),
    [
        (
            b"a: 1\nb: caf\xe9 x\n",
            "2:7+1 E-FILE [] the byte 0xE9 is not UTF-8 | save the file as UTF-8",
        ),
        (
            b"\xff\xfea\x00:\x00\x00\xd8",
            "1:3+1 E-FILE [] the byte 0x00 is not UTF-16-LE | save the file as UTF-8",
        ),
        (bytes(range(256)), "1:1+1 E-FILE [] this is not a text file | name a YAML file"),
        (
            b"\x7fELF\x02\x01\x01\x00\x00\x80",
            "1:8+1 E-FILE [] this is not a text file | name a YAML file",
        ),
        (
            b"a: \xed\xa0\xbd\n",
            "1:4+1 E-FILE [] the byte 0xED is not UTF-8 | save the file as UTF-8",
        ),
        (
            b"a: \x7f\n",
            (
                "1:4+1 E-FILE [] the character U+007F is not allowed"
                " | remove it, or write it as an escape in double quotes"
            ),
        ),
    ],
)
def test_what_is_not_text_is_refused_with_its_place(content: bytes, expect: str) -> None:
    assert [told(finding) for finding in refused(content)] == [expect]


_texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=20)
_json: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=20,
)


@given(_json, st.sampled_from([None, 2]))
def test_json_is_yaml(value: Json, indent: int | None) -> None:
    text = json.dumps([value], ensure_ascii=False, indent=indent)
    assert source(text).data == [value]


@given(_json, st.booleans())
def test_what_yaml_writes_is_read_back(value: Json, flow: bool) -> None:
    text = yaml.safe_dump([value], default_flow_style=flow, allow_unicode=True)
    assert source(text).data == [value]


TOKENS = ["a", "b: ", "- ", "? ", "\n", "\n  ", "\n    ", "\r", "\t", " ", "[", "]", "{", "}", ", "]
TOKENS += ["&x ", "*x", "!", "!!str ", "!<", ">", "|", "%ff", "%41", '"', "'", "\\", "\\U", "\\x"]
TOKENS += [
    "FFFFFFFF",
    "\\ud83d",
    "0",
    "9",
    "-",
    "+",
    "#",
    "%YAML 1.",
    "%TAG ! ",
    "\n---\n",
    "\n...\n",
]
TOKENS += ["{{", "}}", "<<: ", "\u2028", "\x85", "\ufeff", "é", "~", '"a": ', ".inf", "0x"]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(TOKENS), max_size=25).map("".join))
def test_every_text_is_read_or_refused(text: str) -> None:
    for parser in (events, pure):
        try:
            parsed = parse(text.encode(), "a.yaml", FILE, parser=parser)
        except DocumentError:
            continue
        for path in paths(parsed.data):
            assert located(parsed, path) >= (1, 1)
            assert parsed.finding("W-SCHEMA", "m", path=path, key=True).line


@given(st.binary(max_size=60))
def test_all_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(DocumentError):
        source(content)


# ----------------------------------------------------------------------------------- positions


def paths(value: Json, path: DocPath = ()) -> Iterator[DocPath]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


DOCUMENT = """\
base: &b {x: 1, "y z": 2}
d:
  <<: *b
  y: 3
e: {<<: [{q: 0}, *b], z: 9}
f: *b
? key
: value
g:
- a
-
- "q": |
    text
  r:
- - deep
"""


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("base",), (1, 7), (1, 1)),
        (("base", "y z"), (1, 24), (1, 17)),
        (("d", "y"), (4, 6), (4, 3)),
        (("key",), (8, 3), (7, 3)),
        (("g", 0), (10, 3), (10, 3)),
        (("g", 2, "q"), (12, 8), (12, 3)),
        (("g", 3, 0), (15, 5), (15, 5)),
        # through aliases and merges, where the text stands
        (("d", "x"), (1, 14), (1, 11)),
        (("e", "q"), (5, 14), (5, 11)),
        (("e", "x"), (1, 14), (1, 11)),
        (("f", "y z"), (1, 24), (1, 17)),
        # an empty value is shown at its key
        (("g", 2, "r"), (14, 3), (14, 3)),
        # what is not there, at the nearest key that is
        (("nope",), (1, 1), (1, 1)),
        (("d", "nope", 3), (2, 1), (2, 1)),
        (("g", 9), (9, 1), (9, 1)),
        (("g", 3, 7), (15, 3), (15, 3)),
        (("base", "x", "deeper"), (1, 11), (1, 11)),
    ],
)
def test_values_and_keys_are_located(
    path: DocPath, value: tuple[int, int], key: tuple[int, int]
) -> None:
    read_back = source(DOCUMENT)
    assert located(read_back, path) == value
    assert located(read_back, path, key=True) == key


@given(st.lists(_json, max_size=3), st.sampled_from([None, 1]))
def test_every_value_of_a_json_text_is_located(value: list[Json], indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    read_back = source(text)
    for path in paths(read_back.data):
        line, column = located(read_back, path)
        at: Any = read_back.data
        for part in path:
            at = at[part]
        written = json.dumps(at, ensure_ascii=False, indent=indent).splitlines()[0][:20]
        # Separators of YAML 1.1 do not end a line here.
        assert text.split("\n")[line - 1][column - 1 :].startswith(written.split("\n")[0][:20])


def test_a_finding_spans_its_value_on_the_first_line() -> None:
    read_back = source("a:\n  b: 'some text'  # why\n  c:\n    - one\n    - two\n")
    path: DocPath = ("a", "b")
    assert read_back.finding("W-SCHEMA", "m", "f", path=path, severity=Severity.WARNING) == Finding(
        code="W-SCHEMA",
        severity=Severity.WARNING,
        message="m",
        fix="f",
        file="ships.yaml",
        line=2,
        column=6,
        path=path,
        source_line="  b: 'some text'  # why",
        width=11,
    )
    assert read_back.finding("E-TYPE", "m", path=("a", "c"), key=True).width == 1
    assert read_back.finding("E-TYPE", "m", path=("a", "c")).width == len("- one")


def test_lines_are_numbered_from_one() -> None:
    read_back = source("a: 1\r\nb: 2\rc: 3\n\n")
    assert [read_back.line(n) for n in range(7)] == ["", "a: 1", "b: 2", "c: 3", "", "", ""]
    assert located(read_back, ("c",)) == (3, 4)


# --------------------------------------------------------------------------------- cut copies


TRAILER = """
# --- truncated at 32 KB (45 KB total) ---
# Full source: https://example.com/full.yaml
"""


def test_a_cut_copy_that_parses_carries_a_warning() -> None:
    read_back = source("a: 1\n" + TRAILER)
    assert read_back.data == {"a": 1}
    assert str(read_back.cut) == "a copy that was cut: 32 of 45 KB"
    (note,) = read_back.notes
    assert told(note) == (
        "3:1+28 W-TRUNCATED [] a copy that was cut: 32 of 45 KB; what was cut off is not served"
        " | get the full source: https://example.com/full.yaml"
    )
    assert note.severity is Severity.WARNING
    assert read_back.cut_finding(Severity.ERROR).code == "E-TRUNCATED"


def test_a_file_that_only_talks_of_trailers_is_whole() -> None:
    assert source(f"a: 1\n{TRAILER}#{'b' * 3000}\n").notes == ()
    assert source("a: '# --- truncated at 32 KB (45 KB total) ---'\n").cut is None
    assert source("a: 1\n").notes == ()


# ---------------------------------------------------------------------------------------- disk


def unreadable(path: Path | str) -> str:
    with pytest.raises(DocumentError) as caught:
        read(path, file="ships.yaml")
    (finding,) = caught.value.findings
    assert (finding.code, finding.line) == ("E-FILE", 0)
    return f"{finding.message} | {finding.fix}"


def test_a_file_is_read_with_its_name_and_its_place(tmp_path: Path) -> None:
    path = tmp_path / "ships.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    read_back = read(link)
    assert (read_back.data, read_back.file) == ({"a": 1}, str(link))
    assert read_back.path == path.resolve()
    assert repr(read(path, file="x.yaml")) == "Source(x.yaml)"


def test_what_is_no_ordinary_file_is_not_even_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opening it would wait for a writer
    listener = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listener))
        no_file = "the file cannot be read: it is not an ordinary file but a device, a pipe or "
        no_file += "a socket | name a YAML file"
        assert [unreadable(each) for each in (pipe, "/dev/zero", listener)] == [no_file] * 3
    assert unreadable(tmp_path) == "the file cannot be read: it is a folder | name a YAML file"


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    missing = "the file cannot be read: no such file or directory | check the name and the folder"
    assert unreadable(tmp_path / "none.yaml") == missing
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "symbolic links" in unreadable(loop)
    assert "file name too long" in unreadable("a" * 5000)
    assert "null byte" in unreadable("a\0b")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("a: 1", encoding="utf-8")
    path.chmod(0)
    assert unreadable(path) == (
        "the file cannot be read: permission denied | allow this user to read it"
    )


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    started = time.process_time()
    assert unreadable(path) == (
        "the file cannot be read: it has 50.0 MB; at most 10 MB are read | name a YAML file"
    )
    assert time.process_time() - started < 0.1


def test_reading_goes_through_the_seam() -> None:
    asked: list[tuple[Path, int]] = []

    def read_bytes(path: Path, most: int) -> bytes:
        asked.append((path, most))
        return b"a: 1"

    assert read("x.yaml", read_bytes=read_bytes).data == {"a": 1}
    assert asked == [(Path("x.yaml"), DEFAULT.size)]


# -------------------------------------------------------------------------------------- limits


def layers(count: int, line: str) -> str:
    names = [line.format(n=n, refs=",".join([f"*a{n - 1}"] * 9)) for n in range(1, count)]
    return "\n".join(["a0: &a0 {k0: 1}", *names])


HOSTILE = {
    "brackets": "[" * 5000,
    "brackets that are closed": "[" * 5000 + "]" * 5000,
    "dashes": "- " * 5000,
    "a stair": "\n".join(" " * n + "a:" for n in range(3000)),
    "braces": "{a: " * 5000,
    "an alias bomb": layers(20, "a{n}: &a{n} [{refs}]"),
    "a merge bomb": layers(20, "a{n}: &a{n}\n  <<: [{refs}]\n  k{n}: 1"),
    "a loop of aliases": "a: &a [*b]\nb: &b [*a]\n",
    "many values": "[" + "1," * 1_500_000 + "]",
    "many lists": "[" + "[]," * 1_500_000 + "]",
    "many keys": "\n".join(f"k{n}: v" for n in range(600_000)),
    "equal keys": "a: 1\n" * 1_000_000,
    "quotes": '"' * 9_000_000,
    "question marks": "? " * 4_000_000,
    "exclamation marks": "!" * 9_000_000,
    "anchors": "&a " * 3_000_000,
    "directives": "%a\n" * 3_000_000,
    "documents": "---\n" * 2_000_000,
    "long numbers": "a: " + "9" * 5000,
    "a wide and deep list": "[a, " * 90 + "a," * 3_000_000,
}
FREE = {
    "a long text": 'a: "' + "x" * 9_000_000 + '"',
    "a long line": "a" * 9_000_000,
    "a long block": "a: |\n" + " x\n" * 3_000_000,
    "blank lines": "a: 1" + " \n" * 4_000_000,
    "a long comment": "a: 1 #" + "#" * 9_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_time(name: str) -> None:
    started = time.process_time()
    findings = refused(HOSTILE[name])
    assert time.process_time() - started < 10
    assert {finding.code for finding in findings} == {"E-YAML"}
    assert all(len(finding.message) < 300 for finding in findings)


@pytest.mark.parametrize("name", FREE)
def test_a_large_file_is_read_in_time(name: str) -> None:
    started = time.process_time()
    source(FREE[name])
    assert time.process_time() - started < 5


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("name", ["many lists", "many keys", "a merge bomb"])
def test_a_hostile_file_is_refused_within_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_text(HOSTILE[name], encoding="utf-8")
    program = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (800 << 20, 800 << 20))
from naftiko_run.errors import DocumentError
from naftiko_run.loading.files import read
try:
    read({str(path)!r})
except DocumentError as error:
    print(error.findings[0].code)
"""
    done = run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("E-YAML\n", "")


def test_limits_are_exact() -> None:
    small = replace(DEFAULT, nodes=4, alias_nodes=2, depth=2)

    def fits(text: str) -> bool:
        try:
            parse(text.encode(), "a.yaml", FILE, small)
        except DocumentError:
            return False
        return True

    assert fits("[a, b, c]")
    assert not fits("[a, b, c, d]")
    assert fits("[[]]")
    assert not fits("[[[]]]")
    assert fits("[&a b, *a, *a]")
    assert not fits("[&a b, *a, *a, *a]")
    assert not fits("[&a [], *a, *a, *a]")
    assert not fits("a" * (DEFAULT.size + 1))
