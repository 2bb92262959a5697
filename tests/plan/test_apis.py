"""Consumed APIs together: which operation a call means, and where APIs are really called."""

import pytest

from naftiko_run.errors import UnsupportedError
from naftiko_run.findings import Finding
from naftiko_run.plan import Options
from naftiko_run.plan.apis import Sandbox, Upstreams, suggestion
from naftiko_run.types import Request
from tests.spec.documents import ACCEPT, SECRET, Served, codes, rule, serve

pytestmark = pytest.mark.anyio


def told(finding: Finding) -> tuple[str, str, str]:
    return finding.code, finding.message, finding.fix


@pytest.mark.parametrize(
    ("call", "code", "message", "fix"),
    [
        rule(
            "R-CALL-1",
            "another spelling",
            "notes.listnotes",
            "E-CALL-OPERATION",
            "no operation 'listnotes' in 'notes'",
            "did you mean 'notes.list-notes'?",
        ),
        rule(
            "R-CALL-1",
            "another case",
            "notes.List-Notes",
            "E-CALL-OPERATION",
            "no operation 'List-Notes' in 'notes'",
            "did you mean 'notes.list-notes'?",
        ),
        rule(
            "R-CALL-1",
            "nothing like it",
            "notes.xyz",
            "E-CALL-OPERATION",
            "no operation 'xyz' in 'notes'",
            "define it, or call one that exists",
        ),
        rule(
            "R-CALL-1",
            "another namespace",
            "note.list-notes",
            "E-CALL-NAMESPACE",
            "no consumed namespace 'note'",
            "did you mean 'notes.list-notes'?",
        ),
        rule(
            "R-CALL-1",
            "an operation of another namespace",
            "slack.list",
            "E-CALL-NAMESPACE",
            "no consumed namespace 'slack'",
            "add it under 'consumes', or import it",
        ),
        rule(
            "R-CALL-1",
            "no dot",
            "list-notes",
            "E-CALL-SYNTAX",
            "'list-notes' is not of the form namespace.operation",
            "did you mean 'notes.list-notes'?",
        ),
    ],
)
def test_r_call_1_a_target_matches_exactly_or_not_at_all(
    call: str, code: str, message: str, fix: str
) -> None:
    served = serve(f"""
        consumes:
        - namespace: notes
          type: http
          baseUri: https://a.test
          resources: [{{path: /x, operations: [{{name: list-notes, method: GET}}]}}]
        tools: {{unit: {{call: {call}}}}}
    """)
    assert told(served.problem("unit")) == (code, message, fix)
    assert served.findings == [served.problem("unit")]


def api(namespace: str, base: str, *operations: str) -> str:
    made = ", ".join(
        f"{{path: /{o}, operations: [{{name: {o}, method: GET}}]}}" for o in operations
    )
    return f"{{namespace: {namespace}, type: http, baseUri: '{base}', resources: [{made}]}}"


async def urls(served: Served, *units: str) -> list[str]:
    for unit in units:
        await served.call(unit, {})
    return [request.url for request in served.client.requests]


async def test_r_call_2_what_cannot_be_resolved_is_left_out_and_the_rest_served() -> None:
    served = serve("""
        ops: {x: {path: /x}}
        rest: {"GET /no": {call: up.nothing}, "GET /none": {}, "GET /x": {call: up.x}}
        tools: {no: {call: up.nothing}, calls: {operation: up.x}, x: {call: up.x}}
    """)
    listener = {
        server.namespace: server for each in served.plan.listeners for server in each.servers
    }
    assert [tool.name for tool in listener["ships-mcp"].tools] == ["x"]
    routes = [route for each in served.plan.listeners for route in each.routes]
    assert [(r.path, r.finding and r.finding.code, r.flow is None) for r in routes] == [
        ("/no", "E-CALL-OPERATION", True),
        ("/none", "E-CALL-MISSING", True),
        ("/x", None, False),
    ]
    assert served.plan.serves_anything
    assert await urls(served, "x", "GET /x") == ["https://api.test/v1/x"] * 2


async def test_r_con_2_a_namespace_with_a_dot_is_the_longest_that_fits() -> None:
    first, second = (
        api("openapi.yml", "https://a.test", "list"),
        api("openapi", "https://b.test", "o"),
    )
    served = serve(f"""
        consumes: [{first}, {second}]
        tools: {{list: {{call: openapi.yml.list}}, o: {{call: openapi.o}}}}
    """)
    assert await urls(served, "list", "o") == ["https://a.test/list", "https://b.test/o"]


async def test_r_con_3_a_namespace_consumed_twice_is_one_and_the_first_of_a_name_wins() -> None:
    first, second = (
        api("up", "https://a.test", "a", "both"),
        api("up", "https://b.test", "b", "both"),
    )
    served = serve(f"""
        consumes: [{first}, {second}]
        tools: {{a: {{call: up.a}}, b: {{call: up.b}}, both: {{call: up.both}}}}
    """)
    assert codes(served.findings) == ["W-NS-DUP"]
    assert await urls(served, "a", "b", "both") == [
        "https://a.test/a",
        "https://b.test/b",
        "https://a.test/both",
    ]


async def test_r_op_4_the_first_operation_of_a_name_wins_and_its_callers_are_told() -> None:
    served = serve("""
        consumes:
        - namespace: up
          type: http
          baseUri: https://a.test
          resources:
          - {path: /first, operations: [{name: get, method: GET}]}
          - {path: /second, operations: [{id: get, method: GET}]}
        tools: {get: {call: up.get}}
    """)
    assert {(f.code, f.pointer) for f in served.findings} == {
        ("W-OP-DUP", "capability.consumes[0].resources[1].operations[0]"),
        ("W-OP-DUP", "capability.exposes[0].tools[0].call"),
    }
    assert await urls(served, "get") == ["https://a.test/first"]


async def test_r_uri_4_units_of_an_api_without_a_base_uri_say_so() -> None:
    served = serve(f"""
        consumes: [{api("up", "/v1", "x")}, {api("fine", "https://a.test", "x")}]
        tools: {{x: {{call: up.x}}, fine: {{call: fine.x}}}}
    """)
    assert served.problem("x").code == "E-BASEURI-MISSING"
    assert served.problem("x").pointer == "capability.exposes[0].tools[0].call"
    assert await urls(served, "fine") == ["https://a.test/x"]


@pytest.mark.parametrize(
    ("upstreams", "url"),
    [
        (Upstreams(urls={"my-api": "http://b.test/x/"}), "http://b.test/x/get"),
        (Upstreams(urls={"MY_API": "http://b.test"}), "http://b.test/get"),
        (Upstreams(urls={"other": "http://b.test"}), "https://a.test/v1/get"),
        (Upstreams(origin="http://b.test:9"), "http://b.test:9/v1/get"),
        (
            Upstreams(urls={"my-api": "http://c.test"}, origin="http://b.test"),
            "http://c.test/get",
        ),
    ],
)
async def test_upstreams_replace_base_uris(upstreams: Upstreams, url: str) -> None:
    served = serve(
        f"""
        consumes: [{api("my-api", "https://a.test/v1", "get")}]
        tools: {{get: {{call: my-api.get}}}}
        """,
        options=Options(upstreams=upstreams),
    )
    assert await urls(served, "get") == [url]


SANDBOXED = """
binds: [{namespace: env, keys: {TOKEN: TOKEN, OTHER: OTHER}}]
consumes:
- namespace: up
  type: http
  baseUri: https://API.test/v1/
  authentication: {type: bearer, token: "{{TOKEN}}"}
  resources:
  - path: /x/{id}
    inputParameters: [{name: k, in: query, value: "{{OTHER}}"}]
    operations: [{name: x, method: GET}]
tools: {x: {call: up.x}}
"""


async def test_a_sandbox_stands_in_for_an_origin_with_its_own_credential() -> None:
    sandboxes = {"https://api.test": Sandbox("http://127.0.0.1:9/", SECRET)}
    options = Options(upstreams=Upstreams(sandboxes=sandboxes))
    served = serve(SANDBOXED, environ={"OTHER": "o"}, options=options)
    await served.call("x", {"id": "1"})
    headers = (("Authorization", f"Bearer {SECRET}"), ACCEPT)
    assert served.client.requests == [Request("GET", "http://127.0.0.1:9/v1/x/1?k=o", headers)]
    assert served.findings == []
    assert SECRET not in repr(sandboxes) + repr(served.plan.units)


@pytest.mark.parametrize(
    "upstreams", [{"origin": "http://b.test"}, {"urls": {"up": "http://b.test"}}, {}]
)
async def test_a_sandbox_is_not_used_where_an_upstream_is_named_or_it_is_another_origin(
    upstreams: dict[str, object],
) -> None:
    origin = "https://api.test" if upstreams else "https://other.test"
    made = Upstreams(sandboxes={origin: Sandbox("http://127.0.0.1:9", SECRET)}, **upstreams)  # type: ignore[arg-type]
    served = serve(SANDBOXED, environ={"TOKEN": "t", "OTHER": "o"}, options=Options(upstreams=made))
    await served.call("x", {"id": "1"})
    assert served.client.requests[0].headers[0] == ("Authorization", "Bearer t")


@pytest.mark.parametrize(
    "clause", ["{type: oauth2, scopes: [read]}", "{type: oauth1, consumerKey: a, signingKey: none}"]
)
async def test_a_signing_scheme_that_cannot_sign_is_refused_at_the_call(clause: str) -> None:
    served = serve(f"""
        consumes:
        - namespace: up
          type: http
          baseUri: https://a.test
          authentication: {clause}
          resources: [{{path: /x, operations: [{{name: x, method: GET}}]}}]
        tools: {{x: {{call: up.x}}}}
    """)
    with pytest.raises(UnsupportedError):
        await served.call("x", {})
    assert served.client.requests == []


def test_suggestions_are_up_to_three_near_misses() -> None:
    known = ["up.list-notes", "up.list-note", "up.lists-notes", "up.list-nodes", "up.get"]
    assert suggestion("up.list-notess", known) == (
        "did you mean 'up.list-notes' or 'up.lists-notes' or 'up.list-note'?"
    )
    assert suggestion("zzz", known) == ""
