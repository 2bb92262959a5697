"""Which hosts and origins each kind of listener accepts: the whole table."""

import pytest
from starlette.types import Scope

from naftiko_run.exposes.guard import Guard, hostname, is_loopback

OURS = ("localhost", "localhost:80", "LocalHost", "127.0.0.1:8080", "127.4.5.6", "[::1]", "[::1]:8")
EVIL = (
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example:127.0.0.1",
    "user@localhost",
    "localhost/x",
    "[::1].evil.example",
    "[::1",
    "",
    ":80",
)
ADDRESSES = ("192.0.2.7", "192.0.2.7:80", "[2001:db8::1]:80", "10.0.0.1")
SHORT = ("gateway", "gateway:8080")


def status(guard: Guard, *fields: tuple[bytes, bytes]) -> int:
    """Give the status of a refusal, 200 where there is none."""
    scope: Scope = {"type": "http", "headers": list(fields)}
    refusal = guard.refusal(scope)
    return 200 if refusal is None else refusal.status


def host(guard: Guard, value: str) -> int:
    return status(guard, (b"host", value.encode()))


def origin(guard: Guard, value: str) -> int:
    return status(guard, (b"host", b"localhost"), (b"origin", value.encode()))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_only_this_machine_is_accepted(address: str) -> None:
    guard = Guard(address)
    assert {host(guard, name) for name in OURS} == {200}
    assert {host(guard, name) for name in (*EVIL, *ADDRESSES, *SHORT)} == {421}


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104 - as configured
def test_elsewhere_addresses_and_names_without_a_dot_are_accepted_too(address: str) -> None:
    guard = Guard(address)
    assert {host(guard, name) for name in (*OURS, *ADDRESSES, *SHORT)} == {200}
    assert {host(guard, name) for name in EVIL} == {421}


def test_allowed_names_are_accepted_and_no_other() -> None:
    guard = Guard("127.0.0.1", ["api.example"])
    assert host(guard, "API.example:443") == 200
    assert host(guard, "sub.api.example") == 421
    assert host(guard, "api.example.evil.example") == 421
    assert origin(guard, "https://api.example") == 200
    everything = Guard("127.0.0.1", ["*"])
    assert host(everything, "evil.example") == 200
    assert origin(everything, "https://evil.example") == 200
    assert host(everything, "") == 421


def test_pages_of_other_sites_are_forbidden_on_every_address() -> None:
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - as configured
        guard = Guard(address)
        for name in ("https://evil.example", "null", "evil", "file://", "https://"):
            assert origin(guard, name) == 403
        for name in ("http://localhost:3000", "https://127.0.0.1", "http://[::1]:1"):
            assert origin(guard, name) == 200


def test_an_accepted_host_does_not_let_an_origin_in() -> None:
    guard = Guard("127.0.0.1")
    for _ in range(2):
        assert host(guard, "localhost") == 200
        assert origin(guard, "https://evil.example") == 403


def test_a_request_has_exactly_one_host_and_at_most_one_origin() -> None:
    guard = Guard("127.0.0.1")
    ours, theirs = (b"host", b"localhost"), (b"host", b"evil.example")
    assert status(guard) == 400
    assert status(guard, ours, ours) == 400
    assert status(guard, ours, theirs) == 400
    origins = ((b"origin", b"https://evil.example"), (b"origin", b"http://localhost"))
    assert status(guard, ours, *origins) == 400


def test_names_without_number_are_not_remembered() -> None:
    guard = Guard("0.0.0.0")  # noqa: S104 - as configured
    for number in range(5000):
        assert host(guard, f"name{number}") == 200
    assert len(guard._known) <= 256


def test_the_host_of_an_authority() -> None:
    assert hostname("[::1]:80") == "::1"
    assert hostname("a.b:80") == "a.b"
    assert hostname("a@b") == ""
    assert not is_loopback("")
    assert not is_loopback("127.0.0.1.evil.example")
    assert is_loopback("x.localhost")
