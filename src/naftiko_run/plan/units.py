"""Units: from an exposed operation or tool to a flow, its arguments and what the face needs."""

from collections.abc import Mapping

from naftiko_run.exposes.auth import Authenticator
from naftiko_run.exposes.openapi import property_of
from naftiko_run.exposes.units import Route, Tool
from naftiko_run.findings import Finding
from naftiko_run.flows.flow import CallFlow
from naftiko_run.flows.parameters import constants
from naftiko_run.mapping.shape import schema_of
from naftiko_run.plan.compiled import Compiled
from naftiko_run.plan.names import properties
from naftiko_run.spec.document import Adapter, Hints, Semantics, Unit
from naftiko_run.types import Argument, Json


def route_of(
    unit: Unit,
    adapter: Adapter,
    compiled: Compiled | Finding,
    authenticator: Authenticator | None = None,
) -> Route:
    """Make the REST route of a unit; one that cannot be served answers with its finding."""
    path, _, query = unit.path.partition("?")
    pairs = [p.partition("=") for p in query.split("&") if p]
    served = compiled if isinstance(compiled, Compiled) else None
    return Route(
        method=unit.method,
        path=path or "/",
        adapter=adapter.namespace,
        name=unit.name or (served.name if served else ""),
        description=unit.description or (served.description if served else ""),
        arguments=served.arguments if served else (),
        flow=served.flow if served else None,
        finding=compiled if isinstance(compiled, Finding) else None,
        query=tuple((name, value) for name, _, value in pairs),
        constants=tuple(constants(unit)),
        responses=responses(unit, served) if served else {},
        call=unit.call or "",
        authenticator=authenticator,
        title=unit.label,
    )


def responses(unit: Unit, compiled: Compiled) -> dict[str, Json]:
    """Describe a unit's answers as OpenAPI does, as far as the document says anything of them."""
    described: dict[str, Json] = {}
    for each in unit.responses:
        response: dict[str, Json] = {"description": each.description or "The answer"}
        # OpenAPI 3.1: bytes as they are have a media type and no schema.
        content: dict[str, Json] = {
            c.media_type: {} if c.binary else {"schema": dict(c.schema)} for c in each.contents
        }
        described[each.status] = {**response, "content": content} if content else response
    if not described and compiled.media_type:
        described["200"] = {"description": "The answer", "content": {compiled.media_type: {}}}
    return described


def tool_of(unit: Unit, name: str, compiled: Compiled) -> Tool:
    """Make the MCP tool of a unit."""
    published = properties(compiled.arguments)
    return Tool(
        name=name,
        title=unit.label,
        description=unit.description or compiled.description or unit.name,
        arguments=compiled.arguments,
        properties=published,
        input_schema=input_schema(compiled.arguments, published),
        hints={**of_semantics(compiled.semantics), **hints(unit.hints)},
        flow=compiled.flow,
        call=unit.call or "",
        stages=compiled.stages,
        output_schema=output_schema(unit, compiled),
    )


def output_schema(unit: Unit, compiled: Compiled) -> dict[str, Json] | None:
    """Describe a tool's results where they are the mapping of one reply, and an object for sure."""
    flow = compiled.flow
    if unit.call is None or not isinstance(flow, CallFlow):
        return None
    mapped = flow.results.shape is not None and not flow.results.opaque
    return schema_of(unit.outputs) if mapped else None


def input_schema(arguments: tuple[Argument, ...], published: Mapping[str, str]) -> dict[str, Json]:
    """Describe a tool's arguments (JSON Schema 2020-12): a closed object."""
    by_key = {a.key: a for a in arguments}
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {name: property_of(by_key[key]) for name, key in published.items()},
    }
    required: list[Json] = [name for name, key in published.items() if by_key[key].required]
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return schema


def of_semantics(semantics: Semantics) -> dict[str, bool]:
    """Derive hints from what a shared flow promises; a tool's own hints go before them."""
    derived: dict[str, bool] = {}
    if semantics.safe is not None:
        derived["readOnly"] = semantics.safe
        if semantics.safe:
            derived["destructive"] = False
    if semantics.idempotent is not None:
        derived["idempotent"] = semantics.idempotent
    return derived


def hints(written: Hints) -> dict[str, bool]:
    """Return the hints that are written, under MCP's names without their ending."""
    named = {
        "readOnly": written.read_only,
        "destructive": written.destructive,
        "idempotent": written.idempotent,
        "openWorld": written.open_world,
    }
    return {name: value for name, value in named.items() if value is not None}
