"""Values in SPARQL texts (SPARQL 1.1 Query Language, section 19): each as its place needs it.

A value between quotes stays between them, one between ``<`` and ``>`` stays one IRI, and one behind
``#`` stays on its line. Anywhere else it is a part of the query, as the document wants it.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

Encode = Callable[[str], str]

_STRING: Final = re.compile(r"'''|\"\"\"|'|\"")
_IRI: Final = re.compile(r"<[^<>\"{}|^`\\\s]*")
_ESCAPES: Final = str.maketrans(
    {
        "\\": "\\\\",
        '"': '\\"',
        "'": "\\'",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\b": "\\b",
        "\f": "\\f",
    }
)
_IN_IRI: Final = "!#$%&'()*+,/:;=?@[]~-._"


class Places:
    """Reads a text from its beginning, and says how a value is written where it stands."""

    def __init__(self) -> None:
        """Begin outside of everything."""
        self._within = ""

    def after(self, text: str) -> Encode:
        """Go on over a part of the text, and give what writes the value behind it."""
        position = 0
        while position < len(text):
            position = self._step(text, position)
        if self._within == "<":
            return lambda value: quote(value, safe=_IN_IRI)
        if self._within == "#":
            return lambda value: re.sub(r"[\r\n]+", " ", value)
        return (lambda value: value.translate(_ESCAPES)) if self._within else str

    def _step(self, text: str, position: int) -> int:
        within = self._within
        if within in ("<", "#"):
            end = ">" if within == "<" else "\n"
            found = text.find(end, position)
            if found < 0:
                return len(text)
            self._within = ""
            return found + 1
        if within:
            if text[position] == "\\":
                return position + 2
            if text.startswith(within, position):
                self._within = ""
                return position + len(within)
            return position + 1
        if opened := _STRING.match(text, position):
            # An empty string opens and closes at once.
            self._within = opened[0]
            return opened.end()
        if (iri := _IRI.match(text, position)) and iri.end() in (
            len(text),
            text.find(">", position),
        ):
            self._within = "<"
            return iri.end()
        if text[position] == "#":
            self._within = "#"
        return position + 1
