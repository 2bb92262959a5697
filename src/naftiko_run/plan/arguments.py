"""The arguments that a unit takes for what it runs, and those that lead to nothing."""

from collections.abc import Sequence

from naftiko_run.flows.arguments import Binder
from naftiko_run.mapping.template import Evaluate, Expression
from naftiko_run.plan.apis import suggestion
from naftiko_run.types import Argument, Input


def arguments_of(binder: Binder, wanted: Sequence[Input]) -> list[Argument]:
    """Give the arguments that a unit takes; what is declared or captured for nothing is reported.

    ``wanted`` are the inputs of what it runs: one of their names may have been meant.
    """
    unit, report = binder.unit, binder.scope.report
    arguments, unused = binder.finish()
    for parameter in unused:
        if not unit.method:
            close = suggestion(parameter.name, [i.name for i in wanted])
            report(
                parameter.where.warning(
                    "W-TOOL-PARAM-UNUSED",
                    f"the input {parameter.name!r} feeds nothing",
                    close or "name it in 'with', or remove it",
                )
            )
    used = {e.name for a in arguments for e in (a, *a.others) if e.location in ("", "path")}
    for name in sorted(binder.route - used):
        report(
            unit.where.warning(
                "W-ROUTE-PARAM-UNUSED",
                f"nothing uses the placeholder {name!r} of the route {unit.path!r}",
                "name it in 'with', or remove it from the path",
            )
        )
    return arguments


def evaluates(bindings: Sequence[tuple[str, Expression]]) -> tuple[tuple[str, Evaluate], ...]:
    """Give what each name is bound to, as flows evaluate it."""
    return tuple((name, expression.evaluate) for name, expression in bindings)
