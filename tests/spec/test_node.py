"""Typed reading of raw mappings: what is of the wrong kind is told and counts as absent."""

from collections.abc import Callable
from typing import Any

import pytest

from naftiko_run.findings import Finding
from naftiko_run.spec.document import UNSET, Where
from naftiko_run.spec.node import Node, kind
from tests.spec.documents import source


def node(data: dict[str, Any]) -> tuple[Node, list[Finding]]:
    findings: list[Finding] = []
    return Node(data, Where(source("a: 1")), findings.append), findings


def text(made: Node) -> object:
    return made.text("x", "alias")


def flag(made: Node) -> object:
    return made.flag("x")


def number(made: Node) -> object:
    return made.number("x")


def entries(made: Node) -> object:
    return next(made.entries("x"), None)


def texts(made: Node) -> object:
    return made.texts("x")


@pytest.mark.parametrize(
    ("read", "data", "value"),
    [
        (text, {"x": "a"}, "a"),
        (text, {"x": 5}, "5"),
        (text, {"x": 1.5}, "1.5"),
        (text, {"x": True}, "true"),
        (text, {"x": None, "alias": "b"}, "b"),
        (text, {"x": ""}, ""),
        (text, {}, None),
        (flag, {"x": False}, False),
        (flag, {}, None),
        (number, {"x": 8080}, 8080),
        (number, {"x": " 8080 "}, 8080),
        (number, {}, None),
        (texts, {"x": "a, b c"}, ("a", "b", "c")),
        (texts, {"x": ["a", 1, {}]}, ("a", "1")),
        (texts, {}, ()),
    ],
)
def test_values_are_read_by_kind(
    read: Callable[[Node], object], data: dict[str, Any], value: object
) -> None:
    made, findings = node(data)
    assert (read(made), findings) == (value, [])


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (text, ["a"], "'x' must be a text, is a list"),
        (text, {"a": 1}, "'x' must be a text, is a mapping"),
        (flag, "maybe", "'x' must be true or false, is a text"),
        (flag, 1, "'x' must be true or false, is a number"),
        (number, "80a", "'x' must be a whole number, is a text"),
        (number, True, "'x' must be a whole number, is a boolean"),
        (number, 1.5, "'x' must be a whole number, is a number"),
        (lambda made: made.mapping("x"), "a", "'x' must be a mapping, is a text"),
        (entries, 5, "'x' must be a list or a map of entries, is a number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_and_absent(
    read: Callable[[Node], object], value: object, message: str
) -> None:
    made, findings = node({"x": value})
    assert read(made) is None
    assert [(f.code, f.pointer, f.message) for f in findings] == [("E-TYPE", "x", message)]


def test_a_value_of_any_kind_may_be_unset_or_null() -> None:
    made, _ = node({"x": None})
    assert (made.raw("x"), made.raw("y")) == (None, UNSET)
    assert (made.has("x"), made.has("y", "x"), made.has("y")) == (True, True, False)


def test_a_collection_is_a_list_or_a_map_of_names() -> None:
    made, findings = node(
        {"x": [{"a": 1}, 5], "y": {"first": {"a": 1}, "second": None, "third": 5}}
    )
    assert [(n.key, dict(n.data), n.where.path) for n in made.entries("x")] == [
        ("", {"a": 1}, ("x", 0))
    ]
    assert [(n.key, dict(n.data), n.where.path) for n in made.entries("z", "y")] == [
        ("first", {"a": 1}, ("y", "first")),
        ("second", {}, ("y", "second")),
    ]
    assert [(f.pointer, f.message) for f in findings] == [
        ("x[1]", "an entry of 'x' must be a mapping, is a number"),
        ("y.third", "an entry of 'y' must be a mapping, is a number"),
    ]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "empty"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "a text"),
        ([], "a list"),
        ({}, "a mapping"),
    ],
)
def test_kinds_have_names(value: object, name: str) -> None:
    assert kind(value) == name
