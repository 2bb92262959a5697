"""Findings about documents: what is wrong, where, and what to do; and the table of their codes.

Every code is stable. ``docs/diagnostics.md`` documents each with an example.
"""

import difflib
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

DocPath = tuple[str | int, ...]
"""Where a value stands inside a document: keys and indexes from the root."""


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing found in a document.

    ``line`` and ``column`` count from 1; 0 means that the finding is about the file as a whole.
    ``source_line`` is the text of that line and ``width`` how many characters of it are meant.
    """

    code: str
    severity: Severity
    message: str
    fix: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    path: DocPath = ()
    source_line: str = ""
    width: int = 1

    @property
    def pointer(self) -> str:
        """The path as people write it: ``capability.exposes[0].tools[2].call``."""
        return path_text(self.path)

    @property
    def where(self) -> str:
        """``file:line:column``, as far as they are known."""
        return ":".join([self.file, *([str(self.line), str(self.column)] if self.line else [])])

    def __str__(self) -> str:
        """One line: where, severity, code, what and what to do."""
        path = f" {self.pointer}:" if self.path else ""
        fix = f" ({self.fix})" if self.fix else ""
        return f"{self.where}: {self.severity} {self.code}:{path} {self.message}{fix}"


_LONGEST_NAME = 200
"""Comparing takes time by the length of a name, and callers may send any."""


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> str:
    """Suggest near misses (``did you mean 'a' or 'b'?``), empty where there are none."""
    if len(name) > _LONGEST_NAME:
        return ""
    close = difflib.get_close_matches(name, list(known), most, cutoff)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""


def path_text(path: DocPath) -> str:
    """Write a document path with dots and brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and all(c.isalnum() or c in "-_" for c in part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by file and position and drop exact repeats (a file imported twice)."""
    return sorted(
        dict.fromkeys(findings), key=lambda f: (f.file, f.line, f.column, f.code, f.message)
    )


def as_strict(findings: Iterable[Finding]) -> list[Finding]:
    """Turn warnings into errors (``--strict``)."""
    return [
        replace(f, severity=Severity.ERROR) if f.severity is Severity.WARNING else f
        for f in findings
    ]
