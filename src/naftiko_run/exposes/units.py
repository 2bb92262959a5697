"""What the faces serve: units with their flows, made by the plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from naftiko_run.exposes.auth import Authenticator
from naftiko_run.exposes.router import shape
from naftiko_run.findings import Finding
from naftiko_run.types import Argument, Flow, Json

if TYPE_CHECKING:
    from naftiko_run.exposes.mcp_extension import Extension


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A REST operation. One without a flow answers 501 with its finding's code.

    ``path`` is the route's template below the listener; ``query`` are constant query parameters
    that a request must carry. ``constants`` are names, with their places, that always have the
    document's value: a caller's counts for nothing. ``responses`` is what OpenAPI says of the
    answers, empty where the document says nothing.
    """

    method: str
    path: str
    adapter: str
    name: str
    description: str
    arguments: tuple[Argument, ...] = ()
    flow: Flow | None = None
    finding: Finding | None = None
    query: tuple[tuple[str, str], ...] = ()
    constants: tuple[tuple[str, str], ...] = ()
    responses: Mapping[str, Json] = field(default_factory=dict)
    call: str = ""
    authenticator: Authenticator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """An MCP tool; ``properties`` gives each published property the argument key it stands for.

    ``output_schema`` describes the results that are not errors, None where it is not known. A tool
    of several ``stages`` reports its progress to callers that ask for it.
    """

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    properties: Mapping[str, str]
    input_schema: dict[str, Json]
    hints: Mapping[str, bool]
    flow: Flow
    call: str = ""
    output_schema: dict[str, Json] | None = None
    stages: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """An MCP resource: a flow, or a folder with all its files below ``uri``.

    ``uri`` is a template where it has variables. ``variables`` gives each of them the argument
    key it stands for; ``values`` the values that are known beforehand for some of them.
    ``media_type`` is empty where none is written; ``most`` is the size of the largest file.
    """

    name: str
    title: str
    description: str
    uri: str
    media_type: str = ""
    binary: bool = False
    flow: Flow | None = field(default=None, compare=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder: Path | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptArgument:
    """What a prompt's placeholders are filled with; ``values`` are all there may be, if known."""

    name: str
    title: str = ""
    description: str = ""
    required: bool = True
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """An MCP prompt; each message is a role and a text with ``{{placeholders}}``."""

    name: str
    title: str
    description: str
    arguments: tuple[PromptArgument, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServer:
    """An MCP adapter with its tools; ``extension`` is what a program adds to them.

    ``resource_templates`` are the resources whose URI has variables.
    """

    namespace: str
    title: str
    version: str
    instructions: str
    tools: tuple[Tool, ...]
    resources: tuple[Resource, ...] = ()
    resource_templates: tuple[Resource, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    extension: "Extension | None" = None
    authenticator: Authenticator | None = None

    @property
    def cache_scope(self) -> Literal["public", "private"]:
        """Whether what it lists may be shared by callers: ``public`` or ``private``."""
        return "private" if self.authenticator else "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """All that one address and port serve."""

    address: str
    port: int
    routes: tuple[Route, ...] = ()
    servers: tuple[ToolServer, ...] = ()
    adapters: tuple[str, ...] = field(default=())
    title: str = ""
    description: str = ""
    version: str = ""

    def endpoint(self, namespace: str) -> str:
        """Return the shortest path of an MCP adapter's endpoint."""
        shapes = [shape(route.path) for route in self.routes]
        taken = any(s == "mcp" or (s.startswith("{}") and "/" not in s) for s in shapes)
        return "/mcp" if len(self.servers) == 1 and not taken else f"/{namespace}/mcp"
