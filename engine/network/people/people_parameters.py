"""The parameters of the network of people as flat tables, and its sizes.

Parameter names: trunk.accumulator.{weight,bias}, mixer.{dense1,dense2}.{weight,bias},
policy.{weight,bias,sort_weight,sort_bias}, value.{dense1,dense2,output}.{weight,bias}.

The mixer, some residual layers, lies between the units and the heads, because a head's row alone
can only add up pairs of features. Each layer adds to y [U]: W2 relu(W1 y + b1) + b2.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np

from engine.errors import ConfigError
from engine.native.lanes import LANES
from engine.network.outputs import check_size, matched, sizes_in
from engine.network.people import people_features as features
from engine.network.policy_map import POLICY_SIZE
from engine.network.sparse.sparse_parameters import STEP, TrunkSizes

RATING_STEP = 100  # Elo of a band
MOST_LAYERS = 16
MOST_BANDS = 40  # 0 to 4,000


class PeopleTables(NamedTuple):
    """As `sparse_parameters.ParameterTables`, and the mixer of L layers with X hidden units."""

    weight: Annotated[np.ndarray, "trunk.accumulator.weight [F, W]"]
    bias: Annotated[np.ndarray, "trunk.accumulator.bias [W]"]
    mixer: Annotated[np.ndarray, "mixer.dense1.weight [L, X, U]"]
    mixer_bias: Annotated[np.ndarray, "mixer.dense1.bias [L, X]"]
    mixed: Annotated[np.ndarray, "mixer.dense2.weight [L, U, X]"]
    mixed_bias: Annotated[np.ndarray, "mixer.dense2.bias [L, U]"]
    policy: Annotated[np.ndarray, "policy.weight [R, U]"]
    policy_bias: Annotated[np.ndarray, "policy.bias [R]"]
    sort_weight: Annotated[np.ndarray, "policy.sort_weight [T, U]"]
    sort_bias: Annotated[np.ndarray, "policy.sort_bias [S]"]
    hidden: Annotated[np.ndarray, "value.dense1.weight [V, K, U]"]
    hidden_bias: Annotated[np.ndarray, "value.dense1.bias [V, K]"]
    inner: Annotated[np.ndarray, "value.dense2.weight [V, J, K]"]
    inner_bias: Annotated[np.ndarray, "value.dense2.bias [V, J]"]
    output: Annotated[np.ndarray, "value.output.weight [V, 4, J]"]
    output_bias: Annotated[np.ndarray, "value.output.bias [V, 4]"]


@dataclass(frozen=True)
class PeopleConfig(TrunkSizes):
    """Sizes of a network of people, written "people-WIDTH", and the ratings that it knows."""

    width: int = 512  # units of the accumulator
    mixer: int = 256  # hidden units of each of the mixer's layers
    layers: int = 2  # of the mixer
    hidden: int = 16  # units of the value head's first layer; its second has twice as many
    lowest: int = 1100  # Elo; players below it count as of this rating, and likewise above
    highest: int = 1900
    tables: ClassVar = PeopleTables

    def __post_init__(self) -> None:
        check_size(self, "width", 2 * STEP, 4096)
        check_size(self, "mixer", STEP, 4096)
        check_size(self, "hidden", LANES // 2, 4096)
        if not 0 <= self.layers <= MOST_LAYERS:
            raise ConfigError(f"{self}: expected up to {MOST_LAYERS} layers, got {self.layers}")
        if not 0 < self.n_bands <= MOST_BANDS or (self.highest - self.lowest) % RATING_STEP:
            expected = f"up to {MOST_BANDS} ratings in steps of {RATING_STEP}"
            raise ConfigError(f"{self}: expected {expected}, got {self.lowest} to {self.highest}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a text such as "people-512". Raises ConfigError for another form."""
        form = "a network of people is written people-WIDTH, such as people-512"
        return cls(width=int(matched(r"people-(\d{1,4})", text, form)[1]))

    def __str__(self) -> str:
        return f"people-{self.width}"

    @property
    def n_bands(self) -> int:
        """How many ratings the network tells apart."""
        return (self.highest - self.lowest) // RATING_STEP + 1

    @property
    def sizes(self) -> dict[str, int]:
        """What the letters in the shapes of arrays stand for."""
        rated = features.SORTS_4 + features.SORTS_5 + features.SORTS_8
        plain = features.SORTS_6 + features.SORTS_7
        return {
            "F": features.BAND_FEATURE + self.n_bands,
            "R": POLICY_SIZE,
            "S": features.FIRST_4 + self.n_bands * rated + plain,
            "L": self.layers,
            "X": self.mixer,
            **self.own_sizes,
        }

    def bands(self, ratings: np.ndarray) -> np.ndarray:
        """Return the band of each rating, int64: the nearest."""
        steps = np.rint((np.asarray(ratings, np.float64) - self.lowest) / RATING_STEP)
        return np.clip(steps, 0, self.n_bands - 1).astype(np.int64)


def people_config_of(model_config: Any) -> PeopleConfig:
    """As `sizes_in`."""
    return sizes_in(model_config, PeopleConfig, "a network of people")
