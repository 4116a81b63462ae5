"""Forty layer shapes that students write, forward and backward, ours against PyTorch on one thread
of the CPU.

    python -m benchmarks.layer_shapes
    python -m benchmarks.layer_shapes conv lstm --rounds 21

The arguments choose the rows whose names hold one of them. Both libraries take turns in one
process, round by round, so that a busy machine slows both. Arrays are plain: float32, as NumPy lays
them out, with a gradient for the input. The table shows the median microseconds of each and the
median of PyTorch's time by ours in the same round: 1.0 is parity, more is faster than PyTorch.
PyTorch is not a dependency; install it beside the library.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measuring import Row, counted, new_parser, report, take_turns
from engine import nn

ROUND_SECONDS = 0.02  # of each library in a round
COLUMNS = ("us", "PyTorch us")
Sides = tuple[int, ...]
Step = Callable[[], object]

# ---- rows: name, sides of the input, our layer and PyTorch's -------------------------------------


def conv(inputs: int, outputs: int, size: int, **options: Any) -> tuple[Any, Any]:
    padding = {"padding": size // 2} | options
    return (
        lambda rng: nn.Conv2D(inputs, outputs, size, rng, **options),
        lambda torch: torch.nn.Conv2d(inputs, outputs, size, **padding),
    )


def dense(inputs: int, outputs: int) -> tuple[Any, Any]:
    return (
        lambda rng: nn.Dense(inputs, outputs, rng),
        lambda torch: torch.nn.Linear(inputs, outputs),
    )


def activation(name: str, theirs: str, **options: Any) -> tuple[Any, Any]:
    return (lambda rng: nn.Activation(name), lambda torch: getattr(torch.nn, theirs)(**options))


def recurrent(kind: str, inputs: int, hidden: int) -> tuple[Any, Any]:
    return (
        lambda rng: getattr(nn, kind)(inputs, hidden, rng),
        lambda torch: getattr(torch.nn, kind)(inputs, hidden, batch_first=True),
    )


def plain(ours: str, theirs: str, *sizes: int) -> tuple[Any, Any]:
    """Return a layer whose arguments are the same in both."""
    return (lambda rng: getattr(nn, ours)(*sizes), lambda torch: getattr(torch.nn, theirs)(*sizes))


def attention(features: int, heads: int) -> tuple[Any, Any]:
    def theirs(torch: Any) -> Any:
        layer = torch.nn.MultiheadAttention(features, heads, batch_first=True)
        return lambda x: layer(x, x, x, need_weights=False)

    return lambda rng: nn.SelfAttention(features, heads, rng), theirs


NUMBERS = (128, 512)  # of the rows of activations
LAYERS: dict[str, tuple[Sides, tuple[Any, Any]]] = {
    "conv 3->16 k5, 32x32": ((32, 3, 32, 32), conv(3, 16, 5)),
    "conv 1->32 k3, 28x28": ((32, 1, 28, 28), conv(1, 32, 3)),
    "conv 1->6 k5, 28x28": ((32, 1, 28, 28), conv(1, 6, 5)),
    "conv 3->32 k3, 32x32": ((32, 3, 32, 32), conv(3, 32, 3)),
    "conv 16->16 k3, 28x28": ((32, 16, 28, 28), conv(16, 16, 3)),
    "conv 32->64 k3, 14x14": ((32, 32, 14, 14), conv(32, 64, 3)),
    "conv 64->128 k3, 7x7": ((32, 64, 7, 7), conv(64, 128, 3)),
    "conv 16->32 k3 stride 2, 28x28": ((32, 16, 28, 28), conv(16, 32, 3, stride=2)),
    "conv 64->64 k1, 14x14": ((32, 64, 14, 14), conv(64, 64, 1)),
    "conv 64->64 k3, 8x8": ((128, 64, 8, 8), conv(64, 64, 3)),
    "conv 20->50 k5 no padding, 12x12": ((32, 20, 12, 12), conv(20, 50, 5, padding=0)),
    "dense 784->128": ((64, 784), dense(784, 128)),
    "dense 64->64": ((32, 64), dense(64, 64)),
    "dense 128->10": ((128, 128), dense(128, 10)),
    "dense 512->512": ((16, 32, 512), dense(512, 512)),
    "relu": (NUMBERS, activation("relu", "ReLU")),
    "leaky relu": (NUMBERS, activation("leaky_relu", "LeakyReLU")),
    "selu": (NUMBERS, activation("selu", "SELU")),
    "sigmoid": (NUMBERS, activation("sigmoid", "Sigmoid")),
    "tanh": (NUMBERS, activation("tanh", "Tanh")),
    "softplus": (NUMBERS, activation("softplus", "Softplus")),
    "swish": (NUMBERS, activation("swish", "SiLU")),
    "gelu": (NUMBERS, activation("gelu", "GELU", approximate="tanh")),
    "exact gelu": (NUMBERS, activation("exact_gelu", "GELU")),
    "mish": (NUMBERS, activation("mish", "Mish")),
    "layer norm 100": ((32, 64, 100), plain("LayerNorm", "LayerNorm", 100)),
    "layer norm 768": ((512, 768), plain("LayerNorm", "LayerNorm", 768)),
    "batch norm 100": ((128, 100), plain("BatchNorm", "BatchNorm1d", 100)),
    "batch norm 16, 28x28": ((32, 16, 28, 28), plain("BatchNorm", "BatchNorm2d", 16)),
    "batch norm 20, 12x12": ((32, 20, 12, 12), plain("BatchNorm", "BatchNorm2d", 20)),
    "max pool 2, 28x28": ((32, 16, 28, 28), plain("MaxPool2D", "MaxPool2d", 2)),
    "average pool 2, 28x28": ((32, 16, 28, 28), plain("AveragePool2D", "AvgPool2d", 2)),
    "LSTM 64->100, 32 steps": ((32, 32, 64), recurrent("LSTM", 64, 100)),
    "GRU 64->64, 32 steps": ((32, 32, 64), recurrent("GRU", 64, 64)),
    "RNN 32->64, 32 steps": ((32, 32, 32), recurrent("RNN", 32, 64)),
    "attention 128, 4 heads": ((16, 64, 128), attention(128, 4)),
}
LOSSES: dict[str, tuple[Sides, str, str]] = {
    "cross-entropy [12, 64, 100]": ((12, 64, 100), "softmax_cross_entropy", "cross_entropy"),
    "cross-entropy [128, 10]": ((128, 10), "softmax_cross_entropy", "cross_entropy"),
    "cross-entropy [64, 1858]": ((64, 1858), "softmax_cross_entropy", "cross_entropy"),
    "mean squared error [128, 64]": ((128, 64), "mse", "mse_loss"),
}


def layer_steps(torch: Any, sides: Sides, makers: tuple[Any, Any]) -> tuple[Step, Step]:
    """Return a forward and backward pass of our layer, and of PyTorch's."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(sides, np.float32)
    layer = makers[0](rng)
    dy = rng.standard_normal(layer.forward(x, training=True)[0].shape, np.float32)
    there = torch.from_numpy(x).clone().requires_grad_()
    theirs = makers[1](torch)
    their_dy = torch.from_numpy(dy).clone()

    def step() -> None:
        layer.forward(x, training=True)[1](dy)

    def their_step() -> None:
        there.grad = None
        if isinstance(theirs, torch.nn.Module):
            theirs.zero_grad()
        y = theirs(there)
        (y[0] if isinstance(y, tuple) else y).backward(their_dy)

    return step, their_step


def loss_steps(torch: Any, sides: Sides, ours: str, theirs: str) -> tuple[Step, Step]:
    """Return our loss with its gradient, and PyTorch's."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(sides, np.float32)
    is_mse = ours == "mse"
    targets = (
        rng.standard_normal(sides, np.float32) if is_mse else rng.integers(0, sides[-1], sides[:-1])
    )
    loss, their_loss = getattr(nn, ours), getattr(torch.nn.functional, theirs)
    there = torch.from_numpy(x).clone().requires_grad_()
    wanted = torch.from_numpy(targets)
    if not is_mse:
        wanted = wanted.flatten()

    def their_step() -> None:
        there.grad = None
        their_loss(there if is_mse else there.flatten(0, -2), wanted).backward()

    return lambda: loss(x, targets), their_step


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__, rounds=11)
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure rows whose name has this")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    makers: dict[str, Callable[[], tuple[Step, Step]]] = {}
    for name, layer in LAYERS.items():
        makers[name] = partial(layer_steps, torch, *layer)
    for name, loss in LOSSES.items():
        makers[name] = partial(loss_steps, torch, *loss)
    rows: list[Row] = []
    quotients = []
    with threadpool_limits(1):
        for name, make in makers.items():
            if not options.names or any(part in name for part in options.names):
                row, quotient = compare(name, make(), options.rounds)
                rows.append(row)
                quotients.append(quotient)
    median = f"{statistics.median(quotients):.2f}"
    rows.append({"shape": "median", "us": "", "PyTorch us": "", "speed": median})
    report(rows, options.json)


def compare(name: str, steps: tuple[Step, Step], rounds: int) -> tuple[Row, float]:
    """Return the row of a shape, and the median of our speed by PyTorch's."""
    runs = dict(zip(COLUMNS, map(counted, steps), strict=True))
    speeds = take_turns(runs, rounds, ROUND_SECONDS, time.process_time)
    ours, theirs = speeds.values()
    quotient = float(statistics.median(np.divide(ours, theirs)))
    row = {"shape": name}
    for column, found in speeds.items():
        row[column] = f"{1e6 / statistics.median(found):.0f}"
    return row | {"speed": f"{quotient:.2f}"}, quotient


if __name__ == "__main__":
    main()
