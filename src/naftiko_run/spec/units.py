"""Reads a unit, which is one thing that runs: a REST operation, a tool, a resource or a flow."""

from naftiko_run.findings import Finding
from naftiko_run.spec.clauses import read_with
from naftiko_run.spec.document import Hints, Parameter, Semantics, Unit
from naftiko_run.spec.node import Node, kind
from naftiko_run.spec.outputs import is_mock, read_outputs
from naftiko_run.spec.parameters import read_parameters
from naftiko_run.spec.responses import read_responses
from naftiko_run.spec.steps import read_mappings, read_steps


def read_unit(
    node: Node,
    *,
    method: str = "",
    path: str = "",
    inherited: tuple[Parameter, ...] = (),
    named: Node | None = None,
) -> Unit:
    """Read a unit; ``method`` and ``path`` are a REST operation's, ``named`` lends its name."""
    clause, unreadable = read_with(node)
    own = read_parameters(node)
    call = (node.text("call") or "").strip() if isinstance(node.data.get("call"), str) else None
    steps = read_steps(node)
    ref = node.text("ref")
    outputs = read_outputs(node)
    mock = not (call or steps or ref) and is_mock(outputs)
    return Unit(
        where=node.where,
        name=node.text("name") or node.key or own_name(named),
        label=node.text("label", "display", "title") or "",
        description=node.text("description") or "",
        method=method,
        path=path,
        call=call or None,
        arguments=clause,
        parameters=(*inherited, *own),
        outputs=outputs,
        hints=_hints(node),
        problem=unreadable
        or next((step.problem for step in steps if step.problem), None)
        or (None if call or steps or ref or mock else _nothing_to_run(node)),
        steps=steps,
        mappings=read_mappings(node),
        ref=ref,
        mock=mock,
        semantics=_semantics(node),
        responses=read_responses(node) if method else (),
    )


def own_name(node: Node | None) -> str:
    """Give the name of an entry, or its key in a map."""
    return (node.text("name") or node.key) if node else ""


def _nothing_to_run(node: Node) -> Finding:
    if node.data.get("call") is not None:
        return node.where.at("call").error(
            "E-CALL-SYNTAX",
            f"'call' must be a text, is {kind(node.data['call'])}",
            "write 'call: <namespace>.<operation>'",
        )
    return node.where.error(
        "E-CALL-MISSING",
        "nothing to call: this unit has no 'call'",
        "add 'call: <namespace>.<operation>'",
    )


def _semantics(node: Node) -> Semantics:
    semantics = node.mapping("semantics")
    if semantics is None:
        return Semantics()
    return Semantics(safe=semantics.flag("safe"), idempotent=semantics.flag("idempotent"))


def _hints(node: Node) -> Hints:
    hints = node.mapping("hints")
    if hints is None:
        return Hints()
    return Hints(
        read_only=hints.flag("readOnly"),
        destructive=hints.flag("destructive"),
        idempotent=hints.flag("idempotent"),
        open_world=hints.flag("openWorld"),
    )
