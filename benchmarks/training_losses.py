"""What small programs of a first course learn here and in PyTorch: the same data, sizes, steps and
optimizer.

    python -m benchmarks.training_losses
    python -m benchmarks.training_losses gru --seeds 1 --steps 50
    python -m benchmarks.training_losses mlp cnn lstm transformer --layers 2 5 10 20

Every program has the default start of its library and learns for some hundred steps of Adam, with
the batches of its seed. The table shows the mean loss of the last 20 steps for each seed.
Characters come from the licence of this repository, pictures are drawn digits. PyTorch is not a
dependency: without it, only our losses are printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from engine import nn

Batch = tuple[np.ndarray, np.ndarray]
# Characters, units, examples of a batch, steps that are reported.
LENGTH = 32
WIDTH = 64
BATCH = 32
LAST = 20
RATE = 0.003


@cache
def text() -> tuple[np.ndarray, int]:
    """Return the characters of the licence as numbers from 1, and how many kinds there are, with 0
    for padding.
    """
    letters = (Path(__file__).parents[1] / "LICENSE").read_text(encoding="utf-8")
    kinds = sorted(set(letters))
    return np.array([kinds.index(letter) + 1 for letter in letters]), len(kinds) + 1


def windows(rng: np.random.Generator) -> Iterator[Batch]:
    numbers, _ = text()
    while True:
        places = rng.integers(0, len(numbers) - LENGTH, BATCH)[:, None] + np.arange(LENGTH + 1)
        yield numbers[places[:, :-1]], numbers[places[:, 1:]]


def padded(rng: np.random.Generator) -> Iterator[Batch]:
    """Windows of 2 to 32 characters, filled up by 0."""
    for inputs, targets in windows(rng):
        short = np.arange(LENGTH) >= rng.integers(2, LENGTH + 1, (BATCH, 1))
        inputs[short], targets[short] = 0, 0
        yield inputs, targets


def pictures(rng: np.random.Generator) -> Iterator[Batch]:
    train, _ = nn.datasets.digits()
    while True:
        rows = rng.integers(0, len(train.inputs), BATCH)
        yield train.inputs[rows], train.targets[rows]


def our_model(name: str, layers: int, rng: np.random.Generator) -> nn.Layer:
    kinds = text()[1]
    relu = partial(nn.Activation, "relu")
    if name == "mlp":
        hidden = [
            part
            for n in range(layers)
            for part in (nn.Dense(WIDTH if n else 256, WIDTH, rng), relu())
        ]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Dense(WIDTH, 10, rng, "glorot"))
    if name == "cnn":
        boards = [
            nn.Conv2D(1, 16, 3, rng),
            relu(),
            nn.MaxPool2D(2),
            nn.Conv2D(16, 32, 3, rng),
            relu(),
        ]
        boards += [part for _ in range(layers - 2) for part in (nn.Conv2D(32, 32, 3, rng), relu())]
        return nn.Sequential(
            *boards, nn.MaxPool2D(2), nn.Flatten(), nn.Dense(512, 10, rng, "glorot")
        )
    if name == "transformer":
        block = {
            "features": WIDTH,
            "heads": 4,
            "hidden": 2 * WIDTH,
            "causal": True,
            "epsilon": 1e-5,
        }
        start = [nn.Embedding(kinds, WIDTH, rng), nn.PositionEmbedding(LENGTH, WIDTH, rng)]
        return nn.Sequential(
            *start, nn.Encoder(layers, block, rng), nn.Dense(WIDTH, kinds, rng, "glorot")
        )
    cells = [
        nn.GRU(WIDTH, WIDTH, rng) if name == "gru" else nn.LSTM(WIDTH, WIDTH, rng)
        for _ in range(layers)
    ]
    padding = 0 if name == "padded" else None
    return nn.Sequential(
        nn.Embedding(kinds, WIDTH, rng, padding_idx=padding), *cells, nn.Dense(WIDTH, kinds, rng)
    )


def torch_model(torch: Any, name: str, depth: int) -> Any:
    layers: Any = torch.nn
    kinds = text()[1]
    if name == "mlp":
        hidden = [
            part
            for n in range(depth)
            for part in (layers.Linear(WIDTH if n else 256, WIDTH), layers.ReLU())
        ]
        return layers.Sequential(layers.Flatten(), *hidden, layers.Linear(WIDTH, 10))
    if name == "cnn":
        boards = [layers.Conv2d(1, 16, 3, padding=1), layers.ReLU(), layers.MaxPool2d(2)]
        boards += [layers.Conv2d(16, 32, 3, padding=1), layers.ReLU()]
        boards += [
            part
            for _ in range(depth - 2)
            for part in (layers.Conv2d(32, 32, 3, padding=1), layers.ReLU())
        ]
        return layers.Sequential(
            *boards, layers.MaxPool2d(2), layers.Flatten(), layers.Linear(512, 10)
        )

    class Letters(layers.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters = layers.Embedding(
                kinds, WIDTH, padding_idx=0 if name == "padded" else None
            )
            self.last = layers.Linear(WIDTH, kinds)
            if name == "transformer":
                self.places = layers.Embedding(LENGTH, WIDTH)
                block = layers.TransformerEncoderLayer(
                    WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True
                )
                self.body = layers.TransformerEncoder(block, depth)
            else:
                self.body = (layers.GRU if name == "gru" else layers.LSTM)(
                    WIDTH, WIDTH, depth, batch_first=True
                )

        def forward(self, x: Any) -> Any:
            y = self.letters(x)
            if name != "transformer":
                return self.last(self.body(y)[0])
            later = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)
            return self.last(self.body(y + self.places.weight, mask=later))

    return Letters()


def our_loss(name: str, layers: int, seed: int, steps: int) -> float:
    ignored = 0 if name == "padded" else None
    model = our_model(name, layers, np.random.default_rng(seed))

    def loss(outputs: Any, targets: Any) -> tuple[float, Any]:
        return nn.softmax_cross_entropy(outputs, targets, ignore_index=ignored)

    trainer = nn.Trainer(model, loss, nn.Adam(), RATE)
    batches = PROGRAMS[name](np.random.default_rng(seed))
    losses = [trainer.step(nn.Data(*next(batches)))["loss"] for _ in range(steps)]
    trainer.close()
    return float(np.mean(losses[-LAST:]))


def torch_loss(name: str, layers: int, seed: int, steps: int) -> float:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = torch_model(torch, name, layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    batches = PROGRAMS[name](np.random.default_rng(seed))
    losses = []
    for _ in range(steps):
        inputs, targets = map(torch.from_numpy, next(batches))
        outputs = model(inputs).flatten(0, -2)
        ignored = 0 if name == "padded" else -100
        loss = torch.nn.functional.cross_entropy(outputs, targets.flatten(), ignore_index=ignored)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-LAST:]))


PROGRAMS: dict[str, Callable[[np.random.Generator], Iterator[Batch]]] = {
    "lstm": windows, "gru": windows, "padded": padded, "transformer": windows, "mlp": pictures, "cnn": pictures,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = list(PROGRAMS)
    parser.add_argument(
        "programs",
        nargs="*",
        choices=[[], *names],
        default=[],
        metavar="PROGRAM",
        help=", ".join(names),
    )
    parser.add_argument(
        "--layers", type=int, nargs="+", help="hidden layers (default 1 of recurrent ones, else 2)"
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="seeds of every program (default %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=300, help="steps of every program (default %(default)s)"
    )
    options = parser.parse_args(arguments)
    libraries = {"aino": our_loss}
    if importlib.util.find_spec("torch") is not None:
        libraries["torch"] = torch_loss
    print(
        f"mean loss of the last {LAST} of {options.steps} steps, for seeds 0 to {options.seeds - 1}"
    )
    for name, layers in itertools.product(options.programs or names, options.layers or [0]):
        for library, learn in libraries.items():
            depth = layers or (1 if name in ("lstm", "gru", "padded") else 2)
            losses = [learn(name, depth, seed, options.steps) for seed in range(options.seeds)]
            row = "  ".join(f"{loss:.4f}" for loss in losses)
            print(f"{name:12} {depth:2} {library:6} {row}   mean {np.mean(losses):.4f}", flush=True)


if __name__ == "__main__":
    main()
