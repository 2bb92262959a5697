"""The container's files agree with each other and with the capabilities they serve."""

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from runpy import run_path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return service["services"]["naftiko-run"]  # type: ignore[no-any-return]


def ports() -> set[int]:
    files = [yaml.safe_load(file.read_bytes()) for file in ROOT.glob("capabilities/*.yaml")]
    return {adapter["port"] for file in files for adapter in file["capability"]["exposes"]}


def instructions(name: str) -> Iterator[str]:
    for found in re.finditer(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE):
        yield found[1]


def test_the_image_exposes_the_ports_of_the_capabilities() -> None:
    (exposed,) = instructions("EXPOSE")
    assert set(map(int, exposed.split())) == ports()


def test_compose_publishes_the_same_ports_on_this_machine_only() -> None:
    published = {f"${{PUBLISH:-127.0.0.1}}:{port}:{port}" for port in ports()}
    assert set(compose()["ports"]) == published


def test_compose_runs_what_the_image_runs() -> None:
    (entrypoint,) = instructions("ENTRYPOINT")
    (command,) = instructions("CMD")
    service = compose()
    assert service["command"] == json.loads(command)
    assert service["entrypoint"][2].endswith(f'exec {json.loads(entrypoint)[0]} "$$@"')


def test_all_that_is_copied_is_let_into_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        source
        for arguments in instructions("COPY")
        if not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_the_health_check_reads_the_addresses_of_the_kernel() -> None:
    check = run_path(str(ROOT / "docker" / "healthcheck.py"))
    addresses = {
        "00000000": ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - read, not bound
        "0100007F": ("127.0.0.1", "127.0.0.1"),
        "0501A8C0": ("192.168.1.5", "192.168.1.5"),
        "00000000000000000000000000000000": ("::", "::1"),
        "00000000000000000000000001000000": ("::1", "::1"),
    }
    read = {words: check["parse"](words) for words in addresses}
    assert {words: str(address) for words, address in read.items()} == {
        words: address for words, (address, _) in addresses.items()
    }
    assert all(
        check["reachable"](ip_address(address)) == reached
        for address, reached in addresses.values()
    )
