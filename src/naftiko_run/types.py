"""What the rooms hand to one another: values and callables, nothing of the spec's keywords.

No room imports its neighbour; :mod:`naftiko_run.plan` passes these across.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct, field

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
"""A JSON value (RFC 8259)."""

Inputs = Mapping[str, Json]
"""Named, typed values; a name that is absent was not given (``None`` is an explicit null)."""


def without(record: Struct, *hidden: str) -> str:
    """Write a record as its ``repr`` does, but for fields that are not to be seen."""
    shown = (name for name in record.__struct_fields__ if name not in hidden)
    fields = ", ".join(f"{name}={getattr(record, name)!r}" for name in shown)
    return f"{type(record).__name__}({fields})"


class Discreet:
    """Makes a record show what its ``repr`` shows, also to what prints records field by field.

    It stands before ``Struct``, whose ``__rich_repr__`` tells all fields.
    """

    __slots__ = ()

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("", repr(self))]


class Missing(Enum):
    """The type of :data:`MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        """Read as the name that code uses."""
        return "MISSING"


MISSING: Final = Missing.MISSING
"""No value at all: an argument that was not given, a path that leads nowhere."""


class Text(str):
    """An argument that came as text (path, query, header, form): it is coerced to its type."""

    __slots__ = ()


class Texts(list["Json"]):
    """The texts of one name that was given several times (``k=a&k=b``)."""

    __slots__ = ()


Headers = tuple[tuple[str, str], ...]
"""Header fields in order; names of a :class:`Reply` are lower case."""


class Input(Struct, frozen=True, kw_only=True):
    """A value that an operation needs or a unit takes.

    ``location`` is ``path``, ``query``, ``header``, ``cookie`` or ``body``; ``content`` is the
    whole request body; ``whole`` is the field of a body, or the body that has no such field; empty
    is the place where REST looks by default (path, body, query).
    ``type`` is a JSON Schema type, empty for any. ``schema`` holds further JSON Schema keywords.
    ``default`` is the value where none is given.
    """

    name: str
    location: str = ""
    type: str = ""
    required: bool = False
    nullable: bool = False
    description: str = ""
    schema: Mapping[str, Json] = field(default_factory=dict)
    default: Json | Missing = MISSING


class Selection(Discreet, Struct, frozen=True):
    """A part of a request body: ``find`` gives it, MISSING where the path leads nowhere.

    ``names`` are the members that lead to it, empty where the path is not that simple. ``first`` is
    the only field of the body that it reads, None where it may read any.
    """

    path: str
    find: Callable[[Json], Json | Missing]
    first: str | None = None
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return without(self, "find")

    def __eq__(self, other: object) -> bool:
        return self._told == other._told if isinstance(other, Selection) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._told)

    @property
    def _told(self) -> tuple[str, str | None, tuple[str, ...]]:
        return self.path, self.first, self.names


class Argument(Input, frozen=True, kw_only=True):
    """A value that a caller may give to a unit.

    ``key`` is its key in :data:`Inputs`: the name, or ``place.name`` where a name is taken from
    one place alone. ``header`` says that REST also looks for a header field of this name.
    ``selection`` is what REST takes of the body; ``others`` are the places where REST looks next.
    """

    key: str
    header: bool = False
    selection: Selection | None = None
    others: tuple["Argument", ...] = ()


class Request(Discreet, Struct, frozen=True):
    """One HTTP request, ready to send: the URL is absolute and fully percent-encoded."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes | None = None

    def __repr__(self) -> str:
        # Headers, query and path may carry credentials: none of them is ever printed.
        scheme, mark, rest = self.url.partition("://")
        authority = rest.partition("/")[0].partition("?")[0]
        return f"Request({self.method} {scheme}{mark}{authority.rpartition('@')[2]})"


class Reply(Struct, frozen=True):
    """An upstream's whole answer, its content coding already removed."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header field, by its lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def media_type(self) -> str:
        """The type and subtype of Content-Type in lower case, ``""`` when there is none."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


class Outcome(Struct, frozen=True):
    """What a flow gives to a face.

    ``body`` and ``media_type`` are the bytes to send as they are (an upstream's own, or JSON that
    was mapped); ``headers`` are those of the upstream that callers may see. ``failed`` says that
    the upstream, or one of several, did not do what was asked. ``written`` says that the body is
    JSON as it is written here, so that nobody has to read it to know what it is.
    """

    status: int
    body: bytes
    media_type: str
    headers: Headers = ()
    failed: bool = False
    written: bool = False


Operation = Callable[[Inputs], Awaitable[Reply]]
"""Calls the upstream once; made by ``consumes``."""

Flow = Callable[[Inputs], Awaitable[Outcome]]
"""Runs a unit from its arguments to its outcome; made by ``flows``, served by ``exposes``."""


Report = Callable[[int, int], Awaitable[None]]
"""Hears how many parts of a run, of how many, are done."""

PROGRESS: ContextVar[Report | None] = ContextVar("progress", default=None)
"""Set by a face around a flow whose caller wants to know how far it is."""


TRACE: ContextVar[Headers] = ContextVar("trace", default=())
"""Set by a face around a flow: the header fields of its caller's trace context, for upstreams."""


class Client(Protocol):
    """The seam between an operation and the network: a request in, a reply out.

    ``send`` raises :class:`naftiko_run.errors.UpstreamError` (or a subclass) and nothing else.
    It never sends a request again once any part of it may have been received.
    """

    def send(self, request: Request) -> Coroutine[Any, Any, Reply]:
        """Send one request and read the whole reply."""

    async def aclose(self) -> None:
        """Close every connection."""


class Upload(Struct, frozen=True):
    """A request's body as it comes; ``length`` is in bytes, None where only its end tells it.

    What ``chunks`` raises comes out of the call or of its reply, and the request is given up.
    """

    chunks: AsyncIterator[bytes]
    length: int | None = None


class StreamedReply(Protocol):
    """An upstream's answer whose body is still to come, in the coding in which it is sent.

    ``headers`` are the end-to-end fields (RFC 9110 section 7.6.1), ``length`` what Content-Length
    said. Iterating gives the body as it comes and raises
    :class:`naftiko_run.errors.UpstreamError` where it ends before it is complete: while nobody
    asks for more, the upstream is made to wait.
    """

    @property
    def status(self) -> int:
        """The status code, 200 or more."""

    @property
    def headers(self) -> Headers:
        """The end-to-end fields, names in lower case."""

    @property
    def length(self) -> int | None:
        """How many bytes the upstream says that the body has."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body, piece by piece; once."""

    async def aclose(self) -> None:
        """End the exchange; one that is not complete costs its connection."""


@runtime_checkable
class StreamingClient(Client, Protocol):
    """A client that also passes bodies on while they come, of any size.

    The time limit holds for each silence of the upstream, not for the whole.
    """

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Send one request, with its own body or an upload's, and read the head of the reply."""


class Forwarded(Struct, frozen=True, kw_only=True):
    """A caller's request that is passed on.

    ``path`` is what remains of the path, and ``query`` the query, both as they were sent.
    ``headers`` are all fields of the caller, names in lower case; ``private`` names the query
    parameter that was meant for this server. ``captures`` are the route's placeholders.
    The body is ``body``, or comes with ``upload``.
    """

    method: str
    path: str = ""
    query: str = ""
    headers: Headers = ()
    captures: Inputs = field(default_factory=dict)
    private: str = ""
    body: bytes | None = None
    upload: Upload | None = None


Forwarder = Callable[[Forwarded], Awaitable[StreamedReply]]
"""Passes a caller's request on; made by ``consumes``, served by ``exposes``."""


class Binds:
    """Values of variables by the names that texts use; values are never printed.

    ``declared`` maps ``VAR`` and ``namespace.VAR`` to their value, None where it is not set.
    ``environment`` answers for names that no document declares.
    """

    __slots__ = ("_declared", "_environment")

    def __init__(
        self,
        declared: Mapping[str, str | None] | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep both; neither is changed."""
        self._declared = dict(declared or {})
        self._environment = environment

    def declares(self, name: str) -> bool:
        """Say whether a document declares this name."""
        return name in self._declared

    def value(self, name: str) -> str | None:
        """Return a variable's value; None where it is not set."""
        if name in self._declared:
            return self._declared[name]
        return self._environment.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The declared names, in order of declaration."""
        return tuple(self._declared)

    def __repr__(self) -> str:
        """Show the names alone."""
        return f"Binds({', '.join(self._declared)})"
