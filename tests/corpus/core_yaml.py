"""YAML read with the 1.2 core schema: no dates, no yes/no, no sexagesimal, only text as keys."""

import re
from typing import Any

import yaml


class CoreLoader(yaml.SafeLoader):
    """A safe loader whose plain scalars follow the YAML 1.2 core schema."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            # A key is always text here: `true:` is the member named "true".
            key = key_node.value
            if key in pairs:
                raise yaml.YAMLError(f"duplicate key {key!r} at {key_node.start_mark}")
            pairs[key] = self.construct_object(value_node, deep=True)
        return pairs


def _construct_int(loader: CoreLoader, node: yaml.ScalarNode) -> int:
    text = str(node.value)
    if text.startswith(("0o", "0x")):
        return int(text, 0)
    return int(text)


def _construct_float(loader: CoreLoader, node: yaml.ScalarNode) -> float:
    text = str(node.value).lower()
    if text.endswith((".inf", ".nan")):
        return float(text.replace(".", ""))
    return float(text)


CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
    )
CoreLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)
CoreLoader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def load(text: str) -> Any:  # noqa: ANN401 - a document may be anything
    """Read one document; raises :class:`yaml.YAMLError`."""
    return yaml.load(text, CoreLoader)  # noqa: S506 - CoreLoader is a SafeLoader
