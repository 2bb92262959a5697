"""What is kept of requests, of which callers decide a part."""

import pytest

from naftiko_run.consumes.engines import direct
from naftiko_run.consumes.engines.kept import Kept
from naftiko_run.types import Request

HEADERS = (("X-One", "1"),)


def test_what_is_asked_for_again_is_made_once() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    kept = Kept(make, len)
    assert [kept[key] for key in ("a", "b", "a", "b")] == ["A", "B", "A", "B"]
    assert made == ["a", "b"]


def test_what_is_kept_is_neither_large_nor_much() -> None:
    kept = Kept(str, lambda size: size)
    assert [kept[size] for size in (5000, 5000, 7)] == ["5000", "5000", "7"]
    assert dict(kept) == {7: "7"}
    for size in range(-5000, 0):
        assert kept[size] == str(size)
        assert len(kept) <= 1024


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "http://a/" + "x" * 5000, HEADERS),
        Request("GET", "http://a/", (*HEADERS, ("X-Two", "x" * 5000))),
        Request("GET", "http://a/", (*HEADERS, ("X" * 5000, "2"))),
        # Fields that are not sent are no part of the head.
        Request("GET", "http://a/", (*HEADERS, ("Connection", "x" * 5000))),
    ],
    ids=["url", "value", "name", "omitted"],
)
def test_no_caller_fills_the_memory_with_heads(request_: Request) -> None:
    direct._head(Request("GET", "http://a/", HEADERS))
    kept = len(direct._heads), len(direct._field_lines)
    direct._head(request_)
    assert (len(direct._heads), len(direct._field_lines)) == kept
