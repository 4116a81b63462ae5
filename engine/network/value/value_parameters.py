"""The parameters of the value trunk as flat tables for the kernels, its sizes, and how its rows
become integers.

Parameter names: rows.{weight,bias}, {dense1,dense2,output}.{weight,bias}. In this order:

    accumulator of each view [W]    bias + the rows of `value_features`; the same table for both views
    units [W]                       c_i c_{W/2+i} of the mover's view, then of the other's, with c = min(max(a, 0), 1)
    h [16]                          dense1 of the units; then [32] min(max(h, 0), 1) and min(h^2, 1)
    g [32]                          dense2, then min(max(g, 0), 1)
    outputs [4]                     logits of win, draw and loss for the side to move; plies to the end, in hundreds

`piece_bucket` of the position chooses among eight versions of dense1, dense2 and output.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np

from engine.errors import ConfigError
from engine.network.accumulator.short_rows import FINEST_SCALE
from engine.network.outputs import check_size, matched
from engine.network.value.value_features import BUCKET_ROWS, KING_BUCKETS, MAX_VIEW

HIDDEN_1 = 16  # units of dense1; dense2 reads each of them twice, plain and squared
HIDDEN_2 = 32
VALUE_OUTPUTS = 4
VALUE_ROWS = BUCKET_ROWS * KING_BUCKETS  # of the accumulator's table
VALUE_STEP = 128  # the accumulator's width is a multiple of this
VALUE_TRUNK = "value_trunk"

# Rows as integers: round(scale * weight). Weights within WEIGHT_LIMIT are at most 2,047 at the
# finest scale, which also float16 stores exactly. Training keeps to the limit.
COARSEST_VALUE_SCALE = 64
WEIGHT_LIMIT = 2047 / FINEST_SCALE
# Weights of dense1 as bytes: round(DENSE1_SCALE * weight). Training keeps to the limit here, too.
DENSE1_SCALE = 64
DENSE1_LIMIT = 127 / DENSE1_SCALE


class ValueTables(NamedTuple):
    """The parameters of a value trunk, or their gradients: flat float32. F rows, W width, 8
    versions of each layer.
    """

    weight: Annotated[np.ndarray, "rows.weight [F, W]"]
    bias: Annotated[np.ndarray, "rows.bias [W]"]
    dense1: Annotated[np.ndarray, "dense1.weight [8, 16, W]"]
    dense1_bias: Annotated[np.ndarray, "dense1.bias [8, 16]"]
    dense2: Annotated[np.ndarray, "dense2.weight [8, 32, 32]"]
    dense2_bias: Annotated[np.ndarray, "dense2.bias [8, 32]"]
    output: Annotated[np.ndarray, "output.weight [8, 4, 32]"]
    output_bias: Annotated[np.ndarray, "output.bias [8, 4]"]


@dataclass(frozen=True)
class ValueConfig:
    """Sizes of a value trunk, written "vWIDTH"."""

    width: int = 256  # of the accumulator of each view
    tables: ClassVar = ValueTables

    def __post_init__(self) -> None:
        check_size(self, "width", VALUE_STEP, 2048)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a text such as "v256". Raises ConfigError for another form."""
        form = "a value trunk is written vWIDTH, such as v256"
        return cls(int(matched(r"v(\d{1,4})", text, form)[1]))

    def __str__(self) -> str:
        return f"v{self.width}"

    @property
    def sizes(self) -> dict[str, int]:
        """What the letters in the shapes of parameters stand for."""
        return {"F": VALUE_ROWS, "W": self.width}


def value_config_of(trunk_config: Mapping[str, Any]) -> ValueConfig:
    """Sizes of a value trunk from its layer configuration. Raises ConfigError for another layer's."""
    try:
        inputs, width = trunk_config["rows"]["inputs"], trunk_config["rows"]["outputs"]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"not the configuration of a value trunk: {error!r}") from error
    if inputs != VALUE_ROWS:
        raise ConfigError(f"expected a value trunk of {VALUE_ROWS:,} rows, found {inputs!r}")
    return ValueConfig(width)


def largest_accumulator(tables: ValueTables, config: ValueConfig) -> float:
    """Upper bound of every |accumulator| over all positions: the most that 32 pieces of one bucket
    can add up to.
    """
    weight = np.abs(tables.weight.reshape(-1, config.width))
    bound = most_of_pieces(weight.reshape(KING_BUCKETS, 12, 64, -1)).max(axis=0)
    return float((bound + np.abs(tables.bias)).max())


def most_of_pieces(weight: np.ndarray) -> np.ndarray:
    """Return what 32 pieces can add up to at most, [V, W]: the best of [V, pieces, 64, W] on each
    square, on the best squares.
    """
    squares = np.sort(weight.max(axis=1), axis=1)
    return squares[:, -MAX_VIEW:].sum(axis=1)
