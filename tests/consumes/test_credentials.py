"""Credentials: every published shape of ``authentication``, and what a request carries of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from naftiko_run.errors import UnsupportedError, VariableError
from naftiko_run.types import Request
from tests.spec.documents import ACCEPT, BASE, CONTENT, SECRET, build, codes

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "credentials.yaml").read_text(encoding="utf-8")
)
DECLARED = {"TOKEN": SECRET, "USER": "us er", "PASS": "pä:ss", "NAME": "Name"}
ENVIRON = {"UNDECLARED": "u", "signature": "s"}


def pairs(fields: dict[str, str] | None) -> list[tuple[str, str]]:
    return [(name, value.replace("CANARY", SECRET)) for name, value in (fields or {}).items()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_credential_is_sent_with_each_request_and_never_shown(case: dict[str, Any]) -> None:
    text = yaml.safe_dump({"authentication": case["auth"]})
    built = build(text, declared=DECLARED, environ=ENVIRON)
    headers = [*pairs(case.get("before")), ACCEPT, *pairs(case.get("after"))]
    body = None
    if "json" in case:
        headers.append(CONTENT)
        body = case["json"].replace("CANARY", SECRET).encode()
    url = BASE + case.get("query", "").replace("CANARY", SECRET)
    assert built.request() == Request("GET", url, tuple(headers), body)
    assert (codes(built.findings), built.operation.refusal) == (case.get("codes", []), None)
    assert SECRET not in f"{built.credentials!r}{built.operation!r}{built.request()!r}"
    assert SECRET not in str(built.findings)


def test_auth_stands_for_authentication() -> None:
    built = build("auth: {type: bearer, token: t}")
    assert built.request() == Request("GET", BASE, (("Authorization", "Bearer t"), ACCEPT))


@pytest.mark.parametrize(
    "place",
    ["baseUri: 'https://a.test/bot{token}'", "baseUri: https://a.test\npath: '/bot{token}'"],
)
def test_a_credential_fills_its_place_in_the_base_uri_or_in_the_path(place: str) -> None:
    clause = "{type: apikey, key: token, value: '{{TOKEN}}', placement: path}"
    built = build(f"{place}\nauthentication: {clause}", declared={"TOKEN": "12:ab c"})
    assert built.request().url == "https://a.test/bot12:ab%20c"
    assert built.operation.template == "https://a.test/bot{token}"
    assert (built.operation.inputs, built.findings) == ((), [])


@pytest.mark.anyio
@pytest.mark.parametrize("clause", ["{type: certificate, certPath: x}", "{}", "{token: t}"])
async def test_an_unknown_scheme_is_never_replaced_by_an_open_call(clause: str) -> None:
    built = build(f"authentication: {clause}")
    assert codes(built.findings) == ["W-AUTH-UNSUPPORTED"]
    with pytest.raises(UnsupportedError, match=r"authentication scheme '.*' is not supported"):
        await built.operation({})


@pytest.mark.parametrize(
    ("written", "scheme", "fields"),
    [
        (
            "{type: oauth1, consumerKey: '{{TOKEN}}', signingKey: k}",
            "oauth1",
            {"consumerKey": SECRET, "signingKey": "k"},
        ),
        ("{type: HMAC, apiId: '{{TOKEN}}', apiKey: 5}", "hmac", {"apiId": SECRET, "apiKey": "5"}),
        (
            "{type: awsSigV4, accessKeyId: '{{TOKEN}}', secretKey: k}",
            "aws-sig-v4",
            {"accessKeyId": SECRET, "secretKey": "k"},
        ),
        (
            "{type: digest, username: u, password: '{{TOKEN}}'}",
            "digest",
            {"username": "u", "password": SECRET},
        ),
        (
            "{type: oauth2, clientId: '{{TOKEN}}', scopes: [a, b]}",
            "oauth2",
            {"clientId": SECRET, "scopes": "a b"},
        ),
    ],
)
def test_a_signing_scheme_gets_its_fields(
    written: str, scheme: str, fields: dict[str, str]
) -> None:
    credentials = build(f"authentication: {written}", declared=DECLARED).credentials
    assert (credentials.scheme, credentials.fields) == (scheme, fields)
    assert credentials.fills("header", "Authorization")
    assert repr(credentials) == f"{scheme} signature"


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["a\nb", "a\r\nX: y", "a\0b", "a\x7f"])
@pytest.mark.parametrize("place", ["header", "cookie"])
async def test_a_credential_that_would_end_its_line_is_refused_unseen(
    place: str, value: str
) -> None:
    clause = f"{{type: apikey, key: k, value: '{{{{TOKEN}}}}', in: {place}}}"
    built = build(f"authentication: {clause}", declared={"TOKEN": f"{SECRET}{value}"})
    with pytest.raises(UnsupportedError) as caught:
        await built.operation({})
    assert str(caught.value) == (
        "the authentication of 'up' holds a control character such as a line end"
    )


@pytest.mark.anyio
async def test_r_var_4_a_call_whose_credential_has_no_value_names_the_variables() -> None:
    clause = "{type: basic, username: '{{USER}}', password: '{{env.PASS}}'}"
    built = build(f"authentication: {clause}", declared={"USER": None, "PASS": None})
    with pytest.raises(VariableError) as caught:
        await built.operation({})
    assert str(caught.value) == "variables USER, PASS (authentication of 'up') are not set"
    assert caught.value.names == ("USER", "PASS")


@pytest.mark.parametrize(
    ("clause", "parameter"),
    [
        ("{type: bearer, token: t}", "{name: authorization, in: header, required: true}"),
        ("{type: digest, username: t}", "{name: Authorization, in: header}"),
        ("{type: apikey, name: X-Key, value: t}", "{name: x-key, in: header, required: true}"),
        ("{type: apikey, name: key, value: t, in: query}", "{name: key, in: query}"),
        ("{type: apikey, name: key, value: t, in: cookie}", "{name: key, in: cookie}"),
        ("{type: apikey, name: key, value: t, in: cookie}", "{name: Cookie, in: header}"),
        ("{type: apikey, name: key, value: t, in: body}", "{name: key, in: body, required: true}"),
    ],
)
def test_the_credential_wins_over_a_parameter_of_its_place(clause: str, parameter: str) -> None:
    block = f"authentication: {clause}\nmethod: PUT\n"
    built = build(f"{block}inputParameters: [{parameter}]")
    name = yaml.safe_load(parameter)["name"]
    assert built.request(**{name: "mine"}) == build(block).request()
    assert codes(built.findings) == ["W-AUTH-PARAM"]
    assert {needed.name for needed in built.operation.inputs} == {"body"}


def test_what_a_credential_fills_cannot_be_given_by_with_either() -> None:
    block = """
    authentication: {type: apikey, key: X-Key, value: t}
    inputParameters: [{name: X-Key, in: header}, {name: Content-Type, in: header}]
    """
    built = build(block, overrides=frozenset({"X-Key", "Content-Type"}))
    given = {"X-Key": "mine", "Content-Type": "x/y"}
    assert built.request(**given) == Request("GET", BASE, (("X-Key", "t"), ACCEPT))
