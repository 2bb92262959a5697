"""The shape of results: ``outputParameters`` compiled once into a function of the response.

How an entry is read, at every depth:

* **static**: ``value`` is the result.
* **object** (``properties``): an object with all these names, null where nothing is found; it is
  never null itself. Its ``mapping`` says where its properties are read; without one they are read
  where the object itself is.
* **map** (``values``): an object with the names that the mapped object has, each value shaped.
* **array** (``type: array`` or ``items``): each element shaped by ``items``, whose paths start at
  the element. A single value becomes an array of one; null and missing stay null, but for XML a
  missing array is an empty one.
* **anything else**: what the ``mapping`` leads to; an entry inside another one, or one of several
  named ones, that has no mapping reads the member of its own name. ``maxLength`` cuts texts.

The type that is declared never changes a value.

Where paths start: the reference runtime reads the properties of an object always from the whole
response and ignores the mapping of the object that has them. Here they are read from what the
nearest enclosing mapping leads to; where nothing is there, from the response (inside ``items``:
from the element), so documents written for the reference mean what they meant. On the response, a
path whose first name is absent there but names an output of the consumed operation starts at that
output.

The list as a whole: one entry gives its value; several that are all named give an object of them;
otherwise the first that is not null is the result. Where paths lead nowhere in all entries the
response is the result, as in the reference.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from naftiko_run.mapping.jsonpath import JsonPathError, Path, compile_path
from naftiko_run.spec.document import UNSET, Output
from naftiko_run.types import MISSING, Json, Missing

Shape = Callable[[Json], Json]
"""From the response to the result; it returns the response itself where nothing is mapped."""

Static = Callable[[Json], Json]
"""From a static ``value`` as written to the value, applied when the shape is compiled."""

_Read = Callable[[Json, Json], Json | Missing]  # from the scope, and where it falls back to


def compile_shape(
    outputs: Sequence[Output],
    *,
    consumed: Sequence[Output] = (),
    static: Static | None = None,
    empty_is_absent: bool = False,
) -> Shape | None:
    """Compile ``outputParameters``; None where the response passes through untouched.

    ``consumed`` are those of the operation that gives the response. ``empty_is_absent`` says that
    its format cannot write an empty array, as XML cannot: one that is missing has no elements.

    Raises:
        JsonPathError: a mapping is malformed; :func:`paths` says which.

    """
    if not outputs or (len(outputs) == 1 and _inert(outputs[0])):
        return None
    named = len(outputs) > 1 and all(output.name for output in outputs)
    # Of alternatives one that is missing leaves the result to the next.
    empty_is_absent = empty_is_absent and (named or len(outputs) == 1)
    compiler = _Compiler(_starts(consumed), static or _as_written, empty_is_absent)
    if named:
        fields = compiler.fields({output.name or "": output for output in outputs})
        return lambda root: fields(root, root)
    return _first_found([compiler.entry(output) for output in outputs])


def paths(outputs: Iterable[Output]) -> Iterator[tuple[Output, Path | JsonPathError]]:
    """Give each entry that has a mapping, at every depth, and its path or what is wrong with it."""
    for output in outputs:
        if _mapping(output):
            yield output, _attempt(output)
        yield from paths((output.properties or {}).values())
        yield from paths(inner for inner in (output.items, output.values) if inner)


def _attempt(output: Output) -> Path | JsonPathError:
    try:
        return compile_path(_mapping(output) or "$")
    except JsonPathError as error:
        return error


def _first_found(reads: Sequence[_Read]) -> Shape:
    def shape(root: Json) -> Json:
        missing = True
        for read in reads:
            value = read(root, root)
            if value is not MISSING:
                if value is not None:
                    return value
                missing = False
        return root if missing else None

    return shape


def _starts(consumed: Sequence[Output]) -> Mapping[str, Path]:
    # One that is malformed is left out: the outputs of an operation are nothing but these names.
    found = ((output.name, _attempt(output)) for output in consumed)
    return {name: path for name, path in found if name and isinstance(path, Path)}


def _as_written(value: Json) -> Json:
    return value


def _mapping(output: Output) -> str:
    return (output.mapping or "").strip()


def _inert(output: Output) -> bool:
    """Whether an entry leaves the value that it is given as it is."""
    return (
        _plain(replace(output, type="", items=None))
        and (output.items is None or _inert(output.items))
        and _path(output, "").identity
    )


def _plain(output: Output) -> bool:
    """Whether an entry is the value that its path leads to."""
    return (
        output.value is UNSET
        and not (output.properties or output.values or output.items)
        and output.type != "array"
        and output.max_length is None
    )


class _Compiler(Struct, frozen=True):
    """Makes the functions that read entries.

    ``consumed`` are the paths of the consumed outputs, by name; empty inside ``items``.
    """

    consumed: Mapping[str, Path]
    static: Static
    empty_is_absent: bool = False

    def entry(self, output: Output, name: str = "") -> _Read:
        """Compile one entry; ``name`` is the member that it reads where it has no mapping."""
        if output.value is not UNSET:
            value = self.static(output.value)
            return lambda _scope, _base: value
        if output.properties and output.type != "array":
            return self.object(output, output.properties)
        source = self.source(output, name)
        if output.values:
            return self.map(source, output.values)
        if output.items or output.type == "array":
            return self.array(source, _element(output))
        return source if output.max_length is None else _cut(source, output.max_length)

    def source(self, output: Output, name: str = "") -> _Read:
        """Read the value of an entry, before anything inside it is shaped."""
        path = _path(output, name)
        find, from_base = path.find, self.from_base(path)

        def read(scope: Json, base: Json) -> Json | Missing:
            if scope is base:
                return from_base(base)
            value = find(scope)
            return from_base(base) if value is MISSING else value

        return read

    def from_base(self, path: Path) -> Callable[[Json], Json | Missing]:
        """Read a path from the response, or from the consumed output that it names."""
        start, name = self.consumed.get(path.first or ""), path.first
        if start is None or name is None:
            return path.find
        find, consumed = path.find, start.find

        def read(base: Json) -> Json | Missing:
            if isinstance(base, dict) and name in base:
                return find(base)
            value = consumed(base)
            return find(base) if value is MISSING else find({name: value})

        return read

    def object(self, output: Output, properties: Mapping[str, Output]) -> _Read:
        """Read an object from where its mapping leads."""
        fields = self.fields(properties)
        if not _mapping(output):
            return fields
        source = self.source(output)

        def read(scope: Json, base: Json) -> Json:
            inner = source(scope, base)
            if inner is None:  # it is there and empty: nothing of it is anywhere else
                return fields(None, None)
            return fields(scope if inner is MISSING else inner, base)

        return read

    def fields(self, properties: Mapping[str, Output]) -> Callable[[Json, Json], Json]:
        """Read all properties of an object."""
        reads = [(name, self.entry(output, name)) for name, output in properties.items()]
        shapes = [(name, self.shape(properties[name], name, read)) for name, read in reads]

        def read(scope: Json, base: Json) -> Json:
            if scope is base:  # as in every element of an array
                return {name: shape(scope) for name, shape in shapes}
            return {
                name: None if (value := field(scope, base)) is MISSING else value
                for name, field in reads
            }

        return read

    def shape(self, output: Output, name: str, read: _Read) -> Shape:
        """Make of an entry's function the one for where paths start and fall back to one value."""
        path = _path(output, name)
        if _plain(output) and path.first not in self.consumed:
            return path.evaluate

        def shape(value: Json) -> Json:
            found = read(value, value)
            return None if found is MISSING else found

        return shape

    def map(self, source: _Read, values: Output) -> _Read:
        """Read an object whose names are those of the response."""
        shape = self.element(values)

        def read(scope: Json, base: Json) -> Json | Missing:
            value = source(scope, base)
            if isinstance(value, dict):
                return {name: shape(item) for name, item in value.items()}
            return MISSING if value is MISSING else None

        return read

    def array(self, source: _Read, items: Output | None) -> _Read:
        """Read an array."""
        shape = None if items is None or _inert(items) else self.element(items)
        empty_is_absent = self.empty_is_absent

        def read(scope: Json, base: Json) -> Json | Missing:
            value = source(scope, base)
            if value is MISSING and empty_is_absent:
                return []
            if value is None or value is MISSING:
                return value
            elements: list[Json] = value if isinstance(value, list) else [value]
            return elements if shape is None else [shape(element) for element in elements]

        return read

    def element(self, items: Output) -> Shape:
        """Shape a value on its own: paths start and fall back there."""
        alone = replace(self, consumed={})
        return alone.shape(items, "", alone.entry(items))


def _path(output: Output, name: str) -> Path:
    """The path of an entry; ``name`` is the member that it reads where it has no mapping."""
    return compile_path(_mapping(output) or (f"$[{json.dumps(name)}]" if name else "$"))


def _element(output: Output) -> Output | None:
    """Say what the elements of an array are: also ``properties`` written without ``items``."""
    if output.items or not output.properties:
        return output.items
    return replace(output, name=None, type="object", mapping=None)


def _cut(source: _Read, length: int) -> _Read:
    def read(scope: Json, base: Json) -> Json | Missing:
        value = source(scope, base)
        return value[:length] if isinstance(value, str) else value

    return read


# -------------------------------------------------------------------------------------- schema


def schema_of(outputs: Sequence[Output]) -> dict[str, Json] | None:
    """The JSON Schema (2020-12) of the results, None where it is not known that one is an object.

    It says only what is certain: names and nesting. Declared types are not in it, since a value
    keeps the type that the upstream gave it.
    """
    if len(outputs) > 1 and all(output.name for output in outputs):
        return _object_schema({output.name or "": output for output in outputs})
    if len(outputs) == 1 and outputs[0].value is UNSET and outputs[0].type != "array":
        properties = outputs[0].properties
        return _object_schema(properties) if properties else None
    return None


def _object_schema(properties: Mapping[str, Output]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {name: _schema(output) for name, output in properties.items()},
        "required": list(properties),
    }


def _schema(output: Output) -> dict[str, Json]:
    if output.value is not UNSET:
        return {}
    if output.properties and output.type != "array":
        return _object_schema(output.properties)
    if output.values:
        return {"type": ["object", "null"], "additionalProperties": _schema(output.values)}
    if output.items or output.type == "array":
        items = _element(output)
        return {"type": ["array", "null"], "items": _schema(items) if items else {}}
    return {} if output.max_length is None else {"maxLength": output.max_length}


def project(outputs: Sequence[Output]) -> Shape | None:
    """Compile the ``outputParameters`` of a consumed operation, as steps apply them.

    An object becomes one of the declared names; the elements of an array keep theirs and gain
    these. None where nothing is declared, or where only the response itself is. A malformed path
    leads nowhere.
    """
    named = {o.name: _attempt(o) for o in outputs if o.name and _mapping(o)}
    paths_of = {name: path for name, path in named.items() if isinstance(path, Path)}
    if not paths_of or all(path.identity for path in paths_of.values()):
        return None

    def projected(root: Json) -> Json:
        if isinstance(root, list):
            return [{**e, **_read(e)} if isinstance(e, dict) else e for e in root]
        return _read(root) if isinstance(root, dict) else root

    def _read(node: Json) -> dict[str, Json]:
        return {name: path(node) for name, path in paths_of.items()}

    return projected
