"""The runtime seen from outside: a command to start, ports to call, findings to read."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client

from tests.corpus.compare import CALLER_SECRET
from tests.corpus.dialect import MISSING, Json, encode_literal
from tests.corpus.oracle import RestCall, Unit

COMMAND = Path(sys.executable).with_name("naftiko-run")
START_SECONDS = 60.0


def listeners(output: str) -> dict[str, str]:
    """The base URL of each adapter, by namespace, from what the runtime prints at its start.

    The one place that knows the format of that output.
    """
    found: dict[str, str] = {}
    for line in output.splitlines():
        # REST http://127.0.0.1:8080 (3 routes, docs …): one-namespace, another
        line_of = re.match(r"[A-Za-z]+ (https?://127\.0\.0\.1:\d+)\S* .*: (.+)$", line)
        if line_of is not None:
            for name in line_of[2].split(","):
                found.setdefault(name.strip(), line_of[1])
    return found


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without variables that a document could read by chance."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return {**kept, "PYTHONUTF8": "1", **(extra or {})}


@dataclass(frozen=True)
class Reply:
    """An HTTP answer of the runtime."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        """The media type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class ToolReply:
    """The answer to a tool call; a protocol error has no result."""

    is_error: bool
    text: str
    protocol_error: bool = False


@dataclass
class Runtime:
    """A running ``naftiko-run``."""

    urls: Mapping[str, str]
    output: str
    portal: BlockingPortal
    stack: ExitStack
    prefixed: bool = False
    """Whether adapters share a port: each is then reached under its namespace."""

    connections: dict[str, HTTPConnection] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)

    # --- REST ----------------------------------------------------------------------------------

    def http(
        self,
        adapter: str,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send one HTTP request; the target goes out exactly as it is given."""
        if self.prefixed:
            target = f"/{quote(adapter)}{target}"
        authority = urlsplit(self.urls[adapter]).netloc
        for attempt in range(2):
            connection = self.connections.get(authority)
            if connection is None:
                connection = HTTPConnection(authority, timeout=30)
                self.connections[authority] = connection
                self.stack.callback(connection.close)
            try:
                connection.request(method, target, body, dict(headers or {}))
                answer = connection.getresponse()
                fields = {key.lower(): value for key, value in answer.getheaders()}
                return Reply(answer.status, fields, answer.read())
            except (HTTPException, ConnectionError):
                connection.close()
                del self.connections[authority]
                if attempt:
                    raise
        raise AssertionError

    def rest(self, unit: Unit, call: RestCall) -> Reply:
        """Make a REST call; the caller's credentials are put in to see that they stay behind."""
        headers = {
            "Authorization": f"Bearer {CALLER_SECRET}",
            "Cookie": f"session={CALLER_SECRET}",
            "X-Forwarded-For": CALLER_SECRET,
            **call.headers,
        }
        body = None
        if call.body is not MISSING:
            body = json.dumps(call.body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        return self.http(unit.adapter, unit.method, target_of(unit, call), headers, body)

    # --- MCP -----------------------------------------------------------------------------------

    def client(self, adapter: str) -> Client:
        """A connected client of an MCP adapter."""
        if adapter not in self.clients:
            client = Client(f"{self.urls[adapter]}/{quote(adapter)}/mcp")
            self.stack.enter_context(self.portal.wrap_async_context_manager(client))
            self.clients[adapter] = client
        return self.clients[adapter]

    def tools(self, adapter: str) -> dict[str, Any]:
        """The tools that an adapter lists, as JSON objects by name."""
        client = self.client(adapter)

        async def every() -> dict[str, Any]:
            found: dict[str, Any] = {}
            cursor: str | None = None
            while True:
                page = await client.list_tools(cursor=cursor)
                for tool in page.tools:
                    found[tool.name] = tool.model_dump(by_alias=True, exclude_none=True)
                cursor = page.next_cursor
                if cursor is None:
                    return found

        return self.portal.call(every)

    def call_tool(self, adapter: str, name: str, arguments: Mapping[str, Json]) -> ToolReply:
        """Call a tool."""
        client = self.client(adapter)

        async def call() -> ToolReply:
            try:
                result = await client.call_tool(name, dict(arguments))
            except Exception as error:  # noqa: BLE001 - any refusal by protocol
                return ToolReply(is_error=True, text=str(error), protocol_error=True)
            texts = [getattr(item, "text", "") for item in result.content]
            return ToolReply(result.is_error, "\n".join(texts))

        return self.portal.call(call)


def target_of(unit: Unit, call: RestCall) -> str:
    """The request target of a REST call."""
    path = "".join(
        quote(call.path[part.ref.name], safe="")
        if part.ref is not None
        else encode_literal(part.literal).replace("#", "%23")
        for part in unit.route
    )
    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in call.query)
    return f"{path}?{query}" if query else path


class Started:
    """A process and the thread that reads what it prints."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [str(COMMAND), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=dict(environment),
        )
        self.lines: list[str] = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self) -> str:
        """All that was printed so far."""
        return "".join(self.lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.thread.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(
    files: Iterable[Path],
    adapters: Iterable[str],
    *,
    upstream: Iterable[str] = (),
    variables: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    wanted: Iterable[str] = (),
    port: int = 0,
) -> Iterator[Runtime]:
    """Serve files with each adapter on a free port, or all on one; wait until all are up."""
    arguments = ["serve", *map(str, files), "--timeout", "10"]
    for name in adapters:
        arguments += ["--port", f"{name}={port}"]
    for target in upstream:
        arguments += ["--upstream", target]
    for name, value in (variables or {}).items():
        arguments += ["--var", f"{name}={value}"]
    with (
        Started(arguments, clean_environment(environment)) as started,
        start_blocking_portal() as portal,
        ExitStack() as stack,
    ):
        wanted = set(wanted)
        end = time.monotonic() + START_SECONDS
        while True:
            urls = listeners(started.output)
            if wanted and wanted <= urls.keys() and all(answers(urls[name]) for name in wanted):
                break
            if started.process.poll() is not None or time.monotonic() > end:
                missing = sorted(wanted - urls.keys())
                raise RuntimeError(f"not up: {missing}\n{started.output}")
            time.sleep(0.05)
        yield Runtime(urls, started.output, portal, stack, prefixed=port != 0)


def answers(url: str) -> bool:
    """Whether something answers there."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


@dataclass(frozen=True)
class Validation:
    """What ``validate --format json`` says of some files."""

    status: int
    findings: tuple[Mapping[str, Json], ...]

    def codes(self, file: Path) -> set[str]:
        """The codes that were found in one file."""
        return {
            str(item["code"])
            for item in self.findings
            if Path(str(item.get("file", ""))).resolve() == file.resolve()
        }


def validate(files: Iterable[Path], *options: str) -> Validation:
    """Run the validate command."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(COMMAND), "validate", *map(str, files), "--format", "json", *options],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            env=clean_environment(),
            cwd=folder,
        )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"not JSON: {done.stdout[:500]}\n{done.stderr[:2000]}") from None
    items = found if isinstance(found, list) else found["findings"]
    return Validation(done.returncode, tuple(items))
