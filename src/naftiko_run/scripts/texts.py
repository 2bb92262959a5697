"""What scripts are made of: the texts of files, and where each line of them went."""

from msgspec import Struct

from naftiko_run.types import Discreet, without

Places = tuple[tuple[int, str, int], ...]
"""The first line of each piece of a program, from 1, in order; its file, and the line there."""


class ScriptText(Discreet, Struct, frozen=True):
    """A file of a script: its name as messages show it, and what it holds."""

    name: str
    text: str

    def __repr__(self) -> str:
        return without(self, "text")


class ScriptSyntaxError(Exception):
    """A file that is not in its language; line and column count from 1."""

    def __init__(self, file: str, line: int, column: int, message: str) -> None:
        """Keep where it is."""
        super().__init__(f"{file}:{line}:{column}: {message}")
