"""JSON texts to values and back: what is kept, what is refused and in which words."""

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.mapping.json_codec import dumps, is_json, loads
from naftiko_run.types import Json

_floats = st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(st.characters(exclude_categories=[]))
_json: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(2**62, 2**66) | _floats | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=20,
)


@given(_json)
def test_every_value_survives_the_round_trip(value: Json) -> None:
    text = dumps(value)
    assert loads(text) == value
    assert is_json(text)
    # A pair of lone surrogates becomes the character that they are halves of, as everywhere.
    assert json.loads(text) == value or "\\ud" in text.decode()


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":18446744073709551616}',
        b'{"id":-9223372036854775809,"name":"\xc3\xa9"}',
        b"[123456789012345678901234567890,1.5,true,null,{}]",
        b"18446744073709551615",
        b"-9223372036854775808",
        b"9223372036854775808",
        b'["12345678901234567890",0.12345678901234568,1e+22]',
        b'"\\ud83d"',
        b'{"\\udc00":[{"a":"\xf0\x9f\x98\x80"},"\\ud800"]}',
        b'{"a":{},"b":[],"c":""}',
    ],
)
def test_text_is_written_as_it_was_read(text: bytes) -> None:
    assert dumps(loads(text)).replace(b"1e22", b"1e+22") == text


def test_equal_keys_last_wins() -> None:
    assert loads(b'{"a":1,"b":2,"a":3}') == {"a": 3, "b": 2}
    assert loads(b'{"a":1,"b":2,"a":36893488147419103232}') == {"a": 2**65, "b": 2}


def test_byte_order_mark_is_skipped() -> None:
    assert loads(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert is_json(b'\xef\xbb\xbf{"a":1}')


def test_number_without_a_value_is_written_as_null() -> None:
    assert dumps([float("nan"), float("inf")]) == b"[null,null]"
    assert dumps([float("nan"), 2**70]) == b"[null,1180591620717411303424]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"<html>", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a":1', "not JSON: Expecting ',' delimiter: line 1 column 7 (char 6)"),
        (b"1 2", "not JSON: Extra data: line 1 column 3 (char 2)"),
        (b"[NaN]", "not JSON: NaN is not a number"),
        (b"[-Infinity]", "not JSON: -Infinity is not a number"),
        (b'"\xff"', "not JSON: byte 1 is not UTF-8"),
        (b'"\xed\xa0\x80"', "not JSON: byte 1 is not UTF-8"),
        (b"\xff\xfe1\x00", "not JSON: byte 0 is not UTF-8"),
        (b'"a\nb"', "not JSON: Invalid control character at: line 1 column 3 (char 2)"),
        (b"[" * 100_000 + b"]" * 100_000, "the JSON is nested too deeply"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else "",
)
def test_text_that_is_not_json_is_refused_in_plain_words(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        loads(text)
    assert not is_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[1e999]", "the number 1e999 is too large"),
        (b"1" * 5000, "an integer of 5000 digits is too long"),
    ],
    ids=["1e999", "5000 digits"],
)
def test_numbers_that_nothing_here_can_hold_are_json_all_the_same(
    text: bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        loads(text)
    assert is_json(text)


@pytest.mark.parametrize("depth", [200, 254, 255, 600])
def test_deep_value_is_read_and_written(depth: int) -> None:
    text = b'{"a":[' * depth + b'"\xc3\xa9"' + b"]}" * depth if depth < 500 else _arrays(depth)
    assert dumps(loads(text)) == text


def _arrays(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_any_depth_is_written() -> None:
    value: Json = 2**64
    for _ in range(5000):
        value = [value]
    assert dumps(value) == b"[" * 5000 + b"18446744073709551616" + b"]" * 5000


def test_wide_value_with_one_large_integer_is_written_in_order() -> None:
    value: Json = {str(n): (2**64 if n == 500 else n) for n in range(1000)}
    assert loads(dumps(value)) == value
    assert list(_names(dumps(value))) == [str(n) for n in range(1000)]


def _names(text: bytes) -> Iterator[str]:
    yield from json.loads(text)
