"""The authorization server: where its documents are, and asking for them (RFC 8414).

It is asked with the runtime's own client, so through the same proxies and with the same trusted
certificates as every upstream, and never for longer than :data:`SECONDS`.
"""

import asyncio
import json
import logging
import time
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from naftiko_run.errors import NaftikoError
from naftiko_run.types import Client, Reply, Request

SECONDS: Final = 10.0
"""How long one answer may take."""

MAX_DOCUMENT: Final = 512 * 1024
"""The most bytes of a document; sets of keys have a few thousand."""

_QUIET: Final = 60.0
"""Seconds in which the same trouble is not logged again: callers can have it with every request."""

_log = logging.getLogger("naftiko_run.callers")


class AuthorityError(Exception):
    """The authorization server cannot tell who is good: nobody is let in meanwhile."""


class Metadata(Struct, frozen=True):
    """What a server says of itself; empty where it says nothing."""

    jwks_uri: str = ""
    introspection_endpoint: str = ""
    introspection_methods: tuple[str, ...] = ()


class Authority:
    """Asks one authorization server; ``issuer`` is its identifier, an http or https URL."""

    def __init__(self, issuer: str, client: Client, *, seconds: float = SECONDS) -> None:
        """Ask nothing yet."""
        self.issuer = issuer
        self._client = client
        self._seconds = seconds
        self._told: dict[str, float] = {}

    async def metadata(self) -> Metadata:
        """Find what the server says of itself.

        Raises:
            AuthorityError: it does not, or speaks for somebody else.
        """
        wrong = ""
        for url in metadata_urls(self.issuer):
            reply = await self.send(Request("GET", url, (("Accept", "application/json"),)))
            document = read_object(reply) if reply.status == 200 else None
            if document is None:
                continue
            # RFC 8414 section 3.3: metadata of another issuer must not be used.
            if str(document.get("issuer")).rstrip("/") == self.issuer.rstrip("/"):
                return self._read(document)
            wrong = "its metadata are those of another issuer"
        raise self.failure(wrong or "it publishes no metadata")

    def _read(self, document: dict[str, Any]) -> Metadata:
        methods = document.get("introspection_endpoint_auth_methods_supported")
        return Metadata(
            self._place(document.get("jwks_uri")),
            self._place(document.get("introspection_endpoint")),
            tuple(m for m in methods if isinstance(m, str)) if isinstance(methods, list) else (),
        )

    def _place(self, url: object) -> str:
        """Take a URL of the metadata; one that would be asked without TLS counts as none."""
        if not isinstance(url, str) or not is_http(url):
            return ""
        downgraded = self.issuer.startswith("https:") and not url.startswith("https:")
        return "" if downgraded else url

    async def send(self, request: Request) -> Reply:
        """Send a request within the time limit.

        Raises:
            AuthorityError: there is no answer, or one too large.
        """
        try:
            async with asyncio.timeout(self._seconds):
                reply = await self._client.send(request)
        except TimeoutError:
            raise self.failure(f"no answer came within {self._seconds:g} seconds") from None
        except NaftikoError as error:
            raise self.failure("it cannot be reached", str(error)) from None
        if len(reply.body) > MAX_DOCUMENT:
            raise self.failure("its answer is too large")
        return reply

    def failure(self, what: str, more: str = "") -> AuthorityError:
        """Say, here and in the log, why it cannot be relied on; callers learn its host alone."""
        host = urlsplit(self.issuer).hostname
        now = time.monotonic()
        if now - self._told.get(what, -_QUIET) >= _QUIET:
            self._told[what] = now
            _log.warning("the authorization server %s: %s", host, more or what)
        return AuthorityError(f"the authorization server {host} is of no help: {what}")


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where metadata may be: behind the issuer, between its host and path, and OpenID's place."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    urls = [
        f"{origin}{path}/.well-known/oauth-authorization-server",
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/openid-configuration{path}",
    ]
    return tuple(dict.fromkeys(urls))


def read_object(reply: Reply) -> dict[str, Any] | None:
    """Read a reply's JSON object, None where it has none."""
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_http(url: str) -> bool:
    """Say whether a text is an http or https URL with a host, without credentials or fragment."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and "#" not in url
    return usable and plain and parts.scheme in ("http", "https")
