"""Reader of the value net that Stockfish 15.1 writes with `export_net`: HalfKAv2_hm, 22528 -> 2 x
1024, eight stacks.

File, little-endian: version u32, hash u32, length u32, description; transformer: hash u32, bias
int16 [1024], weight int16 [22528, 1024], psqt int32 [22528, 8]; eight stacks, each hash u32, fc0
int32 [16] and int8 [16, 1024], fc1 int32 [32] and int8 [32, 32] (30 inputs are used), fc2 int32 [1]
and int8 [32]. The weights are CC0.
https://github.com/official-stockfish/Stockfish/tree/sf_15.1/src/nnue
"""

import struct
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from engine.errors import NetFileError
from engine.native.aligned_arrays import aligned_copy

NNUE_VERSION = 0x7AF32F20
STACK_HASH = 0x63336A4A  # of the layers 1024 -> 15 + 1 -> 32 -> 1 after the transformer
LONGEST_DESCRIPTION = 4096  # bytes; real descriptions have under a hundred
NNUE_PREFIX = struct.Struct("<III")
HASH = struct.Struct("<I")

# The feature set's hash; the transformer's is exclusive-ored with twice the width.
HALF_KA_V2_HM = 0x7F234CB8


class NetShape(NamedTuple):
    """Sizes of a net of this family."""

    features: int = 22528
    width: int = 1024  # of one side's accumulator
    buckets: int = 8  # stacks, by number of pieces

    @property
    def transformer_hash(self) -> int:
        """Hash that precedes the transformer in the file."""
        return HALF_KA_V2_HM ^ 2 * self.width


STOCKFISH_15 = NetShape()


class StockfishNet(NamedTuple):
    """The net as flat tables aligned to cache lines; F features, W width, B buckets."""

    bias: np.ndarray  # int16 [W]
    weight: np.ndarray  # int16 [F * W]
    psqt: np.ndarray  # int32 [F * B]
    bias_0: np.ndarray  # int32 [B * 16]
    weight_0: np.ndarray  # int8 [B * W/4 * 16 * 4]: four inputs of each output together
    bias_1: np.ndarray  # int32 [B * 32]
    weight_1: np.ndarray  # int8 [B * 8 * 32 * 4]
    bias_2: np.ndarray  # int32 [B]
    weight_2: np.ndarray  # int8 [B * 32]


def read_stockfish_net(path: Path, shape: NetShape = STOCKFISH_15) -> StockfishNet:
    """Read and check a net file. Raises NetFileError if it is missing, damaged or of another
    architecture.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            return _Reader(path, stream, size).net(shape)
    except OSError as error:
        raise NetFileError(path, "a readable file", str(error)) from error


class _Reader:
    def __init__(self, path: Path, stream: IO[bytes], size: int) -> None:
        self._path = path
        self._stream = stream
        self._size = size

    def net(self, shape: NetShape) -> StockfishNet:
        self._read_header(shape)
        bias = self._array("<i2", shape.width)
        weight = self._array("<i2", shape.features * shape.width)
        psqt = self._array("<i4", shape.features * shape.buckets)
        stacks = [self._stack(shape, number) for number in range(shape.buckets)]
        tables = (bias, weight, psqt, *map(np.concatenate, zip(*stacks, strict=True)))
        return StockfishNet(
            *(aligned_copy(table, table.dtype.newbyteorder("=")) for table in tables)
        )

    def _read_header(self, shape: NetShape) -> None:
        """Read up to the weights, and check that the file has a net of this shape."""
        version, net_hash, length = NNUE_PREFIX.unpack(
            self._bytes(NNUE_PREFIX.size, "a header of 12 bytes")
        )
        self._expect(
            version == NNUE_VERSION,
            f"version {NNUE_VERSION:#x} of Stockfish's net files",
            f"{version:#x}",
        )
        expected = f"a description of at most {LONGEST_DESCRIPTION} bytes"
        self._expect(length <= LONGEST_DESCRIPTION, expected, f"{length:,}")
        self._bytes(length, "the description")
        (hash_,) = HASH.unpack(self._bytes(HASH.size, "the transformer's hash"))
        name = f"HalfKAv2_hm with 2 x {shape.width} accumulators (hash {shape.transformer_hash:#x})"
        self._expect(
            hash_ == shape.transformer_hash, name, f"the hash {hash_:#x}, of another version's nets"
        )
        self._expect(
            net_hash == shape.transformer_hash ^ STACK_HASH,
            f"the hash {shape.transformer_hash ^ STACK_HASH:#x} of a net with stacks of "
            f"{shape.width} -> 16 -> 32 -> 1",
            f"{net_hash:#x}",
        )
        transformer = (
            4
            + 2 * shape.width
            + 2 * shape.features * shape.width
            + 4 * shape.features * shape.buckets
        )
        stack_bytes = shape.buckets * (4 + 4 * 16 + 16 * shape.width + 4 * 32 + 32 * 32 + 4 + 32)
        whole = NNUE_PREFIX.size + length + transformer + stack_bytes
        self._expect(self._size == whole, f"a file of {whole:,} bytes", f"{self._size:,}")

    def _stack(self, shape: NetShape, number: int) -> tuple[np.ndarray, ...]:
        (hash_,) = HASH.unpack(self._bytes(HASH.size, f"the hash of stack {number}"))
        self._expect(
            hash_ == STACK_HASH, f"the hash {STACK_HASH:#x} before stack {number}", f"{hash_:#x}"
        )
        bias_0, weight_0 = self._array("<i4", 16), self._array("i1", 16 * shape.width)
        bias_1, weight_1 = self._array("<i4", 32), self._array("i1", 32 * 32)
        bias_2, weight_2 = self._array("<i4", 1), self._array("i1", 32)
        return (
            bias_0,
            _by_four_inputs(weight_0, 16),
            bias_1,
            _by_four_inputs(weight_1, 32),
            bias_2,
            weight_2,
        )

    def _array(self, dtype: str, size: int) -> np.ndarray:
        return np.frombuffer(
            self._bytes(size * np.dtype(dtype).itemsize, f"{size:,} numbers"), dtype
        )

    def _bytes(self, count: int, what: str) -> bytes:
        data = self._stream.read(count)
        self._expect(
            len(data) == count, what, f"the end of the file after {len(data)} of {count} bytes"
        )
        return data

    def _expect(self, good: bool, expected: str, actual: str) -> None:
        if not good:
            raise NetFileError(self._path, expected, actual)


def _by_four_inputs(weight: np.ndarray, outputs: int) -> np.ndarray:
    """int8 [outputs * inputs] reordered so that four inputs of all outputs lie side by side."""
    return weight.reshape(outputs, -1, 4).transpose(1, 0, 2).reshape(-1)
