"""What a tool's call means to an MCP client: one function from a call to a result, for every path.

Results are the JSON of the protocol's newest revision; what an older one does not know is left
out of them here, or by the surface that writes them.
"""

import asyncio
import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from starlette.types import Receive

from naftiko_run.errors import FieldProblem, InputError
from naftiko_run.exposes.load import MOST_REQUESTS
from naftiko_run.exposes.messages import MAX_FIELDS
from naftiko_run.exposes.overseer import Ended, Overseer
from naftiko_run.exposes.problems import Problem, problem_of
from naftiko_run.exposes.texts import is_text
from naftiko_run.exposes.units import Tool
from naftiko_run.mapping import charset
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.types import MISSING, Json, Missing, Outcome

Result = bytes
"""The ``result`` member of an answer to ``tools/call``: an object, as JSON."""

ERROR_TEXT_LIMIT = 16_384
"""How many characters of an upstream's error body a tool's answer repeats."""

STRUCTURED_DEPTH = 200
"""How deep a value may be nested to stand in ``structuredContent``: the SDK's serializer stops at
255, and answers nothing then. Deeper ones are in the text all the same."""

STRUCTURED_SINCE = "2025-06-18"
"""The first revision with ``structuredContent`` and ``outputSchema``; both must be objects."""

ANY_ROOT_SINCE = "2026-07-28"
"""The first revision in which they may be any JSON value."""

MOST_CALLS = MOST_REQUESTS
"""How many calls of one adapter's tools are under way at once; the next ones are refused. Over
HTTP the limit of the listener comes first."""

CALL_SECONDS = 300
"""How long a call may take in all, however many upstream requests it makes."""


_NO_TEXT = frozenset({"audio", "font", "image", "video"})


class Calls:
    """Calls tools within limits; what goes wrong is a result too, as agents can read that."""

    def __init__(self, most: int = MOST_CALLS, seconds: float = CALL_SECONDS) -> None:
        """Begin with nothing under way."""
        self._most = most
        self._seconds = seconds
        self._overseer = Overseer()

    async def __call__(
        self,
        tool: Tool,
        given: Mapping[str, Any],
        version: str,
        receive: Receive | None = None,
    ) -> Result | None:
        """Call a tool with arguments under their published names.

        Gives None when the caller has gone away meanwhile; with ``receive`` alone it is known.
        """
        if len(self._overseer.under_way) >= self._most:
            busy = Problem(503, f"{self._most} calls are under way: try again in a moment")
            return _refused(busy, version)
        work = self._overseer.begin(self._seconds, receive)
        try:
            if len(given) > MAX_FIELDS:
                detail = f"there are more than {MAX_FIELDS} arguments"
                return _refused(Problem(400, detail), version)
            if tool.renamed:
                names = tool.properties
                given = {names.get(name, name): value for name, value in given.items()}
            outcome = await tool.flow(given)
            return result_of(outcome, version, promised=tool.output_schema is not None)
        except InputError as error:
            return _refused(problem_of(_as_given(error, tool)), version)
        except asyncio.CancelledError:
            ended = self._overseer.why(work)
            if ended is None:
                raise
            if ended is Ended.GONE:
                return None
            return _refused(Problem(504, f"no result after {self._seconds:g} seconds"), version)
        except Exception as error:  # noqa: BLE001 - one boundary turns every error into an answer
            return _refused(problem_of(error), version)
        finally:
            self._overseer.end(work)


def _as_given(error: InputError, tool: Tool) -> InputError:
    published = {key: name for name, key in tool.properties.items()}
    return InputError(
        FieldProblem(published.get(p.field, p.field), p.detail) for p in error.problems
    )


def _refused(problem: Problem, version: str) -> Result:
    return _error(problem.detail, problem.members, version)


def _error(text: str, structured: Json, version: str) -> Result:
    if version < STRUCTURED_SINCE:
        return _FAILED % (dumps(text), b"")
    return _FAILED % (dumps(text), b',"structuredContent":' + dumps(structured))


_FAILED = b'{"content":[{"type":"text","text":%s}],"isError":true%s}'
_DONE = b'{"content":[{"type":"text","text":%s}],"isError":false}'
_DONE_STRUCTURED = b'{"content":[{"type":"text","text":%s}],"isError":false,"structuredContent":%s}'


def result_of(outcome: Outcome, version: str, *, promised: bool = False) -> Result:
    """Turn an outcome into a tool's result, in the form that a protocol revision allows.

    ``promised`` says that the tool has an output schema: then an answer without a body is an
    object without members, since clients refuse a result that keeps no promise at all.
    """
    if outcome.failed:
        return _error(*failure_of(outcome), version)
    media_type, body = outcome.media_type, outcome.body
    if outcome.written:
        return _done(body, version)
    value = _json_of(body, media_type)
    if value is not MISSING:
        return _done(dumps(value), version, value)
    found = _text_of(body, media_type)
    if found is None:
        return dumps({"content": [_binary(body, _kind(media_type))], "isError": False})
    if promised and not body and version >= STRUCTURED_SINCE:
        return _DONE_STRUCTURED % (dumps(found), b"{}")
    return _DONE % dumps(found)


def _done(written: bytes, version: str, value: Json | Missing = MISSING) -> Result:
    """Make the result of JSON as it is written here, and of its value where that is known."""
    if value is MISSING:
        value = loads(written) if _may_be_deep(written) else None
    text = dumps(written.decode())
    is_object = written.startswith(b"{")
    if (
        written == b"null"
        or not (version >= ANY_ROOT_SINCE or (version >= STRUCTURED_SINCE and is_object))
        or too_deep(value, written)
    ):
        return _DONE % text
    # What is written as a text is not written a second time.
    return _DONE_STRUCTURED % (text, _without_halves(written))


def failure_of(outcome: Outcome) -> tuple[str, dict[str, Json]]:
    """Say in words and in members, ``status`` and ``body``, how an upstream refused."""
    value, text = _read(outcome.body, outcome.media_type)
    shown = text or f"the upstream answered {outcome.status}"
    if len(shown) > ERROR_TEXT_LIMIT:
        shown = f"{shown[:ERROR_TEXT_LIMIT]}… ({len(shown)} characters in all)"
        value = shown
    elif too_deep(value, outcome.body):
        value = shown
    return shown, {"status": outcome.status, "body": value}


@lru_cache(256)
def _kind(media_type: str) -> str:
    """Give a media type without its parameters."""
    return media_type.partition(";")[0].strip().lower()


@lru_cache(256)
def _may_be_json(media_type: str) -> bool:
    kind = _kind(media_type)
    return kind in ("", "application/json") or kind.endswith("+json")


def _json_of(body: bytes, media_type: str) -> Json | Missing:
    """Read a body that is JSON; MISSING where it is none."""
    if not _may_be_json(media_type):
        return MISSING
    try:
        return loads(body)
    except ValueError:
        return MISSING


def _read(body: bytes, media_type: str) -> tuple[Json, str]:
    """Read a body that is an error: its JSON value, else its text, and its text in any case."""
    value = _json_of(body, media_type)
    if value is not MISSING:
        text = dumps(value)
        plain = _without_halves(text)
        return value if plain is text else loads(plain), text.decode()
    found = _text_of(body, media_type) or ""
    return found, found


def _text_of(body: bytes, media_type: str) -> str | None:
    """Read a body that is no JSON as text; None where it is binary."""
    kind = _kind(media_type)
    # What is no text by its type is none even where its bytes could be read as one.
    if body and (kind.partition("/")[0] in _NO_TEXT or kind == "application/octet-stream"):
        return None
    if is_text(kind) or "charset" in media_type:
        return charset.text_of(body, media_type)
    return charset.decoded(body)


_HALF = re.compile(rb"\\\\|\\ud[89ab]..\\ud[c-f]..|(\\ud...)")


def _without_halves(text: bytes) -> bytes:
    """Replace lone halves of surrogate pairs, which few readers of JSON accept."""
    if b"\\ud" not in text:
        return text
    return _HALF.sub(lambda found: b"\\ufffd" if found[1] else found[0], text)


def _may_be_deep(text: bytes, limit: int = STRUCTURED_DEPTH) -> bool:
    """Say whether there is enough in a text for so many levels: to look for them takes longer."""
    return len(text) > 2 * limit and text.count(b"[") + text.count(b"{") > limit


def too_deep(value: Json, text: bytes, limit: int = STRUCTURED_DEPTH) -> bool:
    """Say whether a value, read from a text, is nested deeper than a limit."""
    if not _may_be_deep(text, limit):
        return False
    level: list[Json] = [value]
    for _ in range(limit):
        below: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return False
        level = below
    return any(isinstance(item, dict | list) for item in level)


def _binary(body: bytes, kind: str) -> Json:
    data = base64.b64encode(body).decode()
    family = kind.partition("/")[0]
    if family in ("image", "audio"):
        return {"type": family, "data": data, "mimeType": kind}
    return {
        "type": "resource",
        "resource": {
            "uri": "naftiko-run:///reply",
            "blob": data,
            "mimeType": kind or "application/octet-stream",
        },
    }
