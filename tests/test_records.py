"""What records do not show: a name that is misspelt there would show what it was to hide."""

import ast
from collections.abc import Iterator

from msgspec import Struct

from naftiko_run.types import without
from tests.test_house import PACKAGE


class Key(Struct, frozen=True):
    name: str
    secret: str

    def __repr__(self) -> str:
        return without(self, "secret")


def hidden() -> Iterator[tuple[str, str, set[str]]]:
    """Give each class that hides fields, a name that it hides, and the names of its fields."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for made in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(made, ast.ClassDef):
                continue
            fields = {
                ast.unparse(line.target) for line in made.body if isinstance(line, ast.AnnAssign)
            }
            for call in ast.walk(made):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "without":
                    for name in call.args[1:]:
                        assert isinstance(name, ast.Constant)
                        yield f"{file.name} {made.name}", str(name.value), fields


def test_a_record_shows_its_other_fields() -> None:
    assert repr([Key("root", "s3cret")]) == "[Key(name='root')]"


def test_what_is_hidden_is_a_field() -> None:
    found = list(hidden())
    assert len(found) > 20
    assert [(where, name) for where, name, fields in found if name not in fields] == []
