"""Reads what a skill adapter exposes: skills, and the tools that they name."""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.spec.document import Skill, SkillTool
from naftiko_run.spec.node import Node

_ALLOWED_TOOL = re.compile(r"(?:\([^()]*\)|[^\s,])+")


def read_skills(holder: Node) -> Iterator[Skill]:
    """Read the skills of an adapter; one without a name is reported and left out."""
    for node in holder.entries("skills"):
        name = (node.text("name") or node.key).strip()
        if not name:
            node.report(node.where.error("E-SKILL-NAME", "a skill without a name", "add 'name'"))
            continue
        if node.has("call"):
            node.report(_not_called(node))
        yield Skill(
            where=node.where,
            name=name,
            description=node.text("description") or "",
            license=node.text("license") or "",
            compatibility=node.text("compatibility") or "",
            metadata=_metadata(node),
            allowed_tools=_allowed_tools(node),
            argument_hint=_hint(node),
            user_invocable=node.flag("user-invocable"),
            disable_model_invocation=node.flag("disable-model-invocation"),
            tools=tuple(_skill_tool(tool) for tool in node.entries("tools")),
            location=node.text("location"),
        )


def _not_called(node: Node) -> Finding:
    return node.where.warning(
        "W-SKILL-CALL",
        "a call inside a skill is listed but not served",
        "make it a tool of an MCP adapter, and name it with 'from'",
    )


def _metadata(node: Node) -> dict[str, str]:
    metadata = node.mapping("metadata")
    if metadata is None:
        return {}
    texts = {key: metadata.text(key) for key in metadata.data}
    return {key: text for key, text in texts.items() if text is not None}


def _hint(node: Node) -> str:
    """Read the hint; ``[order]``, as people write it without quotes, is a list to YAML."""
    written = node.raw("argument-hint")
    if isinstance(written, list) and all(isinstance(item, str) for item in written):
        return f"[{', '.join(map(str, written))}]"
    return node.text("argument-hint") or ""


def _allowed_tools(node: Node) -> tuple[str, ...]:
    """Read what Agent Skills separate by spaces and published files by commas.

    What stands in brackets belongs to its tool: ``Bash(git add:*)``.
    """
    written = node.raw("allowed-tools")
    if not isinstance(written, str):
        return node.texts("allowed-tools")
    return tuple(_ALLOWED_TOOL.findall(written))


def _skill_tool(node: Node) -> SkillTool:
    source = node.mapping("from")
    tool = SkillTool(
        where=node.where,
        name=node.text("name") or node.key,
        description=node.text("description") or "",
        source=(source.text("sourceNamespace") or "") if source else "",
        action=(source.text("action") or "") if source else "",
        instruction=node.text("instruction") or "",
        call=node.text("call") or "",
    )
    if node.has("call"):
        node.report(_not_called(node))
    return replace(tool, problem=_skill_tool_problem(node, tool))


def _skill_tool_problem(node: Node, tool: SkillTool) -> Finding | None:
    """Say why a tool is neither another adapter's nor an instruction."""
    what = fix = ""
    if not tool.name:
        what, fix = "a tool of a skill without a name", "add 'name'"
    elif node.has("from") and node.has("instruction"):
        what = f"the tool {tool.name!r} has both 'from' and 'instruction'"
        fix = "keep one of them"
    elif node.has("from") and not (tool.source and tool.action):
        what = f"'from' of the tool {tool.name!r} does not say which tool it means"
        fix = "write from: {sourceNamespace: an adapter, action: its tool or operation}"
    elif not (node.has("from") or tool.instruction or node.has("call")):
        what = f"the tool {tool.name!r} has neither 'from' nor 'instruction'"
        fix = "add 'from' with 'sourceNamespace' and 'action', or 'instruction' with a file"
    return node.where.error("E-SKILL-TOOL", what, fix) if what else None
