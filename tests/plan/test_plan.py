"""Plans: who serves what, where, and what was left out."""

import pytest

from naftiko_run.exposes.units import Listener, Route, Tool
from naftiko_run.plan import Options, compile_plan
from naftiko_run.plan.compiled import Compiled
from naftiko_run.spec.document import Loaded
from naftiko_run.types import Json
from tests.spec.documents import Recorder, Served, codes, document, serve

pytestmark = pytest.mark.anyio

Place = tuple[str, int, tuple[str, ...]]


def routes(served: Served) -> list[Route]:
    return [route for listener in served.plan.listeners for route in listener.routes]


def tools(served: Served) -> list[Tool]:
    servers = (server for listener in served.plan.listeners for server in listener.servers)
    return [tool for server in servers for tool in server.tools]


def listeners(
    text: str, **options: object
) -> tuple[list[tuple[str, int, tuple[str, ...]]], list[str]]:
    found, findings = document(text)
    loaded = Loaded(file="a.yaml", document=found, consumes=found.consumes, findings=findings)
    plan = compile_plan([loaded], Options(**options), Recorder())  # type: ignore[arg-type]
    return [(each.address, each.port, each.adapters) for each in plan.listeners], codes(
        plan.findings
    )


TWO = """
naftiko: 1.0.0-alpha2
info: {{label: Ships}}
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: https://a.test
    resources: [{{path: /x, operations: [{{name: x, method: GET}}]}}]
  exposes:
  - {{type: rest, namespace: r, {rest} resources: [{{operations: [{{call: up.x}}]}}]}}
  - {{type: mcp, namespace: m, {mcp} tools: [{{name: x, call: up.x}}]}}
"""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - as a document writes it


def at(rest: str, rest_port: int, mcp: str, mcp_port: int) -> list[Place]:
    return [(rest, rest_port, ("r",)), (mcp, mcp_port, ("m",))]


HERE = at("127.0.0.1", 8080, "127.0.0.1", 9090)


@pytest.mark.parametrize(
    ("rest", "mcp", "options", "found", "found_codes"),
    [
        ("", "", {}, HERE, []),
        ("port: 81,", "port: 81,", {}, [("127.0.0.1", 81, ("r", "m"))], []),
        ("port: 81,", "", {"ports": {"r": 82, "m": 82}}, [("127.0.0.1", 82, ("r", "m"))], []),
        ("", "", {"ports": {"r": 0, "m": 0}}, at("127.0.0.1", 0, "127.0.0.1", 0), []),
        ("", "", {"host": "10.0.0.1"}, at("10.0.0.1", 8080, "10.0.0.1", 9090), []),
        ("address: localhost,", "", {}, HERE, []),
        ("address: 0.0.0.0,", "", {}, HERE, ["I-ADDRESS"]),
        (
            "address: 0.0.0.0,",
            "",
            {"host": EVERYWHERE},
            at(EVERYWHERE, 8080, EVERYWHERE, 9090),
            [],
        ),
        (
            "address: 10.0.0.1,",
            "",
            {"host": EVERYWHERE},
            at("10.0.0.1", 8080, EVERYWHERE, 9090),
            [],
        ),
        ("", "transport: stdio,", {}, HERE, ["W-STDIO"]),
    ],
)
def test_adapters_gather_at_their_address_and_port(
    rest: str,
    mcp: str,
    options: dict[str, object],
    found: list[Place],
    found_codes: list[str],
) -> None:
    assert listeners(TWO.format(rest=rest, mcp=mcp), **options) == (found, found_codes)


def test_r_port_2_documents_share_ports_and_the_second_of_a_namespace_gets_another_name() -> None:
    found, findings = document(TWO.format(rest="", mcp=""))
    loaded = Loaded(file="a.yaml", document=found, consumes=found.consumes, findings=findings)
    plan = compile_plan([loaded, loaded], Options(), Recorder())
    assert [(each.port, each.adapters, each.title) for each in plan.listeners] == [
        (8080, ("r", "r-2"), "Ships"),
        (9090, ("m", "m-2"), "Ships"),
    ]
    assert codes(plan.findings) == ["W-ADAPTER-DUP", "W-ADAPTER-DUP"]


def test_an_adapter_that_is_served_under_another_name_keeps_its_references() -> None:
    found, findings = document("""
        naftiko: 1.0.0-alpha2
        capability:
          consumes:
          - type: http
            namespace: up
            baseUri: https://a.test
            resources:
            - path: /x/{{key}}
              operations: [{name: x, method: GET, inputParameters: [{name: key, in: path}]}]
          exposes:
          - type: mcp
            namespace: m
            tools:
            - name: x
              description: One.
              inputParameters: [{name: id, type: string, description: Which.}]
              call: up.x
              with: {key: m.id}
    """)
    loaded = Loaded(file="a.yaml", document=found, consumes=found.consumes, findings=findings)
    plan = compile_plan([loaded, loaded], Options(), Recorder())
    assert codes(plan.findings) == ["W-ADAPTER-DUP"]
    compiled = [unit.compiled for unit in plan.units if isinstance(unit.compiled, Compiled)]
    assert [[a.name for a in each.arguments] for each in compiled] == [["id"], ["id"]]


def test_another_name_is_no_name_that_somebody_has() -> None:
    adapter = "{{type: rest, namespace: {}, resources: [{{operations: [{{call: up.x}}]}}]}}"
    adapters = ", ".join(map(adapter.format, ("x", "x", "x-2", "x", "x-2")))
    found, count = listeners(f"""
        naftiko: 1.0.0-alpha2
        capability:
          consumes:
          - type: http
            namespace: up
            baseUri: https://a.test
            resources: [{{path: /x, operations: [{{name: x, method: GET}}]}}]
          exposes: [{adapters}]
    """)
    assert [names for _, _, names in found] == [("x", "x-3", "x-2", "x-4", "x-2-2")]
    assert count.count("W-ADAPTER-DUP") == 3


def test_r_mcp_7_no_argument_of_a_tool_has_a_key_beside_its_name() -> None:
    served = serve("""
        ops: {get: {path: /x, inputParameters: [{name: X-User, in: header}, {name: a, in: query}]}}
        tools: {get: {call: up.get, with: {X-User: tools.header.X-User, a: tools.query.a}}}
    """)
    arguments = served.unit("get").arguments
    assert [a.key for a in arguments] == [a.name for a in arguments]


def test_a_file_that_failed_is_its_findings_alone() -> None:
    failed = Loaded(file="a.yaml", findings=[])
    plan = compile_plan([failed], Options(), Recorder())
    assert (plan.listeners, plan.units, plan.serves_anything) == ([], [], False)


def test_r_rest_7_of_routes_with_one_shape_the_first_wins() -> None:
    served = serve("""
        ops: {a: {path: /a}, b: {path: /b}}
        rest:
          "GET /p/{x}": {call: up.a, name: first}
          "GET /p/{y}": {call: up.b}
          "POST /p/{y}": {call: up.b}
        tools: {b: {call: up.b}}
    """)
    assert [(r.method, r.path, r.call) for r in routes(served)] == [
        ("GET", "/p/{x}", "up.a"),
        ("POST", "/p/{y}", "up.b"),
    ]
    shadowed = served.problem("GET /p/{y}")
    assert (shadowed.code, shadowed.message) == (
        "E-ROUTE-SHADOWED",
        "GET /p/{y} is already served by 'first'",
    )


def test_r_rest_3_4_5_odd_routes_are_served_with_warnings() -> None:
    served = serve("""
        ops: {a: {path: /a}}
        rest:
          "GET /v?Action=List&b": {call: up.a}
          "GET /v?Action=Other": {call: up.a}
          "GET /v1/#Describe": {call: up.a}
          "GET bare": {call: up.a}
    """)
    assert [(r.path, r.query) for r in routes(served)] == [
        ("/v", (("Action", "List"), ("b", ""))),
        ("/v", (("Action", "Other"),)),
        ("/v1/#Describe", ()),
        ("/bare", ()),
    ]
    assert sorted(codes(served.findings)) == [
        "W-ROUTE-FRAGMENT",
        "W-ROUTE-QUERY",
        "W-ROUTE-QUERY",
        "W-ROUTE-SLASH",
    ]


async def test_r_rest_10_the_exposed_method_is_its_own() -> None:
    served = serve("""
        ops: {search: {method: POST, path: /search}, check: {method: HEAD, path: "/b/{id}"}}
        rest: {"GET /search": {call: up.search}, "DELETE /b/{id}": {call: up.check}}
    """)
    await served.call("GET /search", {})
    await served.call("DELETE /b/{id}", {"id": "1"})
    assert [r.method for r in served.client.requests] == ["POST", "HEAD"]


def schema(served: Served) -> Json:
    return tools(served)[0].input_schema


def test_r_mcp_1_to_5_the_schema_of_a_tool() -> None:
    served = serve("""
        ops:
          close:
            method: POST
            path: "/d/{id}/close"
            description: what the operation does
            inputParameters:
            - {name: $top, in: query, type: integer, minimum: 1, description: how many}
            - {name: ids, in: query, type: array, nullable: true}
            - {name: mode, in: query, enum: [a, b]}
        tools: {close: {call: up.close, with: {mode: tools.how}}}
    """)
    assert schema(served) == {
        "type": "object",
        "properties": {
            "how": {"type": "string", "enum": ["a", "b"]},
            "_top": {"type": "integer", "description": "how many", "minimum": 1},
            "ids": {"type": ["array", "null"], "items": {}},
            "id": {"type": "string"},
            "body": {"type": "object", "description": "The request body, a JSON object"},
        },
        "required": ["id"],
        "additionalProperties": False,
    }
    assert tools(served)[0].description == "what the operation does"


def test_a_tool_without_arguments_has_an_empty_closed_schema() -> None:
    served = serve("{ops: {x: {path: /x}}, tools: {x: {call: up.x}}}")
    assert schema(served) == {"type": "object", "properties": {}, "additionalProperties": False}
    tool = tools(served)[0]
    assert (tool.name, tool.title, tool.description, tool.hints) == ("x", "", "x", {})


def test_hints_and_titles_are_given_on() -> None:
    served = serve("""
        ops: {x: {path: /x}}
        tools:
          x:
            call: up.x
            label: An X
            description: gets x
            hints: {readOnly: true, destructive: false, openWorld: true}
    """)
    tool = tools(served)[0]
    assert (tool.title, tool.description) == ("An X", "gets x")
    assert tool.hints == {"readOnly": True, "destructive": False, "openWorld": True}


def test_tools_of_one_name_are_numbered_and_odd_names_told() -> None:
    found, findings = document(
        TWO.format(rest="", mcp="").replace(
            "tools: [{name: x, call: up.x}]",
            "tools: [{name: x, call: up.x}, {name: x, call: up.x}, {name: a.b, call: up.x}]",
        )
    )
    loaded = Loaded(file="a.yaml", document=found, consumes=found.consumes, findings=findings)
    plan = compile_plan([loaded], Options(), Recorder())
    served: list[Listener] = plan.listeners
    assert [tool.name for tool in served[1].servers[0].tools] == ["x", "x-2", "a.b"]
    assert codes(plan.findings) == ["W-TOOL-DUP", "W-TOOL-NAME"]


def test_r_path_4_strictly_a_unit_whose_path_lacks_a_placeholder_is_left_out() -> None:
    text = """
        ops: {x: {path: /x, inputParameters: [{name: id, in: path}]}}
        tools: {x: {call: up.x}}
    """
    assert codes(serve(text).findings) == ["W-PATHPARAM-APPENDED"]
    strict = serve(text, options=Options(strict_paths=True))
    assert (strict.problem("x").code, tools(strict)) == ("E-PATHPARAM", [])
