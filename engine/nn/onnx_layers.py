"""The nodes of every layer of the library in an ONNX graph."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import nn
from engine.errors import ConfigError
from engine.nn.array_checks import as_tuple
from engine.nn.layer import Layer
from engine.nn.layers.attend import LONGEST_TURN
from engine.nn.layers.recurrent import Recurrent
from engine.nn.onnx_nodes import Nodes

# Of results: a name, or a tuple or dict of names where a layer takes or returns one of arrays.
Names = Any
Mask = str | None  # the name of one

_PLAIN = {
    "relu": "Relu", "leaky_relu": "LeakyRelu", "selu": "Selu", "sigmoid": "Sigmoid", "tanh": "Tanh",
    "softplus": "Softplus", "identity": "Identity", "hard_swish": "HardSwish", "softsign": "Softsign",
    "elu": "Elu", "celu": "Celu", "mish": "Mish", "exact_gelu": "Gelu",
}  # fmt: skip
# Functions that are one node: its kind and attributes.
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (kind, {}) for name, kind in _PLAIN.items()},
    "gelu": ("Gelu", {"approximate": "tanh"}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6}),
}
_CLIPPED = {"clipped_relu": 1.0, "relu6": 6.0}  # by their largest value
_SQUARED = {"squared_relu": "relu", "squared_clipped_relu": "clipped_relu"}
# By the number of gates, their order.
_RECURRENT = {1: ("RNN", [0]), 3: ("GRU", [1, 0, 2]), 4: ("LSTM", [0, 2, 1, 3])}
_FAR = np.iinfo(np.int64).max  # behind the end of any axis
_FAR_BELOW_ZERO = np.finfo(np.float32).min


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
    "dense": lambda graph, layer, x: graph.product(x, layer.params["weight"], layer.params["bias"]),
    "dropout": lambda graph, layer, x: x,
    "flatten": lambda graph, layer, x: graph.node("Flatten", x),
    "global_average_pool": lambda graph, layer, x: graph.node(
        "Flatten", graph.node("GlobalAveragePool", x)
    ),
    "global_max_pool": lambda graph, layer, x: graph.node(
        "Flatten", graph.node("GlobalMaxPool", x)
    ),
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


class Graph(Nodes):
    """Adds layers to a graph. `examples` has arrays of the shape of some results, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.examples: dict[Names, Any] = {}

    def layer(self, layer: Layer, x: Names, mask: Mask = None) -> Names:
        """Add a layer; return what `forward` does, as names. Raises ConfigError for one that cannot
        be written.

        Layers of the library stand here. One's own have a method `onnx(graph, x)`, or `onnx(graph,
        x, mask)` where `forward` takes a mask; a class that overrides `forward` or `step` needs
        one, too.
        """
        owner: Any = next(
            base for base in type(layer).__mro__ if vars(base).keys() & {"onnx", "forward", "step"}
        )
        options = []
        if mask is not None and "mask" in layer.options:
            options.append(mask)
        if "onnx" in vars(owner):
            y = owner.onnx(layer, self, x, *options)
        elif owner.__module__.startswith(nn.layers.__name__):
            kind = getattr(owner, "kind", layer.kind)
            write = _SHORT.get(kind) or getattr(type(self), f"_{kind}")
            y = write(self, layer, x, *options)
        else:
            raise _refused(layer)
        are_plain = isinstance(x, str) and isinstance(y, str)
        if are_plain and x in self.examples and y not in self.examples:
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

    def _convolution(self, layer: Any, x: str, mask: Mask = None) -> str:
        further = {"dilations": [*layer.geometry.dilation[-layer.axes :]], "group": layer.groups}
        kind = "Conv"
        if isinstance(layer, nn.ConvTranspose2D):
            kind = "ConvTranspose"
            further["output_padding"] = layer.more[-layer.axes :]
        if mask is not None and layer.axes == 1:
            x = self.node("Where", self.node("Unsqueeze", mask, [1]), x, 0.0)
        return self.windows(kind, x, layer, **further)

    _conv1d = _conv2d = _conv_transpose1d = _conv_transpose2d = _convolution

    def activated(self, x: str, function: str, alpha: float | None = None) -> str:
        """Apply an activation function."""
        if function in _ACTIVATIONS:
            kind, attributes = _ACTIVATIONS[function]
            if alpha is not None:
                attributes = attributes | {"alpha": float(alpha)}
            return self.node(kind, x, **attributes)
        if function in _CLIPPED:
            return self.node("Clip", x, 0.0, _CLIPPED[function])
        if function in _SQUARED:
            return self.node("Mul", *[self.activated(x, _SQUARED[function])] * 2)
        return self.node("Mul", x, self.node("Sigmoid", x))  # swish

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
        return self.node("Not", self.node("Equal", self.cast(x, np.int64), layer.padding_idx))

    def mask_behind(self, layer: Layer, mask: Mask) -> str | None:
        """Add the mask behind a layer, if it is another one."""
        if isinstance(layer, nn.Sequential):
            for part in layer.layers.values():
                mask = self.mask_behind(part, mask)
            return mask
        if isinstance(layer, nn.Add | nn.Concatenate):
            return self.mask_behind(next(iter(layer.branches.values())), mask)
        if mask is None or type(layer).mask_behind is Layer.mask_behind:
            return mask
        if isinstance(layer, nn.Conv2D | nn.MaxPool2D | nn.AveragePool2D):
            if layer.axes == 2:
                return mask
            first = layer.first_needed
            if first >= 0 and not getattr(layer, "ceil", False):
                return self.node("Slice", mask, [first], [_FAR], [1], [layer.geometry.stride[1]])
        raise ConfigError(f"ONNX has no mask behind {layer!r}")

    # ---- containers ------------------------------------------------------------------------------

    def _sequential(self, layer: nn.Sequential, x: Names, mask: Mask = None) -> Names:
        for part in layer.layers.values():
            if mask is None:
                mask = self.mask_of(part, x)
            x = self.layer(part, x, mask)
            mask = self.mask_behind(part, mask)
        return x

    def _multi_head(self, layer: nn.MultiHead, x: Names, mask: Mask = None) -> Names:
        if mask is None:
            mask = self.mask_of(layer.trunk, x)
        shared = self.layer(layer.trunk, x, mask)
        mask = self.mask_behind(layer.trunk, mask)
        return {name: self.layer(head, shared, mask) for name, head in layer.heads.items()}

    def _branches(self, layer: Any, x: Names, mask: Mask = None) -> list[str]:
        if mask is None:
            mask = self.mask_of(layer, x)
        return [self.layer(branch, x, mask) for branch in layer.branches.values()]

    def _add(self, layer: nn.Add, x: Names, mask: Mask = None) -> str:
        return self.node("Sum", *self._branches(layer, x, mask))

    def _concatenate(self, layer: nn.Concatenate, x: Names, mask: Mask = None) -> str:
        return self.node("Concat", *self._branches(layer, x, mask), axis=layer.axis)

    def _residual(self, layer: nn.Residual, x: str, mask: Mask = None) -> str:
        y = self.layer(layer.body, x, mask)
        if layer.se is not None:
            y = self.layer(layer.se, y)
        return self.activated(self.node("Add", y, x), layer.activation)

    def _squeeze_excitation(self, layer: nn.SqueezeExcitation, x: str) -> str:
        pooled = _SHORT["global_average_pool"](self, layer, x)
        squeezed = self.activated(self.layer(layer.squeeze, pooled), layer.activation)
        excited = self.reshaped(self.layer(layer.excite, squeezed), 0, 0, 1, 1)
        scale, shift = self.node("Split", excited, outputs=2, axis=1, num_outputs=2)
        return self.node("Add", self.node("Mul", x, self.node("Sigmoid", scale)), shift)

    # ---- numbers and boards ----------------------------------------------------------------------

    def _batch_norm(self, layer: nn.BatchNorm, x: str) -> str:
        arrays = (*layer.params.values(), *layer.buffers.values())
        y = self.node("BatchNormalization", x, *arrays, epsilon=layer.epsilon)
        if layer.relu:
            return self.activated(y, "relu")
        return y

    def _group_norm(self, layer: nn.GroupNorm, x: str) -> str:
        """Add a group norm: an instance norm of groups, then a scale and a shift of channels."""
        units = np.ones(layer.groups), np.zeros(layer.groups)
        groups = self.reshaped(x, 0, layer.groups, -1)
        h = self.node("InstanceNormalization", groups, *units, epsilon=layer.epsilon)
        h = self.node("Reshape", h, self.node("Shape", x))
        shape = -1, *[1] * self._axes_of(x)
        gamma, beta = (array.reshape(shape) for array in layer.params.values())
        return self.node("Add", self.node("Mul", h, gamma), beta)

    def _axes_of(self, x: str) -> int:
        """Return how many axes stand behind the channels: two, unless others are known."""
        if x not in self.examples:
            return 2
        return self.examples[x].ndim - 2

    def _prelu(self, layer: nn.PReLU, x: str) -> str:
        """Add a leaky ReLU with the slopes of channels."""
        return self.node("PRelu", x, layer.params["alpha"].reshape(-1, *[1] * self._axes_of(x)))

    def _rms_norm(self, layer: nn.RMSNorm, x: str) -> str:
        square = self.node("ReduceMean", self.node("Mul", x, x), [-1])
        root = self.node("Sqrt", self.node("Add", square, layer.epsilon))
        return self.node("Mul", self.node("Div", x, root), layer.params["gamma"])

    def _upsample(self, layer: nn.Upsample, x: str) -> str:
        form: dict[str, Any] = {"mode": layer.mode, "coordinate_transformation_mode": "half_pixel"}
        if layer.align_corners:
            form["coordinate_transformation_mode"] = "align_corners"
        if layer.mode == "nearest":
            form |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", x, "", [1.0, 1.0, *layer.scales(self._axes_of(x))], **form)

    # ---- sequences -------------------------------------------------------------------------------

    def _embedding(self, layer: nn.Embedding, x: str) -> str:
        weight = layer.params["weight"].copy()
        if layer.padding_idx is not None:
            weight[layer.padding_idx] = 0
        return self.node("Gather", weight, self.cast(x, np.int64))

    def _position_embedding(self, layer: nn.PositionEmbedding, x: str) -> str:
        places = self.node("Shape", x, start=1, end=2)
        return self.node("Add", x, self.node("Slice", layer.params["weight"], [0], places))

    def _bidirectional(self, layer: nn.Bidirectional, x: str, mask: Mask = None) -> str:
        return self.node(
            "Concat", self.layer(layer.ahead, x, mask), self.layer(layer.back, x, mask), axis=-1
        )

    def _recurrent(self, layer: Recurrent, x: Names, mask: Mask = None) -> Names:
        if mask is not None:
            raise ConfigError(f"ONNX has no {type(layer).__name__} that a mask passes over")
        x, *start = as_tuple(x)
        states = [self.node("Unsqueeze", state, [0]) for state in start]  # [1, B, H]
        if not start:
            batch = self.node("Concat", [1], self.node("Shape", x, end=1), [1], axis=0)
            states = [self.node("Expand", np.zeros((1, 1, layer.hidden)), batch)] * layer.states
        by_time = self.node("Transpose", x, perm=[1, 0, 2])
        y, *states = self._steps(layer, by_time, states)
        ends = tuple(self.node("Squeeze", state, [0]) for state in states)
        if layer.last:
            y = ends[0]
        else:
            y = self.node("Transpose", self.node("Squeeze", y, [1]), perm=[1, 0, 2])
        if layer.return_state:
            return (y, *ends)
        return y

    _rnn = _gru = _lstm = _recurrent

    def _steps(self, layer: Recurrent, x: str, states: Sequence[str]) -> tuple[str, ...]:
        """Run x [T, B, inputs]; return y [T, 1, B, H] and the state after it."""
        kind, order = _RECURRENT[layer.gates]
        params = layer.params
        later = np.zeros_like(layer.params["bias"])
        if "candidate_bias" in params:
            later[2 * layer.hidden :] = params["candidate_bias"]
        arrays = (params["input_weight"], params["hidden_weight"], params["bias"], later)
        weight, hidden_weight, *biases = (
            np.stack(np.split(array, layer.gates))[order].reshape(1, *array.shape)
            for array in arrays
        )
        form: dict[str, Any] = {"hidden_size": layer.hidden, "direction": "forward"}
        if layer.reverse:
            form["direction"] = "reverse"
        if isinstance(layer, nn.GRU):
            form["linear_before_reset"] = int(not layer.reset_first)
        inputs = (weight, hidden_weight, np.concatenate(biases, axis=1))
        return self.node(kind, x, *inputs, "", *states, outputs=1 + layer.states, **form)

    # ---- attention -------------------------------------------------------------------------------

    def _self_attention(self, layer: nn.SelfAttention, x: Names, mask: Mask = None) -> str:
        x, *bias = as_tuple(x)
        return self._attention(layer, x, x, mask, bias, layer.causal)

    def _cross_attention(self, layer: nn.CrossAttention, x: Names, mask: Mask = None) -> str:
        return self._attention(layer, x[0], x[1], mask)

    def _attention(
        self,
        layer: Any,
        x: str,
        context: str,
        mask: Mask,
        bias: Sequence[str] = (),
        causal: bool = False,
    ) -> str:
        query = self._heads(layer, "query", x)
        key, value = (self._heads(layer, name, context) for name in ("key", "value"))
        size = layer.inner // layer.heads
        if layer.rotary:
            waves = self._waves(x, size)
            query, key = self._rotated(query, waves), self._rotated(key, waves)
        turned = self.node("Transpose", key, perm=[0, 1, 3, 2])
        scores = self.times(self.node("MatMul", query, turned), 1 / math.sqrt(size))
        for table in bias:
            scores = self.node("Add", scores, table)
        shares = self._shares(scores, self._allowed(x, mask, causal))
        mixed = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self.layer(layer.parts["output"], self.reshaped(mixed, 0, 0, layer.inner))

    def _shares(self, scores: str, allowed: Sequence[str]) -> str:
        """Return what each key gives to a query, of the keys that all masks allow."""
        for mask in allowed:
            scores = self.node("Where", mask, scores, _FAR_BELOW_ZERO)
        shares = self.node("Softmax", scores, axis=-1)
        for mask in allowed:  # a query that may attend to no key gets 0
            shares = self.node("Where", mask, shares, 0.0)
        return shares

    def _heads(self, layer: Any, name: str, x: str) -> str:
        """Return a projection of x, split by heads: [B, heads, T, d]."""
        projected = self.layer(layer.parts[name], x)
        return self.node(
            "Transpose", self.reshaped(projected, 0, 0, layer.heads, -1), perm=[0, 2, 1, 3]
        )

    def _places(self, x: str) -> str:
        """Return the numbers of the places of a sequence."""
        count = self.node("Gather", self.node("Shape", x), 1)
        return self.node("Range", 0, count, 1)

    def _waves(self, x: str, features: int) -> tuple[str, str]:
        """Return cosine and sine of the angles of all places, [T, features / 2]."""
        places = self.cast(self._places(x), np.float32)
        speeds = LONGEST_TURN ** (np.arange(0, features, 2) / -features)
        angles = self.node("Mul", self.node("Unsqueeze", places, [1]), speeds)
        return self.node("Cos", angles), self.node("Sin", angles)

    def _rotated(self, x: str, waves: tuple[str, str]) -> str:
        """Turn [B, heads, T, d], as `rotated` does."""
        cosine, sine = waves
        left_half, right_half = self.node("Split", x, outputs=2, axis=3, num_outputs=2)
        first = self.node(
            "Sub", self.node("Mul", left_half, cosine), self.node("Mul", right_half, sine)
        )
        second = self.node(
            "Add", self.node("Mul", left_half, sine), self.node("Mul", right_half, cosine)
        )
        return self.node("Concat", first, second, axis=3)

    def _allowed(self, x: str, mask: Mask, causal: bool) -> list[str]:
        """Return what a mask and `causal` allow, each of which broadcasts to [B, heads, T, S]."""
        masks = []
        if mask is not None:
            new_axes = [1, 2]
            if mask in self.examples and self.examples[mask].ndim == 3:  # one for each query
                new_axes = [1]
            masks.append(self.node("Unsqueeze", mask, new_axes))
        if causal:
            places = self._places(x)
            masks.append(self.node("LessOrEqual", places, self.node("Unsqueeze", places, [1])))
        return masks

    def _encoder(self, layer: nn.Encoder, x: str, mask: Mask = None) -> str:
        x = self.squares(x)
        table = [*map(self.weight, layer.params.values())]
        for part in layer.layers.values():
            inputs: Names = x
            if table:
                inputs = (x, *table)
            x = self.layer(part, inputs, mask)
        return x

    def _encoder_layer(self, layer: nn.EncoderLayer, x: Names, mask: Mask = None) -> str:
        x, *table = as_tuple(x)
        parts = layer.parts

        def attention(z):
            inputs = z
            if table:
                inputs = (z, self.layer(parts["smolgen"], (z, *table)))
            return self.layer(parts["attention"], inputs, mask)

        return self.layer(parts["feed"], self._in_skip(layer, "norm", x, attention))

    def _decoder_layer(self, layer: nn.DecoderLayer, x: Names, mask: Mask = None) -> str:
        (x, context), parts = x, layer.parts

        def cross(z):
            return self.layer(parts["cross"], (z, context), mask)

        z = self._in_skip(layer, "norm", x, lambda z: self.layer(parts["attention"], z))
        return self.layer(parts["feed"], self._in_skip(layer, "cross_norm", z, cross))

    def _feed_forward(self, layer: nn.FeedForward, x: str) -> str:
        return self._in_skip(layer, "norm", x, lambda z: self.layer(layer.body, z))

    def _in_skip(self, layer: Any, name: str, x: str, part: Callable[[str], str]) -> str:
        """Add a part inside a skip connection, with the norm of this name before it or behind the
        sum.
        """
        norm = layer.parts[name]
        inner = x
        if layer.norm_first:
            inner = self.layer(norm, x)
        total = self.node("Add", self.times(part(inner), layer.scale), x)
        if layer.norm_first:
            return total
        return self.layer(norm, total)

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
