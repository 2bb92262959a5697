"""The command as a process of its own: what it prints, where it listens, how it ends."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
KEYS = str(ROOT / "capabilities" / "api-key-management.yaml")
IDENTITIES = str(ROOT / "capabilities" / "identity-management.yaml")
CAPABILITIES = (KEYS, IDENTITIES)
KEYS_REST, KEYS_MCP = "unkey-key-management-api", "unkey-key-management-mcp"
IDENTITIES_REST, IDENTITIES_MCP = "unkey-identity-api", "unkey-identity-mcp"
ADAPTERS = (KEYS_REST, KEYS_MCP, IDENTITIES_REST, IDENTITIES_MCP)

PATIENCE = 30.0
"""Seconds after which something that was awaited counts as never happening."""

_SERVED = re.compile(r"(?:^|^naftiko-run: | and )(REST|MCP|Skills) (http://\S+) \(")
_PRIVATE = ("UNKEY_", "NAFTIKO_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE")


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a process: this one's, without what the command would read of it."""
    plain = {n: v for n, v in os.environ.items() if not n.upper().startswith(_PRIVATE)}
    return {**plain, **(given or {})}


def command(*arguments: str) -> list[str]:
    """Give the command line of the command."""
    return [sys.executable, "-m", "naftiko_run", *arguments]


def run(
    *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path = ROOT, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=cwd,
        env=environment(environ),
        check=False,
    )


class Lines:
    """What a process writes to one stream, line by line, and a way to wait for it."""

    def __init__(self, stream: IO[str]) -> None:
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        stream.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def all(self) -> list[str]:
        """The lines so far."""
        with self._changed:
            return list(self._lines)

    @property
    def text(self) -> str:
        """The lines so far as one text."""
        return "\n".join(self.all)

    def wait_for(self, holds: Callable[[list[str]], bool]) -> bool:
        """Wait until the lines fulfil something; False where the stream ends without that."""
        with self._changed:
            return self._changed.wait_for(
                lambda: holds(self._lines) or self._ended, PATIENCE
            ) and holds(self._lines)

    def wait_for_text(self, text: str, times: int = 1) -> bool:
        """Wait until so many lines contain a text."""
        return self.wait_for(lambda lines: sum(text in line for line in lines) >= times)

    def join(self) -> None:
        """Wait for the end of the stream."""
        self._thread.join(PATIENCE)


class Process:
    """The command while it runs: its streams, and the addresses that it printed."""

    def __init__(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.popen = subprocess.Popen(
            command(*arguments),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=environment(environ),
        )
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        self.out = Lines(self.popen.stdout)
        self.err = Lines(self.popen.stderr)

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.popen.poll() is None

    @property
    def addresses(self) -> dict[str, str]:
        """The URL of each adapter, as the process printed it last."""
        return {**addresses(self.out.all), **addresses(self.err.all)}

    def wait_for_adapters(self, *names: str) -> None:
        """Wait until every one of these adapters is announced."""
        served = self.out.wait_for(lambda lines: set(names) <= addresses(lines).keys())
        assert served, f"not served: {self.out.text}\n{self.err.text}"

    def url(self, adapter: str) -> str:
        """Give the URL of an adapter."""
        return self.addresses[adapter]

    def port(self, adapter: str) -> int:
        """Give the port of an adapter."""
        return int(self.url(adapter).split(":")[2].partition("/")[0])

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.popen.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; gives the exit status."""
        status = self.popen.wait(PATIENCE)
        self.out.join()
        self.err.join()
        return status

    def stop(self) -> int:
        """Ask it to stop, and wait for that."""
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it whatever it does."""
        self.popen.kill()
        self.wait()

    @property
    def memory_peak(self) -> int:
        """The most bytes that it ever had in memory (``VmHWM``)."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def addresses(lines: Sequence[str]) -> dict[str, str]:
    """Read the lines that say what is served; of one adapter the last counts."""
    found: dict[str, str] = {}
    for line in lines:
        served, _, names = line.rpartition(": ")
        urls = [match[2] for match in _SERVED.finditer(served)]
        adapters = names.split(", ")
        if not urls:
            continue
        found |= dict.fromkeys(adapters, urls[0])
        # Of a listener with several faces each MCP endpoint has an address of its own.
        found |= dict(zip(adapters[-len(urls) :], urls, strict=False)) if len(urls) > 1 else {}
    return found


@contextmanager
def serving(
    *arguments: str,
    adapters: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Iterator[Process]:
    """Serve with these adapters on free ports, from the time that they are announced."""
    moved = [word for name in adapters for word in ("--port", f"{name}=0")]
    process = Process(*arguments, *moved, environ=environ, cwd=cwd)
    try:
        process.wait_for_adapters(*adapters)
        yield process
        if process.running:
            assert process.stop() == 0, process.err.text
    finally:
        if process.running:
            process.kill()


def until(holds: Callable[[], bool]) -> bool:
    """Wait for what has no event: look again and again, up to the end of our patience."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
