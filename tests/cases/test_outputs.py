"""Cases 20 to 38: what mappings make of a reply, and how formats become JSON before that."""

import json
from collections.abc import Callable

import pytest
import yaml

from tests.cases.serving import Serve, Served, answer, text
from tests.e2e.upstream import Reply
from tests.e2e.wire import Json

DOCUMENT = """
ikanos: 1.0.0-beta5
info: {{display: Outputs, description: One operation with two faces.}}
capability:
  consumes:
  - type: http
    namespace: up
    description: Whatever is asked for.
    baseUri: http://up.test/v1
    resources: {{thing: {{path: /thing, operations: {{get: {{method: GET{operation}}}}}}}}}
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    resources:
      thing:
        path: /thing
        operations: {{get: {{method: GET, call: up.get, outputParameters: {outputs}}}}}
  - type: mcp
    namespace: mcp
    port: 9090
    tools: {{get: {{description: Gets it., call: up.get, outputParameters: {outputs}}}}}
"""
Mapped = Callable[..., Json]


@pytest.fixture
def served(serve: Serve) -> Callable[..., Served]:
    def make(outputs: str, reply: Reply, operation: str = "") -> Served:
        serve.upstream.reply = reply
        return serve(DOCUMENT.format(outputs=outputs, operation=operation and f", {operation}"))

    return make


@pytest.fixture
def mapped(served: Callable[..., Served]) -> Mapped:
    """Give what both faces answer, which is the same."""

    def both(outputs: str, reply: Json | Reply, operation: str = "") -> Json:
        reply = reply if isinstance(reply, Reply) else answer(reply)
        one = served(outputs, reply, operation)
        route = one.get("/thing")
        assert (route.status, route.media_type) == (200, "application/json")
        assert one.result("get") == route.json
        return route.json

    return both


SHIP = {
    "imo_number": "IMO-9321483",
    "vessel_name": "Northern Star",
    "operational_status": "active",
    "year_built": 2015,
    "gross_tonnage": 42000,
    "dimensions": {"length_overall": 229, "beam": 32},
}
NESTED = """
  - type: object
    properties:
      imo: {type: string, mapping: $.imo_number}
      name: {type: string, mapping: $.vessel_name}
      status: {type: string, mapping: $.operational_status}
      specs:
        type: object
        properties:
          yearBuilt: {type: number, mapping: $.year_built}
          tonnage: {type: number, mapping: $.gross_tonnage}
          length: {type: number, mapping: $.dimensions.length_overall}
"""


def flat(block: str) -> str:
    """Write a block of outputs on one line, as it stands inside the document."""
    return json.dumps(yaml.safe_load(block))


@pytest.mark.case(20)
def test_objects_in_objects_are_mapped_and_numbers_stay_numbers(mapped: Mapped) -> None:
    assert mapped(flat(NESTED), SHIP) == {
        "imo": "IMO-9321483",
        "name": "Northern Star",
        "status": "active",
        "specs": {"yearBuilt": 2015, "tonnage": 42000, "length": 229},
    }


@pytest.mark.case(21)
@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("{type: object, properties: {name: {type: string, mapping: $.name}}}",
         [{"name": "A"}, {"name": None}]),
        ("{type: object}", [{"name": "A"}, {"other": "B"}]),
    ],
)  # fmt: skip
def test_each_element_is_mapped_or_passed_on(mapped: Mapped, items: str, expected: Json) -> None:
    outputs = f"[{{type: array, mapping: $.rows, items: {items}}}]"
    assert mapped(outputs, {"rows": [{"name": "A"}, {"other": "B"}]}) == expected


@pytest.mark.case(
    22,
    differs="a single value where an array is declared is an array of one, so that an upstream"
    " which omits the brackets for one element (XML always does) changes nothing for callers",
)
def test_a_single_object_where_an_array_is_declared_is_an_array_of_one(mapped: Mapped) -> None:
    outputs = "[{type: array, mapping: $.row, items: {type: string, mapping: $.name}}]"
    assert mapped(outputs, {"row": {"name": "A"}}) == ["A"]
    assert mapped(outputs, {"row": [{"name": "A"}]}) == ["A"]
    assert mapped(outputs, {"row": None}) is None


@pytest.mark.case(23)
def test_values_maps_each_member_under_its_own_name(mapped: Mapped) -> None:
    outputs = "[{type: object, mapping: $., values: {type: number, mapping: $.id}}]"
    assert mapped(outputs, {"a": {"id": 10}, "b": {"other": 20}}) == {"a": 10, "b": None}


@pytest.mark.case(26)
def test_the_first_output_that_leads_somewhere_is_the_answer(mapped: Mapped) -> None:
    outputs = "[{type: string, mapping: $.missing}, {type: string, mapping: $.user.id}]"
    assert mapped(outputs, {"user": {"id": "u-1"}}) == "u-1"


@pytest.mark.case(
    27,
    differs="without outputs the reply passes through as it came, be it null, {} or empty: there"
    " is no separate null",
)
def test_without_outputs_an_empty_reply_stays_what_it_is(served: Callable[..., Served]) -> None:
    assert served("[]", answer(None)).get("/thing").body == b"null"
    assert served("[]", answer({})).get("/thing").body == b"{}"
    nothing = served("[]", Reply(200, b""))
    assert (nothing.get("/thing").status, nothing.get("/thing").body) == (200, b"")
    assert not nothing.call("get").is_error


VESSEL = "<vessels><vessel><vesselCode>V001</vesselCode></vessel></vessels>"
CODE = "[{type: string, mapping: $.vessel.vesselCode}]"


@pytest.mark.case(28)
def test_xml_is_read_where_the_format_says_so_and_is_unreadable_as_json(
    mapped: Mapped, served: Callable[..., Served]
) -> None:
    xml = text(VESSEL, "application/xml")
    assert mapped(CODE, xml, "outputRawFormat: xml") == "V001"
    unread = served(CODE, text(VESSEL, "application/json"))
    assert "JSON" in unread.get("/thing").problem(502)["detail"]
    assert unread.call("get").is_error


VESSELS = """<?xml version="1.0"?>
<vessels>
  <vessel><vesselCode>V001</vesselCode><vesselName>Sea Eagle</vesselName></vessel>
  <vessel><vesselCode>V002</vesselCode><vesselName>Harbor Star</vesselName></vessel>
</vessels>"""
LIST = (
    "[{type: array, mapping: $.vessel, items: {type: object, properties: {"
    "code: {type: string, mapping: $.vesselCode}, name: {type: string, mapping: $.vesselName}}}}]"
)
BOTH = [{"code": "V001", "name": "Sea Eagle"}, {"code": "V002", "name": "Harbor Star"}]


@pytest.mark.case(29)
def test_a_route_gives_xml_elements_as_a_list(served: Callable[..., Served]) -> None:
    one = served(LIST, text(VESSELS, "application/xml"), "outputRawFormat: xml")
    assert (one.get("/thing").status, one.get("/thing").json) == (200, BOTH)


@pytest.mark.case(30)
def test_a_tool_gives_xml_elements_as_a_list(served: Callable[..., Served]) -> None:
    one = served(LIST, text(VESSELS, "application/xml"), "outputRawFormat: xml")
    called = one.call("get")
    assert called.is_error is False
    assert one.result("get") == BOTH


WHOLE = "[{type: object, mapping: $., properties: {all: {type: object, mapping: $.}}}]"


@pytest.mark.case(31)
def test_repeated_xml_elements_are_a_list_of_texts(mapped: Mapped) -> None:
    users = "".join(f"<user><id>{n}</id><name>N{n}</name></user>" for n in (1, 2, 3))
    found = mapped(WHOLE, text(f"<root>{users}</root>", "text/xml"), "outputRawFormat: xml")["all"]
    assert found == {"user": [{"id": str(n), "name": f"N{n}"} for n in (1, 2, 3)]}


@pytest.mark.case(32)
@pytest.mark.parametrize(("name", "separator"), [("csv", ","), ("tsv", "\t"), ("psv", "|")])
def test_rows_are_objects_of_texts(mapped: Mapped, name: str, separator: str) -> None:
    lines = [("id", "name"), ("1", "Ada"), ("2", "Grace"), ("3", "")]
    body = "\n".join(separator.join(line) for line in lines)
    found = mapped(WHOLE, text(body, f"text/{name}"), f"outputRawFormat: {name}")["all"]
    assert found == [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.mark.case(33)
def test_yaml_values_have_types(mapped: Mapped) -> None:
    body = text("name: Alice\nage: 42\n", "application/yaml")
    assert mapped(WHOLE, body, "outputRawFormat: yaml")["all"] == {"name": "Alice", "age": 42}


HTML = (
    "<table class=stock><tr><th>Name</th><th>Price</th><th>Stock</th></tr>"
    "<tr><td>Widget</td><td> $42 </td><td>7</td></tr></table>"
)
MARKDOWN = "| Name | Price | Stock |\n|---|---|---|\n| Widget | $42 | 7 |\n"
TABLE = [[{"Name": "Widget", "Price": "$42", "Stock": "7"}]]
TABLES = "[{type: array, mapping: $.tables}]"


@pytest.mark.case(34)
def test_a_table_is_the_same_in_html_and_markdown(mapped: Mapped) -> None:
    assert mapped(TABLES, text(HTML, "text/html"), "outputRawFormat: html") == TABLE
    assert mapped(TABLES, text(MARKDOWN, "text/markdown"), "outputRawFormat: markdown") == TABLE


@pytest.mark.case(35)
def test_a_selector_chooses_the_tables(mapped: Mapped) -> None:
    page = f"<table><tr><th>A</th></tr><tr><td>1</td></tr></table>{HTML}"
    operation = "outputRawFormat: html, outputSchema: table.stock"
    assert mapped(TABLES, text(page, "text/html"), operation) == TABLE
    assert len(mapped(TABLES, text(page, "text/html"), "outputRawFormat: html")) == 2


@pytest.mark.case(36)
def test_a_row_with_a_header_cell_is_no_data(mapped: Mapped) -> None:
    page = (
        "<table><thead><tr><th>Name</th><th>Price</th></tr></thead><tbody>"
        "<tr><th>Widget</th><td>1</td></tr><tr><td>Gadget</td><td>2</td></tr></tbody></table>"
    )
    found = mapped(TABLES, text(page, "text/html"), "outputRawFormat: html")
    assert found == [[{"Name": "Gadget", "Price": "2"}]]


NOTES = """---
title: Notes
version: "2.1.0"
---
## Overview

This **release** introduces [new features](https://notes.test).

| Feature | Status |
|---|---|
| Search | GA |

## API Reference

Calls.

## API Usage

How.
"""


@pytest.mark.case(37)
def test_markdown_has_front_matter_sections_and_tables(mapped: Mapped) -> None:
    found = mapped(WHOLE, text(NOTES, "text/markdown"), "outputRawFormat: markdown")["all"]
    assert found["frontMatter"] == {"title": "Notes", "version": "2.1.0"}
    overview = found["sections"][0]
    assert overview["heading"] == "Overview"
    assert overview["content"] == "This release introduces new features."
    assert found["tables"] == [[{"Feature": "Search", "Status": "GA"}]]


@pytest.mark.case(38)
def test_a_heading_chooses_the_sections(mapped: Mapped) -> None:
    operation = "outputRawFormat: markdown, outputSchema: API"
    found = mapped(WHOLE, text(NOTES, "text/markdown"), operation)["all"]
    assert [s["heading"] for s in found["sections"]] == ["API Reference", "API Usage"]
