"""What every operation is given, and what it gives back."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from naftiko_run.sandbox.unkey.authority import Query, RootKey
from naftiko_run.sandbox.unkey.database import Database, Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.schema import Node

Body: TypeAlias = Mapping[str, Any]
"""A request body that its schema allows."""

PAGE = 100


class Call(Struct, frozen=True, kw_only=True):
    """One request: the data inside its transaction, who asks, when, and from where."""

    db: Database
    root: RootKey
    now: int
    address: str

    @property
    def workspace(self) -> str:
        """The workspace the request works in."""
        return self.root.workspace

    def require(self, query: Query) -> None:
        """Go on only if the root key has what `query` asks for."""
        self.root.require(query)


class Page(Struct, frozen=True):
    """One page of a list and where the next one begins."""

    items: list[Json]
    cursor: str | None = None


class Nothing(Struct, frozen=True):
    """An answer without data."""


Reply: TypeAlias = Json | Page | Nothing
Handler: TypeAlias = Callable[[Call, Any], Reply]


class Operation(Struct, frozen=True):
    """A request schema, what answers it, and whether that may change data."""

    body: Node
    answer: Handler
    writes: bool = True


def page(rows: list[Row], size: int) -> tuple[list[Row], str | None]:
    """Split one row more than a page holds into the page and the next one's cursor."""
    if len(rows) <= size:
        return rows, None
    return rows[:size], rows[size]["id"]


def trim(value: dict[str, Json], *optional: str) -> dict[str, Json]:
    """Drop optional members that are zero or empty, as the server does."""
    for name in optional:
        if not value[name]:
            del value[name]
    return value
