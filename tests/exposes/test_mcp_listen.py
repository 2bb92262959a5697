"""Clients that listen: what they are told, in the words of the SDK, and when their stream ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from naftiko_run.exposes import mcp_listen
from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.mcp_extension import Extension
from naftiko_run.exposes.units import ToolServer
from naftiko_run.server.http import HttpServer, bind
from tests.exposes.mcp_peers import Listening, ask, content, echo, message, request, server, tool

EVERYTHING: dict[str, Any] = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": ["data://object", "data://absent"],
}


@pytest.mark.parametrize("request_id", [1, "one"])
@pytest.mark.parametrize(
    "wanted",
    [
        EVERYTHING,
        {"toolsListChanged": True},
        {"toolsListChanged": False, "promptsListChanged": None, "resourcesListChanged": True},
        {"resourceSubscriptions": []},
        {"resourceSubscriptions": ["data://object"]},
        {"other": 1},
    ],
)
async def test_both_ways_tell_the_same(
    tmp_path: Path, request_id: object, wanted: dict[str, Any]
) -> None:
    heard = []
    for direct in (True, False):
        face = McpFace(server(**content(tmp_path)), direct=direct)
        async with face.running():
            client = Listening(face, request_id, **wanted)
            told = [await client.next()]
            await face.update(server([tool("other", echo)]))
            await asyncio.sleep(0)
            face.release()
            await asyncio.wait_for(client.task, 5)
            while not client.sent.empty():
                told.append(client.sent.get_nowait())
            assert (face._sdk is None) is direct
            heard.append((told, client.fields))
    assert heard[0] == heard[1]
    if wanted is EVERYTHING:
        methods = [each.get("method", "the end") for each in heard[0][0]]
        assert methods == [
            "notifications/subscriptions/acknowledged",
            "notifications/tools/list_changed",
            "notifications/resources/list_changed",
            "notifications/prompts/list_changed",
            "notifications/resources/updated",
            "notifications/resources/updated",
            "the end",
        ]


async def test_a_client_that_goes_away_has_ended_its_stream() -> None:
    face = McpFace(server())
    client = Listening(face)
    await client.next()
    client.gone.set()
    await asyncio.wait_for(client.task, 5)
    await asyncio.wait_for(face.idle(), 5)
    await face.update(server([tool("other", echo)]))
    assert client.sent.empty()
    assert not face._listeners._streams


async def test_a_silent_stream_is_kept_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_listen, "PING_SECONDS", 0.01)
    face = McpFace(server())
    client = Listening(face)
    await client.next()
    assert (await client.next())["method"] == "a ping"
    await face.stop()
    await asyncio.wait_for(client.task, 5)


async def test_no_more_than_so_many_listen_and_nobody_once_the_server_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_listen, "MOST_STREAMS", 1)
    face = McpFace(server())
    first, second = Listening(face), Listening(face)
    assert "method" in await first.next()
    assert (await second.next())["error"]["message"] == "Subscription limit reached"
    face.release()
    assert "result" in await first.next()
    third = Listening(face)
    assert (await third.next())["error"]["message"] == "this server is stopping"
    await asyncio.gather(first.task, second.task, third.task)


@pytest.mark.parametrize("direct", [True, False])
async def test_no_client_listens_for_any_number_of_resources(*, direct: bool) -> None:
    face = McpFace(server(), direct=direct)
    uris = [f"data://{n}" for n in range(mcp_listen.MOST_URIS + 1)]
    async with face.running():
        client = Listening(face, resourceSubscriptions=uris)
        error = (await client.next())["error"]
        assert error["code"] == -32602
        assert error["message"] == "At most 1000 resources can be listened for"
        await asyncio.wait_for(client.task, 5)


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_listen, "MOST_EVENTS", 3)
    stream = mcp_listen.Stream(1, {"toolsListChanged": True})
    for _ in range(10):
        stream.tell(["tools"], contents=False)
    found = [await stream.next() for _ in range(4)]
    assert found[3] is None
    assert None not in found[:3]


@asynccontextmanager
async def sessions(served: ToolServer) -> AsyncIterator[tuple[McpFace, str]]:
    """Serve on a socket with a session for each client of the older revisions."""
    listening = bind("127.0.0.1", 0)
    face = McpFace(served)
    async with face.running():
        http = HttpServer(face, listening)
        await http.start()
        try:
            yield face, f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            await http.stop()


@pytest.mark.filterwarnings("ignore:resources/")
async def test_a_session_hears_of_the_resources_that_it_subscribed_to(tmp_path: Path) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: object) -> None:
        params = getattr(message, "params", None)
        if getattr(message, "method", "") == "notifications/resources/updated":
            heard.put_nowait(str(getattr(params, "uri", "")))

    served = server(**content(tmp_path), extension=Extension(sessions=True))
    async with (
        sessions(served) as (face, url),
        Client(url, mode="legacy", message_handler=hear) as client,
    ):
        await client.session.subscribe_resource("data://object")
        await client.session.subscribe_resource("data://image")
        await client.session.unsubscribe_resource("data://image")
        # The stream of notifications is opened beside the requests.
        for _ in range(100):
            await face.update(served)
            try:
                assert await asyncio.wait_for(heard.get(), 0.05) == "data://object"
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("nothing was heard")
        while not heard.empty():
            assert heard.get_nowait() == "data://object"


async def test_whoever_listens_without_a_stream_is_refused() -> None:
    face = McpFace(server())
    asked = request(message("subscriptions/listen", {"notifications": {}}))
    asked.headers = [(n, "application/json" if n == "accept" else v) for n, v in asked.headers]
    async with face.running():
        assert (await ask(face, asked)).status == 406
