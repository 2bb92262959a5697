r"""Regular expressions of JSONPath tests, matched in time linear in the text.

Python's own matcher backtracks, so a pattern such as ``(a+)+b`` may take hours on a text that an
upstream chose. Here a pattern becomes a Glushkov automaton: one position for each character that
it can read, and for each the positions that may come next, as the bits of an integer. A text moves
a set of positions forward, one character at a time; the moves are remembered. That leaves out what
no automaton can do (references back, looking around) and what only matters for captured groups.

    choice   = sequence ("|" sequence)*
    sequence = (atom ("*" | "+" | "?" | "{" m ["," [n]] "}") ["?"])*
    atom     = "(" ["?:"] choice ")" | "[" class "]" | "." | "\" escape | character

The whole text must match, as with Java's ``matches()``; ``^`` and ``$`` at the ends are accepted.
"""

import re
from collections.abc import Callable

from msgspec import Struct

from naftiko_run.mapping.jsonpath_syntax import JsonPathError, Pattern, deepest_test

largest_automaton = 200
"""Positions, after repetitions are written out: what bounds the time for one character."""

_remembered_moves = 10_000
_flags = {"i": re.IGNORECASE, "s": re.DOTALL}
_char_class = re.compile(r"\[\^?\]?(?:[^\\\[\]]|\\.)*\]", re.DOTALL)
_set_operation = re.compile(r"&&|--|\|\||~~")
_escape = re.compile(r"\\(?:[dDwWsSntrf]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^a-zA-Z0-9])", re.DOTALL)
_count = re.compile(r"\{([0-9]{1,4})(?:(,)([0-9]{1,4})?)?\}")


def compile_pattern(pattern: Pattern) -> Callable[[str], bool]:
    """Compile the pattern of ``=~``.

    Raises:
        JsonPathError: it is malformed, too large, or beyond what takes linear time.

    """
    if unknown := set(pattern.flags) - _flags.keys():
        raise JsonPathError(f"no flag '{min(unknown)}'; there are i and s", pattern.position)
    flags = re.RegexFlag(0)
    for flag in pattern.flags:
        flags |= _flags[flag]
    tree = _Parser(pattern).whole()
    return _Automaton(tree, flags, pattern.position).matches


class _Character(Struct, frozen=True):
    source: str


class _Sequence(Struct, frozen=True):
    parts: tuple["_Tree", ...]


class _Choice(Struct, frozen=True):
    options: tuple["_Tree", ...]


class _Repeat(Struct, frozen=True):
    part: "_Tree"
    least: int
    most: int | None


_Tree = _Character | _Sequence | _Choice | _Repeat


class _Parser:
    def __init__(self, pattern: Pattern) -> None:
        self.text = pattern.text.removeprefix("^")
        if self.text.endswith("$") and not self.text.endswith("\\$"):
            self.text = self.text[:-1]
        self.position = 0
        self.offset = pattern.position + pattern.text.startswith("^")
        self.depth = 0

    def error(self, message: str) -> JsonPathError:
        return JsonPathError(message, self.offset + self.position)

    def whole(self) -> _Tree:
        tree = self.choice()
        if self.position < len(self.text):
            raise self.error("')' has no '(' in the pattern")
        return tree

    def choice(self) -> _Tree:
        options = [self.sequence()]
        while self.skip("|"):
            options.append(self.sequence())
        return _Choice(tuple(options))

    def sequence(self) -> _Tree:
        parts: list[_Tree] = []
        while self.position < len(self.text) and self.text[self.position] not in "|)":
            parts.append(self.repeated(self.atom()))
        return _Sequence(tuple(parts))

    def skip(self, text: str) -> bool:
        found = self.text.startswith(text, self.position)
        self.position += len(text) * found
        return found

    def repeated(self, part: _Tree) -> _Tree:
        count = _count.match(self.text, self.position)
        if count:
            self.position = count.end()
            least, most = int(count[1]), int(count[3]) if count[3] else None
            repeat = _Repeat(part, least, most if count[2] else least)
        elif self.skip("*"):
            repeat = _Repeat(part, 0, None)
        elif self.skip("+"):
            repeat = _Repeat(part, 1, None)
        elif self.skip("?"):
            repeat = _Repeat(part, 0, 1)
        else:
            return part
        self.skip("?")  # reluctant: only which groups are captured would differ
        return repeat

    def atom(self) -> _Tree:
        if self.skip("("):
            return self.group()
        character = self.text[self.position]
        if character in "*+?{^$":
            raise self.error(
                f"{character!r} is not possible here in a pattern; write '\\{character}'"
            )
        if character == "[":
            return self.matched(_char_class, "a '[…]' of the pattern is not closed, or holds a '['")
        if character == "\\":
            return self.matched(_escape, "this escape is not supported in patterns")
        self.position += 1
        return _Character(character)

    def group(self) -> _Tree:
        if self.skip("?") and not self.skip(":"):
            raise self.error("groups that look around or set flags are not supported in patterns")
        self.depth += 1
        if self.depth > deepest_test:
            raise self.error("the groups of the pattern are nested too deeply")
        tree = self.choice()
        self.depth -= 1
        if not self.skip(")"):
            raise self.error("')' is missing in the pattern")
        return tree

    def matched(self, regex: re.Pattern[str], message: str) -> _Tree:
        found = regex.match(self.text, self.position)
        if not found:
            raise self.error(message)
        if _set_operation.search(found[0]):
            raise self.error("operations on sets of characters are not supported in patterns")
        try:
            re.compile(found[0])
        except re.error as error:
            raise self.error(f"{error.msg} in the pattern") from None
        self.position = found.end()
        return _Character(found[0])


class _Part(Struct, frozen=True):
    """A piece of the automaton: whether it may be empty, where it starts and where it ends."""

    empty: bool
    first: int
    last: int


_nothing = _Part(empty=True, first=0, last=0)


class _Automaton:
    """Sets of positions are integers; position 0 is the start."""

    def __init__(self, tree: _Tree, flags: re.RegexFlag, position: int) -> None:
        self.flags = flags
        self.position = position
        self.size = 0
        self.characters: dict[re.Pattern[str], int] = {}
        self.follow = [0]
        whole = self.build(tree)
        self.follow[0] = whole.first
        self.accepted = whole.last | whole.empty
        self.moves: dict[tuple[int, str], int] = {}

    # --------------------------------------------------------------------------- building

    def build(self, tree: _Tree) -> _Part:
        self.size += 1
        if self.size > 10 * largest_automaton or len(self.follow) > largest_automaton:
            raise JsonPathError("the pattern is too large", self.position)
        match tree:
            case _Character(source):
                return self.character(source)
            case _Sequence(parts):
                return self.sequence(parts)
            case _Choice(options):
                return self.choice(options)
            case _Repeat():
                return self.repeat(tree)

    def character(self, source: str) -> _Part:
        bit = 1 << len(self.follow)
        self.follow.append(0)
        regex = re.compile(
            source if len(source) > 1 or source == "." else re.escape(source), self.flags
        )
        self.characters[regex] = self.characters.get(regex, 0) | bit
        return _Part(empty=False, first=bit, last=bit)

    def sequence(self, parts: tuple[_Tree, ...]) -> _Part:
        whole = _nothing
        for part in parts:
            whole = self.joined(whole, self.build(part))
        return whole

    def joined(self, left: _Part, right: _Part) -> _Part:
        self.link(left.last, right.first)
        return _Part(
            empty=left.empty and right.empty,
            first=left.first | (right.first if left.empty else 0),
            last=right.last | (left.last if right.empty else 0),
        )

    def link(self, before: int, after: int) -> None:
        for position in _positions(before):
            self.follow[position] |= after

    def choice(self, options: tuple[_Tree, ...]) -> _Part:
        parts = [self.build(option) for option in options]
        whole = parts[0]
        for part in parts[1:]:
            empty = whole.empty or part.empty
            whole = _Part(empty=empty, first=whole.first | part.first, last=whole.last | part.last)
        return whole

    def repeat(self, tree: _Repeat) -> _Part:
        whole = _nothing
        for _ in range(tree.least):
            whole = self.joined(whole, self.build(tree.part))
        if tree.most is None:
            part = self.build(tree.part)
            self.link(part.last, part.first)
            return self.joined(whole, _Part(empty=True, first=part.first, last=part.last))
        for _ in range(tree.most - tree.least):
            part = self.build(tree.part)
            whole = self.joined(whole, _Part(empty=True, first=part.first, last=part.last))
        return whole

    # --------------------------------------------------------------------------- matching

    def matches(self, text: str) -> bool:
        """Say whether the whole text matches."""
        state, moves = 1, self.moves
        for character in text:
            known = moves.get((state, character))
            state = self.move(state, character) if known is None else known
            if not state:
                return False
        return bool(state & self.accepted)

    def move(self, state: int, character: str) -> int:
        reached = 0
        for position in _positions(state):
            reached |= self.follow[position]
        reading = 0
        for regex, positions in self.characters.items():
            if positions & reached and regex.match(character):
                reading |= positions
        if len(self.moves) >= _remembered_moves:
            self.moves.clear()
        self.moves[state, character] = reached & reading
        return reached & reading


def _positions(bits: int) -> list[int]:
    return [index for index, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"]
