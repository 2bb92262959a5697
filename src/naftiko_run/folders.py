"""The files of a folder that callers may read: what is in it, and nothing else.

Resources and skills share these rules, and so does what is looked for when a document is loaded.
A name is a relative path. Segments that begin with a dot are hidden: neither listed nor read. Links
are followed as far as they stay in the folder. Nothing but ordinary files is ever opened.
"""

import hashlib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from mimetypes import MimeTypes
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

MOST_BYTES = 10 * 1024 * 1024
"""How large a file may be where the adapter says nothing."""

MOST_FILES = 10_000
"""How many files of one folder are listed; the others can be read all the same."""

MOST_LEVELS = 32

_log = logging.getLogger("naftiko_run.folders")
# What the operating system knows besides would make answers differ from one machine to the next.
_TYPES = MimeTypes()
for _ending, _type in (
    (".md", "text/markdown"),
    (".yaml", "application/yaml"),
    (".yml", "application/yaml"),
    (".toml", "application/toml"),
    (".jsonl", "application/x-ndjson"),
    (".log", "text/plain"),
):
    _TYPES.add_type(_type, _ending)


class TooLargeError(ValueError):
    """A file that is larger than may be sent."""


class File(Struct, frozen=True):
    """A file of a folder: the segments of its path below the folder, and what tells its state.

    ``path`` is where it really lies, ``size`` is in bytes, ``changed`` in nanoseconds.
    """

    parts: tuple[str, ...]
    path: Path
    size: int
    changed: int

    @property
    def name(self) -> str:
        """The path below the folder, with slashes."""
        return "/".join(self.parts)

    @property
    def uri(self) -> str:
        """The path below the folder as the end of a URI."""
        return "/".join(quote(part, safe="") for part in self.parts)


def media_type(name: str) -> str:
    """Guess a file's media type by its name; empty where nobody knows."""
    return _TYPES.guess_type(f"file:///{name}")[0] or ""


def files(folder: Path) -> list[File]:
    """Give the files of a folder, sorted by their paths; at most :data:`MOST_FILES`."""
    return walked(folder)[0]


def walked(folder: Path) -> tuple[list[File], list[Path]]:
    """Give the files of a folder, as :func:`files`, and all folders that they may lie in."""
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return [], []
    found: list[File] = []
    seen = {root}
    for file in _walk(root, root, (), seen):
        if len(found) == MOST_FILES:
            _log.warning("%s has more than %d files: the others are not listed", folder, MOST_FILES)
            break
        found.append(file)
    return sorted(found, key=lambda file: file.parts), sorted(seen)


def listed(folder: Path) -> list[str]:
    """List the files as the ends of URIs, sorted by their path."""
    return [file.uri for file in files(folder)]


def state(files: Sequence[File]) -> str:
    """Tell one state of files from another, without reading them."""
    told = "\n".join(f"{file.uri} {file.size} {file.changed}" for file in files)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def _walk(root: Path, folder: Path, above: tuple[str, ...], seen: set[Path]) -> Iterator[File]:
    """Walk through each folder once, whatever links lead to it."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return
    for name in names:
        if not is_plain(name):
            continue
        try:
            real = (folder / name).resolve(strict=True)
            status = real.stat()
        except (OSError, RuntimeError):  # gone meanwhile, or a loop of links
            continue
        if not real.is_relative_to(root):
            continue
        if stat.S_ISREG(status.st_mode):
            yield File((*above, name), real, status.st_size, status.st_mtime_ns)
        elif stat.S_ISDIR(status.st_mode) and real not in seen and len(above) < MOST_LEVELS:
            seen.add(real)
            yield from _walk(root, real, (*above, name), seen)


def read(folder: Path, name: str, most: int) -> tuple[str, bytes] | None:
    """Read a file by the end of its URI: its decoded name and its bytes; None where there is none.

    Raises:
        TooLargeError: it has more bytes than ``most``.
    """
    parts = _parts(name)
    opened = open_file(folder, parts)
    if opened is None:
        return None
    try:
        with opened:
            data = opened.read(most + 1)
    except OSError:
        return None
    if len(data) > most:
        raise TooLargeError(f"the file is larger than {most} bytes")
    return parts[-1], data


def has(folder: Path, name: str) -> bool:
    """Say whether the end of a URI is that of a file that can be read."""
    opened = open_file(folder, _parts(name))
    if opened is not None:
        opened.close()
    return opened is not None


def _parts(name: str) -> list[str]:
    """Take the end of a URI apart; nothing is left of what is no text."""
    try:
        return [unquote_to_bytes(part).decode("utf-8") for part in name.split("/")]
    except UnicodeDecodeError:
        return []


def open_file(folder: Path, parts: Sequence[str]) -> BinaryIO | None:
    """Open a file by the segments of its path; None where there is none that may be read."""
    if not parts or len(parts) > MOST_LEVELS + 1 or not all(map(is_plain, parts)):
        return None
    try:
        root = folder.resolve(strict=True)
        real = root.joinpath(*parts).resolve(strict=True)
        if not real.is_relative_to(root):
            return None
        if not stat.S_ISREG(real.stat().st_mode):
            return None
        opened = open(_descriptor(root, real), "rb")  # noqa: SIM115 - handed on
    except (OSError, ValueError, RuntimeError):
        return None
    if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        opened.close()
        return None
    return opened


def _descriptor(root: Path, real: Path) -> int:
    """Open what has been resolved: a link on the way there now was put there meanwhile."""
    flags = os.O_RDONLY
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # do not wait for a pipe's writer
        flags |= getattr(os, flag, 0)
    if os.open not in os.supports_dir_fd:
        return os.open(real, flags)
    *inner, name = real.relative_to(root).parts
    through = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    at = os.open(root, through)
    try:
        for part in inner:
            above, at = at, os.open(part, through, dir_fd=at)
            os.close(above)
        return os.open(name, flags, dir_fd=at)
    finally:
        os.close(at)


def is_plain(part: str) -> bool:
    """Say whether a segment can be the name of a file that is not hidden."""
    return part[:1] != "." and is_safe(part)


def is_safe(part: str) -> bool:
    """Say whether a segment names something in its folder, hidden or not."""
    if part in ("", ".", "..") or any(c in part for c in "/\\\0"):
        return False
    try:
        part.encode("utf-8")
    except UnicodeEncodeError:  # a name of other bytes
        return False
    return True
