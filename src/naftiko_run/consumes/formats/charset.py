"""From the bytes of a reply to its text: byte order mark, Content-Type, the text's own word, UTF-8.

Only encodings of texts that real servers send are known. Python's codecs also hold compressors,
escapes and codecs of quadratic time, which a reply must not be able to ask for.
"""

import codecs
import re
from collections.abc import Callable
from typing import Final

from naftiko_run.consumes.formats.limits import unreadable
from naftiko_run.types import Reply

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PARAMETER = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_KNOWN: Final = frozenset(
    codecs.lookup(name).name
    for name in (
        "ascii utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be big5 big5hkscs"
        " cp437 cp850 cp852 cp866 cp874 cp932 cp949 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255"
        " cp1256 cp1257 cp1258 euc-jp euc-kr gb2312 gbk gb18030 iso-2022-jp koi8-r koi8-u"
        " latin-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8"
        " iso8859-9 iso8859-10 iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16"
        " mac-roman shift_jis tis-620"
    ).split()
)

Declared = Callable[[bytes], str | None]
"""Finds the encoding that a text names at its own beginning."""


def text_of(
    reply: Reply, name: str, *, declared: Declared | None = None, lenient: bool = False
) -> str:
    """Decode a reply's body; ``name`` is its format in messages.

    ``lenient`` puts the replacement character where bytes make no sense.

    Raises:
        UnreadableReply: the encoding is unknown, or the bytes are not in it.

    """
    body = reply.body
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], encoding, name, lenient=lenient)
    said = _PARAMETER.search(reply.header("content-type") or "")
    label = said[1] if said else (declared(body) if declared else None) or "utf-8"
    return _decoded(body, _codec(label, name), name, lenient=lenient)


def _codec(label: str, name: str) -> str:
    try:
        found = codecs.lookup(label).name if label.isascii() and len(label) < 40 else ""
    except (LookupError, ValueError):
        found = ""
    if found not in _KNOWN:
        raise unreadable(name, "its character encoding is not known")
    return found


def _decoded(body: bytes, encoding: str, name: str, *, lenient: bool) -> str:
    try:
        text = body.decode(encoding, "replace" if lenient else "strict")
    except UnicodeDecodeError as error:
        raise unreadable(name, f"byte {error.start} is not {encoding.upper()}") from None
    return text.removeprefix("\ufeff")
