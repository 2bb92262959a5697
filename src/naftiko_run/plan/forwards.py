"""Forwards: from a REST resource that passes requests on to its route, and how it is shown."""

from collections.abc import Iterator

from naftiko_run.consumes.forward import CompiledForward
from naftiko_run.exposes.auth import Authenticator
from naftiko_run.exposes.router import ANY
from naftiko_run.exposes.units import Route
from naftiko_run.findings import Finding
from naftiko_run.plan.callers import credential_field
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


def given_away(spec: Forward, adapter: Adapter, compiled: CompiledForward) -> Iterator[Finding]:
    """Warn of what callers authenticate with here, where it goes on to the API.

    A field that the API's own credential fills does not go on.
    """
    credential = credential_field(adapter)
    for index, name in enumerate(spec.trusted):
        if name.strip().lower() == credential and credential in compiled.trusted:
            yield spec.where.at("trustedHeaders", index).warning(
                "W-FORWARD-CREDENTIAL",
                f"{name!r} is what callers of {adapter.namespace!r} authenticate with:"
                f" their credential goes on to {compiled.api!r}",
                f"remove it, and give {compiled.api!r} an 'authentication' of its own",
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
