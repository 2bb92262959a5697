"""The Unkey capabilities and the consumed API they import, read as plain YAML.

The table says what the real API accepts: https://api.unkey.com, version 2.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SEEDS = ROOT.parent / "shared" / "seeds"
SHARED = ROOT / "shared" / "unkey.yaml"
CAPABILITIES = (
    ROOT / "capabilities" / "api-key-management.yaml",
    ROOT / "capabilities" / "identity-management.yaml",
)

TEMPLATE = re.compile(r"\{\{\s*tools\.(\w+)\s*(?:\|\s*slug\s*)?\}\}")

STRING, INTEGER, BOOLEAN, OBJECT, ARRAY = "string", "integer", "boolean", "object", "array"
PAGE = {"limit": INTEGER, "cursor": STRING}
SEARCH = PAGE | {"search": STRING}


@dataclass(frozen=True)
class Expected:
    """One operation of the real API: body keys by type, and which parameter fills a renamed one."""

    path: str
    required: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    nullable: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    @property
    def keys(self) -> dict[str, str]:
        return {**self.required, **self.optional}


IDENTITY = {"identity": "identityId"}
KEY = {"keyId": STRING}
KEY_PERMISSIONS = {"keyId": STRING, "permissions": ARRAY}
KEY_ROLES = {"keyId": STRING, "roles": ARRAY}
OVERRIDE = {"namespace": STRING, "identifier": STRING}

OPERATIONS = {
    "create-api": Expected("/v2/apis.createApi", {"name": STRING}),
    "get-api": Expected("/v2/apis.getApi", {"apiId": STRING}),
    "delete-api": Expected("/v2/apis.deleteApi", {"apiId": STRING}),
    "list-keys": Expected(
        "/v2/apis.listKeys",
        {"apiId": STRING},
        PAGE | {"externalId": STRING, "decrypt": BOOLEAN, "revalidateKeysCache": BOOLEAN},
    ),
    "create-key": Expected(
        "/v2/keys.createKey",
        {"apiId": STRING},
        {
            "prefix": STRING,
            "name": STRING,
            "byteLength": INTEGER,
            "externalId": STRING,
            "meta": OBJECT,
            "roles": ARRAY,
            "permissions": ARRAY,
            "expires": INTEGER,
            "credits": OBJECT,
            "ratelimits": ARRAY,
            "enabled": BOOLEAN,
            "recoverable": BOOLEAN,
        },
    ),
    "get-key": Expected("/v2/keys.getKey", KEY, {"decrypt": BOOLEAN}),
    "whoami": Expected("/v2/keys.whoami", {"key": STRING}),
    "update-key": Expected(
        "/v2/keys.updateKey",
        KEY,
        {
            "name": STRING,
            "externalId": STRING,
            "meta": OBJECT,
            "expires": INTEGER,
            "credits": OBJECT,
            "ratelimits": ARRAY,
            "enabled": BOOLEAN,
            "roles": ARRAY,
            "permissions": ARRAY,
        },
        nullable=frozenset({"name", "externalId", "meta", "expires", "credits"}),
    ),
    "delete-key": Expected("/v2/keys.deleteKey", KEY, {"permanent": BOOLEAN}),
    "reroll-key": Expected("/v2/keys.rerollKey", {"keyId": STRING, "expiration": INTEGER}),
    "verify-key": Expected(
        "/v2/keys.verifyKey",
        {"key": STRING},
        {
            "tags": ARRAY,
            "permissions": STRING,
            "credits": OBJECT,
            "ratelimits": ARRAY,
            "migrationId": STRING,
        },
    ),
    "update-credits": Expected(
        "/v2/keys.updateCredits",
        {"keyId": STRING, "operation": STRING},
        {"value": INTEGER},
        nullable=frozenset({"value"}),
    ),
    "add-permissions": Expected("/v2/keys.addPermissions", KEY_PERMISSIONS),
    "remove-permissions": Expected("/v2/keys.removePermissions", KEY_PERMISSIONS),
    "set-permissions": Expected("/v2/keys.setPermissions", KEY_PERMISSIONS),
    "add-roles": Expected("/v2/keys.addRoles", KEY_ROLES),
    "remove-roles": Expected("/v2/keys.removeRoles", KEY_ROLES),
    "set-roles": Expected("/v2/keys.setRoles", KEY_ROLES),
    "create-permission": Expected(
        "/v2/permissions.createPermission",
        {"name": STRING, "slug": STRING},
        {"description": STRING},
    ),
    "get-permission": Expected("/v2/permissions.getPermission", {"permission": STRING}),
    "list-permissions": Expected("/v2/permissions.listPermissions", optional=SEARCH),
    "delete-permission": Expected("/v2/permissions.deletePermission", {"permission": STRING}),
    "create-role": Expected(
        "/v2/permissions.createRole",
        {"name": STRING},
        {"description": STRING, "permissions": ARRAY},
    ),
    "get-role": Expected("/v2/permissions.getRole", {"role": STRING}),
    "list-roles": Expected("/v2/permissions.listRoles", optional=SEARCH),
    "delete-role": Expected("/v2/permissions.deleteRole", {"role": STRING}),
    "create-identity": Expected(
        "/v2/identities.createIdentity",
        {"externalId": STRING},
        {"meta": OBJECT, "ratelimits": ARRAY},
    ),
    "get-identity": Expected("/v2/identities.getIdentity", {"identity": STRING}, renamed=IDENTITY),
    "list-identities": Expected("/v2/identities.listIdentities", optional=SEARCH),
    "update-identity": Expected(
        "/v2/identities.updateIdentity",
        {"identity": STRING},
        {"meta": OBJECT, "ratelimits": ARRAY},
        renamed=IDENTITY,
    ),
    "delete-identity": Expected(
        "/v2/identities.deleteIdentity", {"identity": STRING}, renamed=IDENTITY
    ),
    "limit": Expected(
        "/v2/ratelimit.limit",
        {"namespace": STRING, "identifier": STRING, "limit": INTEGER, "duration": INTEGER},
        {"cost": INTEGER},
    ),
    "multi-limit": Expected("/v2/ratelimit.multiLimit"),
    "set-override": Expected(
        "/v2/ratelimit.setOverride", OVERRIDE | {"limit": INTEGER, "duration": INTEGER}
    ),
    "get-override": Expected("/v2/ratelimit.getOverride", OVERRIDE),
    "list-overrides": Expected("/v2/ratelimit.listOverrides", {"namespace": STRING}, PAGE),
    "delete-override": Expected("/v2/ratelimit.deleteOverride", OVERRIDE),
    "get-verifications": Expected("/v2/analytics.getVerifications", {"query": STRING}),
    "liveness": Expected("/v2/liveness", method="GET"),
}

DEFAULTS = {
    ("create-permission", "slug"): "{{tools.name | slug}}",
    ("delete-key", "permanent"): True,
    ("reroll-key", "expiration"): 0,
}

JSON_SCHEMA_KEYWORDS = {
    *("items", "properties", "enum", "pattern"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
}


def load(path: Path) -> Any:  # noqa: ANN401 - the tests look into plain YAML
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SPEC = load(SHARED)
CONSUMED = SPEC["consumes"][0]
FOUND = [
    (resource, operation)
    for resource in CONSUMED["resources"]
    for operation in resource["operations"]
]
BY_NAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    operation["name"]: (resource, operation) for resource, operation in FOUND
}


def parameters(operation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {parameter["name"]: parameter for parameter in operation.get("inputParameters", [])}


def elements(operation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What templates may name: the parameters, and one element of the array of ``forEach``."""
    named = parameters(operation)
    if "forEach" in operation:
        array = named[operation["forEach"]]
        named[operation["as"]] = {**array["items"], "required": array["required"]}
    return named


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML value
    match value:
        case str():
            yield value
        case dict():
            for member in value.values():
                yield from texts(member)
        case list():
            for member in value:
                yield from texts(member)


def units(capability: Path) -> list[tuple[str, str, Mapping[str, str]]]:
    """Every REST operation and MCP tool: a name, its call, its ``with``."""
    found = []
    for adapter in load(capability)["capability"]["exposes"]:
        listed = adapter.get("tools") or [
            operation for resource in adapter["resources"] for operation in resource["operations"]
        ]
        found += [
            (f"{adapter['type']} {unit['name']}", unit["call"], unit.get("with", {}))
            for unit in listed
        ]
    return found


UNITS = [
    pytest.param(call, arguments, id=f"{path.stem}: {name}")
    for path in CAPABILITIES
    for name, call, arguments in units(path)
]


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda path: path.name)
def test_the_capabilities_are_the_seeds_byte_for_byte(capability: Path) -> None:
    seed = SEEDS / capability.name
    if not seed.exists():
        pytest.skip("no seeds beside this repository")
    assert capability.read_bytes() == seed.read_bytes()


@pytest.mark.parametrize("path", [SHARED, *CAPABILITIES], ids=lambda path: path.name)
def test_no_key_stands_twice_and_nothing_is_an_alias(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not [event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)]
    nodes = [yaml.compose(text)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), node.start_mark
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda path: path.name)
def test_the_import_finds_the_shared_file(capability: Path) -> None:
    (entry,) = load(capability)["capability"]["consumes"]
    beside = capability.parent / entry["location"]
    above = capability.parent.parent / entry["location"]
    assert not beside.exists()
    assert above.resolve() == SHARED.resolve()
    assert entry["import"] == CONSUMED["namespace"]


def test_the_shared_file_is_a_list_of_one_http_api_with_its_root_key() -> None:
    assert set(SPEC) == {"naftiko", "binds", "consumes"}
    assert SPEC["naftiko"] == "1.0.0-alpha2"
    (bind,) = SPEC["binds"]
    assert (bind["namespace"], bind["keys"]) == ("env", {"UNKEY_ROOT_KEY": "UNKEY_ROOT_KEY"})
    assert len(SPEC["consumes"]) == 1
    assert CONSUMED["type"] == "http"
    assert CONSUMED["namespace"] == "unkey"
    assert CONSUMED["baseUri"] == "https://api.unkey.com"
    assert CONSUMED["authentication"] == {"type": "bearer", "token": "{{UNKEY_ROOT_KEY}}"}


def test_every_operation_is_declared_once_and_no_other() -> None:
    assert sorted(operation["name"] for _, operation in FOUND) == sorted(OPERATIONS)


def test_every_operation_has_a_resource_of_its_own_as_the_language_wants_for_own_paths() -> None:
    names = [resource["name"] for resource, _ in FOUND]
    assert len(names) == len(set(names)) == len(CONSUMED["resources"])
    assert all(re.fullmatch("[a-zA-Z0-9-]+", name) for name in (*names, *BY_NAME))
    assert not [operation["name"] for _, operation in FOUND if "path" in operation]


@pytest.mark.parametrize(("name", "expected"), OPERATIONS.items(), ids=OPERATIONS)
def test_an_operation_calls_the_real_method_and_path(name: str, expected: Expected) -> None:
    resource, operation = BY_NAME[name]
    assert (operation["method"], resource["path"]) == (expected.method, expected.path)
    assert operation["description"].endswith(".")
    assert operation["outputRawFormat"] == "json"
    assert operation["outputParameters"] == [{"name": "result", "type": OBJECT, "value": "$."}]


@pytest.mark.parametrize(("name", "expected"), OPERATIONS.items(), ids=OPERATIONS)
def test_an_operation_sends_exactly_the_real_body(name: str, expected: Expected) -> None:
    _, operation = BY_NAME[name]
    if name == "liveness":
        assert "body" not in operation
        return
    body = operation["body"]
    assert body["type"] == "json"
    if name == "multi-limit":
        assert body["data"] == "{{tools.limits}}"
        return
    assert body["data"] == {
        key: f"{{{{tools.{expected.renamed.get(key, key)}}}}}" for key in expected.keys
    }


@pytest.mark.parametrize(("name", "expected"), OPERATIONS.items(), ids=OPERATIONS)
def test_a_body_key_has_the_real_type_and_is_sent_when_it_must_be(
    name: str, expected: Expected
) -> None:
    _, operation = BY_NAME[name]
    named = elements(operation)
    for key, kind in expected.keys.items():
        parameter = named[expected.renamed.get(key, key)]
        assert parameter["type"] == kind, key
        always_sent = parameter["required"] or (name, key) in DEFAULTS
        assert always_sent or key in expected.optional, key
        assert not parameter["required"] or key in expected.required, key
        assert parameter.get("nullable", False) is (key in expected.nullable), key


@pytest.mark.parametrize("name", OPERATIONS)
def test_templates_name_parameters_only_and_every_parameter_is_used(name: str) -> None:
    _, operation = BY_NAME[name]
    body = list(texts(operation.get("body", {}).get("data")))
    defaults = [text for parameter in parameters(operation).values() for text in texts(parameter)]
    used = {name for text in body for name in TEMPLATE.findall(text)}
    assert used | {n for text in defaults for n in TEMPLATE.findall(text)} <= set(
        elements(operation)
    )
    assert all(TEMPLATE.fullmatch(text) for text in body)
    used |= {operation["forEach"]} if operation.get("as") in used else set()
    assert set(parameters(operation)) <= used


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_is_placed_typed_and_described(name: str) -> None:
    _, operation = BY_NAME[name]
    listed = operation.get("inputParameters", [])
    assert len(parameters(operation)) == len(listed)
    known = {"name", "in", "type", "required", "nullable", "default", "description"}
    for parameter in listed:
        assert parameter["in"] == "body"
        assert parameter["type"] in {STRING, INTEGER, BOOLEAN, OBJECT, ARRAY}
        assert isinstance(parameter["required"], bool)
        assert parameter["description"].endswith(".")
        assert set(parameter) <= known | JSON_SCHEMA_KEYWORDS
        assert parameter["type"] != ARRAY or parameter["items"]["type"] in {STRING, OBJECT}


def test_nothing_else_has_a_default_or_is_repeated() -> None:
    defaults = {
        (name, parameter["name"]): parameter["default"]
        for name, (_, operation) in BY_NAME.items()
        for parameter in operation.get("inputParameters", [])
        if "default" in parameter
    }
    assert defaults == DEFAULTS
    assert {
        name: (operation["forEach"], operation["as"])
        for name, (_, operation) in BY_NAME.items()
        if "forEach" in operation
    } == {"delete-key": ("keyIds", "keyId")}


def schemas(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any YAML value
    """Every schema in a parameter, itself first."""
    yield value
    for member in value.get("properties", {}).values():
        yield from schemas(member)
    if "items" in value:
        yield from schemas(value["items"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_limits_are_possible_and_patterns_compile(name: str) -> None:
    _, operation = BY_NAME[name]
    found = [s for p in operation.get("inputParameters", []) for s in schemas(p)]
    for schema in found:
        for low, high in (
            ("minimum", "maximum"),
            ("minLength", "maxLength"),
            ("minItems", "maxItems"),
        ):
            if low in schema and high in schema:
                assert schema[low] < schema[high]
        if "pattern" in schema:
            re.compile(schema["pattern"])
        if isinstance(schema.get("required"), list):
            assert set(schema["required"]) <= set(schema["properties"])


def test_the_elements_of_multi_limit_are_the_bodies_of_limit() -> None:
    items = parameters(BY_NAME["multi-limit"][1])["limits"]["items"]
    limit = parameters(BY_NAME["limit"][1])
    assert items["required"] == [name for name, p in limit.items() if p["required"]]
    assert items["properties"] == {
        name: {key: p[key] for key in p if key not in {"name", "in", "required"}}
        for name, p in limit.items()
    }


@pytest.mark.parametrize(("call", "arguments"), UNITS)
def test_a_call_resolves_and_names_parameters(call: str, arguments: Mapping[str, str]) -> None:
    namespace, _, name = call.partition(".")
    assert namespace == CONSUMED["namespace"]
    _, operation = BY_NAME[name]
    assert set(arguments) <= set(parameters(operation))
