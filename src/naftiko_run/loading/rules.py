"""Rules beyond form: what fits the language and is still not what its author can want.

Each rule looks at the document once imports are resolved, and gives warnings. What published files
do, and what this runtime gives a meaning to, is no matter for a rule.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from naftiko_run.findings import Finding
from naftiko_run.spec.document import Document, Semantics, SourceFile, Unit, Where
from naftiko_run.spec.node import Node
from naftiko_run.types import Json

_SCRIPT = re.compile(r"<\s*script\b|\beval\s*\(", re.IGNORECASE)
# Sections, inverted sections, their ends, comments, partials, and the implicit name (mustache(5)).
_SECTION = re.compile(r"\{\{\s*(?:[#^/&>!][^{}]*|\.\s*)\}\}")
_PROSE: Final = frozenset({"description", "label", "display"})
_SECRETS: Final = {
    "basic": ("password",),
    "digest": ("password",),
    "bearer": ("token",),
    "oauth2": ("clientSecret",),
    "apikey": ("value",),
}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Rule = Callable[[Document, Node], Iterator[Finding]]


def check(document: Document, source: SourceFile, data: Json) -> list[Finding]:
    """Give what the rules say of a document; ``data`` is what its file holds."""
    if not isinstance(data, dict):
        return []
    root = Node(data, Where(source), lambda _: None)
    return [finding for rule in RULES for finding in rule(document, root)]


def _exposed(root: Node) -> Iterator[Node]:
    capability = root.mapping("capability")
    yield from capability.entries("exposes") if capability else ()


def _consumed(root: Node) -> Iterator[Node]:
    capability = root.mapping("capability")
    for holder in (capability, root):
        yield from holder.entries("consumes") if holder else ()


# --------------------------------------------------------------------------------- namespaces


def namespaces(document: Document, root: Node) -> Iterator[Finding]:
    """Say which variables a name of an adapter hides, and which flows nobody can refer to."""
    del root
    adapters = {a.namespace for a in document.adapters if a.type != "skill"}
    for bind in document.binds:
        if bind.namespace in adapters:
            yield bind.where.at("namespace").warning(
                "W-NS-SHARED",
                f"an adapter is called {bind.namespace!r} as well: '{{{{{bind.namespace}.NAME}}}}'"
                " means an argument of its caller, not a variable",
                "give the bind a namespace of its own",
            )
    for aggregate in document.aggregates:
        if not aggregate.namespace:
            yield aggregate.where.warning(
                "W-AGGREGATE-UNNAMED",
                "an aggregate without a namespace: nothing can refer to its flows",
                "add 'namespace'",
                key=True,
            )


# ------------------------------------------------------------------------------------ semantics


def semantics(document: Document, root: Node) -> Iterator[Finding]:
    """Say where a unit promises something else than the shared flow that it refers to."""
    del root
    flows = {
        f"{aggregate.namespace}.{flow.name}": flow.semantics
        for aggregate in document.aggregates
        for flow in aggregate.flows
    }
    for adapter in document.adapters:
        for unit in adapter.units:
            promised = flows.get(unit.ref or "")
            if promised is not None:
                yield from _against(unit, promised)


def _against(unit: Unit, promised: Semantics) -> Iterator[Finding]:
    hints = unit.hints
    said: list[tuple[str, bool, str]] = [
        ("readOnly", hints.read_only is False and promised.safe is True, "is safe"),
        ("readOnly", hints.read_only is True and promised.safe is False, "is not safe"),
        ("destructive", hints.destructive is True and promised.safe is True, "is safe"),
        (
            "idempotent",
            None not in (hints.idempotent, promised.idempotent)
            and hints.idempotent is not promised.idempotent,
            f"is {'' if promised.idempotent else 'not '}idempotent",
        ),
    ]
    for name, differs, flow in said:
        if differs:
            yield unit.where.at("hints", name).warning(
                "W-SEMANTICS",
                f"the hint {name!r} says otherwise than {unit.ref!r}, which {flow}",
                "correct the hint, or the 'semantics' of the flow",
            )
    method = unit.method
    wrong = (
        (method not in ("", "GET", "HEAD") and promised.safe is True, "is safe"),
        (method in ("GET", "HEAD") and promised.safe is False, "is not safe"),
        (method == "POST" and promised.idempotent is True, "is idempotent"),
    )
    for differs, flow in wrong:
        if differs:
            yield unit.where.at("method").warning(
                "W-SEMANTICS",
                f"the method {method} says otherwise than {unit.ref!r}, which {flow}",
                "use a method that fits, or correct the 'semantics' of the flow",
            )


# --------------------------------------------------------------------------------- authentication


def authentication(document: Document, root: Node) -> Iterator[Finding]:
    """Say where credentials are in the file, or go where everybody can read them."""
    variables = {name for bind in document.binds for name in bind.keys}
    for node in (*_consumed(root), *_exposed(root)):
        block = node.data.get("authentication")
        if not isinstance(block, dict):
            continue
        where = node.where.at("authentication")
        kind = str(block.get("type", "")).strip().lower()
        fields = (
            f for f in _SECRETS.get(kind, ()) if str(block.get(f)).strip("$") not in variables
        )
        yield from _literals(block, where, fields)
        if kind == "oauth2":
            yield from _plain_addresses(block, where)
        if node.data.get("type") == "mcp" and node.data.get("transport") == "stdio":
            yield where.warning(
                "W-AUTH-STDIO",
                "there is no authentication over stdin and stdout: this is not used",
                "remove it, or write 'transport: http'",
                key=True,
            )


def _literals(block: Mapping[str, Json], where: Where, fields: Iterable[str]) -> Iterator[Finding]:
    for field in fields:
        value = block.get(field)
        if isinstance(value, str) and value and not re.search(r"\{\{?|\$\{|\benv\.", value):
            yield where.at(field).warning(
                "W-AUTH-LITERAL",
                f"the {field} is written into the file: everybody who reads it has it",
                "write '{{NAME}}', and declare NAME in 'binds'",
                key=True,
            )


def _plain_addresses(block: Mapping[str, Json], where: Where) -> Iterator[Finding]:
    for field in ("authorizationServerUri", "tokenEndpoint", "resource"):
        value = block.get(field)
        if isinstance(value, str) and _is_plain(value):
            yield where.at(field).warning(
                "W-OAUTH-HTTP", f"'{field}' is not an https address", "write https://"
            )


def _is_plain(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme.lower() == "http" and parts.hostname not in _LOOPBACK


# ------------------------------------------------------------------------------------- the rest


def control(document: Document, root: Node) -> Iterator[Finding]:
    """Say where a control adapter is not alone on its port, or not the only one."""
    del document
    nodes = list(_exposed(root))
    controls = [node for node in nodes if node.data.get("type") == "control"]
    for node in controls[1:]:
        yield node.where.warning(
            "W-CONTROL", "a second control adapter: one is enough", "remove one of them"
        )
    for node in controls:
        port = node.data.get("port")
        others = [each for each in nodes if each is not node and each.data.get("type") != "control"]
        if port is not None and any(each.data.get("port") == port for each in others):
            yield node.where.at("port").warning(
                "W-CONTROL",
                f"the control adapter shares port {port}: who reaches the others reaches it",
                "give it a port of its own",
            )


def tunnels(document: Document, root: Node) -> Iterator[Finding]:
    """Say that requests do not go through a tunnel."""
    del document
    for node in _consumed(root):
        if node.has("tunnel"):
            yield node.where.at("tunnel").notice(
                "I-NOT-SERVED",
                "there are no tunnels here: requests go straight to 'baseUri'",
                "make sure that it can be reached",
                key=True,
            )


def prose(document: Document, root: Node) -> Iterator[Finding]:
    """Say where a description holds code that a page might run."""
    yield from _prose(dict(root.data), document.where)


def _prose(value: Json, where: Where) -> Iterator[Finding]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _prose(item, where.at(index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                yield from _prose(item, where.at(key))
            elif key in _PROSE and isinstance(item, str) and (found := _SCRIPT.search(item)):
                yield where.at(key).warning(
                    "W-TEXT-SCRIPT",
                    f"'{key}' holds code: {found[0]!r}",
                    "describe it in words",
                )


def sections(document: Document, root: Node) -> Iterator[Finding]:
    """Say where a text has what the templates of other runtimes fill, and those here do not."""
    yield from _sections(dict(root.data), document.where)


def _sections(value: Json, where: Where) -> Iterator[Finding]:
    if isinstance(value, str):
        if found := _SECTION.search(value):
            yield where.warning(
                "W-TEMPLATE",
                f"{found[0]!r} is sent as it is written: templates here have names and filters",
                "fill in a whole value, such as {{items}}, or prepare the text in a script step",
            )
        return
    entries: Iterable[tuple[str | int, Json]] = ()
    if isinstance(value, list):
        entries = enumerate(value)
    elif isinstance(value, dict):
        entries = ((k, v) for k, v in value.items() if k not in _PROSE and k != "prompts")
    for part, item in entries:
        yield from _sections(item, where.at(part))


RULES: Final[tuple[Rule, ...]] = (
    namespaces,
    semantics,
    authentication,
    control,
    tunnels,
    prose,
    sections,
)
"""All rules, in the order in which they are asked."""
