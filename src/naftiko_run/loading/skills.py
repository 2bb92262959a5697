"""What skills take from files: their folders, the SKILL.md in them, and the instructions.

A folder that is not there leaves a skill that is described and nothing more: published files name
folders of other machines.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from naftiko_run import folders
from naftiko_run.errors import DocumentError
from naftiko_run.findings import Finding
from naftiko_run.loading.files import parse
from naftiko_run.loading.locations import folder_of
from naftiko_run.spec.document import Skill, SkillText, SkillTool
from naftiko_run.spec.skills import MOST_BYTES as MOST_SIZE
from naftiko_run.spec.skills import MOST_DESCRIPTION, MOST_FILES, is_name
from naftiko_run.types import Json

MOST_BYTES: Final = 1024 * 1024
"""How large a SKILL.md may be."""

MOST_WATCHED: Final = 1000
"""How many files of one skill are watched, and folders; the others are read as they are."""

TEXT: Final = "SKILL.md"
_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)


def resolve(skill: Skill) -> tuple[Skill, list[Path]]:
    """Look for a skill's folder and what is in it; the second is what whoever watches looks at."""
    if skill.location is None:
        return replace(skill, tools=tuple(_tools(skill, None))), []
    where = skill.where.at("location")
    folder, problem = folder_of(skill.location, skill.where)
    if folder is None:
        found = where.warning(
            "W-SKILL-LOCATION",
            f"{problem}: {skill.name!r} is served without files",
            "write file:///./name for a folder beside this file",
        )
        return replace(skill, tools=tuple(_tools(skill, None)), findings=(found,)), []
    files, inside = folders.walked(folder)
    findings = list(_too_much(skill, files))
    text = _text(skill, folder, findings) if any(f.parts == (TEXT,) for f in files) else None
    found_skill = replace(
        skill,
        folder=folder,
        text=text,
        state=folders.state(files),
        tools=tuple(_tools(skill, folder)),
        findings=tuple(findings),
    )
    # A folder among what is watched stands for all that comes to be in it.
    return found_skill, [*inside[:MOST_WATCHED], *(f.path for f in files[:MOST_WATCHED])]


def _too_much(skill: Skill, files: list[folders.File]) -> Iterator[Finding]:
    size = sum(file.size for file in files)
    count = len(files) + all(file.parts != (TEXT,) for file in files)  # one is made then
    if count > MOST_FILES or size > MOST_SIZE:
        yield skill.where.at("location").warning(
            "W-SKILL-SIZE",
            f"{skill.name!r} has {len(files)} files of {size / 1048576:.1f} MB: MCP hosts need not"
            f" take more than {MOST_FILES} files or {MOST_SIZE // 1048576} MB, and are given no"
            " digests",
            "leave out what the skill does not need",
        )


# --------------------------------------------------------------------------------- instructions


def _tools(skill: Skill, folder: Path | None) -> Iterator[SkillTool]:
    for tool in skill.tools:
        problem = tool.problem
        if problem is None and tool.instruction:
            problem = _instruction_problem(skill, tool, folder)
        yield replace(tool, problem=problem)


def _instruction_problem(skill: Skill, tool: SkillTool, folder: Path | None) -> Finding | None:
    where = tool.where.at("instruction")
    name = tool.instruction
    if skill.location is None:
        return where.error(
            "E-SKILL-INSTRUCTION",
            f"the instruction {name!r} needs the folder that it lies in",
            f"add 'location' to the skill {skill.name!r}",
        )
    parts = name.removeprefix("./").split("/")
    if not all(map(folders.is_plain, parts)):
        return where.error(
            "E-SKILL-INSTRUCTION",
            f"{name!r} is no file of the skill's folder",
            "write a path below 'location', such as guide.md, without '..' or hidden names",
        )
    opened = folders.open_file(folder, parts) if folder is not None else None
    if opened is None:
        return where.error(
            "E-SKILL-INSTRUCTION",
            f"the folder {skill.location!r} has no file {name!r} that may be read",
            "check the name",
        )
    opened.close()
    return None


# ------------------------------------------------------------------------------------- SKILL.md


def _text(skill: Skill, folder: Path, findings: list[Finding]) -> SkillText | None:
    """Read SKILL.md; where its front matter is no use, the document's takes its place."""
    where = skill.where.at("location")

    def told(what: str, fix: str) -> None:
        findings.append(where.warning("W-SKILL-FILE", f"{TEXT} of {skill.name!r} {what}", fix))

    instead = "begin it with '---', 'name:', 'description:' and '---'"
    try:
        found = folders.read(folder, TEXT, MOST_BYTES)
        if found is None:
            told("cannot be read: one is made of this document", "check its permissions")
            return None
        text = found[1].decode("utf-8-sig")
    except UnicodeDecodeError:
        told("is not UTF-8: one is made of this document", "save it so")
        return None
    except folders.TooLargeError as error:
        told(f"cannot be used: {error}; one is made of this document", "make it shorter")
        return None
    match = _FRONT.match(text)
    body = text[match.end() :] if match else text
    front, why = _front(match[1], folder) if match else (None, "has no front matter")
    if front is None:
        told(f"{why}: over MCP it has that of this document", instead)
    elif front["name"] != skill.name:
        told(
            f"calls it {front['name']!r}: MCP clients know it by that name",
            "give both the same name",
        )
    return SkillText(front=front, body=body, text=text)


def _front(text: str, folder: Path) -> tuple[dict[str, Json] | None, str]:
    """Read front matter as the Agent Skills format wants it, or say why that cannot be."""
    try:
        source = parse(text.encode(), TEXT, folder / TEXT)
    except DocumentError as error:
        return None, f"has front matter that is no YAML ({error.findings[0].message})"
    front = source.data
    if not isinstance(front, dict):
        return None, "has front matter that is no mapping"
    name, description = front.get("name"), front.get("description")
    if not isinstance(name, str) or not is_name(name):
        return None, "has no 'name' of lower case letters, digits and single hyphens"
    if not isinstance(description, str) or not 0 < len(description.strip()) <= MOST_DESCRIPTION:
        return None, f"has no 'description' of 1 to {MOST_DESCRIPTION} characters"
    return front, ""
