"""Names that every MCP client accepts (R-MCP-5)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naftiko_run.plan.names import properties, tool_name
from naftiko_run.types import Argument

PORTABLE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@pytest.mark.parametrize(
    ("name", "taken", "served"),
    [
        ("get-ship", [], "get-ship"),
        ("get-ship", ["get-ship"], "get-ship-2"),
        ("get-ship", ["get-ship", "get-ship-2"], "get-ship-3"),
        ("list-openapi.yml", [], "list-openapi.yml"),
        ("get ship/é", [], "get_ship__"),
        ("", [], "tool"),
        ("x" * 64, [], "x" * 64),
    ],
)
def test_tool_names_are_portable_and_unique(name: str, taken: list[str], served: str) -> None:
    assert tool_name(name, taken) == served


def test_long_tool_names_stay_apart() -> None:
    first, second = tool_name("x" * 100, []), tool_name("x" * 101, [])
    assert first != second
    assert all(PORTABLE.fullmatch(name) for name in (first, second))


@pytest.mark.parametrize(
    ("names", "published"),
    [
        (["a", "b-c", "d.e"], ["a", "b-c", "d.e"]),
        (["$top", "page[size]", "filter[a][b]"], ["_top", "page_size", "filter_a__b"]),
        (["page[size]", "page_size"], ["page_size_2", "page_size"]),
        (["page_size", "page[size]", "page(size)"], ["page_size", "page_size_2", "page_size_3"]),
        (["é", "日"], ["_", "__2"]),
    ],
)
def test_properties_of_arguments_are_portable_and_lead_back_to_them(
    names: list[str], published: list[str]
) -> None:
    made = properties([Argument(key=name, name=name) for name in names])
    assert made == dict(zip(published, names, strict=True))


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), unique=True))
def test_any_names_become_as_many_portable_properties(names: list[str]) -> None:
    made = properties([Argument(key=name, name=name) for name in names])
    assert sorted(made.values()) == sorted(names)
    assert all(PORTABLE.fullmatch(name) for name in made)
