"""How much the MCP adapters of one listener do at once.

A REST request is not counted: it holds a connection, whose number has limits of its own, while a
client of MCP may send any number of requests, each of which makes several upstream ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from naftiko_run.exposes.problems import Problem
from naftiko_run.types import Headers

MOST_REQUESTS = 2000
"""How many MCP requests of one listener are under way at once; the next ones are refused."""

RETRY_AFTER: Headers = (("retry-after", "1"),)
"""What a caller is told who is refused for that."""


class Load:
    """Counts what is under way."""

    __slots__ = ("most", "under_way")

    def __init__(self, most: int = MOST_REQUESTS) -> None:
        """Begin with nothing."""
        self.most = most
        self.under_way = 0

    @property
    def refusal(self) -> Problem:
        """What a caller is told beyond the limit."""
        return Problem(503, f"{self.most} requests are under way here: try again in a moment")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave a request uncounted that does nothing but wait, for as long as its caller likes."""
        self.under_way -= 1
        try:
            yield
        finally:
            self.under_way += 1
