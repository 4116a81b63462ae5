"""A whole training step (forward, losses, backward, AdamW) of a tower, ours against PyTorch on the
CPU.

    python -m benchmarks.training_step --threads 1
    python -m benchmarks.training_step --net 64x6 --batch 256 --threads 2

PyTorch is not a dependency: without it, only our figures are printed. All take turns, round by
round; the table shows the median round of each, and the median of our speed by theirs in the same
round. With one thread the time is that of the processor.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.measuring import counted, new_parser, report, take_turns
from engine.network.planes import PLANES
from engine.network.tower.tower_model import TowerConfig
from engine.nn import AdamW, DataParallel, huber, softmax_cross_entropy

Step = Callable[[], float]  # returns the loss
CHANNELS_LAST = "torch channels last"


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
    """Return the tower in PyTorch, with random weights."""
    layers: Any = torch.nn
    filters = config.filters

    class Tower(layers.Module):
        def __init__(self) -> None:
            super().__init__()
            blocks = [torch_block(torch, config) for _ in range(config.blocks)]
            self.trunk = layers.Sequential(*torch_conv_norm(layers, PLANES, filters, 3), *blocks)
            self.policy = layers.Sequential(
                *torch_conv_norm(layers, filters, filters, 3),
                layers.Conv2d(filters, config.policy_planes, 3, padding=1),
            )
            self.wdl = torch_head(layers, filters, config.value_channels, config.value_hidden, 3)
            self.moves_left = torch_head(
                layers, filters, config.moves_left_channels, config.moves_left_hidden, 1
            )

        def forward(self, x: Any) -> Any:
            shared = self.trunk(x)
            return self.policy(shared), self.wdl(shared), self.moves_left(shared)

    return Tower()


def torch_block(torch: Any, config: TowerConfig) -> Any:
    """Return a residual block with squeeze-excitation."""
    layers: Any = torch.nn
    filters = config.filters
    hidden = filters // config.se_ratio

    class Block(layers.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = layers.Sequential(
                *torch_conv_norm(layers, filters, filters, 3),
                layers.Conv2d(filters, filters, 3, padding=1, bias=False),
                layers.BatchNorm2d(filters),
            )
            self.gate = layers.Sequential(
                layers.Linear(filters, hidden), layers.ReLU(), layers.Linear(hidden, 2 * filters)
            )

        def forward(self, x: Any) -> Any:
            y = self.body(x)
            scale, shift = self.gate(y.mean((2, 3)))[:, :, None, None].chunk(2, 1)
            return torch.relu(torch.sigmoid(scale) * y + shift + x)

    return Block()


def torch_conv_norm(layers: Any, inputs: int, outputs: int, size: int) -> list[Any]:
    """Return a convolution, batch normalisation and ReLU."""
    conv = layers.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return [conv, layers.BatchNorm2d(outputs), layers.ReLU(inplace=True)]


def torch_head(layers: Any, filters: int, channels: int, hidden: int, outputs: int) -> Any:
    """Return a head of a convolution and two dense layers."""
    return layers.Sequential(
        *torch_conv_norm(layers, filters, channels, 1),
        layers.Flatten(),
        layers.Linear(64 * channels, hidden),
        layers.ReLU(),
        layers.Linear(hidden, outputs),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__, batch=(256, "positions"), threads=2, rounds=7, seconds=(1.0, "of each in a round")
    )
    parser.add_argument("--net", type=TowerConfig.parse, default=TowerConfig(), metavar="NET")
    options = parser.parse_args(arguments)
    batch = Batch(options.batch, options.net)
    steps = {"aino": our_step(options.net, batch, options.threads)}
    layouts = ("torch", CHANNELS_LAST) if importlib.util.find_spec("torch") is not None else ()
    for name in layouts:
        steps[name] = torch_step(options.net, batch, options.threads, name == CHANNELS_LAST)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    runs = {name: counted(step, options.batch) for name, step in steps.items()}
    speeds = take_turns(runs, options.rounds, options.seconds, clock)
    rows = [
        {
            "library": name,
            "positions/s": round(statistics.median(found)),
            "aino by it": statistics.median(np.divide(speeds["aino"], found)),
        }
        for name, found in speeds.items()
    ]
    report(rows, options.json)


if __name__ == "__main__":
    main()
