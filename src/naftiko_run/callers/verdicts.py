"""Verdicts on tokens that were checked, kept for as long as they hold."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from naftiko_run.exposes.auth import Refusal


class Verdicts:
    """Keeps verdicts by the hash of their token: the token itself is kept nowhere."""

    def __init__(self, most: int = 4096, *, clock: Callable[[], float] = time.time) -> None:
        """Keep so many at most; the oldest leave first."""
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Refusal | None]] = OrderedDict()

    def find(self, key: bytes) -> tuple[Refusal | None] | None:
        """Return a verdict in a tuple, None where there is none that still holds."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, verdict = found
        if self._clock() < until:
            return (verdict,)
        del self._kept[key]
        return None

    def keep(self, key: bytes, verdict: Refusal | None, until: float) -> None:
        """Keep a verdict until a time (seconds since 1970)."""
        while len(self._kept) >= self._most:
            self._kept.popitem(last=False)
        self._kept[key] = (until, verdict)


def key_of(token: str) -> bytes:
    """Return what a verdict on a token is kept under."""
    return hashlib.sha256(token.encode("latin-1")).digest()
