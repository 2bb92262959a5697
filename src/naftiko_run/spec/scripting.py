"""Reads ``scripting``: whether scripts run, which ones, and how long."""

from naftiko_run.spec.document import Scripting
from naftiko_run.spec.node import Node, type_of


def read_scripting(capability: Node) -> Scripting:
    """Read how scripts run: the first control adapter says it."""
    for node in capability.entries("exposes"):
        management = node.mapping("management") if type_of(node) == "control" else None
        if management is None or not management.has("scripting"):
            continue
        scripting = management.mapping("scripting")
        if scripting is None:
            break
        default = Scripting()
        return Scripting(
            where=scripting.where,
            enabled=scripting.flag("enabled"),
            default_location=(scripting.text("defaultLocation") or "").strip(),
            default_language=(scripting.text("defaultLanguage") or "").strip().lower(),
            timeout=_positive(scripting, "timeout", default.timeout),
            statement_limit=_positive(scripting, "statementLimit", default.statement_limit),
            allowed_languages=tuple(
                each.strip().lower() for each in scripting.texts("allowedLanguages")
            ),
        )
    return Scripting()


def _positive(node: Node, name: str, default: int) -> int:
    value = node.number(name)
    if value is None or value >= 1:
        return default if value is None else value
    node.report(
        node.where.at(name).error(
            "E-TYPE", f"'{name}' must be 1 or more, is {value}", f"write one such as {default}"
        )
    )
    return default
