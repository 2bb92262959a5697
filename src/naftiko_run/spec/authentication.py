"""Reads ``authentication``: of a consumed API and of an adapter."""

from naftiko_run.spec.document import Authentication
from naftiko_run.spec.node import Node


def read_authentication(node: Node) -> Authentication | None:
    """Read how those who call prove who they are."""
    block = node.mapping("authentication", "auth")
    if block is None:
        return None
    return Authentication(
        where=block.where,
        type=(block.text("type") or "").strip().lower(),
        fields={k: v for k, v in block.data.items() if k != "type" and v is not None},
    )
