"""From the names of files to documents that are ready to compile."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.errors import DocumentError
from naftiko_run.findings import Finding, Severity
from naftiko_run.loading import binds, contents, imports, reply_schemas, scripts
from naftiko_run.loading.files import Source, read
from naftiko_run.loading.rules import check as check_rules
from naftiko_run.loading.schema import unless_told
from naftiko_run.spec.document import Document, Loaded
from naftiko_run.spec.reader import read as read_document
from naftiko_run.types import Discreet, without

SUFFIXES = (".yaml", ".yml")


class Settings(Discreet, Struct, frozen=True):
    """What loading needs to know besides the files.

    ``folders`` are further places for imports; ``given`` the variables of the command line.
    """

    folders: tuple[Path, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False

    def __repr__(self) -> str:
        return without(self, "given", "environ")


def load(path: Path, settings: Settings, *, schema: Callable[..., list[Finding]]) -> Loaded:
    """Load one capability file; whatever is wrong with it becomes findings."""
    file = str(path)
    try:
        source = read(path)
    except DocumentError as error:
        return Loaded(file=file, findings=list(error.findings))
    document, findings = read_document(source, source.data)
    if source.cut is not None:
        document, findings = _of_a_cut_copy(source, document, findings)
    if document is None:
        if any(finding.code in ("E-NO-CAPABILITY", "I-SHARED") for finding in findings):
            # A file that only shares is no less a document of the language.
            findings.extend(unless_told(schema(source, strict=settings.strict), findings))
        return Loaded(file=file, findings=findings, files=(source.path,))
    findings.extend(unless_told(schema(source, strict=settings.strict), findings))
    imported = imports.resolve(
        document, source, lambda name, target: read(target, file=name), settings.folders
    )
    findings.extend(check_rules(imports.merged(document, imported), source, source.data))
    values, unset = binds.resolve(
        (*document.binds, *imported.binds),
        source.path.parent,
        given=settings.given,
        environ=settings.environ,
    )
    consumes, schemas = reply_schemas.resolve(
        (*document.consumes, *imported.consumes), settings.folders
    )
    whole = imports.merged(document, imported)
    adapters, texts = contents.resolve(whole.adapters)
    complete, programs = scripts.resolve(replace(whole, adapters=adapters), settings.environ)
    return Loaded(
        file=file,
        document=complete,
        consumes=consumes,
        binds=values,
        findings=[*findings, *imported.findings, *unset],
        missing=imported.missing,
        anything_missing=imported.unnamed,
        files=(source.path, *imported.files, *schemas, *texts, *programs),
    )


def _of_a_cut_copy(
    source: Source, document: Document | None, findings: list[Finding]
) -> tuple[Document | None, list[Finding]]:
    """Say of a shortened copy that it is one; what the cut itself broke is not told again.

    The last unit is left out where the cut took its call away, or a part of it.
    """
    if document is None:
        return None, [source.cut_finding(Severity.ERROR)]
    told = [source.cut_finding(Severity.WARNING)]
    last = document.adapters[-1] if document.adapters else None
    if last is None or not last.units:
        return document, [*told, *findings]
    unit = last.units[-1]
    path = unit.where.path
    findings = [f for f in findings if f.path[: len(path)] != path]
    known = {f"{api.namespace}.{each.name}" for api in document.consumes for each in api.operations}
    if unit.call is None or (unit.call not in known and not document.imports):
        shorter = replace(last, units=last.units[:-1])
        document = replace(document, adapters=(*document.adapters[:-1], shorter))
    return document, [*told, *findings]


def expand(names: Iterable[str]) -> tuple[list[Path], list[Finding]]:
    """Turn files, folders and globs into files, each once, in order.

    A folder stands for its ``*.yaml`` and ``*.yml``, not recursive.
    """
    paths: dict[Path, None] = {}
    findings: list[Finding] = []
    for name in names:
        found = _expand_one(name)
        if not found:
            findings.append(_nothing(name))
        paths.update(dict.fromkeys(found))
    return list(paths), findings


def _expand_one(name: str) -> Sequence[Path]:
    path = Path(name)
    if path.is_dir():
        with suppress(OSError):  # a folder that may not be read has nothing for us
            return sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and not p.is_dir())
        return []
    if path.exists() or not any(c in name for c in "*?["):
        return [path]
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(anchor)) if path.is_absolute() else name
    with suppress(ValueError, NotImplementedError):  # '**' inside a name
        return sorted(p for p in anchor.glob(pattern) if not p.is_dir())
    return []


def _nothing(name: str) -> Finding:
    folder = Path(name).is_dir()
    return Finding(
        code="E-FILE",
        severity=Severity.ERROR,
        message="the folder has no *.yaml or *.yml file" if folder else "no file matches",
        fix="name a capability file, a folder or a glob",
        file=name,
    )
