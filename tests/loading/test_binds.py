"""Variables: where their values come from, which goes first, and that they are never told."""

from pathlib import Path

import pytest

from naftiko_run.findings import Severity
from naftiko_run.loading.binds import parse_variables, resolve
from naftiko_run.spec.document import Bind, Where
from naftiko_run.types import Binds
from tests.spec.documents import SECRET, codes, source, without_where

LINES = """A=1
 export B = two words\x20
# no

C='a # b' # c
D="x\\ny"
E=a#b #c
F=
G=a=b
H='it'"'"'s'
"""
WHERE = Where(source("a: 1"), ("binds", 0))


def bind(location: str | None = None, namespace: str = "env", **keys: str) -> Bind:
    return Bind(where=WHERE, namespace=namespace, location=location, keys=keys)


def values(
    *binds: Bind,
    environ: dict[str, str] | None = None,
    given: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
) -> tuple[Binds, list[str]]:
    def read_text(path: Path) -> str:
        if str(path) not in (files or {}):
            raise FileNotFoundError(path)
        return (files or {})[str(path)]

    found, findings = resolve(
        binds, Path("/specs"), given=given or {}, environ=environ or {}, read_text=read_text
    )
    assert SECRET not in f"{found!r}{findings!r}{''.join(map(str, findings))}"
    return found, codes(findings)


def test_r_var_1_a_bind_without_location_is_the_environment() -> None:
    found, told = values(bind(TOKEN="MY_TOKEN"), environ={"MY_TOKEN": SECRET, "TOKEN": "not"})
    assert (found.value("TOKEN"), found.value("env.TOKEN"), told) == (SECRET, SECRET, [])
    assert found.names == ("TOKEN", "env.TOKEN")
    assert repr(found) == "Binds(TOKEN, env.TOKEN)"


def test_r_var_2_a_bind_may_have_any_namespace() -> None:
    found, _ = values(bind(namespace="azure-env", A="A"), environ={"A": "1"})
    assert [found.value(n) for n in ("A", "azure-env.A", "env.A")] == ["1", "1", None]


def test_r_var_3_names_that_nobody_declares_are_those_of_the_environment() -> None:
    found, _ = values(environ={"A": "1\n", "B": "2"}, given={"B": "3"})
    assert [found.value(n) for n in ("A", "B", "C")] == ["1", "3", None]
    assert not found.declares("A")


def test_r_var_4_a_variable_without_a_value_is_a_notice() -> None:
    found, findings = resolve(
        [bind(TOKEN="MY_TOKEN"), bind("file://./.env", SHIP="SHIP")],
        Path("/specs"),
        given={},
        environ={},
        read_text=lambda _: "",
    )
    assert (found.value("TOKEN"), found.declares("TOKEN")) == (None, True)
    assert {f.severity for f in findings} == {Severity.NOTICE}
    assert [(f.code, f.pointer, f.message, f.fix) for f in map(without_where, findings)] == [
        (
            "I-VAR-UNSET",
            "binds[0].keys.TOKEN",
            "variable 'TOKEN' has no value: calls that need it are answered with 503",
            "set MY_TOKEN in the environment, or start with --var TOKEN=VALUE",
        ),
        (
            "I-VAR-UNSET",
            "binds[0].keys.SHIP",
            "variable 'SHIP' has no value: calls that need it are answered with 503",
            "set SHIP in the file file://./.env, or start with --var SHIP=VALUE",
        ),
    ]


@pytest.mark.parametrize("given", [{"TOKEN": "given"}, {"MY_TOKEN": "given"}])
@pytest.mark.parametrize("location", [None, "file:///v.json"])
def test_values_of_the_command_line_go_first(given: dict[str, str], location: str | None) -> None:
    found, told = values(
        bind(location, TOKEN="MY_TOKEN"),
        environ={"MY_TOKEN": "environ"},
        given=given,
        files={"/v.json": '{"MY_TOKEN": "file"}'},
    )
    assert (found.value("TOKEN"), told) == ("given", [])


def test_a_file_is_not_filled_up_from_the_environment() -> None:
    found, told = values(
        bind("file:///v.json", A="A"), environ={"A": "environ"}, files={"/v.json": "{}"}
    )
    assert (found.value("A"), told) == (None, ["I-VAR-UNSET"])


@pytest.mark.parametrize(
    "binds",
    [
        (bind(A="FIRST"), bind(namespace="other", A="SECOND")),
        (bind(A="NOWHERE"), bind(namespace="other", A="FIRST")),
    ],
)
def test_of_several_binds_of_one_name_the_first_with_a_value_counts(
    binds: tuple[Bind, Bind],
) -> None:
    found, told = values(*binds, environ={"FIRST": "1", "SECOND": "2"})
    assert (found.value("A"), told) == ("1", [])


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("file://./v.json", "/specs/v.json"),
        ("file:///./v.json", "/specs/v.json"),
        ("file:///../v.json", "/specs/../v.json"),
        ("file:///etc/v.json", "/etc/v.json"),
        ("file:///a/./v.json", "/a/v.json"),
        ("file://v.json", "/specs/v.json"),
    ],
)
def test_a_location_is_relative_to_the_capability_or_absolute(location: str, path: str) -> None:
    found, told = values(bind(location, A="A"), files={path: '{"A": "1"}'})
    assert (found.value("A"), told) == ("1", [])


@pytest.mark.parametrize(
    ("suffix", "text", "found"),
    [
        (
            ".json",
            '{"A": "1", "B": 2, "C": true, "D": 1.5, "E": null, "F": [1]}',
            {"A": "1", "B": "2", "C": "true", "D": "1.5"},
        ),
        (
            ".yaml",
            "A: 012\nB: no\nC: 'x y'\nD: 2026-01-01\n",
            {"A": "012", "B": "no", "C": "x y", "D": "2026-01-01"},
        ),
        (".yml", "", {}),
        (
            ".env",
            LINES,
            {
                "A": "1",
                "B": "two words",
                "C": "a # b",
                "D": "x\ny",
                "E": "a#b",
                "F": "",
                "G": "a=b",
                "H": "it'\"'\"'s",
            },
        ),
        ("", '{"A": "1"}', {"A": "1"}),
        ("", "A=1", {"A": "1"}),
    ],
)
def test_files_of_variables(suffix: str, text: str, found: dict[str, str]) -> None:
    assert parse_variables(text, suffix) == found


def unreadable(name: str) -> str:
    return f"'file:///{name}' cannot be read as variables"


@pytest.mark.parametrize(
    ("location", "text", "code", "message"),
    [
        ("file:///none.json", None, "W-BIND-FILE", "no file 'file:///none.json'"),
        ("file:///v.json", f'{{"A": "{SECRET}"', "W-BIND-FILE", unreadable("v.json")),
        ("file:///v.json", f'["{SECRET}"]', "W-BIND-FILE", unreadable("v.json")),
        ("file:///v.json", "[" * 100_000, "W-BIND-FILE", unreadable("v.json")),
        ("file:///v.yaml", f"a: [{SECRET}", "W-BIND-FILE", unreadable("v.yaml")),
        ("file:///v.env", f"A={SECRET}\n{SECRET}", "W-BIND-FILE", unreadable("v.env")),
        (
            "https://vault.test/x",
            None,
            "W-BIND-LOCATION",
            "variables from 'https' are not supported",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_without_its_content(
    location: str, text: str | None, code: str, message: str
) -> None:
    def read_text(_: Path) -> str:
        if text is None:
            raise FileNotFoundError
        return text

    found, findings = resolve(
        [bind(location, A="A")], Path("/specs"), given={}, environ={}, read_text=read_text
    )
    assert (found.value("A"), codes(findings)) == (None, [code, "I-VAR-UNSET"])
    assert findings[0].message == message
    assert SECRET not in "".join(map(str, findings))


def test_real_files_are_read_within_limits(tmp_path: Path) -> None:
    (tmp_path / "small.env").write_text("A=é\n", "utf-8")
    (tmp_path / "large.env").write_text("A=1\n" * 300_000, "utf-8")
    (tmp_path / "latin.env").write_bytes(b"A=\xe9\n")
    binds = [bind(f"file://./{n}.env", n.upper(), **{n: "A"}) for n in ("small", "large", "latin")]
    found, findings = resolve(binds, tmp_path, given={}, environ={})
    assert [found.value(n) for n in ("small", "large", "latin")] == ["é", None, None]
    assert codes(findings) == ["W-BIND-FILE", "W-BIND-FILE", "I-VAR-UNSET", "I-VAR-UNSET"]


def test_line_ends_behind_a_value_and_bytes_that_are_no_text_are_taken_off() -> None:
    found, _ = values(bind(A="A", B="B"), environ={"A": "1\r\n", "B": "a\udcffb", "C": "\udcff"})
    assert [found.value(n) for n in "ABC"] == ["1", "a\ufffdb", "\ufffd"]
