"""From the bytes of a reply to its text: byte order mark, Content-Type, the text's own word, UTF-8.

Which encodings there are is told by :mod:`naftiko_run.mapping.charset`.
"""

from collections.abc import Callable

from naftiko_run.consumes.formats.limits import unreadable
from naftiko_run.mapping.charset import MARKS, codec, label_of
from naftiko_run.types import Reply

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
    for mark, encoding in MARKS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], encoding, name, lenient=lenient)
    said = label_of(reply.header("content-type") or "")
    label = said or (declared(body) if declared else None) or "utf-8"
    return _decoded(body, _codec(label, name), name, lenient=lenient)


def _codec(label: str, name: str) -> str:
    found = codec(label)
    if found is None:
        raise unreadable(name, "its character encoding is not known")
    return found


def _decoded(body: bytes, encoding: str, name: str, *, lenient: bool) -> str:
    try:
        text = body.decode(encoding, "replace" if lenient else "strict")
    except UnicodeDecodeError as error:
        raise unreadable(name, f"byte {error.start} is not {encoding.upper()}") from None
    return text.removeprefix("\ufeff")
