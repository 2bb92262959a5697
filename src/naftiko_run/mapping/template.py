"""Texts with placeholders, compiled once into expressions over the caller's values.

A text that is one placeholder alone keeps the value's JSON type; placeholders inside a text are
interpolated. A value that is absent makes the whole text absent, and an object or array that
becomes empty because of that is absent too. What a variable holds is never shown.

Grammar of a placeholder: ``{{`` name [``|`` filter] ``}}``; in paths also ``{name}`` and
``${NAME}``. Names are strict, because GraphQL bodies contain ``}}`` of their own.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable

from msgspec import Struct

from naftiko_run.types import MISSING, Discreet, Inputs, Json, Missing

_NAME = r"[A-Za-z_$@][\w.$@\[\]:-]*"
_DOUBLE = re.compile(rf"\{{\{{\s*({_NAME})\s*(?:\|\s*([a-z]+)\s*)?\}}\}}")
_ANY = re.compile(rf"{_DOUBLE.pattern}|\$?\{{([^{{}}/]+)\}}")


class Placeholder(Struct, frozen=True):
    """One placeholder: the name as written, its filter, and whether its braces are single."""

    name: str
    filter: str = ""
    single: bool = False


Part = str | Placeholder


def parse(text: str, *, single: bool = False) -> tuple[Part, ...]:
    """Split a text into literals and placeholders; ``single`` also accepts ``{x}`` and ``${X}``."""
    parts: list[Part] = []
    end = 0
    for match in (_ANY if single else _DOUBLE).finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        if match[1]:
            parts.append(Placeholder(match[1], match[2] or ""))
        else:
            parts.append(Placeholder(match[3].strip(), single=True))
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    return tuple(parts)


Evaluate = Callable[[Inputs], Json | Missing]


class Expression(Discreet, Struct, frozen=True):
    """A compiled value.

    ``names`` are the inputs that it reads, ``required`` those without which it has no text.
    ``direct`` is the input's name where the expression is that input and nothing else, and
    ``constant`` says that it reads none.
    """

    evaluate: Evaluate
    names: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    direct: str = ""
    shown: str = ""

    @property
    def constant(self) -> bool:
        """Whether the value is the same for every call."""
        return not self.names

    def __repr__(self) -> str:
        """Show the expression as it is written."""
        return self.shown


Resolve = Callable[[Placeholder], Expression]
"""Gives a placeholder its meaning: a variable's value, or an expression over inputs."""


def constant(value: Json, shown: str | None = None) -> Expression:
    """Make an expression that is always this value; ``shown`` stands for one that is secret."""
    return Expression(lambda _: value, shown=text_of(value) if shown is None else shown)


def reference(name: str, filtered: str = "") -> Expression:
    """Make an expression that is one input, through a filter where one is named."""
    if filtered:
        apply = FILTERS[filtered]

        def through(inputs: Inputs) -> Json | Missing:
            value = inputs.get(name, MISSING)
            if value is MISSING or value is None:
                return MISSING
            return apply(text_of(value)) or MISSING

        return Expression(through, (name,), shown=f"{{{{{name} | {filtered}}}}}")
    return Expression(
        lambda inputs: inputs.get(name, MISSING), (name,), direct=name, shown=f"{{{{{name}}}}}"
    )


def compile_text(parts: Iterable[Part], resolve: Resolve) -> Expression:
    """Compile a parsed text; one placeholder alone keeps its value's type."""
    resolved = [constant(part) if isinstance(part, str) else resolve(part) for part in parts]
    return resolved[0] if len(resolved) == 1 else _concatenate(resolved)


def _concatenate(parts: list[Expression]) -> Expression:
    evaluates = tuple(part.evaluate for part in parts)

    def join(inputs: Inputs) -> Json | Missing:
        text = ""
        for evaluate in evaluates:
            value = evaluate(inputs)
            if value is MISSING or value is None:
                return MISSING
            text += text_of(value)
        return text

    names = _names(parts)
    shown = "".join(part.shown for part in parts)
    if not names:
        value = join({})
        return constant("" if value is MISSING else value, shown)
    return Expression(join, names, frozenset(names), shown=shown)


def _names(expressions: Iterable[Expression]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for e in expressions for name in e.names))


def compile_value(value: Json, text: Callable[[str], Expression]) -> Expression:
    """Compile a JSON value; ``text`` compiles each text inside it.

    An object or array that becomes empty because of absent values is absent itself, except the
    value as a whole.
    """
    compiled = compile_member(value, text)
    if compiled.constant:
        return compiled
    evaluate = compiled.evaluate
    empty: Callable[[], Json] | None = (
        dict if isinstance(value, dict) else list if isinstance(value, list) else None
    )
    if empty is None:
        return compiled

    def rooted(inputs: Inputs) -> Json | Missing:
        result = evaluate(inputs)
        return empty() if result is MISSING else result

    return Expression(rooted, compiled.names, compiled.required, shown=compiled.shown)


def compile_member(value: Json, text: Callable[[str], Expression]) -> Expression:
    """Compile a value inside another: one that becomes empty is absent."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return _compile_object({k: compile_member(v, text) for k, v in value.items()})
    if isinstance(value, list):
        return _compile_array([compile_member(v, text) for v in value])
    return constant(value)


def _compile_object(members: dict[str, Expression]) -> Expression:
    pairs = tuple((name, member.evaluate) for name, member in members.items())

    def build(inputs: Inputs) -> Json | Missing:
        result: dict[str, Json] = {}
        for name, evaluate in pairs:
            value = evaluate(inputs)
            if value is not MISSING:
                result[name] = value
        return result if result or not pairs else MISSING

    shown = ", ".join(f"{json.dumps(k)}: {v!r}" for k, v in members.items())
    return _compound(build, list(members.values()), f"{{{shown}}}")


def _compile_array(members: list[Expression]) -> Expression:
    elements = tuple(member.evaluate for member in members)

    def build(inputs: Inputs) -> Json | Missing:
        values = [value for e in elements if (value := e(inputs)) is not MISSING]
        return values if values or not elements else MISSING

    return _compound(build, members, f"[{', '.join(map(repr, members))}]")


def _compound(build: Evaluate, members: list[Expression], shown: str) -> Expression:
    required = frozenset[str]().union(*(m.required for m in members))
    return Expression(build, _names(members), required, shown=shown)


def text_of(value: Json) -> str:
    """Write a value as text: JSON for objects, arrays and booleans, ``""`` for null."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def slug(text: str) -> str:
    """Turn a name into an identifier of ``A-Z a-z 0-9 _ . : * -``; one that is stays unchanged.

    A name without any such character has no slug: the result is empty.
    """
    if re.fullmatch(r"[A-Za-z0-9_.:*-]+", text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.:*-]+", "-", plain).strip("-")


FILTERS: dict[str, Callable[[str], str]] = {"slug": slug}
"""The filters of placeholders (our extension of the language)."""
