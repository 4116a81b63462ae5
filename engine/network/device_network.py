"""Networks on a GPU: half precision on tensor cores, few kernels, copies that overlap with work.

A tower computes with the parameters of `engine.nn`'s, whose norms are folded in. Boards lie
channels last with a border of zeros, so that the windows of a convolution are a view, and its
result is one matrix product. Bias, activation, gate and skip are one kernel behind each product.
Other networks of planes compute with their layers. All run on NumPy, too, slowly, so that machines
without a GPU can test them.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from engine.backend import Backend, Lane, bounds
from engine.board.layout import MAX_MOVES
from engine.errors import ConfigError
from engine.network.families import PlanesConfig
from engine.network.fused.given_tensors import layers_with
from engine.network.fused.network_sizes import SQUARES
from engine.network.planes import (
    FIFTY_MOVE_PLANE,
    MIDDLE_RATING,
    PLANES,
    RATING_PLANE,
    RATING_SCALE,
)
from engine.network.policy_map import HEAD_INDEX
from engine.network.tower.tower_model import TowerConfig
from engine.nn.layer import Layer
from engine.nn.layers.activations import activation_function, sigmoid
from engine.nn.norm_folding import fold_norms
from engine.nn.operations import operations_for

# Positions that go through the network at once; others are padded to the next size.
PART_SIZES = (16, 32, 64, 128, 256)
PART = PART_SIZES[-1]
Array = Any


class Flight(NamedTuple):
    """Buffers for sending one part to the device and back; the next part in the same lane reuses
    them.
    """

    lane: Lane
    masks: np.ndarray  # pinned uint64 [PART, 112]
    # Pinned int32 [PART, 218]: where the policy head has each legal move, counted over the part.
    places: np.ndarray
    logits: np.ndarray  # pinned float32 [PART, 218], out
    # Pinned float32 [PART, 3 or 1], out: logits of win, draw, loss, or the expected result.
    value: np.ndarray
    moves_left: np.ndarray  # pinned float32 [PART], out: hundreds of plies
    device_masks: Array
    device_places: Array
    # [PART, S, S, 112]; where S is 10, of this and the next two only the inner squares are ever
    # written.
    planes: Array
    boards: Array  # [PART, S, S, filters]: what goes from block to block of a tower
    between: Array  # [PART, S, S, filters]: between two convolutions


def _check_size(weights: Mapping[str, np.ndarray], dtype: str) -> None:
    limit = float(np.finfo(dtype).max)
    if not all(abs(bound) <= limit for array in weights.values() for bound in bounds(array)):
        raise ConfigError(f"expected weights that {dtype} can hold, found larger ones")


class DeviceNetwork:
    """A network of any kind ready to play on `backend`, computed by its layers with sums in single
    precision.

    tensors: its parameters and buffers by name. dtype: that of products. Raises ConfigError or
    ShapeError for tensors that do not fit `config`, ConfigError for weights too large for `dtype`,
    and DeviceError when the device fails. Only one thread may use it. A position's output does not
    depend on its neighbours, and in its last bits on the size of the part.
    """

    _side, _filters = 8, 0  # of the boards in a flight

    def __init__(
        self,
        tensors: Mapping[str, np.ndarray],
        config: PlanesConfig,
        backend: Backend,
        dtype: str = "float16",
    ) -> None:
        self.config = config
        self.backend = backend
        self.dtype = np.dtype(dtype)
        self._places, self._width = _places(config)
        layers = fold_norms(layers_with(tensors, config))
        weights = self._laid_out(layers)
        _check_size(weights, dtype)
        with backend.guard("the network was loaded"):
            self._load(layers, weights)
            backend.wait()  # The lanes read what was uploaded outside them.

    def _laid_out(self, layers: Layer) -> dict[str, np.ndarray]:
        """Return the parameters in the form that products need."""
        return layers.named_parameters()

    def _load(self, layers: Layer, weights: Mapping[str, np.ndarray]) -> None:
        """Bring the weights to the device, and make the kernels."""
        self._model = layers.to(self.backend)
        self._kernels = Kernels(self.backend, self.config.activation, np.dtype(np.float32))

    def _answers(self, flight: Flight, size: int) -> tuple[Array, Array, Array | None]:
        """Return the policy in the order of `_places`, the value [size, 3 or 1], and moves left
        [size, 1] or None.

        All are float32; a value is the logits of win, draw, loss, or the expected result.
        """
        planes = flight.planes[:size]
        operations = operations_for(flight.planes)
        self._kernels.expand(flight.device_masks[:size], planes)
        with operations.half_products() if self.dtype == np.float16 else nullcontext():
            outputs = self._model(planes.transpose(0, 3, 1, 2))
        value = outputs[self.config.value_head]
        return outputs["policy"], value, outputs.get("moves_left")

    def new_flight(self) -> Flight:
        """Return new buffers and a queue for one part."""
        pinned = self.backend.pinned
        xp = self.backend.xp
        lane = self.backend.lane()

        def board(channels: int) -> Array:
            return xp.zeros((PART, self._side, self._side, channels), self._kernels.dtype)

        with self.backend.guard("memory was reserved"), lane.block:
            return Flight(
                lane=lane,
                masks=pinned((PART, PLANES), np.uint64),
                places=pinned((PART, MAX_MOVES), np.int32),
                logits=pinned((PART, MAX_MOVES), np.float32),
                value=pinned((PART, 3 if self.config.value == "wdl" else 1), np.float32),
                moves_left=pinned((PART,), np.float32),
                device_masks=xp.zeros((PART, PLANES), np.uint64),
                device_places=xp.zeros((PART, MAX_MOVES), np.int32),
                planes=board(PLANES),
                boards=board(self._filters),
                between=board(self._filters),
            )

    def launch(self, flight: Flight, masks: np.ndarray, policy_index: np.ndarray) -> None:
        """Queue the evaluation of up to PART positions: masks uint64 [n, 112], policy_index int16
        [n, 218].

        After `flight.lane.wait()` the results are in `logits` (for the given indices), `value` and
        `moves_left`.
        """
        n = len(masks)
        size = next(size for size in PART_SIZES if size >= n)
        flight.masks[:n] = masks
        flight.masks[n:size] = 0
        flight.places[:n] = self._places[policy_index]
        flight.places[n:size] = 0
        flight.places[:n] += self._width * np.arange(n, dtype=np.int32)[:, None]
        lane = flight.lane
        with self.backend.guard("positions were evaluated"), lane.block:
            lane.upload(flight.masks[:size], flight.device_masks[:size])
            lane.upload(flight.places[:size], flight.device_places[:size])
            policy, value, moves_left = self._answers(flight, size)
            lane.download(policy.reshape(-1)[flight.device_places[:size]], flight.logits[:size])
            lane.download(value, flight.value[:size])
            if moves_left is not None:
                lane.download(moves_left.reshape(size), flight.moves_left[:size])
            else:
                flight.moves_left[:size] = 0


class DeviceTower(DeviceNetwork):
    """A tower without encoder layers, in few kernels."""

    config: TowerConfig
    _side = 10  # with a border

    def _laid_out(self, layers: Layer) -> dict[str, np.ndarray]:
        """Return the parameters as products over boards with channels last need them.

        A convolution's weights [K, C, k, k] become a matrix [K, k * k * C], a dense layer behind a
        board takes its inputs square by square, and the bias of a gate's first layer includes what
        the convolution's bias adds to the mean.
        """
        parameters = layers.named_parameters()
        for name in [name for name, array in parameters.items() if array.ndim == 4]:
            weight = parameters[name]
            matrix = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))
            parameters[name] = np.ascontiguousarray(matrix).T
        for name in ("policy.dense", *(f"{head}.dense1" for head in layers.children())):
            if (weight := parameters.get(f"{name}.weight")) is not None:
                by_square = weight.reshape(len(weight), -1, SQUARES).swapaxes(1, 2)
                parameters[f"{name}.weight"] = np.ascontiguousarray(by_square.reshape(weight.shape))
        for name in [name for name in parameters if name.endswith("se.squeeze.bias")]:
            convolved = parameters[name.replace("se.squeeze", "conv2")]
            squeezed = parameters[name.replace("bias", "weight")] @ convolved
            parameters[name] = parameters[name] + squeezed
        return parameters

    def _load(self, layers: Layer, weights: Mapping[str, np.ndarray]) -> None:
        self._parameters = {
            name: self.backend.asarray(array.astype(self.dtype)) for name, array in weights.items()
        }
        # An attention policy uses layers.
        self._head = layers.children()["policy"].astype(self.dtype).to(self.backend)
        self._filters = self.config.filters
        self._kernels = Kernels(self.backend, self.config.activation, self.dtype)

    def _answers(self, flight: Flight, size: int) -> tuple[Array, Array, Array | None]:
        squares = self._trunk(flight, size)
        config = self.config
        policy = self._policy(flight, size, squares)
        value = self._dense_head(config.value_head, squares)
        moves_left = self._dense_head("moves_left", squares) if config.moves_left_channels else None
        return policy, value if config.value == "wdl" else self.backend.xp.tanh(value), moves_left

    # ---- layers ----------------------------------------------------------------------------------

    def _trunk(self, flight: Flight, size: int) -> Array:
        """Masks in the flight -> squares [size * 64, filters]; they are also the inner part of
        `flight.boards`.
        """
        kernels = self._kernels
        inner = slice(1, 9)
        config = self.config
        planes, boards, between = (
            board[:size] for board in (flight.planes, flight.boards, flight.between)
        )
        kernels.expand(flight.device_masks[:size], planes[:, inner, inner])
        now, first = boards[:, inner, inner], between[:, inner, inner]
        kernels.activate(*self._convolved(planes, "trunk.input_conv"), 0.0, now)
        for number in range(config.blocks):
            block = f"trunk.block{number}"
            kernels.activate(*self._convolved(boards, f"{block}.conv1"), 0.0, first)
            product, bias = self._convolved(between, f"{block}.conv2")
            if config.se_ratio:
                kernels.gate(product, bias, *self._gate(f"{block}.se", product), now, now)
            else:
                kernels.activate(product, bias, now, now)
        return now.reshape(size * SQUARES, config.filters)

    def _convolved(self, board: Array, name: str) -> tuple[Array, Array]:
        """Return a 3x3 convolution of bordered boards [n, 10, 10, C] -> (y [n, 8, 8, K] without its
        bias, bias [K]).
        """
        n = len(board)
        channels = board.shape[3]
        (whole, row, column, step) = board.strides
        places, strides = (n, 8, 8, 3, 3, channels), (whole, row, column, row, column, step)
        windows = self.backend.xp.lib.stride_tricks.as_strided(board, places, strides)
        product, bias = self._product(windows.reshape(n * SQUARES, 9 * channels), name)
        return product.reshape(n, 8, 8, -1), bias

    def _product(self, rows: Array, name: str) -> tuple[Array, Array]:
        """Return rows [n, inputs] times a layer's weights, and its bias."""
        return rows @ self._parameters[f"{name}.weight"].T, self._parameters[f"{name}.bias"]

    def _gate(self, name: str, product: Array) -> tuple[Array, Array, Array, Array]:
        """Scale and shift [n, 1, 1, C] of a squeeze-and-excitation gate, each followed by its bias
        [C].
        """
        n = len(product)
        channels = product.shape[3]
        mean = self._kernels.mean(product.reshape(n, SQUARES, channels))
        hidden = self._kernels.activated(*self._product(mean, f"{name}.squeeze"))
        excited, bias = self._product(hidden, f"{name}.excite")
        excited = excited[:, None, None, :]
        return excited[..., :channels], bias[:channels], excited[..., channels:], bias[channels:]

    def _policy(self, flight: Flight, size: int, squares: Array) -> Array:
        """Logits float32 of all moves of all positions, in the order of `_places`."""
        kernels = self._kernels
        if self.config.policy == "convolution":
            between = flight.between[:size]
            kernels.activate(
                *self._convolved(flight.boards[:size], "policy.conv1"), 0.0, between[:, 1:9, 1:9]
            )
            return kernels.answer(*self._convolved(between, "policy.conv2"))
        if self.config.policy == "attention":
            product, bias = self._product(squares, "policy.embedding")
            boards = (product + bias).reshape(size, 8, 8, -1).transpose(0, 3, 1, 2)
            for part in ("activation", "moves"):
                boards = self._head.children()[part].forward(boards)[0]
            return boards.astype(np.float32)
        rows = kernels.activated(*self._product(squares, "policy.conv"))
        return kernels.answer(*self._product(rows.reshape(size, -1), "policy.dense"))

    def _dense_head(self, name: str, squares: Array) -> Array:
        """Squares [n * 64, filters] -> what the head answers, float32 [n, outputs]."""
        kernels = self._kernels
        rows = kernels.activated(*self._product(squares, f"{name}.conv"))
        rows = rows.reshape(len(squares) // SQUARES, -1)
        rows = kernels.activated(*self._product(rows, f"{name}.dense1"))
        return kernels.answer(*self._product(rows, f"{name}.dense2"))


def network_on(
    tensors: Mapping[str, np.ndarray],
    config: PlanesConfig,
    backend: Backend,
    dtype: str = "float16",
) -> DeviceNetwork:
    """Return a network of planes that plays on `backend`: a tower in few kernels, any other by its
    layers.
    """
    is_tower = isinstance(config, TowerConfig) and not config.policy_layers
    return (DeviceTower if is_tower else DeviceNetwork)(tensors, config, backend, dtype)


def planes_on(backend: Backend, masks: np.ndarray) -> Array:
    """Input planes float32 [B, 112, 8, 8] on a device, channels last in memory, of uint64 [B, 112]
    in host memory.
    """
    planes = backend.xp.empty((len(masks), 8, 8, PLANES), np.float32)
    _expand(backend, np.dtype(np.float32))(backend.asarray(masks), planes)
    return planes.transpose(0, 3, 1, 2)


@cache
def _expand(backend: Backend, dtype: np.dtype[Any]) -> Callable[[Array, Array], None]:
    """Return what fills planes [B, 8, 8, 112] from masks [B, 112] on a device."""
    xp = backend.xp
    squares = backend.asarray(np.arange(SQUARES, dtype=np.uint64).reshape(8, 8, 1))
    is_counter = backend.asarray(np.arange(PLANES) == FIFTY_MOVE_PLANE)
    is_rating = backend.asarray(np.arange(PLANES) == RATING_PLANE)

    def expand(
        masks: Array, squares: Array, is_counter: Array, is_rating: Array, planes: Array
    ) -> None:
        bits = (masks >> squares) & 1
        numbers = xp.where(is_counter, masks, bits).astype(np.float32)
        values = (masks.astype(np.float32) - MIDDLE_RATING) / RATING_SCALE
        is_known = is_rating & (masks > 0)
        xp.add(xp.where(is_known, values, numbers).astype(dtype), 0, out=planes)

    fused = backend.fused(expand)
    return lambda masks, planes: fused(
        masks[:, None, None, :], squares, is_counter, is_rating, planes
    )


class Kernels:
    """What happens to each number between two matrix products, one kernel each on a GPU."""

    def __init__(self, backend: Backend, activation: str, dtype: np.dtype[Any]) -> None:
        xp = backend.xp
        apply = activation_function(activation)
        self.dtype = dtype

        def activate(product: Array, bias: Array, skip: Array | float, out: Array) -> None:
            xp.add(apply(product + bias + skip)[0], 0, out=out)

        def gate(
            product: Array,
            bias: Array,
            scale: Array,
            scale_bias: Array,
            shift: Array,
            shift_bias: Array,
            *rest: Array,
        ) -> None:
            skip, out = rest
            scaled = (product + bias) * sigmoid(scale + scale_bias)[0]
            xp.add(apply(scaled + (shift + shift_bias) + skip)[0], 0, out=out)

        def mean(
            product: Array,
        ) -> Array:  # scaled first, because half precision may not hold the sum
            return xp.sum(product * (1 / SQUARES), axis=1)

        def answer(product: Array, bias: Array) -> Array:
            return product.astype(np.float32) + bias.astype(np.float32)

        self.expand = _expand(backend, dtype)
        self.activated = lambda product, bias: operations_for(product).activate(
            apply, product, bias
        )[0]
        self.activate, self.gate, self.mean = (
            backend.fused(operation) for operation in (activate, gate, mean)
        )
        self.answer = backend.fused(answer)


def _places(config: PlanesConfig) -> tuple[np.ndarray, int]:
    """(int32 [1858]: where a position's logits have each move, how many logits a position has)."""
    places = HEAD_INDEX[config.policy].astype(np.int32)
    if config.policy == "convolution":  # plane * 64 + square there, channels last here
        return (
            places % SQUARES * config.policy_planes + places // SQUARES,
            SQUARES * config.policy_planes,
        )
    return places, int(places.max()) + 1  # the last logit of these heads is a move's
