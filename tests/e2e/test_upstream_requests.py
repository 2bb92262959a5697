"""What a real upstream is asked: exactly what the API wants, with the credential and no more."""

import json
from typing import Literal

import pytest
from mcp import Client

from tests.e2e.conftest import ROOT_KEY, Recorded
from tests.e2e.process import (
    ADAPTERS,
    CAPABILITIES,
    KEYS,
    KEYS_MCP,
    KEYS_REST,
    run,
    serving,
)
from tests.e2e.upstream import Reply, recording
from tests.e2e.wire import Json, ask

# Route or tool, its arguments, and the request that the API gets (reference: the API's own
# description of its operations).
CALLS: list[tuple[str, Json, str, Json]] = [
    ("POST /v1/apis", {"name": "payments"}, "apis.createApi", {"name": "payments"}),
    ("GET /v1/apis?apiId=api_12345", None, "apis.getApi", {"apiId": "api_12345"}),
    (
        "GET /v1/apis/api_1/keys?limit=5&decrypt=true&externalId=007",
        None,
        "apis.listKeys",
        {"apiId": "api_1", "limit": 5, "decrypt": True, "externalId": "007"},
    ),
    (
        "POST /v1/apis/api_1/keys",
        {"name": "k", "externalId": "u", "byteLength": 16, "enabled": False, "meta": {"a": [1.5]}},
        "keys.createKey",
        {
            "apiId": "api_1",
            "name": "k",
            "externalId": "u",
            "byteLength": 16,
            "enabled": False,
            "meta": {"a": [1.5]},
        },
    ),
    ("GET /v1/keys/key_1", None, "keys.getKey", {"keyId": "key_1"}),
    (
        "PUT /v1/keys/key_1",
        {"name": None, "enabled": True},
        "keys.updateKey",
        {"keyId": "key_1", "name": None, "enabled": True},
    ),
    (
        "DELETE /v1/keys/key_1",
        None,
        "keys.deleteKey",
        {"keyId": "key_1", "permanent": True},
    ),
    ("POST /v1/keys/key_1/verify", {"key": "sk_1"}, "keys.verifyKey", {"key": "sk_1"}),
    (
        "POST /v1/keys/key_1/reroll",
        {"expiration": 0},
        "keys.rerollKey",
        {"keyId": "key_1", "expiration": 0},
    ),
    # The API requires an expiration: left out, the spec's default is sent.
    ("POST /v1/keys/key_1/reroll", None, "keys.rerollKey", {"keyId": "key_1", "expiration": 0}),
    (
        "POST /v1/keys/key_1/permissions",
        {"permissions": ["a.b"]},
        "keys.addPermissions",
        {"keyId": "key_1", "permissions": ["a.b"]},
    ),
    (
        "POST /v1/keys/key_1/roles",
        {"roles": ["admin"]},
        "keys.addRoles",
        {"keyId": "key_1", "roles": ["admin"]},
    ),
    (
        "POST /v1/permissions",
        {"name": "documents.read", "description": "d"},
        "permissions.createPermission",
        {"name": "documents.read", "slug": "documents.read", "description": "d"},
    ),
    ("GET /v1/permissions", None, "permissions.listPermissions", {}),
    ("POST /v1/roles", {"name": "admin"}, "permissions.createRole", {"name": "admin"}),
    ("GET /v1/roles?limit=7", None, "permissions.listRoles", {"limit": 7}),
    (
        "POST /v1/identities",
        {"externalId": "u_1", "meta": {}},
        "identities.createIdentity",
        {"externalId": "u_1", "meta": {}},
    ),
    ("GET /v1/identities", None, "identities.listIdentities", {}),
    ("GET /v1/identities/id_1", None, "identities.getIdentity", {"identity": "id_1"}),
    (
        "PUT /v1/identities/id_1",
        {"meta": {"a": 1}},
        "identities.updateIdentity",
        {"identity": "id_1", "meta": {"a": 1}},
    ),
    ("DELETE /v1/identities/id_1", None, "identities.deleteIdentity", {"identity": "id_1"}),
]


@pytest.mark.parametrize(("call", "body", "operation", "sent"), CALLS, ids=lambda v: str(v)[:40])
def test_each_route_sends_what_the_api_wants(
    recorded: Recorded, call: str, body: Json, operation: str, sent: Json
) -> None:
    method, _, target = call.partition(" ")
    url = recorded.faces.identities if "/identities" in target else recorded.faces.keys
    answer = ask(url, method, target, body)
    assert answer.status == 200, answer
    (request,) = recorded.upstream.received
    assert (request.method, request.target) == ("POST", f"/v2/{operation}")
    assert request.json == sent
    assert request.header("authorization") == [f"Bearer {ROOT_KEY}"]
    assert request.header("content-type") == ["application/json"]
    assert request.header("content-length") == [str(len(request.body))]
    assert request.header("host") == [recorded.upstream.url.removeprefix("http://")]
    assert {name.lower() for name, _ in request.headers} == {
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_each_tool_sends_what_the_api_wants(
    recorded: Recorded, era: Literal["legacy", "auto"]
) -> None:
    calls: list[tuple[str, Json, list[tuple[str, Json]]]] = [
        ("list-roles", {}, [("permissions.listRoles", {})]),
        (
            "create-api-key",
            {"apiId": "api_1", "credits": {"remaining": None}, "expires": 4102444800000},
            [
                (
                    "keys.createKey",
                    {"apiId": "api_1", "credits": {"remaining": None}, "expires": 4102444800000},
                )
            ],
        ),
        (
            "delete-api-key",
            {"keyIds": ["key_1", "key_2"]},
            [
                ("keys.deleteKey", {"keyId": "key_1", "permanent": True}),
                ("keys.deleteKey", {"keyId": "key_2", "permanent": True}),
            ],
        ),
        (
            "create-permission",
            {"name": "documents.read"},
            [
                (
                    "permissions.createPermission",
                    {"name": "documents.read", "slug": "documents.read"},
                )
            ],
        ),
    ]
    async with Client(recorded.faces.keys_mcp, mode=era) as client:
        for tool, arguments, sent in calls:
            recorded.upstream.received.clear()
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result
            received = [(r.target.removeprefix("/v2/"), r.json) for r in recorded.upstream.received]
            assert sorted(received, key=str) == sent
            for request in recorded.upstream.received:
                assert request.header("authorization") == [f"Bearer {ROOT_KEY}"]


def test_what_callers_send_in_headers_stays_here(recorded: Recorded) -> None:
    answer = ask(
        recorded.faces.keys,
        "GET",
        "/v1/roles",
        authorization="Bearer theirs",
        cookie="session=theirs",
        x_forwarded_for="theirs",
        proxy_authorization="Basic theirs",
        x_api_key="theirs",
        user_agent="theirs",
        accept="text/theirs",
        forwarded="for=theirs",
        traceparent="theirs",
    )
    assert answer.status == 200
    assert "theirs" not in str(recorded.upstream.last)


def test_what_an_argument_holds_stays_data(recorded: Recorded) -> None:
    hostile = [
        "{{UNKEY_ROOT_KEY}}",
        "{{env.UNKEY_ROOT_KEY}}",
        "env.UNKEY_ROOT_KEY",
        "rest.name",
        "$.secret",
        '","x":"y',
        "a\r\nX-Injected: 1",
        "\u0000\u2028\U0001f600",
        "../../admin",
        "{{7*7}}",
    ]
    for text in hostile:
        assert ask(recorded.faces.keys, "POST", "/v1/apis", {"name": text}).status == 200
        assert recorded.upstream.last.json == {"name": text}
        assert recorded.upstream.last.target == "/v2/apis.createApi"
        assert recorded.upstream.last.header("x-injected") == []


def test_numbers_keep_their_digits(recorded: Recorded) -> None:
    body = b'{"meta": {"big": 9007199254740993, "pi": 3.141592653589793, "one": 1.0, "neg": -0}}'
    assert ask(recorded.faces.keys, "PUT", "/v1/keys/key_1", body).status == 200
    sent = recorded.upstream.last.body
    assert b'"big":9007199254740993' in sent
    assert b'"pi":3.141592653589793' in sent


def test_replies_and_their_headers_pass_through(recorded: Recorded) -> None:
    reply = b'{"data": {"apiId": "api_1"},\n "exact": 1.10}'
    passed = {
        "location": "/v2/apis/1",
        "etag": '"v1"',
        "retry-after": "3",
        "ratelimit-limit": "10",
        "ratelimit-remaining": "9",
        "link": "<https://api.unkey.com/next>; rel=next",
    }
    kept = {"set-cookie": "a=b", "server": "secret/1.0", "x-powered-by": "secret", "via": "secret"}
    recorded.upstream.reply = Reply(
        201, reply, {"content-type": "application/json", **passed, **kept}
    )
    answer = ask(recorded.faces.keys, "POST", "/v1/apis", {"name": "payments"})
    assert (answer.status, answer.json) == (201, json.loads(reply))
    assert {name: answer.headers[name] for name in passed} == passed
    assert not kept.keys() & answer.headers.keys()


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (400, "application/json", b'{"error":{"detail":"no"}}'),
        (401, "application/problem+json", b'{"title":"Unauthorized"}'),
        (403, "text/html; charset=utf-8", "<h1>Verboten für alle</h1>".encode()),
        (404, "text/plain", b""),
        (429, "application/json", b'{"error": "slow down"}'),
        (500, "application/octet-stream", b"\x00\xff\xfe"),
        (503, "application/json", b"not json at all"),
    ],
)
async def test_failures_pass_through_unmapped(
    recorded: Recorded, status: int, media_type: str, body: bytes
) -> None:
    recorded.upstream.reply = Reply(status, body, {"content-type": media_type, "retry-after": "7"})
    answer = ask(recorded.faces.keys, "POST", "/v1/apis", {"name": "payments"})
    assert (answer.status, answer.headers["content-type"], answer.body) == (
        status,
        media_type,
        body,
    )
    assert answer.headers["retry-after"] == "7"
    assert len(recorded.upstream.received) == 1, "a POST is never repeated"
    async with Client(recorded.faces.keys_mcp) as client:
        result = await client.call_tool("create-api-namespace", {"name": "payments"})
    assert result.is_error
    assert result.structured_content is not None
    assert result.structured_content["status"] == status
    assert len(recorded.upstream.received) == 2


async def test_an_error_of_any_size_is_told_in_part(recorded: Recorded) -> None:
    recorded.upstream.reply = Reply(500, b"x" * 3_000_000, {"content-type": "text/plain"})
    async with Client(recorded.faces.keys_mcp) as client:
        result = await client.call_tool("create-api-namespace", {"name": "payments"})
    (content,) = result.content
    assert content.type == "text"
    assert result.is_error
    assert content.text.startswith("xxx")
    assert content.text.endswith("(3000000 characters in all)")
    assert len(content.text) < 20_000


def test_a_redirect_is_an_answer_not_an_order(recorded: Recorded) -> None:
    with recording() as elsewhere:
        recorded.upstream.reply = Reply(302, b"", {"location": f"{elsewhere.url}/steal"})
        answer = ask(recorded.faces.keys, "POST", "/v1/apis", {"name": "payments"})
        assert answer.status == 302
        assert elsewhere.received == []


def test_an_upstream_for_all_keeps_each_path() -> None:
    with (
        recording() as upstream,
        serving(
            KEYS,
            "--upstream",
            f"*={upstream.url}",
            adapters=(KEYS_REST, KEYS_MCP),
            environ={"UNKEY_ROOT_KEY": ROOT_KEY},
        ) as process,
    ):
        assert ask(process.url(KEYS_REST), "POST", "/v1/apis", {"name": "payments"}).status == 200
        assert upstream.last.target == "/v2/apis.createApi"


def test_the_environment_names_an_upstream_too() -> None:
    with (
        recording() as upstream,
        serving(
            KEYS,
            adapters=(KEYS_REST, KEYS_MCP),
            environ={"UNKEY_ROOT_KEY": ROOT_KEY, "NAFTIKO_UPSTREAM_UNKEY": f"{upstream.url}/base/"},
        ) as process,
    ):
        assert ask(process.url(KEYS_REST), "POST", "/v1/apis", {"name": "payments"}).status == 200
        assert upstream.last.target == "/base/v2/apis.createApi"


async def test_without_the_root_key_each_call_says_which_variable_it_needs() -> None:
    with (
        recording() as upstream,
        serving("--upstream", f"unkey={upstream.url}", *CAPABILITIES, adapters=ADAPTERS) as process,
    ):
        assert process.err.wait_for_text("UNKEY_ROOT_KEY")
        notices = [line for line in process.err.all if "UNKEY_ROOT_KEY" in line]
        assert len(notices) == 1, "one notice for what both files lack"
        for _ in range(2):
            answer = ask(process.url(KEYS_REST), "POST", "/v1/apis", {"name": "payments"})
            problem = answer.problem(503)
            assert problem["variables"] == ["UNKEY_ROOT_KEY"]
            assert "UNKEY_ROOT_KEY" in problem["detail"]
        async with Client(process.url(KEYS_MCP)) as client:
            result = await client.call_tool("create-api-namespace", {"name": "payments"})
        assert result.is_error
        (content,) = result.content
        assert content.type == "text"
        assert "UNKEY_ROOT_KEY" in content.text
        # What is wrong with the call itself is told all the same, before any variable.
        answer = ask(process.url(KEYS_REST), "POST", "/v1/apis", {"nam": "payments"})
        assert answer.problem(400)["errors"][0]["field"] == "name"
        assert upstream.received == []


@pytest.mark.parametrize("level", ["debug", "warning"])
async def test_the_root_key_is_seen_by_the_upstream_alone(level: str) -> None:
    """Every sink, at every log level, through successes, errors and failures of the network."""
    seen: list[str] = []
    with (
        recording() as upstream,
        serving(
            f"--log-level={level}",
            "--log-format=json" if level == "debug" else "--log-format=text",
            f"--upstream=unkey={upstream.url}",
            *CAPABILITIES,
            adapters=ADAPTERS,
            environ={"UNKEY_ROOT_KEY": ROOT_KEY},
        ) as process,
    ):
        url = process.url(KEYS_REST)
        pages = ("/openapi.json", "/docs", "/healthz", "/nowhere")
        seen += [str(ask(url, "GET", path)) for path in pages]
        for status in (200, 400, 500):
            upstream.reply = Reply(status)
            seen.append(str(ask(url, "POST", "/v1/apis", {"name": "payments"})))
        seen.append(str(ask(url, "POST", "/v1/apis", {"name": 5})))
        upstream.reply = Reply(200, b"not json")
        seen.append(str(ask(url, "POST", "/v1/apis", {"name": "payments"})))
        upstream.reply = Reply(200, b"{}", {"content-length": "100", "connection": "close"})
        seen.append(str(ask(url, "POST", "/v1/apis", {"name": "cut short"})))
        async with Client(process.url(KEYS_MCP)) as client:
            seen.append(str(await client.list_tools()))
            seen.append(str(await client.call_tool("list-roles", {})))
        assert upstream.last.header("authorization") == [f"Bearer {ROOT_KEY}"]
    seen += [process.out.text, process.err.text]
    assert ROOT_KEY not in "\n".join(seen)
    assert "canary" not in "\n".join(seen)
    if level == "debug":
        assert "/v1/apis" in process.err.text, "the log says something"


@pytest.mark.parametrize("command", ["inspect", "validate"])
def test_no_command_prints_the_root_key(command: str) -> None:
    arguments = [command, KEYS, "--var", f"UNKEY_ROOT_KEY={ROOT_KEY}"]
    ended = run(*arguments, environ={"UNKEY_ROOT_KEY": ROOT_KEY})
    assert ended.returncode == 0
    assert "canary" not in ended.stdout + ended.stderr
