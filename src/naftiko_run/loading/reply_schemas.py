"""Schema files of replies: what ``outputSchema`` names is read when the document is loaded.

A file is looked for as an import is: in the folder of the file that names it, in that folder's
parent, then in each import folder; nothing outside those folders is read, symlinks included.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.loading.files import Source, content_of
from naftiko_run.loading.imports import find
from naftiko_run.spec.document import ConsumedOperation, Consumes

FORMATS: Final = frozenset({"avro", "protobuf"})
"""The raw formats whose ``outputSchema`` is a file."""

MOST_BYTES: Final = 1024 * 1024


def resolve(
    consumes: Iterable[Consumes],
    folders: Sequence[Path],
    read_bytes: Callable[[Path, int], bytes] = content_of,
) -> tuple[tuple[Consumes, ...], tuple[Path, ...]]:
    """Read the files that operations name; the second are the paths of those that were read."""
    files: dict[Path, None] = {}

    def resolved(operation: ConsumedOperation) -> ConsumedOperation:
        source = operation.where.source
        if operation.raw_format not in FORMATS or not operation.schema.strip():
            return operation
        home = source.path.parent if isinstance(source, Source) else Path(source.file).parent
        found, outside = find(operation.schema.strip(), [home, home.parent, *folders])
        if found is None:
            return replace(operation, problem=_missing(operation, outside))
        files[found] = None
        try:
            text = read_bytes(found, MOST_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            return replace(operation, problem=_problem(operation, "is not UTF-8", "save it so"))
        except (OSError, ValueError) as error:
            why = (error.strerror or "") if isinstance(error, OSError) else str(error)
            what = f"cannot be read: {why[:1].lower()}{why[1:]}"
            return replace(operation, problem=_problem(operation, what, "mend it"))
        return replace(operation, schema_text=text)

    apis = tuple(replace(c, operations=tuple(map(resolved, c.operations))) for c in consumes)
    return apis, tuple(files)


def _missing(operation: ConsumedOperation, outside: Path | None) -> Finding:
    if outside is None:
        fix = "put it beside the file that names it, or name its folder with --import-path"
        return _problem(operation, "is not there", fix)
    return _problem(
        operation,
        "lies outside the folders that may be read",
        f"move it, or start with --import-path {outside.parent}",
    )


def _problem(operation: ConsumedOperation, what: str, fix: str) -> Finding:
    return operation.where.at("outputSchema").error(
        "E-FORMAT-SCHEMA", f"the schema file {operation.schema!r} {what}", fix
    )
