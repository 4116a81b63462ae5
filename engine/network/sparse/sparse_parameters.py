"""The parameters of a sparse network as flat tables for the kernels, and its sizes.

Parameter names: trunk.accumulator.{weight,bias}, policy.{weight,bias,sort_weight,sort_bias},
value.{dense1,dense2,output}.{weight,bias}. `value_parameters` has those of the value trunk,
which a network may have besides.

The value head has three layers with a ReLU after the first and the second, in eight versions, of
which a position's `piece_bucket` chooses one.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np

from engine.errors import ConfigError
from engine.native.lanes import LANES
from engine.network.accumulator.piece_count import PIECE_BUCKETS
from engine.network.outputs import check_size, matched
from engine.network.sparse.moves import MOVE_SORTS, POLICY_ROWS, SORT_ROWS
from engine.network.sparse.policy_features import FEATURES
from engine.network.value.value_parameters import VALUE_TRUNK, ValueConfig, value_config_of

OUTPUTS = 4  # win, draw, loss, moves left
TYPICAL_ACTIVE = 28  # features of an average position
SMALL_LAYERS = ("hidden", "inner", "output")  # fields of the value head's layers
# The accumulator's width is a multiple of this, because kernels take four lanes of each half at
# once.
STEP = 64


class ParameterTables(NamedTuple):
    """The parameters of a network, or their gradients: flat float32.

    F features, W width, U units, R policy rows, T sort rows, S sorts, V versions of K hidden and J
    inner units.
    """

    weight: Annotated[np.ndarray, "trunk.accumulator.weight [F, W]"]
    bias: Annotated[np.ndarray, "trunk.accumulator.bias [W]"]
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


class TrunkSizes:
    """What the sizes of sparse networks and networks of people share: a trunk, and a value head."""

    width: int
    hidden: int

    @property
    def units(self) -> int:
        """Number of inputs of the heads, which are products of pairs of accumulator units."""
        return self.width // 2

    @property
    def inner(self) -> int:
        """Units of the value head's second layer."""
        return 2 * self.hidden

    @property
    def own_sizes(self) -> dict[str, int]:
        """Those of `sizes` that are the same in both."""
        hidden = {"V": PIECE_BUCKETS, "K": self.hidden, "J": self.inner}
        return {"W": self.width, "U": self.units, "T": SORT_ROWS, **hidden}


@dataclass(frozen=True)
class SparseConfig(TrunkSizes):
    """Sizes of a sparse network, written "sparse-WIDTH", or "sparse-WIDTH+vWIDTH" with a value
    trunk.
    """

    width: int = 768  # units of the accumulator
    hidden: int = 16  # units of the value head's first layer; its second has twice as many
    # The value trunk, whose outputs replace those of the head `value` in play.
    value: ValueConfig | None = None
    tables: ClassVar = ParameterTables

    def __post_init__(self) -> None:
        check_size(self, "width", 2 * STEP, 4096)
        check_size(self, "hidden", LANES // 2, 256)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a text such as "sparse-768" or "sparse-768+v256". Raises ConfigError for another
        form.
        """
        form = "a sparse network is written sparse-WIDTH or sparse-WIDTH+vWIDTH, such as sparse-768"
        match = matched(r"sparse-(\d{1,4})(?:\+(.+))?", text, form)
        value = None
        if match[2]:
            value = ValueConfig.parse(match[2])
        return cls(width=int(match[1]), value=value)

    def __str__(self) -> str:
        return f"sparse-{self.width}" + (f"+{self.value}" if self.value else "")

    @property
    def sizes(self) -> dict[str, int]:
        """What the letters in the shapes of arrays stand for."""
        return {"F": FEATURES, "R": POLICY_ROWS, "S": MOVE_SORTS, **self.own_sizes}


def sparse_config_of(model_config: Any) -> SparseConfig:
    """Sizes of a sparse network from its layer configuration. Raises ConfigError for any other
    network's.
    """
    try:
        width = model_config["trunk"]["layers"]["accumulator"]["outputs"]
        value = None
        if VALUE_TRUNK in model_config:
            value = value_config_of(model_config[VALUE_TRUNK])
        hidden = model_config["heads"]["value"]["layers"]["dense1"]["outputs"]
        return SparseConfig(width, hidden, value)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"not the configuration of a sparse network: {error!r}") from error
