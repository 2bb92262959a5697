"""Measure naftiko-run beside its peers: ``make bench``, or ``make bench QUICK=1`` for a look.

Everything runs on the loopback interface of this machine and takes turns in rounds; what counts is
the CPU time that a server's processes spend per request, as that moves least with whatever else
the machine does. Ratios are medians of ratios within a round. The results go to RESULTS.md and
results.svg beside this file; a quick run prints them instead.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any, NoReturn

import report
import specs
import tools
from load import Contender, interleave, wrk
from processes import BenchError, Process, Processes, Request, SideBySide, free_port

QUICK = os.environ.get("QUICK", "") not in ("", "0")
CONTENT = ("Content-Type: application/json",)
OURS = "naftiko-run"
PEERS = {
    "Starlette + pyreqwest": "starlette_pyreqwest",
    "Starlette + httpx2": "starlette_httpx2",
    "Starlette + httpx": "starlette_httpx",
    "FastAPI + httpx": "fastapi_httpx",
}
MOST_SECONDS = 90 if QUICK else 720
"""After this nothing further is begun."""

PAUSE = 16
"""Milliseconds between two requests of a connection where the load is less than can be served."""

MODERN, LEGACY = "2026-07-28", "2025-11-25"
CAPABILITIES = sorted((tools.HERE.parent / "capabilities").glob("*.yaml"))

Row = dict[str, Any]


class Bench:
    """One run: its folder, its upstreams and the rows that it has measured."""

    def __init__(self, folder: Path, processes: Processes, programs: dict[str, str]) -> None:
        self.folder = folder
        self.processes = processes
        self.programs = programs
        self.port, self.slow_port = free_port(), free_port()
        self.upstream = f"http://127.0.0.1:{self.port}"
        self.slow = f"http://127.0.0.1:{self.slow_port}"
        self.cells: list[Row] = []
        self.facts: Row = {}
        self.deadline = time.monotonic() + MOST_SECONDS

    def missing(self, what: str) -> None:
        print(what, flush=True)
        self.facts.setdefault("missing", []).append(what)

    # ------------------------------------------------------------------------------ servers

    def start_upstreams(self) -> None:
        replies = self.folder / "replies"
        specs.write_replies(replies)
        self.start_nginx("upstream", specs.write_upstream(self._new("up"), self.port, replies))
        slow = [str(tools.PYTHON), str(tools.HERE / "slow.py"), str(self.slow_port)]
        late = self.processes.start("slow upstream", [*slow, str(replies / "small")])
        late.until(self.slow_port, Request("GET", "/"))

    def start_nginx(self, name: str, configuration: Path) -> Process:
        folder = configuration.parent
        flags = ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
        return self.processes.start(name, [self.programs["nginx"], *flags])

    def start_ours(self, files: Sequence[Path], *options: str) -> Process:
        command = [sys.executable, "-m", "naftiko_run", "serve", *map(str, files), *options]
        return self.processes.start(OURS, command, {"BENCH_TOKEN": specs.TOKEN})

    def start_peer(self, name: str, module: str, port: int, **env: str) -> Process:
        command = [str(tools.PYTHON), "-m", "uvicorn", f"{module}:app", "--port", str(port)]
        command += ["--app-dir", str(tools.HERE / "peers"), "--loop", "uvloop"]
        command += ["--http", "httptools", "--ws", "none", "--no-access-log", "--backlog", "2048"]
        command += ["--no-proxy-headers", "--no-server-header", "--log-level", "warning"]
        return self.processes.start(
            name,
            command,
            {"BENCH_UPSTREAM": self.upstream, "BENCH_SLOW": self.slow, **env},
        )

    def _new(self, name: str) -> Path:
        return self.folder / name

    def measure(
        self, key: str, title: str, contenders: Sequence[Contender], *, connections: int = 32,
        rounds: int = 3, seconds: int = 2,
    ) -> None:  # fmt: skip
        if time.monotonic() > self.deadline:
            self.missing(f"{title}: the time was up")
            return
        if QUICK:
            rounds, seconds = min(rounds, 2), 1
        print(f"{title} ...", flush=True)
        rows = interleave(contenders, connections, rounds, seconds)
        cell = {"key": key, "title": title, "connections": connections, "rows": rows}
        self.cells.append(cell)
        report.show(cell)

    # --------------------------------------------------------------------------------- REST

    def rest(self) -> None:
        """Replies of three sizes, a mapped POST, 1 to 256 connections, a slow upstream."""
        servers = self._rest_servers()
        post = Request("POST", "/items", json.dumps(specs.ARGUMENTS), CONTENT)

        def among(
            names: Sequence[str], request: Request, expected: Any = None  # noqa: ANN401
        ) -> list[Contender]:  # fmt: skip
            return [
                Contender(name, *servers[name], request, expected)
                for name in names
                if name in servers
            ]

        everyone = list(servers)
        few = [OURS, "Starlette + pyreqwest", "Starlette + httpx2"]
        self.measure(
            "post", "POST with body mapping, 300 B",
            among(everyone, post, specs.reply("small")), rounds=5,
        )  # fmt: skip
        for size, shown in (("small", "300 B"), ("medium", "10 KB"), ("large", "1 MB")):
            if QUICK and size != "medium":
                continue
            names = few if QUICK else everyone
            contenders = among(names, Request("GET", f"/{size}"), specs.reply(size))
            mapped = Request("GET", f"/{size}-mapped")
            contenders.insert(
                1, Contender(f"{OURS}, mapped", *servers[OURS], mapped, specs.reply(size))
            )
            self.measure(f"get-{size}", f"GET, {shown}", contenders)
        for connections in (1, 64, 256):
            if QUICK and connections != 256:
                continue
            self.measure(
                f"connections-{connections}", f"POST with body mapping, {connections} connections",
                among(few, post, specs.reply("small")), connections=connections,
            )  # fmt: skip
        slow = Request("POST", "/slow", json.dumps(specs.ARGUMENTS), CONTENT)
        self.measure(
            "slow", "POST, the upstream takes 20 ms, 256 connections",
            among(few, slow, specs.reply("small")), connections=256, seconds=3,
        )  # fmt: skip
        self._end(process for process, _ in servers.values())

    def _rest_servers(self) -> dict[str, tuple[Process, int]]:
        ready = Request("GET", "/small")
        ports = {name: free_port() for name in (OURS, *PEERS)}
        file = specs.write_rest(self.folder, self.upstream, self.slow, ports[OURS])
        servers = {OURS: (self.start_ours([file]), ports[OURS])}
        for name, module in PEERS.items():
            if not (QUICK and name.startswith("FastAPI")):
                servers[name] = (self.start_peer(name, module, ports[name]), ports[name])
        port = free_port()
        configuration = specs.write_nginx(self._new("nginx"), port, self.port)
        servers["nginx (proxies)"] = (self.start_nginx("nginx", configuration), port)
        if "caddy" in self.programs:
            port = free_port()
            configuration = specs.write_caddy(self._new("caddy"), port, self.port)
            home = str(configuration.parent)
            command = [self.programs["caddy"], "run", "--adapter", "caddyfile"]
            process = self.processes.start(
                "Caddy",
                [*command, "--config", str(configuration)],
                {"XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "GOMAXPROCS": "1"},
            )
            servers["Caddy (proxies)"] = (process, port)
        for process, port in servers.values():
            process.until(port, ready)
        return servers

    def _end(self, processes: Any) -> None:  # noqa: ANN401 - any iterable of processes
        for process in processes:
            process.end()

    # ---------------------------------------------------------------------------------- MCP

    def mcp(self) -> None:
        """tools/call of one tool among few and many, in both eras of the protocol."""
        for count in (100,) if QUICK else (1, 100, 1000):
            ports = [free_port() for _ in range(3)]
            env = {"BENCH_TOOLS": str(count)}
            file = specs.write_tools(self.folder, self.upstream, count, ports[0])
            servers = {
                OURS: (self.start_ours([file]), ports[0]),
                "mcp SDK low-level + pyreqwest": (
                    self.start_peer("SDK", "mcp_lowlevel", ports[1], **env),
                    ports[1],
                ),
                "FastMCP from_openapi": (
                    self.start_peer("FastMCP", "fastmcp_openapi", ports[2], **env),
                    ports[2],
                ),
            }
            for process, port in servers.values():
                process.until(port, tools_call("create-item-0", MODERN))
            for era in (MODERN, LEGACY):
                contenders = [
                    Contender(
                        name, process, port,
                        tools_call(f"create-item-{count - 1}", era, peer=name),
                        specs.reply("small"), structured,
                    )
                    for name, (process, port) in servers.items()
                ]  # fmt: skip
                number = f"{count} tool{'s' if count > 1 else ''}"
                self.measure(f"mcp-{count}-{era}", f"MCP tools/call, {number}, {era}", contenders)
            self._end(process for process, _ in servers.values())

    # ------------------------------------------------------------------------- routes, workers

    def routes(self) -> None:
        """A route with a placeholder, the last of 10 and of up to 20,000."""
        contenders = []
        for count in report.ROUTES:
            port = free_port()
            folder = self._new(f"routes-{count}")
            folder.mkdir()
            specs.write_routes(folder, self.upstream, count, port)
            process = self.start_ours([folder])
            last = count - 1
            request = Request("GET", f"/group-{last // 100}/resource-{last}/4711")
            process.until(port, request, seconds=180)
            contenders.append(
                Contender(f"{count:,} routes", process, port, request, specs.reply("small"))
            )
        self.measure("routes", "GET, number of routes", contenders, rounds=12, seconds=1)
        self._end(contender.process for contender in contenders)

    def workers(self) -> None:
        """One process, two servers of one process side by side, and one server of two workers.

        The second is what two processes cost on this machine, whoever starts them.
        """
        request = Request("POST", "/items", json.dumps(specs.ARGUMENTS), CONTENT)
        servers = []
        for name, count in (("alone", 1), ("beside", 1), ("pair", 2)):
            port = free_port()
            folder = self._new(f"workers-{name}")
            folder.mkdir()
            file = specs.write_rest(folder, self.upstream, self.slow, port)
            process = self.start_ours([file], "--workers", str(count))
            process.until(port, request)
            servers.append((process, port))
        (one, port), (other, other_port), (pair, pair_port) = servers
        names = {
            "1 worker": (one, port, port),
            report.CONTROL: (SideBySide(one, other), port, other_port),
            "2 workers": (pair, pair_port, pair_port),
        }
        for key, title, pause in (
            ("workers", "POST, several workers", 0),
            ("workers-paced", "POST, several workers, load below saturation", PAUSE),
        ):
            # The load is the same for all: two threads with half of the connections each.
            contenders = [
                Contender(
                    name, process, first, request, specs.reply("small"),
                    second_port=second, pause=pause,
                )
                for name, (process, first, second) in names.items()
            ]  # fmt: skip
            self.measure(key, title, contenders, connections=64, rounds=7)
        self._end(process for process, _ in servers)

    # ------------------------------------------------------------------------------ start-up

    def start_up(self) -> None:
        """Time to the first answer and memory after it: the two capabilities, then many."""
        # As an installed package is, and every start after the first.
        package = tools.HERE.parent / "src"
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(package)], check=True)
        seconds, cpu, memory, with_mcp = [], [], [], []
        for _ in range(2 if QUICK else 5):
            ports = adapters()
            options = [f"--port={name}={port}" for name, port in ports.items()]
            options += [f"--upstream=*={self.upstream}", "--var=UNKEY_ROOT_KEY=bench"]
            process = self.start_ours(CAPABILITIES, *options)
            rest = next(port for name, port in ports.items() if "api" in name)
            request = Request("POST", "/v1/apis", '{"name": "payments"}', CONTENT)
            seconds.append(process.until(rest, request))
            cpu.append(process.cpu())
            memory.append(process.memory()[0])
            mcp = next(port for name, port in ports.items() if "mcp" in name)
            process.until(mcp, tools_list())
            with_mcp.append(process.memory()[0])
            process.end()
        self.facts["start"] = {
            "seconds": seconds, "cpu": cpu, "memory": memory, "with_mcp": with_mcp
        }  # fmt: skip
        print(
            f"start-up: {median(seconds):.2f} s ({median(cpu):.2f} s CPU),"
            f" {median(memory):.0f} MB, {median(with_mcp):.0f} MB after an MCP request"
        )
        count = 100 if QUICK else 1000
        ports_of_fleet = free_port(), free_port()
        folder = self._new("fleet")
        specs.write_fleet(folder, self.upstream, count, ports_of_fleet)
        process = self.start_ours([folder])
        request = Request("GET", f"/service-{count - 1}/get-thing-0/4711")
        took = process.until(ports_of_fleet[0], request, seconds=180)
        now, peak = process.memory()
        size = sum(file.stat().st_size for file in folder.iterdir()) / count
        self.facts["fleet"] = {
            "count": count, "seconds": took, "cpu": process.cpu(),
            "memory": now, "peak": peak, "size": size,
        }  # fmt: skip
        print(
            f"{count} files of {size / 1000:.1f} KB: {took:.1f} s, {now:.0f} MB (peak {peak:.0f})"
        )
        process.end()

    def ceiling(self) -> None:
        """What the upstream itself can do, which is to be more than any server here asks of it."""
        request = Request("POST", "/items", json.dumps(specs.ARGUMENTS), CONTENT)
        self.facts["upstream"] = wrk(self.port, request, 32, 1 if QUICK else 2).rate


def adapters() -> dict[str, int]:
    """Free ports for the adapters of the two capabilities of this repository."""
    names = [
        line.partition(":")[2].strip()
        for file in CAPABILITIES
        for line in file.read_text().splitlines()
        if line.startswith("      namespace:")
    ]
    return {name: free_port() for name in names}


def tools_call(name: str, era: str, peer: str = "") -> Request:
    arguments: Row = specs.ARGUMENTS
    if peer.startswith("FastMCP"):
        name = name.replace("-", "_")
        arguments = {
            "name": specs.ARGUMENTS["name"],
            "external": specs.ARGUMENTS["externalId"],
            "settings": {"limit": specs.ARGUMENTS["limit"], "source": "bench"},
        }
    return _mcp("tools/call", {"name": name, "arguments": arguments}, era, f"Mcp-Name: {name}")


def tools_list() -> Request:
    return _mcp("tools/list", {}, MODERN)


def _mcp(method: str, params: Row, era: str, *headers: str) -> Request:
    lines = [*CONTENT, "Accept: application/json, text/event-stream"]
    lines.append(f"MCP-Protocol-Version: {era}")
    if era == MODERN:
        lines += [f"Mcp-Method: {method}", *headers]
        prefix = "io.modelcontextprotocol"
        params = params | {
            "_meta": {
                f"{prefix}/protocolVersion": era,
                f"{prefix}/clientCapabilities": {},
                f"{prefix}/clientInfo": {"name": "bench", "version": "1"},
            }
        }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Request("POST", "/mcp", json.dumps(message), tuple(lines))


def structured(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """The value that a tool's answer holds."""
    result = json.loads(body).get("result", {})
    return None if result.get("isError") else result.get("structuredContent")


def main() -> int:
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _ended)
    programs = tools.find_programs()
    tools.install_peers()
    about = {"machine": tools.machine(), "versions": tools.versions(programs)}
    with (
        tempfile.TemporaryDirectory(prefix="naftiko-bench-") as name,
        Processes(Path(name)) as processes,
    ):
        bench = Bench(Path(name), processes, programs)
        bench.start_upstreams()
        bench.ceiling()
        only = sys.argv[1:] or ["start_up", "rest", "mcp", "routes", "workers"]
        for step in only:
            try:
                getattr(bench, step)()
            except BenchError as error:
                bench.missing(f"{step}: {error}")
        minutes = (time.monotonic() - began) / 60
        results = about | {"cells": bench.cells, "facts": bench.facts, "minutes": minutes}
        text = report.markdown(results)
        if QUICK or sys.argv[1:]:
            print(f"\n{text}")
            return 0
        (tools.HERE / "RESULTS.md").write_text(text)
        data = Path(name) / "results.json"
        data.write_text(json.dumps(results))
        plot = [str(tools.PYTHON), str(tools.HERE / "plot.py")]
        subprocess.run([*plot, str(data), str(tools.HERE / "results.svg")], check=True)
    print(f"bench/RESULTS.md and bench/results.svg are written, after {minutes:.1f} minutes")
    return 0


def _ended(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; every server that was started is ended", file=sys.stderr)
        sys.exit(130)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
