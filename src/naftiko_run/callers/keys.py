"""The public keys of an authorization server (RFC 7517), each with the algorithms that fit it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jwt import PyJWK
from jwt.exceptions import PyJWTError

ALGORITHMS: Final = frozenset("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split())
"""The signatures that are taken: by a private key, all of them. What a secret makes (``HS256``)
could be made by everybody who has the public key, and ``none`` by everybody."""

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE: Final = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}
_PUBLIC: Final = ("kty", "crv", "n", "e", "x", "y")
_RSA_BITS: Final = range(2048, 16384 + 1)
_MOST_KEYS: Final = 50
_MOST_TRIED: Final = 8
"""How many keys one token is tried with: more than any server signs with at a time."""


class KeySet:
    """Keys by identifier and algorithm; those that cannot be used here are left out."""

    def __init__(self, keys: Sequence[object]) -> None:
        """Read the ``keys`` of a JWK Set."""
        self._keys: list[tuple[str | None, dict[str, PyJWK]]] = []
        for key in keys[:_MOST_KEYS]:
            if isinstance(key, dict) and (usable := _usable(key)):
                kid = key.get("kid")
                self._keys.append((kid if isinstance(kid, str) else None, usable))

    def __bool__(self) -> bool:
        """Whether any key can be used."""
        return bool(self._keys)

    def find(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """Return the keys that may have made a signature.

        A token that names no key may be of any; a key without a name may be of any token.
        """
        fitting = [
            by_algorithm[algorithm]
            for name, by_algorithm in self._keys
            if algorithm in by_algorithm and (kid is None or name in (kid, None))
        ]
        return fitting[:_MOST_TRIED]


def _usable(key: Mapping[str, Any]) -> dict[str, PyJWK]:
    operations = key.get("key_ops")
    if key.get("use", "sig") != "sig" or (
        isinstance(operations, list) and "verify" not in operations
    ):
        return {}
    kind = key.get("kty")
    fitting = _RSA if kind == "RSA" else _BY_CURVE.get((str(kind), str(key.get("crv"))), ())
    own = key.get("alg")
    # RFC 9864 gives EdDSA a name for each curve.
    own = "EdDSA" if own in ("Ed25519", "Ed448") else own
    names = [name for name in fitting if own in (None, name)]
    # A server that publishes a private key by mistake gives us its public half alone.
    public = {name: key[name] for name in _PUBLIC if name in key}
    try:
        made = {name: PyJWK(public, algorithm=name) for name in names}
    except (PyJWTError, ValueError, TypeError):
        return {}
    if kind == "RSA" and any(made[name].key.key_size not in _RSA_BITS for name in names):
        return {}
    return made
