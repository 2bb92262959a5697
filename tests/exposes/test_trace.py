"""The caller's trace context: what reaches the upstream, by which face, and what never does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from naftiko_run.exposes.listener import ListenerApp
from naftiko_run.exposes.trace import context_of
from tests.exposes.mcp_content_peers import Upstream, make
from tests.exposes.mcp_peers import META, ask, message, request

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00"
TOOLS = [{"name": "news", "description": "News", "call": "up.news"}]
NEWS = {"name": "n", "label": "N", "uri": "data://news", "description": "N", "call": "up.news"}


@pytest.mark.parametrize(
    ("parent", "state", "passed"),
    [
        (PARENT, "", ["traceparent"]),
        (PARENT, "rojo=1,congo=t61", ["traceparent", "tracestate"]),
        (PARENT, "a=\r\nx: y", ["traceparent"]),
        (PARENT, "x" * 513, ["traceparent"]),
        (PARENT, 5, ["traceparent"]),
        ("cc" + PARENT[2:], "", ["traceparent"]),
        ("ff" + PARENT[2:], "", []),
        (PARENT.upper(), "a=1", []),
        (PARENT + "-extra", "a=1", []),
        (PARENT + "\r\nx: y", "a=1", []),
        ("00-" + "0" * 32 + PARENT[35:], "a=1", []),
        (PARENT[:36] + "0" * 16 + "-01", "a=1", []),
        ("secret", "a=1", []),
        (None, "a=1", []),
        ({"a": 1}, "a=1", []),
    ],
)
def test_only_what_is_well_formed_is_passed_on(
    parent: object, state: object, passed: list[str]
) -> None:
    assert [name for name, _ in context_of(parent, state)] == passed


async def sent(
    folder: Path, asked: Mapping[str, Any], fields: Mapping[str, str], version: str
) -> dict[str, str]:
    """Ask over MCP; gives the header fields that reached the upstream."""
    upstream = Upstream()
    (listener,) = make(folder, upstream, tools=TOOLS, resources=[NEWS]).plan.listeners
    app = ListenerApp("127.0.0.1")
    await app.update(listener)
    try:
        made = request(asked, version)
        made.headers += fields.items()
        answer = await ask(app, made)
        assert "result" in answer.json, answer
    finally:
        await app.stop()
    return {name.lower(): value for name, value in upstream.requests[-1].headers}


@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25"])
@pytest.mark.parametrize(
    ("fields", "meta", "parent", "state"),
    [
        ({}, {}, None, None),
        ({"traceparent": PARENT, "tracestate": "a=1", "baggage": "user=ada"}, {}, PARENT, "a=1"),
        ({}, {"traceparent": PARENT, "tracestate": "a=1", "baggage": "user=ada"}, PARENT, "a=1"),
        ({"traceparent": PARENT, "tracestate": "a=1"}, {"traceparent": OTHER}, OTHER, None),
        ({"traceparent": "x\ty", "authorization": "Bearer t"}, {}, None, None),
        ({"traceparent": PARENT}, {"traceparent": "wrong"}, None, None),
    ],
)
@pytest.mark.parametrize("method", ["tools/call", "resources/read"])
async def test_a_trace_goes_on_upstream_and_baggage_does_not(
    tmp_path: Path,
    method: str,
    version: str,
    fields: dict[str, str],
    meta: dict[str, str],
    parent: str | None,
    state: str | None,
) -> None:
    whole = {**META, **meta} if version == "2026-07-28" else meta
    params = {"name": "news"} if method == "tools/call" else {"uri": "data://news"}
    for unusual in ({}, {"unusual": True}):  # the short way, and the SDK
        asked = message(method, {**params, "_meta": whole, **unusual})
        arrived = await sent(tmp_path, asked, fields, version)
        assert (arrived.get("traceparent"), arrived.get("tracestate")) == (parent, state)
        assert arrived.keys().isdisjoint({"baggage", "authorization"})
