"""``naftiko-run migrate``: what goes where, and with which exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.loading.ships import NAFTIKO


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "naftiko_run", "migrate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ships.yaml"
    path.write_text(NAFTIKO, "utf-8")
    return path


def test_the_document_goes_to_stdout_alone(file: Path) -> None:
    done = run(file, "--to", "ikanos 1.0.0-beta5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('# A desk for parcels.\nikanos: "1.0.0-beta5"  # the language\n')
    assert file.read_text("utf-8") == NAFTIKO


def test_a_file_can_be_written_also_in_place(file: Path) -> None:
    other = file.parent / "other.yaml"
    file.chmod(0o640)
    assert run(file, "--to", "beta5", "--output", other).returncode == 0
    done = run(file, "--to=beta5", "--output", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert other.read_text("utf-8") == file.read_text("utf-8")
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == ["other.yaml", "ships.yaml"]


def test_what_cannot_be_said_is_told_and_nothing_is_written(file: Path) -> None:
    other = file.parent / "other.yaml"
    done = run(file, "--to", "naftiko alpha1", "--output", other)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error E-MIGRATE: naftiko 1.0.0-alpha1 cannot say this: 'aggregates'" in done.stderr
    assert "1 file: 6 errors" in done.stderr
    assert not other.exists()


def test_what_is_left_out_is_told(file: Path) -> None:
    file.write_text("ikanos: 1.0.0-beta5\ninfo: {version: '1'}\nconsumes: []\n", "utf-8")
    done = run(file, "--to", "beta1")
    assert done.returncode == 0
    assert "notice I-MIGRATE: 'version' is left out" in done.stderr
    assert done.stdout == "ikanos: 1.0.0-beta1\ninfo: {}\nconsumes: []\n"


@pytest.mark.parametrize(
    ("text", "code"), [("a: b: c", "E-YAML"), ("openapi: 3.1.0", "E-NOT-CAPABILITY")]
)
def test_what_is_no_document_is_told(file: Path, text: str, code: str) -> None:
    file.write_text(text, "utf-8")
    done = run(file, "--to", "beta5")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error {code}" in done.stderr


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    done = run(tmp_path / "none.yaml", "--to", "beta5")
    assert done.returncode == 1
    assert "E-FILE" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --to"),
        (["--to", "alpha3"], "'alpha3' may be 'naftiko 1.0.0-alpha3' or 'ikanos 1.0.0-alpha3'"),
        (["--to", "beta9"], "no version 'beta9' of the language; there is naftiko 1.0.0-alpha1,"),
        (["--to", "beta5", "--output", "none/x.yaml"], "--output none/x.yaml: no such file"),
    ],
)
def test_wrong_usage_is_told_in_one_line(file: Path, arguments: list[str], message: str) -> None:
    done = run(file, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
