"""Every engine in turn, for what all of them promise."""

import pytest

from naftiko_run.consumes.client import ENGINES


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    """Name an engine."""
    name: str = request.param
    return name
