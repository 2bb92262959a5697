"""What differs between the request that should arrive and the one that did."""

import json
import re
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl, unquote

from tests.corpus.dialect import Json
from tests.corpus.oracle import Body, Upstream
from tests.corpus.recorder import Recorded

CALLER_SECRET = "caller-secret-never-forwarded"
"""Put into the caller's Authorization and Cookie by every test; it must not arrive upstream."""


def canonical(value: Json) -> str:
    """A JSON value as text that keeps 1, 1.0 and true apart."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def in_groups(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sort by key; the order within a key stays."""
    return sorted(pairs, key=lambda pair: pair[0])


def query_pairs(raw: str) -> list[tuple[str, str]]:
    """The pairs of a raw query."""
    pairs = [part.partition("=") for part in raw.split("&") if part]
    return [(unquote(key), unquote(value.replace("+", " "))) for key, _, value in pairs]


def differences(expected: Upstream, got: Recorded, *, origin: bool = False) -> list[str]:
    """Every difference, as one line each."""
    found = []

    def check(what: str, want: object, have: object) -> None:
        if want != have:
            found.append(f"{what}: expected {want!r}, got {have!r}")

    check("method", expected.method, got.method)
    if origin:
        check("origin", expected.origin, got.origin)
    check("path", expected.path, got.raw_path)
    check("query", in_groups(list(expected.query)), in_groups(query_pairs(got.raw_query)))
    if not re.fullmatch(r"[!-~]*", got.target) or re.search(r'[#"<>\\^`{|}]', got.target):
        found.append(f"target holds characters that no URL may hold: {got.target!r}")
    for name in dict.fromkeys(name for name, _ in expected.headers):
        want = [value for key, value in expected.headers if key == name]
        check(f"header {name}", want, got.header(name))
    expected_names = {name for name, _ in expected.headers}
    for name in ("authorization", "cookie"):
        if name not in expected_names and not expected.signing:
            check(f"header {name}", [], got.header(name))
    if expected.signing and not got.header("authorization"):
        found.append(f"sent without the {expected.signing} signature")
    leaks = [name for name, value in got.headers if CALLER_SECRET in value]
    check("headers of the caller", [], leaks)
    found += body_differences(expected.body, got)
    return found


def body_differences(expected: Body, got: Recorded) -> list[str]:
    content_type = (got.header("content-type") or [""])[0]
    media = content_type.partition(";")[0].strip().lower()
    if expected.kind == "none":
        return [f"body: expected none, got {got.body!r}"] if got.body else []
    found = []
    if media != expected.content_type:
        found.append(f"content-type: expected {expected.content_type!r}, got {content_type!r}")
    if len(got.header("content-type")) != 1:
        found.append(f"content-type fields: {got.header('content-type')!r}")
    try:
        have = read_body(expected.kind, got.body, content_type)
    except ValueError as error:
        return [*found, f"body: not readable as {expected.kind} ({error}): {got.body!r}"]
    want = expected.value
    if expected.kind == "json":
        want, have = canonical(want), canonical(have)
    elif expected.kind in {"form", "multipart"}:
        want, have = in_groups(list(want)), in_groups(have)
    if want != have:
        found.append(f"body: expected {want!r}, got {have!r}")
    return found


def read_body(kind: str, body: bytes, content_type: str) -> Json:
    """Decode a body as the kind that was expected."""
    if kind == "json":
        return json.loads(body)
    if kind == "form":
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))
    if kind == "multipart":
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + body)
        boundary = str(message.get_boundary())
        if body.rstrip(b"\r\n") == f"--{boundary}--".encode():
            return []
        if not message.is_multipart():
            raise ValueError("no parts")
        return [part_of(part) for part in message.walk() if part is not message]
    return body


def part_of(part: Message) -> tuple[str, str]:
    """The name and text of one part of a multipart body."""
    payload = part.get_payload(decode=True)
    text = payload.decode() if isinstance(payload, bytes) else ""
    return str(part.get_param("name", header="content-disposition")), text
