import pytest

from tests.sandbox.conftest import Sandbox, names


def test_a_permission_is_made_shown_and_deleted(sandbox: Sandbox) -> None:
    body = {"name": "Read invoices", "slug": "Invoices.read", "description": "d"}
    made = sandbox.ok("permissions.createPermission", body)["permissionId"]
    for named in (made, "Invoices.read", "invoices.READ"):
        shown = sandbox.ok("permissions.getPermission", {"permission": named})
        assert shown == {**body, "id": made}
    _, text = sandbox.key(permissions=["Invoices.read"])
    sandbox.ok("permissions.createRole", {"name": "r", "permissions": ["invoices.read"]})
    assert sandbox.ok("permissions.deletePermission", {"permission": "invoices.read"}) == {}
    assert "permissions" not in sandbox.verify(text)
    assert "permissions" not in sandbox.ok("permissions.getRole", {"role": "r"})
    for operation in ("getPermission", "deletePermission"):
        assert sandbox.fails(f"permissions.{operation}", {"permission": made}) == (
            404,
            "The requested permission does not exist.",
        )


def test_a_slug_is_unique_without_case_and_a_name_is_not(sandbox: Sandbox) -> None:
    sandbox.ok("permissions.createPermission", {"name": "n", "slug": "s", "description": ""})
    sandbox.ok("permissions.createPermission", {"name": "n", "slug": "s2"})
    assert sandbox.fails("permissions.createPermission", {"name": "m", "slug": "S"}) == (
        409,
        "A permission with slug 'S' already exists in this workspace",
    )


def test_a_role_is_made_shown_and_deleted(sandbox: Sandbox) -> None:
    body = {"name": "Editor", "description": "d", "permissions": ["b", "B", "a"]}
    made = sandbox.ok("permissions.createRole", body)["roleId"]
    for named in (made, "Editor", "eDITOR"):
        shown = sandbox.ok("permissions.getRole", {"role": named})
        assert names(shown.pop("permissions"), "slug") == ["a", "b"]
        assert shown == {"id": made, "name": "Editor", "description": "d"}
    _, text = sandbox.key(roles=["Editor"])
    assert sandbox.verify(text)["permissions"] == ["a", "b"]
    assert sandbox.ok("permissions.deleteRole", {"role": "editor"}) == {}
    assert not {"roles", "permissions"} & sandbox.verify(text).keys()
    for operation in ("getRole", "deleteRole"):
        assert sandbox.fails(f"permissions.{operation}", {"role": made}) == (
            404,
            "The requested role does not exist.",
        )


def test_a_roles_name_is_unique_without_case(sandbox: Sandbox) -> None:
    sandbox.ok("permissions.createRole", {"name": "Admin role"})
    assert sandbox.fails("permissions.createRole", {"name": "ADMIN ROLE"}) == (
        409,
        "A role with name 'ADMIN ROLE' already exists in this workspace",
    )
    [shown] = sandbox.ok("permissions.listRoles", {})
    assert shown == {"id": shown["id"], "name": "Admin role"}


@pytest.mark.parametrize("kind", ["permissions", "roles"])
def test_lists_come_in_pages_and_can_be_searched(sandbox: Sandbox, kind: str) -> None:
    operation = f"permissions.list{kind.capitalize()}"
    for number in range(5):
        body = {"name": f"Name {number}", "description": f"100%_{number}"}
        if kind == "permissions":
            sandbox.ok("permissions.createPermission", {**body, "slug": f"slug.{number}"})
        else:
            sandbox.ok("permissions.createRole", body)
    everything, pagination = sandbox.listed(operation, {})
    assert pagination == {"hasMore": False}
    first, pagination = sandbox.listed(operation, {"limit": 2})
    assert pagination == {"cursor": everything[2]["id"], "hasMore": True}
    rest, _ = sandbox.listed(operation, {"cursor": pagination["cursor"]})
    assert [*first, *rest] == everything

    def found(search: str) -> int:
        return len(sandbox.ok(operation, {"search": search}))

    assert found(" nAME ") == 5
    assert found("name 3") == 1
    assert found("0%_3") == 1
    assert found("name%") == 0
    assert found(everything[0]["id"].upper()) == 1
    assert found("  ") == 5
    assert found("slug.4") == (1 if kind == "permissions" else 0)
    found_first, pagination = sandbox.listed(operation, {"search": "name", "limit": 4})
    assert found_first == everything[:4]
    assert pagination == {"cursor": everything[4]["id"], "hasMore": True}


def test_making_a_role_needs_more_the_more_it_has(sandbox: Sandbox) -> None:
    sandbox.ok("permissions.createPermission", {"name": "p", "slug": "p"})
    held: list[str] = []
    for lacking, permissions in (
        ("rbac.*.create_role", []),
        ("rbac.*.add_permission_to_role", ["p"]),
        (
            "unkey:v1:ws_sandbox0:rbac/permissions/*#create_permission or rbac.*.create_permission",
            ["new"],
        ),
    ):
        body = {"name": f"role {len(held)}", "permissions": permissions}
        assert sandbox.fails("permissions.createRole", body, root_key=sandbox.root_key(*held)) == (
            403,
            f"Missing one of these permissions: {lacking}",
        )
        held.append(lacking.rpartition(" ")[2])
        sandbox.ok("permissions.createRole", body, root_key=sandbox.root_key(*held))
