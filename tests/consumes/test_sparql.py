"""Values in SPARQL texts, read by their place in the query."""

import pytest

from naftiko_run.consumes.sparql import Places

HOSTILE = "x\" . } DROP ALL # > \\ ' \n"


def filled(template: str, value: str) -> str:
    places = Places()
    *parts, last = template.split("@")
    return "".join(part + places.after(part)(value) for part in parts) + last


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('SELECT * { ?s ?p "@" }', 'SELECT * { ?s ?p "a\\"b\\nc" }'),
        ('SELECT * { ?s ?p """x @""" }', 'SELECT * { ?s ?p """x a\\"b\\nc""" }'),
        ("SELECT * { <http://x/@> ?p ?o }", "SELECT * { <http://x/a%22b%0Ac> ?p ?o }"),
        ("ASK { ?s ?p ?o } # @", 'ASK { ?s ?p ?o } # a"b c'),
        ("# it's\nASK { ?s ?p @ }", "# it's\nASK { ?s ?p a\"b\nc }"),
        ("SELECT * { FILTER(?a < @) }", 'SELECT * { FILTER(?a < a"b\nc) }'),
        ('SELECT * { ?s "" @ }', 'SELECT * { ?s "" a"b\nc }'),
        ('SELECT * { ?s "\\"@" }', 'SELECT * { ?s "\\"a\\"b\\nc" }'),
        ("SELECT * { <http://x> @ }", 'SELECT * { <http://x> a"b\nc }'),
    ],
)
def test_a_value_is_written_as_its_place_needs_it(template: str, expected: str) -> None:
    assert filled(template, 'a"b\nc') == expected


@pytest.mark.parametrize(
    "template", ['{ ?s ?p "@" }', "{ ?s ?p '@' }", '{ ?s ?p """@""" }', "{ <@> ?p ?o }"]
)
def test_no_value_leaves_its_place(template: str) -> None:
    query = filled(template, HOSTILE)
    opened = template[template.index("@") - 1]
    rest = query[query.index(opened) + 1 :].replace("\\\\", "").replace(f"\\{opened}", "")
    closing = {"<": ">"}.get(opened, opened)
    assert "\n" not in query
    assert rest.count(closing) == template.count(closing) - (opened == closing)
