"""The tour of ``examples/README.md``: its commands, as written, give the answers that it shows."""

import json
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.e2e.process import Process, run, serving
from tests.e2e.upstream import Upstream
from tests.e2e.wire import ask
from tests.examples.shipyard import API, EXAMPLES, SHIPYARD
from tests.upstreams.__main__ import DOCKYARD_PORT, REGISTRY_PORT

PAGE = (EXAMPLES / "README.md").read_text("utf-8")
BLOCKS: list[str] = re.findall(
    r"^```sh\n(.*?)\n```\n\n(?:```(?:json|text)\n(.*?)\n?```$)?", PAGE, re.DOTALL | re.MULTILINE
)
SHOWN = {shown[0]: shown[1] for shown in BLOCKS}
CALLS = [command for command in SHOWN if re.match(r"naftiko-run (call|inspect) ", command)]
SERVED = [command for command in SHOWN if re.match(r"naftiko-run [0-9]", command)]
CURLS = [command for command in SHOWN if command.startswith("curl ")]


def test_each_stage_has_a_command() -> None:
    files = sorted(path.name for path in (SHIPYARD / "ikanos").glob("*.yaml"))
    named = re.findall(
        r"^naftiko-run (?:call |inspect )?(\d\S+\.yaml)", "\n".join(SHOWN), re.MULTILINE
    )
    assert named == files
    assert len(CALLS) + len(SERVED) + len(CURLS) == len(SHOWN)


@pytest.mark.parametrize("command", CALLS)
def test_a_command_answers_as_the_page_shows(
    command: str, registry: Upstream, dockyard: Upstream
) -> None:
    arguments = shlex.split(command)[1:]
    text = (SHIPYARD / "ikanos" / arguments[1]).read_text("utf-8")
    upstreams = {"registry": registry.url, "dockyard": dockyard.url}
    consumed = {
        name: url for name, url in upstreams.items() if re.search(rf"(: |import: ){name}\b", text)
    }
    environ = {f"NAFTIKO_UPSTREAM_{name.upper()}": url for name, url in consumed.items()}
    ended = run(*arguments, environ=environ, cwd=SHIPYARD / "ikanos")
    assert (ended.returncode, ended.stderr) == (0, "")
    written = ended.stdout.replace(registry.url, f"http://127.0.0.1:{REGISTRY_PORT}")
    assert written.rstrip("\n") == SHOWN[command]


def test_a_secret_is_in_no_log(registry: Upstream) -> None:
    upstream = f"--upstream=registry={registry.url}"
    file = str(SHIPYARD / "ikanos" / "04-authentication.yaml")
    ended = run("call", file, "list-crew", upstream, "--log-level=debug")
    assert registry.last.header("authorization") == ["Bearer dummy-token"]
    assert (ended.returncode, "dummy-token" in ended.stdout + ended.stderr) == (0, False)


@pytest.fixture
def served(registry: Upstream) -> Iterator[Process]:
    """Serve what the page serves, on a free port."""
    (command,) = SERVED
    upstream = {"NAFTIKO_UPSTREAM_REGISTRY": registry.url}
    arguments = shlex.split(command)[1:]
    with serving(*arguments, adapters=[API], environ=upstream, cwd=SHIPYARD / "ikanos") as process:
        yield process


def test_curl_gets_what_the_page_shows(served: Process) -> None:
    (command,) = CURLS
    url, flag, body = shlex.split(command)[1:]
    assert flag == "-d"
    target = url.removeprefix("http://127.0.0.1:8700")
    sent_by_curl = {"content_type": "application/x-www-form-urlencoded"}
    answer = ask(served.url(API), "POST", target, body.encode(), **sent_by_curl)
    assert (answer.status, answer.text) == (201, SHOWN[command])
    assert json.loads(body)["shipImo"] == answer.json["shipImo"]


@pytest.mark.parametrize("form", ["ikanos", "naftiko"])
def test_what_comes_next_works(form: str) -> None:
    migrated, validated = re.findall(r"^- `naftiko-run (.*?)`", PAGE, re.MULTILINE)
    for command in (migrated, validated):
        ended = run(*shlex.split(command), cwd=SHIPYARD / form)
        assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "1 file: no problems\n"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", PAGE):
        assert (EXAMPLES / target).exists(), target


def test_ports_are_those_of_the_servers_and_of_the_files() -> None:
    assert f"Registry on port {REGISTRY_PORT}" in PAGE
    assert f"Dockyard on port {DOCKYARD_PORT}" in PAGE
    for file in SHIPYARD.rglob("*.yaml"):
        ports = set(re.findall(r"127\.0\.0\.1:(\d+)", file.read_text("utf-8")))
        assert ports <= {str(REGISTRY_PORT), str(DOCKYARD_PORT), "8700", "8710", "9700"}, file
