"""Reads what a document takes from other files: each form that an entry of it can have."""

from collections.abc import Iterator

from naftiko_run.findings import Finding
from naftiko_run.spec.document import Import, Where
from naftiko_run.spec.node import Node


def is_import(node: Node, section: str = "consumes") -> bool:
    """Say whether an entry of a section stands for one of another file."""
    if section != "consumes":
        return node.has("import") or (node.has("from") and not node.has("type"))
    return node.has("import", "openapi") or (node.has("ref") and not node.has("baseUri"))


def read_imports(holder: Node, section: str) -> Iterator[Import]:
    """Read the imports among the entries of a section."""
    for node in holder.entries(section):
        if is_import(node, section) and (entry := read_import(node, section)) is not None:
            yield entry


def read_import(node: Node, section: str = "consumes") -> Import | None:
    """Read one import; what names no file is reported and left out."""
    if node.has("openapi"):
        node.report(
            node.where.error(
                "E-IMPORT-OPENAPI",
                "importing an OpenAPI document is not part of the language",
                "write the operations as a 'consumes' block of type http",
            )
        )
        return None
    location = node.text("location", "from", "ref", "path")
    if location is None:
        key = "location" if section == "consumes" else "from"
        node.report(node.where.error("E-IMPORT", f"an import needs '{key}'", "add the path"))
        return None
    if not node.has("import"):
        if section != "consumes":
            message = "an import needs 'import': the namespace to take"
            node.report(node.where.error("E-IMPORT", message, "add 'import'"))
            return None
        node.report(_variant(node.where))
    return Import(
        where=node.where,
        namespace=node.text("import", "namespace", "name"),
        location=location,
        alias=node.text("as"),
        section=section,
    )


def _variant(where: Where) -> Finding:
    return where.warning(
        "W-IMPORT",
        "this form of import is not part of the language",
        "write 'consumes: [{import: <namespace>, location: <path>}]'",
    )


def read_loose_imports(holder: Node) -> Iterator[Import]:
    """Read the imports that a document writes beside its sections."""
    for key in ("import", "imports"):
        value = holder.data.get(key)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            where = holder.where.at(key, index)
            if isinstance(item, str):
                holder.report(_variant(where))
                yield Import(where=where, namespace=None, location=item)
            elif isinstance(item, dict):
                entry = read_import(Node(item, where, holder.report))
                if entry is not None:
                    yield entry
