"""Random changes of training images that keep their meaning; a ``Loader`` takes one as ``augment``.

    Loader(images, classes, augment=random_shift(2))
    Loader(images, classes, augment=chained(random_shift(2), random_mirror))

Each function takes a batch and a random generator and returns a new batch; inputs are images [B, C, H, W].
"""

from __future__ import annotations

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.nn.data import Augment, Data


def random_shift(most: int) -> Augment:
    """Return an augmentation that moves every image by up to ``most`` squares along both axes; zeros fill the border.

    Raises ConfigError unless most >= 1, ShapeError (in the call) for inputs other than [B, C, H, W].
    """
    if most < 1:
        raise ConfigError(f"random_shift: expected at least 1 square, not {most}")

    def shift(batch: Data, rng: np.random.Generator) -> Data:
        images, targets = batch
        _check_images("random_shift", images)
        xp, (count, _, height, width) = backend_of(images).xp, images.shape
        padded = xp.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
        moved = xp.empty_like(images)
        for number, (down, right) in enumerate(rng.integers(0, 2 * most + 1, (count, 2)).tolist()):
            moved[number] = padded[number, :, down : down + height, right : right + width]
        return Data(moved, targets)

    return shift


def random_mirror(batch: Data, rng: np.random.Generator) -> Data:
    """Mirror every second image, chosen at random, left to right. Not for digits or letters."""
    images, targets = batch
    _check_images("random_mirror", images)
    backend = backend_of(images)
    mirrored = backend.asarray(rng.random(len(images)) < 0.5)[:, None, None, None]
    return Data(backend.xp.where(mirrored, images[:, :, :, ::-1], images), targets)


def chained(*augmentations: Augment) -> Augment:
    """Return one augmentation that applies all of these, in order."""

    def all_of_them(batch: Data, rng: np.random.Generator) -> Data:
        for augment in augmentations:
            batch = augment(batch, rng)
        return batch

    return all_of_them


def _check_images(owner: str, images: object) -> None:
    shape = getattr(images, "shape", ())
    if len(shape) != 4:
        raise ShapeError(f"{owner}: expected images [B, C, H, W], found {list(shape)}")
