"""Cases 54 to 58, 61 and 62: steps that feed one another."""

import pytest

from tests.cases.serving import Serve, Served, paths
from tests.e2e.wire import Json

DOCUMENT = """
ikanos: 1.0.0-beta5
info: {{display: Steps, description: Users and their profiles.}}
capability:
  consumes:
  - type: http
    namespace: up
    description: Users.
    baseUri: http://up.test
    resources:
      users: {{path: /users, operations: {{list-users: {{method: GET}}}}}}
      one: {{path: /only, operations: {{get-only: {{method: GET}}}}}}
      ships:
        path: /ships
        operations:
          list-ships:
            method: GET
            outputParameters: {{imo-number: {{type: string, value: $.imo_number}}}}
      profile:
        path: /profiles/{{{{userId}}}}
        operations:
          get-profile:
            method: GET
            outputParameters: {{region: {{type: string, value: $.profile.region}}}}
      echo: {{path: "/echo/{{{{region}}}}", operations: {{echo: {{method: GET}}}}}}
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    resources: {{run: {{path: /run, operations: {{run: {{method: GET, {unit}}}}}}}}}
  - type: mcp
    namespace: mcp
    port: 9090
    tools: {{run: {{description: Runs., {unit}}}, hello: {{description: Says hello.,
      outputParameters: {{hi: {{type: string, value: Hi}}}}}}}}
"""
USERS = [
    {"id": "u-1", "email": "ann", "active": True},
    {"id": "u-2", "email": "bob", "active": False},
]
REPLIES: dict[str, Json] = {
    "/users": USERS,
    "/only": {"id": "u-9", "email": "eve"},
    "/ships": [{"imo_number": "IMO-1", "name": "Star"}, {"name": "Nameless"}],
    "/profiles/u-1": {"profile": {"region": "eu", "secret": True}},
    "/echo/eu": {"said": "eu"},
}


def run(serve: Serve, steps: str, mappings: str = "[]") -> tuple[Served, Json]:
    """Serve these steps, and give what both faces answer, which is the same."""
    served = serve(DOCUMENT.format(unit=f"steps: {steps}, mappings: {mappings}"))
    served.upstream.reply = paths(REPLIES)
    found = served.get("/run")
    assert found.status == 200, found
    assert served.result("run") == found.json
    return served, found.json


LIST = "users: {type: call, call: up.list-users}"


def look(value: str, fields: str = "[id]", index: str = "users") -> str:
    return (
        f"find-user: {{type: lookup, index: {index}, match: email,"
        f" lookupValue: {value}, outputParameters: {fields}}}"
    )


@pytest.mark.case(54)
def test_steps_feed_one_another_up_to_the_last_request(serve: Serve) -> None:
    served, found = run(
        serve,
        f"{{{LIST}, {look('bob')},"
        " fetch-profile: {type: call, call: up.get-profile, with: {userId: u-1}},"
        ' echo: {type: call, call: up.echo, with: {region: "{{fetch-profile.region}}"}}}',
        "[{target: id, value: $.find-user.id}, {target: region, value: $.fetch-profile.region},"
        " {target: said, value: $.echo.said}]",
    )
    assert found == {"id": "u-2", "region": "eu", "said": "eu"}
    targets = [r.target for r in served.upstream.received]
    assert targets.index("/profiles/u-1") < targets.index("/echo/eu")


@pytest.mark.case(55)
@pytest.mark.parametrize(
    ("lookup", "expected"),
    [
        (look("bob", "[id, active, missing]"), {"id": "u-2", "active": False, "missing": None}),
        (look("eve", "[id]", index="only"), {"id": "u-9"}),
        (look("bob", "[]"), {}),
        (look("'$.users[*].email'", "[id]"), [{"id": "u-1"}, {"id": "u-2"}]),
    ],
)
def test_a_lookup_gives_the_fields_that_it_names(serve: Serve, lookup: str, expected: Json) -> None:
    steps = f"{{{LIST}, only: {{type: call, call: up.get-only}}, {lookup}}}"
    assert run(serve, steps, "[{target: found, value: $.find-user}]")[1] == {"found": expected}


@pytest.mark.case(55)
def test_a_lookup_without_a_match_gives_nothing(serve: Serve) -> None:
    steps = f"{{{LIST}, {look('nobody')}}}"
    mappings = "[{target: found, value: $.find-user}, {target: all, value: $.users}]"
    assert run(serve, steps, mappings)[1] == {"all": USERS}


@pytest.mark.case(
    56,
    differs="found when the file is read: the route answers 501 with the finding's code and the"
    " tool is not listed",
)
def test_a_lookup_in_an_unknown_step_is_told_at_start(serve: Serve) -> None:
    served = serve(DOCUMENT.format(unit=f"steps: {{{LIST}, {look('bob', index='nowhere')}}}"))
    assert "nowhere" in served.finding("E-STEP-INDEX").message
    assert served.get("/run").problem(501)["code"] == "E-STEP-INDEX"
    assert list(served.tools()) == ["hello"]


@pytest.mark.case(57)
def test_elements_keep_their_fields_and_gain_the_declared_ones(serve: Serve) -> None:
    steps = "{ships: {type: call, call: up.list-ships}}"
    found = run(serve, steps, "[{target: ships, value: $.ships}]")[1]
    assert found["ships"] == [
        {"imo_number": "IMO-1", "name": "Star", "imo-number": "IMO-1"},
        {"name": "Nameless", "imo-number": None},
    ]


@pytest.mark.case(58)
def test_dots_in_a_target_make_objects(serve: Serve) -> None:
    steps = "{only: {type: call, call: up.get-only}}"
    mappings = ", ".join(
        f"{{target: {target}, value: $.only.{field}}}"
        for target, field in [
            ("status", "id"),
            ("route.from", "id"),
            ("route.to", "email"),
            ("ship.name", "email"),
            ("ship.gone", "missing"),
        ]
    )
    assert run(serve, steps, f"[{mappings}]")[1] == {
        "status": "u-9",
        "route": {"from": "u-9", "to": "eve"},
        "ship": {"name": "eve"},
    }


@pytest.mark.case(
    61,
    differs="found when the file is read: the route answers 501 with the finding's code",
)
@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("{users: {type: call}}", "E-CALL-SYNTAX"),
        ("{users: {type: call, call: users}}", "E-CALL-SYNTAX"),
    ],
)
def test_a_step_that_calls_nothing_is_told_at_start(serve: Serve, step: str, code: str) -> None:
    served = serve(DOCUMENT.format(unit=f"steps: {step}"))
    assert code in served.codes
    assert served.get("/run").problem(501)["code"] == code


@pytest.mark.case(
    62,
    differs="found when the file is read: the route answers 501 with the finding's code and the"
    " tool is not listed",
)
@pytest.mark.parametrize(
    ("unit", "code"),
    [("tags: [x]", "E-CALL-MISSING"), ("call: bad.call", "E-CALL-NAMESPACE")],
)
def test_a_unit_without_anything_to_run_is_told_at_start(
    serve: Serve, unit: str, code: str
) -> None:
    served = serve(DOCUMENT.format(unit=unit))
    assert code in served.codes
    assert served.get("/run").problem(501)["code"] == code
    assert list(served.tools()) == ["hello"]


@pytest.mark.case(
    54,
    differs="an upstream error ends the steps and is the answer; the reference goes on and answers"
    " 200 with what was found so far",
)
def test_an_upstream_error_ends_the_steps(serve: Serve) -> None:
    served = serve(
        DOCUMENT.format(
            unit="steps: {gone: {type: call, call: up.get-profile, with: {userId: none}},"
            " users: {type: call, call: up.list-users, with: {after: $.gone}}},"
            " mappings: [{target: all, value: $.users}]"
        )
    )
    served.upstream.reply = paths(REPLIES)
    assert served.get("/run").status == 404
    assert served.get("/run").json == {"error": "not_found"}
    called = served.call("run")
    assert called.is_error
    assert called.structured_content == {"status": 404, "body": {"error": "not_found"}}
