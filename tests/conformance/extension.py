"""What the conformance suite calls and no capability file can express, as an extension."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import SubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import PromptsListChanged, ToolsListChanged

from naftiko_run.exposes.mcp_extension import Extension
from tests.conformance.upstream import PIXEL

Context = ServerRequestContext[Any, Any]
Result = types.CallToolResult | types.InputRequiredResult
Handler = Callable[[Context, types.CallToolRequestParams], Awaitable[Result]]

_IMAGE = base64.b64encode(PIXEL).decode()
_KEY = secrets.token_bytes(32)
_buses: list[SubscriptionBus] = []


def _text(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def _refuse(message: str, data: object = None, code: int = types.INVALID_PARAMS) -> MCPError:
    return MCPError(code=code, message=message, data=data)


# -------------------------------------------------------------------------- on the way of a call


async def mixed_content(_context: Context, _params: types.CallToolRequestParams) -> Result:
    return types.CallToolResult(
        content=[
            types.TextContent(type="text", text="Multiple content types test:"),
            types.ImageContent(type="image", data=_IMAGE, mime_type="image/png"),
            types.EmbeddedResource(
                type="resource",
                resource=types.TextResourceContents(
                    uri="test://mixed-content-resource",
                    mime_type="application/json",
                    text='{"test":"data","value":123}',
                ),
            ),
        ]
    )


async def with_progress(context: Context, _params: types.CallToolRequestParams) -> Result:
    for progress in (0, 50, 100):
        await context.session.report_progress(progress, 100)
        await asyncio.sleep(0.05)
    return _text("done")


async def with_logging(context: Context, _params: types.CallToolRequestParams) -> Result:
    for text in ("started", "processing data", "completed"):
        await context.session.send_log_message(
            level="info", data=f"Tool {text}", related_request_id=context.request_id
        )
        await asyncio.sleep(0.05)
    return _text("logged")


async def sampling(context: Context, params: types.CallToolRequestParams) -> Result:
    prompt = str((params.arguments or {}).get("prompt", ""))
    answer = await context.session.create_message(
        messages=[
            types.SamplingMessage(role="user", content=types.TextContent(type="text", text=prompt))
        ],
        max_tokens=100,
        related_request_id=context.request_id,
    )
    return _text(f"LLM response: {answer.content}")


async def elicitation(context: Context, params: types.CallToolRequestParams) -> Result:
    message = str((params.arguments or {}).get("message", ""))
    return await _elicited(
        context,
        message,
        {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        },
    )


async def elicitation_defaults(context: Context, _params: types.CallToolRequestParams) -> Result:
    return await _elicited(
        context,
        "Please check",
        {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {
                "type": "string",
                "enum": ["active", "inactive", "pending"],
                "default": "active",
            },
            "verified": {"type": "boolean", "default": True},
        },
    )


async def elicitation_enums(context: Context, _params: types.CallToolRequestParams) -> Result:
    options = ["option1", "option2", "option3"]
    titled = [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)]
    return await _elicited(
        context,
        "Please choose",
        {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled}},
        },
    )


async def _elicited(context: Context, message: str, properties: dict[str, Any]) -> Result:
    answer = await context.session.elicit_form(
        message,
        {"type": "object", "properties": properties},
        related_request_id=context.request_id,
    )
    return _text(f"Elicitation completed: action={answer.action}, content={answer.content}")


async def missing_capability(context: Context, _params: types.CallToolRequestParams) -> Result:
    capabilities = context.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        required: Any = {"requiredCapabilities": {"sampling": {}}}
        raise _refuse("sampling is required", required, types.MISSING_REQUIRED_CLIENT_CAPABILITY)
    return _text("sampling is there")


async def change_tools(_context: Context, _params: types.CallToolRequestParams) -> Result:
    for bus in _buses:
        await bus.publish(ToolsListChanged())
    return _text("told")


async def change_prompts(_context: Context, _params: types.CallToolRequestParams) -> Result:
    for bus in _buses:
        await bus.publish(PromptsListChanged())
    return _text("told")


# ------------------------------------------------------------------- results that ask for more


def _form(message: str, name: str, kind: str = "string") -> types.ElicitRequest:
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(
            message=message,
            requested_schema={
                "type": "object",
                "properties": {name: {"type": kind}},
                "required": [name],
            },
        )
    )


def _question(text: str, tokens: int) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=tokens)
    )


def _sealed(state: Mapping[str, Any]) -> str:
    text = json.dumps(state)
    return f"{hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()}.{text}"


def _opened(sealed: str | None) -> dict[str, Any]:
    """Open a state that was sealed here; what a client sends in its place is an attack."""
    mark, _, text = (sealed or "").partition(".")
    if not hmac.compare_digest(mark, hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()):
        raise _refuse("requestState is not one of this server")
    opened: dict[str, Any] = json.loads(text)
    return opened


def _asks(requests: types.InputRequests, *, sealed: bool = False) -> Handler:
    """Make a tool that asks until everything is answered."""

    async def handler(_context: Context, params: types.CallToolRequestParams) -> Result:
        given = params.input_responses or {}
        if sealed and params.request_state is not None:
            _opened(params.request_state)
        if requests.keys() <= given.keys():
            state = "state-ok " if sealed and _opened(params.request_state) else ""
            return _text(f"{state}{ {name: str(given[name]) for name in requests} }")
        asked = _sealed({"asked": sorted(requests)}) if sealed else None
        return types.InputRequiredResult(input_requests=requests, request_state=asked)

    return handler


async def multi_round(_context: Context, params: types.CallToolRequestParams) -> Result:
    given = params.input_responses or {}
    if "step2" in given:
        return _text(f"{_opened(params.request_state)} {given['step2']}")
    if "step1" in given:
        state = {**_opened(params.request_state), "step1": str(given["step1"])}
        ask = {"step2": _form("Step 2: What is your favorite color?", "color")}
    else:
        state, ask = {"begun": True}, {"step1": _form("Step 1: What is your name?", "name")}
    return types.InputRequiredResult(input_requests={**ask}, request_state=_sealed(state))


async def by_capability(context: Context, params: types.CallToolRequestParams) -> Result:
    capabilities = context.session.client_capabilities
    ask: types.InputRequests = {}
    if capabilities is not None and capabilities.sampling is not None:
        ask["question"] = _question("What is the capital of France?", 100)
    if capabilities is not None and capabilities.elicitation is not None:
        ask["user_name"] = _form("What is your name?", "name")
    if not ask or ask.keys() <= (params.input_responses or {}).keys():
        return _text("done")
    return types.InputRequiredResult(input_requests=ask)


_NAME = {"user_name": _form("What is your name?", "name")}
_ROOTS: types.InputRequests = {"client_roots": types.ListRootsRequest()}
_CONFIRM: types.InputRequests = {"confirm": _form("Please confirm", "ok", "boolean")}
_ALL: types.InputRequests = {
    **_NAME,
    "greeting": _question("Generate a greeting", 50),
    **_ROOTS,
}


async def _says_hello(_context: Context, params: types.CallToolRequestParams) -> Result:
    return _text(f"Hello, {(params.arguments or {}).get('region', '')}!")


HANDLERS: Mapping[str, Handler] = {
    "test_multiple_content_types": mixed_content,
    "test_tool_with_progress": with_progress,
    "test_tool_with_logging": with_logging,
    "test_sampling": sampling,
    "test_elicitation": elicitation,
    "test_elicitation_sep1034_defaults": elicitation_defaults,
    "test_elicitation_sep1330_enums": elicitation_enums,
    "test_missing_capability": missing_capability,
    "test_trigger_tool_change": change_tools,
    "test_trigger_prompt_change": change_prompts,
    "test_input_required_result_elicitation": _asks({**_NAME}),
    "test_input_required_result_sampling": _asks(
        {"capital_question": _question("What is the capital of France?", 100)}
    ),
    "test_input_required_result_list_roots": _asks(_ROOTS),
    "test_input_required_result_request_state": _asks(_CONFIRM, sealed=True),
    "test_input_required_result_multiple_inputs": _asks(_ALL, sealed=True),
    "test_input_required_result_multi_round": multi_round,
    "test_input_required_result_tampered_state": _asks(_CONFIRM, sealed=True),
    "test_input_required_result_capabilities": by_capability,
    "json_schema_2020_12_tool": _says_hello,
    "test_header_parameters": _says_hello,
}

_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "test_sampling": {"properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    "test_elicitation": {"properties": {"message": {"type": "string"}}, "required": ["message"]},
    "test_header_parameters": {
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}
    },
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {
            "properties": {"contactMethod": {"const": "phone"}},
            "required": ["contactMethod"],
        },
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
}

TOOLS = tuple(
    types.Tool(
        name=name,
        description="Asked by the conformance suite",
        input_schema={"type": "object", **_SCHEMAS.get(name, {})},
    )
    for name in HANDLERS
)


async def call_tool(context: Context, params: types.CallToolRequestParams) -> Result:
    return await HANDLERS[params.name](context, params)


# ---------------------------------------------------------------------- resources and prompts

RESOURCES: Mapping[str, types.TextResourceContents | types.BlobResourceContents] = {
    "test://static-text": types.TextResourceContents(
        uri="test://static-text",
        mime_type="text/plain",
        text="This is the content of the static text resource.",
    ),
    "test://static-binary": types.BlobResourceContents(
        uri="test://static-binary", mime_type="image/png", blob=_IMAGE
    ),
    "test://watched-resource": types.TextResourceContents(
        uri="test://watched-resource", mime_type="text/plain", text="Watched."
    ),
}


async def list_resources(
    _context: Context, _params: types.PaginatedRequestParams
) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[
            types.Resource(uri=uri, name=uri.rpartition("/")[2], description="A fixture")
            for uri in RESOURCES
        ]
    )


async def list_templates(
    _context: Context, _params: types.PaginatedRequestParams
) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(
        uri_template="test://template/{id}/data", name="template", description="A fixture"
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(
    _context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    uri = str(params.uri)
    known = RESOURCES.get(uri)
    if known is not None:
        return types.ReadResourceResult(contents=[known])
    found = re.fullmatch(r"test://template/([^/]+)/data", uri)
    if found is None:
        raise _refuse("Resource not found", {"uri": uri})
    text = json.dumps({"id": found[1], "templateTest": True, "data": f"Data for ID: {found[1]}"})
    content = types.TextResourceContents(uri=uri, mime_type="application/json", text=text)
    return types.ReadResourceResult(contents=[content])


async def subscribe(_context: Context, _params: types.RequestParams) -> types.EmptyResult:
    return types.EmptyResult()


_PROMPTS: Mapping[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}


async def list_prompts(
    _context: Context, _params: types.PaginatedRequestParams
) -> types.ListPromptsResult:
    return types.ListPromptsResult(
        prompts=[
            types.Prompt(
                name=name,
                description="A fixture",
                arguments=[types.PromptArgument(name=each, required=True) for each in arguments],
            )
            for name, arguments in _PROMPTS.items()
        ]
    )


async def get_prompt(
    _context: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    given = params.arguments or {}
    missing = [name for name in _PROMPTS.get(params.name, ("name",)) if name not in given]
    if missing:
        raise _refuse(f"{params.name}: {', '.join(missing)} is required")
    if params.name == "test_input_required_result_prompt" and not params.input_responses:
        ask = {"user_context": _form("What context should the prompt use?", "context")}
        return types.InputRequiredResult(input_requests={**ask})
    content: list[types.ContentBlock] = []
    if params.name == "test_prompt_with_image":
        content.append(types.ImageContent(type="image", data=_IMAGE, mime_type="image/png"))
    elif params.name == "test_prompt_with_embedded_resource":
        resource = types.TextResourceContents(
            uri=given["resourceUri"],
            mime_type="text/plain",
            text="Embedded resource content for testing.",
        )
        content.append(types.EmbeddedResource(type="resource", resource=resource))
    told = ", ".join(f"{name}={value!r}" for name, value in given.items())
    content.append(types.TextContent(type="text", text=f"Prompt with arguments: {told}"))
    return types.GetPromptResult(
        messages=[types.PromptMessage(role="user", content=each) for each in content]
    )


async def complete(_context: Context, _params: types.CompleteRequestParams) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))


async def set_level(_context: Context, _params: types.RequestParams) -> types.EmptyResult:
    return types.EmptyResult()


def register(server: Server[Any], bus: SubscriptionBus) -> None:
    """Register everything but the tools."""
    _buses.append(bus)
    paginated = types.PaginatedRequestParams
    server.add_request_handler("resources/list", paginated, list_resources)
    server.add_request_handler("resources/templates/list", paginated, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read_resource)
    server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, subscribe)
    server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, subscribe)
    server.add_request_handler("prompts/list", paginated, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, set_level)


EXTENSION = Extension(tools=TOOLS, call_tool=call_tool, register=register, sessions=True)
