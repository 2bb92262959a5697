"""What is said of a listener at the start."""

from naftiko_run.exposes.units import Listener, Route, Skill, SkillServer, ToolServer
from naftiko_run.server.deployment import line_of


def skills(namespace: str, *names: str) -> SkillServer:
    made = tuple(Skill(name=name, description="") for name in names)
    return SkillServer(namespace=namespace, skills=made)


def listener(*adapters: SkillServer, route: str = "", mcp: ToolServer | None = None) -> Listener:
    routes = (Route(method="GET", path=route, adapter="r", name="", description=""),)
    return Listener(
        address="127.0.0.1",
        port=3011,
        skills=adapters,
        routes=routes if route else (),
        servers=(mcp,) if mcp else (),
        adapters=tuple(adapter.namespace for adapter in adapters),
    )


def test_a_line_says_where_skills_are_and_how_many() -> None:
    base = "http://127.0.0.1:3011"
    one, two = skills("one", "a", "b"), skills("two", "c")
    assert line_of(listener(one), 3011) == f"Skills {base}/skills (2 skills): one"
    assert line_of(listener(one, two), 3011) == (
        f"Skills {base}/one/skills (2 skills) and Skills {base}/two/skills (1 skill): one, two"
    )


def test_where_a_route_claims_the_path_of_skills_it_is_below_the_namespace() -> None:
    for route in ("/skills", "/{any}", "/{a}/{b}", "/skills/{name}"):
        assert "/one/skills (1 skill)" in line_of(listener(skills("one", "a"), route=route), 3011)
    line = line_of(listener(skills("one", "a"), route="/orders"), 3011)
    assert "http://127.0.0.1:3011/skills (1 skill)" in line


def test_an_mcp_adapter_counts_the_skills_that_it_offers() -> None:
    offered = skills("one", "a").skills
    server = ToolServer(
        namespace="m", title="", version="1", instructions="", tools=(), skills=offered
    )
    assert "/mcp (1 skill)" in line_of(listener(mcp=server), 3011)
