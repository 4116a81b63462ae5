"""What is fuzzed: a format, good samples of it, and everything that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _as_it_is(inside: bytes) -> bytes:
    return inside


@dataclass(frozen=True)
class Target:
    """A format and its readers.

    Attributes:
        samples: good inputs, before they are sealed.
        read: reads a file to the end, as the program would use it; an AinoError refuses it.
        words: pieces of the format that mutations insert.
        seal: packs what was mutated and puts its checksums right, so that a reader looks further than at these.
    """

    name: str
    suffix: str
    samples: tuple[bytes, ...]
    read: Callable[[Path], object]
    words: tuple[bytes, ...] = ()
    seal: Callable[[bytes], bytes] = _as_it_is
