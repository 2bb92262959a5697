"""The functions of JSONPath expressions: of one value, missing where they have no result."""

from collections.abc import Callable
from math import isfinite, nan

from naftiko_run.mapping.comparison import is_number
from naftiko_run.types import MISSING, Json, Missing


def length_member(node: Json) -> Json | Missing:
    """``.length``: the member of that name, else the length of an array."""
    if isinstance(node, dict):
        return node.get("length", MISSING)
    return len(node) if isinstance(node, list) else MISSING


def _length(node: Json) -> Json | Missing:
    return len(node) if isinstance(node, list | dict | str) else MISSING


def _aggregate(combine: Callable[[list[float]], float]) -> Callable[[Json], Json | Missing]:
    """Combine the numbers of an array into one, always with a fraction as Jayway JsonPath does."""

    def function(node: Json) -> Json | Missing:
        items = node if isinstance(node, list) else []
        try:
            numbers = [float(n) for n in items if isinstance(n, int | float) and is_number(n)]
            value = combine(numbers) if numbers else nan
        except OverflowError:
            return MISSING
        return value if isfinite(value) else MISSING

    return function


def _at(index: int) -> Callable[[Json], Json | Missing]:
    return lambda node: node[index] if isinstance(node, list) and node else MISSING


def _names(node: Json) -> Json | Missing:
    return [*node] if isinstance(node, dict) else MISSING


functions: dict[str, Callable[[Json], Json | Missing]] = {
    "length": _length,
    "size": _length,
    "sum": _aggregate(sum),
    "min": _aggregate(min),
    "max": _aggregate(max),
    "avg": _aggregate(lambda numbers: sum(numbers) / len(numbers)),
    "first": _at(0),
    "last": _at(-1),
    "keys": _names,
}
