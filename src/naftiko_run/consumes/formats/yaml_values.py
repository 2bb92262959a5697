"""YAML as JSON: the first document, with the types of YAML 1.2's core schema.

PyYAML scans and parses; values are composed here, because its own composer recurses and knows the
types of YAML 1.1. So a timestamp, ``yes`` and ``0b1`` are texts and ``012`` is twelve. What JSON
has no value for stays the text that it is (``.nan``, ``.inf``); tags that YAML does not define
mean nothing. Keys are texts as they are written, and of equal ones the last counts, as in JSON.
An alias stands for the very value that its anchor names, and counts with all that this holds.
"""

import math
import re
from collections.abc import Iterator
from typing import Final

import yaml
from msgspec import Struct, field

from naftiko_run.consumes.formats.charset import text_of
from naftiko_run.consumes.formats.limits import (
    MOST_LEVELS,
    MOST_VALUES,
    too_deep,
    too_long,
    too_many,
    unreadable,
)
from naftiko_run.types import Json, Reply

MOST_TEXT: Final = 8 * 1024 * 1024
"""Characters of one text: the parser takes some three seconds for them."""

MOST_ALIASED: Final = 100_000
"""Values that aliases may stand for, over those that are written."""

_MOST_DIRECTIVES: Final = 100  # libyaml takes time in the square of their number
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_TYPED: Final = frozenset(_TAG + name for name in ("int", "float", "bool", "null"))
_WORDS: Final[dict[str, Json]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+").fullmatch
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+").fullmatch
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?").fullmatch
_MOST_DIGITS: Final = 1000


class _Named(Struct, eq=False):
    """A value, how many values it holds, itself included, and how many levels."""

    value: Json
    size: int = 1
    levels: int = 0
    text: str | None = None


class _Open(Struct, eq=False):
    """A collection that is being filled."""

    value: dict[str, Json] | list[Json]
    anchor: str | None
    size: int = 1
    levels: int = 1
    key: str | None = None
    merging: bool = False
    merged: list[dict[str, Json]] = field(default_factory=list)

    def add(self, item: _Named) -> None:
        self.size += item.size
        self.levels = max(self.levels, item.levels + 1)
        if isinstance(self.value, list):
            self.value.append(item.value)
        elif self.key is None:
            if item.text is None:
                raise unreadable("YAML", "a key is a list or a mapping")
            self.key = item.text
        elif self.merging:
            self._merge(item.value)
            self.key, self.merging = None, False
        else:
            self.value[self.key] = item.value
            self.key = None

    def _merge(self, value: Json) -> None:
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, dict):
                raise unreadable("YAML", "'<<' takes mappings")
            self.merged.append(each)

    def done(self) -> _Named:
        value = self.value
        if self.merged and isinstance(value, dict):
            own, value = value, {}
            for each in self.merged:
                for key, item in each.items():
                    value.setdefault(key, item)
            value |= own
        return _Named(value, self.size, self.levels)


def read(reply: Reply) -> Json:
    """Decode a reply."""
    return parse(text_of(reply, "YAML"))


def parse(text: str) -> Json:
    """Read the first document of a text, null where there is none."""
    if len(text) > MOST_TEXT:
        raise too_long("YAML", MOST_TEXT)
    if text.count("\n%") > _MOST_DIRECTIVES and "\n%TAG" in text:
        raise unreadable("YAML", f"it has more than {_MOST_DIRECTIVES} directives")
    try:
        return _first(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise unreadable("YAML", f"{line}{error.problem or error.context}") from None
    except yaml.YAMLError:  # of the reader: its text shows the characters themselves
        raise unreadable("YAML", "it holds characters that YAML does not allow") from None


def _first(events: Iterator[yaml.Event]) -> Json:
    stack: list[_Open] = []
    anchors: dict[str, _Named] = {}
    written = aliased = 0
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            item = _scalar(event)
            anchor = event.anchor
            if stack and _starts_merge(stack[-1], event):
                stack[-1].merging = True
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(stack) >= MOST_LEVELS:
                raise too_deep("YAML")
            mapping = isinstance(event, yaml.MappingStartEvent)
            stack.append(_Open({} if mapping else [], event.anchor))
            continue
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor = stack[-1].anchor
            item = stack.pop().done()
        elif isinstance(event, yaml.AliasEvent):
            anchor = None
            found = anchors.get(event.anchor or "")
            if found is None:
                raise unreadable("YAML", "an alias names no value before it")
            item = found
            aliased += item.size
            if aliased > MOST_ALIASED:
                raise unreadable("YAML", f"its aliases stand for more than {MOST_ALIASED:,} values")
            if len(stack) + item.levels > MOST_LEVELS:
                raise too_deep("YAML")
        elif isinstance(event, yaml.DocumentEndEvent):
            break
        else:
            continue
        written += 1
        if written + aliased > MOST_VALUES:
            raise too_many("YAML")
        if anchor is not None:
            anchors[anchor] = item
        if not stack:
            return item.value
        stack[-1].add(item)
    return None


def _starts_merge(top: _Open, event: yaml.ScalarEvent) -> bool:
    waits = isinstance(top.value, dict) and top.key is None
    return waits and event.value == "<<" and bool(event.implicit[0])


def _scalar(event: yaml.ScalarEvent) -> _Named:
    text: str = event.value
    is_plain = event.implicit[0] if event.tag is None else event.tag in _TYPED
    return _Named(_plain(text) if is_plain else text, text=text)


def _plain(text: str) -> Json:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if len(text) > _MOST_DIGITS:
        if _FLOAT(text) or _BASED(text):
            raise unreadable("YAML", f"a number of {len(text)} digits is too long")
        return text
    if _INTEGER(text):
        return int(text)
    if _FLOAT(text):
        value = float(text)
        if math.isinf(value):
            raise unreadable("YAML", "a number is too large")
        return value
    return int(text, 0) if _BASED(text) else text
