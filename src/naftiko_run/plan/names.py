"""Names that every MCP client accepts: of tools and of their arguments."""

import hashlib
import re
from collections.abc import Iterable, Sequence

from naftiko_run.types import Argument

MAX_NAME = 64
_NOT_PORTABLE = re.compile(r"[^A-Za-z0-9_.-]")


def tool_name(name: str, taken: Iterable[str]) -> str:
    """Make a tool's name portable and unique: at most 64 of ``A-Z a-z 0-9 _ . -``."""
    plain = _NOT_PORTABLE.sub("_", name) or "tool"
    if len(plain) > MAX_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        plain = f"{plain[: MAX_NAME - 9]}-{digest}"
    return _unique(plain, set(taken), "-")


def properties(arguments: Sequence[Argument]) -> dict[str, str]:
    """Give each argument a property name; the map leads from it to the argument's key.

    Names that some clients refuse get ``_`` for each character that is not portable; the original
    spelling is accepted too, as it is the key itself.
    """
    # Names that are portable as they stand keep them, whoever else would turn into one.
    taken = {a.name for a in arguments if _portable(a.name) == a.name}
    published: dict[str, str] = {}
    for argument in arguments:
        name = _portable(argument.name)
        if name != argument.name or name in published:
            name = _unique(name, taken | published.keys(), "_")
        published[name] = argument.key
    return published


def _portable(name: str) -> str:
    plain = _NOT_PORTABLE.sub("_", name)
    if plain != name and not name.endswith("_"):
        plain = plain.rstrip("_")  # page[size] reads better as page_size than as page_size_
    return plain[:MAX_NAME] or "_"


def _unique(name: str, taken: set[str], mark: str) -> str:
    if name not in taken:
        return name
    number = 2
    while (candidate := f"{name[: MAX_NAME - 4]}{mark}{number}") in taken:
        number += 1
    return candidate
