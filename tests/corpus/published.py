"""What a tool list must look like, for the schemas that were expected and for strict clients."""

import re
from collections.abc import Mapping
from typing import Final

from tests.corpus.dialect import Json

KEY: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""The property names that every client takes; one other name loses the whole list."""


def strictness(tool: Mapping[str, Json]) -> list[str]:
    """What a strict MCP client would refuse about a listed tool."""
    found = []
    name = str(tool["name"])
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        found.append(f"tool name {name!r}")
    schema = tool.get("inputSchema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return [*found, f"input schema {schema!r}"]
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return [*found, "no properties"]
    found += [f"property {key!r}" for key in properties if not KEY.fullmatch(key)]
    found += [f"required {key!r}" for key in schema.get("required", []) if key not in properties]
    found += [
        f"array {key!r} without items"
        for key, item in properties.items()
        if isinstance(item, dict) and item.get("type") == "array" and "items" not in item
    ]
    found += [f"keyword {key!r}" for key in ("$ref", "$defs", "oneOf", "anyOf") if key in schema]
    return found


def schema_differences(
    tool: Mapping[str, Json], properties: Mapping[str, str | None], required: list[str]
) -> list[str]:
    """What differs between a listed tool and the arguments that were expected."""
    schema = tool["inputSchema"]
    listed = schema.get("properties", {})
    found = []
    if listed.keys() != properties.keys():
        found.append(f"properties: expected {sorted(properties)}, got {sorted(listed)}")
    for key, kind in properties.items():
        have = listed.get(key, {}).get("type")
        if key in listed and have != kind:
            found.append(f"type of {key}: expected {kind}, got {have}")
    if sorted(schema.get("required", [])) != sorted(required):
        have = sorted(schema.get("required", []))
        found.append(f"required: expected {sorted(required)}, got {have}")
    if schema.get("additionalProperties") is not False:
        found.append(f"additionalProperties: {schema.get('additionalProperties')!r}")
    return found
