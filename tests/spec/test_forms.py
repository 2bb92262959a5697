"""Lists and keyed maps, old names and new ones: the same records, whatever the language."""

from enum import Enum
from typing import Any

import pytest
import yaml
from msgspec import Struct
from msgspec.structs import asdict

from naftiko_run.loading.migrate.document import migrate
from naftiko_run.loading.migrate.language import versions
from naftiko_run.spec.document import Document
from naftiko_run.spec.reader import KNOWN_VERSIONS
from tests.loading.ships import IKANOS, NAFTIKO
from tests.spec.documents import codes, document, source


def records(value: Any) -> Any:  # noqa: ANN401 - any record
    """Turn records into plain values, without what says where and in which language they stand."""
    if isinstance(value, Document):
        value = asdict(value)
        del value["language"], value["version"]
    if isinstance(value, Struct):
        value = asdict(value) | {"is": type(value)}
    if isinstance(value, dict):
        return {key: records(item) for key, item in value.items() if key != "where"}
    if isinstance(value, Enum):
        return value
    return [records(item) for item in value] if isinstance(value, tuple | list) else value


def named(value: Any) -> Any:  # noqa: ANN401 - any record
    """Forget the names of routes: those that have none get one where maps need it."""
    if isinstance(value, dict):
        route = "method" in value and value.get("path") and "call" in value
        return {k: "" if route and k == "name" else named(v) for k, v in value.items()}
    return [named(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("text", "target"),
    [(NAFTIKO, "ikanos alpha3"), (NAFTIKO, "ikanos beta5"), (IKANOS, "naftiko alpha2")],
)
def test_both_forms_give_the_same_records(text: str, target: str) -> None:
    (version,) = versions(target)
    other = migrate(source(text), version).text
    assert other is not None
    before, found = document(text)
    after, found_after = document(other)
    assert named(records(after)) == named(records(before))
    assert codes(found_after) == codes(found) == []


@pytest.mark.parametrize("number", KNOWN_VERSIONS["ikanos"])
def test_every_version_of_ikanos_is_known(number: str) -> None:
    found, findings = document(IKANOS.replace("1.0.0-beta5", number))
    assert (found.language, found.version, codes(findings)) == ("ikanos", number, [])


def test_an_ikanos_document_may_have_lists_and_old_names() -> None:
    text = yaml.safe_load(NAFTIKO)
    text["ikanos"] = text.pop("naftiko").replace("alpha3", "beta5")
    found, findings = document(yaml.safe_dump(text, sort_keys=False))
    assert records(found) == records(document(NAFTIKO)[0])
    assert codes(findings) == []


def test_what_each_element_has_is_read_from_lists_and_maps() -> None:
    tool = (
        "naftiko: 1.0.0-alpha3\ncapability:\n  exposes:\n  - type: mcp\n    namespace: m\n"
        "    tools:\n    - {name: a, steps: [{type: call, name: s, call: x.a}], outputParameters:"
        " [{name: list, type: array, items: ITEMS}]}\n"
    )
    for items in ("[{name: city, type: string}]", "{city: {type: string}}"):
        found, _ = document(tool.replace("ITEMS", items))
        (output,) = found.adapters[0].units[0].outputs
        assert output.items is not None
        assert output.items.properties is not None
        assert [(n, o.type) for n, o in output.items.properties.items()] == [("city", "string")]
        assert not found.adapters[0].units[0].mock


def test_items_of_mapped_outputs_are_one_output() -> None:
    for items in ("{type: string, mapping: $.a}", "[{type: string, mapping: $.a}]"):
        text = (
            "naftiko: 1.0.0-alpha3\ncapability:\n  exposes:\n  - type: mcp\n    namespace: m\n"
            "    tools: [{name: a, call: x.a, outputParameters: [{type: array, mapping: $.l,"
            f" items: {items}}}]}}]\n"
        )
        (output,) = document(text)[0].adapters[0].units[0].outputs
        assert output.items is not None
        assert (output.items.type, output.items.mapping) == ("string", "$.a")
