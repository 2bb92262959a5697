"""How the paths of resources and operations join (R-OP-1, R-PATH-7)."""

import pytest

from naftiko_run.spec.paths import are_absolute, join, rooted


@pytest.mark.parametrize(
    ("pairs", "absolute"),
    [
        ([("/repos/{o}/w", "/repos/{o}/w/{id}")], True),
        ([("/users", "/me"), ("/repos", "/repos/x"), ("/a", "/b")], True),
        ([("/infostore", "/infostore")], True),
        ([("/infostore/", "/infostore/x")], True),
        ([("infostore", "/infostore/x")], True),
        ([("/search", "/search?q={q}")], True),
        ([("/con", "/connections")], False),
        ([("/2", "/lists"), ("/3", "/lists/2")], False),
        ([("/", "/one"), ("", "/two")], False),
        ([("/a", "/"), ("/a", "")], False),
        ([], False),
    ],
)
def test_r_op_1_one_operation_that_repeats_its_resource_decides_for_the_block(
    pairs: list[tuple[str, str]], absolute: bool
) -> None:
    assert are_absolute(pairs) is absolute


@pytest.mark.parametrize(
    ("base", "own", "relative", "absolute"),
    [
        ("/2", "/lists", "/2/lists", "/lists"),
        ("/2", "lists", "/2/lists", "/lists"),
        ("/2/", "/lists", "/2/lists", "/lists"),
        ("/2", "", "/2", "/2"),
        ("/2", "/", "/2", "/"),
        ("/2/", "/", "/2/", "/"),
        ("/accounts/{id}", ":archive", "/accounts/{id}:archive", "/:archive"),
        ("/accounts/{id}", "(expand='x')", "/accounts/{id}(expand='x')", "/(expand='x')"),
        ("/a", "?x=1", "/a?x=1", "?x=1"),
        ("/a", "#x", "/a#x", "/#x"),
        ("/", "/one", "/one", "/one"),
        ("", "/one", "/one", "/one"),
        ("", "/", "/", "/"),
        ("/", "/", "/", "/"),
        ("", "", "", ""),
        ("data", "all", "/data/all", "/all"),
        ("/a", "/b/", "/a/b/", "/b/"),
    ],
)
def test_r_op_1_paths_join_in_the_style_of_their_block(
    base: str, own: str, relative: str, absolute: str
) -> None:
    assert join(base, own) == relative
    assert join(base, own, absolute=True) == absolute


@pytest.mark.parametrize(
    ("path", "with_slash"),
    [("a", "/a"), ("/a", "/a"), ("", ""), ("?a=b", "?a=b"), ("{x}", "/{x}"), ("//a", "//a")],
)
def test_r_path_7_a_leading_slash_is_added_where_it_is_missing(path: str, with_slash: str) -> None:
    assert rooted(path) == with_slash
