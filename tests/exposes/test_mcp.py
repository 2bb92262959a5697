"""The MCP face: what is listed, how calls end, who hears of changes."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jsonschema_rs
import mcp_types as types
import pytest
from mcp import Client
from starlette.types import Message, Receive

from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.mcp_extension import Extension
from naftiko_run.exposes.mcp_pages import PAGE
from naftiko_run.exposes.mcp_results import STRUCTURED_DEPTH, Calls, result_of
from naftiko_run.exposes.messages import BODY_SECONDS, MAX_BODY
from naftiko_run.exposes.overseer import Overseer, Work
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.server.http import HttpServer, bind
from naftiko_run.types import Inputs, Json, Outcome
from tests.exposes.mcp_peers import (
    FLOWS,
    HANDSHAKE,
    META,
    MODERN,
    Listening,
    Request,
    ask,
    echo,
    message,
    replies,
    request,
    resource,
    server,
    tool,
)

VERSIONS = (*HANDSHAKE, MODERN)


def nested(levels: int) -> Json:
    """Make so many objects, one in the other."""
    value: Json = 1
    for _ in range(levels):
        value = {"longer": value}
    return value


def asking(method: str, version: str = MODERN, **params: Any) -> Request:  # noqa: ANN401 - JSON
    """Make a request of a revision."""
    return request(message(method, {**params, "_meta": META if version == MODERN else {}}), version)


@pytest.fixture(params=[True, False], ids=["directly", "by the SDK"])
async def face(request: pytest.FixtureRequest) -> AsyncIterator[McpFace]:
    made = McpFace(server(), direct=request.param)
    async with running(made):
        yield made


@asynccontextmanager
async def running(face: McpFace) -> AsyncIterator[McpFace]:
    async with face.running():
        yield face


async def listed(face: McpFace, version: str = MODERN, **params: str) -> Any:  # noqa: ANN401
    return (await ask(face, asking("tools/list", version, **params))).json


# ------------------------------------------------------------------------------------ the list


@pytest.mark.parametrize("version", VERSIONS)
async def test_each_revision_lists_what_it_knows(face: McpFace, version: str) -> None:
    tools = (await listed(face, version))["result"]["tools"]
    assert [each["name"] for each in tools] == list(FLOWS)
    described = next(each for each in tools if each["name"] == "object")
    assert ("annotations" in described) == (version >= "2025-03-26")
    assert ("title" in described) == (version >= "2025-06-18")
    assert ("outputSchema" in described) == (version >= "2025-06-18")


async def test_a_list_says_how_long_it_may_be_kept(face: McpFace) -> None:
    result = (await listed(face))["result"]
    assert (result["ttlMs"], result["cacheScope"]) == (60_000, "public")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("direct", [True, False])
async def test_a_long_list_comes_in_pages(version: str, *, direct: bool) -> None:
    names = [f"tool-{n}" for n in range(PAGE * 2 + 1)]
    made = server([tool(name, echo) for name in names])
    async with running(McpFace(made, direct=direct)) as face:
        found: list[str] = []
        cursor: dict[str, str] = {}
        for size in (PAGE, PAGE, 1):
            result = (await listed(face, version, **cursor))["result"]
            assert len(result["tools"]) == size
            found += [each["name"] for each in result["tools"]]
            cursor = {"cursor": result["nextCursor"]} if "nextCursor" in result else {}
        assert found == names
        assert cursor == {}


async def test_a_cursor_of_another_list_is_refused() -> None:
    names = [f"tool-{n}" for n in range(PAGE + 1)]
    async with running(McpFace(server([tool(name, echo) for name in names]))) as face:
        cursor = (await listed(face))["result"]["nextCursor"]
        assert len((await listed(face, cursor=cursor))["result"]["tools"]) == 1
        await face.update(server([tool(name, echo) for name in (*names, "another")]))
        for stale in (cursor, "", "x", cursor[:-1], "AAAA"):
            assert (await listed(face, cursor=stale))["error"]["code"] == -32602


def _added(name: str, **members: Any) -> types.Tool:  # noqa: ANN401
    schema = members.pop("input_schema", {"type": "object"})
    return types.Tool(name=name, description="added", input_schema=schema, **members)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_tool_that_cannot_be_listed_does_not_spoil_the_list(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    added = (
        _added("no-object", input_schema={}),
        _added("gives-a-list", output_schema={"type": "array"}),
    )
    made = server([tool("echo", echo)], extension=Extension(tools=added))
    async with running(McpFace(made)) as face:
        tools = {each["name"]: each for each in (await listed(face, version))["result"]["tools"]}
    assert tools.keys() == {"echo", "gives-a-list"}
    assert ("outputSchema" in tools["gives-a-list"]) == (version == MODERN)
    assert "tools left out of the list" in caplog.text
    assert "no-object" in caplog.text


# --------------------------------------------------------------------------------- the results


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(200, b'{"status": {"a": 1}, "items": [{"id": 1}], "x": null}', "application/json"),
        Outcome(204, b"", ""),
        Outcome(404, b'{"items": "none"}', "application/json", failed=True),
        Outcome(500, b"broken", "text/plain", failed=True),
    ],
)
async def test_every_result_keeps_what_the_list_promises(outcome: Outcome) -> None:
    schema: Any = {
        "type": "object",
        "properties": {
            "status": {"type": "object", "properties": {"a": {}}, "required": ["a"]},
            "items": {"type": ["array", "null"], "items": {"type": "object"}},
            "x": {},
        },
        "required": ["status", "items", "x"],
    }

    async def flow(_inputs: Inputs) -> Outcome:
        return outcome

    async with running(McpFace(server([tool("t", flow, output_schema=schema)]))) as face:
        promised = (await listed(face))["result"]["tools"][0]["outputSchema"]
        answer = await ask(face, asking("tools/call", name="t"))
    jsonschema_rs.validate(promised, answer.json["result"]["structuredContent"])


@pytest.mark.parametrize("version", VERSIONS)
def test_structured_content_has_the_form_of_its_revision(version: str) -> None:
    array = json.loads(result_of(Outcome(200, b"[1]", "application/json"), version))
    assert ("structuredContent" in array) == (version == MODERN)
    known = json.loads(result_of(Outcome(200, b'{"a": 1}', "application/json"), version))
    assert ("structuredContent" in known) == (version >= "2025-06-18")
    assert known["content"] == [{"type": "text", "text": '{"a":1}'}]


@pytest.mark.parametrize(
    ("body", "media_type", "text"),
    [
        ("Größe".encode("latin-1"), "text/plain; charset=iso-8859-1", "Größe"),
        ("Größe".encode("utf-16"), "text/plain", "Größe"),
        ("日本".encode("shift_jis"), 'text/csv;charset="Shift_JIS"', "日本"),
        ("\ufeffGröße".encode(), "text/plain", "Größe"),
        ("Größe".encode(), "text/plain; charset=unheard-of", "Größe"),
        (b"eJwDAAAAAAE=", "text/plain; charset=zlib", "eJwDAAAAAAE="),
    ],
)
async def test_a_text_is_read_in_the_encoding_that_it_names(
    body: bytes, media_type: str, text: str
) -> None:
    result = json.loads(result_of(Outcome(200, body, media_type), MODERN))
    assert result["content"] == [{"type": "text", "text": text}]
    read = resource("data://text", replies(body, media_type))
    async with running(McpFace(server(resources=(read,)))) as face:
        answer = await ask(face, asking("resources/read", uri="data://text"))
        assert answer.json["result"]["contents"][0]["text"] == text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "value",
    [
        {},
        [1, {"a": "é😀"}],
        None,
        "null",
        0.1,
        {"big": 2**70},
        {"half": "a\ud800b", "escape": "\\ud800"},
        {"a": [[]] * 300},
        nested(STRUCTURED_DEPTH),
        nested(STRUCTURED_DEPTH + 1),
        nested(400),
    ],
)
def test_what_was_written_here_need_not_be_read_to_be_told(value: Json, version: str) -> None:
    read = Outcome(200, dumps(value), "application/json")
    written = Outcome(200, dumps(value), "application/json", written=True)
    assert result_of(written, version) == result_of(read, version)


async def test_an_unknown_tool_is_an_error_of_the_protocol(face: McpFace) -> None:
    for version in VERSIONS:
        answer = await ask(face, asking("tools/call", version, name="absent"))
        assert answer.json["error"]["code"] == -32602
        assert "absent" in answer.json["error"]["message"]


async def test_white_space_around_header_values_is_no_part_of_them(face: McpFace) -> None:
    asked = asking("tools/call", name="echo")
    asked.headers = [(name, f" {value}\t ") for name, value in asked.headers]
    assert (await ask(face, asked)).status == 200


# ------------------------------------------------------------------------------- how calls end


class Slow:
    """A flow that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.cancelled = False

    async def __call__(self, _inputs: Inputs) -> Outcome:
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return Outcome(200, b"1", "application/json")


async def _leaving(asked: Request, begun: asyncio.Event) -> AsyncIterator[Message]:
    yield {"type": "http.request", "body": asked.body, "more_body": False}
    await begun.wait()
    while True:
        yield {"type": "http.disconnect"}


@pytest.mark.parametrize("direct", [True, False])
async def test_a_caller_that_goes_away_cancels_its_call(*, direct: bool) -> None:
    slow = Slow()
    async with running(McpFace(server([tool("slow", slow)]), direct=direct)) as face:
        asked = asking("tools/call", name="slow")
        leaving = _leaving(asked, slow.begun)
        answer = await asyncio.wait_for(ask(face, asked, leaving.__anext__), 5)
        assert slow.cancelled
        assert answer.status == 0
        await asyncio.wait_for(face.idle(), 5)


async def test_in_older_revisions_a_call_goes_on_without_its_caller(face: McpFace) -> None:
    slow = Slow()
    await face.update(server([tool("slow", slow)]))
    asked = asking("tools/call", "2025-11-25", name="slow")
    leaving = _leaving(asked, slow.begun)
    asking_now = asyncio.ensure_future(ask(face, asked, leaving.__anext__))
    await slow.begun.wait()
    await asyncio.sleep(0.3)
    slow.let_go.set()
    await asking_now
    assert not slow.cancelled


async def test_a_call_that_takes_too_long_is_ended_and_says_so() -> None:
    slow = Slow()
    result = await Calls(seconds=0.05)(tool("slow", slow), {}, MODERN)
    assert slow.cancelled
    assert result is not None
    told = json.loads(result)
    assert told["isError"] is True
    assert told["content"] == [{"type": "text", "text": "no result after 0.05 seconds"}]


async def test_a_cancellation_from_elsewhere_is_passed_on() -> None:
    calls = Calls()
    call = asyncio.ensure_future(calls(tool("slow", Slow()), {}, MODERN))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_more_calls_at_once_than_the_limit_are_told_to_wait() -> None:
    slow = Slow()
    calls = Calls(most=2)
    under_way = [asyncio.ensure_future(calls(tool("slow", slow), {}, MODERN)) for _ in range(2)]
    await slow.begun.wait()
    refused = await calls(tool("slow", slow), {}, MODERN)
    assert refused is not None
    told = json.loads(refused)
    assert told["isError"] is True
    assert "try again" in str(told["content"])
    slow.let_go.set()
    for each in await asyncio.gather(*under_way):
        assert each is not None
        assert json.loads(each)["isError"] is False


async def test_a_body_that_is_too_large_or_never_complete(face: McpFace) -> None:
    large = Request(b"x" * (MAX_BODY + 1), [("content-type", "application/json")])
    assert (await ask(face, large)).status == 413

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    assert (await ask(face, asking("tools/list"), gone)).status == 0


class Impatient(Overseer):
    """Gives all work a moment and no more."""

    def begin(self, seconds: float, receive: Receive | None = None) -> Work:
        assert seconds == BODY_SECONDS
        return super().begin(0.05, receive)


async def test_a_body_that_takes_too_long_is_not_waited_for(face: McpFace) -> None:
    face._read_body._reading = Impatient()
    part = {"type": "http.request", "body": b"{", "more_body": True}
    messages: list[Message] = [{"type": "http.disconnect"}, part]

    async def slowly() -> Message:
        if len(messages) == 1 and not answered:
            answered.append(True)
            await asyncio.Event().wait()
        return messages.pop()

    answered: list[bool] = []
    answer = await asyncio.wait_for(ask(face, asking("tools/list"), slowly), 5)
    assert answer.status == 408
    assert answer.headers["connection"] == "close"


# -------------------------------------------------------------------------- who hears of changes


async def test_clients_that_listen_hear_that_the_list_changed(face: McpFace) -> None:
    client = Listening(face)
    assert (await client.next())["method"] == "notifications/subscriptions/acknowledged"
    await face.update(server())
    assert client.sent.empty()
    await face.update(server([tool("other", echo)]))
    assert (await client.next())["method"] == "notifications/tools/list_changed"
    assert [each["name"] for each in (await listed(face))["result"]["tools"]] == ["other"]
    face.release()
    assert "result" in await client.next()
    await asyncio.wait_for(client.task, 5)
    await asyncio.wait_for(face.idle(), 5)


async def test_a_reload_changes_what_the_server_says_of_itself(face: McpFace) -> None:
    await face.update(server(version="2.0.0", instructions="Ask again."))
    found = (await ask(face, asking("server/discover"))).json["result"]
    assert found["instructions"] == "Ask again."
    assert found["_meta"]["io.modelcontextprotocol/serverInfo"]["version"] == "2.0.0"
    params = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }
    begun = (await ask(face, asking("initialize", "2025-06-18", **params))).json["result"]
    assert begun["serverInfo"] == {"name": "peers", "title": "Peers", "version": "2.0.0"}
    assert begun["instructions"] == "Ask again."


# ---------------------------------------------------------------------------- the SDK's client


@pytest.mark.parametrize("mode", ["auto", "legacy", MODERN])
@pytest.mark.parametrize("direct", [True, False])
async def test_the_sdk_s_client_is_served(mode: str, *, direct: bool) -> None:
    logging.getLogger("mcp").setLevel(logging.ERROR)
    schema: Any = {"type": "object", "properties": {"value": {}}, "required": ["value"]}
    keeps = tool("keeps", replies(b'{"value": 1}'), output_schema=schema)
    fails = tool("fails", replies(b'{"no": 1}', status=500), output_schema=schema)
    empty = tool("empty", replies(b"", "", 204), output_schema=schema)
    listening = bind("127.0.0.1", 0)
    async with running(McpFace(server([keeps, fails, empty]), direct=direct)) as face:
        http = HttpServer(face, listening)
        await http.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        try:
            async with Client(url, mode=mode) as client:
                assert [t.name for t in (await client.list_tools()).tools] == [
                    "keeps",
                    "fails",
                    "empty",
                ]
                kept = await client.call_tool("keeps", {})
                assert kept.structured_content == {"value": 1}
                failed = await client.call_tool("fails", {})
                assert failed.is_error
                assert failed.structured_content == {"status": 500, "body": {"no": 1}}
                assert (await client.call_tool("empty", {})).structured_content == {}
        finally:
            await http.stop()
