"""What every engine is told: its limits, whom it trusts, the proxy it goes through."""

import base64
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from naftiko_run.errors import NaftikoError
from naftiko_run.types import Discreet, Headers, without
from naftiko_run.version import __version__

USER_AGENT: Final = f"naftiko-run/{__version__}"
"""Sent where a request names no User-Agent of its own."""

OWNED: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that only the client can know (RFC 9112 sections 6 and 9): one that a document sets would
contradict what is really sent, which is how requests are smuggled."""

TRANSFER: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that described the transfer, not the body that a reply holds now."""


class ClientLimits(Struct, frozen=True, kw_only=True):
    """How long, how much and how many.

    ``timeout`` covers a call from its start to the last byte of the reply, in seconds, the wait for
    a free connection included; ``connect_timeout`` is the part of it that finding, connecting and
    TLS may take. ``max_reply_bytes`` is counted after the content coding is removed: 32 MiB is
    twice the largest JSON replies seen in practice, and thirty of them at once still fit a small
    machine. ``connections`` open at most, all hosts together. An idle connection is kept for
    ``idle_seconds``, less than the 60 seconds after which common load balancers close theirs.
    """

    timeout: float = 30.0
    connect_timeout: float = 10.0
    max_reply_bytes: int = 32 * 1024 * 1024
    connections: int = 256
    idle_seconds: float = 30.0


class EngineError(NaftikoError):
    """An engine lacks something on this machine."""


class EngineSettings(Discreet, Struct, frozen=True, kw_only=True):
    """What an engine is made from.

    ``roots`` reads PEM certificates, none for the system's own, and raises :class:`NaftikoError`
    where it cannot. It is for those who need TLS: hundreds of files may take 40 ms.
    """

    limits: ClientLimits
    roots: Callable[[], tuple[str, ...]] = tuple
    # A proxy's URL may hold a password.
    proxy: str | None = None

    def __repr__(self) -> str:
        return without(self, "proxy")


def outgoing(headers: Headers) -> Headers:
    """The headers of a request without those that only the client can know."""
    for name, _ in headers:
        if name.lower() in OWNED:
            return tuple(h for h in headers if h[0].lower() not in OWNED)
    return headers


_CONNECTION: Final = TRANSFER - {"content-encoding", "content-length"} | {"alt-svc"}


def end_to_end(headers: Iterable[tuple[str, str]], connection: str) -> Headers:
    """The fields of a reply that are passed on, names in lower case (RFC 9110 section 7.6.1).

    ``connection`` is the value of the field that names further ones of the connection alone.
    ``Alt-Svc`` is about the upstream's address, not about that of whoever passes it on.
    """
    named = {name.strip().lower() for name in connection.split(",")} if connection else set()
    # What frames a message is no field to name there.
    own = _CONNECTION | (named - {"content-encoding", "content-length", "content-type"})
    return tuple([h for h in headers if h[0] not in own])


def basic(user: str) -> str:
    """The credentials that a URL's user part stands for (RFC 7617)."""
    name, _, password = user.partition(":")
    token = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return f"Basic {token}"


def incoming(headers: Iterable[tuple[str, str]]) -> Headers:
    """The headers of a reply, names in lower case, without those of the transfer."""
    return tuple([h for h in headers if h[0] not in TRANSFER])
