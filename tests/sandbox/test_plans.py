"""No request reads a whole table: every statement finds its rows through an index."""

import re

from naftiko_run.sandbox.unkey.gojson import Json
from tests.sandbox.conftest import Sandbox

ALLOWED = re.compile(
    r"SCAN (refills|keys USING INDEX keys_refill"  # once a day, of the keys that are refilled
    r"|CONSTANT ROW|LEFT-MOST SUBQUERY)"
)


def test_every_statement_uses_an_index(sandbox: Sandbox) -> None:
    seen: set[str] = set()
    connection = sandbox.store.db._connection
    connection.set_trace_callback(seen.add)
    exercise(sandbox)
    connection.set_trace_callback(None)
    statements = {sql for sql in seen if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", sql)}
    assert len(statements) > 100
    for sql in statements:
        for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall():
            plan = step["detail"]
            assert not plan.startswith("SCAN") or ALLOWED.match(plan), (plan, sql)


def exercise(sandbox: Sandbox) -> None:
    limit = {"name": "lim", "limit": 5, "duration": 60_000, "autoApply": True}
    api = sandbox.api()
    sandbox.ok("apis.getApi", {"apiId": api})
    sandbox.ok("permissions.createRole", {"name": "r", "permissions": ["a", "b"]})
    sandbox.ok("permissions.createPermission", {"name": "c", "slug": "c"})
    refill = {"interval": "daily", "amount": 5}
    key, text = sandbox.key(
        apiId=api,
        externalId="u1",
        permissions=["a"],
        roles=["r"],
        ratelimits=[limit],
        credits={"remaining": 9, "refill": refill},
    )
    everything: list[tuple[str, Json]] = [
        ("apis.listKeys", {"apiId": api}),
        ("apis.listKeys", {"apiId": api, "externalId": "u1"}),
        ("keys.whoami", {"key": text}),
        ("keys.verifyKey", {"key": text, "permissions": "a"}),
        ("keys.updateKey", {"keyId": key, "name": "n", "meta": {"a": 1}, "roles": ["r"]}),
        ("keys.updateKey", {"keyId": key, "permissions": ["x"], "ratelimits": []}),
        ("keys.updateCredits", {"keyId": key, "operation": "set", "value": None}),
        ("keys.rerollKey", {"keyId": key, "expiration": 60_000}),
        ("keys.addPermissions", {"keyId": key, "permissions": ["y"]}),
        ("keys.removePermissions", {"keyId": key, "permissions": ["y"]}),
        ("keys.setPermissions", {"keyId": key, "permissions": ["z"]}),
        ("keys.removeRoles", {"keyId": key, "roles": ["r"]}),
        ("keys.addRoles", {"keyId": key, "roles": ["r"]}),
        ("keys.setRoles", {"keyId": key, "roles": ["r"]}),
        ("permissions.listPermissions", {}),
        ("permissions.listPermissions", {"search": "a"}),
        ("permissions.listRoles", {}),
        ("permissions.listRoles", {"search": "r"}),
        ("identities.listIdentities", {}),
        ("identities.listIdentities", {"search": "u"}),
        ("identities.updateIdentity", {"identity": "u1", "meta": {}, "ratelimits": [limit]}),
        ("identities.getIdentity", {"identity": "u1"}),
        ("ratelimit.limit", {"namespace": "ns", "identifier": "a", "limit": 5, "duration": 1000}),
        (
            "ratelimit.setOverride",
            {"namespace": "ns", "identifier": "a*", "limit": 5, "duration": 1000},
        ),
        ("ratelimit.getOverride", {"namespace": "ns", "identifier": "ab"}),
        ("ratelimit.listOverrides", {"namespace": "ns"}),
        ("ratelimit.deleteOverride", {"namespace": "ns", "identifier": "a*"}),
        ("permissions.deletePermission", {"permission": "a"}),
        ("permissions.deleteRole", {"role": "r"}),
        ("identities.deleteIdentity", {"identity": "u1"}),
        ("keys.deleteKey", {"keyId": key}),
        ("apis.deleteApi", {"apiId": api}),
    ]
    for operation, body in everything:
        sandbox.ok(operation, body)
    key, _ = sandbox.key()
    sandbox.ok("keys.deleteKey", {"keyId": key, "permanent": True})
    sandbox.now += 86_400_000
    sandbox.api()
