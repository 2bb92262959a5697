"""Reads ``aggregates``: the flows that units name with ``ref``."""

from collections.abc import Iterator

from naftiko_run.spec.document import Aggregate
from naftiko_run.spec.imports import is_import
from naftiko_run.spec.node import Node
from naftiko_run.spec.units import read_unit


def read_aggregates(capability: Node) -> Iterator[Aggregate]:
    """Read the aggregates of a capability, without those that are imported."""
    for node in capability.entries("aggregates"):
        if not is_import(node, "aggregates"):
            yield Aggregate(
                where=node.where,
                namespace=node.text("namespace") or node.key,
                flows=tuple(read_unit(flow) for flow in node.entries("functions", "flows")),
            )
