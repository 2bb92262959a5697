"""``naftiko-run validate``: every finding of all files in one run."""

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence

from naftiko_run.cli.status import INVALID, OK
from naftiko_run.findings import Severity
from naftiko_run.loading import report
from naftiko_run.server.prepare import find_all
from naftiko_run.settings import Settings

_LONG_SECONDS = 1.0


def validate(paths: Sequence[str], settings: Settings, form: str) -> int:
    """Report what is wrong with files; returns the exit status."""
    # Files come and go one by one: the collector need not look at the modules after each.
    gc.freeze()
    findings, files = find_all(paths, settings, _progress())
    sys.stdout.write(
        report.render(findings, files, form, colour=report.wants_colour(sys.stdout, os.environ))
    )
    return INVALID if any(f.severity is Severity.ERROR for f in findings) else OK


def _progress() -> Callable[[int, int], None]:
    """Show on a terminal how far a long run is; silent anywhere else."""
    began = time.monotonic()
    shown = [0.0]

    def progress(done: int, total: int) -> None:
        now = time.monotonic()
        if not sys.stderr.isatty() or now - began < _LONG_SECONDS:
            return
        if done == total:
            sys.stderr.write("\r\x1b[K")
        elif now - shown[0] > 0.1:
            shown[0] = now
            sys.stderr.write(f"\r{done} of {total} files\x1b[K")
            sys.stderr.flush()

    return progress
