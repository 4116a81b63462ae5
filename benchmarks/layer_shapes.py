"""Layer shapes that students write, and whole steps of their models, ours against PyTorch on one
thread of the CPU.

    python -m benchmarks.layer_shapes
    python -m benchmarks.layer_shapes groups= LSTM --rounds 21

The arguments choose the rows whose names hold one of them. Both libraries take turns in one
process, round by round, so that a busy machine slows both. A layer's step is forward and backward,
with a gradient for the input, of plain arrays: float32, as NumPy lays them out. A model's step is
forward, loss, backward and Adam. The table shows the median microseconds of each and the median of
PyTorch's time by ours in the same round: 1.0 is parity, more is faster than PyTorch. PyTorch is not
a dependency; install it beside the library. A processor without AVX-512 is played by

    export NUMBA_CPU_NAME=haswell OPENBLAS_CORETYPE=Haswell
    export ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
"""

import json
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.registry import cpu_target
from threadpoolctl import threadpool_limits

from benchmarks.layer_rows import LAYERS, LOSSES, MODELS, Part
from benchmarks.measuring import Row, counted, new_parser, report, take_turns
from engine import nn

ROUND_SECONDS = 0.02  # of each library in a round
COLUMNS = ("us", "PyTorch us")
Sides = tuple[int, ...]
Pair = tuple[Any, Any]  # ours and PyTorch's
Steps = tuple[Callable[[], object], Callable[[], object]]

THEIRS = {  # where PyTorch's name is another one
    "Dense": "Linear",
    "BatchNorm 100": "BatchNorm1d 100",
    "BatchNorm": "BatchNorm2d",
    "AveragePool2D": "AvgPool2d",
    "GlobalAveragePool": "AdaptiveAvgPool2d 1",
    "SelfAttention": "MultiheadAttention",
    "Activation relu": "ReLU",
    "Activation relu6": "ReLU6",
    "Activation leaky_relu": "LeakyReLU",
    "Activation elu": "ELU",
    "Activation celu": "CELU",
    "Activation selu": "SELU",
    "Activation sigmoid": "Sigmoid",
    "Activation hard_sigmoid": "Hardsigmoid",
    "Activation hard_swish": "Hardswish",
    "Activation softsign": "Softsign",
    "Activation tanh": "Tanh",
    "Activation softplus": "Softplus",
    "Activation swish": "SiLU",
    "Activation gelu": "GELU approximate=tanh",
    "Activation exact_gelu": "GELU",
    "Activation mish": "Mish",
    "softmax_cross_entropy": "cross_entropy",
    "sigmoid_binary_cross_entropy": "binary_cross_entropy_with_logits",
    "mse": "mse_loss",
}
DRAWN = ("Conv", "Dense", "LSTM", "GRU", "RNN", "Self")  # layers of ours whose weights are drawn
BATCH_FIRST = ("LSTM", "GRU", "RNN", "MultiheadAttention")  # an option of PyTorch's

# ---- both libraries' layers and losses from a call -----------------------------------------------


def read(call: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Return the name in a call, its arguments and its options."""
    name, *words = call.split()
    arguments = []
    options = {}
    for word in words:
        key, equals, text = word.partition("=")
        if equals:
            options[key] = value(text)
        else:
            arguments.append(value(word))
    return name, arguments, options


def value(text: str) -> Any:
    """Return a number, a truth value or a name."""
    try:
        return json.loads(text.lower())
    except ValueError:
        return text


def their_call(call: str) -> str:
    """Return PyTorch's call for ours."""
    for ours, theirs in THEIRS.items():
        if call == ours or call.startswith(ours + " "):
            return theirs + call.removeprefix(ours)
    return call.replace("1D", "1d").replace("2D", "2d")


def pair_of(torch: Any, part: Part) -> Pair:
    """Return a layer, or a body beside its input, of both libraries."""
    if not isinstance(part, str):
        join, *body = part
        ours, theirs = chain(torch, body)
        return getattr(nn, join)(nn.Sequential(), ours), joined(torch, join, theirs)
    kind, arguments, options = read(part)
    if kind.startswith(DRAWN):
        arguments.append(np.random.default_rng(0))
    ours = getattr(nn, kind)(*arguments, **options)
    kind, arguments, options = read(their_call(part))
    if kind in ("Conv1d", "Conv2d"):
        options.setdefault("padding", arguments[2] // 2)
    if kind in BATCH_FIRST:
        options["batch_first"] = True
    theirs = getattr(torch.nn, kind)(*arguments, **options)
    if kind == "AdaptiveAvgPool2d":
        theirs = torch.nn.Sequential(theirs, torch.nn.Flatten())
    return ours, theirs


def chain(torch: Any, parts: list[Part]) -> Pair:
    """Return layers one after another, of both libraries."""
    layers = []
    for part in parts:
        calls: Sequence[Part] = [part]
        if isinstance(part, str):
            calls = part.split(", ")
        layers += [pair_of(torch, call) for call in calls]
    ours, theirs = zip(*layers, strict=True)
    return nn.Sequential(*ours), torch.nn.Sequential(*theirs)


def joined(torch: Any, join: str, body: Any) -> Any:
    """Return PyTorch's module that joins a body's output with its input."""

    class Joined(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            if join == "Add":
                return x + y
            return torch.cat([x, y], 1)

    return Joined()


# ---- steps of both ---------------------------------------------------------------------------------


def layer_steps(torch: Any, call: str, sides: Sides) -> Steps:
    """Return a forward and backward pass of our layer, and of PyTorch's."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(sides, np.float32)
    ours, theirs = pair_of(torch, call)
    dy = rng.standard_normal(ours.forward(x, training=True)[0].shape, np.float32)
    there = torch.from_numpy(x).clone().requires_grad_()
    their_dy = torch.from_numpy(dy).clone()
    inputs = [there]
    if "Self" in call:
        inputs *= 3

    def step() -> None:
        ours.forward(x, training=True)[1](dy)

    def their_step() -> None:
        there.grad = None
        theirs.zero_grad()
        y = theirs(*inputs)
        if isinstance(y, tuple):
            y = y[0]
        y.backward(their_dy)

    return step, their_step


def loss_steps(torch: Any, call: str, sides: Sides) -> Steps:
    """Return our loss with its gradient, and PyTorch's."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(sides, np.float32)
    name, arguments, options = read(call)
    there = torch.from_numpy(x).clone().requires_grad_()
    if "softmax" in name:
        targets: np.ndarray = rng.integers(0, sides[-1], sides[:-1])
        rows: Sides = (-1, sides[-1])
        their_targets = torch.from_numpy(targets).reshape(-1)
    else:
        targets = rng.random(sides, np.float32)
        rows = sides
        their_targets = torch.from_numpy(targets)
    their_options = dict(options)
    if arguments == ["class_weights"]:
        weights = rng.random(sides[-1], np.float32)
        options["class_weights"] = weights
        their_options["weight"] = torch.from_numpy(weights)
    their_loss = getattr(torch.nn.functional, their_call(name))

    def their_step() -> None:
        there.grad = None
        their_loss(there.reshape(rows), their_targets, **their_options).sum().backward()

    return lambda: getattr(nn, name)(x, targets, **options), their_step


def model_steps(torch: Any, parts: list[Part], sides: Sides) -> Steps:
    """Return a training step of a model of ours, and of PyTorch's."""
    rng = np.random.default_rng(0)
    x = rng.random(sides, np.float32)
    ours, theirs = chain(torch, parts)
    optimizer = nn.Adam()
    their_optimizer = torch.optim.Adam(theirs.parameters())
    form = ours.forward(x)[0].shape
    if form[-1] == 10:
        name = "softmax_cross_entropy"
        targets: np.ndarray = rng.integers(0, 10, len(x))
    else:
        name = "sigmoid_binary_cross_entropy"
        targets = rng.random(form, np.float32)
    loss, their_loss = getattr(nn, name), getattr(torch.nn.functional, their_call(name))
    there, their_targets = torch.from_numpy(x), torch.from_numpy(targets)

    def step() -> None:
        y, backward = ours.forward(x, training=True)
        gradients = backward(loss(y, targets)[1])[1]
        optimizer.step(ours.named_parameters(), gradients, 1e-3)

    def their_step() -> None:
        their_optimizer.zero_grad()
        their_loss(theirs(there), their_targets).backward()
        their_optimizer.step()

    return step, their_step


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__, rounds=11)
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure rows whose name has this")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[Row] = []
    quotients = []
    with threadpool_limits(1):
        for name, make_steps in step_makers(torch):
            if not options.names or any(part in name for part in options.names):
                row, quotient = compare(name, make_steps(), options.rounds)
                rows.append(row)
                quotients.append(quotient)
    median = f"{statistics.median(quotients):.2f}"
    rows.append({"shape": "median", "us": "", "PyTorch us": "", "speed": median})
    report(rows, options.json)
    processor = cpu_target.target_context.codegen().magic_tuple()[1]
    print(f"{processor_name()}, compiled for {processor}; PyTorch {torch.__version__}")


def step_makers(torch: Any) -> Iterator[tuple[str, Callable[[], Steps]]]:
    """Yield the name of each row, and what makes its steps."""
    for calls, make in ((LAYERS, layer_steps), (LOSSES, loss_steps)):
        for line in calls.strip().split("\n"):
            name = line.strip()
            call, sides = name.split(": ")
            yield name, partial(make, torch, call, sides_of(sides))
    for name, parts in MODELS.items():
        yield name, partial(model_steps, torch, parts, sides_of(name.split(": ")[1]))


def sides_of(text: str) -> Sides:
    return tuple(map(int, text.split()))


def processor_name() -> str:
    """Return the name of the machine's processor, as Linux tells it."""
    name = re.search("model name\\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    if name is None:
        return platform.processor()
    return name[1]


def compare(name: str, steps: Steps, rounds: int) -> tuple[Row, float]:
    """Return the row of a shape, and the median of our speed by PyTorch's."""
    runs = dict(zip(COLUMNS, map(counted, steps), strict=True))
    speeds = take_turns(runs, rounds, ROUND_SECONDS, time.process_time)
    ours, theirs = speeds.values()
    quotient = float(statistics.median(np.divide(ours, theirs)))
    row = {"shape": name}
    for column, values in speeds.items():
        row[column] = f"{1e6 / statistics.median(values):.0f}"
    return row | {"speed": f"{quotient:.2f}"}, quotient


if __name__ == "__main__":
    main()
