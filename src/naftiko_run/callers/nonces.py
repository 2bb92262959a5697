"""Nonces of Digest authentication: they prove their own origin, and each use counts once.

A nonce holds the time at which it was made and some random bits, and a code over both by a key that
all workers of one start share. So every worker takes what another one gave out, without a table of
all that were. Only nonces that somebody with the password used are remembered, with the counts that
were used: a request that was listened to cannot be sent again, at no worker, as they remember in
memory that they share.
"""

import base64
import hashlib
import hmac
import os
import secrets
import struct
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from naftiko_run.callers.uses import LIFETIME, MARK, Uses, shared_memory
from naftiko_run.types import Discreet, without

_HEAD: Final = struct.Struct(f">d{MARK}s")
_CODE: Final = 16


class Sharing(Discreet, Struct, frozen=True):
    """What processes share that take the nonces of each other.

    ``memory`` is a descriptor, which a process must have inherited under this number.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    memory: int = field(default_factory=shared_memory)

    def __repr__(self) -> str:
        return without(self, "key")

    def close(self) -> None:
        """Give up the memory; those who inherited it keep it."""
        os.close(self.memory)


class Nonces:
    """Makes nonces and takes them back; ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        sharing: Sharing | None = None,
        *,
        clock: Callable[[], float] = time.time,
        uses: Uses | None = None,
    ) -> None:
        """Share with other processes, or have a key and a memory of one's own."""
        self._key = sharing.key if sharing else secrets.token_bytes(32)
        self._clock = clock
        self._uses = uses or Uses(sharing.memory if sharing else None)

    def make(self) -> str:
        """Make a nonce."""
        head = _HEAD.pack(self._clock(), secrets.token_bytes(MARK))
        return base64.urlsafe_b64encode(head + self._code(head)).decode()

    def take(self, nonce: str, count: int) -> bool:
        """Use a nonce once more; False where it is not ours, too old, or this use is no first.

        Ask only for whom the password is proven: what is taken is remembered.
        """
        head = self._head(nonce)
        if head is None:
            return False
        made, mark = _HEAD.unpack(head)
        now = self._clock()
        if made > now + 1 or now - made > LIFETIME:
            return False
        return self._uses.take(made, mark, count, now)

    def _head(self, nonce: str) -> bytes | None:
        try:
            data = base64.urlsafe_b64decode(nonce)
        except ValueError:
            return None
        head, code = data[: _HEAD.size], data[_HEAD.size :]
        return head if hmac.compare_digest(code, self._code(head)) else None

    def _code(self, head: bytes) -> bytes:
        return hmac.digest(self._key, head, hashlib.sha256)[:_CODE]
