"""Request bodies: from the ``body`` clause and ``in: body`` parameters to bytes and media type."""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from html import escape
from urllib.parse import quote_plus

from msgspec import Struct

from naftiko_run.consumes.sparql import Places
from naftiko_run.errors import FieldProblem, InputError, UnsupportedError
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.mapping.scope import Scope
from naftiko_run.mapping.template import (
    Expression,
    Placeholder,
    compile_member,
    compile_value,
    parse,
    reference,
    text_of,
)
from naftiko_run.spec.document import UNSET, Body, ConsumedOperation, Parameter, Unset
from naftiko_run.types import MISSING, Inputs, Json, Missing

CONTENT = "body"
"""The input that stands for a whole request body."""

WRITES = frozenset({"POST", "PUT", "PATCH"})
_RAW_TYPES = {
    "text": "text/plain; charset=utf-8",
    "xml": "application/xml",
    "sparql": "application/sparql-query",
    "yaml": "application/yaml",
    "binary": "application/octet-stream",
    "octet-stream": "application/octet-stream",
}
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f]").search
Content = tuple[bytes, str]
"""A body and its media type."""

Render = Callable[[Inputs], Content | None]
Encode = Callable[[Json], Content]
Pairs = tuple[tuple[str, str], ...]


class CompiledBody(Struct, frozen=True):
    """Makes a request's content and media type from the inputs; None sends no body.

    ``takes_content`` says that the input :data:`CONTENT` is the whole body, ``passes_content``
    that this is so because the document says nothing about the body. ``none`` says that there is
    never any.
    """

    render: Render
    names: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    passes_content: bool = False
    takes_content: bool = False
    shown: str = ""
    none: bool = False


def compile_body(
    operation: ConsumedOperation,
    parameters: tuple[Parameter, ...],
    scope: Scope,
    *,
    overrides: frozenset[str] = frozenset(),
    credentials: Pairs = (),
) -> CompiledBody:
    """Compile an operation's body.

    ``parameters`` are its ``in: body`` parameters. ``overrides`` are further names of the caller
    that become top-level fields; ``credentials`` are fixed top-level fields.
    """
    clause, data = operation.body, template_of(operation.body)
    if clause is None or data is UNSET:
        return _without_template(operation, parameters, scope, overrides, credentials)
    kind = clause.type.lower()
    encode = _as_json if kind == "raw" else _ENCODERS.get(kind)
    if encode and (placeholder := _only_placeholder(data)):
        value = scope.resolve(placeholder, clause.where.at("data"))
        return _content(value, encode, overrides, credentials)
    if encode and isinstance(data, dict):
        return _object_body(_members(data, clause, scope, overrides), encode, credentials)
    if credentials:
        return _refused()
    if kind == "raw":
        return _json_text(text_of(data), clause, scope)
    if encode is None:
        return _raw(data, clause, scope)
    if encode is _as_multipart and isinstance(data, list):
        return _multipart(data, clause, scope)
    if encode is _as_form and isinstance(data, str):
        escaped = _interpolated(data, clause, scope, lambda _: quote_plus)
        return _encoded(escaped, encode)
    return _encoded(_value(data, clause, scope), encode)


def template_of(clause: Body | None) -> Json | Unset:
    """Return what a ``body`` clause says of the content, UNSET for nothing (R-BODY-2, R-BODY-3)."""
    return UNSET if clause is None or clause.data == {} else clause.data


def _without_template(
    operation: ConsumedOperation,
    parameters: tuple[Parameter, ...],
    scope: Scope,
    overrides: frozenset[str],
    credentials: Pairs,
) -> CompiledBody:
    clause = operation.body
    encode = (_ENCODERS.get(clause.type.lower()) if clause else None) or _as_json
    if len(parameters) == 1 and parameters[0].name == CONTENT:
        return _content(_parameter(parameters[0], scope), encode, overrides, credentials)
    fields = {p.name: _parameter(p, scope) for p in parameters}
    if not parameters and (operation.method in WRITES or clause is not None):
        empty = clause is not None and clause.data == {}
        body = reference(CONTENT)
        return _content(body, encode, overrides, credentials, passes=True, or_empty=empty)
    fields |= {name: reference(name) for name in sorted(overrides)}
    if fields or credentials:
        return _object_body(fields, encode, credentials)
    return CompiledBody(lambda _: None, none=True)


def _parameter(parameter: Parameter, scope: Scope) -> Expression:
    if parameter.value is UNSET:
        return reference(parameter.name)
    return compile_value(parameter.value, lambda text: scope.text(text, parameter.where))


def _only_placeholder(data: Json) -> Placeholder | None:
    parts = parse(data.strip()) if isinstance(data, str) else ()
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Placeholder) else None


def _value(data: Json, clause: Body, scope: Scope) -> Expression:
    where = clause.where.at("data")
    return compile_value(data, lambda text: scope.text(text, where))


def _members(
    data: Mapping[str, Json], clause: Body, scope: Scope, overrides: frozenset[str]
) -> dict[str, Expression]:
    where = clause.where.at("data")
    written = {
        name: reference(name)
        if name in overrides
        else compile_member(value, lambda text: scope.text(text, where))
        for name, value in data.items()
    }
    return written | {name: reference(name) for name in sorted(overrides - data.keys())}


# ---------------------------------------------------------------------------- what is sent whole


def _content(
    content: Expression,
    encode: Encode,
    overrides: frozenset[str],
    credentials: Pairs,
    *,
    passes: bool = False,
    or_empty: bool = False,
) -> CompiledBody:
    """Send one value as it is; fields that are given beside it make it an object."""
    extra = tuple(sorted(overrides))
    fixed = dict(credentials)

    def render(inputs: Inputs) -> Content | None:
        value = content.evaluate(inputs)
        added = {name: inputs[name] for name in extra if name in inputs} | fixed
        if added:
            value = _beside(value, added)
        if value is MISSING:
            return encode({}) if or_empty else None
        return encode(value)

    return CompiledBody(
        render,
        (*content.names, *extra),
        content.required,
        passes_content=passes,
        takes_content=content.direct == CONTENT,
        shown=content.shown,
    )


def _beside(value: Json | Missing, added: Mapping[str, Json]) -> dict[str, Json]:
    if value is MISSING:
        return dict(added)
    if isinstance(value, dict):
        return {**value, **added}
    raise InputError([FieldProblem(CONTENT, "must be an object: fields are added to it", "body")])


def _encoded(value: Expression, encode: Encode) -> CompiledBody:
    def render(inputs: Inputs) -> Content | None:
        result = value.evaluate(inputs)
        return None if result is MISSING else encode(result)

    return CompiledBody(render, value.names, value.required, shown=value.shown)


def _object_body(
    fields: Mapping[str, Expression], encode: Encode, credentials: Pairs
) -> CompiledBody:
    """Send an object; what is absent is left out."""
    pairs = tuple((name, field.evaluate) for name, field in fields.items())
    fixed = dict(credentials)

    def render(inputs: Inputs) -> Content:
        result: dict[str, Json] = {}
        for name, evaluate in pairs:
            value = evaluate(inputs)
            if value is not MISSING:
                result[name] = value
        return encode({**result, **fixed} if fixed else result)

    names = tuple(dict.fromkeys(n for field in fields.values() for n in field.names))
    required = frozenset[str]().union(*(f.required for f in fields.values()))
    shown = ", ".join(f"{json.dumps(n)}: {f!r}" for n, f in fields.items())
    return CompiledBody(render, names, required, shown=f"{{{shown}}}")


def _refused() -> CompiledBody:
    """Send nothing at all rather than a body without its credential."""

    def render(_: Inputs) -> Content:
        raise UnsupportedError(
            "the credential belongs into a field of the body, and this body has no fields"
        )

    return CompiledBody(render)


# ------------------------------------------------------------------------------------- encoders


def _as_json(value: Json) -> Content:
    return dumps(value), "application/json"


def _as_form(value: Json) -> Content:
    text = text_of(value)
    if isinstance(value, dict):
        pairs = ((name, item) for name, field in value.items() for item in _items(field))
        text = "&".join(f"{quote_plus(name)}={quote_plus(text_of(item))}" for name, item in pairs)
    return text.encode(), "application/x-www-form-urlencoded"


def _as_multipart(value: Json) -> Content:
    fields = value if isinstance(value, dict) else {CONTENT: value}
    return _in_parts(
        (_Part(name), item) for name, field in fields.items() for item in _items(field)
    )


def _items(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


_ENCODERS: Mapping[str, Encode] = {
    **dict.fromkeys(("json", "application/json"), _as_json),
    **dict.fromkeys(
        (
            "form",
            "formurlencoded",
            "form-urlencoded",
            "urlencoded",
            "x-www-form-urlencoded",
            "application/x-www-form-urlencoded",
        ),
        _as_form,
    ),
    **dict.fromkeys(
        ("multipart", "multipartform", "multipart/form-data", "form-data"), _as_multipart
    ),
}


# ---------------------------------------------------------------------------------------- texts


def _interpolated(
    text: str, clause: Body, scope: Scope, place: Callable[[str], Callable[[str], str]]
) -> Expression:
    """Compile a text whose interpolated values are encoded for the syntax around them.

    ``place`` is told the text before each value, in order, and gives what encodes it.
    """
    where = clause.where.at("data")
    compiled: list[str | tuple[Expression, Callable[[str], str]]] = []
    before = ""
    for part in parse(text):
        if isinstance(part, str):
            before = part
            compiled.append(part)
        else:
            compiled.append((scope.resolve(part, where), place(before)))
            before = ""

    def build(inputs: Inputs) -> Json:
        result = ""
        for part in compiled:
            if isinstance(part, str):
                result += part
            else:
                value = part[0].evaluate(inputs)
                result += "" if value is MISSING or value is None else part[1](text_of(value))
        return result

    expressions = [c[0] for c in compiled if not isinstance(c, str)]
    names = tuple(dict.fromkeys(n for e in expressions for n in e.names))
    return Expression(build, names, frozenset(names), shown=text)


def _json_text(text: str, clause: Body, scope: Scope) -> CompiledBody:
    """Compile JSON written as text: values inside quotes are escaped, others written as JSON."""
    where = clause.where.at("data")
    quoted = False
    parts: list[str | tuple[Expression, bool]] = []
    for part in parse(text):
        if isinstance(part, str):
            parts.append(part)
            quoted = _ends_quoted(part, quoted=quoted)
        else:
            parts.append((scope.resolve(part, where), quoted))

    def render(inputs: Inputs) -> Content:
        result = ""
        for part in parts:
            if isinstance(part, str):
                result += part
                continue
            expression, inside = part
            value = expression.evaluate(inputs)
            plain = None if value is MISSING else value
            result += dumps(text_of(plain)).decode()[1:-1] if inside else dumps(plain).decode()
        return result.encode(), "application/json"

    expressions = [p[0] for p in parts if not isinstance(p, str)]
    names = tuple(dict.fromkeys(n for e in expressions for n in e.names))
    return CompiledBody(render, names, frozenset(names), shown=text)


def _ends_quoted(text: str, *, quoted: bool) -> bool:
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
    return quoted


def _in_xml(text: str) -> str:
    # The standard library's own for XML loads its HTTP client.
    return escape(text, quote=False).replace('"', "&quot;")


def _raw(data: Json, clause: Body, scope: Scope) -> CompiledBody:
    kind = clause.type.lower()
    media_type = _RAW_TYPES.get(kind, kind if "/" in kind else "text/plain; charset=utf-8")
    if not isinstance(data, str) or kind not in ("text", "xml", "sparql"):
        scope.report(
            clause.where.warning(
                "W-BODY-TYPE",
                f"a body of type {clause.type!r} is sent as raw text ({media_type})",
                "use json, formUrlEncoded, multipartForm, text or xml",
            )
        )
    if isinstance(data, dict) and len(data) == 1:
        data = next(iter(data.values()))
    if kind == "xml" and isinstance(data, str) and not _only_placeholder(data):
        value = _interpolated(data, clause, scope, lambda _: _in_xml)
    elif kind == "sparql" and isinstance(data, str) and not _only_placeholder(data):
        value = _interpolated(data, clause, scope, Places().after)
    else:
        value = _value(data, clause, scope)
    return _encoded(value, lambda result: (text_of(result).encode(), media_type))


# ------------------------------------------------------------------------------------ multipart


class _Part(Struct, frozen=True):
    name: str
    filename: str = ""
    content_type: str = ""


def _multipart(data: list[Json], clause: Body, scope: Scope) -> CompiledBody:
    """Compile parts that are written one by one, each with its name, file name and type."""

    def compiled(item: Mapping[str, Json], key: str) -> Expression:
        return _value(item.get(key, ""), clause, scope)

    parts = [
        (
            text_of(item["name"]),
            compiled(item, "filename"),
            compiled(item, "contentType"),
            compiled(item, "value"),
        )
        for item in data
        if isinstance(item, dict) and item.get("name")
    ]

    def render(inputs: Inputs) -> Content:
        return _in_parts(
            (_part(name, filename.evaluate(inputs), content_type.evaluate(inputs)), item)
            for name, filename, content_type, value in parts
            if (found := value.evaluate(inputs)) is not MISSING
            for item in _items(found)
        )

    expressions = [each for _, *found in parts for each in found if isinstance(each, Expression)]
    names = tuple(dict.fromkeys(name for each in expressions for name in each.names))
    required = frozenset[str]().union(*(each.required for each in expressions))
    shown = ", ".join(f"{json.dumps(name)}: {value!r}" for name, _, _, value in parts)
    return CompiledBody(render, names, required, shown=f"{{{shown}}}")


def _part(name: str, filename: Json | Missing, content_type: Json | Missing) -> _Part:
    file, media = ("" if v is MISSING else text_of(v) for v in (filename, content_type))
    if _UNSENDABLE(media):
        raise InputError([FieldProblem(name, "must have a media type without line ends", "body")])
    return _Part(name, file, media)


def _in_parts(parts: Iterable[tuple[_Part, Json]]) -> Content:
    boundary = secrets.token_hex(16)
    lines: list[bytes] = []
    for part, value in parts:
        lines += [f"--{boundary}".encode(), *_part_lines(part, value)]
    lines += [f"--{boundary}--".encode(), b""]
    return b"\r\n".join(lines), f"multipart/form-data; boundary={boundary}"


def _part_lines(part: _Part, value: Json) -> list[bytes]:
    disposition = f'form-data; name="{_quoted(part.name)}"'
    if part.filename:
        disposition += f'; filename="{_quoted(part.filename)}"'
    lines = [f"Content-Disposition: {disposition}"]
    if part.content_type:
        lines.append(f"Content-Type: {part.content_type}")
    elif isinstance(value, dict | list):
        lines.append("Content-Type: application/json")
    return [*(line.encode() for line in lines), b"", text_of(value).encode()]


def _quoted(text: str) -> str:
    # RFC 7578 section 4.2, as browsers write it.
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
