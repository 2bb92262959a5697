"""The short way: what clients ask all day is answered without the SDK, which is not even loaded.

It answers requests that are certainly right with what the SDK would answer, about ten times as
fast, and refuses only what is certainly wrong in a way that is common: a tool, a resource, a
prompt, a cursor or a method that is not there. A request with anything unusual in it is left to
the SDK, so that what is wrong with it is said in one place.
tests/exposes/test_mcp_differential.py holds both ways against one another.
"""

import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import orjson
from starlette.types import Receive, Scope, Send

from naftiko_run.exposes import mcp_shapes as shapes
from naftiko_run.exposes.mcp_call import MOST_LEVELS, read_call, revision
from naftiko_run.exposes.mcp_gate import HALF_PAIR, accepts
from naftiko_run.exposes.mcp_listen import Listeners
from naftiko_run.exposes.mcp_methods import NAMED_BY, SHAPES, Method, capabilities
from naftiko_run.exposes.mcp_protocol import (
    HANDSHAKE_VERSIONS,
    HEADER_KEYWORD,
    HTTP_STATUS,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    LATEST_HANDSHAKE,
    METHOD_NOT_FOUND,
    MODERN,
    PROTOCOL_VERSION,
    SERVER_INFO,
    McpError,
)
from naftiko_run.exposes.mcp_results import Calls, Result, too_deep
from naftiko_run.exposes.messages import fields_of, send_whole
from naftiko_run.exposes.trace import traced_as
from naftiko_run.exposes.units import Tool, ToolServer
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.types import Json

_MOST_REMEMBERED = 512
_LONGEST_REMEMBERED = 4096
_NO_TOOL = (None, None)
_ONLY_MODERN = frozenset({"server/discover", "subscriptions/listen"})
_ONLY_OLDER = frozenset(
    {"initialize", "logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe"}
)
_NOT_MODERN = ("ttlMs", "cacheScope")
_READ = frozenset((b"accept", b"content-type", b"mcp-protocol-version", b"mcp-method", b"mcp-name"))
_log = logging.getLogger("naftiko_run.mcp")


Called = tuple[Awaitable[Result | None], bytes, bytes]
"""A call under way: what its result is without its end, and what stands before and behind it."""


class Listed(Protocol):
    """Gives a page of the list of tools for a revision."""

    def __call__(self, version: str, cursor: str | None = None) -> dict[str, Json]:
        """Give the members; raises :class:`McpError` where the cursor is none of the list."""


class Direct:
    """Answers what it knows."""

    def __init__(
        self,
        served: ToolServer,
        tools: Mapping[str, Tool],
        methods: Mapping[str, Method],
        calls: Calls,
        listed: Listed | None,
        listeners: Listeners,
    ) -> None:
        """Answer for an adapter; ``listed`` gives its tools, None where it advertises none.

        ``listeners`` are the streams of clients that listen.

        Where an extension adds to the adapter, only what the adapter has itself is answered; where
        it keeps sessions, the older revisions are left to the SDK.
        """
        extension = served.extension
        self._bare = extension is None
        self._handshake = extension is None or not extension.sessions
        self._served = served
        self._calls = calls
        self._methods = methods
        self._listed = listed
        self._listeners = listeners
        # A tool with parameters in header fields needs them compared: the SDK does that.
        self._by_sdk = {n for n, t in tools.items() if _mentions(t.input_schema)}
        self._tools = {n: (t, _field(n)) for n, t in tools.items() if n not in self._by_sdk}
        self._results: dict[tuple[str, str], bytes] = {}
        self._seen: set[tuple[str, bytes]] = set()
        self._info: dict[str, Json] = {"name": served.namespace, "version": served.version}
        if served.title:
            self._info["title"] = served.title
        self._meta: dict[str, Json] = {"_meta": {SERVER_INFO: self._info}}
        self._modern_end = b',"resultType":"complete",' + dumps(self._meta)[1:] + b"}"

    # -------------------------------------------------------------------------- calls of tools

    def call(self, scope: Scope, body: bytes, receive: Receive) -> Called | None:
        """Begin to answer a POST request that calls a tool; None where it is none, or unusual."""
        read = self._read_fields(scope)
        message = None if read is None else read_call(body)
        if read is None or message is None:
            return None
        fields, version = read
        params = message.params
        tool, field = self._tools.get(params.name, _NO_TOOL)
        if tool is None:
            return None
        end = b"}}"
        leaving = None
        if version == MODERN:
            if (
                fields.get(b"mcp-method", b"").strip(b" \t") != b"tools/call"
                or fields.get(b"mcp-name", b"").strip(b" \t") != field
            ):
                return None
            # The older revisions say that a caller who goes away has not cancelled the call.
            leaving = receive
            end = self._modern_end
        meta = bytes(params.meta)
        if (version, meta) in self._seen:
            result = self._calls(tool, params.arguments, version, leaving)
        else:
            judged = self._judged(meta, tool, version)
            if judged is None:
                return None
            result = self._traced(judged, tool, params.arguments, version, leaving)
        return result, b'{"jsonrpc":"2.0","id":%s,"result":' % dumps(message.id), end

    def _judged(self, raw: bytes, tool: Tool, version: str) -> Mapping[str, Any] | None:
        """Read the ``_meta`` of a call; None where something about it is not right, or unusual."""
        if not raw:
            if version == MODERN:
                return None
            self._remember((version, raw))
            return {}
        try:
            meta = loads(raw)
        except ValueError:
            return None
        if type(meta) is not dict or too_deep(meta, raw, MOST_LEVELS):
            return None
        if not self._is_meta(meta, modern=version == MODERN):
            return None
        if "progressToken" in meta:
            # Where there is something to report, the SDK carries the notifications.
            return meta if tool.stages == 1 else None
        if "traceparent" not in meta:
            self._remember((version, raw))
        return meta

    async def _traced(
        self,
        meta: Mapping[str, Any],
        tool: Tool,
        given: Mapping[str, Any],
        version: str,
        leaving: Receive | None,
    ) -> Result | None:
        with traced_as(meta):
            return await self._calls(tool, given, version, leaving)

    # ----------------------------------------------------------------------- any other request

    def __call__(
        self, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> Awaitable[bool] | None:
        """Answer a POST request, or leave it: None or False, and nothing was sent."""
        read = self._read_fields(scope)
        message = None if read is None else _read(body)
        if read is None or message is None:
            return None
        fields, version = read
        if version == MODERN:
            return self._modern(message, fields, receive, send)
        return self._older(message, version, send)

    def _read_fields(self, scope: Scope) -> tuple[Mapping[bytes, bytes], str] | None:
        """Give the header fields and the revision of a request; None where they are unusual."""
        fields = fields_of(scope) or _fields_read(scope)
        if fields is None:
            return None
        version = revision(
            fields.get(b"content-type"), fields.get(b"accept"), fields.get(b"mcp-protocol-version")
        )
        if version is None or not (self._handshake or version == MODERN):
            return None
        return fields, version

    # ----------------------------------------------------------------------------- 2026-07-28

    async def _modern(
        self, message: dict[str, Any], fields: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> bool:
        method, params = message["method"], message.get("params")
        if "id" not in message:
            await _acknowledge(send, b"")
            return True
        if type(params) is not dict or _text(fields, b"mcp-method") != method:
            return False
        meta = params.get("_meta")
        if type(meta) is not dict or not self._is_meta(meta, modern=True):
            return False
        named_by = NAMED_BY.get(method)
        if named_by is not None:
            name = _text(fields, b"mcp-name")
            if name != params.get(named_by) or name.startswith("=?"):
                return False
        if method == "tools/call":
            return await self._unknown_tool(message, params, send, MODERN)
        if method == "subscriptions/listen":
            accept = fields.get(b"accept", b"")
            return await self._listen(message, params, accept, receive, send)
        return await self._answer(message, params, MODERN, send)

    async def _listen(
        self,
        message: dict[str, Any],
        params: dict[str, Any],
        accept: bytes,
        receive: Receive,
        send: Send,
    ) -> bool:
        if not (self._bare and shapes.LISTEN(params) and accepts(accept, b"text/event-stream")):
            return False
        info: dict[str, Json] = {SERVER_INFO: self._info}
        wanted = params["notifications"]
        try:
            await self._listeners.serve(message["id"], wanted, info, receive, send)
        except McpError as error:
            await _refuse(send, message["id"], error, MODERN)
        return True

    # -------------------------------------------------------------------------- handshake era

    async def _older(self, message: dict[str, Any], version: str, send: Send) -> bool:
        method, params = message["method"], message.get("params")
        if "id" not in message:
            await _acknowledge(send, b"application/json")
            return True
        if params is None:
            if "params" in message or method not in ("ping", "tools/list"):
                return False
            params = {}
        if type(params) is not dict:
            return False
        if method == "initialize":
            if not self._bare or not self._is_right(params, shapes.INITIALIZE, b"i"):
                return False
            wanted = params["protocolVersion"]
            negotiated = wanted if wanted in HANDSHAKE_VERSIONS else LATEST_HANDSHAKE
            await _send(send, message["id"], self._result(method, negotiated))
            return True
        meta = params.get("_meta")
        if meta is None:
            if "_meta" in params:
                return False
        elif type(meta) is not dict or not self._is_meta(meta, modern=False):
            return False
        if method == "tools/call":
            return await self._unknown_tool(message, params, send, version)
        return await self._answer(message, params, version, send)

    # ---------------------------------------------------------------------------------- parts

    async def _answer(
        self, message: dict[str, Any], params: dict[str, Any], version: str, send: Send
    ) -> bool:
        """Answer any method but ``tools/call`` and ``initialize``, whose ``_meta`` is right."""
        method = message["method"]
        if method in ("ping", "server/discover", "tools/list") and len(params) == (
            "_meta" in params
        ):
            cached = self._cached(method, version)
            if cached is not None:
                await _send(send, message["id"], cached)
                return True
        if not self._bare or not _is_judged(method, params, version):
            return False
        try:
            result = await self._result_of(method, params, version)
        except McpError as error:
            await _refuse(send, message["id"], error, version)
            return True
        await _send(send, message["id"], dumps(self._shaped(method, result, version)))
        return True

    async def _result_of(
        self, method: str, params: dict[str, Any], version: str
    ) -> dict[str, Json]:
        if method == "tools/list" and self._listed is not None:
            return self._listed(version, params.get("cursor"))
        served = self._methods.get(method)
        if served is None or (served.older and version == MODERN):
            raise McpError(METHOD_NOT_FOUND, "Method not found", method)
        try:
            with traced_as(params.get("_meta")):
                return await served.answer(params)
        except McpError:
            raise
        except Exception:  # noqa: BLE001 - one boundary: the log has it, the caller does not
            _log.exception("%s failed", method)
            raise McpError(INTERNAL_ERROR, "Internal server error") from None

    async def _unknown_tool(
        self, message: dict[str, Any], params: dict[str, Any], send: Send, version: str
    ) -> bool:
        """Refuse a call of a tool that is not there; leave all that is unusual in another way."""
        name = params.get("name")
        if (
            not self._bare
            or self._listed is None
            or type(name) is not str
            or name in self._tools
            or name in self._by_sdk
            or not _CALL(params)
        ):
            return False
        await _refuse(
            send, message["id"], McpError(INVALID_PARAMS, f"Unknown tool: {name}"), version
        )
        return True

    def _is_meta(self, meta: dict[str, Any], *, modern: bool) -> bool:
        if not modern:
            return shapes.OLDER_META(meta)
        right = self._is_right(meta, shapes.MODERN_META, b"m")
        return right and meta[PROTOCOL_VERSION] == MODERN

    def _is_right(self, value: dict[str, Any], shape: shapes.Shape, mark: bytes) -> bool:
        """Judge parameters that a client sends with every request; once is enough."""
        if "progressToken" in value:
            # Nothing that is answered here reports progress: the token is of no use, if it is one.
            if not shapes.token(value["progressToken"]):
                return False
            value = {key: item for key, item in value.items() if key != "progressToken"}
        key = mark + dumps(value)
        if ("", key) in self._seen:
            return True
        if not shape(value):
            return False
        self._remember(("", key))
        return True

    def _remember(self, key: tuple[str, bytes]) -> None:
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen.clear()
        if len(key[1]) <= _LONGEST_REMEMBERED:
            self._seen.add(key)

    def _cached(self, method: str, version: str) -> bytes | None:
        """Give the result of a method that always has the same; None where it is not answered."""
        if (method == "ping") is (version == MODERN):
            return None
        if method == "server/discover" and (version != MODERN or not self._bare):
            return None
        if method == "tools/list" and (self._listed is None or not self._bare):
            return None
        return self._result(method, version)

    def _result(self, method: str, version: str) -> bytes:
        found = self._results.get((method, version))
        if found is None:
            made = self._made(method, version)
            found = self._results[method, version] = dumps(self._shaped(method, made, version))
        return found

    def _made(self, method: str, version: str) -> dict[str, Json]:
        if method == "ping":
            return {}
        if method == "tools/list" and self._listed is not None:
            return self._listed(version)
        modern = method == "server/discover"
        can = capabilities(self._methods, tools=self._listed is not None, modern=modern)
        made: dict[str, Json] = {"capabilities": can}
        if modern:
            made["supportedVersions"] = [MODERN]
        else:
            made |= {"protocolVersion": version, "serverInfo": self._info}
        if self._served.instructions:
            made["instructions"] = self._served.instructions
        return made

    def _shaped(self, method: str, result: dict[str, Json], version: str) -> dict[str, Json]:
        """Give a result the members that its revision wants."""
        if version != MODERN or method == "initialize":
            return {name: value for name, value in result.items() if name not in _NOT_MODERN}
        if method in ("tools/list", "server/discover"):
            result = {**self._served.lists_kept.members, **result}
        return {**result, "resultType": "complete", **self._meta}


_CALL = shapes.members(
    {"name": shapes.text}, {"_meta": shapes.anything, "arguments": shapes.any_object}, others=False
)


def _is_judged(method: str, params: dict[str, Any], version: str) -> bool:
    """Say whether a request is right, or of a method that its revision has not."""
    if method in (_ONLY_OLDER if version == MODERN else _ONLY_MODERN):
        return True
    shape = SHAPES.get(method)
    if shape is not None:
        return shape(params)
    return method not in _ONLY_OLDER and method not in _ONLY_MODERN and method != "tools/call"


def _read(body: bytes) -> dict[str, Any] | None:
    """Read a request or a notification; None for anything else.

    The SDK reads with two parsers, one for each era. What they, or ours, could see differently
    is not read here: other encodings, white space around, halves of surrogate pairs, depth.
    """
    if body[:1] != b"{" or body[-1:] != b"}" or (b"\\u" in body and HALF_PAIR.search(body)):
        return None
    try:
        message = loads(body)
    except ValueError:
        return None
    if (
        type(message) is not dict
        or len(message) != 2 + ("params" in message) + ("id" in message)
        or message.get("jsonrpc") != "2.0"
        or type(message.get("method")) is not str
        or ("id" in message and type(message["id"]) not in (int, str))
        or ("params" in message and type(message["params"]) is not dict)
        or too_deep(message, body, MOST_LEVELS)
    ):
        return None
    return message


async def _acknowledge(send: Send, media_type: bytes) -> None:
    """Accept a notification: none of those that clients send changes anything without a session."""
    fields = b"content-length: 0\r\n"
    if media_type:
        fields += b"content-type: %s\r\n" % media_type
    await send_whole(send, 202, fields, b"")


async def _refuse(send: Send, request_id: Json, error: McpError, version: str) -> None:
    status = HTTP_STATUS.get(error.code, 200) if version == MODERN else 200
    body = dumps({"jsonrpc": "2.0", "id": request_id, "error": error.wire})
    await send_json(send, status, body)


async def _send(send: Send, request_id: Json, result: bytes) -> None:
    body = b'{"jsonrpc":"2.0","id":' + dumps(request_id) + b',"result":' + result + b"}"
    await send_json(send, 200, body)


def send_json(send: Send, status: int, body: bytes) -> Awaitable[None]:
    """Send an answer of the protocol."""
    fields = b"content-length: %d\r\ncontent-type: application/json\r\n" % len(body)
    return send_whole(send, status, fields, body)


def _fields_read(scope: Scope) -> Mapping[bytes, bytes] | None:
    """Give the header fields that are read here; None where one of them comes twice."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            if name in found:
                return None
            found[name] = value
    return found


def _field(name: str) -> bytes | None:
    """Give what ``Mcp-Name`` must be for a tool; None where that is for the SDK to judge."""
    try:
        return None if name.startswith("=?") else name.encode("latin-1")
    except UnicodeEncodeError:
        return None


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").strip(b" \t").decode("latin-1")


def _mentions(schema: Json) -> bool:
    return HEADER_KEYWORD.encode() in orjson.dumps(schema)
