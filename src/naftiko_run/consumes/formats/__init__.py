"""Raw formats of replies: how each becomes JSON, and which are passed on as they are.

===========  ==========================================  ==========================================
format       JSON                                        ``outputSchema``
===========  ==========================================  ==========================================
json         itself, read where it is mapped
xml          what the root element holds
csv tsv psv  a list of objects, one per row
yaml         the first document
html         ``{"tables"}``                              a CSS selector of tables
markdown     ``{"frontMatter", "tables", "sections"}``   what the headings begin with
avro         the datum                                   the name of an ``.avsc`` file
protobuf     the message                                 the name of a ``.proto`` file
text binary  none: they are passed on as they are
===========  ==========================================  ==========================================

The module of a format is imported when a document uses it. Each raises
:class:`naftiko_run.errors.UnreadableReply` for a reply that is not in its format, and nothing else.
"""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from naftiko_run.consumes.formats.limits import FormatError
from naftiko_run.findings import did_you_mean
from naftiko_run.types import Json, Reply

__all__ = ["DEFAULT_BINARY_SIZE", "Decode", "FormatError", "decoder"]

Decode = Callable[[Reply], Json]
"""Turns a reply into JSON; raises ``UnreadableReply`` and nothing else."""

DEFAULT_BINARY_SIZE: Final = 10 * 1024 * 1024
"""Bytes of a binary reply where no ``maxBinarySize`` is written."""

_OPAQUE: Final = frozenset({"binary", "text"})
_PLAIN: Final = {
    "xml": "xml_tree:read",
    "csv": "separated:read",
    "tsv": "separated:read",
    "psv": "separated:read",
    "yaml": "yaml_values:read",
}
_WITH_SCHEMA: Final = {
    "html": "html_tables:Tables",
    "markdown": "markdown:Sections",
    "avro": "avro:Datum",
    "protobuf": "protobuf:Message",
}
_FILES: Final = {"avro": ".avsc", "protobuf": ".proto"}
FORMATS: Final = ("json", *_PLAIN, *_WITH_SCHEMA, *sorted(_OPAQUE))
"""All formats that there are."""


def decoder(
    raw_format: str, schema: str = "", schema_text: str | None = None
) -> tuple[Decode | None, bool]:
    """Return how a format is decoded, and whether it is passed on untouched.

    None and False is JSON itself. ``schema`` is ``outputSchema`` as it is written, ``schema_text``
    what the file says that it names, None where there is none that can be read.

    Raises:
        FormatError: there is no such format, its library is not installed, or its schema is
            missing or wrong.

    """
    if raw_format == "json":
        return None, False
    if raw_format in _OPAQUE:
        return None, True
    if raw_format in _PLAIN:
        read = _load(raw_format, _PLAIN[raw_format])
        return (partial(read, raw_format=raw_format) if raw_format.endswith("sv") else read), False
    if raw_format not in _WITH_SCHEMA:
        raise FormatError(
            f"there is no raw format {raw_format!r}",
            did_you_mean(raw_format, FORMATS, most=1) or f"use one of {', '.join(FORMATS)}",
        )
    if raw_format in _FILES:
        schema = _file(raw_format, schema, schema_text)
    return _load(raw_format, _WITH_SCHEMA[raw_format])(schema), False


def _file(raw_format: str, name: str, text: str | None) -> str:
    suffix = _FILES[raw_format]
    if not name.strip():
        raise FormatError(
            f"the raw format {raw_format} needs outputSchema",
            f"add 'outputSchema' with the name of a {suffix} file",
        )
    if text is None:
        raise FormatError(
            f"the schema file {name!r} cannot be read",
            f"put the {suffix} file there, beside the capability file",
            "outputSchema",
        )
    return text


def _load(raw_format: str, place: str) -> Any:  # noqa: ANN401 - a Decode, or what makes one
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    except ImportError as error:
        raise FormatError(
            f"the raw format {raw_format} needs a library that is not installed: {error.name}",
            f'install it: pip install "naftiko-run[{raw_format}]"',
        ) from None
