"""Imports of every section, standalone files, and what a name means under an alias."""

from pathlib import Path

import pytest

from naftiko_run.findings import Finding
from naftiko_run.loading.load import Settings, load
from naftiko_run.loading.schema import check
from naftiko_run.plan import Options, compile_plan
from naftiko_run.plan.compiled import Compiled
from naftiko_run.spec.document import Loaded
from tests.spec.documents import Recorder

AGGREGATES = """
ikanos: "1.0.0-beta5"
aggregates:
  - display: Parcels
    namespace: parcels
    flows:
      track:
        description: Track one parcel.
        inputParameters: {code: {type: string, description: Parcel code.}}
        steps:
          parcel: {type: call, call: carrier.get-parcel, with: {parcel_code: parcels.code}}
          depot:
            type: call
            call: carrier.get-depot
            with: {depot: "d-{{parcels.code}}", note: "for {{parcels.code}}"}
        mappings: [{target: code, value: $.parcel.id}]
"""
TOOLS = """
ikanos: "1.0.0-beta5"
binds: [{namespace: env, keys: {NOTE: PARCEL_NOTE}}]
exposes:
  - type: mcp
    port: 9001
    namespace: parcel-tools
    tools:
      get-parcel:
        description: One parcel.
        call: carrier.get-parcel
        with: {parcel_code: parcel-tools.code, note: "{{parcel-tools.note}} {{NOTE}}"}
  - type: skill
    port: 9003
    namespace: parcel-skills
    skills: {sorting: {description: Sort parcels.}}
"""
CARRIER = """
ikanos: "1.0.0-beta5"
consumes:
  - type: http
    namespace: carrier
    description: A carrier.
    baseUri: http://carrier.test/api
    resources:
      parcel:
        path: /parcels/{{parcel_code}}
        operations:
          get-parcel:
            method: GET
            inputParameters: {note: {in: query}}
      depot:
        path: /depots/{{depot}}
        operations:
          get-depot:
            method: GET
            inputParameters: {note: {in: query}}
"""
BINDS = """
ikanos: "1.0.0-beta5"
binds:
  - {namespace: carrier-env, location: file:///./carrier.env, keys: {TOKEN: CARRIER_TOKEN}}
"""


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")


def loaded(folder: Path, text: str, **environ: str) -> Loaded:
    write(folder, main=text)
    write(folder / "shared", aggregates=AGGREGATES, tools=TOOLS, carrier=CARRIER, binds=BINDS)
    return load(folder / "main.yaml", Settings(environ=environ), schema=check)


def problems(found: Loaded) -> list[tuple[str, str, str]]:
    return [(f.code, f.message, f.fix) for f in found.findings]


def capability(
    exposes: str, *, aggregates: str = "", binds: str = "", consumes: str = "carrier"
) -> str:
    return f"""
ikanos: "1.0.0-beta5"
info: {{display: Desk, description: Parcels.}}
{f"binds: [{binds}]" if binds else ""}
capability:
  {f"aggregates: [{aggregates}]" if aggregates else ""}
  exposes: [{exposes}]
  consumes: [{{import: {consumes}, from: ./shared/carrier.yaml}}]
"""


async def urls(found: Loaded, name: str, **arguments: str) -> list[str]:
    client = Recorder()
    plan = compile_plan([found], Options(), client)
    (unit,) = [unit for unit in plan.units if unit.name == name]
    assert isinstance(unit.compiled, Compiled), unit.compiled
    await unit.compiled.flow(arguments)
    return [request.url for request in client.requests]


@pytest.mark.parametrize("alias", ["", ", as: desk"])
async def test_an_imported_adapter_is_served_with_the_scope_of_its_texts(
    tmp_path: Path, alias: str
) -> None:
    entry = f"{{import: parcel-tools, from: ./shared/tools.yaml{alias}}}"
    found = loaded(tmp_path, capability(entry), PARCEL_NOTE="fragile")
    assert problems(found) == []
    assert found.document is not None
    (adapter,) = found.document.adapters
    assert (adapter.namespace, adapter.port) == ("desk" if alias else "parcel-tools", 9001)
    assert await urls(found, "get-parcel", code="P 1", note="very") == [
        "http://carrier.test/api/parcels/P%201?note=very%20fragile"
    ]


def test_an_imported_skill_adapter_brings_its_skills(tmp_path: Path) -> None:
    entry = "{import: parcel-skills, from: ./shared/tools.yaml, as: s}"
    found = loaded(tmp_path, capability(entry))
    assert found.document is not None
    (adapter,) = found.document.adapters
    assert (adapter.type, adapter.namespace) == ("skill", "s")
    assert [skill.name for skill in adapter.skills] == ["sorting"]


@pytest.mark.parametrize("alias", ["parcels", "p"])
async def test_an_imported_aggregate_is_used_by_ref(tmp_path: Path, alias: str) -> None:
    tool = f"{{type: mcp, port: 9001, namespace: t, tools: {{track: {{ref: {alias}.track}}}}}}"
    entry = f"{{import: parcels, from: ./shared/aggregates.yaml, as: {alias}}}"
    found = loaded(tmp_path, capability(tool, aggregates=entry))
    assert problems(found) == []
    assert await urls(found, "track", code="P1") == [
        "http://carrier.test/api/parcels/P1",
        "http://carrier.test/api/depots/d-P1?note=for%20P1",
    ]


@pytest.mark.parametrize("at_root", [True, False])
def test_an_imported_bind_has_its_file_beside_the_file_that_declares_it(
    tmp_path: Path, at_root: bool
) -> None:
    entry = "{import: carrier-env, from: ./shared/binds.yaml, as: vault}"
    text = capability("{import: parcel-tools, from: ./shared/tools.yaml}", binds=entry)
    if not at_root:
        text = text.replace(f"binds: [{entry}]", "")
        text = text.replace("capability:", f"capability:\n  binds: [{entry}]")
    write(tmp_path / "shared")
    (tmp_path / "shared" / "carrier.env").write_text("CARRIER_TOKEN=secret\n", "utf-8")
    found = loaded(tmp_path, text, PARCEL_NOTE="n")
    assert problems(found) == []
    assert found.binds.value("vault.TOKEN") == "secret"
    assert not found.binds.declares("carrier-env.TOKEN")


@pytest.mark.parametrize(
    ("section", "entry", "message", "fix"),
    [
        (
            "exposes",
            "{import: parcel-tool, from: ./shared/tools.yaml}",
            "no namespace 'parcel-tool' in import target './shared/tools.yaml'",
            "did you mean 'parcel-tools' or 'parcel-skills'?",
        ),
        (
            "exposes",
            "{import: zzz, from: ./shared/tools.yaml}",
            "no namespace 'zzz' in import target './shared/tools.yaml'",
            "it has 'parcel-tools', 'parcel-skills'",
        ),
        (
            "exposes",
            "{import: zzz, from: ./shared/carrier.yaml}",
            "no namespace 'zzz' in import target './shared/carrier.yaml'",
            "it has no 'exposes'",
        ),
        ("aggregates", "{import: a, from: .}", "import target '.' is a folder", "name a file"),
        ("aggregates", "{import: a}", "an import needs 'from'", "add the path"),
        (
            "aggregates",
            "{from: ./shared/tools.yaml}",
            "an import needs 'import': the namespace to take",
            "add 'import'",
        ),
        (
            "binds",
            "{import: a, from: main.yaml}",
            "a file cannot import itself",
            "remove this import",
        ),
    ],
)
def test_what_cannot_be_imported_is_said(
    tmp_path: Path, section: str, entry: str, message: str, fix: str
) -> None:
    parts = {"exposes": "{import: parcel-tools, from: ./shared/tools.yaml}"}
    parts[section] = f"{parts.get(section, '')}{', ' if section in parts else ''}{entry}"
    found = loaded(tmp_path, capability(**parts), PARCEL_NOTE="n")
    code = "E-IMPORT" if message.startswith("an import") else "E-IMPORT-TARGET"
    assert problems(found) == [(code, message, fix)]
    assert found.document is not None
    assert len(found.document.adapters) == 1


def test_imports_of_an_imported_file_are_not_followed(tmp_path: Path) -> None:
    nested = 'ikanos: "1.0.0-beta5"\nconsumes: [{import: carrier, from: ./carrier.yaml}]\n'
    write(tmp_path / "shared", nested=nested)
    text = capability("{import: parcel-tools, from: ./shared/tools.yaml}")
    found = loaded(tmp_path, text.replace("carrier.yaml", "nested.yaml"), PARCEL_NOTE="n")
    assert sorted(problems(found)) == [
        (
            "E-CALL-IMPORT",
            "no namespace 'carrier' in import target './shared/nested.yaml'",
            "it only imports it: import './carrier.yaml' from here",
        ),
        (
            "W-IMPORT-NESTED",
            "an import inside an imported file is not followed",
            "import that file from the capability itself",
        ),
    ]
    assert list(found.missing) == ["carrier"]


def test_flows_and_binds_that_are_there_twice_are_told(tmp_path: Path) -> None:
    twice = "{import: parcels, from: ./shared/aggregates.yaml}"
    binds = "{import: env, from: ./shared/tools.yaml}, {namespace: env, keys: {NOTE: OTHER}}"
    tool = "{type: mcp, port: 9001, namespace: t, tools: {track: {ref: parcels.track}}}"
    text = capability(tool, aggregates=f"{twice}, {twice}", binds=binds)
    found = loaded(tmp_path, text, PARCEL_NOTE="a", OTHER="b")
    assert sorted(code for code, _, _ in problems(found)) == ["W-BIND-DUP", "W-FLOW-DUP"]
    assert found.document is not None
    assert [len(a.flows) for a in found.document.aggregates] == [1, 0]


def test_a_binding_that_an_import_brings_again_is_no_repetition(tmp_path: Path) -> None:
    text = capability(
        "{import: parcel-tools, from: ./shared/tools.yaml},"
        " {import: parcel-skills, from: ./shared/tools.yaml}",
        binds="{namespace: env, keys: {NOTE: PARCEL_NOTE}}",
    )
    assert problems(loaded(tmp_path, text, PARCEL_NOTE="n")) == []


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        (CARRIER, "consumes"),
        (AGGREGATES, "aggregates"),
        (TOOLS, "exposes, binds"),
        (BINDS, "binds"),
    ],
)
def test_a_file_that_only_shares_is_not_served_alone(
    tmp_path: Path, text: str, shares: str
) -> None:
    found = loaded(tmp_path, text)
    assert found.document is None
    assert problems(found)[0] == (
        "I-SHARED",
        f"this file only shares definitions with others ({shares}): nothing is served",
        "serve the capability that imports this file",
    )


def test_sections_at_the_root_beside_a_capability_are_not_served(tmp_path: Path) -> None:
    text = capability("{import: parcel-tools, from: ./shared/tools.yaml}")
    found = loaded(tmp_path, f"{text}\nexposes: []\naggregates: []\n", PARCEL_NOTE="n")
    told: list[Finding] = [f for f in found.findings if f.code == "W-ROOT-KEY"]
    assert [f.path for f in told] == [("exposes",), ("aggregates",)]


def test_a_control_adapter_is_accepted_and_not_served(tmp_path: Path) -> None:
    control = "{type: control, port: 9900, management: {health: true}}"
    text = capability(f"{control}, {{import: parcel-tools, from: ./shared/tools.yaml}}")
    found = loaded(tmp_path, text, PARCEL_NOTE="n")
    assert [(f.code, f.severity, f.pointer) for f in found.findings] == [
        ("I-NOT-SERVED", "notice", "capability.exposes[0]")
    ]


def test_an_adapter_may_have_other_things_than_tools(tmp_path: Path) -> None:
    exposes = (
        "{type: mcp, port: 9001, namespace: t, prompts: {hi: {display: Hi, description: Hi.,"
        " template: [{role: user, content: Hi}]}}},"
        " {type: rest, port: 9002, namespace: r, resources: {all: {path: '/{path}',"
        " forward: {targetNamespace: carrier}}}}"
    )
    found = loaded(tmp_path, capability(exposes))
    assert {f.severity for f in found.findings} <= {"notice"}
