"""The scalars of the YAML 1.2 core schema: which plain texts are not text.

No timestamps, no ``yes`` and ``no``, no sexagesimal numbers, no binary: those belong to YAML 1.1.
``012`` is twelve and ``0o14`` is octal (YAML 1.2.2, section 10.3.2).
"""

import math
import re

Scalar = bool | int | float | str | None

TAGS = "tag:yaml.org,2002:"
"""What ``!!`` stands for."""

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NOT_TEXT = frozenset("0123456789+-.nNtTfF~")
_INTEGER = re.compile(r"[-+]?[0-9]+").fullmatch
_OCTAL = re.compile(r"0o[0-7]+").fullmatch
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+").fullmatch
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?").fullmatch
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)").fullmatch
_MOST_DIGITS = 300


class ScalarError(ValueError):
    """A scalar that has no value; the text says why, for people."""


def plain(text: str) -> Scalar:
    """Read a scalar that was written without quotes and without a tag.

    Raises:
        ScalarError: it is a number that JSON cannot hold.

    """
    if text and text[0] not in _NOT_TEXT:  # the fast path: nearly all of them
        return text
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in "0123456789+-." else text


def tagged(text: str, tag: str) -> Scalar:
    """Read a scalar whose tag is written before it.

    Raises:
        ScalarError: the tag is not of the core schema, or the text does not fit it.

    """
    kind = tag.removeprefix(TAGS)
    if kind in ("!", "str"):
        return text
    value = plain(text)
    if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    fits = {"int": int, "float": float, "bool": bool, "null": type(None)}
    if kind not in fits:
        raise ScalarError(f"the tag {tag_text(tag)} has no meaning here")
    if type(value) is not fits[kind]:
        raise ScalarError(f"'{short(text)}' does not fit its tag !!{kind}")
    return value


def tag_text(tag: str) -> str:
    """Write a tag as people do: ``!!str`` or ``!mine``."""
    return short("!!" + tag.removeprefix(TAGS) if tag.startswith(TAGS) else tag)


def short(text: str, most: int = 60) -> str:
    """Cut a text that a message quotes, so that no document decides how long messages are."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _number(text: str) -> int | float | str:
    if len(text) > _MOST_DIGITS and (_FLOAT(text) or _HEXADECIMAL(text) or _OCTAL(text)):
        raise ScalarError(f"a number of {len(text)} digits is too long")
    if _INTEGER(text):
        return int(text)
    if _FLOAT(text):
        value = float(text)
        if math.isinf(value):
            raise ScalarError(f"the number {short(text)} is too large")
        return value
    if _HEXADECIMAL(text) or _OCTAL(text):
        return int(text, 0)
    if _NOT_JSON(text):
        raise ScalarError(f"{text} is not a number that JSON can hold")
    return text
