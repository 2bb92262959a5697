"""JSON as the server reads and writes it: the texts of its syntax errors, its numbers, its quotes.

The server is written in Go. What a caller can see of that is reproduced here: which byte a
syntax error names and how, free-form numbers that went through a 64-bit float, object keys in
byte order, and `<`, `>` and `&` escaped in every answer.
"""

import json
import math
import re
from decimal import Decimal
from typing import Any, TypeAlias

import orjson

Json: TypeAlias = Any
"""A decoded JSON value of any shape."""

MAX_DEPTH = 200
"""Deeper bodies are refused. The server stops at 10,000, more than the encoder here takes."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_SPACE = re.compile(rb"[ \t\r\n]*")
_DIGITS = re.compile(rb"[0-9]*")
_HEX = b"0123456789abcdefABCDEF"
_INT64 = 1 << 63


class JsonError(ValueError):
    """A body that is no JSON; the message is the one the server gives."""


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
    quoted = '"' + "".join(map(_quoted_rune, text)) + '"'
    quoted = quoted.replace('\\"', '"').replace("'", "\\'")
    return "'" + quoted[1:-1] + "'"


_NAMED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def _quoted_rune(rune: str) -> str:
    if rune in _NAMED:
        return _NAMED[rune]
    if rune.isprintable():
        return rune
    code = ord(rune)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def scan(body: bytes) -> None:
    """Read a text as Go's scanner does, only to find what is wrong with it.

    Raises:
        JsonError: At the first byte that cannot be there.

    """
    _Scanner(body).run()


class _Scanner:
    """One pass over a text; `state` names what may come next, `stack` what is still open."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0
        self.stack: list[str] = []

    def run(self) -> None:
        state = "value"
        while state != "done":
            found = _SPACE.match(self.body, self.at)
            self.at = found.end() if found else self.at
            if state == "end" and self.at == len(self.body):
                return
            state = getattr(self, f"_{state}")(self.peek())

    def peek(self) -> int:
        if self.at >= len(self.body):
            raise JsonError("unexpected end of JSON input")
        return self.body[self.at]

    def fault(self, context: str) -> JsonError:
        return JsonError(f"invalid character {_quoted_byte(self.peek())} {context}")

    def _value(self, byte: int) -> str:
        if byte in b"{[":
            self.at += 1
            self.stack.append("object" if byte == 0x7B else "array")
            if len(self.stack) > MAX_DEPTH:
                raise JsonError("exceeded max depth")
            return "first_name" if byte == 0x7B else "first_item"
        if byte == 0x22:
            self._string()
        elif byte in b"-0123456789":
            self._number()
        elif byte in b"tfn":
            self._literal({0x74: b"true", 0x66: b"false", 0x6E: b"null"}[byte])
        else:
            raise self.fault("looking for beginning of value")
        return self._after()

    def _after(self) -> str:
        return f"after_{self.stack[-1]}" if self.stack else "end"

    def _first_item(self, byte: int) -> str:
        return self._close() if byte == 0x5D else self._value(byte)

    def _first_name(self, byte: int) -> str:
        return self._close() if byte == 0x7D else self._name(byte)

    def _name(self, byte: int) -> str:
        if byte != 0x22:
            raise self.fault("looking for beginning of object key string")
        self._string()
        return "colon"

    def _colon(self, byte: int) -> str:
        if byte != 0x3A:
            raise self.fault("after object key")
        self.at += 1
        return "value"

    def _after_object(self, byte: int) -> str:
        if byte == 0x7D:
            return self._close()
        if byte != 0x2C:
            raise self.fault("after object key:value pair")
        self.at += 1
        return "name"

    def _after_array(self, byte: int) -> str:
        if byte == 0x5D:
            return self._close()
        if byte != 0x2C:
            raise self.fault("after array element")
        self.at += 1
        return "value"

    def _close(self) -> str:
        self.at += 1
        self.stack.pop()
        return self._after()

    def _end(self, _byte: int) -> str:
        raise self.fault("after top-level value")

    def _string(self) -> None:
        self.at += 1
        while True:
            found = _PLAIN.match(self.body, self.at)
            self.at = found.end() if found else self.at
            byte = self.peek()
            if byte == 0x22:
                self.at += 1
                return
            if byte != 0x5C:
                raise self.fault("in string literal")
            self.at += 1
            if self.peek() not in b'bfnrt\\/"u':
                raise self.fault("in string escape code")
            self.at += 1
            if self.body[self.at - 1] == 0x75:
                self._hexadecimal()

    def _hexadecimal(self) -> None:
        for _ in range(4):
            if self.peek() not in _HEX:
                raise self.fault("in \\u hexadecimal character escape")
            self.at += 1

    def _number(self) -> None:
        if self.body[self.at] == 0x2D:
            self.at += 1
            self._need_digit("in numeric literal")
        if self.body[self.at] == 0x30:
            self.at += 1
        else:
            self._digits()
        if self.body[self.at : self.at + 1] == b".":
            self.at += 1
            self._need_digit("after decimal point in numeric literal")
            self._digits()
        if self.body[self.at : self.at + 1] in (b"e", b"E"):
            self.at += 1
            if self.peek() in b"+-":
                self.at += 1
            self._need_digit("in exponent of numeric literal")
            self._digits()

    def _need_digit(self, context: str) -> None:
        if self.peek() not in b"0123456789":
            raise self.fault(context)

    def _digits(self) -> None:
        found = _DIGITS.match(self.body, self.at)
        self.at = found.end() if found else self.at

    def _literal(self, word: bytes) -> None:
        for byte in word:
            if self.peek() != byte:
                raise self.fault(f"in literal {word.decode()} (expecting '{chr(byte)}')")
            self.at += 1


def _quoted_byte(byte: int) -> str:
    if byte == 0x27:
        return "'\\''"
    if byte == 0x22:
        return "'\"'"
    return "'" + _quoted_rune(chr(byte)) + "'"
