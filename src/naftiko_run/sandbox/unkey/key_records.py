"""Keys as several operations find and show them."""

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import AnyOf, any_of, key_path
from naftiko_run.sandbox.unkey.call import Body, Call, trim
from naftiko_run.sandbox.unkey.database import Database, Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.identity_records import (
    meta_text,
    ratelimits_of,
    show_identity,
    show_meta,
)
from naftiko_run.sandbox.unkey.rbac_records import permission_slugs, role_names

_LONGEST_META = 65_535  # bytes; the column that holds it is no longer

_KEY_BY_ID = """
SELECT keys.*, apis.keyspace_id, identities.external_id, identities.meta AS identity_meta
FROM keys
JOIN apis ON apis.id = keys.api_id AND apis.deleted_at IS NULL
LEFT JOIN identities ON identities.id = keys.identity_id AND identities.deleted_at IS NULL
WHERE keys.id = ? AND keys.workspace_id = ? AND keys.deleted_at IS NULL
"""
_KEY_BY_HASH = """
SELECT keys.*, apis.keyspace_id, apis.addresses, identities.external_id,
    identities.meta AS identity_meta
FROM keys
JOIN apis ON apis.id = keys.api_id AND apis.deleted_at IS NULL
LEFT JOIN identities ON identities.id = keys.identity_id AND identities.deleted_at IS NULL
WHERE keys.hash = ? AND keys.workspace_id = ? AND keys.deleted_at IS NULL
"""


def key_by_id(call: Call, key: str) -> Row | None:
    """Find a key that exists, of an API that exists."""
    return call.db.one(_KEY_BY_ID, key, call.workspace)


def key_by_hash(call: Call, digest: str) -> Row | None:
    """Find a key by what is stored of it."""
    return call.db.one(_KEY_BY_HASH, digest, call.workspace)


def on_key(call: Call, key: Row, action: str) -> AnyOf:
    """Ask for an action on all APIs, on the key's API, or on the key."""
    return any_of(
        f"api.*.{action}",
        f"api.{key['api_id']}.{action}",
        key_path(call.workspace, key["keyspace_id"], key["id"], action),
    )


def show_key(db: Database, key: Row) -> dict[str, Json]:
    """Show a key to those who manage it."""
    return trim(
        {
            "keyId": key["id"],
            "start": key["start"],
            "enabled": bool(key["enabled"]),
            "createdAt": key["created_at"],
            "updatedAt": key["updated_at"],
            "name": key["name"],
            "meta": show_meta(key["meta"]),
            "expires": key["expires"],
            "permissions": permission_slugs(db, key["id"]),
            "roles": role_names(db, key["id"]),
            "credits": None if key["remaining"] is None else show_credits(key),
            "identity": key_identity(db, key),
            "ratelimits": ratelimits_of(db, key["id"]),
        },
        *("updatedAt", "name", "meta", "expires", "permissions", "roles"),
        *("credits", "identity", "ratelimits"),
    )


def show_credits(key: Row) -> dict[str, Json]:
    """Show what a key may still spend and how that is refilled."""
    shown: dict[str, Json] = {"remaining": key["remaining"]}
    if key["refill_amount"] is not None:
        refill = {"interval": "daily", "amount": key["refill_amount"]}
        if key["refill_day"] is not None:
            refill.update(interval="monthly", refillDay=key["refill_day"])
        shown["refill"] = refill
    return shown


def key_identity(db: Database, key: Row) -> dict[str, Json] | None:
    """Show the identity a key belongs to, if it has one that exists."""
    if key["external_id"] is None:
        return None
    return show_identity(db, key["identity_id"], key["external_id"], key["identity_meta"])


def live_key(call: Call, key: str) -> Row:
    """Find a key for an operation that reads or changes it.

    Raises:
        ApiError: There is none.

    """
    row = key_by_id(call, key)
    if row is None:
        raise errors.key_not_found()
    return row


def refill_day(refill: Body) -> int | None:
    """Give the day of the month of a refill, or nothing for a daily one.

    Raises:
        ApiError: A monthly refill has no day.

    """
    if refill["interval"] == "daily":
        return None
    if "refillDay" not in refill:
        raise errors.bad_request(
            "`refillDay` must be provided when the refill interval is `monthly`."
        )
    day: int = refill["refillDay"]
    return day


def key_meta(value: Json, fault: str) -> str:
    """Give the form in which a key's data is stored.

    Raises:
        ApiError: It is too long for that.

    """
    meta = meta_text(value)
    if len(meta.encode()) > _LONGEST_META:
        raise errors.unavailable(fault)
    return meta
