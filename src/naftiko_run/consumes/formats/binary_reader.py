"""What Avro and Protobuf have in common: reading numbers and pieces from bytes, within limits."""

import math
import struct
from typing import Final

from naftiko_run.consumes.formats.limits import (
    MOST_LEVELS,
    MOST_VALUES,
    too_deep,
    too_many,
    unreadable,
)

_FLOAT: Final = struct.Struct("<f")
_DOUBLE: Final = struct.Struct("<d")


class Budget:
    """How many values a reply may still have, and how deep they may nest."""

    __slots__ = ("left", "levels", "name")

    def __init__(self, name: str) -> None:
        """Start with all of it; ``name`` is the format."""
        self.name = name
        self.left = MOST_VALUES
        self.levels = MOST_LEVELS

    def spend(self, count: int = 1) -> None:
        """Count values before they are made."""
        self.left -= count
        if self.left < 0:
            raise too_many(self.name)

    def enter(self) -> None:
        """Go one level down."""
        self.levels -= 1
        if self.levels < 0:
            raise too_deep(self.name)

    def leave(self) -> None:
        """Come back."""
        self.levels += 1


class Bytes:
    """A place in some bytes."""

    __slots__ = ("at", "budget", "data", "end")

    def __init__(self, data: bytes, budget: Budget) -> None:
        """Start at the beginning."""
        self.data = data
        self.budget = budget
        self.at = 0
        self.end = len(data)

    def bad(self, why: str) -> Exception:
        """Make the error of bytes that make no sense here."""
        return unreadable(self.budget.name, f"{why} at byte {self.at}")

    def take(self, count: int) -> bytes:
        """Read so many bytes."""
        end = self.at + count
        if count < 0 or end > self.end:
            raise self.bad("a value ends too early")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def varint(self) -> int:
        """Read an unsigned integer of up to 64 bits, seven in each byte."""
        value = shift = 0
        data, at, end = self.data, self.at, min(self.end, self.at + 10)
        while at < end:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.at = at
                return value & 0xFFFF_FFFF_FFFF_FFFF
            shift += 7
        raise self.bad("a number ends too early or is too long")

    def zigzag(self) -> int:
        """Read a signed integer whose sign is its last bit."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def single(self) -> float | str:
        """Read a number of 32 bits: the shortest one that means these bits."""
        raw = self.take(4)
        value: float = _FLOAT.unpack(raw)[0]
        if not math.isfinite(value):
            return special(value)
        for digits in (6, 7, 8):
            short = float(f"{value:.{digits}g}")
            if abs(short) < 3.4e38 and _FLOAT.pack(short) == raw:
                return short
        return value

    def double(self) -> float | str:
        """Read a number of 64 bits."""
        value: float = _DOUBLE.unpack(self.take(8))[0]
        return value if math.isfinite(value) else special(value)

    def text(self, raw: bytes) -> str:
        """Decode a piece that has to be UTF-8."""
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.bad("a text is not UTF-8") from None


def special(value: float) -> str:
    """Name what JSON has no number for, as the JSON forms of both formats do."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
