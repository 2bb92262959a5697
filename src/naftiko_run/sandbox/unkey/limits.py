"""The operations on rate limits: taking from them, and overriding them."""

from collections.abc import Sequence

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.authority import AllOf, AnyOf, any_of
from naftiko_run.sandbox.unkey.call import Body, Call, Page, Reply, page
from naftiko_run.sandbox.unkey.database import Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.ids import new_id, sort_key
from naftiko_run.sandbox.unkey.ratelimits import Demand, Verdict, take

_OVERRIDES_PAGE = 50


def limit(call: Call, body: Body) -> Reply:
    """Take from one limit and tell whether there was enough left."""
    [(verdict, override)] = _take(call, [body])
    shown: dict[str, Json] = {
        "success": verdict.passed,
        "limit": verdict.limit,
        "remaining": verdict.remaining,
        "reset": verdict.reset,
    }
    return _with_override(shown, override)


def multi_limit(call: Call, body: Sequence[Body]) -> Reply:
    """Take from several limits, or from none of them."""
    taken = _take(call, body)
    limits = [
        _with_override(
            {
                "namespace": wanted["namespace"],
                "identifier": wanted["identifier"],
                "passed": verdict.passed,
                "limit": verdict.limit,
                "remaining": verdict.remaining,
                "reset": verdict.reset,
            },
            override,
        )
        for wanted, (verdict, override) in zip(body, taken, strict=True)
    ]
    return {"passed": all(verdict.passed for verdict, _ in taken), "limits": limits}


def _take(call: Call, wanted: Sequence[Body]) -> list[tuple[Verdict, Row | None]]:
    names = dict.fromkeys(each["namespace"] for each in wanted)
    namespaces = {name: _namespace_for(call, name) for name in names}
    ids = list(dict.fromkeys(row["id"] for row in namespaces.values()))
    each = [f"ratelimit.{namespace}.limit" for namespace in ids]
    call.require(any_of("ratelimit.*.limit", each[0] if len(each) == 1 else AllOf(tuple(each))))
    overrides = [
        _override(call, namespaces[each["namespace"]]["id"], each["identifier"]) for each in wanted
    ]
    demands = [
        Demand(
            scope=f"namespace/{namespaces[each['namespace']]['id']}",
            identifier=each["identifier"],
            limit=each["limit"] if override is None else override["amount"],
            duration=each["duration"] if override is None else override["duration"],
            cost=each.get("cost", 1),
        )
        for each, override in zip(wanted, overrides, strict=True)
    ]
    if any(demand.limit < 1 for demand in demands):
        # An override may say 0; the limiter itself knows no such limit.
        raise errors.unavailable("We're unable to process the rate limit request.")
    return list(zip(take(call.db, demands, call.now), overrides, strict=True))


def _with_override(shown: dict[str, Json], override: Row | None) -> dict[str, Json]:
    if override is not None:
        shown["overrideId"] = override["id"]
    return shown


def set_override(call: Call, body: Body) -> Reply:
    """Give an identifier, or all that match a wildcard, another limit."""
    namespace = _live_namespace(call, body["namespace"])
    call.require(_on_namespace(namespace, "set_override"))
    identifier = body["identifier"]
    override = new_id("rlor")
    # What was deleted stays deleted: the server changes the row and leaves its mark in place.
    call.db.run(
        "INSERT INTO overrides"
        " (id, place, namespace_id, identifier, wildcard, amount, duration)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (namespace_id, identifier) DO UPDATE SET"
        " amount = excluded.amount, duration = excluded.duration",
        override,
        sort_key(override),
        namespace["id"],
        identifier,
        "*" in identifier,
        body["limit"],
        body["duration"],
    )
    row = call.db.one(
        "SELECT id FROM overrides WHERE namespace_id = ? AND identifier = ?",
        namespace["id"],
        identifier,
    )
    return {"overrideId": override if row is None else row["id"]}


def get_override(call: Call, body: Body) -> Reply:
    """Show the override that an identifier falls under."""
    namespace = _live_namespace(call, body["namespace"])
    row = _override(call, namespace["id"], body["identifier"])
    if row is None or not call.root.may(_on_namespace(namespace, "read_override")):
        raise _override_not_found()
    return _show_override(row)


def list_overrides(call: Call, body: Body) -> Reply:
    """List the overrides of a namespace."""
    namespace = _namespace(call, body["namespace"])
    if namespace is None:
        raise errors.namespace_not_found()
    call.require(_on_namespace(namespace, "read_override"))
    size = body.get("limit", _OVERRIDES_PAGE)
    rows = call.db.all(
        "SELECT * FROM overrides WHERE namespace_id = ? AND place >= ? AND deleted_at IS NULL"
        " ORDER BY place LIMIT ?",
        namespace["id"],
        sort_key(body.get("cursor", "")),
        size + 1,
    )
    rows, cursor = page(rows, size)
    return Page([_show_override(row) for row in rows], cursor)


def delete_override(call: Call, body: Body) -> Reply:
    """Delete an override, named by its exact identifier."""
    namespace = _live_namespace(call, body["namespace"])
    call.require(_on_namespace(namespace, "delete_override"))
    deleted = call.db.run(
        "UPDATE overrides SET deleted_at = ?"
        " WHERE namespace_id = ? AND identifier = ? AND deleted_at IS NULL",
        call.now,
        namespace["id"],
        body["identifier"],
    )
    if not deleted:
        raise _override_not_found()
    return {}


def _override_not_found() -> errors.ApiError:
    return errors.not_found("ratelimit_override", "This override does not exist.")


def _show_override(row: Row) -> Json:
    return {
        "overrideId": row["id"],
        "identifier": row["identifier"],
        "limit": row["amount"],
        "duration": row["duration"],
    }


def _on_namespace(namespace: Row, action: str) -> AnyOf:
    return any_of(f"ratelimit.*.{action}", f"ratelimit.{namespace['id']}.{action}")


def _namespace(call: Call, named: str) -> Row | None:
    row = call.db.one(
        "SELECT * FROM namespaces WHERE workspace_id = ? AND name = ?", call.workspace, named
    )
    if row is not None:
        return row
    return call.db.one(
        "SELECT * FROM namespaces WHERE id = ? AND workspace_id = ?", named, call.workspace
    )


def _live_namespace(call: Call, named: str) -> Row:
    row = _namespace(call, named)
    if row is None or row["deleted_at"] is not None:
        raise errors.namespace_not_found()
    return row


def _namespace_for(call: Call, named: str) -> Row:
    row = _namespace(call, named)
    if row is None:
        call.require("ratelimit.*.create_namespace")
        call.db.run(
            "INSERT INTO namespaces (id, workspace_id, name) VALUES (?, ?, ?)",
            new_id("rlns"),
            call.workspace,
            named,
        )
        row = _namespace(call, named)
    if row is None or row["deleted_at"] is not None:
        raise errors.gone()
    return row


def _override(call: Call, namespace: str, identifier: str) -> Row | None:
    exact = call.db.one(
        "SELECT * FROM overrides WHERE namespace_id = ? AND identifier = ? AND deleted_at IS NULL",
        namespace,
        identifier,
    )
    if exact is not None:
        return exact
    for row in call.db.all(
        "SELECT * FROM overrides WHERE namespace_id = ? AND deleted_at IS NULL AND wildcard"
        " ORDER BY place",
        namespace,
    ):
        if _matches(row["identifier"], identifier):
            return row
    return None


def _matches(wildcard: str, identifier: str) -> bool:
    """Tell whether an identifier falls under a wildcard, whose `*` stands for any text."""
    first, *middle, last = wildcard.split("*")
    at, end = len(first), len(identifier) - len(last)
    if at > end or not (identifier.startswith(first) and identifier.endswith(last)):
        return False
    for part in middle:
        found = identifier.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
