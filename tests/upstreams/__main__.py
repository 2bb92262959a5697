"""Run both APIs until they are interrupted: ``python -m tests.upstreams``."""

import argparse
import signal
import sys
import threading

from tests.e2e.upstream import recording
from tests.upstreams import dockyard, registry

REGISTRY_PORT, DOCKYARD_PORT = 8701, 8702
"""Where the examples look for them."""


def main() -> None:
    """Serve; the first line says where."""
    parser = argparse.ArgumentParser("python -m tests.upstreams", description=__doc__)
    parser.add_argument("--registry-port", type=int, default=REGISTRY_PORT, metavar="PORT")
    parser.add_argument("--dockyard-port", type=int, default=DOCKYARD_PORT, metavar="PORT")
    given = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with recording(given.registry_port) as first, recording(given.dockyard_port) as second:
            first.reply, second.reply = registry.answer, dockyard.answer
            sys.stdout.write(f"Maritime Registry {first.url}, Legacy Dockyard {second.url}\n")
            sys.stdout.flush()
            stopped.wait()
    except OSError as error:
        sys.exit(f"cannot listen: {error}")


if __name__ == "__main__":
    main()
