"""Mastercard's published signatures, the examples of RFC 5849, and keys in every form."""

import base64
import hashlib
import json
import re
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.consumes.signing.oauth1 import OAuth1, authorization, base_string
from naftiko_run.consumes.signing.signing_key import load_rsa_key
from naftiko_run.errors import UnsupportedError
from naftiko_run.types import Reply, Request

PUBLISHED = json.loads((Path(__file__).parent / "signing_vectors/mastercard.json").read_text())
KEY = generate_private_key(65537, 2048)
LOCK = BestAvailableEncryption(b"keystorepassword")
URL = "https://sandbox.api.mastercard.com/service"


class NoUpstream:
    async def send(self, request: Request) -> Reply:
        raise AssertionError

    async def aclose(self) -> None:
        raise AssertionError


def _fields(header: str) -> dict[str, str]:
    assert header.startswith("OAuth ")
    return dict(re.findall(r'(\w+)="([^"]*)"', header))


@pytest.mark.parametrize("case", PUBLISHED["cases"], ids=lambda case: case["url"])
def test_the_base_string_is_what_mastercards_published_signatures_sign(
    case: dict[str, Any],
) -> None:
    key = RSAPublicNumbers(PUBLISHED["exponent"], int(PUBLISHED["modulus"], 16)).public_key()
    fields = _fields(case["header"])
    signature = base64.b64decode(unquote(fields.pop("oauth_signature")))
    key.verify(signature, base_string("GET", case["url"], fields).encode(), PKCS1v15(), SHA256())


def test_the_header_is_written_as_in_mastercards_published_ones() -> None:
    case = PUBLISHED["cases"][0]
    published = _fields(case["header"])
    header = authorization(
        Request("GET", case["url"]),
        published["oauth_consumer_key"],
        KEY,
        int(published["oauth_timestamp"]),
        published["oauth_nonce"],
    )
    unsigned = partial(re.sub, 'oauth_signature="[^"]*"', "")
    assert unsigned(header) == unsigned(case["header"])


def test_mastercards_published_base_string_of_a_request_with_a_body() -> None:
    fields = {
        "oauth_consumer_key": "x" * 48,
        "oauth_nonce": "1111111111111111111",
        "oauth_timestamp": "1111111111",
        "oauth_version": "1.0",
        "oauth_body_hash": "h2Pd7zlzEZjZVIKB4j94UZn/xxoR3RoCjYQ9/JdadGQ=",
    }
    url = (
        "https://sandbox.api.mastercard.com/fraud/merchant/v1/termination-inquiry"
        "?Format=XML&PageOffset=0&PageLength=10"
    )
    assert base_string("post", url, fields) == (
        "POST&https%3A%2F%2Fsandbox.api.mastercard.com%2Ffraud%2Fmerchant%2Fv1%2Ftermination-inquiry"
        "&Format%3DXML%26PageLength%3D10%26PageOffset%3D0%26oauth_body_hash%3Dh2Pd7zlzEZjZVIKB4j94UZn"
        "%2FxxoR3RoCjYQ9%2FJdadGQ%3D%26oauth_consumer_key"
        "%3Dxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%26oauth_nonce%3D1111111111111111111"
        "%26oauth_timestamp%3D1111111111%26oauth_version%3D1.0"
    )


@pytest.mark.parametrize(
    ("url", "uri"),
    [  # RFC 5849 section 3.4.1.2
        ("http://EXAMPLE.COM:80/r%20v/X?id=123", "http://example.com/r%20v/X"),
        ("https://www.example.net:8080/?q=1", "https://www.example.net:8080/"),
        ("https://api.mastercard.com:443", "https://api.mastercard.com/"),
        ("https://user:pass@api.mastercard.com/a;b", "https://api.mastercard.com/a;b"),
    ],
)
def test_the_base_uri_follows_rfc_5849(url: str, uri: str) -> None:
    assert base_string("GET", url, {}).split("&")[1] == quote(uri, safe="")


def test_the_parameters_follow_rfc_5849() -> None:
    # Section 3.4.1.3.2, without the parameters of a form body: Mastercard hashes every body.
    url = "http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q"
    fields = {"oauth_consumer_key": "9djdj82h48djs9d2", "oauth_token": "kkk9d7dh3k39sjv7"}
    assert unquote(base_string("GET", url, fields).split("&")[2]) == (
        "a2=r%20b&a3=2%20q&a3=a&b5=%3D%253D&c%40=&c2="
        "&oauth_consumer_key=9djdj82h48djs9d2&oauth_token=kkk9d7dh3k39sjv7"
    )


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    query=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=4),
    body=st.none() | st.binary(max_size=50),
)
def test_a_server_can_verify_every_request(
    method: str, query: list[tuple[str, str]], body: bytes | None
) -> None:
    encoded = [f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in query]
    request = Request(method, f"{URL}?{'&'.join(encoded)}", (), body)
    fields = _fields(authorization(request, "abc!123", KEY, 1626728330, "nonce"))
    signature = base64.b64decode(unquote(fields.pop("oauth_signature")))
    assert base64.b64decode(fields["oauth_body_hash"]) == hashlib.sha256(body or b"").digest()
    # The server's own way: sort, join, encode.
    pairs = [tuple(pair.split("=", 1)) for pair in encoded] + list(fields.items())
    joined = "&".join(f"{n}={v}" for n, v in sorted(pairs))
    message = f"{method}&{quote(URL, safe='')}&{quote(joined, safe='')}"
    KEY.public_key().verify(signature, message.encode(), PKCS1v15(), SHA256())


def _der(key: RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.DER, form, NoEncryption())


def _pem(form: PrivateFormat, *, locked: bool = False) -> str:
    lock = LOCK if locked else NoEncryption()
    return KEY.private_bytes(Encoding.PEM, form, lock).decode()


PKCS8 = _pem(PrivateFormat.PKCS8)
PKCS12 = serialize_key_and_certificates(b"keyalias", KEY, None, None, LOCK)
OPEN_PKCS12 = serialize_key_and_certificates(b"keyalias", KEY, None, None, NoEncryption())


@pytest.mark.parametrize(
    "text",
    [
        PKCS8,
        _pem(PrivateFormat.TraditionalOpenSSL),
        _pem(PrivateFormat.PKCS8, locked=True),
        _pem(PrivateFormat.TraditionalOpenSSL, locked=True),
        PKCS8.replace("\n", "\\n"),
        PKCS8.replace("\n", "\r\n"),
        PKCS8.replace("\n", " "),
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" + PKCS8,
        base64.b64encode(PKCS8.encode()).decode(),
        base64.b64encode(_der(KEY)).decode(),
        base64.urlsafe_b64encode(_der(KEY)).decode().rstrip("="),
        base64.encodebytes(_der(KEY, PrivateFormat.TraditionalOpenSSL)).decode(),
        base64.b64encode(PKCS12).decode(),
        base64.b64encode(OPEN_PKCS12).decode(),
    ],
    ids=[
        "PEM",
        "PEM PKCS#1",
        "PEM locked",
        "PEM PKCS#1 locked",
        "PEM with backslash n",
        "PEM with CRLF",
        "PEM on one line",
        "PEM behind a certificate",
        "base64 of PEM",
        "base64 of DER",
        "base64url of DER",
        "base64 lines of DER PKCS#1",
        "base64 of PKCS#12",
        "base64 of PKCS#12 without password",
    ],
)
def test_a_key_is_read_from_text(text: str) -> None:
    key = load_rsa_key(f" {text}\n", "keystorepassword")
    assert key.private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize("content", [PKCS8.encode(), _der(KEY), PKCS12, OPEN_PKCS12])
def test_a_key_is_read_from_a_file(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "signing.p12"
    file.write_bytes(content)
    key = load_rsa_key(str(file), "keystorepassword")
    assert key.private_numbers() == KEY.private_numbers()


NO_KEY = (
    "the signing key is no RSA private key in PEM, DER or PKCS#12,"
    " or its password is wrong or missing"
)
NO_FILE = (
    "the signing key is neither PEM text, nor base64 of DER or PKCS#12,"
    " nor the path of a readable file"
)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("text", "password", "message"),
    [
        (_pem(PrivateFormat.PKCS8, locked=True), None, NO_KEY),
        (_pem(PrivateFormat.PKCS8, locked=True), "wrong", NO_KEY),
        (base64.b64encode(PKCS12).decode(), "wrong", NO_KEY),
        (PKCS8[:200], None, NO_KEY),
        (
            EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            None,
            NO_KEY,
        ),
        (PKCS8.splitlines()[5], None, NO_FILE),
        ("/no/such/file.p12", None, NO_FILE),
        ("nul\0byte", None, NO_FILE),
    ],
    ids=[
        "locked",
        "locked, wrong password",
        "PKCS#12, wrong password",
        "cut",
        "no RSA key",
        "a line of base64",
        "no file",
        "no path",
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(
    text: str, password: str | None, message: str
) -> None:
    with pytest.raises(UnsupportedError) as error:
        load_rsa_key(text, password)
    assert str(error.value) == message


@pytest.mark.parametrize("consumer_key", ['a"b', "a b", "a,b", "a%21", "a\nb", "é"])
def test_a_consumer_key_that_no_header_can_carry_is_refused(consumer_key: str) -> None:
    with pytest.raises(UnsupportedError) as error:
        OAuth1(NoUpstream(), consumer_key, PKCS8)
    assert str(error.value) == "the consumer key holds characters that no consumer key has"


def test_each_request_has_a_nonce_and_the_time() -> None:
    client = OAuth1(NoUpstream(), "abc!123", PKCS8, clock=lambda: 1626728330.9)
    first, second = (
        _fields(dict(client.sign(Request("GET", URL)).headers)["Authorization"]) for _ in range(2)
    )
    assert first["oauth_timestamp"] == second["oauth_timestamp"] == "1626728330"
    assert first["oauth_nonce"] != second["oauth_nonce"]
