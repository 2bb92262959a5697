"""All conformance cases have a test, and docs/compatibility.md says what the tests say."""

import re
from collections.abc import Iterator

import pytest

from naftiko_run.loading.schema import VERSIONS, document
from tests.cases.compatibility import PAGE, keywords, page, wrong
from tests.cases.conftest import COLLECTED
from tests.cases.marks import NUMBERS, ROOT, functions, marks
from tests.e2e.wire import Json


def test_every_case_and_every_keyword_has_a_test() -> None:
    assert wrong() == []
    assert {mark.number for mark in marks()} == set(NUMBERS)


def test_what_the_source_says_is_what_is_collected(request: pytest.FixtureRequest) -> None:
    collected: dict[str, set[int]] = {}
    for item in request.config.stash[COLLECTED]:
        name = item.nodeid.partition("[")[0]
        numbers = {number for mark in item.iter_markers("case") for number in mark.args}
        collected[name] = collected.get(name, set()) | numbers
    written = {name: {m.number for m in marks() if m.test == name} for name in collected}
    assert {n: found for n, found in collected.items() if "::" in n and found} == {
        n: found for n, found in written.items() if found
    }
    whole = {name.partition("::")[0] for name in collected}
    asked = {str(arg) for arg in request.config.args}
    full = {file for file in whole if any(file.startswith(each) for each in _folders(asked))}
    lost = {name for name in functions() if name.partition("::")[0] in full} - collected.keys()
    assert lost == set()


def _folders(arguments: set[str]) -> list[str]:
    """Give the folders that a run collects as a whole."""
    return [
        path.resolve().relative_to(ROOT).as_posix()
        for each in arguments
        if "::" not in each and (path := ROOT / each).is_dir()
    ]


OURS = frozenset(
    "forEach onError jwksUri introspectionEndpoint clientId clientSecret default nullable format"
    " not"
    " additionalProperties patternProperties propertyNames"
    " prefixItems contains dependentRequired enum allOf anyOf oneOf minimum maximum"
    " exclusiveMinimum exclusiveMaximum multipleOf uniqueItems minLength minItems maxItems"
    " minContains maxContains minProperties maxProperties x-message x-fix".split()
)
"""What the schemas have beside the language: docs/extensions.md, JSON Schema, our own messages."""


def test_every_key_that_any_version_has_is_in_the_table() -> None:
    known = {word for row in keywords() for word in re.findall(r"[A-Za-z][\w-]*", row.keyword)}
    names = [f"{root}-{number}" for root, numbers in VERSIONS.items() for number in numbers]
    keys = {key for name in names for key in _properties(document(name))}
    assert keys - known - OURS == set()


def _properties(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            yield from _properties(inner)


def test_no_keyword_is_there_twice() -> None:
    rows = [(row.section, row.keyword) for row in keywords()]
    assert len(rows) == len(set(rows))


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: make compatibility"
