"""URLs, taken apart without changing a byte of what is sent."""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

# The target is printable ASCII (RFC 9112 section 3.2); a backslash is refused because some
# servers take it for a slash, so that two readers would see two different paths.
_SITE: Final = (
    r"(?i:(https?))://"
    r"(?:([^\s/?#@\\]*)@)?"
    r"(\[[0-9a-fA-F:.]+\]|[^\s/?#@:\\\[\]<>^`{|}%\"]+)"
    r"(?::([0-9]{1,5}))?"
)
_REST: Final = r"[!\"$-\[\]-~]*"
_URL: Final = re.compile(rf"{_SITE}([/?]{_REST})?(?:#.*)?")
_ALONE: Final = re.compile(_SITE)
_TARGET: Final = re.compile(rf"/{_REST}")


class Parts(Struct, frozen=True):
    """A URL's parts as they are written; ``target`` is what the request line says."""

    scheme: str
    user: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, without the user's name and password."""
        return f"{self.scheme}://{self.host}:{self.port}"


def split(url: str) -> Parts:
    """Take an absolute http or https URL apart; raises :class:`ValueError` for any other."""
    end = url.find("/", len("https://"))
    if end > 0:
        site = _site(url[:end])
        if site is not None and _TARGET.fullmatch(url, end):
            return Parts(*site, url[end:])
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("not an http or https URL")
    target = match[5] or "/"
    return Parts(*_read(match), target if target[0] == "/" else f"/{target}")


@lru_cache(256)
def _site(text: str) -> tuple[str, str, str, int] | None:
    """Read what stands before a URL's path: the same for all requests of an API."""
    match = _ALONE.fullmatch(text)
    return None if match is None else _read(match)


def _read(match: re.Match[str]) -> tuple[str, str, str, int]:
    scheme = match[1].lower()
    port = int(match[4] or (443 if scheme == "https" else 80))
    if port > 65535:
        raise ValueError("no such port")
    return scheme, match[2] or "", match[3], port


def place(url: str) -> str:
    """Name the host and port of a URL, for people."""
    try:
        parts = split(url)
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.host}:{parts.port}"
