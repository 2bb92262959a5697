"""Opaque tokens: the authorization server is asked about each, once for a while."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from naftiko_run.callers.authority import Authority
from naftiko_run.callers.claims import Policy
from naftiko_run.callers.introspection import KEPT, MAX_ASKED, Client, IntrospectedTokens
from naftiko_run.callers.oauth2 import REFUSED, Resource, oauth2
from naftiko_run.exposes.auth import Refusal, settled
from tests.callers.issuer import CLIENT, RESOURCE, SECRET, Issuer, json_reply
from tests.callers.serving import Upstream, capability, serving
from tests.e2e.upstream import Received, Reply

pytestmark = pytest.mark.anyio

OPAQUE = "opaque"


class Gate:
    """An authenticator alone, with a clock of its own for what it keeps."""

    def __init__(self, issuer: Issuer, upstream: Upstream, secret: str = SECRET) -> None:
        self.now = time.time()
        policy = Policy(issuer=issuer.uri, audiences=(RESOURCE,), scopes=("ships:read",))
        client = Client(client_id=CLIENT, client_secret=secret)
        tokens = IntrospectedTokens(
            policy, Authority(issuer.uri, upstream), client, clock=lambda: self.now
        )
        resource = Resource(identifier=RESOURCE, realm="harbour")
        self.authenticator = oauth2(resource, policy, tokens, clock=lambda: self.now)

    async def ask(self, token: str = OPAQUE) -> Refusal | None:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        return await settled(self.authenticator.refusal({"headers": headers}))

    async def status(self, token: str = OPAQUE) -> int:
        refusal = await self.ask(token)
        return refusal.problem.status if refusal else 200


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    yield upstream
    await upstream.aclose()


def questions(issuer: Issuer) -> int:
    return issuer.asked.count("/introspect")


async def test_an_active_token_is_let_in_and_asked_about_once(
    issuer: Issuer, upstream: Upstream
) -> None:
    issuer.active["opaque"] = {"active": True, **issuer.claims()}
    gate = Gate(issuer, upstream)
    assert await asyncio.gather(*(gate.status() for _ in range(10))) == [200] * 10
    assert await gate.status() == 200
    assert questions(issuer) == 1
    assert issuer.clients == [(CLIENT, SECRET)]
    issuer.active.clear()
    gate.now += KEPT
    assert await gate.status() == 401, "it was withdrawn"
    gate.now += REFUSED - 1
    assert await gate.status() == 401
    assert questions(issuer) == 2
    gate.now += 1
    await gate.status()
    assert questions(issuer) == 3


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"exp": None, "iat": None, "nbf": None, "iss": None}, 200),
        ({"aud": [RESOURCE, "x"]}, 200),
        ({"active": False}, 401),
        ({"exp": int(time.time()) - 31}, 401),
        ({"exp": "soon"}, 401),
        ({"exp": True}, 401),
        ({"nbf": int(time.time()) + 3600}, 401),
        ({"aud": "https://other.example"}, 401),
        ({"aud": None}, 401),
        ({"aud": {"a": 1}}, 401),
        ({"iss": "https://evil.example"}, 401),
        ({"iss": ["x"]}, 401),
        ({"token_use": "refresh_token"}, 401),
        ({"cnf": {"jkt": "x"}}, 401),
        ({"scope": "ships:reader"}, 403),
        ({"scope": None}, 403),
        ({"active": "true"}, 503),
        ({"active": None}, 503),
    ],
)
async def test_what_the_server_says_of_a_token_decides(
    issuer: Issuer, upstream: Upstream, changed: dict[str, Any], status: int
) -> None:
    answer = {"active": True, **issuer.claims(), **changed}
    issuer.active["opaque"] = {name: v for name, v in answer.items() if v is not None}
    refusal = await Gate(issuer, upstream).ask()
    assert (refusal.problem.status if refusal else 200) == status
    assert "opaque" not in str(refusal)


async def test_a_token_is_let_in_no_longer_than_it_lives(
    issuer: Issuer, upstream: Upstream
) -> None:
    gate = Gate(issuer, upstream)
    issuer.active["opaque"] = {"active": True, **issuer.claims(exp=int(gate.now) - 25)}
    assert await gate.status() == 200
    gate.now += 6
    assert await gate.status() == 401


async def test_the_secret_goes_where_the_server_wants_it(
    issuer: Issuer, upstream: Upstream
) -> None:
    issuer.metadata["introspection_endpoint_auth_methods_supported"] = ["client_secret_post"]
    issuer.active["opaque"] = {"active": True, **issuer.claims()}
    assert await Gate(issuer, upstream).status() == 200
    assert issuer.clients == [(CLIENT, SECRET)]


@pytest.mark.parametrize(
    ("target", "reply"),
    [
        ("/.well-known/oauth-authorization-server", json_reply({}, 404)),
        ("/introspect", Reply(200, b"<html>")),
        ("/introspect", json_reply({"active": True}, 500)),
        ("/introspect", Reply(302, b"", {"location": "/elsewhere"})),
        ("/introspect", json_reply([True])),
    ],
)
async def test_nobody_is_let_in_while_the_server_is_of_no_help(
    issuer: Issuer, upstream: Upstream, target: str, reply: Reply
) -> None:
    issuer.replies[target] = reply
    refusal = await Gate(issuer, upstream).ask()
    assert refusal is not None
    assert refusal.problem.status == 503
    assert "opaque" not in str(refusal)
    assert "/elsewhere" not in issuer.asked


async def test_a_wrong_secret_is_the_operators_trouble_and_not_told(
    issuer: Issuer, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = await Gate(issuer, upstream, "wr0ng-secret").ask()
    assert refusal is not None
    assert refusal.problem.status == 503
    assert "client credentials" in refusal.problem.detail
    assert "wr0ng-secret" not in f"{refusal}{caplog.text}"


async def test_callers_cannot_make_any_number_of_questions(
    issuer: Issuer, upstream: Upstream
) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: Received) -> Reply:
        asyncio.run_coroutine_threadsafe(asked.wait(), loop).result(10)
        return json_reply({"active": False})

    issuer.replies["/introspect"] = slow
    gate = Gate(issuer, upstream)
    waiting = [asyncio.create_task(gate.status(f"t{n}")) for n in range(MAX_ASKED)]
    await asyncio.sleep(0)
    assert await gate.status("one-more") == 503
    asked.set()
    assert await asyncio.gather(*waiting) == [401] * MAX_ASKED


async def test_a_caller_that_leaves_takes_no_answer_with_it(
    issuer: Issuer, upstream: Upstream
) -> None:
    issuer.active["opaque"] = {"active": True, **issuer.claims()}
    gate = Gate(issuer, upstream)
    first, second = (asyncio.create_task(gate.status()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 200
    assert questions(issuer) == 1


async def test_an_adapter_asks_with_the_clients_credentials(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    clause = issuer.clause(
        tokenValidation="introspection", clientId=CLIENT, clientSecret="{{SECRET}}"
    )
    issuer.active["opaque"] = {"active": True, **issuer.claims()}
    text = capability(clause, {"SECRET": "SECRET"})
    caplog.set_level("DEBUG")
    async with (
        serving(tmp_path, text, environ={"SECRET": SECRET}) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False) as client,
    ):
        good = await client.get("/ships/a", headers={"authorization": "Bearer opaque"})
        wrong = await client.get("/ships/a", headers={"authorization": "Bearer wrong"})
        mcp = await client.post("/mcp", headers={"authorization": "Bearer wrong"}, json={})
    assert [good.status_code, wrong.status_code, mcp.status_code] == [200, 401, 401]
    said = caplog.text + wrong.text + str(wrong.headers)
    assert SECRET not in said
    assert "Bearer opaque" not in said
