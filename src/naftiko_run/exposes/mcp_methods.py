"""The methods of an MCP adapter besides its tools: resources, prompts and completion.

Each is one function from parameters to a result, whichever way a request came. A capability is
advertised where its methods are: only where there is something.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from naftiko_run.exposes import mcp_shapes as shapes
from naftiko_run.exposes.mcp_prompts import Prompts
from naftiko_run.exposes.mcp_protocol import INVALID_PARAMS, McpError
from naftiko_run.exposes.mcp_resources import Resources
from naftiko_run.exposes.mcp_skills import EXTENSION, Skills
from naftiko_run.exposes.units import ToolServer
from naftiko_run.types import Json

MOST_VALUES = 100
"""How many values one completion gives, as the protocol says."""

Params = Mapping[str, Any]
Answer = Callable[[Params], Awaitable[dict[str, Json]]]
"""From parameters that are right to a result of the newest revision; raises :class:`McpError`."""


class Method(Struct, frozen=True):
    """A method that is served; ``older`` says that the newest revision does not know it."""

    answer: Answer
    older: bool = False


SHAPES: Mapping[str, shapes.Shape] = {
    "completion/complete": shapes.COMPLETE,
    "logging/setLevel": shapes.SET_LEVEL,
    "prompts/get": shapes.GET_PROMPT,
    "prompts/list": shapes.LIST,
    "resources/list": shapes.LIST,
    "resources/read": shapes.BY_URI,
    "resources/subscribe": shapes.BY_URI,
    "resources/templates/list": shapes.LIST,
    "resources/unsubscribe": shapes.BY_URI,
    "skills/get": shapes.BY_URI,
    "skills/list": shapes.LIST,
    "tools/list": shapes.LIST,
}
"""Which parameters each method takes, whether it is served or not."""

NAMED_BY: Mapping[str, str] = {
    "prompts/get": "name",
    "resources/read": "uri",
    "tools/call": "name",
}
"""The parameter that ``Mcp-Name`` repeats."""


def has_content(served: ToolServer) -> bool:
    """Say whether an adapter has anything besides tools."""
    return bool(served.resources or served.resource_templates or served.prompts or served.skills)


def methods_of(served: ToolServer) -> dict[str, Method]:
    """Make the methods for what an adapter has besides tools."""
    found: dict[str, Method] = {}
    skills = Skills(served.skills, served.lists_kept)
    resources = Resources(
        served.resources,
        served.resource_templates,
        lists=served.lists_kept,
        contents=served.contents_kept,
        skills=skills,
    )
    prompts = Prompts(served.prompts, served.lists_kept)
    if served.skills:
        found["skills/list"] = Method(skills.list)
        found["skills/get"] = Method(skills.get)
    if served.resources or served.resource_templates or served.skills:
        found["resources/list"] = Method(resources.list)
        found["resources/templates/list"] = Method(resources.list_templates)
        found["resources/read"] = Method(resources.read)
        found["resources/subscribe"] = Method(resources.subscribe, older=True)
        found["resources/unsubscribe"] = Method(resources.subscribe, older=True)
    if served.prompts:
        found["prompts/list"] = Method(prompts.list)
        found["prompts/get"] = Method(prompts.get)
    if served.prompts or served.resource_templates:
        found["completion/complete"] = Method(_completing(prompts, resources))
    return found


def _completing(prompts: Prompts, resources: Resources) -> Answer:
    async def complete(params: Params) -> dict[str, Json]:
        reference, argument = params["ref"], params["argument"]
        if reference["type"] == "ref/prompt":
            what = reference["name"]
            values = prompts.values_of(what, argument["name"])
        else:
            what = reference["uri"]
            values = resources.values_of(what, argument["name"])
        if values is None:
            raise McpError(INVALID_PARAMS, f"Nothing to complete: {what}")
        found: list[Json] = [value for value in values if value.startswith(argument["value"])]
        return {
            "completion": {
                "values": found[:MOST_VALUES],
                "total": len(found),
                "hasMore": len(found) > MOST_VALUES,
            }
        }

    return complete


def capabilities(methods: Mapping[str, object], *, tools: bool, modern: bool) -> dict[str, Json]:
    """Say what an adapter can do.

    In the older revisions, without a session, nobody could be told that a list has changed; in
    the newest, who listens is.
    """
    found: dict[str, Json] = {}
    if tools:
        found["tools"] = {"listChanged": modern}
    if "resources/list" in methods:
        found["resources"] = {"subscribe": True, "listChanged": modern}
    if "prompts/list" in methods:
        found["prompts"] = {"listChanged": modern}
    if "completion/complete" in methods:
        found["completions"] = {}
    if "skills/list" in methods:
        found["extensions"] = {EXTENSION: {}}
    return found


LISTS = ("tools", "resources", "prompts")
"""The lists that clients may hear changes of."""


def changes(before: ToolServer, after: ToolServer) -> list[str]:
    """Say which of :data:`LISTS` beside the tools have changed from one to the other."""
    found: list[str] = []
    if _readable(before) != _readable(after):
        found.append("resources")
    if before.prompts != after.prompts:
        found.append("prompts")
    return found


def _readable(served: ToolServer) -> tuple[object, ...]:
    return served.resources, served.resource_templates, served.skills
