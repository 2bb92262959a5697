"""Imports under another name: texts that refer to an adapter or aggregate follow its new name.

``with: {imo: ships.imo}`` inside the adapter ``ships`` means an argument of its caller. Where the
adapter is imported as ``fleet``, the same text has to say ``fleet.imo``.
"""

import re
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from naftiko_run.spec.document import UNSET, Adapter, Aggregate, Output, Step, StepMapping, Unit
from naftiko_run.types import Json

Rename = Callable[[str], str]


def rename_adapter(adapter: Adapter, name: str) -> Adapter:
    """Return an adapter under another namespace."""
    if name == adapter.namespace:
        return adapter
    rename = _renaming(adapter.namespace, name)
    units = tuple(_unit(unit, rename) for unit in adapter.units)
    resources = tuple(replace(r, unit=_unit(r.unit, rename)) for r in adapter.resources)
    return replace(adapter, namespace=name, units=units, resources=resources)


def rename_aggregate(aggregate: Aggregate, name: str) -> Aggregate:
    """Return an aggregate under another namespace."""
    if name == aggregate.namespace:
        return aggregate
    rename = _renaming(aggregate.namespace, name)
    flows = tuple(_unit(flow, rename) for flow in aggregate.flows)
    return replace(aggregate, namespace=name, flows=flows)


def _renaming(old: str, new: str) -> Rename:
    whole = re.compile(rf"{re.escape(old)}\.(\S+)")
    inside = re.compile(rf"(\{{\{{\s*){re.escape(old)}\.")

    def rename(text: str) -> str:
        if found := whole.fullmatch(text):
            return f"{new}.{found[1]}"
        return inside.sub(lambda match: f"{match[1]}{new}.", text)

    return rename


def _unit(unit: Unit, rename: Rename) -> Unit:
    return replace(
        unit,
        arguments=_arguments(unit.arguments, rename),
        steps=tuple(_step(step, rename) for step in unit.steps),
        mappings=tuple(_mapping(mapping, rename) for mapping in unit.mappings),
        outputs=tuple(_output(output, rename) for output in unit.outputs),
    )


def _step(step: Step, rename: Rename) -> Step:
    return replace(
        step,
        arguments=_arguments(step.arguments, rename),
        lookup_value=_unless_path(step.lookup_value, rename),
    )


def _mapping(mapping: StepMapping, rename: Rename) -> StepMapping:
    return replace(mapping, value=_unless_path(mapping.value, rename))


def _output(output: Output, rename: Rename) -> Output:
    members = output.properties
    return replace(
        output,
        value=UNSET if output.value is UNSET else _value(output.value, rename),
        properties=None if members is None else {k: _output(v, rename) for k, v in members.items()},
        items=_output(output.items, rename) if output.items else None,
    )


def _arguments(arguments: Mapping[str, Json], rename: Rename) -> dict[str, Json]:
    return {key: _value(value, rename) for key, value in arguments.items()}


def _unless_path(text: str, rename: Rename) -> str:
    return text if text.startswith("$") else rename(text)


def _value(value: Json, rename: Rename) -> Json:
    if isinstance(value, str):
        return rename(value)
    if isinstance(value, list):
        return [_value(item, rename) for item in value]
    if isinstance(value, dict):
        return {key: _value(item, rename) for key, item in value.items()}
    return value
