"""Processes that many tests share: each is started once."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.process import (
    ADAPTERS,
    CAPABILITIES,
    IDENTITIES_MCP,
    IDENTITIES_REST,
    KEYS_MCP,
    KEYS_REST,
    Process,
    serving,
)
from tests.e2e.upstream import Upstream, recording

ROOT_KEY = "unkey_canary_7d1f0e5c9ab2"
"""A root key that must appear nowhere but in the Authorization field of upstream requests."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the command does."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _direct() -> Iterator[None]:
    """Keep clients of this process away from any proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.upper().endswith("_PROXY")]:
            patch.delenv(name)
        yield


@dataclass(frozen=True)
class Faces:
    """Both capabilities, served."""

    process: Process
    keys: str
    keys_mcp: str
    identities: str
    identities_mcp: str

    @classmethod
    def of(cls, process: Process) -> "Faces":
        """Read the addresses that a process printed."""
        names = (KEYS_REST, KEYS_MCP, IDENTITIES_REST, IDENTITIES_MCP)
        return cls(process, *(process.url(name) for name in names))


@pytest.fixture(scope="session")
def faces() -> Iterator[Faces]:
    """Serve both capabilities from the embedded sandbox."""
    with serving("--sandbox", *CAPABILITIES, adapters=ADAPTERS) as process:
        yield Faces.of(process)


@dataclass(frozen=True)
class Recorded:
    """Both capabilities, in front of an upstream that remembers."""

    faces: Faces
    upstream: Upstream


@pytest.fixture(scope="session")
def _recorded() -> Iterator[Recorded]:
    with (
        recording() as upstream,
        serving(
            "--upstream",
            f"unkey={upstream.url}",
            "--log-level=debug",
            *CAPABILITIES,
            adapters=ADAPTERS,
            environ={"UNKEY_ROOT_KEY": ROOT_KEY},
        ) as process,
    ):
        yield Recorded(Faces.of(process), upstream)


@pytest.fixture
def recorded(_recorded: Recorded) -> Recorded:
    """Give the recorded capabilities with nothing remembered yet."""
    _recorded.upstream.renewed()
    return _recorded
