"""Data sets: digits drawn by strokes, which need no download, and handwritten ones from your own
files.

from engine.nn import datasets
train, held_out = datasets.digits()  # drawn, of 16x16 pixels
train, held_out = datasets.digits("folder")  # MNIST, from its files in this folder, of 32x32 pixels
"""

import math
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from engine.errors import DataError
from engine.files.text import open_unpacked, reading
from engine.nn.training.data import Data

Array = np.ndarray
DRAWN = 3000
MNIST_HELD_OUT = 10_000
IMAGE_MAGIC, LABEL_MAGIC = 2051, 2049  # first number of an IDX file of images, and of labels


class Digits(NamedTuple):
    """Images float32 [B, 1, H, W] in [0, 1] with classes int64 [B], to train on and held out."""

    train: Data
    held_out: Data


def digits(folder: str | Path | None = None, seed: int = 0) -> Digits:
    """Return MNIST from its files in `folder` (see `mnist`); without one 3,000 drawn digits, a
    fifth held out.
    """
    if folder is not None:
        return mnist(folder)
    images, classes = drawn_digits(DRAWN, np.random.default_rng(seed))
    return split(images, classes, DRAWN // 5)


def mnist(folder: str | Path) -> Digits:
    """MNIST's 60,000 training digits, the last 10,000 of them held out, 28x28 with a border of 2 to
    make it 32x32.

    `folder` holds train-images-idx3-ubyte and train-labels-idx1-ubyte (or .gz). Raises DataError
    when there is neither or a file has another form.
    """
    folder = Path(folder)
    images = _read_idx(folder, "train-images-idx3-ubyte", IMAGE_MAGIC, 3)
    labels = _read_idx(folder, "train-labels-idx1-ubyte", LABEL_MAGIC, 1)
    if len(images) != len(labels) or len(images) <= MNIST_HELD_OUT:
        raise DataError(
            f"{folder}: expected 60,000 digits with labels, found {len(images)} and {len(labels)}"
        )
    bordered = np.pad(images.astype(np.float32) / 255, ((0, 0), (2, 2), (2, 2)))[:, None]
    return split(bordered, labels.astype(np.int64), MNIST_HELD_OUT)


def split(images: Array, labels: Array, held_out: int) -> Digits:
    """Hold the last ones out."""
    return Digits(
        Data(images[:-held_out], labels[:-held_out]), Data(images[-held_out:], labels[-held_out:])
    )


def _read_idx(folder: Path, name: str, magic: int, dimensions: int) -> Array:
    """Return an IDX file: magic and sides as big-endian u32, then bytes."""
    kaggle_name = name.replace("-idx", ".idx")
    paths = folder / name, folder / f"{name}.gz", folder / kaggle_name
    path = next(filter(Path.exists, paths), None)
    if path is None:
        raise DataError(f"{folder}: expected {name} or {name}.gz, found neither")
    with reading(path), open_unpacked(path) as (stream, _):
        data = stream.read()
    header = struct.Struct(f">{1 + dimensions}I")
    file_magic = 0
    shape: list[int] = []
    if len(data) >= header.size:
        file_magic, *shape = header.unpack_from(data)
    if file_magic != magic or len(data) - header.size != math.prod(shape):
        raise DataError(
            f"{path}: expected IDX data with magic {magic} in full, found magic {file_magic}"
        )
    return np.frombuffer(data, np.uint8, offset=header.size).reshape(shape)


# ---- drawing -------------------------------------------------------------------------------------

# Each digit is a few lines through fixed points. Every picture moves the points at random, then
# turns, stretches and shifts the whole digit, draws it with a pen of random width, and adds noise.
SIDE = 16  # rows and columns of a picture
# The lines of each digit as points x,y in percent of the picture, x to the right and y down; "|"
# begins a new line.
LINES = (
    "50,10 28,22 22,50 28,78 50,90 72,78 78,50 72,22 50,10",
    "32,28 54,10 54,90",
    "24,30 36,13 64,13 74,32 24,88 78,88",
    "25,16 60,11 74,28 48,47 77,68 60,89 22,84",
    "58,10 20,62 82,62 | 62,38 62,92",
    "75,10 31,10 27,45 60,42 77,63 61,88 24,85",
    "66,10 36,38 25,68 45,90 72,74 58,52 28,62",
    "20,12 80,12 42,90",
    "50,48 30,30 50,10 70,30 50,48 26,70 50,90 74,70 50,48",
    "72,38 42,48 28,28 54,10 74,30 70,62 56,90",
)
WOBBLE = 0.03  # standard deviation of a point's move; all these are set by hand
# Of the digit's angle in radians, its size, and its lean.
TURN = 0.15
STRETCH = 0.12
SLANT = 0.15
SHIFT = 0.04
NOISE = 0.1


def drawn_digits(count: int, rng: Generator) -> tuple[Array, Array]:
    """Draw `count` digits in random order: images float32 [count, 1, 16, 16] in [0, 1], classes
    int64 [count].
    """
    classes = rng.integers(0, len(LINES), count)
    images = np.empty((count, 1, SIDE, SIDE), np.float32)
    for digit, lines in enumerate(LINES):
        places = np.flatnonzero(classes == digit)
        images[places, 0] = _drawn(*_segments(lines), len(places), rng)
    return images, classes


def _segments(lines: str) -> tuple[Array, Array]:
    """Return where the segments of all lines start and end, each [S, 2] as (x, y) in [0, 1]."""
    segments = []
    for line in lines.split("|"):
        points = np.array([point.split(",") for point in line.split()], float) / 100
        segments.append([points[:-1], points[1:]])
    starts, ends = np.concatenate(segments, axis=1)
    return starts, ends


def _drawn(starts: Array, ends: Array, count: int, rng: Generator) -> Array:
    """Draw one digit `count` times: float32 [count, 16, 16]."""
    points, places = np.unique(np.concatenate([starts, ends]), axis=0, return_inverse=True)
    # One move for segments that meet.
    joined = _moved(points, count, rng)[:, places.reshape(-1)]
    width = rng.uniform(0.03, 0.07, (count, 1))
    ink = np.exp(-((_distances(joined[:, : len(starts)], joined[:, len(starts) :]) / width) ** 2))
    noisy = ink + NOISE * rng.standard_normal(ink.shape)
    return noisy.clip(0, 1).reshape(count, SIDE, SIDE).astype(np.float32)


def _moved(points: Array, count: int, rng: Generator) -> Array:
    """Return the points [P, 2] of a digit as `count` hands would place them, [count, P, 2]."""
    moved = points - 0.5 + WOBBLE * rng.standard_normal((count, *points.shape))
    angle = TURN * rng.standard_normal(count)
    slant = SLANT * rng.standard_normal(count)
    turn = np.stack(
        [np.cos(angle), -np.sin(angle) + slant, np.sin(angle), np.cos(angle)], axis=1
    ).reshape(-1, 2, 2)
    turn *= 1 + STRETCH * rng.standard_normal((count, 2, 1))
    return moved @ turn.swapaxes(1, 2) + 0.5 + SHIFT * rng.standard_normal((count, 1, 2))


def _distances(starts: Array, ends: Array) -> Array:
    """Distance of every pixel to the nearest of the segments: starts and ends [B, S, 2] -> [B,
    pixels].
    """
    centres = (np.arange(SIDE) + 0.5) / SIDE
    # (pixels, 2) as (x, y), row by row.
    pixels = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    nearest = np.full((len(starts), len(pixels)), np.inf)
    for start, end in zip(starts.swapaxes(0, 1), ends.swapaxes(0, 1), strict=True):
        along, away = end - start, pixels - start[:, None]  # (B, 2), (B, pixels, 2)
        length = (along * along).sum(axis=1)[:, None] + 1e-9
        # Where along the segment the pixel is closest.
        share = ((away * along[:, None]).sum(axis=2) / length).clip(0, 1)
        gap = away - share[:, :, None] * along[:, None]
        nearest = np.minimum(nearest, np.sqrt((gap * gap).sum(axis=2)))
    return nearest
