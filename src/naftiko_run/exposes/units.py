"""What the faces serve: units with their flows, made by the plan."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from msgspec.structs import force_setattr

from naftiko_run.exposes.auth import Authenticator
from naftiko_run.exposes.router import ANY, shape, takes_rest
from naftiko_run.findings import Finding
from naftiko_run.types import Argument, Discreet, Flow, Forwarder, Json, without

if TYPE_CHECKING:
    from naftiko_run.exposes.mcp_extension import Extension

LIST_SECONDS = 60
"""How long a client may keep a list; those that listen hear of a change before."""


class Route(Struct, frozen=True, kw_only=True):
    """A REST operation. One without a flow answers 501 with its finding's code.

    ``path`` is the route's template below the listener; ``query`` are constant query parameters
    that a request must carry. ``constants`` are names, with their places, that always have the
    document's value: a caller's counts for nothing. ``responses`` is what OpenAPI says of the
    answers, empty where the document says nothing. A route of
    :data:`~naftiko_run.exposes.router.ANY` method passes requests on with its ``forwarder``, but
    for those of ``excluded`` methods; ``whole`` says that it needs a body as a whole.
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
    title: str = ""
    forwarder: Forwarder | None = None
    excluded: frozenset[str] = frozenset()
    whole: bool = False


class Tool(Struct, frozen=True, kw_only=True):
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
    renamed: bool = False
    """Whether a property is published under another name than its argument's key: it is seen."""

    def __post_init__(self) -> None:
        """See what is the same for every call."""
        renamed = any(name != key for name, key in self.properties.items())
        force_setattr(self, "renamed", renamed)


class Resource(Struct, frozen=True, kw_only=True):
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
    flow: Flow | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder: Path | None = None
    most: int | None = None

    def __eq__(self, other: object) -> bool:
        # Each time that a document is compiled its flows are others.
        return self._told == other._told if isinstance(other, Resource) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.uri)

    @property
    def _told(self) -> list[object]:
        return [getattr(self, name) for name in self.__struct_fields__ if name != "flow"]


class PromptArgument(Struct, frozen=True, kw_only=True):
    """What a prompt's placeholders are filled with; ``values`` are all there may be, if known."""

    name: str
    title: str = ""
    description: str = ""
    required: bool = True
    values: tuple[str, ...] = ()


PLACEHOLDER = re.compile(r"\{\{(?: *([A-Za-z0-9_-]+) *)\}\}")
"""What stands for an argument in a message of a prompt."""


class Prompt(Struct, frozen=True, kw_only=True):
    """An MCP prompt; each message is a role and a text with ``{{placeholders}}``."""

    name: str
    title: str
    description: str
    arguments: tuple[PromptArgument, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()


class Kept(Struct, frozen=True):
    """How long a client may keep an answer, in milliseconds, and whether for others too."""

    ttl_ms: int
    scope: Literal["public", "private"]

    @property
    def members(self) -> dict[str, Json]:
        """The members of a result that say so (MCP 2026-07-28, caching)."""
        return {"ttlMs": self.ttl_ms, "cacheScope": self.scope}


class SkillTool(Struct, frozen=True, kw_only=True):
    """A tool of a skill: an ``action`` of the adapter ``namespace``, or an ``instruction`` file.

    ``mode`` is the type of that adapter. A tool that has neither is only named.
    """

    name: str
    description: str
    namespace: str = ""
    action: str = ""
    mode: Literal["rest", "mcp", ""] = ""
    instruction: str = ""


class Skill(Discreet, Struct, frozen=True, kw_only=True):
    """A skill as HTTP and MCP clients see it.

    ``folder`` has its files, None where there is none. Over MCP its files lie below ``uri``,
    which has no slash at its end; ``text`` is its SKILL.md there and ``front`` what the front
    matter of that says. ``state`` differs once its files do.
    """

    name: str
    description: str
    license: str = ""
    compatibility: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    allowed_tools: str = ""
    argument_hint: str = ""
    user_invocable: bool | None = None
    disable_model_invocation: bool | None = None
    tools: tuple[SkillTool, ...] = ()
    folder: Path | None = None
    uri: str = ""
    text: str = ""
    front: Mapping[str, Json] = field(default_factory=dict)
    state: str = ""

    def __repr__(self) -> str:
        return without(self, "text")


class SkillServer(Struct, frozen=True, kw_only=True):
    """A skill adapter with its skills."""

    namespace: str
    skills: tuple[Skill, ...]
    authenticator: Authenticator | None = None


class ToolServer(Struct, frozen=True, kw_only=True):
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
    skills: tuple[Skill, ...] = ()
    extension: "Extension | None" = None
    authenticator: Authenticator | None = None
    ttl_ms: int | None = None
    private: bool | None = None
    """What the document says of caching; None where it says nothing."""

    @property
    def lists_kept(self) -> Kept:
        """How long what it lists may be kept, and by whom."""
        shared = not (self.authenticator or self.private)
        ttl = LIST_SECONDS * 1000 if self.ttl_ms is None else self.ttl_ms
        return Kept(ttl, "public" if shared else "private")

    @property
    def contents_kept(self) -> Kept:
        """How long what it reads may be kept, and by whom.

        Nobody knows when an upstream's answer changes, nor who else may see it: not at all and by
        its caller alone, unless the document says more.
        """
        shared = self.private is False and not self.authenticator
        return Kept(self.ttl_ms or 0, "public" if shared else "private")


class Listener(Struct, frozen=True, kw_only=True):
    """All that one address and port serve."""

    address: str
    port: int
    routes: tuple[Route, ...] = ()
    servers: tuple[ToolServer, ...] = ()
    skills: tuple[SkillServer, ...] = ()
    adapters: tuple[str, ...] = field(default=())
    title: str = ""
    description: str = ""
    version: str = ""

    def endpoint(self, namespace: str) -> str:
        """Return the shortest path of an MCP adapter's endpoint."""
        shapes = [shape(r.path) for r in self.routes if r.method != ANY or not takes_rest(r.path)]
        taken = any(s == "mcp" or (s.startswith("{}") and "/" not in s) for s in shapes)
        return "/mcp" if len(self.servers) == 1 and not taken else f"/{namespace}/mcp"

    def skills_path(self, namespace: str) -> str:
        """Return the shortest path of a skill adapter."""
        taken = {shape(route.path).partition("/")[0] for route in self.routes}
        claimed = any(first == "skills" or first.startswith("{}") for first in taken)
        return "/skills" if len(self.skills) == 1 and not claimed else f"/{namespace}/skills"
