"""The page that shows a listener's REST routes to people; it loads nothing from elsewhere."""

import re
from html import escape

from naftiko_run.types import Json

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
body{color:#1a202c}
code,pre{font:14px/1.4 ui-monospace,monospace}
section{border:1px solid #d8dee9;border-radius:8px;margin:1rem 0;padding:.75rem 1rem}
h2{font-size:1rem;margin:0}.m{display:inline-block;min-width:4.5rem;font-weight:700;color:#1f5fbf}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{border-top:1px solid #e5e9f0;padding:.3rem .5rem;text-align:left;vertical-align:top}
td:last-child,h2 code{overflow-wrap:anywhere}
.r{color:#b03030}
@media(max-width:40rem){
body{margin:1rem auto}
table,tbody,tr,td{display:block}tr:first-child{display:none}
tr{border-top:1px solid #e5e9f0;padding:.3rem 0}td{border:0;display:inline;padding:0 .5rem 0 0}
td:last-child{display:block}
}
"""
_CODE = re.compile("`([^`\\n]+)`")


def page(document: dict[str, Json]) -> bytes:
    """Write an OpenAPI document as a page."""
    info = document["info"]
    title = escape(str(info["title"])) if isinstance(info, dict) else "API"
    head = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f"<meta name=viewport content='width=device-width,initial-scale=1'><title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        "<p>Described in <a href=openapi.json>openapi.json</a>.</p>"
    )
    parts = [head]
    paths = document["paths"]
    for path, operations in paths.items() if isinstance(paths, dict) else ():
        for method, operation in operations.items() if isinstance(operations, dict) else ():
            if isinstance(operation, dict):
                parts.append(_section(method, path, operation))
    return "".join(parts).encode()


def _section(method: str, path: str, operation: dict[str, Json]) -> str:
    rows = "".join(_rows(operation))
    table = f"<table><tr><th>Name<th>In<th>Type<th>Description</tr>{rows}</table>" if rows else ""
    return (
        f"<section><h2><span class=m>{escape(method.upper())}</span> <code>{escape(path)}</code>"
        f"</h2><p>{_text(operation.get('description'))}</p>{table}</section>"
    )


def _rows(operation: dict[str, Json]) -> list[str]:
    parameters = operation.get("parameters")
    rows = [
        _row(
            str(parameter["name"]),
            str(parameter["in"]),
            parameter.get("schema"),
            parameter.get("description"),
            required=bool(parameter.get("required")),
        )
        for parameter in (parameters if isinstance(parameters, list) else ())
        if isinstance(parameter, dict)
    ]
    schema = _body_schema(operation)
    properties = schema.get("properties")
    required = schema.get("required")
    for name, value in properties.items() if isinstance(properties, dict) else ():
        described = value if isinstance(value, dict) else {}
        rows.append(
            _row(
                name,
                "body",
                described,
                described.get("description"),
                required=isinstance(required, list) and name in required,
            )
        )
    return rows


def _body_schema(operation: dict[str, Json]) -> dict[str, Json]:
    node: Json = operation
    for key in ("requestBody", "content", "application/json", "schema"):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def _row(name: str, place: str, schema: Json, description: Json, *, required: bool) -> str:
    kind = schema.get("type", "any") if isinstance(schema, dict) else "any"
    shown = " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
    star = " <b class=r>required</b>" if required else ""
    return (
        f"<tr><td><code>{escape(name)}</code>{star}<td>{escape(place)}<td>{escape(shown)}"
        f"<td>{_text(description)}</tr>"
    )


def _text(description: Json) -> str:
    """Write a description, and what stands in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(str(description or "")))
