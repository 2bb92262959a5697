"""What a request body must look like, and the exact words in which the server refuses it.

A violation's `location` is the path of keywords inside the schema, not of the value inside the
body: an item of an array has no index. A value of the wrong type is not looked at further; every
other violation is listed.
"""

import re
from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct, field

from naftiko_run.sandbox.unkey.gojson import Json, fits_int64, quote


class Violation(Struct, frozen=True):
    """One reason why a body is refused."""

    location: str
    message: str


class Findings(Struct):
    """Everything found in one body.

    `undecodable` marks a number that the schema takes for an integer and the server's decoder
    does not: written with a fraction or an exponent, or too large. That is refused later, after
    the caller is known.
    """

    violations: list[Violation] = field(default_factory=list)
    undecodable: bool = False

    def add(self, path: str, keyword: str, message: str) -> None:
        """Note that the value described at `path` breaks `keyword`."""
        self.violations.append(Violation(f"{path}/{keyword}", message))

    def wrong_type(self, path: str, value: Json, want: str, *, nullable: bool) -> None:
        """Note that the value has another type than `want`."""
        wanted = f"null or {want}" if nullable else want
        self.add(path, "type", f"got {_type_name(value)}, want {wanted}")


class Node(Protocol):
    """A part of a schema."""

    def check(self, value: Json, path: str, found: Findings) -> None:
        """Note in `found` how `value` differs from what this part describes."""


class Text(Struct, frozen=True, kw_only=True):
    """A string; its length is counted in code points."""

    shortest: int = 0
    longest: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False

    def check(self, value: Json, path: str, found: Findings) -> None:
        """Check type, length, pattern and choices."""
        if not isinstance(value, str):
            if value is not None or not self.nullable:
                found.wrong_type(path, value, "string", nullable=self.nullable)
            return
        if self.choices and value not in self.choices:
            choices = ", ".join(map(quote, self.choices))
            found.add(path, "enum", f"value must be one of {choices}")
        length = len(value)
        if length < self.shortest:
            found.add(path, "minLength", f"minLength: got {length:,}, want {self.shortest:,}")
        if self.longest is not None and length > self.longest:
            found.add(path, "maxLength", f"maxLength: got {length:,}, want {self.longest:,}")
        if self.pattern is not None and not _search(self.pattern, value):
            message = f"{quote(value)} does not match pattern {quote(self.pattern)}"
            found.add(path, "pattern", message)


class Whole(Struct, frozen=True, kw_only=True):
    """An integer; `5.0` counts as one here, as in JSON Schema."""

    least: int | None = None
    most: int | None = None
    nullable: bool = False

    def check(self, value: Json, path: str, found: Findings) -> None:
        """Check type and bounds."""
        if not _is_whole(value):
            if value is not None or not self.nullable:
                found.wrong_type(path, value, "integer", nullable=self.nullable)
            return
        if self.least is not None and value < self.least:
            found.add(path, "minimum", f"minimum: got {_number(value)}, want {_number(self.least)}")
        if self.most is not None and value > self.most:
            found.add(path, "maximum", f"maximum: got {_number(value)}, want {_number(self.most)}")
        if not fits_int64(value):
            found.undecodable = True


class Flag(Struct, frozen=True, kw_only=True):
    """A boolean."""

    def check(self, value: Json, path: str, found: Findings) -> None:
        """Check the type."""
        if not isinstance(value, bool):
            found.wrong_type(path, value, "boolean", nullable=False)


class Record(Struct, frozen=True, kw_only=True):
    """An object with known members; `extra` tells whether it may have others."""

    members: Mapping[str, Node]
    required: tuple[str, ...] = ()
    extra: bool = False
    nullable: bool = False

    def check(self, value: Json, path: str, found: Findings) -> None:
        """Check type, required members, every member, and members that are not known."""
        if not isinstance(value, dict):
            if value is not None or not self.nullable:
                found.wrong_type(path, value, "object", nullable=self.nullable)
            return
        missing = [name for name in self.required if name not in value]
        if missing:
            noun = "property" if len(missing) == 1 else "properties"
            found.add(path, "required", f"missing {noun} {', '.join(map(quote, missing))}")
        for name, node in self.members.items():
            if name in value:
                node.check(value[name], f"{path}/properties/{name}", found)
        if self.extra or value.keys() <= self.members.keys():
            return
        names = ", ".join(quote(name) for name in value if name not in self.members)
        found.add(path, "additionalProperties", f"additional properties {names} not allowed")


class Free(Struct, frozen=True, kw_only=True):
    """An object whose members are the caller's own."""

    most: int
    nullable: bool = False

    def check(self, value: Json, path: str, found: Findings) -> None:
        """Check type and number of members."""
        if not isinstance(value, dict):
            if value is not None or not self.nullable:
                found.wrong_type(path, value, "object", nullable=self.nullable)
        elif len(value) > self.most:
            message = f"maxProperties: got {len(value):,}, want {self.most:,}"
            found.add(path, "maxProperties", message)


class Series(Struct, frozen=True, kw_only=True):
    """An array of values of one kind."""

    item: Node
    fewest: int = 0
    most: int | None = None

    def check(self, value: Json, path: str, found: Findings) -> None:
        """Check type, number of items and every item."""
        if not isinstance(value, list):
            found.wrong_type(path, value, "array", nullable=False)
            return
        if len(value) < self.fewest:
            found.add(path, "minItems", f"minItems: got {len(value):,}, want {self.fewest:,}")
        if self.most is not None and len(value) > self.most:
            found.add(path, "maxItems", f"maxItems: got {len(value):,}, want {self.most:,}")
        for item in value:
            self.item.check(item, f"{path}/items", found)


def check(node: Node, value: Json) -> Findings:
    """Give everything that is wrong with a decoded body."""
    found = Findings()
    node.check(value, "", found)
    return found


def _search(pattern: str, value: str) -> bool:
    # In the server's regular expressions `$` is the end of the text, never before a last newline.
    return re.search(pattern.replace("$", r"\Z"), value) is not None


def _is_whole(value: Json) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _type_name(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), "null")


_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _number(value: float) -> str:
    """Format a bound or a value: thousands commas, from a million on as a power of ten."""
    if abs(value) < 1_000_000:
        return f"{int(value):,}"
    mantissa, _, exponent = f"{float(value)!r}".partition("e")
    if not exponent:
        digits = f"{abs(int(value))}"
        exponent = f"{len(digits) - 1}"
        tail = digits[1:].rstrip("0")
        mantissa = ("-" if value < 0 else "") + digits[0] + (f".{tail}" if tail else "")
    power = f"{int(exponent):02d}".translate(_SUPERSCRIPT)
    return f"{mantissa}\N{MULTIPLICATION SIGN}10{power}"
