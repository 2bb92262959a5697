"""Locations: the folders and files that a document names by ``file:`` URIs.

``file:///./x`` and ``file:///../x`` count from the folder of the file that says so; any other path
is absolute.
"""

import re
from pathlib import Path
from urllib.parse import unquote

from naftiko_run.loading.files import Source
from naftiko_run.spec.document import Where


def path_of(location: str, where: Where) -> Path | None:
    """Return the path that a location means; None where it is no file URI of this machine."""
    if not location.startswith("file:"):
        return None
    text = location.removeprefix("file:")
    rest = re.sub(r"^/(?=\.\.?(?:/|$))", "", text.removeprefix("//"))
    if text.startswith("//") and not rest.startswith(("/", ".")):
        return None  # the name of another machine
    path = unquote(rest)
    source = where.source
    home = source.path.parent if isinstance(source, Source) else Path(source.file).parent
    return None if not path or "\0" in path else home / path


def folder_of(location: str, where: Where) -> tuple[Path | None, str]:
    """Return the folder that a location means, or why there is none that can be read."""
    path = path_of(location, where)
    if path is None:
        return None, f"{location!r} is no file of this machine"
    try:
        found = path.resolve(strict=True)
        if not found.is_dir():
            raise NotADirectoryError(0, "it is not a folder")
        next(found.iterdir(), None)
    except (OSError, ValueError, RuntimeError) as error:
        return None, f"the folder {location!r} cannot be read: {reason(error)}"
    return path.absolute(), ""


def reason(error: Exception) -> str:
    """Say in words why something cannot be read."""
    why = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return why[:1].lower() + why[1:]
