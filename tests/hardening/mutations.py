"""Broken inputs made from good ones: what bad disks, bad transfers, other programs and attackers do to a file."""

import random
import re
from collections.abc import Callable, Sequence

LONGEST_INPUT = 1 << 18  # bytes
MOST_MUTATIONS = 6  # of one input
LONG_RUN_SHARE = 0.02  # of the mutations: something repeated by the ten thousand

NUMBERS = re.compile(rb"-?\d+(\.\d+)?([eE][+-]?\d+)?")
ABSURD_NUMBERS = (
    b"0", b"-1", b"1e400", b"-1e400", b"nan", b"inf", b"4294967296", b"9223372036854775808", b"-9223372036854775809",
    b"18446744073709551616", b"340282366920938463463374607431768211456", b"0.0000000000000000000000001", b"1e-400",
    b"00000000000000007", b"0x7fffffff", b"1_000", b"9" * 400, b"9" * 5000, "²".encode(), "٣".encode(),
)  # fmt: skip
WIDTHS = (1, 2, 4, 8)  # bytes of a binary number

Mutation = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def mutated(rng: random.Random, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One of the samples with a few mutations; `words` are what the format's own texts are made of."""
    data = bytearray(rng.choice(samples))
    for _ in range(min(MOST_MUTATIONS, 1 + int(rng.expovariate(1.0)))):
        mutation = _long_run if rng.random() < LONG_RUN_SHARE else rng.choice(_MUTATIONS)
        mutation(rng, data, samples, words)
    return bytes(data[:LONGEST_INPUT])


def noise(rng: random.Random, words: Sequence[bytes]) -> bytes:
    """Bytes, text or words that belong to no sample."""
    kind = rng.randrange(3)
    if kind == 0:
        return rng.randbytes(rng.randrange(200))
    if kind == 1:
        return "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x2000)))) for _ in range(80)).encode()
    return b" ".join(rng.choice(words or ABSURD_NUMBERS) for _ in range(rng.randrange(1, 40)))


def _place(rng: random.Random, data: bytearray) -> int:
    """Anywhere; half of the time near the front, where headers are."""
    return rng.randrange(min(len(data), 64) + 1) if rng.randrange(2) else rng.randrange(len(data) + 1)


def _slice(rng: random.Random, data: bytearray) -> slice:
    first = _place(rng, data)
    return slice(first, first + int(2 ** rng.uniform(0, 10)))


def _flip_bits(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    for _ in range(rng.randint(1, 8) if data else 0):
        data[min(_place(rng, data), len(data) - 1)] ^= 1 << rng.randrange(8)


def _replace_bytes(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    part = _slice(rng, data)
    data[part] = rng.randbytes(len(data[part]))


def _truncate(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _drop(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    del data[_slice(rng, data)]


def _repeat(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    part = _slice(rng, data)
    data[part] = bytes(data[part]) * rng.randint(2, 8)


def _splice(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    other = bytearray(rng.choice(samples))
    data[_slice(rng, data)] = other[_slice(rng, other)]


def _binary_number(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    """A boundary value in place of whatever number may be there: lengths, counts and offsets become absurd."""
    width = rng.choice(WIDTHS)
    top = 1 << 8 * width
    value = rng.choice(
        (0, 1, top // 2 - 1, top // 2, top - 1, top - 2, rng.randrange(top), 1 << rng.randrange(8 * width))
    )
    place = _place(rng, data)
    data[place : place + width] = value.to_bytes(width, rng.choice(("little", "little", "big")))


def _text_number(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    found = NUMBERS.search(data, _place(rng, data)) or NUMBERS.search(data)
    if found:
        data[found.start() : found.end()] = rng.choice(ABSURD_NUMBERS)


def _word(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    place = _place(rng, data)
    data[place:place] = rng.choice(words or ABSURD_NUMBERS)


def _long_run(rng: random.Random, data: bytearray, samples: Sequence[bytes], words: Sequence[bytes]) -> None:
    """Something short, ten thousand times: deep nesting, endless fields, and what makes bad expressions backtrack."""
    piece = rng.choice(words) if words and rng.randrange(2) else bytes(data[_slice(rng, data)])[:16] or b"x"
    place = _place(rng, data)
    repeats = min(rng.choice((30, 1000, 40_000 // len(piece))), LONGEST_INPUT // len(piece))  # the rest is cut off
    data[place:place] = piece * repeats


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits, _flip_bits, _replace_bytes, _truncate, _drop, _repeat, _splice, _binary_number, _text_number,
    _text_number, _word, _word,
)  # fmt: skip
