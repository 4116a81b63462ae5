"""A flat against a spatial move predictor: the same positions, the same moves to predict, as many
parameters.

The flat net sees 768 numbers (12 kinds of pieces on 64 squares) in dense layers; to it, a knight on
c3 and one on d3 have nothing in common. The spatial net sees 12 planes of 8x8 and slides the same
3x3 kernels over them. Both answer with a logit for each of 64 directions and distances from each of
64 squares, and are measured by top-1: how often the largest logit is the move a strong player
chose, without any knowledge of which moves are legal.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import nn
from examples.nn.boards import MOVE_PLANES, Position, planes, read_games, replay
from examples.nn.common import command_line, find_data, run_as_command, save_curves, show

ACTIONS = MOVE_PLANES * 64
FILTERS, BLOCKS = 64, 3
HELD_OUT = 5_000
SKIPPED_PLIES = 8  # of each game: the first moves are known by heart


class Boards:
    """Boards uint8 [B, 64] that become planes float32 [b, 12, 8, 8] when some are asked for."""

    def __init__(self, boards: np.ndarray) -> None:
        self.boards = boards
        self.shape = (len(boards), 12, 8, 8)

    def __len__(self) -> int:
        return len(self.boards)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return planes(self.boards[rows])


class Result(NamedTuple):
    """Both nets' numbers of parameters and histories."""

    parameters: dict[str, int]
    histories: dict[str, nn.History]

    def top1(self, name: str) -> float:
        """Share of the held-out positions in which the net's first choice was played."""
        return self.histories[name]["validation_accuracy"][-1]


def read_positions(path: Path, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(boards uint8 [N, 64], moves played int64 [N]): `count` positions of recorded games, a few of
    each.
    """
    rng = np.random.default_rng(seed)
    sample: list[Position] = []
    for game in read_games(path):
        positions = list(replay(game))[SKIPPED_PLIES:]
        for number in rng.permutation(len(positions))[: min(10, count - len(sample))]:
            sample.append(positions[number])
        if len(sample) == count:
            break
    boards = np.array([position.board for position in sample], np.uint8).reshape(-1, 64)
    return boards, np.array([position.move for position in sample], np.int64)


def spatial_net(
    rng: np.random.Generator, filters: int = FILTERS, blocks: int = BLOCKS
) -> nn.Sequential:
    """Residual blocks of 3x3 convolutions; a logit for each plane and square."""
    parts: dict[str, nn.Layer] = {
        "conv": nn.Conv2D(12, filters, 3, rng, bias=False, input_gradient=False),
        "norm": nn.BatchNorm(filters, relu=True),
    }
    for number in range(blocks):
        parts[f"block{number}"] = nn.Residual(
            nn.Sequential(
                conv1=nn.Conv2D(filters, filters, 3, rng, bias=False),
                norm1=nn.BatchNorm(filters, relu=True),
                conv2=nn.Conv2D(filters, filters, 3, rng, bias=False),
                norm2=nn.BatchNorm(filters),
            )
        )
    return nn.Sequential(
        **parts, head=nn.Conv2D(filters, MOVE_PLANES, 3, rng), flatten=nn.Flatten()
    )


def flat_net(rng: np.random.Generator, parameters: int) -> nn.Sequential:
    """Two hidden layers, as wide as makes the number of parameters nearest to `parameters`."""
    widths = np.arange(4, 512)
    sizes = 768 * widths + widths**2 + ACTIONS * widths + 2 * widths + ACTIONS
    width = int(widths[np.abs(sizes - parameters).argmin()])
    return nn.Sequential(
        flatten=nn.Flatten(),
        dense1=nn.Dense(768, width, rng),
        relu1=nn.Activation("relu"),
        dense2=nn.Dense(width, width, rng),
        relu2=nn.Activation("relu"),
        head=nn.Dense(width, ACTIONS, rng, "glorot"),
    )


def run(
    train: nn.Data,
    held_out: nn.Data,
    epochs: int,
    seed: int = 0,
    filters: int = FILTERS,
    blocks: int = BLOCKS,
) -> Result:
    """Train both nets on the same batches."""
    spatial = spatial_net(np.random.default_rng(seed), filters, blocks)
    count = parameter_count(spatial)
    nets = {"flat": flat_net(np.random.default_rng(seed), count), "spatial": spatial}
    histories = {}
    for name, net in nets.items():
        settings = nn.TrainerSettings(batch_size=256, seed=seed, shard_size=128, threads=2)
        steps = epochs * -(-len(train.inputs) // settings.batch_size)
        schedule = nn.WarmupCosine(3e-3, steps, steps // 20)
        trainer = nn.Trainer(
            net, nn.softmax_cross_entropy, nn.AdamW(), schedule, settings, {"accuracy": nn.accuracy}
        )
        histories[name] = trainer.fit(train, epochs, held_out, callbacks=[show])
    return Result({name: parameter_count(net) for name, net in nets.items()}, histories)


def parameter_count(net: nn.Layer) -> int:
    """How many numbers are trained."""
    return sum(array.size for array in net.named_parameters().values())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_line(__doc__)
    parser.add_argument(
        "--games", type=Path, metavar="FILE", help="read tab-separated games with a column 'uci'"
    )
    parser.add_argument(
        "--positions", type=int, default=100_000, help="train on this many (default %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args(arguments)
    path = find_data(options.games, "games/human.tsv.xz")
    boards, moves = read_positions(path, options.positions + HELD_OUT, options.seed)
    train = nn.Data(Boards(boards[:-HELD_OUT]), moves[:-HELD_OUT])
    held_out = nn.Data(Boards(boards[-HELD_OUT:]), moves[-HELD_OUT:])
    result = run(train, held_out, options.epochs, options.seed)
    print(
        f"\n{len(train.inputs)} positions, {options.epochs} epochs, {HELD_OUT} held-out positions of other games"
    )
    for name, parameters in result.parameters.items():
        print(f"{name:8} {parameters:8} parameters   top-1 {result.top1(name):.1%}")
    accuracies = {
        name: history["validation_accuracy"] for name, history in result.histories.items()
    }
    save_curves(options.plot, accuracies, "epoch", "top-1 on held-out positions")


if __name__ == "__main__":
    run_as_command(main)
