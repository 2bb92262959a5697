"""The conformance suite of the Model Context Protocol, against a running process.

Twice: with the capability file alone, as anybody could write it, and with an extension that has
what no capability file can express. baseline.yaml says which checks fail and why; one that fails
without being there is a regression, one that is there and passes is stale.

Set ``NAFTIKO_CONFORMANCE=required`` where the suite must not be skipped.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.suite import SUITE, Suite, suite_in
from tests.conformance.upstream import running_upstream
from tests.npm import installed

HERE = Path(__file__).parent
CAPABILITY = str(HERE / "capability.yaml")
BASELINE: dict[str, dict[str, list[dict[str, Any]]]] = yaml.safe_load(
    (HERE / "baseline.yaml").read_text()
)
ALSO = ("http-header-validation", "http-custom-header-server-validation", "json-schema-2020-12")
"""What no revision requires yet, and is held all the same."""

SCORES = {
    ("capability", "2026-07-28"): 23,
    ("capability", "2025-11-25"): 21,
    ("extension", "2026-07-28"): 37,
    ("extension", "2025-11-25"): 30,
}
"""How many of the 37 and 30 required scenarios pass."""


@pytest.fixture(scope="module")
def suite(pytestconfig: pytest.Config) -> Suite:
    return suite_in(installed(pytestconfig, "conformance", [SUITE]))


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """Start a server that announces where it is; gives the endpoint's URL."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found is not None, f"it did not start: {line!r}"
            yield found[0]
        finally:
            process.kill()


@contextmanager
def with_capability_alone() -> Iterator[str]:
    command = str(Path(sys.executable).with_name("naftiko-run"))
    with (
        running_upstream() as upstream,
        serving(
            command, CAPABILITY, "--port", "conformance=0", "--upstream", f"fixtures={upstream}"
        ) as url,
    ):
        yield url


@contextmanager
def with_extension() -> Iterator[str]:
    # Whether the extension uses what is deprecated is the suite's choice, not this project's.
    command = (sys.executable, "-W", "ignore::DeprecationWarning", str(HERE / "serve.py"))
    with running_upstream() as upstream, serving(*command, CAPABILITY, upstream) as url:
        yield url


RUNS = {"capability": with_capability_alone, "extension": with_extension}


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
@pytest.mark.parametrize("run", RUNS)
def test_what_fails_is_what_the_baseline_says(
    run: str,
    revision: str,
    suite: Suite,
    tmp_path: Path,
) -> None:
    with RUNS[run]() as url:
        found = suite.run(url, revision, tmp_path)
    scored = suite.scored(revision)
    assert set(scored) <= found.keys()
    held = [name for name in (*scored, *ALSO) if name in found]
    failed = {f"{name}:{check}": why for name in held for check, why in found[name].items()}
    expected = {check for each in BASELINE[run][revision] for check in each["checks"]}
    assert {check: why for check, why in failed.items() if check not in expected} == {}
    assert sorted(expected - failed.keys()) == []
    passed = sum(not found[name] for name in scored)
    assert passed == SCORES[run, revision]
