"""The operations on keys, but for granting and verifying."""

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import any_of, missing
from naftiko_run.sandbox.unkey.call import Body, Call, Reply
from naftiko_run.sandbox.unkey.database import Value
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.identity_records import (
    identity_for,
    ratelimit_rows,
    replace_ratelimits,
)
from naftiko_run.sandbox.unkey.ids import hash_key, new_id, new_key, sort_key
from naftiko_run.sandbox.unkey.key_records import (
    key_by_hash,
    key_by_id,
    key_meta,
    live_key,
    on_key,
    refill_day,
    show_key,
)
from naftiko_run.sandbox.unkey.rbac_records import (
    permission_by_slug,
    roles_named,
    set_permissions,
    set_roles,
)

_BYTE_LENGTH = 16
_MINUTE = 60_000


def create_key(call: Call, body: Body) -> Reply:
    """Make a key. Its text is given here and never again."""
    api = call.db.one(
        # A deleted API still takes keys; they never verify.
        "SELECT * FROM apis WHERE id = ? AND workspace_id = ?",
        body["apiId"],
        call.workspace,
    )
    if api is None or not call.root.may(
        any_of(
            "api.*.create_key",
            f"api.{api['id']}.create_key",
            _keyspace_path(call, api["keyspace_id"]),
        )
    ):
        raise errors.not_found("api", "The specified API was not found.")
    if body.get("recoverable"):
        raise errors.no_vault()
    amount, day = _created_refill(body.get("credits", {}))
    meta = key_meta(body.get("meta"), "Failed to create key.")
    text, start = new_key(body.get("prefix", ""), body.get("byteLength", _BYTE_LENGTH))
    external_id = body.get("externalId")
    key = _insert(
        call,
        text,
        {
            "api_id": api["id"],
            "start": start,
            "name": body.get("name", ""),
            "identity_id": None if external_id is None else identity_for(call, external_id),
            "meta": meta,
            "enabled": body.get("enabled", True),
            "expires": body.get("expires"),
            "remaining": body.get("credits", {}).get("remaining"),
            "refill_amount": amount,
            "refill_day": day,
        },
    )
    replace_ratelimits(call.db, key, body.get("ratelimits", []))
    _grant_new_key(call, key, body)
    return {"keyId": key, "key": text}


def _grant_new_key(call: Call, key: str, body: Body) -> None:
    slugs = list(body.get("permissions", []))
    unknown = [slug for slug in slugs if not _is_known(call, slug)]
    if len(unknown) != len(set(unknown)):
        raise errors.unavailable("Failed to create permissions.")
    set_permissions(call, key, slugs, "Failed to create permissions.")
    set_roles(call, key, roles_named(call, body.get("roles", [])))


def _is_known(call: Call, slug: str) -> bool:
    return permission_by_slug(call, slug) is not None


def _insert(call: Call, text: str, values: dict[str, Value]) -> str:
    key = new_id("key")
    call.db.run(
        "INSERT INTO keys (id, place, hash, workspace_id, created_at, api_id, start, name,"
        " identity_id, meta, enabled, expires, remaining, refill_amount, refill_day)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        key,
        sort_key(key),
        hash_key(text),
        call.workspace,
        call.now,
        *(
            values[name]
            for name in (
                *("api_id", "start", "name", "identity_id", "meta", "enabled", "expires"),
                *("remaining", "refill_amount", "refill_day"),
            )
        ),
    )
    return key


def _created_refill(credits_: Body) -> tuple[int | None, int | None]:
    refill = credits_.get("refill")
    if refill is None:
        return None, None
    if credits_["remaining"] is None:
        raise errors.bad_request(
            "`credits.remaining` must be provided when `credits.refill` is set."
        )
    return refill["amount"], refill_day(refill)


def get_key(call: Call, body: Body) -> Reply:
    """Show a key."""
    key = live_key(call, body["keyId"])
    call.require(on_key(call, key, "read_key"))
    if body.get("decrypt"):
        raise errors.no_vault()
    return show_key(call.db, key)


def whoami(call: Call, body: Body) -> Reply:
    """Show a key to one who holds its text."""
    key = key_by_hash(call, hash_key(body["key"]))
    if key is None:
        raise errors.key_not_found()
    query = on_key(call, key, "read_key")
    if not call.root.may(query):
        raise errors.not_found("key", f"The specified key was not found. {missing(query)}")
    return show_key(call.db, key)


def delete_key(call: Call, body: Body) -> Reply:
    """Delete a key: hide it, or remove it for good."""
    key = live_key(call, body["keyId"])
    call.require(on_key(call, key, "delete_key"))
    if body.get("permanent"):
        for sql in (
            "DELETE FROM keys_permissions WHERE key_id = ?",
            "DELETE FROM keys_roles WHERE key_id = ?",
            "DELETE FROM ratelimits WHERE owner_id = ?",
            "DELETE FROM keys WHERE id = ?",
        ):
            call.db.run(sql, key["id"])
    else:
        call.db.run("UPDATE keys SET deleted_at = ? WHERE id = ?", call.now, key["id"])
    return {}


def reroll_key(call: Call, body: Body) -> Reply:
    """Make a key like an existing one, which ends after the time the body gives."""
    key = key_by_id(call, body["keyId"])
    if key is None:
        raise errors.specified_key_not_found()
    call.require(
        any_of(
            "api.*.create_key",
            f"api.{key['api_id']}.create_key",
            _keyspace_path(call, key["keyspace_id"]),
        )
    )
    prefix, underscore, _ = key["start"].partition("_")
    text, start = new_key(prefix if underscore else "", _BYTE_LENGTH)
    copied: dict[str, Value] = {
        name: key[name]
        for name in (
            *("api_id", "name", "identity_id", "meta", "enabled", "expires"),
            *("remaining", "refill_amount", "refill_day"),
        )
    }
    rerolled = _insert(call, text, {**copied, "start": start})
    for sql in (_COPY_PERMISSIONS, _COPY_ROLES):
        call.db.run(sql, rerolled, key["id"])
    replace_ratelimits(call.db, rerolled, _copied_ratelimits(call, key["id"]))
    call.db.run(
        "UPDATE keys SET expires = ?, updated_at = NULL WHERE id = ?",
        _end(call.now, body["expiration"]),
        key["id"],
    )
    return {"keyId": rerolled, "key": text}


_COPY_PERMISSIONS = """
INSERT INTO keys_permissions (key_id, permission_id)
SELECT ?, permission_id FROM keys_permissions WHERE key_id = ?
"""
_COPY_ROLES = """
INSERT INTO keys_roles (key_id, role_id)
SELECT ?, role_id FROM keys_roles WHERE key_id = ?
"""


def _copied_ratelimits(call: Call, key: str) -> list[dict[str, Json]]:
    return [
        {
            "name": row["name"],
            "limit": row["amount"],
            "duration": row["duration"],
            "autoApply": row["auto_apply"],
        }
        for row in ratelimit_rows(call.db, key)
    ]


def _end(now: int, expiration: int) -> int:
    if expiration == 0:
        return now
    return -(-(now + expiration) // _MINUTE) * _MINUTE


def _keyspace_path(call: Call, keyspace: str) -> str:
    return f"unkey:v1:{call.workspace}:keyspaces/{keyspace}#create_key"
