"""What each keyword of a consumed API changes in the request, or in what comes of the reply."""

import base64
import json
from urllib.parse import parse_qsl

import pytest

from tests.cases.serving import Serve, answer, text, text_of
from tests.cases.small import Fields, build
from tests.e2e.upstream import Received
from tests.e2e.wire import Json


def sent(serve: Serve, document: str, target: str = "/run", **environ: str) -> Received:
    """Ask the route once, and give what the upstream got."""
    served = serve(document, environ=environ)
    found = served.get(target)
    assert found.status == 200, (found, served.findings)
    (received,) = served.upstream.received
    return received


def test_a_base_uri_and_the_path_of_a_resource_make_the_target(serve: Serve) -> None:
    assert sent(serve, build()).target == "/v1/thing"
    serve.upstream.received.clear()
    other = build(api={"baseUri": "http://up.test/v2"}, resource={"path": "/other"})
    assert sent(serve, other).target == "/v2/other"


def test_a_path_may_have_variables_that_are_encoded(serve: Serve) -> None:
    found = sent(serve, build(resource={"path": "/thing/{{id}}"}), "/run?id=a%2Fb")
    assert found.target == "/v1/thing/a%2Fb"


def test_a_base_uri_that_ends_with_a_slash_doubles_none(serve: Serve) -> None:
    found = sent(serve, build(api={"baseUri": "http://up.test/v1/"}))
    assert found.target == "/v1/thing"


def test_an_api_is_called_by_its_namespace(serve: Serve) -> None:
    sent(serve, build(api={"namespace": "shop"}, unit={"call": "shop.do"}))
    served = serve(build(api={"namespace": "shop"}))
    assert "'up'" in served.finding("E-CALL-NAMESPACE").message


def test_an_api_of_another_type_is_told(serve: Serve) -> None:
    served = serve(build(api={"type": "grpc"}))
    assert any(f.pointer == "capability.consumes[0].type" for f in served.findings)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_the_method_of_an_operation_is_that_of_the_request(serve: Serve, method: str) -> None:
    assert sent(serve, build(operation={"method": method})).method == method


def test_an_operation_without_a_method_is_a_get_with_a_warning(serve: Serve) -> None:
    served = serve(build(resource={"operations": {"do": {}}}))
    assert "W-OP-METHOD" in served.codes
    assert served.get("/run").status == 200
    assert served.upstream.last.method == "GET"


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("query", lambda r: dict(parse_qsl(r.target.partition("?")[2])).get("X-A")),
        ("header", lambda r: r.header("x-a")[0]),
        ("cookie", lambda r: r.header("cookie")[0].removeprefix("X-A=")),
        ("body", lambda r: r.json["X-A"]),
    ],
)
def test_a_parameter_goes_where_its_in_says(serve: Serve, place: str, shown: Json) -> None:
    operation = {"method": "POST", "inputParameters": {"X-A": {"in": place, "value": "v-{{q}}"}}}
    assert shown(sent(serve, build(operation=operation), "/run?q=1")) == "v-1"


def test_a_header_takes_no_control_characters(serve: Serve) -> None:
    operation = {"inputParameters": {"X-A": {"in": "header", "value": "{{q}}"}}}
    served = serve(build(operation=operation))
    assert served.get("/run?q=a%0d%0aX-B:%20b").status == 400
    assert served.upstream.received == []


def test_operations_are_named_across_all_resources(serve: Serve) -> None:
    resources = {
        "thing": {"path": "/thing", "operations": {"do": {"method": "GET"}}},
        "other": {
            "path": "/other",
            "operations": {"do": {"method": "GET"}, "more": {"method": "GET"}},
        },
    }
    served = serve(build(api={"resources": resources}, tool={"call": "up.more"}))
    twice = served.finding("W-OP-DUP")
    assert twice.pointer == "capability.consumes[0].resources.other.operations.do"
    served.get("/run")
    served.result("run")
    assert [r.target for r in served.upstream.received] == ["/v1/thing", "/v1/other"]


def test_a_parameter_of_the_path_fills_its_placeholder(serve: Serve) -> None:
    operation = {"inputParameters": {"id": {"in": "path"}}}
    found = sent(serve, build(operation=operation, resource={"path": "/t/{{id}}"}), "/run?id=7")
    assert found.target == "/v1/t/7"


def test_a_parameter_of_the_environment_fills_templates_alone(serve: Serve) -> None:
    operation = {
        "inputParameters": {
            "REGION": {"in": "environment"},
            "X-Region": {"in": "header", "value": "{{REGION}}"},
        }
    }
    found = sent(serve, build(operation=operation), REGION="eu")
    assert found.header("x-region") == ["eu"]
    assert "REGION" not in found.target


@pytest.mark.parametrize("holder", ["api", "resource", "operation"])
def test_parameters_of_an_api_and_of_a_resource_are_those_of_their_operations(
    serve: Serve, holder: str
) -> None:
    given: Fields = {holder: {"inputParameters": {"X-A": {"in": "header", "value": "{{q}}"}}}}
    assert sent(serve, build(**given), "/run?q=here").header("x-a") == ["here"]


def test_names_and_descriptions_reach_callers_where_their_units_have_none(serve: Serve) -> None:
    operation = {
        "description": "Does it upstream.",
        "inputParameters": {"q": {"in": "query", "type": "integer", "description": "How many."}},
    }
    served = serve(build(operation=operation, mcp={"tools": {"run": {"call": "up.do"}}}))
    tool = served.tools()["run"]
    assert tool["description"] == "Does it upstream."
    assert tool["inputSchema"]["properties"]["q"] == {"type": "integer", "description": "How many."}


def test_labels_and_tags_of_what_is_consumed_change_nothing(serve: Serve) -> None:
    told = {"display": "A thing", "description": "Of things.", "tags": ["x"]}
    served = serve(build(resource=told, operation=told, api={"description": "An API."}))
    assert served.codes == []
    assert served.get("/run").status == 200
    assert [r.target for r in served.upstream.received] == ["/v1/thing"]


@pytest.mark.parametrize(
    ("body", "media_type", "content"),
    [
        ('{"a": "{{q}}", "b": [{{q}}]}', "application/json", b'{"a": "x\\"&", "b": ["x\\"&"]}'),
        ({"type": "json", "data": {"a": "{{q}}"}}, "application/json", b'{"a":"x\\"&"}'),
        ({"type": "text", "data": "<{{q}}>"}, "text/plain", b'<x"&>'),
        ({"type": "xml", "data": "<a>{{q}}</a>"}, "application/xml", b"<a>x&quot;&amp;</a>"),
        ({"type": "sparql", "data": "ASK {{q}}"}, "application/sparql-query", b'ASK x"&'),
        (
            {"type": "formUrlEncoded", "data": {"a": "{{q}}"}},
            "application/x-www-form-urlencoded",
            b"a=x%22%26",
        ),
    ],
    ids=["raw", "json", "text", "xml", "sparql", "form"],
)
def test_a_body_is_written_as_its_type_says(
    serve: Serve, body: Json, media_type: str, content: bytes
) -> None:
    operation = {"method": "POST", "body": body}
    found = sent(serve, build(operation=operation), "/run?q=x%22%26")
    assert found.header("content-type")[0].partition(";")[0] == media_type
    assert found.body == content


def test_a_multipart_body_has_a_part_for_each_entry(serve: Serve) -> None:
    data = [
        {"name": "title", "value": "{{q}}"},
        {"name": "file", "value": "a,b", "filename": "t.csv", "contentType": "text/csv"},
    ]
    operation = {"method": "POST", "body": {"type": "multipartForm", "data": data}}
    found = sent(serve, build(operation=operation), "/run?q=Hi")
    assert found.header("content-type")[0].startswith("multipart/form-data; boundary=")
    for part in (b'name="title"\r\n', b"\r\nHi\r\n", b'filename="t.csv"', b"text/csv", b"a,b"):
        assert part in found.body


def test_steps_read_the_declared_outputs_of_an_operation_under_their_names(serve: Serve) -> None:
    outputs = {"first-name": {"type": "string", "value": "$.user.name"}}
    steps = {
        "steps": {"one": {"type": "call", "call": "up.do"}},
        "mappings": [{"target": "name", "value": "$.one.first-name"}],
    }
    serve.upstream.reply = answer({"user": {"name": "Ada"}})
    served = serve(build(operation={"outputParameters": outputs}, unit=steps))
    assert served.get("/run").json == {"name": "Ada"}


@pytest.mark.parametrize(
    ("raw_format", "body"),
    [
        ("json", '{"a": [{"b": "1"}]}'),
        ("xml", "<r><a><b>1</b></a></r>"),
        ("yaml", "a: [{b: '1'}]"),
    ],
)
def test_a_raw_format_says_how_a_reply_is_read(serve: Serve, raw_format: str, body: str) -> None:
    outputs = [{"type": "array", "mapping": "$.a", "items": {"type": "string", "mapping": "$.b"}}]
    serve.upstream.reply = text(body, f"application/{raw_format}")
    unit = {"outputParameters": outputs}
    served = serve(build(operation={"outputRawFormat": raw_format}, unit=unit))
    assert served.get("/run").json == ["1"]


def test_a_selector_of_an_output_schema_chooses_tables(serve: Serve) -> None:
    table = "<table class={}><tr><th>A</th></tr><tr><td>{}</td></tr></table>"
    serve.upstream.reply = text(table.format("x", 1) + table.format("y", 2), "text/html")
    unit = {"outputParameters": [{"type": "array", "mapping": "$.tables"}]}
    operation = {"outputRawFormat": "html", "outputSchema": "table.y"}
    assert serve(build(operation=operation, unit=unit)).get("/run").json == [[{"A": "2"}]]


IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def test_binary_replies_pass_as_they_are_under_the_declared_media_type(serve: Serve) -> None:
    serve.upstream.reply = text(IMAGE, "application/octet-stream")
    operation = {"outputRawFormat": "binary", "outputMediaType": "image/png"}
    served = serve(build(operation=operation))
    found = served.get("/run")
    assert (found.media_type, found.body) == ("image/png", IMAGE)
    (content,) = served.call("run").content
    assert content.type == "image"
    assert (content.mime_type, base64.b64decode(content.data)) == ("image/png", IMAGE)


@pytest.mark.parametrize("holder", ["operation", "adapter"])
def test_a_binary_size_is_a_limit(serve: Serve, holder: str) -> None:
    serve.upstream.reply = text(b"x" * 200, "application/octet-stream")
    size = {"maxBinarySize": "100B"}
    operation = {"outputRawFormat": "binary"}
    given: Fields = {"rest": size, "mcp": size} if holder == "adapter" else {}
    served = serve(build(operation=operation | ({} if given else size), **given))
    assert "100 bytes" in served.get("/run").problem(502)["detail"]
    called = served.call("run")
    assert called.is_error
    assert "100 bytes" in text_of(called)


@pytest.mark.parametrize(
    ("authentication", "expected"),
    [
        (
            {"type": "basic", "username": "u", "password": "{{SECRET}}"},
            ("authorization", "Basic " + base64.b64encode(b"u:s-1").decode()),
        ),
        ({"type": "bearer", "token": "{{SECRET}}"}, ("authorization", "Bearer s-1")),
        (
            {"type": "apikey", "key": "X-Key", "value": "{{SECRET}}", "placement": "header"},
            ("x-key", "s-1"),
        ),
    ],
)
def test_an_authentication_is_a_header_of_each_request(
    serve: Serve, authentication: Fields, expected: tuple[str, str]
) -> None:
    found = sent(serve, build(api={"authentication": authentication}), SECRET="s-1")
    assert found.header(expected[0]) == [expected[1]]


@pytest.mark.parametrize(
    ("placement", "shown"),
    [
        ("query", lambda r: r.target == "/v1/thing?api%20key=a%26b"),
        ("cookie", lambda r: "a&b" in r.header("cookie")[0]),
        ("body", lambda r: r.json == {"api key": "a&b", "n": 1}),
    ],
)
def test_an_api_key_goes_where_its_placement_says(
    serve: Serve, placement: str, shown: Json
) -> None:
    name = "api-key" if placement == "cookie" else "api key"
    key = {"type": "apikey", "key": name, "value": "{{SECRET}}", "placement": placement}
    operation: Fields = {"method": "POST", "body": {"type": "json", "data": {"n": 1}}}
    found = sent(serve, build(api={"authentication": key}, operation=operation), SECRET="a&b")
    assert shown(found), found


def test_variables_reach_every_text_of_an_api(serve: Serve) -> None:
    parameters = {"X-A": {"in": "header", "value": "{{SECRET}}"}}
    operation = {"method": "POST", "body": {"type": "json", "data": {"s": "{{SECRET}}"}}}
    document = build(api={"inputParameters": parameters}, operation=operation)
    found = sent(serve, document, SECRET="s-2")
    assert (found.header("x-a"), json.loads(found.body)) == (["s-2"], {"s": "s-2"})


def test_a_tunnel_is_told(serve: Serve) -> None:
    tunnel = {"type": "ziti", "service": "s", "identity": "{{ID}}", "fallback": "direct"}
    served = serve(build(api={"tunnel": tunnel}))
    assert served.get("/run").status == 200
    assert [f.pointer for f in served.findings] == ["capability.consumes[0].tunnel"]


def test_avro_is_read_for_both_faces(serve: Serve) -> None:
    schema = {"type": "record", "name": "Ship", "fields": [{"name": "name", "type": "string"}]}
    serve.upstream.reply = text(b"\x06Ada", "application/octet-stream")
    operation = {"outputRawFormat": "avro", "outputSchema": "./ship.avsc"}
    unit = {"outputParameters": [{"type": "string", "mapping": "$.name"}]}
    served = serve(build(operation=operation, unit=unit), files={"ship.avsc": json.dumps(schema)})
    assert served.get("/run").json == "Ada"
    assert served.result("run") == "Ada"
