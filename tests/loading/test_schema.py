"""The schemas of the language: what they refuse, in which words, and what they let pass."""

import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from subprocess import run
from typing import Any

import jsonschema_rs
import pytest
import yaml

from naftiko_run.findings import Finding, Severity
from naftiko_run.loading import schema
from naftiko_run.loading.files import Source, parse, read

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[2]
DOCUMENTS = [f"{language}-{v}" for language, known in schema.VERSIONS.items() for v in known]
PUBLISHED = {"naftiko": "published", "ikanos": "published-ikanos"}


def source(text: str) -> Source:
    return parse(text.encode(), "ships.yaml", Path("/specs/ships.yaml"))


def told(finding: Finding) -> str:
    where = f"{finding.line}:{finding.column}+{finding.width}"
    fix = f" | {finding.fix}" if finding.fix else ""
    return f"{where} {finding.code} [{finding.pointer}] {finding.message}{fix}"


def cases() -> list[dict[str, Any]]:
    text = (CASES / "schema.yaml").read_text(encoding="utf-8")
    loaded: list[dict[str, Any]] = yaml.safe_load(text)
    return loaded


@pytest.mark.parametrize("mode", ["published", "strict"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_a_document_is_compared_with_the_language(case: dict[str, Any], mode: str) -> None:
    strict = mode == "strict"
    found = schema.check(source(case["document"]), strict=strict)
    assert sorted(told(finding) for finding in found) == sorted(case[mode])
    severity = Severity.ERROR if strict else Severity.WARNING
    assert {finding.severity for finding in found} <= {severity}


@pytest.mark.parametrize("name", ["shared/unkey.yaml", *(ROOT / "capabilities").glob("*.yaml")])
def test_our_own_files_fit_the_language_as_it_is_published(name: str | Path) -> None:
    assert schema.check(read(ROOT / name), strict=False) == []


def test_the_shared_file_fits_the_language_strictly_but_for_whole_responses() -> None:
    # Extensions pass; `{type: object, value: "$."}` does too, for a consumed output.
    assert schema.check(read(ROOT / "shared" / "unkey.yaml"), strict=True) == []


@pytest.mark.parametrize("name", [*DOCUMENTS, *PUBLISHED.values()])
def test_a_schema_is_a_schema(name: str) -> None:
    document = schema.document(name)
    jsonschema_rs.meta.validate(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for keywords in mappings(document):
        assert not isinstance(keywords.get("oneOf"), list), (
            "tell kinds apart with if, so that errors have a place"
        )
        if reference := keywords.get("$ref"):
            assert reference.removeprefix("#/$defs/") in document["$defs"]


@pytest.mark.parametrize(("language", "location"), [("naftiko", "location"), ("ikanos", "from")])
def test_each_version_accepts_itself_alone(language: str, location: str) -> None:
    for version in schema.VERSIONS[language]:
        data = {language: version, "consumes": [{"import": "ships", location: "./ships.yaml"}]}
        fitting = [
            name for name in DOCUMENTS if jsonschema_rs.is_valid(schema.document(name), data)
        ]
        assert fitting == [f"{language}-{version}"]
        text = f"{language}: {version}\nconsumes: [{{import: ships, {location}: ./ships.yaml}}]\n"
        assert schema.check(source(text), strict=True) == []
        assert schema.check(source(text), strict=False) == []


SHARED = "consumes: [{import: ships, location: ./ships.yaml}]\n"


@pytest.mark.parametrize("version", schema.VERSIONS["ikanos"])
def test_ikanos_documents_fit_their_language_strictly(version: str) -> None:
    assert schema.check(source(IKANOS.replace("VERSION", version)), strict=True) == []
    assert schema.check(source(IKANOS.replace("VERSION", version)), strict=False) == []


EXTENDED = """
naftiko: VERSION
info: {label: Fleet, description: Ships and crews.}
capability:
  consumes: [{import: ships, location: ./ships.yaml}]
  exposes:
    - type: rest
      port: 9001
      namespace: fleet
      authentication:
        type: oauth2
        authorizationServerUri: https://login.test
        resource: https://fleet.test
        tokenValidation: introspection
        introspectionEndpoint: https://login.test/introspect
        jwksUri: https://login.test/keys
        clientId: fleet
        clientSecret: "{{SECRET}}"
      resources:
        - path: /fleet
          description: The fleet.
          operations:
            - method: GET
              name: get-fleet
              steps: [{type: call, name: crew, call: ships.list-crew, onError: continue}]
              mappings: [{targetName: crew, value: $.crew}]
"""


@pytest.mark.parametrize("version", ["1.0.0-alpha2", "1.0.0-alpha3"])
def test_extensions_of_authentication_and_steps_fit_strictly(version: str) -> None:
    text = EXTENDED.replace("VERSION", version)
    assert schema.check(source(text), strict=True) == []
    assert schema.check(source(text.replace("continue", "go on")), strict=True) != []


def test_lists_of_named_entries_are_accepted_where_ikanos_has_maps() -> None:
    text = """
ikanos: 1.0.0-beta5
capability:
  exposes:
    - type: mcp
      port: 9001
      namespace: m
      tools: [{name: list, description: All., call: ships.list, inputParameters: [{name: a}]}]
  consumes:
    - type: http
      namespace: ships
      baseUri: https://a.test
      resources: [{name: r, path: /r, operations: [{name: list, method: GET}]}]
"""
    assert schema.check(source(text), strict=False) == []
    assert len(schema.check(source(text), strict=True)) == 2


IKANOS = """
ikanos: VERSION
info: {display: Parcel desk, description: Track parcels, tags: [parcels]}
binds:
  - {namespace: carrier-env, keys: {CARRIER_TOKEN: PARCEL_CARRIER_TOKEN}}
  - {import: other, from: ./binds.yaml, as: another}
capability:
  aggregates:
    - display: Parcels
      namespace: parcels
      flows:
        track:
          description: Track one parcel
          tags: [a]
          semantics: {safe: true, idempotent: true}
          inputParameters: {code: {type: string, description: Parcel code}}
          steps:
            parcel: {type: call, call: carrier.get-parcel, with: {parcel_code: parcels.code}}
            depots: {type: call, call: carrier.list-depots}
            depot:
              type: lookup
              index: depots
              match: depotId
              lookupValue: $.parcel.depot
              outputParameters: [city]
          mappings: [{target: depot.city, value: $.depot.city}]
          outputParameters:
            code: {type: string}
            depots: {type: array, items: {city: {type: string}}}
        hello: {description: A mock., outputParameters: {hi: {type: string, value: Hello}}}
    - {import: more, from: ./more.yaml}
  exposes:
    - type: mcp
      port: 9001
      namespace: parcel-tools
      tools:
        track-parcel: {ref: parcels.track, tags: [a]}
        get:
          display: Get
          description: One parcel.
          hints: {readOnly: true}
          call: carrier.get-parcel
          inputParameters: {code: {type: string, description: Parcel code, required: true}}
          with: {parcel_code: parcel-tools.code}
          outputParameters: [{type: object, properties: {id: {type: string, mapping: $.id}}}]
        mock: {description: A mock., outputParameters: {hi: {type: string, value: Hello}}}
      resources:
        parcel: {display: P, uri: "parcel://{code}", description: P., call: carrier.get-parcel}
      prompts:
        hi:
          display: Hi
          description: Hi.
          arguments: {name: {display: Name, description: Who.}}
          template: [{role: user, content: Hello}]
    - type: rest
      port: 9002
      namespace: parcel-api
      resources:
        parcel:
          path: /parcels/{code}
          display: Parcels
          inputParameters: {code: {in: path, type: string, description: Parcel code}}
          operations:
            track: {method: GET, ref: parcels.track, tags: [a]}
            add:
              method: POST
              steps: {one: {type: call, call: carrier.get-parcel}}
        rest: {path: "/{path}", forward: {targetNamespace: carrier}}
    - type: skill
      port: 9003
      namespace: skills
      skills:
        sort:
          description: Sort.
          tools:
            get: {description: G., from: {sourceNamespace: parcel-tools, action: get}}
    - {type: control, port: 9004, management: {health: true}}
    - {import: more, from: ./more.yaml}
  consumes:
    - {import: depots, from: ./depots.yaml, as: d, description: Depots.}
    - type: http
      namespace: carrier
      description: A carrier.
      baseUri: http://carrier.test/api
      authentication: {type: bearer, token: "{{CARRIER_TOKEN}}"}
      inputParameters: {X-Client: {in: header, value: desk}}
      tunnel: {type: ziti, service: carrier, identity: "{{carrier-env.CARRIER_TOKEN}}"}
      resources:
        parcel:
          path: /parcels/{{parcel_code}}
          tags: [a]
          operations:
            get-parcel:
              method: GET
              inputParameters: {parcel_code: {in: path}}
              outputParameters: {id: {type: string, value: $.id}}
        depots: {path: /depots, operations: {list-depots: {method: GET}}}
"""


def mappings(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [each for item in value for each in mappings(item)]
    if isinstance(value, dict):
        return [value, *(each for item in value.values() for each in mappings(item))]
    return []


def test_every_pattern_is_explained_in_words() -> None:
    for name in DOCUMENTS:
        for keywords in mappings(schema.document(name)):
            if isinstance(keywords.get("pattern"), str):
                assert keywords["x-form"]
            if "not" in keywords and keywords["not"] == {}:
                assert keywords["x-message"]
                assert keywords["x-fix"]


def test_every_closed_mapping_has_a_title_somewhere() -> None:
    document = schema.document("naftiko-1.0.0-alpha2")
    for name, definition in document["$defs"].items():
        if "required" in definition:
            assert definition["title"], name


@pytest.mark.parametrize("language", PUBLISHED)
def test_each_accepted_deviation_names_its_rule(language: str) -> None:
    changes = json.loads(schema._text(PUBLISHED[language]))["changes"]
    rule = re.compile(r"R-[A-Z]+-\d+|section \d+|authentication|forms")
    assert [change for change in changes if not rule.fullmatch(change["rule"])] == []
    repeated = Counter(change["path"] for change in changes if not change["path"].endswith("/-"))
    assert [path for path, count in repeated.items() if count > 1] == []


def test_each_accepted_deviation_accepts_more() -> None:
    # Whatever fits the language fits it as it is published.
    for case in cases():
        data = source(case["document"]).data
        language = "ikanos" if "ikanos" in str(data) else "naftiko"
        published = jsonschema_rs.validator_for(schema.document(PUBLISHED[language]))
        if not case["strict"]:
            assert published.is_valid(data) or language not in str(data), case["name"]
        if case["published"]:
            assert not published.is_valid(data), case["name"]


def test_a_document_that_is_no_mapping_is_left_to_the_reader() -> None:
    assert schema.check(source("[naftiko]"), strict=True) == []
    assert schema.check(source("naftiko"), strict=False) == []


def test_the_library_is_loaded_when_the_first_document_is_checked() -> None:
    program = "import sys, naftiko_run.loading.schema;sys.exit('jsonschema_rs' in sys.modules)"
    assert run([sys.executable, "-c", program], check=False).returncode == 0


def test_findings_about_places_that_are_told_already_can_be_left_out() -> None:
    document = source("naftiko: 1.0.0-alpha2\ncapability: {exposes: [{type: mcp, tools: 1}]}\n")
    found = schema.check(document, strict=False)
    places = {finding.pointer for finding in found}
    assert places == {"capability.exposes[0]", "capability.exposes[0].tools"}
    path = ("capability", "exposes", 0, "tools")
    told_already = [document.finding("E-TYPE", "'tools' must be a list", path=path)]
    left = schema.unless_told(found, told_already)
    assert [finding.pointer for finding in left] == ["capability.exposes[0]"]


def large(tool: str, count: int) -> Source:
    head = "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n    - type: mcp\n"
    head += "      namespace: m\n      port: 9090\n      tools:\n"
    return source(head + f"        - {tool}\n" * count)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("tool", "count"),
    [("1", 50_000), ("{x: 1, y: 2}", 25_000), ("{name: a, tags: [a, b], hints: 1}", 15_000)],
)
def test_a_large_wrong_document_is_told_in_time_and_not_endlessly(
    tool: str, count: int, strict: bool
) -> None:
    document = large(tool, count)
    started = time.process_time()
    found = schema.check(document, strict=strict)
    assert time.process_time() - started < 10
    assert 0 < len(found) <= 201
    if strict:
        assert found[-1].message.endswith("more places do not fit the language")


def test_of_a_large_document_a_late_mistake_is_found() -> None:
    document = source(
        large("{name: a, description: A., call: a.b}", 10_000).text
        + "        - {name: a, descripton: A., call: a.b}\n"
    )
    (found,) = schema.check(document, strict=False)
    assert (found.line, found.code) == (10_008, "W-KEY-UNKNOWN")


def test_many_unknown_keys_in_one_place_are_told_in_time() -> None:
    keys = "".join(f"  key{number}: 1\n" for number in range(25_000))
    document = source(f"naftiko: 1.0.0-alpha2\n{SHARED}info:\n{keys}")
    started = time.process_time()
    assert len(schema.check(document, strict=True)) == 201
    assert time.process_time() - started < 10
