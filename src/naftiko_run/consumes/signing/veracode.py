"""VERACODE-HMAC-SHA-256, the signature of Veracode's REST and XML APIs.

It covers method, host, path and query, not the body.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from naftiko_run.consumes.signing.message import Signer, target_of, with_header
from naftiko_run.errors import UnsupportedError
from naftiko_run.types import Client, Request

_SCHEME = "VERACODE-HMAC-SHA-256"
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def fresh_nonce() -> bytes:
    """Return 128 random bits."""
    return secrets.token_bytes(16)


class VeracodeHMAC(Signer):
    """Signs each request with an API id and its key, both hexadecimal.

    Raises:
        UnsupportedError: the id or the key is not hexadecimal.

    """

    reads_body = False

    def __init__(
        self,
        inner: Client,
        api_id: str,
        api_key: str,
        *,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], bytes] = fresh_nonce,
    ) -> None:
        super().__init__(inner)
        self._api_id = _without_region(api_id)
        _bytes_of(self._api_id, "API id")
        self._api_key = _bytes_of(_without_region(api_key), "API key")
        self._clock = clock
        self._nonce = nonce

    def sign(self, request: Request) -> Request:
        """Return the request with its Veracode Authorization field."""
        milliseconds = round(self._clock() * 1000)
        value = authorization(request, self._api_id, self._api_key, milliseconds, self._nonce())
        return with_header(request, "Authorization", value)


def authorization(
    request: Request, api_id: str, api_key: bytes, milliseconds: int, nonce: bytes
) -> str:
    """Return the Authorization field of one request."""
    host = urlsplit(request.url).hostname or ""
    data = (
        f"id={api_id.lower()}&host={host}"
        f"&url={target_of(request.url)}&method={request.method.upper()}"
    )
    key = _hmac(_hmac(api_key, nonce), str(milliseconds).encode())
    signature = _hmac(_hmac(key, b"vcode_request_version_1"), data.encode()).hex()
    return f"{_SCHEME} id={api_id},ts={milliseconds},nonce={nonce.hex()},sig={signature}"


def _without_region(credential: str) -> str:
    """Cut the prefix off that names a region (``vera01ei-``): it is no part of the credential."""
    return credential.rpartition("-")[2]


def _bytes_of(credential: str, name: str) -> bytes:
    if not _HEXADECIMAL.fullmatch(credential):  # fromhex would let spaces and line breaks pass
        raise UnsupportedError(f"the Veracode {name} is not hexadecimal")
    return bytes.fromhex(credential)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
