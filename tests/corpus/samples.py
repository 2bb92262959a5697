"""Argument values for calls: chosen by type, hard to carry, and the same for a name every time."""

from collections.abc import Mapping
from zlib import crc32

from tests.corpus.dialect import MISSING, Json, arguments_of, text_of
from tests.corpus.oracle import WRITES, Document, RestCall, Unit

HARD = (
    "{0} a/b?c=d#e%2F&f+g\"h'i",
    "é{0}/../日本&x=1;y,z",
    "{0}%20%zz {{not}} ${x} <b>\\",
    "//evil.test/{0}@host:80",
    "{0}=?&#+ \u00a0end",
)
HARD_IN_HEADER = ("{0} a/b?c=d#e%2F&f+g\"h'i", "{0}; q=0.5, x%20y", "//evil.test/{0}@host")
SCALARS = ("string", "integer", "boolean")
ANY = ("string", "array", "object", "integer", "boolean")


def sample(name: str, kind: str | None, *, header: bool = False, text_only: bool = False) -> Json:
    """A value of a type, for an argument of this name."""
    seed = crc32(name.encode())
    if kind is None:
        kind = "string" if text_only else ANY[seed % len(ANY)]
    if kind == "integer":
        return 0 if seed % 5 == 0 else seed % 9000 - 1000
    if kind == "number":
        return (seed % 900 - 100) / 4 + 0.5
    if kind == "boolean":
        return seed % 2 == 0
    if kind == "array":
        return [f"{name}, one", HARD[seed % len(HARD)].replace("{0}", name)]
    if kind == "object":
        return {
            "text": HARD[seed % len(HARD)].replace("{0}", name),
            "deep": {"list": [1, "two", None, {"x": []}], "off": False, "none": None},
            "number": 1.5,
        }
    texts = HARD_IN_HEADER if header else HARD
    return texts[seed % len(texts)].replace("{0}", name)


def variable(name: str, role: str) -> str:
    """A value of a variable, by what it is used for."""
    slug = name.lower().replace("_", "-")
    return {
        "url": f"https://{slug}.example/base/{slug}",
        "host": f"{slug}.example" if not slug.endswith("port") else "8443",
        "path": f"{slug} one",
        "text": f"v+/=&%{name}~",
    }[role]


def variables(documents: Mapping[str, Document]) -> dict[str, str]:
    """A value for every variable of some documents; one name has one value everywhere."""
    roles: dict[str, str] = {}
    order = ("text", "path", "host", "url")
    for document in documents.values():
        for name, role in document.variables().items():
            roles[name] = max(roles.get(name, "text"), role, key=order.index)
    return {name: variable(name, role) for name, role in sorted(roles.items())}


def values_for(unit: Unit, *, everything: bool) -> dict[str, Json]:
    """Values for all arguments of a unit, or for the required ones."""
    operation = unit.operation
    assert operation is not None
    given: dict[str, Json] = {}
    for argument in unit.arguments().values():
        in_route = unit.face == "rest" and argument.where == "path"
        if not (argument.required or everything or in_route):
            continue
        if argument.where == "whole" and unit.face == "rest" and unit.method not in WRITES:
            continue
        feeds_header = any(
            slot.header and (slot.name == argument.name or names(unit, slot.name, argument.name))
            for slot in operation.slots.values()
        )
        in_header = feeds_header or argument.where == "header"
        as_text = unit.face == "rest" and argument.where in {"path", "query", "header"}
        kind = argument.type
        if kind is None and argument.required:
            kind = "string"  # it stands inside a longer text
        if kind is None and argument.where == "whole":
            kind = "object"
        if kind is None and operation.body.media != "json":
            kind = SCALARS[len(argument.name) % len(SCALARS)]  # text is all that a form can hold
        given[argument.name] = sample(argument.name, kind, header=in_header, text_only=as_text)
    return given


def names(unit: Unit, key: str, argument: str) -> bool:
    """Whether the entry of ``with`` for a key is this argument."""
    value = unit.given.get(key)
    ref = unit.reference(value) if isinstance(value, str) else None
    return ref is not None and unit.located(ref)[1] == argument


def rest_call(unit: Unit, given: Mapping[str, Json]) -> RestCall:
    """Put values where the arguments of a REST unit belong."""
    path: dict[str, str] = {}
    query = list(unit.route_query)
    headers: dict[str, str] = {}
    fields: dict[str, Json] = {}
    body: Json = MISSING
    arguments = unit.arguments()
    for name, value in given.items():
        where = arguments[name].where
        if where == "path":
            path[name] = text_of(value)
        elif where == "header":
            headers[name] = text_of(value)
        elif where == "body":
            fields[name] = value
        elif where == "whole":
            body = value
        else:
            items = value if isinstance(value, list) else [value]
            query.extend((name, text_of(item)) for item in items)
    for name in arguments_of(unit.route):
        path.setdefault(name, f"unused {name}")
    if fields:
        body = {**body, **fields} if isinstance(body, dict) else fields
    return RestCall(path, tuple(query), headers, body)
