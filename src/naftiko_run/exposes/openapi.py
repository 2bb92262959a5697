"""The OpenAPI description of a listener's REST routes (OpenAPI 3.1), made once at load."""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from naftiko_run.exposes.forward import METHODS
from naftiko_run.exposes.router import ANY, placeholders, shape
from naftiko_run.exposes.units import Route
from naftiko_run.types import MISSING, Argument, Json, Selection

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_WRITES = frozenset({"POST", "PUT", "PATCH"})
_IN_BODY = frozenset({"body", "content", "whole"})


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
    # What forwards answer comes behind what has a route of its own.
    for route in sorted(routes, key=lambda route: route.method == ANY):
        shared = len(owners[route.method, shape(route.path)]) > 1
        path = f"/{route.adapter}{route.path}" if shared else route.path
        # Templates that differ in names alone are the same path: the first one's names count.
        template = templates.setdefault(shape(path), _PLACEHOLDER.sub(r"{\1}", path))
        names = dict(zip(placeholders(path), placeholders(template), strict=True))
        operations = paths.setdefault(template, {})
        if not isinstance(operations, dict):
            continue
        # OpenAPI has no word for every method: the usual ones stand for them.
        methods = [route.method] if route.method != ANY else _methods(route)
        for method in methods:
            if method.lower() not in operations:
                one = route if route.method != ANY else _forwarded(route, method)
                identifier = _identifier(one, identifiers)
                operations[method.lower()] = _operation(one, names, identifier)
    info: dict[str, Json] = {"title": title, "version": version or "1.0.0"}
    components: dict[str, Json] = {"schemas": {"Problem": _PROBLEM}}
    # How the callers of each adapter authenticate, by the adapter's name.
    schemes: dict[str, Json] = {
        _component(route.adapter): dict(route.authenticator.security)
        for route in routes
        if route.authenticator is not None
    }
    if schemes:
        components["securitySchemes"] = schemes
    return {
        "openapi": "3.1.0",
        "info": {**info, "description": description} if description else info,
        "paths": paths,
        "components": components,
    }


def _methods(route: Route) -> list[str]:
    return [method for method in METHODS if method not in route.excluded]


def _forwarded(route: Route, method: str) -> Route:
    """Take one method of a forward for a route of its own."""
    name = f"{route.name}-{method.lower()}" if route.name else ""
    description = route.description or f"Passed on to {route.call}."
    return replace(route, method=method, name=name, description=description)


def _component(adapter: str) -> str:
    """Name a component after an adapter; the names of components have fewer characters."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", adapter)


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
    seen: set[str] = set()
    every = [place for argument in route.arguments for place in _places(argument)]
    for argument in every:
        place = _place(argument, names, route.method)
        if place in _IN_BODY:
            continue
        if place != "path":
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
        "summary": route.title or route.name,
        "description": route.description,
        "tags": [route.adapter],
        "responses": _responses(route),
    }
    if route.authenticator is not None:
        # Only schemes of these two types have scopes (OpenAPI 3.1.0, Security Requirement Object).
        scoped = route.authenticator.security.get("type") in ("oauth2", "openIdConnect")
        scopes: list[Json] = list(route.authenticator.scopes) if scoped else []
        operation["security"] = [{_component(route.adapter): scopes}]
    if parameters:
        operation["parameters"] = parameters
    body = _request_body([a for a in every if _place(a, names, route.method) in _IN_BODY])
    if route.forwarder is not None and route.method in _WRITES:
        body = {"content": {"*/*": {}}}
    if body is not None:
        operation["requestBody"] = body
    return operation


def _request_body(arguments: Sequence[Argument]) -> dict[str, Json] | None:
    """Describe a body by the arguments that it has, or is; None where nothing reads it."""
    if not arguments:
        return None
    content: Json = None
    fields: dict[str, Json] = {}
    required: list[Json] = []
    closed = True
    for argument in arguments:
        selection = argument.selection
        if argument.location in ("content", "whole"):
            whole = argument.location == "whole"
            content = _whole(argument) if whole else property_of(argument)
        elif selection is None:
            fields[argument.name] = property_of(argument)
        else:
            closed = closed and selection.first is not None
            _add_selected(fields, argument, selection)
        field = selection.first if selection else argument.name
        if argument.required and field is not None:
            required.append(field)
    if content is None:
        content = {"type": "object", "properties": fields, "additionalProperties": False}
        if not closed:
            content = {"properties": fields} if fields else {}
        if required:
            content["required"] = list(dict.fromkeys(required))
    needed = any(argument.required for argument in arguments)
    return {"required": needed, "content": {"application/json": {"schema": content}}}


def _places(argument: Argument) -> Iterator[Argument]:
    """Give an argument in each of its places; in none of several it must be."""
    if not argument.others:
        yield argument
        return
    for each in (argument, *argument.others):
        yield replace(each, others=(), required=False)


def _whole(argument: Argument) -> Json:
    """Describe a body that is an argument, or an object that has it as a field."""
    described = property_of(argument)
    named: Json = {
        "type": "object",
        "properties": {argument.name: described},
        "required": [argument.name],
        "additionalProperties": False,
    }
    return {"anyOf": [named, described]}


def _add_selected(fields: dict[str, Json], argument: Argument, selection: Selection) -> None:
    """Describe a part of the body where it is; a path that is not simple shows its field alone."""
    if selection.first is None:
        return
    described: Json = property_of(argument) if selection.names else {}
    at = fields
    for name in selection.names[:-1]:
        inner = at.setdefault(name, {"type": "object", "properties": {}})
        properties = inner.setdefault("properties", {}) if isinstance(inner, dict) else None
        if not isinstance(properties, dict):
            return
        at = properties
    at.setdefault(selection.names[-1] if selection.names else selection.first, described)


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
    if argument.default is not MISSING:
        described["default"] = argument.default
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
    if route.flow is None and route.forwarder is None:
        return {"501": problem}
    if route.forwarder is not None:
        return {
            "default": {"description": f"The answer of {route.call}", "content": {"*/*": {}}},
            "502": problem,
            "504": problem,
        }
    answer: Json = {
        "description": f"The answer of {route.call}" if route.call else "The answer",
        "content": {"application/json": {"schema": {}}},
    }
    promised = any(status.startswith("2") for status in route.responses)
    return {**({} if promised else {"200": answer}), **route.responses, "default": problem}


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
