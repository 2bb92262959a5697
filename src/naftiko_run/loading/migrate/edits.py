"""Changes to a text, gathered first and made at once: positions are those of the text before."""

from msgspec import Struct, field


class Edits(Struct):
    """Replacements in a text; deletions may overlap one another."""

    text: str
    _made: list[tuple[int, int, int, str]] = field(default_factory=list)

    def replace(self, start: int, end: int, new: str) -> None:
        """Put ``new`` in the place of a range."""
        self._made.append((start, end, len(self._made), new))

    def insert(self, at: int, new: str) -> None:
        """Put ``new`` before what stands at a position."""
        self.replace(at, at, new)

    def delete(self, start: int, end: int) -> None:
        """Take a range out."""
        self.replace(start, end, "")

    def indent(self, start: int, end: int, columns: int) -> None:
        """Move the lines that begin in a range to the right; empty ones stay."""
        at = start
        while at < end:
            stop = self.text.find("\n", at)
            stop = len(self.text) if stop < 0 else stop
            if self.text[at:stop].strip():
                self.insert(at, " " * columns)
            at = stop + 1

    def apply(self) -> str:
        """Return the text with everything replaced."""
        parts = []
        done = 0
        for start, end, _, new in sorted(self._made):
            if end <= done and not new:
                continue  # inside of what is gone already
            parts += [self.text[done : max(done, start)], new]
            done = max(done, end)
        return "".join([*parts, self.text[done:]])
