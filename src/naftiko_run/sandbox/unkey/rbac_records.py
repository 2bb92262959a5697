"""Permissions and roles as several operations read, make, grant and show them."""

from collections.abc import Iterable, Sequence

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.call import Call, trim
from naftiko_run.sandbox.unkey.database import Database, Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.ids import new_id, sort_key


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


def role_names(db: Database, key: str) -> list[str]:
    """List the roles of a key by name."""
    rows = db.all(
        "SELECT roles.name FROM keys_roles JOIN roles ON roles.id = keys_roles.role_id"
        " WHERE keys_roles.key_id = ? ORDER BY roles.name",
        key,
    )
    return [row["name"] for row in rows]


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
