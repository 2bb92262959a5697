"""A call of a tool, read in one go: most of what clients send all day is one.

What is not certainly right, or not certainly a call, is left to others to read and to judge.
"""

from functools import lru_cache
from typing import Any, Literal

import msgspec

from naftiko_run.exposes.mcp_gate import HALF_PAIR, accepts, is_json
from naftiko_run.exposes.mcp_protocol import DEFAULT_HANDSHAKE, HANDSHAKE_VERSIONS, MODERN

MOST_LEVELS = 100
"""How deep a message may be nested that is read here; nobody's parser gives up before."""

_LONGEST_FIELDS = 1024
"""How many bytes the fields may have that tell a revision: they are kept, and are a caller's."""

_ABSENT = msgspec.Raw()
_VERSIONS = {version.encode(): version for version in (*HANDSHAKE_VERSIONS, MODERN)}


class Params(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The parameters of a call; ``meta`` is its JSON as it came, empty where there is none."""

    name: str
    arguments: dict[str, Any] = {}
    meta: msgspec.Raw = msgspec.field(name="_meta", default=_ABSENT)


class Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A JSON-RPC request that calls a tool."""

    jsonrpc: Literal["2.0"]
    id: int | str
    method: Literal["tools/call"]
    params: Params


_INNER = frozenset({dict, list})
_decode = msgspec.json.Decoder(Message).decode


def read_call(body: bytes) -> Message | None:
    """Read a request that calls a tool; None for anything else, and for anything unusual.

    All of it is JSON in UTF-8, the values of names that come twice as well.
    """
    if b'"tools/call"' not in body or body[:1] != b"{" or body[-1:] != b"}":
        return None
    if b"\\u" in body and HALF_PAIR.search(body):
        return None
    try:
        message = _decode(body)
        if not body.isascii():
            body.decode()  # texts that are passed over are not
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if _INNER.isdisjoint(map(type, message.params.arguments.values())):
        return message  # to count would take longer than to read it
    return message if body.count(b"[") + body.count(b"{") <= MOST_LEVELS else None


def revision(content_type: bytes | None, accept: bytes | None, version: bytes | None) -> str | None:
    """Give the revision of a request that sends JSON, accepts it, and names one that is known.

    None for any other, and for one with unusually long fields.
    """
    if len(content_type or b"") + len(accept or b"") + len(version or b"") > _LONGEST_FIELDS:
        return None
    return _revision(content_type, accept, version)


# A client sends the same three header fields with every request.
@lru_cache(128)
def _revision(
    content_type: bytes | None, accept: bytes | None, version: bytes | None
) -> str | None:
    if not is_json(content_type or b"") or not accepts(accept or b"", b"application/json"):
        return None
    return DEFAULT_HANDSHAKE if version is None else _VERSIONS.get(version.strip(b" \t"))
