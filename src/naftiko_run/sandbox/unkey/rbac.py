"""The operations on permissions and roles."""

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import any_of
from naftiko_run.sandbox.unkey.call import PAGE, Body, Call, Page, Reply, page
from naftiko_run.sandbox.unkey.database import Row
from naftiko_run.sandbox.unkey.grants import may_create_permission
from naftiko_run.sandbox.unkey.ids import new_id, sort_key
from naftiko_run.sandbox.unkey.rbac_records import create_permission as make_permission
from naftiko_run.sandbox.unkey.rbac_records import (
    permission_by_slug,
    role_by_name,
    show_permission,
    show_role,
)

_LIST_PERMISSIONS = """
SELECT * FROM permissions
WHERE workspace_id = ? AND place >= ?
ORDER BY place LIMIT ?
"""
_SEARCH_PERMISSIONS = """
SELECT * FROM permissions
WHERE workspace_id = ? AND place >= ? AND (
    contains(id, ?) OR contains(name, ?) OR contains(slug, ?) OR contains(description, ?)
)
ORDER BY place LIMIT ?
"""
_LIST_ROLES = """
SELECT * FROM roles
WHERE workspace_id = ? AND place >= ?
ORDER BY place LIMIT ?
"""
_SEARCH_ROLES = """
SELECT * FROM roles
WHERE workspace_id = ? AND place >= ? AND (
    contains(id, ?) OR contains(name, ?) OR contains(description, ?)
)
ORDER BY place LIMIT ?
"""


def create_permission(call: Call, body: Body) -> Reply:
    """Make a permission."""
    call.require("rbac.*.create_permission")
    slug = body["slug"]
    if permission_by_slug(call, slug) is not None:
        raise errors.conflict(
            "permission", f"A permission with slug '{slug}' already exists in this workspace"
        )
    made = make_permission(call, slug, body["name"], body.get("description", ""))
    return {"permissionId": made}


def get_permission(call: Call, body: Body) -> Reply:
    """Show a permission, named by id or slug."""
    call.require(any_of("rbac.*.read_permission"))
    return show_permission(_permission(call, body["permission"]))


def list_permissions(call: Call, body: Body) -> Reply:
    """List the permissions of the workspace."""
    call.require(any_of("rbac.*.read_permission"))
    rows, cursor = _page(call, body, _LIST_PERMISSIONS, _SEARCH_PERMISSIONS, columns=4)
    return Page([show_permission(row) for row in rows], cursor)


def delete_permission(call: Call, body: Body) -> Reply:
    """Delete a permission and take it from every key and role."""
    call.require(any_of("rbac.*.delete_permission"))
    permission = _permission(call, body["permission"])["id"]
    for sql in (
        "DELETE FROM keys_permissions WHERE permission_id = ?",
        "DELETE FROM roles_permissions WHERE permission_id = ?",
        "DELETE FROM permissions WHERE id = ?",
    ):
        call.db.run(sql, permission)
    return {}


def create_role(call: Call, body: Body) -> Reply:
    """Make a role; permissions it names and that do not exist are made."""
    call.require(any_of("rbac.*.create_role"))
    slugs = {slug.casefold(): slug for slug in reversed(body.get("permissions", []))}
    if slugs:
        call.require(any_of("rbac.*.add_permission_to_role"))
    name = body["name"]
    if role_by_name(call, name) is not None:
        raise errors.conflict("role", f"A role with name '{name}' already exists in this workspace")
    role = new_id("role")
    call.db.run(
        "INSERT INTO roles (id, place, workspace_id, name, folded, description)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        role,
        sort_key(role),
        call.workspace,
        name,
        name.casefold(),
        body.get("description", ""),
    )
    for slug in slugs.values():
        call.db.run(
            "INSERT INTO roles_permissions (role_id, permission_id) VALUES (?, ?)",
            role,
            _permission_for(call, slug),
        )
    return {"roleId": role}


def _permission_for(call: Call, slug: str) -> str:
    row = permission_by_slug(call, slug)
    if row is None:
        call.require(may_create_permission(call))
        return make_permission(call, slug, slug)
    permission: str = row["id"]
    return permission


def get_role(call: Call, body: Body) -> Reply:
    """Show a role, named by id or name."""
    call.require(any_of("rbac.*.read_role"))
    return show_role(call.db, _role(call, body["role"]))


def list_roles(call: Call, body: Body) -> Reply:
    """List the roles of the workspace."""
    call.require(any_of("rbac.*.read_role"))
    rows, cursor = _page(call, body, _LIST_ROLES, _SEARCH_ROLES, columns=3)
    return Page([show_role(call.db, row) for row in rows], cursor)


def delete_role(call: Call, body: Body) -> Reply:
    """Delete a role and take it from every key."""
    call.require(any_of("rbac.*.delete_role"))
    role = _role(call, body["role"])["id"]
    for sql in (
        "DELETE FROM keys_roles WHERE role_id = ?",
        "DELETE FROM roles_permissions WHERE role_id = ?",
        "DELETE FROM roles WHERE id = ?",
    ):
        call.db.run(sql, role)
    return {}


def _permission(call: Call, named: str) -> Row:
    row = call.db.one(
        "SELECT * FROM permissions WHERE id = ? AND workspace_id = ?", named, call.workspace
    )
    row = permission_by_slug(call, named) if row is None else row
    if row is None:
        raise errors.not_found("permission", "The requested permission does not exist.")
    return row


def _role(call: Call, named: str) -> Row:
    row = call.db.one(
        "SELECT * FROM roles WHERE id = ? AND workspace_id = ?", named, call.workspace
    )
    row = role_by_name(call, named) if row is None else row
    if row is None:
        raise errors.not_found("role", "The requested role does not exist.")
    return row


def _page(
    call: Call, body: Body, everything: str, search: str, columns: int
) -> tuple[list[Row], str | None]:
    size = body.get("limit", PAGE)
    start = sort_key(body.get("cursor", ""))
    wanted = body.get("search", "").strip()
    if wanted:
        rows = call.db.all(search, call.workspace, start, *[wanted] * columns, size + 1)
    else:
        rows = call.db.all(everything, call.workspace, start, size + 1)
    return page(rows, size)
