"""Whatever stands in an Authorization field, there is an answer, and it lets nobody in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.callers.claims import Grant, Policy, TokenError
from naftiko_run.callers.digest import digest
from naftiko_run.callers.fields import parameters
from naftiko_run.callers.nonces import Nonces
from naftiko_run.callers.oauth2 import Resource, oauth2
from naftiko_run.exposes.auth import Authenticator, Refusal

NONCES = Nonces()
RESOURCE = Resource(identifier="https://ships.example", realm='a"b')
POLICY = Policy(issuer="https://login.example", audiences=("https://ships.example",))


class NoTokens:
    def check(self, token: str) -> Grant:
        assert token
        assert token.isascii()
        raise TokenError("not taken")


GATES = (digest("ada", "s3cret", "r", NONCES), oauth2(RESOURCE, POLICY, NoTokens()))

names = st.sampled_from(
    "username username* realm nonce uri response qop nc cnonce algorithm".split()
)
values = st.one_of(
    st.sampled_from(["ada", "r", "/", "auth", "00000001", "MD5", "SHA-256", NONCES.make()]),
    st.text(st.characters(max_codepoint=255), max_size=20),
)
answers = st.lists(st.tuples(names, values, st.booleans()), max_size=12).map(
    lambda fields: (
        "Digest "
        + ", ".join(
            f'{name}="{value}"' if quoted else f"{name}={value}" for name, value, quoted in fields
        )
    )
)
schemes = st.sampled_from(["Digest", "Bearer", "basic", "", " ", "\t"])
fields = st.one_of(
    answers.map(lambda text: text.encode("latin-1")),
    st.builds(lambda scheme, rest: scheme.encode() + b" " + rest, schemes, st.binary(max_size=60)),
)


@pytest.mark.parametrize("gate", GATES, ids=["digest", "oauth2"])
@given(given_fields=st.lists(fields, max_size=2), target=st.binary(max_size=10))
def test_nobody_gets_in_by_chance(
    gate: Authenticator, given_fields: list[bytes], target: bytes
) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/" + target,
        "query_string": b"",
        "headers": [(b"authorization", field) for field in given_fields],
    }
    refusal = gate.refusal(scope)
    assert isinstance(refusal, Refusal)
    assert refusal.problem.status in (400, 401)
    assert "s3cret" not in str(refusal)
    for _, value in refusal.headers:
        assert value.isprintable()


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_parameters_are_read_or_refused(text: str) -> None:
    try:
        found = parameters(text)
    except ValueError:
        return
    assert all(name == name.lower() for name in found)
