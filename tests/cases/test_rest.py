"""Cases 46 to 48 and 53: what answers where nothing is called, or where a reply is passed on."""

from urllib.parse import quote

import pytest

from tests.cases.serving import Serve, text
from tests.e2e.upstream import Reply

DOCUMENT = """
naftiko: 1.0.0-alpha2
info: {{label: Routes, description: One route each way.}}
capability:
  consumes:
  - type: http
    namespace: up
    description: Whatever is asked for.
    baseUri: http://up.test/v1
    resources:
    - {{name: user, path: /user, operations: [{{name: get-user, method: GET}}]}}
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    resources:
    - {{path: /good, operations: [{{method: GET, call: up.get-user}}]}}
    - {{path: /this, operations: [{{method: GET, {unit}}}]}}
"""


@pytest.mark.case(
    46,
    differs="found when the file is read: the route answers 501 with the finding's code, since no"
    " caller can do anything about it, and the others are served",
)
def test_a_malformed_call_is_told_at_start_and_by_its_route(serve: Serve) -> None:
    served = serve(DOCUMENT.format(unit="call: invalidCallFormat"))
    finding = served.finding("E-CALL-SYNTAX")
    assert "invalidCallFormat" in finding.message
    assert finding.pointer == "capability.exposes[0].resources[1].operations[0].call"
    assert served.get("/this").problem(501)["code"] == "E-CALL-SYNTAX"
    assert served.get("/good").status == 200


@pytest.mark.case(47)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b'{"id" : "u-1",  "n":1.0}'),
        Reply(203, b'{"id":"u-1"}', {"content-type": "application/vnd.user+json"}),
        text("caf\xe9".encode("latin-1"), "text/plain; charset=iso-8859-1"),
    ],
)
def test_without_outputs_the_reply_passes_byte_by_byte(serve: Serve, reply: Reply) -> None:
    serve.upstream.reply = reply
    found = serve(DOCUMENT.format(unit="call: up.get-user")).get("/this")
    assert (found.status, found.body) == (reply.status, reply.body)
    assert found.headers["content-type"] == reply.headers["content-type"]


MOCK = (
    "outputParameters: [{name: status, type: string, value: ready},"
    " {name: payload, type: object, properties: {id: {type: string, value: '42'},"
    " tags: {type: array, items: {type: string, value: active}}}}]"
)


@pytest.mark.case(48)
def test_a_mock_answers_its_values_and_calls_nothing(serve: Serve) -> None:
    served = serve(DOCUMENT.format(unit=MOCK))
    found = served.get("/this")
    assert (found.status, found.media_type) == (200, "application/json")
    assert found.json == {"status": "ready", "payload": {"id": "42", "tags": ["active"]}}
    assert served.upstream.received == []


def test_a_mock_of_absent_arguments_alone_has_no_content(serve: Serve) -> None:
    mock = (
        "inputParameters: [{name: note, in: query, type: string, description: N.}],"
        " outputParameters: [{name: note, type: string, value: '{{note}}'}]"
    )
    served = serve(DOCUMENT.format(unit=mock))
    assert (served.get("/this").status, served.get("/this").body) == (204, b"")
    assert served.get("/this?note=a").json == {"note": "a"}


SHARED = """
naftiko: 1.0.0-alpha3
info: {label: Hello, description: One mock for two faces.}
capability:
  aggregates:
  - label: Greetings
    namespace: greetings
    functions:
    - name: hello
      description: Says hello.
      inputParameters: [{name: name, type: string, description: Whom.}]
      outputParameters:
      - {name: message, type: string, value: "Hello, {{name}}!"}
      - {name: source, type: string, value: aggregate-mock}
  exposes:
  - type: mcp
    namespace: mcp
    port: 9090
    tools: [{name: hello, ref: greetings.hello}]
  - type: rest
    namespace: rest
    port: 8080
    resources:
    - path: /hello
      operations:
      - method: GET
        name: hello
        ref: greetings.hello
        inputParameters: [{name: name, in: query, type: string, description: Whom.}]
"""


@pytest.mark.case(53)
def test_one_mock_flow_answers_a_route_and_a_tool(serve: Serve) -> None:
    served = serve(SHARED)
    for name in ("Ada", 'B"b & {{name}}'):
        said = {"message": f"Hello, {name}!", "source": "aggregate-mock"}
        found = served.get(f"/hello?name={quote(name)}")
        assert (found.status, found.json) == (200, said)
        assert served.result("hello", name=name) == said
    assert served.upstream.received == []
