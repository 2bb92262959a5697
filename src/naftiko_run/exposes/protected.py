"""Where a listener tells clients whose tokens its adapters take (RFC 9728).

A client looks at the well-known path with the path of the resource behind it. The resource's own
identifier may have another path than the address at which the client found it, behind a proxy for
example, so each of an adapter's paths leads to its document.
"""

from collections.abc import Iterable, Mapping

from naftiko_run.exposes.auth import Authenticator, ProtectedResource
from naftiko_run.types import Json

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_address(resource: str, origin: str, path: str) -> str:
    """Return where the document of a resource is, empty for one that is no place of the web."""
    return f"{origin}{WELL_KNOWN}{path}" if resource.startswith(("http://", "https://")) else ""


def documents(
    authenticators: Mapping[str, Authenticator], endpoints: Mapping[str, str]
) -> dict[str, Mapping[str, Json]]:
    """Return the documents of a listener's adapters by their paths.

    ``authenticators`` are the adapters' own, by namespace; ``endpoints`` lead from the paths of
    MCP endpoints to the adapters' namespaces. A path that would mean several is left out.
    """
    resources = {n: a.resource for n, a in authenticators.items() if a.resource is not None}
    found = _unambiguous((r.path, r) for r in resources.values())
    places = [(f"/{namespace}", resource) for namespace, resource in resources.items()]
    places += [
        (path, resources[namespace])
        for path, namespace in endpoints.items()
        if namespace in resources and path != "/"
    ]
    found = _unambiguous(places) | found
    if len({_identity(resource) for resource in resources.values()}) == 1:
        found.setdefault("", next(iter(resources.values())))
    return {f"{WELL_KNOWN}{path}": resource.document for path, resource in found.items()}


def _unambiguous(
    places: Iterable[tuple[str, ProtectedResource]],
) -> dict[str, ProtectedResource]:
    found: dict[str, dict[str, ProtectedResource]] = {}
    for path, resource in places:
        found.setdefault(path, {})[_identity(resource)] = resource
    return {path: next(iter(each.values())) for path, each in found.items() if len(each) == 1}


def _identity(resource: ProtectedResource) -> str:
    return str(sorted(resource.document.items(), key=lambda member: member[0]))
