"""Digest authentication, asked for by clients that others wrote; and what must not get in."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import requests
from requests.auth import HTTPDigestAuth

from naftiko_run.callers.digest import digest
from naftiko_run.callers.fields import extended, parameters
from naftiko_run.callers.nonces import Nonces, Sharing
from naftiko_run.callers.uses import LIFETIME, Uses
from naftiko_run.exposes.auth import Refusal
from tests.callers.serving import Served, capability, compiled, direct, serving

pytestmark = pytest.mark.anyio

USER, PASSWORD = "ada of ships", 'pa:ss\\"wörd'
CLAUSE = {"type": "digest", "username": USER, "password": "{{PASSWORD}}"}
TEXT = capability(CLAUSE, {"PASSWORD": "PASSWORD"})
SHIP = "/ships/a%2Fb?X-Trace=t&q=%20"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, TEXT, environ={"PASSWORD": PASSWORD}) as each:
        yield each


# ------------------------------------------------------------------------------- real clients


@pytest.mark.parametrize("path", ["/ships/a%2Fb?X-Trace=t", "/openapi.json"])
async def test_httpx_is_let_in_by_its_password(served: Served, path: str) -> None:
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        auth = httpx.DigestAuth(USER, PASSWORD)
        statuses = [(await client.get(path, auth=auth)).status_code for _ in range(3)]
        wrong = await client.get(path, auth=httpx.DigestAuth(USER, "wrong"))
        other = await client.get(path, auth=httpx.DigestAuth("ada", PASSWORD))
        none = await client.get(path)
    assert statuses == [200, 200, 200]
    assert [r.status_code for r in (wrong, other, none)] == [401, 401, 401]
    challenges = none.headers.get_list("www-authenticate")
    assert [c.split("algorithm=")[1].split(",")[0] for c in challenges] == ["SHA-256", "MD5"]


async def test_httpx2_is_let_in_at_rest_and_mcp(served: Served) -> None:
    initialize = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    headers = {"accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(base_url=served.url, trust_env=False, headers=headers) as client:
        auth = httpx2.DigestAuth(USER, PASSWORD)
        assert (await client.get("/harbour/ships/a", auth=auth)).json() == {"ship": "Ada"}
        assert (await client.post("/mcp", json=initialize, auth=auth)).status_code == 200
        assert (await client.post("/mcp", json=initialize)).status_code == 401


async def test_requests_is_let_in_by_its_password(served: Served) -> None:
    def ask(password: str) -> list[int]:
        with requests.Session() as session:
            session.trust_env = False
            session.auth = HTTPDigestAuth(USER, password)
            return [session.get(f"{served.url}/ships/a?X-Trace=t").status_code for _ in range(2)]

    assert await asyncio.to_thread(ask, PASSWORD) == [200, 200]
    assert await asyncio.to_thread(ask, "wrong") == [401, 401]


async def test_curl_is_let_in_by_its_password(served: Served) -> None:
    async def ask(password: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *("curl", "-s", "--digest", "-u", f"{USER}:{password}", "-w", "%{http_code} "),
            *("-o", "/dev/null", f"{served.url}/ships/a%2Fb?X-Trace=t", f"{served.url}/ships/c"),
            *("-o", "/dev/null"),
            stdout=asyncio.subprocess.PIPE,
            env=direct(),
        )
        return (await process.communicate())[0]

    assert (await ask(PASSWORD)).split() == [b"200", b"200"]
    assert (await ask("wrong")).split() == [b"401", b"401"]


async def test_requests_in_parallel_share_a_nonce(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        auth = httpx.DigestAuth(USER, PASSWORD)
        await client.get("/ships/a", auth=auth)
        answers = await asyncio.gather(*(client.get(f"/ships/{n}", auth=auth) for n in range(20)))
    assert {answer.status_code for answer in answers} == {200}


async def test_nothing_of_it_reaches_the_upstream(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, trust_env=False) as client:
        await client.get("/ships/a", auth=httpx.DigestAuth(USER, PASSWORD))
    (sent,) = served.upstream.requests
    assert "authorization" not in {name.lower() for name, _ in sent.headers}
    assert "response=" not in str(sent.headers) + sent.url


async def test_what_was_used_stays_used_when_the_files_are_read_again(tmp_path: Path) -> None:
    nonces = Nonces()
    heard: list[httpx.Request] = []

    async def hear(request: httpx.Request) -> None:
        heard.append(request)

    environ = {"PASSWORD": PASSWORD}
    async with (
        serving(tmp_path, TEXT, environ=environ, nonces=nonces) as served,
        httpx.AsyncClient(trust_env=False, event_hooks={"request": [hear]}) as client,
    ):
        auth = httpx.DigestAuth(USER, PASSWORD)
        assert (await client.get(f"{served.url}/ships/a", auth=auth)).status_code == 200
    headers = {"authorization": heard[-1].headers["authorization"]}
    async with (
        serving(tmp_path, TEXT, environ=environ, nonces=nonces) as served,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        again = await client.get(f"{served.url}/ships/a", headers=headers)
        assert again.status_code == 401
        assert "stale=true" in again.headers["www-authenticate"]
        assert (await client.get(f"{served.url}/ships/a", auth=auth)).status_code == 200


# ------------------------------------------------------------------------- requests by hand


class Caller:
    """Answers challenges as RFC 7616 section 3.4 says, and wherever told to, otherwise."""

    def __init__(self, clock: Clock | None = None, **nonces: Any) -> None:  # noqa: ANN401
        self.clock = clock or Clock()
        self.nonces = Nonces(clock=self.clock, **nonces)
        self.authenticator = digest("ada", "s3cret", "harbour", self.nonces)

    def ask(self, *fields: str, method: str = "GET", path: str = "/a", query: str = "") -> Refusal:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"authorization", field.encode("latin-1")) for field in fields],
        }
        refusal = self.authenticator.refusal(scope)
        if refusal is None:
            return LET_IN
        assert isinstance(refusal, Refusal)
        return refusal

    def answer(self, **changed: str) -> str:
        """Give an Authorization field; None leaves a parameter out."""
        given = {
            "scheme": "Digest",
            "username": "ada",
            "password": "s3cret",
            "realm": "harbour",
            "nonce": self.nonces.make(),
            "uri": "/a",
            "qop": "auth",
            "nc": "00000001",
            "cnonce": "c",
            "algorithm": "SHA-256",
            "method": "GET",
        } | changed
        make: Callable[[bytes], Any] = (
            hashlib.md5 if given["algorithm"] == "MD5" else hashlib.sha256
        )

        def hashed(*parts: str) -> str:
            return str(make(":".join(parts).encode()).hexdigest())

        secret = hashed(given["username"], given["realm"], given["password"])
        action = hashed(given["method"], given["uri"])
        middle = (given["nonce"], given["nc"], given["cnonce"], given["qop"])
        given.setdefault("response", hashed(secret, *middle, action))
        names = ("username", "realm", "nonce", "uri", "response", "cnonce")
        quoted = [f'{name}="{given[name]}"' for name in names]
        plain = [f"{name}={given[name]}" for name in ("qop", "nc", "algorithm")]
        return f"{given['scheme']} {', '.join(quoted + plain)}"


LET_IN = Refusal(problem=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("changed", [{}, {"algorithm": "MD5"}, {"scheme": "dIGEST"}])
def test_the_right_answer_gets_in(changed: dict[str, str]) -> None:
    caller = Caller()
    assert caller.ask(caller.answer(**changed)) is LET_IN


@pytest.mark.parametrize(
    "changed",
    [
        {"password": "wrong"},
        {"username": "eve"},
        {"realm": "other"},
        {"uri": "/b"},
        {"uri": "/a?x=1"},
        {"method": "POST"},
        {"qop": "auth-int"},
        {"nc": "1"},
        {"nc": "00000000"},
        {"nc": "0000000g"},
        {"algorithm": "SHA-512"},
        {"algorithm": "SHA-256-sess"},
        {"response": ""},
        {"scheme": "Basic"},
        {"scheme": "Bearer"},
    ],
)
def test_a_wrong_answer_is_told_nothing_but_the_challenge(changed: dict[str, str]) -> None:
    caller = Caller()
    refusal = caller.ask(caller.answer(**changed))
    assert refusal.problem.status == 401
    assert "stale" not in str(refusal.headers)
    assert "s3cret" not in f"{refusal}{caller.authenticator}"


@pytest.mark.parametrize(
    "text",
    [
        "Digest",
        "Digest ",
        "Digest x",
        'Digest username="ada',
        "Digest " + "," * 20_000,
        'Digest username="' + "\\" * 8000,
        "Digest " + "a=b," * 5000,
        "",
        "\xff",
    ],
)
def test_what_is_no_answer_is_challenged(text: str) -> None:
    assert Caller().ask(text).problem.status == 401


def test_every_part_of_an_answer_is_needed_once() -> None:
    caller = Caller()
    parts = caller.answer().removeprefix("Digest ").split(", ")
    for part in parts:
        without = [each for each in parts if each != part]
        if not part.startswith("algorithm"):
            assert caller.ask("Digest " + ", ".join(without)).problem.status == 401, part
        assert caller.ask("Digest " + ", ".join([*parts, part])).problem.status == 401, part


def test_the_uri_is_the_target_with_its_query() -> None:
    caller = Caller()
    answer = caller.answer(uri="/a?b=%20c")
    assert caller.ask(answer, query="b=%20c") is LET_IN
    assert caller.ask(caller.answer(uri="/a?b=%20c"), query="b=+c").problem.status == 401


def test_two_authorization_fields_are_refused() -> None:
    caller = Caller()
    assert caller.ask(caller.answer(), caller.answer()).problem.status == 400
    assert caller.ask("Bearer x", caller.answer()).problem.status == 400


def stale(refusal: Refusal) -> bool:
    return refusal is not LET_IN and "stale=true" in str(refusal.headers)


def test_an_answer_counts_once() -> None:
    caller = Caller()
    nonce = caller.nonces.make()
    second = caller.answer(nonce=nonce, nc="00000002")
    assert caller.ask(second) is LET_IN
    assert stale(caller.ask(second))
    assert caller.ask(caller.answer(nonce=nonce, nc="00000001")) is LET_IN, "it was overtaken"
    assert stale(caller.ask(caller.answer(nonce=nonce, nc="00000001")))
    assert caller.ask(caller.answer(nonce=nonce, nc="ffffffff")) is LET_IN
    assert stale(caller.ask(caller.answer(nonce=nonce, nc="00000003"))), "long passed"


def test_a_nonce_ends_and_is_replaced_without_asking_for_the_password() -> None:
    caller = Caller()
    nonce = caller.nonces.make()
    caller.clock.now += LIFETIME
    assert caller.ask(caller.answer(nonce=nonce)) is LET_IN
    caller.clock.now += 1
    assert stale(caller.ask(caller.answer(nonce=nonce, nc="00000002")))
    wrong = caller.ask(caller.answer(nonce=nonce, nc="00000002", password="wrong"))
    assert not stale(wrong), "only who knows the password is told that the nonce is old"


def test_a_nonce_that_nobody_made_is_not_taken() -> None:
    caller = Caller()
    nonce = caller.nonces.make()
    forged = [
        "",
        "x",
        "é",
        nonce[:-1],
        nonce[:20] + ("A" if nonce[20] != "A" else "B") + nonce[21:],
        Nonces(clock=caller.clock).make(),
        "A" * len(nonce),
    ]
    for each in forged:
        assert not caller.nonces.take(each, 1), each
    assert stale(caller.ask(caller.answer(nonce=forged[5])))


def test_who_shares_takes_the_nonces_of_others_and_knows_what_was_used() -> None:
    clock, sharing = Clock(), Sharing()
    one, two = (Nonces(sharing, clock=clock) for _ in range(2))
    nonce = one.make()
    assert two.take(nonce, 1)
    assert not one.take(nonce, 1)
    assert one.take(nonce, 2)
    late = Nonces(sharing, clock=clock)
    assert not late.take(nonce, 2), "whoever begins later knows it too"
    assert late.take(nonce, 3)
    assert sharing.key.hex() not in repr(sharing)
    assert repr(sharing.key) not in repr(sharing)
    sharing.close()


def test_a_nonce_that_had_to_be_forgotten_is_not_taken_again() -> None:
    clock = Clock()
    nonces = Nonces(clock=clock, uses=Uses(buckets=1, slots=3))
    made = []
    for _ in range(5):
        made.append(nonces.make())
        clock.now += 1
        assert nonces.take(made[-1], 1)
    assert not nonces.take(made[0], 2)
    assert nonces.take(made[-1], 2)


def test_names_beyond_latin_1_come_extended() -> None:
    assert extended("UTF-8''J%C3%A4s%C3%B8n") == "Jäsøn"
    for wrong in ("Jason", "ISO-8859-1''x", "UTF-8''%ff", "UTF-8'x"):
        with pytest.raises(ValueError, match=r"."):
            extended(wrong)
    nonces = Nonces()
    authenticator = digest("Ağa", "p", "r", nonces)
    caller = Caller()
    caller.nonces, caller.authenticator = nonces, authenticator
    answer = caller.answer(username="Ağa", password="p", realm="r")
    name = 'username="Ağa"'
    assert caller.ask(answer.replace(name, "username*=UTF-8''A%C4%9Fa")) is LET_IN
    answer = caller.answer(username="Ağa", password="p", realm="r")
    as_bytes = answer.replace(name, name.encode().decode("latin-1"))
    assert caller.ask(as_bytes) is LET_IN


def test_parameters_are_read_as_they_are_written() -> None:
    assert parameters('a="x, y\\"z" , B=c,, d = "e"') == {"a": 'x, y"z', "b": "c", "d": "e"}
    for wrong in ("a", "a=", "a=b c", 'a="b"c', "a=b a=c", "=b"):
        with pytest.raises(ValueError, match=r"."):
            parameters(wrong)


# ------------------------------------------------------------------------------------ at load


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_clause_that_nobody_could_pass_is_an_error(tmp_path: Path, missing: str) -> None:
    clause = {name: value for name, value in CLAUSE.items() if name != missing}
    plan = compiled(tmp_path, capability(clause), None)  # type: ignore[arg-type]
    errors = [f for f in plan.findings if f.code == "E-AUTH-EXPOSED"]
    assert len(errors) == 2
    assert missing in errors[0].message
    assert not plan.serves_anything


async def test_a_password_that_is_not_set_lets_nobody_in(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, TEXT) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False) as client,
    ):
        answer = await client.get("/ships/a", auth=httpx.DigestAuth(USER, ""))
    assert answer.status_code == 503
    assert json.loads(answer.content)["variables"] == ["PASSWORD"]
