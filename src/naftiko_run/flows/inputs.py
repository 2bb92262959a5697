"""Checks of a caller's values: presence, type, and the JSON Schema keywords that a spec writes.

Values that came as text are coerced to their type; values that came as JSON must have it.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Any, Final, NoReturn

from naftiko_run.errors import FieldProblem, InputError
from naftiko_run.findings import did_you_mean
from naftiko_run.mapping.json_codec import loads
from naftiko_run.types import MISSING, Argument, Input, Inputs, Json, Missing, Text, Texts

Check = Callable[[Json], Json]
"""Returns the value as the operation gets it; raises ValueError with what is wrong."""

# A body of a million wrong fields must not cost a million comparisons.
_MOST_UNKNOWN = 20
_MOST_ERRORS = 5
_MOST_EXPLAINED = 300
# What a refusal says instead of the value, which may be a secret.
_HIDDEN = "the value"
# A pattern that looks around may try a text in more ways than anybody can wait for.
_MOST_STEPS = 20_000

_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


class Checker:
    """Checks a unit's arguments together, so that one answer names every field that is wrong."""

    __slots__ = ("_arguments", "_checks")

    def __init__(self, arguments: Sequence[Argument]) -> None:
        """Compile the checks of each argument."""
        self._arguments = {a.key: a for a in arguments}
        self._checks = tuple((a.key, compile_check(a), _absent(a)) for a in arguments)

    def __call__(self, given: Inputs) -> dict[str, Json]:
        """Return the checked values.

        Raises :class:`InputError` that names each field that is missing, wrong or unknown.
        """
        checked: dict[str, Json] = {}
        problems: list[FieldProblem] = []
        used = 0
        for key, check, absent in self._checks:
            value: Json | Missing = given.get(key, MISSING)
            if value is not MISSING:
                used += 1
                try:
                    value = check(value)
                except ValueError as error:
                    problems.append(self._problem(key, str(error)))
                    continue
            if value is not MISSING:
                checked[key] = value
            elif absent is _REQUIRED:
                problems.append(self._problem(key, "is required"))
            elif absent is not MISSING:
                checked[key] = absent
        if used < len(given):
            problems.extend(self._unknown(given))
        if problems:
            raise InputError(problems)
        return checked

    def most_items(self, name: str) -> int:
        """Return how many elements the caller's argument of this name may have, 0 if unsaid."""
        return max((most_items(a) for a in self._arguments.values() if a.name == name), default=0)

    def _problem(self, key: str, detail: str) -> FieldProblem:
        argument = self._arguments[key]
        place = "body" if argument.location in ("content", "whole") else argument.location
        return FieldProblem(argument.name, detail, place)

    def _unknown(self, given: Inputs) -> Iterable[FieldProblem]:
        names = [a.name for a in self._arguments.values()]
        unknown = (key for key in given if key not in self._arguments)
        for key in map(str, islice(unknown, _MOST_UNKNOWN)):
            close = did_you_mean(key, names)
            yield FieldProblem(key, f"is unknown; {close}" if close else "is unknown")


class _Required(Enum):
    """The type of what stands for an argument that must be given."""

    REQUIRED = "required"


_REQUIRED: Final = _Required.REQUIRED


def _absent(argument: Argument) -> Json | Missing | _Required:
    return _REQUIRED if argument.required else argument.default


def most_items(field: Input) -> int:
    """Return how many elements an array may have, 0 where its schema does not say."""
    most = field.schema.get("maxItems")
    return most if type(most) is int else 0


def compile_check(field: Input) -> Callable[[Json], Json | Missing]:
    """Compile the check of one input: type, coercion from text, null, further keywords.

    Raises:
        ValueError: the keywords are no JSON Schema, or refer to another document.

    """
    check: Check = _CHECKS.get(field.type, _anything)
    if field.type == "array":
        check = _array(field.schema.get("items"))
    validate = _keywords(field.type, field.schema) if field.schema else None
    nullable = field.nullable

    def checked(value: Json) -> Json | Missing:
        if value is None:
            # Explicit null counts as absent, unless the spec says that null means something.
            return None if nullable else MISSING
        value = check(value)
        if validate is not None:
            validate(value)
        return value

    return checked


def _anything(value: Json) -> Json:
    if type(value) is Texts:
        return [_plain(item) for item in value]
    return _plain(value)


def _plain(value: Json) -> Json:
    # Libraries that look at exact types (the schema validator) do not know Text.
    return str(value) if type(value) is Text else value


def _one(value: Json) -> Json:
    if type(value) is Texts:
        raise ValueError("must be given once, not several times")
    return value


def _string(value: Json) -> Json:
    if type(value) is str:
        return value
    value = _one(value)
    if isinstance(value, str):
        return _plain(value)
    raise ValueError(f"must be a string, is {kind(value)}")


def _integer(value: Json) -> Json:
    if type(value) is int:
        return value
    value = _one(value)
    if type(value) is Text:
        if _INTEGER.fullmatch(value):
            return int(value)
        raise ValueError("must be an integer")
    if type(value) is float and value.is_integer():
        return int(value)
    raise ValueError(f"must be an integer, is {kind(value)}")


def _number(value: Json) -> Json:
    value = _one(value)
    if type(value) is int or type(value) is float:
        return value
    if type(value) is Text:
        if _INTEGER.fullmatch(value):
            return int(value)
        if _NUMBER.fullmatch(value) and math.isfinite(float(value)):
            return float(value)
        raise ValueError("must be a number")
    raise ValueError(f"must be a number, is {kind(value)}")


def _boolean(value: Json) -> Json:
    value = _one(value)
    if isinstance(value, bool):
        return value
    if type(value) is Text:
        text = value.lower()
        if text in ("true", "false"):
            return text == "true"
        raise ValueError("must be true or false")
    raise ValueError(f"must be true or false, is {kind(value)}")


def _object(value: Json) -> Json:
    value = _one(value)
    if isinstance(value, dict):
        return value
    if type(value) is Text:
        try:
            parsed = loads(value.encode())
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            return parsed
        raise ValueError("must be a JSON object")
    raise ValueError(f"must be an object, is {kind(value)}")


def _array(items: Json) -> Check:
    element: Check = _anything
    if isinstance(items, dict) and isinstance(items.get("type"), str):
        element = _CHECKS.get(str(items["type"]), _anything)

    def check(value: Json) -> Json:
        if type(value) is Texts:
            return [element(item) for item in value]
        if type(value) is Text:
            return [element(value)]
        if isinstance(value, list):
            return value
        raise ValueError(f"must be an array, is {kind(value)}")

    return check


_CHECKS: Mapping[str, Check] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "object": _object,
}


def kind(value: object) -> str:
    """Name the JSON type of a value with its article."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    return "null" if value is None else "an object"


def _keywords(json_type: str, keywords: Mapping[str, Json]) -> Callable[[Json], None]:
    import jsonschema_rs  # noqa: PLC0415 - only specs that write such keywords need it

    schema: dict[str, Any] = {**({"type": json_type} if json_type else {}), **keywords}
    try:
        validator = jsonschema_rs.validator_for(
            schema,
            validate_formats=True,
            retriever=_never_retrieve,
            mask=_HIDDEN,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_STEPS),
        )
    except ValueError as error:
        raise ValueError(str(error).partition("\n")[0]) from None

    def validate(value: Json) -> None:
        if not validator.is_valid(value):
            errors = islice(validator.iter_errors(value), _MOST_ERRORS)
            explained = "; ".join(map(_explain, errors))
            raise ValueError(explained[:_MOST_EXPLAINED])

    return validate


def _never_retrieve(uri: str) -> NoReturn:
    """Read no other document, neither a file nor over the network."""
    raise ValueError(f"{uri} is not read")


def _explain(error: Any) -> str:  # noqa: ANN401 - jsonschema_rs gives no public type for it
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.instance_path)
    text = str(error.message).removeprefix(f"{_HIDDEN} ")
    if error.instance == []:
        text = f"[] {text}"  # there is nothing in it to hide
    return f"{place.lstrip('.')}: {text}" if place else text
