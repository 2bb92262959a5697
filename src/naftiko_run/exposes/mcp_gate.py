"""What every request to an MCP endpoint must be, whichever way it is answered then.

The texts are this project's own: nobody is told what a library thinks of a message.
"""

import json
import re
from typing import Any

from starlette.types import Scope

from naftiko_run.exposes.mcp_protocol import INVALID_REQUEST, MODERN, PARSE_ERROR, McpError
from naftiko_run.exposes.mcp_results import too_deep
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.types import Json

MOST_LEVELS = 200
"""How deep a message may be nested: few programs that read JSON go much deeper."""

HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
"""What a body has in it where a text has half of a surrogate pair, with the other one or alone."""


class Refused(Exception):
    """An answer to a request that is not a message of the protocol."""

    def __init__(self, status: int, error: McpError, request_id: Json = None) -> None:
        """Keep what is answered."""
        super().__init__(status, error, request_id)
        self.status = status
        self.error = error
        self.request_id = request_id

    @property
    def body(self) -> bytes:
        """The answer."""
        return dumps({"jsonrpc": "2.0", "id": self.request_id, "error": self.error.wire})


def check_fields(scope: Scope) -> None:
    """Check the header fields that say what is sent, and what may be answered.

    Raises:
        Refused: the body is said to be no JSON (415), or nothing that is answered would be
            accepted (406).
    """
    content_type = accept = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = content_type or value
        elif name == b"accept":
            accept = b"%s,%s" % (accept, value)
    if not is_json(content_type.lower()):
        message = "the Content-Type of a message is application/json"
        raise Refused(415, McpError(INVALID_REQUEST, message))
    if not accepts(accept, b"application/json"):
        message = "the Accept field must name application/json and text/event-stream"
        raise Refused(406, McpError(INVALID_REQUEST, message))


def read(body: bytes, version: str) -> dict[str, Any]:
    """Read one message.

    Raises:
        Refused: it is not JSON in Unicode (``-32700``), or no message (``-32600``).
    """
    try:
        message = loads(body)
    except ValueError:
        error = McpError(PARSE_ERROR, "the body is not JSON in UTF-8")
        raise Refused(400, error) from None
    if HALF_PAIR.search(body) and not _is_unicode(message):
        error = McpError(PARSE_ERROR, "a text of the body has half of a surrogate pair alone")
        raise Refused(400, error)
    wrong = _wrong(message, version)
    if not wrong and too_deep(message, body, MOST_LEVELS):
        wrong = f"a message has {MOST_LEVELS} levels at most"
    if not isinstance(message, dict) or wrong:
        found = message.get("id") if isinstance(message, dict) else None
        request_id = found if _is_id(found) else None
        raise Refused(400, McpError(INVALID_REQUEST, f"Invalid Request: {wrong}"), request_id)
    return message


def _wrong(message: Json, version: str) -> str:
    if isinstance(message, list):
        return "batches are not served; send one message"
    if not isinstance(message, dict):
        return "a message is a JSON object"
    if message.get("jsonrpc") != "2.0":
        return '"jsonrpc" must be "2.0"'
    if "method" not in message and ("result" in message or "error" in message):
        return _wrong_answer(message, version)
    if type(message.get("method")) is not str:
        return '"method" must be a string'
    if "id" in message and not _is_id(message["id"]):
        return '"id" must be a string or an integer'
    if not isinstance(message.get("params"), dict | None):
        return '"params" must be an object'
    return ""


def _wrong_answer(message: dict[str, Json], version: str) -> str:
    if version == MODERN:
        return "this revision has no requests that a client answers"
    if not _is_id(message.get("id")):
        return '"id" must be a string or an integer'
    if "error" in message:
        error = message["error"]
        right = (
            isinstance(error, dict)
            and type(error.get("code")) is int
            and type(error.get("message")) is str
        )
        return "" if right and "result" not in message else '"error" needs a code and a message'
    return "" if isinstance(message["result"], dict) else '"result" must be an object'


def _is_unicode(message: Json) -> bool:
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    except RecursionError:
        pass  # how deep it is, is told next
    return True


def _is_id(value: Json) -> bool:
    return type(value) is str or type(value) is int


def is_json(content_type: bytes) -> bool:
    """Say whether a Content-Type field names JSON, in lower case as nearly everybody writes it."""
    return content_type.strip(b" \t").partition(b";")[0].strip() == b"application/json"


def accepts(accept: bytes, media_type: bytes) -> bool:
    """Say whether an Accept field lets an answer have this media type."""
    kinds = {kind.partition(b";")[0].strip().lower() for kind in accept.split(b",")}
    family = media_type.partition(b"/")[0] + b"/*"
    return not kinds.isdisjoint((b"*/*", media_type, family))
