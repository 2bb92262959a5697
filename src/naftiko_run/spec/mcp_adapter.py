"""Reads what an MCP adapter exposes: tools, resources and prompts."""

from collections.abc import Iterator

from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.spec.document import McpPrompt, McpResource, Parameter, PromptMessage, Unit
from naftiko_run.spec.node import Node
from naftiko_run.spec.parameters import read_parameter, read_parameters
from naftiko_run.spec.units import read_unit
from naftiko_run.spec.uris import UriError, variables


def read_tools(node: Node) -> Iterator[Unit]:
    """Read the tools of an MCP adapter."""
    for tool in node.entries("tools"):
        yield read_unit(tool)


def read_mcp_resources(holder: Node) -> Iterator[McpResource]:
    """Read the resources of an MCP adapter; the variables of a URI are parameters."""
    for node in holder.entries("resources"):
        uri = (node.text("uri") or "").strip()
        problem: Finding | None = None
        names: tuple[str, ...] = ()
        try:
            names = variables(uri)
        except UriError as error:
            problem = node.where.at("uri").error(
                "E-RESOURCE-URI", f"the URI {uri!r} {error}", "write one such as data://ships/{imo}"
            )
        location = node.text("location")
        if location is not None and names:
            problem = node.where.at("uri").error(
                "E-RESOURCE-URI",
                f"the URI {uri!r} of a folder has variables",
                "write it without: the path of a file follows it",
            )
        own = read_parameters(node)
        of_uri = tuple(
            Parameter(where=node.where.at("uri"), name=name, required=True)
            for name in dict.fromkeys(names)
            if name not in {p.name for p in own}
        )
        unit = read_unit(node)
        yield McpResource(
            where=node.where,
            unit=replace(unit, name=unit.name or uri, parameters=(*own, *of_uri)),
            uri=uri,
            media_type=(node.text("mimeType") or "").strip(),
            binary=node.flag("binary") or False,
            location=location,
            problem=problem,
        )


def read_mcp_prompts(holder: Node) -> Iterator[McpPrompt]:
    """Read the prompts of an MCP adapter."""
    for node in holder.entries("prompts"):
        name = node.text("name") or node.key
        location = node.text("location")
        messages = tuple(_prompt_messages(node)) if location is None else ()
        problem: Finding | None = None
        if not name:
            problem = node.where.error("E-PROMPT", "a prompt needs a name", "add 'name'")
        elif location is None and not messages:
            problem = node.where.error(
                "E-PROMPT",
                f"the prompt {name!r} has no messages",
                "add 'template' with messages, or 'location' with a file",
            )
        yield McpPrompt(
            where=node.where,
            name=name,
            label=node.text("label", "display", "title") or "",
            description=node.text("description") or "",
            arguments=_prompt_arguments(node),
            messages=messages,
            location=location,
            problem=problem,
        )


def _prompt_messages(node: Node) -> Iterator[PromptMessage]:
    for message in node.entries("template"):
        role = (message.text("role") or "user").strip().lower()
        if role not in ("user", "assistant"):
            message.report(
                message.where.at("role").error(
                    "E-PROMPT",
                    f"nobody has the role {role!r} in a prompt: this message is left out",
                    "use 'user' or 'assistant'",
                )
            )
            continue
        yield PromptMessage(role=role, content=message.text("content") or "")


def _prompt_arguments(node: Node) -> tuple[Parameter, ...]:
    """Read the arguments of a prompt; ``required`` is true where nothing is said."""
    found: dict[str, Parameter] = {}
    for entry in node.entries("arguments"):
        parameter = read_parameter(entry)
        if parameter is not None:
            label = entry.text("label", "display", "title") or ""
            needed = parameter.required is not False
            found.setdefault(parameter.name, replace(parameter, label=label, required=needed))
    return tuple(found.values())
