"""The operations on keys, but for granting and verifying."""

from collections.abc import Sequence

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import any_of, missing
from naftiko_run.sandbox.unkey.call import Body, Call, Reply
from naftiko_run.sandbox.unkey.database import Row, Value
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.ids import hash_key, new_id, new_key, sort_key
from naftiko_run.sandbox.unkey.records import (
    create_permission,
    identity_for,
    key_by_hash,
    key_by_id,
    meta_text,
    on_key,
    permission_by_slug,
    ratelimit_rows,
    replace_ratelimits,
    roles_named,
    show_credits,
    show_key,
)

_BYTE_LENGTH = 16
_LONGEST_META = 65_535  # bytes; the column that holds it is no longer
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
    meta = meta_text(body.get("meta"))
    if len(meta.encode()) > _LONGEST_META:
        raise errors.unavailable("Failed to create key.")
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


def set_permissions(
    call: Call, key: str, slugs: Sequence[str], fault: str, description: str = ""
) -> None:
    """Give a key these permissions of its own and no others; unknown ones are made.

    Raises:
        ApiError: A slug differs from an existing one in case only.

    """
    permissions: list[str] = []
    for slug in dict.fromkeys(slugs):
        row = permission_by_slug(call, slug)
        if row is None:
            made = description and f"{description}{slug}"
            permissions.append(create_permission(call, slug, slug, made))
        elif row["slug"] == slug:
            permissions.append(row["id"])
        else:
            raise errors.unavailable(fault)
    call.db.run("DELETE FROM keys_permissions WHERE key_id = ?", key)
    call.db.run_many(
        "INSERT INTO keys_permissions (key_id, permission_id) VALUES (?, ?)",
        [(key, permission) for permission in permissions],
    )


def set_roles(call: Call, key: str, roles: Sequence[Row]) -> None:
    """Give a key these roles and no others."""
    call.db.run("DELETE FROM keys_roles WHERE key_id = ?", key)
    call.db.run_many(
        "INSERT INTO keys_roles (key_id, role_id) VALUES (?, ?)",
        [(key, role["id"]) for role in roles],
    )


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
    return refill["amount"], _refill_day(refill)


def _refill_day(refill: Body) -> int | None:
    if refill["interval"] == "daily":
        return None
    if "refillDay" not in refill:
        raise errors.bad_request(
            "`refillDay` must be provided when the refill interval is `monthly`."
        )
    day: int = refill["refillDay"]
    return day


def get_key(call: Call, body: Body) -> Reply:
    """Show a key."""
    key = _live_key(call, body["keyId"])
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


def update_key(call: Call, body: Body) -> Reply:
    """Change what the body names; null clears it."""
    key = _live_key(call, body["keyId"])
    call.require(on_key(call, key, "update_key"))
    changes: dict[str, Value] = {"updated_at": call.now}
    if "name" in body:
        changes["name"] = body["name"] or ""
    if "externalId" in body:
        external_id = body["externalId"]
        changes["identity_id"] = None if external_id is None else identity_for(call, external_id)
    if "meta" in body:
        changes["meta"] = meta_text(body["meta"])
        if len(str(changes["meta"]).encode()) > _LONGEST_META:
            raise errors.unavailable("Failed to update key.")
    if "expires" in body:
        changes["expires"] = body["expires"]
    if "enabled" in body:
        changes["enabled"] = body["enabled"]
    if "credits" in body:
        changes.update(_updated_credits(body["credits"]))
    for column, value in changes.items():
        call.db.run(_SET[column], value, key["id"])
    if "ratelimits" in body:
        replace_ratelimits(call.db, key["id"], body["ratelimits"])
    if "permissions" in body:
        set_permissions(
            call,
            key["id"],
            body["permissions"],
            "Failed to create permissions.",
            "Auto-created permission: ",
        )
    if "roles" in body:
        set_roles(call, key["id"], roles_named(call, body["roles"]))
    return {}


_SET = {
    "updated_at": "UPDATE keys SET updated_at = ? WHERE id = ?",
    "name": "UPDATE keys SET name = ? WHERE id = ?",
    "identity_id": "UPDATE keys SET identity_id = ? WHERE id = ?",
    "meta": "UPDATE keys SET meta = ? WHERE id = ?",
    "expires": "UPDATE keys SET expires = ? WHERE id = ?",
    "enabled": "UPDATE keys SET enabled = ? WHERE id = ?",
    "remaining": "UPDATE keys SET remaining = ? WHERE id = ?",
    "refill_amount": "UPDATE keys SET refill_amount = ? WHERE id = ?",
    "refill_day": "UPDATE keys SET refill_day = ? WHERE id = ?",
}


def _updated_credits(credits_: Body | None) -> dict[str, Value]:
    if credits_ is None or ("remaining" in credits_ and credits_["remaining"] is None):
        return {"remaining": None, "refill_amount": None, "refill_day": None}
    changes: dict[str, Value] = {}
    if "remaining" in credits_:
        changes["remaining"] = credits_["remaining"]
    if "refill" in credits_:
        refill = credits_["refill"]
        if refill is None:
            changes.update(refill_amount=None, refill_day=None)
        elif refill["interval"] == "daily" and "refillDay" in refill:
            raise errors.bad_request(
                "`refillDay` must not be provided when the refill interval is `daily`."
            )
        else:
            changes.update(refill_amount=refill["amount"], refill_day=_refill_day(refill))
    return changes


def delete_key(call: Call, body: Body) -> Reply:
    """Delete a key: hide it, or remove it for good."""
    key = _live_key(call, body["keyId"])
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


def update_credits(call: Call, body: Body) -> Reply:
    """Set, raise or lower what a key may still spend."""
    key = _live_key(call, body["keyId"])
    call.require(on_key(call, key, "update_key"))
    value = body.get("value")
    operation = body["operation"]
    if operation == "set":
        if value is None and "value" in body:
            for column in ("refill_amount", "refill_day"):
                call.db.run(_SET[column], None, key["id"])
        remaining = value
    else:
        if value is None:
            raise errors.bad_request(
                "When specifying an increment or decrement operation, a value must be provided."
            )
        if key["remaining"] is None:
            raise errors.bad_request(
                "You cannot increment or decrement a key with unlimited credits."
            )
        change = value if operation == "increment" else -value
        remaining = max(0, min(key["remaining"] + change, _MOST_CREDITS))
    call.db.run(_SET["remaining"], remaining, key["id"])
    changed = key_by_id(call, key["id"])
    return show_credits(key if changed is None else changed)


_MOST_CREDITS = (1 << 63) - 1


def _live_key(call: Call, key: str) -> Row:
    row = key_by_id(call, key)
    if row is None:
        raise errors.key_not_found()
    return row


def _keyspace_path(call: Call, keyspace: str) -> str:
    return f"unkey:v1:{call.workspace}:keyspaces/{keyspace}#create_key"
