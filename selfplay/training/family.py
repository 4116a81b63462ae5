"""What a network family owns: how its networks are made, trained, and scored on positions they have
not seen.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import get_backend
from engine.errors import ConfigError, DeviceError
from engine.nn import dit
from engine.nn.layer import Layer
from selfplay.records.positions import PositionSet
from selfplay.training.losses import Losses, LossSums, mean_of
from selfplay.training.mixture import Batches, TrainingSet, sets_of
from selfplay.training.recipe import LearnerSettings, Recipe
from selfplay.training.source_files import TrainingData

# Arrays and JSON values.
LearningState = tuple[dict[str, np.ndarray], dict[str, Any]]
Rate = float | Callable[[int], float]  # a learning rate, or a schedule that gives it by step number

# Of the held-out positions, whose differences tell the standard errors. Set by hand.
HELD_OUT_PARTS = 32


@dataclass(frozen=True)
class HeldOutScores(Losses):
    """Losses on held-out positions, with standard errors. `top1`: how often the model's best legal
    move is the target's. None without any, and for errors that are not known.
    """

    top1: float | None = None
    policy_error: float | None = None
    value_error: float | None = None
    moves_left_error: float | None = None
    top1_error: float | None = None


class HeldOut(ABC):
    """A fixed sample of positions that training never sees."""

    n_positions: int

    @abstractmethod
    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model; the same for any number of threads."""


def scores_of(parts: np.ndarray) -> HeldOutScores:
    """Return the scores of a model.

    parts [P, 1 + fields of LossSums]: how many of the targets' best moves it found in each part of
    the positions, and what it lost there. How the parts differ gives the standard errors (of a
    ratio: Cochran, Sampling Techniques, 1977), so that positions of one game, which lie side by
    side, do not count as independent ones.
    """
    sums = LossSums(*parts[:, 1:].sum(axis=0).tolist())
    hits, policy, value, left, *counts = parts.T
    targets = {
        "policy": (policy, counts[0]),
        "value": (value, counts[1]),
        "moves_left": (left, counts[2]),
        "top1": (hits, counts[0]),
    }
    errors = {f"{name}_error": _error_of(*pair) for name, pair in targets.items()}
    return HeldOutScores(
        **asdict(sums.means), top1=mean_of(float(hits.sum()), sums.with_policy), **errors
    )


def part_sums(numbers: np.ndarray) -> np.ndarray:
    """Return the sums [P, K] of numbers [n, K] over HELD_OUT_PARTS parts of the positions, or
    fewer.
    """
    starts = np.unique(
        np.linspace(0, len(numbers), HELD_OUT_PARTS, endpoint=False).astype(np.int64)
    )
    return np.add.reduceat(numbers.astype(np.float64), starts)


def _error_of(totals: np.ndarray, counts: np.ndarray) -> float | None:
    if len(totals) < 2 or not (count := float(counts.sum())):
        return None
    rest = totals - counts * (totals.sum() / count)
    return float(np.sqrt(len(rest) / (len(rest) - 1) * (rest @ rest)) / count)


def spread_positions(positions: TrainingSet, limit: int) -> tuple[PositionSet, np.ndarray]:
    """Return (the games, numbers of at most `limit` usable positions, evenly spaced).

    Raises ConfigError for single positions, and where no position is usable.
    """
    refusal = "nothing to hold out: give games beside the label folders"
    (games,) = sets_of(PositionSet, [positions], refusal)
    usable = np.flatnonzero(games.usable)
    if not len(usable):
        raise ConfigError(
            "the held-out set has no usable positions: give more or longer games, or others to score on "
            "with --heldout FILE"
        )
    return games, usable[np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(np.int64)]


@contextmanager
def saved_at_last(save: Callable[[], None]) -> Iterator[None]:
    """Save also where Ctrl-C or a lost device ends a training, the block."""
    try:
        yield
    except (DeviceError, KeyboardInterrupt):
        save()
        raise


class Learning(ABC):
    """A network in training. Call `step` repeatedly, `averaged_model` for the network to play with,
    `close` last.
    """

    batches: Batches
    steps_done: int  # including those before an interruption

    @abstractmethod
    def step(self) -> Losses:
        """Train on the next batch. Returns the losses before the step. Raises TrainingError when
        one is not finite. What raises, Ctrl-C too, leaves the state as it was.
        """

    @abstractmethod
    def averaged_model(self) -> Layer:
        """Return a new model to play with, of averaged weights where the family averages them."""

    @abstractmethod
    def state(self) -> LearningState:
        """Everything a resumed run needs, as arrays and JSON values; batches follow from seed and
        step number.
        """

    def remember(self) -> None:
        """Keep the state where a device that is lost cannot take it along; `state` then gives what
        was kept.
        """
        return

    @abstractmethod
    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Continue from `state()`. Raises RunError for the state of another training."""

    @abstractmethod
    def close(self) -> None:
        """End the threads."""


class Family(ABC):
    """Makes, trains and scores the networks of one family and size."""

    recipe: Recipe  # default training settings
    mixture: Callable[..., Batches]  # makes the batches of sets; arguments as `Batches`
    # Makes a fixed sample to score networks on, at most so many positions. Raises ConfigError for a
    # set of which the family's networks see nothing.
    heldout: Callable[[TrainingSet, int], HeldOut]
    plays = True  # whether its networks are evaluators of the engine
    runs_on_gpu = False  # whether its networks can train and play on a GPU

    @abstractmethod
    def build(self, rng: np.random.Generator) -> Layer:
        """Build a network with random weights."""

    def load(self, path: Path) -> Layer:
        """Return the network in a file. Raises NetFileError as `dit.load`."""
        return dit.load(path)[0]

    def batches(self, data: TrainingData, settings: LearnerSettings, seed: int) -> Batches:
        """Return the batches for training on the data."""
        return self.mixture(data.sets, data.shares, settings.batch_size, seed, settings.variations)

    def check_learning(self, backend: str) -> None:
        """Raise what `learner` would raise for this backend, before hours of other work.

        ConfigError for a GPU where the family runs on none, DeviceError for a device that does not
        compute.
        """
        if self.runs_on_gpu:
            get_backend(backend)
        elif backend == "cupy":
            raise ConfigError("backend cupy: only towers and transformers train on a GPU")

    @abstractmethod
    def learner(
        self, model: Layer, batches: Batches, settings: LearnerSettings, rate: Rate, backend: str
    ) -> Learning:
        """Return what trains the model on the batches; arguments and errors as of `Learner`."""
