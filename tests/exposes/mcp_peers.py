"""MCP faces in process: tools that answer in every way there is, and requests to ask them with."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Scope

from naftiko_run.errors import FieldProblem, InputError, UpstreamError, VariableError
from naftiko_run.exposes.units import Prompt, PromptArgument, Resource, Skill, Tool, ToolServer
from naftiko_run.types import Argument, Flow, Inputs, Json, Outcome

MODERN = "2026-07-28"
HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


def replies(body: bytes, media_type: str = "application/json", status: int = 200) -> Flow:
    """Make a flow that always has this outcome."""

    async def flow(_inputs: Inputs) -> Outcome:
        return Outcome(status, body, media_type, failed=status >= 300)

    return flow


def raises(error: Exception) -> Flow:
    """Make a flow that always fails like this."""

    async def flow(_inputs: Inputs) -> Outcome:
        raise error

    return flow


async def echo(inputs: Inputs) -> Outcome:
    """Answer with the arguments."""
    return Outcome(200, json.dumps(inputs).encode(), "application/json")


FLOWS: Mapping[str, Flow] = {
    "echo": echo,
    "object": replies(b'{"data": {"id": 1, "none": null, "rate": 1e22}, "meta": {}}'),
    "array": replies(b'[1, 2.5, "three", null]'),
    "number": replies(b"42"),
    "null": replies(b"null"),
    "large-number": replies(b'{"n": 123456789012345678901234567890}'),
    "half-a-pair": replies(b'{"a\\ud83d": "\\ud83d\\ude00\\ud83d\\\\ud83d"}'),
    "deep": replies(b"[" * 300 + b"]" * 300),
    "as-deep-as-goes": replies(b'{"a":' * 199 + b"{}" + b"}" * 199),
    "text": replies("no JSON: é".encode(), "text/plain"),
    "claims-json": replies(b"{", "application/json"),
    "nothing": replies(b"", "", 204),
    "image": replies(b"\x89PNG\xff", "image/png"),
    "sound": replies(b"\xffRIFF", "audio/wav"),
    "bytes": replies(b"\xff\xfe", "application/octet-stream"),
    "ascii-sound": replies(b"RIFF", "audio/wav"),
    "refused": replies(b'{"error": "no"}', status=404),
    "refused-long": replies(b'"' + b"x" * 20_000 + b'"', status=500),
    "refused-text": replies(b"no", "text/plain", 503),
    "wrong": raises(InputError([FieldProblem("key", "is required", "body")])),
    "unset": raises(VariableError(["TOKEN"], "authentication")),
    "unreachable": raises(UpstreamError("nobody answers")),
    "broken": raises(RuntimeError("unforeseen")),
}


def tool(name: str, flow: Flow, **members: Any) -> Tool:  # noqa: ANN401 - as the record has them
    """Make a tool with one optional argument of any type."""
    given: dict[str, Any] = {
        "title": "",
        "description": f"does {name}",
        "arguments": (Argument(name="value", key="key"),),
        "properties": {"value": "key"},
        "input_schema": {"type": "object", "properties": {"value": {}}},
        "hints": {},
        **members,
    }
    return Tool(name=name, flow=flow, **given)


def server(tools: Sequence[Tool] | None = None, **members: Any) -> ToolServer:  # noqa: ANN401
    """Make an adapter of these tools, of all kinds there are where none are given."""
    if tools is None:
        hints = {"readOnly": True, "openWorld": False}
        schema: Json = {"type": "object", "properties": {"data": {}}, "required": ["data"]}
        special = {"object": {"title": "Object", "hints": hints, "output_schema": schema}}
        tools = [tool(name, flow, **special.get(name, {})) for name, flow in FLOWS.items()]
    given: dict[str, Any] = {"title": "Peers", "version": "1.2.3", "instructions": "Ask."}
    given |= members
    return ToolServer(namespace="peers", tools=tuple(tools), **given)


def content(folder: Path) -> dict[str, Any]:
    """Make what an adapter may have besides tools, of all kinds there are."""
    (folder / "a b.md").write_text("# A", "utf-8")
    (folder / "z.bin").write_bytes(b"\xff\x00")
    text: dict[str, Any] = {"title": "", "description": ""}
    fixed = [
        resource("data://object", FLOWS["object"], title="Object", media_type="application/json"),
        resource("data://image", FLOWS["image"]),
        resource("data://refused", FLOWS["refused"]),
        resource("data://wrong", FLOWS["wrong"]),
        resource("data://broken", FLOWS["broken"]),
        Resource(name="files", uri="file:///files", folder=folder, **text),
    ]
    variables: dict[str, Any] = {"variables": {"id": "id"}, "values": {"id": ("one", "other", "é")}}
    templates = [resource("data://things/{id}", FLOWS["echo"], **variables)]
    asks = PromptArgument(name="name", title="Name", values=("Ada", "Alan"))
    prompts = [
        Prompt(
            name="hello",
            title="Hello",
            description="Greets",
            arguments=(asks, PromptArgument(name="count", required=False)),
            messages=(("user", "Hello {{name}}, {{count}}"), ("assistant", "Yes?")),
        ),
        Prompt(name="plain", title="", description="", messages=(("user", "Go"),)),
    ]
    return {
        "resources": tuple(fixed),
        "resource_templates": tuple(templates),
        "prompts": tuple(prompts),
        "skills": (skill("plain"), skill("files", folder)),
    }


def skill(name: str, folder: Path | None = None) -> Skill:
    """Make a skill whose SKILL.md says its name."""
    front: dict[str, Json] = {"name": name, "description": f"does {name}"}
    text = f"---\nname: {name}\ndescription: does {name}\n---\n"
    return Skill(
        name=name, description="", folder=folder, uri=f"skill://{name}", text=text, front=front
    )


def resource(uri: str, flow: Flow, **members: Any) -> Resource:  # noqa: ANN401
    """Make a resource that a flow answers."""
    given: dict[str, Any] = {"title": "", "description": f"reads {uri}", **members}
    return Resource(name=uri.partition("://")[2], uri=uri, flow=flow, **given)


@dataclass
class Request:
    """An HTTP request that can still be bent."""

    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)
    method: str = "POST"

    @property
    def scope(self) -> Scope:
        """The ASGI scope."""
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers]
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "query_string": b"",
            "root_path": "",
            "server": ("127.0.0.1", 9090),
            "client": ("127.0.0.1", 50000),
            "headers": [*raw, (b"content-length", b"%d" % len(self.body))],
        }


def message(method: str, params: object = None, request_id: object = 1) -> dict[str, Any]:
    """Make a JSON-RPC request."""
    made: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return made if params is None else {**made, "params": params}


def request(asked: Mapping[str, Any], version: str | None = MODERN) -> Request:
    """Make the HTTP request of a message, with the header fields that its revision wants."""
    headers = [
        ("host", "127.0.0.1:9090"),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ]
    if version is not None:
        headers.append(("mcp-protocol-version", version))
    if version == MODERN:
        headers.append(("mcp-method", str(asked.get("method"))))
        params = asked.get("params")
        if isinstance(params, Mapping):
            for member in ("name", "uri"):
                if member in params:
                    # Beyond ASCII a value is to be encoded: UTF-8 as Latin-1 is just wrong.
                    name = str(params[member]).encode().decode("latin-1")
                    headers.append(("mcp-name", name))
    return Request(json.dumps(asked).encode(), headers)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def essence(self) -> tuple[int, dict[str, str], str]:
        """What a client can tell apart: all but the order of members and the form of numbers."""
        headers = {k: v for k, v in self.headers.items() if k != "content-length"}
        try:
            body = json.dumps(self.json, sort_keys=True)
        except ValueError:
            body = repr(self.body)
        return self.status, headers, body


async def ask(
    face: ASGIApp, asked: Request, receive: Callable[[], Awaitable[Message]] | None = None
) -> Answer:
    """Ask a face; the caller stays until it is answered, unless ``receive`` says otherwise."""
    messages: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]
    sent: list[Message] = []

    async def waiting() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    async def send(part: Message) -> None:
        sent.append(part)

    await face(asked.scope, receive or waiting, send)
    if not sent:
        return Answer(0, {}, b"")
    raw = sent[0]["headers"]
    body = b"".join(part.get("body", b"") for part in sent[1:])
    return Answer(int(sent[0]["status"]), {n.decode(): v.decode("latin-1") for n, v in raw}, body)


class Listening:
    """A client that listens: what it was sent so far, and the end."""

    def __init__(self, face: ASGIApp, request_id: object = 1, **wanted: object) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        notifications = wanted or {"toolsListChanged": True}
        params = {"notifications": notifications, "_meta": META}
        asked = request(message("subscriptions/listen", params, request_id))
        self.gone = asyncio.Event()
        self.fields: dict[str, str] = {}
        self._first = {"type": "http.request", "body": asked.body, "more_body": False}
        self.task = asyncio.ensure_future(face(asked.scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if self._first:
            first, self._first = self._first, {}
            return first
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, part: Message) -> None:
        for name, value in part.get("headers", ()):
            self.fields[name.decode()] = value.decode()
        for line in part.get("body", b"").splitlines():
            if line.startswith(b"data: "):
                self.sent.put_nowait(json.loads(line[6:]))
            elif line.startswith(b"{"):
                self.sent.put_nowait(json.loads(line))
            elif line.startswith(b": ping"):
                self.sent.put_nowait({"method": "a ping"})

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.sent.get(), 5)
