"""The text of a document: from an index in it to a line and column, and to a finding."""

import re
from bisect import bisect_right
from functools import cached_property

from naftiko_run.findings import DocPath, Finding, Severity

_BREAK = re.compile(r"\r\n?|\n")  # YAML 1.2.2, section 5.4


class Lines:
    """A document's text, its name as the user typed it, and where its lines start."""

    __slots__ = ("__dict__", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        """Keep both; nothing is computed before it is asked for."""
        self.file = file
        self.text = text

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _BREAK.finditer(self.text))]

    def position(self, index: int) -> tuple[int, int]:
        """Return line and column, counted from 1, of a place in the text."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return one line, counted from 1, without its line break; ``""`` when there is none."""
        if not 0 < number <= len(self._starts):
            return ""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\r\n")

    def finding(
        self,
        code: str,
        message: str,
        fix: str = "",
        *,
        start: int,
        end: int,
        path: DocPath = (),
        severity: Severity = Severity.ERROR,
    ) -> Finding:
        """Make a finding about what stands from ``start`` to ``end`` in the first of its lines."""
        line, column = self.position(start)
        source_line = self.line(line)
        room = len(source_line.rstrip()) - column + 1
        return Finding(
            code=code,
            severity=severity,
            message=message,
            fix=fix,
            file=self.file,
            line=line,
            column=column,
            path=path,
            source_line=source_line,
            width=max(1, min(end - start, room)),
        )
