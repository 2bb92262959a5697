"""The short way and the SDK, held against one another: no client can tell which one answered."""

import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.mcp_direct import Called, Direct
from naftiko_run.exposes.units import ToolServer
from tests.exposes.mcp_peers import (
    FLOWS,
    HANDSHAKE,
    META,
    MODERN,
    Answer,
    Request,
    ask,
    content,
    message,
    request,
    server,
)

ROUNDS = 4000


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


class Counting:
    """The short way, with a count of what it leaves."""

    def __init__(self, direct: Direct) -> None:
        self.direct = direct
        self.left = 0

    def call(self, scope: Scope, body: bytes, receive: Receive) -> Called | None:
        return self.direct.call(scope, body, receive)

    async def __call__(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> bool:
        answering = self.direct(scope, body, receive, send)
        answered = answering is not None and await answering
        self.left += not answered
        return answered


class Pair:
    """The two ways, asked the same."""

    def __init__(self, served: ToolServer) -> None:
        self.short = McpFace(served)
        self.long = McpFace(served, direct=False)
        assert self.short._direct is not None
        self.counting = Counting(self.short._direct)
        self.short._direct = self.counting  # type: ignore[assignment]

    async def ask(self, asked: Request) -> Answer:
        """Ask both and compare."""
        one, other = await ask(self.short, asked), await ask(self.long, asked)
        if one.essence != other.essence:
            pytest.fail(f"{asked.method} {asked.headers}\n{asked.body[:3000]!r}\n{one}\n{other}")
        return one


@asynccontextmanager
async def running_pair(served: ToolServer | None = None) -> AsyncIterator[Pair]:
    pair = Pair(served or server())
    async with pair.short.running(), pair.long.running():
        yield pair


def right(choose: random.Random) -> Request:
    """Make a request that is right."""
    if choose.random() < 0.5:
        version: str | None = MODERN
        meta = choose.choice(
            [
                META,
                {**META, "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"}},
                {**META, "progressToken": choose.choice([7, "t", 0, "", True, 1.5, None, []])},
                {**META, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"},
                {**META, "io.modelcontextprotocol/logLevel": choose.choice(["info", "loud", 3])},
            ]
        )
        params: dict[str, Any] = {"_meta": meta}
        method = choose.choice(["tools/call", "tools/call", "tools/list", "server/discover"])
    else:
        version = choose.choice([*HANDSHAKE, None])
        params = choose.choice(
            [{}, {}, {"_meta": {}}, {"_meta": {"progressToken": choose.choice([3, "x", True])}}]
        )
        method = choose.choice(["tools/call", "tools/call", "tools/list", "ping", "initialize"])
    if method == "tools/call":
        params = {**params, "name": choose.choice(list(FLOWS))}
        if choose.random() < 0.8:
            params["arguments"] = choose.choice(ARGUMENTS)
    if method == "initialize":
        params |= {
            "protocolVersion": choose.choice([*HANDSHAKE, MODERN, "1999-01-01", "", 5]),
            "capabilities": choose.choice([{}, {"sampling": {}}, {"roots": {"listChanged": 1}}]),
            "clientInfo": choose.choice([{"name": "c", "version": "1"}, {"name": "c"}]),
        }
    return request(message(method, params, choose.choice([1, "one", 0, -5, 2**70, ""])), version)


CONTENT: list[tuple[str, dict[str, Any]]] = [
    ("resources/list", {}),
    ("resources/list", {"cursor": "AAAA"}),
    ("resources/templates/list", {}),
    ("prompts/list", {}),
    ("tools/list", {"cursor": "AAAA"}),
    *[
        ("resources/read", {"uri": uri})
        for uri in (
            "data://object", "data://image", "data://refused", "data://wrong", "data://broken",
            "data://things/one", "data://things/%C3%A9", "data://things/%ff", "data://nothing", "",
            "file:///files/a b.md", "file:///files/z.bin", "file:///files/../secret", "data://é",
            "=?base64?ZGF0YTovL29iamVjdA==?=", "x" * 5000,
        )
    ],
    ("skills/list", {}),
    ("skills/list", {"cursor": "AAAA"}),
    ("skills/list", {"other": 1}),
    ("skills/get", {"uri": "skill://files/SKILL.md"}),
    ("skills/get", {"uri": "skill://files/a%20b.md"}),
    ("skills/get", {"uri": 5}),
    ("skills/get", {}),
    *[
        ("resources/read", {"uri": f"skill://{path}"})
        for path in (
            "plain/SKILL.md", "files/SKILL.md", "files/SKILL%2Emd", "files/a%20b.md",
            "files/z.bin", "files/none", "files/..%2fsecret", "none/SKILL.md", "files",
        )
    ],
    ("resources/subscribe", {"uri": "skill://files/z.bin"}),
    ("resources/subscribe", {"uri": "skill://files/none"}),
    ("resources/subscribe", {"uri": "data://object"}),
    ("resources/subscribe", {"uri": "file:///files/z.bin"}),
    ("resources/subscribe", {"uri": "file:///files/none"}),
    ("resources/unsubscribe", {"uri": "data://things/one"}),
    ("resources/unsubscribe", {"uri": "data://nothing"}),
    ("prompts/get", {"name": "hello", "arguments": {"name": "Ada", "other": "x"}}),
    ("prompts/get", {"name": "hello", "arguments": {"name": "Ada", "count": 3}}),
    ("prompts/get", {"name": "hello"}),
    ("prompts/get", {"name": "plain", "arguments": {}}),
    ("prompts/get", {"name": "nothing"}),
    *[
        ("completion/complete", {"ref": ref, "argument": {"name": name, "value": value}})
        for ref in (
            {"type": "ref/prompt", "name": "hello"},
            {"type": "ref/prompt", "name": "nothing"},
            {"type": "ref/resource", "uri": "data://things/{id}"},
            {"type": "ref/resource", "uri": "data://nothing"},
            {"type": "ref/other", "uri": "data://nothing"},
        )
        for name, value in (("name", "A"), ("id", ""), ("nothing", ""))
    ],
    ("logging/setLevel", {"level": "info"}),
    ("logging/setLevel", {"level": "loud"}),
    ("tools/call", {"name": "nothing"}),
    ("tools/call", {"name": "nothing", "arguments": {"a": 1}}),
    ("tools/call", {"name": ""}),
    ("unheard/of", {}),
    ("unheard/of", {"a": 1}),
    ("server/discover", {}),
    (
        "initialize",
        {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "c", "version": "1"},
        },
    ),
]  # fmt: skip
"""Requests for what there is besides calls of tools."""

ARGUMENTS: list[Any] = [
    {},
    {"value": 1},
    {"value": None},
    {"value": {"a": [1, 2, {"b": None}]}},
    {"value": "é 😀"},
    {"other": True, "value": 12345678901234567890},
    {"value": 1.5e300, "value ": 0.1},
    {f"n{i}": i for i in range(1001)},
]

ODD: list[Any] = [None, True, 0, -1, 1.0, 1.5, "", "x", [], {}, [1], {"a": 1}, 2**63, 1e400]


def _member(choose: random.Random, asked: Any) -> None:  # noqa: ANN401 - JSON
    """Put something odd in some place, or take something away."""
    place = asked
    while isinstance(place, dict) and place:
        key = choose.choice(list(place))
        inner = place[key]
        if isinstance(inner, dict) and inner and choose.random() < 0.7:
            place = inner
            continue
        turn = choose.random()
        if turn < 0.3:
            del place[key]
        elif turn < 0.8:
            place[key] = choose.choice(ODD)
        else:
            name = choose.choice(
                [
                    "extra",
                    "_meta",
                    "params",
                    "cursor",
                    "task",
                    "inputResponses",
                    "requestState",
                    "result",
                    "error",
                    "arguments",
                    "name",
                    "id",
                ]
            )
            place[name] = choose.choice(ODD)
        return


def in_body(choose: random.Random, asked: Request) -> None:
    read = json.loads(asked.body)
    _member(choose, read)
    asked.body = json.dumps(read).encode()


def in_headers(choose: random.Random, asked: Request) -> None:
    if not asked.headers:
        return
    place = choose.randrange(len(asked.headers))
    name, value = asked.headers[place]
    turn = choose.randrange(6)
    if turn == 0:
        del asked.headers[place]
    elif turn == 1:
        asked.headers.append((name, choose.choice([value, "other"])))
    elif turn == 2:
        asked.headers[place] = (name, choose.choice([value.upper(), f" {value}\t", f"{value} x"]))
    elif turn == 3:
        asked.headers[place] = (name, choose.choice(VALUES))
    elif turn == 4:
        asked.headers.append(choose.choice(FURTHER))
    else:
        choose.shuffle(asked.headers)


VALUES = [
    "", "*/*", "application/*", "text/*", "application/json;q=0.5, text/event-stream",
    "application/json; charset=utf-8", "Application/JSON", "application/jsonx", "text/plain",
    "text/event-stream", "application/xml, application/json", "application/json ;x", *HANDSHAKE,
    MODERN, "2030-01-01", "tools/call", "tools/list", "echo", "=?base64?ZWNobw==?=", "=?base64?!?=",
    "é",
]  # fmt: skip
FURTHER = [
    ("mcp-session-id", "none"), ("last-event-id", "3"), ("mcp-param-value", "1"),
    ("authorization", "Bearer x"), ("content-encoding", "gzip"), ("mcp-method", "tools/call"),
    ("mcp-name", "echo"), ("mcp-protocol-version", "2025-06-18"), ("cookie", "a=b"),
]  # fmt: skip


def in_bytes(choose: random.Random, asked: Request) -> None:
    body = asked.body
    asked.body = choose.choice(
        [
            b"", b" " + body, body + b"\n", b"\xef\xbb\xbf" + body, body[:-1], body + b"}", b"null",
            b"[" + body + b"]", b"[]", b"1", b'"a"', body.decode().encode("utf-16"),
            body.replace(b"{", b'{"x":NaN,', 1), body.replace(b"{", b'{"jsonrpc":"2.0",', 1),
            body.replace(b"1", b"\xff"), body.replace(b'"value"', b'"\\ud800"'),
            body.replace(b'"echo"', b'"ec\\u0068o"'), body.replace(b": ", b" :\t"),
            body.replace(b"{}", b'{"a":' * 90 + b"0" + b"}" * 90),
            body.replace(b"{}", b'{"a":' * 400 + b"0" + b"}" * 400),
            b"[" * 100_000, b'{"a":' * 100_000, body.replace(b"1", b"1" * 5000),
        ]
    )  # fmt: skip


def in_method(choose: random.Random, asked: Request) -> None:
    other = choose.choice(
        [
            "tools/list", "tools/call", "ping", "initialize", "server/discover", "resources/list",
            "prompts/get", "completion/complete", "logging/setLevel", "notifications/initialized",
            "notifications/cancelled", "subscriptions/nothing", "", "TOOLS/CALL", "tasks/get",
        ]
    )  # fmt: skip
    read = json.loads(asked.body)
    if isinstance(read, dict):
        read["method"] = other
        if choose.random() < 0.3:
            read.pop("id", None)
    asked.body = json.dumps(read).encode()
    asked.headers = [(n, other if n == "mcp-method" else v) for n, v in asked.headers]


def in_verb(choose: random.Random, asked: Request) -> None:
    asked.method = choose.choice(["GET", "DELETE", "PUT", "OPTIONS", "HEAD"])


BENDS: list[Callable[[random.Random, Request], None]] = [
    *[in_body] * 6, *[in_headers] * 6, *[in_method] * 3, in_verb,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_no_client_can_tell_which_way_answered(seed: int) -> None:
    choose = random.Random(seed)  # noqa: S311 - the same requests in every run
    statuses: dict[int, int] = {}
    async with running_pair() as pair:
        for _ in range(ROUNDS // 4):
            asked = right(choose)
            for bend in choose.sample(BENDS, choose.choice([0, 0, 1, 1, 2, 3])):
                bend(choose, asked)
            if choose.random() < 0.2:
                in_bytes(choose, asked)
            answer = await pair.ask(asked)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
        # Neither way was idle, and the requests were neither all right nor all wrong.
        assert ROUNDS / 4 * 0.2 < pair.counting.left < ROUNDS / 4 * 0.8
        assert {200, 202, 400, 404, 405, 406} <= statuses.keys(), statuses


@pytest.mark.parametrize("version", [MODERN, *HANDSHAKE, None])
@pytest.mark.parametrize("name", FLOWS)
async def test_every_kind_of_result_is_answered_alike_and_directly(
    name: str, version: str | None
) -> None:
    params: dict[str, Any] = {"name": name, "arguments": {"value": "given"}}
    if version == MODERN:
        params["_meta"] = META
    async with running_pair() as pair:
        answer = await pair.ask(request(message("tools/call", params), version))
        assert answer.status == 200
        assert "result" in answer.json, answer.body
        assert pair.counting.left == 0


@pytest.mark.parametrize("version", [MODERN, "2025-11-25"])
@pytest.mark.parametrize(
    "first",
    [
        b"{}",
        b'{"a":"\xff"}',
        b'{"a":"\x01"}',
        b'{"a":"\\x"}',
        b'{"a":01}',
        b'{"a":1,}',
        b"[]",
        b"nul",
    ],
)
async def test_a_meta_that_comes_twice_is_judged_alike(first: bytes, version: str) -> None:
    params = {"name": "echo", "_meta": META}
    async with running_pair() as pair:
        for _ in range(2):  # the second time, what is right is known
            asked = request(message("tools/call", params), version)
            await pair.ask(asked)
            asked.body = asked.body.replace(b'"_meta"', b'"_meta": %s, "_meta"' % first)
            await pair.ask(asked)


@pytest.mark.parametrize("version", [MODERN, *HANDSHAKE, None])
@pytest.mark.parametrize("has_content", [True, False])
async def test_what_there_is_besides_tools_is_answered_alike(
    version: str | None, tmp_path: Path, *, has_content: bool
) -> None:
    served = server(**content(tmp_path)) if has_content else server()
    async with running_pair(served) as pair:
        for method, given in CONTENT:
            params = {**given, "_meta": META} if version == MODERN else given
            await pair.ask(request(message(method, params), version))
        # What is left is wrong in an unusual way.
        assert pair.counting.left <= 11, pair.counting.left


@pytest.mark.parametrize("seed", range(4))
async def test_no_client_can_tell_which_way_answered_for_content(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)  # noqa: S311 - the same requests in every run
    async with running_pair(server(**content(tmp_path))) as pair:
        for _ in range(ROUNDS // 8):
            version = choose.choice([MODERN, MODERN, *HANDSHAKE, None])
            method, given = choose.choice(CONTENT)
            params = {**given, "_meta": META} if version == MODERN else {**given}
            asked = request(message(method, json.loads(json.dumps(params))), version)
            for bend in choose.sample(BENDS, choose.choice([0, 1, 1, 2])):
                bend(choose, asked)
            await pair.ask(asked)
        assert 0 < pair.counting.left < ROUNDS / 8 * 0.8


@pytest.mark.parametrize("version", [MODERN, *HANDSHAKE])
async def test_an_adapter_without_tools_is_answered_alike(version: str, tmp_path: Path) -> None:
    async with running_pair(server([], **content(tmp_path))) as pair:
        for method, given in CONTENT:
            params = {**given, "_meta": META} if version == MODERN else given
            await pair.ask(request(message(method, params), version))


@pytest.mark.parametrize("version", [MODERN, *HANDSHAKE, None])
async def test_notifications_are_accepted_alike(version: str | None) -> None:
    async with running_pair() as pair:
        for method in ("notifications/initialized", "notifications/cancelled", "unheard/of"):
            given: list[dict[str, Any] | None] = [{}, None, {"requestId": 1}, {"_meta": {}}]
            for params in given:
                asked = message(method, params)
                del asked["id"]
                answer = await pair.ask(request(asked, version))
                assert (answer.status, answer.body) == (202, b"")
        assert pair.counting.left == 0


IDENTIFIERS = [
    b"1.0", b"-0", b"-0.0", b"1e0", b"1e400", b"9223372036854775808", b"-9223372036854775809",
    b"18446744073709551616", b"1" * 4300, b"1" * 4301, b"01", b"+1", b"1.", b".5", b'""', b"true",
    b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\\udc00"', b'"\xc3\xa9"', b'"\xff"',
    b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xe2\x80\xa8"', b'"\\u2028"', b'"a\nb"', b'"\\x41"',
    b'"\\/"', b'"' + b"x" * 100_000 + b'"', b"null", b"[1]", b"{}",
]  # fmt: skip
TWICE = [
    (b'"jsonrpc"', [b'"2.0"', b'"1.0"', b"2.0"]),
    (b'"method"', [b'"tools/call"', b'"tools\\/call"', b'"ping"', b"null"]),
    (b'"params"', [b"{}", b'{"name":"echo"}', b"null", b"[]", b'{"name":"\xff"}']),
    (b'"id"', [b"8", b"1.0", b"null", b'"\\ud800"']),
    (b'"i\\u0064"', [b"8"]),
    (b'"name"', [b'"refuse"', b"5", b'"nothing"', b'"\xff"']),
    (b'"arguments"', [b"{}", b"null", b'{"value":"\xff"}', b'{"value":1,"value":2}']),
    (b'"result"', [b"{}"]),
]


@pytest.mark.parametrize("version", [MODERN, "2025-11-25", None])
async def test_every_identifier_is_judged_alike(version: str | None) -> None:
    params: dict[str, Any] = {"name": "echo", **({"_meta": META} if version == MODERN else {})}
    async with running_pair() as pair:
        for identifier in IDENTIFIERS:
            asked = request(message("tools/call", params, 7), version)
            right = asked.body
            asked.body = right.replace(b'"id": 7', b'"id": ' + identifier)
            assert asked.body != right
            await pair.ask(asked)


@pytest.mark.parametrize("version", [MODERN, "2025-11-25"])
async def test_names_that_come_twice_are_judged_alike(version: str) -> None:
    params: dict[str, Any] = {"name": "echo", "arguments": {"value": 1}}
    if version == MODERN:
        params["_meta"] = META
    async with running_pair() as pair:
        for name, values in TWICE:
            for value in values:
                asked = request(message("tools/call", params, 7), version)
                right = asked.body
                member = name + b": " + value
                inside = name in (b'"name"', b'"arguments"')
                opening, closing = (b'"params": {', b"}}") if inside else (b"{", b"}")
                asked.body = right.replace(opening, opening + member + b", ", 1)
                await pair.ask(asked)
                asked.body = right.removesuffix(closing) + b", " + member + closing
                await pair.ask(asked)
