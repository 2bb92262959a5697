"""Forwards: from a REST resource that passes requests on to its route, and how it is shown."""

from naftiko_run.consumes.forward import CompiledForward
from naftiko_run.exposes.auth import Authenticator
from naftiko_run.exposes.router import ANY
from naftiko_run.exposes.units import Route
from naftiko_run.findings import Finding
from naftiko_run.spec.document import Adapter, Forward


def forward_route(
    spec: Forward,
    adapter: Adapter,
    compiled: CompiledForward | Finding,
    authenticator: Authenticator | None = None,
) -> Route:
    """Make the route of a forward; one that cannot be served answers with its finding."""
    served = compiled if isinstance(compiled, CompiledForward) else None
    return Route(
        method=ANY,
        path=spec.path,
        adapter=adapter.namespace,
        name=spec.name,
        description=spec.description,
        finding=compiled if isinstance(compiled, Finding) else None,
        call=spec.target,
        authenticator=authenticator,
        forwarder=served,
        excluded=spec.methods,
        whole=served.whole if served else False,
    )


def leads_to(compiled: CompiledForward) -> str:
    """Say where a forward leads, and what of its caller it takes there."""
    said = [f"forwards to {compiled.template}   {compiled.api}"]
    if compiled.trusted:
        said.append(f"header fields {', '.join(sorted(compiled.trusted))}")
    if compiled.credential != "none":
        said.append(f"credential: {compiled.credential}")
    return "; ".join(said)


def name_of(spec: Forward) -> str:
    """Name a forward as routes are named, by the methods and the path that it answers."""
    return f"{ANY} {spec.path}"
