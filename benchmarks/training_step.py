"""A whole training step (forward, losses, backward, AdamW) of four networks, ours against PyTorch
on the CPU.

    python -m benchmarks.training_step --threads 1
    python -m benchmarks.training_step tower --net 64x6 --batch 256 --threads 2

The networks are a tower for chess, a transformer encoder over sequences, an MLP and an LSTM.
PyTorch is not a dependency: without it, only our figures are printed. All take turns, round by
round, so that a busy machine slows all; the table shows the median round of each, and the median of
our speed by theirs in the same round. With one thread the time is that of the processor.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import nn
from engine.network.planes import PLANES
from engine.network.tower.tower_model import TowerConfig
from engine.nn import AdamW, DataParallel, huber, softmax_cross_entropy

Step = Callable[[], float]  # returns the loss
# Of a place in a sequence, of a sequence, and of what is to be guessed.
WIDTH = 128
PLACES = 64
CLASSES = 10


class Batch:
    """Made-up positions: sparse planes, a move, an outcome and a length each."""

    def __init__(self, size: int, config: TowerConfig) -> None:
        rng = np.random.default_rng(0)
        self.size = size
        self.planes = (rng.random((size, 8, 8, PLANES)) < 0.1).astype(np.float32)  # channels last
        self.moves = rng.integers(0, config.policy_planes * 64, size)
        self.outcomes = rng.integers(0, 3, size)
        self.lengths = rng.random((size, 1)).astype(np.float32)


def our_step(config: TowerConfig, batch: Batch, threads: int) -> Step:
    """Return a step of this project's library; each thread takes an equal share of the batch."""
    model = config.build(np.random.default_rng(0))
    optimizer = AdamW()
    runner = DataParallel(model, -(-batch.size // threads), threads)

    def loss(
        outputs: dict[str, np.ndarray], part: slice
    ) -> tuple[float, dict[str, np.ndarray], dict[str, float]]:
        policy = outputs["policy"].transpose(0, 2, 3, 1)  # as it lies in memory
        move_loss, dpolicy = softmax_cross_entropy(
            policy.reshape(len(policy), -1), batch.moves[part]
        )
        outcome_loss, dwdl = softmax_cross_entropy(outputs["wdl"], batch.outcomes[part])
        length_loss, dlength = huber(outputs["moves_left"], batch.lengths[part])
        gradients = {
            "policy": dpolicy.reshape(policy.shape).transpose(0, 3, 1, 2),
            "wdl": dwdl,
            "moves_left": dlength,
        }
        return move_loss + outcome_loss + length_loss, gradients, {}

    def step() -> float:
        result = runner.step(
            batch.size, lambda part: batch.planes[part].transpose(0, 3, 1, 2), loss
        )
        optimizer.step(model.named_parameters(), result.grads, 1e-3)
        return result.loss

    return step


def torch_step(config: TowerConfig, batch: Batch, threads: int, channels_last: bool) -> Step:
    """Return the same net, losses and optimizer in PyTorch."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = torch_tower(torch, config).to(memory_format=layout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    planes = torch.from_numpy(batch.planes).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    moves, outcomes = torch.from_numpy(batch.moves), torch.from_numpy(batch.outcomes)
    lengths = torch.from_numpy(batch.lengths)
    functional = torch.nn.functional

    def step() -> float:
        policy, wdl, moves_left = model(planes)
        loss = functional.cross_entropy(policy.permute(0, 2, 3, 1).flatten(1), moves)
        loss = (
            loss
            + functional.cross_entropy(wdl, outcomes)
            + functional.huber_loss(moves_left, lengths)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def torch_tower(torch: Any, config: TowerConfig) -> Any:
    layers: Any = torch.nn
    filters = config.filters

    class Block(layers.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = layers.Sequential(
                layers.Conv2d(filters, filters, 3, padding=1, bias=False),
                layers.BatchNorm2d(filters),
                layers.ReLU(inplace=True),
                layers.Conv2d(filters, filters, 3, padding=1, bias=False),
                layers.BatchNorm2d(filters),
            )
            hidden = filters // config.se_ratio
            self.gate = layers.Sequential(
                layers.Linear(filters, hidden), layers.ReLU(), layers.Linear(hidden, 2 * filters)
            )

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            scale, shift = self.gate(y.mean((2, 3)))[:, :, None, None].chunk(2, 1)
            return torch.relu(torch.sigmoid(scale) * y + shift + x)

    def conv_norm(inputs: int, outputs: int, size: int) -> list[Any]:
        conv = layers.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
        return [conv, layers.BatchNorm2d(outputs), layers.ReLU(inplace=True)]

    def dense_head(channels: int, hidden: int, outputs: int) -> Any:
        dense = [
            layers.Flatten(),
            layers.Linear(64 * channels, hidden),
            layers.ReLU(),
            layers.Linear(hidden, outputs),
        ]
        return layers.Sequential(*conv_norm(filters, channels, 1), *dense)

    class Tower(layers.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = layers.Sequential(
                *conv_norm(PLANES, filters, 3), *(Block() for _ in range(config.blocks))
            )
            last = layers.Conv2d(filters, config.policy_planes, 3, padding=1)
            self.policy = layers.Sequential(*conv_norm(filters, filters, 3), last)
            self.wdl = dense_head(config.value_channels, config.value_hidden, 3)
            self.moves_left = dense_head(config.moves_left_channels, config.moves_left_hidden, 1)

        def forward(self, x: Any) -> Any:
            shared = self.trunk(x)
            return self.policy(shared), self.wdl(shared), self.moves_left(shared)

    return Tower()


# ---- networks of the library's layers alone ------------------------------------------------------


def our_models() -> dict[str, nn.Sequential]:
    rng = np.random.default_rng(0)
    block = {"features": WIDTH, "heads": 8, "hidden": 2 * WIDTH}
    dense = [
        nn.Dense(784, 256, rng),
        nn.Activation("relu"),
        nn.Dense(256, 128, rng),
        nn.Activation("relu"),
    ]
    return {
        "encoder": nn.Sequential(nn.Encoder(2, block, rng), nn.Dense(WIDTH, CLASSES, rng)),
        "mlp": nn.Sequential(*dense, nn.Dense(128, CLASSES, rng)),
        "lstm": nn.Sequential(nn.LSTM(WIDTH, WIDTH, rng, last=True), nn.Dense(WIDTH, CLASSES, rng)),
    }


def torch_models(torch: Any) -> dict[str, Any]:
    layers: Any = torch.nn

    class Last(layers.Module):
        def forward(self, outputs: Any) -> Any:
            return outputs[0][:, -1]

    block = layers.TransformerEncoderLayer(WIDTH, 8, 2 * WIDTH, dropout=0.0, batch_first=True)
    dense = [layers.Linear(784, 256), layers.ReLU(), layers.Linear(256, 128), layers.ReLU()]
    memory = layers.LSTM(WIDTH, WIDTH, batch_first=True)
    return {
        "encoder": layers.Sequential(
            layers.TransformerEncoder(block, 2), layers.Linear(WIDTH, CLASSES)
        ),
        "mlp": layers.Sequential(*dense, layers.Linear(128, CLASSES)),
        "lstm": layers.Sequential(memory, Last(), layers.Linear(WIDTH, CLASSES)),
    }


def small_batch(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Made-up inputs and classes."""
    rng = np.random.default_rng(0)
    sides = {"encoder": (32, PLACES, WIDTH), "mlp": (128, 784), "lstm": (64, PLACES, WIDTH)}[name]
    return rng.standard_normal(sides).astype(np.float32), rng.integers(
        0, CLASSES, sides[: -1 if name != "lstm" else 1]
    )


def our_small_step(name: str, threads: int) -> Step:
    model = our_models()[name]
    inputs, classes = small_batch(name)
    optimizer = AdamW()
    runner = DataParallel(model, -(-len(inputs) // threads), threads)

    def loss(outputs: np.ndarray, part: slice) -> tuple[float, np.ndarray, dict[str, float]]:
        return *softmax_cross_entropy(outputs, classes[part]), {}

    def step() -> float:
        result = runner.step(len(inputs), lambda part: inputs[part], loss)
        optimizer.step(model.named_parameters(), result.grads, 1e-3)
        return result.loss

    return step


def torch_small_step(name: str, threads: int) -> Step:
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = torch_models(torch)[name]
    (inputs, classes) = map(torch.from_numpy, small_batch(name))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> float:
        loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, -2), classes.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


# ---- measuring -----------------------------------------------------------------------------------


def measure(
    steps: dict[str, Step], rounds: int, count: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return seconds a step in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()  # compiles, allocates
    for _ in range(rounds):
        for name, step in steps.items():
            start = clock()
            losses = [step() for _ in range(count)]
            seconds[name].append((clock() - start) / count)
            assert np.isfinite(losses).all()
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = ["tower", *our_models()]
    parser.add_argument(
        "models",
        nargs="*",
        choices=[[], *names],
        default=[],
        metavar="MODEL",
        help=", ".join(names),
    )
    parser.add_argument(
        "--net", type=TowerConfig.parse, default=TowerConfig(), help="size of the tower"
    )
    parser.add_argument(
        "--batch", type=int, default=256, help="positions for the tower (default %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--steps",
        type=int,
        default=5,
        help="time this many steps in each round (default %(default)s)",
    )
    options = parser.parse_args(arguments)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with_torch = importlib.util.find_spec("torch") is not None
    print(f"{options.threads} threads, median examples/s, and how many times as fast aino is")
    for name in options.models or names:
        if name == "tower":
            batch = Batch(options.batch, options.net)
            size = options.batch
            title = f"tower {options.net}"
            steps = {"aino": our_step(options.net, batch, options.threads)}
            for layout in ("", " channels last") if with_torch else ():
                steps["torch" + layout] = torch_step(
                    options.net, batch, options.threads, bool(layout)
                )
        else:
            size = len(small_batch(name)[0])
            title = name
            steps = {"aino": our_small_step(name, options.threads)}
            if with_torch:
                steps["torch"] = torch_small_step(name, options.threads)
        seconds = measure(
            steps, options.rounds, options.steps * (1 if name == "tower" else 8), clock
        )
        for other, values in seconds.items():
            ratio = statistics.median(np.divide(values, seconds["aino"]))
            text = f"{ratio:8.2f} times" if other != "aino" else ""
            print(f"{title:16}{other:22}{size / statistics.median(values):9.0f}{text}", flush=True)


if __name__ == "__main__":
    main()
