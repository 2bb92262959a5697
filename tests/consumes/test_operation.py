"""Operations: the whole request that each makes, what it needs, and what it refuses."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from naftiko_run.errors import FieldProblem, InputError, VariableError
from naftiko_run.types import Input, Json, Reply, Request
from tests.spec.documents import (
    ACCEPT,
    BASE,
    CONTENT,
    JSON,
    SECRET,
    Recorder,
    build,
    codes,
    rule,
    without_where,
)

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "requests.yaml").read_text(encoding="utf-8")
)
DECLARED = {"ORG": "acme inc", "SLASHED": "a/b&c"}
ANY_TEXT = st.text(min_size=1).filter(lambda text: text.strip(".") or len(text) > 2)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['rule']}: {case['name']}")
def test_a_request_is_made_of_an_operation_and_its_inputs(case: dict[str, Any]) -> None:
    overrides = frozenset(case.get("overrides", ()))
    text = yaml.safe_dump(case["op"], sort_keys=False)
    built = build(text, declared=DECLARED, environ={"org_id": "o1"}, overrides=overrides)
    headers = [ACCEPT] if case.get("accept", True) else []
    headers += case.get("headers", {}).items()
    body = case["body"].encode() if "body" in case else None
    made = Request(
        str(case["op"].get("method", "GET")).upper(),
        BASE + case["url"],
        (*headers, *([CONTENT] if body else [])),
        body,
    )
    assert built.operation.request(case["inputs"]) == made
    assert (built.problem, built.operation.refusal) == (None, None)
    assert codes(built.findings) == case.get("codes", [])


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        rule(
            "R-IN-1 R-IN-3",
            "types and descriptions are kept, others are strings",
            """
            path: /x
            inputParameters:
            - {name: s, in: query, type: string, required: true, description: a string}
            - {name: i, in: query, type: Integer, nullable: true, minimum: 1, maximum: 5}
            - {name: a, in: query, type: array, items: {type: string}}
            - {name: none, in: query}
            - {name: odd, in: query, type: date}
            """,
            [
                Input(
                    name="s", location="query", type="string", required=True, description="a string"
                ),
                Input(
                    name="i",
                    location="query",
                    type="integer",
                    nullable=True,
                    schema={"minimum": 1, "maximum": 5},
                ),
                Input(
                    name="a", location="query", type="array", schema={"items": {"type": "string"}}
                ),
                Input(name="none", location="query", type="string"),
                Input(name="odd", location="query", type="string"),
            ],
        ),
        rule(
            "R-IN-4",
            "required is said, or true in the path",
            """
            path: /x/{id}
            inputParameters:
            - {name: id, in: path, required: false, type: integer}
            - {name: key, in: path}
            - {name: q, in: query}
            - {name: X-H, in: header}
            - {name: c, in: cookie, required: true}
            """,
            [
                Input(name="id", location="path", type="integer", required=True),
                Input(name="key", location="path", type="string", required=True),
                Input(name="q", location="query", type="string"),
                Input(name="X-H", location="header", type="string"),
                Input(name="c", location="cookie", type="string", required=True),
            ],
        ),
        rule(
            "R-PATH-3",
            "a placeholder is a required text, in the path and in its query",
            "path: '/x/{id}/{{tools.key}}?z={zone}'",
            [
                Input(name="zone", location="query", required=True),
                Input(name="id", location="path", type="string", required=True),
                Input(name="key", location="path", type="string", required=True),
            ],
        ),
        rule(
            "R-IN-7",
            "one name in several places is one input",
            """
            path: /x/{id}
            method: PUT
            inputParameters:
            - {name: id, in: query, type: integer, description: in the query}
            - {name: q, in: query, type: integer}
            - {name: q, in: header, required: true, description: in a header}
            - {name: f, in: query, required: true}
            - {name: f, in: body}
            """,
            [
                Input(
                    name="id",
                    location="path",
                    type="integer",
                    required=True,
                    description="in the query",
                ),
                Input(
                    name="q",
                    location="query",
                    type="integer",
                    required=True,
                    description="in a header",
                ),
                Input(name="f", location="query", type="string", required=True),
            ],
        ),
        rule(
            "R-IN-8",
            "a value gives its type to what it is, and none to what it holds",
            """
            path: /x
            inputParameters:
            - {name: a, in: query, type: integer, required: true, value: "{{tools.size}}"}
            - {name: b, in: query, value: "{{c}} of {{d}}"}
            - {name: X-E, in: header, value: fixed}
            """,
            [
                Input(name="size", location="query", type="integer", required=True),
                Input(name="c", location="query", required=True),
                Input(name="d", location="query", required=True),
            ],
        ),
        rule(
            "DEFAULT",
            "what has a default is not required",
            "{path: '/{id}', inputParameters: [{name: id, in: path, default: '{{other}}'}]}",
            [Input(name="id", location="path", type="string"), Input(name="other")],
        ),
        rule(
            "ENV",
            "the environment is not asked of callers",
            "{path: '/{X}', inputParameters: [{name: X, in: environment}]}",
            [],
        ),
        rule(
            "FOREACH",
            "the array is needed, and what it feeds",
            """
            path: /keys/{keyId}
            method: DELETE
            forEach: {forEach: keyIds, as: keyId}
            """,
            [
                Input(name="keyId", location="path", type="string", required=True),
                Input(name="keyIds", type="array", required=True),
            ],
        ),
        rule(
            "FOREACH",
            "the array keeps what is declared of it",
            """
            method: POST
            body: {data: {keyId: "{{keyId}}", hard: "{{hard}}"}}
            inputParameters: [{name: keyIds, in: body, type: array, items: {type: string}}]
            forEach: {forEach: keyIds, as: keyId}
            """,
            [
                Input(name="keyId", location="body"),
                Input(name="hard", location="body"),
                Input(
                    name="keyIds",
                    location="body",
                    type="array",
                    required=True,
                    schema={"items": {"type": "string"}},
                ),
            ],
        ),
    ],
)
def test_the_inputs_of_an_operation(text: str, inputs: list[Input]) -> None:
    assert list(build(text).operation.inputs) == inputs


def test_parameters_of_the_api_are_parameters_of_each_operation_which_may_give_its_own() -> None:
    built = build("""
        inputParameters:
        - {name: X-Version, in: header, value: "1"}
        - {name: tenant, in: query, type: integer}
        resources:
        - path: /x
          inputParameters: [{name: shared, in: query}]
          operations:
          - name: op
            method: GET
            inputParameters: [{name: X-Version, in: header, value: "2"}]
    """)
    made = built.request(tenant=1, shared="s")
    headers = (ACCEPT, ("X-Version", "2"))
    assert made == Request("GET", f"{BASE}/x?tenant=1&shared=s", headers)


def test_r_path_4_strictly_a_parameter_without_placeholder_is_an_error() -> None:
    text = "{path: /x/, inputParameters: [{name: id, in: path}, {name: part, in: path}]}"
    built = build(text, strict_paths=True)
    assert built.problem is not None
    assert (built.problem.code, built.problem.message, built.problem.fix) == (
        "E-PATHPARAM",
        "path parameter 'id' has no placeholder in '/x/'",
        "write '/x/{id}'",
    )
    assert built.findings == []


@pytest.mark.parametrize(
    ("path", "inputs", "names"),
    [
        ("/a/{x}/b", {"x": ".."}, ["x"]),
        ("/a/{x}", {"x": "."}, ["x"]),
        ("/a/.{x}", {"x": "."}, ["x"]),
        ("/a/{x}{y}/b", {"x": ".", "y": "."}, ["x", "y"]),
    ],
)
def test_a_dot_segment_is_refused(path: str, inputs: dict[str, Json], names: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        build(f"path: '{path}'").operation.request(inputs)
    detail = "must not be '.' or '..': it would change the path"
    assert caught.value.problems == tuple(FieldProblem(name, detail, "path") for name in names)


@pytest.mark.parametrize("inputs", [{}, {"x": ""}, {"x": None}])
def test_an_empty_segment_is_refused(inputs: dict[str, Json]) -> None:
    with pytest.raises(InputError) as caught:
        build("path: '/a/{x}/b'").operation.request(inputs)
    assert caught.value.problems == (FieldProblem("x", "must not be empty", "path"),)


@pytest.mark.parametrize(
    "value", ["a\nb", "a\r\nX: y", "\0", "\x1f", "\x7f", "\ud83d", {"a": "\x7f"}]
)
def test_a_header_never_carries_control_characters(value: Json) -> None:
    with pytest.raises(InputError) as caught:
        build("inputParameters: [{name: X-A, in: header}]").operation.request({"X-A": value})
    detail = "must not contain control characters such as line ends"
    assert caught.value.problems == (FieldProblem("X-A", detail, "header"),)


@pytest.mark.parametrize("place", ["path", "query", "cookie"])
def test_half_of_a_surrogate_pair_is_refused_in_a_url_and_in_a_cookie(place: str) -> None:
    built = build(f"inputParameters: [{{name: x, in: {place}}}]")
    with pytest.raises(InputError) as caught:
        built.request(x="\ud83d")
    assert caught.value.problems == (FieldProblem("x", "is not valid Unicode text"),)


EVERYWHERE = build(
    "{path: '/p/{a}/q', inputParameters: [{name: b, in: query}, {name: c, in: query}]}"
)
ONE_SEGMENT = build("path: '/p/{a}'")


@given(ANY_TEXT, st.text(), st.text())
def test_no_argument_changes_host_or_path_prefix_and_all_arrive_as_they_were(
    segment: str, name: str, value: str
) -> None:
    made = EVERYWHERE.request(a=segment, b=name, c=value)
    parts = urlsplit(made.url)
    before, encoded, after = parts.path.rpartition("/")[0].partition("/v1/p/")
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.test", "")
    assert (before, encoded, unquote(after)) == ("", "/v1/p/", segment)
    assert parts.path.endswith("/q")
    assert "/" not in after
    assert parse_qsl(parts.query, keep_blank_values=True) == [("b", name), ("c", value)]
    assert made.url.isascii()
    assert not set(made.url) & set(' "<>\\^`{|}\t\r\n')


@given(st.text())
def test_any_text_as_a_path_gives_a_request_or_is_refused(segment: str) -> None:
    try:
        made = ONE_SEGMENT.request(a=segment)
    except InputError:
        assert segment in ("", ".", "..")
    else:
        assert made.url.startswith(f"{BASE}/p/")
        assert unquote(made.url.removeprefix(f"{BASE}/p/")) == segment


@pytest.mark.anyio
async def test_a_call_sends_one_request_and_gives_the_reply_as_it_came() -> None:
    built = build("path: /x")
    client = built.operation.client
    assert isinstance(client, Recorder)
    assert await built.operation({}) == Reply(200, JSON, b'{"ok":true}')
    assert client.requests == [Request("GET", f"{BASE}/x", (ACCEPT,))]


@pytest.mark.parametrize(
    ("text", "made_once"),
    [
        ("path: /x?a={{ORG}}\ninputParameters: [{name: X-V, in: header, value: '1'}]", True),
        ("path: /x\nmethod: DELETE", True),
        ("path: /x/{id}", False),
        ("path: /x\ninputParameters: [{name: q, in: query}]", False),
        ("path: /x\nmethod: POST", False),
        ("path: /x\nmethod: POST\nbody: {type: multipartForm, data: {a: b}}", False),
    ],
)
def test_a_request_in_which_no_input_has_a_part_is_made_once(text: str, *, made_once: bool) -> None:
    operation = build(text, declared=DECLARED).operation
    first, second = (operation.request({"id": "1", "q": "2", "body": {}}) for _ in range(2))
    assert (first is second) is made_once
    if made_once:
        assert replace(operation, always=None).request({}) == first


def test_a_constant_that_no_request_can_carry_is_told_to_each_caller() -> None:
    operation = build(
        "path: /x\ninputParameters: [{name: X-V, in: header, value: '{{TEXT}}'}]",
        declared={"TEXT": "a\nb"},
    ).operation
    for _ in range(2):
        with pytest.raises(InputError, match="control characters"):
            operation.request({})


@pytest.mark.anyio
async def test_r_var_4_variables_without_a_value_refuse_the_calls_that_need_them() -> None:
    built = build(
        """
        baseUri: https://{region}.test
        authentication: {type: bearer, token: "{{TOKEN}}"}
        path: /{{ORG}}/{id}
        inputParameters: [{name: q, in: query, value: "{{env.ZONE}}"}]
        """,
        declared={"TOKEN": None, "ORG": None, "ZONE": None},
    )
    with pytest.raises(VariableError) as caught:
        await built.operation({"id": "1"})
    assert str(caught.value) == (
        "variables ZONE, ORG, region, TOKEN"
        " (operation 'up.op', baseUri of 'up', authentication of 'up') are not set"
    )


def test_nothing_that_is_printed_of_an_operation_holds_a_secret() -> None:
    built = build(
        """
        baseUri: https://u:{{TOKEN}}@{{HOST}}/{{TOKEN}}
        authentication: {type: bearer, token: "{{TOKEN}}"}
        method: POST
        path: /{{TOKEN}}/{id}?key={{TOKEN}}&z={zone}
        inputParameters:
        - {name: k, in: query, value: "{{TOKEN}}"}
        - {name: X-K, in: header, value: "{{TOKEN}}"}
        - {name: c, in: cookie, value: "{{TOKEN}}"}
        - {name: d, in: query, default: "{{TOKEN}}"}
        body: {data: {t: "{{TOKEN}}", s: "<{{TOKEN}}> {{x}}"}}
        """,
        declared={"TOKEN": SECRET, "HOST": "api.test"},
    )
    made = built.request(id="1", zone="z", x="x")
    assert SECRET in made.url
    assert SECRET in str(made.headers)
    assert repr(made) == str(made) == "Request(POST https://api.test)"
    assert repr(built.operation) == (
        "up.op: POST https://{{HOST}}/{{TOKEN}}/{{TOKEN}}/{{id}}?z={{zone}}&k={{TOKEN}}&d={{d}}"
    )
    operation = built.operation
    printed = f"{built!r}{operation.headers!r}{operation.cookies!r}{operation.defaults!r}"
    assert SECRET not in printed


def test_constant_pairs_are_not_shown_and_fragments_are_told() -> None:
    built = build("path: '/a#b'")
    assert [without_where(f).message for f in built.findings] == [
        "the part of the path after '#' is never sent"
    ]
