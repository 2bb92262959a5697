"""What every command does first: load the files and compile the plan, with all findings."""

import difflib
import importlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.callers.nonces import Nonces
from naftiko_run.findings import Finding, Severity, as_strict, in_order
from naftiko_run.loading import load as loading
from naftiko_run.loading.schema import check
from naftiko_run.plan import Options, Plan, Planner, compile_plan
from naftiko_run.plan.apis import Sandbox, Upstreams
from naftiko_run.scripts.workers import ScriptWorkers
from naftiko_run.settings import Settings, UsageError
from naftiko_run.spec.document import Loaded
from naftiko_run.types import Client, Reply, Request


class NoClient:
    """Stands where nothing is sent (``validate``, ``inspect``)."""

    async def send(self, request: Request) -> Reply:
        """Refuse."""
        raise RuntimeError(f"nothing is sent here: {request!r}")

    async def aclose(self) -> None:
        """Do nothing."""


class Prepared(Struct):
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
    nonces: Nonces | None = None,
    workers: ScriptWorkers | None = None,
) -> Prepared:
    """Compile what was loaded; under ``--strict`` warnings are errors."""
    options = _options(settings, sandboxes or {})
    if nonces is not None:
        options = replace(options, nonces=nonces)
    if workers is not None:
        options = replace(options, workers=workers)
    plan = compile_plan(loaded, options, client)
    findings = as_strict(plan.findings) if settings.strict else plan.findings
    return Prepared(plan, findings, list(loaded))


def _options(settings: Settings, sandboxes: Mapping[str, Sandbox]) -> Options:
    return Options(
        host=settings.host,
        ports=settings.ports,
        upstreams=Upstreams(settings.upstreams, settings.origin, sandboxes),
        strict_paths=settings.strict_paths,
    )


def find_all(
    paths: Sequence[str], settings: Settings, progress: Callable[[int, int], None]
) -> tuple[list[Finding], list[str]]:
    """Find what is wrong with files, keeping no more than one of them at a time.

    ``progress`` hears how many of how many are done. Gives the findings and the files' names.
    """
    found, findings = loading.expand(paths)
    planner = Planner(_options(settings, {}), NoClient())
    for count, path in enumerate(found):
        progress(count, len(found))
        loaded = load_one(path, settings)
        if settings.sandbox:
            options = _options(settings, silent_sandboxes([loaded]))
            planner.options = options
        planner.add(loaded)
        findings.extend(planner.forget())
    progress(len(found), len(found))
    findings = in_order(findings)
    return as_strict(findings) if settings.strict else findings, [str(path) for path in found]


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


class _Unknown(Struct, frozen=True):
    """A name that was given for an upstream or a port, and that no file has."""

    text: str
    from_environment: bool


def _unknown_names(settings: Settings, prepared: Prepared) -> list[_Unknown]:
    """Find the names of options that no file has: misspelt, they would change nothing."""
    loaded = prepared.loaded
    adapters = {name for listener in prepared.plan.listeners for name in listener.adapters}
    documents = [each.document for each in loaded if each.document is not None]
    adapters |= {adapter.namespace for document in documents for adapter in document.adapters}
    consumed = {api.namespace for each in loaded for api in each.consumes}
    consumed |= {name for each in loaded for name in each.missing}
    spelt = {name.upper().replace("-", "_"): name for name in consumed}
    unknown = []
    for option, what, names, known, accepted in (
        ("--upstream", "consumed namespace", settings.upstreams, consumed, consumed | spelt.keys()),
        ("--port", "exposed adapter", settings.ports, adapters, adapters),
    ):
        for name in sorted(names.keys() - accepted):
            inherited = f"{option} {name}" in settings.from_environment
            source = _VARIABLES[option].format(name) if inherited else option
            hint = _nearest(name, known)
            unknown.append(_Unknown(f"{source}: no {what} {name!r}; {hint}", inherited))
    return unknown


def check_names(settings: Settings, prepared: Prepared, *, strictly: bool) -> list[str]:
    """Return a warning for each name of an option that no file has.

    Raises:
        UsageError: an option gives one, and what is loaded is all there is (``strictly``).
    """
    unknown = _unknown_names(settings, prepared)
    wrong = [each.text for each in unknown if strictly and not each.from_environment]
    if wrong:
        raise UsageError("; ".join(wrong))
    return [each.text for each in unknown]


_VARIABLES = {"--upstream": "NAFTIKO_UPSTREAM_{}", "--port": "NAFTIKO_PORTS"}


def _nearest(name: str, known: Collection[str]) -> str:
    plain = {each.lower().replace("_", "-"): each for each in known}
    near = difflib.get_close_matches(name.lower().replace("_", "-"), plain, 1)
    if near:
        return f"did you mean {plain[near[0]]!r}?"
    return f"there is {', '.join(sorted(known)) or 'none'}"


def all_loaded(prepared: Prepared, missing: Sequence[Finding]) -> bool:
    """Tell whether every name stands for a file, and every file was read whole."""
    return not missing and not any(
        each.failed or each.document is None or each.anything_missing for each in prepared.loaded
    )
