"""Blocks of transformers: parts in skip connections with a norm, and the feed-forward block."""

from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from engine.nn.array_checks import as_tuple, check_input
from engine.nn.layer import Array, Forward, Gradients, Layer, forward_part, register
from engine.nn.layers.activations import Activation
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.layers.dropout import Dropout
from engine.nn.layers.normalisation import LayerNorm


class Block(Layer):
    """What blocks of a transformer share: parts inside skip connections, each with a norm.

    y = norm(x + scale drop(f(x))), or with `norm_first` y = x + scale drop(f(norm(x))), where f is
    the part and drop a Dropout in training. With d = the norm's gradient of its input, or d = dy:
    dx = d + the gradient of (scale d) through drop and f, and with `norm_first` through the norm.
    """

    scale: float
    norm_first: bool
    dropout: float
    parts: dict[str, Layer]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._fixed = cls.settings

    def run(
        self, name: str, x: Any, training: bool, mask: Any = None, state: Any = None
    ) -> tuple[Any, Any]:
        """Run the part of this name."""
        return forward_part(name, self.parts[name], x, training, mask, state)

    def in_skip(
        self, norm: str, x: Array, training: bool, part: Callable[[Array], tuple[Array, Any]]
    ) -> tuple[Array, Callable[[Array], tuple[tuple[Array, ...], Gradients]]]:
        """Return y, and backward: dy -> ((dx, gradients of what else the part takes), gradients);
        `norm` is the name of the norm.
        """
        inner, before_backward = self._normed(norm, x, training, self.norm_first)
        inner, part_backward = part(inner)
        inner, drop_backward = self._dropped(inner, training)
        total = x + inner * self.scale
        y, norm_backward = self._normed(norm, total, training, not self.norm_first)

        def backward(dy):
            dsum, grads = norm_backward(dy)
            dinner, _ = drop_backward(dsum * self.scale)
            dinputs, part_grads = part_backward(dinner)
            dx, *further = as_tuple(dinputs)
            dx, before_grads = before_backward(dx)
            return (dsum + dx, *further), grads | part_grads | before_grads

        return y, backward

    def _normed(self, norm: str, x: Array, training: bool, is_here: bool) -> Forward:
        if not is_here:
            return x, _same
        return self.run(norm, x, training)

    def _dropped(self, x: Array, training: bool) -> Forward:
        if not self.dropout:
            return x, _same
        return self.drop.forward(x, training)

    def keep(self, rng: Generator, **settings: Any) -> None:
        """Keep settings as attributes, and make the dropout of what parts return."""
        for name, value in settings.items():
            setattr(self, name, value)
        if self.dropout:
            self.drop = Dropout(self.dropout, rng)


def _same(dy: Array) -> tuple[Array, Gradients]:
    return dy, {}


@register("feed_forward")
class FeedForward(Block):
    """Two dense layers inside a skip connection: y = norm(scale dense2(act(dense1 x)) + x).

    forward:  x [B, T, features] -> y like x
    backward: dy like y -> dx like x; gradients dense1.*, dense2.*, norm.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through the dense
    layers. `norm_first` and `dropout` are as in EncoderLayer; another dropout stands behind the
    activation. Not `damped`, the dense layers begin as "he" and "glorot". Raises ShapeError when x
    is not [B, T, features].
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        rng: Generator,
        activation: str = "relu",
        scale: float = 1.0,
        epsilon: float = 1e-6,
        damped: bool = True,
        *,
        norm_first: bool = False,
        dropout: float = 0.0,
    ) -> None:
        self.features = features
        self.hidden = hidden
        self.activation = activation
        self.epsilon, self.damped = epsilon, damped
        starts = ("he", "glorot")
        if damped:
            starts = ("small", "small")
        second = Dense(hidden, features, rng, starts[1])
        first = Dense(features, hidden, rng, starts[0])
        self.keep(rng, scale=scale, norm_first=norm_first, dropout=dropout)
        self.parts = {"dense1": first, "activation": Activation(activation)}
        if dropout:
            self.parts["dropout"] = Dropout(dropout, rng)
        self.parts |= {"dense2": second, "norm": LayerNorm(features, epsilon)}

    @property
    def body(self) -> Sequential:
        """What stands inside the skip connection."""
        return Sequential(**{name: part for name, part in self.parts.items() if name != "norm"})

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "T", self.features)
        body = self.body
        y, skip_backward = self.in_skip("norm", x, training, lambda z: body.forward(z, training))

        def backward(dy):
            (dx,), grads = skip_backward(dy)
            return dx, grads

        return y, backward


def feed_of(layer: Any, rng: Generator) -> FeedForward:
    """Return the feed-forward block with the settings of a layer."""
    further = {"norm_first": layer.norm_first, "dropout": layer.dropout}
    settings = layer.activation, layer.scale, layer.epsilon, layer.damped
    return FeedForward(layer.features, layer.hidden, rng, *settings, **further)
