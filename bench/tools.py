"""What a run needs on the machine: the peers in an environment of their own, wrk, nginx, Caddy."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from processes import BenchError

HERE = Path(__file__).parent
VENV = HERE / ".venv"
PYTHON = VENV / "bin" / "python"
_REQUIREMENTS = HERE / "requirements.txt"
_STAMP = VENV / ".installed"
_SHOWN = ("starlette", "fastapi", "httpx", "httpx2", "pyreqwest", "uvicorn", "mcp", "fastmcp")


def install_peers() -> None:
    """Make the peers' environment where it is missing or older than its requirements."""
    if _STAMP.exists() and _STAMP.stat().st_mtime >= _REQUIREMENTS.stat().st_mtime:
        return
    print("installing the peers into bench/.venv ...", flush=True)
    try:
        if not PYTHON.exists():
            _run([sys.executable, "-m", "venv", str(VENV)])
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "-r", str(_REQUIREMENTS)])
    except subprocess.CalledProcessError as error:
        raise BenchError(f"the peers cannot be installed: {error}") from None
    _STAMP.touch()


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


def find_programs() -> dict[str, str]:
    """Find the programs from Debian; without wrk and nginx nothing can be measured."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    found = {
        name: where
        for name in ("wrk", "nginx", "caddy")
        if (where := shutil.which(name, path=path))
    }
    if missing := [name for name in ("wrk", "nginx") if name not in found]:
        raise BenchError(
            f"{' and '.join(missing)} not found: on Debian, apt-get install wrk nginx-light caddy"
        )
    if "caddy" not in found:
        print("caddy not found (apt-get install caddy): it is left out")
    return found


def machine() -> dict[str, str]:
    """Describe the machine and the versions of a run."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "?")
    memory = Path("/proc/meminfo").read_text().split()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{model}, {os.cpu_count()} cores, shared with the upstream and wrk",
        "memory": f"{int(memory[1]) / 1024 / 1024:.0f} GB",
        "system": f"Linux {platform.release().partition('-')[0]}, {_distribution()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f} when the run began",
    }


def _distribution() -> str:
    return str(platform.freedesktop_os_release().get("PRETTY_NAME", "?"))


def versions(programs: dict[str, str]) -> dict[str, str]:
    """The versions of everything that is measured."""
    code = f"from importlib.metadata import version\nfor n in {_SHOWN!r}: print(n, version(n))"
    peers = subprocess.run([str(PYTHON), "-c", code], check=True, capture_output=True, text=True)
    found = {"naftiko-run": f"{version('naftiko-run')}{_commit()}"}
    for name in ("uvloop", "httptools", "pyreqwest", "orjson", "mcp"):
        found["naftiko-run"] += f", {name} {version(name)}"
    found |= dict(line.split(" ", 1) for line in peers.stdout.splitlines())
    for name, flags in (("nginx", "-v"), ("caddy", "version"), ("wrk", "-v")):
        if name in programs:
            said = subprocess.run(
                [programs[name], flags], capture_output=True, text=True, check=False
            )
            first = (said.stdout + said.stderr).strip().partition("\n")[0]
            found[name] = next(
                (word.rpartition("/")[2] for word in first.split() if any(map(str.isdigit, word))),
                "?",
            )
    return found


def _commit() -> str:
    said = subprocess.run(
        ["git", "-C", str(HERE), "describe", "--always", "--dirty"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return f" (commit {said.stdout.strip()})" if said.returncode == 0 else ""
