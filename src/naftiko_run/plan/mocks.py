"""Units that call nothing: what their outputs say is what they answer."""

from collections.abc import Sequence

from naftiko_run.flows.arguments import Binder
from naftiko_run.flows.inputs import Checker
from naftiko_run.flows.mock import MockFlow
from naftiko_run.mapping.template import Expression, compile_value
from naftiko_run.plan.arguments import arguments_of
from naftiko_run.plan.compiled import Compiled
from naftiko_run.spec.document import UNSET, Output, Unit
from naftiko_run.types import MISSING, Json


def compile_mock(unit: Unit, binder: Binder) -> Compiled:
    """Compile a unit that answers what its outputs say."""

    def text(value: str) -> Expression:
        return binder.expression(value, unit.where.at("outputParameters"))

    whole = _members(unit.outputs)
    expression = compile_value(whole, text)
    empty = whole in ({}, None)
    arguments = arguments_of(binder, ())
    build = (lambda _: MISSING) if empty else expression.evaluate
    return Compiled(
        flow=MockFlow(Checker(arguments), build),
        arguments=tuple(arguments),
        semantics=unit.semantics,
        shaped=True,
    )


def _members(outputs: Sequence[Output]) -> Json:
    """Make the answer of a mock: named values, or the one value that has no name."""
    if len(outputs) == 1 and outputs[0].name is None:
        value = _value(outputs[0])
        return value if isinstance(value, dict | list) else {"value": value}
    members = {output.name or "value": _value(output) for output in outputs}
    return {name: value for name, value in members.items() if value is not None}


def _value(output: Output) -> Json:
    if output.value is not UNSET:
        return output.value if isinstance(output.value, str) else _text(output.value)
    if output.properties is not None:
        inner = {name: _value(each) for name, each in output.properties.items()}
        return {name: value for name, value in inner.items() if value is not None} or None
    if output.items is not None:
        item = _value(output.items)
        return None if item is None else [item]
    return None


def _text(value: Json) -> Json:
    """Static values are texts, as the language has it; structures stay as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
