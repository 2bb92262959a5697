"""Cases 101 and 102: what a document takes from other files and from the environment."""

import pytest

from tests.cases.serving import Serve, Served, answer

DOCUMENT = """
ikanos: 1.0.0-beta5
info: {{display: Desk, description: Takes from others.}}
binds:
- {{namespace: own, keys: {{OWN: OWN}}}}
- {binds}
capability:
  consumes:
  - {consumes}
  aggregates:
  - {aggregates}
  exposes:
  - {exposes}
  - type: rest
    namespace: desk
    port: 8080
    resources:
      hello:
        path: /hello
        operations:
          hello: {{method: GET, outputParameters: {{hi: {{type: string, value: Hi}}}}}}
      direct: {{path: /direct, operations: {{direct: {{method: GET, call: shop.get}}}}}}
      shared: {{path: /shared, operations: {{shared: {{method: GET, ref: flows.get}}}}}}
"""
FILES = {
    "shared/apis.yaml": """
        ikanos: 1.0.0-beta5
        consumes:
        - type: http
          namespace: store
          description: A store.
          baseUri: http://store.test
          authentication: {type: bearer, token: "{{TOKEN}}"}
          resources: {one: {path: /one, operations: {get: {method: GET}}}}
        """,
    "shared/flows.yaml": """
        ikanos: 1.0.0-beta5
        aggregates:
        - {display: Flows, namespace: flows, flows: {get: {description: Gets., call: shop.get}}}
        """,
    "shared/adapters.yaml": """
        ikanos: 1.0.0-beta5
        exposes:
        - type: mcp
          namespace: tools
          port: 9090
          tools: {get: {description: Gets., call: shop.get}}
        """,
    "shared/values.yaml": """
        ikanos: 1.0.0-beta5
        binds: [{namespace: secrets, keys: {TOKEN: STORE_TOKEN}}]
        """,
    "shared/broken.yaml": "consumes: [",
    "shared/empty.yaml": "ikanos: 1.0.0-beta5\nconsumes: []\n",
}
ENTRIES = {
    "consumes": "{import: store, from: ./shared/apis.yaml, as: shop}",
    "aggregates": "{import: flows, from: ./shared/flows.yaml}",
    "exposes": "{import: tools, from: ./shared/adapters.yaml, as: mcp}",
    "binds": "{import: secrets, from: ./shared/values.yaml, as: values}",
}


def desk(serve: Serve, **entries: str) -> Served:
    document = DOCUMENT.format(**{**ENTRIES, **entries})
    return serve(document, files=FILES, environ={"STORE_TOKEN": "t-1", "OWN": "o"})


@pytest.mark.case(101)
def test_each_section_can_come_from_another_file_under_another_name(serve: Serve) -> None:
    served = desk(serve)
    served.upstream.reply = answer({"n": 1})
    for target in ("/direct", "/shared"):
        assert served.get(target, adapter="desk").json == {"n": 1}
    assert served.result("get", adapter="mcp") == {"n": 1}
    assert {r.target for r in served.upstream.received} == {"/one"}
    assert served.upstream.last.header("authorization") == ["Bearer t-1"]
    assert [c for c in served.codes if c[0] == "E"] == []


@pytest.mark.case(
    101,
    differs="what an import cannot bring is left out with a finding that says where and why, and"
    " the rest of the file is served; the reference ends",
)
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{import: store, from: ./shared/none.yaml, as: shop}", "none.yaml"),
        ("{import: nowhere, from: ./shared/apis.yaml, as: shop}", "nowhere"),
        ("{import: store, from: ./shared/empty.yaml, as: shop}", "empty.yaml"),
        ("{import: store, from: ./shared/broken.yaml, as: shop}", "broken.yaml"),
        ("{import: store, as: shop}", "location"),
    ],
    ids=["no file", "no namespace", "empty", "malformed", "no path"],
)
def test_an_import_that_fails_takes_only_its_units_with_it(
    serve: Serve, entry: str, said: str
) -> None:
    served = desk(serve, consumes=entry)
    errors = [f for f in served.findings if f.code in ("E-CALL-IMPORT", "E-IMPORT", "E-YAML")]
    assert any(said in f"{f.file} {f.message} {f.fix}" for f in errors), served.findings
    served.get("/direct", adapter="desk").problem(501)
    assert served.get("/hello", adapter="desk").json == {"hi": "Hi"}


@pytest.mark.case(101)
@pytest.mark.parametrize("section", ["aggregates", "exposes", "binds"])
def test_a_missing_file_is_told_for_each_section(serve: Serve, section: str) -> None:
    served = desk(serve, **{section: "{import: x, from: ./shared/none.yaml}"})
    assert "none.yaml" in served.finding("E-IMPORT-TARGET").message
    assert served.get("/hello", adapter="desk").json == {"hi": "Hi"}


@pytest.mark.case(
    101,
    differs="two of one namespace are a warning: APIs are merged, and a second adapter is served"
    " under another name; the reference ends",
)
def test_a_namespace_that_is_there_twice_is_told(serve: Serve) -> None:
    served = desk(serve, consumes=f"{ENTRIES['consumes']}\n  - {ENTRIES['consumes']}")
    assert "W-NS-DUP" in served.codes
    served = desk(serve, exposes="{import: tools, from: ./shared/adapters.yaml, as: desk}")
    assert "W-ADAPTER-DUP" in served.codes


BINDS = """
naftiko: 1.0.0-alpha2
info: {{label: Notes, description: Notes with a key.}}
binds:
- namespace: notes-env
  {location}
  keys: {{NOTION_TOKEN: notion-token}}
capability:
  consumes:
  - type: http
    namespace: notes
    description: Notes.
    baseUri: http://notes.test
    authentication: {{type: bearer, token: "{{{{NOTION_TOKEN}}}}"}}
    resources:
    - {{name: notes, path: /notes, operations: [{{name: list-notes, method: GET}}]}}
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    resources: [{{path: /notes, operations: [{{method: GET, call: notes.list-notes}}]}}]
"""


@pytest.mark.case(102)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("secrets.json", '{"notion-token": "n-1"}'),
        ("secrets.yaml", "notion-token: n-1\n"),
        ("secrets.env", "notion-token=n-1\n"),
    ],
)
def test_a_bind_reads_a_file_beside_the_document(serve: Serve, name: str, content: str) -> None:
    location = f"location: file:///./{name}"
    served = serve(BINDS.format(location=location), files={name: content})
    assert served.get("/notes").status == 200
    assert served.upstream.last.header("authorization") == ["Bearer n-1"]


@pytest.mark.case(102)
def test_a_bind_without_a_location_reads_the_environment(serve: Serve) -> None:
    served = serve(BINDS.format(location=""), environ={"notion-token": "n-2"})
    assert served.get("/notes").status == 200
    assert served.upstream.last.header("authorization") == ["Bearer n-2"]


@pytest.mark.case(
    102,
    differs="a value that is missing is told at start, and only the calls that need it answer 503,"
    " naming it: everything else works meanwhile; the reference ends",
)
@pytest.mark.parametrize(
    ("location", "files"),
    [
        ("", {}),
        ("location: file:///./secrets.json", {"secrets.json": '{"other": "x"}'}),
        ("location: file:///./none.json", {}),
    ],
    ids=["environment", "key", "file"],
)
def test_a_value_that_is_missing_is_named(
    serve: Serve, location: str, files: dict[str, str]
) -> None:
    served = serve(BINDS.format(location=location), files=files)
    assert {"I-VAR-UNSET", "W-BIND-FILE"} & set(served.codes)
    assert "NOTION_TOKEN" in served.get("/notes").problem(503)["detail"]
    assert served.upstream.received == []
