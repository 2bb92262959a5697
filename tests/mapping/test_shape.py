"""Shapes of responses: the corpus beside this file, and the schemas that are promised."""

import pathlib
from typing import Any

import jsonschema_rs
import pytest
import yaml

from naftiko_run.findings import DocPath, Finding, Severity
from naftiko_run.mapping.jsonpath import JsonPathError, Path
from naftiko_run.mapping.shape import compile_shape, paths, schema_of
from naftiko_run.spec.document import UNSET, Output, Where
from naftiko_run.types import Json


class _Source:
    file = "ships.yaml"

    def finding(
        self,
        code: str,
        message: str,
        fix: str = "",
        *,
        path: DocPath = (),
        severity: Severity = Severity.ERROR,
        key: bool = False,
    ) -> Finding:
        return Finding(code=code, message=message, fix=fix, path=path, severity=severity)


_where = Where(_Source())


def _output(data: dict[str, Any]) -> Output:
    properties = data.get("properties")
    return Output(
        where=_where,
        name=data.get("name"),
        type=data.get("type", ""),
        mapping=data.get("mapping"),
        value=data.get("value", UNSET),
        properties=properties and {name: _output(inner) for name, inner in properties.items()},
        items=_output(data["items"]) if "items" in data else None,
        values=_output(data["values"]) if "values" in data else None,
        max_length=data.get("maxLength"),
    )


def _outputs(*data: dict[str, Any]) -> list[Output]:
    return [_output(inner) for inner in data]


_cases: list[dict[str, Any]] = yaml.safe_load(
    (pathlib.Path(__file__).parent / "cases" / "shape.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", _cases, ids=lambda case: case["title"])
def test_response_takes_the_shape_that_the_corpus_says(case: dict[str, Any]) -> None:
    outputs = _outputs(*case["outputs"])
    shape = compile_shape(outputs, consumed=_outputs(*case.get("consumed", [])))
    assert (shape is None) is case.get("untouched", False)
    if shape:
        result = shape(case["given"])
        assert (result, type(result)) == (case["expect"], type(case["expect"]))


@pytest.mark.parametrize("case", _cases, ids=lambda case: case["title"])
def test_results_conform_to_the_schema_that_is_promised(case: dict[str, Any]) -> None:
    outputs = _outputs(*case["outputs"])
    shape, schema = compile_shape(outputs), schema_of(outputs)
    if schema is None:
        return
    assert shape
    validator = jsonschema_rs.Draft202012Validator(schema)
    for other in [case["given"], *(c["given"] for c in _cases if "given" in c)]:
        validator.validate(shape(other))


def test_response_that_is_left_is_the_very_same_value() -> None:
    shape = compile_shape(_outputs({"mapping": "$.data"}))
    response: Json = {"error": 1}
    assert shape
    assert shape(response) is response


def test_shape_changes_nothing_in_the_response() -> None:
    shape = compile_shape(
        _outputs({"type": "array", "mapping": "$.a", "items": {"mapping": "$.b"}})
    )
    response: Json = {"a": [{"b": 1}]}
    assert shape
    assert shape(response) == [1]
    assert response == {"a": [{"b": 1}]}


def test_static_values_are_made_once_when_the_shape_is_compiled() -> None:
    seen: list[Json] = []

    def static(value: Json) -> Json:
        seen.append(value)
        return 42

    shape = compile_shape(_outputs({"value": "{{ANSWER}}"}), static=static)
    assert shape
    assert [shape(None), shape({})] == [42, 42]
    assert seen == ["{{ANSWER}}"]


def test_malformed_mapping_is_refused_at_any_depth() -> None:
    deep = {"type": "array", "items": {"properties": {"a": {"mapping": "$.["}}}}
    with pytest.raises(JsonPathError):
        compile_shape(_outputs(deep))


def test_malformed_mapping_of_the_operation_is_nothing_to_the_unit() -> None:
    consumed = _outputs({"name": "a", "mapping": "$["}, {"name": "b", "mapping": "$.x"})
    shape = compile_shape(_outputs({"mapping": "$.b"}), consumed=consumed)
    assert shape
    assert shape({"x": 1}) == 1


def test_paths_are_given_at_every_depth_with_what_is_wrong_with_them() -> None:
    inner = {"properties": {"a": {"mapping": "$["}, "b": {"values": {"mapping": "$.b.length"}}}}
    outputs = _outputs({"mapping": "$.c", "items": inner}, {"mapping": " "}, {"mapping": "$.d"})
    found = [(output.mapping, path) for output, path in paths(outputs)]
    assert [mapping for mapping, _ in found] == ["$.c", "$[", "$.b.length", "$.d"]
    assert [isinstance(path, JsonPathError) for _, path in found] == [False, True, False, False]
    assert [isinstance(path, Path) and path.array_length for _, path in found] == [
        False,
        False,
        True,
        False,
    ]


def test_schema_says_names_and_nesting_and_no_types_of_values() -> None:
    outputs = _outputs(
        {
            "type": "object",
            "properties": {
                "id": {"type": "string", "mapping": "$.id"},
                "code": {"type": "string", "mapping": "$.c", "maxLength": 3},
                "kind": {"type": "string", "value": "x"},
                "owner": {"type": "object", "mapping": "$.o", "properties": {"n": {}}},
                "tags": {"type": "array", "items": {"type": "string"}},
                "rates": {"type": "object", "values": {"properties": {"v": {}}}},
            },
        }
    )
    inner = {"type": "object", "properties": {"n": {}}, "required": ["n"]}
    rate = {"type": "object", "properties": {"v": {}}, "required": ["v"]}
    assert schema_of(outputs) == {
        "type": "object",
        "properties": {
            "id": {},
            "code": {"maxLength": 3},
            "kind": {},
            "owner": inner,
            "tags": {"type": ["array", "null"], "items": {}},
            "rates": {"type": ["object", "null"], "additionalProperties": rate},
        },
        "required": ["id", "code", "kind", "owner", "tags", "rates"],
    }


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [{"type": "object", "mapping": "$."}],
        [{"type": "object", "mapping": "$.data"}],
        [{"type": "array", "mapping": "$.data", "items": {"properties": {"a": {}}}}],
        [{"type": "array", "properties": {"a": {}}}],
        [{"mapping": "$.a"}, {"mapping": "$.b"}],
        [{"type": "object", "value": "x", "properties": {"a": {}}}],
    ],
)
def test_schema_is_unknown_where_the_result_may_be_anything(outputs: list[dict[str, Any]]) -> None:
    assert schema_of(_outputs(*outputs)) is None


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([{"type": "array", "mapping": "$.ship"}], []),
        ([{"properties": {"ships": {"type": "array", "mapping": "$.ship"}}}], {"ships": []}),
        ([{"mapping": "$.ship"}], ""),
        ([{"type": "array", "mapping": "$.ship"}, {"mapping": "$"}], ""),
    ],
)
def test_where_a_format_has_no_empty_array_a_missing_one_is_empty(
    outputs: list[dict[str, Any]], expected: Json
) -> None:
    shape = compile_shape(_outputs(*outputs), empty_is_absent=True)
    assert shape is not None
    assert shape("") == expected
