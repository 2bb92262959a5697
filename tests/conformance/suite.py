"""The conformance suite as a program: installed with npm, run against a URL, its findings read."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

NODE = "node@22"
SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
INSTALL_SECONDS = 300
RUN_SECONDS = 300


class CannotInstallError(Exception):
    """The suite cannot be had here; the message says why."""


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


def install(folder: Path) -> Suite:
    """Install the suite, with the Node that it needs, once.

    Raises:
        CannotInstallError: there is no npm, or no registry that it reaches.
    """
    modules = folder / "node_modules"
    suite = Suite(
        modules / ".bin" / "node",
        modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js",
    )
    if suite.node.exists() and suite.script.exists():
        return suite
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstallError("npm is not installed")
    command = [npm, "install", "--no-fund", "--no-audit", "--prefix", str(folder), NODE, SUITE]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
            env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
        )
    except subprocess.TimeoutExpired:
        raise CannotInstallError(f"npm took longer than {INSTALL_SECONDS} seconds") from None
    if done.returncode or not suite.script.exists() or not suite.node.exists():
        why = " ".join(done.stderr.strip().splitlines()[-3:])
        raise CannotInstallError(f"npm could not install {NODE} and {SUITE}: {why}")
    return suite
