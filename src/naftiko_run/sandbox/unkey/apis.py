"""The operations on APIs."""

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import AllOf, on_api
from naftiko_run.sandbox.unkey.call import PAGE, Body, Call, Page, Reply, page
from naftiko_run.sandbox.unkey.database import Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.identity_records import identity_by_external_id
from naftiko_run.sandbox.unkey.ids import new_id, sort_key
from naftiko_run.sandbox.unkey.key_records import show_key

_LIST_KEYS = """
SELECT keys.*, identities.external_id, identities.meta AS identity_meta
FROM keys
LEFT JOIN identities ON identities.id = keys.identity_id AND identities.deleted_at IS NULL
WHERE keys.api_id = ? AND keys.place >= ? AND keys.deleted_at IS NULL
ORDER BY keys.place LIMIT ?
"""
_LIST_KEYS_OF_IDENTITY = """
SELECT keys.*, identities.external_id, identities.meta AS identity_meta
FROM keys
JOIN identities ON identities.id = keys.identity_id
WHERE keys.api_id = ? AND keys.place >= ? AND keys.deleted_at IS NULL AND keys.identity_id = ?
ORDER BY keys.place LIMIT ?
"""


def create_api(call: Call, body: Body) -> Reply:
    """Make an API with a keyspace of its own."""
    call.require("api.*.create_api")
    api = new_id("api")
    call.db.run(
        "INSERT INTO apis (id, workspace_id, name, keyspace_id) VALUES (?, ?, ?, ?)",
        api,
        call.workspace,
        body["name"],
        new_id("ks"),
    )
    return {"apiId": api}


def get_api(call: Call, body: Body) -> Reply:
    """Show an API."""
    call.require(on_api(body["apiId"], "read_api"))
    api = _live_api(call, body["apiId"])
    return {"id": api["id"], "name": api["name"]}


def delete_api(call: Call, body: Body) -> Reply:
    """Delete an API; its keys are no longer found."""
    call.require(on_api(body["apiId"], "delete_api"))
    api = _live_api(call, body["apiId"])
    if api["protected"]:
        raise errors.ApiError(
            412,
            "Resource is protected",
            "unkey/application/protected_resource",
            "This API has delete protection enabled. Disable it before attempting to delete.",
        )
    call.db.run("UPDATE apis SET deleted_at = ? WHERE id = ?", call.now, api["id"])
    return {}


def list_keys(call: Call, body: Body) -> Reply:
    """List the keys of an API, all or one identity's."""
    api = _live_api(call, body["apiId"])
    readable = AllOf((on_api(api["id"], "read_key"), on_api(api["id"], "read_api")))
    if not call.root.may(readable):
        raise errors.api_not_found()
    if body.get("decrypt"):
        raise errors.no_vault()
    size = body.get("limit", PAGE)
    start = sort_key(body.get("cursor", ""))
    external_id = body.get("externalId")
    if external_id is None:
        rows = call.db.all(_LIST_KEYS, api["id"], start, size + 1)
    else:
        identity = identity_by_external_id(call, external_id)
        if identity is None:
            return Page([])
        rows = call.db.all(_LIST_KEYS_OF_IDENTITY, api["id"], start, identity["id"], size + 1)
    rows, cursor = page(rows, size)
    return Page([_show_key(call, row) for row in rows], cursor)


def _show_key(call: Call, row: Row) -> dict[str, Json]:
    shown = show_key(call.db, row)
    if row["identity_id"] is not None and row["external_id"] is None:
        # Only here the server still shows what is left of a deleted identity.
        shown["identity"] = {"id": row["identity_id"], "externalId": ""}
    return shown


def _live_api(call: Call, api: str) -> Row:
    row = call.db.one(
        "SELECT * FROM apis WHERE id = ? AND workspace_id = ? AND deleted_at IS NULL",
        api,
        call.workspace,
    )
    if row is None:
        raise errors.api_not_found()
    return row
