"""A migrated document is the same running capability: listeners, arguments, upstream requests."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from naftiko_run.errors import NaftikoError
from naftiko_run.exposes.units import Tool
from naftiko_run.findings import Finding
from naftiko_run.loading.files import Source, parse, read
from naftiko_run.loading.load import Settings, load
from naftiko_run.loading.migrate.document import migrate
from naftiko_run.loading.migrate.language import VERSIONS, Version, versions
from naftiko_run.loading.schema import check
from naftiko_run.plan import Options, compile_plan
from naftiko_run.types import Argument, Json
from tests.loading.ships import IKANOS, NAFTIKO
from tests.spec.documents import Recorder

ROOT = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("NAFTIKO_CORPUS") or ROOT.parent / "shared" / "corpus-sample")
SAMPLES = sorted(CORPUS.glob("*/*.yaml"))
OURS = sorted((ROOT / "capabilities").glob("*.yaml"))
TOKENS = {"CARRIER_TOKEN": "t", "PARCEL_CARRIER_TOKEN": "t", "UNKEY_ROOT_KEY": "k"}
FORMS = {"W-SCHEMA", "W-KEY-UNKNOWN", "W-VERSION"}
"""What is said of the document's form may differ: each language has its own schema."""


def version(text: str) -> Version:
    (found,) = versions(text)
    return found


def migrated(text: str, path: Path, to: str) -> str:
    source = parse(text.encode(), path.name, path)
    result = migrate(source, version(to))
    assert result.text is not None, [str(f) for f in result.findings]
    return result.text


def value_for(argument: Argument) -> Json:
    samples: dict[str, Json] = {
        "integer": 7,
        "number": 1.5,
        "boolean": True,
        "array": ["a", "b"],
        "object": {"a": 1},
    }
    choices = argument.schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    return samples.get(argument.type, f"<{argument.name}>")


def _tool(tool: Tool) -> tuple[object, ...]:
    return tool.name, tool.title, tool.description, tool.input_schema, tool.hints


async def running(text: str, path: Path, folder: Path) -> dict[str, Any]:
    """Describe all that is served, and what each unit sends for sample arguments."""
    file = folder / "served.yaml"
    file.write_text(text, "utf-8")
    settings = Settings(folders=(path.parent, path.parent.parent), environ=TOKENS)
    loaded = load(file, settings, schema=check)
    client = Recorder()
    plan = compile_plan([loaded], Options(), client)
    found: dict[str, Any] = {
        "listeners": [
            (
                each.address,
                each.port,
                each.title,
                each.adapters,
                [
                    (r.adapter, r.method, r.path, r.query, r.description, r.call, r.arguments)
                    for r in each.routes
                ],
                [
                    (s.namespace, s.title, s.instructions, list(map(_tool, s.tools)))
                    for s in each.servers
                ],
            )
            for each in plan.listeners
        ],
        "skills": [
            (each.namespace, each.skills) for listener in plan.listeners for each in listener.skills
        ],
        "findings": Counter(f.code for f in plan.findings if f.code not in FORMS),
        "requests": {},
    }
    for number, unit in enumerate(plan.units):
        if isinstance(unit.compiled, Finding):
            found["requests"][number, unit.name] = unit.compiled.code
            continue
        everything = {a.key: value_for(a) for a in unit.compiled.arguments}
        needed = {a.key: value_for(a) for a in unit.compiled.arguments if a.required}
        for given in (everything, needed):
            client.requests.clear()
            try:
                outcome = await unit.compiled.flow(given)
                answer: object = (outcome.status, outcome.body)
            except NaftikoError as error:
                answer = str(error)
            requests = [(r.method, r.url, r.headers, r.body) for r in client.requests]
            found["requests"][number, unit.name, len(given)] = (requests, answer)
    return found


@pytest.mark.parametrize("target", [v for v in VERSIONS if v.level > 1], ids=str)
@pytest.mark.parametrize("text", [NAFTIKO, IKANOS], ids=["naftiko", "ikanos"])
async def test_our_document_is_the_same_in_every_version_and_back(
    text: str, target: Version, tmp_path: Path
) -> None:
    path = tmp_path / "ships.yaml"
    there = migrated(text, path, str(target))
    before = await running(text, path, tmp_path)
    assert before["requests"]
    assert before["findings"] == {}
    assert await running(there, path, tmp_path) == before
    for back in ("naftiko 1.0.0-alpha2", "ikanos beta5", "naftiko alpha3"):
        there = migrated(there, path, back)
        assert await running(there, path, tmp_path) == before


STYLES = [
    {"default_flow_style": False},
    {"default_flow_style": False, "indent": 4, "width": 40},
    {"default_flow_style": None, "width": 60},
    {"default_flow_style": True, "width": 30},
    {"default_flow_style": False, "default_style": '"'},
    {"default_flow_style": None, "default_style": "'", "line_break": "\r\n"},
    {"default_flow_style": False, "default_style": "|"},
]


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("text", [NAFTIKO, IKANOS], ids=["naftiko", "ikanos"])
async def test_a_document_may_be_written_in_any_style(
    text: str, style: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "ships.yaml"
    before = await running(text, path, tmp_path)
    data = yaml.safe_load(text)
    for order in (data, _backwards(data)):
        styled = yaml.safe_dump(order, sort_keys=False, allow_unicode=True, **style)
        there = migrated(styled, path, "ikanos beta5" if text is NAFTIKO else "naftiko alpha3")
        assert await running(there, path, tmp_path) == before
        assert check(parse(there.encode(), "ships.yaml", path), strict=True) == []
        back = migrated(there, path, "naftiko alpha3" if text is NAFTIKO else "ikanos beta5")
        assert await running(back, path, tmp_path) == before


def _backwards(value: Any) -> Any:  # noqa: ANN401 - any YAML
    """Put the keys of every entry of a list in the other order: 'name' comes last."""
    if isinstance(value, list):
        return [
            dict(reversed([(k, _backwards(v)) for k, v in item.items()]))
            if isinstance(item, dict)
            else item
            for item in value
        ]
    if isinstance(value, dict):
        return {key: _backwards(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("target", VERSIONS, ids=str)
@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
async def test_our_capabilities_are_the_same_in_every_version(
    path: Path, target: Version, tmp_path: Path
) -> None:
    text = read(path).text
    before = await running(text, path, tmp_path)
    assert before["requests"]
    there = migrated(text, path, str(target))
    assert await running(there, path, tmp_path) == before
    back = migrated(there, path, "naftiko 1.0.0-alpha1")
    assert await running(back, path, tmp_path) == before


def servable() -> list[Path]:
    """The samples that parse and are documents of the language."""
    found = []
    for path in SAMPLES:
        try:
            source = read(path)
        except NaftikoError:
            continue
        if isinstance(source.data, dict) and "naftiko" in source.data:
            found.append(path)
    return found


@pytest.mark.skipif(not SAMPLES, reason=f"no published files in {CORPUS}")
@pytest.mark.parametrize("path", servable(), ids=lambda path: path.name)
async def test_a_published_file_is_the_same_in_ikanos_and_back(path: Path, tmp_path: Path) -> None:
    source: Source = read(path)
    before = await running(source.text, path, tmp_path)
    there = migrated(source.text, path, "ikanos beta5")
    assert await running(there, path, tmp_path) == before
    if "outputRawFormat: binary" in there:  # published files say it in naftiko already
        refused = migrate(parse(there.encode(), path.name, path), version("naftiko alpha3"))
        assert {f.code for f in refused.findings} == {"E-MIGRATE"}
        return
    back = migrated(there, path, f"naftiko {version_of(source)}")
    assert await running(back, path, tmp_path) == before
    again = migrated(back, path, "ikanos alpha3")
    assert await running(again, path, tmp_path) == before


def version_of(source: Source) -> str:
    data = source.data
    number = data.get("naftiko") if isinstance(data, dict) else ""
    return number if isinstance(number, str) and number.startswith("1.0.0-alpha") else "alpha3"
