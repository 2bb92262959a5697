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
            keys={k: k if v is None else str(v) for k, v in (node.data.get("keys") or {}).items()},
        )
        for node in holder.entries("binds")
        if isinstance(node.data.get("keys") or {}, dict) and not is_import(node, "binds")
    )
