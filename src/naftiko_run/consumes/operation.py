"""Operations: one request to a consumed API, worked out at load as far as the spec allows."""

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote_plus

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.consumes.body import CONTENT, CompiledBody, compile_body, template_of
from naftiko_run.consumes.credentials import Credentials
from naftiko_run.consumes.target import Target, as_written
from naftiko_run.errors import (
    FieldProblem,
    InputError,
    NaftikoError,
    UnsupportedError,
    VariableError,
)
from naftiko_run.findings import Finding
from naftiko_run.mapping.scope import Scope
from naftiko_run.mapping.template import (
    Expression,
    Placeholder,
    compile_text,
    compile_value,
    parse,
    reference,
    text_of,
)
from naftiko_run.spec.document import UNSET, ConsumedOperation, Consumes, Parameter
from naftiko_run.types import (
    MISSING,
    TRACE,
    Client,
    Discreet,
    Headers,
    Input,
    Inputs,
    Json,
    Missing,
    Reply,
    Request,
)

# What the client and the body clause decide (R-IN-10), and what belongs to one connection.
_OWNED_HEADERS = frozenset(
    "content-type content-length accept-encoding host connection keep-alive proxy-connection"
    " te trailer transfer-encoding upgrade expect".split()
)
_LOCATIONS = frozenset({"path", "query", "header", "cookie", "body", "environment"})
_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object"})
_QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_DOT_SEGMENT = re.compile(r"/\.{1,2}(?=/|$)")
# What a path, a query and a cookie may hold as they are (RFC 3986, RFC 6265).
_LITERAL_PATH = "/:@!$&'()*+,;=-._~"
_LITERAL_QUERY = "/?:@!$'()*+,;=-._~"
_LITERAL_COOKIE = "/:@!$&()*+-._~"


class Slot(Struct, frozen=True):
    """A named value of a query, a header or a cookie."""

    name: str
    value: Expression
    place: str


class CompiledOperation(Discreet, Struct, frozen=True):
    """Calls one operation of a consumed API.

    ``inputs`` are the values that it reads; ``template`` is the URL as people may see it, with
    placeholders for arguments, variables and credentials. Calling it raises :class:`InputError`
    for a value that no request can carry, :class:`VariableError` or :class:`UnsupportedError`
    where the document cannot be carried out, and the client's errors.
    """

    name: str
    method: str
    template: str
    url: str
    path: tuple[str | Expression, ...]
    query: tuple[Slot, ...]
    headers: tuple[Slot, ...]
    cookies: tuple[Slot, ...]
    fixed_headers: tuple[tuple[str, str], ...]
    fixed_query: str
    fixed_cookies: str
    body: CompiledBody
    defaults: tuple[tuple[str, Expression], ...]
    inputs: tuple[Input, ...]
    client: Client
    refusal: NaftikoError | None = None
    always: Request | None = None
    """The request, where no input has a part in it."""

    def __repr__(self) -> str:
        """Show where it goes; what it sends along may be secret."""
        return f"{self.name}: {self.method} {self.template}"

    def __call__(self, inputs: Inputs) -> Coroutine[Any, Any, Reply]:
        """Send the request and return the upstream's whole reply."""
        if self.refusal is not None:
            # One error serves all calls: each must not add its traceback to those before.
            raise self.refusal.with_traceback(None)
        request = self.request(inputs)
        trace = TRACE.get()
        return self.client.send(_traced(request, trace) if trace else request)

    def request(self, inputs: Inputs) -> Request:
        """Make the request, without its signature where a scheme signs."""
        if self.always is not None:
            return self.always
        if self.defaults:
            inputs = self._with_defaults(inputs)
        url = self._url(inputs)
        headers = self.fixed_headers
        if self.headers:
            given = _given(self.headers, inputs)
            headers += tuple([(slot.name, _header_text(slot.name, v)) for slot, v in given])
        if (self.cookies or self.fixed_cookies) and (cookie := self._cookie(inputs)):
            headers += (("Cookie", cookie),)
        try:
            content = self.body.render(inputs)
        except UnicodeEncodeError:
            raise InputError([FieldProblem(CONTENT, _NOT_UNICODE, "body")]) from None
        if content is None:
            return Request(self.method, url, headers)
        return Request(self.method, url, (*headers, ("Content-Type", content[1])), content[0])

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
            problems = tuple(self._dotted(inputs))
            if problems:  # what the document itself writes is its own
                raise InputError(problems)
        if not self.query:
            return f"{self.url}{path}?{self.fixed_query}" if self.fixed_query else self.url + path
        pairs = [
            f"{quote(slot.name, safe='')}={_encoded(text_of(item), slot.name)}"
            for slot, value in _given(self.query, inputs)
            for item in (value if isinstance(value, list) else (value,))
            if item is not None
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
            f"{slot.name}={_encoded(text_of(value), slot.name, _LITERAL_COOKIE)}"
            for slot, value in _given(self.cookies, inputs)
        ]
        return "; ".join([self.fixed_cookies, *pairs] if self.fixed_cookies else pairs)


def _traced(request: Request, trace: Headers) -> Request:
    """Add the caller's trace context; what the document writes itself comes first."""
    if any(name.lower() in ("traceparent", "tracestate") for name, _ in request.headers):
        return request
    return replace(request, headers=(*request.headers, *trace))


_NOT_UNICODE = "is not valid Unicode text"


def _given(slots: tuple[Slot, ...], inputs: Inputs) -> Iterator[tuple[Slot, Json]]:
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


def _encoded(text: str, name: str, safe: str = "") -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise InputError([FieldProblem(name, _NOT_UNICODE)]) from None


def _header_text(name: str, value: Json) -> str:
    text = text_of(value)
    if _UNSENDABLE.search(text):
        raise InputError(
            [FieldProblem(name, "must not contain control characters such as line ends", "header")]
        )
    return text.strip(" \t")


# ------------------------------------------------------------------------------------- compile


class _Build(Struct):
    """What is gathered while one operation is compiled.

    ``decided`` are the names whose value the document gives: no caller does. ``dropped`` are
    parameters that the credential or the client gives. ``appended`` are path parameters without a
    placeholder.
    """

    spec: ConsumedOperation
    api: Consumes
    scope: Scope
    credentials: Credentials
    report: Callable[[Finding], None]
    inputs: dict[str, Input] = field(default_factory=dict)
    query: list[Slot] = field(default_factory=list)
    headers: list[Slot] = field(default_factory=list)
    cookies: list[Slot] = field(default_factory=list)
    body: list[Parameter] = field(default_factory=list)
    appended: list[Parameter] = field(default_factory=list)
    defaults: list[tuple[str, Expression]] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    fixed_query: list[str] = field(default_factory=list)

    def need(self, wanted: Input) -> None:
        """Add an input; one that is needed in several places is one input."""
        if wanted.name in self.decided:
            return
        known = self.inputs.get(wanted.name)
        self.inputs[wanted.name] = wanted if known is None else _both(known, wanted)


def _both(known: Input, wanted: Input) -> Input:
    first, other = (wanted, known) if wanted.location == "path" else (known, wanted)
    return replace(
        first,
        type=known.type or wanted.type,
        required=known.required or wanted.required,
        nullable=known.nullable and wanted.nullable,
        description=first.description or other.description,
        schema=first.schema or other.schema,
        default=other.default if first.default is MISSING else first.default,
    )


def compile_operation(
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
    build = _Build(spec, api, scope, credentials, scope.report)
    literal_path = _split_path(build)
    _sort_parameters(build, _placeholders(build))
    path, shown_path = _path_parts(build, literal_path)
    problem = _appended_problem(build, strict=strict_paths)
    overrides -= build.dropped
    in_query = _sent_in_query(spec, overrides)
    for name in sorted(in_query):
        build.query.append(Slot(name, reference(name), "query"))
        build.need(Input(name=name, location="query"))
    body = compile_body(
        spec,
        tuple(build.body),
        scope,
        overrides=overrides - in_query,
        credentials=credentials.body,
    )
    _add_body_inputs(build, body)
    url, _, asked = target.base.partition("?")
    if asked:  # a query of the base URI belongs behind the path
        url = url.rstrip("/")
        build.fixed_query.insert(0, asked)
    if credentials.path is not None:
        url = url.replace(f"{{{credentials.path[0]}}}", credentials.path[1])
    pairs = [f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in credentials.query]
    operation = CompiledOperation(
        name=f"{api.namespace}.{spec.name}",
        method=spec.method,
        template=_template(target.shown or target.base, shown_path, build.query),
        url=url,
        path=tuple(path),
        query=tuple(build.query),
        headers=tuple(build.headers),
        cookies=tuple(build.cookies),
        fixed_headers=_fixed_headers(build),
        fixed_query="&".join([*build.fixed_query, *pairs]),
        fixed_cookies="; ".join(f"{n}={v}" for n, v in credentials.cookies),
        body=body,
        defaults=_read_defaults(build, path, body),
        inputs=tuple(build.inputs.values()),
        client=client,
        refusal=_refusal(target, credentials, scope),
    )
    return replace(operation, always=_always(operation)), target.problem or problem


def _always(operation: CompiledOperation) -> Request | None:
    """Make the request of an operation that reads no input and has no body."""
    slots = (*operation.query, *operation.headers, *operation.cookies)
    values = [part for part in operation.path if isinstance(part, Expression)]
    values += [slot.value for slot in slots]
    if operation.refusal or not operation.body.none or not all(v.constant for v in values):
        return None
    try:
        return operation.request({})
    except InputError:  # told to whoever calls it
        return None


def _read_defaults(
    build: _Build, path: Iterable[str | Expression], body: CompiledBody
) -> tuple[tuple[str, Expression], ...]:
    """Give the values of the document that the request reads under their names, in order."""
    values = [slot.value for slot in (*build.query, *build.headers, *build.cookies)]
    values += [part for part in path if isinstance(part, Expression)]
    read = {name for value in values for name in value.names} | set(body.names)
    kept: list[tuple[str, Expression]] = []
    for name, value in reversed(build.defaults):
        if name in read:
            kept.append((name, value))
            read |= set(value.names)
    return tuple(reversed(kept))


def _template(base: str, path: str, query: Iterable[Slot]) -> str:
    pairs = "&".join(f"{slot.name}={slot.value!r}" for slot in query)
    return f"{base}{path}?{pairs}" if pairs else base + path


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


def _sent_in_query(spec: ConsumedOperation, overrides: frozenset[str]) -> frozenset[str]:
    """Return what of ``with`` becomes a query parameter (R-WITH-4)."""
    if spec.method not in _QUERY_METHODS:
        return frozenset()
    data = template_of(spec.body)
    return overrides - data.keys() if isinstance(data, dict) else overrides


# ---------------------------------------------------------------------------------------- paths


def _split_path(build: _Build) -> str:
    """Take constant query parameters (R-PATH-6) and the fragment (R-PATH-5) off a path."""
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
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        _add_constant_pair(build, name, equals, value)
    return path


def _add_constant_pair(build: _Build, name: str, equals: str, value: str) -> None:
    where = build.spec.where
    parts = parse(value, single=True)
    resolved = [p if isinstance(p, str) else build.scope.resolve(p, where) for p in parts]
    needed = [n for r in resolved if isinstance(r, Expression) for n in r.names]
    if not needed:
        text = "".join(_constant_text(r, _LITERAL_QUERY) for r in resolved)
        build.fixed_query.append(f"{as_written(name, _LITERAL_QUERY)}{equals}{text}")
        return
    decoded = (unquote_plus(p) if isinstance(p, str) else p for p in parts)
    expression = compile_text(decoded, lambda p: build.scope.resolve(p, where))
    build.query.append(Slot(unquote_plus(name), expression, "query"))
    for each in needed:
        build.need(Input(name=each, location="query", required=True))


def _constant_text(part: str | Expression, safe: str) -> str:
    """Encode a text of the document, where it may hold reserved characters, or a variable."""
    if isinstance(part, str):
        return as_written(part, safe)
    value = part.evaluate({})
    return "" if value is MISSING else quote(text_of(value), safe="")


def _placeholders(build: _Build) -> set[str]:
    """Return the arguments that the path, or the query written into it, names."""
    path = build.spec.path.partition("#")[0]
    names = (p.name for p in parse(path, single=True) if not isinstance(p, str))
    return {build.scope.argument_name(name) or name for name in names}


def _path_parts(build: _Build, path: str) -> tuple[list[str | Expression], str]:
    """Compile a path; the second is how it is shown."""
    parts: list[str | Expression] = []
    shown = ""
    for part in parse(path, single=True):
        if isinstance(part, str):
            parts.append(as_written(part, _LITERAL_PATH))
            shown += part
            continue
        if build.credentials.path is not None and part.name == build.credentials.path[0]:
            parts.append(build.credentials.path[1])
            shown += f"{{{part.name}}}"
            continue
        resolved = build.scope.resolve(part, build.spec.where)
        shown += repr(resolved)
        if resolved.constant:
            parts.append(_constant_text(resolved, ""))
            continue
        parts.append(resolved)
        for name in resolved.names:
            json_type = "" if name in build.inputs else "string"
            required = all(name != known for known, _ in build.defaults)
            build.need(Input(name=name, location="path", type=json_type, required=required))
    for parameter in build.appended:
        if parts and isinstance(parts[-1], str):
            parts[-1] = parts[-1].rstrip("/")
        parts += ["/", reference(parameter.name)]
        shown = f"{shown.rstrip('/')}/{{{{{parameter.name}}}}}"
    return parts, shown


def _appended_problem(build: _Build, *, strict: bool) -> Finding | None:
    """Report path parameters without a placeholder (R-PATH-4); strictly they are errors."""
    problem = None
    path = build.spec.path
    for parameter in build.appended:
        message = f"path parameter {parameter.name!r} has no placeholder in {path!r}"
        fix = f"write '{path.rstrip('/')}/{{{parameter.name}}}'"
        if strict:
            problem = problem or parameter.where.error("E-PATHPARAM", message, fix)
            continue
        build.report(
            parameter.where.warning(
                "W-PATHPARAM-APPENDED", f"{message}: it is appended as a segment", fix
            )
        )
    return problem


# ----------------------------------------------------------------------------------- parameters


def _sort_parameters(build: _Build, placeholders: set[str]) -> None:
    parameters: dict[tuple[str, str], Parameter] = {}
    for parameter in (*build.api.parameters, *build.spec.parameters):
        place = _place(parameter, placeholders, build.spec.method)
        parameters[parameter.name, place] = parameter
    for (name, place), parameter in parameters.items():
        if place == "header" and name.lower() in _OWNED_HEADERS:
            build.dropped.add(name)
            continue
        if build.credentials.fills(place, name):
            build.dropped.add(name)
            build.report(
                parameter.where.warning(
                    "W-AUTH-PARAM",
                    f"the credential already fills the {place} {name!r}",
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


def _add_parameter(build: _Build, parameter: Parameter, place: str, placeholders: set[str]) -> None:
    name = parameter.name
    if place == "environment":
        _decide(build, name, _of_environment(build, parameter))
        return
    expression = _value_of(build, parameter)
    own = expression.direct == name
    if place == "body" and (own or template_of(build.spec.body) is UNSET):
        build.body.append(parameter)  # what a body reads is known once its template is compiled
    elif place in ("path", "body"):
        if not own:
            _decide(build, name, expression)
        # One of the base URI has its place there: what fills that is said at the start, not by
        # callers, who do not choose where requests go.
        in_base = f"{{{name}}}" in build.api.base_uri
        if place == "path" and name not in placeholders and not in_base:
            build.appended.append(parameter)
    else:
        slots = {"query": build.query, "header": build.headers, "cookie": build.cookies}
        slots[place].append(Slot(name, expression, place))
        if parameter.value is not UNSET and name not in expression.names:
            _decide(build, name, expression)  # templates that name it mean this value
    if place != "body" or not own:
        for wanted in _inputs_of(parameter, place, expression):
            build.need(wanted)
    _add_default(build, parameter)


def _of_environment(build: _Build, parameter: Parameter) -> Expression:
    if parameter.value is not UNSET:
        return _value_of(build, parameter)
    return build.scope.resolve(Placeholder(f"env.{parameter.name}"), parameter.where)


def _value_of(build: _Build, parameter: Parameter) -> Expression:
    if parameter.value is UNSET:
        return reference(parameter.name)
    return compile_value(parameter.value, lambda text: build.scope.text(text, parameter.where))


def _decide(build: _Build, name: str, value: Expression) -> None:
    """Give a name the value that the document says."""
    build.defaults.append((name, value))
    build.decided.add(name)


def _add_default(build: _Build, parameter: Parameter) -> None:
    if parameter.default is UNSET:
        return
    default = compile_value(
        parameter.default, lambda text: build.scope.text(text, parameter.where.at("default"))
    )
    build.defaults.append((parameter.name, default))
    for name in default.names:
        build.need(Input(name=name))


def _inputs_of(parameter: Parameter, place: str, value: Expression) -> Iterator[Input]:
    """Describe what a parameter's value reads; an input that is the value itself has its type."""
    for name in value.names:
        if name == value.direct:
            yield replace(_input(parameter, place), name=name)
        else:
            yield Input(name=name, location=place, required=name in value.required)


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
        default=_plain_default(parameter),
    )


def _plain_default(parameter: Parameter) -> Json | Missing:
    """Return a default that is the same for all; one with a placeholder may hold a secret."""
    default = parameter.default
    return MISSING if default is UNSET or "{{" in text_of(default) else default


def _add_body_inputs(build: _Build, body: CompiledBody) -> None:
    described = {
        wanted.name: wanted
        for parameter in build.body
        for wanted in _inputs_of(parameter, "body", _value_of(build, parameter))
    }
    for name in body.names:
        wanted = described.get(name) or Input(name=name, location="body")
        if name == CONTENT and body.takes_content:
            wanted = replace(wanted, location="content")
        if name == CONTENT and body.passes_content:
            wanted = replace(wanted, type="object", description="The request body, a JSON object")
        build.need(replace(wanted, required=wanted.required or name in body.required))
    each = build.spec.for_each
    if each is not None:
        build.need(described.get(each.name) or Input(name=each.name, type="array"))
        build.inputs[each.name] = replace(build.inputs[each.name], required=True)
