"""A folder as a ZIP archive that is sent while it is made: the same files give the same bytes."""

import stat
from collections.abc import Generator, Sequence
from pathlib import Path

from naftiko_run import folders

PIECE = 256 * 1024
"""How many bytes of a file are read at once."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that the format has


def pieces(folder: Path, files: Sequence[folders.File]) -> Generator[bytes]:
    """Give an archive of these files piece by piece; one that is gone meanwhile is left out."""
    import zipfile  # noqa: PLC0415 - a megabyte, and most never ask for an archive

    written = _Written()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            opened = folders.open_file(folder, file.parts)
            if opened is None:
                continue
            info = zipfile.ZipInfo(file.name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, whatever this one is
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = file.size
            left = file.size  # a file that grows meanwhile ends where it ended
            with opened, archive.open(info, "w") as entry:
                while left and (piece := opened.read(min(left, PIECE))):
                    left -= len(piece)
                    entry.write(piece)
                    if written.size >= PIECE:
                        yield written.take()
    yield written.take()


class _Written:
    """What an archive has written, until it is taken; it cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return taken
