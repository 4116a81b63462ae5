"""What players of a rating would do: a position with its game and a rating in, the probability of
every legal move out.
"""

from pathlib import Path
from typing import Annotated, NamedTuple, Self

import chess
import numpy as np

from engine.board.convert import decode_move, stack_from_board
from engine.board.movegen import generate
from engine.errors import ConfigError, NetFileError
from engine.files.dit_file import load_tensors
from engine.native.aligned_arrays import aligned_copy, buffers
from engine.native.elementary import exp
from engine.native.jit import kernel
from engine.network.accumulator.flat_tables import filled_tables, named_views
from engine.network.accumulator.float_rows import (
    add_rows,
    add_weighted_rows,
    pair_products,
    score_row,
)
from engine.network.outputs import Tensors
from engine.network.people.people_features import PeopleSight, look
from engine.network.people.people_parameters import (
    RATING_STEP,
    PeopleConfig,
    PeopleTables,
    people_config_of,
)
from engine.network.sparse.moves import SortRows, list_sort_rows, new_sort_rows, sort_bias
from engine.network.weights import default_net_path

# Divides the logits, so that probabilities mean what they say: on 784 club games, of the moves that
# were given 80 to 90%, 85% on the mean, 80.5% were played without it and 82.7% with it.
TEMPERATURE = 1.05


class PeopleModel(NamedTuple):
    """Weights, and one thread's scratch."""

    tables: PeopleTables
    mixer: Annotated[np.ndarray, "float32 [L, U * X]"]  # W1 of each layer of the mixer, by input
    mixed: Annotated[np.ndarray, "float32 [L, X * U]"]  # W2, likewise
    sight: PeopleSight
    listed: SortRows
    sort_logits: Annotated[np.ndarray, "float32 [218]"]
    accumulator: Annotated[np.ndarray, "float32 [W]"]
    inputs: Annotated[np.ndarray, "float32 [U]"]  # units, then the heads' inputs
    hidden: Annotated[np.ndarray, "float32 [X]"]  # of the mixer
    factors: Annotated[np.ndarray, "float32 [U + X]"]  # those numbers of a layer that are not 0
    active: Annotated[np.ndarray, "int16 [U + X]"]  # and their places
    moves: Annotated[np.ndarray, "uint16 [218]"]
    logits: Annotated[np.ndarray, "float32 [218]"]


class PeoplePolicy:
    """Predicts people's moves. Takes the parameters by name, as in `people_parameters`; raises
    ConfigError or ShapeError when they do not fit `config`. Not for several threads at once.
    """

    def __init__(self, tensors: Tensors, config: PeopleConfig) -> None:
        self.config = config
        tables = filled_tables(config, tensors)
        named = named_views(tables, config)
        mixer, mixed = (
            aligned_copy(named[f"mixer.dense{k}.weight"].swapaxes(1, 2)) for k in (1, 2)
        )
        fixed = {
            "tables": tables,
            "mixer": mixer.reshape(config.layers, -1),
            "mixed": mixed.reshape(config.layers, -1),
            "listed": new_sort_rows(),
        }
        self.model = buffers(PeopleModel, fixed, **config.sizes)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Read a network of people; None stands for the one that comes with Aino. Raises
        NetFileError for every fault and any other network.
        """
        if path is None:
            path = default_net_path("people")
        header, tensors = load_tensors(path)
        try:
            return cls(tensors, people_config_of(header["model"]))
        except ConfigError as error:
            raise NetFileError(path, "a network of people", f"another ({error})") from error

    def probabilities(self, board: chess.Board, rating: int) -> dict[chess.Move, float]:
        """Return how likely a player of this Elo makes each legal move, the likeliest first.

        Its game so far, the board's move stack, counts.
        """
        stack = stack_from_board(board)
        moves, chances = self.predict(stack, rating)
        order = np.argsort(-chances, kind="stable")
        return {
            decode_move(stack[-1], int(moves[i]), board.chess960): float(chances[i]) for i in order
        }

    def predict(self, stack: np.ndarray, rating: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (legal moves uint16 [n], their probabilities float64 [n]) after a game, uint64
        [plies + 1, 16].
        """
        model = self.model
        logits = np.zeros(len(model.logits))
        n_moves = 0
        for band, weight in self.bands(rating):
            n_moves = predict_moves(model, stack, band, self.config.n_bands)
            logits += weight / TEMPERATURE * model.logits.astype(np.float64)
        chances = logits[:n_moves]
        to_chances(chances)
        return model.moves[:n_moves].copy(), chances

    def bands(self, rating: int) -> list[tuple[int, float]]:
        """Return the bands whose logits, with these weights, add up to those of a rating: its
        neighbours. A rating beyond the network's own has the last one.
        """
        last = self.config.n_bands - 1
        place = min(max((rating - self.config.lowest) / RATING_STEP, 0.0), float(last))
        low = int(place)
        if place == low:
            return [(low, 1.0)]
        return [(low, low + 1 - place), (low + 1, place - low)]


@kernel(contract=True)
def predict_moves(model, stack, band, n_bands):
    """Write the legal moves after a game, and their logits for players of a band; returns how many
    there are.
    """
    ply = len(stack) - 1
    tables = model.tables
    sight = model.sight
    moves = model.moves
    n_moves = generate(stack[ply], moves)
    count = look(stack, ply, band, n_bands, moves, n_moves, sight)
    units, width = len(model.inputs), len(model.accumulator)
    add_rows(tables.weight, width, sight.features, count, tables.bias, model.accumulator)
    pair_products(model.accumulator, units, model.inputs, 0)
    for layer in range(len(model.mixed)):
        mix_units(model, layer)
    for k in range(list_sort_rows(sight.sorts, n_moves, model.listed)):
        at = np.int64(model.listed.rows[k]) * units
        model.sort_logits[k] = score_row(tables.sort_weight, at, model.inputs, 0, units)
    for i in range(n_moves):
        row = np.int64(sight.rows[i])
        bias = tables.policy_bias[row] + sort_bias(tables.sort_bias, sight.sorts[i])
        score = score_row(tables.policy, row * units, model.inputs, 0, units)
        model.logits[i] = score + bias + model.sort_logits[model.listed.places[i]]
    return n_moves


@kernel(contract=True)
def mix_units(model, layer):
    """Run one layer of the mixer on the heads' inputs, as `mixer.mix` does. Rows of what is 0 are
    left out: half of the hidden units, and most of the units.
    """
    tables = model.tables
    inputs = model.inputs
    hidden = model.hidden
    units, width = len(inputs), len(hidden)
    for k in range(width):
        hidden[k] = tables.mixer_bias[layer * width + k]
    used = list_factors(inputs, -np.inf, model.factors, model.active)
    add_weighted_rows(model.mixer[layer], width, model.active, model.factors, used, hidden)
    for i in range(units):
        inputs[i] += tables.mixed_bias[layer * units + i]
    used = list_factors(hidden, 0.0, model.factors, model.active)
    add_weighted_rows(model.mixed[layer], units, model.active, model.factors, used, inputs)


@kernel()
def list_factors(x, above, factors, active):
    """List the numbers of x that are not 0, and above a limit, with their places; returns how many
    there are.
    """
    count = np.int64(0)
    for k in range(len(x)):
        factors[count] = x[k]
        active[count] = k
        if x[k] != 0 and x[k] > above:
            count += 1
    return count


@kernel()
def to_chances(logits):
    """Replace logits float64 by their softmax."""
    largest = -np.inf
    total = 0.0
    for logit in logits:
        largest = max(largest, logit)
    for i in range(len(logits)):
        logits[i] = exp(logits[i] - largest)
        total += logits[i]
    for i in range(len(logits)):
        logits[i] /= total
