"""The import table: which room may import which, and which may know which library.

A room is a folder or a module directly under ``naftiko_run``. Imports under ``TYPE_CHECKING`` and
inside functions count: a type is knowledge too. Relative imports are refused by the linter.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "naftiko_run"


@dataclass(frozen=True)
class Room:
    """What a room may import besides itself, the base and the standard library."""

    rooms: frozenset[str] = frozenset()
    libraries: frozenset[str] = frozenset()


def room(rooms: str = "", libraries: str = "") -> Room:
    """Make a row of the table from space-separated names."""
    return Room(frozenset(rooms.split()), frozenset(libraries.split()))


BASE = frozenset({"types", "findings", "errors", "version", "together"})
"""What every room may import; among themselves they keep to their own rows."""

HOUSE = {
    "types": room(),
    "version": room(),
    "together": room(),
    "findings": room(),
    "codes": room("findings"),
    "errors": room("types findings"),
    "settings": room(),
    "folders": room(),
    "spec": room(),
    "mapping": room("spec", "orjson"),
    "loading": room("spec codes folders", "yaml jsonschema_rs orjson"),
    "consumes": room(
        "mapping spec",
        "httptools pyreqwest httpx2 httpx cryptography orjson anyio yaml lxml markdown_it",
    ),
    "flows": room("mapping spec", "jsonschema_rs anyio"),
    "exposes": room("mapping spec folders", "starlette mcp mcp_types orjson anyio"),
    "callers": room("exposes", "starlette jwt cryptography orjson"),
    "scripts": room("", "quickjs_rs wasmtime pydantic_monty tree_sitter tree_sitter_javascript"),
    "sandbox": room("", "starlette uvicorn orjson anyio"),
    "plan": room("callers consumes exposes flows mapping scripts spec"),
    "server": room(
        "plan loading settings sandbox callers exposes scripts spec",
        "uvloop httptools starlette watchfiles",
    ),
    "cli": room("server plan loading settings exposes mapping spec"),
    "__main__": room("cli"),
    "__init__": room(),
}
RECORDS = "msgspec"
"""What records are made of, in every room, as if it stood in the standard library."""

WITHOUT_BASE = {"types", "findings", "errors", "version", "together", "sandbox"}


@dataclass(frozen=True)
class Import:
    """One imported name and the place that imports it."""

    file: Path
    line: int
    room: str
    name: str

    def breach(self) -> str | None:
        """Say which rule of the table this import breaks, if any."""
        top, _, rest = self.name.partition(".")
        row = HOUSE.get(self.room)
        if row is None:
            return self._say(f"{self.room} has no row in HOUSE")
        if top != "naftiko_run":
            allowed = top in row.libraries | sys.stdlib_module_names | {RECORDS}
            return None if allowed else self._say(f"{self.room} must not know {top or self.name}")
        other = rest.partition(".")[0]
        base = frozenset() if self.room in WITHOUT_BASE else BASE
        if other in row.rooms | base | {self.room}:
            return None
        return self._say(f"{self.room} must not import {self.name}")

    def _say(self, what: str) -> str:
        return f"{self.file}:{self.line} {what}"


def imports(file: Path, package: Path) -> Iterator[Import]:
    """Find every import statement of a file, wherever in it."""
    relative = file.relative_to(package)
    where = relative.parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                origin = "." * node.level + (node.module or "")
                names = [f"{origin}.{alias.name}" for alias in node.names]
            case _:
                continue
        for name in names:
            yield Import(relative, node.lineno, where, name)


def breaches(package: Path) -> list[str]:
    """List what breaks the table, in the order of files and lines."""
    files = sorted(package.rglob("*.py"))
    return [said for file in files for found in imports(file, package) if (said := found.breach())]


def test_rooms_import_only_what_the_table_allows() -> None:
    assert breaches(PACKAGE) == []


def test_the_table_has_no_cycle() -> None:
    order = TopologicalSorter({name: row.rooms for name, row in HOUSE.items()}).static_order()
    assert set(order) == set(HOUSE)


def test_modules_do_not_import_one_another_in_a_circle() -> None:
    files = {
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): file
        for file in PACKAGE.rglob("*.py")
    }
    graph = {
        module: {
            found.name if found.name in files else found.name.rpartition(".")[0]
            for found in imports(file, PACKAGE)
        }
        - {module}
        for module, file in files.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        (
            "exposes/rest.py",
            "import json\nfrom naftiko_run.flows.flow import Flow\n",
            "exposes/rest.py:2 exposes must not import naftiko_run.flows.flow.Flow",
        ),
        (
            "exposes/rest.py",
            "def get():\n    import httpx2\n",
            "exposes/rest.py:2 exposes must not know httpx2",
        ),
        (
            "flows/call.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from naftiko_run import consumes\n",
            "flows/call.py:3 flows must not import naftiko_run.consumes",
        ),
        (
            "sandbox/app.py",
            "from naftiko_run.types import Json\n",
            "sandbox/app.py:1 sandbox must not import naftiko_run.types.Json",
        ),
        ("spec/reader.py", "from . import node\n", "spec/reader.py:1 spec must not know ..node"),
        (
            "cli.py",
            "from naftiko_run import load\n",
            "cli.py:1 cli must not import naftiko_run.load",
        ),
        ("utils.py", "import json\n", "utils.py:1 utils has no row in HOUSE"),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, path: str, source: str, said: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(source, encoding="utf-8")
    assert breaches(tmp_path) == [said]
