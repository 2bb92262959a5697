import pytest

from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.schema import Flag, Free, Node, Record, Series, Text, Whole, check


@pytest.mark.parametrize(
    ("node", "value", "faults"),
    [
        (Text(shortest=1), "a", []),
        (Text(), None, [("/type", "got null, want string")]),
        (Text(nullable=True), None, []),
        (Text(nullable=True), 5, [("/type", "got number, want null or string")]),
        (Text(shortest=3), "\U0001f600" * 2, [("/minLength", "minLength: got 2, want 3")]),
        (Text(longest=1024), "x" * 1025, [("/maxLength", "maxLength: got 1,025, want 1,024")]),
        (
            Text(shortest=3, pattern="^[a-z]+$"),
            "A!",
            [
                ("/minLength", "minLength: got 2, want 3"),
                ("/pattern", "'A!' does not match pattern '^[a-z]+$'"),
            ],
        ),
        (
            Text(pattern="^[a-z]+$"),
            "a\n",
            [("/pattern", "'a\\n' does not match pattern '^[a-z]+$'")],
        ),
        (
            Text(choices=("daily", "monthly")),
            "never",
            [("/enum", "value must be one of 'daily', 'monthly'")],
        ),
        (Text(choices=("a",)), 5, [("/type", "got number, want string")]),
        (Whole(least=1), 1, []),
        (Whole(), 5.0, []),
        (Whole(), True, [("/type", "got boolean, want integer")]),
        (Whole(), 1.5, [("/type", "got number, want integer")]),
        (Whole(nullable=True), "1", [("/type", "got string, want null or integer")]),
        (Whole(least=1), -1000, [("/minimum", "minimum: got -1,000, want 1")]),
        (Whole(most=100), 999_999, [("/maximum", "maximum: got 999,999, want 100")]),
        (Whole(most=100), 10**6, [("/maximum", "maximum: got 1×10⁰⁶, want 100")]),
        (
            Whole(most=2_592_000_000),
            2_592_000_001,
            [("/maximum", "maximum: got 2.592000001×10⁰⁹, want 2.592×10⁰⁹")],
        ),
        (
            Whole(most=4_102_444_800_000),
            1e21,
            [("/maximum", "maximum: got 1×10²¹, want 4.1024448×10¹²")],
        ),
        (
            Whole(most=100),
            9_223_372_036_854_775_807,
            [("/maximum", "maximum: got 9.223372036854776×10¹⁸, want 100")],
        ),
        (Whole(least=1), -123_456_789, [("/minimum", "minimum: got -1.23456789×10⁰⁸, want 1")]),
        (Flag(), 0, [("/type", "got number, want boolean")]),
        (Free(most=1), {"a": 1, "b": 2}, [("/maxProperties", "maxProperties: got 2, want 1")]),
        (Free(most=1), [], [("/type", "got array, want object")]),
        (Free(most=1, nullable=True), "", [("/type", "got string, want null or object")]),
        (Series(item=Flag(), fewest=1), [], [("/minItems", "minItems: got 0, want 1")]),
        (
            Series(item=Flag(), most=1),
            [True, "x"],
            [
                ("/maxItems", "maxItems: got 2, want 1"),
                ("/items/type", "got string, want boolean"),
            ],
        ),
        (Series(item=Flag()), {}, [("/type", "got object, want array")]),
        (
            Record(members={"a": Flag(), "b": Flag()}, required=("a", "b")),
            {"c": 1, "d'": 2},
            [
                ("/required", "missing properties 'a', 'b'"),
                ("/additionalProperties", "additional properties 'c', 'd\\'' not allowed"),
            ],
        ),
        (Record(members={"a": Flag()}, extra=True), {"b": 1}, []),
        (
            Record(members={"a": Record(members={"b": Whole(least=1)})}),
            {"a": {"b": 0}},
            [("/properties/a/properties/b/minimum", "minimum: got 0, want 1")],
        ),
    ],
)
def test_a_body_is_refused_in_the_words_of_the_server(
    node: Node, value: Json, faults: list[tuple[str, str]]
) -> None:
    found = check(node, value)
    assert [(each.location, each.message) for each in found.violations] == faults


@pytest.mark.parametrize(
    ("value", "undecodable"), [(5, False), (5.0, True), (2**63 - 1, False), (2**63, True)]
)
def test_an_integer_is_undecodable_in_another_notation_or_too_large(
    value: Json, undecodable: bool
) -> None:
    assert check(Whole(), value).undecodable is undecodable
