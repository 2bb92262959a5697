"""Findings for people and for machines: text, JSON, SARIF 2.1.0 and GitHub workflow commands.

Whatever a document holds, its text cannot act on a terminal: control characters, escapes and marks
that turn the direction of writing are shown as their code points.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Protocol
from unicodedata import combining, east_asian_width
from urllib.parse import quote

from naftiko_run.codes import CODES
from naftiko_run.findings import Finding, Severity
from naftiko_run.types import Json
from naftiko_run.version import __version__

FORMATS = ("text", "json", "sarif", "github")
"""The names of the formats."""

_WINDOW = 100
"""How much of a long line is shown."""

# C0, C1, soft hyphen, direction marks and overrides, zero-width and line separators, surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
_PAINT = {
    Severity.ERROR: "1;31",
    Severity.WARNING: "1;33",
    Severity.NOTICE: "1;36",
}


class Stream(Protocol):
    """What is asked of a stream to know whether colours reach a person."""

    def isatty(self) -> bool:
        """Say whether it is a terminal."""


def wants_colour(stream: Stream, environ: Mapping[str, str]) -> bool:
    """Say whether text for this stream may be coloured (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def render(
    findings: Sequence[Finding], files: Sequence[str], form: str, *, colour: bool = False
) -> str:
    """Write findings in one of the :data:`FORMATS`; ``files`` are all that were read."""
    if form == "text":
        return _text(findings, files, colour=colour)
    return _RENDERERS[form](findings, files)


def safe(text: str) -> str:
    r"""Show what could act on a terminal as its code point: ``\x1b``, ``\u202e``."""
    return _UNSAFE.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


# ------------------------------------------------------------------------------------------ text


def _text(findings: Sequence[Finding], files: Sequence[str], *, colour: bool) -> str:
    def paint(text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if colour else text

    blocks = [_block(finding, paint) for finding in findings]
    return "".join(f"{block}\n\n" for block in blocks) + _summary(findings, files) + "\n"


def _block(finding: Finding, paint: Callable[[str, str], str]) -> str:
    style = _PAINT[finding.severity]
    head = f"{finding.severity} {finding.code}"
    lines = [f"{paint(safe(finding.where), '1')}: {paint(head, style)}: {safe(finding.message)}"]
    if finding.line and finding.source_line.strip():
        number = str(finding.line)
        shown, indent, width = _excerpt(finding)
        lines.append(f"  {number} | {shown}")
        mark = paint("^" + "~" * (width - 1), style)
        lines.append(f"  {' ' * len(number)} | {' ' * indent}{mark}")
    if finding.path:
        lines.append(f"  at {safe(finding.pointer)}")
    if finding.fix:
        lines.append(f"  {paint('fix:', '1')} {safe(finding.fix)}")
    return "\n".join(lines)


def _excerpt(finding: Finding) -> tuple[str, int, int]:
    """Return what is shown of the line, and the columns on the screen: before and of the mark."""
    line, start = finding.source_line, finding.column - 1
    first = max(0, start - _WINDOW // 3) if len(line) > _WINDOW else 0
    last = min(len(line), first + _WINDOW)
    before, meant = line[first:start], line[start : min(start + finding.width, last)]
    lead = "…" if first else ""
    shown = lead + _on_screen(line[first:last]) + ("…" if last < len(line) else "")
    indent = len(lead) + _columns(_on_screen(before))
    return shown, indent, max(1, _columns(_on_screen(meant)))


def _on_screen(text: str) -> str:
    return safe(text.replace("\t", " "))


def _columns(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _summary(findings: Sequence[Finding], files: Sequence[str]) -> str:
    counts = _counts(findings)
    parts = [_counted(counts[each], str(each)) for each in Severity if counts[each]]
    return f"{_counted(len(files), 'file')}: {', '.join(parts) or 'no problems'}"


def _counts(findings: Sequence[Finding]) -> Counter[Severity]:
    return Counter(finding.severity for finding in findings)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# ------------------------------------------------------------------------------------------ json


def _json(findings: Sequence[Finding], files: Sequence[str]) -> str:
    counts = _counts(findings)
    return _dump(
        {
            "version": 1,
            "summary": {
                "files": len(files),
                "errors": counts[Severity.ERROR],
                "warnings": counts[Severity.WARNING],
                "notices": counts[Severity.NOTICE],
            },
            "files": list(files),
            "findings": [_as_json(finding) for finding in findings],
        }
    )


def _as_json(finding: Finding) -> dict[str, Json]:
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        "fix": finding.fix,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "width": finding.width,
        "path": list(finding.path),
        "pointer": finding.pointer,
        "source": _near(finding),
    }


def _near(finding: Finding) -> str:
    """Return the source line, or of a very long one what is near the finding."""
    first = max(0, finding.column - 1000)
    return finding.source_line[first : finding.column + 1000]


def _dump(value: Json) -> str:
    # ASCII alone: safe on any terminal, and a file name that is not UTF-8 stays representable.
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


# ----------------------------------------------------------------------------------------- sarif

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "note"}


def _sarif(findings: Sequence[Finding], files: Sequence[str]) -> str:
    numbers = {code: number for number, code in enumerate(CODES)}
    driver: dict[str, Json] = {
        "name": "naftiko-run",
        "version": __version__,
        "rules": [_rule(code) for code in CODES],
    }
    run: dict[str, Json] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": _uri(file)}} for file in dict.fromkeys(files)],
        "results": [_result(finding, numbers) for finding in findings],
    }
    return _dump(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [run],
        }
    )


def _rule(code: str) -> Json:
    entry = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.meaning},
        "help": {"text": entry.fix},
        "defaultConfiguration": {"level": _LEVELS[entry.severity]},
    }


def _result(finding: Finding, numbers: Mapping[str, int]) -> Json:
    fix = f"\n{finding.fix}" if finding.fix else ""
    place: dict[str, Json] = {"artifactLocation": {"uri": _uri(finding.file)}}
    if finding.line:
        place["region"] = {
            "startLine": finding.line,
            "startColumn": finding.column,
            "endColumn": finding.column + finding.width,
            "snippet": {"text": _near(finding)},
        }
    location: dict[str, Json] = {"physicalLocation": place}
    if finding.path:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.pointer}]
    result: dict[str, Json] = {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message + fix},
        "locations": [location],
    }
    if finding.code in numbers:
        result["ruleIndex"] = numbers[finding.code]
    return result


def _uri(file: str) -> str:
    path = PurePath(file)
    if path.is_absolute():
        return path.as_uri()
    # A colon in the first segment would read as a scheme (RFC 3986, section 4.2).
    return quote(path.as_posix().encode(errors="surrogateescape"), safe="/")


# ---------------------------------------------------------------------------------------- github

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTICE: "notice"}


def _github(findings: Sequence[Finding], files: Sequence[str]) -> str:
    del files  # only findings are annotations
    return "".join(f"{_command(finding)}\n" for finding in findings)


def _command(finding: Finding) -> str:
    properties = {"file": finding.file}
    if finding.line:
        properties["line"] = str(finding.line)
        properties["col"] = str(finding.column)
        properties["endColumn"] = str(finding.column + finding.width - 1)
    properties["title"] = finding.code
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    where = f"{finding.pointer}: " if finding.path else ""
    fix = f" ({finding.fix})" if finding.fix else ""
    data = safe(f"{where}{finding.message}{fix}").replace("%", "%25")
    return f"::{_COMMANDS[finding.severity]} {written}::{data}"


def _property(value: str) -> str:
    escaped = safe(value).replace("%", "%25")
    return escaped.replace(":", "%3A").replace(",", "%2C")


_RENDERERS: Mapping[str, Callable[[Sequence[Finding], Sequence[str]], str]] = {
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}
