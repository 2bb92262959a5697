"""The text of a document: from an index in it to a line and column, and to a finding."""

from bisect import bisect_right
from functools import cached_property

from naftiko_run.findings import DocPath, Finding, Severity


class Lines:
    """A document's text, its name as the user typed it, and where its lines start."""

    __slots__ = ("__dict__", "file", "text")

    def __init__(self, file: str, text: str) -> None:
        """Keep both; nothing is computed before it is asked for."""
        self.file = file
        self.text = text

    @cached_property
    def _starts(self) -> list[int]:
        # Line breaks of YAML 1.2: LF, CR and CRLF.
        text = self.text
        if "\r" not in text:
            breaks = [i + 1 for i, c in enumerate(text) if c == "\n"]
        else:
            breaks = [
                i + 1
                for i, c in enumerate(text)
                if c == "\n" or (c == "\r" and text[i + 1 : i + 2] != "\n")
            ]
        return [0, *breaks]

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
