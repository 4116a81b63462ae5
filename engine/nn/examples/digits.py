"""Digits read by a small convolutional net: drawn by strokes, or handwritten ones where a data set is given.

    python -m engine.nn.examples.digits                    3,000 digits of 16x16, drawn by the example; a fifth held out
    python -m engine.nn.examples.digits --scikit-learn     1,797 handwritten digits of 8x8, a fifth held out
    python -m engine.nn.examples.digits --mnist FOLDER     IDX files (also .gz) or mnist_train.csv; 10,000 held out

Convolutions of 3x3 with batch norm, each followed by a pool that halves the board, then one dense layer.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.errors import DataError
from engine.nn import (
    AdamW,
    BatchNorm,
    Conv2D,
    Data,
    Dense,
    Dropout,
    Flatten,
    History,
    Layer,
    Loader,
    MaxPool2D,
    Sequential,
    Trainer,
    TrainerSettings,
    WarmupCosine,
    accuracy,
    confusion_matrix,
    plot_confusion,
    random_shift,
    softmax_cross_entropy,
)
from engine.nn.examples.common import command_line, run_as_command, show
from engine.nn.examples.strokes import drawn_digits

CLASSES = 10
DRAWN = 3000
MNIST_HELD_OUT = 10_000
IMAGE_MAGIC, LABEL_MAGIC = 2051, 2049  # first number of an IDX file of images, and of labels


class Digits(NamedTuple):
    """Images float32 [B, 1, H, W] in [0, 1] with classes int64 [B], to train on and held out."""

    train: Data
    held_out: Data


class Result(NamedTuple):
    """The trained net; its history's validation accuracy is that on the held-out digits."""

    model: Sequential
    history: History


def build(side: int, channels: Sequence[int], rng: np.random.Generator) -> Sequential:
    """A net for images of side x side squares, halved once for each number of channels."""
    parts: dict[str, Layer] = {}
    inputs = 1
    for number, outputs in enumerate(channels):
        parts[f"conv{number}"] = Conv2D(inputs, outputs, 3, rng, bias=False, input_gradient=number > 0)
        parts[f"norm{number}"] = BatchNorm(outputs, relu=True)
        parts[f"pool{number}"] = MaxPool2D(2)
        inputs, side = outputs, side // 2
    parts |= {"flatten": Flatten(), "drop": Dropout(0.3, rng)}
    return Sequential(**parts, dense=Dense(inputs * side * side, CLASSES, rng, "glorot"))


def run(
    digits: Digits,
    channels: Sequence[int],
    epochs: int,
    seed: int = 0,
    rate: float = 2e-3,
    shift: int = 0,
    verbose: bool = False,
) -> Result:
    """Train; with ``shift``, every epoch moves every digit anew by up to so many squares."""
    model = build(digits.train.inputs.shape[2], channels, np.random.default_rng(seed))
    settings = TrainerSettings(batch_size=128, seed=seed, shard_size=64, threads=2)
    steps = epochs * -(-len(digits.train.inputs) // settings.batch_size)
    schedule = WarmupCosine(rate, steps, min(50, steps // 3))
    trainer = Trainer(model, softmax_cross_entropy, AdamW(), schedule, settings, {"accuracy": accuracy})
    train = Loader(*digits.train, augment=random_shift(shift)) if shift else digits.train
    return Result(model, trainer.fit(train, epochs, digits.held_out, callbacks=[show] if verbose else []))


# ---- data ---------------------------------------------------------------------------------------------------------


def strokes(seed: int = 0) -> Digits:
    """Digits of 16x16 drawn by ``strokes.py``, a fifth held out."""
    images, classes = drawn_digits(DRAWN, np.random.default_rng(seed))
    return _split(images, classes, DRAWN // 5)


def small_digits(seed: int = 0) -> Digits:
    """scikit-learn's 1,797 handwritten digits of 8x8. Raises DataError without scikit-learn."""
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError as error:
        mend = "python -m pip install scikit-learn"
        raise DataError(f"these digits come with scikit-learn, which is not installed: {mend}") from error
    found = datasets.load_digits()
    images = (found.images / 16).astype(np.float32)[:, None]
    order = np.random.default_rng(seed).permutation(len(images))
    return _split(images[order], found.target[order].astype(np.int64), len(images) // 5)


def mnist(folder: Path) -> Digits:
    """MNIST's 60,000 training digits, the last 10,000 of them held out, 28x28 with a border of 2 to make it 32x32.

    ``folder`` holds train-images-idx3-ubyte and train-labels-idx1-ubyte (or .gz), or mnist_train.csv (label, pixels).
    Raises DataError when there is neither or a file has another form.
    """
    table = folder / "mnist_train.csv"
    if table.exists():
        images, labels = _read_csv(table)
    else:
        images = _read_idx(folder, "train-images-idx3-ubyte", IMAGE_MAGIC, 3)
        labels = _read_idx(folder, "train-labels-idx1-ubyte", LABEL_MAGIC, 1)
    if len(images) != len(labels) or len(images) <= MNIST_HELD_OUT:
        raise DataError(f"{folder}: expected 60,000 digits with labels, found {len(images)} and {len(labels)}")
    bordered = np.pad(images.astype(np.float32) / 255, ((0, 0), (2, 2), (2, 2)))[:, None]
    return _split(bordered, labels.astype(np.int64), MNIST_HELD_OUT)


def _split(images: np.ndarray, labels: np.ndarray, held_out: int) -> Digits:
    return Digits(Data(images[:-held_out], labels[:-held_out]), Data(images[-held_out:], labels[-held_out:]))


def _read_idx(folder: Path, name: str, magic: int, dimensions: int) -> np.ndarray:
    """An IDX file: magic and sides as big-endian u32, then bytes."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if not plain.exists() and not packed.exists():
        raise DataError(f"{folder}: expected {name}, {name}.gz or mnist_train.csv, found none of them")
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    header = struct.Struct(f">{1 + dimensions}I")
    found, *shape = header.unpack_from(data) if len(data) >= header.size else (0,)
    if found != magic or len(data) - header.size != int(np.prod(shape)):
        raise DataError(f"{folder / name}: expected IDX data with magic {magic} in full, found magic {found}")
    return np.frombuffer(data, np.uint8, offset=header.size).reshape(shape)


def _read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row and row[0].isdecimal()]  # without the line of names, if any
    try:
        table = np.array(rows, np.uint8).reshape(len(rows), 1 + 28 * 28)
    except ValueError as error:
        raise DataError(f"{path}: expected lines of a label and 784 pixels: {error}") from error
    return table[:, 1:].reshape(-1, 28, 28), table[:, 0]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_line(__doc__)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--scikit-learn", action="store_true", help="train on scikit-learn's handwritten digits")
    chosen.add_argument("--mnist", type=Path, metavar="FOLDER", help="train on MNIST, from its files in FOLDER")
    text = "train this many epochs (default: 15 for drawn digits, 30 for scikit-learn's, 12 for MNIST)"
    parser.add_argument("--epochs", type=int, help=text)
    text = "augment by moving digits up to this many squares"
    parser.add_argument("--shift", type=int, default=0, metavar="SQUARES", help=text)
    parser.add_argument("--confusion", type=Path, metavar="FILE", help="save a picture of which digits are confused")
    options = parser.parse_args(arguments)
    channels: tuple[int, ...]
    if options.mnist:
        title, digits, channels, epochs = "MNIST", mnist(options.mnist), (16, 32, 64), 12
    elif options.scikit_learn:
        title, digits, channels, epochs = "digits of 8x8", small_digits(options.seed), (32, 64), 30
    else:
        title, digits, channels, epochs = "drawn digits", strokes(options.seed), (16, 32), 15
    model, history = run(digits, channels, options.epochs or epochs, options.seed, shift=options.shift, verbose=True)
    print(f"accuracy on held-out digits: {history['validation_accuracy'][-1]:.2%}")
    if options.plot:
        history.plot(options.plot, title)
        print(f"saved {options.plot}")
    if options.confusion:
        matrix = confusion_matrix(model.predict(digits.held_out.inputs), digits.held_out.targets)
        plot_confusion(matrix, options.confusion, title=title)
        print(f"saved {options.confusion}")


if __name__ == "__main__":
    run_as_command(main)
