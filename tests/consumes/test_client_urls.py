"""URLs are taken apart without being changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.consumes.engines.urls import Parts, place, split


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://a", Parts("http", "", "a", 80, "/")),
        ("HTTPS://A.b", Parts("https", "", "A.b", 443, "/")),
        ("http://a?b", Parts("http", "", "a", 80, "/?b")),
        ("http://a/?b#c?d", Parts("http", "", "a", 80, "/?b")),
        ("http://u:p%40@a:8/%2e%2e/;x", Parts("http", "u:p%40", "a", 8, "/%2e%2e/;x")),
        ("http://[::1]:8/", Parts("http", "", "[::1]", 8, "/")),
        ("http://b\u00fccher.example/", Parts("http", "", "b\u00fccher.example", 80, "/")),
    ],
)
def test_a_url_has_parts(url: str, parts: Parts) -> None:
    assert split(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "//a/b",
        "ftp://a",
        "http:/a",
        "http://",
        "http://:80",
        "http://a:b",
        "http://a:65536",
        "http://a@b@c",
        "http://a\\@b/",
        "http://a/\\b",
        "http://a b/",
        "http://a/b c",
        "http://a/\n",
        "http://a\n",
        "http://a/\u00e9",
        "http://a/\x7f",
        "http://a%2fb/",
        "http://[::1/",
    ],
)
def test_anything_else_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|port"):
        split(url)
    assert place(url) == "an address that cannot be read"


@given(st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x21, exclude_characters="#\\")))
def test_the_target_is_what_follows_the_authority(tail: str) -> None:
    assert split(f"http://api.test/{tail}").target == f"/{tail}"
    assert split(f"http://api.test:80/{tail}").origin == "http://api.test:80"


def test_a_place_is_for_people() -> None:
    assert place("https://me:s3cret@api.test/x?s3cret") == "api.test:443"
