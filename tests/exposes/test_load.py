"""How much a listener does at once: the same limit for every face, and a word for the others."""

import asyncio
from typing import Any

from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.units import Listener, Route
from naftiko_run.types import Inputs, Outcome
from tests.exposes.mcp_peers import META, Listening, Request, ask, message, request, server, tool


async def test_beyond_the_limit_requests_of_every_face_are_told_to_come_again() -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()
    running: list[Inputs] = []

    async def slow(inputs: Inputs) -> Outcome:
        running.append(inputs)
        if len(running) == 2:
            begun.set()
        await let_go.wait()
        return Outcome(200, b"{}", "application/json")

    route = Route(method="GET", path="/slow", adapter="api", name="", description="", flow=slow)
    app = ListenerApp("127.0.0.1")
    served = server([tool("slow", slow)])
    await app.update(Listener(address="127.0.0.1", port=80, routes=(route,), servers=(served,)))
    app._load.most = 2
    call = request(message("tools/call", {"name": "slow", "_meta": META}))

    def get(path: str) -> Any:  # noqa: ANN401 - a request at another path
        class There(Request):
            @property
            def scope(self) -> Any:  # noqa: ANN401
                return {**super().scope, "path": path, "raw_path": path.encode()}

        return ask(app, There(b"", [("host", "localhost")], "GET"))

    # Who listens is no load: any number may.
    listening = [Listening(app) for _ in range(3)]
    for client in listening:
        await client.next()
    under_way = [asyncio.ensure_future(ask(app, call)), asyncio.ensure_future(get("/slow"))]
    await asyncio.wait_for(begun.wait(), 5)
    for refused in (await ask(app, call), await get("/slow"), await get("/docs")):
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert "try again" in refused.json["detail"]
    assert (await get("/healthz")).status == 200
    let_go.set()
    assert [answer.status for answer in await asyncio.gather(*under_way)] == [200, 200]
    assert app._load.under_way == 0
    assert (await get("/slow")).status == 200
    app.release()
    await asyncio.gather(*(client.task for client in listening))
    await app.stop()
    assert app._load.under_way == 0
