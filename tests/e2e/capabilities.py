"""Small capability files for tests, as text."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent, indent

Route = tuple[str, str, str]
"""Method, path and what it calls."""
Tool = tuple[str, str]
"""Name and what it calls."""

CONSUMES = """\
consumes:
  - type: http
    namespace: shop
    baseUri: {base}
    resources:
      - path: /items
        operations:
          - {{name: list-items, method: GET, description: All items}}
          - name: add-item
            method: POST
            description: Add an item
            inputParameters:
              - {{name: title, in: body, type: string, required: true}}
      - path: /items/{{{{id}}}}
        operations:
          - name: get-item
            method: GET
            description: One item
            inputParameters:
              - {{name: id, in: path, type: string, required: true}}
"""


def capability(
    name: str = "shop",
    *,
    base: str = "http://127.0.0.1:9",
    routes: Sequence[Route] = (),
    tools: Sequence[Tool] = (),
    port: int | None = None,
    consumes: str = CONSUMES,
) -> str:
    """Write a capability whose adapters are called ``<name>-rest`` and ``<name>-mcp``."""
    text = dedent(
        f"""\
        naftiko: "1.0.0-alpha2"
        info: {{label: {name}, description: Made for a test}}
        capability:
        """
    )
    text += indent(consumes.format(base=base), "  ") + "  exposes:\n"
    at = "" if port is None else f", port: {port}"
    if routes:
        text += f"    - {{type: rest, namespace: {name}-rest{at}, resources: [\n"
        for method, path, call in routes:
            operation = f"{{method: {method}, call: {call}}}"
            text += f"        {{path: '{path}', operations: [{operation}]}},\n"
        text += "      ]}\n"
    if tools:
        text += f"    - {{type: mcp, namespace: {name}-mcp{at}, tools: [\n"
        for tool, call in tools:
            text += f"        {{name: {tool}, description: A tool, call: {call}}},\n"
        text += "      ]}\n"
    return text


ITEMS: Sequence[Route] = (
    ("GET", "/items", "shop.list-items"),
    ("POST", "/items", "shop.add-item"),
    ("GET", "/items/{id}", "shop.get-item"),
)
ITEM_TOOLS: Sequence[Tool] = (("list-items", "shop.list-items"), ("get-item", "shop.get-item"))


def write(path: Path, text: str) -> Path:
    """Write a file in one step, as editors do: nobody sees half of it."""
    beside = path.with_suffix(".part")
    beside.write_text(text, "utf-8")
    beside.replace(path)
    return path
