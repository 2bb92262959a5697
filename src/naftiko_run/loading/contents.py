"""What adapters take from files: folders are looked for, a prompt's text is read."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.loading import skills
from naftiko_run.loading.files import content_of
from naftiko_run.loading.locations import folder_of, path_of, reason
from naftiko_run.spec.document import Adapter, McpPrompt, McpResource, PromptMessage, Skill, Where

MOST_BYTES: Final = 1024 * 1024
"""How large the file of a prompt may be."""


def resolve(
    adapters: Iterable[Adapter], read_bytes: Callable[[Path, int], bytes] = content_of
) -> tuple[tuple[Adapter, ...], tuple[Path, ...]]:
    """Look for the folders and files that adapters name.

    The second are those that were read; a folder among them stands for the files that come to be
    in it.
    """
    files: dict[Path, None] = {}

    def prompt(written: McpPrompt) -> McpPrompt:
        if written.problem is not None or written.location is None:
            return written
        where = written.where.at("location")
        path = path_of(written.location, written.where)
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
            what = f"the file {written.location!r} cannot be read: {reason(error)}"
            return replace(written, problem=_problem(where, what, "check the name"))
        return replace(written, messages=(PromptMessage(role="user", content=text),))

    def skill(written: Skill) -> Skill:
        found, watched = skills.resolve(written)
        files.update(dict.fromkeys(watched))
        return found

    return tuple(
        replace(
            adapter,
            resources=tuple(map(_resource, adapter.resources)),
            prompts=tuple(map(prompt, adapter.prompts)),
            skills=tuple(map(skill, adapter.skills)),
        )
        for adapter in adapters
    ), tuple(files)


def _resource(written: McpResource) -> McpResource:
    if written.problem is not None or written.location is None:
        return written
    where = written.where.at("location")
    folder, problem = folder_of(written.location, written.where)
    if folder is not None:
        return replace(written, folder=folder)
    if path_of(written.location, written.where) is None:
        return replace(written, problem=_no_file_uri(where, written.location))
    return replace(written, problem=_problem(where, problem, "check the name"))


def _no_file_uri(where: Where, location: str) -> Finding:
    what = f"{location!r} is no file of this machine"
    return _problem(where, what, "write file:///./name, or file:/// and an absolute path")


def _problem(where: Where, what: str, fix: str) -> Finding:
    return where.error("E-CONTENT-FILE", what, fix)
