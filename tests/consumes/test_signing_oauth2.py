"""A token endpoint that checks its clients, and what becomes of its tokens."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote_plus

import pytest

from naftiko_run.consumes.signing import Grant, OAuth2ClientCredentials
from naftiko_run.errors import (
    UnreadableReply,
    UnsupportedError,
    UpstreamError,
    UpstreamTimeout,
)
from naftiko_run.types import Json, Reply, Request

ISSUER = "https://login.example/tenant"
TOKENS = "https://login.example/tenant/token"
API = Request("POST", "https://api.example/things?x=%2F", (("A", "b"),), b"{}")
SECRET = "s/e:c r+et"
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def json_reply(status: int, value: Json) -> Reply:
    return Reply(status, (("content-type", "application/json"),), json.dumps(value).encode())


def invalid_token(status: int = 401) -> Reply:
    challenge = 'Bearer realm="x", error="invalid_token", error_description="expired"'
    return Reply(status, (("www-authenticate", challenge),), b"")


@dataclass
class World:
    """An authorization server and an API that takes its tokens."""

    life: Json = 3600
    way: str = "client_secret_basic"
    metadata: dict[str, Reply] = field(default_factory=dict)
    token_reply: Callable[[], Reply] | None = None
    revoked: set[str] = field(default_factory=set)
    refusal: Reply = field(default_factory=invalid_token)
    now: float = 0.0
    token_requests: list[Request] = field(default_factory=list)
    executed: list[Request] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def send(self, request: Request) -> Reply:
        self.paths.append(request.url)
        await asyncio.sleep(0)
        if request.url == TOKENS:
            return self._token(request)
        if request.url in self.metadata or "/.well-known/" in request.url:
            return self.metadata.get(request.url, Reply(404, (), b"<html>"))
        scheme, _, token = dict(request.headers)["Authorization"].partition(" ")
        assert scheme == "Bearer"
        if token in self.revoked:
            return self.refusal
        self.executed.append(request)
        return Reply(200, (), token.encode())

    def _token(self, request: Request) -> Reply:
        self.token_requests.append(request)
        form = {name: value for name, (value,) in parse_qs((request.body or b"").decode()).items()}
        headers = dict(request.headers)
        if self.way == "client_secret_basic":
            pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
            client = [unquote_plus(half) for half in pair.split(":")]
            assert "client_secret" not in form
        else:
            assert "Authorization" not in headers
            client = [form["client_id"], form["client_secret"]]
        assert (request.method, form["grant_type"]) == ("POST", "client_credentials")
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        if self.token_reply:
            return self.token_reply()
        if client != ["the client", SECRET]:
            return json_reply(401, {"error": "invalid_client"})
        number = len(self.token_requests)
        return json_reply(
            200,
            {"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": self.life},
        )

    async def aclose(self) -> None: ...

    def client(self, **changes: str) -> OAuth2ClientCredentials:
        fields = {"client_id": "the client", "client_secret": SECRET, "token_endpoint": TOKENS}
        return OAuth2ClientCredentials(self, Grant(**{**fields, **changes}), clock=lambda: self.now)


def test_the_request_of_rfc_6749() -> None:
    world = World(token_reply=lambda: json_reply(200, {"access_token": "2YotnFZFEjr1zCsicMWpAA"}))
    client = world.client(client_id="s6BhdRkqt3", client_secret="gX1fBat3bV")
    assert run(client.send(API)).body == b"2YotnFZFEjr1zCsicMWpAA"
    (request,) = world.token_requests  # section 4.4.2
    assert dict(request.headers)["Authorization"] == "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"
    assert request.body == b"grant_type=client_credentials"


@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
def test_a_request_is_sent_with_the_token_and_unchanged_otherwise(way: str) -> None:
    world = World(way=way)
    client = world.client(
        client_authentication=way, scopes="read write", audience="https://api", resource="urn:x"
    )
    assert run(client.send(API)).body == b"token-1"
    assert world.executed == [
        Request(API.method, API.url, (("A", "b"), ("Authorization", "Bearer token-1")), API.body)
    ]
    form = parse_qs((world.token_requests[0].body or b"").decode())
    assert form["scope"] == ["read write"]
    assert (form["audience"], form["resource"]) == (["https://api"], ["urn:x"])


def test_requests_at_the_same_time_share_one_token() -> None:
    world = World()
    client = world.client()

    async def work() -> list[Reply]:
        return await asyncio.gather(*(client.send(API) for _ in range(20)))

    assert {reply.body for reply in run(work())} == {b"token-1"}
    assert len(world.token_requests) == 1


def test_a_caller_who_goes_away_does_not_take_the_fetch_with_him() -> None:
    world = World()
    client = world.client()

    async def work() -> Reply:
        first = asyncio.create_task(client.send(API))
        second = asyncio.create_task(client.send(API))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert run(work()).body == b"token-1"
    assert len(world.token_requests) == 1


@pytest.mark.parametrize(
    ("life", "good_for"),
    [(3600, 3540), ("3600", 3540), (60, 30), (0, 0), (-5, 0), (None, 1e9), ("soon", 1e9)],
)
def test_a_token_is_used_until_shortly_before_its_end(life: Json, good_for: float) -> None:
    world = World(life=life)
    client = world.client()

    async def work() -> None:
        await client.send(API)
        if good_for:
            world.now = good_for - 0.001
            assert (await client.send(API)).body == b"token-1"
        world.now = good_for
        await client.send(API)

    run(work())
    assert len(world.token_requests) == (1 if good_for == 1e9 else 2)


def test_a_token_called_invalid_is_replaced_and_the_request_sent_once_more() -> None:
    world = World(revoked={"token-1"})
    client = world.client()

    async def work() -> list[Reply]:
        return await asyncio.gather(*(client.send(API) for _ in range(5)))

    assert {reply.body for reply in run(work())} == {b"token-2"}
    assert (len(world.token_requests), len(world.executed)) == (2, 5)


def test_a_request_is_never_sent_a_third_time() -> None:
    world = World(revoked={f"token-{n}" for n in range(9)})
    assert run(world.client().send(API)) == invalid_token()
    assert world.paths == [TOKENS, API.url, TOKENS, API.url]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(401, (), b""),
        Reply(401, (("www-authenticate", "Bearer"),), b""),
        Reply(401, (("www-authenticate", 'Bearer error="insufficient_scope"'),), b""),
    ],
)
def test_another_401_is_passed_on_and_the_token_forgotten(reply: Reply) -> None:
    world = World(revoked={"token-1"}, refusal=reply)
    client = world.client()

    async def work() -> list[Reply]:
        return [await client.send(API), await client.send(API)]

    assert run(work()) == [reply, Reply(200, (), b"token-2")]


def test_invalid_token_with_another_status_is_passed_on() -> None:
    world = World(revoked={"token-1"}, refusal=invalid_token(403))
    assert run(world.client().send(API)) == invalid_token(403)


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (
            json_reply(401, {"error": "invalid_client", "error_description": SECRET}),
            UpstreamError,
            f"the token endpoint {TOKENS} answered 401 (invalid_client)",
        ),
        (
            json_reply(400, {"error": SECRET}),
            UpstreamError,
            f"the token endpoint {TOKENS} answered 400",
        ),
        (
            json_reply(400, {"error": ["invalid_client"]}),
            UpstreamError,
            f"the token endpoint {TOKENS} answered 400",
        ),
        (
            Reply(503, (), SECRET.encode()),
            UpstreamError,
            f"the token endpoint {TOKENS} answered 503",
        ),
        (
            Reply(200, (), b"\xff"),
            UnreadableReply,
            f"the token endpoint {TOKENS} answered without a usable access_token",
        ),
        (
            json_reply(200, {"access_token": "a\r\nb"}),
            UnreadableReply,
            f"the token endpoint {TOKENS} answered without a usable access_token",
        ),
        (
            json_reply(200, {"access_token": "x", "token_type": "mac"}),
            UnsupportedError,
            f"the token endpoint {TOKENS} gives no bearer tokens",
        ),
    ],
)
def test_a_token_that_cannot_be_had_is_an_error_without_secrets(
    reply: Reply, error: type[Exception], message: str
) -> None:
    world = World(token_reply=lambda: reply)
    with pytest.raises(error) as raised:
        run(world.client().send(API))
    assert (type(raised.value), str(raised.value)) == (error, message)
    assert world.executed == []


def test_an_error_reaches_all_who_wait_and_the_next_request_tries_again() -> None:
    replies = [json_reply(500, {}), json_reply(200, {"access_token": "ok"})]
    world = World(token_reply=lambda: replies.pop(0))
    client = world.client()

    async def work() -> tuple[list[Reply | BaseException], Reply]:
        first = await asyncio.gather(*(client.send(API) for _ in range(3)), return_exceptions=True)
        return first, await client.send(API)

    errors, reply = run(work())
    assert [type(error) for error in errors] == [UpstreamError] * 3
    assert reply.body == b"ok"


def test_an_unreachable_token_endpoint_is_an_upstream_error() -> None:
    def reply() -> Reply:
        raise UpstreamTimeout("too slow")

    with pytest.raises(UpstreamTimeout):
        run(World(token_reply=reply).client().send(API))


def test_closing_gives_up_a_fetch() -> None:
    class Silent(World):
        async def send(self, request: Request) -> Reply:
            await asyncio.Event().wait()
            raise AssertionError

    async def work() -> None:
        client = Silent().client()
        waiting = asyncio.create_task(client.send(API))
        await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(work())


def _metadata(**changes: Json) -> Reply:
    return json_reply(200, {"issuer": ISSUER, "token_endpoint": TOKENS, **changes})


OWN = "https://login.example/.well-known/oauth-authorization-server/tenant"
OPENID = f"{ISSUER}/.well-known/openid-configuration"
OLD = f"{ISSUER}/.well-known/oauth-authorization-server"


def discovering(world: World, **changes: str) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(
        world,
        Grant(client_id="the client", client_secret=SECRET, issuer=f"{ISSUER}/", **changes),
        clock=lambda: world.now,
    )


@pytest.mark.parametrize(
    ("place", "asked"), [(OWN, [OWN]), (OPENID, [OWN, OPENID]), (OLD, [OWN, OPENID, OLD])]
)
def test_the_token_endpoint_is_found_through_the_issuer_once(place: str, asked: list[str]) -> None:
    world = World(metadata={place: _metadata()}, life=0)
    client = discovering(world)

    async def work() -> None:
        await client.send(API)
        await client.send(API)

    run(work())
    assert world.paths == [*asked, TOKENS, API.url, TOKENS, API.url]


def test_the_issuer_says_how_a_client_shows_its_secret() -> None:
    ways: list[Json] = ["private_key_jwt", "client_secret_post"]
    metadata = _metadata(token_endpoint_auth_methods_supported=ways)
    world = World(metadata={OWN: metadata}, way="client_secret_post")
    assert run(discovering(world).send(API)).body == b"token-1"


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (
            Reply(500, (), b""),
            UpstreamError,
            f"the authorization server {ISSUER} publishes no metadata",
        ),
        (
            _metadata(issuer="https://evil.example"),
            UpstreamError,
            f"the metadata of the authorization server {ISSUER} do not name it as their issuer",
        ),
        (
            _metadata(token_endpoint="//x"),
            UpstreamError,
            f"the metadata of the authorization server {ISSUER} name no token endpoint",
        ),
        (
            _metadata(token_endpoint="http://login.example/token"),
            UpstreamError,
            f"the metadata of the authorization server {ISSUER} name a token endpoint without TLS",
        ),
        (
            _metadata(token_endpoint_auth_methods_supported=["private_key_jwt"]),
            UnsupportedError,
            (
                f"the metadata of the authorization server {ISSUER} allow neither"
                " client_secret_basic nor client_secret_post"
            ),
        ),
    ],
)
def test_metadata_that_cannot_be_used_are_an_error(
    reply: Reply, error: type[Exception], message: str
) -> None:
    world = World(metadata={OWN: reply})
    with pytest.raises(error) as raised:
        run(discovering(world).send(API))
    assert (type(raised.value), str(raised.value)) == (error, message)


@pytest.mark.parametrize(
    "changes",
    [
        {"token_endpoint": ""},
        {"token_endpoint": "ftp://login.example/token"},
        {"token_endpoint": "https:///token"},
        {"token_endpoint": "https://[login/token"},
        {"token_endpoint": "https://login.example:x/token"},
        {"token_endpoint": "https://login.example/a b"},
        {"client_authentication": "private_key_jwt"},
    ],
)
def test_a_grant_that_cannot_be_asked_for_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(UnsupportedError):
        World().client(**changes)
