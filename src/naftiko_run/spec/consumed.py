"""Reads ``consumes``: the APIs that are called, their operations and what these send."""

from naftiko_run.spec import paths
from naftiko_run.spec.authentication import read_authentication
from naftiko_run.spec.document import (
    UNSET,
    Body,
    ConsumedOperation,
    Consumes,
    ForEach,
    Import,
)
from naftiko_run.spec.imports import is_import, read_import, read_loose_imports
from naftiko_run.spec.media import is_media_type, read_max_binary_size
from naftiko_run.spec.node import Node, method_of
from naftiko_run.spec.outputs import read_outputs
from naftiko_run.spec.parameters import read_parameters
from naftiko_run.types import Json


def read_consumes(root: Node, capability: Node) -> tuple[tuple[Consumes, ...], tuple[Import, ...]]:
    """Read the consumed APIs of a document, and which of them it imports."""
    blocks: list[Consumes] = []
    imports: list[Import] = []
    for holder in (capability, root):
        for node in holder.entries("consumes"):
            if is_import(node):
                entry = read_import(node)
                imports.extend([entry] if entry else [])
            else:
                blocks.append(read_consumes_block(node))
        imports.extend(read_loose_imports(holder))
    return tuple(blocks), tuple(imports)


def read_consumes_block(node: Node) -> Consumes:
    """Read one consumed API."""
    written = [
        (resource, base, operation, paths.read(operation))
        for resource, base in [(each, paths.read(each)) for each in node.entries("resources")]
        for operation in resource.entries("operations")
    ]
    style = paths.are_absolute((base, own) for _, base, _, own in written)
    operations = tuple(
        _consumed_operation(operation, resource, paths.join(base, own, absolute=style))
        for resource, base, operation, own in written
    )
    return Consumes(
        where=node.where,
        namespace=node.text("namespace") or node.key,
        base_uri=node.text("baseUri") or "",
        description=node.text("description") or "",
        authentication=read_authentication(node),
        parameters=read_parameters(node),
        operations=operations,
    )


def _consumed_operation(node: Node, resource: Node, path: str) -> ConsumedOperation:
    method = method_of(node)
    if not method:
        node.report(
            node.where.warning("W-OP-METHOD", "no 'method': GET is assumed", "add 'method: GET'")
        )
    return ConsumedOperation(
        where=node.where,
        name=node.text("name", "id") or node.key,
        method=method or "GET",
        path=path,
        description=node.text("description", "label", "display") or "",
        parameters=(*read_parameters(resource), *read_parameters(node)),
        body=_body(node),
        raw_format=(node.text("outputRawFormat") or "json").strip().lower(),
        schema=node.text("outputSchema") or "",
        media_type=_media_type(node),
        max_binary_size=read_max_binary_size(node),
        outputs=read_outputs(node),
        for_each=_for_each(node),
    )


def _media_type(node: Node) -> str:
    text = (node.text("outputMediaType") or "").strip()
    if text and not is_media_type(text):
        node.report(
            node.where.at("outputMediaType").error(
                "E-TYPE", f"{text!r} is no media type", "write one such as image/png"
            )
        )
        return ""
    return text


def _body(node: Node) -> Body | None:
    raw = node.data.get("body")
    if raw is None:
        return None
    where = node.where.at("body")
    if not isinstance(raw, dict):
        return Body(where=where, type="raw" if isinstance(raw, str) else "json", data=raw)
    if "type" not in raw and "data" not in raw:
        return Body(where=where, type="json", data=raw)
    body_type = raw.get("type")
    return Body(
        where=where,
        type=str(body_type).strip() if body_type else "json",
        data=raw["data"] if raw.get("data") is not None else UNSET,
    )


def _for_each(node: Node) -> ForEach | None:
    raw = node.data.get("forEach")
    if raw is None:
        return None
    where = node.where.at("forEach")
    name: Json = raw
    element: Json = node.data.get("as")
    if isinstance(raw, dict):
        name = raw.get("forEach") or raw.get("in")
        element = raw.get("as")
    if isinstance(name, str) and isinstance(element, str) and name and element:
        return ForEach(where=where, name=name, element=element)
    node.report(
        where.error(
            "E-FOREACH",
            "'forEach' needs the name of an array parameter, and 'as' the name of one element",
            "write 'forEach: {forEach: keyIds, as: keyId}'",
        )
    )
    return None
