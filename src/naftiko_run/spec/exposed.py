"""Reads ``exposes``: the adapters, and what those of every type can say."""

from msgspec.structs import replace

from naftiko_run.spec.authentication import read_authentication
from naftiko_run.spec.document import Adapter, Unit
from naftiko_run.spec.imports import is_import
from naftiko_run.spec.mcp_adapter import read_mcp_prompts, read_mcp_resources, read_tools
from naftiko_run.spec.media import read_max_binary_size
from naftiko_run.spec.node import Node, type_of
from naftiko_run.spec.rest_adapter import read_forwards, read_rest_units
from naftiko_run.spec.skill_adapter import read_skills

_TYPES = ("rest", "mcp", "skill", "control")


def read_exposes(capability: Node) -> tuple[Adapter, ...]:
    """Read the adapters of a capability, without those that are imported."""
    adapters: list[Adapter] = []
    for node in capability.entries("exposes"):
        if is_import(node, "exposes"):
            continue
        kind = type_of(node) or (node.key.lower() if node.key.lower() in _TYPES else "")
        if kind == "rest":
            adapters.append(_adapter(node, kind, tuple(read_rest_units(node))))
        elif kind == "mcp":
            adapters.append(_adapter(node, kind, tuple(read_tools(node))))
        elif kind == "skill":
            adapters.append(_adapter(node, kind, ()))
        elif kind == "control":
            node.report(
                node.where.notice(
                    "I-NOT-SERVED",
                    "a control adapter is not served; what it says of 'scripting' counts",
                    "leave it: it does no harm",
                )
            )
        else:
            node.report(
                node.where.at("type").error(
                    "E-EXPOSES-TYPE",
                    f"unknown exposes type {kind!r}" if kind else "this adapter has no 'type'",
                    f"use one of {', '.join(_TYPES)}",
                )
            )
    return tuple(adapters)


def _adapter(node: Node, kind: str, units: tuple[Unit, ...]) -> Adapter:
    resources = tuple(read_mcp_resources(node)) if kind == "mcp" else ()
    prompts = tuple(read_mcp_prompts(node)) if kind == "mcp" else ()
    skills = tuple(read_skills(node)) if kind == "skill" else ()
    forwards = tuple(read_forwards(node)) if kind == "rest" else ()
    if kind != "skill" and not (units or resources or prompts or forwards):
        needed = "resources" if kind == "rest" else "tools"
        node.report(
            node.where.error(
                "E-EXPOSES-EMPTY",
                f"this {kind} adapter exposes nothing: it has no '{needed}'",
                f"add '{needed}'",
            )
        )
    port = node.number("port")
    if port is not None and not 0 <= port <= 65535:
        node.report(
            node.where.at("port").error("E-PORT", f"port {port} does not exist", "use 1 to 65535")
        )
        port = None
    size = read_max_binary_size(node)
    return Adapter(
        where=node.where,
        type=kind,
        namespace=node.text("namespace") or node.key or kind,
        port=port,
        address=node.text("address") or "",
        transport=(node.text("transport") or "http").lower(),
        description=node.text("description") or "",
        ttl_ms=_ttl_ms(node),
        cache_scope=_cache_scope(node),
        units=tuple(replace(u, max_binary_size=size) for u in units),
        resources=tuple(replace(r, unit=replace(r.unit, max_binary_size=size)) for r in resources),
        prompts=prompts,
        skills=skills,
        forwards=forwards,
        authentication=read_authentication(node),
    )


def _ttl_ms(node: Node) -> int | None:
    number = node.number("ttlMs")
    if number is None or number >= 0:
        return number
    node.report(
        node.where.at("ttlMs").error(
            "E-TYPE", "'ttlMs' is less than 0", "write how many milliseconds a list may be kept"
        )
    )
    return None


def _cache_scope(node: Node) -> str:
    scope = (node.text("cacheScope") or "").strip().lower()
    if scope in ("", "public", "private"):
        return scope
    node.report(
        node.where.at("cacheScope").error(
            "E-TYPE", f"{scope!r} is no scope of a cache", "write 'public' or 'private'"
        )
    )
    return "private"
