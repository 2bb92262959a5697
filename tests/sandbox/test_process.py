"""Real sockets, real threads, real processes."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from naftiko_run.sandbox.unkey import ROOT_KEY, create_app
from naftiko_run.sandbox.unkey.__main__ import main
from naftiko_run.sandbox.unkey.gojson import Json
from tests.sandbox.conftest import Sandbox, served

HEADERS = {"authorization": f"Bearer {ROOT_KEY}"}
SOURCES = Path(__file__).parents[2] / "src"


def ask(client: httpx.Client, operation: str, body: Json) -> Json:
    answer = client.post(f"/v2/{operation}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def make_key(client: httpx.Client, **members: Json) -> str:
    api = ask(client, "apis.createApi", {"name": "an api"})["apiId"]
    key: str = ask(client, "keys.createKey", {"apiId": api, **members})["key"]
    return key


def at_once(origins: list[str], times: int, work: Callable[[httpx.Client], Json]) -> list[Json]:
    """Do the work many times from eight threads, each with its own connection."""

    def some(number: int) -> list[Json]:
        origin = origins[number % len(origins)]
        with httpx.Client(base_url=origin, headers=HEADERS, trust_env=False) as client:
            return [work(client) for _ in range(times // 8)]

    with ThreadPoolExecutor(8) as threads:
        return [result for results in threads.map(some, range(8)) for result in results]


def verify(key: str) -> Callable[[httpx.Client], Json]:
    return lambda client: ask(client, "keys.verifyKey", {"key": key})


def test_no_credit_is_spent_twice(origin: str) -> None:
    with httpx.Client(base_url=origin, headers=HEADERS, trust_env=False) as client:
        key = make_key(client, credits={"remaining": 50})
    results = at_once([origin], 160, verify(key))
    assert Counter(result["code"] for result in results) == {"VALID": 50, "USAGE_EXCEEDED": 110}
    left = [result["credits"] for result in results if result["valid"]]
    assert sorted(left) == list(range(50))


def test_no_limit_lets_more_pass_than_it_says(origin: str) -> None:
    hour = 3_600_000
    body = {"namespace": "ns", "identifier": "u1", "limit": 40, "duration": 100 * hour}
    results = at_once([origin], 160, lambda client: ask(client, "ratelimit.limit", body))
    assert Counter(result["success"] for result in results) == {True: 40, False: 120}
    pair = [{**body, "identifier": "a"}, {**body, "identifier": "b", "limit": 20}]
    results = at_once([origin], 80, lambda client: ask(client, "ratelimit.multiLimit", pair))
    assert Counter(result["passed"] for result in results) == {True: 20, False: 60}
    with httpx.Client(base_url=origin, headers=HEADERS, trust_env=False) as client:
        left = ask(client, "ratelimit.limit", {**body, "identifier": "a", "cost": 0})
    assert left["remaining"] == 20


def test_threads_may_share_an_application() -> None:
    sandbox = Sandbox()
    _, text = sandbox.key(credits={"remaining": 20})
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: sandbox.verify(text)["code"], range(40)))
    assert Counter(results) == {"VALID": 20, "USAGE_EXCEEDED": 20}


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the module; give the process and the line it prints."""
    command = [sys.executable, "-W", "error", "-m", "naftiko_run.sandbox.unkey", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        line = started.stdout.readline()
        try:
            yield started, line
        finally:
            started.kill()


def stop(started: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    started.send_signal(number)
    out, err = started.communicate(timeout=10)
    return started.returncode, out, err


def test_two_processes_share_a_file_and_it_outlives_them(tmp_path: Path) -> None:
    file = str(tmp_path / "unkey.db")
    options = ("--port", "0", "--database", file)
    with process(*options) as (one, first), process(*options) as (other, second):
        origins = [line.split()[3] for line in (first, second)]
        with httpx.Client(base_url=origins[0], headers=HEADERS, trust_env=False) as client:
            key = make_key(client, credits={"remaining": 50})
        results = at_once(origins, 160, verify(key))
        codes = Counter(result["code"] for result in results)
        assert codes == {"VALID": 50, "USAGE_EXCEEDED": 110}
        assert stop(one, signal.SIGINT) == (0, "", "")
        assert stop(other, signal.SIGTERM) == (0, "", "")
    sandbox = Sandbox(file)
    assert sandbox.verify(key)["credits"] == 0
    sandbox.store.close()


def test_a_process_says_where_it_listens_and_what_opens_it() -> None:
    with process("--port", "0", "--root-key", "unkey_mine") as (started, line):
        origin = line.split()[3]
        assert line == f"Unkey sandbox on {origin} root key unkey_mine\n"
        headers = {"authorization": "Bearer unkey_mine"}
        with httpx.Client(base_url=origin, headers=headers, trust_env=False) as client:
            ask(client, "apis.createApi", {"name": "an api"})
        assert stop(started, signal.SIGTERM) == (0, "", "")


def test_a_taken_port_ends_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 3
    assert capsys.readouterr().err == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_a_file_that_cannot_be_used_ends_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "unkey.db"
    file.write_text("this is no database" * 100)
    assert main(["--port", "0", "--database", str(file)]) == 1
    assert capsys.readouterr().err == f"cannot use {file}: file is not a database\n"


def test_importing_the_package_is_cheap() -> None:
    code = "import naftiko_run.sandbox.unkey, sys; print('starlette' in sys.modules)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_requests_sent_in_one_go_are_all_answered() -> None:
    with served(create_app()) as origin:
        host, port = origin.removeprefix("http://").split(":")
        request = b"GET /v2/liveness HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(request * 3)
            received = b""
            while received.count(b"we're cooking") < 3:
                chunk = connection.recv(65_536)
                assert chunk
                received += chunk
