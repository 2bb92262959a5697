"""Arguments: what a unit takes of its caller, and the request that the operation makes of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from naftiko_run.errors import FieldProblem, InputError, VariableError
from naftiko_run.types import Argument, Request
from tests.spec.documents import ACCEPT, BASE, CONTENT, SECRET, codes, serve

pytestmark = pytest.mark.anyio

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "units.yaml").read_text(encoding="utf-8")
)


def label(case: dict[str, Any]) -> str:
    return f"{case['rule']}: {case['name']}"


def short(argument: Argument) -> str:
    """Write an argument as the cases do."""
    place = f"@{argument.location}" if argument.location else ""
    json_type = f":{argument.type}" if argument.type else ""
    marks = "!" * argument.required + "^" * argument.header
    return f"{argument.key}{place}{json_type}{marks}"


def request(call: dict[str, Any]) -> Request:
    method, url = call["sends"].split(" ", 1)
    headers = [ACCEPT, *call.get("headers", {}).items()]
    body = call["body"].encode() if "body" in call else None
    return Request(method, BASE + url, (*headers, *([CONTENT] if body else [])), body)


@pytest.mark.parametrize("case", CASES, ids=label)
async def test_a_unit_takes_arguments_and_makes_a_request_of_them(case: dict[str, Any]) -> None:
    served = serve(yaml.safe_dump(case, sort_keys=False), environ={"CLIENT": "a/7"})
    taken = {
        unit.name: [short(a) for a in served.unit(unit.name).arguments]
        for unit in served.plan.units
    }
    assert taken == case["args"]
    for unit, described in case.get("describes", {}).items():
        assert {a.name: a.description for a in served.unit(unit).arguments} == described
    assert sorted(codes(served.findings)) == sorted(case.get("codes", []))
    for call in case["calls"]:
        served.client.requests.clear()
        await served.call(call["unit"], call["given"])
        assert served.client.requests == [request(call)]


async def test_r_mcp_3_an_argument_carries_what_the_parameter_says_of_it() -> None:
    served = serve("""
        ops:
          get:
            path: /x
            inputParameters:
            - {name: a, in: query, type: integer, maximum: 5, nullable: true, description: d}
            - {name: b, in: query, type: integer, maximum: 5}
        tools:
          get:
            call: up.get
            inputParameters: [{name: b, type: string, pattern: ^x, description: mine}]
    """)
    assert served.unit("get").arguments == (
        Argument(key="b", name="b", type="string", description="mine", schema={"pattern": "^x"}),
        Argument(
            key="a",
            name="a",
            type="integer",
            nullable=True,
            description="d",
            schema={"maximum": 5},
        ),
    )


async def test_one_argument_may_feed_several_inputs() -> None:
    served = serve("""
        ops: {get: {path: "/x/{id}", inputParameters: [{name: q, in: query, description: d}]}}
        tools: {get: {call: up.get, with: {q: tools.key, id: tools.key}}}
    """)
    expected = Argument(key="key", name="key", type="string", required=True, description="d")
    assert served.unit("get").arguments == (expected,)
    await served.call("get", {"key": "1"})
    assert served.client.requests == [Request("GET", f"{BASE}/x/1?q=1", (ACCEPT,))]


async def test_r_impl_2_every_missing_argument_is_named_and_nothing_is_sent() -> None:
    served = serve("""
        ops:
          get:
            path: "/x/{id}"
            inputParameters:
            - {name: q, in: query, required: true}
            - {name: X-H, in: header, required: true}
        tools: {get: {call: up.get, with: {id: tools.key}}}
    """)
    with pytest.raises(InputError) as caught:
        await served.call("get", {})
    names = ["key", "q", "X-H"]
    assert caught.value.problems == tuple(FieldProblem(n, "is required") for n in names)
    assert served.client.requests == []


@pytest.mark.parametrize(
    "value", ["'{{UNSET}}'", "'a {{UNSET}} b'", "env.UNSET", "[x, {y: '{{UNSET}}'}]"]
)
async def test_r_var_4_a_variable_of_with_that_is_not_set_refuses_the_call(value: str) -> None:
    served = serve(f"""
        binds: [{{namespace: env, keys: {{UNSET: UNSET}}}}]
        ops: {{get: {{path: /x, inputParameters: [{{name: k, in: query}}]}}}}
        tools: {{get: {{call: up.get, with: {{k: {value}}}}}}}
    """)
    with pytest.raises(VariableError) as caught:
        await served.call("get", {})
    assert str(caught.value) == "variable UNSET ('with' of 'get') is not set"
    assert served.client.requests == []
    assert "I-VAR-UNSET" in codes(served.findings)


async def test_a_schema_that_cannot_be_checked_is_left_out_with_a_warning() -> None:
    served = serve("""
        ops: {get: {path: /x, inputParameters: [{name: a, in: query, type: string, pattern: "("}]}}
        tools: {get: {call: up.get}}
    """)
    assert served.unit("get").arguments == (Argument(key="a", name="a", type="string"),)
    assert codes(served.findings) == ["W-SCHEMA"]
    await served.call("get", {"a": "x"})
    assert len(served.client.requests) == 1


async def test_what_variables_hold_is_not_shown_of_a_unit() -> None:
    served = serve(
        """
        binds: [{namespace: env, keys: {TOKEN: TOKEN}}]
        ops: {get: {path: /x, inputParameters: [{name: k, in: query}]}}
        tools: {get: {call: up.get, with: {k: "{{TOKEN}}"}}}
        """,
        environ={"TOKEN": SECRET},
    )
    await served.call("get", {})
    assert SECRET in served.client.requests[0].url
    assert SECRET not in f"{served.unit('get')!r}{served.plan.units!r}{served.findings!r}"


async def test_for_each_takes_the_array_and_not_the_element() -> None:
    served = serve("""
        ops:
          delete:
            method: DELETE
            path: "/keys/{keyId}"
            inputParameters: [{name: keyIds, in: query, type: array, description: which}]
            forEach: {forEach: keyIds, as: keyId}
        tools: {delete: {call: up.delete, with: {keyIds: tools.keys}}}
    """)
    wanted = Argument(key="keys", name="keys", type="array", required=True, description="which")
    assert served.unit("delete").arguments == (wanted,)
    await served.call("delete", {"keys": ["a", "b"]})
    urls = [f"{BASE}/keys/a", f"{BASE}/keys/b"]
    assert served.client.requests == [Request("DELETE", url, (ACCEPT,)) for url in urls]
