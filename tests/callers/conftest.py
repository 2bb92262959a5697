"""An authorization server for the tests of tokens."""

from collections.abc import Iterator

import pytest

from tests.callers.issuer import Issuer, issuing


@pytest.fixture(scope="module")
def _issuer() -> Iterator[Issuer]:
    with issuing() as each:
        yield each


@pytest.fixture
def issuer(_issuer: Issuer) -> Issuer:
    """Give an authorization server that nobody has asked yet."""
    return _issuer.renewed()
