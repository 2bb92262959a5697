"""What a token has to say so that its bearer is let in."""

import math
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

LEEWAY: Final = 30.0
"""Seconds by which the clocks of the server and of this machine may differ."""

MAX_TOKEN: Final = 16 * 1024
"""The longest token; real ones have one or two thousand characters."""

_OTHER_KINDS: Final = {
    "typ": ("id", "refresh", "logout", "offline"),
    "token_use": ("id", "refresh_token"),
}


class TokenError(Exception):
    """A token that is not taken; the text tells its sender why, and repeats nothing of it."""


class Grant(Struct, frozen=True):
    """What a good token grants, until it is to be checked again (seconds since 1970)."""

    until: float
    scopes: frozenset[str]


class Policy(Struct, frozen=True, kw_only=True):
    """Whose tokens are taken, for whom they are made, and what they must allow.

    ``audiences`` are names of this resource: a token for any of them is for us.
    """

    issuer: str
    audiences: tuple[str, ...]
    scopes: tuple[str, ...] = ()

    @property
    def issuers(self) -> frozenset[str]:
        """The issuer with and without a slash at its end: servers write both."""
        return _either_way(self.issuer)

    @property
    def names(self) -> frozenset[str]:
        """The audiences, each with and without a slash at its end."""
        return frozenset().union(*(_either_way(name) for name in self.audiences))

    def lacking(self, grant: Grant) -> list[str]:
        """Return the scopes that are needed and not granted."""
        return [scope for scope in self.scopes if scope not in grant.scopes]


def _either_way(uri: str) -> frozenset[str]:
    bare = uri.rstrip("/")
    return frozenset({uri, bare, f"{bare}/"}) if bare else frozenset({uri}) - {""}


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Read the scopes of a token: ``scope`` (RFC 9068) or ``scp``, as a text or a list."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(each for each in value if isinstance(each, str))
    return frozenset(found)


def refuse_other_kinds(claims: Mapping[str, Any]) -> None:
    """Refuse what the same server signs for other uses, as far as it can be told.

    Raises:
        TokenError: it is an identity or refresh token, or good only with a key that goes with it.
    """
    for name, kinds in _OTHER_KINDS.items():
        if str(claims.get(name, "")).lower() in kinds:
            raise TokenError("this is no access token")
    # OpenID Connect Core section 3.1.3.6: only an ID token has these.
    if "at_hash" in claims or "c_hash" in claims:
        raise TokenError("this is no access token")
    if claims.get("cnf") is not None:
        raise TokenError("the token is bound to a key of its holder, which cannot be checked here")


def check_answer(claims: Mapping[str, Any], policy: Policy, now: float) -> Grant:
    """Check what a server says of a token (RFC 7662 section 2.2).

    Raises:
        TokenError: the token is not for now, not for here, or not of this issuer.
    """
    refuse_other_kinds(claims)
    expires = _time(claims, "exp", math.inf)
    if expires + LEEWAY <= now:
        raise TokenError("the token has expired")
    if _time(claims, "nbf", 0.0) - LEEWAY > now:
        raise TokenError("the token is not valid yet")
    issuer = claims.get("iss", policy.issuer)
    if not isinstance(issuer, str) or issuer not in policy.issuers:
        raise TokenError("the token is of another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(each, str) and each in policy.names for each in audiences):
        raise TokenError("the token is for another resource")
    return Grant(expires + LEEWAY, scopes_of(claims))


def _time(claims: Mapping[str, Any], name: str, default: float) -> float:
    value = claims.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenError(f"{name} is no time")
    return float(value)
