"""``python -m naftiko_run`` is the command ``naftiko-run``."""

import sys

from naftiko_run.cli import main

sys.exit(main())
