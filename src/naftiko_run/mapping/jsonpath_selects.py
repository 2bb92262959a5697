"""The steps of indefinite JSONPath expressions: each goes from a list of values to another.

What does not fit is skipped, and none calls itself: the depth of the data never becomes depth of
the Python stack. None raises, but for ``..`` where data that are nested deeply would be visited
more often than :data:`MOST_VISITED`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from naftiko_run.errors import UnsupportedError
from naftiko_run.mapping.jsonpath_functions import length_member
from naftiko_run.types import MISSING, Json

Select = Callable[[list[Json], Json], list[Json]]
"""From values, and the root that they come from, to values."""

Check = Callable[[Json, Json], bool]
"""Whether a value, with the root that it comes from, passes a test."""

MOST_VISITED = 10_000_000
"""How many values ``..`` may visit in one evaluation: one inside another comes again for each."""


class Visits:
    """How many values may still be visited in the evaluation that is under way."""

    left = MOST_VISITED


_container_types = frozenset({dict, list})


def member(name: str) -> Select:
    """Select the member of one name of each object."""

    def select(nodes: list[Json], _root: Json) -> list[Json]:
        objects: list[Any] = nodes
        try:
            return [node[name] for node in objects]
        except (KeyError, TypeError):
            return [node[name] for node in objects if type(node) is dict and name in node]

    return select


def elements(indexes: Sequence[int]) -> Select:
    """Select the elements at some indexes of each array."""

    def select(nodes: list[Json], _root: Json) -> list[Json]:
        return [
            node[index]
            for node in nodes
            if isinstance(node, list)
            for index in indexes
            if -len(node) <= index < len(node)
        ]

    return select


def elements_from(part: slice) -> Select:
    """Select a range of each array."""

    def select(nodes: list[Json], _root: Json) -> list[Json]:
        return [item for node in nodes if isinstance(node, list) for item in node[part]]

    # RFC 9535 section 2.3.4.2: a step of 0 selects nothing.
    return _nothing if part.step == 0 else select


def _nothing(_nodes: list[Json], _root: Json) -> list[Json]:
    return []


def merged(names: Sequence[str], *, whole: bool = False) -> Select:
    """Make of each object one that has some of its members; ``whole`` skips those that lack any."""

    def select(nodes: list[Json], _root: Json) -> list[Json]:
        return [
            {name: node[name] for name in names if name in node}
            for node in nodes
            if isinstance(node, dict) and not (whole and set(names) - node.keys())
        ]

    return select


def each_member(names: Sequence[str]) -> Select:
    """Select the members of some names of each object, one by one."""

    def select(nodes: list[Json], _root: Json) -> list[Json]:
        return [
            node[name] for node in nodes if isinstance(node, dict) for name in names if name in node
        ]

    return select


def every(nodes: list[Json], _root: Json) -> list[Json]:
    """Select all elements of arrays and all members of objects."""
    if len(nodes) == 1 and isinstance(nodes[0], list):
        return nodes[0]
    found: list[Json] = []
    for node in nodes:
        if isinstance(node, list):
            found += node
        elif isinstance(node, dict):
            found += node.values()
    return found


def lengths(nodes: list[Json], _root: Json) -> list[Json]:
    """Select the members named ``length`` of objects, and the lengths of arrays."""
    return [value for node in nodes if (value := length_member(node)) is not MISSING]


def matching(check: Check) -> Select:
    """Select the elements of arrays that pass a test, and the objects that do."""

    def select(nodes: list[Json], root: Json) -> list[Json]:
        return [
            item
            for node in nodes
            if isinstance(node, list | dict)
            for item in (node if isinstance(node, list) else (node,))
            if check(item, root)
        ]

    return select


def containers(nodes: list[Json]) -> list[Json]:
    """List the objects and arrays and those inside them, each before what it holds.

    Raises:
        UnsupportedError: they are more than may still be visited.
    """
    found: list[Json] = []
    for start in nodes:
        stack = [start]
        while stack:
            node = stack.pop()
            if type(node) is dict:
                found.append(node)
                stack += [
                    item for item in reversed(node.values()) if type(item) in _container_types
                ]
            elif type(node) is list:
                found.append(node)
                stack += [item for item in reversed(node) if type(item) in _container_types]
        _check(len(found))
    Visits.left -= len(found)
    return found


def values(nodes: list[Json]) -> list[Json]:
    """List the values and everything inside them, each before what it holds.

    Raises:
        UnsupportedError: they are more than may still be visited.
    """
    found: list[Json] = []
    for start in nodes:
        stack = [start]
        while stack:
            node = stack.pop()
            found.append(node)
            if isinstance(node, list):
                stack += node[::-1]
            elif isinstance(node, dict):
                stack += reversed(node.values())
        _check(len(found))
    Visits.left -= len(found)
    return found


def _check(found: int) -> None:
    if found > Visits.left:
        raise UnsupportedError("a path with '..' would visit values of these data too often")
