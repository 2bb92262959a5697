"""What the tools of skills may stand for: the tools and operations of the document's adapters."""

from collections.abc import Iterable, Mapping
from typing import Literal

from naftiko_run.plan.compiled import Compiled
from naftiko_run.plan.served import ServedUnit
from naftiko_run.plan.skills import Action, Sibling
from naftiko_run.spec.document import Adapter


def siblings_of(adapters: Mapping[str, Adapter], units: Iterable[ServedUnit]) -> dict[str, Sibling]:
    """Index adapters by the namespace that is written; ``units`` are all that was compiled."""
    actions: dict[str, dict[str, Action]] = {a.namespace: {} for a in adapters.values()}
    for served in units:
        known = actions.get(served.adapter.namespace)
        if known is None or served.name.startswith("resource "):
            continue
        action = _action(served)
        name = served.unit.name or action.name
        if name and (name not in known or (action.served and not known[name].served)):
            known[name] = action
    return {
        written: Sibling(_mode(adapter), adapter.namespace, actions[adapter.namespace])
        for written, adapter in adapters.items()
    }


def _mode(adapter: Adapter) -> Literal["rest", "mcp"]:
    return "mcp" if adapter.type == "mcp" else "rest"


def _action(served: ServedUnit) -> Action:
    namespace, compiled = served.adapter.namespace, None
    if isinstance(served.compiled, Compiled):
        compiled = served.compiled
    name = served.unit.name or (compiled.name if compiled else "")
    how = f"Send `{served.name}` to the REST adapter `{namespace}`."
    if served.adapter.type == "mcp":
        name, how = served.name, f"Call the MCP tool `{served.name}` of `{namespace}`."
    description = served.unit.description or (compiled.description if compiled else "")
    return Action(name=name, description=description, how=how, served=compiled is not None)
