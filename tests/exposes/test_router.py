"""Which route a path means, whatever the order of the routes and however the path is written."""

from itertools import permutations

import pytest

from naftiko_run.exposes.router import Router, placeholders, shape, split


def routed(*paths: str) -> Router[str]:
    """Make a router whose routes lead to their own templates."""
    router: Router[str] = Router()
    for path in paths:
        assert router.add(path, "GET", path)
    return router


def found(router: Router[str], path: str) -> tuple[str, dict[str, str]] | None:
    best = router.best(path.encode(), "GET")
    return None if best is None else (best[0], dict(best[1]))


SPECIFIC = ("/a/b", "/a/b-{x}", "/a/{x}-{y}", "/a/{x}", "/{x}/b", "/{x}/{y}")


@pytest.mark.parametrize("first", SPECIFIC)
def test_the_more_literal_route_wins_whatever_the_order(first: str) -> None:
    rest = [path for path in SPECIFIC if path != first]
    for order in permutations(rest):
        _check_specific(routed(first, *order))


def _check_specific(router: Router[str]) -> None:
    assert found(router, "/a/b") == ("/a/b", {})
    assert found(router, "/a/b-1") == ("/a/b-{x}", {"x": "1"})
    assert found(router, "/a/1-2") == ("/a/{x}-{y}", {"x": "1", "y": "2"})
    assert found(router, "/a/c") == ("/a/{x}", {"x": "c"})
    assert found(router, "/c/b") == ("/{x}/b", {"x": "c"})
    assert found(router, "/c/d") == ("/{x}/{y}", {"x": "c", "y": "d"})


def test_of_equal_routes_the_one_with_fewer_placeholders_and_then_the_earlier_wins() -> None:
    router = routed("/v{a}.{b}", "/v.{c}")
    assert found(router, "/v.1") == ("/v.{c}", {"c": "1"})
    router = routed("/x-{a}", "/{b}-y")
    assert found(router, "/x-y") == ("/x-{a}", {"a": "y"})
    router = routed("/{b}-y", "/x-{a}")
    assert found(router, "/x-y") == ("/{b}-y", {"b": "x"})


@pytest.mark.parametrize(
    ("template", "path", "captures"),
    [
        ("/keys/{keyId}", "/keys/key_1", {"keyId": "key_1"}),
        ("/keys/{{ keyId }}", "/keys/key_1", {"keyId": "key_1"}),
        ("/plans/{plan-id}/{id.project}", "/plans/a/b", {"plan-id": "a", "id.project": "b"}),
        ("/files/{name}.{ext}", "/files/a.b.c", {"name": "a.b", "ext": "c"}),
        ("/{a}-{b}-{c}.x", "/1-2-3-4-.x.x", {"a": "1-2-3", "b": "4", "c": ".x"}),
        ("/{a}{b}", "/123", {"a": "12", "b": "3"}),
        ("/v{n}", "/v12", {"n": "12"}),
        ("/(a)+[b]/{x}", "/(a)+[b]/1", {"x": "1"}),
        ("/keys/{id}:verify", "/keys/k:1:verify", {"id": "k:1"}),
        ("/keys/{id}", "/keys/key_1/", {"id": "key_1"}),
        ("/keys/{id}/", "/keys/key_1", {"id": "key_1"}),
        ("/keys/{id}", "/keys/a%2Fb", {"id": "a/b"}),
        ("/keys/{id}", "/keys/%E2%82%AC", {"id": "€"}),
        ("/keys/{id}", "/keys/a+b", {"id": "a+b"}),
        ("/keys/{id}", "/keys/%", {"id": "%"}),
        ("/keys/{id}", "/keys/a%0Ab", {"id": "a\nb"}),
        ("/caf%C3%A9", "/caf%C3%A9", {}),
        ("/café", "/caf%C3%A9", {}),
        ("/a%23b/{x}", "/a%23b/1", {"x": "1"}),
        ("/a%20b-{x}%23", "/a%20b-1%23", {"x": "1"}),
        ("/", "/", {}),
        ("/{id}", "/a", {"id": "a"}),
    ],
)
def test_placeholders_take_what_stands_there(
    template: str, path: str, captures: dict[str, str]
) -> None:
    assert found(routed(template), path) == (template, captures)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/keys/{id}", "/keys"),
        ("/keys/{id}", "/keys/"),
        ("/keys/{id}", "/keys//"),
        ("/keys/{id}", "/keys/a/b"),
        ("/keys/{id}", "/KEYS/a"),
        ("/keys/{id}", "/keys%2Fa"),
        ("/v{n}", "/v"),
        ("/{a}-{b}", "/-"),
        ("/{a}-{b}", "/1-"),
        ("/aba{x}aba", "/ababa"),
        ("/a/b", "/a//b"),
        ("/a", "/a/b"),
        ("/", "/a"),
    ],
)
def test_what_does_not_match_is_not_found(template: str, path: str) -> None:
    assert found(routed(template), path) is None


def test_methods_of_one_path_are_told_and_the_first_of_two_counts() -> None:
    router: Router[str] = Router()
    assert router.add("/keys/{id}", "GET", "get")
    assert router.add("/keys/{key}", "PUT", "put")
    assert not router.add("/keys/{other}", "GET", "shadowed")
    (match,) = router.find(b"/keys/1")
    assert match.values == {"GET": "get", "PUT": "put"}
    assert router.best(b"/keys/1", "DELETE") is None


def test_a_less_literal_route_serves_the_methods_that_the_better_one_has_not() -> None:
    router: Router[str] = Router()
    router.add("/keys/me", "GET", "me")
    router.add("/keys/{id}", "DELETE", "delete")
    assert router.best(b"/keys/me", "DELETE") == ("delete", {"id": "me"})
    assert router.best(b"/keys/me", "GET") == ("me", {})


def test_names_belong_to_the_route_that_matched() -> None:
    router: Router[str] = Router()
    router.add("/keys/{id}", "GET", "get")
    router.add("/keys/{key}/more", "GET", "more")
    assert router.best(b"/keys/1/more", "GET") == ("more", {"key": "1"})
    assert router.best(b"/keys/1", "GET") == ("get", {"id": "1"})


def test_a_lookup_does_not_touch_all_of_20_000_routes() -> None:
    router: Router[int] = Router()
    for number in range(10_000):
        router.add(f"/things-{number}/{{id}}/parts", "GET", number)
        router.add(f"/things-{number}/{{id}}/parts/{{part}}", "GET", -number)
    visited = 0

    class Counting(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            nonlocal visited
            visited += 1
            return super().get(key, default)

    def count(node: object) -> None:
        literal = Counting(node.literal)  # type: ignore[attr-defined]
        node.literal = literal  # type: ignore[attr-defined]
        for child in literal.values():
            count(child)
        if node.any is not None:  # type: ignore[attr-defined]
            count(node.any)  # type: ignore[attr-defined]

    count(router._root)
    assert router.best(b"/things-9999/7/parts/8", "GET") == (-9999, {"id": "7", "part": "8"})
    assert 1 <= visited <= 10
    visited = 0
    assert router.best(b"/things-x/7/parts", "GET") is None
    assert visited <= 10


def test_hostile_paths_are_looked_up_in_reasonable_steps() -> None:
    router = routed("/{a}-{b}-{c}-{d}", "/{a}/{b}/{c}/{d}/x", "/a/{b}/c/{d}/y")
    assert found(router, "/" + "-" * 200) is not None
    assert found(router, "/a" * 20_000) is None
    assert found(routed("/{a}-{b}-{c}-{d}!"), "/" + "-" * 60_000) is None


def test_shapes_tell_which_routes_match_the_same_paths() -> None:
    assert shape("/keys/{id}") == shape("keys/{{key-id}}/") == "keys/{}"
    assert shape("/{a}-{b}") != shape("/{a}")
    assert shape("/caf%C3%A9") == shape("/café")
    assert placeholders("/{a}/{{ b }}/x{c.d}") == ["a", "b", "c.d"]
    assert split("/a//b/") == ["a", "", "b"]
    assert split("/") == []


def test_each_method_of_a_path_has_its_own_names_for_the_placeholders() -> None:
    router: Router[str] = Router()
    router.add("/keys/{id}", "GET", "read")
    router.add("/keys/{key}", "DELETE", "delete")
    assert router.best(b"/keys/1", "GET") == ("read", {"id": "1"})
    assert router.best(b"/keys/1", "DELETE") == ("delete", {"key": "1"})
