"""What is made of parts of messages that come again and again, kept where it is small."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MOST: Final = 1024
_LARGEST: Final = 4096


class Kept(dict[K, V], Generic[K, V]):
    """Makes what is asked for the first time.

    Others decide much of what a message says: with a bound for their number alone, parts that are
    kept could take all memory. ``size`` is that of a key, in characters or bytes.
    """

    def __init__(self, make: Callable[[K], V], size: Callable[[K], int]) -> None:
        super().__init__()
        self._make = make
        self._size = size

    def __missing__(self, key: K) -> V:
        made = self._make(key)
        if self._size(key) <= _LARGEST:
            if len(self) >= _MOST:
                self.clear()
            self[key] = made
        return made
