"""``naftiko-run migrate``: a document in another version of the language."""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from naftiko_run.cli.status import INVALID, OK
from naftiko_run.errors import DocumentError
from naftiko_run.findings import Finding, in_order
from naftiko_run.loading import report
from naftiko_run.loading.files import read
from naftiko_run.loading.migrate.document import migrate as migrate_document
from naftiko_run.loading.migrate.language import VERSIONS, Version, versions
from naftiko_run.settings import UsageError


def migrate(path: str, to: str, output: str | None) -> int:
    """Write a document in another version to a file or to stdout; returns the exit status."""
    target = _target(to)
    try:
        source = read(path)
    except DocumentError as error:
        _tell(list(error.findings), path)
        return INVALID
    migrated = migrate_document(source, target)
    if migrated.findings:
        _tell(in_order(migrated.findings), path)
    if migrated.text is None:
        return INVALID
    if output is None:
        sys.stdout.buffer.write(migrated.text.encode())
        sys.stdout.buffer.flush()
    else:
        _write(Path(output), migrated.text)
    return OK


def _target(text: str) -> Version:
    found = versions(text)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"--to: {text!r} may be {' or '.join(map(repr, map(str, found)))}")
    known = ", ".join(map(str, VERSIONS))
    raise UsageError(f"--to: no version {text!r} of the language; there is {known}")


def _tell(findings: list[Finding], file: str) -> None:
    colour = report.wants_colour(sys.stderr, os.environ)
    sys.stderr.write(report.render(findings, [file], "text", colour=colour))


def _write(path: Path, text: str) -> None:
    """Put the text in the place of the file at once: a failure leaves the old one."""
    made = ""
    try:
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(made).chmod(path.stat().st_mode if path.exists() else 0o666 & ~_umask())
        Path(made).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(made).unlink()
        reason = (error.strerror or "cannot be written").lower()
        raise UsageError(f"--output {path}: {reason}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
