"""Reads ``binds``: the names of variables, and where their values come from."""

from naftiko_run.spec.document import Bind
from naftiko_run.spec.imports import is_import
from naftiko_run.spec.node import Node


def read_binds(holder: Node) -> tuple[Bind, ...]:
    """Read the binds of a root or a capability, without those that are imported."""
    return tuple(
        Bind(
            where=node.where,
            namespace=node.text("namespace") or node.key,
            location=node.text("location"),
            keys=_keys(node.data.get("keys")),
        )
        for node in holder.entries("binds")
        if not is_import(node, "binds")
    )


def _keys(written: object) -> dict[str, str]:
    """Read names and what they are called outside; a list has names that are the same there."""
    if isinstance(written, list):
        return {name: name for name in written if isinstance(name, str)}
    if not isinstance(written, dict):
        return {}
    return {k: k if v is None else str(v) for k, v in written.items()}
