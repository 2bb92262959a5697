"""The runtime is held to the worked examples, from outside.

All cases are served by two processes: one whose upstreams are all replaced by the recorder, and one
that reaches the upstreams as they are written, through the recorder as its proxy.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.corpus.casebook import CALLS, CASES, Case, CaseCall
from tests.corpus.compare import CALLER_SECRET, canonical, differences
from tests.corpus.dialect import Json
from tests.corpus.oracle import Document
from tests.corpus.published import schema_differences, strictness
from tests.corpus.recorder import ANSWERS, Answer, Recorded, Recorder, recording
from tests.corpus.runtime import COMMAND, Reply, Runtime, ToolReply, Validation, running, validate

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="the command is not installed")


@dataclass(frozen=True)
class Bench:
    """Everything that the tests of this module share."""

    recorder: Recorder
    runtimes: Mapping[bool, Runtime]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    return {case.slug: case.write(folder) for case in CASES}


@pytest.fixture(scope="module")
def validation(files: Mapping[str, Path]) -> Validation:
    return validate(files.values())


@pytest.fixture(scope="module")
def bench(folder: Path, files: Mapping[str, Path]) -> Iterator[Bench]:
    documents = {case.slug: case.read(folder) for case in CASES}
    with ExitStack() as stack:
        recorder = stack.enter_context(recording())
        runtimes = {
            proxied: stack.enter_context(serving(proxied, files, documents, recorder))
            for proxied in (False, True)
        }
        yield Bench(recorder, runtimes)


@contextmanager
def serving(
    proxied: bool,
    files: Mapping[str, Path],
    documents: Mapping[str, Document],
    recorder: Recorder,
) -> Iterator[Runtime]:
    """Serve half of the cases on one port, where each adapter has a prefix of its own."""
    group = [case for case in CASES if case.proxied is proxied]
    adapters = {case.slug: [a for a in documents[case.slug].adapters if a[1]] for case in group}
    wanted = [
        name
        for case in group
        if case.servable
        for kind, name in adapters[case.slug]
        if kind in {"rest", "mcp"}
    ]
    variables: dict[str, str] = {}
    for case in group:
        for name, value in case.variables.items():
            assert variables.setdefault(name, value) == value, f"{name} has two values"
    proxy = {"HTTP_PROXY": recorder.origin, "http_proxy": recorder.origin}
    with running(
        [files[case.slug] for case in group],
        [name for case in group for _, name in adapters[case.slug]],
        port=free_port(),
        upstream=[] if proxied else [f"*={recorder.origin}"],
        variables=variables,
        environment=proxy if proxied else {},
        wanted=wanted,
    ) as runtime:
        yield runtime


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
def test_findings(case: Case, validation: Validation, files: Mapping[str, Path]) -> None:
    found = validation.codes(files[case.slug])
    assert set(case.codes) <= found
    assert not set(case.codes_absent) & found


@pytest.mark.parametrize("case", [c for c in CASES if c.schemas], ids=lambda case: case.slug)
def test_schemas(case: Case, bench: Bench) -> None:
    tools = bench.runtimes[case.proxied].tools(case.mcp)
    for name, wanted in case.schemas.items():
        tool = tools[name]
        assert not strictness(tool)
        assert not schema_differences(tool, wanted["properties"], wanted["required"])
        listed = tool["inputSchema"]["properties"]
        for key, items in (wanted.get("items") or {}).items():
            assert listed[key]["items"] == items
        for key, text in (wanted.get("descriptions") or {}).items():
            assert listed[key].get("description") == text
        if "annotations" in wanted:
            assert wanted["annotations"].items() <= tool["annotations"].items()
        if "description" in wanted:
            assert tool["description"] == wanted["description"]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.label)
def test_calls(call: CaseCall, bench: Bench) -> None:
    runtime = bench.runtimes[call.case.proxied]
    bench.recorder.take()
    bench.recorder.answer = answer_of(call.raw.get("answer"))
    reply = make(call, runtime)
    arrived = bench.recorder.take()
    if "unserved" in call.raw:
        assert not arrived
        check_unserved(reply, str(call.raw["unserved"]), runtime, call)
    elif "answers" in call.raw:
        assert not arrived
        assert isinstance(reply, Reply)
        assert reply.status == call.raw["answers"]
    elif "refused" in call.raw:
        assert not arrived
        check_refused(reply, call.raw)
    elif "never_unsigned" in call.raw:
        for request in arrived:
            assert request.header("authorization")
        if not arrived:
            check_refused(reply, {"refused": []})
    else:
        check_sent(call, arrived, reply)


def make(call: CaseCall, runtime: Runtime) -> Reply | ToolReply:
    if call.face == "mcp":
        return runtime.call_tool(call.case.mcp, str(call.raw["tool"]), call.arguments)
    method, target = call.request_line
    headers = {
        "Authorization": f"Bearer {CALLER_SECRET}",
        "Cookie": f"session={CALLER_SECRET}",
        **call.request_headers,
    }
    body = None
    if "json" in call.raw:
        headers["Content-Type"] = "application/json"
        body = json.dumps(call.raw["json"], ensure_ascii=False).encode()
    elif "form" in call.raw:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        pairs = [f"{quote(str(k))}={quote(str(v))}" for k, v in call.raw["form"]]
        body = "&".join(pairs).encode()
    return runtime.http(call.case.rest, method, target, headers, body)


def answer_of(raw: Json) -> Answer:
    if raw is None:
        return ANSWERS["json"]
    status = int(raw.get("status", 200))
    if "json" in raw:
        return Answer(status, "application/json", json.dumps(raw["json"]).encode())
    return Answer(status, str(raw["type"]), str(raw["body"]).encode())


def check_sent(call: CaseCall, arrived: list[Recorded], reply: Reply | ToolReply) -> None:
    expected = call.expected
    assert expected is not None
    assert len(arrived) == 1, f"{len(arrived)} requests arrived; the caller got {reply}"
    assert differences(expected, arrived[0], origin=call.case.proxied) == []
    for name in call.absent:
        assert not arrived[0].header(name)
    gives = call.raw.get("gives")
    if gives is not None:
        check_given(gives, reply)
    elif isinstance(reply, Reply):
        assert reply.status == 200, reply.body
    else:
        assert not reply.is_error, reply.text


def check_given(gives: Mapping[str, Json], reply: Reply | ToolReply) -> None:
    if isinstance(reply, Reply):
        assert reply.status == gives.get("status", 200), reply.body
        text = reply.body.decode()
        if "type" in gives:
            assert reply.media_type == gives["type"]
    else:
        assert reply.is_error == gives.get("error", False), reply.text
        text = reply.text
    if "json" in gives:
        have = json.loads(text) if text[:1] in '[{"tfn0123456789-' else text
        assert canonical(have) == canonical(gives["json"])
    if "json_has" in gives:
        assert gives["json_has"].items() <= json.loads(text).items()
    if "body" in gives:
        assert text == gives["body"]
    if "contains" in gives:
        assert gives["contains"] in text
    if "text_or_json" in gives:
        assert text in {
            gives["text_or_json"],
            json.dumps(gives["text_or_json"], ensure_ascii=False),
        }


def check_refused(reply: Reply | ToolReply, raw: Mapping[str, Json]) -> None:
    """A refusal names what it is about, in a problem document or a tool error."""
    if isinstance(reply, Reply):
        assert reply.status == raw.get("status", reply.status) >= 400, reply.body
        assert reply.media_type == "application/problem+json"
        text = reply.body.decode()
    else:
        assert reply.is_error
        text = reply.text
    for name in raw["refused"]:
        assert str(name).lower() in text.lower()


def check_unserved(reply: Reply | ToolReply, code: str, runtime: Runtime, call: CaseCall) -> None:
    """A unit that cannot be served: 501 with the finding's code, and no tool in the list."""
    if isinstance(reply, Reply):
        assert reply.status == 501
        assert reply.media_type == "application/problem+json"
        assert code in reply.body.decode()
    else:
        assert reply.is_error
        assert call.raw["tool"] not in runtime.tools(call.case.mcp)
