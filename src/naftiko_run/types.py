"""What the rooms hand to one another: values and callables, nothing of the spec's keywords.

No room imports its neighbour; :mod:`naftiko_run.plan` passes these across.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

type_keywords = ("string", "integer", "number", "boolean", "array", "object")
"""The values of the spec's ``type`` keyword; any other is read as ``string``."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A JSON value (RFC 8259)."""

Inputs = Mapping[str, Json]
"""Named, typed values; a name that is absent was not given (``None`` is an explicit null)."""

Headers = tuple[tuple[str, str], ...]
"""Header fields in order; names of a :class:`Reply` are lower case."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to send: the URL is absolute and fully percent-encoded."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes | None = None

    def __repr__(self) -> str:
        # Headers and query may carry credentials: neither is ever printed.
        return f"Request({self.method} {self.url.partition('?')[0]})"


@dataclass(frozen=True, slots=True)
class Reply:
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flow gives to a face.

    ``body`` and ``media_type`` are the bytes to send as they are (an upstream's own, or JSON that
    was mapped); ``headers`` are those of the upstream that callers may see.
    """

    status: int
    body: bytes
    media_type: str
    headers: Headers = ()

    @property
    def failed(self) -> bool:
        """Whether the upstream refused: its status is 400 or more."""
        return self.status >= 400  # noqa: PLR2004 - RFC 9110 section 15


Operation = Callable[[Inputs], Awaitable[Reply]]
"""Calls the upstream once; made by ``consumes``."""

Flow = Callable[[Inputs], Awaitable[Outcome]]
"""Runs a unit from its arguments to its outcome; made by ``flows``, served by ``exposes``."""


class Client(Protocol):
    """The seam between an operation and the network: a request in, a reply out.

    ``send`` raises :class:`naftiko_run.errors.UpstreamError` (or a subclass) and nothing else.
    It never sends a request again once any part of it may have been received.
    """

    async def send(self, request: Request) -> Reply:
        """Send one request and read the whole reply."""

    async def aclose(self) -> None:
        """Close every connection."""


class Binds(Mapping[str, str]):
    """Values of variables by name (``VAR`` and ``namespace.VAR``); they are never printed."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Keep a copy of the values."""
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        """Return the value of one variable."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count the variables."""
        return len(self._values)

    def __repr__(self) -> str:
        """Show the names alone."""
        return f"Binds({', '.join(sorted(self._values))})"
