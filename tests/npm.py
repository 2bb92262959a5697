"""Programs of other people for Node, installed with npm once, and kept in pytest's cache."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

NODE = "node@22"
INSTALL_SECONDS = 300


class CannotInstallError(Exception):
    """The packages cannot be had here; the message says why."""


def installed(config: pytest.Config, name: str, packages: Sequence[str]) -> Path:
    """Install packages and the Node that they need into a folder of this name; gives the folder.

    Skips the test where that is not possible, but not where ``NAFTIKO_CONFORMANCE=required``.
    """
    cache = config.cache
    assert cache is not None
    try:
        return install(cache.mkdir(name), packages)
    except CannotInstallError as error:
        if os.environ.get("NAFTIKO_CONFORMANCE") == "required":
            raise
        pytest.skip(f"other people's programs are not run: {error}")


def node_of(folder: Path) -> Path:
    """The Node that was installed."""
    return folder / "node_modules" / ".bin" / "node"


def install(folder: Path, packages: Sequence[str]) -> Path:
    """Install packages, and Node, into a folder, once.

    Raises:
        CannotInstallError: there is no npm, or no registry that it reaches.
    """
    wanted = " ".join((NODE, *packages))
    mark = folder / "installed"
    if mark.exists() and mark.read_text() == wanted and node_of(folder).exists():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstallError("npm is not installed")
    command = [npm, "install", "--no-fund", "--no-audit", "--prefix", str(folder), NODE, *packages]
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
    if done.returncode or not node_of(folder).exists():
        why = " ".join(done.stderr.strip().splitlines()[-3:])
        raise CannotInstallError(f"npm could not install {wanted}: {why}")
    mark.write_text(wanted)
    return folder
