"""What keeps a reply from growing as it is decoded, and the words for one that cannot be read.

Every decoder here raises :class:`naftiko_run.errors.UnreadableReply` and nothing else, whatever the
bytes are. Time and memory are bounded by the number of values, by their depth and, where a library
is slow, by the size of the text. Nothing in this package recurses deeper than ``MOST_LEVELS``.
"""

from typing import Final

from naftiko_run.errors import UnreadableReply, UnsupportedError

MOST_LEVELS: Final = 100
"""Values inside values, as many as Protobuf's own readers allow; real replies have ten."""

MOST_VALUES: Final = 1_000_000
"""Values of one reply: a few seconds and a few hundred megabytes while it is at hand."""


class FormatError(UnsupportedError):
    """A raw format that cannot be decoded as the document asks; ``key`` is the keyword to mend."""

    def __init__(self, message: str, fix: str, key: str = "outputRawFormat") -> None:
        """Keep what is wrong and what to do."""
        self.fix = fix
        self.key = key
        super().__init__(message)


def unreadable(name: str, why: str) -> UnreadableReply:
    """Make the error of a reply that is not in its format."""
    return UnreadableReply(f"the upstream's reply is not {name}: {why}")


def too_deep(name: str) -> UnreadableReply:
    """Make the error of a reply whose values nest too deeply."""
    return UnreadableReply(f"the upstream's {name} is nested more than {MOST_LEVELS} levels deep")


def too_many(name: str, most: int = MOST_VALUES) -> UnreadableReply:
    """Make the error of a reply with too many values."""
    return UnreadableReply(f"the upstream's {name} has more than {most:,} values")


def too_long(name: str, most: int) -> UnreadableReply:
    """Make the error of a text that would take too long to read."""
    return UnreadableReply(f"the upstream's {name} is longer than {most:,} characters")
