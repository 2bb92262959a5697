"""Lists of entries with names, and maps of them: how a text turns from one into the other."""

import re

import yaml

from naftiko_run.loading.migrate.edits import Edits
from naftiko_run.loading.migrate.nodes import (
    Pair,
    Tree,
    colon_after,
    end_of,
    is_empty,
    pair,
    pairs,
    remove,
    text_of,
)
from naftiko_run.loading.migrate.walk import Named

_HARMLESS = frozenset({"resource", "rest resource", "rest operation"})
"""Kinds whose names nothing refers to: one may be made up."""


def entries(named: Named) -> list[yaml.Node]:
    """Return the entries of a collection in either form."""
    if isinstance(named.node, yaml.MappingNode):
        return [value for _, value in named.node.value]
    return list(named.node.value)


def in_the_way(tree: Tree, named: Named) -> yaml.Node | None:
    """Return an entry that cannot be rewritten: it is no mapping, or has an anchor or a tag."""
    for item in entries(named):
        if is_empty(item) and isinstance(named.node, yaml.MappingNode):
            continue
        if not isinstance(item, yaml.MappingNode) or tree.text[item.start_mark.index] in "&!":
            return item
    for key, _ in pairs(named.node):
        before = tree.text[max(0, key.start_mark.index - 100) : key.start_mark.index]
        if before.rstrip(" \t\r\n").endswith("?"):
            return key
    return None


# ------------------------------------------------------------------------------------- to maps


def names(tree: Tree, named: Named) -> list[str] | None:
    """Return the keys that the entries of a list get, as they are written; None if some have none.

    A map keeps one entry per key: equal names are as bad as none, where they mean something.
    """
    found = [_name_of(tree, named.kind, item) for item in entries(named)]
    taken: set[str] = {_plain(name) for name in found if name}
    seen: set[str] = set()
    result = []
    for item, name in zip(entries(named), found, strict=True):
        if name is None or _plain(name) in seen:
            if named.kind not in _HARMLESS:
                return None
            wanted = _plain(name) if name else _made_up(named.kind, item)
            name = _unique(wanted, taken | seen)  # noqa: PLW2901 - the one it gets
        seen.add(_plain(name))
        result.append(name)
    return result


def _plain(name: str) -> str:
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if quoted else name


def _name_of(tree: Tree, kind: str, item: yaml.Node) -> str | None:
    found = _name_pair(kind, item)
    if found is not None:
        return tree.name(found[1])
    if kind == "tool" and (ref := text_of(item, "ref")):
        return ref.rpartition(".")[2] or None  # as it is called where it has no name
    return None


def _name_pair(kind: str, item: yaml.Node) -> Pair | None:
    for key in ("name", "id") if kind == "operation" else ("name",):
        if text_of(item, key):
            return pair(item, key)
    return None


def _made_up(kind: str, item: yaml.Node) -> str:
    if kind == "rest operation":
        words = text_of(item, "call", "ref").rpartition(".")[2] or text_of(item, "method") or "get"
    else:
        words = re.sub(r"\{+[^}]*\}+", "", text_of(item, "path")) or "resource"
    return re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-").lower() or "resource"


def _unique(name: str, taken: set[str]) -> str:
    count = 1
    unique = name
    while unique in taken:
        count += 1
        unique = f"{name}-{count}"
    return unique


def move_lists(tree: Tree, named: Named, edits: Edits) -> None:
    """Give a list that begins below its key room to become a map."""
    node = named.node
    if node.flow_style or not node.value:
        return
    column = tree.column(named.key.start_mark.index)
    dash = tree.dash(node.value[0])
    if tree.column(dash) <= column:
        edits.indent(tree.line_start(dash), end_of(tree.text, node), 2)


def to_map(tree: Tree, named: Named, edits: Edits) -> None:
    """Rewrite a list as a map."""
    node = named.node
    keys = names(tree, named)
    assert keys is not None  # noqa: S101 - asked before
    if node.flow_style or not node.value:
        edits.replace(node.start_mark.index, node.start_mark.index + 1, "{")
        edits.replace(node.end_mark.index - 1, node.end_mark.index, "}")
    for key, item in zip(keys, node.value, strict=True):
        gone = _gone(named.kind, item)
        if node.flow_style:
            _flow_item(tree, item, key, gone, edits)
        else:
            _block_item(tree, item, key, gone, edits)


def _gone(kind: str, item: yaml.Node) -> list[Pair]:
    wanted = ("name", "id") if kind == "operation" else ("name",)
    return [found for name in wanted if (found := pair(item, name))]


def _flow_item(tree: Tree, item: yaml.Node, key: str, gone: list[Pair], edits: Edits) -> None:
    start = item.start_mark.index
    if tree.text[start] != "{":  # [name: a]
        edits.replace(start, item.end_mark.index, f"{key}: {{}}")
        return
    edits.insert(start, f"{key}: ")
    for each in gone:
        remove(tree, item, each, edits)


def _block_item(tree: Tree, item: yaml.Node, key: str, gone: list[Pair], edits: Edits) -> None:
    dash = tree.dash(item)
    start = item.start_mark.index
    between = tree.text[dash + 1 : start]
    if isinstance(item, yaml.CollectionNode) and item.flow_style:
        edits.replace(dash, dash + 1, f"{key}:")
        for each in gone:
            remove(tree, item, each, edits)
        return
    if len(pairs(item)) == len(gone):
        edits.replace(dash, end_of(tree.text, item), f"{key}: {{}}")
        return
    first = next((each for each in gone if each[0].start_mark.index == start), None)
    if first is not None and "\n" not in between:
        edits.replace(dash, end_of(tree.text, first[1]), f"{key}:")
    elif "\n" in between:
        edits.replace(dash, dash + 1, f"{key}:")
        first = None
    else:
        indent = " " * tree.column(start)
        edits.replace(dash, start, f"{key}:{tree.line_end}{indent}")
    for each in gone:
        if each is not first:
            remove(tree, item, each, edits)


# ------------------------------------------------------------------------------------ to lists


def move_maps(tree: Tree, named: Named, edits: Edits) -> None:
    """Give the entries of a map that are indented by one column room for a dash."""
    if named.node.flow_style:
        return
    for key, value in pairs(named.node):
        if not _is_block(value):
            continue
        short = tree.column(key.start_mark.index) + 2 - tree.column(value.start_mark.index)
        if short > 0:
            edits.indent(tree.line_start(value.start_mark.index), end_of(tree.text, value), short)


def to_list(tree: Tree, named: Named, edits: Edits) -> None:
    """Rewrite a map as a list."""
    node = named.node
    if node.flow_style or not node.value:
        edits.replace(node.start_mark.index, node.start_mark.index + 1, "[")
        edits.replace(node.end_mark.index - 1, node.end_mark.index, "]")
    for key, value in pairs(node):
        _to_item(tree, key, value, edits, dash="" if node.flow_style else "- ")


def _to_item(tree: Tree, key: yaml.Node, value: yaml.Node, edits: Edits, *, dash: str) -> None:
    start, colon = key.start_mark.index, colon_after(tree.text, key)
    name = f"name: {tree.name(key)}"
    if is_empty(value):
        stop = max(colon, end_of(tree.text, value))
        edits.replace(start, stop, f"{dash}{name}" if dash else f"{{{name}}}")
    elif _is_block(value):
        room = tree.column(value.start_mark.index) - tree.column(start) - 1
        named = _name_pair("", value) is not None
        edits.replace(start, colon, "-" if named else f"-{' ' * room}{name}")
    else:
        between = tree.text[colon : value.start_mark.index]
        edits.replace(start, colon, dash.strip())
        if not between.strip() and not dash:
            edits.delete(colon, value.start_mark.index)
        if _name_pair("", value) is None:
            brace = value.start_mark.index + 1
            edits.insert(brace, name if not pairs(value) else f"{name}, ")


def _is_block(value: yaml.Node) -> bool:
    return isinstance(value, yaml.MappingNode) and not value.flow_style and bool(value.value)
