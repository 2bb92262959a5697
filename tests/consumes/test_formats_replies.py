"""Replies of every raw format, as the JSON that they become; the cases lie beside this file."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.consumes.formats import FORMATS, FormatError, decoder
from naftiko_run.errors import UnreadableReply
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.types import Json, Reply

CASES = [
    (file.stem, case)
    for file in sorted((Path(__file__).parent / "formats").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]
AVRO = '{"type": "array", "items": ["null", "string", "double"]}'
PROTO = 'syntax = "proto3"; message M { M a = 1; repeated sint64 b = 2; map<string, M> c = 3; }'


def read(raw_format: str, body: bytes, case: dict[str, Any]) -> Json:
    decode, opaque = decoder(raw_format, case.get("schema", "x"), case.get("schema_text"))
    assert decode is not None
    assert not opaque
    kind = case.get("type")
    return decode(Reply(200, (("content-type", kind),) if kind else (), body))


@pytest.mark.parametrize(
    ("raw_format", "case"), CASES, ids=lambda c: c if isinstance(c, str) else c["name"]
)
def test_a_reply_becomes_json(raw_format: str, case: dict[str, Any]) -> None:
    case = {"schema": "" if raw_format in ("html", "markdown") else "x", **case}
    body = bytes.fromhex(case["hex"]) if "hex" in case else case["body"].encode()
    raw_format = case.get("format", raw_format)
    if "gives" in case:
        value = read(raw_format, body, case)
        # As texts: 1 is not 1.0, and members keep their order.
        assert dumps(value).decode() == dumps(case["gives"]).decode()
        return
    with pytest.raises(UnreadableReply) as caught:
        read(raw_format, body, case)
    if "error" in case:
        assert str(caught.value) == case["error"]
    else:
        assert str(caught.value).startswith(case["error_has"])


@pytest.mark.parametrize("raw_format", [f for f in FORMATS if f not in ("json", "text", "binary")])
@given(st.binary(max_size=300), st.sampled_from(["", "text/x; charset=utf-16", "x/y; charset=zip"]))
def test_any_bytes_become_json_or_are_unreadable(raw_format: str, body: bytes, kind: str) -> None:
    schema = {"html": "div > table", "markdown": ""}.get(raw_format, "x")
    text = {"avro": AVRO, "protobuf": PROTO}.get(raw_format)
    try:
        value = read(raw_format, body, {"schema": schema, "schema_text": text, "type": kind})
    except UnreadableReply:
        return
    assert loads(dumps(value)) == value


ALPHABET = {
    "xml": "<r> </r> <a b='1'> &amp; <![CDATA[ ]]> <!-- --> <?x ?> xsi:nil='true' <!DOCTYPE r [",
    "csv": 'a , " \n \r\n "" ,, x',
    "yaml": "a: - [ ] { } , & * ! | > \n # ' \" % --- ... ? << 1 &a *a   ",
    "html": "<table> <tr> <th> <td> </table> <thead> x <script> <div> & < > \0 <!--",
    "markdown": "# | - \n ` * _ [ ] ( ) ! > --- a \\ < & 1. |-| ```",
}


@pytest.mark.parametrize("raw_format", ALPHABET)
@given(st.data())
def test_pieces_of_a_format_become_json_or_are_unreadable(
    raw_format: str, data: st.DataObject
) -> None:
    pieces = st.sampled_from([*ALPHABET[raw_format].split(" "), "\n", " "])
    body = "".join(data.draw(st.lists(pieces, max_size=40))).encode()
    schema = "div table" if raw_format == "html" else ""
    try:
        value = read(raw_format, body, {"schema": schema})
    except UnreadableReply:
        return
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("raw_format", ["text", "binary"])
def test_texts_and_bytes_are_passed_on(raw_format: str) -> None:
    assert decoder(raw_format) == (None, True)


def test_json_is_read_by_who_needs_it() -> None:
    assert decoder("json") == (None, False)


NO_FORMAT = {
    ("xlm", ""): ("there is no raw format 'xlm'", "did you mean 'xml'?", "outputRawFormat"),
    ("ini", ""): (
        "there is no raw format 'ini'",
        f"use one of {', '.join(FORMATS)}",
        "outputRawFormat",
    ),
    ("protobuf", " "): (
        "the raw format protobuf needs outputSchema",
        "add 'outputSchema' with the name of a .proto file",
        "outputRawFormat",
    ),
    ("avro", ""): (
        "the raw format avro needs outputSchema",
        "add 'outputSchema' with the name of a .avsc file",
        "outputRawFormat",
    ),
    ("html", "table["): (
        "outputSchema is no CSS selector: Expected ident or '*', got <EOF at 6>",
        "write one, such as table.products, or leave it out for all tables",
        "outputSchema",
    ),
}
NO_AVRO = {
    "[1,": "not JSON: Expecting value: line 1 column 4 (char 3)",
    "1": "a schema is a name, a list or an object",
    '"Ship"': "no type 'Ship' is defined before it is used",
    '{"type": "record", "name": "R"}': "a record has no list of fields",
    '{"type": "record", "name": "R", "fields": [1]}': "a field of a record has no name",
    '{"type": "enum", "name": "1"}': "a record, enum or fixed has no proper name",
    '{"type": "enum", "name": "E"}': "an enum has no symbols",
    '{"type": "fixed", "name": "F"}': "a fixed has no size",
    '{"type": "bytes", "logicalType": "decimal", "scale": 1001}': (
        "the scale of a decimal is no number up to 1000"
    ),
    '[{"type": "fixed", "name": "F", "size": 1}, {"type": "fixed", "name": "F", "size": 1}]': (
        "the type 'F' is defined twice"
    ),
    "[" * 300 + "]" * 300: "it is nested more than 100 levels deep",
}
NO_PROTO = {
    "": "it has no message",
    "message M {": "line 1: it ends too early",
    "message M { int32 a = 1 }": "line 1: ';' is missing",
    "message M { int32 a = x; }": "line 1: 'x' is no number",
    "message M { int32 a = 1;\nint32 b = 1; }": "line 2: the number 1 cannot be used again",
    "message M { Ship a = 1; }": "the type 'Ship' is not defined in it",
    'import "ship.proto";': "it imports 'ship.proto': write all messages into one file",
    "message M {} message M {}": "line 1: 'M' is defined twice",
    "message M { map<double, int32> a = 1; }": "line 1: the keys of a map cannot be 'double'",
    "message M { optional group A = 1 {} }": "line 1: groups are not supported",
    'edition = "2023";': "line 1: editions are not supported",
    "ship": "line 1: 'ship' has no meaning here",
    "message M {}\n$": "line 2: '$' has no meaning here",
    "message M {" * 60 + "}" * 60: "its messages are nested too deeply",
}


def refusal(raw_format: str, schema: str, text: str | None = None) -> tuple[str, str, str]:
    with pytest.raises(FormatError) as caught:
        decoder(raw_format, schema, text)
    return str(caught.value), caught.value.fix, caught.value.key


@pytest.mark.parametrize(("raw_format", "schema"), NO_FORMAT)
def test_a_format_that_cannot_be_read_says_why(raw_format: str, schema: str) -> None:
    assert refusal(raw_format, schema) == NO_FORMAT[raw_format, schema]


@pytest.mark.parametrize("text", NO_AVRO)
def test_what_is_no_avro_schema_says_why(text: str) -> None:
    why = f"outputSchema is no Avro schema: {NO_AVRO[text]}"
    assert refusal("avro", "ship.avsc", text) == (why, "mend the .avsc file", "outputSchema")


@pytest.mark.parametrize("text", NO_PROTO)
def test_what_is_no_protobuf_schema_says_why(text: str) -> None:
    why = f"outputSchema is no Protobuf schema: {NO_PROTO[text]}"
    assert refusal("protobuf", "s.proto", text) == (why, "mend the .proto file", "outputSchema")


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "naftiko_run.consumes.formats.html_tables", raising=False)
    monkeypatch.setitem(sys.modules, "lxml", None)
    with pytest.raises(FormatError) as caught:
        decoder("html")
    assert str(caught.value) == "the raw format html needs a library that is not installed: lxml"
    assert caught.value.fix == 'install it: pip install "naftiko-run[html]"'
