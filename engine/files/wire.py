"""The part of the protocol-buffers wire format that network files use.

A message is a sequence of fields, each a varint of (number << 3 | wire type) followed by a value:

    0 varint            seven bits a byte, lowest first, the top bit says that more follow
    1 fixed64, 5 fixed32   little-endian
    2 bytes             a varint length and that many bytes: text, tensors, nested messages

A `Schema` gives the meaning of each number; fields that it lacks are skipped. A parsed message is a
dict by field name. A size that a file claims allocates nothing: `bytes` values are views of the
data. https://protobuf.dev/programming-guides/encoding
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import NetFileError

MAX_FIELDS = 100_000  # fields of all messages in a file; a tower of 40 blocks has 3,000
MAX_VARINT_BYTES = 10  # bytes that a 64-bit varint needs

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5


class Field(NamedTuple):
    """A known field: `kind` is "uint", "float", "fixed32", "text", "bytes" or a nested message's
    Schema.
    """

    name: str
    kind: str | Mapping[int, Any]
    repeated: bool = False


Schema = Mapping[int, Field]  # by field number
Message = dict[str, Any]  # by field name; a list where the field is repeated


def fields(first: int = 1, /, **kinds: Any) -> dict[int, Field]:
    """Return fields by their numbers, which count from `first`; a list holds the kind of a repeated
    one.
    """
    numbered = dict[int, Field]()
    for number, (name, kind) in enumerate(kinds.items(), first):
        if isinstance(kind, list):
            numbered[number] = Field(name, kind[0], repeated=True)
        else:
            numbered[number] = Field(name, kind)
    return numbered


_WIRE_TYPES = {"uint": VARINT, "float": FIXED32, "fixed32": FIXED32, "text": BYTES, "bytes": BYTES}
_FIXED = {"float": "<f", "fixed32": "<I"}


def parse(path: str | Path, data: memoryview, schema: Schema) -> Message:
    """Return the fields of a message that `schema` knows. Raises NetFileError, naming `path`, if it
    is malformed.
    """
    return _Parser(path).message(data, schema)


class _Parser:
    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.left = MAX_FIELDS

    def message(self, data: memoryview, schema: Schema) -> Message:
        message: Message = {}
        for number, wire_type, raw in self._fields(data):
            field = schema.get(number)
            if field is None:
                continue
            value = self._value(field, wire_type, raw)
            if field.repeated:
                message.setdefault(field.name, []).append(value)
            elif field.name in message:
                raise NetFileError(self.path, f"one {field.name!r} in its message", "two")
            else:
                message[field.name] = value
        return message

    def _fields(self, data: memoryview) -> Iterator[tuple[int, int, Any]]:
        """Yield (number, wire type, value) of every field; the value of a varint is an int, else a
        bytes view.
        """
        at = 0
        while at < len(data):
            self.left -= 1
            if self.left < 0:
                raise NetFileError(self.path, f"at most {MAX_FIELDS} fields", "more")
            tag, at = self._varint(data, at)
            number, wire_type = tag >> 3, tag & 7
            if wire_type == VARINT:
                value, at = self._varint(data, at)
                yield number, wire_type, value
                continue
            if wire_type == BYTES:
                length, at = self._varint(data, at)
            elif wire_type == FIXED32:
                length = 4
            elif wire_type == FIXED64:
                length = 8
            else:
                raise NetFileError(
                    self.path, "wire type 0, 1, 2 or 5", f"{wire_type} in field {number}"
                )
            if length > len(data) - at:
                raise NetFileError(
                    self.path, f"{length} bytes in field {number}", f"{len(data) - at} bytes"
                )
            yield number, wire_type, data[at : at + length]
            at += length

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        """Read the varint at `at`; returns (value, offset after it)."""
        value = 0
        for number, byte in enumerate(data[at : at + MAX_VARINT_BYTES]):
            value |= (byte & 0x7F) << 7 * number
            if byte < 0x80:
                if value >= 1 << 64:
                    break
                return value, at + number + 1
        raise NetFileError(
            self.path, "a number of at most 64 bits", f"none at byte {at} of {len(data)}"
        )

    def _value(self, field: Field, wire_type: int, raw: Any) -> Any:
        expected = BYTES
        if isinstance(field.kind, str):
            expected = _WIRE_TYPES[field.kind]
        if wire_type != expected:
            raise NetFileError(self.path, f"wire type {expected} of {field.name!r}", str(wire_type))
        if not isinstance(field.kind, str):
            return self.message(raw, field.kind)
        if field.kind == "text":
            return bytes(raw).decode("utf-8", errors="replace")
        if field.kind in _FIXED:
            return struct.unpack(_FIXED[field.kind], raw)[0]
        return raw


def encode(message: Mapping[str, Any], schema: Schema) -> bytes:
    """Return the bytes of a message, as `parse` reads it, with fields in the order of their
    numbers.
    """
    parts = []
    for number, field in sorted(schema.items()):
        if field.name not in message:
            continue
        values = message[field.name]
        if not field.repeated:
            values = [values]
        for value in values:
            parts += _encoded_field(number, field.kind, value)
    return b"".join(parts)


def _encoded_field(number: int, kind: str | Schema, value: Any) -> list[bytes]:
    if not isinstance(kind, str):
        value = encode(value, kind)
        kind = "bytes"
    tag = _encoded_varint(number << 3 | _WIRE_TYPES[kind])
    if kind == "uint":
        return [tag, _encoded_varint(value)]
    if kind in _FIXED:
        return [tag, struct.pack(_FIXED[kind], value)]
    if kind == "text":
        value = value.encode(errors="replace")
    return [tag, _encoded_varint(len(value)), value]


def _encoded_varint(value: int) -> bytes:
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)
