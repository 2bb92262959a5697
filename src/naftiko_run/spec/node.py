"""Typed reading of raw mappings: the only place that touches what a YAML file holds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from naftiko_run.findings import Finding
from naftiko_run.spec.document import UNSET, Unset, Where
from naftiko_run.types import Json

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
}
_MARKS = {
    "binds": ("namespace",),
    "consumes": ("namespace", "baseUri"),
    "exposes": ("type", "namespace"),
    "resources": ("path", "uri"),
    "operations": ("method", "call"),
    "tools": ("call", "ref", "name"),
    "steps": ("type", "call"),
    "inputParameters": ("in", "type"),
    "outputParameters": ("type", "mapping"),
    "template": ("role", "content"),
}
"""Keys of an entry whose text shows that a mapping is one, and no map of several by name."""
_METHODS = frozenset("GET HEAD POST PUT PATCH DELETE".split())
_VALUE_TYPES = {
    **dict.fromkeys(("int", "int32", "int64", "long"), "integer"),
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    "bool": "boolean",
    "list": "array",
    **dict.fromkeys(("dict", "map"), "object"),
}
"""What other languages call the types of JSON."""


class Node(Struct, frozen=True):
    """A mapping of the document; ``key`` is its name where a keyed map holds it.

    Each method reads one key under its name or an alias of it, the first that is there, and gives
    None where it is absent; a value of the wrong kind is reported and counts as absent.
    """

    data: Mapping[str, Any]
    where: Where
    report: Callable[[Finding], None]
    key: str = ""

    def has(self, *names: str) -> bool:
        """Say whether any of these keys is written."""
        return any(name in self.data for name in names)

    def _first(self, names: tuple[str, ...]) -> tuple[str, Any]:
        for name in names:
            value = self.data.get(name)
            if value is not None:
                return name, value
        return names[0], None

    def _wrong(self, name: str, value: object, wanted: str) -> None:
        self.report(
            self.where.at(name).error(
                "E-TYPE", f"'{name}' must be {wanted}, is {kind(value)}", f"write {wanted}"
            )
        )

    def text(self, *names: str) -> str | None:
        """Read a text; a number or boolean is its text."""
        name, value = self._first(names)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        self._wrong(name, value, "a text")
        return None

    def flag(self, *names: str) -> bool | None:
        """Read a boolean, also one of YAML 1.1 (``yes``) or in quotes."""
        name, value = self._first(names)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and (word := value.strip().lower()) in _BOOLEANS:
            return _BOOLEANS[word]
        self._wrong(name, value, "true or false")
        return None

    def number(self, *names: str) -> int | None:
        """Read a whole number, also one written as text."""
        name, value = self._first(names)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().isdecimal():
            return int(value)
        self._wrong(name, value, "a whole number")
        return None

    def raw(self, name: str) -> Json | Unset:
        """Read a value of any kind; UNSET where the key is absent."""
        value: Json | Unset = self.data.get(name, UNSET)
        return value

    def mapping(self, *names: str) -> "Node | None":
        """Read a mapping."""
        name, value = self._first(names)
        if value is None:
            return None
        if isinstance(value, dict):
            return Node(value, self.where.at(name), self.report)
        self._wrong(name, value, "a mapping")
        return None

    def texts(self, *names: str) -> tuple[str, ...]:
        """Read a list of texts; a text alone is split at commas and spaces."""
        _, value = self._first(names)
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split())
        if isinstance(value, list):
            return tuple(str(item) for item in value if isinstance(item, str | int))
        return ()

    def entries(self, *names: str) -> Iterator["Node"]:
        """Read a collection of mappings: a list, or a map whose keys are the names.

        A single entry may stand there without either, where its own keys show it.
        """
        name, value = self._first(names)
        if value is None:
            return
        if isinstance(value, list):
            pairs = [(index, "", item) for index, item in enumerate(value)]
        elif isinstance(value, dict) and _is_entry(name, value):
            yield Node(value, self.where.at(name), self.report)
            return
        elif isinstance(value, dict):
            pairs = [(key, key, item) for key, item in value.items()]
        else:
            self._wrong(name, value, "a list or a map of entries")
            return
        for part, key, item in pairs:
            where = self.where.at(name, part)
            if isinstance(item, dict):
                yield Node(item, where, self.report, key)
            elif item is None and key:
                yield Node({}, where, self.report, key)
            else:
                self.report(
                    where.error(
                        "E-TYPE",
                        f"an entry of '{name}' must be a mapping, is {kind(item)}",
                        f"write '- name: {item}'"
                        if isinstance(item, str) and not key
                        else "write its keys below it",
                    )
                )


def kind(value: object) -> str:
    """Name the kind of a value as people say it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a mapping"


def _is_entry(name: str, value: Mapping[str, Any]) -> bool:
    return any(isinstance(value.get(mark), str) for mark in _MARKS.get(name, ()))


def value_type_of(node: Node) -> tuple[str, bool]:
    """Read the type of a value as JSON calls it, and whether it may be null as well."""
    written = node.data.get("type")
    several = written if isinstance(written, list) else [written]
    names = [each.strip().lower() for each in several if isinstance(each, str)]
    name = next((each for each in names if each != "null"), "")
    return _VALUE_TYPES.get(name, name), isinstance(written, list) and "null" in names


def type_of(node: Node) -> str:
    """Read the type in lower case; it is empty where none is written as a text."""
    value = node.data.get("type")
    return value.strip().lower() if isinstance(value, str) else ""


def method_of(node: Node) -> str:
    """Read an HTTP method; in a map of operations its key may be it. It is empty without one."""
    written = node.text("method")
    if written is None and node.key.upper() in _METHODS:
        return node.key.upper()
    return (written or "").strip().upper()


def first_written(node: Node, *names: str) -> Any:  # noqa: ANN401 - a JSON value or UNSET
    """Read the first of these keys that has a value; UNSET where none has."""
    for name in names:
        if node.data.get(name) is not None:
            return node.data[name]
    return UNSET
