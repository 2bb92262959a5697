"""The process from its start to its end: exit statuses, signals under load, several files."""

import contextlib
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from tests.e2e.capabilities import ITEM_TOOLS, ITEMS, capability, write
from tests.e2e.process import (
    KEYS,
    KEYS_MCP,
    KEYS_REST,
    PATIENCE,
    Process,
    command,
    environment,
    run,
    serving,
    until,
)
from tests.e2e.upstream import Held, Received, Reply, Upstream, recording
from tests.e2e.wire import Connection, ask, free_port, request

CONNECTIONS = 64


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with recording() as upstream:
        yield upstream


# --------------------------------------------------------------------------------- exit statuses


def test_a_port_that_is_taken_ends_the_start_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--sandbox", KEYS, "--port", f"{KEYS_REST}={port}", "--port", f"{KEYS_MCP}=0")
    assert ended.returncode == 3
    assert ended.stdout == ""
    (line,) = [line for line in ended.stderr.splitlines() if " W-" not in line]
    assert line == (
        f"naftiko-run: cannot listen on 127.0.0.1:{port}: the port is already in use"
        f" ({KEYS_REST}); move it with --port {KEYS_REST}=PORT"
    )


def test_an_address_that_is_not_ours_ends_the_start_and_no_port_is_suggested() -> None:
    ended = run("--sandbox", KEYS, "--host", "192.0.2.1")  # RFC 5737: nobody's
    assert ended.returncode == 3
    last = ended.stderr.splitlines()[-1]
    assert "the address is not one of this machine" in last
    assert last.endswith("or with --host")
    assert "PORT" not in last


def test_what_was_found_is_told_before_the_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = capability(routes=(*ITEMS, ("GET", "/broken", "shop.nobody")), port=port)
        ended = run("absent.yaml", str(write(tmp_path / "a.yaml", text)))
    assert ended.returncode == 3
    *found, last = ended.stderr.splitlines()
    assert any(line.startswith("absent.yaml:") for line in found), found
    assert any("E-CALL-OPERATION" in line for line in found)
    assert last.startswith(f"naftiko-run: cannot listen on 127.0.0.1:{port}: ")


def test_workers_that_do_not_start_end_the_start(tmp_path: Path) -> None:
    # What only a worker executes: it ends before it is ready.
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nif os.environ.get('NAFTIKO_WORKER'):\n    os._exit(7)\n", "utf-8"
    )
    file = write(tmp_path / "a.yaml", capability(routes=ITEMS))
    ended = run(
        str(file), "--workers=2", "--port=shop-rest=0", environ={"PYTHONPATH": str(tmp_path)}
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "naftiko-run: a worker did not start\n"


def test_an_address_of_another_machine_ends_the_start() -> None:
    ended = run("--sandbox", KEYS, "--host=192.0.2.1", f"--port={KEYS_REST}=0")
    assert ended.returncode == 3
    assert "the address is not one of this machine" in ended.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("serve", "validate"):
        ended = run(name, str(tmp_path / "nowhere.yaml"))
        assert ended.returncode == 1
        assert "nowhere.yaml" in ended.stderr + ended.stdout
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "text",
    ["", "naftiko: [broken", "naftiko: '1.0.0-alpha2'", "a: &a [*a]\n"],
)
def test_a_file_that_is_invalid_is_an_error_with_its_place(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "bad.yaml", text)
    ended = run(str(file))
    assert ended.returncode == 1
    assert f"{file}" in ended.stderr
    assert " error E-" in ended.stderr
    assert ended.stderr.splitlines()[-1] == "naftiko-run: nothing can be served"
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["serve", KEYS, "--no-such-option"],
        [KEYS, "--env-file", "/nowhere/.env"],
        ["validate", KEYS, "--format", "pdf"],
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("naftiko-run: ")


def test_version_and_help_go_to_stdout() -> None:
    ended = run("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "naftiko-run 0.1.0\n", "")
    for arguments in (["--help"], ["serve", "--help"], ["call", "--help"]):
        ended = run(*arguments)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("usage: naftiko-run")
    ended = run()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: naftiko-run")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    popen = subprocess.Popen(
        command("inspect", KEYS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({"PYTHONUNBUFFERED": "1"}),
    )
    assert popen.stdout is not None
    popen.stdout.close()
    _, errors = popen.communicate(timeout=PATIENCE)
    assert (popen.returncode, errors) == (0, b"")


# --------------------------------------------------------------------------- several files at once


def test_several_files_share_a_port_below_their_prefixes(
    tmp_path: Path, upstream: Upstream
) -> None:
    port = free_port()
    routes = (*ITEMS, ("GET", "/only-a", "shop.list-items"))
    a = write(
        tmp_path / "a.yaml",
        capability("a", base=upstream.url, routes=routes, tools=ITEM_TOOLS, port=port),
    )
    b = write(
        tmp_path / "b.yaml",
        capability("b", base=upstream.url, routes=ITEMS, tools=ITEM_TOOLS, port=port),
    )
    process = Process(str(a), str(b))
    try:
        process.wait_for_adapters("a-rest", "a-mcp", "b-rest", "b-mcp")
        assert len(process.out.all) == 1, "one line for each listener"
        url = f"http://127.0.0.1:{port}"
        assert ask(url, "GET", "/a-rest/items").status == 200
        assert ask(url, "GET", "/b-rest/items/7").status == 200
        assert upstream.last.target == "/items/7"
        assert ask(url, "GET", "/only-a").status == 200, "what one alone claims is there"
        conflict = ask(url, "GET", "/items").problem(409)
        assert conflict["routes"] == ["/a-rest/items", "/b-rest/items"]
        ask(url, "POST", "/mcp", {}).problem(404)
        document = ask(url, "GET", "/openapi.json").json
        assert set(document["paths"]) == {
            "/only-a",
            *(f"/{name}-rest/items{rest}" for name in "ab" for rest in ("", "/{id}")),
        }
        assert process.stop() == 0
    finally:
        process.kill()


async def test_tools_of_two_files_on_one_port_have_their_own_endpoints(
    tmp_path: Path, upstream: Upstream
) -> None:
    port = free_port()
    for name in "ab":
        tools = [(f"tool-{name}", "shop.list-items")]
        text = capability(name, base=upstream.url, tools=tools, port=port)
        write(tmp_path / f"{name}.yaml", text)
    process = Process(str(tmp_path))
    try:
        process.wait_for_adapters("a-mcp", "b-mcp")
        for name in "ab":
            async with Client(f"http://127.0.0.1:{port}/{name}-mcp/mcp") as client:
                assert [t.name for t in (await client.list_tools()).tools] == [f"tool-{name}"]
                assert not (await client.call_tool(f"tool-{name}", {})).is_error
        assert process.stop() == 0
    finally:
        process.kill()


def test_what_cannot_be_served_is_left_out_and_says_so(tmp_path: Path, upstream: Upstream) -> None:
    routes = (*ITEMS, ("GET", "/broken", "shop.nobody"))
    tools = (*ITEM_TOOLS, ("broken", "nowhere.at-all"))
    good = write(tmp_path / "good.yaml", capability(base=upstream.url, routes=routes, tools=tools))
    bad = write(tmp_path / "bad.yaml", "naftiko: [")
    with serving(str(tmp_path), adapters=("shop-rest", "shop-mcp")) as process:
        assert process.err.wait_for_text("E-CALL-NAMESPACE")
        for file, code in ((bad, "E-YAML"), (good, "E-CALL-OPERATION"), (good, "E-CALL-NAMESPACE")):
            (line,) = [line for line in process.err.all if code in line]
            assert line.startswith(f"{file}:")
        url = process.url("shop-rest")
        assert ask(url, "GET", "/items").status == 200
        problem = ask(url, "GET", "/broken").problem(501)
        assert problem["code"] == "E-CALL-OPERATION"
        assert "nobody" in problem["detail"]
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = ask(process.url("shop-mcp"), "POST", "", listing, accept="application/json, */*")
        assert [t["name"] for t in answer.json["result"]["tools"]] == ["list-items", "get-item"]
        assert (
            "501" in ask(url, "GET", "/openapi.json").json["paths"]["/broken"]["get"]["responses"]
        )
    strict = run(str(tmp_path), "--strict", "--port=shop-rest=0", "--port=shop-mcp=0")
    assert (strict.returncode, strict.stdout) == (1, "")
    assert strict.stderr.splitlines()[-1] == "naftiko-run: a file is invalid (--strict)"


def test_an_option_that_names_nothing_is_wrong_usage(tmp_path: Path) -> None:
    file = str(write(tmp_path / "a.yaml", capability(routes=ITEMS)))
    for option, said in (
        ("--port=shop-rset=0", "--port: no exposed adapter 'shop-rset'; did you mean 'shop-rest'?"),
        ("--upstream=shp=http://[::1]", "--upstream: no consumed namespace 'shp'; did you mean"),
        ("--upstream=x=http://[::1]", "--upstream: no consumed namespace 'x'; there is shop"),
    ):
        ended = run(file, option)
        assert (ended.returncode, ended.stdout) == (2, "")
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"naftiko-run: {said}")
    call = run("call", file, "GET /items", "--upstream=shp=http://127.0.0.1:9")
    assert (call.returncode, len(call.stderr.splitlines())) == (2, 1)


def test_a_variable_that_names_nothing_is_told(tmp_path: Path) -> None:
    file = str(write(tmp_path / "a.yaml", capability(routes=ITEMS)))
    environ = {
        "NAFTIKO_PORTS": "shop-rest=0,shop=1",
        "NAFTIKO_UPSTREAM_SHP": "http://[::1]",
        "NAFTIKO_UPSTREAM_SHOP": "http://[::1]",
    }
    process = Process(file, environ=environ)
    try:
        process.wait_for_adapters("shop-rest")
        assert process.err.wait_for(lambda lines: len(lines) >= 2)
        assert process.err.all == [
            "naftiko-run: NAFTIKO_UPSTREAM_SHP: no consumed namespace 'SHP'; did you mean 'shop'?",
            "naftiko-run: NAFTIKO_PORTS: no exposed adapter 'shop'; did you mean 'shop-rest'?",
        ]
        assert process.stop() == 0
    finally:
        process.kill()


def test_a_name_may_be_of_a_file_that_could_not_be_read(tmp_path: Path) -> None:
    file = str(write(tmp_path / "a.yaml", capability(routes=ITEMS)))
    bad = str(write(tmp_path / "b.yaml", "naftiko: ["))
    with serving(file, bad, "--port=other=0", adapters=("shop-rest",)) as process:
        assert process.err.wait_for_text("--port: no exposed adapter 'other'")


def test_a_listener_describes_itself(tmp_path: Path) -> None:
    with serving("--sandbox", KEYS, adapters=(KEYS_REST, KEYS_MCP)) as process:
        url = process.url(KEYS_REST)
        document = ask(url, "GET", "/openapi.json")
        assert document.media_type == "application/json"
        described = document.json
        assert described["openapi"] == "3.1.0"
        assert described["info"]["title"] == "Unkey API Key Management"
        operations = {
            f"{method.upper()} {path}": operation
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        }
        assert len(operations) == 15
        assert len({each["operationId"] for each in operations.values()}) == 15
        for name, operation in operations.items():
            placeholders = set(name.replace("}", "{").split("{")[1::2])
            parameters = operation.get("parameters", [])
            keys = [(each["name"], each["in"]) for each in parameters]
            assert len(keys) == len(set(keys))
            assert {n for n, place in keys if place == "path"} == placeholders
            assert all(each["required"] for each in parameters if each["in"] == "path")
            assert all("schema" in each for each in parameters)
            assert operation["responses"]
        create = operations["POST /v1/apis/{apiId}/keys"]
        schema = create["requestBody"]["content"]["application/json"]["schema"]
        assert schema["additionalProperties"] is False
        assert {"name", "roles", "meta", "ratelimits"} <= schema["properties"].keys()
        listed = operations["GET /v1/apis/{apiId}/keys"]
        assert {"limit", "cursor"} <= {
            p["name"] for p in listed["parameters"] if p["in"] == "query"
        }
        assert set(references(described)) <= {"#/components/schemas/Problem"}

        page = ask(url, "GET", "/docs")
        assert (page.status, page.media_type) == (200, "text/html")
        for path in described["paths"]:
            assert path in page.text
        assert "src=" not in page.text, "the page loads nothing"
        assert "http" not in page.text.replace("http-equiv", "")
        for path in ("/docs", "/openapi.json", "/healthz"):
            head = ask(url, "HEAD", path)
            assert (head.status, head.body) == (200, b"")
            assert head.headers["content-length"] == ask(url, "GET", path).headers["content-length"]
            assert head.headers["x-content-type-options"] == "nosniff"


def references(value: object) -> Iterator[str]:
    """Find every ``$ref`` of a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield str(inner)
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_an_address_that_publishes_is_honoured_only_when_asked_for(tmp_path: Path) -> None:
    text = capability(routes=ITEMS, tools=ITEM_TOOLS).replace(
        "namespace: shop-rest", "namespace: shop-rest, address: 0.0.0.0"
    )
    file = str(write(tmp_path / "a.yaml", text))
    with serving(file, adapters=("shop-rest", "shop-mcp")) as process:
        assert process.url("shop-rest").startswith("http://127.0.0.1:")
        assert process.err.wait_for_text("I-ADDRESS")
    publish = ("--host=0.0.0.0", "--allow-host=api.example")
    with serving(file, *publish, adapters=("shop-rest", "shop-mcp")) as process:
        port = process.port("shop-rest")
        with Connection(port) as connection:
            for host in ("127.0.0.1", "192.0.2.7:80", "gateway", "API.example:443"):
                assert connection.ask("GET", "/healthz", host=host).status == 200
            connection.ask("GET", "/healthz", host="sub.api.example").problem(421)
            connection.ask("GET", "/healthz", host="evil.example").problem(421)
            connection.ask("GET", "/healthz", origin="https://evil.example").problem(403)


# ----------------------------------------------------------------------------- signals under load


class Load:
    """Callers that ask one request after another until the server is gone."""

    def __init__(self, port: int, *, kept: bool) -> None:
        self.port = port
        self.kept = kept
        self.results: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CONNECTIONS)]

    def start(self) -> None:
        """Begin; returns when every caller had an answer."""
        for thread in self._threads:
            thread.start()
        assert until(lambda: self.results["answered"] >= 3 * CONNECTIONS)

    def join(self) -> None:
        """Wait until every caller found the server gone."""
        for thread in self._threads:
            thread.join()

    def _count(self, what: str) -> None:
        with self._lock:
            self.results[what] += 1

    def _ask(self) -> None:
        while True:
            try:
                connection = Connection(self.port)
            except ConnectionError:
                self._count("refused")
                return
            with connection:
                try:
                    self._converse(connection)
                except (OSError, ValueError) as error:
                    self._count(f"lost: {error!r}")
                    return

    def _converse(self, connection: Connection) -> None:
        while True:
            answer = connection.ask("GET", "/items")
            self._count("answered" if answer.status == 200 else f"status {answer.status}")
            if answer.headers.get("connection") == "close" or not self.kept:
                return


@pytest.mark.parametrize(
    ("number", "kept", "more"),
    [
        (signal.SIGTERM, True, ()),
        (signal.SIGINT, False, ()),
        (signal.SIGTERM, False, ("--workers=2",)),
    ],
    ids=["SIGTERM, kept connections", "SIGINT, new connections", "two workers"],
)
def test_stopping_under_load_loses_no_request(
    tmp_path: Path, upstream: Upstream, number: signal.Signals, kept: bool, more: tuple[str, ...]
) -> None:
    def slowly(_: Received) -> Reply:
        time.sleep(0.02)
        return Reply()

    upstream.reply = slowly
    file = write(tmp_path / "a.yaml", capability(base=upstream.url, routes=ITEMS))
    with serving(str(file), *more, adapters=("shop-rest",)) as process:
        load = Load(process.port("shop-rest"), kept=kept)
        load.start()
        process.signal(number)
        assert process.wait() == 0
        load.join()
        assert set(load.results) == {"answered", "refused"}, load.results
        assert load.results["answered"] == len(upstream.received)
        assert load.results["refused"] == CONNECTIONS
        assert process.err.text == ""


def test_what_is_in_flight_is_finished_and_nothing_new_begins(
    tmp_path: Path, upstream: Upstream
) -> None:
    held = Held(Reply(200, b'{"held": true}'))
    upstream.reply = held
    file = write(tmp_path / "a.yaml", capability(base=upstream.url, routes=ITEMS))
    with serving(str(file), adapters=("shop-rest",)) as process:
        port = process.port("shop-rest")
        with Connection(port) as connection, Connection(port) as idle:
            idle.ask("GET", "/healthz")
            connection.send(b"GET /items HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert held.arrived.wait(20)
            process.signal(signal.SIGTERM)
            assert until(lambda: not _listens(port))
            assert idle.socket.recv(1) == b"", "who asks for nothing is let go"
            assert process.running
            held.released.set()
            answer = connection.read()
            assert (answer.json, answer.headers["connection"]) == ({"held": True}, "close")
        assert process.wait() == 0


@pytest.mark.parametrize("more", [(), ("--workers=2",)], ids=["one process", "two workers"])
def test_a_second_signal_ends_at_once(
    tmp_path: Path, upstream: Upstream, more: tuple[str, ...]
) -> None:
    held = Held()
    upstream.reply = held
    file = write(tmp_path / "a.yaml", capability(base=upstream.url, routes=ITEMS))
    with serving(str(file), *more, adapters=("shop-rest",)) as process:
        port = process.port("shop-rest")
        with Connection(port) as connection:
            connection.send(b"GET /items HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert held.arrived.wait(20)
            process.signal(signal.SIGTERM)
            assert until(lambda: not _listens(port))
            process.signal(signal.SIGTERM)
            assert process.wait() == 143
            with contextlib.suppress(ConnectionError):  # reset, or closed: no made-up answer
                assert connection.socket.recv(1) == b""
        assert process.err.text == ""
        held.released.set()


def _listens(port: int) -> bool:
    try:
        Connection(port).socket.close()
    except ConnectionError:
        return False
    return True


def test_a_signal_right_after_the_announcement_is_obeyed(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", capability(routes=ITEMS))
    for _ in range(2):
        process = Process(str(file), "--port=shop-rest=0")
        process.wait_for_adapters("shop-rest")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


async def test_a_client_that_listens_is_told_of_the_end_and_does_not_delay_it(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "a.yaml", capability(tools=ITEM_TOOLS))
    with serving(str(file), adapters=("shop-mcp",)) as process:
        async with (
            Client(process.url("shop-mcp")) as client,
            client.listen(tools_list_changed=True) as changes,
        ):
            began = time.monotonic()
            process.signal(signal.SIGTERM)
            assert [event async for event in changes] == [], "the stream ends, without an error"
            assert time.monotonic() - began < 20, "it is not waited for as requests are"
        assert process.wait() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="no other system sets limits from outside")
def test_callers_who_hold_every_descriptor_keep_no_stop_from_its_order(
    tmp_path: Path, upstream: Upstream
) -> None:
    held = Held()
    upstream.reply = held
    file = write(tmp_path / "a.yaml", capability(base=upstream.url, routes=ITEMS))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        process = Process(str(file), "--port=shop-rest=0")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.ExitStack() as ending:
        ending.callback(process.kill)
        process.wait_for_adapters("shop-rest")
        pid, port = process.popen.pid, process.port("shop-rest")
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (hard, hard)
        asking = ending.enter_context(Connection(port))
        asking.send(request("GET", "/items"))
        assert held.arrived.wait(PATIENCE)
        taken = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (taken, taken))
        process.signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionRefusedError):
            while process.running:
                Connection(port).socket.close()
        held.released.set()
        assert asking.read().status == 200
        assert process.wait() == 0
        assert process.err.all == []
