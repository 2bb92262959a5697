"""Forwards as they are written, in every version of the language."""

from pathlib import Path

import pytest

from naftiko_run.loading.files import read
from naftiko_run.loading.load import Settings, load
from naftiko_run.loading.migrate.document import migrate
from naftiko_run.loading.migrate.language import VERSIONS, Version
from naftiko_run.loading.schema import check
from naftiko_run.spec.document import Forward

DOCUMENT = """
naftiko: 1.0.0-alpha1
info: {label: Proxy, description: A pass-through.}
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: http://up.test/v1
  exposes:
  - type: rest
    namespace: gate
    port: 8080
    resources:
    - name: all
      path: "/proxy/{{path}}"
      description: Everything.
      forward: {targetNamespace: up, trustedHeaders: [X-Trace, Range]}
    - name: some
      path: /some
      operations: [{method: GET, name: get-some, outputParameters: [{type: string, value: a}]}]
      forward: {targetNamespace: up}
"""


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_every_version_has_forwards(tmp_path: Path, version: Version) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(DOCUMENT, "utf-8")
    migrated = migrate(read(path), version)
    assert migrated.text is not None
    path.write_text(migrated.text, "utf-8")
    loaded = load(path, Settings(strict=True), schema=check)
    assert [f for f in loaded.findings if "resources" in f.path] == []
    assert loaded.document is not None
    (adapter,) = loaded.document.adapters
    first, second = adapter.forwards
    assert first == Forward(
        where=first.where,
        path="/proxy/{{path}}",
        target="up",
        trusted=("X-Trace", "Range"),
        name="all",
        description="Everything.",
    )
    assert (second.path, second.trusted) == ("/some", ())
    assert second.methods == frozenset({"GET"})


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        ("forward: up", ["E-TYPE", "E-EXPOSES-EMPTY"]),
        ("forward: {}", ["W-SCHEMA"]),
        ("forward: {targetNamespace: ''}", ["W-SCHEMA"]),
        ("forward: {targetNamespace: [up]}", ["E-TYPE"]),
        ("forward: {targetNamespace: up, trusted: [X]}", ["W-KEY-UNKNOWN"]),
        ("forward: {targetNamespace: up, trustedHeaders: {X: 1}}", ["W-SCHEMA"]),
        ("forward: {targetNamespace: up, trustedHeaders: X-Trace}", ["W-SCHEMA"]),
    ],
)
def test_what_is_written_wrong_is_told(tmp_path: Path, written: str, codes: list[str]) -> None:
    path = tmp_path / "proxy.yaml"
    text = DOCUMENT[: DOCUMENT.index("    - name: some")]
    begin, end = text.index("      forward:"), text.index("Range]}")
    path.write_text(f"{text[:begin]}      {written}\n{text[end + 7 :]}", "utf-8")
    loaded = load(path, Settings(), schema=check)
    assert [f.code for f in loaded.findings if "exposes" in f.path] == codes
