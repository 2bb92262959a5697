"""Replies that are made to hurt: each is refused, or read, in bounded time and memory."""

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

import pytest

from naftiko_run.consumes.formats import decoder
from naftiko_run.errors import UnreadableReply
from naftiko_run.types import Reply

SECONDS = 20.0
"""Far more than any of them takes, and far less than what is not linear would."""

NODE = '{"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}'
PROTO = 'syntax = "proto3"; message N { N n = 1; repeated int32 i = 2; map<string, N> m = 3; }'


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def nested_message(levels: int) -> bytes:
    body = b""
    for _ in range(levels):
        body = b"\x0a" + varint(len(body)) + body
    return body


def many(name: str) -> str:
    return f"the upstream's {name} has more than 1,000,000 values"


def deep(name: str) -> str:
    return f"the upstream's {name} is nested more than 100 levels deep"


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "xml elements": ("xml", lambda: b"<r>" + b"<a/>" * 1_000_001 + b"</r>", many("XML")),
    "xml depth": ("xml", lambda: b"<a>" * 1_000_000, deep("XML")),
    "xml attributes": (
        "xml",
        lambda: b"<r " + b" ".join(b"a%d=''" % i for i in range(200_000)) + b"/>",
        "",
    ),
    "xml open value": (
        "xml",
        lambda: b"<a b='" + b"x" * 8_000_000,
        "the upstream's reply is not XML: line 1: unclosed token",
    ),
    "csv cells": (
        "csv",
        lambda: b"," * 5_000_001,
        "the upstream's CSV has more than 5,000,000 values",
    ),
    "csv open quote": (
        "csv",
        lambda: b'a\n"' + b"x\n" * 4_000_000,
        "the upstream's reply is not CSV: line 4000001: unexpected end of data",
    ),
    "csv columns of one name": ("csv", lambda: b"a," * 200_000 + b"\n1", ""),
    "csv long cell": ("csv", lambda: b"a\n" + b"x" * 8_000_000, ""),
    "yaml aliases": (
        "yaml",
        lambda: (
            b"a0: &a0 [x, x]\n"
            + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 60))
        ),
        "the upstream's reply is not YAML: its aliases stand for more than 100,000 values",
    ),
    "yaml aliases upon aliases": (
        "yaml",
        lambda: b"- &a0 []\n" + b"".join(b"- &a%d [*a%d]\n" % (i, i - 1) for i in range(1, 300)),
        deep("YAML"),
    ),
    "yaml flow": ("yaml", lambda: b"[" * 4_000_000, deep("YAML")),
    "yaml blocks": ("yaml", lambda: b"- " * 1_000_000, deep("YAML")),
    "yaml values": ("yaml", lambda: b"[" + b"a," * 1_000_000 + b"]", many("YAML")),
    "yaml size": (
        "yaml",
        lambda: b"x" * 9_000_000,
        "the upstream's YAML is longer than 8,388,608 characters",
    ),
    "yaml directives": (
        "yaml",
        lambda: b"".join(b"%%TAG !a%d! tag:b,\n" % i for i in range(200_000)) + b"--- x",
        "the upstream's reply is not YAML: it has more than 100 directives",
    ),
    "yaml number": (
        "yaml",
        lambda: b"9" * 1_000_000,
        "the upstream's reply is not YAML: a number of 1000000 digits is too long",
    ),
    "html depth": (
        "html",
        lambda: b"<div>" * 1_000_000,
        "the upstream's reply is not HTML: it is nested more than 500 levels deep",
    ),
    "html attributes": (
        "html",
        lambda: b"<p " + b" ".join(b"a%d" % i for i in range(500_000)) + b">",
        "the upstream's reply is not HTML: a tag has more than 500 attributes",
    ),
    "html elements": ("html", lambda: b"<p>x" * 1_000_001, many("HTML")),
    "html tables in tables": (
        "html",
        lambda: b"<table><tr><th>a<tr><td>" * 100 + b"x" * 1_000_000,
        "",
    ),
    "html columns": ("html", lambda: b"<table><tr>" + b"<th>a" * 100_000, ""),
    "html entity": (
        "html",
        lambda: b'<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><table><tr><th>&x;',
        "",
    ),
    "markdown brackets": ("markdown", lambda: b"[" * 200_000, ""),
    "markdown quotes": ("markdown", lambda: b">" * 500_000, ""),
    "markdown front matter": ("markdown", lambda: b"---\n" * 100_000, ""),
    "markdown columns": (
        "markdown",
        lambda: b"|a" * 3000 + b"|\n" + b"|-" * 3000 + b"|\n" + b"|\n" * 20_000,
        "",
    ),
    "markdown size": (
        "markdown",
        lambda: b"x" * 600_000,
        "the upstream's Markdown is longer than 524,288 characters",
    ),
    "avro depth": ("avro", lambda: b"\x02" * 10_000_000, deep("Avro")),
    "protobuf depth": ("protobuf", lambda: nested_message(3000), deep("Protobuf")),
    "protobuf values": (
        "protobuf",
        lambda: b"\x12" + varint(1_000_001) + b"\1" * 1_000_001,
        many("Protobuf"),
    ),
    "protobuf unknown fields": ("protobuf", lambda: b"\x50\1" * 1_000_001, many("Protobuf")),
    "protobuf groups": ("protobuf", lambda: b"\x53" * 2_000_000, many("Protobuf")),
    "protobuf parts": ("protobuf", lambda: b"\x0a\0" * 1_000_001, many("Protobuf")),
    "protobuf entries": ("protobuf", lambda: b"\x1a\0" * 1_000_001, many("Protobuf")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_reply_is_bounded(name: str) -> None:
    raw_format, body, error = HOSTILE[name]
    schema = {"avro": NODE, "protobuf": PROTO}.get(raw_format)
    decode, _ = decoder(raw_format, "x" if schema else "", schema)
    assert decode is not None
    reply = Reply(200, (), body())
    started = time.process_time()
    if error:
        with pytest.raises(UnreadableReply) as caught:
            decode(reply)
        assert str(caught.value) == error
    else:
        decode(reply)
    assert time.process_time() - started < SECONDS


def test_aliases_share_their_value() -> None:
    decode, _ = decoder("yaml")
    assert decode is not None
    body = b"a: &a [" + b"x, " * 1000 + b"]\nb: [" + b"*a, " * 90 + b"]"
    tracemalloc.start()
    decode(Reply(200, (), body))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_no_format_is_imported_before_a_document_uses_it() -> None:
    program = (
        "import sys, naftiko_run.plan.plan\n"
        "heavy = {'lxml', 'markdown_it', 'xml.parsers.expat', 'cssselect'} & sys.modules.keys()\n"
        "ours = [m for m in sys.modules if m.startswith('naftiko_run.consumes.formats.')]\n"
        "print(sorted(heavy), sorted(ours))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[] ['naftiko_run.consumes.formats.limits']\n"
