import pytest

from naftiko_run.sandbox.unkey.gojson import Json
from tests.sandbox.conftest import NOON, Sandbox

NOT_FOUND = {"code": "NOT_FOUND", "valid": False}
MINUTE = 60_000


def limit(name: str, amount: int, *, auto: bool = True) -> dict[str, Json]:
    return {"name": name, "limit": amount, "duration": MINUTE, "autoApply": auto}


def test_a_valid_key_is_described(sandbox: Sandbox) -> None:
    sandbox.ok("permissions.createRole", {"name": "editor", "permissions": ["docs.edit"]})
    key, text = sandbox.key(
        name="A key",
        externalId="user_1",
        meta={"plan": "pro"},
        roles=["editor"],
        permissions=["docs.read"],
        expires=4_102_444_800_000,
        credits={"remaining": 10},
        ratelimits=[limit("requests", 9), limit("heavy", 1, auto=False)],
    )
    identity = sandbox.ok("identities.getIdentity", {"identity": "user_1"})
    shown = sandbox.verify(text, tags=["a=b"], migrationId="m")
    [counted] = shown["ratelimits"]
    assert shown == {
        "code": "VALID",
        "credits": 9,
        "enabled": True,
        "expires": 4_102_444_800_000,
        "identity": identity,
        "keyId": key,
        "meta": {"plan": "pro"},
        "name": "A key",
        "permissions": ["docs.edit", "docs.read"],
        "ratelimits": [
            {
                **limit("requests", 9),
                "id": counted["id"],
                "exceeded": False,
                "remaining": 8,
                "reset": NOON + MINUTE,
            }
        ],
        "roles": ["editor"],
        "valid": True,
    }


def test_a_plain_key_says_little(sandbox: Sandbox) -> None:
    key, text = sandbox.key()
    shown = {"code": "VALID", "enabled": True, "keyId": key, "valid": True}
    assert sandbox.verify(text) == shown


def test_nothing_is_said_of_an_unknown_key(sandbox: Sandbox) -> None:
    assert sandbox.verify("nope") == NOT_FOUND


def test_the_first_check_that_fails_decides(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, text = sandbox.key(
        apiId=api,
        enabled=False,
        expires=1000,
        credits={"remaining": 1},
        ratelimits=[limit("requests", 1)],
        permissions=["a"],
    )
    sandbox.store.restrict_api(api, ["10.1.1.1", "10.1.1.2"])

    def verify(query: str = "b", cost: int = 2) -> Json:
        body = {"key": text, "permissions": query, "credits": {"cost": cost}}
        shown = sandbox.ok("keys.verifyKey", body)
        assert shown["valid"] is (shown["code"] == "VALID")
        return shown["code"], shown["credits"], "ratelimits" in shown

    def update(**members: Json) -> None:
        sandbox.ok("keys.updateKey", {"keyId": key, **members})

    assert verify() == ("DISABLED", 1, False)
    update(enabled=True)
    assert verify() == ("EXPIRED", 1, False)
    update(expires=None)
    assert verify() == ("FORBIDDEN", 1, False)
    sandbox.store.restrict_api(api, [])
    assert verify() == ("INSUFFICIENT_PERMISSIONS", 1, False)
    assert verify("a") == ("USAGE_EXCEEDED", 1, True)  # and the limit is used up
    assert verify("a", 1) == ("RATE_LIMITED", 1, True)
    sandbox.now += 2 * MINUTE
    assert verify("a", 1) == ("VALID", 0, True)
    sandbox.ok("keys.deleteKey", {"keyId": key})
    assert sandbox.verify(text) == NOT_FOUND


def test_a_malformed_query_is_refused_for_every_key_that_is_found(sandbox: Sandbox) -> None:
    _, text = sandbox.key(enabled=False)
    detail = "Unexpected end of query. Expected a permission identifier or opening parenthesis."
    assert sandbox.fails("keys.verifyKey", {"key": text, "permissions": "a AND"}) == (400, detail)
    assert sandbox.ok("keys.verifyKey", {"key": "nope", "permissions": "a AND"}) == NOT_FOUND


def test_a_key_may_be_used_from_listed_addresses(sandbox: Sandbox) -> None:
    api = sandbox.api()
    _, text = sandbox.key(apiId=api)
    sandbox.store.restrict_api(api, ["10.1.1.1"])
    forwarded = {"x-forwarded-for": "10.1.1.1, 10.9.9.9"}
    _, answer = sandbox.post("keys.verifyKey", {"key": text}, **forwarded)
    assert answer["data"]["code"] == "VALID"
    assert sandbox.verify(text)["code"] == "FORBIDDEN"


def test_permissions_come_from_roles_too_and_do_not_expand(sandbox: Sandbox) -> None:
    sandbox.ok("permissions.createRole", {"name": "r", "permissions": ["docs.read", "docs.*"]})
    _, text = sandbox.key(roles=["r"], permissions=["direct"])
    codes = {
        query: sandbox.verify(text, permissions=query)["code"]
        for query in ("docs.read AND direct", "docs.*", "docs.write", "(x OR direct) and docs.read")
    }
    assert codes == {
        "docs.read AND direct": "VALID",
        "docs.*": "VALID",
        "docs.write": "INSUFFICIENT_PERMISSIONS",
        "(x OR direct) and docs.read": "VALID",
    }


def test_credits_are_spent_as_far_as_they_reach(sandbox: Sandbox) -> None:
    key, text = sandbox.key(credits={"remaining": 3})

    def spend(cost: int) -> Json:
        shown = sandbox.verify(text, credits={"cost": cost})
        return shown["code"], shown["credits"]

    assert spend(2) == ("VALID", 1)
    assert spend(2) == ("USAGE_EXCEEDED", 1)
    assert spend(1) == ("VALID", 0)
    assert spend(0) == ("VALID", 0)
    assert spend(1) == ("USAGE_EXCEEDED", 0)
    assert sandbox.ok("keys.getKey", {"keyId": key})["credits"] == {"remaining": 0}


def test_an_unlimited_key_ignores_the_cost(sandbox: Sandbox) -> None:
    _, text = sandbox.key()
    shown = sandbox.verify(text, credits={"cost": 1_000_000_000_000})
    assert shown["code"] == "VALID"
    assert "credits" not in shown


def test_a_limit_that_is_not_applied_by_itself_can_be_asked_for(sandbox: Sandbox) -> None:
    _, text = sandbox.key(ratelimits=[limit("heavy", 5, auto=False)])
    assert "ratelimits" not in sandbox.verify(text)
    asked = [{"name": "heavy", "cost": 3, "extra": 1}]
    [shown] = sandbox.verify(text, ratelimits=asked)["ratelimits"]
    assert (shown["exceeded"], shown["remaining"], shown["autoApply"]) == (False, 2, False)
    refused = sandbox.verify(text, ratelimits=asked)
    [shown] = refused["ratelimits"]
    assert (refused["code"], shown["exceeded"], shown["remaining"]) == ("RATE_LIMITED", True, 0)
    [shown] = sandbox.verify(text, ratelimits=[{"name": "heavy", "cost": 0}])["ratelimits"]
    assert (shown["exceeded"], shown["remaining"]) == (False, 2)
    [shown] = sandbox.verify(text, ratelimits=[{"name": "heavy", "limit": 99}])["ratelimits"]
    assert (shown["limit"], shown["remaining"]) == (5, 1)


def test_a_limit_can_be_made_up_for_one_verification(sandbox: Sandbox) -> None:
    _, text = sandbox.key()
    asked = [{"name": "burst", "limit": 1, "duration": MINUTE}]
    [shown] = sandbox.verify(text, ratelimits=asked)["ratelimits"]
    assert shown == {
        "id": "",
        "name": "burst",
        "limit": 1,
        "duration": MINUTE,
        "autoApply": False,
        "exceeded": False,
        "remaining": 0,
        "reset": NOON + MINUTE,
    }
    assert sandbox.verify(text, ratelimits=asked)["code"] == "RATE_LIMITED"


@pytest.mark.parametrize("odd", [{"limit": 0, "duration": MINUTE}, {"limit": 1, "duration": 999}])
def test_a_made_up_limit_out_of_range_switches_all_limits_off(
    sandbox: Sandbox, odd: dict[str, int]
) -> None:
    _, text = sandbox.key(ratelimits=[limit("requests", 1)])
    for _ in range(2):
        shown = sandbox.verify(text, ratelimits=[{"name": "odd", **odd}])
        assert shown["code"] == "VALID"
        assert "ratelimits" not in shown


def test_an_unknown_limit_is_named_with_key_and_identity(sandbox: Sandbox) -> None:
    key, text = sandbox.key()
    asked = [{"name": "none"}]
    assert sandbox.fails("keys.verifyKey", {"key": text, "ratelimits": asked}) == (
        412,
        (
            f"ratelimit 'none' was requested but does not exist for key '{key}'"
            " and there is no identity connected.%!(EXTRA string=, string=)"
        ),
    )
    key, text = sandbox.key(externalId="u1")
    identity = sandbox.ok("identities.getIdentity", {"identity": "u1"})["id"]
    assert sandbox.fails("keys.verifyKey", {"key": text, "ratelimits": asked}) == (
        412,
        (
            f"ratelimit 'none' was requested but does not exist for key '{key}'"
            f" nor identity: '{identity}' external ID: 'u1'"
        ),
    )


def test_of_several_limits_none_is_counted_when_one_is_exceeded(sandbox: Sandbox) -> None:
    _, text = sandbox.key(ratelimits=[limit("one", 1), limit("two", 5)])

    def verify() -> Json:
        shown = sandbox.verify(text)
        each = {item["name"]: (item["exceeded"], item["remaining"]) for item in shown["ratelimits"]}
        return shown["code"], each

    assert verify() == ("VALID", {"one": (False, 0), "two": (False, 4)})
    assert verify() == ("RATE_LIMITED", {"one": (True, 0), "two": (False, 4)})
    assert verify() == ("RATE_LIMITED", {"one": (True, 0), "two": (False, 4)})


def test_keys_of_an_identity_share_its_limits_but_a_keys_own_limit_goes_first(
    sandbox: Sandbox,
) -> None:
    shared = [limit("shared", 2), limit("both", 1)]
    sandbox.ok("identities.createIdentity", {"externalId": "u1", "ratelimits": shared})
    _, first = sandbox.key(externalId="u1", ratelimits=[limit("both", 9)])
    key, second = sandbox.key(externalId="u1", ratelimits=[limit("both", 9)])

    def verify(text: str) -> Json:
        shown = sandbox.verify(text)
        return shown["code"], {item["name"]: item["remaining"] for item in shown["ratelimits"]}

    assert verify(first) == ("VALID", {"both": 8, "shared": 1})
    assert verify(second) == ("VALID", {"both": 8, "shared": 0})
    assert verify(first)[0] == "RATE_LIMITED"
    identity = sandbox.verify(second)["identity"]
    assert [item["name"] for item in identity["ratelimits"]] == ["shared"]
    identity = sandbox.ok("keys.getKey", {"keyId": key})["identity"]
    assert sorted(item["name"] for item in identity["ratelimits"]) == ["both", "shared"]


def test_a_key_loses_a_deleted_identity_and_its_limits(sandbox: Sandbox) -> None:
    body = {"externalId": "u1", "ratelimits": [limit("shared", 1)]}
    sandbox.ok("identities.createIdentity", body)
    _, text = sandbox.key(externalId="u1")
    assert sandbox.verify(text)["ratelimits"][0]["remaining"] == 0
    sandbox.ok("identities.deleteIdentity", {"identity": "u1"})
    shown = sandbox.verify(text)
    assert shown["code"] == "VALID"
    assert not {"identity", "ratelimits"} & shown.keys()


def test_a_root_key_verifies_only_what_it_may(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, text = sandbox.key(apiId=api)
    _, other = sandbox.key()
    path = "unkey:v1:ws_sandbox0:keyspaces/*/keys"
    for permission, codes in (
        ("api.*.verify_key", ("VALID", "VALID")),
        (f"api.{api}.verify_key", ("VALID", "NOT_FOUND")),
        (f"{path}/{key}#verify_key", ("VALID", "NOT_FOUND")),
        (f"{path}/*#verify_key", ("VALID", "VALID")),
        (f"{path}/*#read_key", ("NOT_FOUND", "NOT_FOUND")),
        ("unkey:v1:ws_other:keyspaces/*/keys/*#verify_key", ("NOT_FOUND", "NOT_FOUND")),
    ):
        root_key = sandbox.root_key(permission)
        given = tuple(
            sandbox.ok("keys.verifyKey", {"key": each}, root_key=root_key)["code"]
            for each in (text, other)
        )
        assert given == codes, permission
