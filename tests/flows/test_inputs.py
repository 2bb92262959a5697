"""Checks of a caller's values: every field that is wrong is named, and nothing is guessed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naftiko_run.errors import FieldProblem, InputError
from naftiko_run.flows.inputs import Checker, compile_check
from naftiko_run.types import MISSING, Argument, Input, Json, Text, Texts
from tests.spec.documents import rule

BIG = "12345678901234567890"
TYPES = ("string", "integer", "number", "boolean", "array", "object", "")


def argument(name: str, **changes: Any) -> Argument:  # noqa: ANN401 - fields of a record
    return Argument(**{"key": name, "name": name, **changes})


def refused(value: Json, wanted: Input) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is what is asserted
        compile_check(wanted)(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("7", {"string": "7", "integer": 7, "number": 7, "array": ["7"], "": "7"}),
        ("-0.5e2", {"string": "-0.5e2", "number": -50.0, "array": ["-0.5e2"], "": "-0.5e2"}),
        ("+5", {"string": "+5", "integer": 5, "number": 5, "array": ["+5"], "": "+5"}),
        ("True", {"string": "True", "boolean": True, "array": ["True"], "": "True"}),
        ("false", {"string": "false", "boolean": False, "array": ["false"], "": "false"}),
        ("", {"string": "", "array": [""], "": ""}),
        ("null", {"string": "null", "array": ["null"], "": "null"}),
        (
            '{"a":[1]}',
            {"string": '{"a":[1]}', "object": {"a": [1]}, "array": ['{"a":[1]}'], "": '{"a":[1]}'},
        ),
        ("[1]", {"string": "[1]", "array": ["[1]"], "": "[1]"}),
        ("1 ", {"string": "1 ", "array": ["1 "], "": "1 "}),
        ("٣", {"string": "٣", "array": ["٣"], "": "٣"}),
        ("1e999", {"string": "1e999", "array": ["1e999"], "": "1e999"}),
        ("NaN", {"string": "NaN", "array": ["NaN"], "": "NaN"}),
        ("1_0", {"string": "1_0", "array": ["1_0"], "": "1_0"}),
        (
            BIG,
            {"string": BIG, "integer": int(BIG), "number": int(BIG), "array": [BIG], "": BIG},
        ),
    ],
)
def test_r_tpl_2_text_takes_the_type_of_its_field_or_is_refused(
    text: str, values: dict[str, Json]
) -> None:
    for json_type in TYPES:
        check = compile_check(Input(name="x", type=json_type))
        if json_type in values:
            found = check(Text(text))
            assert (found, type(found)) == (values[json_type], type(values[json_type]))
        else:
            assert (
                refused(Text(text), Input(name="x", type=json_type))
                == {
                    "integer": "must be an integer",
                    "number": "must be a number",
                    "boolean": "must be true or false",
                    "object": "must be a JSON object",
                }[json_type]
            )


@pytest.mark.parametrize(
    ("json_type", "accepted"),
    [
        ("string", ["", "7"]),
        ("integer", [0, -7, 10**30]),
        ("number", [0, 1.5, 10**30]),
        ("boolean", [True, False]),
        ("array", [[], [1, "a", None]]),
        ("object", [{}, {"a": None}]),
    ],
)
def test_json_must_have_the_type_of_its_field(json_type: str, accepted: list[Json]) -> None:
    wanted = Input(name="x", type=json_type)
    check = compile_check(wanted)
    for value in accepted:
        assert check(value) is value
    said = {"array": "an array", "object": "an object", "boolean": "true or false"}
    article = {"integer": "an integer", "string": "a string", "number": "a number"}
    others: list[tuple[Json, str]] = [
        ("7", "a string"),
        (1.5, "a number"),
        (True, "a boolean"),
        ([1], "an array"),
        ({"a": 1}, "an object"),
    ]
    for value, kind in others:
        if type(value) in {type(a) for a in accepted}:
            continue
        expected = (said | article)[json_type]
        assert refused(value, wanted) == f"must be {expected}, is {kind}"


def test_a_whole_number_that_is_written_with_a_point_is_an_integer() -> None:
    value = compile_check(Input(name="x", type="integer"))(5.0)
    assert (value, type(value)) == (5, int)
    assert refused(5.5, Input(name="x", type="integer")) == "must be an integer, is a number"


@pytest.mark.parametrize(
    ("wanted", "texts", "value"),
    [
        (Input(name="x", type="array"), ["a", "b"], ["a", "b"]),
        (Input(name="x", type="array", schema={"items": {"type": "integer"}}), ["1", "2"], [1, 2]),
        (Input(name="x", type="array", schema={"items": {}}), ["1"], ["1"]),
        (Input(name="x"), ["a", "b"], ["a", "b"]),
    ],
)
def test_a_name_that_is_given_several_times_is_an_array(
    wanted: Input, texts: list[str], value: Json
) -> None:
    found = compile_check(wanted)(Texts(map(Text, texts)))
    assert found == value
    assert isinstance(found, list)
    assert type(found) is list
    assert {type(item) for item in found} <= {str, int}


@pytest.mark.parametrize("json_type", ["string", "integer", "number", "boolean", "object"])
def test_other_types_are_given_once(json_type: str) -> None:
    given_twice = Texts([Text("1"), Text("2")])
    message = "must be given once, not several times"
    assert refused(given_twice, Input(name="x", type=json_type)) == message


@pytest.mark.parametrize("json_type", TYPES)
def test_null_is_absent_unless_the_field_is_nullable(json_type: str) -> None:
    assert compile_check(Input(name="x", type=json_type))(None) is MISSING
    assert compile_check(Input(name="x", type=json_type, nullable=True))(None) is None


@pytest.mark.parametrize(
    ("wanted", "value", "message"),
    [
        (
            Input(name="x", type="string", schema={"enum": ["a", "b"]}),
            "c",
            'is not one of "a" or "b"',
        ),
        (
            Input(name="x", type="integer", schema={"maximum": 5}),
            Text("6"),
            "is greater than the maximum of 5",
        ),
        (
            Input(name="x", type="array", schema={"items": {"type": "string"}}),
            ["a", 1],
            '[1]: is not of type "string"',
        ),
        (
            Input(name="x", type="object", schema={"properties": {"a": {"minimum": 2}}}),
            {"a": 1},
            "a: is less than the minimum of 2",
        ),
        (
            Input(name="x", type="array", schema={"minItems": 1}),
            [],
            "[] has less than 1 item",
        ),
        (Input(name="x", schema={"pattern": "^a$"}), Text("b"), 'does not match "^a$"'),
    ],
)
def test_keywords_of_a_field_are_checked(wanted: Input, value: Json, message: str) -> None:
    assert refused(value, wanted) == message


def test_a_refusal_is_short_whatever_the_value() -> None:
    wanted = Input(name="x", type="string", schema={"enum": ["a" * 100_000]})
    assert len(refused("b" * 100_000, wanted)) == 300


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^[a-z]+$"},
        {"enum": ["a"]},
        {"const": "a"},
        {"maxLength": 2},
        {"oneOf": [{"maxLength": 2}, {"pattern": "^x"}]},
        {"not": {"type": "string"}},
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_refusal_says_the_rule_and_not_the_value(schema: dict[str, Json], inside: bool) -> None:
    if inside:
        wanted = Input(name="x", type="object", schema={"properties": {"a": schema}})
        found = refused({"a": "S3CRET"}, wanted)
    else:
        found = refused(Text("S3CRET"), Input(name="x", type="string", schema=schema))
    assert found
    assert "S3CRET" not in found


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "("},
        {"minLength": "x"},
        {"enum": 5},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}},
        {"items": {"$ref": "file:///etc/hostname"}},
    ],
)
def test_a_schema_that_is_none_or_points_elsewhere_is_refused_at_load(
    schema: dict[str, Json],
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any sentence will do
        compile_check(Input(name="x", schema=schema))
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    check = Checker(
        [
            argument("id", type="integer", required=True, location="path"),
            argument("limit", type="integer", location="query"),
            argument("name", type="string", required=True),
            argument("body", type="object", required=True, location="content"),
            Argument(key="header.X-V", name="X-V", location="header", required=True),
        ]
    )
    with pytest.raises(InputError) as caught:
        check({"id": Text("x"), "limit": "7", "nmae": 1, "name": None})
    assert caught.value.problems == (
        FieldProblem("id", "must be an integer", "path"),
        FieldProblem("limit", "must be an integer, is a string", "query"),
        FieldProblem("name", "is required"),
        FieldProblem("body", "is required", "body"),
        FieldProblem("X-V", "is required", "header"),
        FieldProblem("nmae", "is unknown; did you mean 'name'?"),
    )
    assert str(caught.value).startswith("id: must be an integer; limit: must be")


def test_a_name_of_any_length_is_not_compared_with_those_that_are_known() -> None:
    known = "n" * 300
    with pytest.raises(InputError) as caught:
        Checker([argument(known)])({f"{known}n": 1})
    assert caught.value.problems == (FieldProblem(f"{known}n", "is unknown"),)


def test_what_is_right_is_given_on_by_its_key_and_the_absent_stays_absent() -> None:
    check = Checker(
        [
            argument("a", type="integer"),
            argument("b", type="string"),
            argument("c", nullable=True),
            Argument(key="query.d", name="d"),
        ]
    )
    assert check({"a": Text("1"), "c": None, "query.d": Text("x")}) == {
        "a": 1,
        "c": None,
        "query.d": "x",
    }
    assert check({"b": None}) == {}


@pytest.mark.parametrize(
    ("unknown", "detail"),
    [
        rule("R-MCP-7", "a stray name", "stray", "is unknown"),
        rule("R-MCP-7", "another spelling", "Name", "is unknown; did you mean 'name'?"),
    ],
)
def test_unknown_names_are_refused(unknown: str, detail: str) -> None:
    with pytest.raises(InputError) as caught:
        Checker([argument("name")])({unknown: 1})
    assert caught.value.problems == (FieldProblem(unknown, detail),)


def test_of_very_many_wrong_values_some_are_told() -> None:
    unknown = {f"unknown{n}": n for n in range(10_000)}
    with pytest.raises(InputError) as caught:
        Checker([argument("a")])(unknown)
    assert [p.field for p in caught.value.problems] == [f"unknown{n}" for n in range(20)]
    wanted = Input(name="x", type="array", schema={"items": {"type": "string"}})
    assert refused(list(range(10_000)), wanted).count(";") == 4


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(JSON_VALUES, st.sampled_from(TYPES))
def test_json_is_accepted_as_it_is_or_refused(value: Any, json_type: str) -> None:  # noqa: ANN401
    check = compile_check(Input(name="x", type=json_type, nullable=True))
    try:
        assert check(value) == value
    except ValueError as error:
        assert str(error).startswith("must be ")  # noqa: PT017 - either is right


@settings(deadline=None)
@given(st.text(), st.sampled_from(TYPES))
def test_text_is_accepted_or_refused_with_a_sentence(text: str, json_type: str) -> None:
    check = compile_check(Input(name="x", type=json_type))
    try:
        assert check(Text(text)) is not MISSING
    except ValueError as error:
        assert str(error).startswith("must be ")  # noqa: PT017 - either is right
