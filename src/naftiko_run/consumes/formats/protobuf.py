"""Protobuf as JSON: one message, by the schema (``.proto``) of ``outputSchema``.

The message is the first one of the file. Names are those of the schema; integers are numbers,
whatever their size; symbols of an enum are names, and unknown ones numbers; bytes are Base64, NaN
and infinities their names. A field without presence in proto3 always has a value, lists and maps
too: the wire leaves out zeros, and a mapping that asks for a count should find 0. Other fields that
were not sent are absent. The well-known types are as in Protobuf's own JSON: a Timestamp is a time
(RFC 3339), a Duration seconds, a wrapper its value.

Written here rather than taken from a library: the official one needs a compiler for ``.proto``, and
its JSON writes 64-bit integers as texts.
"""

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

from naftiko_run.consumes.formats import proto_schema
from naftiko_run.consumes.formats.binary_reader import Budget, Bytes
from naftiko_run.consumes.formats.proto_schema import Field
from naftiko_run.types import Json, Reply

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


class Message:
    """Reads messages by a schema."""

    def __init__(self, schema: str) -> None:
        """Parse the schema; raises ``FormatError`` where it is none."""
        self._schema = proto_schema.parse(schema)

    def __call__(self, reply: Reply) -> Json:
        """Decode a reply."""
        return self._message(self._schema.first, reply.body, Budget("Protobuf"))

    def _message(self, name: str, body: bytes, budget: Budget) -> Json:
        budget.enter()
        fields = self._schema.messages[name].fields
        found = self._collect(fields, Bytes(body, budget))
        budget.spend(len(fields) + 1)
        value: dict[str, Json] = {}
        for number, field in fields.items():
            if number in found:
                value[field.name] = found[number]
            elif field.repeated:
                value[field.name] = {} if field.key else []
            elif not field.presence:
                value[field.name] = self._zero(field.type)
        budget.leave()
        known = _WELL_KNOWN.get(name)
        return known(value) if known else value

    def _collect(self, fields: Mapping[int, Field], data: Bytes) -> dict[int, Json]:
        """Read what was sent, by field number."""
        found: dict[int, Json] = {}
        parts: dict[int, list[bytes]] = {}
        while data.at < data.end:
            tag = data.varint()
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 2**29:
                raise data.bad("a field has no number")
            field = fields.get(number)
            if field is None:
                _skip(data, number, wire)
            elif field.key:
                items = found.setdefault(number, {})
                assert isinstance(items, dict)  # noqa: S101 - made here
                self._entry(field, _piece(data, wire), data.budget, items)
            elif field.repeated:
                items = found.setdefault(number, [])
                assert isinstance(items, list)  # noqa: S101 - made here
                self._repeated(field.type, wire, data, items)
            elif field.type in self._schema.messages:
                # Parts of one message count as one: the wire format merges what is sent twice.
                data.budget.spend()
                parts.setdefault(number, []).append(_piece(data, wire))
            else:
                found[number] = self._scalar(field.type, wire, data)
        for number, pieces in parts.items():
            found[number] = self._message(fields[number].type, b"".join(pieces), data.budget)
        return found

    def _repeated(self, kind: str, wire: int, data: Bytes, items: list[Json]) -> None:
        if kind in self._schema.messages:
            items.append(self._message(kind, _piece(data, wire), data.budget))
        elif wire == _LENGTH and kind not in ("string", "bytes"):
            packed = Bytes(_piece(data, wire), data.budget)
            wire = _WIRES.get(kind, _VARINT)
            while packed.at < packed.end:
                items.append(self._scalar(kind, wire, packed))
        else:
            items.append(self._scalar(kind, wire, data))

    def _entry(self, field: Field, body: bytes, budget: Budget, items: dict[str, Json]) -> None:
        pair = {1: Field("key", field.key), 2: Field("value", field.type)}
        budget.enter()
        found = self._collect(pair, Bytes(body, budget))
        budget.leave()
        key = found.get(1, self._zero(field.key))
        text = ("true" if key else "false") if isinstance(key, bool) else str(key)
        if 2 in found:
            items[text] = found[2]
        elif field.type in self._schema.messages:
            items[text] = self._message(field.type, b"", budget)
        else:
            items[text] = self._zero(field.type)

    def _scalar(self, kind: str, wire: int, data: Bytes) -> Json:
        data.budget.spend()
        if wire != _WIRES.get(kind, _VARINT):
            raise data.bad("a field is not of the type that the schema says")
        read = _SCALARS.get(kind)
        if read is not None:
            return read(data)
        number = _signed(data.varint(), 32)
        return self._schema.enums[kind].get(number, number)

    def _zero(self, kind: str) -> Json:
        if kind in ("string", "bytes"):
            return ""
        if kind == "bool":
            return False
        if kind in ("float", "double"):
            return 0.0
        return self._schema.enums[kind].get(0, 0) if kind in self._schema.enums else 0


def _piece(data: Bytes, wire: int) -> bytes:
    if wire != _LENGTH:
        raise data.bad("a field is not of the type that the schema says")
    return data.take(data.varint())


def _skip(data: Bytes, number: int, wire: int) -> None:
    """Pass over an unknown field; groups of old end where they began."""
    groups = []
    while True:
        data.budget.spend()
        match wire:
            case 0:
                data.varint()
            case 1:
                data.take(8)
            case 2:
                data.take(data.varint())
            case 3:
                groups.append(number)
            case 4 if groups and groups.pop() == number:
                pass
            case 5:
                data.take(4)
            case _:
                raise data.bad("a field has no type")
        if not groups:
            return
        tag = data.varint()
        number, wire = tag >> 3, tag & 7


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _zigzag(bits: int) -> Callable[[Bytes], Json]:
    def read(data: Bytes) -> Json:
        value = data.varint() & ((1 << bits) - 1)
        return (value >> 1) ^ -(value & 1)

    return read


_SCALARS: Final[Mapping[str, Callable[[Bytes], Json]]] = {
    "int32": lambda data: _signed(data.varint(), 32),
    "int64": lambda data: _signed(data.varint(), 64),
    "uint32": lambda data: data.varint() & 0xFFFF_FFFF,
    "uint64": Bytes.varint,
    "sint32": _zigzag(32),
    "sint64": _zigzag(64),
    "bool": lambda data: data.varint() != 0,
    "fixed32": lambda data: int.from_bytes(data.take(4), "little"),
    "fixed64": lambda data: int.from_bytes(data.take(8), "little"),
    "sfixed32": lambda data: int.from_bytes(data.take(4), "little", signed=True),
    "sfixed64": lambda data: int.from_bytes(data.take(8), "little", signed=True),
    "float": Bytes.single,
    "double": Bytes.double,
    "string": lambda data: data.text(_piece(data, _LENGTH)),
    "bytes": lambda data: base64.b64encode(_piece(data, _LENGTH)).decode(),
}
_WIRES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("fixed32", "sfixed32", "float"), _FOUR),
    **dict.fromkeys(("fixed64", "sfixed64", "double"), _EIGHT),
    **dict.fromkeys(("string", "bytes"), _LENGTH),
}


def _timestamp(value: dict[str, Json]) -> Json:
    seconds, nanos = value["seconds"], value["nanos"]
    assert isinstance(seconds, int)  # noqa: S101 - as the schema of the well-known types says
    assert isinstance(nanos, int)  # noqa: S101 - as above
    if not -62135596800 <= seconds <= 253402300799 or not 0 <= nanos < 10**9:
        return dict(value)
    time = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    return f"{time.year:04}-{time:%m-%dT%H:%M:%S}{_fraction(nanos)}Z"


def _duration(value: dict[str, Json]) -> Json:
    seconds, nanos = value["seconds"], value["nanos"]
    assert isinstance(seconds, int)  # noqa: S101 - as above
    assert isinstance(nanos, int)  # noqa: S101 - as above
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


def _fraction(nanos: int) -> str:
    """Write a fraction of a second with three, six or nine digits."""
    digits = f".{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return digits.removesuffix(".")


_WELL_KNOWN: Final[Mapping[str, Callable[[dict[str, Json]], Json]]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    **{
        f"google.protobuf.{kind}Value": lambda value: value["value"]
        for kind in "Double Float Int64 UInt64 Int32 UInt32 Bool String Bytes".split()
    },
}
