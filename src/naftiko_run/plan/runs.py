"""What a unit runs, compiled: its call, its steps, an aggregate's flow, or a mock."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from naftiko_run.consumes.operation import CompiledOperation
from naftiko_run.exposes.router import placeholders
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import Binder
from naftiko_run.flows.flow import CallFlow, ForEachFlow, Results
from naftiko_run.flows.inputs import Checker
from naftiko_run.flows.mock import MockFlow
from naftiko_run.flows.steps import (
    CallStep,
    FunctionStep,
    LookupStep,
    Step,
    StepsFlow,
    Target,
    plan_needs,
)
from naftiko_run.mapping.jsonpath import JsonPathError, Path, compile_path
from naftiko_run.mapping.shape import Shape, compile_shape, project
from naftiko_run.mapping.template import Evaluate, Expression, compile_value
from naftiko_run.plan.apis import Apis, Called, suggestion
from naftiko_run.plan.results import (
    check_mappings,
    check_promises,
    fixed_status,
    promised_of,
    results_of,
)
from naftiko_run.plan.scripts import Scripts
from naftiko_run.spec.document import UNSET, Adapter, ForEach, Output, Script, Semantics, Unit
from naftiko_run.spec.document import Step as SpecStep
from naftiko_run.types import (
    MISSING,
    Argument,
    Flow,
    Input,
    Inputs,
    Json,
    Missing,
    Operation,
    Outcome,
    Reply,
)

_QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Call:
    """One upstream call of a unit, as ``inspect`` shows it."""

    step: str
    operation: CompiledOperation
    credentials: str
    bindings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One script of a unit, as ``inspect`` shows it: ``shown`` is its language and file."""

    step: str
    shown: str
    bindings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A unit that works: its flow, its arguments, and what it says of itself where it is silent."""

    flow: Flow
    arguments: tuple[Argument, ...]
    calls: tuple[Call | Run, ...] = ()
    name: str = ""
    description: str = ""
    semantics: Semantics = field(default_factory=Semantics)
    shaped: bool = False
    stages: int = 1
    """How many parts a run has that a caller may hear of."""

    media_type: str | None = None
    """What an answer is that is passed on as it is: empty as the upstream says, None is JSON."""


class Compiler:
    """Compiles the units of one document; the flows of its aggregates are compiled once."""

    def __init__(
        self, apis: Apis, aggregates: Mapping[str, tuple[Unit, Adapter]], scripts: Scripts
    ) -> None:
        """Keep what units run: operations, shared flows by ``namespace.name``, and scripts."""
        self.apis = apis
        self._scripts = scripts
        self.report: Callable[[Finding], None] = apis.scope.report
        self._aggregates = aggregates
        self._flows: dict[str, Compiled | Finding] = {}
        self._under_way: set[str] = set()

    def compile(self, unit: Unit, adapter: Adapter) -> Compiled | Finding:
        """Compile a unit; the finding says why it cannot be served."""
        if unit.problem is not None:
            return unit.problem
        malformed = check_mappings(unit.outputs, self.report)
        if malformed is not None:
            return malformed
        binder = Binder(unit, adapter, self.apis.scope, frozenset(placeholders(unit.path)))
        if binder.declared.problem is not None:
            return binder.declared.problem
        try:
            if unit.call is not None:
                return self._call(unit, binder)
            if unit.steps:
                return self._steps(unit, binder)
            if unit.ref is not None:
                return self._ref(unit, unit.ref, binder)
            return self._mock(unit, binder)
        except JsonPathError as error:
            return unit.where.at("outputParameters").error(
                "E-MAPPING",
                f"a mapping is no JSONPath: {error}",
                "write a path such as $.data.items",
            )

    # ---------------------------------------------------------------------------------- call

    def _call(self, unit: Unit, binder: Binder) -> Compiled | Finding:
        called = self.apis.resolve(unit)
        if isinstance(called, Finding):
            return called
        if called.problem is not None:
            return _because_of(called.problem, unit)
        self._say_repeated(called, unit)
        operation = self._operation(unit, called, binder)
        each = called.spec.for_each
        wanted = [i for i in operation.inputs if each is None or i.name != each.element]
        bindings = binder.bind(wanted, passes_content=operation.body.passes_content)
        arguments = self._finish(unit, binder, wanted)
        shape = _shape(unit.outputs, called)
        results = results_of(called.spec, unit, shape)
        if isinstance(results, Finding):
            return results
        check_promises(called.spec, unit, self.report)
        keys = {a.key: a.name for a in arguments}
        names = {n: keys[e.direct] for n, e in bindings if e.direct in keys}
        flow = CallFlow(Checker(arguments), _evaluates(bindings), operation, results, names)
        return Compiled(
            flow=ForEachFlow(flow, each.name, each.element) if each else flow,
            arguments=tuple(arguments),
            calls=(_shown("", called, operation, bindings),),
            description=called.spec.description,
            semantics=unit.semantics,
            shaped=shape is not None,
            media_type=called.spec.media_type if results.opaque else None,
        )

    def _operation(self, unit: Unit, called: Called, binder: Binder) -> CompiledOperation:
        known = {i.name for i in called.compiled.inputs}
        unknown = frozenset(key for key in binder.given if key not in known)
        if not unknown:
            return called.compiled
        declared = {p.name for p in (*called.api.spec.parameters, *called.spec.parameters)}
        body = called.spec.body
        fields = body.data if body is not None and isinstance(body.data, dict) else {}
        in_query = called.spec.method in _QUERY_METHODS
        for key in sorted(unknown - fields.keys() - declared):
            self.report(
                unit.where.at("with", key).warning(
                    "W-WITH-UNKNOWN",
                    f"{unit.call!r} has no input {key!r}: it is sent as a"
                    + (" query parameter" if in_query else " body field"),
                    suggestion(key, sorted(known)) or "declare it under 'inputParameters'",
                )
            )
        return called.api.with_overrides(called, unknown)

    def _say_repeated(self, called: Called, unit: Unit) -> None:
        if called.repeated:
            self.report(
                unit.where.at("call").warning(
                    "W-OP-DUP",
                    f"{unit.call!r} is defined twice: the first one is called",
                    "rename one of the operations",
                )
            )

    def _finish(self, unit: Unit, binder: Binder, wanted: Sequence[Input]) -> list[Argument]:
        arguments, unused = binder.finish()
        for parameter in unused:
            if not unit.method:
                close = suggestion(parameter.name, [i.name for i in wanted])
                self.report(
                    parameter.where.warning(
                        "W-TOOL-PARAM-UNUSED",
                        f"the input {parameter.name!r} feeds nothing",
                        close or "name it in 'with', or remove it",
                    )
                )
        used = {e.name for a in arguments for e in (a, *a.others) if e.location in ("", "path")}
        for name in sorted(binder.route - used):
            self.report(
                unit.where.warning(
                    "W-ROUTE-PARAM-UNUSED",
                    f"nothing uses the placeholder {name!r} of the route {unit.path!r}",
                    "name it in 'with', or remove it from the path",
                )
            )
        return arguments

    # --------------------------------------------------------------------------------- steps

    def _steps(self, unit: Unit, binder: Binder) -> Compiled | Finding:
        derived = [
            (key, binder.expression(value, unit.where.at("with", key)))
            for key, value in unit.arguments.items()
            if value is not None
        ]
        binder.context.update(name for name, _ in derived)
        fixed = binder.take_all() if any(each.script for each in unit.steps) else []
        names: dict[str, int] = {}
        bodies: list[Step] = []
        reads: list[frozenset[int]] = []
        changes: list[bool] = []
        calls: list[Call | Run] = []
        last: Called | None = None
        for position, spec in enumerate(unit.steps):
            made = self._step(spec, binder, names, fixed)
            if isinstance(made, Finding):
                return made
            bodies.append(made.step)
            reads.append(frozenset(names[n] for n in made.reads if n in names))
            changes.append(made.changes)
            calls.extend([made.call] if made.call else [])
            last = made.called or last
            names[spec.name] = position
            binder.context.add(spec.name)
        needs = plan_needs(reads, changes)
        targets = [_target(m.target, m.value, binder, m.where) for m in unit.mappings]
        arguments = self._finish(unit, binder, ())
        if last is not None and bodies:
            _shape_last(bodies, unit.outputs, last)
        flow = StepsFlow(
            Checker(arguments),
            tuple(
                Step(b.name, b.body, need, tolerant=b.tolerant)
                for b, need in zip(bodies, needs, strict=True)
            ),
            tuple(targets),
            _evaluates(derived),
            sequential=all(need == tuple(range(n)) for n, need in enumerate(needs))
            or len(bodies) == 1,
        )
        return Compiled(
            flow=flow,
            arguments=tuple(arguments),
            calls=tuple(calls),
            semantics=unit.semantics,
            shaped=bool(targets),
            stages=len(bodies),
        )

    def _step(
        self,
        spec: SpecStep,
        binder: Binder,
        names: Mapping[str, int],
        fixed: Sequence[tuple[str, Expression]],
    ) -> "_Made | Finding":
        if not spec.name:
            return spec.where.error("E-STEP", "a step needs a name", "add 'name'")
        if spec.type == "call":
            return self._call_step(spec, binder)
        if spec.type == "lookup":
            return self._lookup_step(spec, binder, names)
        if spec.script is not None:
            return self._script_step(spec, spec.script, binder, names, fixed)
        return spec.where.at("type").error(
            "E-UNSUPPORTED",
            f"a step of type {spec.type!r} is not served by this version",
            "use 'call', 'lookup' or 'script'",
        )

    def _call_step(self, spec: SpecStep, binder: Binder) -> "_Made | Finding":
        called = self.apis.resolve(Unit(where=spec.where, name=spec.name, call=spec.call))
        if isinstance(called, Finding):
            return called
        if called.problem is not None:
            return spec.where.at("call").error(
                called.problem.code, called.problem.message, called.problem.fix
            )
        known = {i.name for i in called.compiled.inputs}
        unknown = frozenset(k for k, v in spec.arguments.items() if v is not None) - known
        # A step's `with` may also name what only templates of the step use.
        operation = called.api.with_overrides(called, unknown) if unknown else called.compiled
        each = called.spec.for_each
        bindings = binder.bind(
            [i for i in operation.inputs if each is None or i.name != each.element],
            passes_content=operation.body.passes_content,
            clause=spec.arguments,
            where=spec.where,
        )
        results = results_of(called.spec, binder.unit)
        if isinstance(results, Finding):
            return results
        body = CallStep(
            _evaluates(bindings),
            _over_elements(operation, results, called.spec.for_each),
            results,
            project(called.spec.outputs),
        )
        return _Made(
            Step(spec.name, body, tolerant=spec.tolerant),
            frozenset(name for _, e in bindings for name in e.names),
            changes=called.spec.method not in _SAFE_METHODS,
            call=_shown(spec.name, called, operation, bindings),
            called=called,
        )

    def _lookup_step(
        self, spec: SpecStep, binder: Binder, names: Mapping[str, int]
    ) -> "_Made | Finding":
        if spec.index not in names:
            return spec.where.at("index").error(
                "E-STEP-INDEX",
                f"lookup step references non-existent step: {spec.index!r}",
                suggestion(spec.index, list(names)) or "name an earlier step",
            )
        value = spec.lookup_value
        reads = {spec.index}
        if value.startswith("$"):
            path = compile_path(value)
            evaluate: Evaluate = _of_context(path)
            reads |= {path.first} if path.first else set()
        else:
            expression = binder.expression(value, spec.where.at("lookupValue"))
            evaluate, reads = expression.evaluate, reads | set(expression.names)
        body = LookupStep(spec.index, spec.match, evaluate, spec.outputs)
        return _Made(Step(spec.name, body, tolerant=spec.tolerant), frozenset(reads))

    def _script_step(
        self,
        spec: SpecStep,
        script: Script,
        binder: Binder,
        names: Mapping[str, int],
        fixed: Sequence[tuple[str, Expression]],
    ) -> "_Made | Finding":
        function = self._scripts.step(spec, script)
        if isinstance(function, Finding):
            return function
        given = [
            (key, binder.expression(value, spec.where.at("with", key)))
            for key, value in spec.arguments.items()
            if value is not None
        ]
        return _Made(
            Step(
                spec.name,
                FunctionStep(function, _evaluates([*fixed, *given])),
                tolerant=spec.tolerant,
            ),
            # Through its context a script may read whatever there is before it.
            frozenset(names),
            call=Run(
                spec.name,
                f"{script.language} {script.file}",
                tuple((name, repr(expression)) for name, expression in given),
            ),
        )

    # ------------------------------------------------------------------------- refs and mocks

    def _ref(self, unit: Unit, ref: str, binder: Binder) -> Compiled | Finding:
        shared = self._shared(ref, unit)
        if isinstance(shared, Finding):
            return shared
        inputs = [_as_input(argument) for argument in shared.arguments]
        bindings = binder.bind(inputs, passes_content=False)
        arguments = self._finish(unit, binder, inputs)
        keys = {a.name: a.key for a in shared.arguments}

        async def run(given: Inputs) -> Reply:
            outcome = await shared.flow({keys.get(n, n): v for n, v in given.items()})
            return _as_reply(outcome)

        shape = None if shared.shaped else compile_shape(unit.outputs)
        results = Results(shape)
        promised = promised_of(unit.responses)
        if promised is not None and shared.media_type is not None:
            results = Results(
                opaque=True,
                media_type=shared.media_type or promised.media_type,
                status=fixed_status(unit.responses),
            )
        known = set(keys)
        bound = [(name, expression) for name, expression in bindings if name in known]
        return Compiled(
            flow=CallFlow(Checker(arguments), _evaluates(bound), run, results),
            arguments=tuple(arguments),
            calls=shared.calls,
            name=shared.name,
            description=shared.description,
            semantics=shared.semantics,
            shaped=shared.shaped or shape is not None,
            stages=shared.stages,
            media_type=shared.media_type,
        )

    def _shared(self, ref: str, unit: Unit) -> Compiled | Finding:
        if ref not in self._aggregates:
            known = sorted(self._aggregates)
            return unit.where.at("ref").error(
                "E-REF",
                f"no aggregate flow {ref!r}",
                suggestion(ref, known) or f"available: {', '.join(known) or 'none'}",
            )
        if ref in self._under_way:
            return unit.where.at("ref").error(
                "E-REF", f"the aggregate flow {ref!r} refers to itself", "break the circle"
            )
        if ref not in self._flows:
            flow, adapter = self._aggregates[ref]
            self._under_way.add(ref)
            compiled = self.compile(flow, adapter)
            self._under_way.discard(ref)
            if isinstance(compiled, Compiled):
                compiled = Compiled(
                    flow=compiled.flow,
                    arguments=compiled.arguments,
                    calls=compiled.calls,
                    name=flow.name,
                    description=flow.description or compiled.description,
                    semantics=flow.semantics,
                    shaped=compiled.shaped,
                    stages=compiled.stages,
                    media_type=compiled.media_type,
                )
            self._flows[ref] = compiled
        return self._flows[ref]

    def _mock(self, unit: Unit, binder: Binder) -> Compiled:
        def text(value: str) -> Expression:
            return binder.expression(value, unit.where.at("outputParameters"))

        whole = _mock_members(unit.outputs)
        expression = compile_value(whole, text)
        empty = whole in ({}, None)
        arguments = self._finish(unit, binder, ())
        build = (lambda _: MISSING) if empty else expression.evaluate
        return Compiled(
            flow=MockFlow(Checker(arguments), build),
            arguments=tuple(arguments),
            semantics=unit.semantics,
            shaped=True,
        )


@dataclass(frozen=True, slots=True)
class _Made:
    step: Step
    reads: frozenset[str]
    changes: bool = False
    call: "Call | Run | None" = None
    called: Called | None = None


def _because_of(problem: Finding, unit: Unit) -> Finding:
    return unit.where.at("call").error(problem.code, problem.message, problem.fix)


def _evaluates(bindings: Sequence[tuple[str, Expression]]) -> tuple[tuple[str, Evaluate], ...]:
    return tuple((name, expression.evaluate) for name, expression in bindings)


def _shown(
    step: str,
    called: Called,
    operation: CompiledOperation,
    bindings: Sequence[tuple[str, Expression]],
) -> Call:
    return Call(
        step,
        operation,
        repr(called.api.credentials),
        tuple((name, repr(expression)) for name, expression in bindings),
    )


def _over_elements(
    operation: CompiledOperation, results: Results, each: ForEach | None
) -> Operation:
    """Call an operation once per element of its array, as one step."""
    if each is None:
        return operation
    flow = ForEachFlow(CallFlow(Checker(()), (), operation, results), each.name, each.element)

    async def over(inputs: Inputs) -> Reply:
        return _as_reply(await flow.over(dict(inputs)))

    return over


def _shape(outputs: Sequence[Output], called: Called) -> Shape | None:
    spec = called.spec
    return compile_shape(outputs, consumed=spec.outputs, empty_is_absent=spec.raw_format == "xml")


def _shape_last(bodies: list[Step], outputs: Sequence[Output], called: Called) -> None:
    """Let the last call's answer be mapped where the steps' mappings lead to nothing."""
    shape = _shape(outputs, called) if _mapped(outputs) else None
    for position in range(len(bodies) - 1, -1, -1):
        step = bodies[position]
        if isinstance(step.body, CallStep):
            results = replace(step.body.results, shape=shape)
            body = replace(step.body, results=results, final=True)
            bodies[position] = Step(step.name, body, tolerant=step.tolerant)
            return


def _mapped(outputs: Sequence[Output]) -> bool:
    """Say whether outputs map anything; in orchestrations they may only document the result."""
    return any(
        output.mapping is not None
        or _mapped(tuple((output.properties or {}).values()))
        or _mapped((output.items,) if output.items else ())
        for output in outputs
    )


def _of_context(path: Path) -> Evaluate:
    find = path.find

    def evaluate(context: Inputs) -> Json | Missing:
        found: Json | Missing = find(dict(context))
        return found

    return evaluate


def _target(target: str, value: str, binder: Binder, where: object) -> Target:
    path = tuple(target.split("."))
    if re.match(r"\$", value):
        find = compile_path(value).find
        return Target(path, find)
    expression = binder.expression(value, where)  # type: ignore[arg-type]

    def evaluate(context: Json) -> Json | Missing:
        return expression.evaluate(context if isinstance(context, dict) else {})

    return Target(path, evaluate)


def _as_input(argument: Argument) -> Input:
    return Input(
        name=argument.name,
        type=argument.type,
        required=argument.required,
        nullable=argument.nullable,
        description=argument.description,
        schema=argument.schema,
        default=argument.default,
    )


def _as_reply(outcome: Outcome) -> Reply:
    content = (("content-type", outcome.media_type),) if outcome.media_type else ()
    return Reply(outcome.status, (*content, *outcome.headers), outcome.body)


def _mock_members(outputs: Sequence[Output]) -> Json:
    """Make the answer of a mock: named values, or the one value that has no name."""
    if len(outputs) == 1 and outputs[0].name is None:
        value = _mock_value(outputs[0])
        return value if isinstance(value, dict | list) else {"value": value}
    members = {output.name or "value": _mock_value(output) for output in outputs}
    return {name: value for name, value in members.items() if value is not None}


def _mock_value(output: Output) -> Json:
    if output.value is not UNSET:
        return output.value if isinstance(output.value, str) else _text(output.value)
    if output.properties is not None:
        inner = {name: _mock_value(each) for name, each in output.properties.items()}
        return {name: value for name, value in inner.items() if value is not None} or None
    if output.items is not None:
        item = _mock_value(output.items)
        return None if item is None else [item]
    return None


def _text(value: Json) -> Json:
    """Static values are texts, as the language has it; structures stay as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
