"""JSONPath: the corpora beside this file, and properties that hold for every expression."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.errors import UnsupportedError
from naftiko_run.mapping import jsonpath
from naftiko_run.mapping.jsonpath import JsonPathError, compile_path
from naftiko_run.types import MISSING, Json


def _load(name: str) -> Any:  # noqa: ANN401 - plain data
    return yaml.safe_load((Path(__file__).parent / "cases" / name).read_text(encoding="utf-8"))


_cases = [(group["given"], case) for group in _load("jsonpath.yaml") for case in group["cases"]]
_published: list[str] = _load("published.yaml")


@pytest.mark.parametrize(("root", "case"), _cases, ids=[c["expression"] for _, c in _cases])
def test_expression_yields_what_the_corpus_says(root: Json, case: dict[str, Any]) -> None:
    path = compile_path(case["expression"])
    found = path.find(root)
    if case.get("missing"):
        assert (found, path.evaluate(root)) == (MISSING, None)
    else:
        assert json.dumps(found) == json.dumps(case["expect"])
        assert path(root) == path.evaluate(root) == found
    assert path.definite is not case.get("indefinite", False)
    assert path.array_length is case.get("array_length", False)
    assert path.identity is (case["expression"].strip() in ("$", "$."))


@pytest.mark.parametrize("case", _load("jsonpath_errors.yaml"), ids=lambda c: c["expression"])
def test_malformed_expression_is_refused_when_it_is_compiled(case: dict[str, str]) -> None:
    with pytest.raises(JsonPathError) as caught:
        compile_path(case["expression"])
    assert str(caught.value) == case["error"]
    assert 0 <= caught.value.position <= len(case["expression"])


@pytest.mark.parametrize("expression", _published)
def test_published_expression_reads_what_it_names(expression: str) -> None:
    path = compile_path(expression)
    names = [name for name in expression.removeprefix("$").split(".") if name]
    root: Json = "found"
    for name in reversed(names):
        root = {name: root}
    if expression == "$[*]":
        assert path([1, 2]) == [1, 2]
    else:
        assert path(root) == "found"
        assert path.definite


def test_path_shows_its_expression_and_its_first_name() -> None:
    assert repr(compile_path("$.data[*].id")) == "Path($.data[*].id)"
    firsts = {e: compile_path(e).first for e in ("$.a.b", "['a']", "length", "$", "$[0].a", "$..a")}
    assert firsts == {
        "$.a.b": "a",
        "['a']": "a",
        "length": "length",
        "$": None,
        "$[0].a": None,
        "$..a": None,
    }


def test_depth_of_the_data_is_no_limit() -> None:
    root: Json = {"id": 0}
    for number in range(1, 5000):
        root = {"id": number, "inner": [root]}
    assert len(compile_path("$..id")(root) or ()) == 5000  # type: ignore[arg-type]
    assert compile_path("$..[?(@.id == 3)].id")(root) == [3]
    assert compile_path("$[?(@.inner == $.inner)].id")(root) == [4999]


def test_expression_may_be_long_and_deep_within_limits() -> None:
    steps = ".a" * 900
    assert compile_path(f"${steps}")({"a": 1}) is None
    test = "(" * 15 + "@.a == 1" + ")" * 15
    assert compile_path(f"$[?{test}]")([{"a": 1}]) == [{"a": 1}]
    with pytest.raises(JsonPathError, match="too long"):
        compile_path("$" + ".a" * 1000)
    for expression in ("$[?" + "(" * 30, "$[?(@ in " + "[" * 30, "$" + "[?(@" * 30):
        with pytest.raises(JsonPathError, match="too deeply"):
            compile_path(expression)


def test_integers_of_any_size_are_aggregated_or_missing() -> None:
    total = compile_path("$.sum()").find
    assert total([2**70, 1]) == 2.0**70
    assert total([10**400]) is MISSING
    assert total([1.7e308, 1.7e308]) is MISSING


_scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "a", "b", "1", ""])
)
_names = st.sampled_from(["a", "b", "length", "x y"])
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=20,
)
_segments = st.sampled_from(
    """
    .a .b ['x\\u0020y'] .length [0] [-1] [0,1] [0,-1] [1:] [::-1] [*] .* ..a ..* ..[0]
    ['a','b'] ..['a','b'] .sum() .length() .first() [?(@.a)] [?(@.a>0)] [?(@==$.a)]
    ..[?(@.b!='a')] [?(@.a=~/.*/)]
    """.split()
)
_expressions = st.lists(_segments, max_size=4).map(lambda parts: "$" + "".join(parts))


@given(_expressions, _json)
def test_evaluation_never_raises_and_keeps_its_promises(expression: str, root: Json) -> None:
    try:
        path = compile_path(expression)
    except JsonPathError as error:
        assert "allowed twice" in error.message or "function" in error.message  # noqa: PT017
        return
    before = json.dumps(root)
    found = path.find(root)
    assert json.dumps(root) == before
    assert path.evaluate(root) == (None if found is MISSING else found)
    assert path.definite or found is MISSING or isinstance(found, list)


@given(st.text("$@.[]*?()'\",:0-1ab /=<>!&|~\\", max_size=30))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        path = compile_path(text)
    except JsonPathError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017
    else:
        path.evaluate({"a": [{"b": 1}]})


@pytest.mark.parametrize("expression", ["$..x..x", "$..[?(@..x)]", "$..x[*]..x"])
def test_data_that_are_nested_deeply_are_not_visited_without_end(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonpath, "MOST_VISITED", 200_000)
    nested: Json = 1
    for _ in range(100):
        nested = {"x": [nested]}
    path = compile_path(expression)
    for few in (1, 2, 2, 2):  # each evaluation begins anew
        assert path.evaluate([nested] * few)
    with pytest.raises(UnsupportedError, match="too often"):
        path.evaluate([nested] * 50)
