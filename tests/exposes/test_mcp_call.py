"""What is read of a call in one go, and what is kept of it."""

import tracemalloc

import pytest

from naftiko_run.exposes.mcp_call import revision
from naftiko_run.exposes.mcp_gate import accepts, is_json

JSON = b"application/json"


@pytest.mark.parametrize("version", ["2026-07-28", "2025-06-18"])
def test_the_fields_of_a_request_tell_its_revision(version: str) -> None:
    accept = b"text/event-stream, application/json"
    assert revision(b"application/json; charset=utf-8", accept, version.encode()) == version
    assert revision(JSON, b"text/html", version.encode()) is None
    assert revision(None, accept, version.encode()) is None
    assert revision(JSON, accept, b"1999-01-01") is None


def test_header_fields_of_callers_take_no_memory_when_they_are_answered() -> None:
    tracemalloc.start()
    try:
        for number in range(300):
            long = b"application/json;%x=" % number + b"x" * 60_000
            assert is_json(long)
            assert accepts(long, JSON)
            assert revision(long, JSON, None) is None, "it is for others to judge"
            assert revision(JSON, long, None) is None
            assert revision(JSON, JSON, long) is None
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
