import re

import pytest

from naftiko_run.sandbox.unkey.gojson import Json
from tests.sandbox.conftest import NOON, Sandbox

UNKNOWN = (404, "We could not find the requested key.")
UNSPECIFIED = (404, "The specified key was not found.")
DAY = 86_400_000


def test_a_key_has_what_it_was_made_with(sandbox: Sandbox) -> None:
    sandbox.ok("permissions.createRole", {"name": "editor", "permissions": ["docs.edit"]})
    limits = [{"name": "requests", "limit": 9, "duration": 60_000, "autoApply": True}]
    refill = {"interval": "monthly", "amount": 5, "refillDay": 31}
    key, text = sandbox.key(
        prefix="prod",
        name="A key",
        byteLength=32,
        externalId="user_1",
        meta={"plan": "pro", "n": 1.0},
        roles=["editor"],
        permissions=["docs.read"],
        expires=4_102_444_800_000,
        credits={"remaining": 10, "refill": refill},
        ratelimits=limits,
        enabled=True,
    )
    shown = sandbox.ok("keys.getKey", {"keyId": key})
    identity = sandbox.ok("identities.getIdentity", {"identity": "user_1"})
    [limit] = shown["ratelimits"]
    assert re.fullmatch("rl_[A-Za-z0-9]{9}", limit["id"])
    assert shown == {
        "createdAt": NOON,
        "credits": {"refill": refill, "remaining": 10},
        "enabled": True,
        "expires": 4_102_444_800_000,
        "identity": identity,
        "keyId": key,
        "meta": {"n": 1, "plan": "pro"},
        "name": "A key",
        "permissions": ["docs.edit", "docs.read"],
        "ratelimits": [{**limits[0], "id": limit["id"]}],
        "roles": ["editor"],
        "start": text[:9],
    }
    assert sandbox.ok("keys.whoami", {"key": text}) == shown


def test_what_a_key_lacks_is_left_out(sandbox: Sandbox) -> None:
    key, text = sandbox.key(meta={}, roles=[], permissions=[], ratelimits=[], expires=0)
    shown = sandbox.ok("keys.getKey", {"keyId": key})
    assert shown == {"createdAt": NOON, "enabled": True, "keyId": key, "start": text[:4]}


@pytest.mark.parametrize(
    ("members", "status", "detail"),
    [
        (
            {"credits": {"remaining": None, "refill": {"interval": "daily", "amount": 1}}},
            400,
            "`credits.remaining` must be provided when `credits.refill` is set.",
        ),
        (
            {"credits": {"remaining": 1, "refill": {"interval": "monthly", "amount": 1}}},
            400,
            "`refillDay` must be provided when the refill interval is `monthly`.",
        ),
        ({"roles": ["nobody"]}, 404, "Role 'nobody' was not found."),
        ({"permissions": ["dup.x", "dup.x"]}, 500, "Failed to create permissions."),
        ({"permissions": ["KNOWN"]}, 500, "Failed to create permissions."),
        ({"meta": {"text": "x" * 70_000}}, 500, "Failed to create key."),
        (
            {"credits": {"remaining": 5.0}},
            400,
            "The request body is invalid. The request body was not valid JSON.",
        ),
        ({"apiId": "api_doesnotexist"}, 404, "The specified API was not found."),
    ],
)
def test_a_key_that_cannot_be_made_leaves_nothing_behind(
    sandbox: Sandbox, members: dict[str, Json], status: int, detail: str
) -> None:
    api = sandbox.api()
    sandbox.ok("permissions.createPermission", {"name": "known", "slug": "known"})
    body = {"apiId": api, "externalId": "left.behind", **members}
    assert sandbox.fails("keys.createKey", body) == (status, detail)
    assert sandbox.ok("apis.listKeys", {"apiId": api}) == []
    assert sandbox.ok("identities.listIdentities", {}) == []
    assert len(sandbox.ok("permissions.listPermissions", {})) == 1


def test_made_permissions_have_no_description_and_known_ones_may_repeat(sandbox: Sandbox) -> None:
    sandbox.key(permissions=["made"])
    key, _ = sandbox.key(permissions=["made", "made"])
    [made] = sandbox.ok("permissions.listPermissions", {})
    assert made == {"id": made["id"], "name": "made", "slug": "made"}
    assert sandbox.ok("keys.getKey", {"keyId": key})["permissions"] == ["made"]


def test_of_limits_with_one_name_the_last_is_kept(sandbox: Sandbox) -> None:
    one = {"name": "same", "limit": 1, "duration": 1000, "autoApply": True, "extra": 1}
    other = {"name": "same", "limit": 2, "duration": 2000, "autoApply": False}
    key, _ = sandbox.key(ratelimits=[one, other])
    [limit] = sandbox.ok("keys.getKey", {"keyId": key})["ratelimits"]
    assert limit == {**other, "id": limit["id"]}


def test_a_daily_refill_drops_the_day_when_made_and_refuses_it_later(sandbox: Sandbox) -> None:
    refill = {"interval": "daily", "amount": 5, "refillDay": 3}
    key, _ = sandbox.key(credits={"remaining": 1, "refill": refill})
    shown = sandbox.ok("keys.getKey", {"keyId": key})
    assert shown["credits"] == {"remaining": 1, "refill": {"interval": "daily", "amount": 5}}
    assert sandbox.fails("keys.updateKey", {"keyId": key, "credits": {"refill": refill}}) == (
        400,
        "`refillDay` must not be provided when the refill interval is `daily`.",
    )
    refill = {"interval": "monthly", "amount": 5}
    assert sandbox.fails("keys.updateKey", {"keyId": key, "credits": {"refill": refill}}) == (
        400,
        "`refillDay` must be provided when the refill interval is `monthly`.",
    )


def test_an_update_changes_what_it_names_and_notes_when(sandbox: Sandbox) -> None:
    key, text = sandbox.key(name="a", meta={"a": 1}, externalId="u1", expires=NOON + DAY)
    before = sandbox.ok("keys.getKey", {"keyId": key})
    sandbox.now += 5
    assert sandbox.ok("keys.updateKey", {"keyId": key}) == {}
    assert sandbox.ok("keys.getKey", {"keyId": key}) == {**before, "updatedAt": NOON + 5}
    sandbox.ok(
        "keys.updateKey",
        {
            "keyId": key,
            "name": "b",
            "meta": {"b": 2},
            "externalId": "u2",
            "expires": NOON + 2 * DAY,
            "enabled": False,
            "credits": {"remaining": 3, "refill": {"interval": "daily", "amount": 4}},
            "ratelimits": [{"name": "lim", "limit": 1, "duration": 1000, "autoApply": True}],
            "permissions": ["p.made"],
        },
    )
    shown = sandbox.ok("keys.getKey", {"keyId": key})
    assert shown == {
        "createdAt": NOON,
        "credits": {"refill": {"amount": 4, "interval": "daily"}, "remaining": 3},
        "enabled": False,
        "expires": NOON + 2 * DAY,
        "identity": {"externalId": "u2", "id": shown["identity"]["id"]},
        "keyId": key,
        "meta": {"b": 2},
        "name": "b",
        "permissions": ["p.made"],
        "ratelimits": shown["ratelimits"],
        "start": text[:4],
        "updatedAt": NOON + 5,
    }
    made = sandbox.ok("permissions.getPermission", {"permission": "p.made"})
    assert made["description"] == "Auto-created permission: p.made"


def test_null_clears_and_an_update_can_be_undone(sandbox: Sandbox) -> None:
    key, text = sandbox.key(
        name="a",
        meta={"a": 1},
        externalId="u1",
        expires=NOON + DAY,
        credits={"remaining": 1, "refill": {"interval": "daily", "amount": 4}},
        permissions=["p"],
        ratelimits=[{"name": "lim", "limit": 1, "duration": 1000, "autoApply": True}],
    )
    cleared: dict[str, Json] = {
        "name": None,
        "meta": None,
        "externalId": None,
        "expires": None,
        "credits": None,
    }
    lists: dict[str, Json] = {"permissions": [], "roles": [], "ratelimits": []}
    sandbox.ok("keys.updateKey", {"keyId": key, **cleared, **lists})
    assert sandbox.ok("keys.getKey", {"keyId": key}) == {
        "createdAt": NOON,
        "enabled": True,
        "keyId": key,
        "start": text[:4],
        "updatedAt": NOON,
    }


def test_a_refill_is_cleared_with_the_credits_or_kept_until_there_are_some(
    sandbox: Sandbox,
) -> None:
    key, _ = sandbox.key()
    refill = {"interval": "daily", "amount": 4}

    def update(credits_: Json) -> Json:
        sandbox.ok("keys.updateKey", {"keyId": key, "credits": credits_})
        return sandbox.ok("keys.getKey", {"keyId": key}).get("credits")

    assert update({"refill": refill}) is None
    assert update({"remaining": 1}) == {"remaining": 1, "refill": refill}
    assert update({"refill": None}) == {"remaining": 1}
    assert update({"refill": refill}) == {"remaining": 1, "refill": refill}
    assert update({"remaining": None}) is None
    assert update({"remaining": 2}) == {"remaining": 2}


def test_a_limit_that_stays_keeps_its_id(sandbox: Sandbox) -> None:
    stays = {"name": "stays", "limit": 1, "duration": 1000, "autoApply": True}
    goes = {"name": "goes", "limit": 1, "duration": 1000, "autoApply": True}
    key, _ = sandbox.key(ratelimits=[stays, goes])
    before = sandbox.ok("keys.getKey", {"keyId": key})["ratelimits"]
    ids = {limit["name"]: limit["id"] for limit in before}
    sandbox.ok("keys.updateKey", {"keyId": key, "ratelimits": [{**stays, "limit": 7}]})
    [limit] = sandbox.ok("keys.getKey", {"keyId": key})["ratelimits"]
    assert limit == {**stays, "limit": 7, "id": ids["stays"]}


@pytest.mark.parametrize("permanent", [False, True])
def test_a_deleted_key_is_gone_for_everyone(sandbox: Sandbox, permanent: bool) -> None:
    key, text = sandbox.key(permissions=["p"])
    assert sandbox.ok("keys.deleteKey", {"keyId": key, "permanent": permanent}) == {}
    assert sandbox.verify(text) == {"code": "NOT_FOUND", "valid": False}
    assert sandbox.fails("keys.deleteKey", {"keyId": key, "permanent": True}) == UNKNOWN
    managing: dict[str, dict[str, Json]] = {
        "getKey": {},
        "updateKey": {},
        "updateCredits": {"operation": "set", "value": 1},
    }
    for operation, body in managing.items():
        assert sandbox.fails(f"keys.{operation}", {"keyId": key, **body}) == UNKNOWN
    granting: dict[str, dict[str, Json]] = {
        "rerollKey": {"expiration": 0},
        "addPermissions": {"permissions": ["p"]},
        "removePermissions": {"permissions": ["p"]},
        "setPermissions": {"permissions": []},
        "addRoles": {"roles": ["r"]},
        "removeRoles": {"roles": ["r"]},
        "setRoles": {"roles": []},
    }
    for operation, body in granting.items():
        assert sandbox.fails(f"keys.{operation}", {"keyId": key, **body}) == UNSPECIFIED
    assert sandbox.fails("keys.whoami", {"key": text}) == UNKNOWN


def test_a_rerolled_key_is_a_copy_with_the_first_prefix_and_the_usual_length(
    sandbox: Sandbox,
) -> None:
    key, _ = sandbox.key(
        prefix="p_q",
        byteLength=32,
        name="orig",
        externalId="rr",
        meta={"x": 1},
        permissions=["rr.p"],
        credits={"remaining": 9, "refill": {"interval": "daily", "amount": 2}},
        ratelimits=[{"name": "rrl", "limit": 5, "duration": 60_000, "autoApply": True}],
    )
    sandbox.ok("keys.updateKey", {"keyId": key})
    before = sandbox.ok("keys.getKey", {"keyId": key})
    sandbox.now += 1234
    made = sandbox.ok("keys.rerollKey", {"keyId": key, "expiration": 60_000, "extra": True})
    assert re.fullmatch("p_[1-9A-HJ-NP-Za-km-z]{20,23}", made["key"])
    copy = sandbox.ok("keys.getKey", {"keyId": made["keyId"]})
    [old], [new] = before.pop("ratelimits"), copy.pop("ratelimits")
    assert new.pop("id") != old.pop("id")
    assert new == old
    del before["updatedAt"]
    assert copy == {
        **before,
        "createdAt": NOON + 1234,
        "keyId": made["keyId"],
        "start": made["key"][:6],
    }
    ended = sandbox.ok("keys.getKey", {"keyId": key})
    assert ended["expires"] == NOON + 120_000
    assert "updatedAt" not in ended


def test_a_key_rerolled_without_delay_ends_at_once_and_may_be_rerolled_again(
    sandbox: Sandbox,
) -> None:
    key, text = sandbox.key()
    made = sandbox.ok("keys.rerollKey", {"keyId": key, "expiration": 0})
    assert sandbox.verify(text)["code"] == "EXPIRED"
    assert sandbox.verify(made["key"])["code"] == "VALID"
    again = sandbox.ok("keys.rerollKey", {"keyId": key, "expiration": 0})
    assert sandbox.verify(again["key"])["code"] == "EXPIRED"


def test_old_and_rerolled_key_spend_their_own_credits(sandbox: Sandbox) -> None:
    key, text = sandbox.key(credits={"remaining": 2})
    made = sandbox.ok("keys.rerollKey", {"keyId": key, "expiration": 60_000})
    assert sandbox.verify(text)["credits"] == 1
    assert sandbox.verify(made["key"])["credits"] == 1


def test_credits_are_set_raised_and_lowered(sandbox: Sandbox) -> None:
    refill = {"interval": "daily", "amount": 7}
    key, _ = sandbox.key(credits={"remaining": 2, "refill": refill})

    def update(operation: str, **value: int | None) -> Json:
        return sandbox.ok("keys.updateCredits", {"keyId": key, "operation": operation, **value})

    assert update("set", value=10) == {"remaining": 10, "refill": refill}
    assert update("increment", value=5) == {"remaining": 15, "refill": refill}
    assert update("decrement", value=4) == {"remaining": 11, "refill": refill}
    assert update("decrement", value=400) == {"remaining": 0, "refill": refill}
    assert update("set") == {"remaining": None, "refill": refill}
    assert update("set", value=1) == {"remaining": 1, "refill": refill}
    assert update("set", value=None) == {"remaining": None}
    assert update("set", value=2**63 - 1) == {"remaining": 2**63 - 1}
    assert update("increment", value=2**63 - 1) == {"remaining": 2**63 - 1}
    assert "updatedAt" not in sandbox.ok("keys.getKey", {"keyId": key})


def test_unlimited_credits_have_no_more_and_no_less(sandbox: Sandbox) -> None:
    key, _ = sandbox.key()
    body = {"keyId": key, "operation": "increment"}
    assert sandbox.fails("keys.updateCredits", {**body, "value": 5}) == (
        400,
        "You cannot increment or decrement a key with unlimited credits.",
    )
    missing = "When specifying an increment or decrement operation, a value must be provided."
    assert sandbox.fails("keys.updateCredits", body) == (400, missing)
    assert sandbox.fails("keys.updateCredits", {**body, "value": None}) == (400, missing)


def test_credits_are_refilled_once_a_day_or_on_their_day_of_the_month(sandbox: Sandbox) -> None:
    # The clock starts on the 22nd of November 2026.
    daily, _ = sandbox.key(credits={"remaining": 1, "refill": {"interval": "daily", "amount": 5}})
    more, _ = sandbox.key(credits={"remaining": 9, "refill": {"interval": "daily", "amount": 5}})
    monthly = {"interval": "monthly", "amount": 5, "refillDay": 31}
    late, _ = sandbox.key(credits={"remaining": 1, "refill": monthly})
    free, _ = sandbox.key()
    sandbox.ok("keys.updateKey", {"keyId": free, "credits": {"refill": monthly}})

    def remaining(key: str) -> Json:
        return sandbox.ok("keys.getKey", {"keyId": key})["credits"]["remaining"]

    assert [remaining(key) for key in (daily, more, late)] == [1, 9, 1]
    sandbox.now += DAY
    assert [remaining(key) for key in (daily, more, late)] == [5, 9, 1]
    assert sandbox.ok("keys.getKey", {"keyId": daily})["updatedAt"] == sandbox.now
    sandbox.ok("keys.updateCredits", {"keyId": daily, "operation": "set", "value": 0})
    sandbox.now += 60_000
    assert remaining(daily) == 0
    sandbox.now = NOON + 7 * DAY  # the 29th
    assert remaining(late) == 1
    sandbox.now = NOON + 10 * DAY  # the 2nd of December; November ended on the 30th
    assert [remaining(key) for key in (daily, late)] == [5, 5]
    assert "credits" not in sandbox.ok("keys.getKey", {"keyId": free})
