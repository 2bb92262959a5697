"""Where a consumed API is: its base URI with variables resolved, or why it cannot be called."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from naftiko_run.findings import Finding
from naftiko_run.mapping.scope import Scope
from naftiko_run.spec.document import Consumes
from naftiko_run.types import Binds

_PLACEHOLDER = re.compile(
    r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}|\$?\{\s*([A-Za-z_][\w.-]*)\s*\}|\[([A-Za-z_][\w-]*)\]"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class Target:
    """A base URI without its trailing slash; ``path_key`` marks a credential's place in it."""

    base: str
    unset: dict[str, str]
    problem: Finding | None = None


def find_target(
    api: Consumes, scope: Scope, *, upstream: str = "", origin: str = "", credential: str = ""
) -> Target:
    """Resolve an API's base URI.

    ``upstream`` replaces it; ``origin`` replaces its scheme and authority and keeps its path.
    ``credential`` names a placeholder that an ``apikey`` in the path fills; it is left as
    ``{name}``.
    """
    if upstream:
        return Target(_without_slash(upstream), {})
    where = api.where.at("baseUri")
    scope = scope.using(f"baseUri of '{api.namespace}'")
    found = _SCHEME.match(api.base_uri)
    if found and found[1].lower() not in ("http", "https") and "//" in api.base_uri:
        problem = where.error(
            "E-UPSTREAM-SCHEME",
            f"upstream scheme {found[1]!r} is not supported",
            f"use http or https, or start with --upstream {api.namespace}=URL",
        )
        return Target("", {}, problem)

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return scope.variable(match[1], where)
        name = match[2] or match[3]
        if name == credential:
            return f"{{{name}}}"
        found = placeholder_value(name, scope.binds)
        if found is None:
            scope.unset[name] = scope.used_by
            scope.report(
                where.warning(
                    "W-BASEURI-PLACEHOLDER",
                    f"nothing gives the placeholder {name!r} of the base URI a value",
                    f"start with --var {name}=VALUE or --upstream {api.namespace}=URL",
                )
            )
            return ""
        return found

    base = _PLACEHOLDER.sub(value, api.base_uri)
    return _with_origin(_with_scheme(base, api, scope), api, scope, origin)


def placeholder_value(name: str, binds: Binds) -> str | None:
    """Find the value of a base URI's placeholder.

    Its own name first, then the variable of that name in capitals, then the only declared variable
    that ends in it (``{host}`` from ``AKKA_MANAGEMENT_HOST``).
    """
    capitals = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").upper()
    for candidate in (name, capitals, name.replace("-", "_").upper()):
        value = binds.value(candidate)
        if value is not None:
            return value
    ending = [n for n in binds.names if "." not in n and n.endswith(f"_{capitals}")]
    return binds.value(ending[0]) if len(ending) == 1 else None


def _with_scheme(base: str, api: Consumes, scope: Scope) -> str:
    # A variable that brings its own scheme replaces the one written before it.
    doubled = re.match(r"https?://(https?://.*)", base, re.DOTALL)
    if doubled:
        return doubled[1]
    if not base or (base.startswith("/") and not base.startswith("//")):
        return base
    if re.match(r"https?://", base, re.IGNORECASE):
        return base
    if not api.base_uri.startswith(("{", "$", "[")):
        scope.report(
            api.where.at("baseUri").warning(
                "W-BASEURI-SCHEME", "the base URI has no scheme: https is used", "write https://"
            )
        )
    return f"https:{base}" if base.startswith("//") else f"https://{base}"


def _with_origin(base: str, api: Consumes, scope: Scope, origin: str) -> Target:
    if origin:
        path = re.sub(r"^https?://[^/?#]*", "", base, count=1, flags=re.IGNORECASE)
        kept = {n: u for n, u in scope.unset.items() if _in_path(api.base_uri, n)}
        return Target(_without_slash(_without_slash(origin) + _rooted(path)), kept)
    if not scope.unset and not urlsplit(base).netloc:
        problem = api.where.at("baseUri").error(
            "E-BASEURI-MISSING",
            "no base URI with a host" if base else "no base URI",
            f"write 'baseUri: https://…', or start with --upstream {api.namespace}=URL",
        )
        return Target("", {}, problem)
    return Target(_without_slash(base), dict(scope.unset))


def _in_path(base_uri: str, name: str) -> bool:
    path = re.sub(r"^(?:[a-z]+:)?//[^/]*", "", base_uri, count=1, flags=re.IGNORECASE)
    return path != base_uri and name in path


def _rooted(path: str) -> str:
    return path if not path or path.startswith("/") else f"/{path}"


def _without_slash(uri: str) -> str:
    return uri.rstrip("/")


Report = Callable[[Finding], None]
