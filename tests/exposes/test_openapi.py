"""The description of routes: valid OpenAPI whatever the routes are called and take."""

import json
from typing import Any

from naftiko_run.errors import InputError
from naftiko_run.exposes.docs import page
from naftiko_run.exposes.openapi import describe
from naftiko_run.exposes.units import Route
from naftiko_run.findings import Finding, Severity
from naftiko_run.types import Argument, Inputs, Json, Outcome


async def flow(_: Inputs) -> Outcome:
    raise InputError([])


def argument(name: str, location: str = "", **more: Any) -> Argument:  # noqa: ANN401 - a record's fields
    return Argument(key=name, name=name, location=location, **more)


def route(method: str, path: str, *arguments: Argument, **more: Any) -> Route:  # noqa: ANN401 - as above
    fields: dict[str, Any] = {"adapter": "api", "name": "", "description": "", "flow": flow, **more}
    return Route(method=method, path=path, arguments=arguments, **fields)


def described(*routes: Route) -> Any:  # noqa: ANN401 - JSON, of which a test expects what it expects
    """Describe routes, and check what must hold of every description (OpenAPI 3.1.0)."""
    document = json.loads(json.dumps(describe(routes, "Title", "")))
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Title", "version": "1.0.0"}
    shapes, identifiers = [], []
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        names = path.replace("}", "{").split("{")[1::2]
        shapes.append("{}".join(path.replace("}", "{").split("{")[::2]))
        for operation in methods.values():
            identifiers.append(operation["operationId"])
            parameters = operation.get("parameters", [])
            keys = [(each["name"], each["in"]) for each in parameters]
            assert len(keys) == len(set(keys))
            assert sorted(name for name, place in keys if place == "path") == sorted(names)
            assert all(each["required"] for each in parameters if each["in"] == "path")
            assert all(isinstance(each["schema"], dict) for each in parameters)
            assert operation["responses"]
    assert len(shapes) == len(set(shapes))
    assert len(identifiers) == len(set(identifiers))
    return document


def test_arguments_stand_where_they_are_taken_from() -> None:
    taken = [
        argument("id", required=True, type="string"),
        argument("title", type="string", required=True, description="What it is called"),
        argument("X-Trace", type="string", header=True),
        argument("only", "query", type="integer", schema={"minimum": 1}),
        argument("session", "cookie", type="string"),
    ]
    document = described(route("POST", "/items/{id}", *taken), route("GET", "/items", taken[1]))
    post = document["paths"]["/items/{id}"]["post"]
    assert [(p["name"], p["in"], p["required"]) for p in post["parameters"]] == [
        ("id", "path", True),
        ("X-Trace", "header", False),
        ("only", "query", False),
        ("session", "cookie", False),
    ]
    assert post["parameters"][2]["schema"] == {"type": "integer", "minimum": 1}
    assert post["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"title": {"type": "string", "description": "What it is called"}},
                    "additionalProperties": False,
                    "required": ["title"],
                }
            }
        },
    }
    (query,) = document["paths"]["/items"]["get"]["parameters"]
    assert (query["name"], query["in"], query["description"]) == (
        "title",
        "query",
        "What it is called",
    )


def test_a_whole_body_is_required_where_its_argument_is() -> None:
    for required in (True, False):
        body = argument("body", "content", type="array", required=required)
        document = described(route("PUT", "/items", body))
        assert document["paths"]["/items"]["put"]["requestBody"] == {
            "required": required,
            "content": {"application/json": {"schema": {"type": "array", "items": {}}}},
        }


def test_null_is_a_type_of_what_may_be_null() -> None:
    taken = argument("x", type="string", nullable=True)
    schema = described(route("PUT", "/", taken))["paths"]["/"]["put"]["requestBody"]["content"]
    properties: Json = schema["application/json"]["schema"]["properties"]
    assert properties == {"x": {"type": ["string", "null"]}}


def test_a_placeholder_that_nothing_takes_is_a_parameter_all_the_same() -> None:
    described(route("GET", "/{a}/{{ b-c }}", argument("a", "query"), argument("d", "path")))


def test_routes_without_names_have_identifiers_of_their_own() -> None:
    document = described(
        route("GET", "/a"),
        route("GET", "/b"),
        route("GET", "/c", name="n"),
        route("PUT", "/c", name="n"),
    )
    assert document["paths"]["/c"]["get"]["operationId"] == "api.n"


def test_templates_that_differ_in_names_alone_are_one_path() -> None:
    document = described(
        route("GET", "/x/{id}", argument("id", required=True, type="string")),
        route("PUT", "/x/{key}/", argument("key", required=True, type="integer")),
        route("DELETE", "/x/{other}"),
    )
    assert list(document["paths"]) == ["/x/{id}"]
    put = document["paths"]["/x/{id}"]["put"]
    assert put["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    ]


def test_what_two_adapters_claim_stands_below_their_prefixes() -> None:
    document = described(
        route("GET", "/x/{id}", adapter="a"),
        route("GET", "/x/{key}", adapter="b"),
        route("PUT", "/x/{id}", adapter="b"),
    )
    assert {path: list(methods) for path, methods in document["paths"].items()} == {
        "/a/x/{id}": ["get"],
        "/b/x/{key}": ["get"],
        "/x/{id}": ["put"],
    }


def test_a_constant_query_is_a_parameter_with_one_value() -> None:
    document = described(route("GET", "/", query=(("action", "list"),)))
    (parameter,) = document["paths"]["/"]["get"]["parameters"]
    assert parameter == {
        "name": "action",
        "in": "query",
        "required": True,
        "schema": {"const": "list"},
    }


def test_what_is_not_served_answers_501_alone() -> None:
    finding = Finding(code="E", severity=Severity.ERROR, message="no")
    document = described(route("GET", "/", flow=None, finding=finding))
    assert list(document["paths"]["/"]["get"]["responses"]) == ["501"]


def test_the_page_shows_everything_and_runs_nothing() -> None:
    evil = "<script>alert('&')</script>"
    taken = argument(evil, type="string", description=evil, required=True)
    document = describe([route("POST", f"/{evil}", taken, description=evil, name=evil)], evil, "")
    shown = page(document).decode()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") >= 5
    assert "required" in shown
