"""Reads one of Lc0's files into the named tensors of a tower or a transformer.

A file is never trusted: its unpacked size is bounded, every size is compared with the bytes present
before anything is allocated, and each fault is a NetFileError that tells what was expected and what
was found.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.errors import ConfigError, NetFileError
from engine.files.dit_file import open_net
from engine.files.packed import GZIP_MAGIC, open_gzip
from engine.files.wire import Message, parse
from engine.network.families import PlanesConfig
from engine.network.fused.given_tensors import LazyTensors
from engine.network.fused.network_sizes import NORM_EPSILON
from engine.network.input_formats import counter_scale
from engine.network.lc0.formats import describe, network_of
from engine.network.lc0.schema import (
    BFLOAT16,
    LINEAR16,
    MAX_STEP,
    NET,
    NET_START,
    STORED_TYPES,
    format_name,
)
from engine.network.lc0.tensor_map import (
    ConvTensors,
    Plain,
    count,
    find,
    stored_tensors,
    with_counter_times,
)
from engine.network.outputs import Tensors

# Unpacked bytes; a transformer of 1,024 numbers a square and 15 layers has 400 MB in 16 bits.
MAX_BYTES = 1 << 30
MAX_EXPANSION = 100  # unpacked bytes per packed byte; packing shrinks weights by only a few percent
SLACK = 1 << 20  # unpacked bytes that every file is allowed
PIECE = 1 << 20  # unpacked bytes to take at once
# Numbers that a network's sizes may ask for by each number in the file, before one is found
# missing.
SPARE = 2
Decoder = Callable[[], np.ndarray]
Decoders = dict[str, Decoder]  # by the tensors' names
LARGEST = 1e9  # largest magnitude of a weight; products of two stay far from overflow


@dataclass(frozen=True)
class PlanesFile:
    """A tower or transformer as stored in a file, with the file's metadata."""

    config: PlanesConfig
    # Float32 by the names of `tower_model` or `transformer_model`.
    tensors: Tensors
    card: dict[str, Any]  # how it was trained; Lc0's steps and losses under "training"


def load_lc0(path: str | Path, to_play: bool = False) -> PlanesFile:
    """Read a `.pb` or `.pb.gz` file with all its heads, which must have the same sizes, or `to_play`
    with the first two alone: vanilla and winner.

    Raises NetFileError for faults and for formats that are no network of ours; for numbers that are
    too large, when the tensor is taken.
    """
    path = Path(path)
    try:
        with open_net(path) as file:
            data = _read(path, file)
    except OSError as error:
        raise NetFileError.unreadable(path, error) from error
    if data and NET_START.startswith(data):
        raise NetFileError(path, "a network of Lc0's", f"its first {len(data)} bytes alone")
    if not data.startswith(NET_START):
        raise NetFileError.foreign(path, repr(NET_START), bytes(data[:64]))
    net = parse(path, memoryview(data), NET)
    config = network_of(path, net, to_play)
    form = describe(net.get("format", {}).get("network_format", {}))
    card = {
        "kind": "imported",
        "source": path.name,
        "format": form,
        "training": net.get("training_params", {}),
    }
    if license := net.get("license"):
        card["license"] = license
    return PlanesFile(config, _tensors(path, net["weights"], config), card)


# ---- bytes ---------------------------------------------------------------------------------------


def _read(path: Path, file: IO[bytes]) -> bytes | bytearray:
    """Return the file's contents, unpacked."""
    size = os.fstat(file.fileno()).st_size
    data = bytearray()
    if size > MAX_BYTES:
        raise NetFileError(path, f"at most {MAX_BYTES} bytes", str(size))
    is_packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    if not is_packed:
        return file.read(size)
    limit = min(MAX_BYTES, SLACK + MAX_EXPANSION * size)
    stream = open_gzip(file)
    try:
        while piece := stream.read(min(PIECE, limit + 1 - len(data))):
            data += piece
    except OSError as error:
        raise NetFileError(path, "gzip data", str(error)) from error
    except EOFError as error:
        raise NetFileError(path, "gzip data", "its beginning alone") from error
    if len(data) > limit:
        raise NetFileError(path, f"at most {limit} bytes when unpacked", "more")
    return data


# ---- tensors -------------------------------------------------------------------------------------


def _tensors(path: Path, weights: Message, config: PlanesConfig) -> Tensors:
    decoders: Decoders = {}
    by_name = "policy_heads" in weights, "value_heads" in weights
    try:
        for row in stored_tensors(config, by_name, SPARE * _numbers(weights)):
            if isinstance(row, ConvTensors):
                decoders |= _convolution(path, weights, row)
            else:
                decoders[row.name] = _plain(path, weights, row)
    except ConfigError as error:
        raise NetFileError(path, "the tensors of its sizes", str(error)) from error
    return with_counter_times(counter_scale(config.input_format), LazyTensors(decoders))


def _numbers(part: Any) -> int:
    """How many numbers the tensors of a message have."""
    if isinstance(part, list):
        return sum(map(_numbers, part))
    if not isinstance(part, dict):
        return 0
    if "params" in part:
        return count(part)
    return sum(map(_numbers, part.values()))


def _plain(path: Path, weights: Message, row: Plain) -> Decoder:
    decoder = _tensor(path, find(path, weights, *row.places), row.places[0], row.shape)
    if row.scale == 1.0:
        return decoder
    return lambda: decoder() / np.float32(row.scale)


def _convolution(path: Path, weights: Message, row: ConvTensors) -> Decoders:
    """Return a convolution with its bias or batch norm.

    If the tower has a batch norm but the file has folded weights and none, the norm only adds the
    bias.
    """
    block = find(path, weights, row.block)
    weight = f"{row.block}.weights"
    arrays = {f"{row.conv}.weight": _tensor(path, find(path, weights, weight), weight, row.shape)}
    if row.norm:
        parts = _norm(path, block, row)
        return arrays | {f"{row.norm}.{part}": partial(np.copy, a) for part, a in parts.items()}
    if "bn_means" in block:
        raise NetFileError(path, f"no batch norm in {row.block}", "one")
    bias = _part(path, block, row, "biases", 0.0)
    return arrays | {f"{row.conv}.bias": lambda: bias}


def _part(path: Path, block: Message, row: ConvTensors, name: str, default: float) -> np.ndarray:
    """Return a number for each channel of a convolution, `default` where the file has none."""
    channels = row.shape[:1]
    if name in block:
        return _tensor(path, block[name], f"{row.block}.{name}", channels)()
    return np.full(channels, default, np.float32)


def _norm(path: Path, block: Message, row: ConvTensors) -> dict[str, np.ndarray]:
    """Return the parameters and statistics of a convolution's batch norm."""
    part = partial(_part, path, block, row)
    if ("bn_means" in block) != ("bn_stddivs" in block):
        raise NetFileError(path, f"means and variances in {row.block}", "one of them")
    variance = part("bn_stddivs", 1.0 - NORM_EPSILON)
    if not (variance > -NORM_EPSILON).all():
        raise NetFileError(path, f"variances in {row.block}.bn_stddivs", f"{variance.min()}")
    bias = part("biases", 0.0)
    if "bn_means" in block:
        beta, mean = part("bn_betas", 0.0), part("bn_means", 0.0) - bias
    else:
        beta, mean = bias, part("bn_means", 0.0)
    return {
        "gamma": part("bn_gammas", 1.0),
        "beta": beta,
        "running_mean": mean,
        "running_variance": variance,
    }


def _tensor(path: Path, layer: Message, name: str, shape: tuple[int, ...]) -> Decoder:
    """Check the size of a tensor; return what decodes it, float32."""
    params: Any = layer.get("params", b"")
    encoding = layer.get("encoding", LINEAR16)
    if encoding not in STORED_TYPES:
        expected = f"{name} encoded as LINEAR16, FLOAT16, BFLOAT16 or FLOAT32"
        raise NetFileError(path, expected, format_name("weights_encoding", encoding))
    size = math.prod(shape) * np.dtype(STORED_TYPES[encoding]).itemsize
    if len(params) != size:
        raise NetFileError(path, f"{size} bytes in {name} {list(shape)}", str(len(params)))
    return partial(_decoded, path, layer, name, shape)


def _decoded(path: Path, layer: Message, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one tensor; LINEAR16 is min + t (max - min), where t is a 16-bit number divided by
    65535.
    """
    encoding = layer.get("encoding", LINEAR16)
    numbers = np.frombuffer(layer.get("params", b""), STORED_TYPES[encoding])
    if encoding == LINEAR16:
        low, high = (np.float32(layer.get(bound, 0.0)) for bound in ("min_val", "max_val"))
        if not (abs(low) <= LARGEST and abs(high) <= LARGEST):  # true for NaN too
            raise NetFileError(path, f"numbers up to {LARGEST:g} in {name}", f"{low} to {high}")
        numbers = numbers.astype(np.float32)
        numbers /= np.float32(MAX_STEP)
        numbers *= high - low
        numbers += low
        return numbers.reshape(shape)
    if encoding == BFLOAT16:  # the upper half of a float32
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    else:
        numbers = numbers.astype(np.float32)
    if not (np.abs(numbers) <= LARGEST).all():
        raise NetFileError(path, f"numbers up to {LARGEST:g} in {name}", "larger ones, or NaN")
    return numbers.reshape(shape)
