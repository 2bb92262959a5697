"""Resources, prompts and completion of an MCP adapter, registered with the SDK's server.

A capability is advertised where its handlers are registered: only where there is something.
"""

from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import PromptsListChanged, ResourcesListChanged

from naftiko_run.exposes.mcp_prompts import Prompts
from naftiko_run.exposes.mcp_resources import Resources
from naftiko_run.exposes.units import ToolServer

MOST_VALUES = 100
"""How many values one completion gives, as the protocol says."""

_Context = ServerRequestContext[Any, Any]


def has_content(served: ToolServer) -> bool:
    """Say whether an adapter has anything besides tools."""
    return bool(served.resources or served.resource_templates or served.prompts)


def register_content(server: Server[Any], served: ToolServer) -> None:
    """Register the handlers for what an adapter has besides tools."""
    resources = Resources(served.resources, served.resource_templates, served.cache_scope)
    prompts = Prompts(served.prompts, served.cache_scope)
    paged = types.PaginatedRequestParams
    if served.resources or served.resource_templates:
        server.add_request_handler("resources/list", paged, resources.list)
        server.add_request_handler("resources/templates/list", paged, resources.list_templates)
        server.add_request_handler(
            "resources/read", types.ReadResourceRequestParams, resources.read
        )
    if served.prompts:
        server.add_request_handler("prompts/list", paged, prompts.list)
        server.add_request_handler("prompts/get", types.GetPromptRequestParams, prompts.get)

    async def complete(_context: _Context, params: types.CompleteRequestParams) -> dict[str, Any]:
        argument = params.argument
        if isinstance(params.ref, types.PromptReference):
            what, values = params.ref.name, prompts.values_of(params.ref.name, argument.name)
        else:
            what, values = params.ref.uri, resources.values_of(params.ref.uri, argument.name)
        if values is None:
            raise MCPError(code=-32602, message=f"Nothing to complete: {what}")
        found = [value for value in values if value.startswith(argument.value)]
        completion: dict[str, Any] = {"values": found[:MOST_VALUES], "total": len(found)}
        completion["hasMore"] = len(found) > MOST_VALUES
        return {"completion": completion, "resultType": "complete"}

    if served.prompts or served.resource_templates:
        server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)


def changes(
    before: ToolServer, after: ToolServer
) -> list[ResourcesListChanged | PromptsListChanged]:
    """Say which lists of what is not a tool have changed from one to the other."""
    found: list[ResourcesListChanged | PromptsListChanged] = []
    if (before.resources, before.resource_templates) != (after.resources, after.resource_templates):
        found.append(ResourcesListChanged())
    if before.prompts != after.prompts:
        found.append(PromptsListChanged())
    return found
