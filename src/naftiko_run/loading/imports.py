"""Imports: the consumed APIs of other files take the place of the entries that name them.

A file is looked for in the importing file's folder, then in that folder's parent, then in each
import folder. Nothing outside those folders is read, symlinks included.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from naftiko_run.errors import DocumentError
from naftiko_run.findings import Finding
from naftiko_run.loading.files import Source
from naftiko_run.spec.document import Bind, Consumes, Document, Import
from naftiko_run.spec.reader import read_shared

Read = Callable[[str, Path], Source]
"""Reads a file by the name to show and its path; raises :class:`DocumentError`."""


@dataclass(slots=True)
class Imported:
    """What the imports of a document brought.

    ``missing`` holds the namespaces that nothing could be imported for, with the reason.
    """

    consumes: list[Consumes] = field(default_factory=list)
    binds: list[Bind] = field(default_factory=list)
    missing: dict[str, Finding] = field(default_factory=dict)
    unnamed: Finding | None = None
    findings: list[Finding] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def resolve(document: Document, source: Source, read: Read, folders: Sequence[Path]) -> Imported:
    """Resolve a document's imports; what cannot be found is a finding, and the rest goes on."""
    imported = Imported()
    for entry in document.imports:
        _resolve_one(entry, source, read, folders, imported)
    return imported


def _resolve_one(
    entry: Import, source: Source, read: Read, folders: Sequence[Path], imported: Imported
) -> None:
    home = source.path.parent
    roots = [home, home.parent, *folders]
    found, outside = find(entry.location, roots)
    if found is None:
        if outside is not None:
            problem = "lies outside the folders that may be read"
            fix = (
                f"move it below {home.name or home}/, or start with --import-path {outside.parent}"
            )
        else:
            problem = "not found"
            looked = ", ".join(str(_shown(root)) for root in roots)
            fix = f"looked in {looked}; add a folder with --import-path"
        _fail(entry, imported, f"import target {entry.location!r} {problem}", fix)
        return
    if found == source.path:
        _fail(entry, imported, "a file cannot import itself", "remove this import")
        return
    try:
        shared = read(_shown_file(found, source), found)
    except DocumentError as error:
        imported.findings.extend(error.findings)
        _fail(entry, imported, f"import target {entry.location!r} cannot be read", "mend that file")
        return
    imported.files.append(found)
    consumes, findings = read_shared(shared, shared.data)
    imported.findings.extend(findings)
    _take(entry, consumes, imported)


def _take(entry: Import, consumes: Sequence[Consumes], imported: Imported) -> None:
    wanted = [c for c in consumes if entry.namespace in (None, c.namespace)]
    if not wanted:
        names = [c.namespace for c in consumes]
        close = difflib.get_close_matches(entry.namespace or "", names, 3)
        fix = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"it has {', '.join(map(repr, names))}"
            if names
            else "it has no 'consumes'"
        )
        message = f"no namespace {entry.namespace!r} in import target {entry.location!r}"
        _fail(entry, imported, message, fix)
        return
    for api in wanted:
        imported.binds.extend(b for b in api.variables if b not in imported.binds)
        imported.consumes.append(replace(api, namespace=entry.alias or api.namespace))


def _fail(entry: Import, imported: Imported, message: str, fix: str) -> None:
    finding = entry.where.error("E-CALL-IMPORT", message, fix)
    imported.findings.append(finding)
    if entry.namespace is None:
        imported.unnamed = finding
    else:
        imported.missing[entry.alias or entry.namespace] = finding


def find(location: str, roots: Sequence[Path]) -> tuple[Path | None, Path | None]:
    """Find a file below the roots; the second is one that exists but lies outside of them."""
    allowed = [root.resolve() for root in roots]
    outside: Path | None = None
    for candidate in _candidates(location, roots):
        try:
            real = candidate.resolve()
            exists = real.is_file()
        except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, a loop of links
            continue
        if not exists:
            continue
        if any(real.is_relative_to(root) for root in allowed):
            return real, None
        outside = outside or real
    return None, outside


def _candidates(location: str, roots: Sequence[Path]) -> Iterator[Path]:
    relative = location.removeprefix("file://")
    for root in roots:
        yield root / relative


def _shown(path: Path) -> Path:
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


def _shown_file(found: Path, source: Source) -> str:
    """Name an imported file the way the importing one was named: relative or absolute."""
    return str(found if Path(source.file).is_absolute() else _shown(found))
