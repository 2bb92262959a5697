"""The command line: arguments become settings, settings a run, and its end an exit status.

Exit status: 0 stopped as asked, 1 a file is invalid or nothing can be served, 2 wrong usage,
3 a listener could not start.
"""

import gc
import sys
from collections.abc import Sequence

from naftiko_run.cli import arguments
from naftiko_run.cli.status import OK, USAGE
from naftiko_run.settings import UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    # What modules and documents bring stays: a search for garbage among it finds next to nothing.
    gc.set_threshold(50_000, 20, 100)
    try:
        chosen = arguments.parse(sys.argv[1:] if argv is None else list(argv))
        return chosen.run()
    except UsageError as error:
        print(f"naftiko-run: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return OK
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain once more at exit.
        sys.stdout = None
        return OK
