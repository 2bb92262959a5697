"""How the paths of resources and operations join (published dialect, operation-level paths)."""

import re
from collections.abc import Iterable

from naftiko_run.spec.node import Node


def rooted(path: str) -> str:
    """Give a path its leading slash; an empty one and a bare query stay as they are."""
    return path if not path or path[0] in "/?" else f"/{path}"


def extends(path: str, base: str) -> bool:
    """Say whether a path equals another or continues it at a slash."""
    base = base.rstrip("/")
    return bool(base) and (path == base or path.startswith((f"{base}/", f"{base}?")))


def are_absolute(pairs: Iterable[tuple[str, str]]) -> bool:
    """Say whether a block writes whole paths on its operations.

    ``pairs`` are the paths of resource and operation. One operation that repeats its resource's
    path decides for the whole block.
    """
    return any(extends(rooted(own), rooted(base)) for base, own in pairs if own and own != "/")


_OTHER = re.compile(
    r"(?<=/):([A-Za-z_][\w-]*)(?=/|$)"  # Express, Rails
    r"|(?<=/)<(?:\w+:)?([A-Za-z_][\w-]*)>(?=/|$)"  # Flask
    r"|(?<!\{)\{\+([A-Za-z_][\w-]*)\}(?!\})"  # RFC 6570
    r"|(?<!\{)\{([A-Za-z_][\w-]*)(?:\*|\+|\?|:(?:int|str|path|uuid|float)|=[\w*/-]+)\}(?!\})"
)


def read(node: Node) -> str:
    """Read ``path``, empty where there is none.

    Placeholders as other frameworks write them (``:id``, ``<id>``, ``{+id}``, ``{id?}``) are
    written as the language does, which is told.
    """
    path = node.text("path") or ""
    for match in _OTHER.finditer(path):
        written, meant = match[0], f"{{{match[match.lastindex or 0]}}}"
        node.report(
            node.where.at("path").warning(
                "W-PLACEHOLDER", f"{written!r} is read as {meant!r}", f"write {meant!r}"
            )
        )
    return _OTHER.sub(lambda match: f"{{{match[match.lastindex or 0]}}}", path)


def join(base: str, own: str, *, absolute: bool = False) -> str:
    """Join a resource's path with an operation's.

    ``/`` alone means the resource itself; ``:verb``, ``(``, ``?`` and ``#`` continue a segment.
    """
    if not own:
        return rooted(base)
    if absolute or base in ("", "/"):
        return rooted(own)
    if own == "/":
        return rooted(base)
    if own[0] in ":(?#":
        return rooted(base + own)
    return rooted(f"{base.rstrip('/')}/{own.lstrip('/')}")
