"""XML as JSON: what the root holds, names without namespaces, every scalar a text.

========================  =========================================================================
an element with text      the text, as it is; ``""`` where there is none
attributes, children      an object of them, in their order; equal names become a list
text beside those         is under ``""``, unless it is blank
``xsi:nil="true"``        null
the root                  gives what it holds; its own name is nowhere
========================  =========================================================================

One child is not a list: ask for a list with ``type: array`` in ``outputParameters``.

There is no DTD here: a declaration of entities or an undefined entity is an error, and nothing
external is ever read. A DOCTYPE that declares nothing, as property lists have it, is passed over.
"""

import re
from typing import Final
from xml.parsers import expat

from naftiko_run.consumes.formats.charset import text_of
from naftiko_run.consumes.formats.limits import (
    MOST_LEVELS,
    MOST_VALUES,
    too_deep,
    too_many,
    unreadable,
)
from naftiko_run.types import Json, Reply

_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_DECLARATION = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_UNMARKED: Final = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))


def read(reply: Reply) -> Json:
    """Decode a reply."""
    text = text_of(reply, "XML", declared=_declared)
    return _Reader().read(text.encode("utf-8", "surrogatepass"))


def _declared(body: bytes) -> str | None:
    for start, encoding in _UNMARKED:
        if body.startswith(start):
            return encoding
    found = _DECLARATION.match(body[:1024].lstrip())
    if found is None:
        return None
    label = found[1].decode("ascii")
    # A declaration that could be read as bytes cannot be true of UTF-16.
    return "utf-8" if label.lower().startswith("utf-16") else label


class _Open:
    """An element that is being read."""

    __slots__ = ("members", "name", "nil", "texts")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[str, Json] = {}
        self.texts: list[str] = []
        self.nil = False

    def add(self, name: str, value: Json) -> None:
        known = self.members.get(name, self)
        if known is self:
            self.members[name] = value
        elif isinstance(known, list):  # no value is a list by itself
            known.append(value)
        else:
            self.members[name] = [known, value]  # type: ignore[list-item]

    def end_text(self) -> None:
        text = "".join(self.texts)
        self.texts.clear()
        if text and not text.isspace():
            self.add("", text)

    def value(self) -> Json:
        if self.nil:
            return None
        if not self.members:
            return "".join(self.texts)
        self.end_text()
        return self.members


class _Reader:
    """Builds the value from the parser's events, on a stack of its own."""

    def __init__(self) -> None:
        self._stack = [_Open("")]
        self._count = 0
        self._instance = {"xsi"}

    def read(self, body: bytes) -> Json:
        # The text is decoded by now: whatever its declaration says, these bytes are UTF-8.
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _doctype
        parser.EntityDeclHandler = _entity
        parser.SkippedEntityHandler = _skipped
        try:
            parser.Parse(body, True)  # noqa: FBT003 - the C function takes no keyword
        except expat.ExpatError as error:
            raise unreadable(
                "XML", f"line {error.lineno}: {expat.ErrorString(error.code)}"
            ) from None
        (root,) = self._stack[0].members.values()
        return root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        stack = self._stack
        if len(stack) > MOST_LEVELS:
            raise too_deep("XML")
        self._count += 1 + len(attributes)
        if self._count > MOST_VALUES:
            raise too_many("XML")
        parent = stack[-1]
        if parent.texts:
            parent.end_text()
        element = _Open(name.rpartition(":")[2])
        stack.append(element)
        for key, value in attributes.items():
            if key == "xmlns" or key.startswith("xmlns:"):
                if value == _INSTANCE:
                    self._instance.add(key[6:])
                continue
        for key, value in attributes.items():
            prefix, _, local = key.rpartition(":")
            if prefix == "xmlns" or key == "xmlns":
                continue
            if local == "nil" and prefix in self._instance:
                element.nil = value.strip() in ("true", "1")
            else:
                element.add(local, value)

    def _end(self, _: str) -> None:
        element = self._stack.pop()
        self._stack[-1].add(element.name, element.value())

    def _text(self, text: str) -> None:
        self._stack[-1].texts.append(text)


def _doctype(_name: str, _system: str | None, _public: str | None, internal: int) -> None:
    if internal:
        raise unreadable("XML", "it brings a DTD of its own, which is refused")


def _entity(*_: object) -> None:
    raise unreadable("XML", "it declares entities, which is refused")


def _skipped(_name: str, _parameter: bool) -> None:  # noqa: FBT001 - as the parser calls it
    raise unreadable("XML", "it uses an entity that is not defined")
