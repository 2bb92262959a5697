"""What both APIs of the shipyard have in common: how a request is read and a reply written."""

import hmac
import json
from urllib.parse import parse_qs, unquote, urlsplit

from tests.e2e.upstream import Received, Reply
from tests.e2e.wire import Json


def path(received: Received) -> list[str]:
    """Give the segments of the path, decoded."""
    return [unquote(part) for part in urlsplit(received.target).path.strip("/").split("/")]


def query(received: Received, name: str) -> str | None:
    """Give the first value of a query parameter."""
    return parse_qs(urlsplit(received.target).query, keep_blank_values=True).get(name, [None])[0]


def header(received: Received, name: str) -> str | None:
    """Give the value of a header field; None where it is missing or came more than once."""
    values = received.header(name)
    return values[0] if len(values) == 1 else None


def same(given: str | None, expected: str) -> bool:
    """Compare a secret."""
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())


def reply(status: int, value: Json, **headers: str) -> Reply:
    """Write JSON."""
    fields = {name.replace("_", "-"): text for name, text in headers.items()}
    body = json.dumps(value, ensure_ascii=False).encode()
    return Reply(status, body, {"content-type": "application/json", **fields})
