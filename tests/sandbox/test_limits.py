import pytest

from naftiko_run.sandbox.unkey.gojson import Json
from tests.sandbox.conftest import NOON, Sandbox, names

MINUTE = 60_000
NO_NAMESPACE = (404, "This namespace does not exist.")
NO_OVERRIDE = (404, "This override does not exist.")
GONE = (410, "This namespace has been deleted. Contact support to restore.")


def demand(namespace: str = "ns", identifier: str = "u1", **members: int) -> dict[str, Json]:
    body = {"namespace": namespace, "identifier": identifier, "limit": 3, "duration": MINUTE}
    return {**body, **members}


def take(sandbox: Sandbox, **members: Json) -> tuple[bool, int]:
    shown = sandbox.ok("ratelimit.limit", demand(**members))
    return shown["success"], shown["remaining"]


def test_a_limit_lets_pass_what_it_says(sandbox: Sandbox) -> None:
    shown = sandbox.ok("ratelimit.limit", demand())
    assert shown == {"limit": 3, "remaining": 2, "reset": NOON + MINUTE, "success": True}
    given = [take(sandbox) for _ in range(4)]
    assert given == [(True, 1), (True, 0), (False, 0), (False, 0)]
    assert take(sandbox, identifier="U1") == (True, 2)
    assert take(sandbox, namespace="NS") == (True, 2)


def test_the_cost_is_counted_unless_it_is_too_much_or_nothing(sandbox: Sandbox) -> None:
    assert take(sandbox, cost=2) == (True, 1)
    assert take(sandbox, cost=2) == (False, 0)
    assert take(sandbox, cost=0) == (True, 1)
    assert take(sandbox, cost=0) == (True, 1)
    assert take(sandbox, cost=1) == (True, 0)
    assert take(sandbox, identifier="u2", cost=4) == (False, 0)


def test_a_counter_belongs_to_the_duration_and_not_to_the_limit(sandbox: Sandbox) -> None:
    assert take(sandbox) == (True, 2)
    assert take(sandbox, limit=10) == (True, 8)
    assert take(sandbox, duration=2 * MINUTE) == (True, 2)
    assert take(sandbox) == (True, 0)
    assert take(sandbox) == (False, 0)


def test_the_window_slides(sandbox: Sandbox) -> None:
    for _ in range(10):
        take(sandbox, limit=10)
    sandbox.now = NOON + MINUTE
    assert take(sandbox, limit=10, cost=0) == (True, 0)
    assert take(sandbox, limit=10) == (False, 0)
    sandbox.now = NOON + MINUTE + 30_001
    assert take(sandbox, limit=10, cost=0) == (True, 6)
    assert take(sandbox, limit=10) == (True, 5)
    sandbox.now = NOON + 2 * MINUTE
    assert take(sandbox, limit=10, cost=0) == (True, 9)
    sandbox.now = NOON + 3 * MINUTE
    assert take(sandbox, limit=10, cost=0) == (True, 10)


def test_counters_of_past_windows_are_forgotten(sandbox: Sandbox) -> None:
    for number in range(100):
        take(sandbox, identifier=f"u{number}")
    sandbox.now = NOON + 3 * MINUTE
    take(sandbox)
    take(sandbox, identifier="u2")
    row = sandbox.store.db.one("SELECT count(*) AS kept FROM counters")
    assert row is not None
    assert row["kept"] == 2


def test_a_namespace_is_made_by_its_first_use_and_found_by_id(sandbox: Sandbox) -> None:
    take(sandbox)
    row = sandbox.store.db.one("SELECT id FROM namespaces WHERE name = 'ns'")
    assert row is not None
    assert take(sandbox, namespace=row["id"]) == (True, 1)


def test_several_limits_are_taken_all_or_none(sandbox: Sandbox) -> None:
    wanted = [demand(identifier="m1"), demand(identifier="m2", limit=1)]

    def take_both() -> Json:
        shown = sandbox.ok("ratelimit.multiLimit", wanted)
        each = [(item["passed"], item["remaining"]) for item in shown["limits"]]
        return shown["passed"], each

    shown = sandbox.ok("ratelimit.multiLimit", wanted)
    assert shown == {
        "limits": [
            {
                "identifier": "m1",
                "limit": 3,
                "namespace": "ns",
                "passed": True,
                "remaining": 2,
                "reset": NOON + MINUTE,
            },
            {
                "identifier": "m2",
                "limit": 1,
                "namespace": "ns",
                "passed": True,
                "remaining": 0,
                "reset": NOON + MINUTE,
            },
        ],
        "passed": True,
    }
    assert take_both() == (False, [(True, 2), (False, 0)])
    assert take_both() == (False, [(True, 2), (False, 0)])
    assert take(sandbox, identifier="m1") == (True, 1)


def test_a_set_may_ask_one_limit_several_times(sandbox: Sandbox) -> None:
    four = sandbox.ok("ratelimit.multiLimit", [demand()] * 4)
    each = [(item["passed"], item["remaining"]) for item in four["limits"]]
    assert each == [(True, 3), (True, 2), (True, 1), (False, 0)]
    three = sandbox.ok("ratelimit.multiLimit", [demand()] * 3)
    assert [item["remaining"] for item in three["limits"]] == [2, 1, 0]
    assert take(sandbox) == (False, 0)


def test_an_override_replaces_limit_and_duration(sandbox: Sandbox) -> None:
    take(sandbox)
    body = {"namespace": "ns", "identifier": "vip", "limit": 100, "duration": 2 * MINUTE}
    override = sandbox.ok("ratelimit.setOverride", body)
    assert sandbox.ok("ratelimit.setOverride", {**body, "limit": 200}) == override
    named = {"namespace": "ns", "identifier": "vip"}
    assert sandbox.ok("ratelimit.getOverride", named) == {
        "duration": 2 * MINUTE,
        "identifier": "vip",
        "limit": 200,
        **override,
    }
    assert sandbox.ok("ratelimit.limit", demand(identifier="vip")) == {
        "limit": 200,
        "remaining": 199,
        "reset": NOON + 2 * MINUTE,
        "success": True,
        **override,
    }
    [shown] = sandbox.ok("ratelimit.multiLimit", [demand(identifier="vip")])["limits"]
    assert shown["overrideId"] == override["overrideId"]
    assert shown["remaining"] == 198


@pytest.mark.parametrize(
    ("wildcard", "identifier", "matches"),
    [
        ("*@corp.com", "bob@corp.com", True),
        ("*@corp.com", "bob@corp.com.x", False),
        ("*@corp.com", "bob@corpxcom", False),
        ("*", "", False),
        ("*", "anything", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "a--b--c", True),
        ("a*b*c", "ac", False),
        ("ab*ba", "aba", False),
        ("a**b", "a\nb", True),
        ("*a" * 200, "a" * 400 + "b", False),
    ],
)
def test_a_wildcard_stands_for_any_text(
    sandbox: Sandbox, wildcard: str, identifier: str, matches: bool
) -> None:
    take(sandbox)
    body = {"namespace": "ns", "identifier": wildcard, "limit": 9, "duration": MINUTE}
    sandbox.ok("ratelimit.setOverride", body)
    if identifier:
        shown = sandbox.ok("ratelimit.limit", demand(identifier=identifier))
        assert shown["limit"] == (9 if matches else 3)


def test_an_exact_override_goes_before_a_wildcard(sandbox: Sandbox) -> None:
    take(sandbox)
    for identifier, limit in (("v*", 5), ("vip", 7)):
        body = {"namespace": "ns", "identifier": identifier, "limit": limit, "duration": 1000}
        sandbox.ok("ratelimit.setOverride", body)
    assert take(sandbox, identifier="vip") == (True, 6)
    assert take(sandbox, identifier="vap") == (True, 4)
    found = sandbox.ok("ratelimit.getOverride", {"namespace": "ns", "identifier": "vap"})
    assert found["identifier"] == "v*"
    exact = {"namespace": "ns", "identifier": "vap"}
    assert sandbox.fails("ratelimit.deleteOverride", exact) == NO_OVERRIDE


def test_a_deleted_override_stays_deleted_when_it_is_set_again(sandbox: Sandbox) -> None:
    take(sandbox)
    named = {"namespace": "ns", "identifier": "vip"}
    body = {**named, "limit": 100, "duration": MINUTE}
    override = sandbox.ok("ratelimit.setOverride", body)
    assert sandbox.ok("ratelimit.deleteOverride", named) == {}
    assert sandbox.fails("ratelimit.getOverride", named) == NO_OVERRIDE
    assert sandbox.fails("ratelimit.deleteOverride", named) == NO_OVERRIDE
    assert sandbox.ok("ratelimit.setOverride", body) == override
    assert sandbox.fails("ratelimit.getOverride", named) == NO_OVERRIDE
    assert take(sandbox, identifier="vip") == (True, 2)
    assert sandbox.ok("ratelimit.listOverrides", {"namespace": "ns"}) == []


def test_an_override_of_nothing_is_a_failure(sandbox: Sandbox) -> None:
    take(sandbox)
    body = {"namespace": "ns", "identifier": "vip", "limit": 0, "duration": MINUTE}
    sandbox.ok("ratelimit.setOverride", body)
    failure = (500, "We're unable to process the rate limit request.")
    assert sandbox.fails("ratelimit.limit", demand(identifier="vip")) == failure
    wanted = [demand(), demand(identifier="vip")]
    assert sandbox.fails("ratelimit.multiLimit", wanted) == failure
    assert take(sandbox) == (True, 1)


def test_overrides_are_listed_in_pages_of_fifty(sandbox: Sandbox) -> None:
    take(sandbox)
    for number in range(52):
        body = {"namespace": "ns", "identifier": f"u{number}", "limit": 1, "duration": 1000}
        sandbox.ok("ratelimit.setOverride", body)
    first, pagination = sandbox.listed("ratelimit.listOverrides", {"namespace": "ns"})
    assert len(first) == 50
    body = {"namespace": "ns", "cursor": pagination["cursor"]}
    rest, pagination = sandbox.listed("ratelimit.listOverrides", body)
    assert pagination == {"hasMore": False}
    everything = sandbox.ok("ratelimit.listOverrides", {"namespace": "ns", "limit": 100})
    assert [*first, *rest] == everything
    assert len(set(names(everything, "overrideId"))) == 52


def test_only_limits_make_namespaces(sandbox: Sandbox) -> None:
    named: dict[str, Json] = {"namespace": "none", "identifier": "u1"}
    for operation, body in (
        ("setOverride", {**named, "limit": 1, "duration": 1000}),
        ("getOverride", named),
        ("deleteOverride", named),
        ("listOverrides", {"namespace": "none"}),
    ):
        assert sandbox.fails(f"ratelimit.{operation}", body) == NO_NAMESPACE


def test_a_deleted_namespace_is_gone_but_still_lists(sandbox: Sandbox) -> None:
    take(sandbox)
    named: dict[str, Json] = {"namespace": "ns", "identifier": "u1"}
    sandbox.ok("ratelimit.setOverride", {**named, "limit": 1, "duration": 1000})
    sandbox.store.delete_namespace("ns")
    assert sandbox.fails("ratelimit.limit", demand()) == GONE
    assert sandbox.fails("ratelimit.multiLimit", [demand()]) == GONE
    assert sandbox.fails("ratelimit.getOverride", named) == NO_NAMESPACE
    assert sandbox.fails("ratelimit.deleteOverride", named) == NO_NAMESPACE
    body = {**named, "limit": 1, "duration": 1000}
    assert sandbox.fails("ratelimit.setOverride", body) == NO_NAMESPACE
    assert len(sandbox.ok("ratelimit.listOverrides", {"namespace": "ns"})) == 1


def test_limits_need_their_permission_and_a_new_namespace_one_more(sandbox: Sandbox) -> None:
    limiting = sandbox.root_key("ratelimit.*.limit")
    assert sandbox.fails("ratelimit.limit", demand(), root_key=limiting) == (
        403,
        "Missing permission: 'ratelimit.*.create_namespace'",
    )
    making = sandbox.root_key("ratelimit.*.limit", "ratelimit.*.create_namespace")
    sandbox.ok("ratelimit.limit", demand(), root_key=making)
    sandbox.ok("ratelimit.limit", demand(), root_key=limiting)
    row = sandbox.store.db.one("SELECT id FROM namespaces")
    assert row is not None
    namespace = row["id"]
    sandbox.ok(
        "ratelimit.limit", demand(), root_key=sandbox.root_key(f"ratelimit.{namespace}.limit")
    )
    wanted = [demand(), demand(namespace="other")]
    sandbox.ok("ratelimit.multiLimit", wanted)
    row = sandbox.store.db.one("SELECT id FROM namespaces WHERE name = 'other'")
    assert row is not None
    one = sandbox.root_key(f"ratelimit.{namespace}.limit")
    assert sandbox.fails("ratelimit.multiLimit", wanted, root_key=one) == (
        403,
        (
            "Missing one of these permissions: ratelimit.*.limit"
            f" or ratelimit.{namespace}.limit and ratelimit.{row['id']}.limit"
        ),
    )
    both = sandbox.root_key(f"ratelimit.{namespace}.limit", f"ratelimit.{row['id']}.limit")
    sandbox.ok("ratelimit.multiLimit", wanted, root_key=both)


def test_overrides_need_their_permissions(sandbox: Sandbox) -> None:
    take(sandbox)
    named: dict[str, Json] = {"namespace": "ns", "identifier": "u1"}
    sandbox.ok("ratelimit.setOverride", {**named, "limit": 1, "duration": 1000})
    root_key = sandbox.root_key()
    for operation, body, status in (
        ("setOverride", {**named, "limit": 1, "duration": 1000}, 403),
        ("getOverride", named, 404),
        ("deleteOverride", named, 403),
        ("listOverrides", {"namespace": "ns"}, 403),
    ):
        assert sandbox.fails(f"ratelimit.{operation}", body, root_key=root_key)[0] == status
