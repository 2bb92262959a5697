"""What several files and adapters on one process mean to each other (R-PORT-1, R-PORT-2)."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.corpus.dialect import Json
from tests.corpus.recorder import recording
from tests.corpus.runtime import COMMAND, clean_environment, running

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="the command is not installed")


def document(name: str, path: str, **more: Json) -> dict[str, Json]:
    operation = {"name": "get", "method": "GET"}
    return {
        "naftiko": "1.0.0-alpha2",
        "info": {"label": name, "description": "d"},
        "capability": {
            "consumes": [
                {
                    "namespace": "up",
                    "type": "http",
                    "baseUri": f"http://api.test/{name}",
                    "resources": [{"path": "/x", "operations": [operation]}],
                    **more,
                }
            ],
            "exposes": [
                {
                    "type": "rest",
                    "namespace": f"{name}-rest",
                    "port": 8080,
                    "resources": [
                        {"path": path, "operations": [{"method": "GET", "call": "up.get"}]},
                        {"path": f"/{name}", "operations": [{"method": "GET", "call": "up.get"}]},
                    ],
                },
                {
                    "type": "mcp",
                    "namespace": f"{name}-mcp",
                    "port": 9090,
                    "tools": [{"name": "get", "call": "up.get"}],
                },
            ],
        },
    }


def write(folder: Path, name: str, path: str, **more: Json) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(document(name, path, **more)), encoding="utf-8")
    return file


def taken_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_a_taken_port_ends_the_start(tmp_path: Path) -> None:
    file = write(tmp_path, "one", "/x")
    with taken_port() as listener:
        port = listener.getsockname()[1]
        done = subprocess.run(
            [str(COMMAND), "serve", str(file), "--port", f"one-rest={port}", "--port", "one-mcp=0"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean_environment(),
        )
    assert done.returncode == 3
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_adapters_on_one_port_share_what_is_unambiguous(tmp_path: Path) -> None:
    files = [write(tmp_path, "one", "/same"), write(tmp_path, "two", "/same")]
    with taken_port() as listener:
        port = listener.getsockname()[1]
    adapters = ["one-rest", "two-rest", "one-mcp", "two-mcp"]
    with (
        recording() as recorder,
        running(
            files, adapters, port=port, upstream=[f"*={recorder.origin}"], wanted=adapters
        ) as runtime,
    ):
        bare = ("one-rest", "two-rest")
        runtime.prefixed = False
        assert runtime.http("one-rest", "GET", "/one").status == 200
        assert runtime.http("one-rest", "GET", "/two").status == 200
        assert [request.target for request in recorder.take()] == ["/one/x", "/two/x"]
        conflict = runtime.http("one-rest", "GET", "/same")
        assert conflict.status == 409
        assert all(name in conflict.body.decode() for name in bare)
        assert recorder.take() == []
        runtime.prefixed = True
        for name in bare:
            assert runtime.http(name, "GET", "/same").status == 200
        assert [request.target for request in recorder.take()] == ["/one/x", "/two/x"]
        for name in ("one-mcp", "two-mcp"):
            assert not runtime.call_tool(name, "get", {}).is_error
        assert [request.target for request in recorder.take()] == ["/one/x", "/two/x"]


def test_a_file_that_cannot_be_served_costs_no_other(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("naftiko: [1\n", encoding="utf-8")
    signing = write(
        tmp_path,
        "signing",
        "/x",
        authentication={"type": "oauth1", "consumerKey": "{{K}}", "signingKey": "{{K}}"},
    )
    good = write(tmp_path, "good", "/x")
    with (
        recording() as recorder,
        running(
            [broken, signing, good],
            ["signing-rest", "signing-mcp", "good-rest", "good-mcp"],
            upstream=[f"*={recorder.origin}"],
            variables={"K": "no key at all"},
            wanted=["good-rest", "good-mcp"],
        ) as runtime,
    ):
        assert runtime.http("good-rest", "GET", "/x").status == 200
        assert [request.target for request in recorder.take()] == ["/good/x"]
        assert "broken.yaml" in runtime.output


def test_only_unservable_files_end_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: something else\n", encoding="utf-8")
    done = subprocess.run(
        [str(COMMAND), "serve", str(broken)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 1
    assert "E-NOT-CAPABILITY" in done.stdout + done.stderr
