"""The oracle: which units a document has, what they take, and what each call sends upstream.

A *unit* is one exposed REST operation or one MCP tool. :func:`read` gives a :class:`Document` with
its units and findings; :meth:`Unit.rest` and :meth:`Unit.mcp` give the exact request that a call
causes, or raise :class:`RefusedError` where the caller gets an error and nothing is sent.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import unquote, urlsplit

import yaml

from tests.corpus.core_yaml import load
from tests.corpus.dialect import (
    MISSING,
    SCHEME,
    TEMPLATE,
    TYPES,
    Argument,
    Consumed,
    Finding,
    Home,
    Json,
    Missing,
    Operation,
    Part,
    RefusedError,
    Scope,
    Variable,
    add_block,
    arguments_of,
    base_placeholders,
    basic_header,
    cut,
    encode,
    encode_literal,
    parse_path,
    placeholder_variable,
    read_home,
    render,
    render_root,
    resolve_base,
    slashed,
    strings,
    text_of,
)

Pairs = tuple[tuple[str, str], ...]
WRITES: Final = frozenset({"POST", "PUT", "PATCH"})
PUBLISHED_KEY: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
NEVER_FORWARDED: Final = frozenset({"authorization", "cookie", "host"})
TRAILER: Final = re.compile(r"^# --- truncated at \d+ KB", re.MULTILINE)
UNIT_BODY: Final = ("call", "steps", "ref")
VERSIONS: Final = ("1.0.0-alpha2", "1.0.0-alpha1", "1.0.0-alpha3")


@dataclass(frozen=True)
class Body:
    """The body that should arrive: a JSON value, pairs of a form, parts by name, or raw bytes."""

    kind: Literal["none", "json", "form", "multipart", "raw"]
    value: Json = None
    content_type: str = ""


NO_BODY: Final = Body("none")


@dataclass(frozen=True)
class Upstream:
    """The request that should arrive. ``path`` is exact; ``query`` holds decoded pairs."""

    method: str
    origin: str
    path: str
    query: Pairs
    headers: Pairs
    body: Body
    signing: str = ""
    """A signing scheme: the call is refused, or arrives signed; it never arrives without."""


@dataclass(frozen=True)
class CallerArgument:
    """One argument of a unit, as its caller knows it; ``type`` None is any JSON value."""

    name: str
    type: str | None
    required: bool
    where: str
    """REST: ``path``, ``query``, ``header``, ``body`` (a field) or ``whole`` (the body itself)."""


class Source(Protocol):
    """Where a call's arguments come from."""

    def get(self, argument: CallerArgument, ref: str, *, header: bool) -> Json | Missing:
        """Return the value of an argument, already of its type."""


@dataclass(frozen=True)
class Unit:
    """One exposed operation or tool."""

    face: Literal["rest", "mcp"]
    adapter: str
    name: str
    method: str = ""
    route: tuple[Part, ...] = ()
    route_query: Pairs = ()
    operation: Operation | None = None
    problem: str = ""
    given: Mapping[str, Json] = field(default_factory=dict)
    """The entries of ``with``, and of ``mapping`` on declared inputs (R-MCP-6)."""

    declared: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    scope: Scope = field(default_factory=Scope)
    plain_output: bool = True
    """Whether the whole response is given back."""

    @property
    def label(self) -> str:
        """How people name this unit."""
        return f"{self.method} {self.route_text}" if self.face == "rest" else self.name

    @property
    def route_text(self) -> str:
        """The route, with single braces around every placeholder."""
        path = "".join(
            f"{{{part.ref.name}}}" if part.ref is not None else part.literal for part in self.route
        )
        return path + ("?" + "&".join(f"{k}={v}" for k, v in self.route_query)) * bool(
            self.route_query
        )

    # --- arguments -----------------------------------------------------------------------------

    def reference(self, text: str) -> str | None:
        """The argument that a text of ``with`` refers to as a whole, None for other texts."""
        if found := TEMPLATE.fullmatch(text.strip()):
            ref = self.scope.classify(found[1])
            return ref.name if isinstance(ref, Argument) else None
        root, dot, rest = text.partition(".")
        known = {"tools", "mcp", "rest"} | self.scope.exposed
        return rest if dot and root in known and rest and not re.search(r"\s", rest) else None

    def located(self, ref: str) -> tuple[str, str]:
        """R-WITH-2: the place and the name that a reference means; the place may be empty."""
        place, dot, rest = ref.partition(".")
        names = {*arguments_of(self.route), *self.declared}
        places = {"query", "path", "header", "body"}
        if self.face == "rest" and dot and ref not in names and place in places:
            return place, rest
        return "", ref

    def arguments(self) -> dict[str, CallerArgument]:
        """Everything that a caller may give, by name; declared inputs come first."""
        operation = self.operation
        assert operation is not None
        found: dict[str, CallerArgument] = {}

        def add(name: str, kind: str | None, *, required: bool, where: str = "") -> None:
            old = found.get(name)
            if old is not None:
                kind = old.type if kind is None else kind
                required, where = old.required or required, old.where or where
            found[name] = CallerArgument(name, kind, required, where)

        slots = operation.slots
        for name, raw in self.declared.items():
            # R-MCP-1: absent means optional. The consumed type goes first (R-MCP-3).
            add(name, None, required=raw.get("required") is True)
        for key, value in self.given.items():
            slot = slots.get(key)
            ref = self.reference(value) if isinstance(value, str) else None
            if ref is not None:
                place, name = self.located(ref)
                if key == "body" and operation.body.source == "whole" and ref == "body":
                    place = "whole"
                kind = slot.type if slot else None
                if slot and not slot.any_type and name not in self.declared:
                    kind = kind or "string"
                add(name, kind, required=slot is not None and slot.required, where=place)
                continue
            for text in strings(value):
                inner = self.reference(text)
                if inner is not None:
                    add(self.located(inner)[1], None, required=False, where=self.located(inner)[0])
                    continue
                for item in self.scope.names(text):
                    if isinstance(item, Argument):
                        place, name = self.located(item.name)
                        add(name, None, required=True, where=place)
        for slot in slots.values():
            if slot.name in self.given or self.overridden(slot.name):
                continue
            if slot.name == "body" and operation.body.source == "whole":
                add(slot.name, slot.type, required=slot.required, where="whole")
                continue
            kind = slot.type
            if not slot.any_type and slot.name not in self.declared:
                kind = kind or "string"
            add(slot.name, kind, required=slot.required, where="header" if slot.header else "")
        return {name: self.settle(argument) for name, argument in found.items()}

    def overridden(self, variable: str) -> bool:
        """Whether ``with`` replaces every member of the body template that names a variable."""
        operation = self.operation
        assert operation is not None
        data = operation.body.data
        if operation.body.source != "template" or not isinstance(data, dict):
            return False
        if any(p.name == variable for p in operation.parameters if p.where != "body"):
            return False
        replaced = {key for key in data if key in self.given and key not in operation.slots}
        users = {
            key
            for key, value in data.items()
            for text in strings(value)
            for ref in self.scope.names(text)
            if isinstance(ref, Argument) and ref.name == variable
        }
        return bool(users) and users <= replaced

    def settle(self, argument: CallerArgument) -> CallerArgument:
        """Fill in the declared type, and for REST the place where tests put the argument."""
        raw = self.declared.get(argument.name, {})
        kind = argument.type
        if kind is None and raw.get("type") in TYPES:
            kind = str(raw["type"])
        where = argument.where
        if self.face == "rest":
            if argument.name in arguments_of(self.route) and where in {"", "header"}:
                where = "path"
            elif not where and raw.get("in") in {"query", "header", "body"}:
                where = str(raw["in"])
            elif not where:
                searched = self.operation is not None and not self.operation.body.passed_through
                where = "body" if self.method in WRITES and searched else "query"
        return CallerArgument(argument.name, kind, argument.required, where)

    # --- what is published ---------------------------------------------------------------------

    def published(self) -> dict[str, str]:
        """R-MCP-5: the key under which each argument is published."""
        keys: dict[str, str] = {}
        names = self.arguments()
        for name in [*(n for n in names if PUBLISHED_KEY.fullmatch(n)), *names]:
            if name in keys:
                continue
            key = plain_key(name)
            count = 1
            while key in keys.values():
                count += 1
                key = f"{plain_key(name)[:62]}_{count}"
            keys[name] = key
        return {name: keys[name] for name in names}

    # --- calls ---------------------------------------------------------------------------------

    def mcp(self, arguments: Mapping[str, Json], values: Mapping[str, str]) -> Upstream:
        """What a tool call sends; ``arguments`` may use either spelling of a key."""
        original = {key: name for name, key in self.published().items()}
        known = self.arguments()
        unknown = [key for key in arguments if key not in known and key not in original]
        if unknown:  # R-MCP-7
            raise RefusedError(*unknown)
        given = {key if key in known else original[key]: v for key, v in arguments.items()}
        return self.call(ToolSource(given), values)

    def rest(self, request: "RestCall", values: Mapping[str, str]) -> Upstream:
        """What a REST request sends."""
        operation = self.operation
        if isinstance(request.body, dict) and operation and operation.body.source != "whole":
            unknown = [key for key in request.body if key not in self.arguments()]
            if unknown:
                raise RefusedError(*unknown)
        return self.call(RestSource(self, request), values)

    def call(self, source: Source, values: Mapping[str, str]) -> Upstream:
        """Bind the arguments, check them, and build the request."""
        operation = self.operation
        if operation is None:
            raise RefusedError(self.problem, status=501)
        known = self.arguments()
        absent: list[str] = []

        def argument(ref: str, *, header: bool = False) -> Json | Missing:
            return source.get(known[self.located(ref)[1]], ref, header=header)

        for name, item in known.items():
            # R-IMPL-2: every name that is missing, before anything is sent.
            refs = [name, *(f"{p}.{name}" for p in ("query", "path", "header", "body"))]
            named = next((r for r in refs if self.located(r) == (item.where, name)), name)
            slot = operation.slots.get(name)
            header = slot is not None and slot.header and name not in self.given
            if item.required and argument(named, header=header) is MISSING:
                absent.append(name)
        if absent:
            raise RefusedError(*absent)

        def variable(ref: Variable) -> str:
            if ref.name not in values:
                raise RefusedError(ref.name, status=503)
            return values[ref.name]

        def in_with(value: Json) -> Json | Missing:
            if value is None:
                return MISSING  # R-WITH-3
            if isinstance(value, dict):
                members = {key: in_with(item) for key, item in value.items()}
                kept = {key: item for key, item in members.items() if item is not MISSING}
                return MISSING if members and not kept else kept
            if isinstance(value, list):
                items = [item for item in map(in_with, value) if item is not MISSING]
                return MISSING if value and not items else items
            if not isinstance(value, str):
                return value
            if (ref := self.reference(value)) is not None:
                return argument(ref)
            if value.startswith("env.") and re.fullmatch(r"env\.\w+", value):
                return variable(Variable(value[4:], declared=True))  # R-VAR-5
            return render(value, self.scope, from_caller)

        def from_caller(ref: Argument | Variable) -> Json | Missing:
            return variable(ref) if isinstance(ref, Variable) else argument(ref.name)

        def slot_value(name: str) -> Json | Missing:
            if name in self.given:
                return in_with(self.given[name])
            slot = operation.slots.get(name)
            return argument(name, header=slot is not None and slot.header)

        def in_template(ref: Argument | Variable) -> Json | Missing:
            return variable(ref) if isinstance(ref, Variable) else slot_value(ref.name)

        return Request(self, operation, values, slot_value, in_with, in_template).build()


class SlotValue(Protocol):
    def __call__(self, name: str) -> Json | Missing: ...


class WithValue(Protocol):
    def __call__(self, value: Json) -> Json | Missing: ...


class TemplateValue(Protocol):
    def __call__(self, ref: Argument | Variable) -> Json | Missing: ...


@dataclass(frozen=True)
class Request:
    """One call on its way to a request."""

    unit: Unit
    operation: Operation
    values: Mapping[str, str]
    slot: SlotValue
    in_with: WithValue
    in_template: TemplateValue

    def build(self) -> Upstream:
        """Assemble URL, headers and body."""
        operation, scope = self.operation, self.unit.scope
        credential = operation.home.credential
        in_path = {name: encode(self.secret(text)) for name, text in credential.path}
        base = resolve_base(operation.home.base_uri, scope, self.values, in_path)
        split = urlsplit(base)
        query = [(unquote(key), self.constant(parts)) for key, parts in operation.constants]
        headers: list[tuple[str, str]] = []
        cookies = [(name, self.secret(text)) for name, text in credential.cookies]
        for parameter in operation.parameters:
            if parameter.where not in {"query", "header", "cookie"}:
                continue
            value = self.parameter(parameter.name, parameter.value)
            if value is MISSING:
                continue
            if parameter.where == "header":
                headers.append((parameter.name.lower(), text_of(value)))
            elif parameter.where == "cookie":
                cookies.append((parameter.name, text_of(value)))
            else:
                query.extend(pairs_of(parameter.name, value))
        extra = self.extra_fields()
        if operation.method not in WRITES:  # R-WITH-4
            for key, value in extra.items():
                query.extend(pairs_of(key, value))
            extra = {}
        extra.update({name: self.secret(text) for name, text in credential.body})
        query += [(name, self.secret(text)) for name, text in credential.query]
        headers += [(name.lower(), self.secret(text)) for name, text in credential.headers]
        if credential.basic is not None:
            user, password = map(self.secret, credential.basic)
            headers.append(("authorization", basic_header(user, password)))
        if cookies:
            headers.append(("cookie", "; ".join(f"{k}={v}" for k, v in cookies)))
        return Upstream(
            operation.method,
            f"{split.scheme}://{split.netloc}",
            (encode_literal(split.path).rstrip("/") + self.path()) or "/",
            tuple(query),
            tuple(headers),
            self.body(extra),
            credential.unsupported,
        )

    def secret(self, template: str) -> str:
        """A text of the credential; a lower-case name there is a variable too (R-VAR-6)."""

        def lookup(ref: Argument | Variable) -> str:
            if ref.name not in self.values:
                raise RefusedError(ref.name, status=503)
            return self.values[ref.name]

        return text_of(render(template, self.unit.scope, lookup))

    def parameter(self, name: str, value: Json | Missing) -> Json | Missing:
        """The value of a consumed parameter: its own template, or what is bound to its name."""
        if value is MISSING:
            return self.slot(name)
        return render(value, self.unit.scope, self.in_template)

    def path(self) -> str:
        """The path with its placeholders filled; what has no placeholder is appended (R-PATH-4).

        A segment that would be a dot segment is refused: clients and servers resolve it even where
        its dots are percent-encoded.
        """
        text = "".join(self.part(part) for part in self.operation.path)
        for name in self.operation.appended:
            parameter = next(
                p for p in self.operation.parameters if p.name == name and p.where == "path"
            )
            value = self.parameter(name, parameter.value)
            if value is MISSING:
                raise RefusedError(name)
            text = text.rstrip("/") + "/" + encode(text_of(value))
        if {".", ".."} & set(text.split("/")):
            raise RefusedError(*(name for name, value in self.filled() if value in {".", ".."}))
        return text

    def filled(self) -> Iterator[tuple[str, str]]:
        """The arguments in the path and their text."""
        for name in [*arguments_of(self.operation.path), *self.operation.appended]:
            value = self.slot(name)
            if value is not MISSING:
                yield name, text_of(value)

    def part(self, part: Part) -> str:
        if part.ref is None:
            return encode_literal(part.literal)
        value = self.in_template(part.ref)
        if value is MISSING:
            raise RefusedError(part.ref.name)
        return encode(text_of(value))

    def constant(self, parts: Sequence[Part]) -> str:
        """The value of a constant query parameter, decoded (R-PATH-6)."""
        text = ""
        for part in parts:
            if part.ref is None:
                text += unquote(part.literal)
                continue
            value = self.in_template(part.ref)
            if value is MISSING:
                raise RefusedError(part.ref.name)
            text += text_of(value)
        return text

    def extra_fields(self) -> dict[str, Json]:
        """Entries of ``with`` that no slot takes: unknown keys, and members put into the body."""
        extra: dict[str, Json] = {}
        for key, value in self.unit.given.items():
            if key in self.operation.slots or key in self.operation.ignored:
                continue
            filled = self.in_with(value)
            if filled is not MISSING:
                extra[key] = filled
        return extra

    def body(self, extra: Mapping[str, Json]) -> Body:
        """The body, with extra members at its top."""
        shape = self.operation.body
        if shape.source == "none":
            return Body("json", dict(extra), "application/json") if extra else NO_BODY
        if shape.source == "whole":
            value = self.slot("body")
            if value is MISSING:
                value = {} if shape.empty_object or extra else None
                if value is None:
                    return NO_BODY
            if extra and isinstance(value, dict):
                value = {**value, **extra}
            return Body("json", value, "application/json")
        if shape.source == "fields":
            members = {
                p.name: self.parameter(p.name, p.value)
                for p in self.operation.parameters
                if p.where == "body"
            }
            kept = {key: value for key, value in members.items() if value is not MISSING}
            return Body("json", {**kept, **extra}, "application/json")
        return self.template(extra)

    def template(self, extra: Mapping[str, Json]) -> Body:
        shape = self.operation.body
        data = shape.data
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key not in extra}
        if shape.media == "multipart" and isinstance(data, list):
            pairs = []
            for item in data:
                value = render(item["value"], self.unit.scope, self.in_template)
                if value is not MISSING:
                    pairs.append((str(item["name"]), text_of(value)))
            return Body("multipart", tuple(pairs), shape.content_type)
        value = render_root(data, self.unit.scope, self.in_template)
        if isinstance(value, dict):
            value.update(extra)
        if value is MISSING:
            return NO_BODY
        if shape.media == "raw":
            return Body("raw", text_of(value).encode(), shape.content_type)
        if shape.media == "json":
            return Body("json", value, shape.content_type)
        if isinstance(value, str):
            return Body("raw", value.encode(), shape.content_type)
        pairs = [pair for key, item in value.items() for pair in pairs_of(key, item)]
        return Body(shape.media, tuple(pairs), shape.content_type)


def pairs_of(name: str, value: Json) -> list[tuple[str, str]]:
    """R-IN-9: an array repeats its key."""
    items = value if isinstance(value, list) else [value]
    return [(name, text_of(item)) for item in items]


def plain_key(name: str) -> str:
    """R-MCP-5: a key that every client takes."""
    if PUBLISHED_KEY.fullmatch(name):
        return name
    key = re.sub(r"[^a-zA-Z0-9_.-]+", "_", name)
    if not name.endswith("_"):
        key = key.rstrip("_")
    return key[:64] or "_"


# --- where arguments come from -------------------------------------------------------------------


def coerce(value: Json, argument: CallerArgument) -> Json:
    """Give text from a path, query, header or form the type of its argument (R-TPL-2)."""
    kind = argument.type
    if isinstance(value, list):
        if kind in {"array", None}:
            return value
        raise RefusedError(argument.name)
    if kind == "array":
        return [value]
    if kind in {"string", None}:
        return value
    try:
        parsed = json.loads(value)
    except ValueError:
        raise RefusedError(argument.name) from None
    return typed(parsed, argument)


def typed(value: Json, argument: CallerArgument) -> Json:
    """Check a JSON value against the type of its argument."""
    checks = {
        "string": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
        None: True,
    }
    if not checks[argument.type]:
        raise RefusedError(argument.name)
    return value


@dataclass(frozen=True)
class ToolSource:
    """The arguments of a tool call."""

    arguments: Mapping[str, Json]

    def get(self, argument: CallerArgument, ref: str, *, header: bool) -> Json | Missing:
        """Return the value of an argument, already of its type."""
        if argument.name not in self.arguments:
            return MISSING
        return typed(self.arguments[argument.name], argument)


@dataclass(frozen=True)
class RestCall:
    """A REST request, taken apart; ``path`` holds the decoded values of the placeholders."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Pairs = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | Missing = MISSING
    form: bool = False
    """Whether the body's fields came as a form: then they are text, as in a query."""


@dataclass(frozen=True)
class RestSource:
    """The arguments of a REST request (R-WITH-1, R-WITH-2, R-IMPL-1)."""

    unit: Unit
    request: RestCall

    def get(self, argument: CallerArgument, ref: str, *, header: bool) -> Json | Missing:
        """Return the value of an argument, already of its type."""
        if argument.where == "whole":
            body = self.request.body
            if body is MISSING or argument.type is None or self.passed_through:
                return body
            return typed(body, argument)
        place, name = self.unit.located(ref)
        if place:
            return self.at(place, name, argument)
        order = ["path", "body", "query"] + ["header"] * header
        for where in order:
            if where == "body" and not self.searched:
                continue
            value = self.at(where, name, argument)
            if value is not MISSING:
                return value
        return MISSING

    @property
    def passed_through(self) -> bool:
        return self.unit.operation is not None and self.unit.operation.body.passed_through

    @property
    def searched(self) -> bool:
        """Whether fields are looked up in the body: not where the body itself is forwarded."""
        return not self.passed_through

    def at(self, where: str, name: str, argument: CallerArgument) -> Json | Missing:
        if where == "path":
            found: Json | Missing = self.request.path.get(name, MISSING)
        elif where == "query":
            values = [value for key, value in self.request.query if key == name]
            found = (values if len(values) > 1 else values[0]) if values else MISSING
        elif where == "header":
            lower = name.lower()
            found = MISSING
            if lower not in NEVER_FORWARDED:
                fields = {key.lower(): value for key, value in self.request.headers.items()}
                found = fields.get(lower, MISSING)
        else:
            body = self.request.body
            if not isinstance(body, dict) or name not in body:
                return MISSING
            if self.request.form:
                return coerce(body[name], argument)
            return typed(body[name], argument)
        return found if found is MISSING else coerce(found, argument)


# --- documents -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Document:
    """A document as it should be understood."""

    units: tuple[Unit, ...]
    findings: tuple[Finding, ...]
    scope: Scope
    homes: tuple[Home, ...]
    adapters: tuple[tuple[str, str], ...]
    """Type and namespace of each exposed adapter."""

    @property
    def servable(self) -> bool:
        """Whether anything of it can be served, be it only with another upstream."""
        return any(unit.operation is not None for unit in self.units)

    def codes(self, *, must: bool | None = None) -> set[str]:
        """The codes of its findings; with ``must``, only those the rules ask for."""
        return {f.code for f in self.findings if must is None or f.must == must}

    def unit(self, face: str, name: str) -> Unit:
        """A unit by its face and its tool name or ``METHOD route``."""
        for unit in self.units:
            if unit.face == face and unit.label == name:
                return unit
        raise KeyError(name)

    def variables(self) -> dict[str, str]:
        """Every variable, and what it is used for: ``url``, ``host``, ``path`` or ``text``."""
        roles: dict[str, str] = dict.fromkeys(self.scope.keys, "text")
        for unit in self.units:
            operation = unit.operation
            if operation is None:
                continue
            texts = [*strings(operation.body.data), *operation.home.credential.texts()]
            texts += [s for p in operation.parameters for s in strings(p.value)]
            texts += list(strings(dict(unit.given)))
            for text in texts:
                for ref in self.scope.names(text):
                    if isinstance(ref, Variable):
                        roles.setdefault(ref.name, "text")
                if found := re.fullmatch(r"env\.(\w+)", text):
                    roles.setdefault(found[1], "text")
            for text in operation.home.credential.texts():
                for ref in self.scope.names(text):
                    roles.setdefault(ref.name, "text")
            for part in operation.path:
                if isinstance(part.ref, Variable):
                    roles[part.ref.name] = "path"
        for home in self.homes:
            credential = {name for name, _ in home.credential.path}
            authority = True
            for item in base_placeholders(home.base_uri, self.scope):
                before = home.base_uri.partition(item.written)[0]
                if item.variable is None and item.name in credential:
                    continue
                name = item.name
                if item.variable is None:
                    name = placeholder_variable(item.name, self.scope, {}) or item.name
                if not before:
                    roles[name] = "url"
                else:
                    authority = "/" not in SCHEME.sub("", before, count=1)
                    roles[name] = "host" if authority else "path"
        return roles

    def match(self, method: str, path: str, query: Pairs) -> tuple[Unit, dict[str, str]]:
        """Find the REST unit for a raw path: more literal text wins (R-REST-1)."""
        best: tuple[tuple[int, int, int], Unit, dict[str, str]] | None = None
        for at, unit in enumerate(self.units):
            if unit.face != "rest" or unit.method != method or unit.problem == "E-ROUTE-SHADOWED":
                continue
            if not set(unit.route_query) <= set(query):
                continue
            found = match_route(unit.route, path)
            if found is None:
                continue
            literal = sum(len(part.literal) for part in unit.route)
            rank = (-literal - 1000 * len(unit.route_query), len(found), at)
            if best is None or rank < best[0]:
                best = rank, unit, found
        if best is None:
            raise KeyError(f"{method} {path}")
        return best[1], best[2]


def match_route(route: Sequence[Part], path: str) -> dict[str, str] | None:
    """The placeholders' values in a raw path, decoded; None when the route does not match."""
    pattern, names = "", []
    for part in route:
        if part.ref is None:
            pattern += re.escape(encode_literal(part.literal).replace("#", "%23"))
        else:
            pattern += "([^/]+)"
            names.append(part.ref.name)
    found = re.fullmatch(pattern.rstrip("/") + "/?" if pattern != "/" else pattern, path)
    if found is None:
        return None
    return {name: unquote(value) for name, value in zip(names, found.groups(), strict=True)}


def read_file(path: Path) -> Document:
    """Read a file."""
    return read(path.read_text(encoding="utf-8"), path)


def read(text: str, path: Path | None = None) -> Document:
    """Read the text of a document; ``path`` is where imports are looked for."""
    truncated = TRAILER.search(text[-2000:]) is not None
    try:
        root = load(text)
    except yaml.YAMLError:
        return failed("E-TRUNCATED" if truncated else "E-YAML")
    if not isinstance(root, dict) or not ({"naftiko", "ikanos"} & root.keys()):
        return failed("E-NOT-CAPABILITY")
    capability = root.get("capability")
    if not isinstance(capability, dict):
        return failed("E-NO-CAPABILITY")
    if not capability.get("exposes"):
        return failed("E-TRUNCATED" if truncated else "E-NO-EXPOSES")
    return DocumentReader(root, capability, path, truncated=truncated).read()


def failed(code: str) -> Document:
    """A document of which nothing can be served."""
    return Document((), (Finding(code, "document"),), Scope(), (), ())


class DocumentReader:
    """Reads one document whose frame is sound."""

    def __init__(
        self,
        root: Mapping[str, Json],
        capability: Mapping[str, Json],
        path: Path | None,
        *,
        truncated: bool,
    ) -> None:
        self.root = root
        self.capability = capability
        self.path = path
        self.truncated = truncated
        self.findings: list[Finding] = []
        self.consumed: dict[str, Consumed] = {}
        self.missing: set[str] = set()
        self.homes: list[Home] = []
        self.units: list[Unit] = []
        binds = [b for b in root.get("binds") or [] if isinstance(b, dict)]
        self.exposes = [e for e in capability["exposes"] if isinstance(e, dict)]
        self.scope = Scope(
            frozenset(str(b.get("namespace")) for b in binds),
            frozenset(str(key) for b in binds for key in b.get("keys") or {}),
            frozenset(str(e["namespace"]) for e in self.exposes if e.get("namespace")),
        )

    def note(self, code: str, subject: str, *, must: bool = True) -> None:
        self.findings.append(Finding(code, subject, must))

    def read(self) -> Document:
        known = {
            "naftiko",
            "ikanos",
            "info",
            "binds",
            "capability",
            "import",
            "imports",
            "consumes",
        }
        for key in self.root.keys() - known - {"exposes", "aggregates"}:
            self.note("W-ROOT-KEY", str(key))
        for key in self.capability.keys() - {
            "binds",
            "consumes",
            "exposes",
            "aggregates",
            "imports",
        }:
            self.note("W-CAPABILITY-KEY", str(key))
        if self.truncated:
            self.note("W-TRUNCATED", "document")
        if str(self.root.get("naftiko", VERSIONS[0])) not in VERSIONS:
            self.note("W-VERSION", str(self.root["naftiko"]))
        self.read_imports()
        for block in self.capability.get("consumes") or []:
            if isinstance(block, dict):
                self.read_consumes(block)
        for expose in self.exposes:
            self.read_adapter(expose)
        self.shadow()
        for unit in self.units:
            self.note_unit(unit)
        return Document(
            tuple(self.units),
            tuple(dict.fromkeys(self.findings)),
            self.scope,
            tuple(self.homes),
            tuple((str(e.get("type")), str(e.get("namespace") or "")) for e in self.exposes),
        )

    # --- consumes ------------------------------------------------------------------------------

    def read_imports(self) -> None:
        """Root ``import`` and ``imports`` (R-IMP-1)."""
        entries = [self.root.get("import"), self.root.get("imports")]
        entries.append(self.capability.get("imports"))
        for entry in (item for many in entries for item in many or []):
            if isinstance(entry, str):
                entry = {"location": entry}  # noqa: PLW2901 - one shape from here on
            name = str(entry.get("name") or entry.get("import") or "")
            self.note("W-IMPORT", name, must=False)
            self.load_import(name, str(entry.get("location") or ""), name, up=True)

    def read_consumes(self, block: Mapping[str, Json]) -> None:
        if "openapi" in block:
            self.missing.add(str(block["openapi"]))
            self.note("E-IMPORT-OPENAPI", str(block["openapi"]))
            return
        if "import" in block:
            name = str(block["import"])
            where = str(block.get("location") or block.get("from") or "")
            self.load_import(name, where, str(block.get("as") or name), up=True)
            return
        if "ref" in block and "baseUri" not in block:
            name = str(block.get("namespace") or "")
            self.note("W-IMPORT", name, must=False)
            self.load_import(name, str(block["ref"]), name, up=True)
            return
        self.add(block, str(block.get("namespace") or ""))

    def add(self, block: Mapping[str, Json], namespace: str) -> None:
        home = read_home(block, self.scope, self.findings)
        self.homes.append(home)
        if namespace in self.consumed:
            self.note("W-NS-DUP", namespace)
        consumed = self.consumed.setdefault(namespace, Consumed(namespace))
        add_block(consumed, block, home, self.scope)

    def load_import(self, namespace: str, location: str, alias: str, *, up: bool) -> None:
        """Look beside the importing file, then in its parent folder."""
        folders = [self.path.parent, self.path.parent.parent] if self.path else []
        for folder in folders:
            target = folder / location
            if location and target.is_file():
                root = load(target.read_text(encoding="utf-8"))
                blocks = root.get("consumes") or (root.get("capability") or {}).get("consumes")
                for bind in root.get("binds") or []:
                    self.scope = Scope(
                        self.scope.bind_namespaces | {str(bind.get("namespace"))},
                        self.scope.keys | {str(key) for key in bind.get("keys") or {}},
                        self.scope.exposed,
                    )
                for block in blocks or []:
                    if not namespace or block.get("namespace") == namespace:
                        self.add({**block, "namespace": alias or block["namespace"]}, alias)
                        return
        self.missing.add(alias)
        self.note("E-CALL-IMPORT", alias)

    # --- exposes -------------------------------------------------------------------------------

    def read_adapter(self, expose: Mapping[str, Json]) -> None:
        kind, namespace = str(expose.get("type")), str(expose.get("namespace") or "")
        if kind not in {"rest", "mcp", "skill", "control"}:
            self.note("E-EXPOSES-TYPE", kind)
            return
        if expose.get("address") == "0.0.0.0":  # noqa: S104 - a published value, not a bind
            self.note("I-ADDRESS", namespace)
        keys = {"rest": ("resources",), "mcp": ("tools", "resources", "prompts")}
        if not any(expose.get(key) for key in keys.get(kind, ("type",))):
            self.note("E-EXPOSES-EMPTY", namespace)
        if kind == "rest":
            for resource in expose.get("resources") or []:
                for operation in resource.get("operations") or []:
                    if isinstance(operation, dict):
                        self.read_route(namespace, resource, operation)
        elif kind == "mcp":
            if expose.get("transport") == "stdio":
                self.note("W-STDIO", namespace)
            tools = expose.get("tools") or []
            last = self.truncated and expose is self.exposes[-1]
            taken: set[str] = set()
            for at, tool in enumerate(tools):
                if last and at == len(tools) - 1 and not self.has_call(tool):
                    continue  # R-LOAD-1
                if isinstance(tool, dict):
                    self.read_tool(namespace, tool, taken)
        elif kind == "skill":
            for skill in expose.get("skills") or []:
                if "call" in skill or any("call" in t for t in skill.get("tools") or []):
                    self.note("W-SKILL-CALL", str(skill.get("name")))

    @staticmethod
    def has_call(raw: Json) -> bool:
        return isinstance(raw, dict) and any(raw.get(key) for key in UNIT_BODY)

    def read_route(
        self, namespace: str, resource: Mapping[str, Json], raw: Mapping[str, Json]
    ) -> None:
        text = str(resource.get("path") or "")
        if raw.get("path"):
            text = text.rstrip("/") + slashed(str(raw["path"]))  # R-REST-8
        if not text.startswith("/"):
            self.note("W-ROUTE-SLASH", text)
            text = slashed(text) or "/"
        text, query = cut(text, "?")
        if query is not None:
            self.note("W-ROUTE-QUERY", text)
        if cut(text, "#")[1] is not None:
            self.note("W-ROUTE-FRAGMENT", text)
        pairs = [p.partition("=") for p in (query or "").split("&") if p]
        route = tuple(
            Part(ref=Argument(part.ref.name)) if part.ref is not None else part
            for part in parse_path(text, Scope())
        )
        inputs = [
            item
            for level in (raw, resource)
            for item in level.get("inputParameters") or []
            if isinstance(item, dict)
        ]
        self.add_unit(
            Unit(
                "rest",
                namespace,
                str(raw.get("name") or ""),
                str(raw.get("method") or "GET").upper(),
                route,
                tuple((unquote(k), unquote(v)) for k, _, v in pairs),
                scope=self.scope,
                plain_output=is_plain(raw),
            ),
            raw,
            inputs,
        )

    def read_tool(self, namespace: str, raw: Mapping[str, Json], taken: set[str]) -> None:
        name = base = str(raw.get("name") or "")
        count = 1
        while name in taken:
            count += 1
            name = f"{base}-{count}"
        if name != base:
            self.note("W-TOOL-DUP", base)
        taken.add(name)
        if "." in name or len(name) > 64:
            self.note("W-TOOL-NAME", name)
        inputs = [i for i in raw.get("inputParameters") or [] if isinstance(i, dict)]
        unit = Unit("mcp", namespace, name, scope=self.scope, plain_output=is_plain(raw))
        self.add_unit(unit, raw, inputs)

    def add_unit(
        self, unit: Unit, raw: Mapping[str, Json], inputs: Iterable[Mapping[str, Json]]
    ) -> None:
        call = raw.get("call")
        operation, problem = self.resolve(call)
        for output in raw.get("outputParameters") or []:
            if isinstance(output, dict) and str(output.get("mapping")).endswith(".length"):
                self.note("W-LENGTH", unit.label)
        declared = {str(i["name"]): i for i in inputs if i.get("name")}
        given = raw.get("with")
        entries = {str(k): v for k, v in given.items()} if isinstance(given, dict) else {}
        for name, item in declared.items():
            target = mapping_target(item.get("mapping"), str(call or ""))
            if target is not None and target[1] not in entries:
                place, key = target
                root = "tools" if unit.face == "mcp" else "rest"
                inside = "body." if unit.face == "rest" and place == "body" else ""
                entries[key] = f"{root}.{inside}{name}"
        self.units.append(
            Unit(
                unit.face,
                unit.adapter,
                unit.name,
                unit.method,
                unit.route,
                unit.route_query,
                operation,
                problem,
                entries,
                declared,
                self.scope,
                unit.plain_output,
            )
        )

    def resolve(self, call: Json) -> tuple[Operation | None, str]:
        """R-CALL-1, R-CON-2: exact match, by the longest declared namespace."""
        if not call:
            return None, "E-CALL-MISSING"
        if not isinstance(call, str) or "." not in call:
            return None, "E-CALL-SYNTAX"
        names = [n for n in (*self.consumed, *self.missing) if call.startswith(n + ".")]
        if not names:
            return None, "E-CALL-NAMESPACE"
        namespace = max(names, key=len)
        if namespace not in self.consumed:
            return None, "E-CALL-IMPORT"
        consumed = self.consumed[namespace]
        name = call[len(namespace) + 1 :]
        operation = consumed.operations.get(name)
        if operation is None:
            return None, "E-CALL-OPERATION"
        if name in consumed.doubled:
            self.note("W-OP-DUP", call)
        return operation, operation.home.problem

    def shadow(self) -> None:
        """R-REST-7: the first of a method and route wins, whatever its placeholders are called."""
        seen: set[tuple[str, str, str, Pairs]] = set()
        for at, unit in enumerate(self.units):
            if unit.face != "rest":
                continue
            shape = "".join(part.literal or "{}" for part in unit.route)
            key = (unit.adapter, unit.method, shape, tuple(sorted(unit.route_query)))
            if key in seen:
                self.units[at] = Unit(
                    **{**unit.__dict__, "problem": "E-ROUTE-SHADOWED", "operation": None}
                )
            seen.add(key)

    # --- findings of units ---------------------------------------------------------------------

    def note_unit(self, unit: Unit) -> None:
        if unit.problem:
            self.note(unit.problem, unit.label)
        operation = unit.operation
        if operation is None:
            return
        for finding in operation.findings:
            self.findings.append(finding)
        for key, value in unit.given.items():
            if not operation.knows(key):
                self.note("W-WITH-UNKNOWN", f"{unit.label} {key}")
            for text in strings(value):
                if re.fullmatch(r"env\.\w+", text):
                    self.note("W-VAR-LITERAL", unit.label)
                for ref in self.scope.names(text):
                    if isinstance(ref, Variable) and not ref.declared:
                        self.note("W-VAR-UNDECLARED", ref.name, must=not ref.prefixed)
        used = set(self.used(unit))
        if unit.face == "rest":
            for name in arguments_of(unit.route):
                if name not in used:
                    self.note("W-ROUTE-PARAM-UNUSED", f"{unit.label} {name}")
        for name in unit.declared:
            if name not in used and unit.face == "mcp":
                self.note("W-TOOL-PARAM-UNUSED", f"{unit.label} {name}")

    @staticmethod
    def used(unit: Unit) -> Iterator[str]:
        """The names of the arguments that feed something."""
        bare = Unit(**{**unit.__dict__, "declared": {}})
        yield from bare.arguments()


def is_plain(raw: Mapping[str, Json]) -> bool:
    """Whether a unit gives the whole response back (R-OUT-1, R-OUT-2)."""
    outputs = raw.get("outputParameters") or []
    return all(isinstance(o, dict) and o.get("mapping") in {None, "$", "$."} for o in outputs)


def mapping_target(mapping: Json, call: str) -> tuple[str, str] | None:
    """R-MCP-6: the place and name of the consumed input that a declared input feeds."""
    if not isinstance(mapping, str):
        return None
    text = mapping.removeprefix("$").removeprefix(".")
    if call and text.startswith(call + "."):
        return "", text[len(call) + 1 :]
    place, dot, name = text.partition(".")
    return (place, name) if dot and name else None
