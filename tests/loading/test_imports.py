"""Imports: where files are looked for, what is taken of them, and what is never read."""

from pathlib import Path

import pytest

from naftiko_run.findings import Finding
from naftiko_run.loading import imports
from naftiko_run.loading.files import read
from naftiko_run.loading.imports import Imported
from naftiko_run.spec.reader import read as read_document
from tests.spec.documents import codes


def shared(namespace: str = "unkey", *, path: str = "/x", extra: str = "") -> str:
    return f"""
naftiko: 1.0.0-alpha2
{extra}
consumes:
- type: http
  namespace: {namespace}
  baseUri: https://api.test
  resources: [{{path: {path}, operations: [{{name: get, method: GET}}]}}]
- type: http
  namespace: other
  baseUri: https://other.test
  resources: []
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def capability(root: Path, consumes: str, extra: str = "") -> Path:
    text = f"""
naftiko: 1.0.0-alpha2
info: {{label: Ships}}
{extra}
capability:
  consumes: {consumes}
  exposes: [{{type: skill, skills: []}}]
"""
    return write(root / "repo" / "capabilities" / "ships.yaml", text)


def resolve(path: Path, *folders: Path) -> Imported:
    source = read(path)
    document, _ = read_document(source, source.data)
    assert document is not None
    return imports.resolve(document, source, lambda name, target: read(target, file=name), folders)


def found(imported: Imported) -> list[tuple[str, str]]:
    return [(c.namespace, c.operations[0].path) for c in imported.consumes if c.operations]


def problems(imported: Imported) -> list[tuple[str, str, str]]:
    return [(f.code, f.message, f.fix) for f in imported.findings]


IMPORT = "[{import: unkey, location: ./shared/unkey.yaml}]"


def test_a_file_is_looked_for_beside_then_above_then_in_the_folders(tmp_path: Path) -> None:
    path = capability(tmp_path, IMPORT)
    lib = write(tmp_path / "lib" / "shared" / "unkey.yaml", shared(path="/lib"))
    assert found(resolve(path, tmp_path / "lib")) == [("unkey", "/lib")]
    above = write(tmp_path / "repo" / "shared" / "unkey.yaml", shared(path="/above"))
    assert found(resolve(path, tmp_path / "lib")) == [("unkey", "/above")]
    beside = write(path.parent / "shared" / "unkey.yaml", shared(path="/beside"))
    imported = resolve(path, tmp_path / "lib")
    assert found(imported) == [("unkey", "/beside")]
    assert (imported.files, imported.missing, imported.findings) == ([beside], {}, [])
    assert len({lib, above, beside}) == 3


@pytest.mark.parametrize(
    ("consumes", "extra", "namespaces", "found_codes"),
    [
        ("[{import: unkey, location: ./shared/unkey.yaml}]", "", ["unkey"], []),
        ("[{import: unkey, from: shared/unkey.yaml}]", "", ["unkey"], []),
        ("[{import: unkey, from: 'file://./shared/unkey.yaml'}]", "", ["unkey"], []),
        ("[{import: unkey, location: shared/unkey.yaml, as: keys}]", "", ["keys"], []),
        ("[{import: unkey, location: ../shared/unkey.yaml}]", "", ["unkey"], []),
        ("[{namespace: unkey, ref: shared/unkey.yaml}]", "", ["unkey"], ["W-IMPORT"]),
        ("[]", "import: [{name: unkey, location: shared/unkey.yaml}]", ["unkey"], ["W-IMPORT"]),
        ("[]", "imports: [shared/unkey.yaml]", ["unkey", "other"], ["W-IMPORT"]),
        ("[]", "imports: [{location: shared/unkey.yaml}]", ["unkey", "other"], ["W-IMPORT"]),
    ],
)
def test_r_imp_1_every_published_form_of_an_import(
    tmp_path: Path, consumes: str, extra: str, namespaces: list[str], found_codes: list[str]
) -> None:
    path = capability(tmp_path, consumes, extra)
    write(tmp_path / "repo" / "shared" / "unkey.yaml", shared())
    source = read(path)
    _, findings = read_document(source, source.data)
    assert codes(findings) == found_codes
    imported = resolve(path)
    assert [c.namespace for c in imported.consumes] == namespaces
    assert imported.findings == []


def test_r_imp_1_the_apis_of_a_capability_may_be_imported_as_well(tmp_path: Path) -> None:
    path = capability(tmp_path, IMPORT)
    write(
        path.parent / "shared" / "unkey.yaml",
        """
naftiko: 1.0.0-alpha1
binds: [{namespace: env, keys: {A: A}}]
capability:
  binds: [{namespace: more, keys: {B: B}}]
  consumes:
  - type: http
    namespace: unkey
    baseUri: https://a.test
    resources: [{path: /x, operations: [{name: get, method: GET}]}]
  exposes: [{type: mcp, namespace: theirs, tools: [{name: t, call: unkey.get}]}]
""",
    )
    imported = resolve(path)
    assert found(imported) == [("unkey", "/x")]
    assert [(b.namespace, dict(b.keys)) for b in imported.binds] == [
        ("env", {"A": "A"}),
        ("more", {"B": "B"}),
    ]


def test_binds_come_along_once(tmp_path: Path) -> None:
    consumes = "[{import: unkey, location: s.yaml}, {import: other, location: s.yaml}]"
    path = capability(tmp_path, consumes)
    write(path.parent / "s.yaml", shared(extra="binds: [{namespace: env, keys: {A: A}}]"))
    imported = resolve(path)
    assert [c.namespace for c in imported.consumes] == ["unkey", "other"]
    assert [dict(b.keys) for b in imported.binds] == [{"A": "A"}]


def test_a_file_that_is_not_there_is_told_with_the_places_that_were_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    imported = resolve(capability(tmp_path, IMPORT), tmp_path / "lib")
    finding = (
        "E-CALL-IMPORT",
        "import target './shared/unkey.yaml' not found",
        "looked in repo/capabilities, repo, lib; add a folder with --import-path",
    )
    assert problems(imported) == [finding]
    assert [(n, f.code) for n, f in imported.missing.items()] == [("unkey", "E-CALL-IMPORT")]
    assert imported.findings[0].pointer == "capability.consumes[0]"


def test_under_an_alias_the_alias_is_missing_and_of_a_whole_file_anything(tmp_path: Path) -> None:
    aliased = resolve(capability(tmp_path, "[{import: a, location: n.yaml, as: b}]"))
    assert (list(aliased.missing), aliased.unnamed) == (["b"], None)
    whole = resolve(capability(tmp_path, "[]", "imports: [n.yaml]"))
    assert (whole.missing, codes([whole.unnamed] if whole.unnamed else [])) == (
        {},
        ["E-CALL-IMPORT"],
    )


@pytest.mark.parametrize(
    "location",
    [
        "../../secret.yaml",
        "{root}/secret.yaml",
        "file://{root}/secret.yaml",
        "link.yaml",
        "inside/secret.yaml",
    ],
)
def test_nothing_outside_the_folders_is_read(tmp_path: Path, location: str) -> None:
    secret = write(tmp_path / "secret.yaml", shared())
    location = location.format(root=tmp_path)
    path = capability(tmp_path, f"[{{import: unkey, location: '{location}'}}]")
    (path.parent / "link.yaml").symlink_to(secret)
    (path.parent / "inside").symlink_to(tmp_path, target_is_directory=True)
    imported = resolve(path)
    assert (imported.consumes, imported.files) == ([], [])
    assert problems(imported) == [
        (
            "E-CALL-IMPORT",
            f"import target {location!r} lies outside the folders that may be read",
            f"move it below capabilities/, or start with --import-path {tmp_path}",
        )
    ]
    assert found(resolve(path, tmp_path)) == [("unkey", "/x")]


def test_a_link_within_the_folders_is_followed(tmp_path: Path) -> None:
    path = capability(tmp_path, "[{import: unkey, location: link.yaml}]")
    (path.parent / "link.yaml").symlink_to(write(tmp_path / "repo" / "real.yaml", shared()))
    assert found(resolve(path)) == [("unkey", "/x")]


@pytest.mark.parametrize("location", ["shared", "loop.yaml", "a\\0b.yaml", "x" * 5000, "."])
def test_what_is_no_file_is_not_found(tmp_path: Path, location: str) -> None:
    path = capability(tmp_path, f'[{{import: unkey, location: "{location}"}}]')
    (path.parent / "shared").mkdir()
    (path.parent / "loop.yaml").symlink_to(path.parent / "loop.yaml")
    assert [code for code, _, _ in problems(resolve(path))] == ["E-CALL-IMPORT"]


def test_a_file_cannot_import_itself_and_two_may_import_each_other(tmp_path: Path) -> None:
    itself = resolve(capability(tmp_path, "[{import: a, location: ships.yaml}]"))
    assert problems(itself) == [
        ("E-CALL-IMPORT", "a file cannot import itself", "remove this import")
    ]
    path = capability(tmp_path, "[{import: unkey, location: b.yaml}]")
    back = "- {import: ships, location: ships.yaml}"
    write(path.parent / "b.yaml", f"{shared()}{back}\n")
    assert found(resolve(path)) == [("unkey", "/x")]


def test_a_file_that_cannot_be_read_is_told_with_its_own_findings(tmp_path: Path) -> None:
    path = capability(tmp_path, "[{import: unkey, location: bad.yaml}]")
    write(path.parent / "bad.yaml", "a: [1")
    imported = resolve(path)
    assert [code for code, _, _ in problems(imported)] == ["E-YAML", "E-CALL-IMPORT"]
    assert imported.findings[0].file.endswith("bad.yaml")
    assert imported.findings[1].message == "import target 'bad.yaml' cannot be read"


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (shared("unkee"), "did you mean 'unkee'?"),
        (shared("ships"), "it has 'ships', 'other'"),
        ("naftiko: 1.0.0-alpha2", "it has no 'consumes'"),
        ("[1]", "it has no 'consumes'"),
    ],
)
def test_a_namespace_that_the_file_has_not_is_told_with_those_that_it_has(
    tmp_path: Path, text: str, fix: str
) -> None:
    path = capability(tmp_path, "[{import: unkey, location: s.yaml}]")
    write(path.parent / "s.yaml", text)
    message = "no namespace 'unkey' in import target 's.yaml'"
    assert problems(resolve(path)) == [("E-CALL-IMPORT", message, fix)]


def test_findings_in_an_imported_file_name_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    capability(tmp_path, "[{import: unkey, location: s.yaml}]")
    operation = "{name: get}"
    text = shared().replace("{name: get, method: GET}", operation)
    write(tmp_path / "repo" / "capabilities" / "s.yaml", text)
    imported = resolve(Path("repo/capabilities/ships.yaml"))
    told: list[Finding] = imported.findings
    assert [(f.file, f.line, f.code) for f in told] == [
        ("repo/capabilities/s.yaml", 8, "W-OP-METHOD")
    ]
