"""Where the arguments of a route come from, over in-process ASGI."""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest

from naftiko_run.exposes.auth import apikey
from naftiko_run.exposes.messages import MAX_PAIRS, parse_pairs
from naftiko_run.exposes.rest import RestFace
from naftiko_run.exposes.units import Route
from naftiko_run.findings import Finding, Severity
from naftiko_run.flows.inputs import Checker
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.types import Argument, Inputs, Json, Outcome, Text, Texts

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


async def echo(inputs: Inputs) -> Outcome:
    """Answer with the arguments; text that is to be coerced is marked."""
    shown: dict[str, Json] = {
        name: {"text": str(value)} if isinstance(value, Text)
        else {"texts": list(value)} if isinstance(value, Texts)
        else value
        for name, value in inputs.items()
    }  # fmt: skip
    return Outcome(200, dumps(shown), JSON)


def argument(name: str, location: str = "", **more: Any) -> Argument:  # noqa: ANN401 - a record's fields
    key = f"{location}.{name}" if location else name
    return Argument(key=key, name=name, location=location, **more)


def route(path: str, *arguments: Argument, method: str = "GET", **more: Any) -> Route:  # noqa: ANN401 - as above
    return Route(
        method=method,
        path=path,
        adapter=more.pop("adapter", "api"),
        name="",
        description="",
        arguments=arguments,
        flow=more.pop("flow", echo),
        **more,
    )


async def ask(
    face: RestFace, target: str, *, method: str = "GET", body: bytes = b"", kind: str = JSON,
    headers: Iterable[tuple[str, str]] = (),
) -> tuple[int, Any, dict[str, str]]:  # fmt: skip
    """Send a request through ASGI; gives status, JSON body and headers."""
    path, _, query = target.partition("?")
    fields = [("content-type", kind), ("content-length", str(len(body)))] if body else []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(n.encode(), v.encode("latin-1")) for n, v in [*fields, *headers]],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        sent.append(message)

    await face(scope, receive, send)
    start, *rest = sent
    answer = b"".join(message["body"] for message in rest)
    return (
        start["status"],
        loads(answer) if answer else None,
        {n.decode(): v.decode() for n, v in start["headers"]},
    )


def text(value: str) -> dict[str, str]:
    return {"text": value}


async def test_undeclared_a_route_comes_before_a_body_and_a_body_before_a_query() -> None:
    face = RestFace(
        [route("/{a}", argument("a"), argument("b"), argument("c"), method="POST")], ["api"]
    )
    body = dumps({"a": "body", "b": "body"})
    status, found, _ = await ask(face, "/path?a=query&b=query&c=query", method="POST", body=body)
    assert (status, found) == (200, {"a": text("path"), "b": "body", "c": text("query")})
    body = b"a=form&b=form&b=again"
    _, found, _ = await ask(face, "/path?c=query", method="POST", body=body, kind=FORM)
    assert found == {"a": text("path"), "b": {"texts": ["form", "again"]}, "c": text("query")}


async def test_a_declared_place_is_the_only_one() -> None:
    places = ("path", "query", "header", "cookie", "body")
    face = RestFace([route("/{x}", *(argument("x", p) for p in places), method="POST")], ["api"])
    _, found, _ = await ask(
        face,
        "/in-path?x=in-query",
        method="POST",
        body=b'{"x": "in-body"}',
        headers=[("x", "in-header"), ("cookie", 'y=1; x="in-cookie"')],
    )
    assert found == {
        "path.x": text("in-path"),
        "query.x": text("in-query"),
        "header.x": text("in-header"),
        "cookie.x": text("in-cookie"),
        "body.x": "in-body",
    }
    _, found, _ = await ask(face, "/in-path", method="POST")
    assert found == {"path.x": text("in-path")}


async def test_a_header_is_looked_for_only_where_the_operation_takes_one() -> None:
    face = RestFace([route("/", argument("X-Trace", header=True), argument("y"))], ["api"])
    _, found, _ = await ask(face, "/", headers=[("x-trace", "t"), ("y", "no")])
    assert found == {"X-Trace": text("t")}


async def test_the_whole_body_is_an_argument_where_the_route_says_so() -> None:
    content = Argument(key="body", name="body", location="content")
    face = RestFace([route("/", content, argument("q", "query"), method="PUT")], ["api"])
    values: list[Json] = [[1, 2], "text", None, {"q": "field", "more": True}]
    for value in values:
        _, found, _ = await ask(face, "/?q=query", method="PUT", body=dumps(value))
        assert found == {"body": value, "query.q": text("query")}
    _, found, _ = await ask(face, "/", method="PUT")
    assert found == {}


async def test_nothing_that_was_sent_is_dropped_silently() -> None:
    face = RestFace([route("/", argument("a"), method="POST")], ["api"])
    _, found, _ = await ask(face, "/?b=1", method="POST", body=b'{"a": 1, "c": 2}')
    assert found == {"a": 1, "b": text("1"), "c": 2}


@pytest.mark.parametrize("name", ["header.X-User", "path.id", "query.q", "body.f"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_name_of_a_caller_is_taken_for_the_key_of_an_argument(
    name: str, method: str
) -> None:
    arguments = [
        argument("X-User", "header"),
        argument("id", "path"),
        argument("q", "query"),
        argument("f", "body"),
    ]
    check = Checker(arguments)
    seen: list[Inputs] = []

    async def checked(inputs: Inputs) -> Outcome:
        seen.append({a.key: inputs.get(a.key) for a in arguments})
        check(inputs)
        return Outcome(200, b"{}", JSON)

    face = RestFace([route("/{id}", *arguments, method=method, flow=checked)], ["api"])
    body = dumps({name: "admin"}) if method == "POST" else b""
    target = "/1" if body else f"/1?{name}=admin"
    fields = [("x-user", "me")]
    status, problem, _ = await ask(face, target, method=method, headers=fields, body=body)
    assert status == 400
    assert [e["field"] for e in problem["errors"]] == [name]
    assert problem["errors"][0]["detail"].startswith("is unknown")
    assert "admin" not in str(seen)
    assert seen[0]["header.X-User"] == "me"


async def test_text_is_decoded_as_browsers_encode_it() -> None:
    face = RestFace([route("/{p}", argument("p"), argument("q"))], ["api"])
    value = "ä b+c&d=e%/\r\n\u2028😀"
    path, query = quote(value, safe=""), quote(value, safe="").replace("%20", "+")
    _, found, _ = await ask(face, f"/{path}?q={query}")
    assert found == {"p": text(value), "q": text(value)}
    _, found, _ = await ask(face, "/a+b?q=&q&&")
    assert found == {"p": text("a+b"), "q": {"texts": ["", ""]}}


async def test_routes_with_a_constant_query_are_chosen_by_it() -> None:
    chosen = route("/", argument("x"), query=(("action", "list"),))
    plain = route("/", argument("y"))
    face = RestFace([plain, chosen], ["api"])
    assert (await ask(face, "/?action=list&x=1"))[1] == {"x": text("1")}
    assert (await ask(face, "/?y=1"))[1] == {"y": text("1")}
    only = RestFace([chosen], ["api"])
    status, problem, _ = await ask(only, "/?action=other")
    assert (status, problem["detail"]) == (400, "this route needs the query action=list")


async def test_the_authenticator_is_that_of_the_chosen_route() -> None:
    listed = route(
        "/", query=(("action", "list"),), authenticator=apikey("k", "one", "header", "one")
    )
    made = route(
        "/", query=(("action", "make"),), authenticator=apikey("k", "two", "header", "two")
    )
    face = RestFace([listed, made], ["api"])
    for action, key, status in (
        ("list", "one", 200),
        ("make", "one", 401),
        ("make", "two", 200),
        ("list", "two", 401),
        ("other", "two", 401),
        ("other", "one", 400),
    ):
        found, _, _ = await ask(face, f"/?action={action}", headers=[("k", key)])
        assert found == status, (action, key)


async def test_two_adapters_of_one_path_are_told_apart_by_their_prefix() -> None:
    async def other(_: Inputs) -> Outcome:
        return Outcome(201, b'"other"', JSON)

    face = RestFace(
        [
            route("/x/{id}", argument("id"), adapter="one"),
            route("/x/{key}", argument("key"), adapter="two", flow=other),
            route("/x/{id}", argument("id"), adapter="two", method="PUT"),
        ],
        ["one", "two"],
    )
    status, problem, _ = await ask(face, "/x/1")
    assert (status, problem["routes"]) == (409, ["/one/x/{id}", "/two/x/{key}"])
    assert (await ask(face, "/one/x/1"))[1] == {"id": text("1")}
    assert (await ask(face, "/two/x/1"))[0] == 201
    assert (await ask(face, "/x/1", method="PUT"))[0] == 200, "one alone claims this method"
    status, _, headers = await ask(face, "/one/x/1", method="PUT")
    assert (status, headers["allow"]) == (405, "GET")


async def test_below_an_adapters_prefix_its_own_routes_win() -> None:
    async def other(_: Inputs) -> Outcome:
        return Outcome(201, b'"other"', JSON)

    mine = route("/x", adapter="one")
    for own in ("/one/x", "/{any}/x"):
        theirs = route(own, *(argument(n) for n in ["any"]), adapter="two", flow=other)
        for routes in ([mine, theirs], [theirs, mine]):
            face = RestFace(routes, ["one", "two"])
            assert (await ask(face, "/one/x"))[0] == 200
            assert (await ask(face, "/two/one/x"))[0] == 201
    deeper = route("/one/x", adapter="one", flow=other)
    assert (await ask(RestFace([mine, deeper], ["one"]), "/one/x"))[0] == 201, "its own path"


async def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    face = RestFace([route("/", argument("a"), method="POST")], ["api"], body_seconds=0.01)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-length", b"9")],
    }
    sent: list[Any] = []
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 1:
            return {"type": "http.request", "body": b"{", "more_body": True}
        if asked == 2:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        sent.append(message)

    await asyncio.wait_for(face(scope, receive, send), 10)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"the request body took longer than 0.01 seconds" in sent[1]["body"]


@pytest.mark.parametrize("value", ["José", "日本", "plain", "José".encode().decode("latin-1")])
@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
async def test_header_fields_are_read_as_utf8_or_else_latin1(value: str, charset: str) -> None:
    face = RestFace([route("/", argument("x", "header"))], ["api"])
    try:
        sent = value.encode(charset).decode("latin-1")
    except UnicodeEncodeError:
        return
    _, found, _ = await ask(face, "/", headers=[("x", sent)])
    read = value if charset == "utf-8" or value != "JosÃ©" else "José"
    assert found == {"header.x": text(read)}


async def test_a_unit_that_was_left_out_says_why() -> None:
    finding = Finding(code="E-CALL-OPERATION", severity=Severity.ERROR, message="no 'x'")
    face = RestFace([route("/", flow=None, finding=finding)], ["api"])
    status, problem, headers = await ask(face, "/")
    assert (status, problem["code"]) == (501, "E-CALL-OPERATION")
    assert headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_says_nothing_of_its_length(status: int) -> None:
    async def empty(_: Inputs) -> Outcome:
        return Outcome(status, b"ignored", "", (("etag", '"v"'),))

    found, body, headers = await ask(RestFace([route("/", flow=empty)], ["api"]), "/")
    assert (found, body, headers["etag"]) == (status, None, '"v"')
    assert "content-length" not in headers


async def test_an_answer_without_content_has_no_media_type() -> None:
    async def empty(_: Inputs) -> Outcome:
        return Outcome(204, b"", JSON)

    _, _, headers = await ask(RestFace([route("/", flow=empty)], ["api"]), "/")
    assert "content-type" not in headers


@pytest.mark.parametrize("status", [0, 100, 199, 600, 999])
async def test_a_status_that_http_does_not_have_is_a_bad_gateway(status: int) -> None:
    async def strange(_: Inputs) -> Outcome:
        return Outcome(status, b"{}", JSON)

    found, problem, _ = await ask(RestFace([route("/", flow=strange)], ["api"]), "/")
    assert (found, problem["status"]) == (502, 502)


async def test_an_unforeseen_error_is_an_answer_too(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: Inputs) -> Outcome:
        raise KeyError("secret")

    status, problem, _ = await ask(RestFace([route("/", flow=broken)], ["api"]), "/")
    assert status == 500
    assert "secret" not in str(problem)
    assert len(caplog.records) == 1


def test_a_form_has_no_more_values_than_may_be() -> None:
    parsed = parse_pairs(b"&".join([b"a=1"] * MAX_PAIRS))["a"]
    assert isinstance(parsed, Texts)
    assert len(parsed) == MAX_PAIRS
    with pytest.raises(ValueError, match="has more than 10000 values"):
        parse_pairs(b"&".join([b"a=1"] * (MAX_PAIRS + 1)))
