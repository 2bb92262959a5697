"""Who is let in by a process of several workers: each takes the nonces of the others."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.callers.serving import capability
from tests.e2e.process import Process, run, serving

CLAUSE = {"type": "digest", "username": "ada", "password": "{{PASSWORD}}"}
ASKED = 24


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    file = tmp_path_factory.mktemp("callers") / "ships.yaml"
    file.write_text(capability(CLAUSE, {"PASSWORD": "PASSWORD"}), "utf-8")
    names = ("harbour", "tower")
    with serving(
        str(file),
        "--workers=2",
        "--log-level=debug",
        "--upstream=ships=http://127.0.0.1:9",
        adapters=names,
        environ={"PASSWORD": "s3cret"},
    ) as each:
        yield each


def test_workers_take_the_nonces_of_each_other(process: Process) -> None:
    auth = httpx.DigestAuth("ada", "s3cret")
    asked: list[int] = []
    for _ in range(ASKED):
        # A connection of its own goes to the next worker.
        with httpx.Client(trust_env=False, auth=auth) as client:
            client.event_hooks["response"] = [lambda answer: asked.append(answer.status_code)]
            client.get(f"{process.url('harbour')}/ships/a")
    assert asked == [401] + [502] * ASKED, "the upstream is not there, but the caller was let in"


def test_what_was_listened_to_counts_once_at_each_worker(process: Process) -> None:
    heard: list[str] = []
    with httpx.Client(trust_env=False, auth=httpx.DigestAuth("ada", "s3cret")) as client:
        client.event_hooks["request"] = [
            lambda request: heard.append(request.headers.get("authorization", ""))
        ]
        client.get(f"{process.url('harbour')}/ships/a")
    headers = {"authorization": heard[-1]}
    statuses = [
        httpx.get(f"{process.url('harbour')}/ships/a", headers=headers, trust_env=False).status_code
        for _ in range(8)
    ]
    assert statuses.count(502) == 1, "the worker that has not seen it"
    assert statuses.count(401) == 7
    assert heard[-1] not in process.err.text + process.out.text
    assert "s3cret" not in process.err.text + process.out.text


def test_over_stdio_nobody_is_asked_and_that_is_said(tmp_path: Path) -> None:
    file = tmp_path / "ships.yaml"
    file.write_text(capability(CLAUSE, {"PASSWORD": "PASSWORD"}), "utf-8")
    ping = '{"jsonrpc": "2.0", "id": 7, "method": "ping"}\n'
    ended = run("stdio", str(file), stdin=ping, environ={"PASSWORD": "s3cret"})
    assert json.loads(ended.stdout)["id"] == 7
    assert "the authentication of 'tower' is not used over stdin and stdout" in ended.stderr
