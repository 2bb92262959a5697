"""What resources and prompts take from files: folders are looked for, a prompt's text is read.

``file:///./x`` and ``file:///../x`` count from the folder of the capability file that says so;
any other path is absolute.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from naftiko_run.findings import Finding
from naftiko_run.loading.files import Source, content_of
from naftiko_run.spec.document import Adapter, McpPrompt, McpResource, PromptMessage, Where

MOST_BYTES: Final = 1024 * 1024
"""How large the file of a prompt may be."""


def resolve(
    adapters: Iterable[Adapter], read_bytes: Callable[[Path, int], bytes] = content_of
) -> tuple[tuple[Adapter, ...], tuple[Path, ...]]:
    """Look for the folders and files that adapters name; the second are those that were read."""
    files: dict[Path, None] = {}

    def prompt(written: McpPrompt) -> McpPrompt:
        if written.problem is not None or written.location is None:
            return written
        where = written.where.at("location")
        path = _path(written.location, written.where)
        if path is None:
            return replace(written, problem=_no_file_uri(where, written.location))
        try:
            real = path.resolve()
            files[real] = None  # whoever watches hears of it also when it comes later
            text = read_bytes(real, MOST_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            problem = _problem(where, f"the file {written.location!r} is not UTF-8", "save it so")
            return replace(written, problem=problem)
        except (OSError, ValueError, RuntimeError) as error:
            what = f"the file {written.location!r} cannot be read: {_reason(error)}"
            return replace(written, problem=_problem(where, what, "check the name"))
        return replace(written, messages=(PromptMessage(role="user", content=text),))

    return tuple(
        replace(
            adapter,
            resources=tuple(map(_resource, adapter.resources)),
            prompts=tuple(map(prompt, adapter.prompts)),
        )
        for adapter in adapters
    ), tuple(files)


def _resource(written: McpResource) -> McpResource:
    if written.problem is not None or written.location is None:
        return written
    where = written.where.at("location")
    path = _path(written.location, written.where)
    if path is None:
        return replace(written, problem=_no_file_uri(where, written.location))
    try:
        found = path.resolve(strict=True)
        if not found.is_dir():
            raise NotADirectoryError(0, "it is not a folder")
        next(found.iterdir(), None)
    except (OSError, ValueError, RuntimeError) as error:
        what = f"the folder {written.location!r} cannot be read: {_reason(error)}"
        return replace(written, problem=_problem(where, what, "check the name"))
    return replace(written, folder=path.absolute())


def _path(location: str, where: Where) -> Path | None:
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


def _no_file_uri(where: Where, location: str) -> Finding:
    what = f"{location!r} is no file of this machine"
    return _problem(where, what, "write file:///./name, or file:/// and an absolute path")


def _problem(where: Where, what: str, fix: str) -> Finding:
    return where.error("E-CONTENT-FILE", what, fix)


def _reason(error: Exception) -> str:
    why = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return why[:1].lower() + why[1:]
