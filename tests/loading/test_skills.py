"""How much a skill may have before its author is told."""

from pathlib import Path

import pytest

from naftiko_run.spec.skills import MOST_FILES
from tests.loading.test_load import loaded, written

DOCUMENT = """
ikanos: 1.0.0-beta5
capability:
  exposes:
  - type: skill
    namespace: skills
    skills: {loading: {description: Load ships., location: 'file:///./loading'}}
"""
TEXT = "---\nname: loading\ndescription: Load ships.\n---\n"


@pytest.mark.parametrize("own", [True, False])
def test_more_files_than_a_manifest_tells_of_are_told(tmp_path: Path, *, own: bool) -> None:
    """Where there is no SKILL.md one is made, and counts."""
    files = {f"loading/{number}.md": "" for number in range(MOST_FILES - 1)}
    if own:
        files["loading/SKILL.md"] = TEXT
    path = written(tmp_path, {"skills.yaml": DOCUMENT, **files}) / "skills.yaml"
    for expected in ([], ["W-SKILL-SIZE"]):
        document = loaded(path).document
        assert document is not None
        (skill,) = document.adapters[0].skills
        assert [finding.code for finding in skill.findings] == expected
        (tmp_path / "loading" / "more.md").touch()
