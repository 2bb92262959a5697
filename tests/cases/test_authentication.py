"""Cases 91 and 92: who is let in by a bearer token, and by the access tokens of OAuth 2."""

import time
from collections.abc import Iterator

import pytest

from tests.callers.issuer import RESOURCE, Issuer, issuing
from tests.cases.serving import Serve, Served
from tests.e2e.wire import Answer

DOCUMENT = """
naftiko: 1.0.0-alpha2
info: {{label: Ships, description: All ships.}}
binds: {binds}
capability:
  consumes:
  - type: http
    namespace: up
    description: Ships.
    baseUri: http://up.test/v1
    resources:
    - {{name: ships, path: /ships, operations: [{{name: list-ships, method: GET}}]}}
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    authentication: {clause}
    resources:
    - {{path: /ships, operations: [{{method: GET, call: up.list-ships}}]}}
  - type: mcp
    namespace: mcp
    port: 9090
    authentication: {clause}
    tools:
    - {{name: list-ships, description: All ships., call: up.list-ships}}
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as each:
        yield each


def ask(served: Served, token: str | None) -> tuple[Answer, Answer]:
    """Ask both faces with a token."""
    given = {"authorization": f"Bearer {token}"} if token is not None else {}
    rest = served.get("/ships", adapter="rest", **given)
    return rest, served.rpc({"method": "tools/list"}, headers=given)


@pytest.mark.case(91)
def test_a_bearer_token_from_a_file_lets_in_who_has_it(serve: Serve) -> None:
    binds = "[{namespace: secrets, location: 'file:///./secrets.env', keys: {TOKEN: CALLER}}]"
    clause = "{type: bearer, token: '{{secrets.TOKEN}}'}"
    document = DOCUMENT.format(binds=binds, clause=clause)
    served = serve(document, files={"secrets.env": "CALLER=s3cret\n"})
    assert [answer.status for answer in ask(served, "s3cret")] == [200, 200]
    assert [answer.status for answer in ask(served, "wrong")] == [401, 401]
    assert [answer.status for answer in ask(served, None)] == [401, 401]


@pytest.mark.case(92)
def test_an_access_token_is_for_here_for_now_and_for_enough(serve: Serve, issuer: Issuer) -> None:
    clause = (
        f"{{type: oauth2, authorizationServerUri: '{issuer.uri}', resource: '{RESOURCE}',"
        " scopes: [ships:read]}"
    )
    served = serve(DOCUMENT.format(binds="[]", clause=clause))
    good = issuer.token(scope="ships:read")
    refused = {
        None: (401, ""),
        issuer.token(exp=int(time.time()) - 60): (401, 'error="invalid_token"'),
        issuer.token(aud="https://other.example"): (401, 'error="invalid_token"'),
        issuer.token(scope="ships:list"): (403, 'error="insufficient_scope"'),
    }
    for token, (status, error) in refused.items():
        for answer in ask(served, token):
            challenge = answer.headers["www-authenticate"]
            assert answer.status == status
            assert error in challenge
            assert 'scope="ships:read"' in challenge
            place = "https://ships.example/.well-known/oauth-protected-resource/mcp"
            assert f'resource_metadata="{place}"' in challenge
    assert [answer.status for answer in ask(served, good)] == [200, 200]
    for adapter in ("rest", "mcp"):
        for path in ("", "/mcp"):
            place = f"/.well-known/oauth-protected-resource{path}"
            public = served.get(place, adapter=adapter)
            assert public.status == 200
            assert public.json == {
                "resource": RESOURCE,
                "authorization_servers": [issuer.uri],
                "scopes_supported": ["ships:read"],
                "bearer_methods_supported": ["header"],
            }
