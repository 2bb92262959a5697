"""Cases 72 to 90 and 93: what an MCP adapter lists and answers."""

import base64
import json
from pathlib import Path

import pytest

from tests.cases.serving import META, MODERN, Serve, Served, answer, paths
from tests.e2e.process import run
from tests.e2e.wire import Json, ask

HEAD = """
ikanos: 1.0.0-beta5
info: {display: Items, description: Things in a store., version: "2.3"}
capability:
  consumes:
  - type: http
    namespace: store
    description: A store.
    baseUri: http://store.test
    resources:
      items:
        path: /items/{{id}}
        operations:
          read: {method: GET, inputParameters: {id: {in: path}}}
          erase: {method: DELETE, inputParameters: {id: {in: path}}}
"""
HINTS = f"""{HEAD}
  exposes:
  - type: mcp
    namespace: mcp
    port: 9090
    tools:
      read-data:
        display: Read Data
        description: Reads.
        hints: {{readOnly: true, openWorld: true}}
        call: store.read
      delete-record:
        description: Deletes.
        hints: {{readOnly: false, destructive: true, idempotent: true, openWorld: false}}
        call: store.erase
      no-hints-tool: {{description: Says nothing about itself., call: store.read}}
"""


@pytest.mark.case(72)
def test_hints_are_annotations_and_the_display_name_is_the_title(serve: Serve) -> None:
    tools = serve(HINTS).tools()
    assert list(tools) == ["read-data", "delete-record", "no-hints-tool"]
    assert tools["read-data"]["title"] == "Read Data"
    assert tools["read-data"]["annotations"] == {
        "title": "Read Data",
        "readOnlyHint": True,
        "openWorldHint": True,
    }
    assert "title" not in tools["delete-record"]
    assert tools["delete-record"]["annotations"] == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": True,
        "openWorldHint": False,
    }
    assert "annotations" not in tools["no-hints-tool"]


AGGREGATE = f"""{HEAD}
  aggregates:
  - display: Items
    namespace: items
    flows:
      read:
        description: Reads one item.
        semantics: {{safe: true, idempotent: true, cacheable: true}}
        inputParameters: {{id: {{type: string, description: The item.}}}}
        call: store.read
        with: {{id: items.id}}
      erase:
        description: Deletes one item.
        semantics: {{safe: false, idempotent: true}}
        inputParameters: {{id: {{type: string, description: The item.}}}}
        call: store.erase
        with: {{id: items.id}}
  exposes:
  - type: mcp
    namespace: mcp
    port: 9090
    tools:
      read-items: {{ref: items.read}}
      read-items-open: {{description: With care., ref: items.read, hints: {{openWorld: true}}}}
      delete-item: {{ref: items.erase, hints: {{destructive: true, openWorld: false}}}}
      plain-tool: {{description: Reads., call: store.read}}
  - type: rest
    namespace: rest
    port: 8080
    resources:
      read:
        path: /items/{{id}}
        operations: {{read: {{method: GET, ref: items.read}}}}
"""


@pytest.mark.case(73)
def test_semantics_of_a_flow_are_hints_that_a_tool_may_change_one_by_one(serve: Serve) -> None:
    shown = {name: tool.get("annotations") for name, tool in serve(AGGREGATE).tools().items()}
    read = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True}
    assert shown == {
        "read-items": read,
        "read-items-open": {**read, "openWorldHint": True},
        "delete-item": {
            "readOnlyHint": False,
            "destructiveHint": True,
            "idempotentHint": True,
            "openWorldHint": False,
        },
        "plain-tool": None,
    }


@pytest.mark.case(74)
def test_a_ref_takes_over_what_it_does_not_say_itself(serve: Serve) -> None:
    served = serve(AGGREGATE)
    tools = served.tools()
    assert tools["read-items"]["description"] == "Reads one item."
    assert tools["read-items-open"]["description"] == "With care."
    for name in ("read-items", "read-items-open"):
        assert tools[name]["inputSchema"]["properties"].keys() == {"id"}
    described = served.get("/openapi.json", adapter="rest").json["paths"]["/items/{id}"]["get"]
    assert described["description"] == "Reads one item."
    served.upstream.reply = paths({"/items/7": {"id": 7}})
    assert served.result("read-items", id="7") == {"id": 7}
    assert served.get("/items/7", adapter="rest").json == {"id": 7}


@pytest.mark.case(
    75,
    differs="an unknown ref leaves its unit out with a finding; the rest of the file is served",
)
def test_an_unknown_ref_is_named_and_its_tool_left_out(serve: Serve) -> None:
    served = serve(AGGREGATE.replace("read-items: {ref: items.read}", "gone: {ref: unknown.nope}"))
    finding = served.finding("E-REF")
    assert "unknown.nope" in finding.message
    assert "gone" not in served.tools()
    assert "read-items-open" in served.tools()


@pytest.fixture
def hinted(serve: Serve) -> Served:
    return serve(HINTS)


def error(answered: Json) -> tuple[int, str]:
    return answered["error"]["code"], answered["error"]["message"]


@pytest.mark.case(76)
def test_a_tool_that_is_not_there_is_an_invalid_parameter(hinted: Served) -> None:
    found = hinted.rpc({"method": "tools/call", "params": {"name": "nope", "arguments": {}}})
    code, said = error(found.json)
    assert code == -32602
    assert "nope" in said


@pytest.mark.case(77)
@pytest.mark.parametrize("body", [b"", b"{"])
def test_what_is_no_json_is_a_parse_error(hinted: Served, body: bytes) -> None:
    found = hinted.rpc(body)
    assert (found.status, error(found.json)[0]) == (400, -32700)


@pytest.mark.case(78)
def test_an_unknown_method_is_not_found(hinted: Served) -> None:
    found = hinted.rpc({"method": "unknown/method"})
    assert (found.status, error(found.json)[0]) == (404, -32601)


@pytest.mark.case(79)
def test_a_request_names_its_method_in_a_header(hinted: Served) -> None:
    found = hinted.rpc({"method": "tools/list"}, headers={"mcp-method": None})
    assert (found.status, error(found.json)[0]) == (400, -32020)
    assert "mcp-method" in error(found.json)[1].lower()


@pytest.mark.case(80)
def test_json_rpc_has_one_version(hinted: Served) -> None:
    found = hinted.rpc({"jsonrpc": "1.0", "method": "tools/list"})
    assert (found.status, error(found.json)[0]) == (400, -32600)


@pytest.mark.case(81)
def test_an_unknown_revision_is_answered_with_the_known_ones(hinted: Served) -> None:
    meta = {**META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    found = hinted.rpc(
        {"method": "tools/list", "params": {"_meta": meta}},
        headers={"mcp-protocol-version": "2099-01-01"},
    )
    assert (found.status, error(found.json)[0]) == (400, -32022)
    data = found.json["error"]["data"]
    assert data["requested"] == "2099-01-01"
    assert MODERN in data["supported"]


@pytest.mark.case(82)
def test_the_name_in_the_header_may_be_base64_and_must_be_the_tools(hinted: Served) -> None:
    hinted.upstream.reply = answer({"ok": True})
    message = {"method": "tools/call", "params": {"name": "read-data", "arguments": {"id": "7"}}}
    encoded = base64.b64encode(b"read-data").decode()
    found = hinted.rpc(message, headers={"mcp-name": f"=?base64?{encoded}?="})
    assert (found.status, found.json["result"]["isError"]) == (200, False)
    found = hinted.rpc(message, headers={"mcp-name": "does-not-match"})
    assert (found.status, error(found.json)[0]) == (400, -32020)


@pytest.mark.case(83)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("session", [{}, {"Mcp_Session_Id": "a"}], ids=["plain", "session"])
def test_an_endpoint_takes_post_alone(hinted: Served, method: str, session: dict[str, str]) -> None:
    found = hinted.ask(method, "/mcp/mcp", adapter="mcp", **session)
    assert found.status == 405
    assert "POST" in found.headers["allow"]


@pytest.mark.case(84)
def test_discovery_needs_no_session(hinted: Served) -> None:
    found = hinted.rpc({"method": "server/discover"})
    assert found.status == 200
    assert "mcp-session-id" not in found.headers
    assert found.json["result"]["supportedVersions"][0] == MODERN
    assert found.json["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "mcp"


@pytest.mark.case(
    85,
    differs="the handshake agrees on the revision that the client asks for (any since 2024-11-05)"
    " and opens no session, since nothing here depends on one",
)
@pytest.mark.parametrize("asked", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_older_clients_shake_hands(hinted: Served, asked: str) -> None:
    hello: Json = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": asked,
            "capabilities": {},
            "clientInfo": {"name": "old", "version": "1"},
        },
    }
    accept = "application/json, text/event-stream"
    found = ask(hinted.url("mcp"), "POST", "/mcp/mcp", hello, accept=accept)
    assert found.status == 200
    assert found.json["result"]["protocolVersion"] == asked
    assert "mcp-session-id" not in found.headers
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    found = ask(
        hinted.url("mcp"),
        "POST",
        "/mcp/mcp",
        ready,
        accept=accept,
        mcp_protocol_version=asked,
    )
    assert (found.status, found.body) == (202, b"")


CONTENTS = f"""{HEAD}
  exposes:
  - type: mcp
    namespace: mcp
    port: 9090
    tools: {{read: {{description: Reads., call: store.read}}}}
    resources:
      profile:
        display: Profile
        uri: data://users/{{userId}}/profile
        description: Of a user.
        call: store.read
        with: {{id: mcp.userId}}
      guides:
        display: Guides
        uri: docs://guides
        description: To read.
        location: file:///./guides
    prompts:
      greeting:
        display: Greeting
        description: Says hello.
        arguments:
          name: {{description: Whom.}}
          count: {{description: How many.}}
        template:
        - {{role: user, content: "{{{{name}}}}, you have {{{{count}}}} tasks {{{{unknown}}}}"}}
      summary-prompt:
        display: Summary
        description: A talk.
        template:
        - {{role: user, content: Sum it up.}}
        - {{role: assistant, content: Of what?}}
        - {{role: user, content: Of this.}}
"""
GUIDES = {
    "guides/b.md": "# B",
    "guides/a.txt": "A",
    "guides/deeper/c.json": "{}",
    "secret.txt": "s",
}


@pytest.fixture
def contents(serve: Serve) -> Served:
    return serve(CONTENTS, files=GUIDES)


def prompted(served: Served, prompt: str, /, **arguments: str) -> list[tuple[str, str]]:
    found = served.mcp(lambda client: client.get_prompt(prompt, arguments))
    return [(each.role, each.content.text) for each in found.messages]


@pytest.mark.case(86)
def test_placeholders_are_filled_once_and_unknown_ones_stay(contents: Served) -> None:
    said = prompted(contents, "greeting", name="Ada {{danger}}", count="3")
    assert said == [("user", "Ada {{danger}}, you have 3 tasks {{unknown}}")]


@pytest.mark.case(87)
def test_a_prompt_has_its_messages_in_order(contents: Served) -> None:
    roles = [role for role, _ in prompted(contents, "summary-prompt")]
    assert roles == ["user", "assistant", "user"]


def read(served: Served, uri: str) -> Json:
    return served.rpc({"method": "resources/read", "params": {"uri": uri}}).json


@pytest.mark.case(88)
def test_a_variable_of_a_uri_is_an_argument_of_one_segment(contents: Served) -> None:
    contents.upstream.reply = paths({"/items/42": {"name": "Ada"}})
    (found,) = read(contents, "data://users/42/profile")["result"]["contents"]
    assert json.loads(found["text"]) == {"name": "Ada"}
    assert "error" in read(contents, "data://users/4/2/profile")
    templates = contents.rpc({"method": "resources/templates/list"}).json["result"]
    assert [t["uriTemplate"] for t in templates["resourceTemplates"]] == [
        "data://users/{userId}/profile"
    ]
    listed = contents.rpc({"method": "resources/list"}).json["result"]["resources"]
    assert not any(each["uri"].startswith("data:") for each in listed)


@pytest.mark.case(89)
def test_the_files_of_a_folder_are_listed_in_order_and_nothing_else_is_read(
    contents: Served,
) -> None:
    listed = contents.rpc({"method": "resources/list"}).json["result"]["resources"]
    uris = [each["uri"] for each in listed]
    assert uris == [f"docs://guides/{name}" for name in ("a.txt", "b.md", "deeper/c.json")]
    assert read(contents, "docs://guides/a.txt")["result"]["contents"][0]["text"] == "A"
    for refused in ("../secret.txt", "%2e%2e/secret.txt", "deeper", "none.md"):
        assert "error" in read(contents, f"docs://guides/{refused}"), refused


@pytest.mark.case(
    90,
    differs="an answer comes as soon as it is there, so a slow call holds up no other: the id says"
    " to which request it belongs",
)
def test_over_stdio_each_line_is_answered_by_a_line_also_after_the_input_ended(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "capability.yaml"
    file.write_text(HINTS)
    serve.upstream.reply = answer({"id": 7})
    asked: list[tuple[str, Json]] = [("server/discover", {}), ("tools/list", {})]
    asked += [("tools/call", {"name": "read-data", "arguments": {"id": "7"}})] * 8
    lines = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": META}}
        for number, (method, params) in enumerate(asked)
    ]
    ended = run(
        *("stdio", str(file), "--upstream", f"store={serve.upstream.url}"),
        stdin="".join(json.dumps(line) + "\n" for line in lines),
    )
    answers = {each["id"]: each for each in map(json.loads, ended.stdout.splitlines())}
    assert sorted(answers) == list(range(10))
    assert len(answers[1]["result"]["tools"]) == 3
    assert json.loads(answers[9]["result"]["content"][0]["text"]) == {"id": 7}
    assert (ended.returncode, ended.stderr) == (0, "")
