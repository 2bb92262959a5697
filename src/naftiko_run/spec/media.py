"""Reads media types, and how many bytes of binary data are taken."""

import re
from decimal import Decimal

from naftiko_run.spec.node import Node

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(B|KiB|MiB|GiB)?").fullmatch
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;[ -~]*)?", re.ASCII).fullmatch


def is_media_type(text: str) -> bool:
    """Say whether a text is a media type, with or without parameters."""
    return _MEDIA_TYPE(text) is not None


def read_max_binary_size(node: Node) -> int | None:
    """Read ``maxBinarySize`` in bytes."""
    text = (node.text("maxBinarySize") or "").strip()
    if not text:
        return None
    size = _SIZE(text)
    if size is None:
        node.report(
            node.where.at("maxBinarySize").error(
                "E-TYPE", f"{text!r} is no size", "write one such as 512KiB, 10MiB or 1GiB"
            )
        )
        return None
    return int(Decimal(size[1]) * _UNITS[size[2] or "B"])
