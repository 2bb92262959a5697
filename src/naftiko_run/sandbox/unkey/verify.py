"""Verifying a key: the checks in their order, and what each of them uses up.

A key that is not found says nothing about itself; any other outcome describes the key. The
first check that fails ends the verification: a missing permission uses nothing, an exceeded
limit spends no credits, but spent credits leave the limits counted.
"""

from collections.abc import Sequence

from naftiko_run.sandbox.unkey import errors
from naftiko_run.sandbox.unkey.call import Body, Call, Reply, trim
from naftiko_run.sandbox.unkey.database import Row
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.identity_records import ratelimit_rows, show_meta, show_ratelimit
from naftiko_run.sandbox.unkey.ids import hash_key
from naftiko_run.sandbox.unkey.key_records import key_by_hash, on_key
from naftiko_run.sandbox.unkey.permission_query import compile_query
from naftiko_run.sandbox.unkey.ratelimits import Demand, take
from naftiko_run.sandbox.unkey.rbac_records import permission_slugs, role_names

_SHORTEST_DURATION = 1000


def verify_key(call: Call, body: Body) -> Reply:
    """Tell whether a key may be used now, and count that it was."""
    key = key_by_hash(call, hash_key(body["key"]))
    if key is None or not call.root.may(on_key(call, key, "verify_key")):
        return {"valid": False, "code": "NOT_FOUND"}
    query = body.get("permissions")
    allows = None if query is None else compile_query(query)
    verification = _Verification(call, key)
    if not key["enabled"]:
        return verification.end("DISABLED")
    if key["expires"] is not None and key["expires"] <= call.now:
        return verification.end("EXPIRED")
    if key["addresses"] and call.address not in key["addresses"].split(","):
        return verification.end("FORBIDDEN")
    if allows is not None and not allows(frozenset(verification.permissions)):
        return verification.end("INSUFFICIENT_PERMISSIONS")
    if not verification.within_limits(body.get("ratelimits", [])):
        return verification.end("RATE_LIMITED")
    if not verification.spend(body.get("credits", {}).get("cost", 1)):
        return verification.end("USAGE_EXCEEDED")
    return verification.end("VALID")


class _Verification:
    """One verification of a key that exists; it gathers what the answer shows."""

    def __init__(self, call: Call, key: Row) -> None:
        self._call = call
        self._key = key
        self._remaining: int | None = key["remaining"]
        self._limits: list[Json] = []
        self.permissions = permission_slugs(call.db, key["id"])
        self._own = {row["name"]: row for row in ratelimit_rows(call.db, key["id"])}
        self._shared: dict[str, Row] = {}
        if key["external_id"] is not None:
            rows = ratelimit_rows(call.db, key["identity_id"])
            self._shared = {row["name"]: row for row in rows if row["name"] not in self._own}

    def within_limits(self, requested: Sequence[Body]) -> bool:
        """Take from every limit that applies; tell whether all of them allow it."""
        chosen = {
            row["name"]: self._stored(row, 1)
            for row in (*self._own.values(), *self._shared.values())
            if row["auto_apply"]
        }
        for wanted in requested:
            chosen[wanted["name"]] = self._requested(wanted)
        demands = [demand for demand, _ in chosen.values()]
        if any(each.limit < 1 or each.duration < _SHORTEST_DURATION for each in demands):
            # The limiter refuses such a limit, and the server then goes on without any.
            return True
        verdicts = take(self._call.db, demands, self._call.now)
        self._limits = [
            {
                **shown,
                "exceeded": not verdict.passed,
                "remaining": verdict.remaining,
                "reset": verdict.reset,
            }
            for (_, shown), verdict in zip(chosen.values(), verdicts, strict=True)
        ]
        return all(verdict.passed for verdict in verdicts)

    def _requested(self, wanted: Body) -> tuple[Demand, dict[str, Json]]:
        name = wanted["name"]
        cost = wanted.get("cost", 1)
        if "limit" in wanted and "duration" in wanted:
            demand = Demand(
                scope=f"ratelimit/{name}",
                identifier=self._key["id"],
                limit=wanted["limit"],
                duration=wanted["duration"],
                cost=cost,
            )
            shown = {
                "id": "",
                "name": name,
                "limit": demand.limit,
                "duration": demand.duration,
                "autoApply": False,
            }
            return demand, shown
        row = self._own.get(name) or self._shared.get(name)
        if row is None:
            raise errors.precondition(self._unknown_limit(name))
        return self._stored(row, cost)

    def _stored(self, row: Row, cost: int) -> tuple[Demand, dict[str, Json]]:
        demand = Demand(
            scope=f"ratelimit/{row['name']}",
            identifier=row["owner_id"],
            limit=row["amount"],
            duration=row["duration"],
            cost=cost,
        )
        return demand, show_ratelimit(row)

    def _unknown_limit(self, name: str) -> str:
        asked = f"ratelimit '{name}' was requested but does not exist for key '{self._key['id']}'"
        if self._key["external_id"] is None:
            # The server formats two values more than its text has room for, and it shows.
            return f"{asked} and there is no identity connected.%!(EXTRA string=, string=)"
        identity, external_id = self._key["identity_id"], self._key["external_id"]
        return f"{asked} nor identity: '{identity}' external ID: '{external_id}'"

    def spend(self, cost: int) -> bool:
        """Spend credits where the key has a limited number; tell whether there were enough."""
        if self._remaining is None:
            return True
        if self._remaining < cost:
            return False
        if cost:
            self._remaining -= cost
            self._call.db.run(
                "UPDATE keys SET remaining = ? WHERE id = ?", self._remaining, self._key["id"]
            )
        return True

    def end(self, code: str) -> Reply:
        """Give the answer."""
        key = self._key
        shown = trim(
            {
                "valid": code == "VALID",
                "code": code,
                "keyId": key["id"],
                "name": key["name"],
                "meta": show_meta(key["meta"]),
                "expires": key["expires"],
                "enabled": bool(key["enabled"]),
                "permissions": self.permissions,
                "roles": role_names(self._call.db, key["id"]),
                "identity": self._identity(),
                "ratelimits": self._limits,
            },
            *("name", "meta", "expires", "permissions", "roles", "identity", "ratelimits"),
        )
        if self._remaining is not None:
            shown["credits"] = self._remaining
        return shown

    def _identity(self) -> Json:
        key = self._key
        if key["external_id"] is None:
            return None
        return trim(
            {
                "id": key["identity_id"],
                "externalId": key["external_id"],
                "meta": show_meta(key["identity_meta"]),
                "ratelimits": [show_ratelimit(row) for row in self._shared.values()],
            },
            "meta",
            "ratelimits",
        )
