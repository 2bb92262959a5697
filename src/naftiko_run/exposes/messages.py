"""HTTP messages of the faces: reading a request within limits, sending an answer (ASGI)."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Mapping
from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope, Send

from naftiko_run.exposes.overseer import Overseer
from naftiko_run.exposes.problems import MEDIA_TYPE, Problem
from naftiko_run.types import Headers, Json, Text, Texts

MAX_BODY = 4 * 1024 * 1024
"""The most bytes that a request body may have, the same for every face."""


MAX_FIELDS = 1000
"""The most names that a query, a form or an object of arguments may have: each one that is unknown
is worth a sentence to its sender, so their number is the cost of a wrong request."""

MAX_PAIRS = 10_000
"""The most pairs of a name and a value that a query or a form may have."""

BODY_SECONDS = 30.0
"""How long a request body may take to arrive, the same for every face."""

WHOLE_BODY = "naftiko.body"
"""Where a scope holds the body of a request that came as a whole, of a server that says so."""

FIELDS = "naftiko.fields"
"""Where a scope holds the header fields by name, of a request in which no name comes twice."""

STREAMED = "naftiko.streamed"
"""In the scope of a request whose body has no limit: its reader keeps nothing of it."""

_LINGER_BYTES = 16 * MAX_BODY
_LINGER_SECONDS = 5.0


class Unknown(str):
    """A name that a caller gave and nothing takes.

    It equals nothing but itself, so whatever its letters are it is no argument's key.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Tell it apart from every name, those with its letters too."""
        return self is other

    def __ne__(self, other: object) -> bool:
        """Tell it apart from every name."""
        return self is not other


class BodyTooLargeError(Exception):
    """A request body that goes over :data:`MAX_BODY`."""


class BodyTooSlowError(Exception):
    """A request body that takes longer than it may."""


class DisconnectedError(Exception):
    """The caller went away before its request was complete."""


def header(scope: Scope, name: bytes) -> str:
    """Return the first value of a request header field, empty where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return field_text(value.strip(b" \t"))
    return ""


def fields_of(scope: Scope) -> Mapping[bytes, bytes] | None:
    """Give the header fields by name; None where a name comes twice."""
    known: Mapping[bytes, bytes] | None = scope.get(FIELDS)
    if known is not None:
        return known
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    fields = dict(headers)
    if len(fields) != len(headers):
        return None
    scope[FIELDS] = fields
    return fields


def field_text(value: bytes) -> str:
    """Read a field value: UTF-8, as everybody sends it today, else what HTTP began with."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class BodyReader:
    """Reads request bodies within a time limit, by one timer for all of them."""

    def __init__(self, seconds: float = BODY_SECONDS) -> None:
        """Give each body so many seconds."""
        self.seconds = seconds
        self._reading = Overseer()

    async def __call__(self, scope: Scope, receive: Receive) -> bytes:
        """Read a request's whole body.

        Raises:
            BodyTooSlowError: it did not arrive in time.
            BodyTooLargeError: it is larger than :data:`MAX_BODY`.
            DisconnectedError: the caller went away.
        """
        whole: bytes | None = scope.get(WHOLE_BODY)
        if whole is not None:
            if len(whole) > MAX_BODY:
                raise BodyTooLargeError
            return whole
        work = self._reading.begin(self.seconds)
        try:
            return await read_body(scope, receive)
        except asyncio.CancelledError:
            if self._reading.why(work) is None:
                raise
            raise BodyTooSlowError from None
        finally:
            self._reading.end(work)


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Read a request's whole body.

    Raises:
        BodyTooLargeError: it is larger than :data:`MAX_BODY`; what is announced is not even read.
        DisconnectedError: the caller went away.
    """
    length = header(scope, b"content-length")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise BodyTooLargeError
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        whole: bytes = message.get("body", b"")
        if len(whole) > MAX_BODY:
            raise BodyTooLargeError
        return whole
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise BodyTooLargeError
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()


async def send_and_close(
    receive: Receive,
    send: Send,
    status: int,
    body: bytes,
    media_type: str,
    headers: Headers = (),
) -> None:
    """Answer a request whose body was not read, and close its connection.

    RFC 9112 section 9.6: closing while the caller still sends would reset the connection, and the
    answer would be lost with it. So what still comes is read and forgotten first, within limits.
    """
    fields = [
        _NOSNIFF,
        (b"content-type", media_type.encode("latin-1")),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *((name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers),
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await linger(receive)
    await send({"type": "http.response.body", "body": b""})


async def linger(receive: Receive) -> None:
    """Read and forget what still comes of a request that is answered, within limits."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while size < _LINGER_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
                size += len(message.get("body", b""))


_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NOSNIFF_LINE = b"x-content-type-options: nosniff\r\n"
_NOSNIFF_JSON_LINES = _NOSNIFF_LINE + b"content-type: application/json\r\n"
_BREAK = re.compile(r"[\r\n\0]")


def send_bytes(
    send: Send, status: int, body: bytes, media_type: str, headers: Headers = ()
) -> Awaitable[None]:
    """Send a whole answer."""
    return send_whole(send, status, *_written(status, body, media_type, headers))


async def send_whole(send: Send, status: int, fields: bytes, body: bytes) -> None:
    """Send an answer that is there as a whole; each of its field lines has its end."""
    whole = getattr(send, "whole", None)
    if whole is not None:
        whole(status, fields, body)
        return
    pairs = [tuple(line.split(b": ", 1)) for line in fields.split(b"\r\n")[:-1]]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def send_problem(send: Send, problem: Problem, headers: Headers = ()) -> Awaitable[None]:
    """Send a problem document."""
    return send_bytes(send, problem.status, problem.dumps(), MEDIA_TYPE, headers)


def _written(status: int, body: bytes, media_type: str, headers: Headers) -> tuple[bytes, bytes]:
    """Write the field lines of a whole answer, and what of its body is sent."""
    if status == 204:
        fields = _NOSNIFF_LINE
    elif media_type == "application/json":
        fields = _NOSNIFF_JSON_LINES
    elif media_type:
        fields = _NOSNIFF_LINE + _line("content-type", media_type)
    else:
        fields = _NOSNIFF_LINE
    if status >= 200 and status not in (204, 304):
        fields += b"content-length: %d\r\n" % len(body)
    else:
        body = b""
    for name, value in headers:
        fields += _line(name, value)
    return fields, body


def _line(name: str, value: str) -> bytes:
    if not value.isprintable() and _BREAK.search(value):
        raise ValueError(f"the header field {name} holds the end of a line")
    return f"{name}: {value}\r\n".encode("latin-1", "replace")


def parse_pairs(text: bytes) -> dict[str, Json]:
    """Parse a query or a form (WHATWG URL, section 5.1): texts, and lists of repeated ones.

    Raises:
        ValueError: it is not UTF-8 once decoded, or has more than :data:`MAX_FIELDS` names or
            :data:`MAX_PAIRS` values; its text says which, to go behind what it is about.
    """
    pairs: dict[str, Json] = {}
    for count, pair in enumerate(text.split(b"&", MAX_PAIRS)):
        if count == MAX_PAIRS:
            raise ValueError(f"has more than {MAX_PAIRS} values")
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = _decoded(raw_name), Text(_decoded(raw_value))
        if name not in pairs:
            if len(pairs) == MAX_FIELDS:
                raise ValueError(f"has more than {MAX_FIELDS} names")
            pairs[name] = value
            continue
        known = pairs[name]
        if isinstance(known, Texts):
            known.append(value)
        else:
            pairs[name] = Texts([known, value])
    return pairs


def _decoded(text: bytes) -> str:
    try:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def parse_cookies(text: str) -> Mapping[str, Text]:
    """Parse a Cookie header field (RFC 6265 section 5.4).

    Of one name the first counts: clients send the cookie of the longest path first.
    """
    pairs = (part.strip().partition("=") for part in reversed(text.split(";")))
    return {name: Text(value.strip('"')) for name, equals, value in pairs if equals}
