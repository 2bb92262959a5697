"""Reads ``inputParameters``: what an operation, a tool or a resource is given."""

from naftiko_run.spec.document import Parameter
from naftiko_run.spec.node import Node, first_written, value_type_of

SCHEMA_KEYWORDS = (
    "items",
    "properties",
    "additionalProperties",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "uniqueItems",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
)
"""JSON Schema keywords that a parameter may carry beside ``type``."""


def read_parameters(holder: Node) -> tuple[Parameter, ...]:
    """Read the parameters of a holder; of two with one name and place, the first counts."""
    seen: dict[tuple[str, str], Parameter] = {}
    for node in holder.entries("inputParameters"):
        parameter = read_parameter(node)
        if parameter is None:
            continue
        identity = (parameter.name, parameter.location)
        if identity in seen:
            node.report(
                node.where.warning(
                    "W-PARAM-DUP",
                    f"parameter {parameter.name!r} is given twice: the first one counts",
                    "remove one of them",
                )
            )
        else:
            seen[identity] = parameter
    return tuple(seen.values())


def read_parameter(node: Node) -> Parameter | None:
    """Read one parameter; one without a name is reported and left out."""
    name = node.text("name") or node.key
    if not name:
        node.report(
            node.where.warning(
                "W-PARAM-UNNAMED", "a parameter without a name is ignored", "add 'name'"
            )
        )
        return None
    required = node.data.get("required")
    json_type, nullable = value_type_of(node)
    schema = {k: node.data[k] for k in SCHEMA_KEYWORDS if node.data.get(k) is not None}
    if isinstance(required, list):
        schema["required"] = required  # JSON Schema's: which members an object must have
    return Parameter(
        where=node.where,
        name=name,
        location=(node.text("in") or "").strip().lower(),
        type=json_type,
        required=None if isinstance(required, list) else node.flag("required"),
        description=node.text("description") or "",
        # Where both stand, 'const' goes first, as it did in the version that had it.
        value=first_written(node, "const", "value", "template"),
        constant=node.data.get("const") is not None,
        default=node.raw("default"),
        nullable=nullable or node.data.get("nullable") is True,
        mapping=node.text("mapping") or "",
        schema=schema,
    )
