"""What the Agent Skills format allows, and what MCP hosts have to take of a skill (SEP-2640)."""

import re
from typing import Final

MOST_NAME: Final = 64
MOST_DESCRIPTION: Final = 1024
MOST_COMPATIBILITY: Final = 500
"""How many characters a field of front matter has at most."""

MOST_FILES: Final = 512
MOST_BYTES: Final = 16 * 1024 * 1024
"""How many files, SKILL.md among them, and bytes in all every host takes; others need not."""

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def is_name(text: str) -> bool:
    """Say whether a text is a skill's name: lower case letters, digits and single hyphens."""
    return len(text) <= MOST_NAME and _NAME.fullmatch(text) is not None
