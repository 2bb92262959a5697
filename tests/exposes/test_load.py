"""How much the MCP adapters of a listener do at once, and a word for those who come then."""

import asyncio

from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.units import Listener
from naftiko_run.types import Inputs, Outcome
from tests.exposes.mcp_peers import META, Listening, ask, message, request, server, tool


async def test_beyond_the_limit_callers_are_told_to_come_again() -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()
    running: list[Inputs] = []

    async def slow(inputs: Inputs) -> Outcome:
        running.append(inputs)
        if len(running) == 2:
            begun.set()
        await let_go.wait()
        return Outcome(200, b"{}", "application/json")

    app = ListenerApp("127.0.0.1")
    served = server([tool("slow", slow)])
    await app.update(Listener(address="127.0.0.1", port=80, servers=(served,)))
    app._load.most = 2
    call = request(message("tools/call", {"name": "slow", "_meta": META}))
    # Who listens is no load: any number may.
    listening = [Listening(app) for _ in range(3)]
    for client in listening:
        await client.next()
    under_way = [asyncio.ensure_future(ask(app, call)) for _ in range(2)]
    await asyncio.wait_for(begun.wait(), 5)
    refused = await ask(app, call)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "try again" in refused.json["detail"]
    let_go.set()
    assert [answer.status for answer in await asyncio.gather(*under_way)] == [200, 200]
    assert app._load.under_way == 0
    assert (await ask(app, call)).status == 200
    app.release()
    await asyncio.gather(*(client.task for client in listening))
    await app.stop()
    assert app._load.under_way == 0
