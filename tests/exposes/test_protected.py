"""Where clients find out whose tokens an adapter takes, whatever else its listener serves."""

from typing import Any

import pytest

from naftiko_run.exposes.auth import Authenticator, ProtectedResource, Refusal
from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.problems import Problem
from naftiko_run.exposes.protected import WELL_KNOWN, documents, metadata_address
from naftiko_run.exposes.units import Listener, Route, SkillServer, ToolServer
from naftiko_run.types import Inputs, Outcome
from tests.exposes.listeners import status

pytestmark = pytest.mark.anyio

REFUSED = Refusal(Problem(401, "no"))


def asking(identifier: str, path: str) -> Authenticator:
    document = {"resource": identifier}
    return Authenticator(
        lambda _: REFUSED,
        {"type": "http", "scheme": "bearer"},
        resource=ProtectedResource(path, document),
    )


ONE = asking("https://a.example/one", "/one")
TWO = asking("https://a.example/two", "/two")
BARE = asking("https://a.example", "")


def found(authenticators: dict[str, Authenticator], **endpoints: str) -> dict[str, Any]:
    """Give which resource is described at each path below the well-known one."""
    paths = {f"/{path.replace('_', '/')}": name for path, name in endpoints.items()}
    return {
        path.removeprefix(WELL_KNOWN): str(document["resource"]).rpartition("/")[2]
        for path, document in documents(authenticators, paths).items()
    }


def test_one_resource_is_found_at_every_path_of_its_adapter() -> None:
    assert found({"api": ONE}) == {"": "one", "/one": "one", "/api": "one"}
    assert found({"api": ONE}, mcp="api", api_mcp="api") == {
        "": "one",
        "/one": "one",
        "/api": "one",
        "/mcp": "one",
        "/api/mcp": "one",
    }
    assert found({"api": ONE, "also": ONE})[""] == "one"
    assert found({}) == {}


def test_of_several_each_is_found_at_its_own_paths_alone() -> None:
    assert found({"a": ONE, "b": TWO}, a_mcp="a") == {
        "/one": "one",
        "/a": "one",
        "/a/mcp": "one",
        "/two": "two",
        "/b": "two",
    }
    assert found({"a": ONE, "b": BARE})[""] == "a.example", "it is the one without a path"


def test_what_a_resource_is_called_counts_before_where_an_adapter_is() -> None:
    assert found({"two": ONE, "b": TWO})["/two"] == "two"


def test_two_resources_of_one_path_are_found_by_their_adapters() -> None:
    other = asking("https://b.example/one", "/one")
    assert "/one" not in found({"a": ONE, "b": other})
    assert {"/a", "/b"} <= found({"a": ONE, "b": other}).keys()


def test_only_what_is_on_the_web_has_an_address() -> None:
    assert metadata_address("https://a.example/one", "https://a.example", "/one") == (
        "https://a.example/.well-known/oauth-protected-resource/one"
    )
    assert metadata_address("urn:example:ships", "urn://", "") == ""


async def by_route(_: Inputs) -> Outcome:
    return Outcome(299, b"{}", "application/json")


def route(method: str, path: str) -> Route:
    return Route(
        method=method,
        path=path,
        adapter="api",
        name="",
        description="",
        flow=by_route,
        authenticator=ONE,
    )


async def listening(**served: Any) -> ListenerApp:  # noqa: ANN401 - a record's fields
    app = ListenerApp("127.0.0.1")
    await app.update(Listener(address="127.0.0.1", port=80, **served))
    return app


async def test_no_placeholder_hides_the_document() -> None:
    routes = (route("GET", "/{a}/{b}"), route("GET", "/{a}/{b}/{c}"))
    app = await listening(routes=routes)
    for path in ("", "/one", "/api"):
        assert await status(app, "GET", WELL_KNOWN + path) == 200, path
        assert await status(app, "HEAD", WELL_KNOWN + path) == 200, path
        assert await status(app, "POST", WELL_KNOWN + path) == 405, path
    assert await status(app, "GET", f"{WELL_KNOWN}/other") == 401
    assert await status(app, "GET", "/.well-known/other") == 401


async def test_a_route_of_exactly_this_path_is_meant() -> None:
    app = await listening(routes=(route("GET", WELL_KNOWN),))
    assert await status(app, "GET", WELL_KNOWN) == 401
    assert await status(app, "GET", f"{WELL_KNOWN}/one") == 200


async def test_skills_and_tools_have_theirs_too() -> None:
    skills = SkillServer(namespace="k", skills=(), authenticator=ONE)
    app = await listening(skills=(skills,))
    assert await status(app, "GET", f"{WELL_KNOWN}/k") == 200
    assert await status(app, "GET", "/skills") == 401
    server = ToolServer(
        namespace="t", title="", version="1", instructions="", tools=(), authenticator=ONE
    )
    app = await listening(servers=(server,))
    try:
        assert await status(app, "GET", f"{WELL_KNOWN}/t/mcp") == 200
        assert await status(app, "GET", f"{WELL_KNOWN}/mcp") == 200
        for method in ("GET", "POST", "DELETE"):
            assert await status(app, method, "/mcp") == 401
    finally:
        await app.stop()


async def test_nothing_is_there_where_nobody_asks_for_tokens() -> None:
    app = await listening(routes=(route("GET", "/a"),))
    await app.update(Listener(address="127.0.0.1", port=80, routes=()))
    assert await status(app, "GET", WELL_KNOWN) == 404
