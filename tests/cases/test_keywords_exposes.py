"""What each keyword of an exposed adapter changes for its callers."""

import base64
import json

import pytest

from tests.cases.serving import Serve, Served, answer, paths
from tests.cases.small import Fields, build
from tests.e2e.wire import Json

# ---------------------------------------------------------------------------------------- MCP


def discovered(served: Served) -> Json:
    return served.rpc({"method": "server/discover"}).json["result"]


def kept(result: Json) -> tuple[int, str]:
    return result["ttlMs"], result["cacheScope"]


CONTENT: Fields = {
    "resources": {
        "thing": {
            "display": "A thing",
            "uri": "data://thing",
            "description": "Of it.",
            "mimeType": "application/vnd.thing+json",
            "call": "up.do",
        }
    },
    "prompts": {
        "ask": {
            "display": "Ask",
            "description": "Asks.",
            "arguments": {
                "what": {"display": "What", "description": "Of what.", "required": True},
                "how": {"description": "How.", "required": False},
            },
            "template": [{"role": "user", "content": "{{what}}?"}],
        }
    },
}


@pytest.mark.parametrize(
    ("mcp", "lists", "contents"),
    [
        ({}, (60_000, "public"), (0, "private")),
        ({"ttlMs": 5000}, (5000, "public"), (5000, "private")),
        ({"ttlMs": 0, "cacheScope": "private"}, (0, "private"), (0, "private")),
        ({"ttlMs": 9, "cacheScope": "public"}, (9, "public"), (9, "public")),
        (
            {"cacheScope": "public", "authentication": {"type": "bearer", "token": "{{T}}"}},
            (60_000, "private"),
            (0, "private"),
        ),
    ],
)
def test_a_document_says_how_long_and_for_whom_answers_may_be_kept(
    serve: Serve, mcp: Fields, lists: tuple[int, str], contents: tuple[int, str]
) -> None:
    served = serve(build(mcp={**CONTENT, **mcp}), environ={"T": "t"})
    token = {"authorization": "Bearer t"}
    for method in ("server/discover", "tools/list", "resources/list", "prompts/list"):
        result = served.rpc({"method": method}, headers=token).json["result"]
        assert kept(result) == lists, method
    read = {"method": "resources/read", "params": {"uri": "data://thing"}}
    assert kept(served.rpc(read, headers=token).json["result"]) == contents


@pytest.mark.parametrize("wrong", [{"ttlMs": -1}, {"ttlMs": "long"}, {"cacheScope": "shared"}])
def test_what_says_nothing_about_caching_is_told(serve: Serve, wrong: Fields) -> None:
    served = serve(build(mcp=wrong))
    (finding,) = (f for f in served.findings if f.code == "E-TYPE")
    assert finding.pointer == f"capability.exposes[1].{next(iter(wrong))}"
    assert list(served.tools()) == ["run"]


def test_the_description_of_an_adapter_instructs_agents(serve: Serve) -> None:
    assert discovered(serve(build(mcp={"description": "Ask first."})))["instructions"] == (
        "Ask first."
    )
    assert "instructions" not in discovered(serve(build()))


def test_a_stdio_transport_needs_no_port_and_is_told_where_http_is_served(serve: Serve) -> None:
    served = serve(build(mcp={"transport": "stdio", "port": None}))
    assert served.finding("W-STDIO").pointer == "capability.exposes[1].transport"
    assert list(served.tools()) == ["run"]


def test_a_tool_has_a_title_a_description_and_arguments(serve: Serve) -> None:
    tool: Fields = {
        "display": "Run it",
        "description": "Runs it.",
        "tags": ["x"],
        "inputParameters": {
            "id": {"type": "string", "description": "Which.", "required": True},
            "deep": {"type": "boolean", "description": "How."},
        },
        "with": {"id": "mcp.id", "deep": "{{deep}}"},
    }
    operation = {"inputParameters": {"id": {"in": "query"}, "deep": {"in": "query"}}}
    served = serve(build(tool=tool, operation=operation))
    listed = served.tools()["run"]
    assert (listed["title"], listed["description"]) == ("Run it", "Runs it.")
    schema = listed["inputSchema"]
    assert schema["required"] == ["id"]
    assert schema["properties"] == {
        "id": {"type": "string", "description": "Which."},
        "deep": {"type": "boolean", "description": "How."},
    }
    served.result("run", id="7", deep=True)
    assert served.upstream.last.target == "/v1/thing?id=7&deep=true"
    assert served.call("run", deep=True).is_error


def test_tools_may_be_missing_where_there_is_anything_else(serve: Serve) -> None:
    served = serve(build(mcp={"tools": {}, **CONTENT}))
    capabilities = discovered(served)["capabilities"]
    assert capabilities.keys() >= {"resources", "prompts"}


def test_a_resource_is_listed_and_read_as_it_says(serve: Serve) -> None:
    served = serve(build(mcp=CONTENT))
    (listed,) = served.rpc({"method": "resources/list"}).json["result"]["resources"]
    assert listed == {
        "name": "thing",
        "title": "A thing",
        "uri": "data://thing",
        "description": "Of it.",
        "mimeType": "application/vnd.thing+json",
    }
    served.upstream.reply = answer({"n": 1})
    read = {"method": "resources/read", "params": {"uri": "data://thing"}}
    (content,) = served.rpc(read).json["result"]["contents"]
    assert content["mimeType"] == "application/vnd.thing+json"
    assert json.loads(content["text"]) == {"n": 1}


def test_a_binary_resource_is_a_blob(serve: Serve) -> None:
    thing = {**CONTENT["resources"]["thing"], "mimeType": "image/png", "binary": True}
    served = serve(build(mcp={"resources": {"thing": thing}}))
    served.upstream.reply = answer({"n": 1})
    read = {"method": "resources/read", "params": {"uri": "data://thing"}}
    (content,) = served.rpc(read).json["result"]["contents"]
    assert base64.b64decode(content["blob"]) == b'{"n": 1}'


def test_a_resource_may_run_steps_and_map_what_they_give(serve: Serve) -> None:
    resource: Fields = {
        **{k: v for k, v in CONTENT["resources"]["thing"].items() if k != "call"},
        "steps": {"one": {"type": "call", "call": "up.do"}},
        "mappings": [{"target": "number", "value": "$.one.n"}],
    }
    served = serve(build(mcp={"resources": {"thing": resource}}))
    served.upstream.reply = answer({"n": 1})
    read = {"method": "resources/read", "params": {"uri": "data://thing"}}
    (content,) = served.rpc(read).json["result"]["contents"]
    assert json.loads(content["text"]) == {"number": 1}


def test_outputs_of_a_resource_are_mapped(serve: Serve) -> None:
    outputs = [{"type": "string", "mapping": "$.name"}]
    thing = {**CONTENT["resources"]["thing"], "outputParameters": outputs}
    served = serve(build(mcp={"resources": {"thing": thing}}))
    served.upstream.reply = answer({"name": "Ada", "secret": True})
    read = {"method": "resources/read", "params": {"uri": "data://thing"}}
    (content,) = served.rpc(read).json["result"]["contents"]
    assert json.loads(content["text"]) == "Ada"


def test_an_upstream_error_is_no_content_of_a_resource(serve: Serve) -> None:
    served = serve(build(mcp=CONTENT))
    served.upstream.reply = answer({"error": "none"}, 404)
    read = {"method": "resources/read", "params": {"uri": "data://thing"}}
    assert "error" in served.rpc(read).json


def test_a_prompt_lists_its_arguments_and_needs_the_required_ones(serve: Serve) -> None:
    served = serve(build(mcp=CONTENT))
    (listed,) = served.rpc({"method": "prompts/list"}).json["result"]["prompts"]
    assert listed == {
        "name": "ask",
        "title": "Ask",
        "description": "Asks.",
        "arguments": [
            {"name": "what", "title": "What", "description": "Of what.", "required": True},
            {"name": "how", "description": "How.", "required": False},
        ],
    }
    asked = {"method": "prompts/get", "params": {"name": "ask", "arguments": {}}}
    assert "what" in served.rpc(asked).json["error"]["message"]


def test_a_placeholder_of_a_prompt_may_have_any_name(serve: Serve) -> None:
    prompt: Fields = {
        "display": "Ask",
        "description": "Asks.",
        "arguments": {"imo-number": {"description": "Which."}},
        "template": [{"role": "assistant", "content": "{{imo-number}} and {{imo_number}}"}],
    }
    served = serve(build(mcp={"prompts": {"ask": prompt}}))
    asked = {"method": "prompts/get", "params": {"name": "ask", "arguments": {"imo-number": "7"}}}
    (message,) = served.rpc(asked).json["result"]["messages"]
    assert (message["role"], message["content"]["text"]) == ("assistant", "7 and {{imo_number}}")


def test_a_prompt_may_be_a_file(serve: Serve) -> None:
    prompt = {"display": "Ask", "description": "Asks.", "location": "file:///./ask.md"}
    served = serve(build(mcp={"prompts": {"ask": prompt}}), files={"ask.md": "Well, {{x}}?"})
    asked = {"method": "prompts/get", "params": {"name": "ask", "arguments": {}}}
    (message,) = served.rpc(asked).json["result"]["messages"]
    assert (message["role"], message["content"]["text"]) == ("user", "Well, {{x}}?")


# --------------------------------------------------------------------------------------- REST


def test_a_route_answers_at_its_path_and_below_its_adapters_name(serve: Serve) -> None:
    served = serve(build(rest={"namespace": "desk"}, path={"path": "/there"}))
    for target in ("/there", "/desk/there"):
        assert served.get(target, adapter="desk").status == 200
    assert served.get("/run", adapter="desk").status == 404


@pytest.mark.parametrize("placeholder", ["{id}", "{{id}}"])
def test_a_placeholder_of_a_path_is_an_argument(serve: Serve, placeholder: str) -> None:
    served = serve(build(path={"path": f"/t/{placeholder}"}, resource={"path": "/x/{{id}}"}))
    assert served.get("/t/a%20b").status == 200
    assert served.upstream.last.target == "/v1/x/a%20b"


@pytest.mark.parametrize("name", ["id", "path"])
def test_an_argument_of_a_path_is_one_segment(serve: Serve, name: str) -> None:
    path, resource = {"path": f"/t/{{{name}}}"}, {"path": f"/x/{{{{{name}}}}}"}
    served = serve(build(path=path, resource=resource))
    assert served.get("/t/a%2Fb").status == 200
    assert served.upstream.last.target == "/v1/x/a%2Fb"
    assert served.get("/t/a/b").status == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_route_has_its_method(serve: Serve, method: str) -> None:
    served = serve(build(route={"method": method}))
    assert served.ask(method, "/run", {} if method[0] == "P" else None).status == 200
    others = {"GET", "POST", "PUT", "PATCH", "DELETE"} - {method}
    assert served.ask(others.pop(), "/run").status == 405


def test_a_route_without_a_method_is_a_get(serve: Serve) -> None:
    served = serve(build(path={"operations": {"run": {"call": "up.do"}}}))
    assert served.get("/run").status == 200


def test_with_gives_an_operation_its_inputs(serve: Serve) -> None:
    operation = {"inputParameters": {n: {"in": "query"} for n in ("a", "b", "c", "d")}}
    given = {"a": "rest.x", "b": "{{x}}-{{y}}", "c": "x", "d": 7}
    served = serve(build(operation=operation, route={"with": given}))
    assert served.get("/run?x=1&y=2").status == 200
    assert served.upstream.last.target == "/v1/thing?a=1&b=1-2&c=x&d=7"


@pytest.mark.parametrize("holder", ["rest", "path", "route"])
def test_parameters_are_declared_for_an_adapter_a_resource_or_an_operation(
    serve: Serve, holder: str
) -> None:
    parameter = {"n": {"in": "query", "type": "integer", "description": "How many."}}
    operation = {"inputParameters": {"n": {"in": "query"}}}
    given: Fields = {holder: {"inputParameters": parameter}}
    served = serve(build(operation=operation, **given))
    (described,) = served.get("/openapi.json").json["paths"]["/run"]["get"]["parameters"]
    assert (described["in"], described["schema"]["type"]) == ("query", "integer")
    assert described["description"] == "How many."
    assert served.get("/run?n=x").problem(400)["errors"][0]["field"] == "n"


def test_a_pattern_is_checked(serve: Serve) -> None:
    parameter = {"in": "query", "type": "string", "description": "C.", "pattern": "^[A-Z]{3}$"}
    operation = {"inputParameters": {"code": {"in": "query"}}}
    served = serve(build(operation=operation, route={"inputParameters": {"code": parameter}}))
    assert served.get("/run?code=ABC").status == 200
    assert served.get("/run?code=abc").problem(400)["errors"][0]["field"] == "code"
    assert len(served.upstream.received) == 1


def test_names_and_descriptions_of_a_route_are_in_its_openapi_description(serve: Serve) -> None:
    route = {"display": "Run it", "description": "Runs it.", "tags": ["x"]}
    served = serve(build(route=route, path={"display": "R", "description": "Of it.", "tags": []}))
    described = served.get("/openapi.json").json["paths"]["/run"]["get"]
    assert described["operationId"] == "rest.run"
    assert described["summary"] == "Run it"
    assert described["description"] == "Runs it."


def test_the_port_and_address_of_an_adapter_are_where_it_listens(serve: Serve) -> None:
    served = serve(build(rest={"address": "localhost"}, mcp={"address": "10.1.2.3"}))
    assert served.url().startswith("http://127.0.0.1:")
    notice = served.finding("I-ADDRESS")
    assert notice.pointer == "capability.exposes[1].address"
    assert "E-PORT" in serve(build(rest={"port": 70_000})).codes


@pytest.mark.parametrize(
    ("authentication", "right", "wrong"),
    [
        (
            {"type": "bearer", "token": "{{T}}"},
            {"authorization": "Bearer t-1"},
            {"authorization": "Bearer t-2"},
        ),
        (
            {"type": "basic", "username": "u", "password": "{{T}}"},
            {"authorization": "Basic " + base64.b64encode(b"u:t-1").decode()},
            {"authorization": "Basic " + base64.b64encode(b"u:t-2").decode()},
        ),
        (
            {"type": "apikey", "key": "X-Key", "value": "{{T}}", "placement": "header"},
            {"x_key": "t-1"},
            {"x_key": "t-2"},
        ),
    ],
    ids=["bearer", "basic", "apikey"],
)
def test_an_authentication_lets_nobody_else_in(
    serve: Serve, authentication: Fields, right: dict[str, str], wrong: dict[str, str]
) -> None:
    guarded = {"authentication": authentication}
    served = serve(build(rest=guarded, mcp=guarded), environ={"T": "t-1"})
    assert served.get("/run", **right).status == 200
    for headers in (wrong, {}):
        refused = served.get("/run", **headers)
        assert refused.status == 401
        assert "www-authenticate" in refused.headers
        found = served.rpc(
            {"method": "tools/list"}, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        assert found.status == 401
    assert len(served.upstream.received) == 1
    assert served.upstream.last.header("authorization") == []


def test_an_api_key_may_be_in_the_query(serve: Serve) -> None:
    key = {"type": "apikey", "key": "k", "value": "{{T}}", "placement": "query"}
    served = serve(build(rest={"authentication": key}), environ={"T": "t-1"})
    assert served.get("/run?k=t-1").status == 200
    assert served.get("/run?k=t-2").status == 401
    assert "t-1" not in served.upstream.last.target


@pytest.mark.parametrize(
    "clause",
    [
        {"responses": {200: {"description": "It.", "content": {"image/png": {"binary": True}}}}},
        {"responseBinary": {"mediaType": "image/png", "description": "It."}},
    ],
)
def test_a_binary_response_has_the_declared_media_type(serve: Serve, clause: Fields) -> None:
    served = serve(build(operation={"outputRawFormat": "binary"}, route=clause))
    served.upstream.reply.headers["content-type"] = "application/octet-stream"  # type: ignore[union-attr]
    assert served.get("/run").media_type == "image/png"
    described = served.get("/openapi.json").json["paths"]["/run"]["get"]["responses"]
    assert described["200"] == {"description": "It.", "content": {"image/png": {}}}


def test_responses_are_described_by_status(serve: Serve) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    responses = {
        "200": {"description": "It.", "content": {"application/json": {"schema": schema}}},
        "404": {"description": "None."},
        "often": {"description": "No status."},
    }
    served = serve(build(route={"responses": responses}))
    described = served.get("/openapi.json").json["paths"]["/run"]["get"]["responses"]
    assert described.pop("default")
    assert described == {
        "200": {"description": "It.", "content": {"application/json": {"schema": schema}}},
        "404": {"description": "None."},
    }


# --------------------------------------------------------------------------- aggregates, mocks


def flows(*flow: Fields, **more: Json) -> Fields:
    named = {f"flow-{number}": {"description": "F.", **each} for number, each in enumerate(flow)}
    return {"aggregates": [{"display": "Shared", "namespace": "shared", "flows": named, **more}]}


def test_a_flow_serves_all_that_refer_to_it(serve: Serve) -> None:
    flow: Fields = {
        "inputParameters": {"id": {"type": "string", "description": "Which."}},
        "call": "up.do",
        "with": {"id": "shared.id"},
        "outputParameters": [{"type": "string", "mapping": "$.name"}],
    }
    served = serve(
        build(
            capability=None,
            unit={"ref": "shared.flow-0"},
            resource={"path": "/x/{{id}}"},
        ).replace("capability:\n", "capability:\n" + _indented(flows(flow)), 1)
    )
    served.upstream.reply = paths({"/v1/x/7": {"name": "Seven"}})
    assert served.get("/run?id=7").json == "Seven"
    assert served.result("run", id="7") == "Seven"


def _indented(value: Json) -> str:
    """Write JSON, which is YAML too, as members of a block."""
    return "".join(f"  {key}: {json.dumps(each)}\n" for key, each in value.items())


def test_a_ref_may_give_a_flow_its_arguments(serve: Serve) -> None:
    flow: Fields = {
        "inputParameters": {"id": {"type": "string", "description": "Which."}},
        "call": "up.do",
        "with": {"id": "shared.id"},
    }
    document = build(
        unit={"ref": "shared.flow-0", "with": {"id": "fixed"}}, resource={"path": "/x/{{id}}"}
    ).replace("capability:\n", "capability:\n" + _indented(flows(flow)), 1)
    served = serve(document)
    assert served.get("/run").status == 200
    assert served.upstream.last.target == "/v1/x/fixed"


def test_tags_and_media_types_of_flows_change_nothing(serve: Serve) -> None:
    flow: Fields = {"call": "up.do", "tags": ["x"], "outputMediaType": "image/png"}
    document = build(unit={"ref": "shared.flow-0"})
    served = serve(document.replace("capability:\n", "capability:\n" + _indented(flows(flow)), 1))
    assert served.codes == []
    assert served.get("/run").media_type == "application/json"


def test_an_aggregate_without_a_namespace_is_told(serve: Serve) -> None:
    shared = flows({"call": "up.do"}, namespace=None)
    del shared["aggregates"][0]["namespace"]
    served = serve(build().replace("capability:\n", "capability:\n" + _indented(shared), 1))
    assert "W-AGGREGATE-UNNAMED" in served.codes


def test_a_mock_flow_answers_with_the_callers_arguments(serve: Serve) -> None:
    flow: Fields = {
        "inputParameters": {"name": {"type": "string", "description": "Whom."}},
        "outputParameters": {"hi": {"type": "string", "value": "Hello, {{name}}!"}},
    }
    document = build(unit={"ref": "shared.flow-0"})
    served = serve(document.replace("capability:\n", "capability:\n" + _indented(flows(flow)), 1))
    assert served.get("/run?name=Ada").json == {"hi": "Hello, Ada!"}
    assert served.result("run", name="Ada") == {"hi": "Hello, Ada!"}
    assert served.upstream.received == []


def test_outputs_of_steps_describe_and_change_nothing(serve: Serve) -> None:
    outputs: Fields = {"n": {"type": "string"}, "more": {"type": "object", "properties": {}}}
    steps: Fields = {
        "steps": {"one": {"type": "call", "call": "up.do"}},
        "mappings": [{"target": "n", "value": "$.one.n"}],
        "outputParameters": outputs,
    }
    served = serve(build(unit=steps))
    served.upstream.reply = answer({"n": 1})
    assert served.get("/run").json == {"n": 1}
