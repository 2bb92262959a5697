"""One body for each rule of the request schemas that nothing observed covers."""

import pytest

from naftiko_run.sandbox.unkey.gojson import Json
from tests.sandbox.conftest import Sandbox

KEY = {"keyId": "key_abc"}


@pytest.mark.parametrize(
    ("operation", "body", "fault"),
    [
        ("apis.getApi", {"apiId": "api_abc"}, "/properties/apiId/minLength"),
        ("apis.deleteApi", {"apiId": "api-abcdefg"}, "/properties/apiId/pattern"),
        ("apis.listKeys", {"apiId": "a", "externalId": ""}, "/properties/externalId/minLength"),
        ("keys.createKey", {"apiId": "api", "byteLength": 256}, "/properties/byteLength/maximum"),
        ("keys.createKey", {"apiId": "api", "prefix": "a" * 17}, "/properties/prefix/maxLength"),
        ("keys.createKey", {"apiId": "api", "expires": -1}, "/properties/expires/minimum"),
        ("keys.createKey", {"apiId": "api", "credits": None}, "/properties/credits/type"),
        (
            "keys.createKey",
            {"apiId": "api", "credits": {"remaining": 1, "refill": {"interval": "daily"}}},
            "/properties/credits/properties/refill/required",
        ),
        (
            "keys.createKey",
            {"apiId": "api", "roles": ["r"] * 101},
            "/properties/roles/maxItems",
        ),
        ("keys.getKey", {"keyId": "ke"}, "/properties/keyId/minLength"),
        ("keys.whoami", {"hash": "x", "key": "x"}, "/additionalProperties"),
        ("keys.whoami", {"key": "x" * 513}, "/properties/key/maxLength"),
        (
            "keys.updateKey",
            {**KEY, "credits": {"refill": {"interval": "daily", "amount": 0}}},
            "/properties/credits/properties/refill/properties/amount/minimum",
        ),
        ("keys.updateKey", {**KEY, "ratelimits": None}, "/properties/ratelimits/type"),
        ("keys.deleteKey", {"keyIds": ["a"], **KEY}, "/additionalProperties"),
        ("keys.deleteKey", {**KEY, "permanent": "yes"}, "/properties/permanent/type"),
        ("keys.rerollKey", {**KEY, "expiration": -1}, "/properties/expiration/minimum"),
        ("keys.verifyKey", {"key": "k", "tags": [""]}, "/properties/tags/items/minLength"),
        ("keys.verifyKey", {"key": "k", "tags": ["t"] * 21}, "/properties/tags/maxItems"),
        ("keys.verifyKey", {"key": "k", "permissions": ""}, "/properties/permissions/minLength"),
        ("keys.verifyKey", {"key": "k", "credits": {}}, "/properties/credits/required"),
        (
            "keys.verifyKey",
            {"key": "k", "ratelimits": [{"name": "ab", "x": 1}]},
            "/properties/ratelimits/items/properties/name/minLength",
        ),
        ("keys.verifyKey", {"key": "k", "apiId": "a"}, "/additionalProperties"),
        ("keys.updateCredits", {"keyId": "ab", "operation": "set"}, "/properties/keyId/minLength"),
        ("keys.addRoles", {**KEY, "roles": [""]}, "/properties/roles/items/minLength"),
        (
            "keys.addPermissions",
            {**KEY, "permissions": ["a"] * 1001},
            "/properties/permissions/maxItems",
        ),
        (
            "permissions.createPermission",
            {"name": "n", "slug": "s", "description": "x" * 513},
            "/properties/description/maxLength",
        ),
        ("permissions.createRole", {"name": ""}, "/properties/name/minLength"),
        ("permissions.getRole", {"roleId": "r", "role": "r"}, "/additionalProperties"),
        ("permissions.listRoles", {"search": "x" * 257}, "/properties/search/maxLength"),
        ("identities.createIdentity", {"externalId": "a b"}, "/properties/externalId/pattern"),
        ("identities.listIdentities", {"limit": 0}, "/properties/limit/minimum"),
        (
            "ratelimit.listOverrides",
            {"namespaceId": "n", "namespace": "n"},
            "/additionalProperties",
        ),
        ("analytics.getVerifications", {"query": None}, "/properties/query/type"),
    ],
)
def test_a_body_is_refused_for_one_reason(
    sandbox: Sandbox, operation: str, body: Json, fault: str
) -> None:
    [(location, _)] = sandbox.faults(operation, body)
    assert location == fault


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("keys.updateCredits", {"keyId": "a b", "operation": "set"}),
        ("keys.setPermissions", {**KEY, "permissions": ["a"] * 1001}),
        ("keys.rerollKey", {**KEY, "expiration": 0, "extra": 1}),
        ("keys.updateKey", {**KEY, "name": None, "externalId": None, "meta": None}),
    ],
)
def test_a_body_may_be_odd(sandbox: Sandbox, operation: str, body: Json) -> None:
    assert sandbox.fails(operation, body)[0] == 404
