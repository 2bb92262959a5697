"""The list of an adapter's tools as each protocol revision may see it, page by page."""

import base64
import hashlib
import logging
from collections.abc import Iterable, Sequence

from naftiko_run.exposes import mcp_shapes as shapes
from naftiko_run.exposes.mcp_pages import PAGE, unknown_cursor
from naftiko_run.exposes.mcp_protocol import MODERN
from naftiko_run.exposes.mcp_results import ANY_ROOT_SINCE, STRUCTURED_SINCE
from naftiko_run.exposes.units import Tool
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.types import Json

_TITLE_SINCE = "2025-06-18"
_ANNOTATIONS_SINCE = "2025-03-26"
_IN_ERRORS = frozenset("type title status detail errors variables body code".split())
"""Members of the structured content of errors, which the output schema must leave open."""

_log = logging.getLogger("naftiko_run.mcp")


class Catalog:
    """All tools in their order, in the forms that are sent."""

    def __init__(self, tools: Iterable[Tool], added: Iterable[dict[str, Json]] = ()) -> None:
        """Describe the tools; ``added`` are described already."""
        self._entries = [*(entry_of(tool) for tool in tools), *added]
        self._pages: dict[str, list[dict[str, Json]]] = {}
        # A cursor is good for the list that gave it, in whichever process that was.
        self._mark = hashlib.blake2b(dumps(list(self._entries)), digest_size=9).digest()

    def __eq__(self, other: object) -> bool:
        """Whether another catalog lists the same."""
        return isinstance(other, Catalog) and self._mark == other._mark

    __hash__ = None  # type: ignore[assignment]

    def page(self, version: str, cursor: str | None = None) -> dict[str, Json]:
        """Return the members of an answer to ``tools/list``.

        Raises:
            McpError: the cursor is not one of this list.
        """
        pages = self._pages.get(version)
        if pages is None:
            pages = self._pages[version] = list(self._paged(version))
        if cursor is None:
            return pages[0]
        for number in range(1, len(pages)):
            if cursor == self._cursor(number):
                return pages[number]
        raise unknown_cursor()

    def _cursor(self, page: int) -> str:
        return base64.urlsafe_b64encode(self._mark + page.to_bytes(3, "big")).decode()

    def _paged(self, version: str) -> Iterable[dict[str, Json]]:
        entries = _sendable([_for_version(entry, version) for entry in self._entries], version)
        for start in range(0, len(entries) or 1, PAGE):
            page: dict[str, Json] = {"tools": [*entries[start : start + PAGE]]}
            if start + PAGE < len(entries):
                page["nextCursor"] = self._cursor(start // PAGE + 1)
            yield page


def entry_of(tool: Tool) -> dict[str, Json]:
    """Describe a tool as the newest revision lists it."""
    entry: dict[str, Json] = {"name": tool.name}
    if tool.title:
        entry["title"] = tool.title
    if tool.description:
        entry["description"] = tool.description
    entry["inputSchema"] = tool.input_schema
    if tool.output_schema is not None:
        entry["outputSchema"] = _open(tool.output_schema)
    annotations: dict[str, Json] = {f"{name}Hint": value for name, value in tool.hints.items()}
    if tool.title:
        annotations["title"] = tool.title
    if annotations:
        entry["annotations"] = annotations
    return entry


def _open(schema: dict[str, Json]) -> dict[str, Json]:
    """Let a schema of results fit the structured content of errors too.

    Some clients hold that against the schema as well, and drop an error that does not conform.
    """
    opened = {key: value for key, value in schema.items() if key != "required"}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        opened["properties"] = {
            name: {} if name in _IN_ERRORS else value for name, value in properties.items()
        }
    return opened


def _for_version(entry: dict[str, Json], version: str) -> dict[str, Json]:
    left_out: set[str] = set()
    if version < _ANNOTATIONS_SINCE:
        left_out.add("annotations")
    if version < _TITLE_SINCE:
        left_out.add("title")
    schema = entry.get("outputSchema")
    if version < STRUCTURED_SINCE or (version < ANY_ROOT_SINCE and not _is_object(schema)):
        left_out.add("outputSchema")
    return {key: value for key, value in entry.items() if key not in left_out}


def _is_object(schema: Json) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object"


def _sendable(entries: Sequence[dict[str, Json]], version: str) -> list[dict[str, Json]]:
    """Leave out tools that the revision's schema refuses: one of them would spoil the list."""
    fitting = [entry for entry in entries if _fits(entry, version)]
    if len(fitting) < len(entries):
        names = [str(entry.get("name")) for entry in entries if entry not in fitting]
        _log.warning("tools left out of the list for %s: %s", version, ", ".join(names))
    return fitting


_SCHEMA = {"$schema": shapes.text}
_OLDER_SCHEMA = {
    **_SCHEMA,
    "properties": shapes.map_of(lambda value: type(value) in (dict, bool)),
    "required": shapes.list_of(shapes.text),
}
_OBJECT = {"type": shapes.one_of("object")}


def _entry(input_schema: shapes.Shape, output_schema: shapes.Shape) -> shapes.Shape:
    return shapes.members(
        {"name": shapes.text, "inputSchema": input_schema},
        {
            "title": shapes.text,
            "description": shapes.text,
            "outputSchema": output_schema,
            "annotations": shapes.any_object,
        },
    )


_FITS_MODERN = _entry(shapes.members(_OBJECT, _SCHEMA), shapes.members({}, _SCHEMA))
_FITS_OLDER = _entry(shapes.members(_OBJECT, _OLDER_SCHEMA), shapes.members(_OBJECT, _OLDER_SCHEMA))


def _fits(entry: dict[str, Json], version: str) -> bool:
    return (_FITS_MODERN if version == MODERN else _FITS_OLDER)(entry)
