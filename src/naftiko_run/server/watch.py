"""``--watch``: files that are new, changed or gone are served, replaced or withdrawn, in place.

A changed file is compiled beside the running one and takes its place only if it is valid; an
invalid one is reported and the running one stays. Imported files are watched too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
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
_CLOCK_SECONDS = 0.02
"""How far the clock of a file system may be behind the clock of the process."""


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
        since: float,
        say: Callable[[str], None],
        show: Callable[[Sequence[Finding]], None],
    ) -> None:
        """Watch the files that these names stand for, which were read not before ``since``.

        ``say`` and ``show`` tell what happens.
        """
        self._since = since
        self._say = say
        self._show = show
        self._names = tuple(names)
        self._runtime = runtime
        self._deployment = deployment
        self._served = {each.file: each for each in loaded}
        self._errors = _errors_by_file(runtime.prepare(loaded))

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            folders = self._folders()
            async for changed in _changes(folders):
                # Nothing tells of what changed before the watch began: it is looked for.
                paths = self._changed_since() if changed is None else changed
                if changed is None or self._matter(paths):
                    await self._reload(paths)
                if self._folders() != folders:
                    break

    def _files(self) -> set[Path]:
        return {file for each in self._served.values() for file in each.files}

    def _matter(self, paths: set[str]) -> bool:
        files = self._files()
        return any(path.endswith(SUFFIXES) for path in paths) or not files.isdisjoint(_named(paths))

    def _changed_since(self) -> set[str]:
        changed = set()
        for file in self._files():
            try:
                newer = file.stat().st_mtime >= self._since - _CLOCK_SECONDS
            except OSError:
                newer = True
            if newer:
                changed.add(str(file))
        return changed

    def _folders(self) -> list[Path]:
        folders: dict[Path, None] = {}
        for name in self._names:
            path = Path(name)
            while not path.is_dir():
                path = path.parent
            folders[path.resolve()] = None
        for each in self._served.values():
            folders.update(dict.fromkeys(f if f.is_dir() else f.parent for f in each.files))
        return sorted(folder for folder in folders if folder.is_dir())

    async def _reload(self, changed: set[str]) -> None:
        # Reading and compiling happen beside the event loop: requests go on meanwhile.
        self._since = time.time()
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
            if candidates == self._served:
                return
            prepared = await asyncio.to_thread(self._runtime.prepare, list(candidates.values()))
        taken = touched - rejected
        problem = await self._apply(candidates, taken, prepared)
        if problem and (len(taken) > 1 or self._served.keys() - candidates.keys()):
            await self._apply_singly(candidates, taken)
        elif problem:
            self._say(f"not served: {problem}")

    async def _apply(
        self, candidates: dict[str, Loaded], taken: set[str], prepared: Prepared
    ) -> str:
        """Serve these files; returns why that is not possible."""
        try:
            await self._deployment.apply(prepared.plan.listeners, prepared.loaded)
        except (PortError, RuntimeError) as error:
            return str(error)
        self._tell(candidates, taken)
        self._served = candidates
        self._errors = _errors_by_file(prepared)
        return ""

    async def _apply_singly(self, candidates: dict[str, Loaded], taken: set[str]) -> None:
        """Apply one change after another: one that cannot be served holds no other up."""
        withdrawn = [""] if self._served.keys() - candidates.keys() else []
        for file in (*withdrawn, *sorted(taken)):
            step = {
                name: candidates[name] if name == file else self._served[name]
                for name in candidates
                if name == file or name in self._served
            }
            prepared = await asyncio.to_thread(self._runtime.prepare, list(step.values()))
            problem = await self._apply(step, {file} - {""}, prepared)
            if problem:
                self._say(f"not served: {problem}")

    def _read(self, names: set[str]) -> tuple[dict[str, Loaded], set[str]]:
        """Read what changed; everything else stays as it is served."""
        changed = _named(names)
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


def _named(paths: Iterable[str]) -> set[Path]:
    """Give what changed: the files, and the folders for which whatever comes to be in them counts.

    A document names a folder among its files for that.
    """
    changed = {Path(path).resolve() for path in paths}
    return changed | {path.parent for path in changed}


async def _changes(folders: Sequence[Path]) -> AsyncIterator[set[str] | None]:
    """Tell which paths change in folders; first of all None, once the watch has begun."""
    from watchfiles import awatch  # noqa: PLC0415 - only where it was asked for

    watching = awatch(
        *folders,
        watch_filter=None,
        debounce=_SETTLE_MILLISECONDS,
        step=_STEP_MILLISECONDS,
        recursive=False,
        ignore_permission_denied=True,
    )
    following = asyncio.ensure_future(anext(watching))
    try:
        await asyncio.sleep(0)  # the watch is set up in the first step of its iterator
        yield None
        while True:
            changes = await following
            following = asyncio.ensure_future(anext(watching))
            yield {path for _, path in changes}
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _errors_by_file(prepared: Prepared) -> dict[str, int]:
    errors: dict[str, int] = {}
    for finding in prepared.findings:
        if _is_error(finding):
            errors[finding.file] = errors.get(finding.file, 0) + 1
    return errors


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR
