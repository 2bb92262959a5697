"""Comparisons of JSON values inside JSONPath tests; none of them raises.

``==`` compares by value: objects and arrays deeply, a number also with a text that writes it
(as Jayway JsonPath does). ``===`` wants one type as well. Order is known only between two numbers
or two texts. What is missing equals nothing, not even what is missing too.
"""

import re
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from naftiko_run.types import MISSING, Json, Missing

Comparator = Callable[[Json | Missing, Json | Missing], bool]
"""Whether a value on the left stands in a relation to one on the right."""

_number_types = frozenset({int, float})
_decimal = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


def equal(left: Json | Missing, right: Json | Missing) -> bool:
    """``==``: the same value, a numeric text counting as its number."""
    if isinstance(left, str) and is_number(right):
        return number(left) == right
    if isinstance(right, str) and is_number(left):
        return left == number(right)
    return identical(left, right)


def identical(left: Json | Missing, right: Json | Missing) -> bool:
    """``===``: the same value and type, compared deeply without deep calls."""
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        if a is MISSING or b is MISSING or _kind(a) is not _kind(b):
            return False
        if isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            pairs += [(a[key], b[key]) for key in a]
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            pairs += zip(a, b, strict=True)
        elif a != b:
            return False
    return True


def _kind(value: object) -> type:
    return float if type(value) is int else type(value)


def is_number(value: object) -> bool:
    """Whether a value is a JSON number, which a Python bool is not."""
    return type(value) in _number_types


def number(text: str) -> float | None:
    """Read a text as a number, None where it is none."""
    if not _decimal.fullmatch(text):
        return None
    return int(text) if text.removeprefix("-").isdigit() else float(text)


def _ordered(compare: Callable[[Any, Any], bool]) -> Comparator:
    def test(left: Json | Missing, right: Json | Missing) -> bool:
        if isinstance(left, str):
            return isinstance(right, str) and compare(left, right)
        return is_number(left) and is_number(right) and compare(left, right)

    return test


def _within(left: Json | Missing, right: Json | Missing) -> bool:
    return isinstance(right, list) and any(equal(left, item) for item in right)


def _contains(left: Json | Missing, right: Json | Missing) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return _within(right, left)


def _not(compare: Comparator) -> Comparator:
    return lambda left, right: not compare(left, right)


_orders: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}

comparisons: dict[str, Comparator] = {
    "==": equal,
    "!=": _not(equal),
    "===": identical,
    "!==": _not(identical),
    "in": _within,
    "nin": _not(_within),
    "contains": _contains,
} | {operator: _ordered(compare) for operator, compare in _orders.items()}
"""The operators of tests, except ``=~``."""


def against(operator: str, right: Json) -> Callable[[Any], bool]:
    """Compare with a value that is known beforehand; the commonest comparisons have short cuts."""
    if operator in ("==", "===") and isinstance(right, str) and number(right) is None:
        return lambda left: left == right
    if operator in _orders and is_number(right):
        order = _orders[operator]
        return lambda left: type(left) in _number_types and order(left, right)
    compare = comparisons[operator]
    return lambda left: compare(left, right)
