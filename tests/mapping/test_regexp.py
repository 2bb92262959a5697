"""Patterns of tests: the answers of Python's own matcher, in linear time."""

import re
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.mapping.jsonpath_syntax import JsonPathError, Pattern
from naftiko_run.mapping.regexp import compile_pattern

_atoms = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", r"\.", "[]a]", r"\x61", "A", ""]
)
_patterns = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("({0[0]}|{0[1]})".format),
        st.tuples(
            inner, st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,2}", "{2,}", "{0,3}"])
        ).map("(?:{0[0]}){0[1]}".format),
    ),
    max_leaves=8,
)
_flags = {"i": re.IGNORECASE, "s": re.DOTALL}


@given(_patterns, st.sampled_from(["", "i", "s"]), st.text("aAb.\n1", max_size=6))
def test_pattern_matches_what_python_matches(text: str, flags: str, subject: str) -> None:
    expected = re.fullmatch(text, subject, _flags.get(flags, 0)) is not None
    assert compile_pattern(Pattern(text, flags, 0))(subject) is expected


@pytest.mark.parametrize(
    "text", ["(a+)+b", "(a|aa)+b", "(.*)*x", ".*a.*a.*a.*b", "((a{0,9}){0,9})b", "([a-z]+)*@"]
)
def test_hostile_pattern_takes_linear_time(text: str) -> None:
    matches = compile_pattern(Pattern(text, "", 0))
    started = perf_counter()
    assert not matches("a" * 100_000)
    assert perf_counter() - started < 5  # a backtracking matcher would not come back


def test_moves_that_are_remembered_are_bounded() -> None:
    matches = compile_pattern(Pattern(".*", "", 0))
    assert matches("".join(map(chr, range(0x4E00, 0x4E00 + 15_000))))


def test_usual_patterns() -> None:
    uuid = compile_pattern(Pattern("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "i", 0))
    assert uuid("123E4567-e89b-12d3-a456-426614174000")
    assert not uuid("123E4567-e89b-12d3-a456-42661417400")
    anchored = compile_pattern(Pattern(r"^key_\w+\$$", "", 0))
    assert anchored("key_1$")
    assert not anchored("my key_1$")


def test_pattern_that_is_too_large_is_refused_at_once() -> None:
    for text in (".{201}", "(((){1000}){1000}){1000}", "((a{20}){20}){20}"):
        with pytest.raises(JsonPathError, match="too large"):
            compile_pattern(Pattern(text, "", 0))
