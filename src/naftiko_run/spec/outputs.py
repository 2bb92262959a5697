"""Reads ``outputParameters``: the shape of an answer, and what each part of it is taken from."""

from naftiko_run.spec.document import UNSET, Output
from naftiko_run.spec.node import Node, first_written, value_type_of


def read_outputs(holder: Node) -> tuple[Output, ...]:
    """Read the outputs of a holder."""
    return tuple(_output(node) for node in holder.entries("outputParameters"))


def _output(node: Node) -> Output:
    name = node.text("name") or node.key or None
    mapping = node.text("mapping")
    value = first_written(node, "value", "const")
    if mapping is None and name and isinstance(value, str) and value.startswith("$"):
        # A named output without mapping whose value is a path: the reference reads it as one.
        mapping, value = value, UNSET
    properties = node.data.get("properties")
    length = node.data.get("maxLength")
    return Output(
        where=node.where,
        name=name,
        type=value_type_of(node)[0],
        mapping=mapping,
        value=value,
        properties=(
            {n.key or n.text("name") or "": _output(n) for n in node.entries("properties")}
            if properties
            else None
        ),
        items=_nested(node, "items"),
        values=_nested(node, "values"),
        max_length=int(length) if isinstance(length, int | str) and str(length).isdigit() else None,
    )


def _nested(node: Node, name: str) -> Output | None:
    raw = node.data.get(name)
    where = node.where.at(name)
    if _is_named(raw):
        named = [_output(each) for each in node.entries(name)]
        members = {output.name or "": output for output in named}
        return Output(where=where, type="object", properties=members)
    if isinstance(raw, list) and raw:
        raw, where = raw[0], where.at(0)
    return _output(Node(raw, where, node.report)) if isinstance(raw, dict) else None


def _is_named(items: object) -> bool:
    """Say whether 'items' holds the members of each element by name, as steps document them."""
    if isinstance(items, list):
        return bool(items) and all(isinstance(each, dict) and "name" in each for each in items)
    if not isinstance(items, dict) or not items:
        return False
    return all(
        isinstance(each, dict) and isinstance(each.get("type"), str) for each in items.values()
    )


def is_mock(outputs: tuple[Output, ...]) -> bool:
    """Say whether outputs hold values of their own, which answer without a call."""
    return any(
        output.value is not UNSET
        or is_mock(tuple((output.properties or {}).values()))
        or is_mock((output.items,) if output.items else ())
        for output in outputs
    )
