"""Digits read by a small convolutional net: drawn by strokes, or handwritten ones where a data set
is given.

    python -m examples.nn.digits                    3,000 digits of 16x16, drawn by the example; a fifth held out
    python -m examples.nn.digits --scikit-learn     1,797 handwritten digits of 8x8, a fifth held out
    python -m examples.nn.digits --mnist FOLDER     IDX files (also .gz); 10,000 held out

Convolutions of 3x3 with batch norm, each followed by a pool that halves the board, then one dense
layer.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine import nn
from engine.errors import DataError
from engine.files.output_files import output_file
from examples.nn.common import command_line, run_as_command, show

CLASSES = 10


class Result(NamedTuple):
    """The trained net; its history's validation accuracy is that on the held-out digits."""

    model: nn.Sequential
    history: nn.History


def build(side: int, channels: Sequence[int], rng: np.random.Generator) -> nn.Sequential:
    """Return a net for images of side x side squares, halved once for each number of channels."""
    parts: dict[str, nn.Layer] = {}
    inputs = 1
    for number, outputs in enumerate(channels):
        parts[f"conv{number}"] = nn.Conv2D(
            inputs, outputs, 3, rng, bias=False, input_gradient=number > 0
        )
        parts[f"norm{number}"] = nn.BatchNorm(outputs, relu=True)
        parts[f"pool{number}"] = nn.MaxPool2D(2)
        inputs = outputs
        side = side // 2
    parts |= {"flatten": nn.Flatten(), "drop": nn.Dropout(0.3, rng)}
    return nn.Sequential(**parts, dense=nn.Dense(inputs * side * side, CLASSES, rng, "glorot"))


def run(
    digits: nn.datasets.Digits,
    channels: Sequence[int],
    epochs: int,
    seed: int = 0,
    rate: float = 2e-3,
    shift: int = 0,
) -> Result:
    """Train; with `shift`, every epoch moves every digit anew by up to so many squares."""
    model = build(digits.train.inputs.shape[2], channels, np.random.default_rng(seed))
    settings = nn.TrainerSettings(batch_size=128, seed=seed, shard_size=64, threads=2)
    steps = epochs * -(-len(digits.train.inputs) // settings.batch_size)
    schedule = nn.WarmupCosine(rate, steps, min(50, steps // 3))
    trainer = nn.Trainer(
        model, nn.softmax_cross_entropy, nn.AdamW(), schedule, settings, {"accuracy": nn.accuracy}
    )
    train: nn.Data | nn.Loader = digits.train
    if shift:
        augment = nn.random_shift(shift)
        train = nn.Loader(digits.train.inputs, digits.train.targets, augment=augment)
    return Result(model, trainer.fit(train, epochs, digits.held_out, callbacks=[show]))


def small_digits(seed: int = 0) -> nn.datasets.Digits:
    """scikit-learn's 1,797 handwritten digits of 8x8, a fifth held out. Raises DataError without
    scikit-learn.
    """
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError as error:
        advice = "python -m pip install scikit-learn"
        raise DataError(
            f"these digits come with scikit-learn, which is not installed: {advice}"
        ) from error
    table = datasets.load_digits()
    order = np.random.default_rng(seed).permutation(len(table.images))
    images = (table.images[order] / 16).astype(np.float32)[:, None]
    classes = table.target[order].astype(np.int64)
    return nn.datasets.split(images, classes, len(images) // 5)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = command_line(__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--scikit-learn", action="store_true", help="train on scikit-learn's handwritten digits"
    )
    source.add_argument(
        "--mnist", type=Path, metavar="FOLDER", help="train on MNIST, from its files in FOLDER"
    )
    parser.add_argument(
        "--epochs",
        type=int,
        help="train this many epochs (default: 15 for drawn digits, 30 for scikit-learn's, 12 for MNIST)",
    )
    parser.add_argument(
        "--shift",
        type=int,
        default=0,
        metavar="SQUARES",
        help="augment by moving digits up to this many squares",
    )
    parser.add_argument(
        "--confusion",
        type=output_file,
        metavar="FILE",
        help="save a picture of which digits are confused",
    )
    options = parser.parse_args(arguments)
    title = "drawn digits"
    channels: tuple[int, ...] = (16, 32)
    epochs = 15
    if options.mnist:
        title = "MNIST"
        digits = nn.datasets.mnist(options.mnist)
        channels = (16, 32, 64)
        epochs = 12
    elif options.scikit_learn:
        title = "digits of 8x8"
        digits = small_digits(options.seed)
        channels = (32, 64)
        epochs = 30
    else:
        digits = nn.datasets.digits(seed=options.seed)
    model, history = run(
        digits, channels, options.epochs or epochs, options.seed, shift=options.shift
    )
    print(f"accuracy on held-out digits: {history['validation_accuracy'][-1]:.2%}")
    if options.plot:
        history.plot(options.plot, title)
        print(f"saved {options.plot}")
    if options.confusion:
        matrix = nn.confusion_matrix(model.predict(digits.held_out.inputs), digits.held_out.targets)
        nn.plot_confusion(matrix, options.confusion, title=title)
        print(f"saved {options.confusion}")


if __name__ == "__main__":
    run_as_command(main)
