"""What a listener answers beside its routes, over in-process ASGI."""

import pytest

from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.units import Listener, Route, ToolServer
from naftiko_run.types import Inputs, Outcome
from tests.exposes.listeners import answer, status

pytestmark = pytest.mark.anyio

PAGES = ("/docs", "/openapi.json", "/healthz")


async def by_route(_: Inputs) -> Outcome:
    return Outcome(299, b"{}", "application/json")


def route(method: str, path: str) -> Route:
    return Route(method=method, path=path, adapter="api", name="", description="", flow=by_route)


async def listening(*routes: Route, server: ToolServer | None = None) -> ListenerApp:
    app = ListenerApp("127.0.0.1")
    servers = (server,) if server else ()
    await app.update(Listener(address="127.0.0.1", port=80, routes=routes, servers=servers))
    return app


@pytest.mark.parametrize("path", PAGES)
async def test_a_route_of_another_method_hides_no_page(path: str) -> None:
    app = await listening(route("DELETE", "/{x}"))
    assert await status(app, "GET", path) == 200
    assert await status(app, "HEAD", path) == 200
    assert await status(app, "DELETE", path) == 299, "the route answers its own method"
    assert await status(app, "POST", path) == 405


@pytest.mark.parametrize("path", PAGES)
async def test_a_route_that_reads_a_pages_path_is_served_instead(path: str) -> None:
    app = await listening(route("GET", "/{x}"))
    assert await status(app, "GET", path) == 299


async def test_an_mcp_endpoint_yields_to_a_route_that_is_posted_to() -> None:
    tools = ToolServer(namespace="m", title="", version="1", instructions="", tools=())
    for method, reached in (("DELETE", True), ("GET", True), ("POST", False)):
        app = await listening(route(method, "/{x}"), server=tools)
        try:
            assert ("/mcp" in app.endpoints) is reached
            assert await status(app, method, "/mcp") == 299
            if reached:
                assert await status(app, "POST", "/mcp") not in (299, 404, 405)
        finally:
            await app.stop()


async def test_the_page_of_routes_escapes_descriptions_and_marks_code() -> None:
    described = Route(
        method="GET",
        path="/a",
        adapter="api",
        name="",
        description="Give `id` & `<b>`, or ` nothing.",
        flow=by_route,
    )
    app = await listening(described)
    page = app.pages["/docs"][0].decode()
    assert "<p>Give <code>id</code> &amp; <code>&lt;b&gt;</code>, or ` nothing.</p>" in page


async def test_what_is_no_route_leads_to_the_page_of_routes() -> None:
    answered = await answer(await listening(route("GET", "/a")), "GET", "/")
    assert b"no route '/' here; GET /docs lists those that there are" in answered
    assert b"/docs" not in await answer(await listening(), "GET", "/")
