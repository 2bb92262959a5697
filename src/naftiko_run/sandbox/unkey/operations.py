"""Every operation of the API by its path. All of them are POST."""

from collections.abc import Mapping

from naftiko_run.sandbox.unkey import (
    apis,
    errors,
    grants,
    identities,
    keys,
    limits,
    rbac,
    requests,
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
    "/v2/apis.createApi": Operation(requests.CREATE_API, apis.create_api),
    "/v2/apis.getApi": Operation(requests.GET_API, apis.get_api, writes=False),
    "/v2/apis.deleteApi": Operation(requests.DELETE_API, apis.delete_api),
    "/v2/apis.listKeys": Operation(requests.LIST_KEYS, apis.list_keys, writes=False),
    "/v2/keys.createKey": Operation(requests.CREATE_KEY, keys.create_key),
    "/v2/keys.getKey": Operation(requests.GET_KEY, keys.get_key, writes=False),
    "/v2/keys.whoami": Operation(requests.WHOAMI, keys.whoami, writes=False),
    "/v2/keys.updateKey": Operation(requests.UPDATE_KEY, keys.update_key),
    "/v2/keys.deleteKey": Operation(requests.DELETE_KEY, keys.delete_key),
    "/v2/keys.rerollKey": Operation(requests.REROLL_KEY, keys.reroll_key),
    "/v2/keys.verifyKey": Operation(requests.VERIFY_KEY, verify.verify_key),
    "/v2/keys.updateCredits": Operation(requests.UPDATE_CREDITS, keys.update_credits),
    "/v2/keys.addPermissions": Operation(requests.CHANGE_PERMISSIONS, grants.add_permissions),
    "/v2/keys.removePermissions": Operation(requests.CHANGE_PERMISSIONS, grants.remove_permissions),
    "/v2/keys.setPermissions": Operation(requests.SET_PERMISSIONS, grants.set_permissions),
    "/v2/keys.addRoles": Operation(requests.CHANGE_ROLES, grants.add_roles),
    "/v2/keys.removeRoles": Operation(requests.CHANGE_ROLES, grants.remove_roles),
    "/v2/keys.setRoles": Operation(requests.SET_ROLES, grants.replace_roles),
    "/v2/permissions.createPermission": Operation(
        requests.CREATE_PERMISSION, rbac.create_permission
    ),
    "/v2/permissions.getPermission": Operation(
        requests.NAME_PERMISSION, rbac.get_permission, writes=False
    ),
    "/v2/permissions.listPermissions": Operation(
        requests.LIST, rbac.list_permissions, writes=False
    ),
    "/v2/permissions.deletePermission": Operation(requests.NAME_PERMISSION, rbac.delete_permission),
    "/v2/permissions.createRole": Operation(requests.CREATE_ROLE, rbac.create_role),
    "/v2/permissions.getRole": Operation(requests.NAME_ROLE, rbac.get_role, writes=False),
    "/v2/permissions.listRoles": Operation(requests.LIST, rbac.list_roles, writes=False),
    "/v2/permissions.deleteRole": Operation(requests.NAME_ROLE, rbac.delete_role),
    "/v2/identities.createIdentity": Operation(
        requests.CREATE_IDENTITY, identities.create_identity
    ),
    "/v2/identities.getIdentity": Operation(
        requests.NAME_IDENTITY, identities.get_identity, writes=False
    ),
    "/v2/identities.listIdentities": Operation(
        requests.LIST, identities.list_identities, writes=False
    ),
    "/v2/identities.updateIdentity": Operation(
        requests.UPDATE_IDENTITY, identities.update_identity
    ),
    "/v2/identities.deleteIdentity": Operation(requests.NAME_IDENTITY, identities.delete_identity),
    "/v2/ratelimit.limit": Operation(requests.LIMIT, limits.limit),
    "/v2/ratelimit.multiLimit": Operation(requests.MULTI_LIMIT, limits.multi_limit),
    "/v2/ratelimit.setOverride": Operation(requests.SET_OVERRIDE, limits.set_override),
    "/v2/ratelimit.getOverride": Operation(
        requests.NAME_OVERRIDE, limits.get_override, writes=False
    ),
    "/v2/ratelimit.listOverrides": Operation(
        requests.LIST_OVERRIDES, limits.list_overrides, writes=False
    ),
    "/v2/ratelimit.deleteOverride": Operation(requests.NAME_OVERRIDE, limits.delete_override),
    "/v2/analytics.getVerifications": Operation(
        requests.GET_VERIFICATIONS, get_verifications, writes=False
    ),
}
"""Path to operation."""
