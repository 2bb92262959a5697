"""From the bytes of a file to a :class:`Source`: plain data that knows where it stands.

Whatever the bytes are, the outcome is a source or a :class:`DocumentError`: there are limits on
size, depth and aliases, and each is checked before the work it bounds.
"""

import codecs
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import yaml
from msgspec import Struct

from naftiko_run.errors import DocumentError
from naftiko_run.findings import DocPath, Finding, Severity
from naftiko_run.loading.composer import DEFAULT, Composer, Fault, FaultError, Limits
from naftiko_run.loading.events import Take, events
from naftiko_run.loading.lines import Lines
from naftiko_run.loading.positions import Positions
from naftiko_run.loading.syntax import explain
from naftiko_run.types import Json

__all__ = ["DEFAULT", "Cut", "Limits", "Source", "parse", "read"]

_CUT = re.compile(
    r"^# --- truncated at (?P<kept>\d+) KB \((?P<total>\d+) KB total\) ---[ \t\r]*$"
    r"(?:\s*^# Full source: (?P<url>\S+)[ \t\r]*$)?",
    re.MULTILINE,
)
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ASCII = bytes([*b"\t\n\r", *range(0x20, 0x7F)])
# YAML 1.2.2, section 5.1: what a document may consist of.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Line breaks of YAML 1.1, where PyYAML still breaks lines; ordinary characters in YAML 1.2.
_OLD_BREAKS = "\x85\u2028\u2029"


class Cut(Struct, frozen=True, kw_only=True):
    """What the trailer of a shortened copy says: its size, the full one, and where that is."""

    kept: int
    total: int
    url: str
    start: int
    end: int

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"a copy that was cut: {self.kept} of {self.total} KB"


class Source:
    """A document that was read: its data, and where each value stands in its text."""

    def __init__(
        self,
        lines: Lines,
        path: Path,
        data: Json,
        positions: Positions,
        cut: Cut | None = None,
    ) -> None:
        """Keep what was read."""
        self._lines = lines
        self._positions = positions
        self.file = lines.file
        """The file's name as the user typed it."""
        self.path = path
        """Where it lies, resolved."""
        self.data = data
        """Plain values; a collection that is named by an alias is the same object each time."""
        self.cut = cut
        """Set for a shortened copy that can still be read."""

    def __repr__(self) -> str:
        """Name the file."""
        return f"Source({self.file})"

    @property
    def text(self) -> str:
        """The whole text, decoded, without a byte order mark."""
        return self._lines.text

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings that do not keep the document from being read."""
        return (self.cut_finding(Severity.WARNING),) if self.cut else ()

    def cut_finding(self, severity: Severity) -> Finding:
        """Tell of a shortened copy: as a warning, or as the error that took away too much."""
        assert self.cut is not None  # noqa: S101 - asked only where there is one
        return _cut_finding(self._lines, self.cut, severity)

    def line(self, number: int) -> str:
        """Return one line of the text, counted from 1."""
        return self._lines.line(number)

    def finding(
        self,
        code: str,
        message: str,
        fix: str = "",
        *,
        path: DocPath = (),
        severity: Severity = Severity.ERROR,
        key: bool = False,
    ) -> Finding:
        """Make a finding about a value, or about its key."""
        start, end = self._positions.find(self.text, path, key=key)
        return self._lines.finding(
            code, message, fix, start=start, end=end, path=path, severity=severity
        )


def read(
    path: Path | str,
    *,
    file: str | None = None,
    limits: Limits = DEFAULT,
    read_bytes: Callable[[Path, int], bytes] | None = None,
) -> Source:
    """Read a file; ``file`` is its name in findings, by default the path as it is given.

    Raises:
        DocumentError: it is no ordinary file, is too large, cannot be read, or is not YAML.

    """
    name = str(path) if file is None else file
    try:
        content = (read_bytes or content_of)(Path(path), limits.size)
    except (OSError, ValueError) as error:
        raise DocumentError([_unreadable(name, error)]) from None
    return parse(content, name, Path(path).resolve(), limits)


def content_of(path: Path, most: int) -> bytes:
    """Read at most ``most`` bytes, and one more, of an ordinary file; others are not even opened.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not an ordinary file, or larger than that.

    """
    _check(path.stat(), most)
    # Between the two checks the file may have become another: do not wait for a pipe's writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as opened:  # noqa: PTH123 - a descriptor
        _check(os.fstat(opened.fileno()), most)
        return opened.read(most + 1)


def _check(status: os.stat_result, most: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not an ordinary file but a device, a pipe or a socket")
    if status.st_size > most:
        raise ValueError(_too_large(status.st_size, most))


def _too_large(size: int, most: int) -> str:
    return f"it has {size / 1048576:.1f} MB; at most {most / 1048576:.0f} MB are read"


def _unreadable(file: str, error: OSError | ValueError) -> Finding:
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    fixes: dict[type, str] = {
        FileNotFoundError: "check the name and the folder",
        PermissionError: "allow this user to read it",
    }
    return Finding(
        code="E-FILE",
        severity=Severity.ERROR,
        message=f"the file cannot be read: {reason[:1].lower() + reason[1:]}",
        fix=fixes.get(type(error), "name a YAML file"),
        file=file,
    )


def parse(
    content: bytes,
    file: str,
    path: Path,
    limits: Limits = DEFAULT,
    *,
    parser: Callable[[str], Take] = events,
) -> Source:
    """Turn bytes into a source; ``file`` is the name in findings, ``path`` where it lies, resolved.

    Raises:
        DocumentError: the bytes are not text, not YAML, or beyond a limit.

    """
    if len(content) > limits.size:
        raise DocumentError([_unreadable(file, ValueError(_too_large(len(content), limits.size)))])
    lines = Lines(file, _text(content, file))
    cut = _find_cut(lines.text)
    try:
        data, positions = _compose(lines, limits, parser)
    except DocumentError:
        if cut is None:
            raise
        raise DocumentError([_cut_finding(lines, cut, Severity.ERROR)]) from None
    return Source(lines, path, data, positions, cut)


def _compose(lines: Lines, limits: Limits, parser: Callable[[str], Take]) -> tuple[Json, Positions]:
    text = without_old_breaks(lines.text)
    composer = Composer(lines, parser(text), limits)
    faults = composer.faults
    data: Json = None
    try:
        data = composer.document()
    except FaultError as error:
        faults.append(error.fault)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The last two come from PyYAML's own parser, for escapes that are no characters.
        faults.append(explain(error, lines))
    else:
        if data is None:
            finding = _unreadable(lines.file, ValueError("it is empty"))
            raise DocumentError([finding])
    if faults:
        raise DocumentError([_fault_finding(lines, fault) for fault in faults])
    if text is not lines.text:
        data = _with_old_breaks(data, lines.text)
    return data, composer.positions


def _fault_finding(lines: Lines, fault: Fault) -> Finding:
    return lines.finding(
        "E-YAML", fault.message, fault.fix, start=fault.start, end=fault.end, path=fault.path
    )


def _find_cut(text: str) -> Cut | None:
    """Find the trailer that an index writes under a copy that it has cut (R-LOAD-1)."""
    start = text.find("\n# --- truncated at ", max(0, len(text) - 2000))
    found = _CUT.search(text, start + 1) if start >= 0 else None
    if not found:
        return None
    return Cut(
        kept=int(found["kept"][:9]),
        total=int(found["total"][:9]),
        url=found["url"] or "",
        start=found.start(),
        end=found.end("total"),
    )


def _cut_finding(lines: Lines, cut: Cut, severity: Severity) -> Finding:
    error = severity is Severity.ERROR
    return lines.finding(
        "E-TRUNCATED" if error else "W-TRUNCATED",
        f"{cut}; {'what is left cannot be served' if error else 'what was cut off is not served'}",
        f"get the full source: {cut.url}" if cut.url else "get the full source",
        start=cut.start,
        end=cut.end,
        severity=severity,
    )


def _text(content: bytes, file: str) -> str:
    """Decode a document; without a byte order mark its first bytes tell (YAML 1.2.2, 5.2)."""
    encoding, skip = _encoding(content)
    body = content[skip:]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError([_undecodable(body, error, file)]) from None
    text = text.removeprefix("\ufeff") if skip else text
    if encoding == "utf-8" and not body.translate(None, _ASCII):
        return text
    if bad := _NOT_ALLOWED.search(text):
        raise DocumentError([_bad_character(Lines(file, text), bad.start())])
    return text


def _encoding(content: bytes) -> tuple[str, int]:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return encoding, len(mark)
    nulls = tuple(byte == 0 for byte in content[:4])
    by_nulls: dict[tuple[bool, ...], str] = {
        (True, True, True, False): "utf-32-be",
        (False, True, True, True): "utf-32-le",
        (True, False, True, False): "utf-16-be",
        (False, True, False, True): "utf-16-le",
    }
    return by_nulls.get(nulls, "utf-8"), 0


def _undecodable(body: bytes, error: UnicodeDecodeError, file: str) -> Finding:
    before = body[: error.start].decode(error.encoding, "replace")
    after = body[error.start : error.start + 400].decode(error.encoding, "replace")
    name = error.encoding.upper()
    if "\0" in before or "\0" in after:
        return _bad_character(Lines(file, before + after), (before + after).index("\0"))
    return Lines(file, before + after).finding(
        "E-FILE",
        f"the byte 0x{body[error.start]:02X} is not {name}",
        "save the file as UTF-8",
        start=len(before),
        end=len(before) + 1,
    )


def _bad_character(lines: Lines, index: int) -> Finding:
    char = lines.text[index]
    binary = char == "\0"
    return lines.finding(
        "E-FILE",
        "this is not a text file" if binary else f"the character U+{ord(char):04X} is not allowed",
        "name a YAML file" if binary else "remove it, or write it as an escape in double quotes",
        start=index,
        end=index + 1,
    )


def without_old_breaks(text: str) -> str:
    """Hide from PyYAML what only YAML 1.1 takes for line breaks, in private characters."""
    if not any(c in text for c in _OLD_BREAKS):
        return text
    return text.translate(dict(zip(map(ord, _OLD_BREAKS), _spare(text), strict=True)))


def _with_old_breaks(data: Json, text: str) -> Json:
    back = dict(zip(map(ord, _spare(text)), _OLD_BREAKS, strict=True))
    return _translated(data, back)


def _spare(text: str) -> list[str]:
    free = (chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text)
    return [next(free) for _ in _OLD_BREAKS]


def _translated(data: Json, table: dict[int, str]) -> Json:
    if isinstance(data, str):
        return data.translate(table)
    if isinstance(data, list):
        return [_translated(item, table) for item in data]
    if isinstance(data, dict):
        return {key.translate(table): _translated(item, table) for key, item in data.items()}
    return data
