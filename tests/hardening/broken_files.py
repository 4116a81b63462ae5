"""What is fuzzed, and how Hypothesis breaks it: as bad disks, transfers, other programs and
attackers break files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

LONGEST_INPUT = 1 << 18  # bytes
NUMBERS = [
    *(value % (1 << 8 * width) for value in (0, 1, -1, -2) for width in (1, 2, 4, 8)),
    *(1 << 8 * width - 1 for width in (1, 2, 4, 8)),
]
BINARY_NUMBERS = [number.to_bytes(width, order) for number in set(NUMBERS) for width in (1, 2, 4, 8)
                  for order in ("little", "big") if number < 1 << 8 * width]  # fmt: skip
TEXT_NUMBERS = [
    b"0", b"-1", b"1e400", b"-1e400", b"nan", b"inf", b"4294967296", b"9223372036854775808", b"-9223372036854775809",
    b"18446744073709551616", b"340282366920938463463374607431768211456", b"0.0000000000000000000000001", b"1e-400",
    b"00000000000000007", b"0x7fffffff", b"1_000", b"9" * 400, b"9" * 5000, "²".encode(), "٣".encode(),
]  # fmt: skip
ODD_LETTERS = "\0\t\r\n aZ7\"'é²٣♔名\x85\ufeff\u2028\U0001f600"


@dataclass(frozen=True)
class Target:
    """A format and its readers.

    Attributes: samples: good inputs, before they are sealed. read: reads a file to the end, as the
        program would use it; an AinoError refuses it. words: pieces of the format that are put into
        inputs. seal: packs what was broken and puts its checksums right, so that a reader looks
        further than at these.
    """

    name: str
    suffix: str
    samples: tuple[bytes, ...]
    read: Callable[[Path], object]
    words: tuple[bytes, ...] = ()
    seal: Callable[[bytes], bytes] = lambda inside: inside


@st.composite
def broken(draw, target):
    """A good sample of which one to six slices give way to something else, inside or as it lies on
    the disk.
    """
    words = [*target.words, *TEXT_NUMBERS, *BINARY_NUMBERS]
    seal_last = draw(st.booleans())
    samples = target.samples if seal_last else tuple(map(target.seal, target.samples))
    data = bytearray(draw(st.sampled_from([*samples, b""])))
    for _ in range(draw(st.integers(1, 6))):
        data[_slice(draw, data)] = _piece(draw, data, samples, words)
    broken = bytes(data[:LONGEST_INPUT])
    return target.seal(broken) if seal_last else broken


def _slice(draw, data):
    """Anywhere, often near the front, where headers are; of no byte, a number, a field, or all that
    follows.
    """
    first = draw(st.integers(0, len(data)) | st.integers(0, min(len(data), 64)))
    return slice(first, first + draw(st.sampled_from((0, 1, 2, 4, 8, 40, 300, LONGEST_INPUT))))


def _piece(draw, data, samples, words):
    """A word, a number, nothing, anything, or a piece of a good file; now and then by the ten
    thousand.

    Those nest deeply, never end, or make bad expressions backtrack.
    """
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(st.binary(max_size=60) | st.text(ODD_LETTERS, max_size=60).map(str.encode))
    if kind == 1:
        sample = draw(st.sampled_from(samples))
        return sample[_slice(draw, sample)]
    if kind == 2:
        return bytes(data[_slice(draw, data)]) * draw(st.integers(0, 8))
    piece = draw(st.sampled_from(words))
    return piece * draw(st.sampled_from((1,) * 40 + (30, 1000, 1 + 40_000 // len(piece))))
