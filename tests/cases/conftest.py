"""What the cases share: an upstream that remembers, and documents that are served on real ports."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.cases.serving import Serve, Stage
from tests.e2e.upstream import Upstream, recording

COLLECTED = pytest.StashKey[list[pytest.Item]]()
"""What a run has collected, with what it leaves out afterwards."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what is collected before anything is left out."""
    config.stash[COLLECTED] = list(items)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """Run an event loop beside the tests: what they serve runs in it, and they talk to it."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def _recording() -> Iterator[Upstream]:
    with recording() as upstream:
        yield upstream


@pytest.fixture
def upstream(_recording: Upstream) -> Upstream:
    """Give an upstream with nothing remembered yet."""
    return _recording.renewed()


@pytest.fixture(scope="session")
def _stage(portal: BlockingPortal) -> Iterator[Stage]:
    stage = Stage(portal)
    yield stage
    stage.close()


@pytest.fixture
def serve(_stage: Stage, upstream: Upstream, tmp_path: Path) -> Serve:
    """Give a way to serve documents; every API that they consume is the upstream."""
    return Serve(_stage, upstream, tmp_path)
