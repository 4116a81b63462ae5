"""The protocol-buffers wire format against bytes written by hand."""

import pytest

from engine.errors import NetFileError
from engine.files.wire import MAX_FIELDS, Field, encode, parse

INNER = {1: Field("number", "uint")}
OUTER = {
    1: Field("magic", "fixed32"), 2: Field("name", "text"), 3: Field("inner", INNER),
    4: Field("many", INNER, repeated=True), 5: Field("ratio", "float"), 6: Field("data", "bytes"),
    16: Field("far", "uint"),
}  # fmt: skip
MESSAGE = {
    "magic": 0x1C0, "name": "né", "inner": {"number": 300}, "many": [{"number": 1}, {}], "ratio": -0.5,
    "data": b"\x00\xff", "far": 2**64 - 1,
}  # fmt: skip
BYTES = (
    b"\x0d\xc0\x01\x00\x00"  # field 1, fixed32
    b"\x12\x03n\xc3\xa9"
    b"\x1a\x03\x08\xac\x02"  # 300 = 0b10_0101100
    b"\x22\x02\x08\x01\x22\x00"
    b"\x2d\x00\x00\x00\xbf"
    b"\x32\x02\x00\xff"
    b"\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
)


def read(data, schema=OUTER):
    return parse("file.pb", memoryview(data), schema)


def test_a_message_has_the_bytes_of_the_format():
    assert encode(MESSAGE, OUTER) == BYTES
    message = read(BYTES)
    message["data"] = bytes(message["data"])
    assert message == MESSAGE


def test_unknown_fields_are_skipped():
    # field 7 of all four kinds
    unknown = b"\x38\x05" + b"\x39" + bytes(8) + b"\x3a\x02hi" + b"\x3d" + bytes(4)
    assert read(b"\x80\x01\x07" + unknown + b"\x1a\x02\x08\x05") == {
        "far": 7,
        "inner": {"number": 5},
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80" * 11, "a number of at most 64 bits"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "a number of at most 64 bits"),  # 2^64 and more
        (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "bytes in field 3"),
        (b"\x1a\x05\x08\x01", "5 bytes in field 3, found 2"),
        (b"\x1a\x02\x0a\x7f", "127 bytes in field 1, found 0"),  # a length within a length
        (b"\x0b", "wire type 0, 1, 2 or 5, found 3"),
        (b"\x0d\x00", "4 bytes in field 1, found 1"),
        (b"\x08\x01", "wire type 5 of 'magic', found 0"),
        (b"\x2a\x00", "wire type 5 of 'ratio', found 2"),
        (b"\x1a\x00\x1a\x00", "one 'inner'"),
    ],
)
def test_malformed_messages_are_refused(data, message):
    with pytest.raises(NetFileError, match=message):
        read(data)


def test_the_number_of_fields_is_bounded_through_all_levels():
    assert len(read(b"\x22\x00" * 1000)["many"]) == 1000
    with pytest.raises(NetFileError, match="at most"):
        read(b"\x22\x00" * (MAX_FIELDS + 1))
    with pytest.raises(NetFileError, match="at most"):
        # few on every level, many together
        read((b"\x22\x0a" + b"\x10\x01" * 5) * (MAX_FIELDS // 6 + 1))
