"""The protocol's words are those of its SDK, and what is no message is refused in our own."""

import json
import sys
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS, NAME_BEARING_METHODS, X_MCP_HEADER_KEY
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import version as versions

from naftiko_run.exposes import mcp_protocol as words
from naftiko_run.exposes.mcp import McpFace
from naftiko_run.exposes.mcp_methods import NAMED_BY
from tests.exposes.mcp_peers import META, MODERN, Answer, Request, ask, message, request, server


def test_the_words_are_the_sdk_s() -> None:
    assert words.HANDSHAKE_VERSIONS == versions.HANDSHAKE_PROTOCOL_VERSIONS
    assert words.LATEST_HANDSHAKE == versions.LATEST_HANDSHAKE_VERSION
    assert (words.MODERN,) == versions.MODERN_PROTOCOL_VERSIONS
    assert words.PROTOCOL_VERSION == types.PROTOCOL_VERSION_META_KEY
    assert words.CLIENT_INFO == types.CLIENT_INFO_META_KEY
    assert words.CLIENT_CAPABILITIES == types.CLIENT_CAPABILITIES_META_KEY
    assert words.LOG_LEVEL == types.LOG_LEVEL_META_KEY
    assert words.SERVER_INFO == types.SERVER_INFO_META_KEY
    assert words.SUBSCRIPTION_ID == SUBSCRIPTION_ID_META_KEY
    assert words.HEADER_KEYWORD == X_MCP_HEADER_KEY
    assert dict(NAMED_BY) == dict(NAME_BEARING_METHODS)
    for name in ("PARSE_ERROR", "INVALID_REQUEST", "METHOD_NOT_FOUND", "INVALID_PARAMS"):
        code = getattr(words, name)
        assert code == getattr(types, name)
        assert words.HTTP_STATUS[code] == ERROR_CODE_HTTP_STATUS[code]
    assert words.INTERNAL_ERROR == types.INTERNAL_ERROR
    assert words.INTERNAL_ERROR not in ERROR_CODE_HTTP_STATUS


ASKED: dict[str, Any] = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {}}

MALFORMED: list[tuple[bytes, int, object]] = [
    (b"", -32700, None),
    (b"{", -32700, None),
    (b"\xff\xfe", -32700, None),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":NaN}}', -32700, None),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping"} {}', -32700, None),
    (b'{"a":' * 100_000, -32700, None),
    (json.dumps({**ASKED, "params": {"cursor": "\ud800"}}).encode(), -32700, None),
    (json.dumps({**ASKED, "params": {"\udfff": 1}}).encode(), -32700, None),
    (b"\xef\xbb\xbf1", -32600, None),
    (b"[]", -32600, None),
    (json.dumps([ASKED]).encode(), -32600, None),
    (b"1", -32600, None),
    (b"null", -32600, None),
    (b"{}", -32600, None),
    (json.dumps({**ASKED, "jsonrpc": "1.0"}).encode(), -32600, 7),
    (json.dumps({**ASKED, "method": 5}).encode(), -32600, 7),
    (json.dumps({**ASKED, "method": None}).encode(), -32600, 7),
    (json.dumps({**ASKED, "params": [1]}).encode(), -32600, 7),
    (json.dumps({**ASKED, "params": "secret"}).encode(), -32600, 7),
    (json.dumps({**ASKED, "id": None}).encode(), -32600, None),
    (json.dumps({**ASKED, "id": True}).encode(), -32600, None),
    (json.dumps({**ASKED, "id": 1.5}).encode(), -32600, None),
    (json.dumps({**ASKED, "id": {"a": 1}}).encode(), -32600, None),
    (json.dumps(ASKED).replace("{}", '{"a":' * 300 + "1" + "}" * 300).encode(), -32600, 7),
    (b'{"jsonrpc":"2.0","id":7,"error":{"code":"x"}}', -32600, 7),
]


def told(answer: Answer) -> str:
    """What a caller is told, which must be short and our own."""
    text = str(answer.json["error"]["message"])
    assert len(text) < 100, text
    for word in ("pydantic", "validation error", "input_value", "Traceback", "secret"):
        assert word not in answer.body.decode(), answer.body
    return text


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("version", [MODERN, "2025-11-25", None, "2030-01-01"])
async def test_what_is_no_message_is_an_invalid_request(
    version: str | None, *, direct: bool
) -> None:
    face = McpFace(server(), direct=direct)
    async with face.running():
        for body, code, request_id in MALFORMED:
            asked = request(ASKED, version)
            asked.body = body
            answer = await ask(face, asked)
            found = (answer.status, answer.json["error"]["code"], answer.json["id"])
            assert found == (400, code, request_id), (body[:100], answer)
            assert told(answer)
        assert face._sdk is None, "nothing of this needs the SDK"


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("version", [MODERN, "2025-11-25"])
async def test_a_byte_order_mark_before_a_message_is_no_part_of_it(
    version: str, *, direct: bool
) -> None:
    face = McpFace(server(), direct=direct)
    async with face.running():
        asked = _asked(version)
        plain = await ask(face, asked)
        asked.body = b"\xef\xbb\xbf" + asked.body
        assert (await ask(face, asked)) == plain
    assert plain.status == 200


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("version", [MODERN, "2025-11-25"])
@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("content-type", "text/plain", 415),
        ("content-type", "application/jsonx", 415),
        ("content-type", "", 415),
        ("accept", "text/html", 406),
        ("accept", "text/event-stream", 406),
    ],
)
async def test_what_is_sent_or_wanted_in_another_form_is_refused(
    version: str, field: str, value: str, status: int, *, direct: bool
) -> None:
    face = McpFace(server(), direct=direct)
    async with face.running():
        asked = _asked(version)
        asked.headers = [(n, value if n == field else v) for n, v in asked.headers]
        answer = await ask(face, asked)
        assert (answer.status, answer.json["error"]["code"]) == (status, -32600)
        assert answer.headers["content-type"] == "application/json"
        assert told(answer)


@pytest.mark.parametrize("version", [MODERN, "2025-11-25"])
async def test_a_media_type_is_told_in_any_case(version: str) -> None:
    face = McpFace(server())
    async with face.running():
        asked = _asked(version)
        asked.headers = [
            (n, "Application/JSON; charset=UTF-8" if n == "content-type" else v)
            for n, v in asked.headers
        ]
        assert "result" in (await ask(face, asked)).json


def _asked(version: str) -> Request:
    return request(message("tools/list", {"_meta": META} if version == MODERN else {}), version)


async def test_an_sdk_that_cannot_be_loaded_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "naftiko_run.exposes.mcp_sdk", None)
    face = McpFace(server())
    async with face.running():
        unusual = request({**message("tools/list"), "unusual": True}, "2025-11-25")
        answer = await ask(face, unusual)
        assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "cannot be served by the SDK" in caplog.text
        assert (await ask(face, _asked(MODERN))).status == 200
