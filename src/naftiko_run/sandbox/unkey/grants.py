"""The operations that give permissions and roles to keys and take them away."""

from collections.abc import Sequence

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import AllOf, AnyOf, any_of, key_path, on_api
from naftiko_run.sandbox.unkey.call import Body, Call, Reply
from naftiko_run.sandbox.unkey.database import Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.key_records import key_by_id, on_key
from naftiko_run.sandbox.unkey.rbac_records import (
    create_permission,
    permission_by_slug,
    roles_named,
    set_roles,
    show_permission,
    show_role,
)

_CREATE_FAULT = "Failed to insert permissions."


def add_permissions(call: Call, body: Body) -> Reply:
    """Give a key permissions; unknown ones are made."""
    key = _key(call, body["keyId"])
    call.require(_update_and(call, key, "rbac.*.add_permission_to_key"))
    current = _permissions(call, key)
    known = {row["id"] for row in current}
    existing, created = _existing_or_made(call, body["permissions"])
    added = [row for row in (*existing, *created) if row["id"] not in known]
    _attach_permissions(call, key, added)
    return _show_permissions([*current, *added])


def remove_permissions(call: Call, body: Body) -> Reply:
    """Take permissions from a key."""
    key = _key(call, body["keyId"])
    call.require(_update_and(call, key, "rbac.*.remove_permission_from_key"))
    for slug in body["permissions"]:
        row = permission_by_slug(call, slug)
        if row is None:
            raise errors.not_found("permission", f"Permission '{slug}' was not found.")
        call.db.run(
            "DELETE FROM keys_permissions WHERE key_id = ? AND permission_id = ?",
            key["id"],
            row["id"],
        )
    return _show_permissions(_permissions(call, key))


def set_permissions(call: Call, body: Body) -> Reply:
    """Give a key exactly these permissions of its own; unknown ones are made."""
    key = _key(call, body["keyId"])
    call.require(
        _update_and(call, key, "rbac.*.add_permission_to_key", "rbac.*.remove_permission_from_key")
    )
    existing, created = _existing_or_made(call, body["permissions"])
    call.db.run("DELETE FROM keys_permissions WHERE key_id = ?", key["id"])
    _attach_permissions(call, key, [*existing, *created])
    return _show_permissions([*existing, *created])


def add_roles(call: Call, body: Body) -> Reply:
    """Give a key roles."""
    key = _key(call, body["keyId"])
    call.require(_update_and(call, key, "rbac.*.add_role_to_key"))
    current = _roles(call, key)
    known = {row["id"] for row in current}
    wanted = roles_named(call, body["roles"])
    roles = [*current, *(row for row in wanted if row["id"] not in known)]
    set_roles(call, key["id"], roles)
    return [show_role(call.db, row) for row in roles]


def remove_roles(call: Call, body: Body) -> Reply:
    """Take roles from a key."""
    key = _key(call, body["keyId"])
    call.require(on_key(call, key, "update_key"))
    removed = {row["id"] for row in roles_named(call, body["roles"])}
    roles = [row for row in _roles(call, key) if row["id"] not in removed]
    set_roles(call, key["id"], roles)
    return [show_role(call.db, row) for row in roles]


def replace_roles(call: Call, body: Body) -> Reply:
    """Give a key exactly these roles."""
    key = _key(call, body["keyId"])
    call.require(on_key(call, key, "update_key"))
    roles = roles_named(call, body["roles"])
    set_roles(call, key["id"], roles)
    return [show_role(call.db, row) for row in roles]


def _key(call: Call, key: str) -> Row:
    row = key_by_id(call, key)
    if row is None:
        raise errors.specified_key_not_found()
    return row


def _update_and(call: Call, key: Row, *actions: str) -> AnyOf:
    """Ask for updating the key by its path, or by its API together with `actions`."""
    path = key_path(call.workspace, key["keyspace_id"], key["id"], "update_key")
    return any_of(path, AllOf((on_api(key["api_id"], "update_key"), *actions)))


def _permissions(call: Call, key: Row) -> list[Row]:
    return call.db.all(
        "SELECT permissions.* FROM keys_permissions JOIN permissions"
        " ON permissions.id = keys_permissions.permission_id"
        " WHERE keys_permissions.key_id = ? ORDER BY permissions.slug",
        key["id"],
    )


def _roles(call: Call, key: Row) -> list[Row]:
    return call.db.all(
        "SELECT roles.* FROM keys_roles JOIN roles ON roles.id = keys_roles.role_id"
        " WHERE keys_roles.key_id = ? ORDER BY roles.name",
        key["id"],
    )


def _existing_or_made(call: Call, slugs: Sequence[str]) -> tuple[list[Row], list[Row]]:
    existing: dict[str, Row] = {}
    unknown: list[str] = []
    for slug in dict.fromkeys(slugs):
        row = permission_by_slug(call, slug)
        if row is None:
            unknown.append(slug)
        elif row["slug"] == slug:
            existing[slug] = row
        else:
            # The server looks slugs up by their exact text and then stumbles over its index.
            raise errors.unavailable(_CREATE_FAULT)
    if unknown:
        call.require(may_create_permission(call))
    created = [made for slug in unknown if (made := _made(call, slug)) is not None]
    return [existing[slug] for slug in sorted(existing)], created


def _made(call: Call, slug: str) -> Row | None:
    if permission_by_slug(call, slug) is not None:
        raise errors.unavailable(_CREATE_FAULT)
    create_permission(call, slug, slug)
    return permission_by_slug(call, slug)


def may_create_permission(call: Call) -> AnyOf:
    """Ask for what it takes to make a permission on the way."""
    return any_of(
        f"unkey:v1:{call.workspace}:rbac/permissions/*#create_permission",
        "rbac.*.create_permission",
    )


def _attach_permissions(call: Call, key: Row, permissions: Sequence[Row]) -> None:
    call.db.run_many(
        "INSERT INTO keys_permissions (key_id, permission_id) VALUES (?, ?)",
        [(key["id"], row["id"]) for row in permissions],
    )


def _show_permissions(rows: Sequence[Row]) -> list[Json]:
    return [show_permission(row) for row in rows]
