"""The operations that change a key and its credits."""

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.call import Body, Call, Reply
from naftiko_run.sandbox.unkey.database import Value
from naftiko_run.sandbox.unkey.identity_records import (
    identity_for,
    replace_ratelimits,
)
from naftiko_run.sandbox.unkey.key_records import (
    key_meta,
    live_key,
    on_key,
    refill_day,
    show_credits,
)
from naftiko_run.sandbox.unkey.rbac_records import roles_named, set_permissions, set_roles

_MOST_CREDITS = (1 << 63) - 1

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


def update_key(call: Call, body: Body) -> Reply:
    """Change what the body names; null clears it."""
    key = live_key(call, body["keyId"])
    call.require(on_key(call, key, "update_key"))
    changes: dict[str, Value] = {"updated_at": call.now}
    if "name" in body:
        changes["name"] = body["name"] or ""
    if "externalId" in body:
        external_id = body["externalId"]
        changes["identity_id"] = None if external_id is None else identity_for(call, external_id)
    if "meta" in body:
        changes["meta"] = key_meta(body["meta"], "Failed to update key.")
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
            changes.update(refill_amount=refill["amount"], refill_day=refill_day(refill))
    return changes


def update_credits(call: Call, body: Body) -> Reply:
    """Set, raise or lower what a key may still spend."""
    key = live_key(call, body["keyId"])
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
    return show_credits(live_key(call, key["id"]))
