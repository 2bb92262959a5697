"""The files of a folder that MCP clients may read: what is in it, and nothing else.

A name is a relative path whose segments are those of a URI, decoded one by one. Segments that
begin with a dot are hidden: neither listed nor read. Links are followed as far as they stay in the
folder. Nothing but ordinary files is ever opened.
"""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

MOST_BYTES = 10 * 1024 * 1024
"""How large a file may be where the adapter says nothing."""

MOST_FILES = 10_000
"""How many files of one folder are listed; the others can be read all the same."""

MOST_LEVELS = 32

_log = logging.getLogger("naftiko_run.mcp")


class TooLargeError(ValueError):
    """A file that is larger than may be sent."""


def listed(folder: Path) -> list[str]:
    """List the files as the ends of URIs, sorted by their path."""
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return []
    found: list[tuple[str, ...]] = []
    for parts in _walk(root, root, (), {root}):
        if len(found) == MOST_FILES:
            _log.warning("%s has more than %d files: the others are not listed", folder, MOST_FILES)
            break
        found.append(parts)
    return ["/".join(quote(part, safe="") for part in parts) for parts in sorted(found)]


def _walk(
    root: Path, folder: Path, above: tuple[str, ...], seen: set[Path]
) -> Iterator[tuple[str, ...]]:
    """Walk through each folder once, whatever links lead to it."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return
    for name in names:
        if not _is_plain(name):
            continue
        try:
            real = (folder / name).resolve(strict=True)
            mode = real.stat().st_mode
        except (OSError, RuntimeError):  # gone meanwhile, or a loop of links
            continue
        if not real.is_relative_to(root):
            continue
        if stat.S_ISREG(mode):
            yield (*above, name)
        elif stat.S_ISDIR(mode) and real not in seen and len(above) < MOST_LEVELS:
            seen.add(real)
            yield from _walk(root, real, (*above, name), seen)


def read(folder: Path, name: str, most: int) -> tuple[str, bytes] | None:
    """Read a file by the end of its URI: its decoded name and its bytes; None where there is none.

    Raises:
        TooLargeError: it has more bytes than ``most``.
    """
    try:
        parts = [unquote_to_bytes(part).decode("utf-8") for part in name.split("/")]
    except UnicodeDecodeError:
        return None
    if len(parts) > MOST_LEVELS + 1 or not all(map(_is_plain, parts)):
        return None
    try:
        root = folder.resolve(strict=True)
        real = root.joinpath(*parts).resolve(strict=True)
        if not real.is_relative_to(root):
            return None
        # It has been resolved: a link now was put there meanwhile. Do not wait for a pipe's writer.
        flags = os.O_RDONLY
        for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
            flags |= getattr(os, flag, 0)
        if not stat.S_ISREG(real.stat().st_mode):
            return None
        with open(os.open(real, flags), "rb") as opened:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                return None
            data = opened.read(most + 1)
    except (OSError, ValueError, RuntimeError):
        return None
    if len(data) > most:
        raise TooLargeError(f"the file is larger than {most} bytes")
    return parts[-1], data


def _is_plain(part: str) -> bool:
    """Say whether a segment can be the name of a file that is not hidden."""
    if not part or part[0] == "." or any(c in part for c in "/\\\0"):
        return False
    try:
        part.encode("utf-8")
    except UnicodeEncodeError:  # a name of other bytes
        return False
    return True
