"""Load on one server: rounds of wrk, what the server's processes spent on them, and medians."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from processes import BenchError, Request, Tree, ask

SCRIPT = Path(__file__).with_name("request.lua")


@dataclass
class Round:
    """One round on one server."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    cpu: float = 0.0
    unevenness: float = 0.0
    """How far the busiest process is from an equal share of what was written: 0.2 is 20 %."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cost(self) -> float:
        """CPU µs per request."""
        return self.cpu / max(self.requests, 1) * 1e6


@dataclass
class Contender:
    """A running server and the request that it is asked."""

    name: str
    process: Tree
    port: int
    request: Request
    expected: Any = None
    """The JSON value that it must answer, None where any will do."""
    read: Callable[[bytes], Any] = json.loads
    second_port: int = 0
    """Where a second thread of the load generator sends its half, 0 where there is none."""
    pause: int = 0
    """Milliseconds, on average, that a connection rests before each request."""
    rounds: list[Round] = field(default_factory=list)
    problem: str = ""

    def verify(self) -> None:
        """Ask once and compare, so that nobody is timed while doing something else."""
        status, body = ask(self.port, self.request)
        if status != 200:
            raise BenchError(f"{self.name} answers {status}: {body[:200]!r}")
        if self.expected is not None and self.read(body) != self.expected:
            raise BenchError(f"{self.name} answers something else: {body[:200]!r}")

    def run(self, connections: int, seconds: int) -> Round:
        cpu, written = self.process.cpu(), self.process.written()
        result = wrk(
            self.port, self.request, connections, seconds,
            second_port=self.second_port, pause=self.pause,
        )  # fmt: skip
        result.cpu = self.process.cpu() - cpu
        result.unevenness = _unevenness(written, self.process.written())
        self._settle()
        return result

    def _settle(self) -> None:
        """Wait until the server has given up what wrk left behind: it is the next one's turn."""
        for _ in range(50):
            before = self.process.cpu()
            time.sleep(0.1)
            if self.process.cpu() - before < 0.02:
                return

    def summary(self) -> dict[str, Any]:
        """Medians of the rounds, and the spread of the CPU time."""
        costs = [each.cost for each in self.rounds]
        now, peak = self.process.memory()
        return {
            "name": self.name,
            "problem": self.problem,
            "cpu": median(costs),
            "low": min(costs),
            "high": max(costs),
            "rate": median(each.rate for each in self.rounds),
            "p50": median(each.p50 for each in self.rounds),
            "p99": median(each.p99 for each in self.rounds),
            "errors": sum(each.errors for each in self.rounds),
            "unevenness": median(each.unevenness for each in self.rounds),
            "rss": now,
            "peak": peak,
            "rounds": [
                asdict(each) | {"cost": each.cost, "rate": each.rate} for each in self.rounds
            ],
        }


def _unevenness(before: Mapping[int, int], after: Mapping[int, int]) -> float:
    amounts = [total - before[pid] for pid, total in after.items() if pid in before]
    # A supervisor serves nobody: it writes next to nothing.
    serving = [amount for amount in amounts if amount > sum(amounts) / 100]
    return max((abs(x * len(serving) / sum(serving) - 1) for x in serving), default=0.0)


def wrk(
    port: int, request: Request, connections: int, seconds: int,
    *, second_port: int = 0, pause: int = 0,
) -> Round:  # fmt: skip
    """One run of the load generator."""
    program = shutil.which("wrk")
    if program is None:
        raise BenchError("wrk is not installed")
    url = f"http://127.0.0.1:{port}{request.path}"
    options = [f"-c{connections}", f"-t{2 if second_port else 1}", f"-d{seconds}s"]
    options += ["--timeout", "10s", "-s", str(SCRIPT)]
    arguments = [str(second_port), str(pause), request.method, request.body, *request.headers]
    answer = subprocess.run(
        [program, *options, url, "--", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    for line in answer.stdout.splitlines():
        if line.startswith("RESULT "):
            return Round(**json.loads(line.removeprefix("RESULT ")))
    raise BenchError(f"wrk failed: {(answer.stderr or answer.stdout)[-300:]}")


def interleave(
    contenders: Sequence[Contender], connections: int, rounds: int, seconds: int
) -> list[dict[str, Any]]:
    """Warm every server up, then let them take turns; a server that fails is left out."""
    for contender in contenders:
        _guarded(contender, contender.verify)
        if not contender.problem:
            _guarded(contender, lambda c=contender: c.run(connections, 1))
    for number in range(rounds):
        # Turn about, so that no one always follows the same neighbour.
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            if not contender.problem:
                _guarded(
                    contender, lambda c=contender: c.rounds.append(c.run(connections, seconds))
                )
    return [c.summary() if c.rounds else {"name": c.name, "problem": c.problem} for c in contenders]


def _guarded(contender: Contender, step: Callable[[], object]) -> None:
    try:
        step()
    except (BenchError, OSError, ValueError) as error:
        contender.problem = str(error)
