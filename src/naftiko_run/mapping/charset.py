"""Encodings of texts: which there are, what a media type says, and what bytes mean by it.

Only encodings of texts that real servers send are known. Python's codecs also hold compressors,
escapes and codecs of quadratic time, which a reply must not be able to ask for.
"""

import codecs
import re
from typing import Final

MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""The byte order marks, and the encodings that they tell."""

_PARAMETER = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
KNOWN: Final = frozenset(
    (
        "ascii utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be big5 big5hkscs"
        " cp437 cp850 cp852 cp866 cp874 cp932 cp949 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255"
        " cp1256 cp1257 cp1258 euc_jp euc_kr gb2312 gbk gb18030 iso2022_jp koi8-r koi8-u iso8859-1"
        " iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9"
        " iso8859-10 iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16 mac-roman shift_jis"
        " tis-620"
    ).split()
)
"""By the names that Python itself gives them: looking one up loads its tables."""


def label_of(media_type: str) -> str | None:
    """Give the charset parameter of a media type; None where there is none."""
    said = _PARAMETER.search(media_type)
    return said[1] if said else None


def codec(label: str) -> str | None:
    """Give Python's name of an encoding; None where it is not known."""
    try:
        found = codecs.lookup(label).name if label.isascii() and len(label) < 40 else ""
    except (LookupError, ValueError):
        found = ""
    return found if found in KNOWN else None


def text_of(body: bytes, media_type: str) -> str | None:
    """Decode a text by its mark, else by its media type, else as UTF-8; None where it is none.

    An encoding that is not known is taken for UTF-8, as most texts are.
    """
    for mark, encoding in MARKS:
        if body.startswith(mark):
            return decoded(body[len(mark) :], encoding)
    return decoded(body, codec(label_of(media_type) or "utf-8") or "utf-8")


def decoded(body: bytes, encoding: str = "utf-8") -> str | None:
    """Decode a text; None where the bytes are not in this encoding."""
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return None
