"""Operations: one request to a consumed API, worked out at load as far as the spec allows."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from naftiko_run.consumes.body import CONTENT, CompiledBody, compile_body
from naftiko_run.consumes.credentials import Credentials
from naftiko_run.consumes.target import Target
from naftiko_run.errors import FieldProblem, InputError, NaftikoError, UnsupportedError, VariableError
from naftiko_run.findings import Finding
from naftiko_run.mapping.scope import Scope
from naftiko_run.mapping.template import (
    Expression,
    Placeholder,
    compile_value,
    parse,
    reference,
    text_of,
)
from naftiko_run.spec.document import UNSET, ConsumedOperation, Consumes, Parameter
from naftiko_run.types import MISSING, Client, Input, Inputs, Json, Reply, Request

_OWNED_HEADERS = frozenset({"content-type", "content-length", "accept-encoding", "host"})
_LOCATIONS = frozenset({"path", "query", "header", "cookie", "body", "environment"})
_QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DOT_SEGMENT = re.compile(r"/\.{1,2}(?=/|$)")
# What a path may hold as it is (RFC 3986 section 3.3), and the percent sign of what is encoded.
_LITERAL_PATH = "/:@!$&'()*+,;=-._~%"


@dataclass(frozen=True, slots=True)
class Slot:
    """A named value of a query, a header or a cookie."""

    name: str
    value: Expression
    place: str


@dataclass(frozen=True, slots=True)
class CompiledOperation:
    """Calls one operation of a consumed API.

    ``inputs`` are the values that it reads; ``describe`` is what ``inspect`` shows. Calling it
    raises :class:`InputError` for a value that no request can carry, :class:`VariableError` or
    :class:`UnsupportedError` where the document cannot be carried out, and the client's errors.
    """

    name: str
    method: str
    url: str
    path: tuple[str | Expression, ...]
    query: tuple[Slot, ...]
    headers: tuple[Slot, ...]
    cookies: tuple[Slot, ...]
    fixed_headers: tuple[tuple[str, str], ...]
    fixed_query: str
    body: CompiledBody
    defaults: tuple[tuple[str, Expression], ...]
    inputs: tuple[Input, ...]
    client: Client = field(repr=False)
    refusal: NaftikoError | None = None
    fixed_cookies: str = ""

    async def __call__(self, inputs: Inputs) -> Reply:
        """Send the request and return the upstream's whole reply."""
        if self.refusal is not None:
            raise self.refusal
        return await self.client.send(self.request(inputs))

    def request(self, inputs: Inputs) -> Request:
        """Make the request, without its signature where a scheme signs."""
        if self.defaults:
            inputs = self._with_defaults(inputs)
        url = self._url(inputs)
        headers = list(self.fixed_headers)
        headers += [(s.name, _header_text(s.name, v)) for s, v in _given(self.headers, inputs)]
        if self.cookies or self.fixed_cookies:
            headers.append(("Cookie", self._cookie(inputs)))
        content = self.body.render(inputs)
        if content is None:
            return Request(self.method, url, tuple(headers))
        headers.append(("Content-Type", content[1]))
        return Request(self.method, url, tuple(headers), content[0])

    def _with_defaults(self, inputs: Inputs) -> Inputs:
        filled = dict(inputs)
        for name, value in self.defaults:
            if name not in filled:
                default = value.evaluate(filled)
                if default is not MISSING:
                    filled[name] = default
        return filled

    def _url(self, inputs: Inputs) -> str:
        path = ""
        for part in self.path:
            path += part if isinstance(part, str) else _segment(part, inputs)
        if "/." in path and _DOT_SEGMENT.search(path):
            raise InputError(self._dotted(inputs))
        pairs = [
            f"{quote(slot.name, safe='')}={_encoded(text_of(item), slot.name)}"
            for slot, value in _given(self.query, inputs)
            for item in (value if isinstance(value, list) else [value])
        ]
        query = "&".join([self.fixed_query, *pairs] if self.fixed_query else pairs)
        return f"{self.url}{path}?{query}" if query else self.url + path

    def _dotted(self, inputs: Inputs) -> Iterable[FieldProblem]:
        for part in self.path:
            if isinstance(part, Expression):
                value = part.evaluate(inputs)
                if isinstance(value, str) and not value.strip("."):
                    yield FieldProblem(
                        part.names[0], "must not be '.' or '..': it would change the path", "path"
                    )

    def _cookie(self, inputs: Inputs) -> str:
        pairs = [
            f"{slot.name}={quote(text_of(value), safe=':@!$&()*+/-._~')}"
            for slot, value in _given(self.cookies, inputs)
        ]
        return "; ".join([self.fixed_cookies, *pairs] if self.fixed_cookies else pairs)

    @property
    def template(self) -> str:
        """The URL with its placeholders, credentials left out."""
        path = "".join(p if isinstance(p, str) else repr(p) for p in self.path)
        pairs = [f"{slot.name}={slot.value!r}" for slot in self.query]
        return self.url + path + (f"?{'&'.join(pairs)}" if pairs else "")


def _given(slots: tuple[Slot, ...], inputs: Inputs) -> Iterable[tuple[Slot, Json]]:
    for slot in slots:
        value = slot.value.evaluate(inputs)
        if value is not MISSING and value is not None:
            yield slot, value


def _segment(part: Expression, inputs: Inputs) -> str:
    value = part.evaluate(inputs)
    text = "" if value is MISSING else text_of(value)
    if not text:
        raise InputError([FieldProblem(part.names[0], "must not be empty", "path")])
    return _encoded(text, part.names[0])


def _encoded(text: str, name: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InputError([FieldProblem(name, "is not valid Unicode text")]) from None


def _header_text(name: str, value: Json) -> str:
    text = text_of(value)
    if _CONTROL.search(text):
        raise InputError(
            [FieldProblem(name, "must not contain control characters such as line ends", "header")]
        )
    return text.strip(" \t")


# ------------------------------------------------------------------------------------- compile


@dataclass(slots=True)
class _Build:
    """What is gathered while one operation is compiled."""

    spec: ConsumedOperation
    api: Consumes
    scope: Scope
    credentials: Credentials
    report: Callable[[Finding], None]
    strict_paths: bool
    inputs: dict[str, Input] = field(default_factory=dict)
    query: list[Slot] = field(default_factory=list)
    headers: list[Slot] = field(default_factory=list)
    cookies: list[Slot] = field(default_factory=list)
    body: list[Parameter] = field(default_factory=list)
    appended: list[Parameter] = field(default_factory=list)
    defaults: list[tuple[str, Expression]] = field(default_factory=list)
    problem: Finding | None = None


def compile_operation(  # noqa: PLR0913 - what an operation is made of
    spec: ConsumedOperation,
    api: Consumes,
    *,
    scope: Scope,
    target: Target,
    credentials: Credentials,
    client: Client,
    overrides: frozenset[str] = frozenset(),
    strict_paths: bool = False,
) -> tuple[CompiledOperation, Finding | None]:
    """Compile an operation of a consumed API.

    ``overrides`` are keys of a unit's ``with`` that the operation does not know: a query parameter
    or a top-level field of the body. The finding says why the operation cannot be served.
    """
    names = frozenset(p.name for p in (*api.parameters, *spec.parameters))
    scope = scope.using(f"operation '{api.namespace}.{spec.name}'", names)
    build = _Build(spec, api, scope, credentials, scope.report, strict_paths)
    literal_path, fixed_query, query_slots = _split_path(build)
    _sort_parameters(build, {p.name for p in parse(literal_path, single=True) if not isinstance(p, str)})
    path = _path_parts(build, literal_path)
    in_query = overrides if spec.method in _QUERY_METHODS and spec.body is None else frozenset()
    for name in sorted(in_query):
        build.query.append(Slot(name, reference(name), "query"))
        build.inputs.setdefault(name, Input(name=name, location="query"))
    body = compile_body(
        spec,
        tuple(build.body),
        scope,
        overrides=overrides - in_query,
        credentials=credentials.body,
    )
    _add_body_inputs(build, body, overrides - in_query)
    pairs = [f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in credentials.query]
    url = target.base
    if credentials.path is not None:
        url = url.replace(f"{{{credentials.path[0]}}}", credentials.path[1])
    return (
        CompiledOperation(
            name=f"{api.namespace}.{spec.name}",
            method=spec.method,
            url=url,
            path=tuple(path),
            query=(*query_slots, *build.query),
            headers=tuple(build.headers),
            cookies=tuple(build.cookies),
            fixed_headers=_fixed_headers(build),
            fixed_query="&".join([*fixed_query, *pairs]),
            body=body,
            defaults=tuple(build.defaults),
            inputs=tuple(build.inputs.values()),
            client=client,
            refusal=_refusal(target, credentials, scope),
            fixed_cookies="; ".join(f"{n}={v}" for n, v in credentials.cookies),
        ),
        target.problem or build.problem,
    )


def _refusal(target: Target, credentials: Credentials, scope: Scope) -> NaftikoError | None:
    unset = {**scope.unset, **target.unset, **credentials.unset}
    if credentials.refusal:
        return UnsupportedError(credentials.refusal)
    return VariableError(unset, ", ".join(dict.fromkeys(unset.values()))) if unset else None


def _fixed_headers(build: _Build) -> tuple[tuple[str, str], ...]:
    headers = list(build.credentials.headers)
    written = {slot.name.lower() for slot in build.headers}
    if build.spec.raw_format == "json" and "accept" not in written:
        headers.append(("Accept", "application/json"))
    return tuple(headers)


def _split_path(build: _Build) -> tuple[str, list[str], list[Slot]]:
    """Take a path apart: what is before the query, constant pairs, and pairs with placeholders."""
    path, hash_mark, _ = build.spec.path.partition("#")
    if hash_mark:
        build.report(
            build.spec.where.warning(
                "W-PATH-FRAGMENT",
                "the part of the path after '#' is never sent",
                "remove it from the path",
            )
        )
    path, _, query = path.partition("?")
    fixed: list[str] = []
    slots: list[Slot] = []
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        expression = build.scope.text(value, build.spec.where, single=True)
        if expression.constant:
            text = quote(text_of(expression.evaluate({})), safe="/:@!$'()*,;-._~%")  # type: ignore[arg-type]
            fixed.append(f"{quote(name, safe='-._~%$[]')}{equals}{text}")
        else:
            slots.append(Slot(name, expression, "query"))
            for needed in expression.names:
                build.inputs.setdefault(needed, Input(name=needed, location="query", required=True))
    return path, fixed, slots


def _sort_parameters(build: _Build, placeholders: set[str]) -> None:
    filled = build.credentials.header_names()
    if build.credentials.scheme:
        filled |= {"authorization"}
    parameters: dict[tuple[str, str], Parameter] = {}
    for parameter in (*build.api.parameters, *build.spec.parameters):
        parameters[parameter.name, parameter.location] = parameter
    for parameter in parameters.values():
        place = _place(parameter, placeholders, build.spec.method)
        if place == "header" and parameter.name.lower() in _OWNED_HEADERS:
            continue
        if place == "header" and parameter.name.lower() in filled:
            build.report(
                parameter.where.warning(
                    "W-AUTH-PARAM",
                    f"the credential already fills the header {parameter.name!r}",
                    "remove this parameter",
                )
            )
            continue
        _add_parameter(build, parameter, place, placeholders)


def _place(parameter: Parameter, placeholders: set[str], method: str) -> str:
    if parameter.location in _LOCATIONS:
        return parameter.location
    if parameter.name in placeholders:
        return "path"
    return "query" if method in _QUERY_METHODS else "body"


def _add_parameter(
    build: _Build, parameter: Parameter, place: str, placeholders: set[str]
) -> None:
    if place == "environment":
        value = build.scope.variable(f"env.{parameter.name}", parameter.where)
        build.defaults.append((parameter.name, reference(parameter.name)))
        build.defaults[-1] = (parameter.name, _constant(value))
        return
    expression = reference(parameter.name)
    if parameter.value is not UNSET:
        expression = compile_value(
            parameter.value, lambda text: build.scope.text(text, parameter.where)
        )
    match place:
        case "query":
            build.query.append(Slot(parameter.name, expression, place))
        case "header":
            build.headers.append(Slot(parameter.name, expression, place))
        case "cookie":
            build.cookies.append(Slot(parameter.name, expression, place))
        case "body":
            build.body.append(parameter)
            # What a body reads is known once its template is compiled.
            build.inputs[parameter.name] = _input(parameter, place)
            _add_default(build, parameter)
            return
        case _ if parameter.name not in placeholders:
            _append(build, parameter)
    _add_default(build, parameter)
    if expression.direct == parameter.name:
        build.inputs[parameter.name] = _input(parameter, place)
    elif place == "path":
        build.defaults.append((parameter.name, expression))
    for name in expression.names:
        build.inputs.setdefault(
            name, Input(name=name, location=place, required=name in expression.required)
        )


def _constant(value: str) -> Expression:
    return Expression(lambda _: value, shown=value)


def _add_default(build: _Build, parameter: Parameter) -> None:
    if parameter.default is UNSET:
        return
    default = compile_value(
        parameter.default, lambda text: build.scope.text(text, parameter.where.at("default"))
    )
    build.defaults.append((parameter.name, default))


def _append(build: _Build, parameter: Parameter) -> None:
    build.appended.append(parameter)
    if build.strict_paths:
        build.problem = parameter.where.error(
            "E-PATHPARAM",
            f"path parameter {parameter.name!r} has no placeholder in {build.spec.path!r}",
            f"write '{build.spec.path.rstrip('/')}/{{{parameter.name}}}'",
        )
        return
    build.report(
        parameter.where.warning(
            "W-PATHPARAM-APPENDED",
            f"path parameter {parameter.name!r} has no placeholder in {build.spec.path!r}:"
            " it is appended as a segment",
            f"write '{build.spec.path.rstrip('/')}/{{{parameter.name}}}'",
        )
    )


def _input(parameter: Parameter, place: str) -> Input:
    required = place == "path" or parameter.required is True
    return Input(
        name=parameter.name,
        location=place,
        type=parameter.type if parameter.type in _TYPES else "string",
        required=required and parameter.default is UNSET,
        nullable=parameter.nullable,
        description=parameter.description,
        schema=parameter.schema,
    )


_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object"})


def _path_parts(build: _Build, path: str) -> list[str | Expression]:
    parts: list[str | Expression] = []
    for part in parse(path, single=True):
        if isinstance(part, str):
            parts.append(quote(part, safe=_LITERAL_PATH))
            continue
        resolved = build.scope.resolve(part, build.spec.where)
        if isinstance(resolved, str):
            parts.append(quote(resolved, safe=_LITERAL_PATH))
        else:
            parts.append(resolved)
            _add_placeholder(build, part, resolved)
    for parameter in build.appended:
        if parts and isinstance(parts[-1], str):
            parts[-1] = parts[-1].rstrip("/")
        parts += ["/", reference(parameter.name)]
    return parts


def _add_placeholder(build: _Build, placeholder: Placeholder, expression: Expression) -> None:
    for name in expression.names:
        known = build.inputs.get(name)
        if known is None:
            if any(n == name for n, _ in build.defaults):
                continue
            build.inputs[name] = Input(name=name, location="path", type="string", required=True)


def _add_body_inputs(build: _Build, body: CompiledBody, overrides: frozenset[str]) -> None:
    declared = {p.name for p in build.body}
    read = set(body.names)
    for _, default in build.defaults:
        read.update(default.names)
        for name in default.names:
            build.inputs.setdefault(name, Input(name=name, location="body"))
    for name in declared - read - _element(build.spec):
        del build.inputs[name]
    for name in body.names:
        if name == CONTENT and body.passes_content:
            build.inputs[name] = Input(
                name=name,
                location="content",
                type="object",
                description="The request body, a JSON object",
            )
        else:
            known = build.inputs.get(name)
            if known is None:
                build.inputs[name] = Input(
                    name=name, location="body", required=name in body.required
                )


def _element(spec: ConsumedOperation) -> set[str]:
    return {spec.for_each.name} if spec.for_each else set()
