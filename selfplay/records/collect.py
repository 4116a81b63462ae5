"""Packs the game records that readers yield into a verified `PositionSet`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from engine.board.attacks import in_check
from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel
from selfplay.records.positions import (
    PROBABILITY_ONE,
    UNKNOWN_RATING,
    PositionSet,
    concatenate,
    offsets,
)

GAMES_PER_CHUNK = 4096  # bounds the memory of records not yet packed
GAMES_PER_LOOK = 100  # games between two reports of progress
LONGEST_GAME = 12_000  # plies; no game under the 75-move rule is longer
LONGEST_COUNT = 65_535  # plies; `moves_left` is 16 bits wide


@dataclass(frozen=True)
class GameRecord:
    """One game as a reader yields it: n positions, t targets."""

    start: np.ndarray  # uint64[16], the start position
    moves: np.ndarray  # uint16[n], played moves
    target_counts: np.ndarray  # int[n], policy targets of each position
    target_moves: np.ndarray  # uint16[t]
    target_probs: np.ndarray  # float32[t], summing to 1 over a position
    wdl: np.ndarray  # float32[n, 3], from each position's side to move
    usable: np.ndarray  # bool[n]
    target_scores: np.ndarray  # int16[t], centipawns from the side to move, or UNKNOWN_SCORE
    rating: np.ndarray | None = None  # uint16[n], as in `PositionSet`; None if not known
    resigned: bool = False  # whether the last move was chosen, but the game given up instead


def collect(records: Iterable[GameRecord], told_share: float = 0.0) -> tuple[PositionSet, int]:
    """Pack the records into a PositionSet without the games that `verified_pieces` leaves out, and
    count these.
    """
    sets = []
    skipped = 0
    for positions, lacking in verified_pieces(records, told_share):
        sets.append(positions)
        skipped += lacking
    return concatenate(sets), skipped


def watched(
    records: Iterable[GameRecord], watch: Callable[[int], None], first: int = 0
) -> Iterator[GameRecord]:
    """Yield the records; now and then `watch` gets their number, counted on from `first`."""
    for count, record in enumerate(records, first + 1):
        if count % GAMES_PER_LOOK == 0:
            watch(count)
        yield record


def verified_pieces(
    records: Iterable[GameRecord], told_share: float
) -> Iterator[tuple[PositionSet, int]]:
    """Yield sets of up to 4,096 games, each with the number of games it lacks, as `verify_games`
    tells.

    told_share: the least part of the value that a game's result has, if others than Aino told the
    result.
    """
    iterator = iter(records)
    while chunk := list(islice(iterator, GAMES_PER_CHUNK)):
        packed = _pack(chunk)
        legal = legal_games(packed, packed.wdl >= told_share)
        if not legal.all():
            packed = packed.select(legal)
        yield packed, int(np.count_nonzero(~legal))


def legal_games(games: PositionSet, may_be: np.ndarray) -> np.ndarray:
    """Return which games are legal, bool[G], as `verify_games` tells."""
    legal = np.zeros(games.n_games, np.bool_)
    rows = np.zeros((2, ROW_WORDS), np.uint64)
    scratch = np.zeros(MAX_MOVES, np.uint16)
    moves = (games.starts, games.game_first, games.moves, games.target_first, games.target_moves)
    verify_games(*moves, may_be, legal, rows, scratch)
    return legal


def _pack(records: list[GameRecord]) -> PositionSet:
    """Return the games of records in one set, one behind the other."""

    def joined(name: str, dtype: type) -> np.ndarray:
        parts = [getattr(record, name) for record in records]
        return np.concatenate(parts).astype(dtype)

    counts, left = list[int](), list[np.ndarray]()
    ratings = list[np.ndarray]()
    for record in records:
        n = len(record.moves)
        rating = record.rating
        if rating is None:
            rating = np.full(n, UNKNOWN_RATING)
        counts.append(n)
        left.append(np.arange(n, 0, -1) - record.resigned)
        ratings.append(rating)
    return PositionSet(
        starts=np.stack([record.start for record in records]),
        game_first=offsets(np.array(counts)),
        moves=joined("moves", np.uint16),
        target_first=offsets(joined("target_counts", np.int64)),
        target_moves=joined("target_moves", np.uint16),
        target_probs=np.rint(PROBABILITY_ONE * joined("target_probs", np.float32)).astype(
            np.uint16
        ),
        target_scores=joined("target_scores", np.int16),
        wdl=joined("wdl", np.float16),
        moves_left=np.minimum(np.concatenate(left), LONGEST_COUNT).astype(np.uint16),
        usable=joined("usable", np.bool_),
        rating=np.concatenate(ratings).astype(np.uint16),
    )


@kernel()
def verify_games(
    starts, game_first, moves, target_first, target_moves, may_be, legal, rows, legal_moves
):
    """Replay every game and set legal bool[G]: no move is illegal, and no mate or stalemate has
    another result.

    may_be bool[N, 3] has the results that a position's value allows. rows uint64[2, 16] and
    legal_moves uint16[218] are scratch space.
    """
    for game in range(len(starts)):
        rows[0] = starts[game]
        legal[game] = True
        for position in range(game_first[game], game_first[game + 1]):
            count = generate(rows[0], legal_moves)
            if not is_among(moves[position], legal_moves, count):
                legal[game] = False
            for target in range(target_first[position], target_first[position + 1]):
                if not is_among(target_moves[target], legal_moves, count):
                    legal[game] = False
            if not legal[game]:
                break
            make(rows[0], moves[position], rows[1])
            rows[0] = rows[1]
        last = game_first[game + 1] - 1
        if legal[game] and last >= game_first[game] and not generate(rows[0], legal_moves):
            result = 1  # stalemate
            if in_check(rows[0]):
                result = 0
            legal[game] = may_be[last, result]


@kernel()
def is_among(move, legal_moves, count):
    """Whether a move is among the `count` legal moves."""
    i = 0
    while i < count and legal_moves[i] != move:
        i += 1
    return i < count
