"""Where each value of a document stands in its text.

Only findings need it, so it is made from the text a second time, when the first is asked for.
The events of the parser become one flat table; a collection's row knows the row that follows it,
so a lookup touches only the siblings along its path.
"""

from dataclasses import dataclass

from naftiko_run.findings import DocPath
from naftiko_run.loading.events import (
    ALIAS,
    LIST,
    LIST_END,
    MAPPING,
    MAPPING_END,
    SCALAR,
    STREAM_END,
    Kind,
    Take,
)

Span = tuple[int, int]
"""From where to where in the text."""


@dataclass(slots=True, eq=False)
class _Row:
    """One node: its place, its text or its alias's target, and the row after it."""

    kind: Kind
    start: int
    end: int
    text: str = ""
    target: int = -1
    after: int = -1


class Positions:
    """The places of a text's nodes, by their path in the document."""

    def __init__(self, take: Take) -> None:
        """Read the events of a text that is known to be YAML."""
        self._rows = _rows(take)

    def find(self, path: DocPath, *, key: bool = False) -> Span:
        """Return the place of a value, or of its key, or of the nearest that exists above it."""
        place, at = (0, 0), 0
        if not self._rows:
            return place
        place = self._span(0)
        for part in path:
            found = self._child(at, part)
            if found is None:
                return place
            name, at = found
            wanted = self._span(at)
            # An empty value has no place of its own.
            use_key = name >= 0 and (key or wanted[0] == wanted[1])
            place = self._span(name) if use_key else wanted
        return place

    def _span(self, at: int) -> Span:
        return self._rows[at].start, self._rows[at].end

    def _child(self, at: int, part: str | int) -> tuple[int, int] | None:
        """Return the rows of a member's key (-1 for an item) and of its value."""
        row = self._rows[at]
        if row.kind is ALIAS:
            return self._child(row.target, part)
        if row.kind is MAPPING:
            return self._member(at, str(part))
        if row.kind is LIST and isinstance(part, int):
            return self._item(at, part)
        return None

    def _item(self, at: int, index: int) -> tuple[int, int] | None:
        end, item = self._rows[at].after, at + 1
        for _ in range(index):
            if item >= end:
                return None
            item = self._rows[item].after
        return (-1, item) if item < end else None

    def _member(self, at: int, name: str) -> tuple[int, int] | None:
        end, key, merges = self._rows[at].after, at + 1, []
        while key < end:
            value = self._rows[key].after
            text = self._key_text(key)
            if text == name:
                return key, value
            if text == "<<":
                merges.append(value)
            key = self._rows[value].after
        for merge in merges:
            found = self._merged(merge, name)
            if found:
                return found
        return None

    def _merged(self, at: int, name: str) -> tuple[int, int] | None:
        row = self._rows[at]
        if row.kind is ALIAS:
            return self._merged(row.target, name)
        if row.kind is MAPPING:
            return self._member(at, name)
        item, found = at + 1, None
        while item < row.after and not found:
            found = self._merged(item, name)
            item = self._rows[item].after
        return found

    def _key_text(self, at: int) -> str:
        row = self._rows[at]
        return self._rows[row.target].text if row.kind is ALIAS else row.text


def _rows(take: Take) -> list[_Row]:
    rows: list[_Row] = []
    open_rows: list[_Row] = []
    anchors: dict[str | None, int] = {}
    while (kind := type(event := take())) is not STREAM_END:
        if kind is MAPPING_END or kind is LIST_END:
            closed = open_rows.pop()
            closed.after, closed.end = len(rows), event.end_mark.index
            continue
        if kind not in (SCALAR, ALIAS, MAPPING, LIST):
            continue
        row = _Row(kind, event.start_mark.index, event.end_mark.index, after=len(rows) + 1)
        if kind is ALIAS:
            row.target = anchors[event.anchor]
        elif event.anchor is not None:
            anchors[event.anchor] = len(rows)
        if kind is SCALAR:
            row.text = event.value
        elif kind is not ALIAS:
            open_rows.append(row)
        rows.append(row)
    return rows
