"""Routes to handlers: a trie over path segments, so that cost does not grow with their number.

Templates hold ``{name}`` and ``{{name}}`` anywhere in a segment, with names that no web framework
accepts (``{plan-id}``, ``{id.project}``). A placeholder matches one or more characters of one
segment, one named ``path`` at the end of a template for :data:`ANY` method all that remains, also
nothing. Of several matches the one with more literal characters wins, then the one with fewer
placeholders, then the earlier. Segments are split before they are decoded, in templates as in
paths: ``%2F`` divides nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from msgspec import Struct, field

from naftiko_run.exposes.segments import captured

T = TypeVar("T")
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}|\{([^{}]+)\}")
_NO_CAPTURES: Mapping[str, str] = MappingProxyType({})

ANY = "*"
"""Every method that a path has no route of its own for."""


class _Leaf(Struct, Generic[T]):
    """What a path leads to; each method has its own names for the placeholders."""

    rank: tuple[int, int, int]
    values: dict[str, T]
    names: dict[str, tuple[str, ...]]
    rest: bool = False


class _Node(Struct, Generic[T]):
    literal: dict[str, "_Node[T]"] = field(default_factory=dict)
    patterns: dict[tuple[str, ...], "_Node[T]"] = field(default_factory=dict)
    """Segments with placeholders among other text, by that text: before, between and behind."""
    any: "_Node[T] | None" = None
    rest: _Leaf[T] | None = None
    leaf: _Leaf[T] | None = None


class Match(Struct, Generic[T], frozen=True):
    """A path that is known: what each method leads to, and the values of its placeholders."""

    values: Mapping[str, T]
    names: Mapping[str, tuple[str, ...]]
    captured: tuple[str, ...]

    def captures(self, method: str) -> dict[str, str]:
        """Return the values of the placeholders under the names of a method's template."""
        return dict(zip(self.names[method], self.captured, strict=True))


def split(path: str) -> list[str]:
    """Split a path into its segments; a trailing slash makes no difference."""
    path = path.strip("/")
    return path.split("/") if path else []


def placeholders(path: str) -> list[str]:
    """Return the names of a template's placeholders, in order."""
    return [m[1] or m[2].strip() for m in _PLACEHOLDER.finditer(path)]


def shape(path: str) -> str:
    """Write a template without the names of its placeholders: equal shapes match equal paths."""
    return "/".join(_decoded(_PLACEHOLDER.sub("{}", segment)) for segment in split(path))


def takes_rest(path: str) -> bool:
    """Say whether a template for any method ends in what matches all that remains."""
    last = _PLACEHOLDER.fullmatch(path.rstrip("/").rpartition("/")[2])
    return last is not None and (last[1] or last[2].strip()) == "path"


def _after(path: str, count: int) -> str:
    """Return what follows so many segments, as it was received."""
    segments = path.lstrip("/").split("/", count)
    return segments[count] if len(segments) > count else ""


class Router(Generic[T]):
    """Finds what serves a path; ``T`` is whatever a method of a path leads to."""

    def __init__(self) -> None:
        """Begin without routes."""
        self._root: _Node[T] = _Node()
        self._count = 0
        # Routes without placeholders have more literal characters than any other that matches
        # their path, so they need no walk.
        self._literal: dict[bytes, dict[str, T]] = {}

    def add(self, path: str, method: str, value: T) -> bool:
        """Add a route; False, and nothing happens, where its path and method are taken."""
        rest = method == ANY and takes_rest(path)
        node = self._root
        for segment in split(path)[: -1 if rest else None]:
            node = _child(node, segment)
        self._count += 1
        leaf = node.rest if rest else node.leaf
        if leaf is None:
            leaf = _Leaf(_rank(path, self._count, rest=rest), {}, {}, rest)
            if rest:
                node.rest = leaf
            else:
                node.leaf = leaf
        if method in leaf.values:
            return False
        names = tuple(placeholders(path))
        leaf.values[method] = value
        leaf.names[method] = names
        if not names and path.isascii() and "%" not in path:
            self._literal[path.encode()] = leaf.values
        return True

    def best(self, raw_path: bytes, method: str) -> tuple[T, Mapping[str, str]] | None:
        """Find what serves a method of a path as it was received, and the placeholders' values."""
        values = self._literal.get(raw_path)
        if values is not None and method in values:
            return values[method], _NO_CAPTURES
        for match in self.find(raw_path):
            if method in match.values:
                return match.values[method], match.captures(method)
            if ANY in match.values:
                return match.values[ANY], match.captures(ANY)
        return None

    def find(self, raw_path: bytes) -> list[Match[T]]:
        """Find all routes of a path as it was received, the best first."""
        path = raw_path.decode("latin-1")
        segments = [_decoded(segment) for segment in split(path)]
        leaves = list(_walk(self._root, segments, 0, ()))
        if len(leaves) > 1:
            leaves.sort(key=lambda found: found[0].rank)
        return [
            Match(leaf.values, leaf.names, captures)
            if not leaf.rest
            else Match(leaf.values, leaf.names, (*captures[:-1], _after(path, int(captures[-1]))))
            for leaf, captures in leaves
        ]


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    return unquote_to_bytes(segment).decode("utf-8", "surrogateescape")


def _child(node: _Node[T], segment: str) -> _Node[T]:
    if not _PLACEHOLDER.search(segment):
        return node.literal.setdefault(_decoded(segment), _Node())
    if _PLACEHOLDER.fullmatch(segment):
        node.any = node.any or _Node()
        return node.any
    return node.patterns.setdefault(_literals(segment), _Node())


def _literals(segment: str) -> tuple[str, ...]:
    """Give what stands before, between and behind the placeholders of a template's segment."""
    ends = [0, *(end for match in _PLACEHOLDER.finditer(segment) for end in match.span())]
    starts = [*ends[1:], len(segment)]
    pieces = [segment[start:end] for start, end in zip(ends, starts, strict=True)]
    return tuple(_decoded(piece) for piece in pieces[::2])


def _rank(path: str, order: int, *, rest: bool) -> tuple[int, int, int]:
    names = len(placeholders(path)) + rest
    literal = sum(len(_decoded(segment)) for segment in split(_PLACEHOLDER.sub("", path)))
    return (-literal, names, order)


def _walk(
    node: _Node[T], segments: Sequence[str], index: int, captures: tuple[str, ...]
) -> Iterator[tuple[_Leaf[T], tuple[str, ...]]]:
    if node.rest is not None:
        yield node.rest, (*captures, str(index))
    if index == len(segments):
        if node.leaf is not None:
            yield node.leaf, captures
        return
    segment = segments[index]
    child = node.literal.get(segment)
    if child is not None:
        yield from _walk(child, segments, index + 1, captures)
    for literals, target in node.patterns.items():
        found = captured(literals, segment)
        if found is not None:
            yield from _walk(target, segments, index + 1, (*captures, *found))
    if node.any is not None and segment:
        yield from _walk(node.any, segments, index + 1, (*captures, segment))
