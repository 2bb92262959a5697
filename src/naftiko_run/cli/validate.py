"""``naftiko-run validate``: every finding of all files in one run."""

import sys
from collections.abc import Sequence

from naftiko_run.cli.status import INVALID, OK
from naftiko_run.loading import report
from naftiko_run.server.prepare import NoClient, load_all, prepare, silent_sandboxes, with_files
from naftiko_run.settings import Settings


def validate(paths: Sequence[str], settings: Settings, form: str) -> int:
    """Report what is wrong with files; returns the exit status."""
    loaded, missing = load_all(paths, settings)
    sandboxes = silent_sandboxes(loaded) if settings.sandbox else None
    prepared = with_files(prepare(loaded, settings, NoClient(), sandboxes=sandboxes), missing)
    files = [each.file for each in loaded]
    sys.stdout.write(report.render(prepared.findings, files, form))
    return INVALID if prepared.has_errors else OK
