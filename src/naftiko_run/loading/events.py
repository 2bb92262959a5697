"""The events of PyYAML's parser: libyaml's where it is there, else the same from pure Python."""

from collections.abc import Callable
from typing import Protocol, cast

import yaml

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was built without libyaml: ten times slower, otherwise equal
    CParser = None  # type: ignore[assignment, misc]


class Mark(Protocol):
    """A place in the text."""

    index: int


class Event(Protocol):
    """An event of PyYAML, whose class says which of these it has."""

    start_mark: Mark
    end_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]
    """Of a scalar: whether it has no tag and is plain, or is quoted."""


Take = Callable[[], Event]
"""Gives the next event."""

Kind = type[object]
SCALAR: Kind = yaml.ScalarEvent
MAPPING: Kind = yaml.MappingStartEvent
MAPPING_END: Kind = yaml.MappingEndEvent
LIST: Kind = yaml.SequenceStartEvent
LIST_END: Kind = yaml.SequenceEndEvent
DOCUMENT: Kind = yaml.DocumentStartEvent
STREAM_END: Kind = yaml.StreamEndEvent


class PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's own parser, without its composer."""

    def __init__(self, text: str) -> None:
        """Start at the text's beginning."""
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


def events(text: str, *, pure: bool = CParser is None) -> Take:
    """Start to parse; the first event is the stream's start.

    Calling what is returned raises ``yaml.YAMLError`` where the text is not YAML.
    """
    parser = PureParser(text) if pure else CParser(text)
    return cast("Take", parser.get_event)
