"""From names to documents: what a file becomes, and which files a name stands for."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from naftiko_run.findings import Finding, Severity
from naftiko_run.loading.load import Settings, expand, load
from naftiko_run.spec.document import Loaded
from tests.spec.documents import SECRET, codes

SHIPS = """
naftiko: 1.0.0-alpha2
info: {label: Ships}
binds: [{namespace: env, keys: {TOKEN: MY_TOKEN}}]
capability:
  consumes:
  - {import: up, location: up.yaml}
  exposes:
  - type: mcp
    namespace: ships
    tools: [{name: a, call: up.get}, {name: b, call: up.get}]
"""
UP = """
naftiko: 1.0.0-alpha2
binds: [{namespace: env, keys: {THEIRS: THEIRS}}]
consumes:
- type: http
  namespace: up
  baseUri: https://a.test
  resources: [{path: /x, operations: [{name: get, method: GET}]}]
"""
TRAILER = "\n# --- truncated at 32 KB (48 KB total) ---\n# Full source: https://f.test/x.yaml\n"


def no_schema(*_: object, **__: object) -> list[Finding]:
    return []


def loaded(path: Path, **variables: str) -> Loaded:
    settings = Settings(given=variables, environ={"THEIRS": "theirs"})
    return load(path, settings, schema=no_schema)


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def test_a_document_comes_with_its_imports_variables_and_findings(tmp_path: Path) -> None:
    path = written(tmp_path, {"ships.yaml": SHIPS, "up.yaml": UP}) / "ships.yaml"
    found = loaded(path, TOKEN=SECRET)
    assert found.document is not None
    assert [c.namespace for c in found.consumes] == ["up"]
    assert (found.binds.value("TOKEN"), found.binds.value("THEIRS")) == (SECRET, "theirs")
    assert (found.findings, found.failed) == ([], False)
    assert found.files == (path, tmp_path / "up.yaml")
    assert SECRET not in repr(found)


def test_everything_that_is_wrong_is_found_at_once(tmp_path: Path) -> None:
    text = SHIPS.replace("info:", "servers: []\ninfo:")
    found = loaded(written(tmp_path, {"ships.yaml": text}) / "ships.yaml")
    assert codes(found.findings) == ["W-ROOT-KEY", "E-CALL-IMPORT", "I-VAR-UNSET"]
    assert (list(found.missing), found.failed) == (["up"], True)


def test_the_schema_is_asked_about_documents_that_can_be_served(tmp_path: Path) -> None:
    asked: list[tuple[str, bool]] = []

    def schema(source: object, *, strict: bool) -> list[Finding]:
        asked.append((str(source), strict))
        return [Finding(code="W-SCHEMA", severity=Severity.WARNING, message="odd")]

    folder = written(tmp_path, {"ships.yaml": SHIPS, "up.yaml": UP, "no.yaml": "a: 1"})
    settings = Settings(strict=True, environ={"MY_TOKEN": "t", "THEIRS": "t"})
    assert codes(load(folder / "ships.yaml", settings, schema=schema).findings) == ["W-SCHEMA"]
    assert codes(load(folder / "no.yaml", settings, schema=schema).findings) == ["E-NOT-CAPABILITY"]
    assert asked == [(f"Source({folder / 'ships.yaml'})", True)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [1", "E-YAML"),
        ("", "E-FILE"),
        ("a: 1", "E-NOT-CAPABILITY"),
        ("naftiko: 1.0.0-alpha2", "E-NO-CAPABILITY"),
    ],
)
def test_a_file_that_cannot_be_served_is_its_findings(tmp_path: Path, text: str, code: str) -> None:
    found = loaded(written(tmp_path, {"x.yaml": text}) / "x.yaml")
    assert (found.document, codes(found.findings), found.failed) == (None, [code], True)


def test_r_load_1_a_cut_copy_without_exposes_is_told_as_cut_alone(tmp_path: Path) -> None:
    text = f"naftiko: 1.0.0-alpha2\ncapability:\n  consumes: []{TRAILER}"
    found = loaded(written(tmp_path, {"x.yaml": text}) / "x.yaml")
    assert (found.document, codes(found.findings)) == (None, ["E-TRUNCATED"])


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        ("- {name: b, call: up.get}", ["a", "b"]),
        ("- {name: b, call: up.ge}", ["a"]),
        ("- {name: b, hints: {readOnly: fa}}", ["a"]),
        ("- {name: b, call: up.get, hints: {destructive: f}}", ["a", "b"]),
    ],
)
def test_r_load_1_the_unit_that_the_cut_broke_is_left_out(
    tmp_path: Path, last: str, kept: list[str]
) -> None:
    text = f"""
naftiko: 1.0.0-alpha2
info: {{label: Ships}}
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: https://a.test
    resources: [{{path: /x, operations: [{{name: get, method: GET}}]}}]
  exposes:
  - type: mcp
    tools:
    - {{name: a, call: up.nothing}}
    {last}{TRAILER}"""
    found = loaded(written(tmp_path, {"x.yaml": text}) / "x.yaml")
    assert found.document is not None
    assert [unit.name for unit in found.document.adapters[0].units] == kept
    assert codes(found.findings) == ["W-TRUNCATED"]


def test_a_name_stands_for_a_file_a_folder_or_a_glob(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["b.yaml", "a.yml", "c.txt", "sub/d.yaml", "[x].yaml", "folder.yaml/e.yaml"]
    monkeypatch.chdir(written(tmp_path, dict.fromkeys(files, "")))
    table = {
        "b.yaml": ["b.yaml"],
        ".": ["[x].yaml", "a.yml", "b.yaml"],
        "*.yaml": ["[x].yaml", "b.yaml"],
        "[x].yaml": ["[x].yaml"],
        "[ab].y*ml": ["a.yml", "b.yaml"],
        "**/*.yaml": ["[x].yaml", "b.yaml", "folder.yaml/e.yaml", "sub/d.yaml"],
        str(tmp_path / "sub" / "*.yaml"): [str(tmp_path / "sub" / "d.yaml")],
        "none.yaml": ["none.yaml"],
    }
    for name, paths in table.items():
        assert expand([name]) == ([Path(p) for p in paths], []), name
    assert expand(["b.yaml", ".", "./b.yaml"])[0] == [
        Path(n) for n in ("b.yaml", "[x].yaml", "a.yml")
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("*.toml", "no file matches"),
        ("a**b/x", "no file matches"),
        ("empty", "the folder has no *.yaml or *.yml file"),
    ],
)
def test_a_name_that_stands_for_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    paths, findings = expand([name])
    assert paths == []
    assert [(f.code, f.file, f.message) for f in findings] == [("E-FILE", name, message)]
