"""Which uses of nonces were seen, in memory that processes can share: each counts once among them.

A nonce has its place in one of many buckets, by bits that were drawn by lot when it was made. A
bucket that is full forgets its oldest nonce, and from then on takes no nonce for new that is as old
as that one: what is forgotten is not taken again.

Processes take turns at a bucket. One that is killed in the middle leaves a slot that says so, and
its bucket then takes for new only what is made later.
"""

import mmap
import os
import struct
from typing import Final

LIFETIME: Final = 300.0
"""Seconds for which a nonce is taken; then the client gets another one, and asks nobody."""

MARK: Final = 12
"""Bytes by which a nonce is known."""

_WINDOW: Final = 1024
"""How far behind the highest count another may come: requests in parallel overtake one another."""
_SINCE: Final = struct.Struct("=d")
_SLOT: Final = struct.Struct(f"=Bd{MARK}sI{_WINDOW // 8}s")
_RECORD: Final = struct.Struct(_SLOT.format.replace("B", "", 1))
_EMPTY, _WRITTEN, _WRITING = range(3)
_BUCKETS: Final = 2048
_SLOTS: Final = 8


class Uses:
    """Notes uses. Times are seconds since 1970."""

    def __init__(
        self, descriptor: int | None = None, *, buckets: int = _BUCKETS, slots: int = _SLOTS
    ) -> None:
        """Use the memory of :func:`shared_memory`, or memory of one's own."""
        self._bucket_size = _SINCE.size + slots * _SLOT.size
        self._buckets = buckets
        self._descriptor = descriptor
        self._memory = mmap.mmap(-1 if descriptor is None else descriptor, self._size)

    @property
    def _size(self) -> int:
        return self._buckets * self._bucket_size

    def take(self, made: float, mark: bytes, count: int, now: float) -> bool:
        """Note that a nonce is used with this count; False where it was before, or may have been.

        ``made`` is when the nonce was, by which it has not expired ``now``; ``mark`` is of random
        bytes. The count is from 1 to 2**32 - 1.
        """
        number = int.from_bytes(mark[:4]) % self._buckets
        if self._descriptor is None:
            return self._take(number * self._bucket_size, made, mark, count, now)
        import fcntl  # noqa: PLC0415 - not on every platform

        # A byte for each bucket is locked: the system unlocks it for a process that ends.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, number)
        try:
            return self._take(number * self._bucket_size, made, mark, count, now)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)

    def _take(self, bucket: int, made: float, mark: bytes, count: int, now: float) -> bool:
        ages: list[tuple[float, int]] = []
        for slot in range(bucket + _SINCE.size, bucket + self._bucket_size, _SLOT.size):
            state, its_made, its_mark, highest, seen = _SLOT.unpack_from(self._memory, slot)
            if state == _WRITING:
                # Whose it was is not known: it may be any that was made until now.
                self._forget(bucket, now + 1)
                self._memory[slot] = state = _EMPTY
            if state == _WRITTEN and its_mark == mark:
                used = _with(count, highest, int.from_bytes(seen))
                if used is not None:
                    self._write(slot, made, mark, *used)
                return used is not None
            ages.append((its_made if state == _WRITTEN else 0.0, slot))
        if made <= _SINCE.unpack_from(self._memory, bucket)[0]:
            return False
        oldest, slot = min(ages)
        if oldest:
            # Also one that has expired: a clock that is set back would make it good again.
            self._memory[slot] = _WRITING
            self._forget(bucket, oldest)
        self._write(slot, made, mark, count, 1)
        return True

    def _forget(self, bucket: int, made: float) -> None:
        """Take no nonce for new from now on that is as old as this; never one that was too old."""
        if made > _SINCE.unpack_from(self._memory, bucket)[0]:
            _SINCE.pack_into(self._memory, bucket, made)

    def _write(self, slot: int, made: float, mark: bytes, highest: int, seen: int) -> None:
        # Its state is written apart: what packs a record clears its place first.
        self._memory[slot] = _WRITING
        record = (made, mark, highest, seen.to_bytes(_WINDOW // 8))
        _RECORD.pack_into(self._memory, slot + 1, *record)
        self._memory[slot] = _WRITTEN


def shared_memory() -> int:
    """Make memory for the uses that several processes note; returns its descriptor."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("nonces")
    else:
        import tempfile  # noqa: PLC0415 - only where the system has nothing better

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _BUCKETS * (_SINCE.size + _SLOTS * _SLOT.size))
    return descriptor


def _with(count: int, highest: int, seen: int) -> tuple[int, int] | None:
    """Add a count to the highest one and the bits of those before it; None where it is there."""
    ahead = count - highest
    if ahead > 0:
        older = seen << ahead if ahead < _WINDOW else 0
        return count, (older | 1) & ((1 << _WINDOW) - 1)
    if -ahead >= _WINDOW or seen >> -ahead & 1:
        return None
    return highest, seen | 1 << -ahead
