"""Prompts of an MCP adapter: messages whose ``{{placeholders}}`` are filled with texts.

A value is put in as it is and never looked into; a placeholder without a value stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from naftiko_run.exposes.mcp_pages import page
from naftiko_run.exposes.mcp_protocol import INVALID_PARAMS, McpError
from naftiko_run.exposes.units import PLACEHOLDER, Kept, Prompt
from naftiko_run.types import Json

MOST_CHARACTERS = 4 * 1024 * 1024
"""How long the messages of a prompt may become: a long value may stand in many places."""


class Prompts:
    """Lists and fills the prompts of one adapter."""

    def __init__(self, prompts: Iterable[Prompt], kept: Kept) -> None:
        """Keep the prompts in their order; ``kept`` is said of the list."""
        self._kept = kept
        self._prompts = {prompt.name: prompt for prompt in prompts}

    async def list(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``prompts/list``."""
        entries = [_described(prompt) for prompt in self._prompts.values()]
        return page("prompts", entries, params.get("cursor"), self._kept)

    async def get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``prompts/get``."""
        name = params["name"]
        prompt = self._prompts.get(name)
        if prompt is None:
            raise McpError(INVALID_PARAMS, f"Unknown prompt: {name}")
        given = params.get("arguments") or {}
        missing = [a.name for a in prompt.arguments if a.required and a.name not in given]
        if missing:
            names = ", ".join(missing)
            raise McpError(INVALID_PARAMS, f"Missing required arguments: {names}")
        left = MOST_CHARACTERS
        messages: list[Json] = []
        for role, content in prompt.messages:
            text = _filled(content, given, left)
            left -= len(text)
            messages.append({"role": role, "content": {"type": "text", "text": text}})
        answer: dict[str, Any] = {"messages": messages}
        return {"description": prompt.description, **answer} if prompt.description else answer

    def values_of(self, name: str, argument: str) -> tuple[str, ...] | None:
        """Give all values that an argument can have, as far as known; None for unknown prompts."""
        prompt = self._prompts.get(name)
        if prompt is None:
            return None
        return next((a.values for a in prompt.arguments if a.name == argument), ())


def _described(prompt: Prompt) -> dict[str, Json]:
    entry: dict[str, Json] = {"name": prompt.name}
    if prompt.title:
        entry["title"] = prompt.title
    if prompt.description:
        entry["description"] = prompt.description
    arguments: list[Json] = []
    for argument in prompt.arguments:
        described: dict[str, Json] = {"name": argument.name}
        if argument.title:
            described["title"] = argument.title
        if argument.description:
            described["description"] = argument.description
        arguments.append({**described, "required": argument.required})
    return {**entry, "arguments": arguments} if arguments else entry


def _filled(template: str, given: Mapping[str, str], most: int) -> str:
    pieces: list[str] = []
    end = 0
    for match in PLACEHOLDER.finditer(template):
        pieces += template[end : match.start()], given.get(match[1], match[0])
        end = match.end()
    pieces.append(template[end:])
    if sum(map(len, pieces)) > most:
        message = f"the filled prompt is longer than {MOST_CHARACTERS} characters"
        raise McpError(INVALID_PARAMS, message)
    return "".join(pieces)
