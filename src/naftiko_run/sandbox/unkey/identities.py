"""The operations on identities."""

from collections.abc import Sequence

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import AnyOf, any_of, identity_path
from naftiko_run.sandbox.unkey.call import PAGE, Body, Call, Nothing, Page, Reply, page
from naftiko_run.sandbox.unkey.database import Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.identity_records import create_identity as make_identity
from naftiko_run.sandbox.unkey.identity_records import (
    identity_by_external_id,
    meta_text,
    replace_ratelimits,
    show_identity,
)
from naftiko_run.sandbox.unkey.ids import sort_key

_MEGABYTE = 1 << 20

_LIST = """
SELECT * FROM identities
WHERE workspace_id = ? AND place >= ? AND deleted_at IS NULL
ORDER BY place LIMIT ?
"""
_SEARCH = """
SELECT * FROM identities
WHERE workspace_id = ? AND place >= ? AND deleted_at IS NULL
AND (contains(id, ?) OR contains(external_id, ?))
ORDER BY place LIMIT ?
"""


def create_identity(call: Call, body: Body) -> Reply:
    """Make an identity."""
    call.require(_on_identities(call, "create_identity"))
    meta = _meta(body.get("meta"))
    external_id = body["externalId"]
    if identity_by_external_id(call, external_id) is not None:
        raise errors.conflict(
            "identity",
            f"Identity with externalId '{external_id}' already exists in this workspace.",
        )
    identity = make_identity(call, external_id, meta)
    replace_ratelimits(call.db, identity, body.get("ratelimits", []))
    return {"identityId": identity}


def get_identity(call: Call, body: Body) -> Reply:
    """Show an identity, named by id or external id."""
    row = _identity(call, body["identity"])
    call.require(
        any_of(
            "identity.*.read_identity",
            f"identity.{row['id']}.read_identity",
            identity_path(call.workspace, "read_identity"),
        )
    )
    return _show(call, row)


def list_identities(call: Call, body: Body) -> Reply:
    """List the identities of the workspace."""
    size = body.get("limit", PAGE)
    start = sort_key(body.get("cursor", ""))
    wanted = body.get("search", "").strip()
    if wanted:
        rows = call.db.all(_SEARCH, call.workspace, start, wanted, wanted, size + 1)
    else:
        rows = call.db.all(_LIST, call.workspace, start, size + 1)
    rows, cursor = page(rows, size)
    for row in rows:
        call.require(
            any_of(
                f"identity.{row['id']}.read_identity",
                "identity.*.read_identity",
                identity_path(call.workspace, "read_identity"),
            )
        )
    return Page([_show(call, row) for row in rows], cursor)


def update_identity(call: Call, body: Body) -> Reply:
    """Replace an identity's data and limits, whichever the body has."""
    call.require(_on_identities(call, "update_identity"))
    limits = body.get("ratelimits")
    if limits is not None:
        _refuse_duplicates(limits)
    meta = _meta(body["meta"]) if "meta" in body else None
    row = _identity(call, body["identity"])
    if meta is not None:
        call.db.run("UPDATE identities SET meta = ? WHERE id = ?", meta, row["id"])
    if limits is not None:
        replace_ratelimits(call.db, row["id"], limits)
    # The answer has the data of the request, not of the identity.
    return show_identity(call.db, row["id"], row["external_id"], meta or meta_text(None))


def delete_identity(call: Call, body: Body) -> Reply:
    """Delete an identity; its keys stay."""
    call.require(any_of("identity.*.delete_identity"))
    row = _identity(call, body["identity"])
    call.db.run("UPDATE identities SET deleted_at = ? WHERE id = ?", call.now, row["id"])
    return Nothing()


def _on_identities(call: Call, action: str) -> AnyOf:
    return any_of(f"identity.*.{action}", identity_path(call.workspace, action))


def _identity(call: Call, named: str) -> Row:
    row = call.db.one(
        "SELECT * FROM identities WHERE id = ? AND workspace_id = ? AND deleted_at IS NULL",
        named,
        call.workspace,
    )
    row = identity_by_external_id(call, named) if row is None else row
    if row is None:
        raise errors.not_found("identity", "This identity does not exist.")
    return row


def _show(call: Call, row: Row) -> Json:
    return show_identity(call.db, row["id"], row["external_id"], row["meta"])


def _meta(value: Json) -> str:
    meta = meta_text(value)
    size = len(meta.encode())
    if size > _MEGABYTE:
        raise errors.bad_request(
            f"Metadata is too large: it must be at most 1.0 MB, but is {size / _MEGABYTE:.1f} MB."
        )
    return meta


def _refuse_duplicates(limits: Sequence[Body]) -> None:
    names: set[str] = set()
    for limit in limits:
        name = limit["name"]
        if name in names:
            raise errors.bad_request(
                f"Ratelimit with name '{name}' is already defined in the request"
            )
        names.add(name)
