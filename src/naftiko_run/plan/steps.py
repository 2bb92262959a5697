"""A unit that runs steps, compiled: what each step runs, what it reads, and where results go."""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from naftiko_run.consumes.operation import CompiledOperation
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import Binder
from naftiko_run.flows.flow import CallFlow, ForEachFlow, Results
from naftiko_run.flows.inputs import Checker
from naftiko_run.flows.steps import (
    CallStep,
    FunctionStep,
    LookupStep,
    Step,
    StepsFlow,
    Target,
    plan_needs,
)
from naftiko_run.mapping.jsonpath import Path, compile_path
from naftiko_run.mapping.shape import project
from naftiko_run.mapping.template import Evaluate, Expression
from naftiko_run.plan.apis import Apis, Called, suggestion
from naftiko_run.plan.arguments import arguments_of, evaluates
from naftiko_run.plan.calls import shape_of, shown, undeclared
from naftiko_run.plan.compiled import Call, Compiled, Run
from naftiko_run.plan.results import as_reply, results_of
from naftiko_run.plan.scripts import Scripts
from naftiko_run.spec.document import ForEach, Output, Script, Unit
from naftiko_run.spec.document import Step as SpecStep
from naftiko_run.types import Inputs, Json, Missing, Operation, Reply

_SAFE_METHODS = frozenset({"GET", "HEAD"})


class _Made(Struct, frozen=True):
    step: Step
    reads: frozenset[str]
    changes: bool = False
    call: Call | Run | None = None
    called: Called | None = None


class Steps:
    """Compiles the steps of units: all of one document may call and run the same."""

    def __init__(self, apis: Apis, scripts: Scripts) -> None:
        """Keep what steps call, and what compiles their scripts."""
        self._apis = apis
        self._scripts = scripts

    def compile(self, unit: Unit, binder: Binder) -> Compiled | Finding:
        """Compile the steps of a unit; the finding says why it cannot be served.

        Raises :class:`naftiko_run.mapping.jsonpath.JsonPathError`.
        """
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
        arguments = arguments_of(binder, ())
        _say_misspelt(unit, binder, {a.name for a in arguments})
        if last is not None and bodies:
            _shape_last(bodies, unit.outputs, last)
        flow = StepsFlow(
            Checker(arguments),
            tuple(
                Step(b.name, b.body, need, tolerant=b.tolerant)
                for b, need in zip(bodies, needs, strict=True)
            ),
            tuple(targets),
            evaluates(derived),
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
    ) -> _Made | Finding:
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

    def _call_step(self, spec: SpecStep, binder: Binder) -> _Made | Finding:
        called = self._apis.resolve(Unit(where=spec.where, name=spec.name, call=spec.call))
        if isinstance(called, Finding):
            return called
        if called.problem is not None:
            return spec.where.at("call").error(
                called.problem.code, called.problem.message, called.problem.fix
            )
        known = {i.name for i in called.compiled.inputs}
        unknown = frozenset(k for k, v in spec.arguments.items() if v is not None) - known
        for key in undeclared(called, unknown):
            # A step's `with` may also name what only templates of the step use: only what looks
            # like an input is taken for a slip.
            if close := suggestion(key, sorted(known)):
                binder.scope.report(
                    spec.where.at("with", key).warning(
                        "W-WITH-UNKNOWN", f"{spec.call!r} has no input {key!r}", close
                    )
                )
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
            evaluates(bindings),
            _over_elements(operation, results, called.spec.for_each),
            results,
            project(called.spec.outputs),
        )
        return _Made(
            Step(spec.name, body, tolerant=spec.tolerant),
            frozenset(name for _, e in bindings for name in e.names),
            changes=called.spec.method not in _SAFE_METHODS,
            call=shown(spec.name, called, operation, bindings),
            called=called,
        )

    def _lookup_step(
        self, spec: SpecStep, binder: Binder, names: Mapping[str, int]
    ) -> _Made | Finding:
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
    ) -> _Made | Finding:
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
                FunctionStep(function, evaluates([*fixed, *given])),
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


def _say_misspelt(unit: Unit, binder: Binder, arguments: set[str]) -> None:
    """Warn of paths that begin with what is nearly, but not quite, the name of a step."""
    known = binder.context | arguments
    places = [(m.value, m.where.at("value")) for m in unit.mappings]
    places += [(s.lookup_value, s.where.at("lookupValue")) for s in unit.steps if s.lookup_value]
    for value, where in places:
        first = compile_path(value).first if value.startswith("$") else None
        if first is None or first in known:
            continue
        if close := suggestion(first, [step.name for step in unit.steps if step.name]):
            binder.scope.report(
                where.warning(
                    "W-STEP-PATH", f"no step is called {first!r}: {value!r} is empty", close
                )
            )


def _over_elements(
    operation: CompiledOperation, results: Results, each: ForEach | None
) -> Operation:
    """Call an operation once per element of its array, as one step."""
    if each is None:
        return operation
    flow = ForEachFlow(CallFlow(Checker(()), (), operation, results), each.name, each.element)

    async def over(inputs: Inputs) -> Reply:
        return as_reply(await flow.over(dict(inputs)))

    return over


def _shape_last(bodies: list[Step], outputs: Sequence[Output], called: Called) -> None:
    """Let the last call's answer be mapped where the steps' mappings lead to nothing."""
    shape = shape_of(outputs, called) if _mapped(outputs) else None
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
