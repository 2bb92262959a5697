"""What of a reply is a text, and what it says: MCP clients get texts as such, the rest as bytes."""

from naftiko_run.mapping import charset

_TEXTS = frozenset(
    f"application/{name}"
    for name in (
        "json xml yaml x-yaml toml javascript ecmascript graphql sql x-sh x-ndjson ndjson"
        " x-www-form-urlencoded"
    ).split()
)


def is_text(media_type: str) -> bool:
    """Say whether a media type is one of texts."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml", "+yaml"))


def text_of(body: bytes, media_type: str) -> str | None:
    """Decode a text, in the encoding that its media type names; None where it is none after all.

    Half a surrogate pair or a NUL is in no text that a client could show.
    """
    text = charset.text_of(body, media_type)
    return None if text is None or "\0" in text else text
