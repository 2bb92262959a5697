"""What a program may add to an MCP adapter beyond its spec: the SDK's own handlers.

Given as :attr:`naftiko_run.exposes.units.ToolServer.extension`. The tools of the spec keep
precedence over an extension's tools of the same name.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import SubscriptionBus
from msgspec import Struct

CallTool = Callable[
    [ServerRequestContext[Any, Any], types.CallToolRequestParams],
    Awaitable[types.CallToolResult | types.InputRequiredResult],
]
"""Answers a call of one of the extension's tools, as a handler of the SDK's low-level server."""


class Extension(Struct, frozen=True, kw_only=True):
    """Tools with their handler, and whatever else is registered with the server.

    ``register`` is given each server that is made for the adapter, one at the start and one for
    every reload, and the bus on which clients that listen hear of changes.
    ``sessions`` keeps a session for each client of the older revisions: requests from the server
    to such a client (sampling, elicitation) need one.
    """

    tools: tuple[types.Tool, ...] = ()
    call_tool: CallTool | None = None
    register: Callable[[Server[Any], SubscriptionBus], None] | None = None
    sessions: bool = False
