"""The conformance suite as a program: run against a URL, its findings read."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.npm import node_of

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
RUN_SECONDS = 300


@dataclass(frozen=True)
class Suite:
    """The suite's program."""

    node: Path
    script: Path

    def scored(self, revision: str) -> tuple[str, ...]:
        """The scenarios that a revision requires of servers."""
        file = self.script.parents[1] / "requirements" / f"{revision}.yaml"
        return tuple(yaml.safe_load(file.read_text())["server"])

    def run(self, url: str, revision: str, out: Path) -> dict[str, dict[str, str]]:
        """Run what a revision requires, and what is not scored; gives failed checks by scenario.

        Scenarios that passed are there too, without checks.
        """
        command = [str(self.node), str(self.script), "server", "--url", url, "-o", str(out)]
        done = subprocess.run(
            [*command, "--requirements", revision],
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        found = dict(_read(file) for file in out.glob("*/checks.json"))
        if not found:
            raise AssertionError(f"the suite did not run: {done.stdout}{done.stderr}")
        return found


def _read(file: Path) -> tuple[str, dict[str, str]]:
    # server-<scenario>-<time>
    scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT[^/]*$", "", file.parent.name)
    checks = json.loads(file.read_text())
    return scenario, {
        str(check["id"]): str(check.get("errorMessage", ""))
        for check in checks
        if check["status"] == "FAILURE"
    }


def suite_in(folder: Path) -> Suite:
    """The suite in the folder that it was installed into."""
    package = folder / "node_modules" / "@modelcontextprotocol" / "conformance"
    return Suite(node_of(folder), package / "dist" / "index.js")
