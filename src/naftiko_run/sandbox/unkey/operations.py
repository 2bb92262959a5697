"""Every operation of the API by its path. All of them are POST."""

from collections.abc import Mapping

from naftiko_run.sandbox.unkey import (
    apis,
    bodies,
    errors,
    grants,
    identities,
    key_updates,
    keys,
    limits,
    rbac,
    verify,
)
from naftiko_run.sandbox.unkey.call import Body, Call, Operation, Reply


def get_verifications(_call: Call, _body: Body) -> Reply:
    """Refuse: analytics need a store of their own, which a self-hosted server lacks too."""
    raise errors.ApiError(
        412,
        "Precondition Failed",
        "unkey/data/analytics_not_configured",
        "Analytics are not configured for this instance",
    )


OPERATIONS: Mapping[str, Operation] = {
    "/v2/apis.createApi": Operation(bodies.CREATE_API, apis.create_api),
    "/v2/apis.getApi": Operation(bodies.GET_API, apis.get_api, writes=False),
    "/v2/apis.deleteApi": Operation(bodies.DELETE_API, apis.delete_api),
    "/v2/apis.listKeys": Operation(bodies.LIST_KEYS, apis.list_keys, writes=False),
    "/v2/keys.createKey": Operation(bodies.CREATE_KEY, keys.create_key),
    "/v2/keys.getKey": Operation(bodies.GET_KEY, keys.get_key, writes=False),
    "/v2/keys.whoami": Operation(bodies.WHOAMI, keys.whoami, writes=False),
    "/v2/keys.updateKey": Operation(bodies.UPDATE_KEY, key_updates.update_key),
    "/v2/keys.deleteKey": Operation(bodies.DELETE_KEY, keys.delete_key),
    "/v2/keys.rerollKey": Operation(bodies.REROLL_KEY, keys.reroll_key),
    "/v2/keys.verifyKey": Operation(bodies.VERIFY_KEY, verify.verify_key),
    "/v2/keys.updateCredits": Operation(bodies.UPDATE_CREDITS, key_updates.update_credits),
    "/v2/keys.addPermissions": Operation(bodies.CHANGE_PERMISSIONS, grants.add_permissions),
    "/v2/keys.removePermissions": Operation(bodies.CHANGE_PERMISSIONS, grants.remove_permissions),
    "/v2/keys.setPermissions": Operation(bodies.SET_PERMISSIONS, grants.set_permissions),
    "/v2/keys.addRoles": Operation(bodies.CHANGE_ROLES, grants.add_roles),
    "/v2/keys.removeRoles": Operation(bodies.CHANGE_ROLES, grants.remove_roles),
    "/v2/keys.setRoles": Operation(bodies.SET_ROLES, grants.replace_roles),
    "/v2/permissions.createPermission": Operation(bodies.CREATE_PERMISSION, rbac.create_permission),
    "/v2/permissions.getPermission": Operation(
        bodies.NAME_PERMISSION, rbac.get_permission, writes=False
    ),
    "/v2/permissions.listPermissions": Operation(bodies.LIST, rbac.list_permissions, writes=False),
    "/v2/permissions.deletePermission": Operation(bodies.NAME_PERMISSION, rbac.delete_permission),
    "/v2/permissions.createRole": Operation(bodies.CREATE_ROLE, rbac.create_role),
    "/v2/permissions.getRole": Operation(bodies.NAME_ROLE, rbac.get_role, writes=False),
    "/v2/permissions.listRoles": Operation(bodies.LIST, rbac.list_roles, writes=False),
    "/v2/permissions.deleteRole": Operation(bodies.NAME_ROLE, rbac.delete_role),
    "/v2/identities.createIdentity": Operation(bodies.CREATE_IDENTITY, identities.create_identity),
    "/v2/identities.getIdentity": Operation(
        bodies.NAME_IDENTITY, identities.get_identity, writes=False
    ),
    "/v2/identities.listIdentities": Operation(
        bodies.LIST, identities.list_identities, writes=False
    ),
    "/v2/identities.updateIdentity": Operation(bodies.UPDATE_IDENTITY, identities.update_identity),
    "/v2/identities.deleteIdentity": Operation(bodies.NAME_IDENTITY, identities.delete_identity),
    "/v2/ratelimit.limit": Operation(bodies.LIMIT, limits.limit),
    "/v2/ratelimit.multiLimit": Operation(bodies.MULTI_LIMIT, limits.multi_limit),
    "/v2/ratelimit.setOverride": Operation(bodies.SET_OVERRIDE, limits.set_override),
    "/v2/ratelimit.getOverride": Operation(bodies.NAME_OVERRIDE, limits.get_override, writes=False),
    "/v2/ratelimit.listOverrides": Operation(
        bodies.LIST_OVERRIDES, limits.list_overrides, writes=False
    ),
    "/v2/ratelimit.deleteOverride": Operation(bodies.NAME_OVERRIDE, limits.delete_override),
    "/v2/analytics.getVerifications": Operation(
        bodies.GET_VERIFICATIONS, get_verifications, writes=False
    ),
}
"""Path to operation."""
