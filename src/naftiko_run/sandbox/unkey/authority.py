"""What a root key may do, and the words in which the server says that it may not.

An operation asks for one permission, for any of several, or for all of several. A permission is
`<kind>.<resource>.<action>`, where `*` is a resource of its own and expands to nothing, or a
path, `unkey:v1:<workspace>:<resources>#<action>`, whose `*` stands for one segment.
"""

from collections.abc import Set as AbstractSet
from typing import TypeAlias

from msgspec import Struct

from naftiko_run.sandbox.unkey import errors


class AnyOf(Struct, frozen=True):
    """One of the parts is enough."""

    parts: tuple["Query", ...]


class AllOf(Struct, frozen=True):
    """Every part is needed."""

    parts: tuple["Query", ...]


Query: TypeAlias = str | AnyOf | AllOf

_PATH = "unkey:"


class RootKey(Struct, frozen=True):
    """The caller: whose workspace the request works in, and what it may do there."""

    workspace: str
    permissions: frozenset[str]
    requests_per_minute: int | None = None

    def may(self, query: Query) -> bool:
        """Tell whether the root key has what `query` asks for."""
        if isinstance(query, AnyOf):
            return any(self.may(part) for part in query.parts)
        if isinstance(query, AllOf):
            return all(self.may(part) for part in query.parts)
        return query in self.permissions or (
            query.startswith(_PATH) and _path_granted(query, self.permissions)
        )

    def require(self, query: Query) -> None:
        """Go on only with what `query` asks for.

        Raises:
            ApiError: The root key lacks it.

        """
        if not self.may(query):
            raise errors.forbidden(
                "Insufficient Permissions", "insufficient_permissions", missing(query)
            )


def missing(query: Query) -> str:
    """Say what a root key lacks."""
    if isinstance(query, str):
        return f"Missing permission: '{query}'"
    return f"Missing one of these permissions: {_words(query)}"


def _words(query: Query) -> str:
    if isinstance(query, str):
        return query
    joint = " or " if isinstance(query, AnyOf) else " and "
    return joint.join(map(_words, query.parts))


def _path_granted(path: str, held: AbstractSet[str]) -> bool:
    resource, _, action = path.rpartition("#")
    return any(_covers(grant, resource, action) for grant in held if grant.startswith(_PATH))


def _covers(grant: str, resource: str, action: str) -> bool:
    granted, _, granted_action = grant.rpartition("#")
    if granted_action not in (action, "*"):
        return False
    pattern, segments = granted.split("/"), resource.split("/")
    return len(pattern) == len(segments) and all(
        part in (segment, "*") for part, segment in zip(pattern, segments, strict=True)
    )


def any_of(*parts: Query) -> AnyOf:
    """Ask for one of the parts."""
    return AnyOf(parts)


def on_api(api: str, action: str) -> AnyOf:
    """Ask for an action on all APIs or on this one."""
    return AnyOf((f"api.*.{action}", f"api.{api}.{action}"))


def key_path(workspace: str, keyspace: str, key: str, action: str) -> str:
    """Give the path form of an action on one key."""
    return f"unkey:v1:{workspace}:keyspaces/{keyspace}/keys/{key}#{action}"


def identity_path(workspace: str, action: str) -> str:
    """Give the path form of an action on identities."""
    return f"unkey:v1:{workspace}:projects/*/identities/*#{action}"


_ACTIONS = {
    "api": (
        *("create_api", "read_api", "update_api", "delete_api"),
        *("create_key", "read_key", "update_key", "delete_key", "verify_key"),
        *("encrypt_key", "decrypt_key", "read_analytics"),
    ),
    "rbac": (
        *("create_permission", "read_permission", "update_permission", "delete_permission"),
        *("create_role", "read_role", "update_role", "delete_role"),
        *("add_permission_to_key", "remove_permission_from_key"),
        *("add_role_to_key", "remove_role_from_key"),
        *("add_permission_to_role", "remove_permission_from_role"),
    ),
    "identity": ("create_identity", "read_identity", "update_identity", "delete_identity"),
    "ratelimit": (
        *("create_namespace", "read_namespace", "update_namespace", "delete_namespace"),
        *("set_override", "read_override", "delete_override", "limit"),
    ),
}

EVERYTHING: frozenset[str] = frozenset(
    f"{kind}.*.{action}" for kind, actions in _ACTIONS.items() for action in actions
)
"""Every permission there is, on every resource."""
