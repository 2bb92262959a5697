"""From the events of a YAML parser to plain data, within limits.

PyYAML scans and parses; what follows is ours, because its own composer lets the last of two equal
keys win, walks recursively, and knows the types of YAML 1.1. Here collections are kept on a stack
of our own, so depth costs memory and never the interpreter's stack.

An alias stands for the very object that its anchor names: it costs nothing here, but whoever walks
the data meets it again each time. So what counts is the number of nodes a walk would see.
"""

import re
from typing import NoReturn

from msgspec import Struct

from naftiko_run.findings import DocPath
from naftiko_run.loading.events import (
    DOCUMENT,
    LIST,
    LIST_END,
    MAPPING,
    MAPPING_END,
    SCALAR,
    STREAM_END,
    Event,
    Take,
)
from naftiko_run.loading.lines import Lines
from naftiko_run.loading.positions import Positions
from naftiko_run.loading.scalars import TAGS, ScalarError, plain, short, tag_text, tagged
from naftiko_run.types import Json


class Limits(Struct, frozen=True, kw_only=True):
    """How large a document may be.

    The published files have 13 KB and 1,100 nodes on average; 20,000 routes take 8 MB.
    """

    size: int = 10 * 1024 * 1024
    """Bytes of a file."""
    nodes: int = 1_000_000
    """Values and keys, each alias counted with all that it stands for."""
    alias_nodes: int = 50_000
    """How many of those may come from aliases."""
    depth: int = 100
    """Collections inside collections; also what keeps recursive readers safe."""


DEFAULT = Limits()

_MOST_FAULTS = 50
_TEMPLATE = re.compile(r"\{\{[^{}\n]*\}\}(?:[^\n#,\]}]*[^\s#,\]}])?")


class Fault(Struct, frozen=True, kw_only=True):
    """What is wrong with the YAML, from where to where in its text."""

    message: str
    fix: str = ""
    start: int
    end: int
    path: DocPath = ()


class FaultError(Exception):
    """Reading cannot go on; ``fault`` says why."""

    def __init__(self, fault: Fault) -> None:
        """Keep the fault."""
        self.fault = fault
        super().__init__(fault.message)


class _Open(Struct, eq=False):
    """A collection that is being filled."""

    value: dict[str, Json] | list[Json]
    anchor: str | None
    count: int
    """How many nodes came before it."""
    row: int
    """Its row in the table of positions."""
    key: Event | None = None
    name: str = ""
    places: dict[str, int] | None = None
    """Of a mapping: its keys so far, and where each stands first."""
    merges: list[dict[str, Json]] | None = None
    """Of a mapping: what '<<' has brought."""


class _Anchored(Struct, frozen=True):
    """What an anchor names: the value, its text if it is a scalar, its nodes and its row."""

    value: Json
    text: str | None
    size: int
    row: int


class Composer:
    """Builds the one document of a text, and the table of its positions on the way.

    ``faults`` are those after which it could go on.
    """

    def __init__(self, lines: Lines, take: Take, limits: Limits = DEFAULT) -> None:
        """Start with the first of the text's events."""
        self.faults: list[Fault] = []
        self._lines = lines
        self._limits = limits
        self._next = take
        self._stack: list[_Open] = []
        self.positions = Positions()
        self._anchors: dict[str, _Anchored] = {}
        self._open_anchors: set[str] = set()
        self._count = 0
        self._aliased = 0

    def document(self) -> Json:
        """Return the document's value, None when there is none.

        Raises:
            FaultError: it goes against a rule or a limit.
            yaml.YAMLError: it is not YAML.

        """
        self._next()  # the stream's start
        if type(self._next()) is STREAM_END:
            return None
        value = self._value()
        self._next()  # the document's end
        after = self._next()
        if type(after) is DOCUMENT:
            self._fail(
                after,
                "a second document starts here",
                "keep one document per file: split the file at this '---'",
            )
        return value

    def _value(self) -> Json:
        """Build one value from its events: the loop that all the time goes into."""
        stack, limit, take = self._stack, self._limits.nodes, self._next
        starts, ends, after = self.positions.starts, self.positions.ends, self.positions.after
        top: _Open | None = None
        value: Json
        while True:
            event = take()
            kind = type(event)
            if kind is MAPPING_END or kind is LIST_END:
                assert top is not None  # noqa: S101 - the parser pairs starts and ends
                after[top.row], ends[top.row] = len(starts), event.end_mark.index
                value = self._pop(top)
                top = stack[-1] if stack else None
                if top is None:
                    return value
                self._put(top, value)
                continue
            self._count += 1
            if self._count > limit:
                self._fail(event, f"more than {limit:,} values", "split the file")
            row = len(starts)
            starts.append(event.start_mark.index)
            ends.append(event.end_mark.index)
            after.append(0)
            if kind is SCALAR:
                if top is not None and top.key is None and top.places is not None:
                    self._key(top, top.places, event, event.value, row)
                    continue
                value = self._scalar(event, row)
            elif kind is MAPPING or kind is LIST:
                top = self._push(event, top, row)
                continue
            else:
                anchored = self._alias(event, event.anchor or "")
                self.positions.targets[row] = anchored.row
                if top is not None and top.key is None and top.places is not None:
                    if anchored.text is None:
                        self._fail(event, "a key must be text; this one is a collection")
                    self._key(top, top.places, event, anchored.text, row)
                    continue
                value = anchored.value
            if top is None:
                return value
            self._put(top, value)

    def _put(self, top: _Open, value: Json) -> None:
        if type(top.value) is list:
            top.value.append(value)
            return
        key, top.key = top.key, None
        if top.name == "<<" and key is not None and _is_merge(key):
            self._merge(top, key, value)
        elif type(top.value) is dict:
            top.value[top.name] = value

    def _key(self, top: _Open, places: dict[str, int], event: Event, text: str, row: int) -> None:
        starts, ends = self.positions.starts, self.positions.ends
        if text in places:
            self._repeated(event, text, places[text])
        else:
            places[text] = starts[row]
        if ends[row] - starts[row] != len(text):
            self.positions.names[row] = text
            if type(event) is SCALAR and event.anchor is not None:
                self._scalar(event, row)
        top.key, top.name = event, text

    def _repeated(self, event: Event, text: str, first: int) -> None:
        line = self._lines.position(first)[0]
        again = self._lines.position(event.start_mark.index)[0]
        fault = Fault(
            message=f"the key '{short(text)}' is there twice: in line {line} and in line {again}",
            fix="remove one of them, or give it its own name",
            start=event.start_mark.index,
            end=event.end_mark.index,
            path=(*self._path(), text),
        )
        if len(self.faults) >= _MOST_FAULTS:
            raise FaultError(fault)
        self.faults.append(fault)

    def _scalar(self, event: Event, row: int) -> Json:
        try:
            if event.tag is not None:
                value = tagged(event.value, event.tag)
            else:
                value = plain(event.value) if event.implicit[0] else event.value
        except ScalarError as error:
            self._fail(event, str(error), "quote it if it is meant as text")
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, event.value, 1, row)
        return value

    def _push(self, event: Event, top: _Open | None, row: int) -> _Open:
        mapping = type(event) is MAPPING
        if top is not None and top.key is None and top.places is not None:
            self._collection_as_key(event)
        if event.tag not in (None, "!", TAGS + ("map" if mapping else "seq")):
            self._fail(event, f"the tag {tag_text(event.tag)} has no meaning here", "remove it")
        if len(self._stack) >= self._limits.depth:
            self._fail(event, f"more than {self._limits.depth} levels deep", "nest less deeply")
        if event.anchor is not None:
            self._open_anchors.add(event.anchor)
        opened = _Open({} if mapping else [], event.anchor, self._count, row)
        if mapping:
            opened.places = {}
        else:
            self.positions.lists.add(row)
        self._stack.append(opened)
        return opened

    def _pop(self, top: _Open) -> Json:
        self._stack.pop()
        if top.merges and type(top.value) is dict:
            top.value = _merged(top.value, top.merges)
        if top.anchor is not None:
            size = self._count - top.count + 1
            self._open_anchors.discard(top.anchor)
            self._anchors[top.anchor] = _Anchored(top.value, None, size, top.row)
        return top.value

    def _alias(self, event: Event, name: str) -> _Anchored:
        if name in self._open_anchors:
            self._fail(
                event, f"the alias *{short(name)} stands inside what it names", "write it out"
            )
        if name not in self._anchors:
            self._fail(
                event,
                f"the alias *{short(name)} names nothing: no such anchor comes before it",
                "quote it if it is meant as text",
            )
        found = self._anchors[name]
        self._aliased += found.size
        self._count += found.size - 1
        if self._aliased > self._limits.alias_nodes or self._count > self._limits.nodes:
            most = f"{self._limits.alias_nodes:,}"
            self._fail(event, f"the aliases stand for more than {most} values", "write them out")
        return found

    def _merge(self, top: _Open, key: Event, value: Json) -> None:
        sources = value if isinstance(value, list) else [value]
        top.merges = [each for each in sources if isinstance(each, dict)]
        if len(top.merges) != len(sources):
            self._fail(
                key,
                "'<<' takes a mapping or a list of mappings",
                "quote it if it is an ordinary key",
            )

    def _collection_as_key(self, event: Event) -> NoReturn:
        start, text = event.start_mark.index, self._lines.text
        if template := _TEMPLATE.match(text, max(start - 1, 0)):
            raise FaultError(
                Fault(
                    message=f"'{short(template[0])}' without quotes is a mapping, not text",
                    fix=f'quote it: "{short(template[0])}"',
                    start=template.start(),
                    end=template.end(),
                    path=self._path(),
                )
            )
        what = "mapping" if type(event) is MAPPING else "list"
        self._fail(event, f"a key must be text; this one is a {what}", "quote it")

    def _path(self) -> DocPath:
        """Return where the loop stands: the key or index that each open collection waits for."""
        return tuple(
            o.name if type(o.value) is dict else len(o.value)
            for o in self._stack
            if type(o.value) is list or o.key is not None
        )

    def _fail(self, event: Event, message: str, fix: str = "") -> NoReturn:
        start, end = event.start_mark.index, event.end_mark.index
        raise FaultError(Fault(message=message, fix=fix, start=start, end=end, path=self._path()))


def _is_merge(key: Event) -> bool:
    return type(key) is SCALAR and bool(key.implicit[0] or key.tag == TAGS + "merge")


def _merged(own: dict[str, Json], merges: list[dict[str, Json]]) -> dict[str, Json]:
    """Put the merged keys before the own ones; own keys win, then the first of the merged."""
    merged: dict[str, Json] = {}
    for each in merges:
        for key, value in each.items():
            merged.setdefault(key, value)
    return {**merged, **own}
