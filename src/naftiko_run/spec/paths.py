"""How the paths of resources and operations join (published dialect, operation-level paths)."""

import re
from collections.abc import Callable, Container, Iterable

from naftiko_run.findings import Finding
from naftiko_run.spec.document import Where

Report = Callable[[Finding], None]


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


def placeholders_of_others(path: str, names: Container[str] | None = None) -> dict[str, str]:
    """Find placeholders as other frameworks write them (``:id``, ``<id>``, ``{+id}``, ``{id?}``).

    Gives what each is called here. Only the ``names`` count where some are given: elsewhere such
    a text may mean itself.
    """
    found = ((match[0], match[match.lastindex or 0]) for match in _OTHER.finditer(path))
    return {text: f"{{{name}}}" for text, name in found if names is None or name in names}


def as_here(path: str, where: Where, report: Report, names: Container[str] | None = None) -> str:
    """Write placeholders of other frameworks as the language does, and say so."""
    for written, meant in placeholders_of_others(path, names).items():
        report(
            where.warning("W-PLACEHOLDER", f"{written!r} is read as {meant!r}", f"write {meant!r}")
        )
        path = _replaced(path, written, meant)
    return path


def _replaced(path: str, written: str, meant: str) -> str:
    ends = r"(?=/|$)" if written[0] == ":" else ""
    return re.sub(re.escape(written) + ends, lambda _: meant, path)


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
