"""The consumed side of a document, read by the published dialect's rules (``R-…``).

Written from the rules alone. Where a rule leaves a choice open, the comment says which was taken.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal
from urllib.parse import quote

Json = Any


class Missing(Enum):
    """The type of :data:`MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""An argument that nobody gave; not the same as null."""

TEMPLATE: Final = re.compile(r"\{\{\s*([A-Za-z_$@][\w.$@\[\]:-]*)\s*\}\}")
SCREAMING: Final = re.compile(r"[A-Z][A-Z0-9_]*")
TYPES: Final = ("string", "integer", "number", "boolean", "array", "object")
PATH_PART: Final = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}|\{([^{}]+)\}")
BASE_PART: Final = re.compile(
    r"\{\{\s*([^{}]+?)\s*\}\}|\$\{([^{}]+)\}|\{([^{}]+)\}|\[([A-Za-z_][\w-]*)\]"
)
SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
CLIENT_HEADERS: Final = frozenset({"content-type", "content-length", "accept-encoding"})
LITERAL_SIGNATURE: Final = re.compile(r"(AWS4-)?HMAC-SHA(1|256|512)\b")


@dataclass(frozen=True)
class Finding:
    """What should be reported; ``must`` is false where the rules allow it without asking for it."""

    code: str
    subject: str
    must: bool = True


@dataclass(frozen=True)
class Argument:
    """A reference to something that the caller gives."""

    name: str


@dataclass(frozen=True)
class Variable:
    """A reference to something that the operator gives."""

    name: str
    declared: bool
    prefixed: bool = False


@dataclass(frozen=True)
class Scope:
    """The names that decide what a reference means (section 2)."""

    bind_namespaces: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    exposed: frozenset[str] = frozenset()

    def classify(self, text: str) -> Argument | Variable:
        """Tell an argument from a variable, in the order that section 2 gives."""
        root, dot, rest = text.partition(".")
        if dot and (root in {"tools", "mcp", "rest"} or root in self.exposed):
            return Argument(rest)
        if dot and (root == "env" or root in self.bind_namespaces):
            return Variable(rest, rest in self.keys, prefixed=True)
        if text in self.keys:
            return Variable(text, declared=True)
        if SCREAMING.fullmatch(text):
            return Variable(text, declared=False)
        return Argument(text)

    def names(self, text: str) -> Iterator[Argument | Variable]:
        """All references inside a text."""
        for found in TEMPLATE.finditer(text):
            yield self.classify(found[1])


def strings(value: Json) -> Iterator[str]:
    """All texts inside a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def text_of(value: Json) -> str:
    """A value as text, wherever text is all there is: URL, header, form, interpolation."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encode(text: str) -> str:
    """Percent-encode all but the unreserved characters."""
    return quote(text, safe="")


def encode_literal(text: str) -> str:
    """Percent-encode only what may not stand in a path (R-PATH-7: the rest verbatim)."""
    return quote(text, safe="/:@!$&'()*+,;=~%-._")


# --- paths -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A piece of a path or of a constant query value."""

    literal: str = ""
    ref: Argument | Variable | None = None


def parse_path(text: str, scope: Scope) -> tuple[Part, ...]:
    """Split a text at its placeholders; single braces always mean a parameter (R-PATH-1, 2)."""
    parts: list[Part] = []
    end = 0
    for found in PATH_PART.finditer(text):
        if found.start() > end:
            parts.append(Part(text[end : found.start()]))
        ref = scope.classify(found[1]) if found[1] else Argument(found[2].strip())
        parts.append(Part(ref=ref))
        end = found.end()
    if end < len(text):
        parts.append(Part(text[end:]))
    return tuple(parts)


def arguments_of(parts: Iterable[Part]) -> list[str]:
    """The names of the arguments in a path."""
    return [part.ref.name for part in parts if isinstance(part.ref, Argument)]


def cut(text: str, mark: str) -> tuple[str, str | None]:
    """Cut a text at the first ``mark`` that is not inside a placeholder."""
    depth = 0
    for at, char in enumerate(text):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == mark and depth <= 0:
            return text[:at], text[at + 1 :]
    return text, None


def is_absolute(resources: Iterable[Mapping[str, Json]]) -> bool:
    """R-OP-1: whether the operations' paths of this block replace the paths of their resources.

    Resources at ``/`` or without a path say nothing: there both styles give the operation's path.
    """
    for resource in resources:
        base = slashed(str(resource.get("path") or ""))
        if base in {"", "/"}:
            continue
        for operation in operations_of(resource):
            path = operation.get("path")
            if path is None:
                continue
            path = slashed(str(path))
            if path == base or path.startswith(base.rstrip("/") + "/"):
                return True
    return False


def slashed(path: str) -> str:
    """R-PATH-7, R-URI-7: a leading slash, unless empty or only a query or fragment."""
    return path if not path or path[0] in "/?#" else "/" + path


def join_paths(resource: str, operation: str | None, *, absolute: bool) -> str:
    """The path of an operation before fragment and query are taken off (R-OP-1)."""
    if operation is None:
        return slashed(resource)
    if absolute or resource in {"", "/"}:
        return slashed(operation)
    if operation in {"", "/"}:
        return slashed(resource)
    if operation[0] in ":(?#":
        return slashed(resource) + operation
    return slashed(resource).rstrip("/") + slashed(operation)


def operations_of(resource: Mapping[str, Json]) -> list[dict[str, Json]]:
    """The operations of a resource that are mappings."""
    return [item for item in resource.get("operations") or [] if isinstance(item, dict)]


# --- operations --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """A consumed parameter; ``type`` is None where the document gives none (R-IN-3)."""

    name: str
    where: str
    type: str | None
    required: bool
    value: Json | Missing = MISSING


@dataclass(frozen=True)
class Slot:
    """A value that a consumed operation takes, by name."""

    name: str
    type: str | None = None
    required: bool = False
    header: bool = False
    any_type: bool = False
    """A template variable that no parameter describes: any JSON value."""


@dataclass(frozen=True)
class BodyShape:
    """How an operation's body is made.

    ``source``: ``none``, ``whole`` (the argument ``body`` is the body), ``fields`` (the body
    parameters are its members) or ``template``.
    """

    source: Literal["none", "whole", "fields", "template"]
    media: Literal["json", "form", "multipart", "raw"] = "json"
    data: Json = None
    content_type: str = "application/json"
    empty_object: bool = False
    passed_through: bool = False


@dataclass(frozen=True)
class Home:
    """Where the operations of one ``consumes`` entry live, and how they authenticate."""

    base_uri: str
    credential: "Credential"
    problem: str = ""
    """The code of the error that makes each of its units unservable."""


@dataclass(frozen=True)
class Operation:
    """One consumed operation, ready to be called."""

    home: Home
    namespace: str
    name: str
    method: str
    path: tuple[Part, ...]
    constants: tuple[tuple[str, tuple[Part, ...]], ...]
    parameters: tuple[Parameter, ...]
    appended: tuple[str, ...]
    body: BodyShape
    slots: Mapping[str, Slot]
    raw_format: str
    findings: tuple[Finding, ...]
    ignored: frozenset[str]
    """Declared names that are not inputs: the credential's, and those the client owns."""

    def knows(self, key: str) -> bool:
        """Whether a key of ``with`` means something here (R-WITH-4)."""
        top = self.body.data if isinstance(self.body.data, dict) else {}
        return (
            key in self.slots
            or key in self.ignored
            or key in top
            or any(p.name == key for p in self.parameters)
        )


def read_parameter(raw: Mapping[str, Json], placeholders: Iterable[str], method: str) -> Parameter:
    name = str(raw["name"])
    where = str(raw.get("in") or "")
    if where not in {"query", "path", "header", "body", "cookie", "environment"}:
        # R-IN-2
        if name in placeholders:
            where = "path"
        else:
            where = "query" if method in {"GET", "DELETE", "HEAD"} else "body"
    kind = raw.get("type")
    return Parameter(
        name,
        where,
        str(kind) if kind in TYPES else None,
        where == "path" or raw.get("required") is True,  # R-IN-4
        raw.get("value", MISSING),
    )


def read_body(
    raw: Json, method: str, parameters: Iterable[Parameter]
) -> tuple[BodyShape, list[str]]:
    """Read a body clause (R-BODY-1 … 9) and the codes of what is odd about it."""
    fields = [p for p in parameters if p.where == "body"]
    kind, data, given = "json", None, False
    if isinstance(raw, str):
        return BodyShape("template", data=raw, media="raw"), []
    if isinstance(raw, dict):
        kind, data = str(raw.get("type") or "json"), raw.get("data")
        given = data is not None and data != {}
    if not given:
        # R-BODY-2, 3, 7, 8: nothing is said about the content.
        empty = isinstance(raw, dict) and raw.get("data") == {}
        if len(fields) == 1 and fields[0].name == "body" and fields[0].value is MISSING:
            return BodyShape("whole"), []
        if fields:
            return BodyShape("fields"), []
        if method in {"POST", "PUT", "PATCH"} or isinstance(raw, dict):
            return BodyShape("whole", empty_object=empty, passed_through=True), []
        return BodyShape("none"), []
    if kind == "json":
        found = TEMPLATE.fullmatch(data.strip()) if isinstance(data, str) else None
        if found is not None and found[1].rpartition(".")[2] == "body":
            # R-BODY-4: where the one template is called body, it is the caller's whole body.
            return BodyShape("whole", data=data), []
        return BodyShape("template", data=data), []
    if kind in {"form", "formUrlEncoded"}:
        return BodyShape("template", "form", data, "application/x-www-form-urlencoded"), []
    if kind in {"multipart", "multipartForm"}:
        return BodyShape("template", "multipart", data, "multipart/form-data"), []
    # R-BODY-6
    content_type = {
        "text": "text/plain",
        "xml": "application/xml",
        "yaml": "application/yaml",
        "sparql": "application/sparql-query",
    }.get(kind, kind if "/" in kind else "application/octet-stream")
    codes = [] if kind in {"text", "xml", "sparql"} and isinstance(data, str) else ["W-BODY-TYPE"]
    if isinstance(data, dict) and len(data) == 1:
        data = next(iter(data.values()))
    return BodyShape("template", "raw", data, content_type), codes


def read_operation(
    home: Home,
    namespace: str,
    resource: Mapping[str, Json],
    raw: Mapping[str, Json],
    shared: Iterable[Mapping[str, Json]],
    scope: Scope,
    *,
    absolute: bool,
) -> Operation:
    name = str(raw.get("name") or raw.get("id") or "")
    subject = f"{namespace}.{name}"
    findings: list[Finding] = []

    def note(code: str, *, must: bool = True) -> None:
        findings.append(Finding(code, subject, must))

    method = str(raw.get("method") or "").upper()
    if not method:
        method = "GET"
        note("W-OP-METHOD")
    whole = join_paths(
        str(resource.get("path") or ""),
        None if raw.get("path") is None else str(raw["path"]),
        absolute=absolute,
    )
    whole, fragment = cut(whole, "#")
    if fragment is not None:
        note("W-PATH-FRAGMENT")
    path_text, query_text = cut(whole, "?")
    path = parse_path(path_text, scope)
    constants = []
    for pair in (query_text or "").split("&"):
        if pair:
            constant, _, value = pair.partition("=")
            constants.append((constant, parse_path(value, scope)))
    placeholders = arguments_of(path) + [a for _, v in constants for a in arguments_of(v)]

    parameters: dict[tuple[str, str], Parameter] = {}
    ignored = set()
    own = raw.get("inputParameters") or []
    for item in [*own, *shared]:
        if not isinstance(item, dict) or item.get("name") in {None, ""}:
            note("W-PARAM-UNNAMED")
            continue
        parameter = read_parameter(item, placeholders, method)
        key = (parameter.name, parameter.where)
        if home.credential.fills(parameter):
            note("W-AUTH-PARAM", must=parameter.where == "header")
            ignored.add(parameter.name)
        elif parameter.where == "header" and parameter.name.lower() in CLIENT_HEADERS:
            ignored.add(parameter.name)
        elif key in parameters:
            note("W-PARAM-DUP", must=item in own)
        else:
            parameters[key] = parameter

    appended = tuple(
        p.name for p in parameters.values() if p.where == "path" and p.name not in placeholders
    )
    if appended:
        note("W-PATHPARAM-APPENDED")
    body, codes = read_body(raw.get("body"), method, parameters.values())
    for code in codes:
        note(code)
    slots = find_slots(placeholders, parameters.values(), body, scope)
    for text in [*strings(body.data), *(s for p in parameters.values() for s in strings(p.value))]:
        for ref in scope.names(text):
            if isinstance(ref, Variable) and not ref.declared:
                note("W-VAR-UNDECLARED", must=not ref.prefixed)
    for part in path:
        if isinstance(part.ref, Variable) and not part.ref.declared:
            note("W-VAR-UNDECLARED", must=not part.ref.prefixed)
    return Operation(
        home,
        namespace,
        name,
        method,
        path,
        tuple(constants),
        tuple(parameters.values()),
        appended,
        body,
        slots,
        str(raw.get("outputRawFormat") or "json").lower(),
        tuple(findings),
        frozenset(ignored),
    )


def find_slots(
    placeholders: Iterable[str], parameters: Iterable[Parameter], body: BodyShape, scope: Scope
) -> dict[str, Slot]:
    """Everything that the operation takes, by the name that ``with`` or the caller gives it."""
    slots: dict[str, Slot] = {}
    parameters = list(parameters)

    def add(slot: Slot) -> None:
        old = slots.get(slot.name)
        if old is not None:
            slot = Slot(
                slot.name,
                old.type or slot.type,
                old.required or slot.required,
                old.header or slot.header,
                old.any_type and slot.any_type,
            )
        slots[slot.name] = slot

    for name in placeholders:  # R-PATH-3
        typed = next((p.type for p in parameters if p.name == name and p.where == "path"), None)
        add(Slot(name, typed, required=True))
    for parameter in parameters:
        if parameter.value is not MISSING:
            for slot in template_slots(parameter.value, scope):
                whole = isinstance(parameter.value, str) and not slot.required
                add(
                    Slot(
                        slot.name,
                        parameter.type if whole else None,
                        slot.required or (whole and parameter.required),
                        any_type=not whole,
                    )
                )
        elif parameter.where == "environment":
            continue
        elif parameter.where != "body" or body.source in {"fields", "whole"}:
            add(
                Slot(
                    parameter.name,
                    parameter.type,
                    parameter.required,
                    header=parameter.where == "header",
                )
            )
        # R-BODY-9: with a template, a body parameter only describes the variable of its name.
    if body.source == "whole":
        if body.passed_through:
            add(Slot("body", "object"))
        elif body.data is not None:
            add(Slot("body", any_type=True))
    elif body.source == "template":
        described = {p.name: p for p in parameters if p.where == "body"}
        for slot in template_slots(body.data, scope):
            if (known := described.get(slot.name)) is not None:
                add(Slot(slot.name, known.type, known.required or slot.required))
            else:
                add(slot)
    return slots


def template_slots(value: Json, scope: Scope) -> Iterator[Slot]:
    """The arguments that a template names; inside a longer text they are required (R-TPL-4)."""
    for text in strings(value):
        whole = TEMPLATE.fullmatch(text.strip()) is not None
        for ref in scope.names(text):
            if isinstance(ref, Argument):
                yield Slot(ref.name, required=not whole, any_type=True)


# --- rendering ---------------------------------------------------------------------------------


class RefusedError(Exception):
    """The call is refused before anything is sent, for want of these names."""

    def __init__(self, *names: str, status: int = 400) -> None:
        super().__init__(", ".join(names))
        self.names = names
        self.status = status


Lookup = Callable[[Argument | Variable], Json | Missing]


def render(value: Json, scope: Scope, lookup: Lookup) -> Json | Missing:
    """Fill a template; what is absent, or becomes empty by that, is omitted (R-TPL-2, 3, 4)."""
    if isinstance(value, str):
        return render_text(value, scope, lookup)
    if isinstance(value, dict):
        members = {key: render(item, scope, lookup) for key, item in value.items()}
        kept = {key: item for key, item in members.items() if item is not MISSING}
        return MISSING if members and not kept else kept
    if isinstance(value, list):
        items = [render(item, scope, lookup) for item in value]
        left = [item for item in items if item is not MISSING]
        return MISSING if items and not left else left
    return value


def render_root(value: Json, scope: Scope, lookup: Lookup) -> Json | Missing:
    """As :func:`render`, but the root is kept even when it is empty (R-TPL-3)."""
    filled = render(value, scope, lookup)
    if filled is MISSING and isinstance(value, dict | list):
        return type(value)()
    return filled


def render_text(text: str, scope: Scope, lookup: Lookup) -> Json | Missing:
    if found := TEMPLATE.fullmatch(text.strip()):
        return lookup(scope.classify(found[1]))

    def replace(found: re.Match[str]) -> str:
        ref = scope.classify(found[1])
        value = lookup(ref)
        if value is MISSING:
            raise RefusedError(ref.name)
        return text_of(value)

    return TEMPLATE.sub(replace, text)


# --- credentials -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Credential:
    """What a namespace's authentication adds to each request; texts are still templates."""

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    body: tuple[tuple[str, str], ...] = ()
    path: tuple[tuple[str, str], ...] = ()
    basic: tuple[str, str] | None = None
    unsupported: str = ""
    codes: tuple[str, ...] = ()
    codes_allowed: tuple[str, ...] = ()

    def fills(self, parameter: Parameter) -> bool:
        """Whether the credential already gives this parameter; it wins.

        The rule names headers; the same reason holds for query, cookie and body.
        """
        if parameter.where == "header":
            names = {name.lower() for name, _ in self.headers}
            if self.basic is not None:
                names.add("authorization")
            return parameter.name.lower() in names
        pairs = {"query": self.query, "cookie": self.cookies, "body": self.body}
        return any(name == parameter.name for name, _ in pairs.get(parameter.where, ()))

    def texts(self) -> list[str]:
        """All templates of the credential."""
        groups = (self.headers, self.query, self.cookies, self.body, self.path)
        return [text for group in groups for _, text in group] + list(self.basic or ())


def read_credential(block: Mapping[str, Json]) -> Credential:
    """Read ``authentication`` (or ``auth``) in any of its published shapes."""
    raw = block.get("authentication", block.get("auth"))
    if not isinstance(raw, dict):
        return Credential()
    kind = str(raw.get("type") or "").lower()

    def text(*keys: str) -> str | None:
        for key in keys:
            if raw.get(key) is not None:
                return str(raw[key])
        return None

    if kind == "bearer":
        return Credential(headers=(("Authorization", f"Bearer {text('token', 'value') or ''}"),))
    if kind == "basic":
        return Credential(basic=(text("username") or "", text("password") or ""))
    if kind == "query":
        pairs = [(str(p["name"]), str(p["value"])) for p in raw.get("parameters") or []]
        return Credential(query=tuple(pairs))
    if kind == "header":
        return signed_literally(Credential(headers=((text("header") or "", text("value") or ""),)))
    if kind != "apikey":
        return Credential(unsupported=kind, codes=("W-AUTH-UNSUPPORTED",))
    many = raw.get("headers")
    if isinstance(many, dict):
        return Credential(headers=tuple((str(k), str(v)) for k, v in many.items()))
    if isinstance(many, list):
        return Credential(
            headers=tuple((str(h.get("key") or h["name"]), str(h["value"])) for h in many)
        )
    if "header" in raw:
        name, secret = text("header"), text("value", "token", "key")
        placement = "header"
    else:
        name, secret = text("key", "name"), text("value", "token")
        placement = str(raw.get("placement") or raw.get("in") or "header").lower()
    if name is None or secret is None:
        return Credential(codes=("W-AUTH-NO-SECRET",))
    pair = ((name, secret),)
    if placement == "header":
        return signed_literally(Credential(headers=pair))
    if placement == "query":
        return Credential(query=pair)
    if placement == "cookie":
        return Credential(cookies=pair)
    if placement == "body":
        return Credential(body=pair)
    return Credential(path=pair)


def signed_literally(credential: Credential) -> Credential:
    """Mark a header whose text pretends to be a signature: sent as written, with a warning."""
    if any(LITERAL_SIGNATURE.match(text) for _, text in credential.headers):
        return Credential(headers=credential.headers, codes=("W-AUTH-UNSIGNED",))
    if any(text.startswith("HMAC ") for _, text in credential.headers):
        return Credential(headers=credential.headers, codes_allowed=("W-AUTH-UNSIGNED",))
    return credential


def basic_header(user: str, password: str) -> str:
    """The value of the Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# --- base URIs ---------------------------------------------------------------------------------


@dataclass
class Consumed:
    """A consumed namespace: its operations, the first of a name, and the names given twice."""

    namespace: str
    operations: dict[str, Operation] = field(default_factory=dict)
    doubled: set[str] = field(default_factory=set)


def screaming(name: str) -> str:
    """The SCREAMING form of a placeholder's name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).upper()


@dataclass(frozen=True)
class BasePlaceholder:
    """A placeholder in a base URI: as it is written, its name, and whether it means a variable."""

    written: str
    name: str
    variable: Variable | None


def base_placeholders(base_uri: str, scope: Scope) -> list[BasePlaceholder]:
    """All placeholders of a base URI, in order."""
    found: list[BasePlaceholder] = []
    for match in BASE_PART.finditer(base_uri):
        if match[1] is not None:
            ref = scope.classify(match[1])
            variable = ref if isinstance(ref, Variable) else Variable(ref.name, declared=False)
            found.append(BasePlaceholder(match[0], variable.name, variable))
        else:
            name = (match[2] or match[3] or match[4]).strip()
            found.append(BasePlaceholder(match[0], name, None))
    return found


def placeholder_variable(name: str, scope: Scope, values: Mapping[str, str]) -> str | None:
    """R-URI-2: the variable that gives a placeholder its value, None when there is none."""
    if name in values or name in scope.keys:
        return name
    shouted = screaming(name)
    if shouted in values or shouted in scope.keys:
        return shouted
    endings = [key for key in scope.keys if key.endswith("_" + shouted)]
    return endings[0] if len(endings) == 1 else None


def resolve_base(
    base_uri: str, scope: Scope, values: Mapping[str, str], in_path: Mapping[str, str]
) -> str:
    """Fill a base URI; raises :class:`RefusedError` (503) for a placeholder without a value."""
    text = base_uri.strip()
    for at, item in enumerate(base_placeholders(text, scope)):
        name: str | None = item.name
        if item.variable is None and item.name in in_path:
            text = text.replace(item.written, in_path[item.name], 1)
            continue
        if item.variable is None:
            name = placeholder_variable(item.name, scope, values)
        if name is None or name not in values:
            raise RefusedError(item.name, status=503)
        value = values[name]
        before = text.partition(item.written)[0]
        if at == 0 and SCHEME.fullmatch(before) and SCHEME.match(value):
            text = text[len(before) :]  # R-URI-1: a value with a scheme replaces a leading one
        text = text.replace(item.written, value, 1)
    if text.startswith("//"):
        return "https:" + text  # R-URI-3
    return text if SCHEME.match(text) else "https://" + text


def read_home(block: Mapping[str, Json], scope: Scope, findings: list[Finding]) -> Home:
    """Read the base URI and credential of a ``consumes`` entry; append what there is to say."""
    namespace = str(block.get("namespace") or "")
    base_uri = str(block.get("baseUri") or "").strip()
    credential = read_credential(block)
    problem = ""
    scheme = SCHEME.match(base_uri)
    if not base_uri or (base_uri.startswith("/") and not base_uri.startswith("//")):
        problem = "E-BASEURI-MISSING"
    elif scheme is not None and scheme[1].lower() not in {"http", "https"}:
        problem = "E-UPSTREAM-SCHEME"
    elif scheme is None and BASE_PART.match(base_uri) is None:
        findings.append(Finding("W-BASEURI-SCHEME", namespace))
    if problem:
        findings.append(Finding(problem, namespace))
    credential_names = {name for name, _ in credential.path}
    for item in base_placeholders(base_uri, scope):
        if item.variable is not None:
            if not item.variable.declared:
                must = not item.variable.prefixed
                findings.append(Finding("W-VAR-UNDECLARED", namespace, must))
        elif item.name not in credential_names and not placeholder_variable(item.name, scope, {}):
            findings.append(Finding("W-BASEURI-PLACEHOLDER", namespace))
    findings.extend(
        Finding(code, namespace, code != "W-AUTH-UNSUPPORTED") for code in credential.codes
    )
    findings.extend(Finding(code, namespace, must=False) for code in credential.codes_allowed)
    for text in credential.texts():
        for ref in scope.names(text):
            if isinstance(ref, Argument):
                findings.append(Finding("W-AUTH-COMPUTED", namespace))
            elif not ref.declared:
                findings.append(Finding("W-VAR-UNDECLARED", namespace, not ref.prefixed))
    return Home(base_uri, credential, problem)


def add_block(consumed: Consumed, block: Mapping[str, Json], home: Home, scope: Scope) -> None:
    """Read the operations of a block into its namespace; the first of a name wins (R-OP-4)."""
    resources = [item for item in block.get("resources") or [] if isinstance(item, dict)]
    absolute = is_absolute(resources)
    for resource in resources:
        shared = [
            item
            for level in (resource, block)
            for item in level.get("inputParameters") or []
            if isinstance(item, dict)
        ]
        for raw in operations_of(resource):
            operation = read_operation(
                home, consumed.namespace, resource, raw, shared, scope, absolute=absolute
            )
            if operation.name in consumed.operations:
                consumed.doubled.add(operation.name)
            else:
                consumed.operations[operation.name] = operation
