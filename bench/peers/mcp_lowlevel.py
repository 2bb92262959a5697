"""The MCP SDK's low-level server with pyreqwest: JSON answers, stateless, schemas at hand."""

import json
import os
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from pyreqwest.client import ClientBuilder
from work import AUTHORIZATION, UPSTREAM, upstream_body

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "externalId": {"type": "string"},
        "limit": {"type": "integer"},
    },
    "required": ["name"],
}
TOOLS = {
    f"create-item-{number}": types.Tool(
        name=f"create-item-{number}", description="Create an item", input_schema=SCHEMA
    )
    for number in range(int(os.environ["BENCH_TOOLS"]))
}
PATHS = {name: f"{UPSTREAM}/items/{number}" for number, name in enumerate(TOOLS)}
client = ClientBuilder().default_headers({"authorization": AUTHORIZATION}).build()


async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:  # noqa: ANN401
    return types.ListToolsResult(tools=list(TOOLS.values()))


async def call_tool(
    _context: Any,  # noqa: ANN401
    params: types.CallToolRequestParams,
) -> types.CallToolResult:
    body = upstream_body(params.arguments or {})
    reply = await client.post(PATHS[params.name]).body_json(body).build().send()
    value = await reply.json()
    text = json.dumps(value, separators=(",", ":"))
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=value
    )


server: Server[Any] = Server(
    "bench",
    version="1",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    get_tool_input_schema=lambda name: TOOLS[name].input_schema if name in TOOLS else None,
)
app = server.streamable_http_app(json_response=True, stateless_http=True)
