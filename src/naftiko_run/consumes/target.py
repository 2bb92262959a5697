"""Where a consumed API is: its base URI with variables resolved, or why it cannot be called."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from msgspec import Struct

from naftiko_run.findings import Finding
from naftiko_run.mapping.scope import Scope
from naftiko_run.spec.document import Consumes
from naftiko_run.types import Binds, Discreet, without

_PLACEHOLDER = re.compile(
    r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}|\$?\{\s*([A-Za-z_][\w.-]*)\s*\}|\[([A-Za-z_][\w-]*)\]"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_AUTHORITY = re.compile(r"(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?[^/?#]*")
_USERINFO = re.compile(r"//[^/?#@]*@")
# What a URI may hold behind its authority (RFC 3986), and the braces of a credential's place.
_LITERAL = "/:?#[]@!$&'()*+,;=-._~{}"


class Target(Discreet, Struct, frozen=True):
    """A base URI without its trailing slash, or why there is none.

    ``unset`` are the variables without a value and what uses them. ``shown`` is the URI as people
    may see it: with the names of variables, because their values may be secret.
    """

    base: str
    unset: Mapping[str, str]
    problem: Finding | None = None
    shown: str = ""

    def __repr__(self) -> str:
        return without(self, "base")


def find_target(
    api: Consumes, scope: Scope, *, upstream: str = "", origin: str = "", credential: str = ""
) -> Target:
    """Resolve an API's base URI.

    ``upstream`` replaces it; ``origin`` replaces its scheme and authority and keeps its path.
    ``credential`` names a placeholder that an ``apikey`` in the path fills; it is left as
    ``{name}``.
    """
    if upstream:
        return Target(upstream.rstrip("/"), {}, shown=_shown(upstream))
    where = api.where.at("baseUri")
    scope = scope.using(f"baseUri of '{api.namespace}'")

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return scope.variable(match[1], where)
        name: str = match[2] or match[3]
        if name == credential:
            return f"{{{name}}}"
        variable = placeholder_variable(name, scope.binds)
        if variable is None:
            scope.report(
                where.warning(
                    "W-BASEURI-PLACEHOLDER",
                    f"nothing gives the placeholder {name!r} of the base URI a value",
                    f"start with --var {name}=VALUE or --upstream {api.namespace}=URL",
                )
            )
        found = scope.binds.value(variable) if variable else None
        if found is None:
            scope.unset[variable or name] = scope.used_by
        return found or ""

    base = _PLACEHOLDER.sub(value, api.base_uri.strip())
    if origin:
        return _at_origin(origin, base, api, scope)
    base = _with_scheme(base, api, scope)
    problem = _problem(base, api, complete=not scope.unset)
    return Target(_encoded(base).rstrip("/"), dict(scope.unset), problem, _shown(api.base_uri))


def placeholder_variable(name: str, binds: Binds) -> str | None:
    """Find the variable that fills a base URI's placeholder; one with a value goes first.

    Its own name, then the name in capitals, then the only declared variable that ends in it
    (``{host}`` is filled by ``AKKA_MANAGEMENT_HOST``).
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name)
    capitals = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).upper()
    ending = [n for n in binds.names if "." not in n and n.endswith(f"_{capitals}")]
    candidates = [name, capitals, plain.upper(), *(ending if len(ending) == 1 else ())]
    valued = (n for n in candidates if binds.value(n) is not None)
    declared = (n for n in candidates if binds.declares(n))
    return next(valued, None) or next(declared, None)


def _with_scheme(base: str, api: Consumes, scope: Scope) -> str:
    # A variable that brings its own scheme replaces the one written before it.
    doubled = re.match(r"https?://(?=[A-Za-z][A-Za-z0-9+.-]*://)", base, re.IGNORECASE)
    if doubled:
        return base[doubled.end() :]
    relative = base.startswith("/") and not base.startswith("//")
    if not base or relative or _SCHEME.match(base):
        return base
    if not api.base_uri.startswith(("{", "$", "[")):
        scope.report(
            api.where.at("baseUri").warning(
                "W-BASEURI-SCHEME", "the base URI has no scheme: https is used", "write https://"
            )
        )
    return f"https:{base}" if base.startswith("//") else f"https://{base}"


def _problem(base: str, api: Consumes, *, complete: bool) -> Finding | None:
    where = api.where.at("baseUri")
    scheme = _SCHEME.match(base)
    if scheme and scheme[1].lower() not in ("http", "https"):
        return where.error(
            "E-UPSTREAM-SCHEME",
            f"upstream scheme {scheme[1]!r} is not supported",
            f"use http or https, or start with --upstream {api.namespace}=URL",
        )
    if not complete or _has_host(base):
        return None
    return where.error(
        "E-BASEURI-MISSING",
        "no base URI with a host" if base else "no base URI",
        f"write 'baseUri: https://…', or start with --upstream {api.namespace}=URL",
    )


def _has_host(base: str) -> bool:
    try:
        parts = urlsplit(base)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that are no address, a port that is no number
        return False


def _at_origin(origin: str, base: str, api: Consumes, scope: Scope) -> Target:
    """Keep the path alone; a variable of the old authority is not needed any more."""
    written = _path_of(api.base_uri.strip())
    named = {m[1] or m[2] or m[3] for m in _PLACEHOLDER.finditer(written)}
    needed = {name.removeprefix("env.") for name in named}
    needed |= {v for v in (placeholder_variable(n, scope.binds) for n in named) if v}
    unset = {name: used_by for name, used_by in scope.unset.items() if name in needed}
    path = _path_of(_with_scheme(base, api, scope.using("")))
    origin = origin.rstrip("/")
    return Target(_encoded(origin + path).rstrip("/"), unset, None, _shown(origin + written))


def _path_of(uri: str) -> str:
    path = _AUTHORITY.sub("", uri, count=1)
    return path if path.startswith("/") or not path else f"/{path}"


def _encoded(base: str) -> str:
    path = _AUTHORITY.sub("", base, count=1)
    return base.removesuffix(path) + as_written(path, _LITERAL)


def as_written(text: str, safe: str) -> str:
    """Encode what no URL may hold; what the document has encoded itself stays."""
    return re.sub("%(?![0-9A-Fa-f]{2})", "%25", quote(text, safe=safe + "%"))


def _shown(uri: str) -> str:
    return _USERINFO.sub("//", uri.strip().rstrip("/"))
