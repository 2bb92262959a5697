"""Reads ``with``: the values that a unit or a step gives to what it calls."""

from collections.abc import Mapping

from naftiko_run.findings import Finding
from naftiko_run.spec.node import Node, kind
from naftiko_run.types import Json


def read_with(node: Node) -> tuple[Mapping[str, Json], Finding | None]:
    """Read ``with``; the finding says why it cannot be.

    In a list, each entry has ``name`` and ``value``, or is a mapping of its own.
    """
    written = node.data.get("with")
    if written is None:
        return {}, None
    entries = written if isinstance(written, list) else [written]
    values: dict[str, Json] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            return {}, node.where.at("with").error(
                "E-TYPE", f"'with' must be a mapping, is {kind(written)}", "write 'name: value'"
            )
        if isinstance(written, list) and entry.keys() == {"name", "value"}:
            values[str(entry["name"])] = entry["value"]
        else:
            values.update(entry)
    return values, None
