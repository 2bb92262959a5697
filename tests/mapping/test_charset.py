"""Which encodings are known, and by which names."""

import codecs

import pytest

from naftiko_run.mapping.charset import KNOWN, codec, text_of


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_an_encoding_is_known_by_the_name_that_python_gives_it(name: str) -> None:
    assert codecs.lookup(name).name == name
    assert codec(name) == name
    assert "tis-620".encode(name).decode(name) == "tis-620"


@pytest.mark.parametrize(
    ("label", "name"),
    [("Latin-1", "iso8859-1"), ("EUC-JP", "euc_jp"), ("UTF8", "utf-8"), ("windows-1252", "cp1252")],
)
def test_an_encoding_has_other_names(label: str, name: str) -> None:
    assert codec(label) == name


@pytest.mark.parametrize("label", ["zlib", "punycode", "rot13", "unicode_escape", "x" * 41, "é"])
def test_what_is_no_encoding_of_texts_is_not_known(label: str) -> None:
    assert codec(label) is None
    assert text_of(b"ships", f"text/plain; charset={label}") == "ships"
