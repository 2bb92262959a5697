"""Nonces of Digest authentication: they prove their own origin, and each use counts once.

A nonce holds the time at which it was made and some random bits, and a code over both by a key that
all workers of one start share. So every worker takes what another one gave out, without a table of
all that were. Only nonces that somebody with the password used are remembered, with the counts that
were used: a request that was listened to cannot be sent again.

Each worker remembers for itself, as what is used reaches one of them alone. What was listened to
can therefore be repeated, unchanged, once at each of the other workers while the nonce lives.
"""

import base64
import hashlib
import hmac
import math
import secrets
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

LIFETIME: Final = 300.0
"""Seconds for which a nonce is taken; then the client gets another one, and asks nobody."""

_WINDOW: Final = 1024
"""How far behind the highest count another may come: requests in parallel overtake one another."""
_HEAD: Final = struct.Struct(">d12s")
_CODE: Final = 16


class _Uses(Struct):
    made: float
    highest: int = 0
    seen: int = 0

    def use(self, count: int) -> bool:
        """Note a count; False where it was used before, or may have been."""
        ahead = count - self.highest
        if ahead > 0:
            older = self.seen << ahead if ahead < _WINDOW else 0
            self.seen = (older | 1) & ((1 << _WINDOW) - 1)
            self.highest = count
            return True
        if -ahead >= _WINDOW or self.seen >> -ahead & 1:
            return False
        self.seen |= 1 << -ahead
        return True


class Nonces:
    """Makes nonces and takes them back; ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        key: bytes | None = None,
        *,
        clock: Callable[[], float] = time.time,
        most: int = 10_000,
    ) -> None:
        """Share a key with others, or have one's own; remember so many nonces at most."""
        self._key = key or secrets.token_bytes(32)
        self._clock = clock
        self._most = most
        # A worker that took over from another does not know what that one saw.
        self._since = math.nextafter(clock(), -math.inf)
        self._used: OrderedDict[bytes, _Uses] = OrderedDict()

    def make(self) -> str:
        """Make a nonce."""
        head = _HEAD.pack(self._clock(), secrets.token_bytes(12))
        return base64.urlsafe_b64encode(head + self._code(head)).decode()

    def take(self, nonce: str, count: int) -> bool:
        """Use a nonce once more; False where it is not ours, too old, or this use is no first.

        Ask only for whom the password is proven: what is taken is remembered.
        """
        head = self._head(nonce)
        if head is None:
            return False
        made: float = _HEAD.unpack(head)[0]
        now = self._clock()
        if not self._since < made <= now + 1 or now - made > LIFETIME:
            return False
        uses = self._used.get(head)
        if uses is None:
            self._make_room(now)
            uses = self._used[head] = _Uses(made)
        return uses.use(count)

    def _head(self, nonce: str) -> bytes | None:
        try:
            data = base64.urlsafe_b64decode(nonce)
        except ValueError:
            return None
        head, code = data[: _HEAD.size], data[_HEAD.size :]
        return head if hmac.compare_digest(code, self._code(head)) else None

    def _code(self, head: bytes) -> bytes:
        return hmac.digest(self._key, head, hashlib.sha256)[:_CODE]

    def _make_room(self, now: float) -> None:
        """Forget what has expired; what has not, and is forgotten, is not taken again either."""
        while self._used:
            head, uses = next(iter(self._used.items()))
            expired = now - uses.made > LIFETIME
            if not expired:
                if len(self._used) < self._most:
                    return
                self._since = max(self._since, uses.made)
            del self._used[head]
