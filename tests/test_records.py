"""What records are made of, and what they do not show: a misspelt name would show what it hides."""

import ast
from collections.abc import Iterator

from msgspec import Struct

from naftiko_run.types import Discreet, without
from tests.test_house import PACKAGE


class Key(Discreet, Struct, frozen=True):
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
    assert Key("root", "s3cret").__rich_repr__() == [("", "Key(name='root')")]


def test_what_says_itself_what_it_shows_is_discreet() -> None:
    """Else its fields would be shown by what prints records field by field (rich)."""
    found = [
        (f"{file.name} {made.name}", [ast.unparse(base) for base in made.bases])
        for file in sorted(PACKAGE.rglob("*.py"))
        for made in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(made, ast.ClassDef)
        and any(isinstance(line, ast.FunctionDef) and line.name == "__repr__" for line in made.body)
    ]
    assert sum("Discreet" in bases for _, bases in found) > 20
    assert [name for name, bases in found if "Struct" in bases and bases[0] != "Discreet"] == []


def test_what_is_hidden_is_a_field() -> None:
    found = list(hidden())
    assert len(found) > 20
    assert [(where, name) for where, name, fields in found if name not in fields] == []


def test_records_are_made_without_compiling_them() -> None:
    """A dataclass is compiled from text with every start: so many cost 100 ms."""
    decorated = [
        made.name
        for file in sorted(PACKAGE.rglob("*.py"))
        for made in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(made, ast.ClassDef)
        and any("dataclass" in ast.unparse(line) for line in made.decorator_list)
    ]
    assert decorated == []
