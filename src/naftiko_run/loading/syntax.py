"""YAML syntax errors in sentences for people, with what to do.

The parser says what it expected ("did not find expected key"), which is seldom what the author did.
So each of its complaints is looked up in a table, and the text around it tells which of the usual
mistakes was made: a template or a colon without quotes, a tab, a line that is indented askew.
Both parsers of PyYAML (libyaml's and its own) are known to the table; they word things differently.
"""

import re
from collections.abc import Callable

from msgspec import Struct

from naftiko_run.loading.composer import Fault
from naftiko_run.loading.lines import Lines
from naftiko_run.loading.scalars import short

_ENTRY = re.compile(r"\s*(?:-\s+)*(?P<key>[^\s:#'\"{\[][^:#]*?)\s*:\s+(?P<value>\S.*)")
_TEMPLATE = re.compile(r"(?:^\s*|[:,\[-]\s+)(?P<text>\{\{[^{}]*\}\}(?:[^\s#][^#]*)?)")


class _Place(Struct, frozen=True):
    """Where a parser gave up: the text, the index there and where its context began."""

    lines: Lines
    index: int
    began: int
    problem: str
    at_end: bool

    @property
    def char(self) -> str:
        return self.lines.text[self.index : self.index + 1]

    @property
    def line(self) -> str:
        return self.lines.line(self.lines.position(self.index)[0])

    @property
    def column(self) -> int:
        return self.lines.position(self.index)[1] - 1

    def fault(self, message: str, fix: str = "", *, start: int = -1, width: int = 1) -> Fault:
        begin = self.index if start < 0 else start
        return Fault(message=message, fix=fix, start=begin, end=begin + width)


def explain(error: Exception, lines: Lines) -> Fault:
    """Say what is wrong, where, and what to do."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    index = mark.index if mark else 0
    context = getattr(error, "context_mark", None)
    text = lines.text.rstrip()
    place = _Place(
        lines,
        min(index, max(len(text) - 1, 0)),
        context.index if context else index,
        getattr(error, "problem", None) or str(error).partition("\n")[0],
        at_end=index >= len(text),
    )
    if fault := _template(place) or (None if place.at_end else _tab(place)):
        return fault
    for pattern, sentence in _SENTENCES:
        if pattern.search(place.problem):
            return sentence(place)
    return place.fault(f"this is not YAML: {short(place.problem, 120)}")


def quoted(text: str) -> str:
    """Put a text, if it is not too long to repeat, in the quotes that YAML needs around it."""
    text = short(text, 120)
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def _template(place: _Place) -> Fault | None:
    """See whether a value begins with ``{{`` without quotes, here or where the context began."""
    for index in dict.fromkeys((place.index, place.began)):
        number = place.lines.position(index)[0]
        found = _TEMPLATE.search(place.lines.line(number))
        if found:
            text = found["text"].strip()
            start = index - place.lines.position(index)[1] + 1 + found.start("text")
            return place.fault(
                "a value that begins with '{{' needs quotes",
                f"quote it: {quoted(text)}",
                start=start,
                width=len(text),
            )
    return None


def _tab(place: _Place) -> Fault | None:
    before = place.line[: place.column + 1]
    if "\t" not in before or before.strip():
        return None
    start = place.index - place.column + before.index("\t")
    return place.fault("the indentation has a tab", "indent with spaces alone", start=start)


def _second_colon(place: _Place) -> Fault:
    entry = _ENTRY.match(place.line)
    start = place.index - place.column
    if entry and entry.start("value") <= place.column and entry["value"][0] not in "'\"|>&*!":
        return place.fault(
            f"the value of '{short(entry['key'])}' contains ': ' and has no quotes",
            f"quote it: {short(entry['key'])}: {quoted(entry['value'].strip())}",
            start=start + entry.start("value"),
            width=len(entry["value"].strip()),
        )
    if place.column > 1024:  # the longest implicit key, YAML 1.2.2 section 7.4.2
        return place.fault("a key of more than 1,024 characters", "is a line break missing?")
    indent = len(place.line) - len(place.line.lstrip())
    return place.fault(
        "this line is indented more than the one above, which already has its value",
        "align it with its neighbours, or quote the value above if this continues it",
        start=start + indent,
        width=len(place.line.strip()),
    )


def _no_colon(place: _Place) -> Fault:
    number = place.lines.position(place.began)[0]
    text = place.lines.text[place.began :].partition("\n")[0].strip()
    return place.fault(
        f"no ':' after '{short(text)}'",
        f"write it as 'key: value', or indent line {number} if it continues the text above",
        start=place.began,
        width=len(text),
    )


def _no_key(place: _Place) -> Fault:
    before = place.line[: place.column].rstrip()
    if not before:
        number = place.lines.position(place.began)[0]
        if place.char == "-" and place.line[place.column + 1 : place.column + 2] in ("", " "):
            message = "a list item stands where a key is expected"
        else:
            message = "this line is indented askew"
        fix = f"align it with the entries that begin in line {number}, or with those it belongs to"
        return place.fault(message, fix, width=len(place.line.strip()))
    if before[-1] in "'\"":
        fix = f"put the whole value in one pair of quotes; within {before[-1]} "
        fix += "write '' for an apostrophe" if before[-1] == "'" else 'write \\" for a quote'
        return place.fault("text after the closing quote", fix)
    if before[-1] in "}]":
        return place.fault(
            f"text after the closing '{before[-1]}'", "quote the whole value if it is meant as text"
        )
    return place.fault(f"'{place.char}' is not expected here", "check the line and the one above")


def _no_item(place: _Place) -> Fault:
    number = place.lines.position(place.began)[0]
    return place.fault(
        f"this line is not an item of the list that begins in line {number}",
        "begin it with '- ', or align it with the key it belongs to",
        width=len(place.line.strip()),
    )


def _open_flow(place: _Place) -> Fault:
    line = place.lines.position(place.index)[0]
    opening = place.lines.text[place.began : place.began + 1]
    closing = "]" if opening == "[" else "}"
    return place.fault(
        f"'{opening}' is opened here, but in line {line} there is neither ',' nor '{closing}'",
        f"close it with '{closing}', or quote the value if it is meant as text",
        start=place.began,
    )


def _open_quote(place: _Place) -> Fault:
    return place.fault(
        "the quote that is opened here is never closed", "close it", start=place.began
    )


def _escape(place: _Place) -> Fault:
    text = place.lines.text
    start = place.index if place.char == "\\" else place.index - 1
    escape = text[start : start + 2]
    return place.fault(
        f"'{escape}' means nothing between double quotes",
        f"write '\\{escape}', or use single quotes",
        start=start,
        width=2,
    )


def _half_character(place: _Place) -> Fault:
    text = place.lines.text
    return place.fault(
        "an escape that is no character, or one half of a character",
        "write the character itself, or \\U and its eight digits",
        start=max(text.rfind("\\", 0, place.index), 0),
        width=6,
    )


def _reserved(place: _Place) -> Fault:
    value = place.line[place.column :].strip()
    return place.fault(
        f"a value cannot begin with '{place.char}'",
        f"quote it: {quoted(value)}",
        width=len(value),
    )


def _sigil(place: _Place) -> Fault:
    sign = place.lines.text[place.began : place.began + 1]
    noun = "alias" if sign == "*" else "anchor"
    return place.fault(
        f"'{sign}' without quotes begins an {noun}, and no name follows",
        "quote the value if it is meant as text",
        start=place.began,
    )


def _block_header(place: _Place) -> Fault:
    sign = place.lines.text[place.began : place.began + 1]
    return place.fault(
        f"text on the line of '{sign}'",
        f"begin the text in the next line, or quote the value if the '{sign}' belongs to it",
        start=place.began,
    )


def _item_in_line(place: _Place) -> Fault:
    return place.fault("a list cannot begin on its key's line", "put '- ' in the next line")


def _no_value(place: _Place) -> Fault:
    if place.at_end:
        return place.fault("the file ends inside a list or mapping", "is the end missing?")
    return place.fault(
        f"'{place.char}' stands where a value is expected",
        "add the value, or quote it if the sign is meant as text",
    )


def _after_end(place: _Place) -> Fault:
    return place.fault(
        "text after the end of the document",
        "is a line above indented less than its neighbours?",
        width=len(place.line.strip()),
    )


def _directive(place: _Place) -> Fault:
    return place.fault(
        "a line that begins with '%' is an instruction to the parser",
        "quote it, or indent it",
        start=place.began,
    )


def _tag_handle(place: _Place) -> Fault:
    return place.fault(
        "'!' without quotes begins a tag, and this one is not known",
        "quote the value if it is meant as text",
        start=place.began,
    )


def _version(place: _Place) -> Fault:
    return place.fault("a YAML version other than 1.1 and 1.2", "remove the '%YAML' line")


def _question(place: _Place) -> Fault:
    return place.fault("'? ' without quotes begins a key", "quote the value if it is meant as text")


_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[_Place], Fault]], ...] = tuple(
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"mapping values are not allowed", _second_colon),
        (r"could not find expected ':'", _no_colon),
        (r"unknown escape", _escape),
        (r"Unicode character escape|escape sequence of|hexa?decimal|chr\(\)", _half_character),
        (r"unexpected end of stream|unexpected document (?:indicator|separator)", _open_quote),
        (r"cannot start any token", _reserved),
        (r"expected alphabetic or numeric character, but found ':'|directive", _directive),
        (r"unexpected non-alphabetical character", _directive),
        (r"expected alphabetic or numeric character", _sigil),
        (r"expected comment or line break|indentation indicator", _block_header),
        (r"tag URI|expected URI|URI escaped octet|UTF-8 octet|'utf-8' codec", _tag_handle),
        (r"whitespace or line break|expected '>'|expected the '>'", _tag_handle),
        (r"expected version number|a digit, but found", _directive),
        (r"sequence entries are not allowed", _item_in_line),
        (r"mapping keys are not allowed", _question),
        (r"(?:expected|expected the) node content", _no_value),
        (r"expected ',' or '[\]}]'", _open_flow),
        (r"did not find expected key", _no_key),
        (r"did not find expected '-' indicator", _no_item),
        (r"expected '?<document start>", _after_end),
        (r"undefined tag handle", _tag_handle),
        (r"incompatible YAML document", _version),
        (r"expected <block end>, but found '\?'", _no_item),
        (r"expected <block end>", _no_key),
    )
)
"""What a parser complains about, and who knows what it means; the first that fits is asked."""
