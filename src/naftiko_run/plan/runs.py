"""What a unit runs, compiled: its call, its steps, an aggregate's flow, or a mock."""

from collections.abc import Mapping

from naftiko_run.exposes.router import placeholders
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import Binder
from naftiko_run.flows.flow import CallFlow, Results
from naftiko_run.flows.inputs import Checker
from naftiko_run.mapping.jsonpath import JsonPathError
from naftiko_run.mapping.shape import compile_shape
from naftiko_run.plan.apis import Apis, suggestion
from naftiko_run.plan.arguments import arguments_of, evaluates
from naftiko_run.plan.calls import compile_call
from naftiko_run.plan.compiled import Compiled
from naftiko_run.plan.mocks import compile_mock
from naftiko_run.plan.results import as_reply, check_mappings, fixed_status, promised_of
from naftiko_run.plan.scripts import Scripts
from naftiko_run.plan.steps import Steps
from naftiko_run.spec.document import Adapter, Unit
from naftiko_run.types import Argument, Input, Inputs, Reply


class Compiler:
    """Compiles the units of one document; the flows of its aggregates are compiled once."""

    def __init__(
        self, apis: Apis, aggregates: Mapping[str, tuple[Unit, Adapter]], scripts: Scripts
    ) -> None:
        """Keep what units run: operations, shared flows by ``namespace.name``, and scripts."""
        self._apis = apis
        self._steps = Steps(apis, scripts)
        self._aggregates = aggregates
        self._flows: dict[str, Compiled | Finding] = {}
        self._under_way: set[str] = set()

    def compile(self, unit: Unit, adapter: Adapter) -> Compiled | Finding:
        """Compile a unit; the finding says why it cannot be served."""
        if unit.problem is not None:
            return unit.problem
        malformed = check_mappings(unit.outputs, self._apis.scope.report)
        if malformed is not None:
            return malformed
        binder = Binder(unit, adapter, self._apis.scope, frozenset(placeholders(unit.path)))
        if binder.declared.problem is not None:
            return binder.declared.problem
        try:
            compiled = self._bound(unit, binder)
        except JsonPathError as error:
            return unit.where.at("outputParameters").error(
                "E-MAPPING",
                f"a mapping is no JSONPath: {error}",
                "write a path such as $.data.items",
            )
        if isinstance(compiled, Finding):
            return compiled
        return binder.scope.left_out(unit.where.at("with")) or compiled

    def _bound(self, unit: Unit, binder: Binder) -> Compiled | Finding:
        if unit.call is not None:
            return compile_call(unit, binder, self._apis)
        if unit.steps:
            return self._steps.compile(unit, binder)
        if unit.ref is not None:
            return self._ref(unit, unit.ref, binder)
        return compile_mock(unit, binder)

    # ---------------------------------------------------------------------------------- refs

    def _ref(self, unit: Unit, ref: str, binder: Binder) -> Compiled | Finding:
        shared = self._shared(ref, unit)
        if isinstance(shared, Finding):
            return shared
        inputs = [_as_input(argument) for argument in shared.arguments]
        bindings = binder.bind(inputs, passes_content=False)
        arguments = arguments_of(binder, inputs)
        keys = {a.name: a.key for a in shared.arguments}

        async def run(given: Inputs) -> Reply:
            outcome = await shared.flow({keys.get(n, n): v for n, v in given.items()})
            return as_reply(outcome)

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
            flow=CallFlow(Checker(arguments), evaluates(bound), run, results),
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
