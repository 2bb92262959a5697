"""Steps, lookups, shared flows and mocks: from a document to answers, over recorded upstreams."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from naftiko_run.errors import InputError
from naftiko_run.findings import Finding
from naftiko_run.flows.steps import plan_needs
from naftiko_run.plan import Options, Plan, compile_plan
from naftiko_run.plan.compiled import Compiled
from naftiko_run.spec.document import Loaded
from naftiko_run.types import PROGRESS, Binds, Outcome, Reply, Request
from tests.spec.documents import JSON, document

pytestmark = pytest.mark.anyio

CONSUMES = """
naftiko: 1.0.0-alpha3
info: {label: Ships, description: Ships}
capability:
  consumes:
    - type: http
      namespace: registry
      baseUri: https://registry.test
      resources:
        - path: /ships/{{imo}}
          name: ship
          operations: [{name: get-ship, method: GET}]
        - path: /crew
          name: crew
          operations: [{name: list-crew, method: GET}]
        - path: /ports
          name: ports
          operations: [{name: list-ports, method: GET}]
        - path: /voyages
          name: voyages
          operations:
            - name: create-voyage
              method: POST
              body: {type: json, data: {ship: "{{ship}}", crew: "{{crew}}"}}
"""
SHIP = {"imo": "IMO-1", "name": "Northern Star", "crew": [1, 3], "captain": 3}
CREW = [{"id": 1, "name": "Erik"}, {"id": 2, "name": "Maria"}, {"id": 3, "name": "Aiko"}]


class Upstream:
    """Answers by path; a path may have to wait until another one was asked."""

    def __init__(self, **replies: tuple[int, Any]) -> None:
        self.replies = {"ships": (200, SHIP), "crew": (200, CREW), "ports": (200, ["Oslo"])}
        self.replies |= {"voyages": (201, {"id": "V1"}), **replies}
        self.requests: list[Request] = []
        self.begun: dict[str, asyncio.Event] = {}
        self.after: dict[str, str] = {}

    def event(self, name: str) -> asyncio.Event:
        return self.begun.setdefault(name, asyncio.Event())

    async def send(self, request: Request) -> Reply:
        self.requests.append(request)
        name = request.url.split("/")[3]
        self.event(name).set()
        if name in self.after:
            await asyncio.wait_for(self.event(self.after[name]).wait(), 5)
        status, value = self.replies[name]
        return Reply(status, JSON, json.dumps(value).encode())

    async def aclose(self) -> None:
        pass

    @property
    def asked(self) -> list[str]:
        return [f"{r.method} {r.url.removeprefix('https://registry.test')}" for r in self.requests]


def plan_of(rest: str, upstream: Upstream) -> Plan:
    found, findings = document(CONSUMES + rest)
    loaded = Loaded(
        file="ships.yaml",
        document=found,
        consumes=found.consumes,
        binds=Binds(),
        findings=findings,
    )
    return compile_plan([loaded], Options(), upstream)


def tool(steps: str, *, mappings: str = "", more: str = "") -> str:
    return f"""
  exposes:
    - type: mcp
      namespace: tools
      port: 9090
      tools:
        - name: run
          description: Run it
          {more}
          steps: {steps}
          {f"mappings: {mappings}" if mappings else ""}
"""


def compiled(rest: str, upstream: Upstream) -> Compiled:
    unit = plan_of(rest, upstream).units[0].compiled
    assert isinstance(unit, Compiled), unit
    return unit


async def run(rest: str, upstream: Upstream, **arguments: Any) -> tuple[int, Any]:  # noqa: ANN401
    outcome: Outcome = await compiled(rest, upstream).flow(arguments)
    return outcome.status, json.loads(outcome.body) if outcome.body else None


SHIP_STEP = "{type: call, name: ship, call: registry.get-ship, with: {imo: tools.imo}}"
CREW_STEP = "{type: call, name: crew, call: registry.list-crew}"
LOOKUP = "type: lookup, name: captain, index: crew, match: id, outputParameters: [name]"


async def test_steps_feed_one_another_and_mappings_make_the_result() -> None:
    upstream = Upstream()
    lookup = (
        "{type: lookup, name: captain, index: crew, match: id,"
        " lookupValue: $.ship.captain, outputParameters: [name, missing]}"
    )
    rest = tool(
        f"[{SHIP_STEP}, {CREW_STEP}, {lookup}]",
        mappings="[{targetName: ship.name, value: $.ship.name},"
        " {targetName: ship.captain, value: $.captain},"
        " {targetName: nothing, value: $.ship.nothing}]",
    )
    assert await run(rest, upstream, imo="IMO-1") == (
        200,
        {"ship": {"name": "Northern Star", "captain": {"name": "Aiko", "missing": None}}},
    )
    assert sorted(upstream.asked) == ["GET /crew", "GET /ships/IMO-1"]


async def test_a_lookup_of_several_values_gives_a_list_without_those_that_match_nothing() -> None:
    upstream = Upstream(ships=(200, {**SHIP, "crew": [3, 9, 1]}))
    lookup = (
        "{type: lookup, name: names, index: crew, match: id,"
        " lookupValue: $.ship.crew, outputParameters: [name]}"
    )
    rest = tool(
        f"[{SHIP_STEP}, {CREW_STEP}, {lookup}]", mappings="[{target: crew, value: $.names}]"
    )
    assert await run(rest, upstream, imo="IMO-1") == (
        200,
        {"crew": [{"name": "Aiko"}, {"name": "Erik"}]},
    )


async def test_a_lookup_compares_as_text_and_reads_templates() -> None:
    lookup = (
        "{type: lookup, name: found, index: crew, match: id,"
        ' lookupValue: "{{number}}", outputParameters: [name]}'
    )
    rest = tool(f"[{CREW_STEP}, {lookup}]", mappings="[{target: name, value: $.found.name}]")
    assert await run(rest, Upstream(), number="2") == (200, {"name": "Maria"})


async def test_a_later_step_reads_the_output_of_an_earlier_one_in_its_template() -> None:
    upstream = Upstream()
    steps = (
        "[{type: call, name: crew, call: registry.list-crew},"
        ' {type: call, name: ship, call: registry.get-ship, with: {imo: "{{first.id}}"}}]'
    ).replace("name: crew", "name: first")
    upstream.replies["crew"] = (200, {"id": "IMO-7"})
    await run(tool(steps), upstream)
    assert upstream.asked == ["GET /crew", "GET /ships/IMO-7"]


async def test_without_mappings_the_last_answer_is_the_result() -> None:
    voyage = "{type: call, name: voyage, call: registry.create-voyage, with: {ship: $x}}"
    upstream = Upstream()
    assert await run(tool(f"[{CREW_STEP}, {voyage}]"), upstream) == (201, {"id": "V1"})
    assert json.loads(upstream.requests[1].body or b"") == {"ship": "$x", "crew": CREW}


async def test_steps_that_read_nothing_of_one_another_run_at_the_same_time() -> None:
    upstream = Upstream()
    upstream.after = {"ships": "crew", "crew": "ships"}  # each answers once the other was asked
    rest = tool(f"[{SHIP_STEP}, {CREW_STEP}]", mappings="[{target: name, value: $.ship.name}]")
    assert await run(rest, upstream, imo="IMO-1") == (200, {"name": "Northern Star"})


async def test_nothing_is_changed_upstream_before_the_steps_before_it_have_succeeded() -> None:
    upstream = Upstream(ships=(404, {"error": "not_found"}))
    voyage = "{type: call, name: voyage, call: registry.create-voyage}"
    rest = tool(f"[{SHIP_STEP}, {voyage}]")
    assert await run(rest, upstream, imo="IMO-9") == (404, {"error": "not_found"})
    assert upstream.asked == ["GET /ships/IMO-9"]


async def test_an_upstream_error_ends_the_flow_unless_the_step_says_otherwise() -> None:
    upstream = Upstream(crew=(503, {"error": "closed"}))
    mappings = "[{target: name, value: $.ship.name}]"
    rest = tool(f"[{CREW_STEP}, {SHIP_STEP}]", mappings=mappings)
    assert await run(rest, upstream, imo="IMO-1") == (503, {"error": "closed"})
    tolerant = CREW_STEP.replace("}", ", onError: continue}")
    rest = tool(f"[{tolerant}, {SHIP_STEP}]", mappings=mappings)
    assert await run(rest, upstream, imo="IMO-1") == (200, {"name": "Northern Star"})


async def test_of_two_failures_the_first_in_the_document_is_told() -> None:
    upstream = Upstream(ships=(404, {"error": "ship"}), crew=(500, {"error": "crew"}))
    upstream.after = {"ships": "crew"}
    rest = tool(f"[{SHIP_STEP}, {CREW_STEP}]", mappings="[{target: a, value: $.ship}]")
    assert await run(rest, upstream, imo="IMO-1") == (404, {"error": "ship"})


async def test_concurrent_runs_share_nothing() -> None:
    unit = compiled(tool(f"[{SHIP_STEP}]", mappings="[{target: asked, value: $.imo}]"), Upstream())
    outcomes = await asyncio.gather(*(unit.flow({"imo": f"IMO-{n}"}) for n in range(20)))
    assert [json.loads(o.body) for o in outcomes] == [{"asked": f"IMO-{n}"} for n in range(20)]


def test_a_unit_takes_what_its_steps_need_and_no_output_of_a_step() -> None:
    steps = (
        "[{type: call, name: ship, call: registry.get-ship},"
        " {type: call, name: voyage, call: registry.create-voyage}]"
    )
    arguments = compiled(tool(steps), Upstream()).arguments
    assert [(a.name, a.required) for a in arguments] == [("imo", True), ("crew", False)]


async def test_progress_is_told_step_by_step_to_whoever_asks() -> None:
    told: list[tuple[int, int]] = []

    async def report(done: int, total: int) -> None:
        told.append((done, total))

    token = PROGRESS.set(report)
    try:
        await run(tool(f"[{SHIP_STEP}, {CREW_STEP}]"), Upstream(), imo="IMO-1")
    finally:
        PROGRESS.reset(token)
    assert told == [(0, 2), (1, 2), (2, 2)]


async def test_a_missing_argument_is_named_and_nothing_is_sent() -> None:
    upstream = Upstream()
    flow: Callable[[dict[str, Any]], Awaitable[Outcome]] = compiled(
        tool(f"[{SHIP_STEP}]"), upstream
    ).flow
    with pytest.raises(InputError, match="imo: is required"):
        await flow({})
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ("[{type: lookup, name: a, index: b, match: id, lookupValue: x}]", "E-STEP-INDEX"),
        ("[{type: call, call: registry.list-crew}]", "E-STEP"),
        ("[{type: call, name: a, call: registry.list-crews}]", "E-CALL-OPERATION"),
        ("[{type: wait, name: a}]", "E-UNSUPPORTED"),
        ("[{type: script, name: a, language: python, file: a.py}]", "E-SCRIPT-FILE"),
    ],
)
def test_a_step_that_cannot_run_leaves_the_unit_out(steps: str, code: str) -> None:
    unit = plan_of(tool(steps), Upstream()).units[0].compiled
    assert isinstance(unit, Finding)
    assert unit.code == code


@pytest.mark.parametrize(
    ("steps", "mappings", "told"),
    [
        (
            "[{type: call, name: ship, call: registry.get-ship, with: {imoo: tools.imo}}]",
            "",
            ("W-WITH-UNKNOWN", "steps[0].with.imoo", "did you mean 'imo'?"),
        ),
        (
            f"[{SHIP_STEP}]",
            "[{target: name, value: $.shipp.name}]",
            ("W-STEP-PATH", "mappings[0].value", "did you mean 'ship'?"),
        ),
        (
            f"[{SHIP_STEP}, {CREW_STEP}, {{{LOOKUP}, lookupValue: $.shp.captain}}]",
            "",
            ("W-STEP-PATH", "steps[2].lookupValue", "did you mean 'ship'?"),
        ),
    ],
)
def test_a_name_that_is_nearly_right_is_told_with_the_one_that_is_meant(
    steps: str, mappings: str, told: tuple[str, str, str]
) -> None:
    plan = plan_of(tool(steps, mappings=mappings), Upstream())
    code, place, fix = told
    (finding,) = [found for found in plan.findings if found.code == code]
    assert finding.pointer.endswith(place)
    assert finding.fix == fix


def test_a_path_to_a_step_or_an_argument_is_no_slip() -> None:
    declared = "inputParameters: [{name: ships, type: string, description: Any.}]"
    mappings = "[{target: a, value: $.ships}, {target: b, value: $.ship.name}]"
    plan = plan_of(tool(f"[{SHIP_STEP}]", mappings=mappings, more=declared), Upstream())
    assert "W-STEP-PATH" not in {found.code for found in plan.findings}


@pytest.mark.parametrize(
    ("reads", "changes", "needs"),
    [
        ([set(), set(), {0, 1}], [False, False, False], ((), (), (0, 1))),
        ([set(), set(), set()], [False, True, False], ((), (0,), (1,))),
        ([set(), set(), {0}], [True, True, False], ((), (0,), (0, 1))),
    ],
)
def test_what_a_step_waits_for(
    reads: list[set[int]], changes: list[bool], needs: tuple[tuple[int, ...], ...]
) -> None:
    assert plan_needs([frozenset(r) for r in reads], changes) == needs


SHARED = """
  aggregates:
    - label: Fleet
      namespace: fleet
      functions:
        - name: find
          description: Find a ship
          semantics: {safe: true, idempotent: true}
          inputParameters: [{name: number, type: string, description: The number}]
          call: registry.get-ship
          with: {imo: fleet.number}
          outputParameters: [{type: object, properties: {name: {type: string, mapping: $.name}}}]
        - name: hello
          description: Greet
          outputParameters:
            - {name: message, type: string, value: "Hello, {{name}}!"}
            - {name: tags, type: array, items: {type: string, value: active}}
  exposes:
    - type: mcp
      namespace: tools
      port: 9090
      tools:
        - {name: find-ship, ref: fleet.find}
        - {name: find-other, description: Another, ref: fleet.find, with: {number: tools.ship}}
        - {name: greet, ref: fleet.hello}
        - {name: lost, ref: fleet.fnd}
"""


async def test_units_that_refer_to_a_shared_flow_run_it() -> None:
    plan = plan_of(SHARED, Upstream())
    find, other, greet, lost = (unit.compiled for unit in plan.units)
    assert isinstance(find, Compiled)
    assert isinstance(other, Compiled)
    assert isinstance(greet, Compiled)
    assert json.loads((await find.flow({"number": "IMO-1"})).body) == {"name": "Northern Star"}
    assert json.loads((await other.flow({"ship": "IMO-1"})).body) == {"name": "Northern Star"}
    assert json.loads((await greet.flow({"name": "Ada"})).body) == {
        "message": "Hello, Ada!",
        "tags": ["active"],
    }
    assert isinstance(lost, Finding)
    assert (lost.code, lost.fix) == ("E-REF", "did you mean 'fleet.find'?")
    described = {tool.name: tool for tool in plan.listeners[0].servers[0].tools}
    assert described["find-ship"].description == "Find a ship"
    assert described["find-other"].description == "Another"
    assert described["find-ship"].hints == {
        "readOnly": True,
        "destructive": False,
        "idempotent": True,
    }


def test_a_shared_flow_that_refers_to_itself_is_left_out() -> None:
    rest = """
  aggregates:
    - {label: A, namespace: a, functions: [{name: x, description: X, ref: a.x}]}
  exposes:
    - {type: mcp, namespace: t, port: 9090, tools: [{name: x, ref: a.x}]}
"""
    unit = plan_of(rest, Upstream()).units[0].compiled
    assert isinstance(unit, Finding)
    assert unit.code == "E-REF"
