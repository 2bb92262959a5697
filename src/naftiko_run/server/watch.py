"""``--watch``: files that are new, changed or gone are served, replaced or withdrawn, in place.

A changed file is compiled beside the running one and takes its place only if it is valid; an
invalid one is reported and the running one stays. Imported files are watched too.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from naftiko_run.exposes.units import Listener
from naftiko_run.findings import Finding, Severity
from naftiko_run.loading.load import SUFFIXES, expand
from naftiko_run.server.http import PortError
from naftiko_run.server.prepare import Prepared, load_one
from naftiko_run.server.runtime import Runtime
from naftiko_run.spec.document import Loaded

_SETTLE_MILLISECONDS = 300
"""How long a burst of saves may go on before it is acted on."""
_STEP_MILLISECONDS = 60


class Applies(Protocol):
    """A deployment, in one process or several."""

    async def apply(self, listeners: Sequence[Listener], loaded: Sequence[Loaded]) -> None:
        """Serve these listeners, made of these files."""

    def summary(self) -> list[str]:
        """Say, one line per listener, what is served and where."""


class Watcher:
    """Keeps a deployment in step with its files."""

    def __init__(
        self,
        names: Sequence[str],
        runtime: Runtime,
        deployment: Applies,
        loaded: Sequence[Loaded],
        *,
        say: Callable[[str], None],
        show: Callable[[Sequence[Finding]], None],
    ) -> None:
        """Watch the files that these names stand for; ``say`` and ``show`` tell what happens."""
        self._say = say
        self._show = show
        self._names = tuple(names)
        self._runtime = runtime
        self._deployment = deployment
        self._served = {each.file: each for each in loaded}
        self._errors = _errors_by_file(runtime.prepare(loaded))

    async def run(self) -> None:
        """Watch until cancelled."""
        from watchfiles import awatch  # noqa: PLC0415 - only where it was asked for

        while True:
            folders = self._folders()
            async for changes in awatch(
                *folders,
                watch_filter=None,
                debounce=_SETTLE_MILLISECONDS,
                step=_STEP_MILLISECONDS,
                recursive=False,
                ignore_permission_denied=True,
            ):
                paths = {path for _, path in changes}
                if any(path.endswith(SUFFIXES) for path in paths):
                    await self._reload(paths)
                if self._folders() != folders:
                    break

    def _folders(self) -> list[Path]:
        folders: dict[Path, None] = {}
        for name in self._names:
            path = Path(name)
            while not path.is_dir():
                path = path.parent
            folders[path.resolve()] = None
        for each in self._served.values():
            folders.update(dict.fromkeys(file.parent for file in each.files))
        return sorted(folder for folder in folders if folder.is_dir())

    async def _reload(self, changed: set[str]) -> None:
        # Reading and compiling happen beside the event loop: requests go on meanwhile.
        candidates, touched = await asyncio.to_thread(self._read, changed)
        if not touched and candidates.keys() == self._served.keys():
            return
        await self._runtime.start_sandboxes(list(candidates.values()))
        prepared = await asyncio.to_thread(self._runtime.prepare, list(candidates.values()))
        rejected = self._rejected(prepared, touched, candidates)
        if rejected:
            self._show([f for f in prepared.findings if f.file in rejected])
            for file in rejected:
                self._keep(file, candidates)
            prepared = await asyncio.to_thread(self._runtime.prepare, list(candidates.values()))
        try:
            await self._deployment.apply(prepared.plan.listeners, prepared.loaded)
        except (PortError, RuntimeError) as error:
            self._say(f"not served: {error}")
            return
        self._tell(candidates, touched - rejected)
        self._served = candidates
        self._errors = _errors_by_file(prepared)

    def _read(self, names: set[str]) -> tuple[dict[str, Loaded], set[str]]:
        """Read what changed; everything else stays as it is served."""
        changed = {Path(name).resolve() for name in names}
        paths, _ = expand(self._names)
        candidates: dict[str, Loaded] = {}
        touched: set[str] = set()
        for path in paths:
            file = str(path)
            known = self._served.get(file)
            if known is not None and changed.isdisjoint({*known.files, path.resolve()}):
                candidates[file] = known
                continue
            if not path.exists():
                continue
            candidates[file] = load_one(path, self._runtime.settings)
            touched.add(file)
        return candidates, touched

    def _rejected(
        self, prepared: Prepared, touched: Iterable[str], candidates: dict[str, Loaded]
    ) -> set[str]:
        """Return the files that are worse than what runs: they have more errors."""
        errors = _errors_by_file(prepared)
        rejected = set()
        for file in touched:
            before = self._errors.get(file, 0) if file in self._served else 0
            if candidates[file].document is None or errors.get(file, 0) > before:
                rejected.add(file)
        return rejected

    def _keep(self, file: str, candidates: dict[str, Loaded]) -> None:
        running = self._served.get(file)
        if running is None:
            del candidates[file]
            self._say(f"{file} is invalid: it is not served")
        else:
            candidates[file] = running
            self._say(f"{file} is invalid: the running version stays")

    def _tell(self, candidates: dict[str, Loaded], taken: Iterable[str]) -> None:
        for file in sorted(taken):
            self._say(f"{file} {'replaced' if file in self._served else 'added'}")
        for file in self._served.keys() - candidates.keys():
            self._say(f"{file} withdrawn")
        for line in self._deployment.summary():
            self._say(line)


def _errors_by_file(prepared: Prepared) -> dict[str, int]:
    errors: dict[str, int] = {}
    for finding in prepared.findings:
        if _is_error(finding):
            errors[finding.file] = errors.get(finding.file, 0) + 1
    return errors


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR
