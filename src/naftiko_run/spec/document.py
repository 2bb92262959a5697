"""The records of a capability document.

One set of records serves every version of the language and the published dialect; what differs
between them is settled by :mod:`naftiko_run.spec.reader` and the readers that it calls. Records
hold no secret and no value of a variable, so they may be printed.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct, field

from naftiko_run.findings import DocPath, Finding, Severity
from naftiko_run.types import Binds, Discreet, Json, without


class Unset(Enum):
    """The type of :data:`UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        """Read as the name that code uses."""
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Nothing was written; ``None`` is an explicit null."""


class SourceFile(Protocol):
    """A file that knows where its values stand."""

    file: str

    def finding(
        self,
        code: str,
        message: str,
        fix: str = "",
        *,
        path: DocPath = (),
        severity: Severity = Severity.ERROR,
        key: bool = False,
    ) -> Finding:
        """Make a finding about the value (or the key) at a path."""


class Where(Discreet, Struct, frozen=True):
    """A place in a file; printing it shows the path, and the path alone makes it what it is."""

    source: SourceFile
    path: DocPath = ()

    def __repr__(self) -> str:
        return without(self, "source")

    def __eq__(self, other: object) -> bool:
        return self.path == other.path if isinstance(other, Where) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.path)

    def at(self, *parts: str | int) -> "Where":
        """Return a place inside this one."""
        return Where(self.source, (*self.path, *parts))

    def error(self, code: str, message: str, fix: str = "", *, key: bool = False) -> Finding:
        """Make an error about this place."""
        return self.source.finding(code, message, fix, path=self.path, key=key)

    def warning(self, code: str, message: str, fix: str = "", *, key: bool = False) -> Finding:
        """Make a warning about this place."""
        return self.source.finding(
            code, message, fix, path=self.path, severity=Severity.WARNING, key=key
        )

    def notice(self, code: str, message: str, fix: str = "", *, key: bool = False) -> Finding:
        """Make a notice about this place."""
        return self.source.finding(
            code, message, fix, path=self.path, severity=Severity.NOTICE, key=key
        )


class Info(Struct, frozen=True, kw_only=True):
    """What the document says of itself."""

    label: str
    description: str = ""
    version: str = ""


class Bind(Struct, frozen=True, kw_only=True):
    """Variables by the name that texts use, and the name under which their source has them."""

    where: Where
    namespace: str
    location: str | None
    keys: Mapping[str, str]


class Import(Struct, frozen=True, kw_only=True):
    """An entry that stands for one of another file: ``section`` says where both stand.

    ``namespace`` None means all of them (of ``consumes`` alone, in the published dialect).
    """

    where: Where
    namespace: str | None
    location: str
    alias: str | None = None
    section: str = "consumes"


class Parameter(Struct, frozen=True, kw_only=True):
    """An input: of a consumed operation, or declared by an exposed one.

    ``location`` is the ``in`` keyword, empty where none is written. ``type`` is empty where none
    is written. ``required`` None means that nothing is said. ``schema`` holds the JSON Schema
    keywords written beside ``type``. ``label`` is read for prompts alone. ``constant`` says that
    the value was written as ``const``: it is never read as a path.
    """

    where: Where
    name: str
    label: str = ""
    location: str = ""
    type: str = ""
    required: bool | None = None
    description: str = ""
    value: Json | Unset = UNSET
    constant: bool = False
    default: Json | Unset = UNSET
    nullable: bool = False
    mapping: str = ""
    schema: Mapping[str, Json] = field(default_factory=dict)


class Body(Struct, frozen=True, kw_only=True):
    """The ``body`` clause; ``data`` is UNSET where the clause says a type alone."""

    where: Where
    type: str
    data: Json | Unset


class Output(Struct, frozen=True, kw_only=True):
    """One entry of ``outputParameters``, exposed or consumed.

    ``mapping`` is a JSONPath; ``value`` a static text. ``type`` never coerces.
    """

    where: Where
    name: str | None = None
    type: str = ""
    mapping: str | None = None
    value: Json | Unset = UNSET
    properties: Mapping[str, "Output"] | None = None
    items: "Output | None" = None
    values: "Output | None" = None
    max_length: int | None = None


class ForEach(Struct, frozen=True, kw_only=True):
    """One request per element of an array argument (our extension)."""

    where: Where
    name: str
    element: str


class Authentication(Struct, frozen=True, kw_only=True):
    """How a consumed API wants its credentials: the scheme in lower case and its written fields."""

    where: Where
    type: str
    fields: Mapping[str, Json]


class ConsumedOperation(Discreet, Struct, frozen=True, kw_only=True):
    """One operation of a consumed API; ``path`` is the whole path below ``baseUri``.

    ``schema`` is ``outputSchema`` as written, ``schema_text`` what the file says that it names,
    None where it names none or none that can be read; ``problem`` says why. ``max_binary_size`` is
    in bytes.
    """

    where: Where
    name: str
    method: str
    path: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    raw_format: str = "json"
    schema: str = ""
    schema_text: str | None = None
    media_type: str = ""
    max_binary_size: int | None = None
    problem: Finding | None = None
    outputs: tuple[Output, ...] = ()
    for_each: ForEach | None = None

    def __repr__(self) -> str:
        return without(self, "schema_text")


class Consumes(Struct, frozen=True, kw_only=True):
    """A consumed HTTP API."""

    where: Where
    namespace: str
    base_uri: str
    description: str = ""
    authentication: Authentication | None = None
    parameters: tuple[Parameter, ...] = ()
    operations: tuple[ConsumedOperation, ...] = ()
    variables: tuple[Bind, ...] = ()


class Hints(Struct, frozen=True, kw_only=True):
    """What a tool promises of its behaviour; None where nothing is said."""

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


class Script(Discreet, Struct, frozen=True, kw_only=True):
    """What a script step runs.

    ``language``, ``location`` and ``file`` are as written, empty where nothing is. ``texts`` are
    the names and contents of the dependencies and, last, of the file: they are read when the
    document is loaded. ``problem`` says why it cannot run.
    """

    language: str = ""
    location: str = ""
    file: str = ""
    dependencies: tuple[str, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    problem: Finding | None = None

    def __repr__(self) -> str:
        return without(self, "texts")


class Scripting(Struct, frozen=True, kw_only=True):
    """How scripts run: ``management.scripting`` of the control adapter, or its defaults.

    ``enabled`` None means that nothing is said. ``timeout`` is in milliseconds. No
    ``allowed_languages`` means all of them. ``where`` is None where no document says anything.
    """

    where: Where | None = None
    enabled: bool | None = None
    default_location: str = ""
    default_language: str = ""
    timeout: int = 60_000
    statement_limit: int = 100_000
    allowed_languages: tuple[str, ...] = ()


class Step(Struct, frozen=True, kw_only=True):
    """A step of an orchestration: ``call``, ``lookup`` or ``script``.

    ``script`` is that of a script step. ``tolerant`` lets the flow go on where this step fails (our
    ``onError: continue``). ``problem`` says why it cannot run.
    """

    where: Where
    name: str
    type: str
    call: str | None = None
    arguments: Mapping[str, Json] = field(default_factory=dict)
    index: str = ""
    match: str = ""
    lookup_value: str = ""
    outputs: tuple[str, ...] = ()
    script: Script | None = None
    tolerant: bool = False
    problem: Finding | None = None


class StepMapping(Struct, frozen=True, kw_only=True):
    """Where a value of the steps goes in the result; dots in the target nest."""

    where: Where
    target: str
    value: str


class Semantics(Struct, frozen=True, kw_only=True):
    """What a flow of an aggregate promises of its behaviour; None where nothing is said."""

    safe: bool | None = None
    idempotent: bool | None = None


class ResponseContent(Struct, frozen=True, kw_only=True):
    """What a response may hold: its media type, and a JSON Schema of it."""

    media_type: str
    binary: bool = False
    schema: Mapping[str, Json] = field(default_factory=dict)


class Response(Struct, frozen=True, kw_only=True):
    """A response that a REST operation promises; ``status`` is one such as 200 or 2XX.

    ``fixed`` says that every success has this status (``responseBinary`` with ``status``).
    """

    where: Where
    status: str
    description: str = ""
    contents: tuple[ResponseContent, ...] = ()
    fixed: bool = False


class Unit(Struct, frozen=True, kw_only=True):
    """What is exposed once: a REST operation, an MCP tool, or a flow of an aggregate.

    ``method`` and ``path`` are empty for a tool. ``arguments`` is the ``with`` clause. ``problem``
    says why a unit that has nothing to run cannot be served. A unit runs its ``call``, its
    ``steps``, the aggregate flow that ``ref`` names, or answers with the values of its outputs
    (``mock``). ``max_binary_size`` is its adapter's, for operations that say nothing of it.
    ``parameters`` are the adapter's, then those of the resource, then its own.
    """

    where: Where
    name: str
    label: str = ""
    description: str = ""
    method: str = ""
    path: str = ""
    call: str | None = None
    arguments: Mapping[str, Json] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[Output, ...] = ()
    hints: Hints = Hints()
    problem: Finding | None = None
    steps: tuple[Step, ...] = ()
    mappings: tuple[StepMapping, ...] = ()
    ref: str | None = None
    mock: bool = False
    semantics: Semantics = Semantics()
    max_binary_size: int | None = None
    responses: tuple[Response, ...] = ()


class Forward(Struct, frozen=True, kw_only=True):
    """A REST resource whose requests are passed on to a consumed API.

    ``target`` is the API's namespace, ``trusted`` the header fields of the caller that go on.
    ``methods`` have operations of their own at this path. ``problem`` says why it cannot be served.
    """

    where: Where
    path: str
    target: str
    trusted: tuple[str, ...] = ()
    name: str = ""
    description: str = ""
    methods: frozenset[str] = frozenset()
    problem: Finding | None = None


class McpResource(Struct, frozen=True, kw_only=True):
    """What MCP clients read by its URI: the outcome of a unit, or the files of a folder.

    ``unit`` is what a read runs; the variables of the URI are its parameters. ``location`` is a
    folder as it is written, ``folder`` the same on this machine, None where it was not looked for
    or cannot be used; ``problem`` says why. ``binary`` is never sent as text.
    """

    where: Where
    unit: Unit
    uri: str
    media_type: str = ""
    binary: bool = False
    location: str | None = None
    folder: Path | None = None
    problem: Finding | None = None


class PromptMessage(Struct, frozen=True, kw_only=True):
    """One message of a prompt, its placeholders unfilled; ``role`` is user or assistant."""

    role: str
    content: str


class McpPrompt(Struct, frozen=True, kw_only=True):
    """A prompt: its messages, or a file with the text of one that the user says.

    ``location`` is the file as it is written: its text becomes ``messages`` when the document is
    loaded. ``problem`` says why a prompt cannot be served.
    """

    where: Where
    name: str
    label: str = ""
    description: str = ""
    arguments: tuple[Parameter, ...] = ()
    messages: tuple[PromptMessage, ...] = ()
    location: str | None = None
    problem: Finding | None = None


class SkillTool(Struct, frozen=True, kw_only=True):
    """A tool that a skill names: another adapter's (``from``), or an instruction file.

    ``source`` and ``action`` are what ``from`` says; ``call`` what this runtime does not run.
    ``problem`` says why the tool is left out.
    """

    where: Where
    name: str
    description: str = ""
    source: str = ""
    action: str = ""
    instruction: str = ""
    call: str = ""
    problem: Finding | None = None


class SkillText(Discreet, Struct, frozen=True, kw_only=True):
    """The SKILL.md of a skill's folder: its front matter, None where it has no valid one."""

    front: Mapping[str, Json] | None
    body: str
    text: str

    def __repr__(self) -> str:
        return without(self, "text")


class Skill(Struct, frozen=True, kw_only=True):
    """A skill: what it is good for, the tools that it names, and the folder with its files.

    ``user_invocable`` and ``disable_model_invocation`` are None where nothing is written.
    ``location`` is a folder as it is written, ``folder`` the same on this machine, None where it
    was not looked for or cannot be used. ``state`` differs once its files do.
    ``findings`` tell of the folder and of what is in it.
    """

    where: Where
    name: str
    description: str = ""
    license: str = ""
    compatibility: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    allowed_tools: tuple[str, ...] = ()
    argument_hint: str = ""
    user_invocable: bool | None = None
    disable_model_invocation: bool | None = None
    tools: tuple[SkillTool, ...] = ()
    location: str | None = None
    folder: Path | None = None
    text: SkillText | None = None
    state: str = ""
    findings: tuple[Finding, ...] = ()


class Adapter(Struct, frozen=True, kw_only=True):
    """An entry of ``exposes`` that this runtime serves.

    ``type`` is ``rest``, ``mcp`` or ``skill``; ``port`` None where none is written. ``skills`` are
    a skill adapter's. ``resources`` and ``prompts`` are an MCP adapter's, and so are ``ttl_ms`` and
    ``cache_scope``: how long, and by whom, what it lists may be kept; None and empty where nothing
    is written. ``forwards`` are a REST adapter's. ``written_as`` is the namespace that stands in
    the file, where it is served under another because somebody else has that one.
    """

    where: Where
    type: str
    namespace: str
    port: int | None = None
    address: str = ""
    transport: str = "http"
    description: str = ""
    units: tuple[Unit, ...] = ()
    resources: tuple[McpResource, ...] = ()
    prompts: tuple[McpPrompt, ...] = ()
    skills: tuple[Skill, ...] = ()
    forwards: tuple[Forward, ...] = ()
    authentication: Authentication | None = None
    ttl_ms: int | None = None
    cache_scope: str = ""
    written_as: str = ""


class Aggregate(Struct, frozen=True, kw_only=True):
    """Flows that several units share by ``ref``."""

    where: Where
    namespace: str
    flows: tuple[Unit, ...] = ()


class Document(Struct, frozen=True, kw_only=True):
    """A capability document, as written: imports are still to be resolved."""

    where: Where
    language: str
    version: str
    info: Info
    binds: tuple[Bind, ...] = ()
    consumes: tuple[Consumes, ...] = ()
    imports: tuple[Import, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    scripting: Scripting = field(default_factory=Scripting)


class Shared(Struct, frozen=True, kw_only=True):
    """One section of an imported file, with the variables that come along.

    ``nested`` are the imports in it: they are not followed.
    """

    consumes: tuple[Consumes, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    binds: tuple[Bind, ...] = ()
    nested: tuple[Import, ...] = ()


class Loaded(Struct, kw_only=True):
    """One file: its document with imports and variables resolved, and all that was found.

    ``document`` is None where nothing of the file can be served. ``missing`` are the namespaces
    that no import could bring; ``anything_missing`` stands for an import of a whole file. ``files``
    are all that was read.
    """

    file: str
    document: Document | None = None
    consumes: tuple[Consumes, ...] = ()
    binds: Binds = field(default_factory=Binds)
    findings: list[Finding] = field(default_factory=list)
    missing: Mapping[str, Finding] = field(default_factory=dict)
    anything_missing: Finding | None = None
    files: tuple[Path, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the file has an error."""
        return any(f.severity is Severity.ERROR for f in self.findings)
