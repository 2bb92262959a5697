import pytest

from naftiko_run.sandbox.unkey import ROOT_KEY
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.operations import OPERATIONS
from tests.sandbox.conftest import NOON, Sandbox

DOCS = "https://unkey.com/docs/errors"
MALFORMED = (
    "You must provide a valid root key in the Authorization header in the format"
    " 'Bearer ROOT_KEY'. Your authorization header is missing the 'Bearer ' prefix."
)


def refusal(sandbox: Sandbox, authorization: str) -> Json:
    headers = {"authorization": authorization, "accept": "application/json"}
    answer = sandbox.client.post("/v2/apis.createApi", json={"name": "abc"}, headers=headers)
    error = answer.json()["error"]
    assert error["status"] == answer.status_code
    return error


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "bearer x", ROOT_KEY])
def test_a_header_of_another_form_is_malformed(sandbox: Sandbox, header: str) -> None:
    assert refusal(sandbox, header) == {
        "detail": MALFORMED,
        "errors": [],
        "status": 400,
        "title": "Bad Request",
        "type": f"{DOCS}/unkey/authentication/malformed",
    }


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}])
def test_no_header_is_told_before_anything_in_the_body(
    sandbox: Sandbox, headers: dict[str, str]
) -> None:
    answer = sandbox.client.post("/v2/apis.createApi", content=b"{", headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "detail": "Authorization header for 'bearer' scheme",
        "errors": [
            {
                "fix": "Add an 'Authorization' header to this request",
                "location": "security",
                "message": "Authorization header was not found",
            }
        ],
        "status": 400,
        "title": "Bad Request",
        "type": f"{DOCS}/unkey/application/invalid_input",
    }


def test_the_body_is_told_before_a_wrong_root_key(sandbox: Sandbox) -> None:
    status, _ = sandbox.post("apis.createApi", {}, root_key="nope")
    assert status == 400
    status, _ = sandbox.post("apis.createApi", {"name": "abc"}, root_key="nope")
    assert status == 401


def test_an_unknown_root_key_and_an_ordinary_key_are_unauthorized(sandbox: Sandbox) -> None:
    _, text = sandbox.key()
    invalid = "The provided root key is invalid."
    for key, detail in (
        ("nope", f"{invalid} We could not find the requested key."),
        (text, invalid),
    ):
        assert refusal(sandbox, f"Bearer {key}") == {
            "detail": detail,
            "status": 401,
            "title": "Unauthorized",
            "type": f"{DOCS}/unkey/authentication/key_not_found",
        }


def test_a_root_key_can_be_disabled_or_expire(sandbox: Sandbox) -> None:
    sandbox.store.create_root_key("off", enabled=False)
    sandbox.store.create_root_key("over", expires=1_577_836_800_000)
    sandbox.store.create_root_key("later", expires=NOON + 1)
    assert refusal(sandbox, "Bearer off") == {
        "detail": "The provided root key is invalid. The key is disabled.",
        "status": 403,
        "title": "Key is disabled",
        "type": f"{DOCS}/unkey/authorization/key_disabled",
    }
    assert refusal(sandbox, "Bearer over") == {
        "detail": "The provided root key is invalid. the key has expired on 2020-01-01T00:00:00Z",
        "status": 403,
        "title": "Forbidden",
        "type": f"{DOCS}/unkey/authorization/forbidden",
    }
    assert sandbox.ok("apis.createApi", {"name": "abc"}, root_key="later")
    sandbox.now += 1
    assert refusal(sandbox, "Bearer later")["status"] == 403


def test_a_disabled_workspace_lets_nobody_in(sandbox: Sandbox) -> None:
    sandbox.store.set_workspace("ws_sandbox0", enabled=False)
    assert refusal(sandbox, f"Bearer {ROOT_KEY}") == {
        "detail": "The provided root key is invalid. The workspace is disabled.",
        "status": 403,
        "title": "Workspace is disabled",
        "type": f"{DOCS}/unkey/authorization/workspace_disabled",
    }


def test_a_workspace_may_ask_so_much_a_minute(sandbox: Sandbox) -> None:
    api = sandbox.api()
    sandbox.now = NOON + 28_500

    def ask(**headers: str) -> tuple[int, list[str | None]]:
        headers = {"authorization": f"Bearer {ROOT_KEY}", **headers}
        answer = sandbox.client.post("/v2/apis.getApi", json={"apiId": api}, headers=headers)
        names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after")
        return answer.status_code, [answer.headers.get(name) for name in names]

    assert ask() == (200, [None] * 4)
    sandbox.store.set_workspace("ws_sandbox0", requests_per_minute=2)
    assert ask() == (200, ["2", "1", "32", None])
    assert ask(authorization="Bearer nope") == (401, [None] * 4)
    assert ask(authorization=f"Bearer {sandbox.root_key()}") == (403, ["2", "0", "32", None])
    assert ask() == (429, ["2", "0", "32", "32"])
    assert sandbox.post("apis.getApi", {"apiId": api})[1]["error"] == {
        "detail": "This workspace has exceeded its API rate limit of 2/1m0s."
        " Please try again later.",
        "status": 429,
        "title": "Too Many Requests",
        "type": f"{DOCS}/user/too_many_requests/workspace_rate_limited",
    }
    sandbox.now += 120_000
    assert ask()[0] == 200
    sandbox.store.set_workspace("ws_sandbox0", requests_per_minute=0)
    assert ask()[0] == 429


def test_workspaces_do_not_see_each_other(sandbox: Sandbox) -> None:
    sandbox.store.create_root_key("other", workspace="ws_other")
    api = sandbox.api()
    key, text = sandbox.key(apiId=api, externalId="u1", permissions=["p"])
    sandbox.ok("permissions.createRole", {"name": "r"})
    limit = {"namespace": "ns", "identifier": "u1", "limit": 1, "duration": 60_000}
    sandbox.ok("ratelimit.limit", limit)
    for operation, body in (
        ("apis.getApi", {"apiId": api}),
        ("apis.deleteApi", {"apiId": api}),
        ("apis.listKeys", {"apiId": api}),
        ("keys.createKey", {"apiId": api}),
        ("keys.getKey", {"keyId": key}),
        ("keys.whoami", {"key": text}),
        ("keys.updateKey", {"keyId": key}),
        ("keys.rerollKey", {"keyId": key, "expiration": 0}),
        ("keys.addRoles", {"keyId": key, "roles": ["r"]}),
        ("permissions.getPermission", {"permission": "p"}),
        ("permissions.getRole", {"role": "r"}),
        ("identities.getIdentity", {"identity": "u1"}),
        ("ratelimit.listOverrides", {"namespace": "ns"}),
    ):
        assert sandbox.fails(operation, body, root_key="other")[0] == 404, operation
    verified = sandbox.ok("keys.verifyKey", {"key": text}, root_key="other")
    assert verified == {"code": "NOT_FOUND", "valid": False}
    for operation in ("permissions.listPermissions", "permissions.listRoles"):
        assert sandbox.ok(operation, {}, root_key="other") == []
    sandbox.ok("permissions.createRole", {"name": "r"}, root_key="other")
    sandbox.ok("identities.createIdentity", {"externalId": "u1"}, root_key="other")
    assert sandbox.ok("ratelimit.limit", limit, root_key="other")["success"]


def test_who_may_do_nothing_is_told_what_is_missing(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, text = sandbox.key(apiId=api)
    row = sandbox.store.db.one("SELECT keyspace_id FROM apis WHERE id = ?", api)
    assert row is not None
    space = f"unkey:v1:ws_sandbox0:keyspaces/{row['keyspace_id']}"
    root_key = sandbox.root_key()

    def one_of(*permissions: str) -> tuple[int, str]:
        return 403, f"Missing one of these permissions: {' or '.join(permissions)}"

    def on_key(action: str) -> tuple[str, str, str]:
        return f"api.*.{action}", f"api.{api}.{action}", f"{space}/keys/{key}#{action}"

    identities = "unkey:v1:ws_sandbox0:projects/*/identities/*"
    masked_key = f"The specified key was not found. {one_of(*on_key('read_key'))[1]}"
    table: dict[str, tuple[Json, tuple[int, str]]] = {
        "apis.createApi": ({"name": "abc"}, (403, "Missing permission: 'api.*.create_api'")),
        "apis.getApi": ({"apiId": api}, one_of("api.*.read_api", f"api.{api}.read_api")),
        "apis.deleteApi": ({"apiId": api}, one_of("api.*.delete_api", f"api.{api}.delete_api")),
        "apis.listKeys": (
            {"apiId": api},
            (404, "The requested API does not exist or has been deleted."),
        ),
        "keys.createKey": ({"apiId": api}, (404, "The specified API was not found.")),
        "keys.getKey": ({"keyId": key}, one_of(*on_key("read_key"))),
        "keys.whoami": ({"key": text}, (404, masked_key)),
        "keys.updateKey": ({"keyId": key}, one_of(*on_key("update_key"))),
        "keys.deleteKey": ({"keyId": key}, one_of(*on_key("delete_key"))),
        "keys.rerollKey": (
            {"keyId": key, "expiration": 0},
            one_of("api.*.create_key", f"api.{api}.create_key", f"{space}#create_key"),
        ),
        "keys.updateCredits": (
            {"keyId": key, "operation": "set"},
            one_of(*on_key("update_key")),
        ),
        "keys.removeRoles": ({"keyId": key, "roles": ["r"]}, one_of(*on_key("update_key"))),
        "permissions.createPermission": (
            {"name": "n", "slug": "s"},
            (403, "Missing permission: 'rbac.*.create_permission'"),
        ),
        "permissions.getPermission": (
            {"permission": "none"},
            one_of("rbac.*.read_permission"),
        ),
        "permissions.listPermissions": ({}, one_of("rbac.*.read_permission")),
        "permissions.deletePermission": (
            {"permission": "none"},
            one_of("rbac.*.delete_permission"),
        ),
        "permissions.createRole": ({"name": "n"}, one_of("rbac.*.create_role")),
        "permissions.getRole": ({"role": "none"}, one_of("rbac.*.read_role")),
        "permissions.listRoles": ({}, one_of("rbac.*.read_role")),
        "permissions.deleteRole": ({"role": "none"}, one_of("rbac.*.delete_role")),
        "identities.createIdentity": (
            {"externalId": "u"},
            one_of("identity.*.create_identity", f"{identities}#create_identity"),
        ),
        "identities.updateIdentity": (
            {"identity": "none"},
            one_of("identity.*.update_identity", f"{identities}#update_identity"),
        ),
        "identities.deleteIdentity": (
            {"identity": "none"},
            one_of("identity.*.delete_identity"),
        ),
    }
    for operation, (body, refused) in table.items():
        assert sandbox.fails(operation, body, root_key=root_key) == refused, operation


def test_no_operation_answers_without_a_root_key() -> None:
    sandbox = Sandbox()
    for path in OPERATIONS:
        assert sandbox.client.post(path, json={}).status_code == 400
