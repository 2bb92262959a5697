"""Cases 24, 25 and 39 to 44: lengths, static values, formats, and replies of bytes."""

import base64
import json

import pytest

from tests.cases.serving import Serve, Served, answer, text
from tests.cases.small import Fields, build
from tests.e2e.upstream import Reply
from tests.e2e.wire import Json

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
BINARY: Fields = {"outputRawFormat": "binary"}
GENERIC = "application/octet-stream"


def mapped(serve: Serve, outputs: Json, reply: Json) -> Json:
    """Map a reply; both faces give the same."""
    serve.upstream.reply = answer(reply)
    served = serve(build(unit={"outputParameters": outputs}))
    found = served.get("/run")
    assert found.status == 200, (found, served.findings)
    assert served.result("run") == found.json
    return found.json


@pytest.mark.case(24)
def test_a_text_has_no_more_letters_than_it_may(serve: Serve) -> None:
    outputs: Json = [
        {
            "type": "object",
            "properties": {
                "short": {"type": "string", "mapping": "$.a", "maxLength": "5"},
                "all": {"type": "string", "mapping": "$.a", "maxLength": "abc"},
                "fits": {"type": "string", "mapping": "$.a", "maxLength": 8},
            },
        }
    ]
    found = mapped(serve, outputs, {"a": "abcdefgh"})
    assert found == {"short": "abcde", "all": "abcdefgh", "fits": "abcdefgh"}


@pytest.mark.case(25)
def test_a_static_value_has_the_callers_arguments_in_it(serve: Serve) -> None:
    outputs: Json = {
        "hello": {"type": "string", "value": "Hello, {{name}}!"},
        "plain": {"type": "string", "value": "Hello"},
    }
    served = serve(build(unit={"call": None, "outputParameters": outputs}))
    assert served.get("/run?name=Voyager").json == {"hello": "Hello, Voyager!", "plain": "Hello"}
    assert served.result("run", name="Voyager") == {"hello": "Hello, Voyager!", "plain": "Hello"}


@pytest.mark.case(
    39,
    differs="found when the file is read, with the formats that there are: the route answers 501",
)
def test_a_format_that_is_none_is_told(serve: Serve) -> None:
    served = serve(build(operation={"outputRawFormat": "INI"}))
    assert "no raw format 'ini'" in served.finding("E-FORMAT").message
    assert served.get("/run").problem(501)["code"] == "E-FORMAT"
    assert "run" not in served.tools()


@pytest.mark.case(
    40, differs="found when the file is read: the route answers 501 with the finding's code"
)
@pytest.mark.parametrize("kind", ["avro", "protobuf"])
@pytest.mark.parametrize("schema", [{}, {"outputSchema": None}, {"outputSchema": ""}])
def test_formats_that_need_a_schema_ask_for_it(serve: Serve, kind: str, schema: Fields) -> None:
    served = serve(build(operation={"outputRawFormat": kind, **schema}))
    assert served.finding("E-FORMAT").message == f"the raw format {kind} needs outputSchema"
    assert served.get("/run").problem(501)["code"] == "E-FORMAT"


@pytest.mark.case(41)
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$['user details']['contact email']", "a@b.test"),
        ("$.missing.field", None),
        ("$", {"user details": {"contact email": "a@b.test"}}),
        ("$.", {"user details": {"contact email": "a@b.test"}}),
    ],
)
def test_a_path_leads_to_a_value_to_nothing_or_to_all(serve: Serve, path: str, found: Json) -> None:
    outputs = [{"type": "object", "properties": {"x": {"type": "object", "mapping": path}}}]
    reply = {"user details": {"contact email": "a@b.test"}}
    assert mapped(serve, outputs, reply) == {"x": found}


# ------------------------------------------------------------------------------------ bytes


def binary(
    serve: Serve, media_type: str = GENERIC, *, route: Fields | None = None, **operation: Json
) -> Served:
    """Serve an operation that answers a picture."""
    serve.upstream.reply = text(JPEG, media_type)
    return serve(build(operation={**BINARY, **operation}, route=route))


@pytest.mark.case(42)
@pytest.mark.parametrize("theirs", ["image/jpeg", GENERIC])
def test_bytes_pass_with_the_media_type_of_the_operation(serve: Serve, theirs: str) -> None:
    outputs = {"outputParameters": [{"type": "object", "mapping": "$.x"}]}
    served = binary(serve, theirs, outputMediaType="image/jpeg", route=outputs)
    found = served.get("/run")
    assert (found.status, found.media_type, found.body) == (200, "image/jpeg", JPEG)
    (content,) = served.call("run").content
    assert content.type == "image"
    assert base64.b64decode(content.data) == JPEG


@pytest.mark.case(43, differs="the upstream's reply is at fault, so the status is 502")
def test_bytes_beyond_the_limit_are_refused(serve: Serve) -> None:
    serve.upstream.reply = text(bytes(4096), GENERIC)
    served = serve(build(operation={**BINARY, "maxBinarySize": "1KiB"}))
    assert "maxBinarySize (limit=1024 bytes)" in served.get("/run").problem(502)["detail"]
    assert "maxBinarySize (limit=1024 bytes)" in str(served.call("run"))


def test_the_limit_of_an_operation_goes_before_that_of_the_adapter(serve: Serve) -> None:
    serve.upstream.reply = text(bytes(2048), GENERIC)
    limits = {"maxBinarySize": "1KiB"}
    assert serve(build(operation=BINARY, rest=limits)).get("/run").status == 502
    wide = build(operation={**BINARY, "maxBinarySize": "2KiB"}, rest=limits)
    assert serve(wide).get("/run").status == 200
    mcp = serve(build(operation=BINARY, mcp=limits))
    assert mcp.get("/run").status == 200
    assert mcp.call("run").is_error
    serve.upstream.reply = text(bytes(10 * 2**20 + 1), GENERIC)
    assert serve(build(operation=BINARY)).get("/run").status == 502


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("4096", 4096),
        ("512B", 512),
        ("512KiB", 512 * 2**10),
        ("10MiB", 10 * 2**20),
        ("1.5MiB", 3 * 2**19),
        ("1GiB", 2**30),
        ("", None),
        (None, None),
    ],
)
def test_a_size_is_a_number_and_a_unit(serve: Serve, written: Json, size: int | None) -> None:
    loaded = serve.load(build(operation={**BINARY, "maxBinarySize": written}))
    assert [f.code for f in loaded.findings if f.code.startswith("E-")] == []
    assert loaded.consumes[0].operations[0].max_binary_size == size


@pytest.mark.case(44)
@pytest.mark.parametrize("written", ["10TB", "MiB", "-1B", "1 KiB", "10kib"])
def test_what_is_no_size_is_told(serve: Serve, written: str) -> None:
    served = serve(build(operation={**BINARY, "maxBinarySize": written}))
    assert served.finding("E-TYPE").message == f"{written!r} is no size"


def test_sizes_and_media_types_are_known_in_all_languages(serve: Serve) -> None:
    document = json.dumps(
        {
            "naftiko": "1.0.0-alpha2",
            "capability": {
                "consumes": [
                    {
                        "type": "http",
                        "namespace": "up",
                        "baseUri": "http://up.test",
                        "resources": [
                            {
                                "name": "x",
                                "path": "/x",
                                "operations": [
                                    {
                                        "name": "do",
                                        "method": "GET",
                                        "outputRawFormat": "binary",
                                        "maxBinarySize": "1KiB",
                                        "outputMediaType": "image/png",
                                    }
                                ],
                            }
                        ],
                    }
                ],
                "exposes": [
                    {
                        "type": "rest",
                        "namespace": "rest",
                        "port": 8080,
                        "maxBinarySize": "2KiB",
                        "resources": [
                            {
                                "path": "/x",
                                "operations": [
                                    {
                                        "method": "GET",
                                        "call": "up.do",
                                        "responses": {"200": {"description": "A picture."}},
                                    }
                                ],
                            }
                        ],
                    },
                    {
                        "type": "mcp",
                        "namespace": "mcp",
                        "port": 9090,
                        "ttlMs": 5,
                        "cacheScope": "private",
                        "maxBinarySize": "2KiB",
                        "tools": [{"name": "do", "description": "d", "call": "up.do"}],
                        "resources": [
                            {
                                "name": "r",
                                "label": "r",
                                "description": "d",
                                "uri": "data://r",
                                "binary": True,
                                "call": "up.do",
                            }
                        ],
                    },
                ],
            },
        }
    )
    assert serve(document).codes == []


def test_a_resource_of_mcp_may_be_a_shared_flow_or_a_mock(serve: Serve) -> None:
    shared = {
        "display": "Shared",
        "namespace": "shared",
        "flows": {"get": {"description": "Gets.", "call": "up.do"}},
    }
    resources = {
        "flow": {
            "display": "f",
            "description": "d",
            "uri": "data://flow",
            "ref": "shared.get",
        },
        "mock": {
            "display": "m",
            "description": "d",
            "uri": "data://mock",
            "outputParameters": {"hi": {"type": "string", "value": "Hello"}},
        },
    }
    serve.upstream.reply = answer({"a": 1})
    served = serve(
        build(capability={"aggregates": [shared]}, mcp={"resources": resources}), strict=True
    )
    assert served.codes == []
    flow = served.mcp(lambda client: client.read_resource("data://flow"))
    assert json.loads(flow.contents[0].text) == {"a": 1}
    mock = served.mcp(lambda client: client.read_resource("data://mock"))
    assert json.loads(mock.contents[0].text) == {"hi": "Hello"}


# -------------------------------------------------------------------------------- responses

PICTURE: Fields = {"200": {"description": "A picture.", "content": {"image/png": {"binary": True}}}}


@pytest.mark.parametrize(
    ("route", "operation", "media_type"),
    [
        ({"responses": PICTURE}, {}, "image/png"),
        ({"responses": {"2XX": PICTURE["200"]}}, {}, "image/png"),
        ({"responseBinary": {"mediaType": "image/png"}}, {}, "image/png"),
        ({"responses": PICTURE}, {"outputMediaType": "image/gif"}, "image/gif"),
        ({"responseBinary": {"mediaType": "image/png"}}, {"outputMediaType": "a/b"}, "a/b"),
        ({"responses": {"404": PICTURE["200"]}}, {}, "image/jpeg"),
        ({}, {}, "image/jpeg"),
    ],
)
def test_bytes_have_the_media_type_that_is_promised(
    serve: Serve, route: Fields, operation: Fields, media_type: str
) -> None:
    served = binary(serve, "image/jpeg", route=route, **operation)
    assert served.codes == []
    found = served.get("/run")
    assert (found.status, found.media_type, found.body) == (200, media_type, JPEG)
    # A tool promises nothing of the kind.
    assert not served.call("run").is_error


def test_bytes_without_any_media_type_are_just_bytes(serve: Serve) -> None:
    served = binary(serve)
    serve.upstream.reply = Reply(200, JPEG, {})
    assert served.get("/run").media_type == GENERIC


def test_a_binary_response_has_the_status_that_is_written(serve: Serve) -> None:
    promised = {"responseBinary": {"status": 201, "mediaType": "image/png", "description": "New."}}
    served = binary(serve, route=promised)
    assert served.codes == []
    assert served.get("/run").status == 201
    serve.upstream.reply = answer({"error": "gone"}, 410)
    assert served.get("/run").status == 410
    shown = served.get("/openapi.json").json["paths"]["/run"]["get"]["responses"]
    assert shown["201"] == {"description": "New.", "content": {"image/png": {}}}
    assert list(shown) == ["201", "default"]


@pytest.mark.parametrize("status", [204, 404, 700])
def test_a_status_that_no_bytes_have_is_not_used(serve: Serve, status: int) -> None:
    served = binary(serve, route={"responseBinary": {"status": status, "mediaType": "a/b"}})
    assert "W-RESPONSE" in served.codes
    assert served.get("/run").status == 200


def test_both_forms_together_are_told_and_one_of_them_counts(serve: Serve) -> None:
    promised = {"responses": PICTURE, "responseBinary": {"mediaType": "image/gif"}}
    served = binary(serve, route=promised)
    assert "W-RESPONSE" in served.codes
    assert served.get("/run").media_type == "image/gif"


@pytest.mark.parametrize(
    "route",
    [
        {"responses": {"ok": {}}},
        {"responses": {"200": {"content": {"image": {}}}}},
        {"responseBinary": {"mediaType": "image"}},
    ],
)
def test_a_promise_that_makes_no_sense_is_told(serve: Serve, route: Fields) -> None:
    served = binary(serve, route=route)
    assert any(code in ("W-RESPONSE", "W-SCHEMA") for code in served.codes)
    assert served.get("/run").body == JPEG


def test_bytes_that_nobody_sends_are_told(serve: Serve) -> None:
    served = serve(build(route={"responses": PICTURE}))
    assert served.codes == ["W-RESPONSE"]
    assert "outputRawFormat: binary" in served.finding("W-RESPONSE").fix
    assert served.get("/run").media_type == "application/json"


def test_a_shared_flow_answers_bytes_as_the_route_promises(serve: Serve) -> None:
    shared = {
        "display": "Shared",
        "namespace": "shared",
        "flows": {"get": {"description": "Gets.", "call": "up.do"}},
    }
    promised = {"responseBinary": {"status": 203, "mediaType": "image/png"}}
    document = build(
        capability={"aggregates": [shared]},
        operation=BINARY,
        route={"ref": "shared.get", **promised},
        tool={"ref": "shared.get"},
        unit={"call": None},
    )
    serve.upstream.reply = text(JPEG, "image/jpeg")
    served = serve(document)
    assert served.codes == []
    found = served.get("/run")
    assert (found.status, found.media_type, found.body) == (203, "image/png", JPEG)


def test_promised_responses_are_described(serve: Serve) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    responses = {
        "200": {"description": "Found.", "content": {"application/json": {"schema": schema}}},
        "4XX": {"description": "Not found."},
    }
    served = serve(build(route={"responses": responses}), strict=True)
    assert served.codes == []
    shown = served.get("/openapi.json").json["paths"]["/run"]["get"]["responses"]
    assert {status: shown[status] for status in responses} == responses
    assert set(shown) == {"200", "4XX", "default"}
    plain = binary(serve, outputMediaType="image/png").get("/openapi.json").json
    assert plain["paths"]["/run"]["get"]["responses"]["200"]["content"] == {"image/png": {}}
