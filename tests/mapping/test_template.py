"""Texts with placeholders: what is found in them, and what becomes of values that are absent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.mapping.template import (
    FILTERS,
    Expression,
    Part,
    Placeholder,
    compile_text,
    compile_value,
    constant,
    parse,
    reference,
    slug,
    text_of,
)
from naftiko_run.types import MISSING, Inputs, Json, Missing
from tests.spec.documents import rule


def text(written: str) -> Expression:
    return compile_text(parse(written), lambda p: reference(p.name.partition(".")[2], p.filter))


def evaluate(written: Json, **inputs: Json) -> Json | Missing:
    return compile_value(written, text).evaluate(inputs)


@pytest.mark.parametrize(
    ("written", "single", "parts"),
    [
        ("", False, ()),
        ("plain", False, ("plain",)),
        ("{{a}}", False, (Placeholder("a"),)),
        ("{{ tools.a }}", False, (Placeholder("tools.a"),)),
        ("x{{a}}y{{b}}", False, ("x", Placeholder("a"), "y", Placeholder("b"))),
        ("{{a | slug}}", False, (Placeholder("a", "slug"),)),
        ("{{$top}}", False, (Placeholder("$top"),)),
        ("{{page[size]}}", False, (Placeholder("page[size]"),)),
        ("{{id.project-x:y@z}}", False, (Placeholder("id.project-x:y@z"),)),
        ("{ a { b }}", False, ("{ a { b }}",)),
        ("{{ }} {{1}} {{a b}}", False, ("{{ }} {{1}} {{a b}}",)),
        ("{a}", False, ("{a}",)),
        ("{a}", True, (Placeholder("a", single=True),)),
        ("${A}", True, (Placeholder("A", single=True),)),
        ("{{a}}{b}", True, (Placeholder("a"), Placeholder("b", single=True))),
        ("{ plan-id }", True, (Placeholder("plan-id", single=True),)),
        ("{id.project}", True, (Placeholder("id.project", single=True),)),
        ("{a/b}", True, ("{a/b}",)),
        ("{}", True, ("{}",)),
        (
            "range(address='{address}')",
            True,
            ("range(address='", Placeholder("address", single=True), "')"),
        ),
    ],
)
def test_a_text_is_split_at_its_placeholders(
    written: str, single: bool, parts: tuple[Part, ...]
) -> None:
    assert parse(written, single=single) == parts


@given(st.text())
def test_any_text_can_be_split_and_loses_nothing(written: str) -> None:
    literals = [part for part in parse(written, single=True) if isinstance(part, str)]
    assert all(literal in written for literal in literals)
    assert "".join(part for part in parse(written) if isinstance(part, str)) == written or (
        "{{" in written
    )


@pytest.mark.parametrize(
    "value", [None, True, False, 0, 1.5, "", "text", "{{tools.b}}", [], [1, None], {}, {"a": [1]}]
)
def test_r_tpl_2_a_placeholder_alone_keeps_the_value_and_its_type(value: Json) -> None:
    assert evaluate("{{tools.a}}", a=value) == value
    assert type(evaluate("{{tools.a}}", a=value)) is type(value)


@pytest.mark.parametrize(
    ("written", "inputs", "value"),
    [
        rule("R-TPL-3", "an absent member is left out", {"a": "{{t.a}}", "b": 1}, {}, {"b": 1}),
        rule("R-TPL-3", "an absent element is left out", ["{{t.a}}", 1], {}, [1]),
        rule(
            "R-TPL-3",
            "what becomes empty by that is left out as well",
            {"o": {"p": {"q": "{{t.q}}"}}, "l": ["{{t.i}}", ["{{t.i}}"]], "n": 1},
            {},
            {"n": 1},
        ),
        rule(
            "R-TPL-3",
            "what was written empty stays",
            {"o": {}, "l": [[]]},
            {},
            {"o": {}, "l": [[]]},
        ),
        rule("R-TPL-3", "an object at the root stays", {"a": {"b": "{{t.b}}"}}, {}, {}),
        rule("R-TPL-3", "an array at the root stays", ["{{t.b}}"], {}, []),
        rule("R-TPL-3", "a text at the root may be absent", "{{t.b}}", {}, MISSING),
        rule("R-TPL-3", "falsy values are values", {"a": "{{t.a}}"}, {"a": 0}, {"a": 0}),
        rule("R-TPL-3", "explicit null is a value", {"a": "{{t.a}}"}, {"a": None}, {"a": None}),
        rule(
            "R-TPL-4", "a placeholder inside a text is interpolated", "<{{t.a}}>", {"a": 5}, "<5>"
        ),
        rule("R-TPL-4", "booleans are words", "{{t.a}}!", {"a": True}, "true!"),
        rule("R-TPL-4", "objects are compact JSON", "{{t.a}}!", {"a": {"é": [1]}}, '{"é":[1]}!'),
        rule("R-TPL-4", "an absent one makes the text absent", {"x": "<{{t.a}}>"}, {}, {}),
        rule("R-TPL-4", "a null one makes the text absent", {"x": "<{{t.a}}>"}, {"a": None}, {}),
        rule(
            "R-TPL-4",
            "values are not read as templates",
            "<{{t.a}}>",
            {"a": "{{t.b}}"},
            "<{{t.b}}>",
        ),
    ],
)
def test_templates(written: Json, inputs: Inputs, value: Json | Missing) -> None:
    assert evaluate(written, **inputs) == value


def test_r_tpl_4_an_expression_says_what_it_reads_and_what_it_cannot_do_without() -> None:
    compiled = compile_value(
        {"a": "{{t.a}}", "b": ["{{t.b}} and {{t.c}}", "{{t.a}}"], "d": 1}, text
    )
    assert (compiled.names, compiled.required) == (("a", "b", "c"), frozenset({"b", "c"}))
    assert (compiled.constant, compiled.direct) == (False, "")
    assert repr(compiled) == '{"a": {{a}}, "b": [{{b}} and {{c}}, {{a}}], "d": 1}'


def test_a_reference_alone_is_direct_and_a_filtered_one_is_not() -> None:
    assert text("{{t.a}}").direct == "a"
    assert text("{{t.a | slug}}").direct == ""
    assert text("{{t.a}}!").direct == ""


def test_constants_are_folded_and_show_what_stands_for_them() -> None:
    folded = compile_text(("Bearer ", Placeholder("T")), lambda _: constant("secret", "{{T}}"))
    assert (folded.evaluate({}), folded.constant) == ("Bearer secret", True)
    assert repr(folded) == "Bearer {{T}}"
    assert compile_text((), reference_never).evaluate({}) == ""


def reference_never(placeholder: Placeholder) -> Expression:
    raise AssertionError(placeholder)


def test_each_evaluation_makes_a_value_of_its_own() -> None:
    compiled = compile_value({"a": [1]}, text)
    first, second = compiled.evaluate({}), compiled.evaluate({})
    assert first == second == {"a": [1]}
    assert first is not second


@pytest.mark.parametrize(
    ("given_text", "plain"),
    [
        ("already_fine.1:*-", "already_fine.1:*-"),
        ("  Zoë's Team / Blue ", "Zoe-s-Team-Blue"),
        ("\uff21\uff22", "AB"),
        ("日本", ""),
        ("a\nb", "a-b"),
    ],
)
def test_a_slug_is_an_identifier(given_text: str, plain: str) -> None:
    assert slug(given_text) == plain


@given(st.text())
def test_a_slug_of_a_slug_is_itself(given_text: str) -> None:
    assert slug(slug(given_text)) == slug(given_text)


def test_a_filter_applies_to_text_and_what_it_leaves_empty_is_absent() -> None:
    compiled = reference("a", "slug")
    assert [compiled.evaluate({"a": v}) for v in ("x y", 5, "日本", None)] == [
        "x-y",
        "5",
        MISSING,
        MISSING,
    ]
    assert compiled.evaluate({}) is MISSING
    assert list(FILTERS) == ["slug"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "true"),
        (1.0, "1.0"),
        (10**20, "100000000000000000000"),
        ("ä", "ä"),
        ([], "[]"),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_values_are_written_as_text(value: Json, written: str) -> None:
    assert text_of(value) == written
