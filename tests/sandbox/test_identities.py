from tests.sandbox.conftest import Sandbox, names

UNKNOWN = (404, "This identity does not exist.")
LIMIT = {"name": "reqs", "limit": 10, "duration": 60_000, "autoApply": True}


def test_an_identity_is_made_and_shown_by_either_name(sandbox: Sandbox) -> None:
    body = {"externalId": "u1", "meta": {"a": 1}, "ratelimits": [LIMIT], "extra": True}
    made = sandbox.ok("identities.createIdentity", body)["identityId"]
    shown = sandbox.ok("identities.getIdentity", {"identity": "u1"})
    [limit] = shown.pop("ratelimits")
    assert shown == {"externalId": "u1", "id": made, "meta": {"a": 1}}
    assert limit == {**LIMIT, "id": limit["id"]}
    again = sandbox.ok("identities.getIdentity", {"identity": made})
    assert again == {**shown, "ratelimits": [limit]}


def test_an_id_goes_before_an_equal_external_id(sandbox: Sandbox) -> None:
    made = sandbox.ok("identities.createIdentity", {"externalId": "u1"})["identityId"]
    sandbox.ok("identities.createIdentity", {"externalId": made})
    assert sandbox.ok("identities.getIdentity", {"identity": made})["externalId"] == "u1"


def test_an_external_id_is_unique_with_its_case(sandbox: Sandbox) -> None:
    sandbox.ok("identities.createIdentity", {"externalId": "u1"})
    sandbox.ok("identities.createIdentity", {"externalId": "U1"})
    assert sandbox.fails("identities.createIdentity", {"externalId": "u1"}) == (
        409,
        "Identity with externalId 'u1' already exists in this workspace.",
    )


def test_too_much_data_is_refused(sandbox: Sandbox) -> None:
    body = {"externalId": "u1", "meta": {"text": "x" * (1024 * 1024)}}
    assert sandbox.fails("identities.createIdentity", body) == (
        400,
        "Metadata is too large: it must be at most 1.0 MB, but is 1.0 MB.",
    )


def test_data_and_limits_are_replaced_and_the_answer_repeats_the_request(
    sandbox: Sandbox,
) -> None:
    body = {"externalId": "u1", "meta": {"a": 1}, "ratelimits": [LIMIT]}
    made = sandbox.ok("identities.createIdentity", body)["identityId"]
    before = sandbox.ok("identities.getIdentity", {"identity": "u1"})
    without_data = {name: before[name] for name in ("externalId", "id", "ratelimits")}
    assert sandbox.ok("identities.updateIdentity", {"identity": "u1"}) == without_data
    assert sandbox.ok("identities.getIdentity", {"identity": "u1"}) == before
    body = {"identity": made, "meta": {"b": 2}}
    updated = {**without_data, "meta": {"b": 2}}
    assert sandbox.ok("identities.updateIdentity", body) == updated
    other = {**LIMIT, "name": "other"}
    body = {"identity": "u1", "meta": {}, "ratelimits": [other, {**LIMIT, "limit": 20}]}
    shown = sandbox.ok("identities.updateIdentity", body)
    limits = {limit["name"]: limit for limit in shown["ratelimits"]}
    assert limits["reqs"] == {**before["ratelimits"][0], "limit": 20}
    assert limits["other"] == {**other, "id": limits["other"]["id"]}
    assert "meta" not in sandbox.ok("identities.getIdentity", {"identity": "u1"})
    body = {"identity": "u1", "ratelimits": []}
    assert sandbox.ok("identities.updateIdentity", body) == {"externalId": "u1", "id": made}


def test_limits_of_one_name_are_refused_in_an_update_and_joined_at_first(
    sandbox: Sandbox,
) -> None:
    twice = [LIMIT, {**LIMIT, "limit": 2}]
    sandbox.ok("identities.createIdentity", {"externalId": "u1", "ratelimits": twice})
    [limit] = sandbox.ok("identities.getIdentity", {"identity": "u1"})["ratelimits"]
    assert limit["limit"] == 2
    body = {"identity": "u1", "ratelimits": twice}
    assert sandbox.fails("identities.updateIdentity", body) == (
        400,
        "Ratelimit with name 'reqs' is already defined in the request",
    )


def test_a_deleted_identity_is_gone_and_its_name_free(sandbox: Sandbox) -> None:
    made = sandbox.ok("identities.createIdentity", {"externalId": "u1"})["identityId"]
    status, answer = sandbox.post("identities.deleteIdentity", {"identity": "u1"})
    assert (status, answer.keys()) == (200, {"meta"})
    for operation in ("getIdentity", "updateIdentity", "deleteIdentity"):
        for named in ("u1", made):
            assert sandbox.fails(f"identities.{operation}", {"identity": named}) == UNKNOWN
    again = sandbox.ok("identities.createIdentity", {"externalId": "u1"})["identityId"]
    assert again != made


def test_identities_are_listed_in_pages_and_searched(sandbox: Sandbox) -> None:
    for number in range(5):
        sandbox.ok("identities.createIdentity", {"externalId": f"user_{number}"})
    everything, _ = sandbox.listed("identities.listIdentities", {})
    assert len(everything) == 5
    first, pagination = sandbox.listed("identities.listIdentities", {"limit": 2})
    assert pagination == {"cursor": everything[2]["id"], "hasMore": True}
    rest, _ = sandbox.listed("identities.listIdentities", {"cursor": pagination["cursor"]})
    assert [*first, *rest] == everything
    found = sandbox.ok("identities.listIdentities", {"search": "USER_3"})
    assert names(found, "externalId") == ["user_3"]
    assert sandbox.ok("identities.listIdentities", {"search": "user3"}) == []


def test_who_may_not_read_an_identity_is_told_only_if_there_is_one(sandbox: Sandbox) -> None:
    root_key = sandbox.root_key()
    assert sandbox.ok("identities.listIdentities", {}, root_key=root_key) == []
    made = sandbox.ok("identities.createIdentity", {"externalId": "u1"})["identityId"]
    path = "unkey:v1:ws_sandbox0:projects/*/identities/*#read_identity"
    assert sandbox.fails("identities.listIdentities", {}, root_key=root_key) == (
        403,
        (
            f"Missing one of these permissions: identity.{made}.read_identity"
            f" or identity.*.read_identity or {path}"
        ),
    )
    assert sandbox.fails("identities.getIdentity", {"identity": "u1"}, root_key=root_key) == (
        403,
        (
            f"Missing one of these permissions: identity.*.read_identity"
            f" or identity.{made}.read_identity or {path}"
        ),
    )
    unknown = sandbox.fails("identities.getIdentity", {"identity": "u2"}, root_key=root_key)
    assert unknown == UNKNOWN
    for permission in (f"identity.{made}.read_identity", path):
        able = sandbox.root_key(permission)
        assert len(sandbox.ok("identities.listIdentities", {}, root_key=able)) == 1
