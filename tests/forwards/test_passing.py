"""What of a request a forward passes on, and what of the reply comes back."""

import gzip
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.consumes.forward import check_path
from naftiko_run.errors import InputError
from naftiko_run.findings import Severity
from tests.consumes.upstreams import answer, ok, upstream
from tests.forwards.serving import document, serving

SECRET = "s3cret-credential"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.case(
    45,
    differs="a wrong method is a 405 that names the right ones; where the resource forwards, the"
    " method is passed on",
)
async def test_a_method_without_an_operation_is_refused_or_forwarded(tmp_path: Path) -> None:
    resources = """
- path: /only
  operations: [{method: GET, outputParameters: [{name: a, type: string, value: b}]}]
- path: /both
  operations: [{method: GET, outputParameters: [{name: a, type: string, value: b}]}]
  forward: {targetNamespace: up}
"""
    async with (
        upstream(answer(ok(b"passed on"))) as api,
        serving(tmp_path, document(api.url, resources=resources)) as served,
    ):
        refused = await served.ask("/only", method="POST", body=b"{}")
        assert (refused.status, refused.header("allow")) == (405, ["GET"])
        assert (await served.ask("/both")).body == b'{"a":"b"}'
        assert (await served.ask("/both", method="POST", body=b"{}")).body == b"passed on"
    assert [each.line for each in api.requests] == ["POST /v1/ HTTP/1.1"]


@pytest.mark.case(49)
@pytest.mark.parametrize("trusted", ["trustedHeaders: [X-Trace]", ""])
async def test_trusted_header_fields_go_on_and_others_do_not(tmp_path: Path, trusted: str) -> None:
    headers = {
        "x-TRACE": "abc-123",
        "X-Other": "1",
        "Authorization": f"Bearer {SECRET}",
        "Cookie": f"session={SECRET}",
        "X-Forwarded-For": "1.2.3.4",
        "Range": "bytes=0-1",
        "Accept": "text/plain",
        "Accept-Encoding": "br",
        "User-Agent": "a-browser",
    }
    async with (
        upstream(answer(ok(b"abc-123"))) as api,
        serving(tmp_path, document(api.url, forward=trusted)) as served,
    ):
        found = await served.ask("/proxy/echo", headers=headers)
    assert (found.status, found.body) == (200, b"abc-123")
    (received,) = api.requests
    assert received.line == "GET /v1/echo HTTP/1.1"
    assert received.header("x-trace") == (["abc-123"] if trusted else [])
    assert received.header("accept") == ["text/plain"]
    assert received.header("accept-encoding") == ["br"]
    for name in ("X-Other", "Authorization", "Cookie", "X-Forwarded-For", "Range"):
        assert received.header(name) == []
    assert SECRET not in str(received)
    assert received.header("user-agent") != ["a-browser"]
    assert received.header("host") == [f"localhost:{api.port}"]


@pytest.mark.case(50)
@pytest.mark.parametrize("language", ["naftiko", "ikanos"])
async def test_the_apis_own_fields_and_credentials_are_added(tmp_path: Path, language: str) -> None:
    text = {
        "naftiko": """
naftiko: 1.0.0-alpha2
info: {{label: Notion, description: A pass-through.}}
capability:
  consumes:
  - type: http
    namespace: notion
    baseUri: {url}
    authentication: {{type: basic, username: scott, password: tiger}}
    inputParameters:
    - {{name: X-API-Version, in: header, value: v1}}
    - {{name: X-API-Key, in: header, value: key}}
    - {{name: Notion-Version, in: header}}
    - {{name: lang, in: query, value: en}}
    - {{name: theme, in: cookie, value: dark}}
  exposes:
  - type: rest
    namespace: proxy
    port: 8080
    resources:
    - path: "/notion/{{{{path}}}}"
      forward: {{targetNamespace: notion, trustedHeaders: [Notion-Version, Cookie]}}
""",
        "ikanos": """
ikanos: 1.0.0-beta5
info: {{display: Notion, description: A pass-through.}}
capability:
  consumes:
    notion:
      type: http
      baseUri: {url}
      authentication: {{type: basic, username: scott, password: tiger}}
      inputParameters:
        X-API-Version: {{in: header, value: v1}}
        X-API-Key: {{in: header, value: key}}
        lang: {{in: query, value: en}}
        theme: {{in: cookie, value: dark}}
  exposes:
    proxy:
      type: rest
      port: 8080
      resources:
        notion:
          path: "/notion/{{{{path}}}}"
          forward: {{targetNamespace: notion, trustedHeaders: [Notion-Version, Cookie]}}
""",
    }[language]
    headers = {"Notion-Version": "2025-09-03", "X-API-Key": "mine", "Cookie": "theme=light"}
    async with (
        upstream(answer(ok(b"{}"))) as api,
        serving(tmp_path, text.format(url=api.url.replace("localhost", "127.0.0.1"))) as served,
    ):
        found = await served.ask("/notion/v1/pages/1?a=b&lang=de", headers=headers)
        assert found.status == 200
    (received,) = api.requests
    assert received.target == "/v1/pages/1?a=b&lang=en"
    assert received.header("notion-version") == ["2025-09-03"]
    assert received.header("x-api-version") == ["v1"]
    assert received.header("x-api-key") == ["key"]
    assert received.header("cookie") == ["theme=dark"]
    assert received.header("authorization") == ["Basic c2NvdHQ6dGlnZXI="]


# ------------------------------------------------------------------------------------ the path


PASSED = [
    ("/proxy", "/v1/"),
    ("/proxy/", "/v1/"),
    ("/proxy/a", "/v1/a"),
    ("/proxy/a/", "/v1/a/"),
    ("/proxy/a//b/", "/v1/a//b/"),
    ("/pr%6fxy/caf%C3%A9%2Fb%20c;x=1,2", "/v1/caf%C3%A9%2Fb%20c;x=1,2"),
    ("/proxy/100%25/...", "/v1/100%25/..."),
    ("/proxy/proxy/%ff:@!$&'()*+,;=~", "/v1/proxy/%ff:@!$&'()*+,;=~"),
    ("/proxy/proxy/x", "/v1/proxy/x"),
    ("/gate/proxy/x", "/v1/x"),
    ("/proxy/a?b=%zz&&c&=;d==e+%20?/", "/v1/a?b=%zz&&c&=;d==e+%20?/"),
    ("/proxy/a?" + "&".join(f"n{n}=1" for n in range(1500)), None),
    ("/proxy/{id}?q={x}|y", "/v1/{id}?q={x}|y"),
]


async def test_path_and_query_are_passed_on_as_they_came(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        for asked, sent in PASSED:
            assert (await served.ask(asked)).status == 200
            assert api.requests[-1].target == (sent or asked.replace("/proxy", "/v1", 1))
    assert len(api.requests) == len(PASSED)


ESCAPES = [
    "..", ".", "a/..", "a/../b", "a/./b", "%2e%2e", "%2E.", ".%2e/x", "..%2f", "..%2Fadmin",
    "%2e%2e%2fadmin", "a%2f..%2fb", "%252e%252e", "%25%32%65.", "%25252e%25252e", "%2525252e.",
    "..%5cadmin", "%5c%5cevil", "/evil.test/x", "//evil.test", "%2fevil.test", "%252fevil.test",
    "..;/admin", "..;x=1/admin", "%2e%2e;/x", "..%3b/x", "%c0%ae%c0%ae/", "a%c0%afb", "%c1%9c",
    "%u002e%u002E/x", "a%25u002fb", "%uFF0E%uff0e/x",
    "..%00/", "..%0d%0aX:1/", "%0d%0aHost:%20evil", "..%20/x", "%09../x", "a%7f",
]  # fmt: skip


async def test_no_path_leads_out_of_the_base_path(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        for path in ESCAPES:
            found = await served.ask(f"/proxy/{path}")
            assert (path, found.status) == (path, 400)
            assert found.header("content-type") == ["application/problem+json"]
    assert api.requests == []


@pytest.mark.parametrize(
    "target", ["/proxy/a\\..\\b", "/proxy/..\\..\\x", "/proxy/a?b=\\c", "/proxy/a?b=\x80"]
)
async def test_what_no_url_may_hold_is_refused(tmp_path: Path, target: str) -> None:
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        assert (await served.ask(target)).status == 400
    assert api.requests == []


async def test_the_target_of_a_proxy_request_chooses_no_host(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b"mine"))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        assert (await served.ask("http://localhost/proxy/x")).body == b"mine"
        assert (await served.ask("//evil.test/proxy/x")).status == 404
        await served.ask("http://evil.test/proxy/y", headers={"X-Forwarded-Host": "evil.test"})
    for received in api.requests:
        assert received.header("host") == [f"localhost:{api.port}"]


@given(st.text(alphabet="./\\%25efcEFC;0 \tab", max_size=24))
def test_whatever_passes_stays_below_its_base_however_often_it_is_decoded(path: str) -> None:
    text = quote(path, safe="%/;.\\")
    try:
        check_path(text)
    except InputError:
        return
    data = text.encode()
    for _ in range(6):
        assert not data.startswith(b"/")
        assert b"\\" not in data
        assert not {b".", b".."} & set(data.split(b"/"))
        data = unquote_to_bytes(data)


# ----------------------------------------------------------------------------------- the query


KEYED = "authentication: {type: apikey, key: api_key, value: '{{TOKEN}}', placement: query}"


KEYED_QUERIES = [
    ("", f"api_key={SECRET}"),
    ("a=1&b=%20", f"a=1&b=%20&api_key={SECRET}"),
    ("api_key=mine&a=1", f"a=1&api_key={SECRET}"),
    ("a=1&api%5Fkey=mine", f"a=1&api_key={SECRET}"),
    ("API_KEY=mine&a=1&api_key", f"a=1&api_key={SECRET}"),
    ("a=1;api_key=mine&b=2", f"b=2&api_key={SECRET}"),
    ("api_keys=1", f"api_keys=1&api_key={SECRET}"),
]


async def test_no_caller_overrides_a_credential_of_the_query(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url, consumes=KEYED), environ={"TOKEN": SECRET}) as served,
    ):
        for asked, sent in KEYED_QUERIES:
            assert (await served.ask(f"/proxy/a?{asked}")).status == 200
            assert api.requests[-1].target == f"/v1/a?{sent}"


# ---------------------------------------------------------------------------------- the fields


async def test_no_caller_overrides_a_credential_of_a_header(tmp_path: Path) -> None:
    consumes = "authentication: {type: bearer, token: '{{TOKEN}}'}"
    trusted = "trustedHeaders: [Authorization, X-Two]"
    headers = (("Authorization", "Bearer mine"), ("X-Two", "a"), ("X-Two", "b"))
    async with (
        upstream(answer(ok(b""))) as api,
        serving(
            tmp_path,
            document(api.url, consumes=consumes, forward=trusted),
            environ={"TOKEN": SECRET},
        ) as served,
    ):
        await served.ask("/proxy/a", headers=headers)
    assert api.requests[0].header("authorization") == [f"Bearer {SECRET}"]
    assert api.requests[0].header("x-two") == ["a", "b"]


async def test_credentials_of_a_caller_go_on_where_they_are_trusted(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer mine", "Cookie": "a=1"}
    trusted = "trustedHeaders: [authorization, COOKIE]"
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url, forward=trusted)) as served,
    ):
        await served.ask("/proxy/a", headers=headers)
    assert api.requests[0].header("authorization") == ["Bearer mine"]
    assert api.requests[0].header("cookie") == ["a=1"]


@pytest.mark.parametrize(
    ("clause", "trusted", "told"),
    [
        ("type: bearer, token: '{{TOKEN}}'", "X-A, authorization", ["authorization"]),
        ("type: basic, username: a, password: '{{TOKEN}}'", "Authorization", ["Authorization"]),
        ("type: digest, username: a, password: '{{TOKEN}}'", "Authorization", ["Authorization"]),
        ("type: apikey, key: X-Key, value: '{{TOKEN}}'", "x-key, Authorization", ["x-key"]),
        ("type: apikey, key: X-Key, value: '{{TOKEN}}', placement: query", "X-Key", []),
        ("type: bearer, token: '{{TOKEN}}'", "Cookie, X-Key", []),
    ],
)
async def test_a_credential_of_this_adapter_that_goes_on_is_told(
    tmp_path: Path, clause: str, trusted: str, told: list[str]
) -> None:
    exposes = f"authentication: {{{clause}}}"
    text = document("http://localhost:9", exposes=exposes, forward=f"trustedHeaders: [{trusted}]")
    async with serving(tmp_path, text) as served:
        found = [f for f in served.plan.findings if f.code == "W-FORWARD-CREDENTIAL"]
    assert [f.message for f in found] == [
        f"{name!r} is what callers of 'gate' authenticate with: their credential goes on to 'up'"
        for name in told
    ]
    assert all(f.severity is Severity.WARNING and f.line > 1 for f in found)


@pytest.mark.parametrize("exposes", ["", "authentication: {type: bearer, token: '{{TOKEN}}'}"])
async def test_no_credential_is_told_that_does_not_go_on(tmp_path: Path, exposes: str) -> None:
    own = "authentication: {type: bearer, token: '{{TOKEN}}'}"
    trusted = "trustedHeaders: [Authorization]"
    text = document("http://localhost:9", consumes=own, exposes=exposes, forward=trusted)
    async with serving(tmp_path, text, environ={"TOKEN": SECRET}) as served:
        assert "W-FORWARD-CREDENTIAL" not in served.codes
    text = document("http://localhost:9", forward=trusted)
    async with serving(tmp_path, text, environ={"TOKEN": SECRET}) as served:
        assert "W-FORWARD-CREDENTIAL" not in served.codes


async def test_fields_of_one_connection_never_go_on(tmp_path: Path) -> None:
    trusted = "trustedHeaders: [Host, Connection, TE, Upgrade, X-Hop, X-Kept, 'bad name']"
    headers = {
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "X-Kept": "2",
        "TE": "trailers",
        "Proxy-Authorization": "Basic x",
        "Expect": "100-continue",
    }
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url, forward=trusted)) as served,
    ):
        assert served.codes.count("W-FORWARD-HEADER") == 5
        assert (await served.ask("/proxy/a", headers=headers)).status == 200
    received = api.requests[0]
    assert received.header("x-kept") == ["2"]
    for name in ("connection", "x-hop", "te", "proxy-authorization", "expect", "upgrade"):
        assert received.header(name) == []
    assert received.header("host") == [f"localhost:{api.port}"]


async def test_who_asks_for_no_coding_gets_none(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        await served.ask("/proxy/a")
    assert api.requests[0].header("accept-encoding") == ["identity"]


async def test_a_body_goes_on_with_what_it_needs_to_be_read(tmp_path: Path) -> None:
    headers = {"Content-Type": "text/csv; charset=latin-1", "Content-Encoding": "gzip"}
    packed = gzip.compress(b"a,b")
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        assert (await served.ask("/proxy/a", method="PUT", headers=headers, body=packed)).status
        await served.ask("/proxy/a", method="POST", body=b"")
    received, empty = api.requests
    assert received.body == packed
    assert received.header("content-type") == ["text/csv; charset=latin-1"]
    assert received.header("content-encoding") == ["gzip"]
    assert empty.header("content-length") == ["0"]


# ----------------------------------------------------------------------------------- the reply


async def test_status_body_and_end_to_end_fields_come_back(tmp_path: Path) -> None:
    packed = gzip.compress(b"x" * 100_000)
    reply = ok(
        packed,
        "Content-Type: text/html",
        "Content-Encoding: gzip",
        'ETag: "1"',
        "Location: /else?x=1",
        "Cache-Control: no-store",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "WWW-Authenticate: Basic",
        "X-Own: \xe9",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Alt-Svc: h3=:443",
        status="302 Found",
    )
    async with (
        upstream(answer(reply)) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        found = await served.ask("/proxy/a", headers={"Accept-Encoding": "gzip"})
    assert (found.status, found.body) == (302, packed)
    for name, values in {
        "content-encoding": ["gzip"],
        "content-length": [str(len(packed))],
        "location": ["/else?x=1"],
        "set-cookie": ["a=1", "b=2"],
        "www-authenticate": ["Basic"],
        "etag": ['"1"'],
        "x-own": ["\xe9"],
        "x-hop": [],
        "keep-alive": [],
        "alt-svc": [],
        "connection": [],
    }.items():
        assert found.header(name) == values, name
    assert len(found.header("date")) == 1
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("method", "reply", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 100\r\n\r\n', 304),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b""), 200),
        ("PROPFIND", ok(b"", status="207 Multi-Status"), 207),
        ("OPTIONS", ok(b"", "Allow: GET"), 200),
    ],
)
async def test_replies_without_a_body_leave_both_connections_usable(
    tmp_path: Path, method: str, reply: bytes, status: int
) -> None:
    async with (
        upstream(answer(reply)) as api,
        serving(tmp_path, document(api.url)) as served,
        served.calling() as caller,
    ):
        for _ in range(2):
            await caller.send(f"{method} /proxy/a HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert (await caller.answer(method)).status == status
        assert [each.line for each in api.requests] == [f"{method} /v1/a HTTP/1.1"] * 2
        assert api.connections == 1


async def test_a_part_of_a_resource_comes_back_as_a_part(tmp_path: Path) -> None:
    reply = ok(b"bc", "Content-Range: bytes 1-2/5", status="206 Partial Content")
    async with (
        upstream(answer(reply)) as api,
        serving(tmp_path, document(api.url, forward="trustedHeaders: [Range]")) as served,
    ):
        found = await served.ask("/proxy/a", headers={"Range": "bytes=1-2"})
    assert (found.status, found.body) == (206, b"bc")
    assert found.header("content-range") == ["bytes 1-2/5"]
    assert api.requests[0].header("range") == ["bytes=1-2"]


async def test_methods_that_show_or_tunnel_are_not_passed_on(tmp_path: Path) -> None:
    async with (
        upstream(answer(ok(b""))) as api,
        serving(tmp_path, document(api.url)) as served,
    ):
        assert (await served.ask("/proxy/a", method="TRACE")).status == 501
    assert api.requests == []
