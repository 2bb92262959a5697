"""Access tokens of a real authorization server, at the REST and the MCP face; and forged ones."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar

import httpx
import httpx2
import pytest
from joserfc.jwk import Key, OctKey, RSAKey
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client

from naftiko_run.callers.authority import MAX_DOCUMENT, Authority, is_http, metadata_urls
from naftiko_run.callers.claims import MAX_TOKEN, Policy
from naftiko_run.callers.keyring import KEPT, PAUSE, RETRY, Keyring
from naftiko_run.callers.keys import KeySet
from naftiko_run.callers.oauth2 import Resource, oauth2
from naftiko_run.callers.signed import SignedTokens
from naftiko_run.exposes.auth import Refusal, settled
from naftiko_run.server.http import bind
from naftiko_run.types import Reply as UpstreamReply
from tests.callers.issuer import (
    ALL,
    RESOURCE,
    RSA,
    Issuer,
    edwards,
    elliptic,
    forged,
    issuing,
    json_reply,
)
from tests.callers.serving import Served, Upstream, capability, compiled, serving
from tests.e2e.upstream import Reply, misbehaving

pytestmark = pytest.mark.anyio

OTHER = RSAKey.generate_key(2048, {"kid": "other"})
PLACE = "https://ships.example/.well-known/oauth-protected-resource/mcp"


@pytest.fixture
async def served(tmp_path: Path, issuer: Issuer) -> AsyncIterator[Served]:
    async with serving(tmp_path, capability(issuer.clause())) as each:
        yield each


async def get(served: Served, *tokens: str, path: str = "/ships/a") -> httpx.Response:
    headers = [("authorization", f"Bearer {token}") for token in tokens]
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        return await client.get(path, headers=headers)


async def post(served: Served, token: str) -> httpx.Response:
    """Ask the MCP face for its tools."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/list",
        "params": {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        },
    }
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/list",
    } | ({"authorization": f"Bearer {token}"} if token else {})
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        return await client.post("/mcp", json=body, headers=headers)


# ----------------------------------------------------------------------------------- let in


async def test_a_good_token_is_let_in_and_goes_no_further(served: Served, issuer: Issuer) -> None:
    token = issuer.token()
    answers = [await get(served, token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    listed = await post(served, token)
    assert listed.status_code == 200
    assert listed.json()["result"]["cacheScope"] == "private"
    assert (await get(served, token, path="/openapi.json")).status_code == 200
    assert issuer.asked == ["/.well-known/oauth-authorization-server", "/keys"] * 2, (
        "once for each adapter"
    )
    assert token not in str([(r.url, r.headers, r.body) for r in served.upstream.requests])
    names = {name.lower() for r in served.upstream.requests for name, _ in r.headers}
    assert "authorization" not in names


KEYS: list[tuple[str, Callable[[], Key]]] = [
    *((name, lambda: RSA) for name in ALL if name[:2] in ("RS", "PS")),
    ("ES256", lambda: elliptic("P-256", "ec")),
    ("ES384", lambda: elliptic("P-384", "ec")),
    ("ES512", lambda: elliptic("P-521", "ec")),
    ("EdDSA", lambda: edwards("Ed25519", "ed")),
    ("EdDSA", lambda: edwards("Ed448", "ed")),
]


@pytest.mark.parametrize(("algorithm", "make"), KEYS)
async def test_every_asymmetric_signature_is_verified(
    issuer: Issuer, algorithm: str, make: Callable[[], Key]
) -> None:
    gate = Gate(issuer)
    key = make()
    other, stranger = (OTHER, OTHER) if key is RSA else (make(), make())
    issuer.published = [
        # None of these may hide the others: unknown, broken, secret, too weak or for encryption.
        {"kty": "XX", "kid": key.kid},
        {"kty": "RSA", "kid": key.kid, "n": "!", "e": 5},
        {"kty": "EC", "crv": "P-256", "kid": key.kid, "x": "AA", "y": "AA"},
        {**OctKey.generate_key(256).as_dict(private=True), "kid": key.kid},
        {**RSA.as_dict(private=False), "use": "enc"},
        "text",
        other.as_dict(private=False),
        key.as_dict(private=False),
    ]
    assert await gate.ask(issuer.token(key=key, algorithm=algorithm)) is None
    assert await gate.ask(issuer.token(key=key, algorithm=algorithm, header={"kid": None})) is None
    wrong = await gate.ask(issuer.token(key=stranger, algorithm=algorithm, header={"kid": key.kid}))
    assert wrong is not None
    assert "signature" in wrong.problem.detail


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": [RESOURCE, "https://other.example"]},
        {"aud": f"{RESOURCE}/"},
        {"aud": "ships-api"},
        {"scope": None, "scp": ["ships:list", "ships:read"]},
        {"scope": None, "scp": "ships:list ships:read"},
        {"scope": ["ships:list", "ships:read"]},
        {"scope": "ships:list", "scp": ["ships:read"]},
        {"header": {"typ": "JWT"}},
        {"header": {"typ": None}},
        {"header": {"typ": "application/at+JWT"}},
        {"header": {"kid": None}},
        {"exp": int(time.time()) + 1000.5},
        {"iat": None, "nbf": None},
        # Where a key is said to be is not asked.
        {"header": {"jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/cert"}},
        {"header": {"jwk": OTHER.as_dict(private=False)}},
    ],
)
async def test_a_token_may_be_written_in_several_ways(
    issuer: Issuer, changed: dict[str, Any]
) -> None:
    assert await Gate(issuer, audience="ships-api").ask(issuer.token(**changed)) is None
    assert len(issuer.asked) == 2


async def test_an_issuer_may_end_with_a_slash_or_not(issuer: Issuer) -> None:
    gate = Gate(issuer)
    assert await gate.ask(issuer.token(iss=f"{issuer.uri}/")) is None
    issuer.metadata["issuer"] = f"{issuer.uri}/"
    gate = Gate(issuer, issuer_uri=f"{issuer.uri}/")
    assert await gate.ask(issuer.token()) is None


async def test_the_scheme_is_read_in_any_case(served: Served, issuer: Issuer) -> None:
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        for scheme in ("bearer", "BEARER", "bEARER  "):
            headers = {"authorization": f"{scheme} {issuer.token()}"}
            assert (await client.get("/ships/a", headers=headers)).status_code == 200, scheme


# ------------------------------------------------------------------------------------ refused


@pytest.fixture(autouse=True)
async def _closing() -> AsyncIterator[None]:
    yield
    while Gate.made:
        await Gate.made.pop().upstream.aclose()


class Gate:
    """An authenticator alone, with a clock of its own for what it keeps."""

    made: ClassVar[list["Gate"]] = []

    def __init__(
        self,
        issuer: Issuer,
        *,
        issuer_uri: str = "",
        audience: str = "",
        **authority: Any,  # noqa: ANN401
    ) -> None:
        self.now = time.time()
        self.upstream = Upstream()
        self.made.append(self)
        uri = issuer_uri or issuer.uri
        audiences = (RESOURCE, audience) if audience else (RESOURCE,)
        policy = Policy(issuer=uri, audiences=audiences, scopes=("ships:read", "ships:list"))
        self.keyring = Keyring(Authority(uri, self.upstream, **authority), clock=lambda: self.now)
        self.authenticator = oauth2(
            Resource(identifier=RESOURCE, realm="harbour"),
            policy,
            SignedTokens(policy, self.keyring),
            clock=lambda: self.now,
        )

    async def ask(self, token: str, *more: str) -> Refusal | None:
        headers = [(b"authorization", f"Bearer {t}".encode()) for t in (token, *more)]
        return await settled(self.authenticator.refusal({"headers": headers}))

    def at_once(self, token: str) -> Refusal | None:
        """Ask where nobody has to be asked first."""
        headers = [(b"authorization", f"Bearer {token}".encode())]
        verdict = self.authenticator.refusal({"headers": headers})
        assert verdict is None or isinstance(verdict, Refusal)
        return verdict


def error_of(refusal: Refusal | None) -> str:
    assert refusal is not None
    challenge = dict(refusal.headers)["www-authenticate"]
    return challenge.partition('error="')[2].partition('"')[0]


async def test_without_a_token_the_challenge_says_where_to_get_one(served: Served) -> None:
    for answer in (await get(served), await post(served, "")):
        assert answer.status_code == 401
        realm = "tower" if answer.request.method == "POST" else "harbour"
        (challenge,) = answer.headers.get_list("www-authenticate")
        assert challenge == (
            f'Bearer realm="{realm}", resource_metadata="{PLACE}", scope="ships:read ships:list"'
        )
        assert answer.headers["content-type"] == "application/problem+json"


async def test_other_credentials_are_no_token(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        for given in ("Basic YTpi", "Bearer", "DPoP x.y.z", "Digest a=b"):
            answer = await client.get("/ships/a", headers={"authorization": given})
            assert answer.status_code == 401, given
            assert "error=" not in answer.headers["www-authenticate"], given


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "cannot be read"),
        ({"nbf": NOW + 3600}, "not valid yet"),
        ({"iat": NOW + 3600}, "not valid yet"),
        ({"aud": "https://other.example"}, "another resource"),
        ({"aud": ["https://ships.example", f"{RESOURCE}/x"]}, "another resource"),
        ({"aud": None}, "aud"),
        ({"aud": {"a": 1}}, ""),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "iss"),
        ({"iss": 1}, ""),
        ({"header": {"typ": "logout+jwt"}}, "no access token"),
        ({"header": {"typ": "dpop+jwt"}}, "no access token"),
        ({"typ": "ID"}, "no access token"),
        ({"typ": "Refresh"}, "no access token"),
        ({"token_use": "id"}, "no access token"),
        ({"at_hash": "x"}, "no access token"),
        ({"cnf": {"jkt": "x"}}, "bound"),
        ({"header": {"kid": "unknown"}}, "does not have"),
        ({"header": {"kid": "../../../dev/null"}}, "does not have"),
        ({"header": {"kid": "' OR 1=1 --"}}, "does not have"),
        ({"header": {"kid": "x" * 200}}, "does not have"),
    ],
)
async def test_a_token_that_is_not_for_here_is_refused(
    issuer: Issuer, changed: dict[str, Any], said: str
) -> None:
    token = issuer.token(**changed)
    refusal = await Gate(issuer).ask(token)
    assert refusal is not None
    assert (refusal.problem.status, error_of(refusal)) == (401, "invalid_token")
    assert said in refusal.problem.detail
    assert token not in str(refusal)
    assert "evil" not in str(refusal)


async def test_the_two_faces_refuse_alike(served: Served, issuer: Issuer) -> None:
    for token in (issuer.token(aud="https://other.example"), issuer.token(exp=NOW - 60)):
        answers = [await get(served, token), await post(served, token)]
        assert [answer.status_code for answer in answers] == [401, 401]
        for answer in answers:
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
            assert f'resource_metadata="{PLACE}"' in answer.headers["www-authenticate"]
    narrow = issuer.token(scope="ships:read ships:listing")
    for _ in range(2):
        for answer in (await get(served, narrow), await post(served, narrow)):
            assert answer.status_code == 403
            challenge = answer.headers["www-authenticate"]
            assert 'error="insufficient_scope"' in challenge
            assert 'scope="ships:read ships:list"' in challenge
    assert served.upstream.requests == []


def public_pem() -> bytes:
    return RSA.as_pem(private=False)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "HS384", "A128KW", None, 5]
)
async def test_a_token_that_anybody_could_make_is_refused(
    issuer: Issuer, algorithm: object
) -> None:
    gate = Gate(issuer)
    assert await gate.ask(issuer.token()) is None
    header = {"alg": algorithm, "kid": "rsa", "typ": "at+jwt"}
    secrets = (None, b"", public_pem(), json.dumps(RSA.as_dict(private=False)).encode())
    for secret in secrets:
        refusal = gate.at_once(forged(header, issuer.claims(), secret))
        assert error_of(refusal) == "invalid_token"


async def test_an_algorithm_has_to_fit_the_key(issuer: Issuer) -> None:
    gate = Gate(issuer)
    issuer.published = [{**RSA.as_dict(private=False), "alg": "RS256"}]
    assert await gate.ask(issuer.token()) is None
    assert error_of(gate.at_once(issuer.token(algorithm="PS256"))) == "invalid_token"
    assert error_of(gate.at_once(issuer.token(algorithm="RS512"))) == "invalid_token"


async def test_a_weak_key_verifies_nothing(issuer: Issuer) -> None:
    numbers = RSA.as_dict(private=False)
    small = KeySet([{**numbers, "n": str(numbers["n"])[:171]}])
    assert not small
    assert KeySet([numbers])


@pytest.mark.parametrize(
    "text",
    [
        "opaque",
        "a.b",
        "a.b.c",
        "..",
        "a.b.c.d.e",
        "e30.e30.e30",
        "W10.W10.W10",
        "é",
        "a b",
        "\x00",
        "x" * (MAX_TOKEN + 1),
        forged({"alg": "RS256", "crit": ["b64"], "b64": False}, {}, None),
        forged({"alg": "RS256", "crit": ["exp"], "typ": "at+jwt"}, {"exp": 1}, None),
        forged({"alg": "RS256", "kid": {"a": 1}}, {}, None),
        "W1tb" * 3000 + ".e30.e30",
    ],
)
async def test_what_is_no_signed_token_is_refused_at_once(issuer: Issuer, text: str) -> None:
    gate = Gate(issuer)
    assert error_of(gate.at_once(text)) == "invalid_token"
    assert issuer.asked == []


async def test_two_authorization_fields_are_refused(served: Served, issuer: Issuer) -> None:
    answer = await get(served, issuer.token(), issuer.token())
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]
    assert served.upstream.requests == []


async def test_a_token_counts_in_no_other_place(served: Served, issuer: Issuer) -> None:
    answer = await get(served, path=f"/ships/a?access_token={issuer.token()}")
    assert answer.status_code == 401


async def test_a_changed_token_is_refused(issuer: Issuer) -> None:
    gate = Gate(issuer)
    token = issuer.token()
    assert await gate.ask(token) is None
    header, content, signature = token.split(".")
    evil = forged({}, issuer.claims(sub="eve"), None).split(".")[1]
    for each in (f"{header}.{evil}.{signature}", f"{header}.{content}.{signature[::-1]}"):
        assert error_of(gate.at_once(each)) == "invalid_token"
    assert error_of(gate.at_once(f"{header}.{content}.")) == "invalid_token"


# ---------------------------------------------------------------------------------- the keys


async def test_keys_are_fetched_once_for_all_who_wait(issuer: Issuer) -> None:
    gate = Gate(issuer)
    answers = await asyncio.gather(*(gate.ask(issuer.token(jti=str(n))) for n in range(20)))
    assert answers == [None] * 20
    assert len(issuer.asked) == 2


async def test_a_new_key_is_fetched_but_not_for_every_name(issuer: Issuer) -> None:
    gate = Gate(issuer)
    assert await gate.ask(issuer.token()) is None
    new = elliptic("P-256", "new")
    issuer.keys = [RSA, new]
    token = issuer.token(key=new, algorithm="ES256")
    assert error_of(gate.at_once(token)) == "invalid_token", "it was just fetched"
    gate.now += PAUSE
    assert await gate.ask(token) is None
    asked = len(issuer.asked)
    for name in range(50):
        assert error_of(gate.at_once(issuer.token(header={"kid": str(name)}))) == "invalid_token"
    assert len(issuer.asked) == asked


async def test_a_withdrawn_key_is_good_for_no_longer_than_the_set(issuer: Issuer) -> None:
    gate = Gate(issuer)
    token = issuer.token(exp=NOW + 86400)
    assert await gate.ask(token) is None
    issuer.keys = [elliptic("P-256", "new")]
    issuer_asked = len(issuer.asked)
    gate.now += KEPT - 1
    assert gate.at_once(token) is None
    assert len(issuer.asked) == issuer_asked
    gate.now += 2
    assert error_of(await gate.ask(token)) == "invalid_token"


async def test_a_token_is_let_in_no_longer_than_it_lives(issuer: Issuer) -> None:
    gate = Gate(issuer)
    token = issuer.token(exp=int(time.time()) + 30)
    assert await gate.ask(token) is None
    gate.now += 90
    assert (
        gate.authenticator.refusal({"headers": [(b"authorization", b"Bearer " + token.encode())]})
        is None
    ), "it is verified again, by the real time"


BROKEN: list[tuple[str, Callable[[Issuer], None]]] = [
    (
        "no metadata",
        lambda i: i.replies.update(
            {"/.well-known/oauth-authorization-server": json_reply({}, 404)}
        ),
    ),
    ("of another issuer", lambda i: i.metadata.update({"issuer": "https://evil.example"})),
    ("name no place", lambda i: i.metadata.update({"jwks_uri": None})),
    ("name no place", lambda i: i.metadata.update({"jwks_uri": "file:///etc/passwd"})),
    ("usable keys", lambda i: i.replies.update({"/keys": json_reply({"keys": []})})),
    ("usable keys", lambda i: i.replies.update({"/keys": json_reply({"keys": {"a": 1}})})),
    ("usable keys", lambda i: i.replies.update({"/keys": Reply(200, b"<html>")})),
    ("usable keys", lambda i: i.replies.update({"/keys": Reply(200, b"[" * 100_000)})),
    ("usable keys", lambda i: i.replies.update({"/keys": json_reply({}, 500)})),
    ("usable keys", lambda i: i.replies.update({"/keys": Reply(302, b"", {"location": "/moved"})})),
    ("too large", lambda i: i.replies.update({"/keys": Reply(200, b" " * (MAX_DOCUMENT + 1))})),
]


@pytest.mark.parametrize(("said", "break_it"), BROKEN)
async def test_nobody_is_let_in_while_the_server_is_of_no_help(
    issuer: Issuer, said: str, break_it: Callable[[Issuer], None]
) -> None:
    break_it(issuer)
    issuer.replies["/moved"] = json_reply({"keys": [RSA.as_dict(private=False)]})
    gate = Gate(issuer)
    token = issuer.token()
    refusal = await gate.ask(token)
    assert refusal is not None
    assert refusal.problem.status == 503
    assert said in refusal.problem.detail
    assert "127.0.0.1" in refusal.problem.detail
    assert token not in str(refusal)
    assert dict(refusal.headers) == {"retry-after": "5"}
    asked = len(issuer.asked)
    again = await gate.ask(token)
    assert again is not None
    assert again.problem.status == 503
    assert len(issuer.asked) == asked, "it is not asked again at once"
    issuer.replies.clear()
    issuer.metadata.clear()
    gate.now += RETRY
    assert await gate.ask(token) is None


async def test_a_server_that_says_nothing_is_not_waited_for(issuer: Issuer) -> None:
    leave = threading.Event()

    def wait(_: object) -> None:
        leave.wait(30)

    with misbehaving(wait) as url:
        gate = Gate(issuer, issuer_uri=url, seconds=0.05)
        refusal = await gate.ask(issuer.token())
        leave.set()
    assert refusal is not None
    assert refusal.problem.status == 503


async def test_a_server_that_is_not_there_lets_nobody_in(tmp_path: Path, issuer: Issuer) -> None:
    clause = issuer.clause(authorizationServerUri="http://127.0.0.1:9")
    async with serving(tmp_path, capability(clause)) as served:
        answers = [await get(served, issuer.token()), await post(served, issuer.token())]
        public = await get(served, path="/.well-known/oauth-protected-resource/mcp")
    for answer in answers:
        assert answer.status_code == 503
        assert "127.0.0.1" in answer.json()["detail"]
    assert public.status_code == 200


async def test_metadata_are_looked_for_where_servers_have_them() -> None:
    assert metadata_urls("https://a.example/") == (
        "https://a.example/.well-known/oauth-authorization-server",
        "https://a.example/.well-known/openid-configuration",
    )
    assert metadata_urls("https://a.example/t") == (
        "https://a.example/t/.well-known/oauth-authorization-server",
        "https://a.example/.well-known/oauth-authorization-server/t",
        "https://a.example/t/.well-known/openid-configuration",
        "https://a.example/.well-known/openid-configuration/t",
    )


async def test_a_server_of_openid_connect_is_found_behind_its_path() -> None:
    with issuing("/tenant") as issuer:
        metadata = {"issuer": issuer.uri, "jwks_uri": f"{issuer.uri}/keys"}
        issuer.replies = {
            "/tenant/.well-known/oauth-authorization-server": json_reply({}, 404),
            "/.well-known/oauth-authorization-server/tenant": Reply(200, b"<html>"),
            "/tenant/.well-known/openid-configuration": json_reply(metadata),
        }
        assert await Gate(issuer).ask(issuer.token()) is None


async def test_a_server_with_tls_names_no_place_without() -> None:
    class Plain(Upstream):
        async def send(self, request: Any) -> Any:  # noqa: ANN401 - as the client's
            metadata = {"issuer": "https://a.example", "jwks_uri": "http://a.example/keys"}
            return UpstreamReply(200, (), json.dumps(metadata).encode())

    assert (await Authority("https://a.example", Plain()).metadata()).jwks_uri == ""


@pytest.mark.parametrize(
    "url",
    ["ftp://a", "https://", "a", "https://u:p@a", "https://a:0", "https://a b", "https://[", ""],
)
async def test_an_address_is_of_the_web_and_without_secrets(url: str) -> None:
    assert not is_http(url)


# ------------------------------------------------------------------------------- the metadata


async def test_everybody_may_read_who_gives_tokens(served: Served, issuer: Issuer) -> None:
    for path in ("", "/mcp", "/harbour", "/tower/mcp"):
        answer = await get(served, path=f"/.well-known/oauth-protected-resource{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {
            "resource": RESOURCE,
            "authorization_servers": [issuer.uri],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["ships:read", "ships:list"],
        }


async def test_other_well_known_paths_are_not_public(served: Served) -> None:
    assert (await get(served, path="/openapi.json")).status_code == 401
    other = await get(served, path="/.well-known/oauth-protected-resource/other")
    assert other.status_code == 404


async def test_openapi_says_how_callers_authenticate(tmp_path: Path, issuer: Issuer) -> None:
    clause = issuer.clause(tokenEndpoint=f"{issuer.uri}/token")
    async with serving(tmp_path, capability(clause)) as served:
        document = (await get(served, issuer.token(), path="/openapi.json")).json()
    scheme = document["components"]["securitySchemes"]["harbour"]
    assert scheme["type"] == "oauth2"
    assert scheme["flows"] == {
        "clientCredentials": {
            "tokenUrl": f"{issuer.uri}/token",
            "scopes": {"ships:read": "", "ships:list": ""},
        }
    }
    operation = document["paths"]["/ships/{name}"]["get"]
    assert operation["security"] == [{"harbour": ["ships:read", "ships:list"]}]


# ------------------------------------------------------------------------------- real clients


async def test_the_mcp_sdk_calls_a_tool_with_a_token(served: Served, issuer: Issuer) -> None:
    headers = {"authorization": f"Bearer {issuer.token()}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(f"{served.url}/mcp", http_client=http)) as client,
    ):
        result = await client.call_tool("get-ship", {"name": "ada"})
    assert not result.is_error
    assert result.structured_content == {"ship": "Ada"}


class Storage:
    """Keeps what the SDK's client gets."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client: Any = None

    async def get_tokens(self) -> Any:  # noqa: ANN401 - the SDK's
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:  # noqa: ANN401 - the SDK's
        self.tokens = tokens

    async def get_client_info(self) -> Any:  # noqa: ANN401 - the SDK's
        return self.client

    async def set_client_info(self, client_info: Any) -> None:  # noqa: ANN401 - the SDK's
        self.client = client_info


async def test_the_mcp_sdk_finds_by_itself_where_to_get_a_token(
    tmp_path: Path, issuer: Issuer
) -> None:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    text = capability(issuer.clause(resource=f"http://127.0.0.1:{port}/mcp"))
    async with serving(tmp_path, text, port=port) as served:
        storage = Storage()
        provider = ClientCredentialsOAuthProvider(
            server_url=f"{served.url}/mcp",
            storage=storage,
            client_id="robot",
            client_secret="s3cret",
            issuer=issuer.uri,
        )
        async with (
            httpx2.AsyncClient(auth=provider, trust_env=False) as http,
            Client(streamable_http_client(f"{served.url}/mcp", http_client=http)) as client,
        ):
            result = await client.call_tool("get-ship", {"name": "ada"})
    assert not result.is_error
    assert storage.tokens is not None


# ------------------------------------------------------------------------------------ at load


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"authorizationServerUri": None}, "authorizationServerUri"),
        ({"resource": None}, "resource"),
        ({"authorizationServerUri": "login.example"}, "no http or https"),
        ({"authorizationServerUri": "https://u:p@login.example"}, "no http or https"),
        ({"resource": "/mcp"}, "absolute URI"),
        ({"resource": "https://a.example/#x"}, "absolute URI"),
        ({"resource": "https://u:p@a.example/"}, "absolute URI"),
        ({"resource": "urn:ships#x"}, "absolute URI"),
        ({"authorizationServerUri": "https://login.example?x=1"}, "no http or https"),
        ({"jwksUri": "file:///keys"}, "no http or https"),
        ({"authorizationServerUri": "{{EMPTY}}"}, "no http or https"),
        ({"resource": "{{EMPTY}}"}, "absolute URI"),
        ({"scopes": ["{{EMPTY}}", " "]}, "name none"),
        ({"tokenValidation": "opaque"}, "tokenValidation"),
        ({"tokenValidation": "introspection"}, "clientId"),
    ],
)
async def test_a_clause_that_nobody_could_pass_is_an_error(
    tmp_path: Path, issuer: Issuer, changed: dict[str, Any], said: str
) -> None:
    clause = {n: v for n, v in issuer.clause(**changed).items() if v is not None}
    plan = compiled(tmp_path, capability(clause), Upstream(), environ={"EMPTY": ""})
    errors = [f for f in plan.findings if f.code == "E-AUTH-EXPOSED"]
    assert len(errors) == 2
    assert said in errors[0].message
    assert not plan.serves_anything


async def test_an_address_without_tls_is_warned_of_wherever_it_comes_from(
    tmp_path: Path, issuer: Issuer
) -> None:
    text = capability(issuer.clause(authorizationServerUri="{{ISSUER}}"), {"ISSUER": "ISSUER"})
    for address, codes in (
        ("http://login.example", ["W-OAUTH-HTTP"] * 2),
        ("https://login.example", []),
        ("http://127.0.0.1:9", []),
    ):
        plan = compiled(tmp_path, text, Upstream(), environ={"ISSUER": address})
        assert [f.code for f in plan.findings if f.code[:1] in "EW"] == codes, address


async def test_scopes_may_be_written_in_several_ways(tmp_path: Path, issuer: Issuer) -> None:
    ways: tuple[object, ...] = (["a", "b"], "a b", {"a": "Reads.", "b": "Writes."}, ["a b", "a"])
    for scopes in ways:
        plan = compiled(tmp_path, capability(issuer.clause(scopes=scopes)), Upstream())
        authenticator = plan.listeners[0].routes[0].authenticator
        assert authenticator is not None
        assert authenticator.scopes == ("a", "b"), scopes


async def test_keys_may_be_named_in_the_clause(tmp_path: Path, issuer: Issuer) -> None:
    clause = issuer.clause(jwksUri=f"{issuer.uri}/keys")
    async with serving(tmp_path, capability(clause)) as served:
        assert (await get(served, issuer.token())).status_code == 200
    assert issuer.asked == ["/keys"]


async def test_a_variable_that_is_not_set_lets_nobody_in(tmp_path: Path, issuer: Issuer) -> None:
    clause = issuer.clause(authorizationServerUri="{{ISSUER}}")
    text = capability(clause, {"ISSUER": "ISSUER"})
    async with serving(tmp_path, text) as served:
        answer = await get(served, issuer.token())
        assert answer.status_code == 503
        assert answer.json()["variables"] == ["ISSUER"]
    async with serving(tmp_path, text, environ={"ISSUER": issuer.uri}) as served:
        assert (await get(served, issuer.token())).status_code == 200
