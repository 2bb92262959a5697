"""The published examples of Digest, httpx2's own client, and a server that checks every answer."""

import asyncio
import hashlib
import re
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.consumes.client import ClientLimits, create_client
from naftiko_run.consumes.signing import Digest
from naftiko_run.consumes.signing.challenge import Challenge, challenges
from naftiko_run.errors import UnsupportedError
from naftiko_run.types import Reply, Request

USER, PASSWORD = "Mufasa", "Circle of Life"
URL = "https://api.example.org/dir/index.html?a=%2F&b=c%20d"
HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
RFC_7616 = (
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
    ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
RFC_2617 = (
    'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
    ' opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def refusal(*values: str) -> Reply:
    return Reply(401, tuple(("www-authenticate", value) for value in values), b"")


def fields_of(header: str) -> dict[str, str]:
    assert header.startswith("Digest ")
    pairs = re.findall(r'([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))', header)
    return {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in pairs}


@dataclass
class Upstream:
    """Gives these replies in turn, the last one for ever."""

    replies: list[Reply]
    sent: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Reply:
        self.sent.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    async def aclose(self) -> None: ...

    def answers(self) -> list[dict[str, str] | None]:
        headers = (dict(request.headers).get("Authorization") for request in self.sent)
        return [fields_of(header) if header else None for header in headers]


def answer_to(*values: str, username: str = USER, password: str = PASSWORD) -> dict[str, str]:
    """Return what is answered to these challenges in the place of the RFCs' own examples."""
    upstream = Upstream([refusal(*values), Reply(200, (), b"")])
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    client = Digest(upstream, username, password, cnonce=lambda: cnonce)
    run(client.send(Request("GET", "http://www.example.org/dir/index.html")))
    first, answer = upstream.answers()
    assert first is None
    assert answer
    return answer


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm},'
        f" {RFC_7616}"
    )
    assert answer_to(challenge) == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "uri": "/dir/index.html",
        "response": response,
        "algorithm": algorithm,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    }


def test_the_hashed_user_name_of_rfc_7616() -> None:
    # Section 3.9.2 with its erratum 4897: SHA-512/256 is not SHA-512 cut in half.
    answer = answer_to(
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="n",'
        " charset=UTF-8, userhash=true",
        username="Jäsøn Doe",
    )
    assert answer["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    assert answer["userhash"] == "true"


def test_the_example_of_rfc_2617() -> None:
    upstream = Upstream([refusal(f'{RFC_2617}, qop="auth,auth-int"'), Reply(200, (), b"")])
    client = Digest(upstream, "Mufasa", "Circle Of Life", cnonce=lambda: "0a4f113b")
    run(client.send(Request("GET", "http://www.nowhere.org/dir/index.html")))
    answer = upstream.answers()[1]
    assert answer
    assert answer["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in answer


def test_the_example_of_rfc_2069() -> None:  # as its erratum 749 corrects it
    answer = answer_to(RFC_2617, username="Mufasa", password="CircleOfLife")
    assert answer["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert not answer.keys() & {"qop", "nc", "cnonce"}


@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    target=st.sampled_from(["", "/", "/a/b%2Fc", "/?q=%22x%22&y", "/a?", "/p;x=1?a=b:c,d"]),
    # A session without qop is left out: the other client does not send the nonce that it used.
    terms=st.sampled_from(
        [(a, q) for a in ("", "MD5", "SHA-256") for q in ("", "auth", "auth-int,auth")]
        + [(a, q) for a in ("MD5-sess", "SHA-256-sess") for q in ("auth", "auth,auth-int")]
    ),
    opaque=st.sampled_from(["", ', opaque="a=b, c"']),
    # The other client does not escape these two.
    username=st.text(
        st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'),
        min_size=1,
    ),
    password=st.text(),
)
def test_answers_are_those_of_another_client(
    method: str,
    target: str,
    terms: tuple[str, str],
    opaque: str,
    username: str,
    password: str,
) -> None:
    (algorithm, qop), url = terms, f"https://api.example.org{target}"
    challenge = f'Digest realm="a realm", nonce="abc/=="{opaque}'
    challenge += f", algorithm={algorithm}" if algorithm else ""
    challenge += f', qop="{qop}"' if qop else ""
    flow = httpx2.DigestAuth(username, password).sync_auth_flow(
        first := httpx2.Request(method, url)
    )
    next(flow)
    headers = {"www-authenticate": challenge}
    second = flow.send(httpx2.Response(401, headers=headers, request=first))
    theirs = fields_of(second.headers["authorization"])

    upstream = Upstream([refusal(challenge), Reply(200, (), b"")])
    client = Digest(upstream, username, password, cnonce=lambda: theirs.get("cnonce", ""))
    run(client.send(Request(method, url)))
    ours = upstream.answers()[1]
    assert ours
    assert {k: v for k, v in ours.items() if k != "username"} == {
        k: v for k, v in theirs.items() if k != "username" and (algorithm or k != "algorithm")
    }
    assert ours["username"] == username


@dataclass
class Server:
    """A Digest server written from RFC 7616; it executes a request only if the answer is right."""

    algorithm: str = "SHA-256"
    qop: str = "auth"
    nonces: dict[str, set[str]] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    uses_per_nonce: int = 1000
    executed: list[Request] = field(default_factory=list)
    received: int = 0
    next_nonce: bool = False
    numbers: Any = field(default_factory=count)

    async def send(self, request: Request) -> Reply:
        self.received += 1
        await asyncio.sleep(0)
        header = dict(request.headers).get("Authorization")
        if header is None:
            return self.challenge()
        answer = fields_of(header)
        nonce = answer["nonce"]
        if nonce in self.retired:
            return self.challenge(", stale=true")
        if nonce not in self.nonces or answer["response"] != self.expected(request, answer):
            return self.challenge()
        assert answer["nc"] not in self.nonces[nonce], "a count was used twice"
        self.nonces[nonce].add(answer["nc"])
        if len(self.nonces[nonce]) >= self.uses_per_nonce:
            self.retired.add(nonce)
        self.executed.append(request)
        info = (("authentication-info", f'nextnonce="{self.fresh()}"'),) if self.next_nonce else ()
        return Reply(200, info, b"done")

    def expected(self, request: Request, answer: dict[str, str]) -> str:
        def digest(data: bytes) -> bytes:
            name = HASHES[self.algorithm.removesuffix("-sess")]
            return hashlib.new(name, data).hexdigest().encode()

        secret = digest(f"{USER}:realm:{PASSWORD}".encode())
        if self.algorithm.endswith("-sess"):
            secret = digest(secret + f":{answer['nonce']}:{answer['cnonce']}".encode())
        action = f"{request.method}:{answer['uri']}".encode()
        if self.qop == "auth-int":
            action += b":" + digest(request.body or b"")
        middle = f":{answer['nonce']}:{answer['nc']}:{answer['cnonce']}:{self.qop}:".encode()
        assert request.url.endswith(answer["uri"])
        return digest(secret + middle + digest(action)).decode()

    def fresh(self) -> str:
        nonce = f"nonce-{next(self.numbers)}"
        self.nonces[nonce] = set()
        return nonce

    def challenge(self, more: str = "") -> Reply:
        return refusal(
            f'Digest realm="realm", qop="{self.qop}", algorithm={self.algorithm},'
            f' nonce="{self.fresh()}"{more}'
        )

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("algorithm", [f"{n}{s}" for n in HASHES for s in ("", "-sess")])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_a_challenge_is_answered_and_its_nonce_used_again(algorithm: str, qop: str) -> None:
    server = Server(algorithm=algorithm, qop=qop)
    client = Digest(server, USER, PASSWORD)
    requests = [Request("POST", URL, (("A", "b"),), b'{"n":%d}' % n) for n in range(3)]

    async def work() -> list[int]:
        return [(await client.send(request)).status for request in requests]

    assert run(work()) == [200, 200, 200]
    assert server.received == 4
    assert [(r.method, r.url, r.headers[0], r.body) for r in server.executed] == [
        (r.method, r.url, r.headers[0], r.body) for r in requests
    ]


def test_requests_at_the_same_time_are_each_executed_once() -> None:
    server = Server(uses_per_nonce=7)
    client = Digest(server, USER, PASSWORD)
    requests = [Request("POST", URL, (), b"%d" % n) for n in range(40)]

    async def work() -> list[Reply]:
        await client.send(Request("GET", URL))
        return await asyncio.gather(*map(client.send, requests))

    assert {reply.status for reply in run(work())} == {200}
    assert sorted(int(r.body or b"-1") for r in server.executed if r.body) == list(range(40))


def test_a_stale_nonce_is_replaced_once_per_request() -> None:
    server = Server(uses_per_nonce=1)
    client = Digest(server, USER, PASSWORD)

    async def work() -> None:
        for _ in range(3):
            assert (await client.send(Request("GET", URL))).status == 200

    run(work())
    assert (server.received, len(server.executed)) == (6, 3)


def test_the_nonce_that_the_server_wants_next_is_used() -> None:
    server = Server(uses_per_nonce=1, next_nonce=True)
    client = Digest(server, USER, PASSWORD)

    async def work() -> None:
        for _ in range(3):
            assert (await client.send(Request("GET", URL))).status == 200

    run(work())
    assert (server.received, len(server.executed)) == (4, 3)


def test_a_wrong_password_is_tried_once_per_request() -> None:
    server = Server()
    client = Digest(server, USER, "wrong")

    async def work() -> list[int]:
        return [(await client.send(Request("GET", URL))).status for _ in range(2)]

    assert run(work()) == [401, 401]
    assert (server.received, server.executed) == (4, [])


def test_a_server_that_calls_every_nonce_stale_is_left_after_three_requests() -> None:
    stale = refusal('Digest realm="r", nonce="n", stale=TRUE')
    upstream = Upstream([stale])
    assert run(Digest(upstream, USER, PASSWORD).send(Request("GET", URL))) == stale
    assert len(upstream.sent) == 3


@pytest.mark.parametrize(
    "reply",
    [Reply(200, (), b"open"), refusal('Basic realm="x"'), refusal(), Reply(403, (), b"")],
)
def test_a_reply_without_a_digest_challenge_is_passed_on(reply: Reply) -> None:
    upstream = Upstream([reply])
    request = Request("POST", URL, (), b"whole")
    assert run(Digest(upstream, USER, PASSWORD).send(request)) == reply
    assert upstream.sent == [request]


def test_the_strongest_of_several_challenges_is_answered() -> None:
    answer = answer_to(
        'Negotiate, Digest realm="r", nonce="1", algorithm=MD5, Basic realm="x, y"',
        'NTLM abc==, Digest realm="r", nonce="2", algorithm=SHA-256',
        'Digest realm="r", nonce="3", algorithm=TOKEN',
    )
    assert (answer["nonce"], answer["algorithm"]) == ("2", "SHA-256")


@pytest.mark.parametrize(
    ("challenge", "message"),
    [
        ('Digest realm="r", nonce="n", algorithm=SHA3', "algorithm 'SHA3' is not supported"),
        ('Digest realm="r", nonce="n", qop="token"', "protection 'token' is not supported"),
        ('Digest realm="r"', "the digest challenge has no nonce"),
    ],
)
def test_a_challenge_that_cannot_be_answered_is_refused_with_its_reason(
    challenge: str, message: str
) -> None:
    upstream = Upstream([refusal(challenge)])
    with pytest.raises(UnsupportedError, match=message):
        run(Digest(upstream, USER, PASSWORD).send(Request("GET", URL)))
    assert len(upstream.sent) == 1


def test_names_are_quoted_and_encoded_as_the_header_needs() -> None:
    odd = r"a \"realm\" with \\"
    assert answer_to(f'Digest realm="{odd}", nonce="n"', username='x"y\\')["realm"] == (
        'a "realm" with \\'
    )
    assert answer_to('Digest realm="r", nonce="n"', username='x"y\\')["username"] == 'x"y\\'
    assert answer_to('Digest realm="r", nonce="n"', username="Jäsøn")["username*"] == (
        "UTF-8''J%C3%A4s%C3%B8n"
    )


def test_a_user_name_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        Digest(Upstream([]), "a\r\nb", PASSWORD)


def test_each_origin_has_its_own_nonce() -> None:
    server = Server()
    client = Digest(server, USER, PASSWORD)

    async def work() -> None:
        for origin in ("https://a.example", "https://b.example", "https://a.example:443"):
            await client.send(Request("GET", f"{origin}/x"))

    run(work())
    assert (server.received, len(server.executed)) == (5, 3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Basic", [("basic", {})]),
        ("Negotiate a2b=, Basic", [("negotiate", {}), ("basic", {})]),
        ('Basic realm="a, b=\\"c\\""', [("basic", {"realm": 'a, b="c"'})]),
        (
            'Digest QOP=auth ,nonce = "n",Bearer error="invalid_token"',
            [("digest", {"qop": "auth", "nonce": "n"}), ("bearer", {"error": "invalid_token"})],
        ),
        (', , Basic realm="x",', [("basic", {"realm": "x"})]),
        ('Basic realm="x", realm="y"', [("basic", {"realm": "x"})]),
        ('Basic realm="unclosed', [("basic", {}), ("realm", {})]),
        ('realm="x"', []),
        ("", []),
    ],
)
def test_challenges_are_told_apart(value: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert challenges(refusal(value)) == [Challenge(*pair) for pair in expected]


def test_over_a_socket_the_target_on_the_wire_is_the_one_that_was_signed() -> None:
    server, lines = Server(qop="auth-int"), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode() if not reader.at_eof() else "":
            line, *rest = head.split("\r\n")
            headers = {n.strip().title(): v.strip() for n, _, v in (r.partition(":") for r in rest)}
            body = await reader.readexactly(int(headers.get("Content-Length", 0)))
            lines.append(line)
            method, target, _ = line.split(" ")
            known = tuple(i for i in headers.items() if i[0] == "Authorization")
            reply = await server.send(Request(method, f"http://127.0.0.1{target}", known, body))
            writer.write(f"HTTP/1.1 {reply.status} X\r\nContent-Length: 0\r\n".encode())
            writer.write("".join(f"{n}: {v}\r\n" for n, v in reply.headers).encode() + b"\r\n")
            if reply.status == 200:
                break
        writer.close()

    async def work() -> Reply:
        listener = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with listener:
            client = Digest(create_client(ClientLimits(), environ={}), USER, PASSWORD)
            port = listener.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}/a%2Fb/%c3%a9/x;y=1?q=%20+:,'&&z"
            reply = await client.send(Request("POST", url, (), b"\x00body"))
            await client.aclose()
            return reply

    assert run(work()).status == 200
    assert lines == ["POST /a%2Fb/%c3%a9/x;y=1?q=%20+:,'&&z HTTP/1.1"] * 2
    assert [request.body for request in server.executed] == [b"\x00body"]
