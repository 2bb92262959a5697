"""Where forwards stand among routes and adapters, who may use them, and what is said of them."""

import json
from pathlib import Path

import pytest

from naftiko_run.cli.inspect import inspect
from naftiko_run.settings import Settings
from tests.consumes.upstreams import Connection, answer, ok, upstream
from tests.forwards.serving import document, serving

MOCK = "outputParameters: [{name: own, type: string, value: '1'}]"
OWN = b'{"own":"1"}'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# ------------------------------------------------------------------------------------- routes


NEARER = [
    ("GET", "/proxy/health", True),
    ("POST", "/proxy/health", False),
    ("GET", "/proxy/health/x", False),
    ("GET", "/proxy/items/1", True),
    ("GET", "/proxy/items/1/2", False),
    ("GET", "/proxy/other", False),
    ("GET", "/gate/proxy/other", False),
    ("GET", "/gate/proxy/health", True),
    ("HEAD", "/proxy/health", False),
]


async def test_the_nearer_route_answers(tmp_path: Path) -> None:
    resources = f"""
- path: /proxy/health
  operations: [{{method: GET, {MOCK}}}]
- path: /proxy/items/{{id}}
  operations: [{{method: GET, {MOCK}}}]
- path: /{{a}}/{{b}}
  operations: [{{method: GET, {MOCK}}}]
"""
    async with (
        upstream(answer(ok(b"passed on"))) as api,
        serving(tmp_path, document(api.url, resources=resources)) as served,
    ):
        assert not [code for code in served.codes if code.startswith("E-")]
        for method, path, own in NEARER:
            before = len(api.requests)
            await served.ask(path, method=method)
            assert (path, len(api.requests) - before) == (path, 0 if own else 1)


async def test_methods_with_an_operation_are_never_passed_on_around_it(tmp_path: Path) -> None:
    resources = f"""
- path: /both/{{path}}
  operations: [{{method: DELETE, {MOCK}}}]
  forward: {{targetNamespace: up}}
"""
    async with (
        upstream(answer(ok(b"passed on"))) as api,
        serving(tmp_path, document(api.url, resources=resources)) as served,
    ):
        assert (await served.ask("/both/a", method="DELETE")).body == OWN
        around = await served.ask("/both/a/b", method="DELETE")
        assert around.status == 405
        assert around.header("allow") == ["GET, HEAD, OPTIONS, PATCH, POST, PUT"]
        assert (await served.ask("/both/a/b", method="PATCH")).body == b"passed on"
    assert [each.target for each in api.requests] == ["/v1/a/b"]


async def test_a_template_without_a_path_passes_on_to_the_base_alone(tmp_path: Path) -> None:
    resources = "- path: /exact/{name}\n  forward: {targetNamespace: up}"
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url, resources=resources)) as served,
    ):
        assert (await served.ask("/exact/a?b=1")).status == 200
        assert (await served.ask("/exact/a/b")).status == 404
    assert [each.target for each in api.requests] == ["/v1/?b=1"]


async def test_placeholders_of_the_route_fill_parameters_of_the_api(tmp_path: Path) -> None:
    consumes = """
inputParameters:
- {name: X-Tenant, in: header, value: '{{tenant}}'}
- {name: tenant, in: query}
"""
    resources = "- path: /of/{tenant}/{path}\n  forward: {targetNamespace: up}"
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url, consumes=consumes, resources=resources)) as served,
    ):
        assert (await served.ask("/of/acme%26co/a/b?tenant=mine&c=1")).status == 200
        assert (await served.ask("/of/a%0d%0aX-Evil:1/a")).status == 400
    (received,) = api.requests
    assert received.target == "/v1/a/b?c=1&tenant=acme%26co"
    assert received.header("x-tenant") == ["acme&co"]


async def test_a_path_that_several_adapters_claim_is_reached_below_their_names(
    tmp_path: Path,
) -> None:
    operation = f"- path: /x\n  operations: [{{method: GET, {MOCK}}}]"
    other = """
  - type: rest
    namespace: other
    port: 8080
    resources:
    - {path: '/proxy/{path}', forward: {targetNamespace: up}}
    - {path: /x, forward: {targetNamespace: up}}
"""
    async with (
        upstream(answer(ok(b"passed on"))) as api,
        serving(tmp_path, document(api.url, resources=operation) + other) as served,
    ):
        clash = await served.ask("/proxy/a")
        assert clash.status == 409
        assert json.loads(clash.body)["routes"] == ["/gate/proxy/{path}", "/other/proxy/{path}"]
        assert (await served.ask("/gate/proxy/a")).status == 200
        assert (await served.ask("/other/proxy/b/c")).status == 200
        assert (await served.ask("/x")).status == 409
        assert (await served.ask("/gate/x")).body == OWN
        assert (await served.ask("/other/x")).body == b"passed on"
        assert (await served.ask("/x", method="PUT", body=b"")).body == b"passed on"


async def test_pages_of_the_listener_stay_where_everything_is_passed_on(tmp_path: Path) -> None:
    resources = "- path: '/{{path}}'\n  forward: {targetNamespace: up}"
    mcp = """
  - type: mcp
    namespace: tower
    port: 8080
    tools: [{name: t, description: One., outputParameters: [{name: a, type: string, value: b}]}]
"""
    async with upstream(answer(ok(b"passed on"))) as api:
        text = document(api.url, resources=resources) + mcp
        async with serving(tmp_path, text) as served:
            for page in ("/healthz", "/docs", "/openapi.json"):
                found = await served.ask(page)
                assert found.status == 200
                assert found.body != b"passed on"
            for path in ("/any/thing/", "/docs/x", "/tower"):
                assert (await served.ask(path)).body == b"passed on"
            body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            for path in ("/mcp", "/tower/mcp"):
                found = await served.ask(path, method="POST", body=body, headers=headers)
                assert found.body != b"passed on"
    assert [each.target for each in api.requests] == [
        "/v1/any/thing/",
        "/v1/docs/x",
        "/v1/tower",
    ]


# ---------------------------------------------------------------------------------- findings


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("targetNamespace: upp", "did you mean 'up'?"),
        ("trustedHeaders: [X-Trace]", "add the namespace of a consumed API"),
        ("targetNamespace: body", "expose operations of it instead"),
    ],
)
async def test_a_forward_that_leads_nowhere_is_told_at_start_and_by_its_resource(
    tmp_path: Path, forward: str, message: str
) -> None:
    text = document("http://up.test", resources=f"- path: /bad/{{path}}\n  forward: {{{forward}}}")
    body = """
  - type: http
    namespace: body
    baseUri: http://up.test
    authentication: {type: apikey, key: k, value: v, in: body}
  exposes:
"""
    async with serving(tmp_path, text.replace("\n  exposes:\n", body, 1)) as served:
        (finding,) = [f for f in served.plan.findings if f.code == "E-FORWARD"]
        assert finding.fix == message
        assert finding.pointer.startswith("capability.exposes[0].resources[1].forward")
        found = await served.ask("/bad/x", method="POST", body=b"abc")
        assert found.status == 501
        assert json.loads(found.body)["code"] == "E-FORWARD"


async def test_the_second_forward_of_a_path_is_told(tmp_path: Path) -> None:
    resources = "- path: '/proxy/{{path}}'\n  forward: {targetNamespace: up}"
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url, resources=resources)) as served,
    ):
        assert "E-ROUTE-SHADOWED" in served.codes
        assert (await served.ask("/proxy/x")).status == 200


async def test_a_variable_that_is_not_set_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    consumes = "authentication: {type: bearer, token: '{{TOKEN}}'}"
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url, consumes=consumes)) as served,
    ):
        found = await served.ask("/proxy/x")
        assert (found.status, json.loads(found.body)["variables"]) == (503, ["TOKEN"])
    assert api.requests == []


# -------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize(
    ("clause", "target", "headers"),
    [
        ("{type: bearer, token: key}", "/proxy/x?a=1", {"Authorization": "Bearer key"}),
        ("{type: apikey, key: k, value: key, placement: header}", "/proxy/x?a=1", {"K": "key"}),
        ("{type: apikey, key: k, value: key, placement: query}", "/proxy/x?k=key&a=1", {}),
    ],
)
async def test_callers_are_authenticated_and_their_secrets_stay_here(
    tmp_path: Path, clause: str, target: str, headers: dict[str, str]
) -> None:
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url, exposes=f"authentication: {clause}")) as served,
    ):
        refused = await served.ask("/proxy/x", method="POST", body=b"abc")
        assert refused.status == 401
        assert api.requests == []
        assert (await served.ask(target, headers=headers)).status == 200
    assert api.requests[0].target == "/v1/x?a=1"
    assert "key" not in str(api.requests)


async def test_pages_of_other_sites_cannot_reach_a_forward(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        assert (await served.ask("/proxy/x", headers={"Origin": "http://evil.test"})).status == 403
    assert api.requests == []


# ------------------------------------------------------------------------------------ signing


SIGV4 = (
    "authentication: {type: aws-sig-v4, accessKeyId: AKID, secretKey: s3cret,"
    " region: eu-west-1, service: ships}"
)
HMAC = "authentication: {type: hmac, apiId: '00ff', apiKey: '00ff'}"


@pytest.mark.parametrize(("clause", "scheme"), [(SIGV4, "AWS4-HMAC-SHA256"), (HMAC, "VERACODE")])
async def test_requests_are_signed(tmp_path: Path, clause: str, scheme: str) -> None:
    trusted = "trustedHeaders: [Authorization, X-Amz-Date]"
    headers = {"Authorization": "mine", "X-Amz-Date": "mine"}
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url, consumes=clause, forward=trusted)) as served,
    ):
        found = await served.ask("/proxy/x?a=1", method="PUT", body=b"abc", headers=headers)
        assert found.body == b"x"
    (received,) = api.requests
    assert received.body == b"abc"
    assert received.header("authorization")[0].startswith(scheme)


async def test_a_signature_over_the_body_limits_its_size(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b"x"))) as api,
        serving(tmp_path, document(api.url, consumes=SIGV4)) as served,
    ):
        assert (await served.ask("/proxy/x", method="PUT", body=bytes(5 << 20))).status == 413
    assert api.requests == []


async def test_a_challenge_is_answered_with_the_same_body(tmp_path: Path) -> None:
    async def challenging(connection: Connection) -> None:
        while True:
            received = await connection.request()
            if received.header("authorization"):
                await connection.send(ok(received.body))
            else:
                challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
                await connection.send(ok(b"who?", challenge, status="401 Unauthorized"))

    clause = "authentication: {type: digest, username: scott, password: tiger}"
    async with (
        upstream(challenging) as api,
        serving(tmp_path, document(api.url, consumes=clause)) as served,
    ):
        found = await served.ask("/proxy/x", method="PUT", body=b"abc")
        assert (found.status, found.body) == (200, b"abc")
        assert [each.body for each in api.requests] == [b"abc", b"abc"]


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_token_is_got_and_one_that_is_not_valid_any_more_is_replaced(
    tmp_path: Path, method: str
) -> None:
    tokens = iter(["old", "new"])

    async def authorizing(connection: Connection) -> None:
        while True:
            received = await connection.request()
            if received.target == "/token":
                body = json.dumps({"access_token": next(tokens), "token_type": "Bearer"}).encode()
                await connection.send(ok(body, "Content-Type: application/json"))
            elif received.header("authorization") == ["Bearer new"]:
                await connection.send(ok(b"in"))
            else:
                challenge = 'WWW-Authenticate: Bearer error="invalid_token"'
                await connection.send(ok(b"out", challenge, status="401 Unauthorized"))

    async with upstream(authorizing) as api:
        clause = (
            "authentication: {type: oauth2, clientId: me, clientSecret: s3cret,"
            f" tokenEndpoint: '{api.url}/token'}}"
        )
        async with serving(tmp_path, document(api.url, consumes=clause)) as served:
            body = b"abc" if method == "PUT" else None
            first = await served.ask("/proxy/x", method=method, body=body)
            # An upload is sent once: its caller has to send it again.
            assert first.body == (b"in" if method == "GET" else b"out")
            assert (await served.ask("/proxy/x", method=method, body=body)).body == b"in"


# ------------------------------------------------------------------------------- descriptions


async def test_openapi_and_the_pages_tell_of_forwards(tmp_path: Path) -> None:
    resources = f"""
- path: /both/{{{{path}}}}
  name: files
  description: All files.
  operations: [{{method: GET, name: own, {MOCK}}}]
  forward: {{targetNamespace: up}}
"""
    async with serving(tmp_path, document("http://up.test", resources=resources)) as served:
        described = json.loads((await served.ask("/openapi.json")).body)
        page = (await served.ask("/docs")).body
    assert set(described["paths"]["/proxy/{path}"]) == {
        "delete", "get", "head", "options", "patch", "post", "put",
    }  # fmt: skip
    both = described["paths"]["/both/{path}"]
    assert both["get"]["summary"] == "own"
    assert both["put"]["description"] == "All files."
    assert both["put"]["requestBody"] == {"content": {"*/*": {}}}
    assert both["put"]["parameters"][0]["name"] == "path"
    identifiers = [
        operation["operationId"]
        for operations in described["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(identifiers)) == len(identifiers)
    assert b"/proxy/{path}" in page


def test_inspect_shows_where_forwards_lead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consumes = "authentication: {type: apikey, key: k, value: s3cret, placement: query}"
    trusted = "trustedHeaders: [X-Trace, Range]"
    path = tmp_path / "proxy.yaml"
    path.write_text(document("http://up.test", consumes=consumes, forward=trusted), "utf-8")
    assert inspect([str(path)], Settings()) == 0
    shown = capsys.readouterr().out
    assert "* /proxy/{path}" in shown
    assert "forwards to http://up.test/v1/   up; header fields range, x-trace;" in shown
    assert "credential: query k" in shown
    assert "s3cret" not in shown
