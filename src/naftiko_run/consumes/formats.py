"""Raw formats of replies: how each becomes JSON, and which are passed on as they are."""

from collections.abc import Callable

from naftiko_run.types import Json, Reply

Decode = Callable[[Reply], Json]


def decoder(raw_format: str) -> tuple[Decode | None, bool]:
    """Return how a format is decoded, and whether it is passed on untouched.

    None and False is JSON itself.
    """
    if raw_format == "json":
        return None, False
    return None, True
