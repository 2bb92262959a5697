from tests.sandbox.conftest import NOON, Sandbox, names

NOT_FOUND = (404, "The requested API does not exist or has been deleted.")


def test_an_api_is_made_shown_and_deleted_once(sandbox: Sandbox) -> None:
    api = sandbox.ok("apis.createApi", {"name": "orders & <more>"})["apiId"]
    shown = sandbox.ok("apis.getApi", {"apiId": api})
    assert shown == {"id": api, "name": "orders & <more>"}
    assert sandbox.ok("apis.deleteApi", {"apiId": api}) == {}
    for operation in ("getApi", "deleteApi", "listKeys"):
        assert sandbox.fails(f"apis.{operation}", {"apiId": api}) == NOT_FOUND


def test_names_of_apis_need_not_differ(sandbox: Sandbox) -> None:
    assert sandbox.api() != sandbox.api()


def test_a_protected_api_is_not_deleted(sandbox: Sandbox) -> None:
    api = sandbox.api()
    sandbox.store.protect_api(api)
    status, answer = sandbox.post("apis.deleteApi", {"apiId": api})
    assert status == 412
    assert answer["error"] == {
        "detail": "This API has delete protection enabled. Disable it before attempting to delete.",
        "status": 412,
        "title": "Resource is protected",
        "type": "https://unkey.com/docs/errors/unkey/application/protected_resource",
    }
    sandbox.store.protect_api(api, protected=False)
    assert sandbox.ok("apis.deleteApi", {"apiId": api}) == {}


def test_keys_of_a_deleted_api_are_gone_and_new_ones_never_verify(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, text = sandbox.key(apiId=api)
    sandbox.ok("apis.deleteApi", {"apiId": api})
    gone = (404, "We could not find the requested key.")
    assert sandbox.verify(text) == {"code": "NOT_FOUND", "valid": False}
    assert sandbox.fails("keys.getKey", {"keyId": key}) == gone
    assert sandbox.fails("keys.whoami", {"key": text}) == gone
    assert sandbox.fails("keys.updateKey", {"keyId": key}) == gone
    assert sandbox.fails("keys.deleteKey", {"keyId": key}) == gone
    _, later = sandbox.key(apiId=api)
    assert sandbox.verify(later) == {"code": "NOT_FOUND", "valid": False}


def test_keys_are_listed_in_pages_that_begin_where_the_last_one_says(sandbox: Sandbox) -> None:
    api = sandbox.api()
    made = {sandbox.key(apiId=api)[0] for _ in range(7)}
    in_order, pagination = sandbox.listed("apis.listKeys", {"apiId": api})
    ids = names(in_order, "keyId")
    assert set(ids) == made
    assert pagination == {"hasMore": False}
    assert ids == sorted(ids, key=lambda text: (text.lower(), [not c.islower() for c in text]))

    first, pagination = sandbox.listed("apis.listKeys", {"apiId": api, "limit": 3})
    assert names(first, "keyId") == ids[:3]
    assert pagination == {"cursor": ids[3], "hasMore": True}
    second, pagination = sandbox.listed("apis.listKeys", {"apiId": api, "cursor": ids[3]})
    assert names(second, "keyId") == ids[3:]
    assert pagination == {"hasMore": False}
    assert sandbox.listed("apis.listKeys", {"apiId": api, "cursor": "zzz"}) == (
        [],
        {"hasMore": False},
    )


def test_keys_are_listed_by_identity(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, text = sandbox.key(apiId=api, externalId="u1")
    sandbox.key(apiId=api, externalId="U1")
    sandbox.key(apiId=api)
    sandbox.key(externalId="u1")
    [shown] = sandbox.ok("apis.listKeys", {"apiId": api, "externalId": "u1"})
    assert shown == {
        "createdAt": NOON,
        "enabled": True,
        "identity": {"externalId": "u1", "id": shown["identity"]["id"]},
        "keyId": key,
        "start": text[:4],
    }
    assert sandbox.listed("apis.listKeys", {"apiId": api, "externalId": "nobody"}) == (
        [],
        {"hasMore": False},
    )


def test_a_list_shows_what_is_left_of_a_deleted_identity(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, _ = sandbox.key(apiId=api, externalId="u1")
    identity = sandbox.ok("identities.getIdentity", {"identity": "u1"})["id"]
    sandbox.ok("identities.deleteIdentity", {"identity": "u1"})
    [shown] = sandbox.ok("apis.listKeys", {"apiId": api})
    assert shown["identity"] == {"externalId": "", "id": identity}
    assert "identity" not in sandbox.ok("keys.getKey", {"keyId": key})


def test_keys_in_plain_text_need_a_vault(sandbox: Sandbox) -> None:
    api = sandbox.api()
    key, _ = sandbox.key(apiId=api)
    no_vault = (412, "Vault hasn't been set up.")
    assert sandbox.fails("apis.listKeys", {"apiId": api, "decrypt": True}) == no_vault
    assert sandbox.fails("keys.getKey", {"keyId": key, "decrypt": True}) == no_vault
    assert sandbox.fails("keys.createKey", {"apiId": api, "recoverable": True}) == no_vault
    again = {"apiId": api, "decrypt": False, "revalidateKeysCache": True}
    assert len(sandbox.ok("apis.listKeys", again)) == 1
