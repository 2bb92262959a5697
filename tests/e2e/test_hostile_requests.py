"""Requests that are wrong, by mistake or on purpose: each is answered, and nothing is sent on."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from mcp import Client

from tests.e2e.conftest import Recorded
from tests.e2e.process import KEYS_MCP, KEYS_REST
from tests.e2e.wire import Answer, Connection, Json, ask, dumps, exchange, request

MAX_BODY = 4 * 1024 * 1024
MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _healthy(recorded: Recorded) -> Iterator[None]:
    """Whatever a test did, the process answers afterwards, and logged no stack trace."""
    yield
    recorded.upstream.received.clear()
    assert ask(recorded.faces.keys, "POST", "/v1/apis", {"name": "payments"}).status == 200
    assert recorded.upstream.last.json == {"name": "payments"}
    assert "Traceback" not in recorded.faces.process.err.text


def errors(answer: Answer) -> list[tuple[str, str]]:
    """Give the fields that a refusal names."""
    return [(each["field"], each["detail"]) for each in answer.problem(400)["errors"]]


BODIES: list[tuple[str, bytes, str, str]] = [
    ("cut short", b'{"name":', "body", "is not JSON"),
    ("no JSON", b"name", "body", "is not JSON"),
    ("a trailing comma", b'{"name": "abc",}', "body", "is not JSON"),
    ("two values", b'{"name": "abc"} {}', "body", "is not JSON"),
    ("NaN", b'{"name": NaN}', "body", "is not JSON"),
    ("a number without end", b'{"name": 1e999}', "body", "is not JSON"),
    ("too many digits", b'{"name": %s}' % (b"9" * 5000), "body", "is not JSON"),
    ("a raw NUL", b'{"name": "a\x00b"}', "body", "is not JSON"),
    ("no UTF-8", b'{"name": "\xff\xfe"}', "body", "is not JSON"),
    ("UTF-16", '{"name": "abc"}'.encode("utf-16"), "body", "is not JSON"),
    ("arrays, 100,000 deep", b'{"name": %s%s}' % (b"[" * 100_000, b"]" * 100_000), "body", "deep"),
    ("objects, 100,000 deep", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "body", "deep"),
    ("an array", b"[]", "body", "must be a JSON object"),
    ("a string", b'"name"', "body", "must be a JSON object"),
    ("null", b"null", "body", "must be a JSON object"),
    ("nothing", b"", "name", "is required"),
    ("no fields", b"{}", "name", "is required"),
    ("null for what is required", b'{"name": null}', "name", "is required"),
    ("a number for a string", b'{"name": 5}', "name", "must be a string, is a number"),
    ("an object for a string", b'{"name": {}}', "name", "must be a string, is an object"),
    ("an array for a string", b'{"name": ["abc"]}', "name", "must be a string, is an array"),
    ("too short", b'{"name": "ab"}', "name", "shorter than 3 characters"),
    ("an unknown field", b'{"name": "abc", "nam": 1}', "nam", "is unknown; did you mean 'name'?"),
    ("a prototype", b'{"name": "abc", "__proto__": {}}', "__proto__", "is unknown"),
    ("a lone surrogate", b'{"name": "\\ud800abc"}', "name", "surrogates"),
]


@pytest.mark.parametrize(
    ("body", "field", "detail"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES]
)
def test_a_wrong_body_is_refused_with_the_field_that_is_wrong(
    recorded: Recorded, body: bytes, field: str, detail: str
) -> None:
    found = errors(ask(recorded.faces.keys, "POST", "/v1/apis", body))
    assert [name for name, _ in found] == [field]
    assert detail in found[0][1]
    assert recorded.upstream.received == []


def test_every_field_that_is_wrong_is_named_at_once(recorded: Recorded) -> None:
    body = {"expires": "tomorrow", "enabled": 1, "roles": "admin", "nmae": "x"}
    assert errors(ask(recorded.faces.keys, "POST", "/v1/apis/api_1/keys", body)) == [
        ("roles", "must be an array, is a string"),
        ("expires", "must be an integer, is a string"),
        ("enabled", "must be true or false, is a number"),
        ("nmae", "is unknown; did you mean 'name'?"),
    ]
    assert recorded.upstream.received == []


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("limit=ten", "limit", "must be an integer"),
        ("limit=1e2", "limit", "must be an integer"),
        ("limit=", "limit", "must be an integer"),
        ("limit=0", "limit", "less than the minimum of 1"),
        ("limit=1&limit=2", "limit", "once"),
        ("limit=%D9%A5", "limit", "must be an integer"),
        (f"limit={'9' * 5000}", "limit", "must be an integer"),
        ("limt=5", "limt", "is unknown; did you mean 'limit'?"),
        ("=5", "", "is unknown"),
    ],
)
def test_a_wrong_query_is_refused(recorded: Recorded, query: str, field: str, detail: str) -> None:
    found = errors(ask(recorded.faces.keys, "GET", f"/v1/roles?{query}"))
    assert [name for name, _ in found] == [field]
    assert detail in found[0][1]
    assert recorded.upstream.received == []


def test_a_query_that_is_no_text_is_refused(recorded: Recorded) -> None:
    problem = ask(recorded.faces.keys, "GET", "/v1/roles?limit=%FF").problem(400)
    assert problem["detail"] == "the query is not UTF-8 text"


@pytest.mark.parametrize(
    "media_type", ["text/xml", "multipart/form-data; boundary=x", "text/plain", "image/png"]
)
def test_a_body_of_another_type_is_refused(recorded: Recorded, media_type: str) -> None:
    answer = ask(recorded.faces.keys, "POST", "/v1/apis", b"<name/>", content_type=media_type)
    ((field, detail),) = errors(answer)
    assert field == "body"
    assert "send application/json" in detail


def test_a_coded_body_is_refused_by_its_coding(recorded: Recorded) -> None:
    answer = ask(recorded.faces.keys, "POST", "/v1/apis", b"\x1f\x8b", content_encoding="gzip")
    ((field, detail),) = errors(answer)
    assert (field, "gzip" in detail) == ("body", True)


def test_the_body_of_a_get_is_read_however_it_is_framed(recorded: Recorded) -> None:
    port = recorded.faces.process.port(KEYS_REST)
    head = b"GET /v1/roles HTTP/1.1\r\nhost: localhost\r\n"
    whole = head + b'content-length: 11\r\n\r\n{"limit":5}'
    chunked = head + b'transfer-encoding: chunked\r\n\r\nb\r\n{"limit":5}\r\n0\r\n\r\n'
    for data in (whole, chunked):
        assert exchange(port, data).status == 200
        assert recorded.upstream.last.json == {"limit": 5}


# ------------------------------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    "segment",
    [
        "..",
        "%2e%2e",
        "%2E%2E%2Fapis",
        "..%2f..%2fadmin",
        "a%2Fb",
        "a%3Fb",
        "a%23b",
        "a%0D%0AX-Injected:%201",
        "%00",
        "a%00b",
        "%",
        "%zz",
        "a;b",
        "a\\b",
        "a@evil.example",
        "%E2%80%AE",
        "a" * 300,
    ],
)
def test_no_path_reaches_what_it_was_not_meant_for(recorded: Recorded, segment: str) -> None:
    """The spec's pattern of a key's ID refuses each; without one it would be data in a body."""
    ((field, _),) = errors(ask(recorded.faces.keys, "GET", f"/v1/keys/{segment}"))
    assert field == "keyId"
    assert recorded.upstream.received == []


@pytest.mark.parametrize("segment", ["%FF", "%C0%AE", "%ED%A0%80", "abc%80"])
def test_a_path_that_is_no_text_is_refused(recorded: Recorded, segment: str) -> None:
    answer = ask(recorded.faces.keys, "GET", f"/v1/keys/{segment}")
    assert errors(answer) == [("keyId", "is not UTF-8 text")]
    assert answer.json["errors"][0]["in"] == "path"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/keys/../apis",
        "/v1/keys/",
        "/v1//keys/key_1",
        "/v1/keys/key_1/more",
        "/..",
        "/",
        "*",
        "/v1%2Fkeys%2Fkey_1",
        "/V1/KEYS/key_1",
    ],
)
def test_what_is_no_route_is_not_found(recorded: Recorded, path: str) -> None:
    ask(recorded.faces.keys, "GET", path).problem(404)
    assert recorded.upstream.received == []


@pytest.mark.parametrize(
    "path", ["/v1/keys/key_1/", "/v1/keys/key_1", "http://evil.example/v1/keys/key_1"]
)
def test_what_is_a_route_is_that_route(recorded: Recorded, path: str) -> None:
    assert exchange(recorded.faces.process.port(KEYS_REST), request("GET", path)).status == 200
    assert recorded.upstream.last.json == {"keyId": "key_1"}


def test_a_wrong_method_is_told_the_right_ones(recorded: Recorded) -> None:
    for method in ("DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"):
        answer = ask(recorded.faces.keys, method, "/v1/apis")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    for page in ("/docs", "/openapi.json", "/healthz"):
        answer = ask(recorded.faces.keys, "POST", page, {})
        answer.problem(405)
        assert answer.headers["allow"] == "GET, HEAD"
    for method in ("GET", "DELETE", "PUT"):
        answer = ask(recorded.faces.keys_mcp, method, "", accept="text/event-stream")
        answer.problem(405)
        assert answer.headers["allow"] == "POST"


# -------------------------------------------------------------------------------- Host and Origin


@pytest.fixture(params=[KEYS_REST, KEYS_MCP])
def port(recorded: Recorded, request: pytest.FixtureRequest) -> int:
    """Give the port of each kind of listener."""
    return recorded.faces.process.port(request.param)


HEALTH = "GET", "/healthz"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "user@localhost",
        "localhost@evil.example",
        "localhost/evil.example",
        "0.0.0.0",  # noqa: S104 - a name that a client claims, not an address to bind
        "169.254.169.254",
        "2130706433",
        "",
    ],
)
def test_a_host_that_is_not_this_machine_is_misdirected(port: int, host: str) -> None:
    with Connection(port) as connection:
        connection.ask(*HEALTH, host=host).problem(421)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "127.0.0.1", "127.9.9.9", "[::1]:8080", "a.localhost"]
)
def test_a_host_that_is_this_machine_is_served(port: int, host: str) -> None:
    with Connection(port) as connection:
        assert connection.ask(*HEALTH, host=host).json == {"status": "ok"}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "evil", "file://"]
)
def test_pages_of_other_sites_are_forbidden(port: int, origin: str) -> None:
    with Connection(port) as connection:
        connection.ask(*HEALTH, origin=origin).problem(403)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:80"])
def test_pages_of_this_machine_are_served(port: int, origin: str) -> None:
    with Connection(port) as connection:
        assert connection.ask(*HEALTH, origin=origin).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"host: localhost\r\nhost: localhost\r\n",
        b"host: localhost\r\nhost: evil.example\r\n",
        b"host: localhost\r\norigin: http://localhost\r\norigin: https://evil.example\r\n",
    ],
)
def test_a_request_has_one_host_and_one_origin(port: int, fields: bytes) -> None:
    exchange(port, b"GET /healthz HTTP/1.1\r\n" + fields + b"\r\n").problem(400)


# ------------------------------------------------------------------------------------------ bytes

POST = b"POST /v1/apis HTTP/1.1\r\nhost: localhost\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET /v1/keys/a\rb HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/keys/a\x00b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/keys/a b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/keys/\xc3\xa4 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\x00b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx\x00: b\r\n\r\n",
        b"BREW /v1/apis HTTP/1.1\r\nhost: localhost\r\n\r\n",
        POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        POST + b"content-length: -5\r\n\r\n",
        POST + b"content-length: 99999999999999999999999\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection(recorded: Recorded, data: bytes) -> None:
    with Connection(recorded.faces.process.port(KEYS_REST)) as connection:
        connection.send(data)
        answer = connection.read()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert connection.socket.recv(1) == b""
    assert recorded.upstream.received == []


def test_a_body_that_is_too_large_is_refused_and_its_sender_reads_why(recorded: Recorded) -> None:
    process = recorded.faces.process
    before = process.memory_peak
    large = b'{"name": "%s"}' % (b"x" * 10 * MEGABYTE)
    for media_type in ("application/json", "application/x-www-form-urlencoded"):
        answer = ask(recorded.faces.keys, "POST", "/v1/apis", large, content_type=media_type)
        assert answer.problem(413)["title"] == "Content Too Large"
        assert answer.headers["connection"] == "close"
    chunks = b"80000\r\n%s\r\n" % (b"x" * 0x80000) * 20 + b"0\r\n\r\n"
    head = b"POST /v1/apis HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    exchange(process.port(KEYS_REST), head + chunks).problem(413)
    announced = request("POST", "/v1/apis", b"", {"content-length": "9999999999"})
    with Connection(process.port(KEYS_REST)) as connection:
        connection.send(announced)
        connection.read().problem(413)  # without waiting for what was announced
    assert ask(recorded.faces.keys_mcp, "POST", "", large, accept="*/*").status == 413
    assert recorded.upstream.received == []
    assert process.memory_peak - before < 40 * MEGABYTE


def test_the_largest_body_is_still_served(recorded: Recorded) -> None:
    frame = dumps({"meta": {"a": ""}})
    body = dumps({"meta": {"a": "x" * (MAX_BODY - len(frame))}})
    assert len(body) == MAX_BODY
    assert ask(recorded.faces.keys, "PUT", "/v1/keys/key_1", body).status == 200
    assert len(recorded.upstream.last.body) > MAX_BODY
    ask(recorded.faces.keys, "PUT", "/v1/keys/key_1", body + b" ").problem(413)


def test_a_head_that_is_too_large_is_refused(recorded: Recorded) -> None:
    process = recorded.faces.process
    before = process.memory_peak
    answer = exchange(
        process.port(KEYS_REST),
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * MEGABYTE + b"\r\n\r\n",
    )
    answer.problem(431)
    field = b"x: %s\r\n" % (b"y" * MEGABYTE)
    with Connection(process.port(KEYS_MCP)) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n")
        with pytest.raises(ConnectionError):
            connection.send(field * 200)
    assert process.memory_peak - before < 20 * MEGABYTE


def test_names_without_number_cost_next_to_nothing(recorded: Recorded) -> None:
    many = {f"extarnalId{n}": n for n in range(100_000)}
    began = time.monotonic()
    ((field, detail),) = errors(ask(recorded.faces.keys, "POST", "/v1/apis/api_1/keys", many))
    assert (field, detail) == ("body", "has more than 1000 fields")
    pairs = b"&".join(b"n%d=1" % n for n in range(100_000))
    form = "application/x-www-form-urlencoded"
    answer = ask(recorded.faces.keys, "POST", "/v1/apis", pairs, content_type=form)
    assert errors(answer) == [("body", "has more than 1000 names")]
    assert time.monotonic() - began < 20  # compared with each other they would take minutes
    few = {f"extarnalId{n}": n for n in range(900)}
    found = ask(recorded.faces.keys, "POST", "/v1/apis/api_1/keys", few).problem(400)
    assert 10 <= len(found["errors"]) <= 50
    assert len(found["detail"]) < 5000


def test_an_error_repeats_only_the_beginning_of_what_was_sent(recorded: Recorded) -> None:
    for body in ({"name": "x" * MEGABYTE}, {"name": "abc", "y" * MEGABYTE: 1}):
        answer = ask(recorded.faces.keys, "POST", "/v1/apis", body)
        answer.problem(400)
        assert len(answer.body) < 4000


def test_a_slow_request_is_answered_and_holds_nobody_up(recorded: Recorded) -> None:
    port = recorded.faces.process.port(KEYS_REST)
    data = request("POST", "/v1/apis", {"name": "slow"})
    with Connection(port) as slow:
        for index in range(0, len(data), 10):
            slow.send(data[index : index + 10])
            began = time.monotonic()
            assert ask(recorded.faces.keys, "GET", "/healthz").status == 200
            assert time.monotonic() - began < 20
        assert slow.read("POST").status == 200
    assert recorded.upstream.last.json == {"name": "slow"}


def test_callers_that_go_away_leave_nothing_behind(recorded: Recorded) -> None:
    port = recorded.faces.process.port(KEYS_REST)
    for data in (
        b"",
        b"GET /heal",
        b'POST /v1/apis HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{"',
    ):
        for _ in range(20):
            with Connection(port) as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)


def test_pipelined_requests_are_answered_in_order(recorded: Recorded) -> None:
    with Connection(recorded.faces.process.port(KEYS_REST)) as connection:
        first = request("POST", "/v1/apis", {"name": "first"})
        connection.send(first + request("GET", "/healthz") + request("GET", "/nowhere"))
        answers = [connection.read(method).status for method in ("POST", "GET", "GET")]
    assert answers == [200, 200, 404]


# -------------------------------------------------------------------------------------------- MCP


async def refused(recorded: Recorded, tool: str, arguments: Json) -> list[tuple[str, str]]:
    """Call a tool that must refuse; gives the fields that it names."""
    async with Client(recorded.faces.keys_mcp) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    (content,) = result.content
    assert content.type == "text"
    problem = result.structured_content
    assert problem is not None
    assert (problem["status"], problem["detail"]) == (400, content.text)
    return [(each["field"], each["detail"]) for each in problem["errors"]]


async def test_wrong_arguments_of_a_tool_are_named_one_by_one(recorded: Recorded) -> None:
    wrong = {"apiId": 5, "roles": "admin", "expires": True, "nam": "x", "enabled": None}
    assert await refused(recorded, "create-api-key", wrong) == [
        ("apiId", "must be a string, is a number"),
        ("roles", "must be an array, is a string"),
        ("expires", "must be an integer, is a boolean"),
        ("nam", "is unknown; did you mean 'name'?"),
    ]
    assert await refused(recorded, "create-api-key", {}) == [("apiId", "is required")]
    assert await refused(recorded, "delete-api-key", {"keyIds": []}) == [
        ("keyIds", "[] has less than 1 item")
    ]
    assert recorded.upstream.received == []


MESSAGES: list[tuple[str, bytes, int]] = [
    ("cut short", b'{"jsonrpc":', -32700),
    ("empty", b"", -32700),
    ("no UTF-8", b"\xff\xfe", -32700),
    ("a batch", b"[]", -32600),  # before 2026-07-28 -32602, which says the same
    ("100,000 deep", b"[" * 100_000 + b"]" * 100_000, -32700),
    ("too many digits", b'{"id": %s}' % (b"9" * 5000), -32700),
]


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("body", "code"), [case[1:] for case in MESSAGES], ids=[case[0] for case in MESSAGES]
)
def test_a_broken_message_is_a_protocol_error(
    recorded: Recorded, body: bytes, code: int, era: str
) -> None:
    answer = ask(
        recorded.faces.keys_mcp,
        "POST",
        "",
        body,
        accept="application/json, text/event-stream",
        mcp_protocol_version=era,
        mcp_method="tools/call",
    )
    assert answer.status == 400
    found = answer.json["error"]["code"]
    assert found == code or (found, code) == (-32602, -32600)


async def test_more_arguments_than_any_tool_has_are_refused_as_a_whole(recorded: Recorded) -> None:
    async with Client(recorded.faces.keys_mcp) as client:
        result = await client.call_tool("list-roles", {f"a{n}": n for n in range(5000)})
    assert result.is_error
    assert recorded.upstream.received == []


def test_many_wrong_requests_at_once_leave_the_memory_bounded(recorded: Recorded) -> None:
    """Sixteen callers send the most that is read, wrong in different ways."""
    process = recorded.faces.process
    bodies = [
        b'{"name": "%s"}' % (b"x" * (3 * MEGABYTE)),
        b"[" * (3 * MEGABYTE),
        b'{"name": [%s1]}' % (b"1," * MEGABYTE),
        b"n=1&" * (MEGABYTE // 2),
    ]
    statuses: list[int] = []

    def send(body: bytes) -> None:
        answer = ask(recorded.faces.keys, "POST", "/v1/apis", body)
        statuses.append(answer.status)

    threads = [threading.Thread(target=send, args=(bodies[n % 4],)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [400] * 16
    assert process.memory_peak < 500 * MEGABYTE


def test_the_log_keeps_one_line_for_each_request(recorded: Recorded) -> None:
    name = "line%0Aerror%20naftiko_run:%20forged%1B%5B31m"
    ask(recorded.faces.keys, "GET", f"/v1/nowhere/{name}").problem(404)
    log = recorded.faces.process.err
    assert log.wait_for_text("forged")
    (line,) = [line for line in log.all if "forged" in line]
    assert line.isprintable()
    assert line.startswith("info naftiko_run.access: GET /v1/nowhere/line")
