"""What Veracode's own signer computes."""

import json
from pathlib import Path
from typing import Any

import pytest

from naftiko_run.consumes.signing import VeracodeHMAC
from naftiko_run.errors import UnsupportedError
from naftiko_run.types import Reply, Request

VECTORS = json.loads((Path(__file__).parent / "signing_vectors/veracode.json").read_text())
KEY = "00ff" * 32


class NoUpstream:
    async def send(self, request: Request) -> Reply:
        raise AssertionError

    async def aclose(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["url"])
def test_requests_are_signed_as_veracodes_own_signer_does(case: dict[str, Any]) -> None:
    client = VeracodeHMAC(
        NoUpstream(),
        case["api_id"],
        case["api_key"],
        clock=lambda: case["milliseconds"] / 1000,
        nonce=lambda: bytes.fromhex(case["nonce"]),
    )
    request = Request(case["method"], case["url"], (("Accept", "*/*"),), b"{}")
    signed = client.sign(request)
    assert signed == Request(
        case["method"],
        case["url"],
        (("Accept", "*/*"), ("Authorization", case["authorization"])),
        b"{}",
    )


def test_each_request_has_a_nonce_of_its_own() -> None:
    client = VeracodeHMAC(NoUpstream(), "00ff", KEY)
    request = Request("GET", "https://api.veracode.com/")
    assert client.sign(request) != client.sign(request)


@pytest.mark.parametrize(
    ("api_id", "api_key", "message"),
    [
        ("wrong", KEY, "the Veracode API id is not hexadecimal"),
        ("00\r\nff", KEY, "the Veracode API id is not hexadecimal"),
        ("00ff", "not-a-secret", "the Veracode API key is not hexadecimal"),
    ],
)
def test_a_credential_that_is_not_hexadecimal_is_refused_unseen(
    api_id: str, api_key: str, message: str
) -> None:
    with pytest.raises(UnsupportedError) as error:
        VeracodeHMAC(NoUpstream(), api_id, api_key)
    assert str(error.value) == message
