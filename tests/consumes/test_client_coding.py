"""Content codings are removed piece by piece, within the limit."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.consumes.engines.coding import (
    Body,
    BodyError,
    CodingError,
    TooLargeError,
)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    " Deflate ": raw_deflate,
    "gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    "deflate,identity,,gzip": lambda data: gzip.compress(zlib.compress(data)),
    "identity": lambda data: data,
    "": lambda data: data,
}


def read(coding: str, pieces: list[bytes], limit: int = 1 << 20) -> bytes:
    body = Body(coding, limit)
    for piece in pieces:
        body.add(piece)
    return body.finish()


@pytest.mark.parametrize("coding", PACKERS)
@given(data=st.binary(max_size=300), size=st.integers(1, 40), times=st.sampled_from([1, 999]))
def test_a_body_comes_back_whole_however_it_is_cut(
    coding: str, data: bytes, size: int, times: int
) -> None:
    data *= times
    packed = PACKERS[coding](data)
    assert read(coding, [packed[at : at + size] for at in range(0, len(packed), size)]) == data


@pytest.mark.parametrize("coding", ["gzip", "deflate", " Deflate ", "gzip, deflate"])
@given(data=st.binary(min_size=1, max_size=300), cut=st.integers(1, 400))
def test_a_body_that_is_cut_short_is_never_taken_for_a_whole(
    coding: str, data: bytes, cut: int
) -> None:
    packed = PACKERS[coding](data)
    short = packed[: max(1, len(packed) - cut)]
    with pytest.raises(BodyError):
        read(coding, [short])


def test_members_of_gzip_follow_one_another_and_padding_is_ignored() -> None:
    packed = gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b") + bytes(9)
    assert read("gzip", [packed]) == b"ab"
    assert read("gzip", [packed[at : at + 1] for at in range(len(packed))]) == b"ab"


def test_an_empty_body_needs_no_coding() -> None:
    assert read("gzip", []) == b""


@pytest.mark.parametrize("coding", ["br", "rot13", "gzip, br", "gzip,gzip,gzip,gzip"])
def test_a_coding_that_is_not_known(coding: str) -> None:
    with pytest.raises(CodingError):
        Body(coding, 10)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_bytes_that_are_not_in_the_coding(coding: str) -> None:
    with pytest.raises(CodingError):
        read(coding, [b'{"a": 1}' * 10])


@pytest.mark.parametrize("coding", PACKERS)
def test_the_limit_counts_what_comes_out(coding: str) -> None:
    data = bytes(1000)
    packed = PACKERS[coding](data)
    assert read(coding, [packed], 1000) == data
    with pytest.raises(TooLargeError):
        read(coding, [packed], 999)


def test_an_announced_length_counts_where_nothing_is_decoded() -> None:
    Body("gzip", 10).announce("11")
    for harmless in (None, "", "10", "3, 3", "x"):
        Body("", 10).announce(harmless)
    with pytest.raises(TooLargeError):
        Body("", 10).announce("11")
