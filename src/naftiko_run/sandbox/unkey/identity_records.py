"""Identities, limits and free-form data as several operations read, make and show them."""

from collections.abc import Sequence

import orjson

from naftiko_run.sandbox.unkey.call import Body, Call, trim
from naftiko_run.sandbox.unkey.database import Database, Row
from naftiko_run.sandbox.unkey.gojson import Json, canonical
from naftiko_run.sandbox.unkey.ids import new_id, sort_key

_EMPTY = "{}"


def meta_text(value: Json) -> str:
    """Give the form in which free-form data is stored."""
    return _EMPTY if value is None else canonical(value)


def show_meta(text: str | None) -> Json:
    """Give stored free-form data as part of an answer; empty data gives nothing."""
    return None if text in (None, _EMPTY) else orjson.Fragment(text or _EMPTY)


def identity_by_external_id(call: Call, external_id: str) -> Row | None:
    """Find an identity by the caller's own name for it."""
    return call.db.one(
        "SELECT * FROM identities"
        " WHERE workspace_id = ? AND external_id = ? AND deleted_at IS NULL",
        call.workspace,
        external_id,
    )


def create_identity(call: Call, external_id: str, meta: str = _EMPTY) -> str:
    """Make an identity and give its id."""
    identity = new_id("id")
    call.db.run(
        "INSERT INTO identities (id, place, workspace_id, external_id, meta)"
        " VALUES (?, ?, ?, ?, ?)",
        identity,
        sort_key(identity),
        call.workspace,
        external_id,
        meta,
    )
    return identity


def identity_for(call: Call, external_id: str) -> str:
    """Give the identity of this name; make it where there is none."""
    row = identity_by_external_id(call, external_id)
    return create_identity(call, external_id) if row is None else row["id"]


def show_identity(db: Database, identity: str, external_id: str, meta: str) -> dict[str, Json]:
    """Show an identity with all its limits."""
    return trim(
        {
            "id": identity,
            "externalId": external_id,
            "meta": show_meta(meta),
            "ratelimits": ratelimits_of(db, identity),
        },
        "meta",
        "ratelimits",
    )


def ratelimits_of(db: Database, owner: str) -> list[Json]:
    """List the limits of a key or an identity."""
    return [show_ratelimit(row) for row in ratelimit_rows(db, owner)]


def ratelimit_rows(db: Database, owner: str) -> list[Row]:
    """Read the limits of a key or an identity."""
    return db.all("SELECT * FROM ratelimits WHERE owner_id = ?", owner)


def show_ratelimit(row: Row) -> dict[str, Json]:
    """Show a stored limit."""
    return {
        "id": row["id"],
        "name": row["name"],
        "limit": row["amount"],
        "duration": row["duration"],
        "autoApply": bool(row["auto_apply"]),
    }


def replace_ratelimits(db: Database, owner: str, limits: Sequence[Body]) -> None:
    """Give a key or an identity these limits and no others; a name that stays keeps its id."""
    wanted = {limit["name"]: limit for limit in limits}
    for row in ratelimit_rows(db, owner):
        if row["name"] not in wanted:
            db.run("DELETE FROM ratelimits WHERE id = ?", row["id"])
    for name, limit in wanted.items():
        db.run(
            "INSERT INTO ratelimits (id, owner_id, name, amount, duration, auto_apply)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (owner_id, name) DO UPDATE SET"
            " amount = excluded.amount, duration = excluded.duration,"
            " auto_apply = excluded.auto_apply",
            new_id("rl"),
            owner,
            name,
            limit["limit"],
            limit["duration"],
            limit["autoApply"],
        )
