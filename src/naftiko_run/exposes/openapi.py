"""The OpenAPI description of a listener's REST routes (OpenAPI 3.1), made once at load."""

import re
from collections.abc import Mapping, Sequence

from naftiko_run.exposes.router import placeholders, shape
from naftiko_run.exposes.units import Route
from naftiko_run.types import Argument, Json

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_WRITES = frozenset({"POST", "PUT", "PATCH"})


def describe(
    routes: Sequence[Route], title: str, version: str, description: str = ""
) -> dict[str, Json]:
    """Describe routes; those that other adapters also claim stand under their prefix."""
    paths: dict[str, Json] = {}
    owners: dict[tuple[str, str], set[str]] = {}
    for route in routes:
        owners.setdefault((route.method, shape(route.path)), set()).add(route.adapter)
    templates: dict[str, str] = {}
    identifiers: set[str] = set()
    for route in routes:
        shared = len(owners[route.method, shape(route.path)]) > 1
        path = f"/{route.adapter}{route.path}" if shared else route.path
        # Templates that differ in names alone are the same path: the first one's names count.
        template = templates.setdefault(shape(path), _PLACEHOLDER.sub(r"{\1}", path))
        names = dict(zip(placeholders(path), placeholders(template), strict=True))
        operations = paths.setdefault(template, {})
        if isinstance(operations, dict) and route.method.lower() not in operations:
            identifier = _identifier(route, identifiers)
            operations[route.method.lower()] = _operation(route, names, identifier)
    info: dict[str, Json] = {"title": title, "version": version or "1.0.0"}
    return {
        "openapi": "3.1.0",
        "info": {**info, "description": description} if description else info,
        "paths": paths,
        "components": {"schemas": {"Problem": _PROBLEM}},
    }


def _identifier(route: Route, taken: set[str]) -> str:
    name = f"{route.adapter}.{route.name or f'{route.method.lower()} {route.path}'}"
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    taken.add(unique)
    return unique


def _operation(route: Route, names: Mapping[str, str], identifier: str) -> dict[str, Json]:
    """Describe a route; ``names`` leads from its placeholders to those of the path it is under."""
    parameters: list[Json] = [
        {"name": n, "in": "query", "required": True, "schema": {"const": v}} for n, v in route.query
    ]
    fields: dict[str, Json] = {}
    required: list[Json] = []
    content: Json = None
    needs_content = False
    seen: set[str] = set()
    for argument in route.arguments:
        place = _place(argument, names, route.method)
        if place == "content":
            content = property_of(argument)
            needs_content = argument.required
        elif place == "body":
            fields[argument.name] = property_of(argument)
            required += [argument.name] if argument.required else []
        elif place != "path":
            parameters.append(_parameter(argument, place, argument.name))
        elif argument.name in names:
            seen.add(argument.name)
            parameters.append(_parameter(argument, place, names[argument.name]))
    parameters += [
        {"name": shown, "in": "path", "required": True, "schema": {"type": "string"}}
        for name, shown in names.items()
        if name not in seen
    ]
    operation: dict[str, Json] = {
        "operationId": identifier,
        "summary": route.name,
        "description": route.description,
        "tags": [route.adapter],
        "responses": _responses(route),
    }
    if parameters:
        operation["parameters"] = parameters
    if fields and content is None:
        content = {"type": "object", "properties": fields, "additionalProperties": False}
        if required:
            content["required"] = required
    if content is not None:
        operation["requestBody"] = {
            "required": needs_content or bool(required),
            "content": {"application/json": {"schema": content}},
        }
    return operation


def _place(argument: Argument, names: Mapping[str, str], method: str) -> str:
    if argument.location:
        return argument.location
    if argument.name in names:
        return "path"
    if argument.header:
        return "header"
    return "body" if method in _WRITES else "query"


def _parameter(argument: Argument, place: str, name: str) -> dict[str, Json]:
    parameter: dict[str, Json] = {
        "name": name,
        "in": place,
        "required": place == "path" or argument.required,
        "schema": {k: v for k, v in property_of(argument).items() if k != "description"},
    }
    if argument.description:
        parameter["description"] = argument.description
    return parameter


def property_of(argument: Argument) -> dict[str, Json]:
    """Describe an argument as JSON Schema."""
    described: dict[str, Json] = {}
    if argument.type:
        described["type"] = [argument.type, "null"] if argument.nullable else argument.type
    if argument.description:
        described["description"] = argument.description
    described.update(argument.schema)
    if argument.type == "array":
        described.setdefault("items", {})
    return described


def _responses(route: Route) -> dict[str, Json]:
    problem: Json = {
        "description": "What is wrong, as problem details (RFC 9457)",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    if route.flow is None:
        return {"501": problem}
    return {
        "200": {
            "description": f"The answer of {route.call}" if route.call else "The answer",
            "content": {"application/json": {"schema": {}}},
        },
        "default": problem,
    }


_PROBLEM: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "detail": {"type": "string"},
                    "in": {"type": "string"},
                },
            },
        },
    },
}
