"""The nodes of a YAML text with the range of each, and ways to take entries out of it."""

import json
import re
from bisect import bisect_right

import yaml
from msgspec import Struct

from naftiko_run.loading.migrate.edits import Edits

Pair = tuple[yaml.Node, yaml.Node]

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NOT_TEXT = re.compile(r"[-+.]?[0-9].*|true|false|null|~|", re.IGNORECASE)
_BLANK = re.compile(r"(?:[ \t\r\n]|(?<=[ \t\r\n])#[^\n]*)*")


class Tree(Struct, frozen=True):
    """A text and its nodes; ``dashes`` are where entries of block lists begin."""

    text: str
    root: yaml.Node
    dashes: tuple[int, ...]
    alias: int | None
    """Where the first alias stands: the node that it stands for has another place."""
    line_end: str

    def dash(self, item: yaml.Node) -> int:
        """Return where the dash before an entry of a block list stands."""
        return self.dashes[bisect_right(self.dashes, item.start_mark.index) - 1]

    def raw(self, node: yaml.Node) -> str:
        """Return what is written for a node."""
        return self.text[node.start_mark.index : end_of(self.text, node)]

    def name(self, node: yaml.Node) -> str:
        """Write a scalar so that it can be a key, or the value of one, and is a text."""
        raw = self.raw(node)
        plain = isinstance(node, yaml.ScalarNode) and not node.style
        if "\n" in raw or not raw or (plain and _NOT_TEXT.fullmatch(raw)):
            return json.dumps(node.value, ensure_ascii=False)
        return raw

    def line_start(self, at: int) -> int:
        """Return where the line of a position begins."""
        return self.text.rfind("\n", 0, at) + 1

    def next_line(self, at: int) -> int:
        """Return where the line after that of a position begins."""
        stop = self.text.find("\n", at)
        return len(self.text) if stop < 0 else stop + 1

    def column(self, at: int) -> int:
        """Return how many characters stand before a position in its line."""
        return at - self.line_start(at)


def compose(text: str, plain: str) -> Tree:
    """Read the nodes of a text that is known to be a document; ``plain`` is it for PyYAML."""
    root = yaml.compose(plain, Loader=_LOADER)
    dashes = []
    alias = None
    for token in yaml.scan(plain, Loader=_LOADER):
        if isinstance(token, yaml.BlockEntryToken):
            dashes.append(token.start_mark.index)
        elif isinstance(token, yaml.AliasToken) and alias is None:
            alias = token.start_mark.index
    assert root is not None  # noqa: S101 - an empty file is no document
    return Tree(text, root, tuple(dashes), alias, "\r\n" if "\r\n" in text else "\n")


def end_of(text: str, node: yaml.Node) -> int:
    """Return where a node ends: PyYAML counts what comes after a block collection to it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(node, yaml.MappingNode) else last
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        start: int = node.start_mark.index
        return start + len(text[start:end].rstrip())
    return end


def pairs(node: yaml.Node | None) -> list[Pair]:
    """Return the keys and values of a mapping, nothing for any other node."""
    return node.value if isinstance(node, yaml.MappingNode) else []


def pair(node: yaml.Node, *names: str) -> Pair | None:
    """Return the first of these keys that a mapping has, with its value."""
    found = {key.value: (key, value) for key, value in reversed(pairs(node))}
    return next((found[name] for name in names if name in found), None)


def text_of(node: yaml.Node, *names: str) -> str:
    """Return the text under the first of these keys that has one, empty where none has."""
    for name in names:
        found = pair(node, name)
        if found is None or not isinstance(found[1], yaml.ScalarNode):
            continue
        value: str = found[1].value
        if value and (found[1].style or value not in ("null", "~", "Null", "NULL")):
            return value
    return ""


def is_empty(node: yaml.Node) -> bool:
    """Say whether a node is a null."""
    if not isinstance(node, yaml.ScalarNode) or node.style:
        return False
    return node.value in ("", "~", "null", "Null", "NULL")


def colon_after(text: str, key: yaml.Node) -> int:
    """Return the position after a key's colon; of the key itself, where a flow has none."""
    end = end_of(text, key)
    found = _BLANK.match(text, end)
    at = found.end() if found else end
    return at + 1 if text.startswith(":", at) else end


def remove(tree: Tree, holder: yaml.Node, gone: Pair, edits: Edits) -> None:
    """Take a key and its value out of a mapping."""
    start, end = (
        gone[0].start_mark.index,
        max(colon_after(tree.text, gone[0]), end_of(tree.text, gone[1])),
    )
    if isinstance(holder, yaml.CollectionNode) and holder.flow_style:
        _remove_from_flow(tree.text, holder, start, end, edits)
        return
    line = tree.line_start(start)
    if not tree.text[line:start].strip():
        stop = tree.next_line(end)
        comment = _comment_after(tree.text, end)
        if comment is not None:
            edits.delete(start, comment)  # what is said about it stays
        else:
            edits.delete(line, stop)
        return
    # It stands behind a dash: the next key takes its place.
    following = [key for key, _ in pairs(holder) if key.start_mark.index > start]
    if following:
        edits.delete(start, following[0].start_mark.index)
    else:
        edits.replace(start, end, "{}")


def _comment_after(text: str, end: int) -> int | None:
    found = re.compile(r"[ \t]+(?=#)").match(text, end)
    return found.end() if found else None


def _remove_from_flow(text: str, holder: yaml.Node, start: int, end: int, edits: Edits) -> None:
    found = _BLANK.match(text, end)
    after = found.end() if found else end
    if text.startswith(",", after):
        stop = after + 1
        while text[stop : stop + 1] in (" ", "\t"):
            stop += 1
        line = text.rfind("\n", 0, start) + 1
        rest = re.compile(r"\r?\n").match(text, stop)
        if rest and not text[line:start].strip():
            start, stop = line, rest.end()  # it had the line for itself
        edits.delete(start, stop)
        return
    before = text.rfind(",", holder.start_mark.index, start)
    first = all(key.start_mark.index >= start for key, _ in pairs(holder))
    edits.delete(start if first or before < 0 else before, end)
