"""Writes models as ONNX files, for ONNX Runtime and other programs: the nodes of every layer of the
library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine import nn
from engine.backend import to_numpy
from engine.errors import ConfigError, ShapeError
from engine.files.atomic import write_file
from engine.nn.layer import Layer
from engine.nn.layers.activations import GELU_CUBIC, GELU_SCALE
from engine.nn.layers.recurrent import Recurrent
from engine.nn.layers.rotary import LONGEST_TURN
from engine.nn.numeric import floats_as, named_parts
from engine.nn.onnx_nodes import ELEMENT_TYPES, Nodes, tensor_type

# Of results: a name, or a tuple or dict of names where a layer takes or returns one of arrays.
Names = Any

_ACTIVATIONS = {
    "relu": "Relu", "leaky_relu": "LeakyRelu", "selu": "Selu", "sigmoid": "Sigmoid", "tanh": "Tanh",
    "softplus": "Softplus", "identity": "Identity", "hard_swish": "HardSwish", "softsign": "Softsign",
    "elu": "Elu", "celu": "Celu",
}  # fmt: skip
_SQUARED = {"squared_relu": "relu", "squared_clipped_relu": "clipped_relu"}
# By the number of gates, their order.
_RECURRENT = {1: ("RNN", [0]), 3: ("GRU", [1, 0, 2]), 4: ("LSTM", [0, 2, 1, 3])}
_FAR_BELOW_ZERO = np.array(np.finfo(np.float32).min)


def save_onnx(
    path: str | Path, model: Layer, x: Any, mask: Any = None, free: Collection[int] = (0,)
) -> None:
    """Write a model as an ONNX file that computes what `model(x)` does, or `model(x, mask=mask)`,
    in float32.

    `x` is an example: an array with a batch axis, or a tuple of such arrays, as the model takes it.
    The file's inputs are x, or x0, x1 ... for a tuple, and mask; they have the sides of the
    example, but any length along the axes in `free`. Its outputs are y, or y0, y1 ..., or the names
    of the heads. Raises ConfigError for a layer of one's own without a method `onnx`, ShapeError
    when x does not fit the model, or an axis cannot be free, OSError when the file cannot be
    written.
    """
    given: Any = model
    if not isinstance(given, Layer):
        raise ConfigError(f"save_onnx(path, model, x): expected a layer, found {given!r:.60}")
    model = model.to("numpy").astype(np.float32)
    graph = Graph()
    x = floats_as(np.float32, x)
    options = {} if mask is None else {"mask": to_numpy(mask)}
    graph.examples = _named(x, options)
    inputs = {
        name: tensor_type(one.dtype, _sides(name, one, free))
        for name, one in graph.examples.items()
    }
    shown, sides = _outputs(model, x, options, free)
    if twice := inputs.keys() & shown.keys():
        raise ConfigError(f"ONNX: {', '.join(twice)} names an input; give this head another name")
    names = tuple(name for name in inputs if name not in options)
    results = named_parts(graph.layer(model, names if isinstance(x, tuple) else "x", *options), "y")
    outputs = {
        name: (results[name], tensor_type(one.dtype, sides[name])) for name, one in shown.items()
    }
    write_file(Path(path), graph.model(inputs, outputs))


def _named(x: Any, options: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return named_parts(x, "x") | options


def _outputs(
    model: Layer, x: Any, options: dict[str, np.ndarray], free: Collection[int]
) -> tuple[dict[str, np.ndarray], dict[str, list[int | str]]]:
    """Return the outputs for the example, and their sides: names of those that change with a free
    axis of the inputs.
    """
    inputs = _named(x, options)
    shown = named_parts(model(x, **options), "y")
    sides = {name: _sides(name, one, {0} & {*free}) for name, one in shown.items()}
    for axis in sorted({*free} - {0}):
        others, found = _at_other_length(model, x, options, axis)
        changes = {
            f"{name}_{axis}": (one.shape[axis], others[name].shape[axis])
            for name, one in inputs.items()
            if one.ndim > axis
        }
        for name, one in shown.items():
            for place, change in enumerate(zip(one.shape, found[name].shape, strict=True)):
                if change[0] != change[1]:
                    same = (key for key, lengths in changes.items() if lengths == change)
                    sides[name][place] = next(same, f"{name}_{place}")
    return shown, sides


def _at_other_length(
    model: Layer, x: Any, options: dict[str, np.ndarray], axis: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return inputs and outputs where an axis is twice as long, or half where a model has a limit.

    Raises ShapeError for a model that takes no other length.
    """
    for resized in (_doubled, _halved):
        given = tuple(resized(one, axis) for one in x) if isinstance(x, tuple) else resized(x, axis)
        further = {name: resized(one, axis) for name, one in options.items()}
        try:
            return _named(given, further), named_parts(model(given, **further), "y")
        except ShapeError as error:
            refused = error
    raise ShapeError(f"ONNX: the model takes no other length of axis {axis}: {refused}")


def _doubled(array: np.ndarray, axis: int) -> np.ndarray:
    return np.concatenate([array, array], axis) if array.ndim > axis else array


def _halved(array: np.ndarray, axis: int) -> np.ndarray:
    return np.array_split(array, 2, axis)[0] if array.ndim > axis else array


def _sides(name: str, array: np.ndarray, free: Collection[int]) -> list[int | str]:
    """Return the sides of an array: a name where any length is allowed, one for all batches."""
    names = ["batch", *(f"{name}_{axis}" for axis in range(1, array.ndim))]
    return [names[axis] if axis in free else side for axis, side in enumerate(array.shape)]


# Layers that are few nodes: graph, layer and the name of the input -> the name of the result.
_SHORT: dict[str, Callable[[Any, Any, str], str]] = {
    "activation": lambda graph, layer, x: graph.activated(x, layer.function, layer.alpha),
    "average_pool2d": lambda graph, layer, x: graph.windows(
        "AveragePool",
        x,
        layer,
        count_include_pad=int(layer.counts_padding),
        ceil_mode=int(layer.ceil),
    ),
    "conv2d": lambda graph, layer, x: graph.windows("Conv", x, layer, **_further(layer)),
    "conv_transpose2d": lambda graph, layer, x: graph.windows(
        "ConvTranspose", x, layer, output_padding=layer.more[-layer.axes :], **_further(layer)
    ),
    "dense": lambda graph, layer, x: graph.product(x, layer.params["weight"], layer.params["bias"]),
    "dropout": lambda graph, layer, x: x,
    "flatten": lambda graph, layer, x: graph.node("Flatten", x),
    "global_average_pool": lambda graph, layer, x: graph.node(
        "Flatten", graph.node("GlobalAveragePool", x)
    ),
    "group_norm": lambda graph, layer, x: graph.scaled_groups(layer, x),
    "layer_norm": lambda graph, layer, x: graph.node(
        "LayerNormalization", x, *layer.params.values(), epsilon=layer.epsilon
    ),
    "max_pool2d": lambda graph, layer, x: graph.windows(
        "MaxPool",
        x,
        layer,
        ceil_mode=int(layer.ceil),
        dilations=[*layer.geometry.dilation[-layer.axes :]],
    ),
    "place_gate": lambda graph, layer, x: graph.node(
        "Add", graph.node("Mul", x, layer.params["scale"].T), layer.params["shift"].T
    ),
    "reshape": lambda graph, layer, x: graph.reshaped(x, 0, *layer.shape),
    "softmax": lambda graph, layer, x: graph.node(
        "LogSoftmax" if layer.log else "Softmax", x, axis=layer.axis
    ),
    "transpose": lambda graph, layer, x: graph.node("Transpose", x, perm=[0, *layer.order]),
}


def _further(layer: Any) -> dict[str, Any]:
    return {"dilations": [*layer.geometry.dilation[-layer.axes :]], "group": layer.groups}


class Graph(Nodes):
    """Adds layers to a graph. `examples` has arrays of the shape of some results, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.examples: dict[Names, Any] = {}

    def layer(self, layer: Layer, x: Names, mask: str | None = None) -> Names:
        """Add a layer; return what `forward` does, as names. Raises ConfigError for one that cannot
        be written.

        Layers of the library stand here. One's own have a method `onnx(graph, x)`, or `onnx(graph,
        x, mask)` where `forward` takes a mask; a class that overrides `forward` or `step` needs
        one, too.
        """
        owner: Any = next(
            one for one in type(layer).__mro__ if vars(one).keys() & {"onnx", "forward", "step"}
        )
        options = (mask,) if mask is not None and "mask" in layer.options else ()
        if "onnx" in vars(owner):
            y = owner.onnx(layer, self, x, *options)
        elif owner.__module__.startswith(nn.layers.__name__):
            write = (
                _SHORT[owner.kind]
                if owner.kind in _SHORT
                else getattr(type(self), f"_{owner.kind}")
            )
            y = write(self, layer, x, *options)
        else:
            raise _refused(layer)
        if (
            isinstance(x, str)
            and isinstance(y, str)
            and x in self.examples
            and y not in self.examples
        ):
            self.examples[y] = layer.forward(self.examples[x])[0]
        return y

    def squares(self, x: str) -> str:
        """Turn boards [B, C, H, W] to places [B, H W, C]; what is known to be no board stays."""
        if x not in self.examples or self.examples[x].ndim != 4:
            return x
        return self.node("Transpose", self.reshaped(x, 0, 0, -1), perm=[0, 2, 1])

    def windows(self, kind: str, x: str, layer: Any, **settings: Any) -> str:
        """Add a convolution or a pooling, with the layer's arrays."""
        size, stride, padding, _ = (setting[-layer.axes :] for setting in layer.geometry)
        sides: dict[str, Any] = {
            "kernel_shape": [*size],
            "strides": [*stride],
            "pads": [*(before for before, _ in padding), *(behind for _, behind in padding)],
        }
        return self.node(kind, x, *layer.params.values(), **sides, **settings)

    def activated(self, x: str, function: str, alpha: float | None = None) -> str:
        """Apply an activation function."""
        further: dict[str, Any] = {} if alpha is None else {"alpha": float(alpha)}
        if function in _ACTIVATIONS:
            return self.node(_ACTIVATIONS[function], x, **further)
        if function == "hard_sigmoid":
            return self.node("HardSigmoid", x, **{"alpha": 1 / 6, "beta": 0.5, **further})
        if function == "exact_gelu":
            below = self.node("Erf", self.times(x, math.sqrt(0.5)))
            return self.times(self.node("Mul", x, self.node("Add", below, np.array(1.0))), 0.5)
        if function == "clipped_relu":
            return self.node("Clip", x, np.array(0.0), np.array(1.0))
        if function in _SQUARED:
            return self.node("Mul", *[self.activated(x, _SQUARED[function])] * 2)
        if function == "gelu":
            cubic = self.node(
                "Add",
                self.times(self.node("Mul", x, x), GELU_SCALE * GELU_CUBIC),
                np.array(GELU_SCALE),
            )
            inner = self.node("Tanh", self.node("Mul", x, cubic))
            return self.node("Mul", x, self.node("Add", self.times(inner, 0.5), np.array(0.5)))
        inner = (
            self.node("Sigmoid", x)
            if function == "swish"
            else self.node("Tanh", self.node("Softplus", x))
        )
        return self.node("Mul", x, inner)

    def mask_of(self, layer: Layer, x: Names) -> str | None:
        """Add the mask that a layer makes of its input, if it does."""
        while isinstance(layer, nn.Sequential) and layer.layers:
            layer = layer[0]
        if (
            not isinstance(x, str)
            or x not in self.examples
            or layer.mask_of(self.examples[x]) is None
        ):
            return None
        if not isinstance(layer, nn.Embedding):
            raise _refused(layer)
        return self.node("Not", self.node("Equal", self._tokens(x), np.array(layer.padding_idx)))

    # ---- containers ------------------------------------------------------------------------------

    def _sequential(self, layer: nn.Sequential, x: Names, mask: str | None = None) -> Names:
        for part in layer.layers.values():
            mask = self.mask_of(part, x) if mask is None else mask
            x = self.layer(part, x, mask)
        return x

    def _multi_head(self, layer: nn.MultiHead, x: Names, mask: str | None = None) -> Names:
        mask = self.mask_of(layer.trunk, x) if mask is None else mask
        shared = self.layer(layer.trunk, x, mask)
        return {name: self.layer(head, shared, mask) for name, head in layer.heads.items()}

    def _residual(self, layer: nn.Residual, x: str, mask: str | None = None) -> str:
        y = self.layer(layer.body, x, mask)
        if layer.se is not None:
            y = self.layer(layer.se, y)
        return self.activated(self.node("Add", y, x), layer.activation)

    def _squeeze_excitation(self, layer: nn.SqueezeExcitation, x: str) -> str:
        pooled = _SHORT["global_average_pool"](self, layer, x)
        squeezed = self.activated(self.layer(layer.squeeze, pooled), layer.activation)
        excited = self.reshaped(self.layer(layer.excite, squeezed), 0, 0, 1, 1)
        scale, shift = (
            self.part(excited, slice(n * layer.channels, (n + 1) * layer.channels), 1)
            for n in range(2)
        )
        return self.node("Add", self.node("Mul", x, self.node("Sigmoid", scale)), shift)

    # ---- numbers and boards ----------------------------------------------------------------------

    def _batch_norm(self, layer: nn.BatchNorm, x: str) -> str:
        y = self.node(
            "BatchNormalization",
            x,
            *layer.params.values(),
            *layer.buffers.values(),
            epsilon=layer.epsilon,
        )
        return self.activated(y, "relu") if layer.relu else y

    def scaled_groups(self, layer: nn.GroupNorm, x: str) -> str:
        """Add a group norm: an instance norm of groups, then a scale and a shift of channels."""
        units = np.ones(layer.groups), np.zeros(layer.groups)
        groups = self.reshaped(x, 0, layer.groups, -1)
        h = self.node("InstanceNormalization", groups, *units, epsilon=layer.epsilon)
        h = self.node("Reshape", h, self.node("Shape", x))
        sides = self.examples[x].ndim - 2 if x in self.examples else 2
        gamma, beta = (array.reshape(-1, *[1] * sides) for array in layer.params.values())
        return self.node("Add", self.node("Mul", h, gamma), beta)

    def _rms_norm(self, layer: nn.RMSNorm, x: str) -> str:
        square = self.node("ReduceMean", self.node("Mul", x, x), axes=[-1], keepdims=1)
        root = self.node("Sqrt", self.node("Add", square, np.array(layer.epsilon)))
        return self.node("Mul", self.node("Div", x, root), layer.params["gamma"])

    def _upsample(self, layer: nn.Upsample, x: str) -> str:
        sides = self.examples[x].ndim - 2 if x in self.examples else 2
        scales = layer.scale if isinstance(layer.scale, list | tuple) else [layer.scale] * sides
        places = "align_corners" if layer.align_corners else "half_pixel"
        form: dict[str, Any] = {"mode": layer.mode, "coordinate_transformation_mode": places}
        if layer.mode == "nearest":
            form |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", x, "", np.array([1.0, 1.0, *scales]), **form)

    # ---- sequences -------------------------------------------------------------------------------

    def _tokens(self, x: str) -> str:
        return self.node("Cast", x, to=ELEMENT_TYPES["int64"])

    def _embedding(self, layer: nn.Embedding, x: str) -> str:
        weight = layer.params["weight"].copy()
        if layer.padding_idx is not None:
            weight[layer.padding_idx] = 0
        return self.node("Gather", weight, self._tokens(x))

    def _position_embedding(self, layer: nn.PositionEmbedding, x: str) -> str:
        places = self.node("Shape", x, start=1, end=2)
        return self.node(
            "Add", x, self.node("Slice", layer.params["weight"], np.array([0]), places)
        )

    def _bidirectional(self, layer: nn.Bidirectional, x: str, mask: str | None = None) -> str:
        return self.node(
            "Concat", self.layer(layer.ahead, x, mask), self.layer(layer.back, x, mask), axis=-1
        )

    def _recurrent(self, layer: Recurrent, x: Names, mask: str | None = None) -> Names:
        x, *given = x if isinstance(x, tuple) else (x,)
        states = [self.node("Unsqueeze", one, np.array([0])) for one in given]  # [1, B, H]
        if not given:
            batch = self.node(
                "Concat", np.array([1]), self.node("Shape", x, end=1), np.array([1]), axis=0
            )
            states = [self.node("Expand", np.zeros((1, 1, layer.hidden)), batch)] * layer.states
        by_time = self.node("Transpose", x, perm=[1, 0, 2])
        if mask is None:
            y, *states = self._steps(
                layer, by_time, states, "reverse" if layer.reverse else "forward"
            )
        else:
            y, *states = self._masked_steps(layer, by_time, states, mask)
        ends = tuple(self.node("Squeeze", one, np.array([0])) for one in states)
        y = (
            ends[0]
            if layer.last
            else self.node("Transpose", self.node("Squeeze", y, np.array([1])), perm=[1, 0, 2])
        )
        return (y, *ends) if layer.return_state else y

    _rnn = _gru = _lstm = _recurrent

    def _steps(
        self, layer: Recurrent, x: str, states: Sequence[str], direction: str
    ) -> tuple[str, ...]:
        """Run x [T, B, inputs]; return y [T, 1, B, H] and the state after it."""
        kind, order = _RECURRENT[layer.gates]
        params = layer.params
        later = np.zeros_like(layer.params["bias"])
        if "candidate_bias" in params:
            later[2 * layer.hidden :] = params["candidate_bias"]
        arrays = (params["input_weight"], params["hidden_weight"], params["bias"], later)
        parts = [np.split(array, layer.gates) for array in arrays]
        weight, hidden_weight, *biases = (
            np.concatenate([part[n] for n in order])[None] for part in parts
        )
        form = (
            {"linear_before_reset": int(not layer.reset_first)} if isinstance(layer, nn.GRU) else {}
        )
        inputs = (weight, hidden_weight, np.concatenate(biases, axis=1))
        form = form | {"hidden_size": layer.hidden}
        return self.node(
            kind, x, *inputs, "", *states, outputs=1 + layer.states, direction=direction, **form
        )

    def _masked_steps(
        self, layer: Recurrent, x: str, states: Sequence[str], mask: str
    ) -> tuple[str, ...]:
        """As `_steps`, in the layer's direction; a state stays as it is where the mask is False."""
        # [T, B, 1].
        shown = self.node("Unsqueeze", self.node("Transpose", mask, perm=[1, 0]), np.array([2]))
        before = [self.new_name("state") for _ in states]
        (row, is_shown) = map(self.new_name, ("row", "shown"))
        outside = self.nodes
        self.nodes = []
        _, *after = self._steps(
            layer, self.node("Unsqueeze", row, np.array([0])), before, "forward"
        )
        after = [
            self.node("Where", is_shown, new, old) for new, old in zip(after, before, strict=True)
        ]
        ends = dict.fromkeys([*after, self.node("Identity", after[0])], tensor_type(np.float32))
        starts = dict.fromkeys([*before, row], tensor_type(np.float32)) | {
            is_shown: tensor_type(np.bool_)
        }
        body = self.graph(self.nodes, starts, ends)
        self.nodes = outside
        way = [int(layer.reverse)]
        ways = {"scan_input_directions": way * 2, "scan_output_directions": way}
        *ends, y = self.node(
            "Scan",
            *states,
            x,
            shown,
            outputs=1 + layer.states,
            body=body,
            num_scan_inputs=2,
            **ways,
        )
        return (y, *ends)

    # ---- attention -------------------------------------------------------------------------------

    def _self_attention(self, layer: nn.SelfAttention, x: Names, mask: str | None = None) -> str:
        x, *bias = x if isinstance(x, tuple) else (x,)
        return self._attention(layer, x, x, mask, bias, layer.causal)

    def _cross_attention(self, layer: nn.CrossAttention, x: Names, mask: str | None = None) -> str:
        return self._attention(layer, x[0], x[1], mask)

    def _attention(
        self,
        layer: Any,
        x: str,
        context: str,
        mask: str | None,
        bias: Sequence[str] = (),
        causal: bool = False,
    ) -> str:
        orders, given = (
            {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]},
            {"query": x},
        )
        split = {
            name: self.reshaped(
                self.layer(layer.parts[name], given.get(name, context)), 0, 0, layer.heads, -1
            )
            for name in orders
        }
        query, key, value = (
            self.node("Transpose", split[name], perm=order) for name, order in orders.items()
        )
        if layer.rotary:
            waves = self._waves(x, layer.inner // layer.heads)
            query, key = self._rotated(query, waves, 3), self._rotated(key, waves, 2)
        scores = self.times(
            self.node("MatMul", query, key), 1 / math.sqrt(layer.inner // layer.heads)
        )
        for one in bias:
            scores = self.node("Add", scores, one)
        allowed = self._allowed(x, mask, causal)
        for one in allowed:
            scores = self.node("Where", one, scores, _FAR_BELOW_ZERO)
        shares = self.node("Softmax", scores, axis=-1)
        for one in allowed:  # a query that may attend to no key gets 0
            shares = self.node("Where", one, shares, np.array(0.0))
        mixed = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self.layer(layer.parts["output"], self.reshaped(mixed, 0, 0, layer.inner))

    def _places(self, x: str) -> str:
        """Return the numbers of the places of a sequence."""
        count = self.node("Gather", self.node("Shape", x), np.array(1))
        return self.node("Range", np.array(0), count, np.array(1))

    def _waves(self, x: str, features: int) -> tuple[str, str]:
        """Return cosine and sine of the angles of all places, [T, features / 2]."""
        places = self.node("Cast", self._places(x), to=ELEMENT_TYPES["float32"])
        speeds = LONGEST_TURN ** (np.arange(0, features, 2) / -features)
        angles = self.node("Mul", self.node("Unsqueeze", places, np.array([1])), speeds)
        return self.node("Cos", angles), self.node("Sin", angles)

    def _rotated(self, x: str, waves: tuple[str, str], axis: int) -> str:
        """Turn [B, heads, T, d], as `rotated` does; of keys the last two axes are exchanged."""
        if axis == 2:
            waves = tuple(self.node("Transpose", wave, perm=[1, 0]) for wave in waves)
        cosine, sine = waves
        one, other = self.node("Split", x, outputs=2, axis=axis)
        first = self.node("Sub", self.node("Mul", one, cosine), self.node("Mul", other, sine))
        second = self.node("Add", self.node("Mul", one, sine), self.node("Mul", other, cosine))
        return self.node("Concat", first, second, axis=axis)

    def _allowed(self, x: str, mask: str | None, causal: bool) -> list[str]:
        """Return what a mask and `causal` allow, each of which broadcasts to [B, heads, T, S]."""
        found = []
        if mask is not None:
            each = self.examples[mask].ndim == 3 if mask in self.examples else False
            found.append(self.node("Unsqueeze", mask, np.array([1] if each else [1, 2])))
        if causal:
            places = self._places(x)
            found.append(
                self.node("LessOrEqual", places, self.node("Unsqueeze", places, np.array([1])))
            )
        return found

    def _encoder(self, layer: nn.Encoder, x: str, mask: str | None = None) -> str:
        x = self.squares(x)
        table = [self.weight(array) for array in layer.params.values()]
        for one in layer.layers.values():
            x = self.layer(one, (x, *table) if table else x, mask)
        return x

    def _encoder_layer(self, layer: nn.EncoderLayer, x: Names, mask: str | None = None) -> str:
        x, *table = x if isinstance(x, tuple) else (x,)
        parts = layer.parts

        def attention(z):
            inputs = (z, self.layer(parts["smolgen"], (z, *table))) if table else z
            return self.layer(parts["attention"], inputs, mask)

        return self.layer(parts["feed"], self._in_skip(layer, parts["norm"], x, attention))

    def _decoder_layer(self, layer: nn.DecoderLayer, x: Names, mask: str | None = None) -> str:
        (x, context), parts = x, layer.parts
        z = self._in_skip(layer, parts["norm"], x, lambda one: self.layer(parts["attention"], one))
        z = self._in_skip(
            layer,
            parts["cross_norm"],
            z,
            lambda one: self.layer(parts["cross"], (one, context), mask),
        )
        return self.layer(parts["feed"], z)

    def _feed_forward(self, layer: nn.FeedForward, x: str) -> str:
        body = nn.Sequential(**layer.layers)
        return self._in_skip(layer, layer.norm, x, lambda one: self.layer(body, one))

    def _in_skip(self, layer: Any, norm: Layer, x: str, part: Callable[[str], str]) -> str:
        """Add a part inside a skip connection, with the norm before it or behind the sum."""
        y = part(self.layer(norm, x) if layer.norm_first else x)
        total = self.node("Add", self.times(y, layer.scale), x)
        return total if layer.norm_first else self.layer(norm, total)

    def _smolgen(self, layer: nn.Smolgen, x: Names) -> str:
        x, table = x
        small = self.node("MatMul", x, layer.params["compress"].T)
        codes = self.reshaped(
            self.layer(nn.Sequential(**layer.layers), small), 0, layer.heads, layer.generated
        )
        bias = self.node("MatMul", codes, self.node("Transpose", table, perm=[1, 0]))
        return self.reshaped(bias, 0, 0, layer.places, layer.places)


def _refused(layer: Layer) -> ConfigError:
    example = 'def onnx(self, graph, x): return graph.node("Relu", x)'
    return ConfigError(
        f"{type(layer).__name__} cannot be written as ONNX: give it a method like {example}"
    )
