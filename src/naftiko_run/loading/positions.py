"""Where each node of a document stands in its text.

The composer notes three numbers per node in the order of the text: where it starts, where it ends,
and (for a collection) which node follows it. Findings look up their path in that table; a lookup
touches only the siblings along the path. Names of keys are read from the text again, since only the
few keys along a path matter.
"""

from array import array

from naftiko_run.findings import DocPath
from naftiko_run.loading.events import SCALAR, events

Span = tuple[int, int]
"""From where to where in the text."""


class Positions:
    """The table of a text's nodes; the composer fills it, :meth:`find` reads it."""

    __slots__ = ("_known", "after", "ends", "starts")

    def __init__(self) -> None:
        """Start with no node."""
        self.starts = array("L")
        self.ends = array("L")
        self.after = array("L")
        """The node after a collection; 0 for what is no collection."""
        self._known: dict[int, list[int]] = {}

    def find(self, text: str, path: DocPath, *, key: bool = False) -> Span:
        """Return the place of a value, or of its key; without it, of the nearest key above it."""
        if not self.starts:
            return 0, 0
        name, at = -1, 0
        for part in path:
            found = self._child(text, at, part)
            if found is None:
                key = True
                break
            name, at = found
        place = self._span(at)
        # An empty value has no place of its own.
        return self._span(name) if name >= 0 and (key or place[0] == place[1]) else place

    def _span(self, at: int) -> Span:
        return self.starts[at], self.ends[at]

    def _children(self, at: int) -> list[int]:
        if at not in self._known:
            children, child = [], at + 1
            while child < self.after[at]:
                children.append(child)
                child = self.after[child] or child + 1
            self._known[at] = children
        return self._known[at]

    def _child(self, text: str, at: int, part: str | int) -> tuple[int, int] | None:
        """Return the nodes of a member's key (-1 for an item) and of its value."""
        at = self._target(text, at)
        children = self._children(at)
        if isinstance(part, int):
            return (-1, children[part]) if part < len(children) else None
        merges = []
        for key, value in zip(children[::2], children[1::2], strict=False):
            name = self._name(text, key)
            if name == part:
                return key, value
            if name == "<<":
                merges.append(value)
        return self._merged(text, merges, part)

    def _merged(self, text: str, merges: list[int], part: str) -> tuple[int, int] | None:
        for merge in merges:
            at = self._target(text, merge)
            is_list = text[self.starts[at]] in "[-"
            for source in self._children(at) if is_list else [at]:
                found = self._child(text, source, part)
                if found:
                    return found
        return None

    def _target(self, text: str, at: int) -> int:
        """Follow an alias to the last node before it that has its name."""
        written = text[self.starts[at] : self.ends[at]] if not self.after[at] else ""
        if not written.startswith("*"):
            return at
        anchor = "&" + written[1:]
        for node in range(at - 1, -1, -1):
            start = self.starts[node]
            if text.startswith(anchor, start) and not text[start + len(anchor)].strip(" \t\r\n,]}"):
                return node
        return at

    def _name(self, text: str, at: int) -> str:
        """Read a key: most are written as they are."""
        written = text[self.starts[at] : self.ends[at]]
        if written[:1] not in ("'", '"', "&", "*", "!", "|", ">", "?"):
            return written
        if written.startswith("*"):
            at = self._target(text, at)
            written = text[self.starts[at] : self.ends[at]]
        take = events(written)
        while type(event := take()) is not SCALAR:
            pass
        return event.value
