from naftiko_run.sandbox.unkey.gojson import Json
from tests.sandbox.conftest import Sandbox, names


def permissions(sandbox: Sandbox, operation: str, key: str, *slugs: str) -> list[Json]:
    body = {"keyId": key, "permissions": list(slugs)}
    return names(sandbox.ok(f"keys.{operation}Permissions", body), "slug")


def roles(sandbox: Sandbox, operation: str, key: str, *wanted: str) -> list[Json]:
    body = {"keyId": key, "roles": list(wanted)}
    return names(sandbox.ok(f"keys.{operation}Roles", body))


def test_permissions_are_added_behind_the_sorted_current_ones(sandbox: Sandbox) -> None:
    key, _ = sandbox.key()
    assert permissions(sandbox, "add", key, "c", "b") == ["c", "b"]
    assert permissions(sandbox, "add", key, "a", "b") == ["b", "c", "a"]
    assert permissions(sandbox, "add", key, "a") == ["a", "b", "c"]
    assert len(sandbox.ok("permissions.listPermissions", {})) == 3


def test_an_id_is_taken_for_a_slug(sandbox: Sandbox) -> None:
    key, _ = sandbox.key()
    body = {"name": "n", "slug": "s"}
    made = sandbox.ok("permissions.createPermission", body)["permissionId"]
    [junk] = sandbox.ok("keys.addPermissions", {"keyId": key, "permissions": [made]})
    assert junk == {"id": junk["id"], "name": made, "slug": made}


def test_a_slug_that_differs_in_case_only_is_a_failure(sandbox: Sandbox) -> None:
    key, _ = sandbox.key(permissions=["docs"])
    failure = (500, "Failed to insert permissions.")
    for operation in ("addPermissions", "setPermissions"):
        body = {"keyId": key, "permissions": ["new", "DOCS"]}
        assert sandbox.fails(f"keys.{operation}", body) == failure
    body = {"keyId": key, "permissions": ["new", "New"]}
    assert sandbox.fails("keys.addPermissions", body) == failure
    assert names(sandbox.ok("permissions.listPermissions", {}), "slug") == ["docs"]


def test_permissions_are_removed_if_they_exist(sandbox: Sandbox) -> None:
    key, _ = sandbox.key(permissions=["a", "b", "c"])
    assert permissions(sandbox, "remove", key, "b") == ["a", "c"]
    assert permissions(sandbox, "remove", key, "b") == ["a", "c"]
    body = {"keyId": key, "permissions": ["a", "nope"]}
    assert sandbox.fails("keys.removePermissions", body) == (
        404,
        "Permission 'nope' was not found.",
    )
    assert sandbox.ok("keys.getKey", {"keyId": key})["permissions"] == ["a", "c"]


def test_permissions_are_set_existing_ones_first(sandbox: Sandbox) -> None:
    sandbox.ok("permissions.createRole", {"name": "r", "permissions": ["of.role"]})
    key, _ = sandbox.key(permissions=["z", "y"], roles=["r"])
    assert permissions(sandbox, "set", key, "new", "z", "new") == ["z", "new"]
    shown = sandbox.ok("keys.getKey", {"keyId": key})
    assert shown["permissions"] == ["new", "of.role", "z"]
    assert permissions(sandbox, "set", key) == []


def test_roles_are_added_set_and_removed_by_exact_name(sandbox: Sandbox) -> None:
    for name, slugs in (("a", ["p", "q"]), ("b", []), ("c", [])):
        sandbox.ok("permissions.createRole", {"name": name, "permissions": slugs})
    key, _ = sandbox.key()
    assert roles(sandbox, "add", key, "c", "b") == ["b", "c"]
    assert roles(sandbox, "add", key, "a", "c") == ["b", "c", "a"]
    assert roles(sandbox, "remove", key, "b") == ["a", "c"]
    assert roles(sandbox, "remove", key, "b") == ["a", "c"]
    assert roles(sandbox, "set", key, "c", "a", "c") == ["a", "c"]
    [shown, _] = sandbox.ok("keys.addRoles", {"keyId": key, "roles": ["a"]})
    assert names(shown["permissions"], "slug") == ["p", "q"]
    assert roles(sandbox, "set", key) == []


def test_roles_are_neither_made_nor_found_by_id_or_in_another_case(sandbox: Sandbox) -> None:
    role = sandbox.ok("permissions.createRole", {"name": "Editor"})["roleId"]
    key, _ = sandbox.key(roles=["Editor"])
    for named in (role, "editor", "nope"):
        for operation in ("add", "remove", "set"):
            body = {"keyId": key, "roles": ["Editor", named]}
            assert sandbox.fails(f"keys.{operation}Roles", body) == (
                404,
                f"Role '{named}' was not found.",
            )
    assert sandbox.ok("keys.getKey", {"keyId": key})["roles"] == ["Editor"]


def test_granting_needs_the_update_of_the_key_and_the_grant(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, _ = sandbox.key(apiId=api)
    sandbox.ok("permissions.createPermission", {"name": "p", "slug": "p"})
    sandbox.ok("permissions.createRole", {"name": "r"})
    path = f"unkey:v1:ws_sandbox0:keyspaces/*/keys/{key}#update_key"
    update = f"api.{api}.update_key"
    needed = {
        "addPermissions": ["rbac.*.add_permission_to_key"],
        "removePermissions": ["rbac.*.remove_permission_from_key"],
        "setPermissions": [
            "rbac.*.add_permission_to_key",
            "rbac.*.remove_permission_from_key",
        ],
        "addRoles": ["rbac.*.add_role_to_key"],
        "removeRoles": [],
        "setRoles": [],
    }
    for operation, grants in needed.items():
        kind, granted = ("roles", "r") if "Roles" in operation else ("permissions", "p")
        body = {"keyId": key, kind: [granted]}
        for permissions_, allowed in (
            ((), False),
            ((update,), not grants),
            (tuple(grants), False),
            ((update, *grants), True),
            ((path,), True),
        ):
            root_key = sandbox.root_key(*permissions_)
            status, _ = sandbox.post(f"keys.{operation}", body, root_key=root_key)
            assert status == (200 if allowed else 403), (operation, permissions_)


def test_making_a_permission_on_the_way_needs_its_own_permission(sandbox: Sandbox) -> None:
    key, _ = sandbox.key()
    granting = ("api.*.update_key", "rbac.*.add_permission_to_key")
    body = {"keyId": key, "permissions": ["new"]}
    assert sandbox.fails("keys.addPermissions", body, root_key=sandbox.root_key(*granting)) == (
        403,
        (
            "Missing one of these permissions:"
            " unkey:v1:ws_sandbox0:rbac/permissions/*#create_permission"
            " or rbac.*.create_permission"
        ),
    )
    root_key = sandbox.root_key(*granting, "rbac.*.create_permission")
    assert len(sandbox.ok("keys.addPermissions", body, root_key=root_key)) == 1
