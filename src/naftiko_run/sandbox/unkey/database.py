"""The SQLite file or memory behind a sandbox: its tables, one connection, transactions.

Every change is one transaction that takes the write lock at its start, so that what it read
cannot change before it writes, even where several processes share a file.
"""

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

Value: TypeAlias = str | int | float | None
Row: TypeAlias = sqlite3.Row

_BUSY_SECONDS = 10

_TABLES = """
CREATE TABLE IF NOT EXISTS workspaces (
    id TEXT PRIMARY KEY,
    enabled INTEGER NOT NULL DEFAULT 1,
    requests_per_minute INTEGER
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS root_keys (
    hash TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    permissions TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    expires INTEGER
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS apis (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    keyspace_id TEXT NOT NULL UNIQUE,
    addresses TEXT NOT NULL DEFAULT '',
    protected INTEGER NOT NULL DEFAULT 0,
    deleted_at INTEGER
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS identities (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    external_id TEXT NOT NULL,
    meta TEXT NOT NULL DEFAULT '{}',
    deleted_at INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS identities_external
    ON identities (workspace_id, external_id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS identities_place
    ON identities (workspace_id, place) WHERE deleted_at IS NULL;

CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL,
    api_id TEXT NOT NULL,
    start TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    identity_id TEXT,
    meta TEXT NOT NULL DEFAULT '{}',
    enabled INTEGER NOT NULL DEFAULT 1,
    expires INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    remaining INTEGER,
    refill_amount INTEGER,
    refill_day INTEGER,
    deleted_at INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_place ON keys (api_id, place) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS keys_identity
    ON keys (identity_id, api_id, place) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS keys_refill
    ON keys (refill_day) WHERE refill_amount IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE IF NOT EXISTS permissions (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    folded TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    UNIQUE (workspace_id, folded)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS permissions_place ON permissions (workspace_id, place);

CREATE TABLE IF NOT EXISTS roles (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    folded TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    UNIQUE (workspace_id, folded)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS roles_place ON roles (workspace_id, place);

CREATE TABLE IF NOT EXISTS roles_permissions (
    role_id TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    PRIMARY KEY (role_id, permission_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS roles_of_permission ON roles_permissions (permission_id);

CREATE TABLE IF NOT EXISTS keys_permissions (
    key_id TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    PRIMARY KEY (key_id, permission_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_of_permission ON keys_permissions (permission_id);

CREATE TABLE IF NOT EXISTS keys_roles (
    key_id TEXT NOT NULL,
    role_id TEXT NOT NULL,
    PRIMARY KEY (key_id, role_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_of_role ON keys_roles (role_id);

CREATE TABLE IF NOT EXISTS ratelimits (
    id TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL,
    name TEXT NOT NULL,
    amount INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    auto_apply INTEGER NOT NULL,
    PRIMARY KEY (owner_id, name)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS namespaces (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    name TEXT NOT NULL,
    deleted_at INTEGER,
    UNIQUE (workspace_id, name)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS overrides (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    namespace_id TEXT NOT NULL,
    identifier TEXT NOT NULL,
    wildcard INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    deleted_at INTEGER,
    UNIQUE (namespace_id, identifier)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS overrides_place
    ON overrides (namespace_id, place) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS overrides_wildcard
    ON overrides (namespace_id, place) WHERE deleted_at IS NULL AND wildcard;

CREATE TABLE IF NOT EXISTS counters (
    scope TEXT NOT NULL,
    identifier TEXT NOT NULL,
    duration INTEGER NOT NULL,
    period INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    stale_at INTEGER NOT NULL,
    PRIMARY KEY (scope, identifier, duration, period)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS counters_stale ON counters (stale_at);

CREATE TABLE IF NOT EXISTS refills (
    day INTEGER PRIMARY KEY
);
"""


class Database:
    """One connection, used by one caller at a time."""

    def __init__(self, path: str) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        self._close = weakref.finalize(self, self._connection.close)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("contains", 2, _contains, deterministic=True)
        if path != ":memory:":
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        with self.writing():
            for statement in _TABLES.split(";\n"):
                self._connection.execute(statement)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the data throughout."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Change the data: all of it when the block ends, nothing when it raises."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock:
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def one(self, sql: str, *values: Value) -> Row | None:
        """Give the first row, if there is one."""
        row: Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: Value) -> list[Row]:
        """Give every row."""
        return self._connection.execute(sql, values).fetchall()

    def run(self, sql: str, *values: Value) -> int:
        """Change rows; give how many."""
        return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Change rows, once for each tuple of values."""
        self._connection.executemany(sql, rows)

    def close(self) -> None:
        """Close the connection; memory is forgotten with it. Whoever forgets to, need not."""
        with self._lock:
            self._close()


def _contains(text: str, part: str) -> bool:
    return part.casefold() in text.casefold()
