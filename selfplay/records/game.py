"""Stored form of a finished self-play game: start, moves, visit counts, root values, result. No
planes.

Layout of an encoded record, little-endian, n plies and t policy targets:
    u32 generation | u32 number | i8 White's points | u8 ending | u16 n | u32 t | u64[16] start
    u16[n] moves | u8[n] full | u8[n] targets a ply | u16[t] target moves | u16[t] visits
    | f16[n, 3] root wdl
    | i16[t] the targets' scores, if bit 7 of the ending's byte is set
The low four bits of that byte hold the ending. Bits 4 and 5 hold the first side to give up (1 White,
2 Black). Bit 6 is set when the game was played through.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.board.convert import board_from_row, row_from_board
from engine.board.layout import BLACK, KING, PAWN, ROW_WORDS, SIDE, WHITE
from engine.errors import DataError
from selfplay.records.collect import GameRecord
from selfplay.records.endings import Ending
from selfplay.records.positions import UNKNOWN_SCORE
from selfplay.records.targets import wdl_from_result

HEADER = struct.Struct("<IIbBHI")
SIDES = (0, 1, -1)  # neither, White, Black
_ROUNDING = 0.001  # of a chance in float16, and of what it was computed from


@dataclass(frozen=True)
class SelfPlayRecord:
    """One finished game; its seed follows from run, generation and number."""

    generation: int
    number: int
    white_points: int  # 1, 0 or -1
    ending: Ending  # why it ended
    start: np.ndarray  # uint64[16]
    moves: np.ndarray  # uint16[n]; the last move of a resigned game was chosen but not played
    # Bool[n], whether the move was searched fully, so that its visits are a training target.
    full: np.ndarray
    target_counts: np.ndarray  # uint8[n] visited root moves
    target_moves: np.ndarray  # uint16[t]
    target_visits: np.ndarray  # uint16[t], proportional to the moves' target probabilities
    root_wdl: np.ndarray  # float16[n, 3], the root's mean value for the side to move
    # Int16[t], centipawns for the side to move, or UNKNOWN_SCORE; None if none.
    target_scores: np.ndarray | None = None
    # Whether resigning was off: the game shows what a resignation would have cost.
    played_through: bool = False
    gave_up: int = 0  # the first side with a reason to resign: 1 White, -1 Black, 0 neither

    @property
    def played(self) -> np.ndarray:
        """The moves uint16 that were played, without the one that a side chose and then
        resigned.
        """
        if self.ending is Ending.RESIGNATION:
            return self.moves[:-1]
        return self.moves

    @property
    def wrongly_given_up(self) -> bool:
        """Whether a side that would have resigned did not lose; only a game played through can
        tell.
        """
        return self.played_through and self.gave_up != 0 and self.gave_up * self.white_points >= 0


def _layout(n: int, t: int, scored: bool) -> list[tuple[str, str, tuple[int, ...]]]:
    """(field, dtype, shape) of the arrays behind the header."""
    layout = [
        ("start", "<u8", (ROW_WORDS,)),
        ("moves", "<u2", (n,)),
        ("full", "|u1", (n,)),
        ("target_counts", "|u1", (n,)),
        ("target_moves", "<u2", (t,)),
        ("target_visits", "<u2", (t,)),
        ("root_wdl", "<f2", (n, 3)),
    ]
    if scored:
        layout.append(("target_scores", "<i2", (t,)))
    return layout


def encode_record(game: SelfPlayRecord) -> bytes:
    """Encode a record. Raises DataError for a value that its layout has no room for."""
    n, t = len(game.moves), len(game.target_moves)
    scored = game.target_scores is not None
    try:
        side = SIDES.index(game.gave_up)
        ending = game.ending | side << 4 | game.played_through << 6 | scored << 7
        record = HEADER.pack(game.generation, game.number, game.white_points, ending, n, t)
    except (ValueError, struct.error) as error:
        raise DataError(f"a self-play record that cannot be stored: {error}") from error
    for name, dtype, _ in _layout(n, t, scored):
        record += np.asarray(getattr(game, name), dtype).tobytes()
    return record


def decode_record(payload: bytes) -> SelfPlayRecord:
    """Decode a record. Raises DataError when the layout is wrong or a value is impossible in a
    game.

    Does not check that the moves are legal; callers that replay them must.
    """
    try:
        generation, number, points, ending, n, t = HEADER.unpack_from(payload)
        fields: dict[str, Any] = {}
        position = HEADER.size
        for name, dtype, shape in _layout(n, t, bool(ending >> 7)):
            array = np.frombuffer(payload, dtype, int(np.prod(shape)), position)
            fields[name] = array.reshape(shape)
            position += array.nbytes
        if position != len(payload) or int(fields["target_counts"].sum()) != t:
            raise ValueError(f"{len(payload)} bytes, expected {position}")
        fields["full"] = fields["full"].astype(np.bool_)
        _check_values(points, fields)
        side = ending >> 4 & 3
        if side >= len(SIDES):
            raise ValueError(f"ending {ending}")
        fields |= {"played_through": bool(ending >> 6 & 1), "gave_up": SIDES[side]}
        return SelfPlayRecord(generation, number, points, Ending(ending & 15), **fields)
    except (struct.error, ValueError, OverflowError) as error:
        raise DataError(f"not a self-play record: {error}") from error


def _check_values(points: int, fields: dict[str, np.ndarray]) -> None:
    """Raise ValueError for values that must not reach the learner or the kernels, which check
    nothing.
    """
    start = fields["start"]
    if points not in (-1, 0, 1):
        raise ValueError(f"{points} points for White")
    kinds, sides = start[PAWN : KING + 1], start[[WHITE, BLACK]]
    whole = (
        _are_apart(kinds)
        and _are_apart(sides)
        and np.bitwise_or.reduce(kinds) == np.bitwise_or.reduce(sides)
    )
    if not whole or not np.array_equal(row_from_board(board_from_row(start, chess960=True)), start):
        raise ValueError("a start that is not a position")
    # Not a number is not within either.
    if not (np.abs(fields["root_wdl"].astype(np.float32) - 0.5) <= 0.5 + _ROUNDING).all():
        raise ValueError("a root value that is not a chance from 0 to 1")


def _are_apart(bitboards: np.ndarray) -> bool:
    """Whether no two bitboards share a square."""
    joined = np.bitwise_or.reduce(bitboards)
    return bool(np.bitwise_count(bitboards).sum() == np.bitwise_count(joined))


def training_game(game: SelfPlayRecord, value_share: float) -> GameRecord:
    """Return the game with training targets: visit shares, and (1 - value_share) result +
    value_share root value.
    """
    counts = game.target_counts.astype(np.int64)
    visits = game.target_visits.astype(np.float32)
    owner = np.repeat(np.arange(len(counts)), counts)
    totals = np.bincount(owner, weights=visits, minlength=len(counts))
    black_to_move = (np.arange(len(game.moves)) + int(game.start[SIDE])) % 2 == 1
    result = wdl_from_result(game.white_points, black_to_move)
    roots = game.root_wdl.astype(np.float32)
    scores = game.target_scores
    if scores is None:
        scores = np.full(len(visits), UNKNOWN_SCORE, np.int16)
    return GameRecord(
        start=game.start,
        moves=game.moves,
        target_counts=counts,
        target_moves=game.target_moves,
        target_probs=(visits / np.maximum(totals, 1)[owner]).astype(np.float32),
        target_scores=scores,
        wdl=(1.0 - value_share) * result + value_share * roots,
        usable=game.full & (totals > 0),
        resigned=game.ending is Ending.RESIGNATION,
    )
