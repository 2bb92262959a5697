"""The oracle itself is held to the worked examples."""

from pathlib import Path

import pytest

from tests.corpus.casebook import CALLS, CASES, Case, CaseCall
from tests.corpus.compare import canonical, in_groups
from tests.corpus.dialect import RefusedError
from tests.corpus.oracle import Document, Unit, Upstream


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.slug)
def test_findings(case: Case, tmp_path: Path) -> None:
    document = case.read(tmp_path)
    found = document.codes()
    assert set(case.codes) <= found
    assert not set(case.codes_absent) & found
    assert document.servable == case.servable


@pytest.mark.parametrize("case", [c for c in CASES if c.schemas], ids=lambda case: case.slug)
def test_schemas(case: Case, tmp_path: Path) -> None:
    document = case.read(tmp_path)
    for name, wanted in case.schemas.items():
        unit = document.unit("mcp", name)
        keys = unit.published()
        arguments = unit.arguments().values()
        assert {keys[a.name]: a.type for a in arguments} == wanted["properties"]
        assert sorted(keys[a.name] for a in arguments if a.required) == sorted(wanted["required"])


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.label)
def test_calls(call: CaseCall, tmp_path: Path) -> None:
    document = call.case.read(tmp_path)
    if "answers" in call.raw:
        with pytest.raises(KeyError):
            call.rest_call(document)
        return
    if "unserved" in call.raw:
        unit = find(call, document)
        assert unit.problem == call.raw["unserved"]
        return
    if "refused" in call.raw:
        with pytest.raises(RefusedError) as refused:
            send(call, document)
        assert set(call.raw["refused"]) <= set(refused.value.names)
        assert refused.value.status == call.raw.get("status", refused.value.status)
        return
    sent = send(call, document)
    if "never_unsigned" in call.raw:
        assert sent.signing == call.raw["never_unsigned"]
        return
    expected = call.expected
    assert expected is not None
    assert not sent.signing
    assert (sent.method, sent.path) == (expected.method, expected.path)
    if expected.origin:
        assert sent.origin == expected.origin
    assert in_groups(list(sent.query)) == in_groups(list(expected.query))
    assert set(expected.headers) <= set(sent.headers)
    assert not set(call.absent) & {name for name, _ in sent.headers}
    assert sent.body.kind == expected.body.kind
    if sent.body.kind == "json":
        assert canonical(sent.body.value) == canonical(expected.body.value)
    else:
        assert sent.body == expected.body


def find(call: CaseCall, document: Document) -> Unit:
    if call.face == "rest":
        return call.rest_call(document)[0]
    return document.unit("mcp", str(call.raw["tool"]))


def send(call: CaseCall, document: Document) -> Upstream:
    values = call.case.variables
    if call.face == "rest":
        unit, request = call.rest_call(document)
        return unit.rest(request, values)
    return document.unit("mcp", str(call.raw["tool"])).mcp(call.arguments, values)
