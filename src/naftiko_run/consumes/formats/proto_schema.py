"""The schema language of Protobuf: from the text of a ``.proto`` file to its messages.

Grammar (proto2 and proto3, what a decoder needs of it)::

    file    = { syntax | package | import | option | message | enum | extend | service | ";" }
    message = "message" name "{" { field | map | oneof | message | enum | … } "}"
    field   = [ "optional" | "required" | "repeated" ] type name "=" number [ "[" … "]" ] ";"
    map     = "map" "<" type "," type ">" name "=" number [ "[" … "]" ] ";"
    oneof   = "oneof" name "{" { type name "=" number [ "[" … "]" ] ";" } "}"
    enum    = "enum" name "{" { name "=" number [ "[" … "]" ] ";" } "}"

Options, services, extensions and reserved numbers are passed over. Of what may be imported only
Google's well-known types are known. Groups are refused.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from naftiko_run.consumes.formats.limits import FormatError

SCALARS: Final = frozenset(
    "double float int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool"
    " string bytes".split()
)
_TOKEN = re.compile(
    r"(?P<skip>\s+|//[^\n]*|/\*.*?\*/)"
    r"|(?P<word>\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
    r"|(?P<number>-?(?:0[xX][0-9a-fA-F]+|\d[\w.+-]*|\.\d[\w.+-]*))"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<sign>[{}\[\]()<>=;,:/+-])",
    re.DOTALL,
)
_MOST_LEVELS: Final = 50
_WELL_KNOWN: Final = """
syntax = "proto3";
package google.protobuf;
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message Empty {}
message DoubleValue { double value = 1; }
message FloatValue { float value = 1; }
message Int64Value { int64 value = 1; }
message UInt64Value { uint64 value = 1; }
message Int32Value { int32 value = 1; }
message UInt32Value { uint32 value = 1; }
message BoolValue { bool value = 1; }
message StringValue { string value = 1; }
message BytesValue { bytes value = 1; }
"""
_IMPORTS: Final = frozenset(
    f"google/protobuf/{name}.proto" for name in ("timestamp", "duration", "empty", "wrappers")
)


class SchemaError(Exception):
    """A text that is no schema, or uses what is not supported; the text says why."""


class Field(Struct):
    """A field; ``type`` is a scalar's name, or a full name once it is resolved.

    ``presence`` says that an absent field is absent; otherwise it has its type's zero. ``key`` is
    the type of a map's keys, ``type`` that of its values then.
    """

    name: str
    type: str
    repeated: bool = False
    presence: bool = True
    key: str = ""


class Message(Struct):
    """A message: its fields by number."""

    name: str
    fields: dict[int, Field] = field(default_factory=dict)


class Schema(Struct):
    """All messages and enums by their full names; ``first`` is the message that a reply is."""

    messages: dict[str, Message] = field(default_factory=dict)
    enums: dict[str, dict[int, str]] = field(default_factory=dict)
    first: str = ""


def parse(text: str) -> Schema:
    """Read a schema and resolve the types of its fields.

    Raises:
        FormatError: it is none.

    """
    schema = Schema()
    try:
        if _Parser(text, schema).file():
            _Parser(_WELL_KNOWN, schema).file()
        _resolve(schema)
    except SchemaError as error:
        raise FormatError(
            f"outputSchema is no Protobuf schema: {error}", "mend the .proto file", "outputSchema"
        ) from None
    return schema


def _resolve(schema: Schema) -> None:
    if not schema.first:
        raise SchemaError("it has no message")
    for message in schema.messages.values():
        for each in message.fields.values():
            if each.type not in SCALARS:
                each.type = _full_name(each.type, message.name, schema)
                if each.type in schema.messages and not each.repeated:
                    each.presence = True


def _full_name(name: str, scope: str, schema: Schema) -> str:
    """Look a type up from the innermost message outwards, as C++ does."""
    if name.startswith("."):
        scope, name = "", name[1:]
    while True:
        full = f"{scope}.{name}" if scope else name
        if full in schema.messages or full in schema.enums:
            return full
        if not scope:
            raise SchemaError(f"the type {name!r} is not defined in it")
        scope = scope.rpartition(".")[0]


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise SchemaError(f"line {line}: {text[at]!r} has no meaning here")
        if found.lastgroup != "skip":
            yield found[0], line
        line += found[0].count("\n")
        at = found.end()
    yield "", line


class _Parser:
    """Reads one text into a schema."""

    def __init__(self, text: str, schema: Schema) -> None:
        self._schema = schema
        self._tokens = _tokens(text)
        self._ahead, self._line = next(self._tokens)
        self._implicit = False
        self._package = ""
        self._levels = 0

    def file(self) -> bool:
        """Read all of it, and say whether it imports well-known types."""
        imports = False
        while self._ahead:
            match self._next():
                case "syntax":
                    self._expect("=")
                    self._implicit = self._next().strip("\"'") == "proto3"
                    self._expect(";")
                case "edition":
                    raise SchemaError(f"line {self._line}: editions are not supported")
                case "package":
                    self._package = self._next()
                    self._expect(";")
                case "import":
                    imports |= self._import()
                case "message":
                    self._message(self._package)
                case "enum":
                    self._enum(self._package)
                case ";":
                    pass
                case "option" | "extend" | "service":
                    self._skip()
                case word:
                    raise SchemaError(f"line {self._line}: {word!r} has no meaning here")
        return imports

    def _next(self) -> str:
        word = self._ahead
        if not word:
            raise SchemaError(f"line {self._line}: it ends too early")
        self._ahead, self._line = next(self._tokens)
        return word

    def _expect(self, wanted: str) -> None:
        line = self._line
        if self._next() != wanted:
            raise SchemaError(f"line {line}: {wanted!r} is missing")

    def _import(self) -> bool:
        target = self._next()
        if target in ("public", "weak"):
            target = self._next()
        target = target.strip("\"'")
        if target not in _IMPORTS:
            raise SchemaError(f"it imports {target!r}: write all messages into one file")
        self._expect(";")
        return True

    def _skip(self) -> None:
        """Pass over a statement: up to its semicolon, or to the end of its block."""
        depth = 0
        while True:
            sign = self._next()
            if sign in ("{", "["):
                depth += 1
            elif sign in ("}", "]"):
                depth -= 1
                if depth == 0 and sign == "}":
                    return
            elif sign == ";" and depth == 0:
                return

    def _message(self, scope: str) -> None:
        self._levels += 1
        if self._levels > _MOST_LEVELS:
            raise SchemaError("its messages are nested too deeply")
        message = Message(self._name(scope))
        self._schema.first = self._schema.first or message.name
        self._schema.messages[message.name] = message
        self._expect("{")
        while (word := self._next()) != "}":
            match word:
                case "message":
                    self._message(message.name)
                case "enum":
                    self._enum(message.name)
                case "oneof":
                    self._oneof(message)
                case "option" | "reserved" | "extensions" | "extend":
                    self._skip()
                case ";":
                    pass
                case "map" if self._ahead == "<":
                    self._map(message)
                case "optional" | "required" | "repeated":
                    self._field(message, self._next(), label=word)
                case _:
                    self._field(message, word)
        self._levels -= 1

    def _name(self, scope: str) -> str:
        name = f"{scope}.{self._next()}" if scope else self._next()
        if name in self._schema.messages or name in self._schema.enums:
            raise SchemaError(f"line {self._line}: {name!r} is defined twice")
        return name

    def _oneof(self, message: Message) -> None:
        self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "option":
                self._skip()
            elif word != ";":
                self._field(message, word, label="optional")

    def _map(self, message: Message) -> None:
        self._expect("<")
        key = self._next()
        if key not in SCALARS - {"float", "double", "bytes"}:
            raise SchemaError(f"line {self._line}: the keys of a map cannot be {key!r}")
        self._expect(",")
        value = self._next()
        self._expect(">")
        self._numbered(message, Field(self._next(), value, repeated=True, key=key))

    def _field(self, message: Message, kind: str, label: str = "") -> None:
        if kind == "group":
            raise SchemaError(f"line {self._line}: groups are not supported")
        presence = bool(label) or not self._implicit
        self._numbered(
            message, Field(self._next(), kind, repeated=label == "repeated", presence=presence)
        )

    def _numbered(self, message: Message, made: Field) -> None:
        self._expect("=")
        number = self._number()
        if number in message.fields or number < 1:
            raise SchemaError(f"line {self._line}: the number {number} cannot be used again")
        message.fields[number] = made
        self._end()

    def _number(self) -> int:
        line, token = self._line, self._next()
        try:
            return int(token, 0) if len(token) < 20 else int("")
        except ValueError:
            raise SchemaError(f"line {line}: {token[:20]!r} is no number") from None

    def _end(self) -> None:
        """Pass over a field's options, up to its semicolon."""
        if self._ahead not in (";", "["):
            raise SchemaError(f"line {self._line}: ';' is missing")
        self._skip()

    def _enum(self, scope: str) -> None:
        names = self._schema.enums[self._name(scope)] = {}
        self._expect("{")
        while (word := self._next()) != "}":
            if word in ("option", "reserved"):
                self._skip()
            elif word != ";":
                self._expect("=")
                names.setdefault(self._number(), word)
                self._end()
