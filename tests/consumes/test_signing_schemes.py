"""The table of schemes: what is missing is named, what is secret is not."""

import asyncio
import base64
import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from naftiko_run.consumes.signing import SCHEMES
from naftiko_run.errors import NaftikoError, UnsupportedError
from naftiko_run.types import Reply, Request

PEM = (
    generate_private_key(65537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
SECRET = "5ec7e75ec7e75ec7"
REQUEST = Request(
    "POST",
    "https://ce.us-east-1.amazonaws.com/a%2Fb/./c?x=%c3%a9&&y",
    (("Content-Type", "application/json"), ("authorization", "Bearer of the caller")),
    b"\x00\xff",
)
COMPLETE: Mapping[str, Mapping[str, str]] = {
    "oauth1": {"consumerKey": "abc!123", "signingKey": PEM},
    "aws-sig-v4": {"accessKeyId": "AKID", "secretKey": SECRET},
    "hmac": {"apiId": "00ff", "apiKey": SECRET},
    "digest": {"username": "me", "password": SECRET},
    "oauth2": {
        "clientId": "me",
        "clientSecret": SECRET,
        "tokenEndpoint": "https://login.example/token",
    },
}
CHALLENGE = 'Digest realm="r", nonce="n", qop="auth"'


@dataclass
class Upstream:
    sent: list[Request] = field(default_factory=list)
    closed: bool = False
    tokens: Reply = field(
        default_factory=lambda: Reply(200, (), json.dumps({"access_token": "t"}).encode())
    )

    async def send(self, request: Request) -> Reply:
        if request.url == COMPLETE["oauth2"]["tokenEndpoint"]:
            return self.tokens
        self.sent.append(request)
        credential = dict(request.headers).get("Authorization")
        return Reply(200, (), b"") if credential else Reply(401, (), b"")

    async def aclose(self) -> None:
        self.closed = True

    def __repr__(self) -> str:
        return "Upstream"


class Challenging(Upstream):
    async def send(self, request: Request) -> Reply:
        reply = await super().send(request)
        return Reply(401, (("www-authenticate", CHALLENGE),), b"") if reply.status == 401 else reply


def test_every_scheme_is_tried_here() -> None:
    assert SCHEMES.keys() == COMPLETE.keys()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_signed_request_keeps_its_url_its_body_and_its_other_headers(scheme: str) -> None:
    upstream = Challenging()
    client = SCHEMES[scheme](upstream, COMPLETE[scheme])

    async def work() -> None:
        assert (await client.send(REQUEST)).status == 200
        await client.aclose()

    asyncio.run(work())
    sent = upstream.sent[-1]
    assert (sent.method, sent.url, sent.body) == (REQUEST.method, REQUEST.url, REQUEST.body)
    assert sent.headers[0] == REQUEST.headers[0]
    credentials = [value for name, value in sent.headers if name.lower() == "authorization"]
    assert len(credentials) == 1
    assert credentials[0] != "Bearer of the caller"
    assert upstream.closed


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("oauth1", "oauth1 authentication lacks consumerKey, signingKey"),
        ("aws-sig-v4", "aws-sig-v4 authentication lacks accessKeyId, secretKey"),
        ("hmac", "hmac authentication lacks apiId, apiKey"),
        ("digest", "digest authentication lacks username"),
        ("oauth2", "oauth2 authentication lacks clientId, clientSecret"),
    ],
)
def test_missing_fields_are_named(scheme: str, message: str) -> None:
    with pytest.raises(UnsupportedError) as error:
        SCHEMES[scheme](Upstream(), {"scopes": "a b", "signingkey": "", "username": " "})
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("scheme", "fields", "message"),
    [
        (
            "oauth1",
            {**COMPLETE["oauth1"], "signatureMethod": "HMAC-SHA1"},
            "oauth1 authentication supports only signatureMethod RSA-SHA256",
        ),
        (
            "oauth2",
            {**COMPLETE["oauth2"], "grantType": "password"},
            "oauth2 authentication supports only grantType client_credentials",
        ),
        (
            "aws-sig-v4",
            {**COMPLETE["aws-sig-v4"], "region": "us\r\neast"},
            "an AWS credential holds characters that no header can carry",
        ),
        (
            "oauth2",
            {**COMPLETE["oauth2"], "clientAuthentication": SECRET},
            (
                "oauth2 authentication supports only clientAuthentication client_secret_basic"
                " or client_secret_post"
            ),
        ),
        (
            "oauth2",
            {"clientId": "me", "clientSecret": SECRET},
            "oauth2 needs an http or https tokenEndpoint or authorizationServerUri",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(
    scheme: str, fields: Mapping[str, str], message: str
) -> None:
    with pytest.raises(UnsupportedError) as error:
        SCHEMES[scheme](Upstream(), fields)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "region and service"),
        ({"region": "us-east-1"}, "service"),
        ({"service": "ce"}, "region"),
    ],
)
def test_a_host_that_tells_no_scope_is_refused_at_the_call(
    fields: dict[str, str], missing: str
) -> None:
    upstream = Upstream()
    client = SCHEMES["aws-sig-v4"](upstream, {**COMPLETE["aws-sig-v4"], **fields})
    with pytest.raises(UnsupportedError) as error:
        asyncio.run(client.send(Request("GET", "https://gateway.example/x?token=1")))
    assert str(error.value) == (
        f"aws-sig-v4 authentication lacks {missing}, and the host 'gateway.example' does not tell"
    )
    assert upstream.sent == []


@pytest.mark.parametrize(
    ("scheme", "fields", "expected"),
    [
        (
            "aws-sig-v4",
            {"access_key_id": "AKID\n", "secretAccessKey": "x", "REGION": "eu-west-1"},
            "Credential=AKID/",
        ),
        (
            "aws-sig-v4",
            {"accessKey": "AKID", "secret-key": "x", "service": "s3", "session_token": "tok"},
            "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
        ),
        ("oauth1", {"consumer_key": "abc", "private-key": PEM}, 'oauth_consumer_key="abc"'),
        ("hmac", {"apiID": " 00ff ", "api_key": "00"}, "id=00ff,"),
        (
            "oauth2",
            {"client_id": "a", "client_secret": "b", "tokenUrl": "https://login.example/token"},
            "Bearer t",
        ),
    ],
)
def test_fields_are_found_in_any_spelling(
    scheme: str, fields: Mapping[str, str], expected: str
) -> None:
    upstream = Upstream()
    asyncio.run(SCHEMES[scheme](upstream, fields).send(REQUEST))
    assert expected in dict(upstream.sent[0].headers)["Authorization"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_secret_is_in_a_repr_or_in_the_repr_of_what_it_holds(scheme: str) -> None:
    client = SCHEMES[scheme](Challenging(), COMPLETE[scheme])
    asyncio.run(client.send(REQUEST))
    assert repr(client).endswith("(Challenging)") or repr(client).endswith("(Upstream)")
    held = [v for name, v in vars(client).items() if not isinstance(v, str)]
    shown = f"{client!r} {held!r}"
    assert SECRET not in shown
    assert PEM[40:80] not in shown


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("damage", ["\r\nX: y", "\0", "é", "-----BEGIN"])
def test_damaged_secrets_never_break_out_of_a_header_or_into_a_message(
    scheme: str, damage: str
) -> None:
    upstream = Challenging()
    upstream.tokens = Reply(400, (), base64.b64encode(SECRET.encode()))
    damaged = dict.fromkeys(COMPLETE[scheme], f"{SECRET}{damage}")
    message = ""
    try:
        asyncio.run(SCHEMES[scheme](upstream, damaged).send(REQUEST))
    except NaftikoError as error:
        message = "".join(traceback.format_exception_only(error)) + repr(error.__cause__)
    assert SECRET not in message
    for sent in upstream.sent:
        assert all(value.isascii() and value.isprintable() for _, value in sent.headers)
