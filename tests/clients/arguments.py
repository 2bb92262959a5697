"""Arguments that an input schema allows, made of the schema alone."""

from typing import Any


def example(schema: Any, name: str = "value") -> Any:  # noqa: ANN401 - JSON
    """Make a value: all properties that are described, and the smallest that is allowed."""
    if not isinstance(schema, dict):
        return "any"
    for keyword in ("const", "default", "example"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][0]
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return example(schema[keyword][0], name)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = next(each for each in kind if each != "null")
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: example(inner, key) for key, inner in properties.items()}
    if kind == "array":
        item = example(schema.get("items", {}), name)
        return [item] * max(1, schema.get("minItems", 1))
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return f"{name}x"[: schema.get("maxLength", 50)].ljust(schema.get("minLength", 0), "x")
