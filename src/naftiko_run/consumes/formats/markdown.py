"""Markdown as JSON: ``{"frontMatter": {…}, "tables": [[{…}]], "sections": [{…}]}``.

Front matter is a YAML mapping between two lines ``---`` at the very start; anything else there is
text. Tables (GFM) are those of the document itself, not those inside lists and quotations. Sections
are flat, in their order, ``{"heading", "level", "content"}``: the content is the text of what is
below the heading, blocks on lines of their own, without the tables. ``outputSchema`` is what the
headings of the sections must begin with. Emphasis and links are their text; an image is its
description, and HTML tags are left out.

markdown-it-py is used for its tokens: it follows CommonMark and takes linear time on all the inputs
that are known to make others slow.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from naftiko_run.consumes.formats.charset import text_of
from naftiko_run.consumes.formats.limits import too_long
from naftiko_run.consumes.formats.rows import column_names
from naftiko_run.consumes.formats.yaml_values import parse
from naftiko_run.errors import UnreadableReply
from naftiko_run.types import Json, Reply

MOST_TEXT: Final = 512 * 1024
"""Characters of one text: pure Python takes some ten seconds for the worst of them."""

_FRONT = re.compile(
    r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)


class Sections:
    """Reads a text; ``prefix`` is what the headings of its sections begin with."""

    def __init__(self, prefix: str) -> None:
        """Make the parser."""
        self._prefix = prefix
        self._parser = MarkdownIt("commonmark").enable("table")

    def __call__(self, reply: Reply) -> Json:
        """Decode a reply."""
        text = text_of(reply, "Markdown")
        if len(text) > MOST_TEXT:
            raise too_long("Markdown", MOST_TEXT)
        front, text = _front_matter(text)
        tokens = self._parser.parse(text)
        sections: list[Json] = [
            {"heading": heading, "level": level, "content": content}
            for heading, level, content in _sections(tokens)
            if heading.startswith(self._prefix)
        ]
        return {"frontMatter": front, "tables": list(_tables(tokens)), "sections": sections}


def _front_matter(text: str) -> tuple[dict[str, Json], str]:
    found = _FRONT.match(text)
    if found is None:
        return {}, text
    try:
        value = parse(found[1])
    except UnreadableReply:  # two rules with prose between them
        return {}, text
    return (value, text[found.end() :]) if isinstance(value, dict) else ({}, text)


def _sections(tokens: Sequence[Token]) -> Iterator[tuple[str, int, str]]:
    heading, level = "", 0
    blocks: list[str] = []
    in_heading = False
    tables = 0
    for token in tokens:
        if token.type == "heading_open" and token.level == 0:
            if level:
                yield heading, level, "\n".join(blocks)
            heading, level, blocks, in_heading = "", int(token.tag[1:]), [], True
        elif token.type == "heading_close" and token.level == 0:
            in_heading = False
        elif token.type in ("table_open", "table_close"):
            tables += 1 if token.type == "table_open" else -1
        elif token.type == "inline" and in_heading:
            heading = _flat(token)
        elif token.type == "inline" and not tables:
            blocks.append(_flat(token))
        elif token.type in ("fence", "code_block"):
            blocks.append(token.content.rstrip("\n"))
    if level:
        yield heading, level, "\n".join(blocks)


def _tables(tokens: Sequence[Token]) -> Iterator[list[Json]]:
    columns: list[str] = []
    cells: list[str] = []
    rows: list[Json] = []
    inside = False
    for token in tokens:
        if token.type == "table_open" and token.level == 0:
            inside, columns, rows = True, [], []
        elif not inside:
            continue
        elif token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(_flat(token))
        elif token.type == "tr_close" and not columns:
            columns = column_names(cells)
        elif token.type == "tr_close":
            rows.append(dict(zip(columns, cells, strict=True)))
        elif token.type == "table_close":
            inside = False
            yield rows


def _flat(token: Token) -> str:
    parts: list[str] = []
    for child in token.children or ():
        if child.type in ("text", "text_special", "code_inline"):
            parts.append(child.content)
        elif child.type == "image":
            parts.append(_flat(child))
        elif child.type == "softbreak":
            parts.append(" ")
        elif child.type == "hardbreak":
            parts.append("\n")
    return "".join(parts).strip()
