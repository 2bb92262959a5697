"""The smallest document with every room in it, to which a test adds the keyword that it shows."""

from typing import Any

import yaml

Fields = dict[str, Any]


def build(
    *,
    root: Fields | None = None,
    info: Fields | None = None,
    capability: Fields | None = None,
    api: Fields | None = None,
    resource: Fields | None = None,
    operation: Fields | None = None,
    rest: Fields | None = None,
    path: Fields | None = None,
    route: Fields | None = None,
    mcp: Fields | None = None,
    tool: Fields | None = None,
    unit: Fields | None = None,
) -> str:
    """Write a document: ``up.do`` behind ``GET /run`` and the tool ``run``, with these members.

    ``unit`` are members of route and tool alike; with a ``call`` of None they call nothing. The
    operation is a GET of /thing.
    """
    unit = {"call": "up.do", **(unit or {})}
    if unit.keys() & {"steps", "ref"} or unit["call"] is None:
        del unit["call"]
    exposed: Fields = {
        "type": "rest",
        "namespace": "rest",
        "port": 8080,
        "resources": {
            "run": {
                "path": "/run",
                "operations": {"run": {"method": "GET", **unit, **(route or {})}},
                **(path or {}),
            }
        },
        **(rest or {}),
    }
    tools: Fields = {
        "type": "mcp",
        "namespace": "mcp",
        "port": 9090,
        "tools": {"run": {"description": "Runs.", **unit, **(tool or {})}},
        **(mcp or {}),
    }
    consumed: Fields = {
        "type": "http",
        "namespace": "up",
        "description": "Upstream.",
        "baseUri": "http://up.test/v1",
        "resources": {
            "thing": {
                "path": "/thing",
                "operations": {"do": {"method": "GET", **(operation or {})}},
                **(resource or {}),
            }
        },
        **(api or {}),
    }
    document: Fields = {
        "ikanos": "1.0.0-beta5",
        "info": {"display": "Small", "description": "Small.", **(info or {})},
        **(root or {}),
        "capability": {
            "consumes": [consumed],
            "exposes": [exposed, tools],
            **(capability or {}),
        },
    }
    return yaml.safe_dump(document, sort_keys=False)
