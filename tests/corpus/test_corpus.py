"""Published files, served and called: what arrives upstream is what the oracle says.

Every unit of every file is called with all of its arguments, with the required ones, and without
one that it needs. The files lie beside the repository; without them nothing here runs.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.corpus.compare import differences
from tests.corpus.dialect import RefusedError
from tests.corpus.oracle import Document, RestCall, Unit, Upstream, read_file
from tests.corpus.published import schema_differences, strictness
from tests.corpus.recorder import ANSWERS, Recorded, Recorder, recording
from tests.corpus.runtime import COMMAND, Reply, Runtime, ToolReply, Validation, running, validate
from tests.corpus.samples import rest_call, values_for, variables

CORPUS: Final = Path(
    os.environ.get("NAFTIKO_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus-sample"
)
FILES: Final = {f"{path.parent.name}/{path.name}": path for path in sorted(CORPUS.glob("*/*.yaml"))}
DOCUMENTS: Final = {name: read_file(path) for name, path in FILES.items()}
VALUES: Final = variables(DOCUMENTS)
COMPARED: Final = frozenset(
    {
        "W-AUTH-COMPUTED",
        "W-AUTH-NO-SECRET",
        "W-AUTH-PARAM",
        "W-AUTH-UNSIGNED",
        "W-BASEURI-PLACEHOLDER",
        "W-NS-DUP",
        "W-OP-DUP",
        "W-PATHPARAM-APPENDED",
        "W-TOOL-DUP",
        "W-TOOL-PARAM-UNUSED",
        "W-TRUNCATED",
        "W-VAR-UNDECLARED",
        "W-WITH-UNKNOWN",
    }
)
"""The warnings that must be reported exactly where the rules ask for them; and all errors."""

pytestmark = [
    pytest.mark.skipif(not FILES, reason=f"no published files in {CORPUS}"),
    pytest.mark.skipif(not COMMAND.exists(), reason="the command is not installed"),
]


@dataclass(frozen=True)
class Bench:
    """A recorder, and a runtime that serves every file."""

    recorder: Recorder
    runtime: Runtime


@dataclass(frozen=True)
class Subject:
    """One unit of one file."""

    file: str
    unit: Unit

    def __str__(self) -> str:
        return f"{self.file}-{self.unit.adapter}-{self.unit.label}"


def subjects(*, served: bool) -> list[Subject]:
    """The units that are served (an upstream of one's own heals a base URI), or all others."""
    return [
        Subject(file, unit)
        for file, document in DOCUMENTS.items()
        for unit in document.units
        if (unit.operation is not None) is served
    ]


@pytest.fixture(scope="module")
def validation() -> Validation:
    return validate(FILES.values())


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    adapters = [name for d in DOCUMENTS.values() for _, name in d.adapters if name]
    wanted = [
        name
        for document in DOCUMENTS.values()
        if document.servable
        for kind, name in document.adapters
        if kind in {"rest", "mcp"}
    ]
    with ExitStack() as stack:
        recorder = stack.enter_context(recording())
        runtime = stack.enter_context(
            running(
                FILES.values(),
                dict.fromkeys(adapters),
                upstream=[f"*={recorder.origin}"],
                variables=VALUES,
                wanted=wanted,
            )
        )
        yield Bench(recorder, runtime)


@pytest.mark.parametrize("file", FILES)
def test_findings(file: str, validation: Validation) -> None:
    document = DOCUMENTS[file]
    found = validation.codes(FILES[file])

    def compared(codes: set[str]) -> set[str]:
        return {code for code in codes if code.startswith("E-") or code in COMPARED}

    missing = compared(document.codes(must=True)) - found
    surplus = compared(found) - document.codes()
    assert (missing, surplus) == (set(), set())


@pytest.mark.parametrize("everything", [True, False], ids=["all", "required"])
@pytest.mark.parametrize("subject", subjects(served=True), ids=str)
def test_requests(subject: Subject, everything: bool, bench: Bench) -> None:
    unit = subject.unit
    given = values_for(unit, everything=everything)
    bench.recorder.take()
    assert unit.operation is not None
    bench.recorder.answer = ANSWERS.get(unit.operation.raw_format, ANSWERS["json"])
    try:
        if unit.face == "rest":
            call = rest_call(unit, given)
            expected: Upstream | None = unit.rest(call, VALUES)
        else:
            expected = unit.mcp(given, VALUES)
    except RefusedError:
        expected = None
    reply: Reply | ToolReply
    if unit.face == "rest":
        reply = bench.runtime.rest(unit, rest_call(unit, given))
    else:
        keys = unit.published()
        arguments = {keys[name]: value for name, value in given.items()}
        reply = bench.runtime.call_tool(unit.adapter, unit.name, arguments)
    check(expected, bench.recorder.take(), reply)


def needed(unit: Unit) -> str | None:
    """An argument that a caller must give and can leave out."""
    arguments = unit.arguments().values()
    return next((a.name for a in arguments if a.required and a.where != "path"), None)


@pytest.mark.parametrize(
    "subject", [s for s in subjects(served=True) if needed(s.unit) is not None], ids=str
)
def test_missing_arguments(subject: Subject, bench: Bench) -> None:
    """Without one of the required arguments nothing is sent, and the answer names it."""
    unit = subject.unit
    absent = needed(unit)
    assert absent is not None
    given = values_for(unit, everything=False)
    given.pop(absent, None)
    bench.recorder.take()
    if unit.face == "rest":
        answer = bench.runtime.rest(unit, rest_call(unit, given))
        assert answer.status == 400, answer.body
        assert answer.media_type == "application/problem+json"
        assert absent.lower() in answer.body.decode().lower()
    else:
        keys = unit.published()
        arguments = {keys[name]: value for name, value in given.items()}
        result = bench.runtime.call_tool(unit.adapter, unit.name, arguments)
        assert result.is_error
        assert keys[absent] in result.text
    assert bench.recorder.take() == []


def check(expected: Upstream | None, arrived: list[Recorded], reply: Reply | ToolReply) -> None:
    failed = reply.status >= 400 if isinstance(reply, Reply) else reply.is_error
    if expected is None or (expected.signing and not arrived):
        assert failed
        assert arrived == []
        return
    assert len(arrived) == 1, f"{len(arrived)} requests arrived; the caller got {reply}"
    assert differences(expected, arrived[0]) == []
    assert not failed, f"the caller got {reply}"


@pytest.mark.parametrize("subject", subjects(served=False), ids=str)
def test_unserved(subject: Subject, bench: Bench) -> None:
    """A unit that cannot be served: 501 with the code, or no such tool."""
    unit = subject.unit
    document = DOCUMENTS[subject.file]
    if unit.adapter not in bench.runtime.urls:
        # A file of which nothing can be served may be left out as a whole.
        assert not document.servable
        return
    bench.recorder.take()
    if unit.face == "mcp":
        assert unit.name not in bench.runtime.tools(unit.adapter)
    elif unit.problem != "E-ROUTE-SHADOWED":  # there the first of the route answers
        names = {part.ref.name: "x" for part in unit.route if part.ref is not None}
        answer = bench.runtime.rest(unit, rest_call_of(unit, names))
        assert answer.status == 501
        assert answer.media_type == "application/problem+json"
        assert unit.problem in answer.body.decode()
    assert bench.recorder.take() == []


def rest_call_of(unit: Unit, path: Mapping[str, str]) -> RestCall:
    return RestCall(path, unit.route_query)


@pytest.mark.parametrize(
    ("file", "adapter"),
    [
        (file, name)
        for file, document in DOCUMENTS.items()
        if document.servable
        for kind, name in document.adapters
        if kind == "mcp"
    ],
)
def test_tool_lists(file: str, adapter: str, bench: Bench) -> None:
    """Every expected tool is listed, with the expected inputs, as strict clients need it."""
    tools = bench.runtime.tools(adapter)
    expected = [u for u in served(DOCUMENTS[file], adapter) if u.face == "mcp"]
    assert list(tools) == [unit.name for unit in expected]
    found = []
    for unit in expected:
        keys = unit.published()
        arguments = unit.arguments().values()
        properties = {keys[a.name]: a.type for a in arguments}
        required = [keys[a.name] for a in arguments if a.required]
        tool = tools[unit.name]
        found += [f"{unit.name}: {text}" for text in strictness(tool)]
        found += [f"{unit.name}: {text}" for text in schema_differences(tool, properties, required)]
    assert found == []


def served(document: Document, adapter: str) -> list[Unit]:
    return [u for u in document.units if u.adapter == adapter and u.operation is not None]
