"""The grammar of JSONPath expressions, and the records that they are read into.

    path     = ["$" | "@"] segment*              an expression without "$" is given one
    segment  = "." name | "." name "()" | "." "*" | "."? bracket
             | ".." (name | "*" | bracket)
    bracket  = "[" (quoted ("," quoted)* | integer ("," integer)* | slice | "*" | "?" test) "]"
    slice    = integer? ":" integer? (":" integer?)?
    test     = all ("||" all)*
    all      = term ("&&" term)*
    term     = "!" term | "(" test ")" | operand [operator operand]
    operand  = ("$" | "@") segment* | quoted | number | "true" | "false" | "null"
             | "[" operands "]" | "/" pattern "/" flags
    operator = "==" "!=" "===" "!==" "<" "<=" ">" ">=" "=~" "in" "nin" "contains"

A name after a dot may hold anything but ``.[]()``: also spaces, as ``$.user details.email``.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from naftiko_run.types import Json


class JsonPathError(ValueError):
    """An expression that cannot be read; ``position`` counts its characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        """Keep what is wrong and where."""
        self.message = message
        self.position = position
        super().__init__(f"{message} (at character {position + 1})")


class Key(Struct, frozen=True):
    """A member of an object by its name, or an element of an array by its index.

    A negative index counts from the end.
    """

    key: str | int


class Members(Struct, frozen=True):
    """Several members of an object, as an object of them where nothing follows."""

    names: tuple[str, ...]


class Elements(Struct, frozen=True):
    """Several elements of an array."""

    indexes: tuple[int, ...]


class Slice(Struct, frozen=True):
    """A range of the elements of an array."""

    start: int | None
    stop: int | None
    step: int | None


class Every(Struct, frozen=True):
    """All elements of an array or all members of an object."""


class Length(Struct, frozen=True):
    """``.length`` at the end: the member of that name, else the length of an array."""


class Matching(Struct, frozen=True):
    """The elements of an array that pass a test; an object, where it passes itself."""

    test: "Test"


class Descent(Struct, frozen=True):
    """A selector that is applied to a value and to everything inside it."""

    selector: "Selector"


class Call(Struct, frozen=True):
    """A function of the value that the path has reached."""

    function: str


class Query(Struct, frozen=True):
    """A path inside a test: from the root, or from the value that is tested."""

    absolute: bool
    segments: tuple["Segment", ...]


class Literal(Struct, frozen=True):
    """A value inside a test."""

    value: Json


class Pattern(Struct, frozen=True):
    """A regular expression inside a test."""

    text: str
    flags: str
    position: int


class Exists(Struct, frozen=True):
    """Whether a path leads to anything, be it null."""

    query: Query


class Comparison(Struct, frozen=True):
    """Two values and the operator between them."""

    left: "Operand"
    operator: str
    right: "Operand"


class Not(Struct, frozen=True):
    """The opposite of a test."""

    test: "Test"


class AllOf(Struct, frozen=True):
    """Several tests joined by ``&&``."""

    tests: tuple["Test", ...]


class AnyOf(Struct, frozen=True):
    """Several tests joined by ``||``."""

    tests: tuple["Test", ...]


Selector = Key | Members | Elements | Slice | Every | Length | Matching
Segment = Selector | Descent | Call
Operand = Query | Literal | Pattern
Test = Exists | Comparison | Not | AllOf | AnyOf

functions = ("length", "size", "sum", "min", "max", "avg", "first", "last", "keys")
"""The functions that a path may end in (``.length()``)."""

longest_expression = 2000
deepest_test = 20
"""Parentheses and tests inside tests; reading and running them takes a Python frame each."""

most_repeats = 2
"""How often ``..`` may be written; also unions such as ``[0,-1]``, which may name one element."""

_largest_index = 2**53 - 1  # RFC 9535 section 2.1: what every JSON implementation can hold
_name_at_top = re.compile(r"[^.\[\]()]+")
_name_in_test = re.compile(r"[^.\[\]()\s=<>!&|~,]+")
_number = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_integer = re.compile(r"-?[0-9]+")
_word = re.compile(r"[A-Za-z]+")
_operator = re.compile(r"===|!==|==|!=|<=|>=|=~|<|>|(?:in|nin|contains)\b")
_space = re.compile(r"\s*")
_hex4 = re.compile(r"[0-9a-fA-F]{4}")
_escapes = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {c: c for c in "\\/'\""}
_Item = TypeVar("_Item")
_constants: dict[str, Json] = {"true": True, "false": False, "null": None}


def parse(expression: str) -> tuple[Segment, ...]:
    """Read an expression.

    Raises:
        JsonPathError: it is malformed.

    """
    if len(expression) > longest_expression:
        raise JsonPathError(
            f"an expression of {len(expression)} characters is too long"
            f" (at most {longest_expression})",
            longest_expression,
        )
    return _Parser(expression).whole()


class _Parser:
    """Reads one expression from left to right; each method consumes what its name says."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = len(text.rstrip())
        self.position = 0
        self.depth = 0
        self.repeats = 0

    # -------------------------------------------------------------------------- characters

    def error(self, message: str, position: int | None = None) -> JsonPathError:
        return JsonPathError(message, self.position if position is None else position)

    def space(self) -> None:
        self.position = _space.match(self.text, self.position, self.end).end()  # type: ignore[union-attr]

    def at(self, text: str) -> bool:
        return self.text.startswith(text, self.position, self.end)

    def skip(self, text: str) -> bool:
        if self.at(text):
            self.position += len(text)
            return True
        return False

    def expect(self, text: str, context: str) -> None:
        self.space()
        if not self.skip(text):
            raise self.error(f"'{text}' is missing {context}")

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.position, self.end)
        if found is None:
            return ""
        self.position = found.end()
        return found[0]

    # -------------------------------------------------------------------------------- path

    def whole(self) -> tuple[Segment, ...]:
        self.space()
        if self.position == self.end:
            raise self.error("the expression is empty")
        if self.text[self.position : self.end] in ("$.", "@.", "."):
            return ()  # how the whole response is written in practice
        if self.skip("$") or self.lone_at() or self.at("[") or self.at("."):
            segments = self.segments(_name_at_top)
        else:
            segments = self.segments(_name_at_top, self.dotted(_name_at_top))
        if self.position < self.end:
            raise self.unexpected()
        return segments

    def unexpected(self) -> JsonPathError:
        rest = self.text[self.position : self.end]
        hint = f"; write '$.{rest}'" if self.text[: self.position].strip() == "$" else ""
        return self.error(f"'.' or '[' is expected, not {rest[0]!r}{hint}")

    def lone_at(self) -> bool:
        """Skip ``@`` for the root; in ``@type`` it belongs to the name."""
        following = self.text[self.position + 1 : self.position + 2]
        return following in ("", ".", "[") and self.skip("@")

    def segments(self, names: re.Pattern[str], *first: Segment) -> tuple[Segment, ...]:
        found = list(first)
        while (segment := self.segment(names)) is not None:
            found.append(segment)
        if found and found[-1] == Key("length") and self.text[self.position - 1] != "]":
            found[-1] = Length()
        return tuple(found)

    def segment(self, names: re.Pattern[str]) -> Segment | None:
        if names is _name_at_top:
            self.space()
        if self.at(".."):
            self.repeat()
            self.skip("..")
            return Descent(self.descended(names))
        if self.skip("."):
            return self.bracket() if self.skip("[") else self.dotted(names)
        return self.bracket() if self.skip("[") else None

    def repeat(self) -> None:
        """Keep the number of results, and the time, linear in the size of the data.

        What can yield one value several times multiplies the work each time that it is written.
        """
        self.repeats += 1
        if self.repeats > most_repeats:
            raise self.error("'..' and unions of leading and trailing indexes are allowed twice")

    def descended(self, names: re.Pattern[str]) -> Selector:
        start = self.position
        found = self.bracket() if self.skip("[") else self.dotted(names)
        if isinstance(found, Call):
            raise self.error("a function cannot follow '..'", start)
        return found

    def dotted(self, names: re.Pattern[str]) -> Selector | Call:
        start = self.position
        name = self.take(names).strip()
        if not name:
            raise self.error("a name is missing after '.'", start)
        if self.skip("("):
            return self.call(name, start)
        return Every() if name == "*" else Key(name)

    def call(self, name: str, start: int) -> Call:
        if name not in functions:
            raise self.error(f"no function '{name}()'; there are {', '.join(functions)}", start)
        self.expect(")", f"after '{name}('; functions take no arguments")
        return Call(name)

    # ---------------------------------------------------------------------------- brackets

    def bracket(self) -> Selector:
        start = self.position - 1
        self.space()
        if self.skip("*"):
            selector: Selector = Every()
        elif self.skip("?"):
            selector = Matching(self.test())
        elif self.at("'") or self.at('"'):
            selector = self.members()
        else:
            selector = self.elements()
        self.expect("]", f"for the '[' at character {start + 1}")
        return selector

    def members(self) -> Selector:
        names = self.separated(self.quoted)
        return Key(names[0]) if len(names) == 1 else Members(tuple(dict.fromkeys(names)))

    def elements(self) -> Selector:
        first = self.bound()
        self.space()
        if self.at(":"):
            return self.slice(first)
        if first is None:
            raise self.no_selector()
        indexes = [first]
        while self.comma():
            index = self.bound()
            if index is None:
                raise self.error("an index is missing after ','")
            indexes.append(index)
        if min(indexes) < 0 <= max(indexes):
            self.repeat()
        return Key(first) if len(indexes) == 1 else Elements(tuple(dict.fromkeys(indexes)))

    def no_selector(self) -> JsonPathError:
        start = self.position
        if name := self.take(_word):
            return self.error(f"a name in '[…]' is quoted; write ['{name}']", start)
        return self.error("a quoted name, an index, a slice, '*' or '?' is expected in '[…]'")

    def slice(self, start: int | None) -> Slice:
        self.skip(":")
        stop = self.bound()
        self.space()
        return Slice(start, stop, self.bound() if self.skip(":") else None)

    def bound(self) -> int | None:
        self.space()
        start = self.position
        text = self.take(_integer)
        if len(text) > 17 or abs(int(text or 0)) > _largest_index:
            raise self.error("the index is too large", start)
        return int(text) if text else None

    def separated(self, item: Callable[[], _Item]) -> list[_Item]:
        items = [item()]
        while self.comma():
            items.append(item())
        return items

    def comma(self) -> bool:
        self.space()
        return self.skip(",")

    def quoted(self) -> str:
        self.space()
        start = self.position
        quote = self.text[start : start + 1]
        if quote not in ("'", '"'):
            raise self.error("a quoted name is missing")
        self.position += 1
        text = ""
        while not self.skip(quote):
            if self.position >= self.end:
                raise self.error(f"the closing {quote} is missing", start)
            text += self.escaped() if self.skip("\\") else self.character()
        return text

    def character(self) -> str:
        self.position += 1
        return self.text[self.position - 1]

    def escaped(self) -> str:
        start = self.position - 1
        kind = self.text[self.position : self.position + 1]
        self.position += 1
        if kind in _escapes:
            return _escapes[kind]
        if kind == "u":
            return self.unicode(start)
        raise self.error(f"'\\{kind}' is not an escape; a backslash is written '\\\\'", start)

    def unicode(self, start: int) -> str:
        high = self.take(_hex4)
        low = self.take(_hex4) if high[:1] in "dD" and self.skip("\\u") else ""
        text = bytes.fromhex(high + low).decode("utf-16-be", "replace")
        if not high or ("\ufffd" in text and high.lower() != "fffd"):
            raise self.error("'\\u' needs the four hexadecimal digits of a character", start)
        return text

    # ------------------------------------------------------------------------------- tests

    def nested(self, part: Callable[[], _Item]) -> _Item:
        self.depth += 1
        if self.depth > deepest_test:
            raise self.error("tests are nested too deeply")
        found = part()
        self.depth -= 1
        return found

    def test(self) -> Test:
        return self.nested(lambda: self.joined("||", self.all_of, AnyOf))

    def all_of(self) -> Test:
        return self.joined("&&", self.term, AllOf)

    def joined(
        self,
        operator: str,
        part: Callable[[], Test],
        record: Callable[[tuple[Test, ...]], Test],
    ) -> Test:
        tests = [part()]
        self.space()
        while self.skip(operator):
            tests.append(part())
            self.space()
        return tests[0] if len(tests) == 1 else record(tuple(tests))

    def term(self) -> Test:
        negated = False
        self.space()
        while self.at("!") and not self.at("!="):
            self.position += 1
            negated = not negated
            self.space()
        if self.skip("("):
            found = self.test()
            self.space()
            hint = "; to compare, write '=='" if self.at("=") else ""
            self.expect(")", f"after a test{hint}")
        else:
            found = self.comparison()
        return Not(found) if negated else found

    def comparison(self) -> Test:
        start = self.position
        left = self.operand()
        self.space()
        operator = self.take(_operator)
        if operator:
            return self.compared(left, operator)
        if isinstance(left, Query):
            return Exists(left)
        raise self.error("a test compares a path with something", start)

    def compared(self, left: Operand, operator: str) -> Test:
        start = self.position
        right = self.operand()
        if isinstance(left, Pattern) or isinstance(right, Pattern) != (operator == "=~"):
            raise self.error("'=~' has a /pattern/ on its right, and nothing else has", start)
        return Comparison(left, operator, right)

    def operand(self) -> Operand:
        self.space()
        if self.at("@") or self.at("$"):
            return Query(self.character() == "$", self.segments(_name_in_test))
        if self.at("'") or self.at('"'):
            return Literal(self.quoted())
        if self.skip("["):
            return self.nested(self.literals)
        if self.skip("/"):
            return self.pattern()
        return self.scalar()

    def scalar(self) -> Literal:
        start = self.position
        if number := self.take(_number):
            return Literal(int(number) if _integer.fullmatch(number) else float(number))
        word = self.take(_word)
        if word in _constants:
            return Literal(_constants[word])
        raise self.error("a path (@ or $), a quoted text, a number or a constant is missing", start)

    def literals(self) -> Literal:
        self.space()
        if self.skip("]"):
            return Literal([])
        values = self.separated(self.plain_value)
        self.expect("]", "after a list of values")
        return Literal(values)

    def plain_value(self) -> Json:
        self.space()
        start = self.position
        operand = self.operand()
        if not isinstance(operand, Literal):
            raise self.error("a list in a test holds plain values", start)
        return operand.value

    def pattern(self) -> Pattern:
        start = self.position
        text = ""
        while not self.skip("/"):
            if self.position >= self.end:
                raise self.error("the closing '/' of the pattern is missing", start)
            text += "/" if self.skip("\\/") else self.character()
            if text.endswith("\\") and self.position < self.end:
                text += self.character()
        return Pattern(text, self.take(_word), start)
