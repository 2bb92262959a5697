"""Request bodies: every shape of the ``body`` clause, and ``in: body`` parameters."""

import json
import re
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.errors import FieldProblem, InputError, UnsupportedError
from naftiko_run.types import Input
from tests.spec.documents import SECRET, Built, build, codes

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "bodies.yaml").read_text(encoding="utf-8")
)
FORM = "application/x-www-form-urlencoded"
AUTH = {"type": "apikey", "key": "id", "value": "{{TOKEN}}", "placement": "body"}


def operation(text: str | dict[str, Any], **options: Any) -> Built:  # noqa: ANN401
    block = yaml.safe_load(text) if isinstance(text, str) else text
    return build(yaml.safe_dump({"method": "POST", **block}, sort_keys=False), **options)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['rule']}: {case['name']}")
def test_a_body_is_made_of_its_clause_and_the_inputs(case: dict[str, Any]) -> None:
    block = case["op"] | ({"authentication": AUTH} if "key" in case else {})
    overrides = frozenset(case.get("overrides", ()))
    built = operation(block, declared={"VAR": 'b"ee', "TOKEN": SECRET}, overrides=overrides)
    made = built.operation.request(case["inputs"])
    content, media_type = case["content"], case.get("type", "application/json")
    expected = None if content is None else content.replace("CANARY", SECRET).encode()
    assert made.body == expected
    sent_type = None if content is None else FORM if media_type == "form" else media_type
    assert dict(made.headers).get("Content-Type") == sent_type
    assert codes(built.findings) == case.get("codes", [])
    assert SECRET not in f"{built.operation!r}{built.operation.body.shown}"


def test_what_is_shown_of_a_body_has_names_and_no_values() -> None:
    built = operation(
        "body: {data: {a: '{{tools.a}}', b: ['{{TOKEN}}', 1]}}", declared={"TOKEN": SECRET}
    )
    assert built.operation.body.shown == '{"a": {{a}}, "b": [{{TOKEN}}, 1]}'


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("body: {data: {a: '{{a}}', b: '{{b}} and {{c}}'}}", "a? b! c!"),
        ("body: {type: text, data: 'x {{a}}'}", "a!"),
        ("body: '{\"a\": {{a}}}'", "a!"),
        ("body: {type: form, data: 'a={{a}}'}", "a!"),
        ("body: {type: xml, data: '<a>{{a}}</a>'}", "a!"),
        (
            "body: {type: multipart, data: [{name: x,value: '{{a}}'}, {name: y,value: '-{{b}}'}]}",
            "a? b!",
        ),
    ],
)
def test_r_tpl_4_arguments_inside_a_text_are_required(text: str, inputs: str) -> None:
    read = [(i.name, i.location, i.type, i.required) for i in operation(text).operation.inputs]
    names = [(name[:-1], name[-1] == "!") for name in inputs.split()]
    assert read == [(name, "body", "", required) for name, required in names]


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        (
            "path: /x",
            [
                Input(
                    name="body",
                    location="content",
                    type="object",
                    description="The request body, a JSON object",
                )
            ],
        ),
        ("body: {data: '{{tools.body}}'}", [Input(name="body", location="content")]),
        ("body: '{{body}}'", [Input(name="body", location="content")]),
        (
            (
                "inputParameters:"
                " [{name: body, in: body, type: object, required: true, description: d}]"
            ),
            [Input(name="body", location="content", type="object", required=True, description="d")],
        ),
        (
            (
                "inputParameters: [{name: body, in: body, required: true},"
                " {name: n, in: body, type: integer}]"
            ),
            [
                Input(name="body", location="body", type="string", required=True),
                Input(name="n", location="body", type="integer"),
            ],
        ),
        (
            (
                "{body: {data: {a: '{{id}}'}}, inputParameters: [{name: unread, in: body},"
                " {name: id, in: body, type: integer, required: true, description: who}]}"
            ),
            [Input(name="id", location="body", type="integer", required=True, description="who")],
        ),
        (
            (
                "inputParameters: "
                "[{name: size, in: body, type: integer, required: true,"
                " value: '{{tools.pageSize}}'},"
                " {name: x, in: body, value: {m: '{{mail}}', n: '<{{n}}>'}}]"
            ),
            [
                Input(name="pageSize", location="body", type="integer", required=True),
                Input(name="mail", location="body"),
                Input(name="n", location="body", required=True),
            ],
        ),
    ],
)
def test_r_body_7_to_9_the_inputs_of_a_body(text: str, inputs: list[Input]) -> None:
    assert list(operation(text).operation.inputs) == inputs


def parts(body: bytes | None, media_type: str) -> list[tuple[str, str | None, str, bytes]]:
    """Take a multipart body apart: name, file name, type and content of each part."""
    head = f"Content-Type: {media_type}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + (body or b""))
    found = []
    for part in message.walk():
        if part is not message:
            name = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((str(name), part.get_filename(), part.get_content_type(), payload))
    return found


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            "{prompt: '{{prompt}}', seed: '{{seed}}', meta: {k: '{{k}}'}, gone: '{{gone}}'}",
            [
                ("prompt", None, "text/plain", 'a "cat" é\r\n--x'.encode()),
                ("seed", None, "text/plain", b"0"),
                ("meta", None, "application/json", b'{"k":[1]}'),
            ],
        ),
        (
            (
                "[{name: f, value: '{{prompt}}', filename: 'a\"b.txt', contentType: text/x-cat},"
                " {name: e}, {name: g, value: '{{gone}}'}, {name: k, value: '{{k2}}'}]"
            ),
            [
                ("f", "a%22b.txt", "text/x-cat", 'a "cat" é\r\n--x'.encode()),
                ("e", None, "text/plain", b""),
                ("k", None, "text/plain", b"1"),
                ("k", None, "text/plain", b"2"),
            ],
        ),
    ],
)
def test_r_body_5_parts_of_a_multipart_body(
    data: str, found: list[tuple[str, str | None, str, bytes]]
) -> None:
    built = operation(f"body: {{type: multipart, data: {data}}}")
    made = built.request(prompt='a "cat" é\r\n--x', seed=0, k=[1], k2=[1, 2])
    media_type = dict(made.headers)["Content-Type"]
    assert re.fullmatch("multipart/form-data; boundary=[0-9a-f]{32}", media_type)
    assert parts(made.body, media_type) == found
    assert media_type != dict(built.request().headers)["Content-Type"]


@pytest.mark.parametrize(
    "body",
    [
        "{data: ['{{a}}']}",
        "{type: text, data: 'x {{a}}'}",
        "'{\"a\": {{a}}}'",
        "{type: multipart, data: [{name: x, value: y}]}",
        "{type: form, data: 'a={{a}}'}",
    ],
)
def test_a_body_without_fields_is_never_sent_without_its_credential(body: str) -> None:
    built = operation(
        {"body": yaml.safe_load(body), "authentication": AUTH}, declared={"TOKEN": SECRET}
    )
    with pytest.raises(UnsupportedError, match="the credential belongs into a field of the body"):
        built.request(a=1)


@pytest.mark.parametrize("options", [{"overrides": frozenset({"x"})}, {"key": True}])
def test_fields_are_added_to_objects_alone(options: dict[str, Any]) -> None:
    auth = {"authentication": AUTH} if options.pop("key", False) else {}
    built = operation({"path": "/x", **auth}, declared={"TOKEN": SECRET}, **options)
    with pytest.raises(InputError) as caught:
        built.request(body=[1], x=1)
    problem = FieldProblem("body", "must be an object: fields are added to it", "body")
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize("kind", ["form", "multipart", "text"])
def test_half_of_a_surrogate_pair_is_refused_where_it_cannot_be_written(kind: str) -> None:
    built = operation({"body": {"type": kind, "data": {"a": "{{a}}"}}})
    with pytest.raises(InputError) as caught:
        built.request(a="cut \ud83d")
    assert caught.value.problems == (FieldProblem("body", "is not valid Unicode text", "body"),)


PASSED_FORM = operation("body: {type: form}")
WRITTEN_JSON = operation({"body": '{"a": "<{{a}}>", "b": {{b}}, "c\\\\": "{{a}}{{b}}"}'})


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_fields_survive_a_form(fields: dict[str, str]) -> None:
    made = PASSED_FORM.request(body=fields)
    assert made.body is not None
    assert dict(parse_qsl(made.body.decode(), keep_blank_values=True)) == fields


@given(st.text(), st.text())
def test_any_text_survives_json_written_as_text(first: str, second: str) -> None:
    made = WRITTEN_JSON.request(a=first, b=second)
    assert made.body is not None
    assert json.loads(made.body) == {"a": f"<{first}>", "b": second, "c\\": first + second}
