"""Units: from an exposed operation or tool to a flow, its arguments and what the face needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from naftiko_run.consumes.formats import decoder
from naftiko_run.consumes.operation import CompiledOperation
from naftiko_run.exposes.openapi import property_of
from naftiko_run.exposes.router import placeholders
from naftiko_run.exposes.units import Route, Tool
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import Binder
from naftiko_run.flows.flow import CallFlow, ForEachFlow, Results
from naftiko_run.flows.inputs import Checker
from naftiko_run.mapping.jsonpath import JsonPathError
from naftiko_run.mapping.shape import compile_shape
from naftiko_run.plan.apis import Apis, Called, suggestion
from naftiko_run.plan.names import properties
from naftiko_run.spec.document import Adapter, Hints, Unit
from naftiko_run.types import Argument, Flow, Json


@dataclass(frozen=True, slots=True)
class Compiled:
    """A unit that works: its flow, its arguments, and what it calls."""

    flow: Flow
    arguments: tuple[Argument, ...]
    called: Called
    operation: CompiledOperation
    bindings: tuple[tuple[str, str], ...]


def compile_unit(unit: Unit, adapter: Adapter, apis: Apis) -> Compiled | Finding:
    """Compile a unit; the finding says why it cannot be served."""
    if unit.call is None:
        return unit.problem or unit.where.error("E-CALL-MISSING", "nothing to call")
    called = apis.resolve(unit)
    if isinstance(called, Finding):
        return called
    report = apis.scope.report
    if called.problem is not None:
        return _because_of(called.problem, unit)
    if called.repeated:
        report(
            unit.where.at("call").warning(
                "W-OP-DUP",
                f"{unit.call!r} is defined twice: the first one is called",
                "rename one of the operations",
            )
        )
    route = frozenset(placeholders(unit.path))
    binder = Binder(unit, adapter, apis.scope, route)
    operation = _operation(unit, called, binder, report)
    each = called.spec.for_each
    wanted = [i for i in operation.inputs if each is None or i.name != each.element]
    binding = binder.bind(wanted, passes_content=operation.body.passes_content)
    for parameter in binding.unused:
        if not unit.method:
            close = suggestion(parameter.name, [i.name for i in wanted])
            report(
                parameter.where.warning(
                    "W-TOOL-PARAM-UNUSED",
                    f"the input {parameter.name!r} feeds nothing",
                    close or "name it in 'with', or remove it",
                )
            )
    _unused_placeholders(unit, route, binding.arguments, report)
    try:
        shape = compile_shape(unit.outputs, consumed=called.spec.outputs)
    except JsonPathError as error:
        return unit.where.at("outputParameters").error(
            "E-MAPPING", f"a mapping is no JSONPath: {error}", "write a path such as $.data.items"
        )
    decode, opaque = decoder(called.spec.raw_format)
    flow = CallFlow(
        Checker(binding.arguments),
        tuple((name, expression.evaluate) for name, expression in binding.inputs),
        operation,
        Results(shape, decode, opaque),
    )
    return Compiled(
        flow=ForEachFlow(flow, each.name, each.element) if each else flow,
        arguments=tuple(binding.arguments),
        called=called,
        operation=operation,
        bindings=tuple((name, repr(expression)) for name, expression in binding.inputs),
    )


def _because_of(problem: Finding, unit: Unit) -> Finding:
    return unit.where.at("call").error(problem.code, problem.message, problem.fix)


def _operation(
    unit: Unit, called: Called, binder: Binder, report: Callable[[Finding], None]
) -> CompiledOperation:
    known = {i.name for i in called.compiled.inputs}
    unknown = frozenset(key for key in binder.given if key not in known)
    if not unknown:
        return called.compiled
    body = called.spec.body
    fields = body.data if body is not None and isinstance(body.data, dict) else {}
    for key in sorted(unknown - fields.keys()):
        report(
            unit.where.at("with", key).warning(
                "W-WITH-UNKNOWN",
                f"{unit.call!r} has no input {key!r}: it is sent as a"
                + (" query parameter" if called.spec.method in _QUERY_METHODS else " body field"),
                suggestion(key, sorted(known)) or "declare it under 'inputParameters'",
            )
        )
    return called.api.with_overrides(called, unknown)


_QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})


def _unused_placeholders(
    unit: Unit,
    route: frozenset[str],
    arguments: list[Argument],
    report: Callable[[Finding], None],
) -> None:
    used = {a.name for a in arguments if a.location in ("", "path")}
    for name in sorted(route - used):
        report(
            unit.where.warning(
                "W-ROUTE-PARAM-UNUSED",
                f"nothing uses the placeholder {name!r} of the route {unit.path!r}",
                "name it in 'with', or remove it from the path",
            )
        )


def route_of(unit: Unit, adapter: Adapter, compiled: Compiled | Finding) -> Route:
    """Make the REST route of a unit; one that cannot be served answers with its finding."""
    path, _, query = unit.path.partition("?")
    pairs = [p.partition("=") for p in query.split("&") if p]
    served = compiled if isinstance(compiled, Compiled) else None
    return Route(
        method=unit.method,
        path=path or "/",
        adapter=adapter.namespace,
        name=unit.name,
        description=unit.description or (served.called.spec.description if served else ""),
        arguments=served.arguments if served else (),
        flow=served.flow if served else None,
        finding=compiled if isinstance(compiled, Finding) else None,
        query=tuple((name, value) for name, _, value in pairs),
        call=unit.call or "",
    )


def tool_of(unit: Unit, name: str, compiled: Compiled) -> Tool:
    """Make the MCP tool of a unit."""
    published = properties(compiled.arguments)
    return Tool(
        name=name,
        title=unit.label,
        description=unit.description or compiled.called.spec.description or unit.name,
        arguments=compiled.arguments,
        properties=published,
        input_schema=input_schema(compiled.arguments, published),
        hints=hints(unit.hints),
        flow=compiled.flow,
        call=unit.call or "",
    )


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


def hints(written: Hints) -> dict[str, bool]:
    """Return the hints that are written, under MCP's names without their ending."""
    named = {
        "readOnly": written.read_only,
        "destructive": written.destructive,
        "idempotent": written.idempotent,
        "openWorld": written.open_world,
    }
    return {name: value for name, value in named.items() if value is not None}
