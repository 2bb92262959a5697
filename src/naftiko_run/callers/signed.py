"""Access tokens that carry a signature: JWTs by the keys of their issuer (RFC 9068, RFC 8725)."""

from collections.abc import Awaitable
from typing import Any, Final

import jwt
from jwt import PyJWK
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from naftiko_run.callers.claims import (
    LEEWAY,
    Grant,
    Policy,
    TokenError,
    refuse_other_kinds,
    scopes_of,
)
from naftiko_run.callers.keyring import Keyring
from naftiko_run.callers.keys import ALGORITHMS

_KINDS: Final = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})
_SAID: Final[dict[type[PyJWTError], str]] = {
    ExpiredSignatureError: "the token has expired",
    ImmatureSignatureError: "the token is not valid yet",
    InvalidAudienceError: "the token is for another resource",
    InvalidIssuerError: "the token is of another issuer",
}
_UNKNOWN: Final = "the token is signed with a key that its issuer does not have"


class SignedTokens:
    """Takes tokens that the issuer of a policy has signed.

    Keys come from the keyring alone: whatever a token says of where its key is (``jku``, ``x5u``,
    ``jwk``) is not even read.
    """

    def __init__(self, policy: Policy, keyring: Keyring) -> None:
        """Wait for the first token."""
        self._keyring = keyring
        self._audiences = sorted(policy.names)
        self._issuers = sorted(policy.issuers)

    def check(self, token: str) -> Grant | Awaitable[Grant]:
        """Check a token; where its key has to be fetched first, the answer is to be awaited.

        Raises:
            TokenError: it is not taken; the awaitable raises it too, and ``AuthorityError``.
        """
        kid, algorithm = _header(token)
        keys = self._keyring.current
        if keys is not None:
            found = keys.find(kid, algorithm)
            if found or not self._keyring.may_refresh:
                return self._verified(token, algorithm, found)
        return self._checked_later(token, kid, algorithm)

    async def _checked_later(self, token: str, kid: str | None, algorithm: str) -> Grant:
        keys = await self._keyring.fetch()
        return self._verified(token, algorithm, keys.find(kid, algorithm))

    def _verified(self, token: str, algorithm: str, keys: list[PyJWK]) -> Grant:
        claims = self._claims(token, algorithm, keys)
        refuse_other_kinds(claims)
        return Grant(float(claims["exp"]) + LEEWAY, scopes_of(claims))

    def _claims(self, token: str, algorithm: str, keys: list[PyJWK]) -> dict[str, Any]:
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self._audiences,
                    issuer=self._issuers,
                    leeway=LEEWAY,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except InvalidSignatureError:
                continue
            except MissingRequiredClaimError as error:
                raise TokenError(f"the token does not say its {error.claim}") from None
            except (PyJWTError, ValueError, OverflowError, TypeError) as error:
                said = next((t for k, t in _SAID.items() if isinstance(error, k)), "")
                raise TokenError(said or "the token cannot be read") from None
        raise TokenError("the signature of the token is wrong" if keys else _UNKNOWN)


def _header(token: str) -> tuple[str | None, str]:
    """Read which key and algorithm a token claims.

    Raises:
        TokenError: it is no signed token, or its algorithm is none that is taken.
    """
    parts = token.count(".")
    if parts == 4:
        raise TokenError("encrypted tokens are not taken")
    if parts != 2:
        raise TokenError("this is no JWT")
    try:
        header = jwt.get_unverified_header(token)
    except (PyJWTError, ValueError, RecursionError):
        raise TokenError("the token cannot be read") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenError("the token is not signed with an algorithm that is taken here")
    if "crit" in header or str(header.get("typ", "JWT")).lower() not in _KINDS:
        raise TokenError("this is no access token")
    return header.get("kid"), algorithm
