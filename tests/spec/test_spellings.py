"""What authors write instead: read as they mean it, or refused, never served as another thing."""

from typing import Any

import pytest

from naftiko_run.errors import UnsupportedError
from tests.spec.documents import api, build, codes, document, serve, source

OPERATION = "method: GET\npath: /ships\n"
CALLED = "ops: {get: {path: '/ships/{imo}', inputParameters: [{name: limit, in: query}]}}\n"


def whole(capability: str, binds: str = "[]") -> str:
    return (
        f"{{naftiko: 1.0.0-alpha2, info: {{label: x}}, binds: {binds}, capability: {capability}}}"
    )


# ------------------------------------------------------------------------------- authentication


@pytest.mark.parametrize("clause", ["bearer", "[]", "[{type: bearer}, {type: basic}]", "5", "{}"])
def test_an_adapter_whose_authentication_cannot_be_read_is_not_served_open(clause: str) -> None:
    tools = "tools: [{name: hi, outputParameters: [{type: string, value: hi}]}]"
    found, _ = document(whole(f"{{exposes: [{{type: mcp, authentication: {clause}, {tools}}}]}}"))
    authentication = found.adapters[0].authentication
    assert authentication is not None
    assert authentication.type == ""


@pytest.mark.anyio
@pytest.mark.parametrize("clause", ["bearer", "[]", "5"])
async def test_an_api_whose_authentication_cannot_be_read_is_not_called_without(
    clause: str,
) -> None:
    built = build(f"{OPERATION}authentication: {clause}")
    assert codes(built.findings) == ["E-TYPE", "W-AUTH-UNSUPPORTED"]
    with pytest.raises(UnsupportedError):
        await built.operation({})


@pytest.mark.parametrize(
    "clause",
    [
        "{type: api-key, key: X-Key, value: s}",
        "{type: API_KEY, key: X-Key, value: s}",
        "[{type: apikey, key: X-Key, value: s}]",
    ],
)
def test_other_spellings_of_a_scheme_are_that_scheme(clause: str) -> None:
    request = build(f"{OPERATION}authentication: {clause}").request()
    assert ("X-Key", "s") in request.headers


@pytest.mark.parametrize(
    "key", ["Authentication", "authentification", "autentication", "authorization", "authenticate"]
)
def test_a_misspelt_key_does_not_open_what_it_was_to_protect(key: str) -> None:
    tools = "tools: [{name: hi, outputParameters: [{type: string, value: hi}]}]"
    clause = "{type: bearer, token: s}"
    found, _ = document(whole(f"{{exposes: [{{type: mcp, {key}: {clause}, {tools}}}]}}"))
    authentication = found.adapters[0].authentication
    assert authentication is not None
    assert authentication.type == "bearer"
    resources = "resources: [{operations: [{name: op, method: GET}]}]"
    request = build(f"{{{key}: {clause}, {resources}}}").request()
    assert ("Authorization", "Bearer s") in request.headers


def test_a_key_that_means_something_else_is_no_authentication() -> None:
    assert api("{author: {type: bearer}, resources: []}")[0].authentication is None


def test_a_scheme_as_openapi_says_it() -> None:
    request = build(
        f"{OPERATION}authentication: {{type: http, scheme: Bearer, token: s}}"
    ).request()
    assert ("Authorization", "Bearer s") in request.headers
    assert api(f"{OPERATION}authentication: {{type: none}}")[0].authentication is None


@pytest.mark.parametrize(
    "token", ["$TOKEN", "${TOKEN}", "{TOKEN}", "TOKEN", "env.TOKEN", "${env.TOKEN}"]
)
def test_the_name_of_a_variable_is_nobodys_credential(token: str) -> None:
    built = build(
        f"{OPERATION}authentication: {{type: bearer, token: '{token}'}}", declared={"TOKEN": "s"}
    )
    assert ("Authorization", "Bearer s") in built.request().headers
    assert codes(built.findings) == ["W-VAR-LITERAL"]


@pytest.mark.parametrize("token", ["$OTHER", "{OTHER}", "OTHER", "a TOKEN", "token", "${token}"])
def test_a_text_that_names_no_variable_is_a_credential(token: str) -> None:
    built = build(
        f"{OPERATION}authentication: {{type: bearer, token: '{token}'}}", declared={"TOKEN": "s"}
    )
    assert ("Authorization", f"Bearer {token}") in built.request().headers


@pytest.mark.anyio
async def test_a_credential_with_an_unknown_filter_is_not_sent_empty() -> None:
    built = build(
        OPERATION + "authentication: {type: bearer, token: '{{TOKEN | upper}}'}",
        declared={"TOKEN": "s"},
    )
    with pytest.raises(UnsupportedError, match=r"\{\{TOKEN \| upper\}\} is not known"):
        await built.operation({})


# ----------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("int", "integer"),
        ("Long", "integer"),
        ("double", "number"),
        ("bool", "boolean"),
        ("list", "array"),
        ("dict", "object"),
        ("[string, 'null']", "string"),
        ("['null', integer]", "integer"),
    ],
)
def test_types_of_other_languages(written: str, read: str) -> None:
    found, _ = api(f"{OPERATION}inputParameters: [{{name: x, in: query, type: {written}}}]")
    (parameter,) = found.operations[0].parameters
    assert (parameter.type, parameter.nullable) == (read, "null" in written)


@pytest.mark.parametrize(("written", "read"), [("yes", True), ("'true'", True), ("No", False)])
def test_required_in_words(written: str, read: bool) -> None:
    parameters = f"[{{name: x, in: query, required: {written}}}]"
    operation = f"{{name: b, method: GET, inputParameters: {parameters}}}"
    block = f"{{namespace: a, resources: [{{operations: [{operation}]}}]}}"
    found, _ = document(whole(f"{{consumes: [{block}], exposes: [{{type: skill}}]}}"))
    assert found.consumes[0].operations[0].parameters[0].required is read


# ----------------------------------------------------------------------- lists, maps, one entry


def test_a_single_entry_needs_no_list() -> None:
    operation = "{name: b, method: GET, inputParameters: {name: q, in: query}}"
    consumes = f"{{namespace: a, resources: {{path: /x, operations: {operation}}}}}"
    tool_text = "{name: t, call: a.b, outputParameters: {type: array, mapping: $.items}}"
    exposes = f"{{type: mcp, namespace: m, tools: {tool_text}}}"
    found, findings = document(whole(f"{{consumes: {consumes}, exposes: {exposes}}}"))
    (read,) = found.consumes[0].operations
    assert (read.name, read.path, read.parameters[0].name) == ("b", "/x", "q")
    (tool,) = found.adapters[0].units
    assert (tool.name, tool.outputs[0].mapping) == ("t", "$.items")
    assert findings == []


def test_adapters_in_a_map_by_their_type() -> None:
    tools = "{t: {call: a.b}}"
    found, findings = document(
        whole(f"{{consumes: [], exposes: {{mcp: {{port: 1, tools: {tools}}}}}}}")
    )
    assert [(a.type, a.namespace) for a in found.adapters] == [("mcp", "mcp")]
    assert findings == []


def test_operations_in_a_map_by_their_method() -> None:
    resources = "[{path: /x, operations: {post: {call: a.b}, GET: {call: a.c}}}]"
    found, _ = document(
        whole(f"{{consumes: [], exposes: [{{type: rest, resources: {resources}}}]}}")
    )
    assert [unit.method for unit in found.adapters[0].units] == ["POST", "GET"]


def test_keys_of_a_bind_in_a_list_are_called_the_same_outside() -> None:
    found, _ = document(whole("{exposes: [{type: skill}]}", binds="[{namespace: e, keys: [A, B]}]"))
    assert found.binds[0].keys == {"A": "A", "B": "B"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "clause",
    [
        "[{name: imo, value: tools.id}, {name: limit, value: 5}]",
        "[{imo: tools.id}, {limit: 5}]",
        "{imo: tools.id, limit: 5}",
    ],
)
async def test_with_in_a_list(clause: str) -> None:
    served = serve(f"{CALLED}tools: {{get: {{call: up.get, with: {clause}}}}}")
    await served.call("get", {"id": "7"})
    assert served.client.requests[0].url.endswith("/ships/7?limit=5")


@pytest.mark.parametrize(
    "unit", ["call: up.get, with: 'imo: tools.id'", "steps: [{name: a, call: up.get, with: [5]}]"]
)
def test_what_has_a_with_that_cannot_be_read_is_not_served_without(unit: str) -> None:
    served = serve(f"{CALLED}tools: {{get: {{{unit}}}}}")
    assert served.problem("get").code == "E-TYPE"


@pytest.mark.parametrize(
    ("call", "code"), [("{namespace: up, operation: get}", "E-CALL-SYNTAX"), ("' up.get '", "")]
)
def test_a_call_that_is_no_name(call: str, code: str) -> None:
    served = serve(f"{CALLED}tools: {{get: {{call: {call}}}}}")
    assert [f.code for f in served.findings if f.severity == "error"] == ([code] if code else [])


# ------------------------------------------------------------------------------ paths and bodies


@pytest.mark.parametrize(
    "segment", [":imo", "<imo>", "<int:imo>", "{+imo}", "{imo*}", "{imo?}", "{imo:path}"]
)
def test_placeholders_of_other_frameworks(segment: str) -> None:
    parameters = "inputParameters: [{name: imo, in: path}]"
    built = build(f"method: GET\npath: '/ships/{segment}/log'\n{parameters}")
    assert built.request(imo="a/b").url.endswith("/ships/a%2Fb/log")
    assert codes(built.findings) == ["W-PLACEHOLDER"]
    found, findings = document(
        whole(
            f"{{exposes: [{{type: rest, resources: [{{path: '/s/{segment}',"
            " operations: [{method: GET, call: a.b}]}]}]}"
        )
    )
    assert found.adapters[0].units[0].path == "/s/{imo}"
    assert codes(findings) == ["W-PLACEHOLDER"]


@pytest.mark.parametrize("path", ["/ships/{imo}:archive", "/a:b/c", "/{{+x}}", "/a<b>", "/12:30"])
def test_a_text_that_is_no_placeholder_stays_in_a_path(path: str) -> None:
    found, findings = api(f"method: GET\npath: '{path}'")
    assert (found.operations[0].path, findings) == (path, [])


def test_a_verb_of_an_operation_is_no_placeholder() -> None:
    operations = "[{name: a, method: POST, path: ':archive'}, {name: b, method: POST, path: /x}]"
    found, findings = api(f"resources: [{{path: /, operations: {operations}}}]")
    assert (found.operations[0].path, findings) == ("/:archive", [])


def test_a_placeholder_without_a_parameter_is_one_as_well_and_told_once() -> None:
    operations = "[{name: a, method: GET}, {name: b, method: PUT}]"
    found, findings = api(f"resources: [{{path: '/s/:imo/log/:imo2', operations: {operations}}}]")
    assert {each.path for each in found.operations} == {"/s/{imo}/log/{imo2}"}
    assert codes(findings) == ["W-PLACEHOLDER", "W-PLACEHOLDER"]


def test_a_path_parameter_of_the_base_uri_is_not_appended_to_the_path() -> None:
    parameters = "inputParameters: [{name: tenant, in: path}]"
    built = build(
        f"baseUri: 'https://a.test/{{tenant}}/v1'\nmethod: GET\npath: /x\n{parameters}",
        environ={"tenant": "acme"},
    )
    assert built.request(tenant="other").url == "https://a.test/acme/v1/x"
    assert codes(built.findings) == []


def test_a_query_of_the_base_uri_stands_behind_the_path() -> None:
    built = build("baseUri: 'https://a.test/api/?v=1'\nmethod: GET\npath: /x?y=2")
    assert built.request().url == "https://a.test/api/x?v=1&y=2"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_cut_copy_is_one_with_any_line_ends(newline: str) -> None:
    lines = ("naftiko: 1.0.0-alpha2", "# --- truncated at 32 KB (48 KB total) ---", "# more")
    assert source(newline.join(lines)).cut is not None


@pytest.mark.parametrize("name", ["x-www-form-urlencoded", "form-urlencoded", "urlencoded"])
def test_other_names_of_a_form(name: str) -> None:
    body: dict[str, Any] = {"type": name, "data": {"a": "{{a}}"}}
    assert build(f"method: POST\npath: /x\nbody: {body}").request(a="b c").body == b"a=b+c"


def test_a_body_of_json_by_its_media_type() -> None:
    built = build("method: POST\npath: /x\nbody: {type: application/json, data: {a: '{{a}}'}}")
    assert (built.request(a=5).body, built.findings) == (b'{"a":5}', [])


# ------------------------------------------------------------------------------ texts and filters


@pytest.mark.parametrize("text", ["$tools.id", "{tools.id}", "${tools.id}", "arguments.id"])
def test_a_text_that_looks_like_an_argument_is_told(text: str) -> None:
    served = serve(f"{CALLED}tools: {{get: {{call: up.get, with: {{imo: '{text}'}}}}}}")
    assert "W-WITH-LITERAL" in codes(served.findings)


def test_a_reference_of_old_files_is_told_with_what_it_means() -> None:
    served = serve(f"{CALLED}tools: {{get: {{call: up.get, with: {{imo: $this.ships.id}}}}}}")
    (finding,) = served.findings
    assert (finding.code, finding.fix) == (
        "W-WITH-LITERAL",
        "write 'tools.id' for the argument 'id'",
    )


@pytest.mark.parametrize("text", ["ships.csv", "v1.2", "$.id", "a b.c", "tools", "input.csv"])
def test_a_text_is_a_text(text: str) -> None:
    served = serve(f"{CALLED}tools: {{get: {{call: up.get, with: {{imo: '{text}'}}}}}}")
    assert codes(served.findings) == []


@pytest.mark.parametrize(
    ("operation", "unit"),
    [
        ("{method: POST, body: {type: json, data: {a: '{{a | upper}}'}}}", "{call: up.get}"),
        ("{inputParameters: [{name: q, in: query, value: '{{a | upper}}'}]}", "{call: up.get}"),
        ("{path: '/{imo}'}", "{call: up.get, with: {imo: '{{a | upper}}'}}"),
        ("{path: '/{imo}'}", "{steps: [{name: s, call: up.get, with: {imo: '{{a | upper}}'}}]}"),
    ],
)
def test_what_has_an_unknown_filter_is_not_served_without_the_value(
    operation: str, unit: str
) -> None:
    tools = f"{{get: {unit}, other: {{call: up.other}}}}"
    served = serve(f"ops: {{get: {operation}, other: {{}}}}\ntools: {tools}")
    assert served.problem("get").code == "E-FILTER"
    assert served.unit("other")
