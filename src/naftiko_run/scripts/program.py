"""A program: the files of one script step, ready for an engine, each statement counting itself."""

import secrets
from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct, field

from naftiko_run.scripts.texts import Places, ScriptText
from naftiko_run.types import Discreet, without


class Names(Struct, frozen=True):
    """What a program calls its counter and its other tools.

    They are drawn by lot: no script can have written them, so none can stand in their place.
    """

    tick: str = field(default_factory=lambda: f"tick_{secrets.token_hex(8)}")
    tools: str = field(default_factory=lambda: f"tools_{secrets.token_hex(8)}")


class Program(Discreet, Struct, frozen=True):
    """The dependencies of a script and the script itself, one after the other, in one scope.

    ``places`` say where its lines come from.
    """

    language: str
    source: str
    places: Places
    names: Names = field(default_factory=Names)

    def __repr__(self) -> str:
        return without(self, "source", "places", "names")

    def place(self, line: int) -> tuple[str, int] | None:
        """Return the file and the line there that a line of the program comes from."""
        position = bisect_right(self.places, line, key=lambda place: place[0]) - 1
        if position < 0:
            return None
        first, file, start = self.places[position]
        return file, start + line - first


def compile_program(language: str, files: Sequence[ScriptText]) -> Program:
    """Compile files, the script last, its dependencies before it.

    Raises:
        ScriptSyntaxError: one of them is not in the language.
    """
    # The parsers are slow to load: only a document that has scripts needs them.
    if language == "javascript":
        from naftiko_run.scripts.javascript import counting  # noqa: PLC0415
    else:
        from naftiko_run.scripts.python import counting  # noqa: PLC0415
    names = Names()
    source, places = counting(files, names.tick)
    return Program(language, source, places, names)
