"""Splits a line of EPD, or of FEN, into its position and its operations. Nothing is interpreted
here.

    placement side castling en-passant [halfmove fullmove] [opcode operand ...;] ...

Fields and operations are separated by any white space, and a semicolon may follow a field at once.
Operations end at a semicolon outside quotes or at the end of the line. A quote that is never closed
is an ordinary character.
"""

import re
from collections.abc import Iterator

from engine.files.text import bare_position

# The hyphen of "no castling", and what word processors make of it.
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"
OPCODE = re.compile(
    r"(?:bm|am|dm|pm|sm|pv|id|ce|rc|ac[dns]|[cv][0-9]|hmvc|fmvn|eco|nic|noop)(?=\s|$)"
)
_START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_LINE_END = re.compile(r"\r\n?|\n")
_COMMENTS = ("#", "%", ";", "//")  # what begins a line without a position


def _field_unless(next_words: str) -> re.Pattern[str]:
    """Return the form of a field, or of nothing where one of these words stands in its place."""
    return re.compile(rf"[\s_]*(?:(?=(?:{next_words})(?:[\s_;]|$))|([^\s_;]+))")


_FIELD = re.compile(r"[\s_]*([^\s_;]+)")
# After the side, a count or `moves` may follow at once: then the castling field is missing.
_CASTLING = _field_unless("[0-9]+|moves")
# An opcode may, too, but c4 and d3 are squares before they are opcodes.
_EN_PASSANT = _field_unless(f"[0-9]+|moves|(?![a-h][36]){OPCODE.pattern}")
# A count is no part of a word, of a fraction or of a decimal number.
_CLOCK = re.compile(rf"[\s_]*([+-]?[0-9]+|[{DASHES}])(?![^\W_]|[/+-]|[.,]\d)")
# A quote inside has a backslash, which other strings end with. The bound keeps hostile lines short.
_STRING = r'"(?:\\.|[^"\\]){0,999}"(?=[\s;,]|$)|"[^"]*"'
_SINGLE_STRING = re.compile(r'"((?:\\.|[^"\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')
_OPERATION = re.compile(rf"((?:{_STRING}|[^;])+)")  # text up to a semicolon outside quotes


def position_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line of a file of positions that is not blank
    or a comment.
    """
    for number, line in enumerate(_LINE_END.split(text.replace("\0", "")), 1):
        if (line := line.strip()) and not line.startswith(_COMMENTS):
            yield number, line


def split_epd(line: str) -> tuple[list[str], str]:
    """Return the position's fields, six at most, and the text of the operations.

    Clocks are numbers or dashes, or missing, as castling and en passant may be. What stands around
    a position where people copy it is none of it (`bare_position`). `startpos` is the start
    position.
    """
    line = bare_position(line) or line
    if line.startswith("startpos"):
        line = line.replace("startpos", _START, 1)
    fields = list[str]()
    end = 0
    for pattern in (_FIELD, _FIELD, _CASTLING, _EN_PASSANT, _CLOCK, _CLOCK):
        if (match := pattern.match(line, end)) is None:
            break
        fields.append(match[1] or "-")
        end = match.end()
    return fields, line[end:].strip()


def read_operations(text: str) -> dict[str, str]:
    """Return operands by opcode, "" for none; those of a repeated opcode are joined.

    A single string loses its quotes, and the backslashes before quotes and backslashes inside.
    """
    operands: dict[str, list[str]] = {}
    for match in _OPERATION.finditer(text):
        opcode, operand = [*match[1].split(None, 1), "", ""][:2]
        if opcode:
            operands.setdefault(opcode, []).append(_unquoted(operand.strip()))
    return {opcode: " ".join(texts) for opcode, texts in operands.items()}


def _unquoted(operand: str) -> str:
    """Return an operand without the quotes of a single string, or without stray ones around it."""
    string = _SINGLE_STRING.fullmatch(operand)
    if string is None:
        return operand.strip('"').strip()
    return _ESCAPED.sub(r"\1", string[1]).strip()
