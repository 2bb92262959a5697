"""What a REST request gives: the places of arguments, and how each is taken from its place.

Where nothing declares a place, an argument is taken from the route, then from a field of the JSON
or form body, then from the query.
"""

from collections.abc import Callable, Mapping
from enum import Enum

from starlette.types import Scope

from naftiko_run.errors import FieldProblem, InputError
from naftiko_run.exposes.messages import header, parse_cookies, parse_pairs
from naftiko_run.mapping.json_codec import loads
from naftiko_run.types import MISSING, Argument, Json, Missing, Selection, Text

_FORM = "application/x-www-form-urlencoded"
NOTHING: Mapping[str, Json] = {}
"""The query, or the fields, of a request that has none."""


class Given:
    """What a request brings: each place where an argument may be."""

    __slots__ = ("captures", "content", "fields", "query", "scope")

    def __init__(
        self, captures: Mapping[str, str], query: Mapping[str, Json], scope: Scope
    ) -> None:
        """Begin without a body."""
        self.captures = captures
        self.query = query
        self.scope = scope
        self.fields: Mapping[str, Json] = NOTHING
        self.content: Json | Missing = MISSING

    def header(self, name: str) -> Json | Missing:
        """Return a header field of the request.

        Those that carry credentials are asked for only where the spec names them.
        """
        value = header(self.scope, name.lower().encode("latin-1", "replace"))
        return Text(value) if value else MISSING


Take = Callable[[Given], "Json | Missing"]


# ----------------------------------------------------------------------------------------- body


def bad_body(detail: str) -> InputError:
    """Say what is wrong with the body as a whole."""
    return InputError([FieldProblem("body", detail, "body")])


def decode(body: bytes, content_type: bytes) -> tuple[Json, bool]:
    """Read a body as JSON or as a form, and say whether it is a form.

    Raises :class:`naftiko_run.errors.InputError`.
    """
    kind = _KINDS.get(content_type) or _kind(content_type)
    # curl says "form" of whatever -d gives it: a body that begins as JSON is read as JSON.
    if kind is _Kind.FORM and body.lstrip()[:1] not in (b"{", b"["):
        try:
            return dict(parse_pairs(body)), True
        except ValueError as error:
            raise bad_body(str(error)) from None
    try:
        return loads(body), False
    except ValueError as error:
        raise bad_body(f"is not JSON: {str(error).removeprefix('not JSON: ')}") from None


def untyped(form: Json) -> Json:
    """Give the fields of a form as texts and lists of texts, which nothing turns into numbers."""
    if not isinstance(form, dict):
        return form
    return {
        name: [str(text) for text in value] if isinstance(value, list) else str(value)
        for name, value in form.items()
    }


class _Kind(Enum):
    JSON = "json"
    FORM = "form"


_KINDS = {b"application/json": _Kind.JSON}
"""What nearly every request says."""


def _kind(content_type: bytes) -> _Kind:
    text = content_type.decode("latin-1")
    media_type = text.partition(";")[0].strip().lower()
    if media_type == _FORM:
        return _Kind.FORM
    if media_type and not media_type.endswith(("/json", "+json")):
        raise bad_body(f"is {media_type}; send application/json or {_FORM}")
    return _Kind.JSON


# ------------------------------------------------------------------------------------ arguments


def _captured(name: str, value: str) -> Text:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # The router keeps bytes that are not UTF-8 as lone surrogates, which no text has.
            raise InputError([FieldProblem(name, "is not UTF-8 text", "path")]) from None
    return Text(value)


def take_of(argument: Argument, whole: frozenset[str]) -> Take:
    """Take an argument from its place, or from the first of the others that has it.

    ``whole`` are names of fields: a body that has any of them is no argument as a whole.
    """
    if argument.selection is not None:
        take = _selected(argument.selection)
    elif argument.location == "whole":
        take = _from_whole(argument.name, whole)
    else:
        take = _PLACES[argument.location](argument)
    if not argument.others:
        return take
    takes = (take, *(take_of(other, whole) for other in argument.others))

    def first(given: Given) -> Json | Missing:
        for each in takes:
            value = each(given)
            if value is not MISSING:
                return value
        return MISSING

    return first


def _selected(selection: Selection) -> Take:
    find = selection.find
    if len(selection.names) == 1:
        # A field, which a form has as a text that is still to get its type.
        name = selection.names[0]
        return lambda given: given.fields.get(name, MISSING)
    return lambda given: MISSING if given.content is MISSING else find(given.content)


def _anywhere(argument: Argument) -> Take:
    name, from_query = argument.name, _from_query(argument)

    def take(given: Given) -> Json | Missing:
        if name in given.captures:
            return _captured(name, given.captures[name])
        if name in given.fields:
            return given.fields[name]
        return from_query(given)

    return take


def _from_path(argument: Argument) -> Take:
    name = argument.name

    def take(given: Given) -> Json | Missing:
        value = given.captures.get(name)
        return MISSING if value is None else _captured(name, value)

    return take


def _from_cookie(argument: Argument) -> Take:
    name = argument.name
    return lambda given: parse_cookies(header(given.scope, b"cookie")).get(name, MISSING)


def _from_query(argument: Argument) -> Take:
    name, also_header = argument.name, argument.header

    def take(given: Given) -> Json | Missing:
        if name in given.query:
            return given.query[name]
        return given.header(name) if also_header else MISSING

    return take


def _from_header(argument: Argument) -> Take:
    name = argument.name
    return lambda given: given.header(name)


def _from_field(argument: Argument) -> Take:
    name = argument.name
    return lambda given: given.fields.get(name, MISSING)


def _from_content(_: Argument) -> Take:
    return lambda given: given.content


def _from_whole(name: str, whole: frozenset[str]) -> Take:
    def take(given: Given) -> Json | Missing:
        if name in given.fields:
            return given.fields[name]
        return given.content if whole.isdisjoint(given.fields) else MISSING

    return take


_PLACES: Mapping[str, Callable[[Argument], Take]] = {
    "": _anywhere,
    "path": _from_path,
    "query": _from_query,
    "header": _from_header,
    "cookie": _from_cookie,
    "body": _from_field,
    "content": _from_content,
}
