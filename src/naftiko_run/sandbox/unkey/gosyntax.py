"""What is wrong with a text that is no JSON, in the words of Go's scanner."""

import re

MAX_DEPTH = 200
"""Deeper bodies are refused. The server stops at 10,000, more than the encoder here takes."""

_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_SPACE = re.compile(rb"[ \t\r\n]*")
_DIGITS = re.compile(rb"[0-9]*")
_HEX = b"0123456789abcdefABCDEF"


class JsonError(ValueError):
    """A body that is no JSON; the message is the one the server gives."""


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


def quote_rune(rune: str) -> str:
    """Write a character as Go's `%q` does inside its quotation marks."""
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
    return "'" + quote_rune(chr(byte)) + "'"
