"""What the documentation shows is true: its snippets run, its answers have the shape it shows."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from naftiko_run.settings import OPTIONS
from tests.e2e.process import ADAPTERS, CAPABILITIES, PATIENCE, Process, environment, run, serving
from tests.e2e.upstream import Reply, recording
from tests.e2e.wire import Answer, Json, ask

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    """Give the code blocks of a language."""
    return [text for name, text in BLOCKS if name == language]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    """Run what `make run` runs, on free ports."""
    with serving("--sandbox", *CAPABILITIES, adapters=ADAPTERS) as process:
        yield process


PORTS = dict(zip((8080, 9090, 8082, 9092), ADAPTERS, strict=True))


def placed(text: str, process: Process) -> str:
    """Put the addresses where the process listens into a text that has the documented ones."""
    for port, adapter in PORTS.items():
        served = process.url(adapter).removesuffix("/mcp")
        text = text.replace(f"http://127.0.0.1:{port}", served)
    return text


def curl(line: str) -> Answer:
    """Run a curl command; where there is no curl, send what it would."""
    words = shlex.split(line)
    assert words[0] == "curl"
    if program := shutil.which("curl"):
        ended = subprocess.run(
            [program, "-sS", "--noproxy", "*", "-w", r"\n%{http_code} %{content_type}", *words[1:]],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment(),
            check=True,
        )
        body, _, told = ended.stdout.rpartition("\n")
        status, _, kind = told.partition(" ")
        return Answer(int(status), {"content-type": kind}, body.encode())
    url, flag, data = words[1:]
    assert flag == "-d"
    form = "application/x-www-form-urlencoded"
    return ask(url, "POST", "", data.encode(), content_type=form)


def shape(value: Json) -> Json:
    """Reduce a value to its members and types; an ID to what stands before its random part."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, str):
        return re.sub(r"^([a-z]+_)[A-Za-z0-9]{9}$", r"\1…", value)
    return type(value).__name__


def test_every_curl_command_gives_the_answer_that_is_shown(process: Process) -> None:
    commands = [
        (text, BLOCKS[index + 1])
        for index, (language, text) in enumerate(BLOCKS)
        if language == "sh" and text.startswith("curl ")
    ]
    assert len(commands) >= 2
    for command, (language, shown) in commands:
        assert language == "json"
        expected = json.loads(shown)
        answer = curl(placed(command, process))
        assert shape(answer.json) == shape(expected)
        assert answer.status == expected.get("status", 200)
        assert len(answer.text) == len(shown.rstrip("\n")), "written as it is shown"


def test_every_python_snippet_runs(process: Process) -> None:
    (snippet,) = blocks("python")
    ended = subprocess.run(
        [sys.executable, "-c", placed(snippet, process)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(),
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.fullmatch(r"api_[A-Za-z0-9]{9}\n", ended.stdout)


def test_what_is_served_is_what_the_table_says(process: Process) -> None:
    table = re.findall(
        r"\| `(\S+)` \| http://127.0.0.1:(\d+) \((\d+ routes)\) \| (\S+) \((\d+ tools)\) \|", README
    )
    assert [str(ROOT / row[0]) for row in table] == list(CAPABILITIES)
    for _, port, routes, endpoint, tools in table:
        rest = process.url(PORTS[int(port)])
        mcp = placed(endpoint, process)
        assert f"REST {rest} ({routes}, docs {rest}/docs)" in process.out.text
        assert f"MCP {mcp} ({tools})" in process.out.text


async def test_the_capability_that_is_shown_is_a_whole_file_and_works(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    file = tmp_path / "weather.yaml"
    file.write_text(text, "utf-8")
    validated = run("validate", str(file), "--strict")
    assert validated.returncode == 0, validated.stdout
    told = re.search(r"serves `GET (\S+)` on port (\d+) and the tool `(\S+)` on port (\d+)", README)
    assert told is not None
    target, rest_port, tool, mcp_port = told.groups()
    assert (f"port: {rest_port}" in text, f"port: {mcp_port}" in text) == (True, True)
    with (
        recording() as upstream,
        serving(
            str(file),
            f"--upstream=open-meteo={upstream.url}",
            adapters=("weather-api", "weather-tools"),
        ) as process,
    ):
        reply = {"current": {"temperature_2m": 21.5, "time": "2026-01-01T00:00"}}
        upstream.reply = Reply(200, json.dumps(reply).encode())
        answer = ask(process.url("weather-api"), "GET", target)
        assert (answer.status, answer.json) == (200, {"temperature": 21.5})
        assert (
            upstream.last.target
            == f"{target.replace('/weather', '/v1/forecast')}&current=temperature_2m"
        )
        ask(process.url("weather-api"), "GET", "/weather?latitude=north").problem(400)
        async with Client(process.url("weather-tools")) as client:
            (listed,) = (await client.list_tools()).tools
            assert listed.name == tool
            assert listed.input_schema["required"] == ["latitude", "longitude"]
            result = await client.call_tool(tool, {"latitude": 48.1, "longitude": 11.6})
        assert result.structured_content == reply
        assert upstream.last.target.startswith("/v1/forecast?latitude=48.1&longitude=11.6")


def test_the_files_of_the_language_page_work(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "language.md").read_text("utf-8")
    for name, text in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(text, "utf-8")
    file = str(tmp_path / "orders.yaml")
    given = ("--var=SHOP_TOKEN=a", "--var=CALLER_TOKEN=b")
    validated = run("validate", file, "--strict", *given)
    assert validated.returncode == 0, validated.stdout
    replies = {
        "/orders/7": {"id": "7", "depot": "d2"},
        "/depots": [{"depotId": "d2", "city": "Ulm"}],
    }
    with recording() as upstream:
        upstream.reply = lambda received: Reply(200, json.dumps(replies[received.target]).encode())
        adapters = ("orders-api", "orders-mcp")
        with serving(file, f"--upstream=shop={upstream.url}", *given, adapters=adapters) as process:
            url = process.url("orders-api")
            ask(url, "GET", "/orders/7/place").problem(401)
            for path in ("/orders/7/place", "/orders-api/orders/7/place"):
                assert ask(url, "GET", path, authorization="Bearer b").json == {"city": "Ulm"}
            assert ask(url, "GET", "/healthz").status == 200
        called = run("call", file, "hello", *given)
        assert json.loads(called.stdout) == {"hi": "Hello"}, called.stderr


def test_every_option_is_in_the_help_with_its_variable() -> None:
    ended = run("serve", "--help", environ={"COLUMNS": "200"})
    words = ended.stdout.split()
    for option in OPTIONS:
        assert option.flag in words
        assert option.help.split()[0] in words
        if option.environment:
            assert f"[{option.environment}]" in words


def test_every_option_that_is_documented_exists() -> None:
    flags = {option.flag for option in OPTIONS}
    pages = [README, *(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))]
    shown = {
        flag
        for page in pages
        for line in page.splitlines()
        if "naftiko-run " in line or line.startswith("| `--")
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)
    }
    assert shown - flags <= {"--help", "--version", "--format", "--adapter", "--to", "--output"}
    assert shown & flags


def test_the_commands_that_are_documented_exist() -> None:
    ended = run("--help")
    usage = next(text for _, text in BLOCKS if text.startswith("naftiko-run [serve]"))
    commands = re.findall(r"^naftiko-run \[?(\w+)\]? ", usage, re.MULTILINE)
    assert commands == ["serve", "validate", "inspect", "call", "stdio", "migrate"]
    for command in commands:
        assert re.search(rf"^    {command} ", ended.stdout, re.MULTILINE)


def test_the_targets_of_make_that_are_documented_exist() -> None:
    rules = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)) <= rules


def test_the_sandbox_runs_alone() -> None:
    assert "python -m naftiko_run.sandbox.unkey --port 9999" in README
    ended = subprocess.run(
        [sys.executable, "-m", "naftiko_run.sandbox.unkey", "--help"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(),
        check=False,
    )
    assert (ended.returncode, "--port" in ended.stdout) == (0, True)


@pytest.mark.parametrize(
    "page", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))]
)
def test_links_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", file.read_text("utf-8")):
        assert (file.parent / target).exists(), target
