"""Who is let in by several workers: they take the nonces of each other, and each use once."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import requests
from requests.auth import HTTPDigestAuth

from tests.callers.serving import capability, direct
from tests.e2e.process import Process, run, serving, until

CLAUSE = {"type": "digest", "username": "ada", "password": "{{PASSWORD}}"}
WORKERS = 2
ASKED = 12
IN, OUT = 502, 401
"""The upstream is not there: who gets so far was let in."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("callers") / "ships.yaml"
    file.write_text(capability(CLAUSE, {"PASSWORD": "PASSWORD"}), "utf-8")
    return file


@pytest.fixture(scope="module")
def process(file: Path) -> Iterator[Process]:
    with serving(
        str(file),
        f"--workers={WORKERS}",
        "--watch",
        "--log-level=debug",
        "--upstream=ships=http://127.0.0.1:9",
        adapters=("harbour", "tower"),
        environ={"PASSWORD": "s3cret"},
    ) as each:
        yield each


def recorded(process: Process) -> str:
    """Give the answer to a challenge that somebody was let in by."""
    heard: list[str] = []
    with httpx.Client(trust_env=False, auth=httpx.DigestAuth("ada", "s3cret")) as client:
        client.event_hooks["request"] = [
            lambda request: heard.append(request.headers.get("authorization", ""))
        ]
        assert client.get(f"{process.url('harbour')}/ships/a").status_code == IN
    return heard[-1]


def repeated(process: Process, authorization: str) -> httpx.Response:
    """Send it once more, over a connection of its own: that goes to the next worker."""
    headers = {"authorization": authorization}
    return httpx.get(f"{process.url('harbour')}/ships/a", headers=headers, trust_env=False)


def test_httpx_is_challenged_once_by_all_workers(process: Process) -> None:
    auth = httpx.DigestAuth("ada", "s3cret")
    asked: list[int] = []
    for _ in range(ASKED):
        with httpx.Client(trust_env=False, auth=auth) as client:
            client.event_hooks["response"] = [lambda answer: asked.append(answer.status_code)]
            client.get(f"{process.url('harbour')}/ships/a")
    assert asked == [OUT] + [IN] * ASKED


def test_requests_is_challenged_once_by_all_workers(process: Process) -> None:
    auth = HTTPDigestAuth("ada", "s3cret")
    asked: list[int] = []
    for _ in range(ASKED):
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                f"{process.url('harbour')}/ships/a", auth=auth, headers={"connection": "close"}
            )
            asked += [each.status_code for each in (*answer.history, answer)]
    assert asked == [OUT] + [IN] * ASKED


def test_curl_is_let_in_although_each_connection_goes_to_another_worker(process: Process) -> None:
    urls = [f"{process.url('harbour')}/ships/{name}" for name in "abc"]
    said = subprocess.run(
        ["curl", "-si", "--digest", "-u", "ada:s3cret", "-H", "Connection: close", *urls],  # noqa: S607
        capture_output=True,
        check=True,
        text=True,
        env=direct(),
    ).stdout
    assert re.findall(r"^HTTP/1.1 (\d+)", said, re.MULTILINE) == ["401", "502", "502", "502"]


def test_what_was_listened_to_is_taken_by_no_worker(process: Process) -> None:
    authorization = recorded(process)
    answers = [repeated(process, authorization) for _ in range(2 * WORKERS)]
    assert [answer.status_code for answer in answers] == [OUT] * len(answers)
    assert all("stale=true" in answer.headers["www-authenticate"] for answer in answers)
    assert authorization not in process.err.text + process.out.text
    assert "s3cret" not in process.err.text + process.out.text


def test_what_is_sent_several_times_at_once_is_taken_once(process: Process) -> None:
    url = f"{process.url('harbour')}/ships/a"
    for _ in range(5):
        challenge = httpx.get(url, trust_env=False)
        answering = httpx.DigestAuth("ada", "s3cret").auth_flow(httpx.Request("GET", url))
        next(answering)
        authorization = answering.send(challenge).headers["authorization"]
        with ThreadPoolExecutor(8) as senders:
            answers = senders.map(lambda text: repeated(process, text), [authorization] * 8)
        assert sorted(answer.status_code for answer in answers) == [OUT] * 7 + [IN]


def test_what_was_used_stays_used_when_workers_are_replaced(process: Process) -> None:
    authorization = recorded(process)
    before = workers(process)
    for number in before:
        os.kill(number, signal.SIGKILL)
    assert until(lambda: len(workers(process) - before) == WORKERS and serves(process))
    answers = [repeated(process, authorization) for _ in range(2 * WORKERS)]
    assert [answer.status_code for answer in answers] == [OUT] * len(answers)
    assert all("stale=true" in answer.headers["www-authenticate"] for answer in answers)


def test_what_was_used_stays_used_when_the_file_changes(process: Process, file: Path) -> None:
    authorization = recorded(process)
    file.write_text(file.read_text("utf-8").replace("All ships", "Every ship"), "utf-8")
    assert process.err.wait_for_text(f"{file} replaced")
    assert "stale=true" in repeated(process, authorization).headers["www-authenticate"]
    assert repeated(process, authorization).status_code == OUT


def test_over_stdio_nobody_is_asked_and_that_is_said(file: Path) -> None:
    ping = '{"jsonrpc": "2.0", "id": 7, "method": "ping"}\n'
    ended = run("stdio", str(file), stdin=ping, environ={"PASSWORD": "s3cret"})
    assert json.loads(ended.stdout)["id"] == 7
    assert "the authentication of 'tower' is not used over stdin and stdout" in ended.stderr


def serves(process: Process) -> bool:
    """Tell whether somebody answers."""
    try:
        return httpx.get(f"{process.url('harbour')}/health", trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


def workers(process: Process) -> set[int]:
    """Give the ids of the workers that run."""
    number = process.popen.pid
    return set(map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split()))
