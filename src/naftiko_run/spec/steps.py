"""Reads ``steps``, the scripts in them, and the ``mappings`` of their results."""

from naftiko_run.spec.clauses import read_with
from naftiko_run.spec.document import Script, Step, StepMapping
from naftiko_run.spec.node import Node, type_of


def read_steps(node: Node) -> tuple[Step, ...]:
    """Read the steps of a unit, in their order."""
    return tuple(_step(step) for step in node.entries("steps"))


def _step(node: Node) -> Step:
    kind = type_of(node) or "call"
    arguments, problem = read_with(node)
    return Step(
        where=node.where,
        name=node.text("name") or node.key,
        type=kind,
        call=node.text("call"),
        arguments=arguments,
        index=node.text("index") or "",
        match=node.text("match") or "",
        lookup_value=node.text("lookupValue") or "",
        outputs=node.texts("outputParameters"),
        script=_script(node) if kind == "script" else None,
        tolerant=node.text("onError") == "continue",
        problem=problem,
    )


def _script(node: Node) -> Script:
    return Script(
        language=(node.text("language") or "").strip().lower(),
        location=(node.text("location") or "").strip(),
        file=(node.text("file") or "").strip(),
        dependencies=node.texts("dependencies"),
    )


def read_mappings(node: Node) -> tuple[StepMapping, ...]:
    """Read which results of steps make the outputs."""
    return tuple(
        StepMapping(
            where=mapping.where,
            target=mapping.text("target", "targetName") or mapping.key,
            value=mapping.text("value") or "",
        )
        for mapping in node.entries("mappings")
    )
