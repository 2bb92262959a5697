"""Which record each mapping of a document is: the shape of the language, in both its forms."""

from collections.abc import Iterator, Mapping
from enum import Enum

import yaml
from msgspec import Struct

from naftiko_run.findings import DocPath
from naftiko_run.loading.migrate.nodes import pairs, text_of


class Form(Enum):
    """How a key holds records."""

    ONE = "one"
    """A mapping is the record."""
    LIST = "list"
    """A list in every version."""
    NAMED = "named"
    """A list of entries with names in naftiko, a map of them in ikanos."""
    MEMBERS = "members"
    """A map in every version."""


class Record(Struct, frozen=True):
    """A mapping of the document, of a known kind."""

    kind: str
    node: yaml.MappingNode
    path: DocPath


class Named(Struct, frozen=True):
    """A collection whose form differs between the languages; ``key`` is what it stands under."""

    kind: str
    node: yaml.CollectionNode
    key: yaml.Node
    path: DocPath


Held = Mapping[str, tuple[str, Form]]

_SHARED: Held = {
    "binds": ("bind", Form.LIST),
    "consumes": ("api", Form.LIST),
    "exposes": ("adapter", Form.LIST),
    "aggregates": ("aggregate", Form.LIST),
}
_UNIT: Held = {
    "inputParameters": ("input", Form.NAMED),
    "steps": ("step", Form.NAMED),
    "mappings": ("mapping", Form.LIST),
}
_ADAPTER: Held = {
    "authentication": ("authentication", Form.ONE),
    "inputParameters": ("input", Form.NAMED),
}
_MAPPED: Held = {"properties": ("output", Form.MEMBERS), "items": ("output", Form.ONE)}
_SHAPES: Mapping[str, Held] = {
    "root": {
        "info": ("info", Form.ONE),
        "capability": ("capability", Form.ONE),
        **_SHARED,
    },
    "capability": _SHARED,
    "api": {
        "authentication": ("authentication", Form.ONE),
        "inputParameters": ("parameter", Form.NAMED),
        "resources": ("resource", Form.NAMED),
    },
    "resource": {
        "inputParameters": ("parameter", Form.NAMED),
        "operations": ("operation", Form.NAMED),
    },
    "operation": {
        "inputParameters": ("parameter", Form.NAMED),
        "outputParameters": ("consumed output", Form.NAMED),
    },
    "rest": {
        **_ADAPTER,
        "inputParameters": ("input", Form.NAMED),
        "resources": ("rest resource", Form.NAMED),
    },
    "rest resource": {
        "inputParameters": ("input", Form.NAMED),
        "operations": ("rest operation", Form.NAMED),
    },
    "mcp": {
        **_ADAPTER,
        "tools": ("tool", Form.NAMED),
        "resources": ("mcp resource", Form.NAMED),
        "prompts": ("prompt", Form.NAMED),
    },
    "skill adapter": {**_ADAPTER, "skills": ("skill", Form.NAMED)},
    "control": _ADAPTER,
    "rest operation": _UNIT,
    "tool": _UNIT,
    "mcp resource": _UNIT,
    "flow": _UNIT,
    "prompt": {"arguments": ("argument", Form.NAMED)},
    "skill": {"tools": ("skill tool", Form.NAMED)},
    "aggregate": {"functions": ("flow", Form.NAMED), "flows": ("flow", Form.NAMED)},
    "output": _MAPPED,
    "named output": {
        "properties": ("named output", Form.MEMBERS),
        "items": ("named output", Form.NAMED),
    },
}
_ADAPTERS = {"rest": "rest", "mcp": "mcp", "skill": "skill adapter", "control": "control"}
_UNITS = frozenset({"rest operation", "tool", "mcp resource", "flow"})


def walk(root: yaml.Node) -> Iterator[Record | Named]:
    """Give every record and every named collection of a document, outer ones first."""
    if isinstance(root, yaml.MappingNode):
        yield from _record("root", root, ())


def _record(kind: str, node: yaml.MappingNode, path: DocPath) -> Iterator[Record | Named]:
    kind = _precisely(kind, node)
    yield Record(kind, node, path)
    held = _SHAPES.get(kind, {})
    for key, value in pairs(node):
        inner = _outputs(node, value) if _holds_outputs(kind, key) else held.get(key.value)
        if inner is not None:
            yield from _held(*inner, key, value, (*path, key.value))


def _precisely(kind: str, node: yaml.Node) -> str:
    keys = {key.value for key, _ in pairs(node)}
    if kind in ("api", "adapter", "aggregate", "bind"):
        bare = "ref" in keys and "baseUri" not in keys and kind == "api"
        if "import" in keys or bare or ("from" in keys and "type" not in keys):
            return "import" if kind == "api" else f"import of {kind}"
    if kind == "adapter":
        return _ADAPTERS.get(text_of(node, "type").strip().lower(), "adapter")
    return kind


def _holds_outputs(kind: str, key: yaml.Node) -> bool:
    return kind in _UNITS and key.value == "outputParameters"


def _outputs(unit: yaml.Node, value: yaml.Node) -> tuple[str, Form]:
    """Tell mapped outputs, a list in every version, from those of steps and mocks."""
    keys = {key.value for key, _ in pairs(unit)}
    if isinstance(value, yaml.MappingNode):
        return "named output", Form.NAMED
    if keys & {"call", "ref"}:
        return "output", Form.LIST
    items = value.value if isinstance(value, yaml.SequenceNode) else []
    named = bool(items) and all(text_of(item, "name") for item in items)
    return ("named output", Form.NAMED) if named else ("output", Form.LIST)


def _held(
    kind: str, form: Form, key: yaml.Node, value: yaml.Node, path: DocPath
) -> Iterator[Record | Named]:
    if form is Form.NAMED and kind == "named output" and _is_one(value):
        form = Form.ONE
    if form is Form.NAMED and isinstance(value, yaml.CollectionNode):
        yield Named(kind, value, key, path)
    if form is Form.ONE:
        if isinstance(value, yaml.MappingNode):
            yield from _record(kind, value, path)
        return
    if isinstance(value, yaml.MappingNode):
        entries = [(k.value, v) for k, v in value.value]
    else:
        entries = list(enumerate(value.value)) if isinstance(value, yaml.SequenceNode) else []
    for part, each in entries:
        if isinstance(each, yaml.MappingNode):
            yield from _record(kind, each, (*path, part))


def _is_one(items: yaml.Node) -> bool:
    """Say whether 'items' is one output and not a map of named ones."""
    return any(not isinstance(value, yaml.MappingNode) for _, value in pairs(items))
