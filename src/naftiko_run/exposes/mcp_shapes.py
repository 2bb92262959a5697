"""Which parameters of requests are certainly right, told without the SDK.

The rules are stricter than the protocol where that is simpler: what they refuse is not wrong yet,
it is for the SDK to judge. What they accept, the SDK accepts.
"""

from collections.abc import Callable, Mapping

from naftiko_run.exposes.mcp_protocol import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PROTOCOL_VERSION,
)
from naftiko_run.types import Json

Shape = Callable[[Json], bool]
"""Says whether a value is right."""


def text(value: Json) -> bool:
    """A string."""
    return type(value) is str


def flag(value: Json) -> bool:
    """True or false."""
    return type(value) is bool


def anything(value: Json) -> bool:  # noqa: ARG001 - a shape
    """Any value."""
    return True


def any_object(value: Json) -> bool:
    """An object with any members."""
    return type(value) is dict


def one_of(*values: str) -> Shape:
    """One of some strings."""
    return lambda value: type(value) is str and value in values


def list_of(shape: Shape) -> Shape:
    """A list of such values."""
    return lambda value: type(value) is list and all(map(shape, value))


def map_of(shape: Shape) -> Shape:
    """An object whose members all are such values."""
    return lambda value: type(value) is dict and all(map(shape, value.values()))


def members(
    required: Mapping[str, Shape], optional: Mapping[str, Shape], *, others: bool = True
) -> Shape:
    """An object with these members, and any others where ``others`` says so.

    Null stands for an optional member that is absent, but for a progress token.
    """

    def shape(value: Json) -> bool:
        if type(value) is not dict:
            return False
        found = 0
        for name, item in value.items():
            if name in required:
                found += 1
                if not required[name](item):
                    return False
            elif name in optional:
                if (item is not None or name == "progressToken") and not optional[name](item):
                    return False
            elif not others:
                return False
        return found == len(required)

    return shape


_ICON = members(
    {"src": text}, {"mimeType": text, "sizes": list_of(text), "theme": one_of("light", "dark")}
)
_IMPLEMENTATION = members(
    {"name": text, "version": text},
    {"title": text, "description": text, "websiteUrl": text, "icons": list_of(_ICON)},
)
_OBJECTS = map_of(any_object)
_PART = members({}, {"context": any_object, "tools": any_object})
_CAPABILITIES = members(
    {},
    {
        "elicitation": members({}, {"form": any_object, "url": any_object}),
        "experimental": _OBJECTS,
        "extensions": _OBJECTS,
        "roots": members({}, {"listChanged": flag}),
        "sampling": _PART,
        "tasks": members(
            {},
            {
                "cancel": any_object,
                "list": any_object,
                "requests": members(
                    {},
                    {
                        "elicitation": members({}, {"create": any_object}),
                        "sampling": members({}, {"createMessage": any_object}),
                    },
                ),
            },
        ),
    },
)
_LEVEL = one_of("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


def token(value: Json) -> bool:
    """A progress token, or the identifier of a request."""
    return type(value) is str or type(value) is int


MODERN_META = members(
    {PROTOCOL_VERSION: text, CLIENT_CAPABILITIES: _CAPABILITIES},
    {CLIENT_INFO: _IMPLEMENTATION, LOG_LEVEL: _LEVEL, "progressToken": token},
)
"""``_meta`` of a request of the newest revision."""

OLDER_META = members(
    {},
    {
        PROTOCOL_VERSION: text,
        CLIENT_CAPABILITIES: _CAPABILITIES,
        CLIENT_INFO: _IMPLEMENTATION,
        LOG_LEVEL: _LEVEL,
        "progressToken": token,
    },
)
"""``_meta`` of a request of the older ones; what only the newest has must be right all the same."""

INITIALIZE = members(
    {"protocolVersion": text, "capabilities": _CAPABILITIES, "clientInfo": _IMPLEMENTATION},
    {"_meta": OLDER_META},
)
"""The parameters of ``initialize``."""

_META: Mapping[str, Shape] = {"_meta": anything}
"""``_meta`` is judged apart, and remembered."""

SET_LEVEL = members({"level": _LEVEL}, _META, others=False)
LIST = members({}, {**_META, "cursor": text}, others=False)
_CHANGES = {
    "promptsListChanged": flag,
    "resourcesListChanged": flag,
    "resourceSubscriptions": list_of(text),
    "toolsListChanged": flag,
}
LISTEN = members({"notifications": members({}, _CHANGES)}, _META, others=False)
BY_URI = members({"uri": text}, _META, others=False)
GET_PROMPT = members({"name": text}, {**_META, "arguments": map_of(text)}, others=False)
_PROMPT = members({"type": one_of("ref/prompt"), "name": text}, {"title": text})
_TEMPLATE = members({"type": one_of("ref/resource"), "uri": text}, {})
COMPLETE = members(
    {
        "argument": members({"name": text, "value": text}, {}),
        "ref": lambda value: _PROMPT(value) or _TEMPLATE(value),
    },
    {**_META, "context": members({}, {"arguments": map_of(text)})},
    others=False,
)
