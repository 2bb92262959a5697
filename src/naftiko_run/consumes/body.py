"""Request bodies: from the ``body`` clause and ``in: body`` parameters to bytes and media type."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from naftiko_run.mapping.json_codec import dumps
from naftiko_run.mapping.scope import Scope
from naftiko_run.mapping.template import (
    Expression,
    Placeholder,
    compile_member,
    compile_text,
    compile_value,
    constant,
    parse,
    reference,
    text_of,
)
from naftiko_run.spec.document import UNSET, Body, ConsumedOperation, Parameter
from naftiko_run.types import MISSING, Inputs, Json

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
Render = Callable[[Inputs], "tuple[bytes, str] | None"]


@dataclass(frozen=True, slots=True)
class CompiledBody:
    """Makes a request's content and media type from the inputs; None sends no body.

    ``passes_content`` says that the caller's whole body is an input of its own.
    """

    render: Render
    names: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    passes_content: bool = False
    shown: str = ""


def no_body() -> CompiledBody:
    """Send no body."""
    return CompiledBody(lambda _: None)


def compile_body(
    operation: ConsumedOperation,
    parameters: tuple[Parameter, ...],
    scope: Scope,
    *,
    overrides: frozenset[str] = frozenset(),
    credentials: tuple[tuple[str, str], ...] = (),
) -> CompiledBody:
    """Compile an operation's body.

    ``parameters`` are its ``in: body`` parameters. ``overrides`` are further names of the caller
    that become top-level fields; ``credentials`` are fixed top-level fields.
    """
    clause = operation.body
    if clause is None or clause.data is UNSET or clause.data == {}:
        return _without_template(operation, parameters, scope, overrides, credentials)
    match clause.type.lower():
        case "json":
            return _json(_with_fields(clause.data, parameters, scope, clause, overrides), credentials)
        case "raw":
            return _raw_json(clause, scope)
        case "form" | "formurlencoded" | "application/x-www-form-urlencoded":
            return _form(clause, scope, overrides, credentials)
        case "multipart" | "multipartform" | "multipart/form-data":
            return _multipart(clause, scope)
        case _:
            return _raw(clause, scope)


def _without_template(
    operation: ConsumedOperation,
    parameters: tuple[Parameter, ...],
    scope: Scope,
    overrides: frozenset[str],
    credentials: tuple[tuple[str, str], ...],
) -> CompiledBody:
    if len(parameters) == 1 and parameters[0].name == CONTENT:
        return _content(_parameter(parameters[0], scope), overrides, credentials)
    if parameters:
        fields = {p.name: _parameter(p, scope) for p in parameters}
        fields |= {name: reference(name) for name in sorted(overrides)}
        return _json(_object(fields), credentials)
    if operation.method in WRITES:
        empty = operation.body is not None and operation.body.data == {}
        return _content(
            reference(CONTENT), overrides, credentials, passes=True, fallback={} if empty else None
        )
    if overrides or credentials:
        return _json(_object({name: reference(name) for name in sorted(overrides)}), credentials)
    return no_body()


def _content(
    content: Expression,
    overrides: frozenset[str],
    credentials: tuple[tuple[str, str], ...],
    *,
    passes: bool = False,
    fallback: Json = None,
) -> CompiledBody:
    extra = tuple(sorted(overrides))
    fixed = dict(credentials)

    def render(inputs: Inputs) -> tuple[bytes, str] | None:
        value = content.evaluate(inputs)
        added: dict[str, Json] = {n: inputs[n] for n in extra if n in inputs}
        if added or fixed:
            value = {**(value if isinstance(value, dict) else {}), **added, **fixed}
        if value is MISSING:
            if fallback is None:
                return None
            value = fallback
        return dumps(value), "application/json"

    return CompiledBody(
        render, (*content.names, *extra), content.required, passes_content=passes, shown="{{body}}"
    )


def _parameter(parameter: Parameter, scope: Scope) -> Expression:
    if parameter.value is UNSET:
        return reference(parameter.name)
    return compile_value(parameter.value, lambda text: scope.text(text, parameter.where))


def _with_fields(
    data: Json,
    parameters: tuple[Parameter, ...],
    scope: Scope,
    clause: Body,
    overrides: frozenset[str],
) -> Expression:
    constants = {p.name: p for p in parameters if p.value is not UNSET}

    def text(value: str) -> Expression:
        return scope.text(value, clause.where.at("data"))

    if not isinstance(data, dict):
        return compile_value(data, text)
    fields = {name: compile_member(value, text) for name, value in data.items()}
    for name in constants.keys() - data.keys():
        fields[name] = _parameter(constants[name], scope)
    for name in sorted(overrides):
        fields[name] = reference(name)
    return _object(fields)


def _object(fields: Mapping[str, Expression]) -> Expression:
    pairs = tuple((name, field.evaluate) for name, field in fields.items())

    def build(inputs: Inputs) -> Json:
        result: dict[str, Json] = {}
        for name, evaluate in pairs:
            value = evaluate(inputs)
            if value is not MISSING:
                result[name] = value
        return result

    names = tuple(dict.fromkeys(n for field in fields.values() for n in field.names))
    required = frozenset[str]().union(*(f.required for f in fields.values()))
    shown = ", ".join(f"{json.dumps(n)}: {f!r}" for n, f in fields.items())
    return Expression(build, names, required, shown=f"{{{shown}}}")


def _json(value: Expression, credentials: tuple[tuple[str, str], ...]) -> CompiledBody:
    evaluate = value.evaluate
    fixed = dict(credentials)

    def render(inputs: Inputs) -> tuple[bytes, str] | None:
        result = evaluate(inputs)
        if fixed and isinstance(result, dict):
            result = {**result, **fixed}
        return None if result is MISSING else (dumps(result), "application/json")

    return CompiledBody(render, value.names, value.required, shown=value.shown)


# ---------------------------------------------------------------------------------------- texts


def _interpolated(text: str, clause: Body, scope: Scope, encode: Callable[[Json], str]) -> Expression:
    """Compile a text whose interpolated values are encoded for the syntax around them."""
    compiled = [p if isinstance(p, str) else _single(p, clause, scope) for p in parse(text)]

    def build(inputs: Inputs) -> Json:
        result = ""
        for part in compiled:
            if isinstance(part, str):
                result += part
            else:
                value = part.evaluate(inputs)
                result += "" if value is MISSING or value is None else encode(value)
        return result

    expressions = [c for c in compiled if isinstance(c, Expression)]
    names = tuple(dict.fromkeys(n for e in expressions for n in e.names))
    return Expression(build, names, frozenset(names), shown=text)


def _single(placeholder: Placeholder, clause: Body, scope: Scope) -> Expression:
    return compile_text((placeholder,), lambda p: scope.resolve(p, clause.where.at("data")))


def _raw_json(clause: Body, scope: Scope) -> CompiledBody:
    """Compile JSON written as text: values inside quotes are escaped, others are written as JSON."""
    quoted = False
    parts: list[str | tuple[Expression, bool]] = []
    for part in parse(str(clause.data)):
        if isinstance(part, str):
            parts.append(part)
            quoted = _ends_quoted(part, quoted=quoted)
        else:
            parts.append((_single(part, clause, scope), quoted))

    def render(inputs: Inputs) -> tuple[bytes, str] | None:
        text = ""
        for part in parts:
            if isinstance(part, str):
                text += part
                continue
            expression, inside = part
            value = expression.evaluate(inputs)
            if inside:
                text += json.dumps("" if value is MISSING else text_of(value), ensure_ascii=False)[
                    1:-1
                ]
            else:
                text += "null" if value is MISSING else dumps(value).decode()
        return text.encode(), "application/json"

    expressions = [p[0] for p in parts if not isinstance(p, str)]
    names = tuple(dict.fromkeys(n for e in expressions for n in e.names))
    return CompiledBody(render, names, frozenset(names), shown=str(clause.data))


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


def _raw(clause: Body, scope: Scope) -> CompiledBody:
    kind = clause.type.lower()
    media_type = _RAW_TYPES.get(kind, kind if "/" in kind else "text/plain; charset=utf-8")
    data = clause.data
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
    if not isinstance(data, str):
        value = compile_value(data, lambda text: scope.text(text, clause.where.at("data")))
    elif kind == "xml":
        value = _interpolated(data, clause, scope, lambda v: escape(text_of(v), {'"': "&quot;"}))
    else:
        value = scope.text(data, clause.where.at("data"))

    def render(inputs: Inputs) -> tuple[bytes, str] | None:
        result = value.evaluate(inputs)
        return None if result is MISSING else (text_of(result).encode(), media_type)

    return CompiledBody(render, value.names, value.required, shown=value.shown)


# ---------------------------------------------------------------------------------------- forms


def _form(
    clause: Body,
    scope: Scope,
    overrides: frozenset[str],
    credentials: tuple[tuple[str, str], ...],
) -> CompiledBody:
    media_type = "application/x-www-form-urlencoded"
    fixed = [f"{quote_plus(n)}={quote_plus(v)}" for n, v in credentials]
    if not isinstance(clause.data, dict):
        text = _interpolated(
            text_of(clause.data), clause, scope, lambda v: quote_plus(text_of(v))
        )

        def render_text(inputs: Inputs) -> tuple[bytes, str] | None:
            pairs = [text_of(text.evaluate(inputs)), *fixed]  # type: ignore[arg-type]
            return "&".join(p for p in pairs if p).encode(), media_type

        return CompiledBody(render_text, text.names, text.required, shown=text.shown)
    fields = _members(clause, scope) | {name: reference(name) for name in sorted(overrides)}

    def render(inputs: Inputs) -> tuple[bytes, str] | None:
        pairs = [
            f"{quote_plus(name)}={quote_plus(text_of(item))}"
            for name, field in fields.items()
            for item in _items(field.evaluate(inputs))
        ]
        return "&".join([*pairs, *fixed]).encode(), media_type

    whole = _object(fields)
    return CompiledBody(render, whole.names, whole.required, shown=whole.shown)


def _members(clause: Body, scope: Scope) -> dict[str, Expression]:
    data = clause.data if isinstance(clause.data, dict) else {}
    where = clause.where.at("data")
    return {n: compile_value(v, lambda text: scope.text(text, where)) for n, v in data.items()}


def _items(value: object) -> list[Json]:
    if value is MISSING or value is None:
        return []
    return value if isinstance(value, list) else [value]  # type: ignore[list-item]


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    value: Expression
    filename: str = ""
    content_type: str = ""


def _multipart(clause: Body, scope: Scope) -> CompiledBody:
    parts = _parts(clause, scope)

    def render(inputs: Inputs) -> tuple[bytes, str] | None:
        boundary = secrets.token_hex(16)
        lines: list[bytes] = []
        for part in parts:
            for item in _items(part.value.evaluate(inputs)):
                lines += [f"--{boundary}".encode(), *_part_lines(part, item)]
        lines += [f"--{boundary}--".encode(), b""]
        return b"\r\n".join(lines), f"multipart/form-data; boundary={boundary}"

    whole = _object({p.name: p.value for p in parts})
    return CompiledBody(render, whole.names, whole.required, shown=whole.shown)


def _parts(clause: Body, scope: Scope) -> list[_Part]:
    if isinstance(clause.data, dict):
        return [_Part(name, value) for name, value in _members(clause, scope).items()]
    where = clause.where.at("data")
    parts = []
    for item in clause.data if isinstance(clause.data, list) else ():
        if isinstance(item, dict) and item.get("name"):
            value = compile_value(item.get("value"), lambda text: scope.text(text, where))
            parts.append(
                _Part(
                    str(item["name"]),
                    value if item.get("value") is not None else constant(""),
                    str(item.get("filename") or ""),
                    str(item.get("contentType") or ""),
                )
            )
    return parts


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
