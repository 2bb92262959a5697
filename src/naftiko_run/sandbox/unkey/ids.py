"""Identifiers and key material: how they look, how they sort, how they are stored."""

import base64
import hashlib
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LETTERS = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))
_START_LENGTH = 4


def new_id(prefix: str) -> str:
    """Give a fresh identifier: the prefix, an underscore and nine letters or digits."""
    return f"{prefix}_{secrets.token_bytes(9).translate(_LETTERS).decode()}"


def sort_key(text: str) -> str:
    """Give a text whose binary order is the order the server lists `text` in.

    The server's collation compares letters without case first and puts lower case before
    upper case where that leaves a tie; underscores come before digits.
    """
    case = "".join("0" if letter.islower() else "1" for letter in text)
    return f"{text.lower().replace('_', ' ')}\x00{case}"


def new_key(prefix: str, byte_length: int) -> tuple[str, str]:
    """Make a key and its `start`, the part of it that may be shown later."""
    secret = base58(secrets.token_bytes(byte_length))
    head = f"{prefix}_" if prefix else ""
    return head + secret, head + secret[:_START_LENGTH]


def hash_key(key: str) -> str:
    """Give the form in which a key is stored and looked up."""
    return base64.b64encode(hashlib.sha256(key.encode()).digest()).decode()


def base58(data: bytes) -> str:
    """Encode bytes in the alphabet without look-alikes that keys use."""
    number = int.from_bytes(data)
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_BASE58[digit])
    zeros = len(data) - len(data.lstrip(b"\x00"))
    return _BASE58[0] * zeros + "".join(reversed(digits))
