"""The Authorization field of a request, and the parameters inside it (RFC 9110 section 11.4)."""

import re
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(
    rf'[ \t,]*({_NAME})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_NAME}))[ \t]*(?=,|$)'
)


class SeveralFieldsError(Exception):
    """A request with more than one Authorization field: which one is meant cannot be told."""


def credentials(scope: Scope) -> tuple[str, str]:
    """Return the scheme, in lower case, and what follows it; both empty where there is neither.

    Raises:
        SeveralFieldsError: the request has the field more than once.
    """
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(found) > 1:
        raise SeveralFieldsError
    text = found[0].decode("latin-1") if found else ""
    scheme, _, rest = text.strip(" \t").partition(" ")
    return scheme.lower(), rest.strip(" \t")


def parameters(text: str) -> dict[str, str]:
    """Read ``name=value`` parameters; names in lower case, ``name*`` decoded (RFC 8187).

    Raises:
        ValueError: they are malformed, or a name comes twice.
    """
    found: dict[str, str] = {}
    at = 0
    while match := _PARAMETER.match(text, at):
        at = match.end()
        name = match[1].lower()
        if name in found:
            raise ValueError(f"{name} comes twice")
        found[name] = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
    if text[at:].strip(" \t,"):
        raise ValueError("malformed parameters")
    return found


def extended(value: str) -> str:
    """Decode an extended value, such as ``UTF-8''J%C3%A4s%C3%B8n`` (RFC 8187 section 3.2).

    Raises:
        ValueError: it is none, or not in UTF-8.
    """
    charset, quote, rest = value.partition("'")
    _, again, encoded = rest.partition("'")
    if not (quote and again) or charset.upper() != "UTF-8":
        raise ValueError("not an extended value")
    return unquote_to_bytes(encoded).decode()
