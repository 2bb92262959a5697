"""JSONPath: the same answers as another implementation, on what the two have in common."""

import json
import warnings

from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.mapping.jsonpath import compile_path
from naftiko_run.types import MISSING, Json

with warnings.catch_warnings():
    # It looks for names of the ast module that are going away.
    warnings.simplefilter("ignore", DeprecationWarning)
    from jsonpath import JSONPath  # type: ignore[import-untyped]  # jsonpath-python

_names = st.sampled_from(["a", "b", "c_d"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "x", "y"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=25,
).filter(lambda value: isinstance(value, list | dict))
_bound = st.sampled_from(["", "-2", "0", "1", "3"])
_segment = st.one_of(
    _names.map(".{}".format),
    _names.map("['{}']".format),
    _names.map("..{}".format),
    st.integers(0, 3).map("[{}]".format),
    st.sampled_from(["[*]", ".*"]),
    st.tuples(_bound, _bound).map(lambda bounds: "[{}:{}]".format(*bounds)),
)
_paths = st.lists(_segment, min_size=1, max_size=5).map("".join).filter(lambda p: p.count("..") < 3)

_members = st.dictionaries(_names, st.sampled_from([1, 2, 3.5]), max_size=3)
_comparison = st.tuples(
    _names,
    st.sampled_from(["==", "<", "<=", ">", ">="]),
    st.sampled_from(["1", "2", "3.5"]),
).map(lambda parts: "@.{}{}{}".format(*parts))


def _ours(expression: str, root: Json) -> str:
    path = compile_path(expression)
    found = path.find(root)
    if found is MISSING:
        return "[]"
    return json.dumps([found] if path.definite else found)


@given(_values, _paths)
def test_path_selects_what_another_implementation_selects(root: Json, path: str) -> None:
    assert _ours(f"${path}", root) == json.dumps(JSONPath(f"${path}").parse(root))


@given(st.lists(_members, max_size=5), _comparison)
def test_comparison_selects_what_another_implementation_selects(root: Json, test: str) -> None:
    assert _ours(f"$[?({test})]", root) == json.dumps(JSONPath(f"$[?({test})]").parse(root))
