"""HTML as JSON: ``{"tables": [[{header: cell, …}, …], …]}``, in the order of the page.

``outputSchema`` is a CSS selector: of tables, or of what holds them. The header is the first row of
``thead``, else the first row; what counts are its ``th``. A table without them is left out, and so
are rows that have a ``th`` of their own. A missing cell is ``""``. Texts are trimmed and their
spaces made one; a table inside a cell stands for itself, not in the text of the cell.

The parser is libxml2's by way of lxml. It sends events to a builder here instead of building by
itself, because its own has no limit on attributes, and takes time in the square of their number.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree  # type: ignore[import-untyped]
from lxml.cssselect import CSSSelector  # type: ignore[import-untyped]

from naftiko_run.consumes.formats.charset import text_of
from naftiko_run.consumes.formats.limits import (
    MOST_VALUES,
    FormatError,
    too_long,
    too_many,
    unreadable,
)
from naftiko_run.consumes.formats.rows import column_names
from naftiko_run.errors import UnreadableReply
from naftiko_run.types import Json, Reply

MOST_TEXT: Final = 8 * 1024 * 1024
"""Characters of one page: libxml2 takes some four seconds for the worst of them."""

_MOST_DEPTH: Final = 500  # pages that never close their <font> are deep; browsers end at 512
_MOST_ATTRIBUTES: Final = 500
_META = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9._-]{1,40})", re.IGNORECASE
)
_UNSEEN: Final = frozenset("script style template noscript table".split())
_INLINE: Final = frozenset(
    "a abbr b bdi bdo cite code data dfn em font i ins del kbd mark q s samp small span strong sub"
    " sup time tt u var wbr".split()
)


class Tables:
    """Reads the tables of a page, those that a selector chooses."""

    def __init__(self, selector: str) -> None:
        """Compile the selector; empty is every table."""
        self._select = _compiled(selector) if selector else None

    def __call__(self, reply: Reply) -> Json:
        """Decode a reply."""
        text = text_of(reply, "HTML", declared=_declared, lenient=True)
        if len(text) > MOST_TEXT:
            raise too_long("HTML", MOST_TEXT)
        root = _parsed(text)
        if root is None:
            return {"tables": []}
        rows: dict[Any, list[Any]] = {table: [] for table in self._chosen(root)}
        for row in root.iter("tr"):
            table = next(row.iterancestors("table"), None)
            if table in rows:
                rows[table].append(row)
        tables = [_objects(each) for each in rows.values()]
        return {"tables": [table for table in tables if table is not None]}

    def _chosen(self, root: Any) -> Iterator[Any]:  # noqa: ANN401 - lxml has no types
        if self._select is None:
            yield from root.iter("table")
            return
        chosen = set(self._select(root))
        for table in root.iter("table") if chosen else ():
            if table in chosen or any(holder in chosen for holder in table.iterancestors()):
                yield table


def _compiled(selector: str) -> Any:  # noqa: ANN401 - lxml has no types
    try:
        return CSSSelector(selector, translator="html")
    except (ValueError, SyntaxError, etree.XPathError) as error:
        raise FormatError(
            f"outputSchema is no CSS selector: {error}",
            "write one, such as table.products, or leave it out for all tables",
            "outputSchema",
        ) from None


def _declared(body: bytes) -> str | None:
    found = _META.search(body[:4096])
    if found is None:
        return None
    # HTML's names for encodings: what says Latin-1 means the superset of Windows (WHATWG Encoding).
    label = found[1].decode("ascii").lower()
    if label in ("iso-8859-1", "latin1", "ascii", "us-ascii"):
        return "cp1252"
    return "utf-8" if label.startswith("utf-16") else label


class _Builder:
    """Builds the tree from the parser's events, within limits."""

    def __init__(self) -> None:
        self._tree = etree.TreeBuilder()
        self._depth = 0
        self._count = 0
        self.problem: UnreadableReply | None = None

    def start(self, tag: str, attributes: Any) -> None:  # noqa: ANN401 - lxml has no types
        self._depth += 1
        self._count += 1 + len(attributes)
        if self._depth > _MOST_DEPTH:
            self._stop(unreadable("HTML", f"it is nested more than {_MOST_DEPTH} levels deep"))
        if len(attributes) > _MOST_ATTRIBUTES:
            self._stop(unreadable("HTML", f"a tag has more than {_MOST_ATTRIBUTES} attributes"))
        if self._count > MOST_VALUES:
            self._stop(too_many("HTML"))
        self._tree.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._tree.end(tag)

    def data(self, text: str) -> None:
        if self._depth:
            self._tree.data(text)

    def close(self) -> Any:  # noqa: ANN401 - lxml has no types
        return self._tree.close() if self._count and self.problem is None else None

    def _stop(self, problem: UnreadableReply) -> None:
        # The parser may wrap what its target raises, and closes the target on its way out.
        self.problem = self.problem or problem
        raise self.problem


def _parsed(text: str) -> Any:  # noqa: ANN401 - lxml has no types
    builder = _Builder()
    parser = etree.HTMLParser(target=builder, no_network=True, encoding="utf-8")
    try:
        parser.feed(text.replace("\0", "\ufffd").encode("utf-8", "replace"))
        return parser.close()
    except (UnreadableReply, etree.LxmlError, AssertionError, ValueError) as error:
        if builder.problem is not None:
            raise builder.problem from None
        raise unreadable("HTML", "it cannot be parsed") from error


def _objects(rows: list[Any]) -> list[Json] | None:
    header = next((r for r in rows if r.getparent().tag == "thead"), None)
    names = [_text(c) for c in header if c.tag == "th"] if header is not None else []
    if not names and rows:
        header = rows[0]
        names = [_text(c) for c in header if c.tag == "th"]
    if not names:
        return None
    columns = column_names(names)
    objects: list[Json] = []
    for row in rows:
        cells = [c for c in row if c.tag in ("td", "th")]
        if row is header or not cells or any(c.tag == "th" for c in cells):
            continue
        texts = [_text(c) for c in cells[: len(columns)]]
        texts += [""] * (len(columns) - len(texts))
        objects.append(dict(zip(columns, texts, strict=True)))
    return objects


def _text(cell: Any) -> str:  # noqa: ANN401 - lxml has no types
    if len(cell) == 0:
        return " ".join((cell.text or "").split())
    parts: list[str] = []
    walk = etree.iterwalk(cell, events=("start", "end"))
    for event, element in walk:
        space = "" if element.tag in _INLINE else " "
        if event == "end":
            parts += (space, (element.tail or "") if element is not cell else "")
        elif element.tag in _UNSEEN:
            walk.skip_subtree()
        else:
            parts += (space, element.text or "")
    return " ".join("".join(parts).split())
