"""JSON texts to values and back, without losing what the fast library cannot hold.

orjson does the work. It reads integers beyond 64 bits as floating numbers, refuses a lone half of
a surrogate pair (texts cut in the middle of an emoji), and writes at most 254 levels; all three
exist in replies of real APIs. So a text in which a number has 19 digits or more, and one that
orjson refuses, goes through the standard library, and a value that orjson refuses is written here.
A short text is not even looked through: msgspec reads it, large integers too, about as fast. How
deep it reads depends on the version of Python, so that longer ones are not for it.

Limits: 1,000 levels of nesting, and the standard library's 4,300 digits of one integer.
NaN and Infinity are not JSON and are refused. Of equal keys the last wins. A UTF-8 byte order mark
is skipped; any other encoding is refused.
"""

import json
from collections.abc import Callable, Iterator
from math import isfinite
from typing import NoReturn

import msgspec
import orjson

from naftiko_run.types import Json

_SHORT = 2000
"""In so many bytes there are no more than 1,000 levels."""

_decode: Callable[[bytes], Json] = msgspec.json.Decoder().decode
_undecoded = msgspec.json.Decoder(msgspec.Raw)
_byte_order_mark = b"\xef\xbb\xbf"
_digits_as_zeros = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
_many_digits = b"0" * 19  # the fewest that -2**63 does not hold


def loads(text: bytes) -> Json:
    """Read a JSON text.

    Raises:
        ValueError: it is not JSON, or is nested too deeply; the message says why.

    """
    if len(text) <= _SHORT:
        try:
            return _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    text = text.removeprefix(_byte_order_mark)
    if _many_digits in text.translate(_digits_as_zeros):
        return _loads_slowly(text)
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _loads_slowly(text)
    return value


def _loads_slowly(text: bytes) -> Json:
    try:
        value: Json = json.loads(
            text.decode(), parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not JSON: byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    return value


def _integer(digits: str) -> int:
    if len(digits) > 4300:  # what Python reads without quadratic time
        raise ValueError(f"an integer of {len(digits)} digits is too long")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is not a number")


def is_json(text: bytes) -> bool:
    """Say whether a text is JSON, without making objects of it.

    It accepts what :func:`loads` reads, and numbers that are too large for it.
    """
    try:
        _undecoded.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _is_json_slowly(text)
    return text.isascii() or _is_utf8(text)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_json_slowly(text: bytes) -> bool:
    try:
        _loads_slowly(text.removeprefix(_byte_order_mark))
    except ValueError:
        return False
    return True


def dumps(value: Json) -> bytes:
    """Write a value as compact JSON in UTF-8."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return b"".join(_parts(value))


def _parts(value: Json) -> Iterator[bytes]:
    """Write a value that orjson refuses, leaving to it what it can write of the inside."""
    rest: list[Json | bytes] = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, bytes):
            yield part
            continue
        try:
            yield orjson.dumps(part)
        except TypeError:
            if isinstance(part, dict):
                rest += reversed(list(_object(part)))
            elif isinstance(part, list):
                rest += reversed(list(_array(part)))
            else:  # a large integer, or a text with half a surrogate pair, which becomes an escape
                yield json.dumps(part).encode()


def _object(value: dict[str, Json]) -> Iterator[Json | bytes]:
    for number, (name, item) in enumerate(value.items()):
        yield b"," if number else b"{"
        yield name
        yield b":"
        yield item
    yield b"}"


def _array(value: list[Json]) -> Iterator[Json | bytes]:
    for number, item in enumerate(value):
        yield b"," if number else b"["
        yield item
    yield b"]"
