"""Avro as JSON: one datum in the binary encoding, by the schema (``.avsc``) of ``outputSchema``.

Numbers, texts, arrays and maps are themselves, a record is an object, a symbol of an enum its name,
and the value of a union the value alone. Bytes are Base64, a decimal is its digits as text, a UUID
its text, NaN and infinities their names; times and dates are the numbers that Avro keeps.

Written here rather than taken from a library: schemas may be recursive, so the depth of a datum is
up to the upstream, and fastavro's compiled reader has no limit on it: 10 KB end the process.
"""

import base64
import decimal
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from naftiko_run.consumes.formats.binary_reader import Budget, Bytes
from naftiko_run.consumes.formats.limits import FormatError
from naftiko_run.mapping.json_codec import loads
from naftiko_run.types import Json, Reply

_Read = Callable[[Bytes], Json]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*").fullmatch
_MOST_SCHEMA_LEVELS: Final = 100


class Datum:
    """Reads data by a schema."""

    def __init__(self, schema: str) -> None:
        """Compile the schema; raises :class:`FormatError` where it is none."""
        try:
            parsed = loads(schema.encode("utf-8", "surrogatepass"))
        except ValueError as error:
            _refuse(str(error))
        self._read = _Compiler().compile(parsed, "")

    def __call__(self, reply: Reply) -> Json:
        """Decode a reply."""
        data = Bytes(reply.body, Budget("Avro"))
        value = self._read(data)
        if data.at != data.end:
            raise data.bad("the datum ends before the reply does, so another schema wrote it,")
        return value


def _refuse(why: str) -> NoReturn:
    raise FormatError(
        f"outputSchema is no Avro schema: {why}", "mend the .avsc file", "outputSchema"
    )


# ----------------------------------------------------------------------------------- primitives


def _null(_: Bytes) -> Json:
    return None


def _boolean(data: Bytes) -> Json:
    byte = data.take(1)
    if byte not in (b"\0", b"\1"):
        raise data.bad("a boolean is neither 0 nor 1")
    return byte == b"\1"


def _bytes(data: Bytes) -> bytes:
    return data.take(data.zigzag())


def _string(data: Bytes) -> str:
    return data.text(_bytes(data))


def _base64(data: Bytes) -> Json:
    return base64.b64encode(_bytes(data)).decode()


_PRIMITIVES: Final[Mapping[str, _Read]] = {
    "null": _null,
    "boolean": _boolean,
    "int": Bytes.zigzag,
    "long": Bytes.zigzag,
    "float": Bytes.single,
    "double": Bytes.double,
    "bytes": _base64,
    "string": _string,
}

# --------------------------------------------------------------------------------------- schemas


class _Compiler:
    """From a schema to the function that reads its data. A name may stand in what it defines."""

    def __init__(self) -> None:
        self._named: dict[str, _Read | None] = {}
        self._levels = 0

    def compile(self, schema: Json, namespace: str) -> _Read:
        self._levels += 1
        if self._levels > _MOST_SCHEMA_LEVELS:
            _refuse(f"it is nested more than {_MOST_SCHEMA_LEVELS} levels deep")
        try:
            if isinstance(schema, str):
                return self._reference(schema, namespace)
            if isinstance(schema, list):
                return self._union(schema, namespace)
            if isinstance(schema, dict):
                return self._complex(schema, namespace)
        finally:
            self._levels -= 1
        _refuse("a schema is a name, a list or an object")

    def _reference(self, name: str, namespace: str) -> _Read:
        if name in _PRIMITIVES:
            return _PRIMITIVES[name]
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        key = full if full in self._named else name
        if key not in self._named:
            _refuse(f"no type {name!r} is defined before it is used")
        known = self._named[key]
        if known is not None:
            return known
        named = self._named

        def recursive(data: Bytes) -> Json:
            read = named[key]
            assert read is not None  # noqa: S101 - it is set where its definition ends
            return read(data)

        return recursive

    def _union(self, branches: list[Json], namespace: str) -> _Read:
        reads = [self.compile(branch, namespace) for branch in branches]

        def union(data: Bytes) -> Json:
            index = data.zigzag()
            if not 0 <= index < len(reads):
                raise data.bad("a union names a branch that it does not have")
            return reads[index](data)

        return union

    def _complex(self, schema: dict[str, Json], namespace: str) -> _Read:
        kind = schema.get("type")
        match kind:
            case "record" | "error":
                return self._record(schema, namespace)
            case "enum":
                return self._define(schema, namespace, lambda _: _enum(schema))
            case "fixed":
                return self._define(schema, namespace, lambda _: _fixed(schema))
            case "array":
                return _array(self.compile(schema.get("items"), namespace))
            case "map":
                return _map(self.compile(schema.get("values"), namespace))
            case "bytes" if schema.get("logicalType") == "decimal":
                return _decimal(_bytes, schema)
            case _:
                return self.compile(kind, namespace)

    def _record(self, schema: dict[str, Json], namespace: str) -> _Read:
        fields = schema.get("fields")
        if not isinstance(fields, list):
            _refuse("a record has no list of fields")

        def make(inner: str) -> _Read:
            reads: dict[str, _Read] = {}
            for field in fields:
                if not isinstance(field, dict) or not isinstance(field.get("name"), str):
                    _refuse("a field of a record has no name")
                reads[str(field["name"])] = self.compile(field.get("type"), inner)
            return _object(tuple(reads.items()))

        return self._define(schema, namespace, make)

    def _define(
        self, schema: dict[str, Json], namespace: str, make: Callable[[str], _Read]
    ) -> _Read:
        name = schema.get("name")
        if not isinstance(name, str) or not _NAME(name):
            _refuse("a record, enum or fixed has no proper name")
        written = schema.get("namespace")
        if "." not in name:
            space = written if isinstance(written, str) else namespace
            name = f"{space}.{name}" if space else name
        if name in self._named:
            _refuse(f"the type {name!r} is defined twice")
        self._named[name] = None
        read = self._named[name] = make(name.rpartition(".")[0])
        return read


def _object(reads: tuple[tuple[str, _Read], ...]) -> _Read:
    count = len(reads) + 1

    def read(data: Bytes) -> Json:
        budget = data.budget
        budget.spend(count)
        budget.enter()
        value: dict[str, Json] = {name: read(data) for name, read in reads}
        budget.leave()
        return value

    return read


def _block(data: Bytes) -> int:
    """Read how many items follow; each counts, also one that takes no bytes."""
    count = data.zigzag()
    if count < 0:
        count = -count
        data.zigzag()  # how many bytes they take
    data.budget.spend(count)
    return count


def _array(item: _Read) -> _Read:
    def read(data: Bytes) -> Json:
        data.budget.enter()
        items: list[Json] = []
        while count := _block(data):
            items += [item(data) for _ in range(count)]
        data.budget.leave()
        return items

    return read


def _map(value: _Read) -> _Read:
    def read(data: Bytes) -> Json:
        data.budget.enter()
        items: dict[str, Json] = {}
        while count := _block(data):
            for _ in range(count):
                key = _string(data)
                items[key] = value(data)
        data.budget.leave()
        return items

    return read


def _enum(schema: dict[str, Json]) -> _Read:
    symbols = schema.get("symbols")
    if not isinstance(symbols, list) or not symbols:
        _refuse("an enum has no symbols")

    def read(data: Bytes) -> Json:
        index = data.zigzag()
        if not 0 <= index < len(symbols):
            raise data.bad("an enum names a symbol that it does not have")
        return symbols[index]

    return read


def _fixed(schema: dict[str, Json]) -> _Read:
    size = schema.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        _refuse("a fixed has no size")

    def raw(data: Bytes) -> bytes:
        return data.take(size)

    if schema.get("logicalType") == "decimal":
        return _decimal(raw, schema)
    if schema.get("logicalType") == "uuid" and size == 16:
        return lambda data: str(uuid.UUID(bytes=raw(data)))
    return lambda data: base64.b64encode(raw(data)).decode()


def _decimal(raw: Callable[[Bytes], bytes], schema: dict[str, Json]) -> _Read:
    scale = schema.get("scale", 0)
    if not isinstance(scale, int) or isinstance(scale, bool) or not 0 <= scale <= 1000:
        _refuse("the scale of a decimal is no number up to 1000")

    def read(data: Bytes) -> Json:
        digits = raw(data)
        if len(digits) > 1000:
            raise data.bad("a decimal has too many digits")
        number = int.from_bytes(digits, "big", signed=True)
        sign, digit_tuple, _ = decimal.Decimal(number).as_tuple()
        return format(decimal.Decimal((sign, digit_tuple, -scale)), "f")

    return read
