"""Every route and tool of capabilities/*.yaml, over real sockets, from the embedded sandbox."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml
from mcp import Client

from tests.e2e.conftest import Faces
from tests.e2e.process import CAPABILITIES
from tests.e2e.wire import Answer, Connection, Json, ask

Era = Literal["legacy", "auto", "2026-07-28"]
ERAS: tuple[Era, ...] = ("legacy", "auto", "2026-07-28")
REVISIONS = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Stock:
    """What the sandbox holds before a call: one of each kind, all new."""

    number: int
    api: str
    key_id: str
    key: str
    permission: str
    role: str
    identity: str
    external: str

    def fill(self, value: Json) -> Json:
        """Put what this holds into a value that names it."""
        if isinstance(value, str):
            return value.format_map(asdict(self))
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {name: self.fill(item) for name, item in value.items()}
        return value


def data(answer: Answer) -> Json:
    """Give the data of a success."""
    assert answer.status == 200, answer
    assert answer.media_type == "application/json"
    return answer.json["data"]


@pytest.fixture
def stock(faces: Faces) -> Stock:
    """Fill the sandbox."""
    return stock_of(faces)


def stock_of(faces: Faces) -> Stock:
    """Fill the sandbox through REST."""
    number = next(_numbers)

    def made(url: str, path: str, body: Json) -> Json:
        return data(ask(url, "POST", path, body))

    api = made(faces.keys, "/v1/apis", {"name": f"api {number}"})["apiId"]
    key = made(faces.keys, f"/v1/apis/{api}/keys", {"name": "a key"})
    permission, role = f"documents.read{number}", f"role {number}"
    made(faces.keys, "/v1/permissions", {"name": permission, "description": "reads"})
    made(faces.keys, "/v1/roles", {"name": role, "description": "plays"})
    external = f"user_{number}"
    identity = made(faces.identities, "/v1/identities", {"externalId": external})["identityId"]
    return Stock(number, api, key["keyId"], key["key"], permission, role, identity, external)


@dataclass(frozen=True)
class Operation:
    """One call by both faces, and what its data must look like."""

    route: str
    tool: str | None
    arguments: Mapping[str, Json]
    holds: Callable[[Json, Stock], bool]
    tool_arguments: Mapping[str, Json] | None = None

    @property
    def for_tool(self) -> Json:
        """The arguments of the tool, where they differ from those of the route."""
        return dict(self.arguments if self.tool_arguments is None else self.tool_arguments)


def _has(*names: str) -> Callable[[Json, Stock], bool]:
    return lambda found, stock: isinstance(found, dict) and set(names) <= found.keys()


def _names(value: str) -> Callable[[Json, Stock], bool]:
    return lambda found, stock: stock.fill(value) in [each["name"] for each in found]


NEW = "new{number}"
OPERATIONS = (
    Operation("POST /v1/apis", "create-api-namespace", {"name": NEW}, _has("apiId")),
    Operation(
        "GET /v1/apis",
        None,
        {"apiId": "{api}"},
        lambda found, stock: found == {"id": stock.api, "name": f"api {stock.number}"},
    ),
    Operation(
        "GET /v1/apis/{apiId}/keys",
        "list-api-keys",
        {"apiId": "{api}"},
        lambda found, stock: [key["keyId"] for key in found] == [stock.key_id],
    ),
    Operation(
        "POST /v1/apis/{apiId}/keys",
        "create-api-key",
        {"apiId": "{api}", "name": NEW, "externalId": "{external}"},
        _has("key", "keyId"),
    ),
    Operation(
        "GET /v1/keys/{keyId}",
        "get-api-key",
        {"keyId": "{key_id}"},
        lambda found, stock: (found["keyId"], found["name"]) == (stock.key_id, "a key"),
    ),
    Operation(
        "PUT /v1/keys/{keyId}",
        "update-api-key",
        {"keyId": "{key_id}", "name": NEW, "enabled": False},
        lambda found, stock: found == {},
    ),
    Operation(
        "DELETE /v1/keys/{keyId}",
        "delete-api-key",
        {"keyId": "{key_id}"},
        lambda found, stock: found == {},
        tool_arguments={"keyIds": ["{key_id}"]},
    ),
    Operation(
        "POST /v1/keys/{keyId}/verify",
        "verify-api-key",
        {"keyId": "{key_id}", "key": "{key}"},
        lambda found, stock: (found["code"], found["keyId"]) == ("VALID", stock.key_id),
        tool_arguments={"key": "{key}"},
    ),
    Operation(
        "POST /v1/keys/{keyId}/reroll",
        "reroll-api-key",
        {"keyId": "{key_id}"},
        lambda found, stock: found["key"] != stock.key and found["keyId"] != stock.key_id,
    ),
    Operation(
        "POST /v1/keys/{keyId}/permissions",
        "add-key-permissions",
        {"keyId": "{key_id}", "permissions": ["{permission}"]},
        _names("{permission}"),
    ),
    Operation(
        "POST /v1/keys/{keyId}/roles",
        "add-key-roles",
        {"keyId": "{key_id}", "roles": ["{role}"]},
        _names("{role}"),
    ),
    Operation(
        "POST /v1/permissions",
        "create-permission",
        {"name": NEW, "description": "new"},
        _has("permissionId"),
    ),
    Operation("GET /v1/permissions", "list-permissions", {"limit": 100}, _names("{permission}")),
    Operation("POST /v1/roles", "create-role", {"name": NEW, "description": "new"}, _has("roleId")),
    Operation("GET /v1/roles", "list-roles", {"limit": 100}, _names("{role}")),
    Operation(
        "POST /v1/identities",
        "create-identity",
        {"externalId": "new_user_{number}", "meta": {"plan": "pro"}},
        _has("identityId"),
    ),
    Operation(
        "GET /v1/identities",
        "list-identities",
        {"limit": 100},
        lambda found, stock: stock.identity in [each["id"] for each in found],
    ),
    Operation(
        "GET /v1/identities/{identityId}",
        "get-identity",
        {"identityId": "{identity}"},
        lambda found, stock: found == {"id": stock.identity, "externalId": stock.external},
    ),
    Operation(
        "PUT /v1/identities/{identityId}",
        "update-identity",
        {"identityId": "{identity}", "meta": {"plan": "free"}},
        lambda found, stock: found["meta"] == {"plan": "free"},
    ),
    Operation(
        "DELETE /v1/identities/{identityId}",
        "delete-identity",
        {"identityId": "{identity}"},
        lambda found, stock: found is None,
    ),
)
TOOLS = [each for each in OPERATIONS if each.tool]


def adapters() -> Iterator[dict[str, Json]]:
    for file in CAPABILITIES:
        yield from yaml.safe_load(Path(file).read_text("utf-8"))["capability"]["exposes"]


def test_the_tables_name_every_route_and_tool() -> None:
    routes = [
        f"{operation['method']} {resource['path']}"
        for adapter in adapters()
        for resource in adapter.get("resources", ())
        for operation in resource["operations"]
    ]
    tools = [tool["name"] for adapter in adapters() for tool in adapter.get("tools", ())]
    assert sorted(each.route for each in OPERATIONS) == sorted(routes)
    assert len(routes) == 20
    assert sorted(each.tool or "" for each in TOOLS) == sorted(tools)
    assert len(tools) == 19


def _url(faces: Faces, route: str) -> str:
    return faces.identities if "/identities" in route else faces.keys


def endpoint_of(faces: Faces, tool: str) -> str:
    """Say which MCP endpoint has a tool."""
    return faces.identities_mcp if tool.endswith(("identity", "identities")) else faces.keys_mcp


def _target(operation: Operation, stock: Stock) -> tuple[str, str, Json]:
    """Place arguments: the route's own in the path, the rest in the body, of a GET in the query."""
    method, _, path = operation.route.partition(" ")
    arguments = stock.fill(dict(operation.arguments))
    for name in [name for name in arguments if f"{{{name}}}" in path]:
        path = path.replace(f"{{{name}}}", arguments.pop(name))
    if method in ("GET", "DELETE"):
        query = "&".join(f"{name}={value}" for name, value in arguments.items())
        return method, f"{path}?{query}" if query else path, None
    return method, path, arguments


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.route)
def test_each_route_does_what_it_says(faces: Faces, stock: Stock, operation: Operation) -> None:
    answer = ask(_url(faces, operation.route), *_target(operation, stock))
    assert (answer.status, answer.media_type) == (200, "application/json"), answer
    assert operation.holds(answer.json.get("data"), stock), answer


@pytest.mark.parametrize("prefixed", [False, True], ids=["plain", "prefixed"])
@pytest.mark.parametrize("operation", OPERATIONS[:2], ids=lambda each: each.route)
def test_each_route_also_answers_below_its_adapters_name(
    faces: Faces, stock: Stock, operation: Operation, prefixed: bool
) -> None:
    prefix = "/unkey-key-management-api" if prefixed else ""
    method, target, body = _target(operation, stock)
    answer = ask(faces.keys, method, prefix + target, body)
    assert operation.holds(data(answer), stock)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("operation", TOOLS, ids=lambda each: each.tool)
async def test_each_tool_does_what_it_says(
    faces: Faces, stock: Stock, operation: Operation, era: Era
) -> None:
    assert operation.tool
    async with Client(endpoint_of(faces, operation.tool), mode=era) as client:
        assert client.session.protocol_version == REVISIONS[era]
        result = await client.call_tool(operation.tool, stock.fill(operation.for_tool))
    assert not result.is_error, result
    (content,) = result.content
    assert content.type == "text"
    assert json.loads(content.text) == result.structured_content
    assert content.text == json.dumps(
        result.structured_content, separators=(",", ":"), ensure_ascii=False
    )
    assert result.structured_content is not None
    assert operation.holds(result.structured_content.get("data"), stock), result


@pytest.mark.parametrize("era", ERAS)
async def test_tools_are_listed_with_closed_schemas_that_say_what_the_api_says(
    faces: Faces, era: Era
) -> None:
    listed = []
    for endpoint in (faces.keys_mcp, faces.identities_mcp):
        async with Client(endpoint, mode=era) as client:
            listed += (await client.list_tools()).tools
    assert [tool.name for tool in listed] == [
        tool["name"] for adapter in adapters() for tool in adapter.get("tools", ())
    ]
    for tool in listed:
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert tool.description
        for name, described in tool.input_schema["properties"].items():
            assert described["type"], (tool.name, name)
            assert described["description"], (tool.name, name)
    tools = {tool.name: tool for tool in listed}
    schema = tools["create-api-key"].input_schema
    assert schema["required"] == ["apiId"]
    # What no `with` names is there all the same.
    assert {"ratelimits", "roles", "meta", "permissions", "credits", "expires"} <= schema[
        "properties"
    ].keys()
    assert schema["properties"]["roles"]["items"]["type"] == "string"
    annotations = tools["delete-api-key"].annotations
    assert annotations is not None
    assert (annotations.destructive_hint, annotations.idempotent_hint) == (True, True)
    annotations = tools["list-api-keys"].annotations
    assert annotations is not None
    assert (annotations.read_only_hint, annotations.open_world_hint) == (True, False)


# ------------------------------------------------------------------------ one state, two faces


async def called(endpoint: str, tool: str, **arguments: Json) -> Json:
    """Call a tool and give the data of its success."""
    async with Client(endpoint) as client:
        result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert result.structured_content is not None
    return result.structured_content["data"]


async def test_a_key_made_through_rest_verifies_through_mcp_until_it_is_disabled(
    faces: Faces, stock: Stock
) -> None:
    verified = await called(faces.keys_mcp, "verify-api-key", key=stock.key)
    assert (verified["valid"], verified["code"]) == (True, "VALID")
    assert ask(faces.keys, "PUT", f"/v1/keys/{stock.key_id}", {"enabled": False}).status == 200
    verified = await called(faces.keys_mcp, "verify-api-key", key=stock.key)
    assert (verified["valid"], verified["code"]) == (False, "DISABLED")
    await called(faces.keys_mcp, "update-api-key", keyId=stock.key_id, enabled=True)
    answer = ask(faces.keys, "POST", f"/v1/keys/{stock.key_id}/verify", {"key": stock.key})
    assert data(answer)["code"] == "VALID"


async def test_three_keys_are_deleted_in_one_call(faces: Faces, stock: Stock) -> None:
    path = f"/v1/apis/{stock.api}/keys"
    made = [data(ask(faces.keys, "POST", path, {"name": f"k{n}"}))["keyId"] for n in range(3)]
    async with Client(faces.keys_mcp) as client:
        result = await client.call_tool("delete-api-key", {"keyIds": made})
    assert not result.is_error
    assert result.structured_content is not None
    results = result.structured_content["results"]
    assert [each["status"] for each in results] == [200, 200, 200]
    assert [each["body"]["data"] for each in results] == [{}, {}, {}]
    left = data(ask(faces.keys, "GET", path))
    assert [key["keyId"] for key in left] == [stock.key_id]


async def test_one_failure_among_several_deletions_hides_none_of_the_others(
    faces: Faces, stock: Stock
) -> None:
    path = f"/v1/apis/{stock.api}/keys"
    first, last = (data(ask(faces.keys, "POST", path, {}))["keyId"] for _ in range(2))
    async with Client(faces.keys_mcp) as client:
        result = await client.call_tool("delete-api-key", {"keyIds": [first, "key_nobody", last]})
    assert result.is_error
    assert result.structured_content is not None
    body = result.structured_content["body"]
    assert [each["status"] for each in body["results"]] == [200, 404, 200]
    left = data(ask(faces.keys, "GET", path))
    assert [key["keyId"] for key in left] == [stock.key_id]


async def test_what_no_with_clause_names_reaches_the_api(faces: Faces, stock: Stock) -> None:
    # Windows begin by the clock: a minute's could end between two of the calls below.
    limits = [{"name": "calls", "limit": 2, "duration": 86_400_000, "autoApply": True}]
    meta = {"plan": "pro", "seats": 3, "tags": ["a", None, {"deep": True}]}
    made = await called(
        faces.keys_mcp,
        "create-api-key",
        apiId=stock.api,
        prefix="sk",
        meta=meta,
        ratelimits=limits,
        roles=[stock.role],
        permissions=[stock.permission],
        credits={"remaining": 5},
    )
    assert made["key"].startswith("sk_")
    kept = await called(faces.keys_mcp, "get-api-key", keyId=made["keyId"])
    assert kept["meta"] == meta
    assert kept["roles"] == [stock.role]
    assert kept["permissions"] == [stock.permission]
    assert kept["credits"]["remaining"] == 5
    (limit,) = kept["ratelimits"]
    assert {name: limit[name] for name in limits[0]} == limits[0]
    codes = [
        (await called(faces.keys_mcp, "verify-api-key", key=made["key"]))["code"] for _ in range(3)
    ]
    assert codes == ["VALID", "VALID", "RATE_LIMITED"]


def test_what_no_with_clause_names_reaches_the_api_from_rest(faces: Faces, stock: Stock) -> None:
    body = {"meta": {"a": 1}, "credits": {"remaining": 1}, "enabled": False}
    made = data(ask(faces.keys, "POST", f"/v1/apis/{stock.api}/keys", body))
    kept = data(ask(faces.keys, "GET", f"/v1/keys/{made['keyId']}"))
    assert (kept["meta"], kept["credits"], kept["enabled"]) == ({"a": 1}, {"remaining": 1}, False)


def test_null_clears_where_the_api_knows_null(faces: Faces, stock: Stock) -> None:
    path = f"/v1/keys/{stock.key_id}"
    assert data(ask(faces.keys, "PUT", path, {"credits": {"remaining": 9}})) == {}
    assert data(ask(faces.keys, "GET", path))["credits"] == {"remaining": 9}
    assert data(ask(faces.keys, "PUT", path, {"credits": None})) == {}
    assert "credits" not in data(ask(faces.keys, "GET", path))


def test_pages_follow_one_another(faces: Faces, stock: Stock) -> None:
    path = f"/v1/apis/{stock.api}/keys"
    made = {data(ask(faces.keys, "POST", path, {}))["keyId"] for _ in range(4)} | {stock.key_id}
    found: list[str] = []
    cursor = ""
    while True:
        answer = ask(faces.keys, "GET", f"{path}?limit=2{cursor and f'&cursor={cursor}'}")
        found += [key["keyId"] for key in data(answer)]
        page = answer.json["pagination"]
        if not page["hasMore"]:
            break
        cursor = page["cursor"]
    assert len(found) == 5
    assert set(found) == made


def test_a_form_and_what_curl_sends_are_read_as_what_they_are(faces: Faces) -> None:
    form = "application/x-www-form-urlencoded"
    for body, kind in [
        (b'{"name": "curl -d"}', form),
        (b"name=a+form%21", form),
        (b'{"name": "json"}', "application/json; charset=utf-8"),
        (b'{"name": "typed"}', "application/vnd.api+json"),
        (b'\xef\xbb\xbf{"name": "a mark"}', "application/json"),
    ]:
        answer = ask(faces.keys, "POST", "/v1/apis", body, content_type=kind)
        assert answer.status == 200, (kind, answer)


def test_errors_of_the_api_pass_through_as_they_are(faces: Faces) -> None:
    answer = ask(faces.keys, "GET", "/v1/keys/key_nobody")
    assert (answer.status, answer.media_type) == (404, "application/json")
    assert answer.json["error"]["title"] == "Not Found"
    assert answer.json["meta"]["requestId"]


@pytest.mark.parametrize("era", ERAS)
async def test_errors_of_the_api_are_results_that_agents_can_read(faces: Faces, era: Era) -> None:
    async with Client(faces.keys_mcp, mode=era) as client:
        result = await client.call_tool("get-api-key", {"keyId": "key_nobody"})
    assert result.is_error
    (content,) = result.content
    assert content.type == "text"
    body = json.loads(content.text)
    assert body["error"]["status"] == 404
    assert result.structured_content == {"status": 404, "body": body}


# ------------------------------------------------------------------------------------- raw HTTP

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ACCEPT = "application/json, text/event-stream"


def message(method: str, params: Json = None, number: int = 1) -> Json:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


@pytest.mark.parametrize("path", ["/mcp", "/", "/unkey-key-management-mcp/mcp"])
def test_a_modern_call_needs_no_handshake_on_any_path(faces: Faces, path: str) -> None:
    body = message(
        "tools/call",
        {"name": "create-api-namespace", "arguments": {"name": "raw call"}, "_meta": META},
    )
    answer = ask(
        faces.keys_mcp.removesuffix("/mcp"),
        "POST",
        path,
        body,
        accept=ACCEPT,
        mcp_protocol_version="2026-07-28",
        mcp_method="tools/call",
        mcp_name="create-api-namespace",
    )
    assert answer.status == 200, answer
    result = answer.json["result"]
    assert result["structuredContent"]["data"]["apiId"].startswith("api_")
    assert result["resultType"] == "complete"


def test_a_modern_discovery_names_all_revisions(faces: Faces) -> None:
    answer = ask(
        faces.keys_mcp,
        "POST",
        "",
        message("server/discover", {"_meta": META}),
        accept=ACCEPT,
        mcp_protocol_version="2026-07-28",
        mcp_method="server/discover",
    )
    result = answer.json["result"]
    assert "2026-07-28" in result["supportedVersions"]
    assert result["capabilities"]["tools"]["listChanged"] is True
    assert result["instructions"] == (
        "MCP server for AI-assisted API key lifecycle management with Unkey."
    )


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_every_handshake_revision_is_spoken_on_the_same_endpoint(
    faces: Faces, revision: str
) -> None:
    with Connection(int(faces.keys_mcp.split(":")[2].partition("/")[0])) as connection:
        hello = {
            "protocolVersion": revision,
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        }
        answer = connection.ask("POST", "/mcp", message("initialize", hello), accept=ACCEPT)
        assert answer.json["result"]["protocolVersion"] == revision
        call = message("tools/call", {"name": "list-roles", "arguments": {"limit": 1}}, 2)
        version = {"mcp_protocol_version": revision} if revision >= "2025-06-18" else {}
        answer = connection.ask("POST", "/mcp", call, accept=ACCEPT, **version)
    result = answer.json["result"]
    assert json.loads(result["content"][0]["text"]).keys() == {"data", "meta", "pagination"}
    # No session is kept, so a request without a header speaks for no revision of its own: the
    # protocol says that it is then 2025-03-26, which knows no structuredContent.
    assert ("structuredContent" in result) == (revision >= "2025-06-18")


async def test_an_unknown_tool_is_a_protocol_error(faces: Faces) -> None:
    for version, extra in [
        ("2025-11-25", {}),
        ("2026-07-28", {"mcp_method": "tools/call", "mcp_name": "nobody"}),
    ]:
        params = {"name": "nobody", "arguments": {}, "_meta": META if extra else {}}
        answer = ask(
            faces.keys_mcp,
            "POST",
            "",
            message("tools/call", params),
            accept=ACCEPT,
            mcp_protocol_version=version,
            **extra,
        )
        assert answer.json["error"]["code"] == -32602
        assert "nobody" in answer.json["error"]["message"]
