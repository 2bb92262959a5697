"""Script steps in the command: nothing starts without them, and nothing of them stays behind."""

import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.e2e.process import KEYS, Process, command, environment, run, serving, until
from tests.e2e.wire import ask

pytestmark = pytest.mark.anyio
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

DOCUMENT = """\
naftiko: 1.0.0-alpha3
info: {label: Scripts, description: Scripts.}
capability:
  exposes:
    - type: control
      port: 9900
      management:
        scripting: {statementLimit: 1000000000, timeout: 60000, allowedLanguages: [python]}
    - type: rest
      namespace: rest
      port: 8080
      resources:
        - name: run
          path: /run
          operations: [{name: run, method: GET, ref: shared.run}]
        - name: loop
          path: /loop
          operations: [{name: loop, method: GET, ref: shared.loop}]
    - type: mcp
      namespace: mcp
      port: 9090
      tools:
        - {name: run, description: Runs., ref: shared.run}
        - {name: loop, description: Loops., ref: shared.loop}
  aggregates:
    - label: Shared
      namespace: shared
      functions:
        - name: run
          description: Runs.
          steps:
            - type: script
              name: run
              language: python
              location: file:///./scripts
              file: main.py
              dependencies: [lib/one.py]
          mappings: [{targetName: found, value: $.run}]
        - name: loop
          description: Loops.
          steps:
            - type: script
              name: loop
              language: python
              location: file:///./scripts
              file: loop.py
          mappings: [{targetName: found, value: $.loop}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    scripts = tmp_path / "scripts"
    (scripts / "lib").mkdir(parents=True)
    (scripts / "lib" / "one.py").write_text("def one():\n    return 1\n")
    (scripts / "main.py").write_text("print('not for stdout')\nresult = one()\n")
    (scripts / "loop.py").write_text("while True: pass\n")
    path = tmp_path / "scripts.yaml"
    path.write_text(DOCUMENT)
    return path


def descendants(process: int) -> Iterator[int]:
    """Give the processes that a process started, and those that they did."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        found = [int(each) for t in tasks for each in (t / "children").read_text().split()]
    except OSError:
        return
    for each in found:
        yield each
        yield from descendants(each)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


REST = b"GET /loop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CALL = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "loop",
            "arguments": {},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }
)
MCP = (
    "POST /mcp/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
    f"Mcp-Method: tools/call\r\nMcp-Name: loop\r\nContent-Length: {len(CALL)}\r\n\r\n{CALL}"
).encode()


def looping(
    process: Process, adapter: str = "rest", request: bytes = REST
) -> tuple[socket.socket, list[int]]:
    """Ask for a script without an end; gives the connection, and the processes that run it."""
    assert ask(process.url("rest"), "GET", "/run").json == {"found": 1}
    started = list(descendants(process.popen.pid))
    connection = socket.create_connection(("127.0.0.1", process.port(adapter)))
    connection.sendall(request)
    before = {each: cpu(each) for each in started}
    assert until(lambda: any(cpu(each) > before[each] + 5 for each in started))
    return connection, started


def cpu(process: int) -> int:
    """Give the time that a process has used, in ticks."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


@linux
@pytest.mark.parametrize("more", [(), ("--workers=2",)], ids=["one process", "two workers"])
def test_workers_of_scripts_end_with_the_server(file: Path, more: tuple[str, ...]) -> None:
    with serving(str(file), *more, adapters=("rest", "mcp")) as process:
        idle = set(descendants(process.popen.pid))
        for _ in range(4):
            assert ask(process.url("rest"), "GET", "/run").json == {"found": 1}
        started = set(descendants(process.popen.pid)) - idle
        assert started
        assert process.stop() == 0
        assert until(lambda: not any(map(alive, started)))


@linux
def test_a_script_ends_with_a_server_that_is_killed(file: Path) -> None:
    with serving(str(file), adapters=("rest", "mcp")) as process:
        connection, started = looping(process)
        process.kill()
        connection.close()
        assert until(lambda: not any(map(alive, started)))


@linux
def test_a_script_is_stopped_when_its_call_is_cancelled(file: Path) -> None:
    with serving(str(file), adapters=("rest", "mcp")) as process:
        connection, started = looping(process, "mcp", MCP)
        connection.close()
        assert until(lambda: not any(map(alive, started)))
        assert ask(process.url("rest"), "GET", "/run").json == {"found": 1}


@linux
def test_a_script_does_not_hold_up_a_stop_that_is_asked_for_twice(file: Path) -> None:
    with serving(str(file), adapters=("rest", "mcp")) as process:
        connection, started = looping(process)
        process.signal(signal.SIGTERM)
        assert until(lambda: not answers(process))
        process.signal(signal.SIGTERM)
        process.wait()
        connection.close()
        assert until(lambda: not any(map(alive, started)))


def answers(process: Process) -> bool:
    try:
        return bool(ask(process.url("rest"), "GET", "/run").status)
    except OSError:
        return False


def test_a_changed_script_is_served(file: Path) -> None:
    main, library = (file.parent / "scripts" / name for name in ("main.py", "lib/one.py"))
    with serving(str(file), "--watch", adapters=("rest", "mcp")) as process:

        def found() -> object:
            return ask(process.url("rest"), "GET", "/run").json.get("found")

        assert found() == 1
        main.write_text("result = one() + 1")
        assert until(lambda: found() == 2)
        library.write_text("def one(): return 10")
        assert until(lambda: found() == 11)
        main.write_text("result = (")
        assert process.err.wait_for_text("E-SCRIPT-SYNTAX")
        assert process.err.wait_for_text("the running version stays")
        assert found() == 11


async def test_over_stdio_nothing_that_a_script_prints_gets_between(file: Path) -> None:
    words = command("stdio", str(file))
    server = StdioServerParameters(command=words[0], args=words[1:], env=environment())
    async with Client(stdio_client(server)) as client:
        result = await client.call_tool("run", {})
    assert not result.is_error, result
    assert json.loads(result.content[0].text) == {"found": 1}  # type: ignore[union-attr]


def test_scripts_are_called_inspected_and_migrated(file: Path) -> None:
    moved = file.with_name("moved.yaml")
    migrated = run("migrate", "--to", "beta5", str(file), "--output", str(moved))
    assert migrated.returncode == 0, migrated
    for each in (file, moved):
        called = run("call", str(each), "mcp/run")
        assert (called.returncode, called.stdout) == (0, '{"found":1}'), called
        assert called.stderr == ""
        assert "→ run: python main.py" in run("inspect", str(each)).stdout
        strict = run("validate", "--strict", str(each))
        assert strict.returncode == 0, strict


def test_without_scripts_nothing_of_them_is_loaded() -> None:
    ended = run("inspect", KEYS, environ={"PYTHONPROFILEIMPORTTIME": "1"})
    assert ended.returncode == 0
    imported = [line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()]
    assert "naftiko_run.scripts.workers" in imported
    engines = ("tree_sitter", "quickjs_rs", "wasmtime", "pydantic_monty")
    assert [name for name in imported if name.startswith(engines)] == []
