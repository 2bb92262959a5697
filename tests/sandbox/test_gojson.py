import pytest

from naftiko_run.sandbox.unkey.gojson import canonical, dumps, loads, quote
from naftiko_run.sandbox.unkey.gosyntax import MAX_DEPTH, JsonError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b"{}\x00", "invalid character '\\x00' after top-level value"),
        (b"\xef\xbb\xbf{}", "invalid character '\u00ef' looking for beginning of value"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"01", "invalid character '1' after top-level value"),
        (b"-x", "invalid character 'x' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1e+x", "invalid character 'x' in exponent of numeric literal"),
        (b"truth", "invalid character 't' in literal true (expecting 'e')"),
        (b"nul ", "invalid character ' ' in literal null (expecting 'l')"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'{"a":', "unexpected end of JSON input"),
        (b'"abc', "unexpected end of JSON input"),
        (b"-", "unexpected end of JSON input"),
        (b" ", "unexpected end of JSON input"),
        (b"[1e999]", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "exceeded max depth"),
    ],
)
def test_a_syntax_error_is_told_in_the_words_of_the_server(text: bytes, message: str) -> None:
    with pytest.raises(JsonError) as raised:
        loads(text)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\\ud800"', "\ufffd"),
        (b'"\\ud83d\\ude00 \\ud800 \xff"', "\U0001f600 \ufffd \ufffd"),
        (b'["\xff",18446744073709551616,1]', ["\ufffd", 1.8446744073709552e19, 1]),
        (b" [1.5e3 , -0.5, true, false, null, {}] ", [1500.0, -0.5, True, False, None, {}]),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
    ],
)
def test_what_the_server_decodes_is_decoded(text: bytes, value: object) -> None:
    decoded = loads(text)
    assert value is None or decoded == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            {"b": 1, "a": [1.0, 1e21, 1e20, 1.5, 1e-7, 1e-6, 123456789012345678]},
            '{"a":[1,1e+21,100000000000000000000,1.5,1e-7,0.000001,123456789012345680],"b":1}',
        ),
        ({"n": -0.0, "z": 0, "t": True, "x": None}, '{"n":-0,"t":true,"x":null,"z":0}'),
        ({"1.0": "2.0 \\", 'a"1.0': 10.50}, '{"1.0":"2.0 \\\\","a\\"1.0":10.5}'),
        ({}, "{}"),
    ],
)
def test_free_form_data_is_stored_with_numbers_as_floats(value: object, text: str) -> None:
    assert canonical(value) == text


def test_an_answer_sorts_its_members_and_escapes_html() -> None:
    value = {"b": "<&>", "a": "\u2028\u2029\u00e9"}
    assert dumps(value) == b'{"a":"\\u2028\\u2029\xc3\xa9","b":"\\u003c\\u0026\\u003e"}'


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("abc", "'abc'"),
        ("a'b\"c\n\t\u00e9\U0001f600\\", "'a\\'b\"c\\n\\t\u00e9\U0001f600\\'"),
        ("a\\b", "'a\\\\b'"),
        ("\x00\x7f\u200b\U000e0001", "'\\x00\\x7f\\u200b\\U000e0001'"),
    ],
)
def test_a_text_is_quoted_as_go_does_with_other_marks(text: str, quoted: str) -> None:
    assert quote(text) == quoted
