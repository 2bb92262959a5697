"""Content codings (RFC 9110 section 8.4), removed piece by piece so that no bomb goes off."""

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Final

_STEP: Final = 64 * 1024


class BodyError(Exception):
    """A body that cannot be had whole."""


class CodingError(BodyError):
    """The bytes are not in the coding that was announced, or the coding is not known."""


class TruncatedError(BodyError):
    """The bytes end in the middle of the coding."""


class TooLargeError(BodyError):
    """What came out is over the limit."""


class Inflater:
    """Decodes gzip (also several members in a row) or deflate, never more than a step at once."""

    def __init__(self, coding: str) -> None:
        self._gzip = coding == "gzip"
        self._zlib: zlib._Decompress | None = None
        self._head = b""
        self._members = 0
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what these bytes decode to, in pieces."""
        data = self._head + data
        self._head = b""
        while data and not self._over:
            if self._zlib is None:
                if len(data) < 2:
                    self._head = data
                    return
                self._begin(data[:2])
            else:
                try:
                    yield self._zlib.decompress(data, _STEP)
                except zlib.error as error:
                    raise CodingError from error
                data = self._zlib.unconsumed_tail or self._zlib.unused_data
                if self._zlib.eof:
                    self._zlib = None
                    self._over = not self._gzip

    def _begin(self, start: bytes) -> None:
        if not self._gzip:
            # Some servers send "deflate" without its zlib wrapper (RFC 1950 section 2.2).
            wrapped = start[0] & 15 == 8 and int.from_bytes(start, "big") % 31 == 0
            self._zlib = zlib.decompressobj(15 if wrapped else -15)
        elif start == b"\x1f\x8b":
            self._zlib = zlib.decompressobj(31)
        elif self._members:
            # Padding after the last member is ignored, as browsers do.
            self._over = True
        else:
            raise CodingError
        self._members += 1

    def finish(self) -> Iterator[bytes]:
        """Give what is still held back and check that the end was reached."""
        while self._zlib is not None and not self._zlib.eof:
            piece = self._zlib.decompress(b"", _STEP)
            if not piece and not self._zlib.eof:
                raise TruncatedError
            yield piece
        if self._head and not self._members:
            raise TruncatedError


_NAMES: Final = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


def inflaters(content_encoding: str) -> list[Inflater]:
    """The decoders for a Content-Encoding field, in the order in which they are applied."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > 3 or not _NAMES.keys() >= set(names):
        raise CodingError
    return [Inflater(_NAMES[name]) for name in reversed(names)]


class Body:
    """A reply's body as it grows: decoded, and refused once it is over the limit."""

    __slots__ = ("_buffer", "_inflaters", "_limit", "_only", "_size")

    def __init__(self, content_encoding: str, limit: int) -> None:
        self._inflaters = inflaters(content_encoding) if content_encoding else []
        self._limit = limit
        self._size = 0
        # Most bodies come in one piece, which is kept as it is. Others are written together: many
        # small pieces would take far more memory than what they hold, and large ones twice as much.
        self._only = b""
        self._buffer: BytesIO | None = None

    def announce(self, content_length: str | None) -> None:
        """Refuse at once what is over the limit by its own account."""
        if not self._inflaters and content_length and content_length.isdecimal():
            self._check(int(content_length))

    def add(self, data: bytes) -> None:
        """Take bytes from the wire."""
        if self._inflaters:
            self._pass(data, 0)
        elif self._size or len(data) > self._limit:
            self._keep(data)
        else:
            self._only, self._size = data, len(data)

    def finish(self) -> bytes:
        """Give the whole body."""
        if self._inflaters:
            for at, inflater in enumerate(self._inflaters):
                for piece in inflater.finish():
                    self._pass(piece, at + 1)
        return self._only if self._buffer is None else self._buffer.getvalue()

    def _pass(self, data: bytes, at: int) -> None:
        if at < len(self._inflaters):
            for piece in self._inflaters[at].feed(data):
                self._pass(piece, at + 1)
        else:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        self._check(self._size)
        if self._buffer is not None:
            self._buffer.write(data)
        elif self._only:
            self._buffer = BytesIO()
            self._buffer.write(self._only)
            self._buffer.write(data)
            self._only = b""
        else:
            self._only = data

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise TooLargeError
