"""JSON as the server reads and writes it.

The server is written in Go. What a caller can see of that is reproduced here: free-form numbers
that went through a 64-bit float, object keys in byte order, `<`, `>` and `&` escaped in every
answer, and how a text is quoted in another.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any, TypeAlias

import orjson

from naftiko_run.sandbox.unkey.gosyntax import MAX_DEPTH, JsonError, quote_rune, scan

Json: TypeAlias = Any
"""A decoded JSON value of any shape."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_INT64 = 1 << 63


def loads(body: bytes) -> Json:
    """Decode a JSON text.

    Raises:
        JsonError: The text is no JSON, or nests too deep.

    """
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        scan(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        scan(body)
    # What the fast decoder refuses and the server takes: bytes that are no UTF-8 and halves of
    # surrogate pairs. Both become the replacement character.
    value = json.loads(
        body.decode("utf-8", "replace"), parse_int=_parse_int, parse_float=_parse_float
    )
    text = json.dumps(value, ensure_ascii=False)
    return orjson.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _parse_int(literal: str) -> int | float:
    return int(literal) if len(literal) < 19 else _parse_float(literal)


def _parse_float(literal: str) -> float:
    value = float(literal)
    if math.isinf(value):
        raise JsonError(f"json: cannot unmarshal number {literal} into Go value of type float64")
    return value


def dumps(value: Json) -> bytes:
    """Encode an answer: object keys sorted, HTML characters escaped, nothing after it."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    for plain, escaped in _ESCAPES:
        if plain in text:
            text = text.replace(plain, escaped)
    return text


_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def canonical(value: Json) -> str:
    """Encode free-form data the way the server stores it: every number went through a float."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return _TOKEN.sub(_stored_token, text)


def _stored_token(found: re.Match[str]) -> str:
    token = found.group()
    return token if token.startswith('"') else _float(float(token))


def _float(value: float) -> str:
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    shortest = repr(value)
    if 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(shortest), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return re.sub(r"e-0(\d)$", r"e-\1", shortest)


def fits_int64(value: float) -> bool:
    """Tell whether a number literal decodes into a Go int64: no fraction, no exponent, in range."""
    return isinstance(value, int) and -_INT64 <= value < _INT64


def quote(text: str) -> str:
    """Quote a text for a validation message: Go's `%q` with the quotation marks exchanged."""
    quoted = '"' + "".join(map(quote_rune, text)) + '"'
    quoted = quoted.replace('\\"', '"').replace("'", "\\'")
    return "'" + quoted[1:-1] + "'"
