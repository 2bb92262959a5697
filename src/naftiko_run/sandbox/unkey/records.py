"""Reading what several operations share: keys, grants, identities, limits, as answers show them."""

from collections.abc import Iterable, Sequence

import orjson

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import AnyOf, any_of, key_path
from naftiko_run.sandbox.unkey.call import Body, Call, trim
from naftiko_run.sandbox.unkey.database import Database, Row
from naftiko_run.sandbox.unkey.gojson import Json, canonical
from naftiko_run.sandbox.unkey.ids import new_id, sort_key

_EMPTY = "{}"

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


def meta_text(value: Json) -> str:
    """Give the form in which free-form data is stored."""
    return _EMPTY if value is None else canonical(value)


def show_meta(text: str | None) -> Json:
    """Give stored free-form data as part of an answer; empty data gives nothing."""
    return None if text in (None, _EMPTY) else orjson.Fragment(text or _EMPTY)


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


def permission_slugs(db: Database, key: str) -> list[str]:
    """List the permissions of a key: its own and those of its roles."""
    rows = db.all(
        "SELECT permissions.slug FROM keys_permissions JOIN permissions"
        " ON permissions.id = keys_permissions.permission_id WHERE keys_permissions.key_id = ?"
        " UNION SELECT permissions.slug FROM keys_roles"
        " JOIN roles_permissions ON roles_permissions.role_id = keys_roles.role_id"
        " JOIN permissions ON permissions.id = roles_permissions.permission_id"
        " WHERE keys_roles.key_id = ?",
        key,
        key,
    )
    return [row["slug"] for row in rows]


def role_names(db: Database, key: str) -> list[str]:
    """List the roles of a key by name."""
    rows = db.all(
        "SELECT roles.name FROM keys_roles JOIN roles ON roles.id = keys_roles.role_id"
        " WHERE keys_roles.key_id = ? ORDER BY roles.name",
        key,
    )
    return [row["name"] for row in rows]


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


def show_permission(row: Row) -> dict[str, Json]:
    """Show a permission."""
    return trim(
        {
            "id": row["id"],
            "name": row["name"],
            "slug": row["slug"],
            "description": row["description"],
        },
        "description",
    )


def show_role(db: Database, row: Row) -> dict[str, Json]:
    """Show a role with its permissions."""
    permissions = db.all(
        "SELECT permissions.* FROM roles_permissions JOIN permissions"
        " ON permissions.id = roles_permissions.permission_id"
        " WHERE roles_permissions.role_id = ? ORDER BY permissions.slug",
        row["id"],
    )
    return trim(
        {
            "id": row["id"],
            "name": row["name"],
            "description": row["description"],
            "permissions": [show_permission(each) for each in permissions],
        },
        "description",
        "permissions",
    )


def permission_by_slug(call: Call, slug: str) -> Row | None:
    """Find a permission by its slug, in any case."""
    return call.db.one(
        "SELECT * FROM permissions WHERE workspace_id = ? AND folded = ?",
        call.workspace,
        slug.casefold(),
    )


def create_permission(call: Call, slug: str, name: str, description: str = "") -> str:
    """Make a permission and give its id."""
    permission = new_id("perm")
    call.db.run(
        "INSERT INTO permissions (id, place, workspace_id, name, slug, folded, description)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        permission,
        sort_key(permission),
        call.workspace,
        name,
        slug,
        slug.casefold(),
        description,
    )
    return permission


def role_by_name(call: Call, name: str) -> Row | None:
    """Find a role by its name, in any case."""
    return call.db.one(
        "SELECT * FROM roles WHERE workspace_id = ? AND folded = ?",
        call.workspace,
        name.casefold(),
    )


def roles_named(call: Call, names: Iterable[str]) -> list[Row]:
    """Find roles by their exact names, sorted by name, each once.

    Raises:
        ApiError: One of them does not exist.

    """
    found: dict[str, Row] = {}
    for name in names:
        row = role_by_name(call, name)
        if row is None or row["name"] != name:
            raise errors.not_found("role", f"Role '{name}' was not found.")
        found[name] = row
    return [found[name] for name in sorted(found)]


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
