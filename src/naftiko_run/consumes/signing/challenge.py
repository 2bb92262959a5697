"""Reads what a server asks for: the challenges of RFC 9110 section 11.6.1.

    WWW-Authenticate = #( scheme [ 1*SP ( token68 / #( name = ( token / quoted-string ) ) ) ] )

The comma parts both challenges and their parameters, so the two are told apart by the "=".
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from naftiko_run.types import Reply

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = rf'(?P<name>{_NAME})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_NAME}))'
_SCHEME = rf"(?P<scheme>{_NAME})(?:[ \t]+[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$)))?"
_ITEM = re.compile(rf"[\s,]*(?:{_PARAMETER}|{_SCHEME})")


class Challenge(Struct, frozen=True):
    """One way in which a server lets itself be authenticated to."""

    scheme: str
    """In lower case."""
    parameters: Mapping[str, str]
    """Values by name in lower case, quotes and escapes removed."""


def challenges(reply: Reply) -> list[Challenge]:
    """Return every challenge of a reply in the server's order; what is malformed ends a field."""
    found: list[tuple[str, dict[str, str]]] = []
    for name, value in reply.headers:
        if name == "www-authenticate":
            found.extend(_parsed(value))
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def parameters(value: str) -> dict[str, str]:
    """Return the parameters of a field that has no scheme (Authentication-Info)."""
    return _parsed(f"none {value}")[0][1]


def _parsed(value: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while item := _ITEM.match(value, at):
        at = item.end()
        if item["scheme"]:
            found.append((item["scheme"].lower(), {}))
        elif found:
            text = item["plain"] or re.sub(r"\\(.)", r"\1", item["quoted"] or "")
            found[-1][1].setdefault(item["name"].lower(), text)
    return found
