"""What an exposed adapter asks of its callers."""

import base64
from typing import Any

import pytest
from msgspec.structs import replace

from naftiko_run.exposes.auth import Authenticator, Refusal, apikey, basic, bearer
from naftiko_run.exposes.units import ToolServer


def scope(*headers: tuple[bytes, bytes], query: bytes = b"") -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), "query_string": query}


def authorization(value: str) -> tuple[bytes, bytes]:
    return (b"authorization", value.encode())


def pair(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


BEARER = bearer("s3cret", "ships")
BASIC = basic("ada", "s3cret:with colon", "ships")
HEADER = apikey("X-Api-Key", "s3cret", "header", "ships")
QUERY = apikey("key", "s3cret", "query", "ships")


@pytest.mark.parametrize(
    ("authenticator", "request_scope"),
    [
        (BEARER, scope(authorization("Bearer s3cret"))),
        (BEARER, scope(authorization("bearer  s3cret "))),
        (BASIC, scope(authorization(f"Basic {pair('ada:s3cret:with colon')}"))),
        (HEADER, scope((b"x-api-key", b"s3cret"))),
        (QUERY, scope(query=b"a=b&key=s3cret")),
    ],
)
def test_the_right_credentials_let_a_request_in(
    authenticator: Authenticator, request_scope: dict[str, Any]
) -> None:
    assert authenticator.refusal(request_scope) is None


@pytest.mark.parametrize(
    ("authenticator", "request_scope"),
    [
        (BEARER, scope()),
        (BEARER, scope(authorization("Bearer"))),
        (BEARER, scope(authorization("Bearer s3cre"))),
        (BEARER, scope(authorization("Basic s3cret"))),
        (BEARER, scope(authorization("s3cret"))),
        (BASIC, scope(authorization("Basic !!!"))),
        (BASIC, scope((b"authorization", b"Basic \xc3\xa9"))),
        (BASIC, scope((b"authorization", b"Basic \xff"))),
        (BASIC, scope(authorization("Basic /////w=="))),
        (BEARER, scope((b"authorization", b"Bearer \xff"))),
        (BASIC, scope(authorization(f"Basic {pair('ada:wrong')}"))),
        (BASIC, scope(authorization(f"Bearer {pair('ada:s3cret:with colon')}"))),
        (HEADER, scope((b"x-api-key", b""))),
        (HEADER, scope((b"x-api-kex", b"s3cret"))),
        (QUERY, scope(query=b"key=s3cret&key=s3cret")),
        (QUERY, scope(query=b"key=%ff")),
        (bearer("", "ships"), scope(authorization("Bearer "))),
        (basic("ada", "", "ships"), scope(authorization(f"Basic {pair('ada:')}"))),
        (apikey("k", "", "query", "ships"), scope(query=b"k=")),
    ],
)
def test_anything_else_is_refused_with_a_challenge(
    authenticator: Authenticator, request_scope: dict[str, Any]
) -> None:
    refusal = authenticator.refusal(request_scope)
    assert isinstance(refusal, Refusal)
    assert refusal.problem.status == 401
    assert [name for name, _ in refusal.headers] == ["www-authenticate"]
    assert "s3cret" not in f"{refusal}{authenticator}"


def challenge(authenticator: Authenticator) -> str:
    refusal = authenticator.refusal(scope())
    assert isinstance(refusal, Refusal)
    return dict(refusal.headers)["www-authenticate"]


def test_the_challenges_name_scheme_and_realm() -> None:
    assert challenge(BEARER) == 'Bearer realm="ships"'
    assert challenge(BASIC) == 'Basic realm="ships", charset="UTF-8"'
    assert challenge(HEADER) == 'ApiKey realm="ships", in="header", name="X-Api-Key"'
    assert challenge(QUERY) == 'ApiKey realm="ships", in="query", name="key"'


def test_a_variable_that_is_not_set_lets_nobody_in_and_is_named() -> None:
    refusal = BEARER.waiting_for(("TOKEN",)).refusal(scope(authorization("Bearer s3cret")))
    assert isinstance(refusal, Refusal)
    assert refusal.problem.status == 503
    assert refusal.problem.members["variables"] == ["TOKEN"]


def test_lists_behind_authentication_are_not_shared_by_callers() -> None:
    server = ToolServer(namespace="a", title="", version="1", instructions="", tools=())
    assert server.lists_kept.scope == "public"
    assert replace(server, authenticator=BEARER).lists_kept.scope == "private"


@pytest.mark.parametrize("authenticator", [BEARER, BASIC])
def test_two_authorization_fields_are_one_too_many(authenticator: Authenticator) -> None:
    fields = (
        authorization("Bearer s3cret"),
        authorization(f"Basic {pair('ada:s3cret:with colon')}"),
    )
    for given in (fields, fields[::-1]):
        refusal = authenticator.refusal(scope(*given))
        assert isinstance(refusal, Refusal)
        assert refusal.problem.status == 400


def test_a_token_may_have_any_letters() -> None:
    request = scope((b"authorization", "Bearer schlüssel".encode()))
    assert bearer("schlüssel", "ships").refusal(request) is None
