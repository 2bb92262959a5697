"""Parameters inside an Authorization field (RFC 9110 section 11.4)."""

import re
from urllib.parse import unquote_to_bytes

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(
    rf'[ \t,]*({_NAME})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_NAME}))[ \t]*(?=,|$)'
)


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
