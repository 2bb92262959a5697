"""Cases 1 to 19: templates, what callers give, and the requests that are made of it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import yaml

from tests.cases.serving import Serve, Served, answer
from tests.cases.small import Fields, build
from tests.e2e.upstream import Received
from tests.e2e.wire import Json

ECHO: Fields = {"method": "POST"}


def given(served: Served, target: str, body: Json = None, **headers: str) -> Json:
    """Call the route of :func:`exposed`, and give the body that the upstream got."""
    found = served.ask("POST", target, body, **headers)
    assert found.status == 200, (found, served.findings)
    return served.upstream.last.json


def exposed(
    names: str,
    operation: Fields,
    *,
    resource: Fields | None = None,
    adapter: Fields | None = None,
    path: str = "/run",
) -> str:
    """Make a document whose route sends these arguments as a JSON object."""
    body = {"type": "json", "data": {n: f"{{{{tools.{n}}}}}" for n in names.split()}}
    return build(
        operation={"method": "POST", "body": body},
        route={"method": "POST", "inputParameters": operation},
        path={"path": path, **({"inputParameters": resource} if resource else {})},
        rest={"inputParameters": adapter} if adapter else {},
    )


def declared(place: str, **more: Json) -> Fields:
    """Declare a parameter."""
    return {"in": place, "type": "string", "description": "One.", **more}


# ------------------------------------------------------------------------------------ templates


@pytest.mark.case(
    1,
    differs="what is missing leaves the whole text out, which is an argument that must be given:"
    " half a text is never sent",
)
def test_a_text_takes_its_arguments_and_is_not_sent_without_one(serve: Serve) -> None:
    slot = {"in": "query", "value": "hello {{name}}/{{missing}}"}
    served = serve(build(operation={"inputParameters": {"text": slot}}))
    served.get("/run?name=alice&missing=m")
    assert served.upstream.last.target == "/v1/thing?text=hello%20alice%2Fm"
    problem = served.get("/run?name=alice").problem(400)
    assert [(e["field"], e["detail"]) for e in problem["errors"]] == [("missing", "is required")]
    assert len(served.upstream.received) == 1


@pytest.mark.case(
    2, differs="a placeholder without its argument is an error of the caller, not a literal text"
)
def test_a_text_without_placeholders_is_itself_and_none_is_none(serve: Serve) -> None:
    parameters = {
        "plain": {"in": "query", "value": "plain"},
        "none": {"in": "query", "value": None},
    }
    resource = {"path": "/api/users/{{userId}}/posts"}
    served = serve(build(operation={"inputParameters": parameters}, resource=resource))
    assert [e["field"] for e in served.get("/run").problem(400)["errors"]] == ["userId"]
    assert served.get("/run?userId=7").status == 200
    assert served.upstream.last.target == "/v1/api/users/7/posts?plain=plain"


@pytest.mark.case(3)
def test_texts_in_json_are_quoted_and_lists_are_json(serve: Serve) -> None:
    body = '{"shipImo": "{{shipImo}}", "crewIds": {{crewIds}}}'
    served = serve(build(operation={"method": "POST", "body": body}, route={"method": "POST"}))
    call = {"shipImo": "IMO-9321483", "crewIds": ["CREW-001", "CREW-003"]}
    assert served.ask("POST", "/run", call).status == 200
    assert served.upstream.last.json == call
    hostile = {**call, "shipImo": '", "admin": true, "x": "'}
    assert served.ask("POST", "/run", hostile).status == 200
    assert served.upstream.last.json == hostile


@pytest.mark.case(4)
def test_letters_of_all_languages_stay_what_they_are(serve: Serve) -> None:
    served = serve(exposed("name city", {"name": declared("query"), "city": declared("body")}))
    sent = given(served, f"/run?name={quote('Lindstrøm & <b>')}", {"city": "Göteborg"})
    assert sent == {"name": "Lindstrøm & <b>", "city": "Göteborg"}


# ------------------------------------------------------------------------- what callers give


@pytest.mark.case(5)
def test_each_parameter_is_taken_from_its_place(serve: Serve) -> None:
    parameters = {
        "shipId": declared("path"),
        "q": declared("query"),
        "X-Tenant": declared("header"),
        "session": declared("cookie"),
        "name": declared("body", value="$.name"),
        "meta": declared("body", type="object", value="$.meta"),
        "first": declared("body", value="$.crew[0].id"),
    }
    served = serve(exposed(" ".join(parameters), parameters, path="/ships/{shipId}"))
    body = {"name": "Voyager", "meta": {"rank": 1}, "crew": [{"id": "c1"}]}
    headers = {"X_Tenant": "acme", "Cookie": 'a=1; session="s-1"; session=s-2'}
    assert given(served, "/ships/IMO%2D1?q=ships", body, **headers) == {
        "shipId": "IMO-1",
        "q": "ships",
        "X-Tenant": "acme",
        "session": "s-1",
        "name": "Voyager",
        "meta": {"rank": 1},
        "first": "c1",
    }


@pytest.mark.case(6)
@pytest.mark.parametrize("place", ["query", "header", "cookie", "body", "path"])
def test_a_constant_wins_over_whatever_the_caller_says(serve: Serve, place: str) -> None:
    served = serve(exposed("x", {"x": declared(place, value="fixed")}, path="/run/{x}"))
    assert given(served, "/run/path") == {"x": "fixed"}
    if place == "query":
        assert given(served, "/run/path?x=query") == {"x": "fixed"}
        assert served.ask("POST", "/run/p", {"x": 1}).problem(400)["errors"][0]["field"] == "x"
    if place == "body":
        assert given(served, "/run/path", {"x": "body"}) == {"x": "fixed"}
    assert given(served, "/run/path", X="header", Cookie="x=cookie") == {"x": "fixed"}
    shown = served.get("/openapi.json").json["paths"]["/run/{x}"]["post"]
    assert "requestBody" not in shown
    assert "fixed" not in str(shown)


@pytest.mark.case(7)
def test_a_path_that_leads_nowhere_gives_nothing(serve: Serve) -> None:
    parameters = {"a": declared("body", value="$.does.not.exist"), "b": declared("body")}
    served = serve(exposed("a b", parameters))
    assert given(served, "/run", {"does": {"not": 1}, "b": "x"}) == {"b": "x"}
    parameters["a"]["required"] = True
    served = serve(exposed("a b", parameters))
    problem = served.ask("POST", "/run", {"b": "x"}).problem(400)
    assert problem["errors"] == [{"field": "a", "detail": "is required", "in": "body"}]


@pytest.mark.case(8)
@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"x": 1}, {"x": 1}),
        ({"raw": {"x": 1}}, {"x": 1}),
        ([1, {"raw": 2}], [1, {"raw": 2}]),
        ("text", "text"),
        (0, 0),
    ],
)
def test_the_one_parameter_of_a_body_without_such_a_field_is_the_body(
    serve: Serve, body: Json, sent: Json
) -> None:
    served = serve(exposed("raw", {"raw": {"in": "body", "description": "All of it."}}))
    assert given(served, "/run", body) == {"raw": sent}


def test_beside_others_a_parameter_of_the_body_is_a_field_and_nothing_else(serve: Serve) -> None:
    parameters = {"a": declared("body", type="object"), "b": declared("body")}
    served = serve(exposed("a b", parameters))
    problem = served.ask("POST", "/run", {"x": 1}).problem(400)
    assert [(e["field"], e["detail"]) for e in problem["errors"]] == [("x", "is unknown")]
    assert served.ask("POST", "/run", [1]).problem(400)["errors"][0]["field"] == "body"
    # A text that is missing is missing: an object is no text.
    served = serve(exposed("name", {"name": declared("body", required=True)}))
    problem = served.ask("POST", "/run", {"nam": "x"}).problem(400)
    assert [(e["field"], e["detail"]) for e in problem["errors"]] == [
        ("name", "is required"),
        ("nam", "is unknown; did you mean 'name'?"),
    ]
    # With its own field given, others are unknown here too.
    served = serve(exposed("raw", {"raw": declared("body", type="object")}))
    problem = served.ask("POST", "/run", {"raw": {}, "x": 1}).problem(400)
    assert [e["field"] for e in problem["errors"]] == ["x"]


def test_a_body_with_the_field_of_any_argument_is_no_argument_as_a_whole(serve: Serve) -> None:
    raw = {"raw": declared("body", type="object")}
    served = serve(exposed("raw other", raw))
    assert given(served, "/run?other=o", {"x": 1}) == {"raw": {"x": 1}, "other": "o"}
    assert given(served, "/run", {"other": "o"}) == {"other": "o"}
    assert given(served, "/run", {"other": "o", "raw": {"x": 1}}) == {"other": "o", "raw": {"x": 1}}
    problem = served.ask("POST", "/run", {"other": "o", "x": 1}).problem(400)
    assert [e["field"] for e in problem["errors"]] == ["x"]
    many = {f"x{n}": n for n in range(2000)}
    assert given(served, "/run", many) == {"raw": many}
    assert served.ask("POST", "/run", {"other": "o", **many}).status == 400


def test_paths_and_the_whole_body_are_views_of_the_same(serve: Serve) -> None:
    parameters = {
        "raw": declared("body", type="object"),
        "id": declared("body", type="integer", value="$.user.id"),
    }
    served = serve(exposed("raw id", parameters))
    assert given(served, "/run", {"user": {"id": 7}, "x": 1}) == {
        "raw": {"user": {"id": 7}, "x": 1},
        "id": 7,
    }


def test_a_form_is_a_body_of_texts(serve: Serve) -> None:
    form = "application/x-www-form-urlencoded"
    parameters = {
        "n": declared("body", type="integer", value="$.n"),
        "raw": declared("body", type="object", properties={"t": {"type": "array"}}),
    }
    served = serve(exposed("n raw", parameters))
    sent = given(served, "/run", b"n=7&t=1&t=2", content_type=form)
    assert sent == {"n": 7, "raw": {"n": "7", "t": ["1", "2"]}}
    refused = served.ask("POST", "/run", b"n=x&t=1", content_type=form).problem(400)
    assert [e["field"] for e in refused["errors"]] == ["n", "raw"]


@pytest.mark.case(9)
def test_a_body_that_nothing_reads_does_not_matter(serve: Serve) -> None:
    served = serve(
        exposed(
            "X-Tenant q itemId",
            {"itemId": declared("path")},
            resource={"q": declared("query")},
            adapter={"X-Tenant": declared("header")},
            path="/items/{itemId}",
        )
    )
    assert served.codes == []
    sent = given(served, "/items/i-1?q=ice", b"{", X_Tenant="acme")
    assert sent == {"X-Tenant": "acme", "q": "ice", "itemId": "i-1"}


def test_a_body_that_is_no_json_has_no_parts_but_fields_are_missed_in_it(serve: Serve) -> None:
    """A path into a body that is no JSON leads nowhere; who needs it is told that it must be given.

    A body that should be an object of fields, and is no JSON, is refused: silently losing what a
    caller sent would be worse.
    """
    parameters = {"id": declared("body", value="$.user.id"), "q": declared("query")}
    served = serve(exposed("id q", parameters))
    assert given(served, "/run?q=1", b"{") == {"q": "1"}
    assert given(served, "/run?q=1", b"<a/>", content_type="text/xml") == {"q": "1"}
    assert given(served, "/run?q=1", "no object") == {"q": "1"}
    parameters["id"]["required"] = True
    served = serve(exposed("id q", parameters))
    detail = served.ask("POST", "/run?q=1", b"{").problem(400)["errors"][0]["detail"]
    assert detail.startswith("is not JSON")
    assert served.ask("POST", "/run", 5).problem(400)["errors"][0]["field"] == "id"
    served = serve(exposed("a", {"a": declared("body")}))
    assert served.ask("POST", "/run", b"{").problem(400)["errors"][0]["field"] == "body"


def test_the_operation_goes_before_the_resource_and_that_before_the_adapter(serve: Serve) -> None:
    document = exposed(
        "a b c d",
        {"a": declared("query"), "d": declared("query", type="integer", default=4)},
        resource={"a": declared("header"), "b": declared("query"), "d": declared("query")},
        adapter={
            "a": declared("query", value="of the adapter"),
            "b": declared("cookie"),
            "c": declared("query", value="of the adapter"),
            "d": declared("query", value="of the adapter"),
        },
    )
    served = serve(document)
    assert served.codes == []
    assert given(served, "/run") == {"a": "of the adapter", "c": "of the adapter", "d": 4}
    assert given(served, "/run?a=q&d=5", A="h")["a"] == "q"
    assert given(served, "/run?d=5", A="h") == {"a": "h", "c": "of the adapter", "d": 5}
    assert given(served, "/run?b=q", Cookie="b=c")["b"] == "q"
    assert given(served, "/run", Cookie="b=c")["b"] == "c"
    assert served.ask("POST", "/run?d=x").problem(400)["errors"] == [
        {"field": "d", "detail": "must be an integer", "in": "query"}
    ]


def test_one_name_in_two_places_is_told_apart_by_its_place(serve: Serve) -> None:
    served = serve(
        build(
            operation={
                "method": "POST",
                "inputParameters": {n: {"in": "body"} for n in ("one", "two", "three")},
            },
            route={
                "method": "POST",
                "inputParameters": [
                    declared("query", name="x", type="integer"),
                    declared("header", name="x"),
                    declared("body", name="x", value="$.deep.x"),
                ],
                "with": {"one": "rest.query.x", "two": "rest.header.x", "three": "rest.body.x"},
            },
        )
    )
    sent = given(served, "/run?x=1", {"deep": {"x": "b"}}, X="h")
    assert sent == {"one": 1, "two": "h", "three": "b"}
    problem = served.ask("POST", "/run?x=one").problem(400)
    assert problem["errors"] == [{"field": "x", "detail": "must be an integer", "in": "query"}]


@pytest.mark.parametrize("form", ["map", "list"])
def test_parameters_are_a_map_or_a_list(serve: Serve, form: str) -> None:
    parameters: Json = {"a": declared("query"), "b": declared("header")}
    if form == "list":
        parameters = [{"name": name, **each} for name, each in parameters.items()]
    assert given(serve(exposed("a b", parameters)), "/run?a=1", B="2") == {"a": "1", "b": "2"}


def test_const_is_a_constant_whatever_it_looks_like_and_goes_before_value(serve: Serve) -> None:
    parameters = {"a": declared("body", const="$.a", value="x"), "b": declared("query", const="b")}
    served = serve(exposed("a b", parameters), strict=True)
    assert served.codes == []
    assert given(served, "/run?b=c") == {"a": "$.a", "b": "b"}


def test_a_parameter_of_the_environment_is_a_variable_and_no_callers_value(serve: Serve) -> None:
    parameters = {
        "REGION": declared("environment"),
        "SHIPS": declared("environment", type="integer"),
        "NONE": declared("environment", required=False),
        "OTHER": declared("environment", default="other"),
    }
    document = exposed("REGION SHIPS NONE OTHER", parameters)
    environ = {"REGION": "eu", "SHIPS": "7"}
    served = serve(document, environ=environ)
    assert given(served, "/run", REGION="us") == {"REGION": "eu", "SHIPS": 7, "OTHER": "other"}
    assert served.ask("POST", "/run?REGION=us").status == 400
    served = serve(document, environ={"SHIPS": "7"})
    assert "REGION" in served.ask("POST", "/run").problem(503)["detail"]


def test_a_constant_may_hold_a_variable(serve: Serve) -> None:
    parameters = {"tenant": declared("query", value="t-{{TENANT}}-{{other}}")}
    document = yaml.safe_load(exposed("tenant", parameters))
    document["binds"] = [{"namespace": "env", "keys": {"TENANT": "TENANT"}}]
    served = serve(yaml.safe_dump(document, sort_keys=False), environ={"TENANT": "acme"})
    assert given(served, "/run?tenant=evil") == {"tenant": "t-acme-{{other}}"}


# ------------------------------------------------------------------------------ what is checked

KEYWORDS = {
    "count": declared("query", type="integer", minimum=1, maximum=9, multipleOf=2),
    "color": declared("header", enum=["red", "blue"]),
    "code": declared("cookie", pattern="^[A-Z]{3}$"),
    "when": declared("body", format="date"),
    "tags": declared("body", type="array", items={"type": "string"}, uniqueItems=True),
    "box": declared(
        "body",
        type="object",
        properties={"a": {"type": "integer"}},
        required=["a"],
        maxProperties=1,
    ),
}
WRONG: Json = {"when": "tomorrow", "tags": ["a", "a"], "box": {"b": 1, "c": 2}}
TOLD = [
    ("count", "query", "3 is not a multiple of 2"),
    ("color", "header", "is not one of"),
    ("code", "cookie", "does not match"),
    ("when", "body", "is not a"),
    ("tags", "body", "has non-unique"),
    ("box", "body", '"a" is a required property'),
]


@pytest.mark.parametrize("level", ["operation", "resource", "adapter"])
def test_keywords_are_checked_at_each_level(serve: Serve, level: str) -> None:
    document = exposed(
        " ".join(KEYWORDS), KEYWORDS if level == "operation" else {},
        resource=KEYWORDS if level == "resource" else None,
        adapter=KEYWORDS if level == "adapter" else None,
    )  # fmt: skip
    served = serve(document, strict=True)
    assert served.codes == []
    right = {"when": "2026-01-31", "tags": ["a"], "box": {"a": 1}}
    sent = given(served, "/run?count=4", right, Color="red", Cookie="code=ABC")
    assert sent == {"count": 4, "color": "red", "code": "ABC", **right}
    refused = served.ask("POST", "/run?count=3", WRONG, Color="pink", Cookie="code=abc")
    errors = refused.problem(400)["errors"]
    assert [(e["field"], e["in"]) for e in errors] == [(name, place) for name, place, _ in TOLD]
    assert "pink" not in refused.text


def test_a_tool_checks_the_same_and_names_each_field(serve: Serve) -> None:
    parameters = {n: {k: v for k, v in p.items() if k != "in"} for n, p in KEYWORDS.items()}
    served = serve(exposed(" ".join(KEYWORDS), {}).replace("Runs.", "Runs it."))
    document = yaml.safe_load(exposed(" ".join(KEYWORDS), {}))
    for adapter in document["capability"]["exposes"]:
        if adapter["type"] == "mcp":
            adapter["tools"]["run"]["inputParameters"] = parameters
    served = serve(yaml.safe_dump(document, sort_keys=False))
    shown = served.tools()["run"]["inputSchema"]["properties"]
    assert shown["count"] == {
        "type": "integer",
        "description": "One.",
        "minimum": 1,
        "maximum": 9,
        "multipleOf": 2,
    }
    called = served.call("run", count=3, color="pink", code="abc", **WRONG)
    assert called.is_error
    assert called.structured_content is not None
    assert [e["field"] for e in called.structured_content["errors"]] == list(KEYWORDS)


def test_defaults_are_used_and_shown(serve: Serve) -> None:
    parameters = {
        "limit": declared("query", type="integer", default=10),
        "sort": declared("body", type="object", default={"by": "name"}),
    }
    document = yaml.safe_load(exposed("limit sort", parameters))
    tool = document["capability"]["exposes"][1]["tools"]["run"]
    tool["inputParameters"] = {"limit": {"type": "integer", "description": "d", "default": 10}}
    served = serve(yaml.safe_dump(document, sort_keys=False))
    assert given(served, "/run") == {"limit": 10, "sort": {"by": "name"}}
    assert given(served, "/run?limit=0") == {"limit": 0, "sort": {"by": "name"}}
    served.result("run")
    assert served.upstream.last.json == {"limit": 10}
    assert served.tools()["run"]["inputSchema"]["properties"]["limit"]["default"] == 10
    shown = served.get("/openapi.json").json["paths"]["/run"]["post"]["parameters"]
    assert [(p["name"], p["schema"]["default"]) for p in shown] == [("limit", 10)]


def test_a_default_may_hold_a_variable_which_is_not_shown(serve: Serve) -> None:
    document = yaml.safe_load(
        exposed(
            "tenant",
            {"tenant": declared("query", default="t-{{TENANT}}")},
            resource={"tenant": declared("header")},
        )
    )
    document["binds"] = [{"namespace": "env", "keys": {"TENANT": "TENANT"}}]
    text = yaml.safe_dump(document, sort_keys=False)
    served = serve(text, environ={"TENANT": "s3cret"})
    assert given(served, "/run") == {"tenant": "t-s3cret"}
    assert given(served, "/run?tenant=q", tenant="h") == {"tenant": "q"}
    assert given(served, "/run", tenant="h") == {"tenant": "h"}
    assert "s3cret" not in served.get("/openapi.json").text
    served = serve(text)
    assert "TENANT" in served.ask("POST", "/run").problem(503)["detail"]
    assert given(served, "/run?tenant=q") == {"tenant": "q"}


@pytest.mark.parametrize("runs", ["steps", "ref", "mock"])
def test_declarations_mean_the_same_for_all_that_a_route_runs(serve: Serve, runs: str) -> None:
    flow = {"description": "d", "call": "up.do"}
    shared = {"display": "s", "namespace": "shared", "flows": {"do": flow}}
    names = ["id", "fixed", "plain", "limit"]
    outputs = {n: {"type": "string", "value": f"{{{{{n}}}}}"} for n in names}
    whole = ("id", "limit")
    consumed = {n: {"in": "body", "type": "integer" if n in whole else "string"} for n in names}
    kinds: dict[str, Fields] = {
        "steps": {"steps": {"s": {"type": "call", "call": "up.do"}}},
        "ref": {"ref": "shared.do"},
        "mock": {"outputParameters": outputs},
    }
    parameters = {
        "id": declared("body", type="integer", value="$.user.id"),
        "fixed": declared("query", value="f"),
        "plain": declared("header"),
        "limit": declared("cookie", type="integer", default=10, maximum=20),
    }
    served = serve(
        build(
            capability={"aggregates": [shared]},
            operation={"method": "POST", "inputParameters": consumed},
            unit={"call": None},
            route={"method": "POST", "inputParameters": parameters, **kinds[runs]},
            tool={"call": "up.do"},
        )
    )
    body = {"user": {"id": 7}}
    found = served.ask("POST", "/run?fixed=evil", body, plain="p")
    assert found.status == 200, found
    sent = found.json if runs == "mock" else served.upstream.last.json
    assert sent == {"id": 7, "fixed": "f", "plain": "p", "limit": 10}
    problem = served.ask("POST", "/run", body, Cookie="limit=21").problem(400)
    assert [(e["field"], e["in"]) for e in problem["errors"]] == [("limit", "cookie")]


def test_a_default_of_what_is_consumed_is_shown_unless_it_is_a_variable(serve: Serve) -> None:
    operation = {
        "inputParameters": {
            "limit": {"in": "query", "type": "integer", "default": 10},
            "key": {"in": "query", "default": "{{SECRET}}"},
        }
    }
    served = serve(build(operation=operation), environ={"SECRET": "s3cret"})
    assert served.get("/run").status == 200
    assert served.upstream.last.target == "/v1/thing?limit=10&key=s3cret"
    shown = served.tools()["run"]["inputSchema"]["properties"]
    assert shown == {"limit": {"type": "integer", "default": 10}, "key": {"type": "string"}}
    assert "s3cret" not in served.get("/openapi.json").text


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        (declared("query", type="integer", default="ten"), "default of 'x' must be an integer"),
        (declared("query", pattern="^a$", default="b"), "default of 'x' does not match"),
        (declared("query", type="integer", value="ten"), "value of 'x' must be an integer"),
        (declared("query", pattern="^a$", value="b"), "value of 'x' does not match"),
        (declared("query", type="integer", enum=[1, "2"]), "value of 'enum' of 'x' must be"),
        (declared("query", pattern="^a", enum=["a", "b"]), "value of 'enum' of 'x' does not"),
        (declared("query", value="$.x"), "a path into the body"),
    ],
)
def test_a_value_that_breaks_its_own_declaration_is_told(
    serve: Serve, parameter: Fields, told: str
) -> None:
    served = serve(exposed("x", {"x": parameter}))
    assert served.codes == ["W-PARAM-VALUE"]
    message = served.finding("W-PARAM-VALUE").message.replace("the value does", "does")
    assert told in message
    served = serve(build(tool={"inputParameters": {"x": parameter}}))
    assert set(served.codes) <= {"W-PARAM-VALUE", "W-TOOL-PARAM-UNUSED", "W-KEY-UNKNOWN"}


def test_a_value_that_is_no_path_leaves_the_operation_out(serve: Serve) -> None:
    served = serve(exposed("x", {"x": declared("body", value="$.a[")}))
    assert served.codes == ["E-MAPPING"]
    assert served.ask("POST", "/run", {"a": 1}).problem(501)["code"] == "E-MAPPING"


# ------------------------------------------------------------------------------ hostile callers


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(?=(a+)+b)a", "^(a|a)*\\1b"])
def test_a_pattern_that_explodes_does_not_hang(serve: Serve, pattern: str) -> None:
    parameter = declared("body", type="array", items={"type": "string", "pattern": pattern})
    served = serve(exposed("x", {"x": parameter, "y": declared("body")}))
    problem = served.ask("POST", "/run", {"x": ["a" * 5000 + "!"] * 20}).problem(400)
    assert problem["errors"][0]["field"] == "x"


def test_cookies_are_read_whatever_they_are(serve: Serve) -> None:
    served = serve(exposed("sid", {"sid": declared("cookie")}))
    many = "; ".join(f"c{n}={n}" for n in range(2000))
    assert given(served, "/run", Cookie=f"{many}; sid=s") == {"sid": "s"}
    assert given(served, "/run", Cookie=";;=;a;b=;=c; sid") == {}
    assert given(served, "/run", Cookie="sid=") == {"sid": ""}
    assert given(served, "/run", Cookie="SID=other; sid=a=b%20c") == {"sid": "a=b%20c"}


@pytest.mark.parametrize(
    ("target", "field"), [("/run?a=1&a=2", "a"), ("/run?a=1&b=2", "b"), ("/run?a[]=1", "a[]")]
)
def test_what_is_given_twice_or_is_unknown_is_refused(
    serve: Serve, target: str, field: str
) -> None:
    served = serve(exposed("a", {"a": declared("query")}))
    problem = served.ask("POST", target).problem(400)
    assert [e["field"] for e in problem["errors"]] == [field]


def test_a_deep_body_and_a_path_into_a_scalar_are_answered(serve: Serve) -> None:
    parameters = {
        "deep": declared("body", value="$..id"),
        "leaf": declared("body", value="$.a.b.c[0]"),
    }
    served = serve(exposed("deep leaf", parameters))
    body = b'{"a":' * 5000 + b"1" + b"}" * 5000
    assert served.ask("POST", "/run", body).status in (200, 400)
    scalars: list[Json] = [5, "text", True, [], {"a": "text"}, {"a": {"b": 7}}]
    for value in scalars:
        assert served.ask("POST", "/run", value).status in (200, 400), value
    assert served.get("/openapi.json").status == 200


def test_fields_that_a_path_reads_are_known_and_others_are_not(serve: Serve) -> None:
    parameters = {"a": declared("body", value="$.user.name"), "b": declared("body")}
    served = serve(exposed("a b", parameters))
    assert given(served, "/run", {"user": {"name": "x", "more": 1}, "b": "y"}) == {
        "a": "x",
        "b": "y",
    }
    problem = served.ask("POST", "/run", {"user": {}, "extra": 1}).problem(400)
    assert [e["field"] for e in problem["errors"]] == ["extra"]
    shown = served.get("/openapi.json").json["paths"]["/run"]["post"]["requestBody"]
    assert shown["content"]["application/json"]["schema"]["properties"] == {
        "user": {
            "type": "object",
            "properties": {"name": {"type": "string", "description": "One."}},
        },
        "b": {"type": "string", "description": "One."},
    }
    # The field of a path is none of the query, and an unknown name is no argument's key.
    assert served.ask("POST", "/run?user=1").status == 400


# ------------------------------------------------------------------------ what the upstream gets


def sent(serve: Serve, document: str, target: str, body: Json = None, **headers: str) -> Received:
    served = serve(document)
    method = "POST" if "method: POST" in document.partition("exposes")[2] else "GET"
    found = served.ask(method, target, body, **headers)
    assert found.status == 200, (found, served.findings)
    return served.upstream.last


@pytest.mark.case(10, differs="a space in a query is %20, which every server reads, instead of +")
def test_consumed_parameters_have_their_values_and_later_texts_see_them(serve: Serve) -> None:
    parameters = {
        "X-Trace": {"in": "header", "value": "trace-{{requestId}}"},
        "search": {"in": "query", "template": "{{q}}"},
        "X-Mode": {"in": "header", "value": "strict"},
    }
    body = {"type": "json", "data": {"trace": "{{X-Trace}}", "mode": "{{X-Mode}}"}}
    operation = {"method": "POST", "inputParameters": parameters, "body": body}
    served = serve(build(operation=operation))
    assert served.codes == []
    assert served.get("/run?requestId=abc&q=ice+class").status == 200
    received = served.upstream.last
    assert received.header("x-trace") == ["trace-abc"]
    assert received.header("x-mode") == ["strict"]
    assert received.target == "/v1/thing?search=ice%20class"
    assert received.json == {"trace": "trace-abc", "mode": "strict"}
    assert served.get("/run?requestId=abc&q=x&X-Mode=evil").status == 400


@pytest.mark.case(11)
def test_a_part_of_the_body_becomes_a_query_and_a_constant_a_header(serve: Serve) -> None:
    document = build(
        operation={
            "method": "POST",
            "inputParameters": {
                "q": {"in": "query", "value": "{{userId}}"},
                "X-API-Key": {"in": "header", "value": "ABC123"},
            },
        },
        route={
            "method": "POST",
            "inputParameters": {"userId": declared("body", value="$.user.id")},
        },
        resource={"path": "/items"},
    )
    received = sent(serve, document, "/run", {"user": {"id": "999"}})
    assert (received.method, received.target) == ("POST", "/v1/items?q=999")
    assert received.header("x-api-key") == ["ABC123"]


@pytest.mark.case(12)
def test_a_body_is_made_of_parts_of_a_body(serve: Serve) -> None:
    document = exposed(
        "id name",
        {"id": declared("body", value="$.user.id"), "name": declared("body", value="$.user.name")},
    )
    received = sent(serve, document, "/run", {"user": {"id": "123", "name": "Alice"}})
    assert received.json == {"id": "123", "name": "Alice"}


@pytest.mark.case(13)
def test_a_written_body_is_sent_to_the_letter_and_its_status_comes_back(serve: Serve) -> None:
    serve.upstream.reply = answer({"ok": True}, 201)
    served = serve(
        build(
            operation={"method": "POST", "body": '{"shipImo": "{{shipImo}}"}\n'},
            route={
                "method": "POST",
                "inputParameters": {"shipImo": declared("body")},
                "with": {"shipImo": "rest.shipImo"},
            },
        )
    )
    assert served.ask("POST", "/run", {"shipImo": "IMO-9321483"}).status == 201
    assert served.upstream.last.body == b'{"shipImo": "IMO-9321483"}\n'


@pytest.mark.case(14)
@pytest.mark.parametrize("path", ["/ships/{imo}", "/ships/{{imo}}"])
@pytest.mark.parametrize("value", ["{{imo}}", "rest.imo"])
def test_a_placeholder_of_a_route_fills_the_path(serve: Serve, path: str, value: str) -> None:
    document = build(
        resource={"path": "/ships/{{imo_number}}"},
        operation={"inputParameters": {"imo_number": {"in": "path"}}},
        path={"path": path},
        unit={"with": {"imo_number": value}},
        rest={"inputParameters": {"imo": declared("path")}},
    )
    assert sent(serve, document, "/ships/IMO-9321483").target == "/v1/ships/IMO-9321483"


@pytest.mark.case(15)
def test_a_step_is_given_the_callers_argument_by_its_name(serve: Serve) -> None:
    step = {"type": "call", "call": "up.do", "with": {"voyageId": "mcp.voyageId"}}
    served = serve(
        build(
            operation={"inputParameters": {"voyageId": {"in": "query"}}},
            tool={
                "steps": {"voyage": step},
                "inputParameters": {"voyageId": {"type": "string", "description": "d"}},
            },
            route={"call": "up.do"},
            unit={"call": None},
        )
    )
    served.result("run", voyageId="VOY-2026-042")
    assert served.upstream.last.target == "/v1/thing?voyageId=VOY-2026-042"


@pytest.mark.case(
    16,
    differs="found before anything is sent, and told as everything that is missing: by its name",
)
def test_a_path_without_its_argument_is_an_error(serve: Serve) -> None:
    served = serve(build(resource={"path": "/orders/{{orderId}}"}))
    problem = served.get("/run").problem(400)
    assert problem["errors"] == [{"field": "orderId", "detail": "is required"}]
    assert served.call("run").is_error
    assert served.upstream.received == []


@pytest.mark.case(17)
def test_a_body_that_is_an_absent_argument_is_empty(serve: Serve) -> None:
    document = build(
        operation={"method": "POST", "body": "{{missingBody}}"},
        resource={"path": "/orders/{{orderId}}"},
    )
    received = sent(serve, document, "/run?orderId=7")
    assert (received.target, received.body) == ("/v1/orders/7", b"")


@pytest.mark.case(18)
@pytest.mark.parametrize(
    ("kind", "data", "media_type", "content"),
    [
        ("json", {"a": "{{a}}"}, "application/json", '{"a":"<ü&"}'),
        ("text", "a={{a}}", "text/plain; charset=utf-8", "a=<ü&"),
        ("xml", "<a>{{a}}</a>", "application/xml", "<a>&lt;ü&amp;</a>"),
        ("sparql", "ASK { ?s ?p ?o } # {{a}}", "application/sparql-query", None),
        ("formUrlEncoded", {"a": "{{a}}"}, "application/x-www-form-urlencoded", "a=%3C%C3%BC%26"),
        ("formUrlEncoded", "a={{a}}", "application/x-www-form-urlencoded", "a=%3C%C3%BC%26"),
    ],
)
def test_a_body_has_the_media_type_and_the_syntax_of_its_type(
    serve: Serve, kind: str, data: Json, media_type: str, content: str | None
) -> None:
    document = build(operation={"method": "POST", "body": {"type": kind, "data": data}})
    received = sent(serve, document, f"/run?a={quote('<ü&')}")
    assert received.header("content-type") == [media_type]
    if content is not None:
        assert received.body == content.encode()


def test_parts_have_files_with_names_and_types_that_are_templates(serve: Serve) -> None:
    part = {
        "name": "photo",
        "value": "{{text}}",
        "filename": "{{name}}.txt",
        "contentType": "{{type}}",
    }
    body = {"type": "multipartForm", "data": [{"name": "title", "value": "A {{name}}"}, part]}
    served = serve(build(operation={"method": "POST", "body": body}))
    name = quote('a"\r\nX: y')
    assert served.get(f"/run?name={name}&text=hi&type=text%2Fplain").status == 200
    received = served.upstream.last
    boundary = received.header("content-type")[0].partition("boundary=")[2]
    assert received.body.decode() == "\r\n".join(
        [
            f"--{boundary}",
            'Content-Disposition: form-data; name="title"',
            "",
            'A a"\r\nX: y',
            f"--{boundary}",
            'Content-Disposition: form-data; name="photo"; filename="a%22%0D%0AX: y.txt"',
            "Content-Type: text/plain",
            "",
            "hi",
            f"--{boundary}--",
            "",
        ]
    )
    refused = served.get("/run?name=a&text=hi&type=text%2Fplain%0D%0AX:%20y")
    assert "line ends" in refused.problem(400)["errors"][0]["detail"]
    assert len(served.upstream.received) == 1


@pytest.mark.case(
    19, differs="a slash at the end of a base URI and one at the start of a path are one slash"
)
def test_a_base_uri_may_end_with_a_slash(serve: Serve) -> None:
    served = serve(build(api={"baseUri": "http://up.test/"}))
    assert [c for c in served.codes if c.startswith("E-")] == []
    assert served.get("/run").status == 200
    assert served.upstream.last.target == "/thing"


def levels() -> Iterator[tuple[str, Fields]]:
    """Give the same parameter at more and more levels, with who wins."""
    parameters = {
        level: {"inputParameters": {"X-A": {"in": "header", "value": level}}}
        for level in ("api", "resource", "operation")
    }
    for count, level in enumerate(parameters, 1):
        yield level, dict(list(parameters.items())[:count])


@pytest.mark.parametrize(("winner", "members"), list(levels()))
def test_of_consumed_parameters_the_operations_goes_first(
    serve: Serve, winner: str, members: Fields
) -> None:
    assert sent(serve, build(**members), "/run").header("x-a") == [winner]


def test_cookies_of_all_levels_are_one_field_and_each_value_is_encoded(serve: Serve) -> None:
    document = build(
        api={"inputParameters": {"a": {"in": "cookie", "value": "1"}}},
        resource={"inputParameters": {"b": {"in": "cookie", "value": "{{b}}"}}},
        operation={"inputParameters": {"c": {"in": "cookie"}}},
    )
    values = urlencode({"b": "x; admin=1\r\nX: y", "c": 'ü,"'})
    received = sent(serve, document, f"/run?{values}")
    assert received.header("cookie") == ["a=1; b=x%3B%20admin%3D1%0D%0AX:%20y; c=%C3%BC%2C%22"]
    assert received.header("x") == []


def test_a_callers_header_cannot_bring_another_one(serve: Serve) -> None:
    document = build(operation={"inputParameters": {"X-A": {"in": "header"}}})
    served = serve(document)
    for value in ("a\r\nX-B: b", "a\nb", "a\x00"):
        assert served.call("run", **{"X-A": value}).is_error
    assert served.upstream.received == []


def test_variables_are_seen_in_every_text(serve: Serve) -> None:
    variable = "{{up-env.PART}}"
    document = yaml.safe_load(
        build(
            resource={"path": f"/{variable}/x"},
            operation={
                "method": "POST",
                "inputParameters": {
                    "q": {"in": "query", "value": f"q-{variable}"},
                    "X-H": {"in": "header", "value": variable},
                    "c": {"in": "cookie", "value": variable},
                    "t": {"in": "query", "template": variable},
                },
                "body": {"type": "json", "data": {"deep": [{"x": f"b-{variable}"}]}},
            },
        )
    )
    document["binds"] = [{"namespace": "up-env", "keys": {"PART": "PART"}}]
    served = serve(yaml.safe_dump(document, sort_keys=False), environ={"PART": "p/1"})
    assert served.get("/run").status == 200
    received = served.upstream.last
    assert received.target == "/v1/p%2F1/x?q=q-p%2F1&t=p%2F1"
    assert received.header("x-h") == ["p/1"]
    assert received.header("cookie") == ["c=p/1"]
    assert received.json == {"deep": [{"x": "b-p/1"}]}


def test_the_documented_parameters_do_what_is_said(serve: Serve) -> None:
    page = (Path(__file__).parents[2] / "docs" / "language.md").read_text("utf-8")
    block = page.partition("### Declared parameters")[2].partition("```yaml")[2].partition("```")[0]
    parameters = yaml.safe_load(block)["inputParameters"]
    document = exposed(" ".join(parameters), parameters)
    served = serve(document, environ={"REGION": "eu"})
    always = {"limit": 20, "source": "web", "REGION": "eu", "X-Tenant": "acme"}
    for body in ({"color": "red"}, {"filter": {"color": "red"}}):
        sent = given(served, "/run?source=other", body, X_Tenant="acme", Cookie="session=s")
        assert sent == {**always, "session": "s", "filter": {"color": "red"}}
    sent = given(served, "/run?limit=1", {"user": {"name": "Ada"}}, X_Tenant="acme")
    assert (sent["owner"], sent["limit"]) == ("Ada", 1)
    problem = served.ask("POST", "/run?limit=0", {"filter": 5}, X_Tenant="A").problem(400)
    assert [e["field"] for e in problem["errors"]] == ["X-Tenant", "limit", "filter"]
