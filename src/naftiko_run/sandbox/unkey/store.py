"""A sandbox's state, and what an operator rather than a caller of the API can do to it.

The API has no operation that makes root keys, protects an API, limits a workspace or deletes a
rate limit namespace; tests and the program that starts a sandbox do these here.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime

import orjson

from naftiko_run.sandbox.unkey.authority import EVERYTHING
from naftiko_run.sandbox.unkey.database import Database
from naftiko_run.sandbox.unkey.ids import hash_key

WORKSPACE = "ws_sandbox0"

_DAY = 86_400_000
_LONGEST_PAUSE = 31  # days; a monthly refill is due at most once in them


def wall_clock() -> int:
    """Give the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Store:
    """The data of one sandbox and its clock."""

    def __init__(self, database: str = ":memory:", clock: Callable[[], int] | None = None) -> None:
        self.db = Database(database)
        self.clock = clock or wall_clock
        self._refilled = 0

    def close(self) -> None:
        """Close the database; memory is forgotten with it."""
        self.db.close()

    def create_workspace(self, workspace: str = WORKSPACE) -> None:
        """Make a workspace; nothing happens if it exists."""
        with self.db.writing():
            self.db.run("INSERT OR IGNORE INTO workspaces (id) VALUES (?)", workspace)

    def set_workspace(
        self, workspace: str, *, enabled: bool = True, requests_per_minute: int | None = None
    ) -> None:
        """Enable or disable a workspace and limit its requests; None is no limit, 0 lets none."""
        with self.db.writing():
            self.db.run(
                "UPDATE workspaces SET enabled = ?, requests_per_minute = ? WHERE id = ?",
                enabled,
                requests_per_minute,
                workspace,
            )

    def create_root_key(
        self,
        key: str,
        permissions: Iterable[str] = EVERYTHING,
        *,
        workspace: str = WORKSPACE,
        enabled: bool = True,
        expires: int | None = None,
    ) -> None:
        """Make a root key, or replace what an existing one may do."""
        self.create_workspace(workspace)
        with self.db.writing():
            self.db.run(
                "INSERT OR REPLACE INTO root_keys (hash, workspace_id, permissions, enabled,"
                " expires) VALUES (?, ?, ?, ?, ?)",
                hash_key(key),
                workspace,
                orjson.dumps(sorted(permissions)).decode(),
                enabled,
                expires,
            )

    def protect_api(self, api: str, *, protected: bool = True) -> None:
        """Guard an API against deletion, or lift the guard."""
        with self.db.writing():
            self.db.run("UPDATE apis SET protected = ? WHERE id = ?", protected, api)

    def restrict_api(self, api: str, addresses: Iterable[str]) -> None:
        """Let an API's keys be used from these addresses only; none given lifts the limit."""
        with self.db.writing():
            self.db.run("UPDATE apis SET addresses = ? WHERE id = ?", ",".join(addresses), api)

    def delete_namespace(self, namespace: str, workspace: str = WORKSPACE) -> None:
        """Delete a rate limit namespace, given by its name."""
        with self.db.writing():
            self.db.run(
                "UPDATE namespaces SET deleted_at = ? WHERE workspace_id = ? AND name = ?",
                self.clock(),
                workspace,
                namespace,
            )

    def refill_credits(self) -> None:
        """Refill the keys that are due since the last call, at most once for each day (UTC)."""
        today = self.clock() // _DAY
        if today == self._refilled:
            return
        with self.db.writing():
            row = self.db.one("SELECT max(day) AS day FROM refills")
            last = today if row is None or row["day"] is None else int(row["day"])
            for day in range(max(last, today - _LONGEST_PAUSE) + 1, today + 1):
                self._refill(date.fromordinal(date(1970, 1, 1).toordinal() + day))
            self.db.run("DELETE FROM refills WHERE day < ?", today)
            self.db.run("INSERT OR IGNORE INTO refills (day) VALUES (?)", today)
        self._refilled = today

    def _refill(self, day: date) -> None:
        tomorrow = date.fromordinal(day.toordinal() + 1)
        last_due = 31 if tomorrow.month != day.month else day.day
        self.db.run(
            "UPDATE keys SET remaining = refill_amount, updated_at = ?"
            " WHERE refill_amount IS NOT NULL AND deleted_at IS NULL"
            " AND remaining < refill_amount"
            " AND (refill_day IS NULL OR refill_day BETWEEN ? AND ?)",
            self.clock(),
            day.day,
            last_due,
        )


def rfc3339(milliseconds: int) -> str:
    """Format a time as the server does in its texts."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
