"""Digest authentication of callers (RFC 7616): SHA-256, and MD5 for clients that know no other.

``qop=auth`` alone: without it nothing counts the uses of a nonce, and ``auth-int`` would need the
whole body before anything is known of its sender.
"""

import hashlib
import hmac
import re
from typing import Final

from starlette.types import Scope

from naftiko_run.callers.fields import extended, parameters
from naftiko_run.callers.nonces import Nonces
from naftiko_run.exposes.auth import (
    Authenticator,
    Refusal,
    SeveralFieldsError,
    credentials,
    equal,
    quoted,
)
from naftiko_run.exposes.problems import Problem

_HASHES: Final = {"SHA-256": "sha256", "MD5": "md5"}
"""In the order of preference in which they are offered."""

_MOST: Final = 8192
"""The longest answer to a challenge; a request target may be nearly as long."""

_NEEDED: Final = frozenset({"realm", "nonce", "uri", "response", "qop", "nc", "cnonce"})
_COUNT: Final = re.compile(r"[0-9A-Fa-f]{8}")


def digest(username: str, password: str, realm: str, nonces: Nonces) -> Authenticator:
    """Ask for a user name and a proof of knowing the password."""
    scheme = _Digest(username, password, realm, nonces)
    return Authenticator(scheme.refusal, {"type": "http", "scheme": "digest"})


class _Digest:
    """Checks answers to its challenges; of the password it keeps the hashes that RFC 7616 needs."""

    def __init__(self, username: str, password: str, realm: str, nonces: Nonces) -> None:
        self._realm = realm
        self._nonces = nonces
        self._username = username
        self._usable = bool(username and password)
        text = f"{username}:{realm}:{password}".encode()
        self._secrets = {name: _hash(name, text) for name in _HASHES}

    def refusal(self, scope: Scope) -> Refusal | None:
        """Say why a request is refused; None lets it in."""
        try:
            scheme, text = credentials(scope)
        except SeveralFieldsError as error:
            return Refusal(Problem(400, str(error)))
        if scheme != "digest" or len(text) > _MOST:
            return self._challenge()
        try:
            given = parameters(text)
        except ValueError:
            return self._challenge()
        if not self._proves(given, scope):
            return self._challenge()
        # The password is right. A nonce that is not taken is no reason to ask a person again.
        if not self._nonces.take(given["nonce"], int(given["nc"], 16)):
            return self._challenge(stale=True)
        return None

    def _proves(self, given: dict[str, str], scope: Scope) -> bool:
        algorithm = given.get("algorithm", "MD5").upper()
        if algorithm not in _HASHES or not given.keys() >= _NEEDED or not self._usable:
            return False
        if given["realm"].encode("latin-1") != self._realm.encode() or given["qop"] != "auth":
            return False
        if not _COUNT.fullmatch(given["nc"]) or int(given["nc"], 16) == 0:
            return False
        if not _is_target(given["uri"], scope):
            return False
        # Parameters were read as Latin-1, so this is what the client hashed, byte by byte.
        action = _hash(algorithm, f"{scope['method']}:{given['uri']}".encode("latin-1"))
        middle = (given["nonce"], given["nc"], given["cnonce"], "auth", action)
        proof = ":".join((self._secrets[algorithm], *middle)).encode("latin-1")
        right = equal(given["response"], _hash(algorithm, proof))
        return _names(given, self._username) and right

    def _challenge(self, *, stale: bool = False) -> Refusal:
        detail = "the answer is too old, or was used before" if stale else _WRONG
        nonce = self._nonces.make()
        fields = f'realm="{quoted(self._realm)}", qop="auth", nonce="{nonce}"'
        end = f"charset=UTF-8{', stale=true' if stale else ''}"
        headers = tuple(
            ("www-authenticate", f"Digest {fields}, algorithm={name}, {end}") for name in _HASHES
        )
        return Refusal(Problem(401, detail), headers)


_WRONG: Final = "the credentials are missing or wrong"


def _hash(algorithm: str, data: bytes) -> str:
    return hashlib.new(_HASHES[algorithm], data, usedforsecurity=False).hexdigest()


def _names(given: dict[str, str], username: str) -> bool:
    if "username*" not in given:
        # Clients that do not know RFC 8187 send UTF-8 as it is.
        return hmac.compare_digest(given.get("username", "").encode("latin-1"), username.encode())
    try:
        name = extended(given["username*"])
    except ValueError:
        return False
    return "username" not in given and equal(name, username)


def _is_target(uri: str, scope: Scope) -> bool:
    """Tell whether this is the target of the request: the answer is good for no other."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0]
    query: bytes = scope.get("query_string", b"")
    target = path + b"?" + query if query else path
    return uri.encode("latin-1") == target
