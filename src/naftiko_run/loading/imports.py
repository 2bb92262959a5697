"""Imports: what other files share takes the place of the entries that name it.

A file is looked for in the importing file's folder, then in that folder's parent, then in each
import folder. Nothing outside those folders is read, symlinks included. Imports inside an imported
file are not followed.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.errors import DocumentError
from naftiko_run.findings import Finding, did_you_mean
from naftiko_run.loading.aliases import rename_adapter, rename_aggregate
from naftiko_run.loading.files import Source
from naftiko_run.spec.document import (
    Adapter,
    Aggregate,
    Bind,
    Consumes,
    Document,
    Import,
    Shared,
)
from naftiko_run.spec.reader import read_shared

Read = Callable[[str, Path], Source]
"""Reads a file by the name to show and its path; raises :class:`DocumentError`."""


class Imported(Struct):
    """What the imports of a document brought.

    ``renamed`` leads from the file and namespace of an adapter to what it is imported as.
    ``missing`` holds the namespaces that nothing could be imported for, with the reason.
    """

    consumes: list[Consumes] = field(default_factory=list)
    adapters: list[Adapter] = field(default_factory=list)
    renamed: dict[tuple[str, str], str] = field(default_factory=dict)
    aggregates: list[Aggregate] = field(default_factory=list)
    binds: list[Bind] = field(default_factory=list)
    missing: dict[str, Finding] = field(default_factory=dict)
    unnamed: Finding | None = None
    findings: list[Finding] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


class _Kind(Struct, frozen=True):
    """How one section is imported: its entries' namespaces, how they are taken, who misses them."""

    namespaces: Callable[[Shared], list[str]]
    take: Callable[[Import, Shared, Imported], None]
    code: str = "E-IMPORT-TARGET"


def resolve(document: Document, source: Source, read: Read, folders: Sequence[Path]) -> Imported:
    """Resolve a document's imports; what cannot be found is a finding, and the rest goes on."""
    imported = Imported()
    for entry in document.imports:
        _resolve_one(entry, source, read, folders, imported)
    imported.findings.extend(_repeated(document, imported))
    return imported


def merged(document: Document, imported: Imported) -> Document:
    """Return a document whose imported adapters and aggregates are its own."""
    adapters = (*document.adapters, *imported.adapters)
    names = {adapter.namespace for adapter in adapters}
    return replace(
        document,
        adapters=tuple(_skills_renamed(adapter, imported.renamed, names) for adapter in adapters),
        aggregates=_each_flow_once((*document.aggregates, *imported.aggregates)),
    )


def _skills_renamed(
    adapter: Adapter, renamed: Mapping[tuple[str, str], str], names: Container[str]
) -> Adapter:
    """Let skills name the adapters of their own file by what those are imported as."""

    def source(written: str) -> str:
        found = renamed.get((adapter.where.source.file, written))
        return written if found is None or written in names else found

    return replace(
        adapter,
        skills=tuple(
            replace(s, tools=tuple(replace(t, source=source(t.source)) for t in s.tools))
            for s in adapter.skills
        ),
    )


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
        elif any(_is_folder(candidate) for candidate in _candidates(entry.location, roots[:1])):
            problem = "is a folder"
            fix = "name a file"
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
        shared_source = read(_shown_file(found, source), found)
    except DocumentError as error:
        imported.findings.extend(error.findings)
        _fail(entry, imported, f"import target {entry.location!r} cannot be read", "mend that file")
        return
    imported.files.append(found)
    shared, findings = read_shared(shared_source, shared_source.data, entry.section)
    imported.findings.extend(findings)
    imported.findings.extend(map(_not_followed, shared.nested))
    _take(entry, shared, imported)


def _not_followed(entry: Import) -> Finding:
    return entry.where.warning(
        "W-IMPORT-NESTED",
        "an import inside an imported file is not followed",
        "import that file from the capability itself",
    )


def _take(entry: Import, shared: Shared, imported: Imported) -> None:
    kind = _KINDS[entry.section]
    names = kind.namespaces(shared)
    if entry.namespace in names or (entry.namespace is None and names):
        if entry.section != "binds":
            _add_binds(shared.binds, imported)
        kind.take(entry, shared, imported)
        return
    close = did_you_mean(entry.namespace or "", names)
    nested = {e.alias or e.namespace: e.location for e in shared.nested}
    if entry.namespace in nested:
        fix = f"it only imports it: import {nested[entry.namespace]!r} from here"
    elif close:
        fix = close
    elif names:
        fix = f"it has {', '.join(map(repr, names))}"
    else:
        fix = f"it has no '{entry.section}'"
    message = f"no namespace {entry.namespace!r} in import target {entry.location!r}"
    _fail(entry, imported, message, fix)


def _take_consumes(entry: Import, shared: Shared, imported: Imported) -> None:
    imported.consumes.extend(
        replace(api, namespace=entry.alias or api.namespace)
        for api in shared.consumes
        if entry.namespace in (None, api.namespace)
    )


def _take_exposes(entry: Import, shared: Shared, imported: Imported) -> None:
    if entry.alias:
        own = (a for a in shared.adapters if a.namespace == entry.namespace)
        imported.renamed |= {(a.where.source.file, a.namespace): entry.alias for a in own}
    imported.adapters.extend(
        rename_adapter(adapter, entry.alias or adapter.namespace)
        for adapter in shared.adapters
        if adapter.namespace == entry.namespace
    )


def _take_aggregates(entry: Import, shared: Shared, imported: Imported) -> None:
    imported.aggregates.extend(
        rename_aggregate(aggregate, entry.alias or aggregate.namespace)
        for aggregate in shared.aggregates
        if aggregate.namespace == entry.namespace
    )


def _take_binds(entry: Import, shared: Shared, imported: Imported) -> None:
    named = (bind for bind in shared.binds if bind.namespace == entry.namespace)
    _add_binds((replace(b, namespace=entry.alias or b.namespace) for b in named), imported)


def _add_binds(binds: Iterable[Bind], imported: Imported) -> None:
    known = [(bind.where.source.file, bind) for bind in imported.binds]
    imported.binds.extend(bind for bind in binds if (bind.where.source.file, bind) not in known)


_KINDS: Mapping[str, _Kind] = {
    "consumes": _Kind(
        lambda shared: [api.namespace for api in shared.consumes], _take_consumes, "E-CALL-IMPORT"
    ),
    "exposes": _Kind(
        lambda shared: list(dict.fromkeys(adapter.namespace for adapter in shared.adapters)),
        _take_exposes,
    ),
    "aggregates": _Kind(
        lambda shared: [aggregate.namespace for aggregate in shared.aggregates], _take_aggregates
    ),
    "binds": _Kind(lambda shared: [bind.namespace for bind in shared.binds], _take_binds),
}


def _fail(entry: Import, imported: Imported, message: str, fix: str) -> None:
    finding = entry.where.error(_KINDS[entry.section].code, message, fix)
    imported.findings.append(finding)
    if entry.section != "consumes":
        return
    if entry.namespace is None:
        imported.unnamed = finding
    else:
        imported.missing[entry.alias or entry.namespace] = finding


# ---------------------------------------------------------------------------------- repetitions


def _repeated(document: Document, imported: Imported) -> Iterator[Finding]:
    """Tell of flows and binds that are there twice once imports are resolved.

    Of consumed namespaces and adapters, the plan tells: it merges or renames them.
    """
    aggregates = (*document.aggregates, *imported.aggregates)
    seen: set[str] = set()
    for aggregate in aggregates:
        for flow in aggregate.flows:
            name = f"{aggregate.namespace}.{flow.name}"
            if name in seen:
                yield flow.where.warning(
                    "W-FLOW-DUP",
                    f"the shared flow {name!r} is defined twice: the first one counts",
                    "rename one of them, or import one with 'as'",
                )
            seen.add(name)
    sources: dict[tuple[str, str], tuple[str | None, str]] = {}
    for bind in (*document.binds, *imported.binds):
        for variable, key in bind.keys.items():
            declared = (bind.namespace, variable)
            if sources.setdefault(declared, (bind.location, key)) != (bind.location, key):
                yield bind.where.at("keys", variable).warning(
                    "W-BIND-DUP",
                    f"{bind.namespace}.{variable} is declared twice: the first that has a value"
                    " counts",
                    "give each bind a namespace of its own, or import one with 'as'",
                )


def _each_flow_once(aggregates: Iterable[Aggregate]) -> tuple[Aggregate, ...]:
    seen: set[str] = set()
    kept = []
    for aggregate in aggregates:
        flows = []
        for flow in aggregate.flows:
            if (name := f"{aggregate.namespace}.{flow.name}") not in seen:
                seen.add(name)
                flows.append(flow)
        kept.append(replace(aggregate, flows=tuple(flows)))
    return tuple(kept)


# ---------------------------------------------------------------------------------------- files


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


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _shown(path: Path) -> Path:
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


def _shown_file(found: Path, source: Source) -> str:
    """Name an imported file the way the importing one was named: relative or absolute."""
    return str(found if Path(source.file).is_absolute() else _shown(found))
