"""A stateful stand-in for the Unkey API v2, on SQLite.

It answers as the real server does: the same paths, bodies, errors and orders. Nothing of it is
remembered longer than the program runs unless it is given a file.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette

ORIGINS: tuple[str, ...] = ("https://api.unkey.com",)
"""The real origins this stands in for."""

ROOT_KEY = "unkey_sandbox_root_key_not_a_secret"
"""A root key that may do everything, known to everybody."""

__all__ = ["ORIGINS", "ROOT_KEY", "create_app"]


def create_app(
    *,
    database: str = ":memory:",
    root_key: str = ROOT_KEY,
    clock: Callable[[], int] | None = None,
) -> "Starlette":
    """Make the application.

    `database` is a file that is made where there is none, or memory; `clock` gives the time in
    milliseconds since the epoch. The data can be reached as `app.state.store`.
    """
    from naftiko_run.sandbox.unkey.app import build_app  # noqa: PLC0415 - only who serves it pays

    return build_app(database=database, root_key=root_key, clock=clock)
