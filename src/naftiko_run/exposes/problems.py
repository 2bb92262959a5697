"""What callers are told when something goes wrong: one table for every face (RFC 9457)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct

from naftiko_run.errors import (
    FieldProblem,
    InputError,
    NaftikoError,
    ScriptError,
    ScriptsBusy,
    UnsupportedError,
    UpstreamError,
    UpstreamTimeout,
    VariableError,
)
from naftiko_run.findings import Finding
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.types import Json

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 50
"""How many fields a problem names one by one."""
MAX_TEXT = 500
"""How long a field's name, or what is wrong with it, may be: both may repeat what was sent."""

_TITLES = {413: "Content Too Large"}  # RFC 9110 section 15.5.14; Python before 3.13 knows another
_log = logging.getLogger("naftiko_run")

_STATUS: tuple[tuple[type[NaftikoError], int], ...] = (
    (InputError, 400),
    (VariableError, 503),
    (UnsupportedError, 501),
    (ScriptsBusy, 503),
    (ScriptError, 500),
    (UpstreamTimeout, 504),
    (UpstreamError, 502),
)


class Problem(Struct, frozen=True):
    """A problem as every face tells it; ``extra`` are further members."""

    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    extra: Mapping[str, Json] | None = None

    @property
    def members(self) -> dict[str, Json]:
        """The members of the problem document; ``about:blank`` is its type, as RFC 9457 says."""
        members: dict[str, Json] = {
            "type": "about:blank",
            "title": _TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            members["errors"] = [
                {"field": e.field, "detail": e.detail, **({"in": e.location} if e.location else {})}
                for e in self.errors
            ]
        return {**members, **(self.extra or {})}

    def dumps(self) -> bytes:
        """Write the problem document."""
        return dumps(self.members)


def problem_of(error: Exception) -> Problem:
    """Say what an error means to a caller; an unforeseen one is logged and told without detail."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            if isinstance(error, InputError):
                return _of_input(error)
            extra: dict[str, Json] | None = None
            if isinstance(error, VariableError):
                extra = {"variables": list(error.names)}
            elif isinstance(error, ScriptError):
                extra = {"step": error.step, "script": error.file}
                if error.line:
                    extra["line"] = error.line
            return Problem(status, str(error), (), extra)
    _log.error("unexpected error", exc_info=error)
    return Problem(500, "an unexpected error; the server's log tells more")


def _of_input(error: InputError) -> Problem:
    errors = tuple(
        FieldProblem(_short(p.field), _short(p.detail), p.location)
        for p in error.problems[:MAX_ERRORS]
    )
    more = len(error.problems) - len(errors)
    texts = [f"{e.field}: {e.detail}" for e in errors] + ([f"and {more} more"] if more else [])
    return Problem(400, "; ".join(texts), errors)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"


def unservable(finding: Finding) -> Problem:
    """Say that a unit was left out at start."""
    return Problem(
        501, f"this operation is not served: {finding.message}", (), {"code": finding.code}
    )
