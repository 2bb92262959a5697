"""A unit that calls one operation, compiled; and what the calls of steps share with it."""

from collections.abc import Callable, Sequence

from naftiko_run.consumes.operation import CompiledOperation
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import Binder
from naftiko_run.flows.flow import CallFlow, ForEachFlow
from naftiko_run.flows.inputs import Checker
from naftiko_run.mapping.shape import Shape, compile_shape
from naftiko_run.mapping.template import Expression
from naftiko_run.plan.apis import Apis, Called, suggestion
from naftiko_run.plan.arguments import arguments_of, evaluates
from naftiko_run.plan.compiled import Call, Compiled
from naftiko_run.plan.results import check_promises, results_of
from naftiko_run.spec.document import Output, Unit

_QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})


def compile_call(unit: Unit, binder: Binder, apis: Apis) -> Compiled | Finding:
    """Compile a unit that calls one operation; the finding says why it cannot be served.

    Raises :class:`naftiko_run.mapping.jsonpath.JsonPathError`.
    """
    called = apis.resolve(unit)
    if isinstance(called, Finding):
        return called
    if called.problem is not None:
        return _because_of(called.problem, unit)
    _say_repeated(called, unit, apis.scope.report)
    operation = _operation(unit, called, binder)
    each = called.spec.for_each
    wanted = [i for i in operation.inputs if each is None or i.name != each.element]
    bindings = binder.bind(wanted, passes_content=operation.body.passes_content)
    arguments = arguments_of(binder, wanted)
    shape = shape_of(unit.outputs, called)
    results = results_of(called.spec, unit, shape)
    if isinstance(results, Finding):
        return results
    check_promises(called.spec, unit, apis.scope.report)
    keys = {a.key: a.name for a in arguments}
    names = {n: keys[e.direct] for n, e in bindings if e.direct in keys}
    flow = CallFlow(Checker(arguments), evaluates(bindings), operation, results, names)
    return Compiled(
        flow=ForEachFlow(flow, each.name, each.element) if each else flow,
        arguments=tuple(arguments),
        calls=(shown("", called, operation, bindings),),
        description=called.spec.description,
        semantics=unit.semantics,
        shaped=shape is not None,
        media_type=called.spec.media_type if results.opaque else None,
    )


def shown(
    step: str,
    called: Called,
    operation: CompiledOperation,
    bindings: Sequence[tuple[str, Expression]],
) -> Call:
    """Give what ``inspect`` shows of a call; ``step`` is empty where it is all that a unit runs."""
    return Call(
        step,
        operation,
        repr(called.api.credentials),
        tuple((name, repr(expression)) for name, expression in bindings),
    )


def shape_of(outputs: Sequence[Output], called: Called) -> Shape | None:
    """Compile the outputs of a unit over those of the operation that it calls."""
    spec = called.spec
    return compile_shape(outputs, consumed=spec.outputs, empty_is_absent=spec.raw_format == "xml")


def _operation(unit: Unit, called: Called, binder: Binder) -> CompiledOperation:
    known = {i.name for i in called.compiled.inputs}
    unknown = frozenset(key for key in binder.given if key not in known)
    if not unknown:
        return called.compiled
    in_query = called.spec.method in _QUERY_METHODS
    for key in undeclared(called, unknown):
        binder.scope.report(
            unit.where.at("with", key).warning(
                "W-WITH-UNKNOWN",
                f"{unit.call!r} has no input {key!r}: it is sent as a"
                + (" query parameter" if in_query else " body field"),
                suggestion(key, sorted(known)) or "declare it under 'inputParameters'",
            )
        )
    return called.api.with_overrides(called, unknown)


def undeclared(called: Called, names: frozenset[str]) -> list[str]:
    """Give those of the names that neither a parameter nor a field of the body has."""
    declared = {p.name for p in (*called.api.spec.parameters, *called.spec.parameters)}
    body = called.spec.body
    fields = body.data if body is not None and isinstance(body.data, dict) else {}
    return sorted(names - fields.keys() - declared)


def _say_repeated(called: Called, unit: Unit, report: Callable[[Finding], None]) -> None:
    if called.repeated:
        report(
            unit.where.at("call").warning(
                "W-OP-DUP",
                f"{unit.call!r} is defined twice: the first one is called",
                "rename one of the operations",
            )
        )


def _because_of(problem: Finding, unit: Unit) -> Finding:
    return unit.where.at("call").error(problem.code, problem.message, problem.fix)
