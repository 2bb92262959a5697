"""FastMCP's tools out of an OpenAPI document: JSON answers, stateless."""

import os

import httpx2
from fastmcp import FastMCP
from work import AUTHORIZATION, UPSTREAM

BODY = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "external": {"type": "string"},
        "settings": {"type": "object"},
    },
    "required": ["name"],
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "bench", "version": "1"},
    "servers": [{"url": UPSTREAM}],
    "paths": {
        f"/items/{number}": {
            "post": {
                "operationId": f"create-item-{number}",
                "description": "Create an item",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": BODY}},
                },
                "responses": {"200": {"description": "created"}},
            }
        }
        for number in range(int(os.environ["BENCH_TOOLS"]))
    },
}

client = httpx2.AsyncClient(
    base_url=UPSTREAM,
    headers={"authorization": AUTHORIZATION},
    limits=httpx2.Limits(max_connections=256, max_keepalive_connections=256),
)
app = FastMCP.from_openapi(DOCUMENT, client=client, name="bench").http_app(
    json_response=True, stateless_http=True
)
