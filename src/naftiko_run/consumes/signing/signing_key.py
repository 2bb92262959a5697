r"""An RSA private key out of a variable's text: the key itself, or the path of its file.

Variables come from shells, .env files and secret stores, so line breaks may have become ``\n`` or
spaces, and binary keys (DER, PKCS#12) come in base64. No message here ever holds any of the text:
what looks like a path may be a key that was cut.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from naftiko_run.errors import UnsupportedError

_MAX_BYTES = 1_000_000
# What cryptography says of a key in another form or locked with another password.
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)


def read_file(path: str) -> bytes:
    """Read a key file, never more than a key can need."""
    with Path(path).expanduser().open("rb") as file:
        return file.read(_MAX_BYTES)


def load_rsa_key(
    text: str, password: str | None = None, read: Callable[[str], bytes] = read_file
) -> RSAPrivateKey:
    """Return the key that a variable holds or names.

    Raises:
        UnsupportedError: no RSA private key can be had from it.

    """
    material = _material(text.strip(), read)
    for key in _keys(material, password):
        if isinstance(key, RSAPrivateKey):
            return key
    raise UnsupportedError(
        "the signing key is no RSA private key in PEM, DER or PKCS#12,"
        " or its password is wrong or missing"
    )


def _material(text: str, read: Callable[[str], bytes]) -> bytes:
    if "-----BEGIN" in text:
        return text.encode()
    decoded = _from_base64(text)
    # Many a path is valid base64 too; a key is told by its first bytes (30 = an ASN.1 sequence).
    if decoded.startswith(b"\x30") or b"-----BEGIN" in decoded:
        return decoded
    try:
        return read(text)
    except (OSError, ValueError, RuntimeError):  # unreadable; no path at all; no such home
        raise UnsupportedError(
            "the signing key is neither PEM text, nor base64 of DER or PKCS#12,"
            " nor the path of a readable file"
        ) from None


def _from_base64(text: str) -> bytes:
    compact = "".join(text.split()).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _keys(material: bytes, password: str | None) -> Iterator[object]:
    """Yield whatever key opens, with the password or without: it may be meant for another key."""
    text = material.decode("latin-1").replace("\\r", "").replace("\\n", "\n")
    pem = _PEM.search(text)
    for secret in (password.encode(), None) if password else (None,):
        if pem:
            with suppress(*_UNREADABLE):
                yield load_pem_private_key(_rewrapped(pem), secret)
        else:
            with suppress(*_UNREADABLE):
                yield load_der_private_key(material, secret)
            with suppress(*_UNREADABLE):
                yield load_key_and_certificates(material, secret)[0]


def _rewrapped(pem: re.Match[str]) -> bytes:
    label, body = pem.groups()
    if "DEK-Info" not in body:  # its headers need their own lines
        compact = "".join(body.split())
        body = "\n" + "".join(f"{compact[i : i + 64]}\n" for i in range(0, len(compact), 64))
    return f"-----BEGIN {label}-----{body}-----END {label}-----\n".encode("latin-1")
