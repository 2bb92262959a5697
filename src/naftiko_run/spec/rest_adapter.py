"""Reads what a REST adapter exposes: the operations of its resources, and forwards."""

from collections.abc import Iterator

from msgspec.structs import replace

from naftiko_run.spec import paths
from naftiko_run.spec.document import Forward, Unit
from naftiko_run.spec.node import Node, method_of
from naftiko_run.spec.parameters import read_parameters
from naftiko_run.spec.units import own_name, read_unit


def read_forwards(node: Node) -> Iterator[Forward]:
    """Read the resources that pass requests on as they are."""
    quiet = replace(node, report=lambda _: None)  # what they say of resources is said for units
    for resource in quiet.entries("resources"):
        block = replace(resource, report=node.report).mapping("forward")
        if block is None:
            continue
        told = quiet if resource.has("operations") else node
        path = paths.join(paths.read(replace(resource, report=told.report)), "") or "/"
        target = (block.text("targetNamespace") or "").strip()
        problem = block.where.error(
            "E-FORWARD",
            f"the forward at {path!r} has no 'targetNamespace'",
            "add the namespace of a consumed API",
            key=True,
        )
        yield Forward(
            where=block.where,
            path=path,
            target=target,
            trusted=block.texts("trustedHeaders"),
            name=own_name(resource),
            description=resource.text("description", "label", "display") or "",
            methods=frozenset(
                method_of(operation) or "GET"
                for operation in resource.entries("operations")
                if paths.join(path, paths.read(operation)) == path
            ),
            problem=None if target else problem,
        )


def read_rest_units(node: Node) -> Iterator[Unit]:
    """Read the operations of a REST adapter, with the parameters that they inherit."""
    shared = read_parameters(node)
    for resource in node.entries("resources"):
        base = paths.read(resource)
        for operation in resource.entries("operations"):
            path = paths.join(base, paths.read(operation))
            if base and base[0] not in "/?":
                node.report(
                    resource.where.at("path").warning(
                        "W-ROUTE-SLASH", f"the route {base!r} has no leading slash", "add it"
                    )
                )
            yield read_unit(
                operation,
                method=method_of(operation) or "GET",
                path=path or "/",
                inherited=(*shared, *read_parameters(resource)),
                named=resource,
            )
