"""Lists that may be long, page by page: the cursor is good for the list that gave it alone."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from naftiko_run.exposes.mcp_protocol import INVALID_PARAMS, McpError
from naftiko_run.exposes.units import Kept
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.types import Json

PAGE = 1000
"""How many entries one answer lists."""


def page(
    key: str, entries: Sequence[dict[str, Json]], cursor: str | None, kept: Kept
) -> dict[str, Any]:
    """Answer a request for a list.

    Raises:
        McpError: the cursor is not one of this list.
    """
    answer: dict[str, Any] = dict(kept.members)
    if cursor is None and len(entries) <= PAGE:
        return {key: list(entries), **answer}
    mark = hashlib.blake2b(dumps(list(entries)), digest_size=9).digest()

    def name(start: int) -> str:
        return base64.urlsafe_b64encode(mark + start.to_bytes(4, "big")).decode()

    starts = {name(start): start for start in range(PAGE, len(entries), PAGE)}
    if cursor is not None and cursor not in starts:
        raise unknown_cursor()
    start = starts.get(cursor or "", 0)
    answer[key] = list(entries[start : start + PAGE])
    if start + PAGE < len(entries):
        answer["nextCursor"] = name(start + PAGE)
    return answer


def unknown_cursor() -> McpError:
    """Make the error of a cursor that is none of a list."""
    return McpError(INVALID_PARAMS, "Unknown cursor: list from the start")
