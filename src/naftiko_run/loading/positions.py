"""Where each node of a document stands in its text.

The composer notes three numbers per node in the order of the text: where it starts, where it ends,
and (for a collection) which node follows it. Findings look up their path in that table; a lookup
touches only the siblings along the path. Keys are compared with the text itself, unless they are
written in another way than they read: with quotes, escapes, an anchor.
"""

from array import array

from naftiko_run.findings import DocPath

Span = tuple[int, int]
"""From where to where in the text."""


class Positions:
    """The table of a text's nodes; the composer fills it, :meth:`find` reads it."""

    __slots__ = ("_children", "after", "ends", "lists", "names", "starts", "targets")

    def __init__(self) -> None:
        """Start with no node."""
        self.starts = array("I")
        self.ends = array("I")
        self.after = array("I")
        """The node after a collection; 0 for what is no collection."""
        self.lists: set[int] = set()
        """The collections that are lists."""
        self.names: dict[int, str] = {}
        """Of keys that are not written as they read: how they read."""
        self.targets: dict[int, int] = {}
        """Of aliases: the nodes that they stand for."""
        self._children: dict[int, list[int]] = {}

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
        place = self.starts[at], self.ends[at]
        # An empty value has no place of its own.
        if name >= 0 and (key or place[0] == place[1]):
            return self.starts[name], self.ends[name]
        return place

    def _child(self, text: str, at: int, part: str | int) -> tuple[int, int] | None:
        """Return the nodes of a member's key (-1 for an item) and of its value."""
        at = self.targets.get(at, at)
        if (at in self.lists) is not isinstance(part, int):
            return None
        children = self._of(at)
        if isinstance(part, int):
            return (-1, children[part]) if part < len(children) else None
        merges = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            name = self.names.get(key)
            if name is None:
                name = text[self.starts[key] : self.ends[key]]
            if name == part:
                return key, value
            if name == "<<":
                merges.append(self.targets.get(value, value))
        return self._merged(text, merges, part)

    def _merged(self, text: str, merges: list[int], part: str) -> tuple[int, int] | None:
        for merge in merges:
            for source in self._of(merge) if merge in self.lists else [merge]:
                found = self._child(text, source, part)
                if found:
                    return found
        return None

    def _of(self, at: int) -> list[int]:
        """Return the nodes right inside a collection: items, or keys and values in turn."""
        if at not in self._children:
            children, child = [], at + 1
            while child < self.after[at]:
                children.append(child)
                child = self.after[child] or child + 1
            self._children[at] = children
        return self._children[at]
