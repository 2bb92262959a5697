"""What a person reads: findings and messages on stderr, one line each."""

import sys
from collections.abc import Sequence

from naftiko_run.findings import Finding


def show(findings: Sequence[Finding]) -> None:
    """Print one line per finding; a variable that many files lack is told once."""
    told: set[str] = set()
    for finding in findings:
        if finding.code == "I-VAR-UNSET":
            if finding.message in told:
                continue
            told.add(finding.message)
        print(printable(str(finding)), file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print a message of the command itself."""
    print(printable(f"naftiko-run: {text}"), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Write control characters so that they cannot steer a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
