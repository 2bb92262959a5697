"""What every command does first: load the files and compile the plan, with all findings."""

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from naftiko_run.findings import Finding, Severity, as_strict, in_order
from naftiko_run.loading import load as loading
from naftiko_run.loading.schema import check
from naftiko_run.plan import Options, Plan, compile_plan
from naftiko_run.plan.apis import Sandbox, Upstreams
from naftiko_run.settings import Settings
from naftiko_run.spec.document import Loaded
from naftiko_run.types import Client, Reply, Request


class NoClient:
    """Stands where nothing is sent (``validate``, ``inspect``)."""

    async def send(self, request: Request) -> Reply:
        """Refuse."""
        raise RuntimeError(f"nothing is sent here: {request!r}")

    async def aclose(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Prepared:
    """A plan with everything that was found on the way to it."""

    plan: Plan
    findings: list[Finding] = field(default_factory=list)
    loaded: list[Loaded] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return any(f.severity is Severity.ERROR for f in self.findings)


def load_all(
    paths: Sequence[str], settings: Settings, environ: Mapping[str, str] | None = None
) -> tuple[list[Loaded], list[Finding]]:
    """Load files, folders and globs; the findings are about names that stand for no file."""
    found, findings = loading.expand(paths)
    return [load_one(path, settings, environ) for path in found], findings


def load_one(path: Path, settings: Settings, environ: Mapping[str, str] | None = None) -> Loaded:
    """Load one file."""
    options = loading.Settings(
        folders=settings.import_path,
        given=settings.variables,
        environ=os.environ if environ is None else environ,
        strict=settings.strict,
    )
    return loading.load(path, options, schema=check)


def prepare(
    loaded: Sequence[Loaded],
    settings: Settings,
    client: Client,
    *,
    sandboxes: Mapping[str, Sandbox] | None = None,
) -> Prepared:
    """Compile what was loaded; under ``--strict`` warnings are errors."""
    options = Options(
        host=settings.host,
        ports=settings.ports,
        upstreams=Upstreams(settings.upstreams, settings.origin, sandboxes or {}),
        strict_paths=settings.strict_paths,
    )
    plan = compile_plan(loaded, options, client)
    findings = [*plan.findings]
    for each in loaded:
        if each.document is None:
            findings.extend(each.findings)
    findings = in_order(findings)
    return Prepared(plan, as_strict(findings) if settings.strict else findings, list(loaded))


def sandbox_modules(loaded: Sequence[Loaded]) -> dict[str, str]:
    """Return the sandboxes of the APIs that the files consume: real origin to module."""
    from naftiko_run.sandbox import SANDBOXES  # noqa: PLC0415 - only where they are asked for

    used = {api.base_uri.lower() for each in loaded for api in each.consumes}
    return {
        origin: module
        for origin, module in SANDBOXES.items()
        if any(uri == origin or uri.startswith(f"{origin}/") for uri in used)
    }


def silent_sandboxes(loaded: Sequence[Loaded]) -> dict[str, Sandbox]:
    """Return sandboxes that nothing runs behind, for commands that send nothing."""
    return {
        origin: Sandbox("http://sandbox.invalid", importlib.import_module(module).ROOT_KEY)
        for origin, module in sandbox_modules(loaded).items()
    }


def with_files(prepared: Prepared, findings: Sequence[Finding]) -> Prepared:
    """Add findings about the files' names."""
    return replace(prepared, findings=in_order([*prepared.findings, *findings]))
