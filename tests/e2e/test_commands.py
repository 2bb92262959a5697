"""``call``, ``inspect`` and ``stdio`` as processes: what goes to stdout, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.e2e.conftest import ROOT_KEY
from tests.e2e.process import CAPABILITIES, KEYS, KEYS_MCP, Process, command, environment, run
from tests.e2e.upstream import Reply, recording
from tests.e2e.wire import Json, dumps


def called(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Call a unit of the capability, from the sandbox."""
    ended = run("call", "--sandbox", KEYS, *arguments)
    assert ended.returncode == status, ended
    assert "Traceback" not in ended.stderr
    return ended


def test_a_call_prints_the_answer_and_nothing_else() -> None:
    ended = called("create-api-namespace", "name=payments")
    assert json.loads(ended.stdout)["data"]["apiId"].startswith("api_")
    assert ended.stderr == ""


def test_values_are_text_or_json_as_they_are_written() -> None:
    with recording() as upstream:
        cases: list[tuple[list[str], str, Json]] = [
            (["list-roles", "limit:=5"], "permissions.listRoles", {"limit": 5}),
            (["list-roles", "limit=5"], "permissions.listRoles", {"limit": 5}),
            (
                ["POST /v1/keys/key_1/roles", 'roles:=["a", "b=c"]'],
                "keys.addRoles",
                {"keyId": "key_1", "roles": ["a", "b=c"]},
            ),
            (
                ["create-api-key", "apiId=api_1", 'meta:={"a": null}', "name==x:=y"],
                "keys.createKey",
                {"apiId": "api_1", "meta": {"a": None}, "name": "=x:=y"},
            ),
        ]
        for arguments, operation, sent in cases:
            ended = run(
                "call",
                KEYS,
                *arguments,
                f"--upstream=unkey={upstream.url}",
                environ={"UNKEY_ROOT_KEY": ROOT_KEY},
            )
            assert (ended.returncode, ended.stdout, ended.stderr) == (0, '{"data":{}}', "")
            assert upstream.last.target == f"/v2/{operation}"
            assert upstream.last.json == sent
            assert upstream.last.header("authorization") == [f"Bearer {ROOT_KEY}"]


def test_a_variable_that_is_given_counts_more_than_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "some.env"
    file.write_text("UNKEY_ROOT_KEY=from_file\n", "utf-8")
    given = {
        "from_file": [f"--env-file={file}"],
        "from_option": [f"--env-file={file}", "--var", "UNKEY_ROOT_KEY=from_option"],
        "from_environment": [],
    }
    with recording() as upstream:
        for key, options in given.items():
            ended = run(
                "call",
                KEYS,
                "list-roles",
                f"--upstream=unkey={upstream.url}",
                *options,
                environ={"UNKEY_ROOT_KEY": "from_environment"},
            )
            assert ended.returncode == 0
            assert upstream.last.header("authorization") == [f"Bearer {key}"]


def test_a_failed_call_has_status_1_and_says_why() -> None:
    ended = called("GET /v1/keys/key_nobody", status=1)
    assert json.loads(ended.stdout)["error"]["status"] == 404
    assert ended.stderr == "the upstream answered 404\n"
    ended = called("create-api-namespace", "nam=payments", status=1)
    assert ended.stdout == ""
    assert ended.stderr == (
        "naftiko-run: name: is required; nam: is unknown; did you mean 'name'?\n"
    )


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["list-roles", "limit"], ["list-roles", "limit:={"]]
)
def test_a_call_that_is_written_wrong_has_status_2(arguments: list[str]) -> None:
    ended = called(*arguments, status=2)
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


SEARCH = """
naftiko: 1.0.0-alpha2
info: {{label: Search, description: Made for a test}}
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: {base}
    resources:
    - path: /find/{{{{id}}}}
      operations:
      - name: find
        method: GET
        inputParameters:
        - {{name: id, in: path, type: string}}
        - {{name: q, in: query, type: string}}
  exposes:
  - {{type: rest, namespace: one, resources: [{{path: "/g/{{id}}", operations: [
      {{method: GET, call: up.find}}, {{method: DELETE, call: up.find}}]}}]}}
  - {{type: mcp, namespace: two, tools: [{{name: find, description: Finds, call: up.find}}]}}
  - {{type: mcp, namespace: three, tools: [{{name: find, description: Finds, call: up.find}}]}}
"""


def test_a_call_may_be_named_by_path_and_query_or_with_its_adapter(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    with recording() as upstream:
        path.write_text(SEARCH.format(base=upstream.url), "utf-8")
        for arguments in (
            ["GET /g/7?q=a%20b"],
            ["get /one/g/7?q=a+b"],
            ["GET /g/7?q=other", "q=a b"],
            ["two/find", "id=7", "q=a b"],
            ["three/find", "id=7", "q=a b"],
        ):
            ended = run("call", str(path), *arguments)
            assert (ended.returncode, ended.stderr) == (0, ""), arguments
            assert upstream.last.target in ("/find/7?q=a%20b", "/find/7?q=a+b")
        upstream.received.clear()
        for name, candidates in (
            ("find", "'two/find', 'three/find'"),
            ("/g/7", "'GET /one/g/{id}', 'DELETE /one/g/{id}'"),
        ):
            ended = run("call", str(path), name, "id=7")
            assert (ended.returncode, ended.stdout) == (2, "")
            assert ended.stderr == (
                f"naftiko-run: {name!r} may be any of {candidates}: name one of them\n"
            )
        unknown = run("call", str(path), "GET /g/7?z=1")
        assert (unknown.returncode, "z: is unknown" in unknown.stderr) == (1, True)
        assert upstream.received == []


def test_a_call_of_a_file_that_is_missing_or_invalid_has_status_1(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("naftiko: [", "utf-8")
    for path in (bad, tmp_path / "nowhere.yaml"):
        ended = run("call", str(path), "find")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith(f"{path}:")
        assert " error E-" in ended.stderr


def test_inspect_shows_each_unit_and_the_call_behind_it() -> None:
    ended = run("inspect", *CAPABILITIES)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [line.strip() for line in ended.stdout.splitlines()]
    for text in (
        "POST /v1/apis/{apiId}/keys",
        "delete-api-key",
        "PUT /v1/identities/{identityId}",
        "update-identity",
    ):
        assert text in lines
    assert "→ POST https://api.unkey.com/v2/keys.createKey   unkey.create-key" in lines
    assert sum(line.startswith("→ ") for line in lines) == 39
    assert "apiId       ← apiId (path; string, required)" in lines
    pointed = run("inspect", KEYS, "--upstream=unkey=http://127.0.0.1:9/base")
    assert "→ POST http://127.0.0.1:9/base/v2/keys.createKey" in pointed.stdout


LOST = "cannot be read: no such file or directory"
SHIPS = """
naftiko: 1.0.0-alpha2
info: {label: Ships, description: Ships at sea.}
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: https://api.test
    resources:
    - path: /ships/{imo}
      name: ship
      operations:
      - name: get-ship
        method: GET
        inputParameters: [{name: imo, in: path, type: string}]
  exposes:
  - type: mcp
    namespace: ships
    port: 9090
    resources:
    - {name: ship, label: Ship, uri: "data://ships/{imo}", description: One, call: up.get-ship}
    - {name: docs, label: Docs, uri: "docs://guides", description: All, location: "file:///./guides"}
    prompts:
    - name: greet
      label: Greet
      description: Greets
      arguments: [{name: name, description: Whom}]
      template: [{role: user, content: "Hello {{name}}"}]
    - {name: lost, label: Lost, description: Is not there, location: "file:///./lost.md"}
"""


def test_inspect_shows_resources_and_prompts(tmp_path: Path) -> None:
    (tmp_path / "guides").mkdir()
    path = tmp_path / "ships.yaml"
    path.write_text(SHIPS, "utf-8")
    ended = run("inspect", str(path))
    assert ended.returncode == 0
    assert [line.rstrip() for line in ended.stdout.splitlines()] == [
        f"{path}  mcp ships",
        "  resource data://ships/{imo}",
        "      → GET https://api.test/ships/{{imo}}   up.get-ship",
        "        imo ← imo (argument; string, required)",
        "  resource docs://guides",
        "      → the files of file:///./guides",
        "  prompt greet",
        "      → 1 message with name",
        "  prompt lost",
        f"      not served: E-CONTENT-FILE the file 'file:///./lost.md' {LOST}",
    ]


# ------------------------------------------------------------------------------------------ stdio


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_client_talks_over_stdin_and_stdout(era: Literal["legacy", "auto"]) -> None:
    with TemporaryFile("w+", encoding="utf-8") as errors:
        arguments = command("stdio", KEYS, "--sandbox", "--log-level=debug")[1:]
        server = StdioServerParameters(command=sys.executable, args=arguments, env=environment())
        async with Client(stdio_client(server, errlog=errors), mode=era) as client:
            assert len((await client.list_tools()).tools) == 14
            made = await client.call_tool("create-api-namespace", {"name": "payments"})
            assert made.structured_content is not None
            api = made.structured_content["data"]["apiId"]
            key = await client.call_tool("create-api-key", {"apiId": api})
            assert not key.is_error
            wrong = await client.call_tool("create-api-namespace", {"name": 5})
            assert wrong.is_error
            with pytest.raises(MCPError, match="nobody"):
                await client.call_tool("nobody", {})
        errors.seek(0)
        assert "Traceback" not in errors.read()


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


def test_stdout_holds_messages_alone_whatever_happens() -> None:
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list-roles"}},
        {"jsonrpc": "2.0", "id": 3, "method": "nothing/known"},
    ]
    with recording() as upstream:
        upstream.reply = Reply(500, b"line\nbreak", {"content-type": "text/plain"})
        arguments = ("stdio", KEYS, "--log-level=debug", f"--upstream=unkey={upstream.url}")
        process = Process(*arguments, environ={"UNKEY_ROOT_KEY": ROOT_KEY}, stdin=subprocess.PIPE)
        pipe = process.popen.stdin
        assert pipe is not None
        pipe.write("no message\n" + "".join(f"{dumps(m).decode()}\n" for m in messages))
        pipe.flush()
        assert process.out.wait_for(lambda lines: len(lines) >= 3)
        pipe.close()
        assert process.wait() == 0, "it ends with its input"
    answers = {answer.get("id"): answer for answer in map(json.loads, process.out.all)}
    assert answers[1]["result"]["protocolVersion"] == "2025-06-18"
    assert answers[2]["result"]["isError"] is True
    assert answers[2]["result"]["content"][0]["text"] == "line\nbreak"
    assert answers[3]["error"]["code"] == -32601
    assert ROOT_KEY not in process.out.text + process.err.text


def test_stdio_needs_one_adapter() -> None:
    folder = str(Path(KEYS).parent)
    several = run("stdio", folder)
    assert (several.returncode, several.stdout) == (2, "")
    assert "choose one with --adapter" in several.stderr
    none = run("stdio", KEYS, "--adapter", "nobody")
    assert (none.returncode, none.stdout) == (2, "")
    assert f"there is {KEYS_MCP}" in none.stderr
