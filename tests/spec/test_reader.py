"""From raw values to records: both languages, every version, and the published dialect."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct
from msgspec.structs import asdict

from naftiko_run.findings import Finding
from naftiko_run.spec.document import (
    UNSET,
    Adapter,
    Bind,
    Body,
    ConsumedOperation,
    Consumes,
    ForEach,
    Hints,
    Import,
    Info,
    Output,
    Parameter,
    Skill,
    SkillTool,
    Unit,
    Where,
)
from naftiko_run.spec.reader import KNOWN_VERSIONS, read, read_shared
from tests.spec.documents import codes, document, source

HEAD = "naftiko: 1.0.0-alpha2\ninfo: {label: Ships}\n"
EXPOSES = "  exposes: [{type: skill, skills: []}]\n"


def whole(capability: str, head: str = HEAD) -> str:
    body = "\n".join(f"  {line}" for line in capability.strip().splitlines())
    exposes = "" if "exposes:" in capability else EXPOSES
    return f"{head}capability:\n{body}\n{exposes}"


def plain(record: Any) -> Any:  # noqa: ANN401 - any record
    """Write a record as its paths and values, to compare what differs in position alone."""
    if isinstance(record, Where | Finding):
        return None
    if isinstance(record, Struct):
        fields = asdict(record)
        return type(record).__name__, {name: plain(value) for name, value in fields.items()}
    if isinstance(record, tuple | list):
        return [plain(item) for item in record]
    return {k: plain(v) for k, v in record.items()} if isinstance(record, dict) else record


LIST_FORM = """
naftiko: 1.0.0-alpha2
info: {label: Ships, description: All ships}
binds:
- {namespace: env, keys: {TOKEN: SHIP_TOKEN}}
capability:
  consumes:
  - namespace: registry
    type: http
    baseUri: https://registry.test
    description: The registry
    authentication: {type: bearer, token: "{{TOKEN}}"}
    inputParameters: [{name: X-Version, in: header, value: "1"}]
    resources:
    - name: ships
      path: /ships
      inputParameters: [{name: tenant, in: query}]
      operations:
      - name: get-ship
        method: get
        path: /{id}
        outputRawFormat: XML
        inputParameters: [{name: id, in: path, type: string, required: true}]
        outputParameters: [{name: result, type: object, value: $.}]
  exposes:
  - type: rest
    namespace: ships-rest
    port: 8081
    resources:
    - path: /ships
      name: ships
      operations:
      - method: GET
        path: /{id}
        label: A ship
        call: registry.get-ship
        with: {id: rest.id}
        outputParameters: [{type: object, mapping: $.}]
  - type: mcp
    namespace: ships-mcp
    tools:
    - name: get-ship
      label: A ship
      description: gets one
      call: registry.get-ship
      hints: {readOnly: true}
      inputParameters: [{name: id, type: string, required: true, description: which}]
"""
MAP_FORM = """
ikanos: 1.0.0-beta4
info: {display: Ships, description: All ships}
binds:
  env: {keys: {TOKEN: SHIP_TOKEN}}
capability:
  consumes:
    registry:
      type: http
      baseUri: https://registry.test
      description: The registry
      authentication: {type: bearer, token: "{{TOKEN}}"}
      inputParameters: {X-Version: {in: header, value: "1"}}
      resources:
        ships:
          path: /ships
          inputParameters: {tenant: {in: query}}
          operations:
            get-ship:
              method: get
              path: /{id}
              outputRawFormat: XML
              inputParameters: {id: {in: path, type: string, required: true}}
              outputParameters: {result: {type: object, value: $.}}
  exposes:
    ships-rest:
      type: rest
      port: 8081
      resources:
        ships:
          path: /ships
          operations:
            get:
              name: ""
              method: GET
              path: /{id}
              display: A ship
              call: registry.get-ship
              with: {id: rest.id}
              outputParameters: [{type: object, mapping: $.}]
    ships-mcp:
      type: mcp
      tools:
        get-ship:
          display: A ship
          description: gets one
          call: registry.get-ship
          hints: {readOnly: true}
          inputParameters: {id: {type: string, required: true, description: which}}
"""


def test_a_document_becomes_one_set_of_records() -> None:
    found, findings = document(LIST_FORM)
    assert findings == []
    assert (found.language, found.version) == ("naftiko", "1.0.0-alpha2")
    assert found.info == Info(label="Ships", description="All ships")
    root = found.where
    (bind,) = found.binds
    assert bind == Bind(
        where=root.at("binds", 0), namespace="env", location=None, keys={"TOKEN": "SHIP_TOKEN"}
    )
    at = root.at("capability", "consumes", 0)
    operation = at.at("resources", 0, "operations", 0)
    (consumes,) = found.consumes
    assert consumes.authentication is not None
    assert consumes.authentication.fields == {"token": "{{TOKEN}}"}
    assert consumes == Consumes(
        where=at,
        namespace="registry",
        base_uri="https://registry.test",
        description="The registry",
        authentication=consumes.authentication,
        parameters=(
            Parameter(
                where=at.at("inputParameters", 0), name="X-Version", location="header", value="1"
            ),
        ),
        operations=(
            ConsumedOperation(
                where=operation,
                name="get-ship",
                method="GET",
                path="/ships/{id}",
                parameters=(
                    Parameter(
                        where=at.at("resources", 0, "inputParameters", 0),
                        name="tenant",
                        location="query",
                    ),
                    Parameter(
                        where=operation.at("inputParameters", 0),
                        name="id",
                        location="path",
                        type="string",
                        required=True,
                    ),
                ),
                raw_format="xml",
                outputs=(
                    Output(
                        where=operation.at("outputParameters", 0),
                        name="result",
                        type="object",
                        mapping="$.",
                    ),
                ),
            ),
        ),
    )
    rest, mcp = (root.at("capability", "exposes", n) for n in (0, 1))
    unit = rest.at("resources", 0, "operations", 0)
    tool = mcp.at("tools", 0)
    assert found.adapters == (
        Adapter(
            where=rest,
            type="rest",
            namespace="ships-rest",
            port=8081,
            units=(
                Unit(
                    where=unit,
                    name="ships",
                    label="A ship",
                    method="GET",
                    path="/ships/{id}",
                    call="registry.get-ship",
                    arguments={"id": "rest.id"},
                    outputs=(
                        Output(where=unit.at("outputParameters", 0), type="object", mapping="$."),
                    ),
                ),
            ),
        ),
        Adapter(
            where=mcp,
            type="mcp",
            namespace="ships-mcp",
            units=(
                Unit(
                    where=tool,
                    name="get-ship",
                    label="A ship",
                    description="gets one",
                    call="registry.get-ship",
                    parameters=(
                        Parameter(
                            where=tool.at("inputParameters", 0),
                            name="id",
                            type="string",
                            required=True,
                            description="which",
                        ),
                    ),
                    hints=Hints(read_only=True),
                ),
            ),
        ),
    )


def test_lists_and_keyed_maps_become_the_same_records() -> None:
    lists, _ = document(LIST_FORM)
    maps, findings = document(MAP_FORM)
    assert findings == []
    assert maps.language == "ikanos"
    for name in ("info", "binds", "consumes", "imports"):
        assert plain(getattr(maps, name)) == plain(getattr(lists, name)), name
    assert plain(maps.adapters[1]) == plain(lists.adapters[1])
    assert maps.adapters[0].units[0].path == "/ships/{id}"


CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "findings.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['rule']}: {case['name']}")
def test_what_is_odd_is_told_and_reading_goes_on(case: dict[str, Any]) -> None:
    read_from = source(case["text"])
    found, findings = read(read_from, read_from.data)
    assert codes(findings) == case["codes"]
    assert (found is not None) == case.get("served", True)
    assert case.get("message") in (None, *(finding.message for finding in findings))


@pytest.mark.parametrize(("language", "versions"), KNOWN_VERSIONS.items())
def test_r_root_2_every_known_version_is_read_alike(
    language: str, versions: tuple[str, ...]
) -> None:
    for version in versions:
        found, findings = document(whole("consumes: []", f"{language}: {version}\n"))
        assert (found.language, found.version, findings) == (language, version, [])


@pytest.mark.parametrize(
    ("info", "label"),
    [
        ("{label: a, title: b, name: c}", "a"),
        ("{display: a}", "a"),
        ("{title: b, name: c}", "b"),
        ("{name: c}", "c"),
        ("{}", "ships.yaml"),
        ("null", "ships.yaml"),
    ],
)
def test_r_info_1_a_document_has_a_label(info: str, label: str) -> None:
    head = f"naftiko: 1.0.0-alpha2\ninfo: {info}\n"
    assert document(whole("consumes: []", head))[0].info.label == label


def operation(text: str) -> ConsumedOperation:
    block = yaml.safe_dump(yaml.safe_load(text), default_flow_style=True, width=10_000).strip()
    made = f"consumes: [{{namespace: a, resources: [{{operations: [{block}]}}]}}]"
    return document(whole(made))[0].consumes[0].operations[0]


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        ("{type: json, data: {a: 1}}", "json", {"a": 1}),
        ("{type: json, data: {}}", "json", {}),
        ("{type: json}", "json", UNSET),
        ("{type: json, data: null}", "json", UNSET),
        ("{data: [1]}", "json", [1]),
        ("{a: 1}", "json", {"a": 1}),
        ("{}", "json", {}),
        ("[1]", "json", [1]),
        ("'{{x}}'", "raw", "{{x}}"),
        ("{type: application/cbor, data: x}", "application/cbor", "x"),
    ],
)
def test_shapes_of_the_body_clause(text: str, kind: str, data: object) -> None:
    found = operation(f"{{name: x, method: PUT, body: {text}}}")
    assert found.body == Body(where=found.where.at("body"), type=kind, data=data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "forEach: keyIds, as: keyId",
        "forEach: {forEach: keyIds, as: keyId}",
        "forEach: {in: keyIds, as: keyId}",
    ],
)
def test_forms_of_for_each(text: str) -> None:
    found = operation(f"{{name: x, method: GET, {text}}}")
    assert found.for_each == ForEach(
        where=found.where.at("forEach"), name="keyIds", element="keyId"
    )


def test_r_op_2_and_3_operations_have_any_name_or_an_id() -> None:
    assert operation("{id: add_2, method: GET}").name == "add_2"
    assert operation("{name: 'get-{plan-id}', id: no, method: GET}").name == "get-{plan-id}"
    assert operation("{name: 2015-02-01, method: GET}").name == "2015-02-01"


def test_a_parameter_keeps_what_is_written_of_it() -> None:
    found = operation("""
        {name: x, method: GET, inputParameters: [{name: 5, in: Query, type: Integer, required: true,
         nullable: true, default: 0, const: one, minimum: 1, enum: [1, 2], pattern: null,
         description: d, mapping: body.x, example: no}]}
    """).parameters[0]
    assert found == Parameter(
        where=found.where,
        name="5",
        location="query",
        type="integer",
        required=True,
        nullable=True,
        default=0,
        value="one",
        constant=True,
        description="d",
        mapping="body.x",
        schema={"minimum": 1, "enum": [1, 2]},
    )


def test_r_op_1_each_consumed_api_has_a_style_of_its_own() -> None:
    found, _ = document(
        whole("""
consumes:
- namespace: a
  resources:
  - {path: /a, operations: [{name: x, method: GET, path: /a/x}]}
  - {path: /b, operations: [{name: y, method: GET, path: /c}]}
- namespace: b
  resources:
  - {path: /a, operations: [{name: x, method: GET, path: /x}]}
""")
    )
    paths = [[operation.path for operation in api.operations] for api in found.consumes]
    assert paths == [["/a/x", "/c"], ["/a/x"]]


def test_a_bind_key_without_a_value_names_the_variable_itself() -> None:
    head = f"{HEAD}binds: {{env: {{keys: {{A: null, B: 5}}}}, e2: {{keys: null}}}}\n"
    found, _ = document(
        whole("consumes: []\nbinds: [{namespace: c, location: 'file://./x', keys: {D: d}}]", head)
    )
    assert [(b.namespace, b.location, dict(b.keys)) for b in found.binds] == [
        ("env", None, {"A": "A", "B": "5"}),
        ("e2", None, {}),
        ("c", "file://./x", {"D": "d"}),
    ]


@pytest.mark.parametrize(
    ("capability", "head", "entry"),
    [
        ("consumes: [{import: a, location: x.yaml, as: b}]", HEAD, ("a", "x.yaml", "b")),
        ("consumes: [{import: a, from: x.yaml}]", HEAD, ("a", "x.yaml", None)),
        ("consumes: {a: {import: a, from: x.yaml}}", HEAD, ("a", "x.yaml", None)),
        ("consumes: [{namespace: a, ref: x.yaml}]", HEAD, ("a", "x.yaml", None)),
        (
            "consumes: []",
            f"{HEAD}consumes: [{{import: a, location: x.yaml}}]\n",
            ("a", "x.yaml", None),
        ),
        ("consumes: []", f"{HEAD}import: [{{name: a, location: x.yaml}}]\n", ("a", "x.yaml", None)),
        ("imports: [x.yaml]", HEAD, (None, "x.yaml", None)),
        ("imports: [{location: x.yaml}]", HEAD, (None, "x.yaml", None)),
    ],
)
def test_r_imp_1_forms_of_an_import(
    capability: str, head: str, entry: tuple[str | None, str, str | None]
) -> None:
    found, _ = document(whole(capability, head))
    (made,) = found.imports
    assert made == Import(where=made.where, namespace=entry[0], location=entry[1], alias=entry[2])
    assert found.consumes == ()


def test_a_consumed_api_with_a_ref_and_a_base_uri_is_no_import() -> None:
    found, _ = document(whole("consumes: [{namespace: a, ref: x, baseUri: 'https://a.test'}]"))
    assert ([c.namespace for c in found.consumes], found.imports) == (["a"], ())


def test_parameters_of_rest_come_from_adapter_resource_and_operation() -> None:
    found, _ = document(
        whole("""
exposes:
- type: rest
  inputParameters: [{name: a, in: header}, {name: c, in: query, type: string}]
  resources:
  - path: /x
    inputParameters: [{name: b, in: query}]
    operations: [{method: GET, call: a.b, inputParameters: [{name: c, in: query, type: integer}]}]
""")
    )
    parameters = found.adapters[0].units[0].parameters
    assert [(p.name, p.location, p.type) for p in parameters] == [
        ("a", "header", ""),
        ("c", "query", "string"),
        ("b", "query", ""),
        ("c", "query", "integer"),
    ]


def test_r_rest_6_and_8_routes_join_and_repeat() -> None:
    found, _ = document(
        whole("""
exposes:
- type: rest
  resources:
  - {path: /a, operations: [{method: get, call: a.b}, {path: /b, call: a.b}]}
  - {path: /a, operations: [{method: POST, call: a.b}, {path: "/{id}:undo", call: a.b}]}
  - {operations: [{call: a.b}]}
""")
    )
    assert [(u.method, u.path) for u in found.adapters[0].units] == [
        ("GET", "/a"),
        ("GET", "/a/b"),
        ("POST", "/a"),
        ("GET", "/a/{id}:undo"),
        ("GET", "/"),
    ]


SKILLS = """
exposes:
- type: skill
  namespace: k
  port: 3012
  address: localhost
  description: All skills.
  authentication: {type: bearer, token: t}
  skills:
"""


SKILL = """
      description: d
      license: MIT
      compatibility: all
      metadata: {author: a, version: 2, draft: true}
      argument-hint: [order]
      user-invocable: false
      disable-model-invocation: true
      location: file:///opt/none
      allowed-tools: a,b c Bash(git add:*)
      tools:
"""


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("    - name: s", "- {name: t, ", "- {name: i, "), ("    s:", "  t: {", "  i: {")],
    ids=["list", "map"],
)
def test_a_skill_is_read_whole(name: str, first: str, second: str) -> None:
    found, findings = document(
        whole(f"""{SKILLS}{name}{SKILL}
      {first}from: {{sourceNamespace: m, action: x}}}}
      {second}description: I, instruction: i.md}}
""")
    )
    assert codes(findings) == []
    (adapter,) = found.adapters
    assert (adapter.type, adapter.namespace, adapter.port) == ("skill", "k", 3012)
    assert (adapter.address, adapter.description) == ("localhost", "All skills.")
    assert adapter.authentication is not None
    (skill,) = adapter.skills
    tools = skill.tools
    assert skill == Skill(
        where=skill.where,
        name="s",
        description="d",
        license="MIT",
        compatibility="all",
        metadata={"author": "a", "version": "2", "draft": "true"},
        argument_hint="[order]",
        user_invocable=False,
        disable_model_invocation=True,
        location="file:///opt/none",
        allowed_tools=("a", "b", "c", "Bash(git add:*)"),
        tools=(
            SkillTool(where=tools[0].where, name="t", source="m", action="x"),
            SkillTool(where=tools[1].where, name="i", description="I", instruction="i.md"),
        ),
    )


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("{}", "the tool 't' has neither 'from' nor 'instruction'"),
        (
            "{instruction: i.md, from: {sourceNamespace: m, action: x}}",
            "the tool 't' has both 'from' and 'instruction'",
        ),
        ("{from: {sourceNamespace: m}}", "'from' of the tool 't' does not say which tool it means"),
        ("{from: m.x}", "'from' of the tool 't' does not say which tool it means"),
    ],
)
def test_a_tool_of_a_skill_is_one_thing(tool: str, message: str) -> None:
    found, _ = document(whole(f"{SKILLS}    s: {{tools: {{t: {tool}}}}}"))
    problem = found.adapters[0].skills[0].tools[0].problem
    assert problem is not None
    assert (problem.code, problem.message) == ("E-SKILL-TOOL", message)


def test_calls_inside_skills_are_told_and_skills_without_a_name_left_out() -> None:
    called = "{name: s, call: a.b, tools: [{name: u, call: a.b}]}"
    found, findings = document(whole(f"{SKILLS}  - {called}\n  - {{tools: []}}"))
    (skill,) = found.adapters[0].skills
    assert [(tool.name, tool.problem) for tool in skill.tools] == [("u", None)]
    assert sorted(codes(findings)) == ["E-SKILL-NAME", "W-SKILL-CALL", "W-SKILL-CALL"]


def test_outputs_nest_and_a_path_may_be_written_as_value() -> None:
    made = operation("""
        {name: x, method: GET, outputParameters: [
          {name: a, type: object, value: $.result, properties: {b: {type: string, mapping: $.b}}},
          {type: array, mapping: $, items: [{type: string, maxLength: "5"}], values: {const: x}}]}
    """).outputs
    assert [plain(output)[1] | {"where": None} for output in made] == [
        plain(
            Output(
                where=made[0].where,
                name="a",
                type="object",
                mapping="$.result",
                properties={
                    "b": Output(where=made[0].where, name="b", type="string", mapping="$.b")
                },
            )
        )[1],
        plain(
            Output(
                where=made[0].where,
                type="array",
                mapping="$",
                items=Output(where=made[0].where, type="string", max_length=5),
                values=Output(where=made[0].where, value="x"),
            )
        )[1],
    ]


@pytest.mark.parametrize(
    ("text", "namespaces"),
    [
        (
            "consumes: [{namespace: a}, {namespace: b}]\ncapability: {consumes: [{namespace: c}]}",
            ["a", "b"],
        ),
        ("capability: {consumes: [{namespace: c}]}", ["c"]),
        ("consumes: [{import: a, location: x}]", []),
        ("{}", []),
        ("[1]", []),
    ],
)
def test_r_imp_1_an_imported_file_gives_its_consumed_apis(text: str, namespaces: list[str]) -> None:
    found, _ = read_shared(source(text), source(text).data, "consumes")
    assert [c.namespace for c in found.consumes] == namespaces
