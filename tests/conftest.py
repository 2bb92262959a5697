"""What holds for all tests: how many examples are tried, and the same in each run; the shipyard."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.e2e.upstream import Upstream, recording
from tests.upstreams import dockyard as dockyard_api
from tests.upstreams import registry as registry_api

# A machine under load is slow now and then: how long an example takes proves nothing.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def _registry() -> Iterator[Upstream]:
    with recording() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def _dockyard() -> Iterator[Upstream]:
    with recording() as upstream:
        yield upstream


@pytest.fixture
def registry(_registry: Upstream) -> Upstream:
    """Give the Maritime Registry on a real socket, with nothing remembered yet."""
    return _registry.renewed(registry_api.answer)


@pytest.fixture
def dockyard(_dockyard: Upstream) -> Upstream:
    """Give the Legacy Dockyard on a real socket, with nothing remembered yet."""
    return _dockyard.renewed(dockyard_api.answer)
