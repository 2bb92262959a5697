"""Prompts over MCP: how messages are filled, what is refused, who hears of changes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from starlette.types import Message

from naftiko_run.exposes import mcp_prompts
from naftiko_run.exposes.mcp import McpFace
from tests.exposes.mcp_content_peers import MODES, client_of, entries, make
from tests.exposes.mcp_peers import META, ask, message, request

HELLO: dict[str, Any] = {
    "label": "Hello",
    "description": "Greets",
    "arguments": [
        {"name": "name", "label": "Name", "description": "Whom"},
        {"name": "count", "description": "How many", "required": False},
    ],
    "template": [{"role": "user", "content": "Hello {{name}}, you have {{count}} tasks"}],
}
SUMMARY: dict[str, Any] = {
    "label": "Summary",
    "description": "Sums up",
    "template": [
        {"role": "user", "content": "Read this."},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "Sum it up, {{nobody}}."},
    ],
}


async def said(client: Client, prompt: str, /, **arguments: str) -> list[tuple[str, str]]:
    found = await client.get_prompt(prompt, arguments)
    return [(each.role, getattr(each.content, "text", "")) for each in found.messages]


async def refused(client: Client, prompt: str, /, **arguments: str) -> Any:  # noqa: ANN401
    with pytest.raises(MCPError) as error:
        await client.get_prompt(prompt, arguments)
    return error.value.error


def keyed(prompt: dict[str, Any]) -> dict[str, Any]:
    """Write a prompt as the newer versions of the language do."""
    changed = {"display" if key == "label" else key: value for key, value in prompt.items()}
    if "arguments" in changed:
        changed["arguments"] = {
            argument["name"]: {k: v for k, v in argument.items() if k != "name"}
            for argument in changed["arguments"]
        }
    return changed


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["list", "map"])
async def test_prompts_are_listed_and_filled(tmp_path: Path, mode: str, form: str) -> None:
    named: dict[str, dict[str, Any]] = {"hello": HELLO, "summary-prompt": SUMMARY}
    if form == "map":
        named = {name: keyed(prompt) for name, prompt in named.items()}
    made = make(tmp_path, prompts=entries(form, named))
    assert made.codes == []
    async with client_of(made.server, mode) as client:
        capabilities = client.server_capabilities
        assert capabilities.prompts is not None
        assert capabilities.completions is not None
        assert (capabilities.tools, capabilities.resources) == (None, None)
        hello, summary = (await client.list_prompts()).prompts
        assert (hello.name, hello.title, hello.description) == ("hello", "Hello", "Greets")
        assert [(a.name, a.required) for a in hello.arguments or ()] == [
            ("name", True),
            ("count", False),
        ]
        assert (summary.name, summary.arguments) == ("summary-prompt", None)
        found = await client.get_prompt("hello", {"name": "Ada", "count": "3"})
        assert found.description == "Greets"
        assert await said(client, "hello", name="Ada", count="3") == [
            ("user", "Hello Ada, you have 3 tasks")
        ]
        assert await said(client, "summary-prompt") == [
            ("user", "Read this."),
            ("assistant", "Done."),
            ("user", "Sum it up, {{nobody}}."),
        ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"name": "Ada"}, "Hello Ada, you have {{count}} tasks"),
        ({"name": "{{count}}", "count": "3"}, "Hello {{count}}, you have 3 tasks"),
        ({"name": "{{danger}}", "danger": "!"}, "Hello {{danger}}, you have {{count}} tasks"),
        ({"name": r"\1\g<0>$1 {name}", "count": ""}, r"Hello \1\g<0>$1 {name}, you have  tasks"),
        ({"name": "", "count": "é\n"}, "Hello , you have é\n tasks"),
    ],
)
async def test_values_are_put_in_as_they_are(
    tmp_path: Path, arguments: dict[str, str], text: str
) -> None:
    made = make(tmp_path, prompts=[{"name": "hello", **HELLO}])
    async with client_of(made.server) as client:
        assert await said(client, "hello", **arguments) == [("user", text)]


async def test_spaces_around_a_name_change_nothing(tmp_path: Path) -> None:
    prompt = {**HELLO, "template": [{"role": "user", "content": "Hello {{ name }}, {{ count }}"}]}
    made = make(tmp_path, prompts=[{"name": "hello", **prompt}])
    async with client_of(made.server) as client:
        assert await said(client, "hello", name="Ada") == [("user", "Hello Ada, {{ count }}")]


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_asked_wrongly_is_refused(tmp_path: Path, mode: str) -> None:
    made = make(tmp_path, prompts=[{"name": "hello", **HELLO}])
    async with client_of(made.server, mode) as client:
        error = await refused(client, "hello", count="3")
        assert (error.code, error.message) == (-32602, "Missing required arguments: name")
        error = await refused(client, "goodbye")
        assert (error.code, error.message) == (-32602, "Unknown prompt: goodbye")


async def test_a_prompt_grows_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_prompts, "MOST_CHARACTERS", 100)
    template = [{"role": "user", "content": "{{a}}{{a}}"}, {"role": "user", "content": "{{a}}"}]
    made = make(tmp_path, prompts=[{"name": "p", "template": template}])
    async with client_of(made.server) as client:
        assert len(await said(client, "p", a="x" * 33)) == 2
        assert (await refused(client, "p", a="x" * 34)).code == -32602


@pytest.mark.parametrize("location", ["file:///./p/ask.md", "file://{folder}/p/ask.md"])
async def test_a_file_is_one_message_of_the_user(tmp_path: Path, location: str) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "ask.md").write_text("\ufeffAsk {{name}} é", "utf-8")
    written = location.format(folder=tmp_path)
    made = make(tmp_path, prompts=[{"name": "ask", "location": written}])
    assert made.codes == []
    assert tmp_path / "p" / "ask.md" in made.files
    async with client_of(made.server) as client:
        assert await said(client, "ask", name="Ada") == [("user", "Ask Ada é")]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"location": "file:///./missing.md"}, "E-CONTENT-FILE"),
        ({"location": "file:///./"}, "E-CONTENT-FILE"),
        ({"location": "file:///./bytes.md"}, "E-CONTENT-FILE"),
        ({"location": "file:///./large.md"}, "E-CONTENT-FILE"),
        ({"location": "https://example.com/ask.md"}, "E-CONTENT-FILE"),
        ({}, "E-PROMPT"),
        ({"template": [{"role": "system", "content": "no"}]}, "E-PROMPT"),
        ({"name": "", **SUMMARY}, "E-PROMPT"),
        ({"name": "hello", **SUMMARY}, "E-PROMPT"),
    ],
)
async def test_a_prompt_that_cannot_be_served_is_left_out(
    tmp_path: Path, entry: dict[str, Any], code: str
) -> None:
    (tmp_path / "bytes.md").write_bytes(b"\xff")
    (tmp_path / "large.md").write_text("x" * (1024 * 1024 + 1))
    made = make(tmp_path, prompts=[{"name": "hello", **HELLO}, {"name": "bad", **entry}])
    assert set(made.codes) == {code}
    assert [prompt.name for prompt in made.server.prompts] == ["hello"]


async def test_a_placeholder_that_is_nearly_an_argument_is_told_and_others_are_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "late.md").write_text("Where is {{ordr}} of {{anything}}?", "utf-8")
    given = {"arguments": [{"name": "order", "description": "The order."}]}
    message = {"role": "user", "content": "{{order}}, {{oder}}, {{else}}"}
    prompts = [
        {"name": "a", "template": [message], **given},
        {"name": "b", "location": "file:///./late.md", **given},
    ]
    made = make(tmp_path, prompts=prompts)
    assert made.codes == ["W-PROMPT-PLACEHOLDER", "W-PROMPT-PLACEHOLDER"]
    assert [prompt.name for prompt in made.server.prompts] == ["a", "b"]


# ---------------------------------------------------------------------------------- completion


async def test_arguments_are_completed_with_what_they_can_be(tmp_path: Path) -> None:
    colours = {"name": "colour", "enum": ["red", "rose", "blue"]}
    many = {"name": "many", "enum": [f"v{n}" for n in range(150)]}
    prompt = {"name": "hello", **HELLO, "arguments": [colours, many, {"name": "free"}]}
    made = make(tmp_path, prompts=[prompt])

    async def completed(face: McpFace, name: str, value: str, of: str = "hello") -> Any:  # noqa: ANN401
        params = {
            "ref": {"type": "ref/prompt", "name": of},
            "argument": {"name": name, "value": value},
            "_meta": META,
        }
        found = (await ask(face, request(message("completion/complete", params)))).json
        return found["result"]["completion"] if "result" in found else found["error"]

    face = McpFace(made.server)
    async with face.running():
        found = await completed(face, "colour", "r")
        assert found == {"values": ["red", "rose"], "total": 2, "hasMore": False}
        assert (await completed(face, "free", ""))["values"] == []
        assert (await completed(face, "unknown", ""))["values"] == []
        found = await completed(face, "many", "")
        assert (len(found["values"]), found["total"], found["hasMore"]) == (100, 150, True)
        assert (await completed(face, "colour", "r", of="goodbye"))["code"] == -32602


# ------------------------------------------------------------------------ who hears of changes


async def test_clients_that_listen_hear_of_changed_prompts_and_resources(tmp_path: Path) -> None:
    news = {"name": "news", "uri": "data://news", "call": "up.news"}
    before = make(tmp_path, prompts=[{"name": "hello", **HELLO}], resources=[news]).server
    again = make(tmp_path, prompts=[{"name": "hello", **HELLO}], resources=[news]).server
    after = make(
        tmp_path, prompts=[{"name": "bye", **HELLO}], resources=[{**news, "uri": "data://more"}]
    ).server
    sent: asyncio.Queue[str] = asyncio.Queue()
    kinds = {"promptsListChanged": True, "resourcesListChanged": True}
    asked = request(message("subscriptions/listen", {"notifications": kinds, "_meta": META}))
    waiting: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop()

    async def send(part: Message) -> None:
        for line in part.get("body", b"").splitlines():
            if line.startswith(b"data: "):
                sent.put_nowait(json.loads(line[6:]).get("method", "the end"))

    face = McpFace(before)
    async with face.running():
        listening = asyncio.ensure_future(face(asked.scope, receive, send))
        first = await asyncio.wait_for(sent.get(), 5)
        assert first == "notifications/subscriptions/acknowledged"
        await face.update(again)
        assert sent.empty()
        await face.update(after)
        heard = {await asyncio.wait_for(sent.get(), 5) for _ in range(2)}
        assert heard == {
            "notifications/prompts/list_changed",
            "notifications/resources/list_changed",
        }
        found = (await ask(face, request(message("prompts/list", {"_meta": META})))).json
        assert [each["name"] for each in found["result"]["prompts"]] == ["bye"]
        face.release()
        assert await asyncio.wait_for(sent.get(), 5) == "the end"
        await asyncio.wait_for(listening, 5)
