"""The published Python SDK, unchanged, against a served sandbox: every operation both know."""

import asyncio
from collections.abc import Iterator

import pytest
from unkey.py import Unkey, errors, models

from naftiko_run.sandbox.unkey import ROOT_KEY

LIMIT: models.RatelimitRequestTypedDict = {
    "name": "requests",
    "limit": 5,
    "duration": 60_000,
    "auto_apply": True,
}

# A library that the SDK imports late uses names that Python has given up.
pytestmark = pytest.mark.filterwarnings(r"ignore:ast\.:DeprecationWarning")


@pytest.fixture
def unkey(origin: str) -> Iterator[Unkey]:
    with Unkey(root_key=ROOT_KEY, server_url=origin) as sdk:
        yield sdk


def make_key(unkey: Unkey) -> models.V2KeysCreateKeyResponseData:
    api = unkey.apis.create_api(name="an api").data.api_id
    return unkey.keys.create_key(
        api_id=api,
        prefix="prod",
        name="A key",
        external_id="sdk_user",
        meta={"plan": "pro"},
        permissions=["docs.read"],
        expires=4_102_444_800_000,
        credits={
            "remaining": 9,
            "refill": {"interval": models.KeyCreditsRefillInterval.DAILY, "amount": 9},
        },
        ratelimits=[LIMIT],
    ).data


def test_apis_and_their_keys(unkey: Unkey) -> None:
    api = unkey.apis.create_api(name="sdk api").data.api_id
    shown = unkey.apis.get_api(api_id=api).data
    assert (shown.id, shown.name) == (api, "sdk api")
    made = {unkey.keys.create_key(api_id=api).data.key_id for _ in range(5)}
    listed: list[str] = []
    answer = unkey.apis.list_keys(api_id=api, limit=2)
    while answer is not None:
        listed += [key.key_id for key in answer.result.data]
        answer = answer.next()
    assert set(listed) == made
    assert len(listed) == 5
    unkey.apis.delete_api(api_id=api)
    with pytest.raises(errors.NotFoundErrorResponse) as raised:
        unkey.apis.get_api(api_id=api)
    assert raised.value.data.error.title == "Not Found"


def test_a_key_from_first_to_last(unkey: Unkey) -> None:
    made = make_key(unkey)
    shown = unkey.keys.get_key(key_id=made.key_id).data
    assert shown.identity is not None
    assert (shown.name, shown.start, shown.meta) == ("A key", made.key[:9], {"plan": "pro"})
    assert shown.identity.external_id == "sdk_user"
    assert unkey.keys.whoami(key=made.key).data == shown
    verified = unkey.keys.verify_key(
        key=made.key,
        tags=["a=b"],
        permissions="docs.read",
        credits={"cost": 2},
        ratelimits=[models.KeysVerifyKeyRatelimit(name="requests", cost=2)],
        migration_id="m",
    ).data
    assert verified.valid
    assert verified.code == models.Code.VALID
    assert verified.credits == 7
    assert verified.ratelimits is not None
    assert verified.ratelimits[0].remaining == 3
    refused = unkey.keys.verify_key(key=made.key, permissions="docs.write").data
    assert refused.code == models.Code.INSUFFICIENT_PERMISSIONS

    operation = models.Operation
    credits_ = unkey.keys.update_credits(
        key_id=made.key_id, operation=operation.INCREMENT, value=3
    ).data
    assert credits_.remaining == 10
    credits_ = unkey.keys.update_credits(
        key_id=made.key_id, operation=operation.SET, value=None
    ).data
    assert credits_.remaining is None

    unkey.keys.update_key(key_id=made.key_id, name=None, enabled=False, meta={"plan": "free"})
    shown = unkey.keys.get_key(key_id=made.key_id).data
    assert (shown.name, shown.enabled, shown.meta) == (None, False, {"plan": "free"})
    assert unkey.keys.verify_key(key=made.key).data.code == models.Code.DISABLED

    rerolled = unkey.keys.reroll_key(key_id=made.key_id, expiration=0).data
    assert rerolled.key.startswith("prod_")
    unkey.keys.delete_key(key_id=made.key_id, permanent=True)
    gone = unkey.keys.verify_key(key=made.key).data
    assert (gone.valid, gone.code) == (False, models.Code.NOT_FOUND)


def test_grants(unkey: Unkey) -> None:
    key = make_key(unkey).key_id
    unkey.permissions.create_role(name="sdk editor", permissions=["docs.edit"])
    added = unkey.keys.add_permissions(key_id=key, permissions=["docs.write"]).data
    assert [each.slug for each in added] == ["docs.read", "docs.write"]
    left = unkey.keys.remove_permissions(key_id=key, permissions=["docs.read"]).data
    assert [each.slug for each in left] == ["docs.write"]
    left = unkey.keys.set_permissions(key_id=key, permissions=["docs.list"]).data
    assert [each.slug for each in left] == ["docs.list"]
    [role] = unkey.keys.add_roles(key_id=key, roles=["sdk editor"]).data
    assert role.permissions is not None
    assert role.permissions[0].slug == "docs.edit"
    assert unkey.keys.get_key(key_id=key).data.roles == ["sdk editor"]
    assert unkey.keys.remove_roles(key_id=key, roles=["sdk editor"]).data == []
    [role] = unkey.keys.set_roles(key_id=key, roles=["sdk editor"]).data
    assert role.name == "sdk editor"


def test_permissions_and_roles(unkey: Unkey) -> None:
    made = unkey.permissions.create_permission(name="Read", slug="sdk.read", description="d")
    permission = unkey.permissions.get_permission(permission="sdk.read").data
    assert (permission.id, permission.description) == (made.data.permission_id, "d")
    with pytest.raises(errors.ConflictErrorResponse):
        unkey.permissions.create_permission(name="Read", slug="SDK.read")
    role = unkey.permissions.create_role(name="sdk role", permissions=["sdk.read"]).data.role_id
    shown = unkey.permissions.get_role(role="sdk role").data
    assert shown.id == role
    assert shown.permissions == [permission]
    permissions = unkey.permissions.list_permissions(limit=1, search="sdk.")
    assert permissions is not None
    assert permissions.result.data == [permission]
    roles = unkey.permissions.list_roles(search="sdk role")
    assert roles is not None
    assert [each.id for each in roles.result.data] == [role]
    unkey.permissions.delete_role(role=role)
    unkey.permissions.delete_permission(permission="sdk.read")
    with pytest.raises(errors.NotFoundErrorResponse):
        unkey.permissions.get_permission(permission="sdk.read")


def test_identities(unkey: Unkey) -> None:
    made = unkey.identities.create_identity(external_id="sdk.1", meta={"a": 1}, ratelimits=[LIMIT])
    shown = unkey.identities.get_identity(identity="sdk.1").data
    assert (shown.id, shown.meta) == (made.data.identity_id, {"a": 1})
    updated = unkey.identities.update_identity(identity="sdk.1", meta={"b": 2}, ratelimits=[])
    assert (updated.data.meta, updated.data.ratelimits) == ({"b": 2}, None)
    listed = unkey.identities.list_identities(search="sdk.1")
    assert listed is not None
    assert [each.id for each in listed.result.data] == [shown.id]
    unkey.identities.delete_identity(identity="sdk.1")
    # For this operation the SDK knows the refusal as a problem only, and asks for plain JSON.
    with pytest.raises(errors.APIError) as raised:
        unkey.identities.delete_identity(identity="sdk.1")
    assert raised.value.status_code == 404


def test_ratelimits_and_overrides(unkey: Unkey) -> None:
    namespace = "sdk.ns"
    taken = unkey.ratelimit.limit(
        namespace=namespace, identifier="u1", limit=3, duration=3_600_000, cost=2
    ).data
    assert (taken.success, taken.limit, taken.remaining) == (True, 3, 1)
    wanted: list[models.V2RatelimitLimitRequestBodyTypedDict] = [
        {"namespace": namespace, "identifier": "u1", "limit": 3, "duration": 3_600_000},
        {"namespace": namespace, "identifier": "u2", "limit": 1, "duration": 1000, "cost": 2},
    ]
    several = unkey.ratelimit.multi_limit(request=wanted).data
    assert not several.passed
    assert [each.passed for each in several.limits] == [True, False]
    made = unkey.ratelimit.set_override(
        namespace=namespace, identifier="v*", limit=7, duration=60_000
    ).data.override_id
    shown = unkey.ratelimit.get_override(namespace=namespace, identifier="vip").data
    assert (shown.override_id, shown.identifier, shown.limit) == (made, "v*", 7)
    listed = unkey.ratelimit.list_overrides(namespace=namespace)
    assert listed is not None
    assert listed.result.data == [shown]
    taken = unkey.ratelimit.limit(
        namespace=namespace, identifier="vip", limit=3, duration=1000
    ).data
    assert (taken.override_id, taken.remaining) == (made, 6)
    unkey.ratelimit.delete_override(namespace=namespace, identifier="v*")
    with pytest.raises(errors.NotFoundErrorResponse):
        unkey.ratelimit.get_override(namespace=namespace, identifier="vip")


def test_refusals_arrive_as_the_errors_of_the_sdk(unkey: Unkey, origin: str) -> None:
    with pytest.raises(errors.BadRequestErrorResponse) as bad:
        unkey.apis.create_api(name="ab")
    [fault] = bad.value.data.error.errors
    assert (fault.location, fault.message) == (
        "/properties/name/minLength",
        "minLength: got 2, want 3",
    )
    with pytest.raises(errors.APIError) as precondition:  # the SDK knows no 412 here
        unkey.analytics.get_verifications(query="SELECT 1")
    assert precondition.value.status_code == 412
    with (
        Unkey(root_key="unkey_nope", server_url=origin) as stranger,
        pytest.raises(errors.UnauthorizedErrorResponse),
    ):
        stranger.apis.create_api(name="an api")


def test_the_asynchronous_client(origin: str) -> None:
    async def run() -> set[models.Code]:
        async with Unkey(root_key=ROOT_KEY, server_url=origin) as sdk:
            api = (await sdk.apis.create_api_async(name="an api")).data.api_id
            key = (await sdk.keys.create_key_async(api_id=api)).data.key
            verify = (sdk.keys.verify_key_async(key=key) for _ in range(20))
            return {answer.data.code for answer in await asyncio.gather(*verify)}

    assert asyncio.run(run()) == {models.Code.VALID}
