"""JSONPath expressions, compiled once into closures; evaluating one never raises.

The semantics are those of Jayway JsonPath, which the reference runtime uses:

* a definite path (names, indexes, ``['a','b']``) yields one value, or is missing;
* any other (``*``, ``..``, slices, unions, tests) yields a list, and skips what is missing, but
  is itself missing where the definite part before it leads nowhere;
* a test on an object tests the object itself, on an array its elements;
* in a test ``==`` compares a number with a numeric text by value, and a path by itself asks
  whether there is anything, be it null.

Different on purpose: a malformed expression is an error when it is compiled; a function at the
end of a path that yields a list takes that list (``$.items[*].price.sum()``); ``length()`` of a
text is its length; slices have steps; ``.length`` at the end of a path is the length of an array;
``..`` followed by a test tests every value once.

Theory of operation: the segments are cut into *hops*. A run of names and indexes is one hop, a
loop that subscripts; everything from the first indefinite segment up to a function is one hop,
a chain of *selects*, each from a list of values to a list of values. So the depth of the data never
becomes depth of the Python stack: ``..`` lists what is inside a value, in document order, with a
stack of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any, Protocol

from msgspec import Struct

from naftiko_run.mapping.comparison import against, comparisons
from naftiko_run.mapping.jsonpath_functions import functions, length_member
from naftiko_run.mapping.jsonpath_selects import (
    MOST_VISITED,
    Check,
    Select,
    Visits,
    containers,
    each_member,
    elements,
    elements_from,
    every,
    lengths,
    matching,
    member,
    merged,
    values,
)
from naftiko_run.mapping.jsonpath_syntax import (
    AllOf,
    AnyOf,
    Call,
    Comparison,
    Descent,
    Elements,
    Exists,
    JsonPathError,
    Key,
    Length,
    Literal,
    Matching,
    Members,
    Not,
    Operand,
    Pattern,
    Query,
    Segment,
    Selector,
    Slice,
    Test,
    parse,
)
from naftiko_run.mapping.regexp import compile_pattern
from naftiko_run.types import MISSING, Discreet, Json, Missing

__all__ = ["JsonPathError", "Path", "compile_path"]

_Hop = Callable[[Json, Json], Json | Missing]  # from a value and the root
_Keys = Sequence[str | int]


class Path(Discreet, Struct, frozen=True):
    """A compiled expression.

    ``evaluate`` gives the value at a root, None where it is missing; ``find`` gives MISSING there.
    ``first`` is the name that the path starts with, ``names`` are all of it where it is made of
    names alone. ``array_length`` says that it ends in ``.length``, which stands for the length
    where it meets an array.
    """

    expression: str
    evaluate: Callable[[Json], Json]
    find: Callable[[Json], Json | Missing]
    definite: bool
    identity: bool = False
    array_length: bool = False
    first: str | None = None
    names: tuple[str, ...] = ()

    def __call__(self, root: Json) -> Json:
        """Evaluate; ``path.evaluate(root)`` is the same and saves a call."""
        return self.evaluate(root)

    def __repr__(self) -> str:
        """Show the expression."""
        return f"Path({self.expression})"


def compile_path(expression: str) -> Path:
    """Compile an expression.

    Raises:
        JsonPathError: it is malformed.

    """
    segments = parse(expression)
    return Path(
        expression=expression,
        evaluate=_of_root(segments, None),
        find=_of_root(segments, MISSING),
        definite=_definite(segments),
        identity=not segments,
        array_length=bool(segments) and isinstance(segments[-1], Length),
        first=_first_name(segments),
        names=_only_names(segments),
    )


def _definite(segments: Sequence[Segment]) -> bool:
    definite = True
    for segment in segments:
        if isinstance(segment, Call):
            definite = True
        elif not isinstance(segment, Key | Length):
            definite = definite and isinstance(segment, Members) and segment is segments[-1]
    return definite


def _first_name(segments: Sequence[Segment]) -> str | None:
    first = segments[0] if segments else None
    if isinstance(first, Length):
        return "length"
    return first.key if isinstance(first, Key) and isinstance(first.key, str) else None


def _only_names(segments: Sequence[Segment]) -> tuple[str, ...]:
    keys = [segment.key for segment in segments if isinstance(segment, Key)]
    names = tuple(key for key in keys if isinstance(key, str))
    return names if len(names) == len(segments) else ()


def _of_root(segments: Sequence[Segment], absent: Any) -> Callable[[Json], Any]:  # noqa: ANN401
    """Make the function of the root alone; the commonest expressions have short cuts."""
    if not segments:
        return lambda root: root
    keys = _leading_keys(segments)
    if len(keys) == len(segments):
        return _reach(keys, absent)
    hop = _joined(tuple(_hops(segments)))

    def find(root: Json) -> Any:  # noqa: ANN401
        Visits.left = MOST_VISITED
        value = hop(root, root)
        return absent if value is MISSING else value

    return find


# ---------------------------------------------------------------------------------------- hops


def _joined(hops: tuple[_Hop, ...]) -> _Hop:
    if len(hops) == 1:
        return hops[0]

    def run(node: Json, root: Json) -> Json | Missing:
        value: Json | Missing = node
        for hop in hops:
            if value is MISSING:
                return MISSING
            value = hop(value, root)
        return value

    return run


def _hops(segments: Sequence[Segment]) -> Iterator[_Hop]:
    while segments:
        first = segments[0]
        size = 1
        if keys := _leading_keys(segments):
            size = len(keys)
            yield _reach(keys, MISSING)
        elif isinstance(first, Call):
            yield _walk(functions[first.function])
        elif isinstance(first, Length):
            yield _walk(length_member)
        else:
            size = next((i for i, s in enumerate(segments) if isinstance(s, Call)), len(segments))
            yield _spread(segments[:size])
        segments = segments[size:]


def _leading_keys(segments: Sequence[Segment]) -> _Keys:
    return [s.key for s in takewhile(lambda s: isinstance(s, Key), segments) if isinstance(s, Key)]


def _walk(function: Callable[[Json], Json | Missing]) -> _Hop:
    return lambda node, _root: function(node)


class _Reach(Protocol):
    """A function of a value that serves as a hop too."""

    def __call__(self, node: Json, root: Json = None, /) -> Any: ...  # noqa: ANN401


def _reach(keys: _Keys, absent: Any) -> _Reach:  # noqa: ANN401
    """Subscript by each key in turn.

    Subscripting fails of itself on a value of the wrong type, except that a text has an element
    0: its characters are texts, so a name that follows fails on them. Only where indexes come last
    must the types be looked at.
    """
    reversed_tail = takewhile(lambda key: isinstance(key, int), reversed(keys))
    tail = [key for key in reversed_tail if isinstance(key, int)][::-1]
    head = tuple(keys[: len(keys) - len(tail)])

    def reach(node: Json, _root: Json = None, /) -> Any:  # noqa: ANN401
        value: Any = node
        try:
            for key in head:
                value = value[key]
        except (KeyError, TypeError, IndexError):
            return absent
        return value

    def reach_element(node: Json, _root: Json = None, /) -> Any:  # noqa: ANN401
        value = reach(node)
        for index in tail:
            if type(value) is not list:
                return absent
            try:
                value = value[index]
            except IndexError:
                return absent
        return value

    return reach_element if tail else reach


def _spread(segments: Sequence[Segment]) -> _Hop:
    """One hop from a value to the list of what is selected, or to an object of several members."""
    accepted = _accepted(segments[0])
    one = isinstance(segments[0], Members) and len(segments) == 1
    selects = tuple(_select(s, last=s is segments[-1]) for s in segments)

    def spread(node: Json, root: Json) -> Json | Missing:
        if accepted and type(node) not in accepted:
            return MISSING
        nodes = [node]
        for select in selects:
            nodes = select(nodes, root)
        return nodes[0] if one else nodes

    return spread


def _accepted(segment: Segment) -> tuple[type, ...]:
    """Say which types a segment must meet at the end of the definite part of a path."""
    if isinstance(segment, Members):
        return (dict,)
    if isinstance(segment, Elements | Slice):
        return (list,)
    return (list, dict) if isinstance(segment, Matching) else ()


# ------------------------------------------------------------------------------------- selects


def _select(segment: Segment, *, last: bool) -> Select:
    match segment:
        case Key(str() as name):
            return member(name)
        case Key(int() as index):
            return elements((index,))
        case Elements(indexes):
            return elements(indexes)
        case Members(names):
            return merged(names) if last else each_member(names)
        case Slice(start, stop, step):
            return elements_from(slice(start, stop, step))
        case Matching(test):
            return matching(_check(test))
        case Descent(selector):
            return _descent(selector, last=last)
        case Length():
            return lengths
        case _:
            return every


def _descent(selector: Selector, *, last: bool) -> Select:
    """Apply a selector to every container, in document order; a test to every value."""
    if isinstance(selector, Matching):
        check = _check(selector.test)
        return lambda nodes, root: [n for n in values(nodes) if check(n, root)]
    if isinstance(selector, Members) and last:
        select = merged(selector.names, whole=True)
    else:
        select = _select(selector, last=last)
    return lambda nodes, root: select(containers(nodes), root)


# --------------------------------------------------------------------------------------- tests


def _check(test: Test) -> Check:
    match test:
        case AnyOf(tests):
            checks = tuple(map(_check, tests))
            return lambda node, root: any(check(node, root) for check in checks)
        case AllOf(tests):
            checks = tuple(map(_check, tests))
            return lambda node, root: all(check(node, root) for check in checks)
        case Not(inner):
            check = _check(inner)
            return lambda node, root: not check(node, root)
        case Exists(query):
            return _exists(query)
        case Comparison():
            return _comparison(test)


def _exists(query: Query) -> Check:
    find = _operand(query)
    if _definite(query.segments):
        return lambda node, root: find(node, root) is not MISSING
    return lambda node, root: find(node, root) not in (MISSING, [])


def _comparison(test: Comparison) -> Check:
    left = _operand(test.left)
    if isinstance(test.right, Pattern):
        matches = compile_pattern(test.right)
        return lambda node, root: isinstance(text := left(node, root), str) and matches(text)
    if isinstance(test.right, Literal):
        holds = against(test.operator, test.right.value)
        return lambda node, root: holds(left(node, root))
    right, compare = _operand(test.right), comparisons[test.operator]
    return lambda node, root: compare(left(node, root), right(node, root))


def _operand(operand: Operand) -> _Hop:
    match operand:
        case Query(absolute, segments):
            hop = _joined(tuple(_hops(segments))) if segments else _walk(lambda node: node)
            return (lambda _node, root: hop(root, root)) if absolute else hop
        case Literal(value):
            return lambda _node, _root: value
        case Pattern():
            raise AssertionError("the grammar has a pattern only to the right of =~")
