"""Games of Lc0's training chunks: moves are recovered from planes."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.board.layout import MAX_MOVES, ROW_WORDS, SIDE
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.errors import DataError, FenError
from engine.files.note_log import NoteLog
from engine.native.jit import kernel
from engine.network import planes as lc0
from engine.network.planes import encode
from engine.network.policy_map import policy_index
from selfplay.data.cache import Bookmark
from selfplay.data.v6 import (
    ADJUDICATED,
    LENGTH_LIMIT,
    NOT_FOR_TRAINING,
    masks_of,
    open_chunks,
    read_chunk,
)
from selfplay.records.collect import GameRecord
from selfplay.records.endings import WITHOUT_MOVES, game_ending
from selfplay.records.positions import UNKNOWN_SCORE
from selfplay.records.targets import RESULTS, wdl_from_result

ROOT_VALUE_SHARE = 0.5  # of the root's value in the value target; the result has the rest
_PIECE_PLANES = 12  # piece planes of one board in the history
SUM_TOLERANCE = 0.01  # how far the sum of a record's probabilities may be from 1


def read_v6(path: Path, bookmark: Bookmark | None = None) -> Iterator[GameRecord]:
    """Yield the games of a file, an archive or a folder (`open_chunks`) after the bookmark.

    Skips chunks that cannot be read or whose records are not one game, and logs them. Raises
    DataError as `open_chunks`, and for the first such chunk where no other has a game.
    """
    bookmark = bookmark or Bookmark()
    skipped = NoteLog(path)
    fault = None
    for name, stream in islice(open_chunks(path), bookmark.place, None):
        bookmark.place += 1
        try:
            game = game_of_chunk(read_chunk(name, stream), name)
        except DataError as error:
            skipped.note(f"{error} (game skipped)")
            fault = fault or error
        else:
            yield game
    if not bookmark.place:
        raise DataError(f"{path}: no training chunks in it, which are files that end in .gz")
    if fault is not None and skipped.count == bookmark.place:
        raise fault
    skipped.close()


# ---- reading -------------------------------------------------------------------------------------


def game_of_chunk(records: np.ndarray, name: str) -> GameRecord:
    """Return the game of one chunk: the start from the first record's planes, then the moves
    between records.

    A result changed to a value between win and loss is rounded. Raises DataError with `name` if the
    records are not successive positions of one game or have invalid targets.
    """
    n = len(records)
    stack = np.zeros((n + 1, ROW_WORDS), np.uint64)
    masks = masks_of(records)
    try:
        stack[0] = row_of_planes(masks[0])
    except FenError as error:
        raise DataError(f"{name}: record 0 is no position to play from: {error}") from error
    shares = _target_shares(records, name)
    has_target = shares.any(axis=1)
    n_targets = int(np.count_nonzero(shares))
    target_moves = np.zeros(n_targets, np.uint16)
    target_shares = np.zeros(n_targets, np.float32)
    moves = np.zeros(n, np.uint16)
    counts = np.zeros(n, np.uint8)
    played = records["played_idx"].astype(np.int64)
    scratch = np.zeros(MAX_MOVES, np.uint16), np.zeros(lc0.PLANES, np.uint64)
    followed, fault = follow_game(
        stack, masks, played, shares, moves, counts, target_moves, target_shares, *scratch
    )
    _check_followed(fault, followed, played, name)
    points = _white_points(records[-1], name)
    result = wdl_from_result(points, stack[:-1, SIDE] != 0)
    return GameRecord(
        start=stack[0].copy(),
        moves=moves,
        target_counts=counts.astype(np.int64),
        target_moves=target_moves,
        target_probs=np.minimum(target_shares, 1.0),
        wdl=(1.0 - ROOT_VALUE_SHARE) * result + ROOT_VALUE_SHARE * _root_wdl(records, result),
        usable=_is_training(records) & has_target,
        target_scores=np.full(n_targets, UNKNOWN_SCORE, np.int16),
        resigned=_is_resigned(stack[-1], int(records["invariance_info"][-1]), points, name),
    )


def _is_training(records: np.ndarray) -> np.ndarray:
    """Return which records [n] Lc0 trains on; the others keep the game's moves complete."""
    return records["invariance_info"] & NOT_FOR_TRAINING == 0


def _check_followed(fault: int, record: int, played: np.ndarray, name: str) -> None:
    """Raise DataError if a record has a fault of `follow_game`."""
    if fault == NOT_THE_POSITION:
        raise DataError(
            f"{name}: record {record} is not the position that the one before it leads to"
        )
    if fault == NOT_A_MOVE:
        raise DataError(
            f"{name}: record {record} plays or aims at an illegal move (played_idx {played[record]})"
        )


def _white_points(record: np.void, name: str) -> int:
    """Return White's points by a game's last record. Raises DataError for a value that is none."""
    result = float(record["result_q"])
    if not -1.0 <= result <= 1.0:
        raise DataError(f"{name}: result_q {result}, expected -1..1")
    if record["side_to_move_or_enpassant"]:
        return -round(result)
    return round(result)


def _is_resigned(last: np.ndarray, info: int, white_points: int, name: str) -> bool:
    """Return whether a game with this last position uint64[16] was given up, its last move not
    played. Raises DataError where mate or stalemate contradicts the result.
    """
    by_rule = game_ending(last, 0, longest=1)
    if (by_rule is not None and by_rule[1] == white_points) or info & LENGTH_LIMIT:
        return False
    if white_points and info & ADJUDICATED:
        return True
    if by_rule is not None and by_rule[0] in WITHOUT_MOVES:
        result = RESULTS[white_points]
        raise DataError(f"{name}: the result is {result}, which the board contradicts")
    return False


def _target_shares(records: np.ndarray, name: str) -> np.ndarray:
    """Probabilities float32[n, 1858] with zeros for illegal moves and for records that were never
    searched.

    Raises DataError if a training record's probabilities do not sum to 1.
    """
    probabilities = records["probabilities"]
    shares = np.where(
        np.isfinite(probabilities) & (probabilities > 0), probabilities, np.float32(0)
    )
    training = _is_training(records)
    sums = shares.sum(axis=1, dtype=np.float64)
    bad = training & (np.abs(sums - 1.0) > SUM_TOLERANCE)
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"{name}: record {first}: probabilities sum to {sums[first]:.4g}, expected 1"
        )
    shares[~training & (records["visits"] == 0)] = 0.0
    return shares


def _root_wdl(records: np.ndarray, result: np.ndarray) -> np.ndarray:
    """float16[n, 3]: root values where records [n] have them, else the result float32[n, 3]."""
    q = records["root_q"].astype(np.float64)
    d = records["root_d"].astype(np.float64)
    wdl = np.stack([(1 - d + q) / 2, d, (1 - d - q) / 2], axis=1)
    with np.errstate(invalid="ignore"):
        is_known = np.all(np.abs(wdl - 0.5) <= 0.5 + SUM_TOLERANCE, axis=1)  # False for NaN, too
    values = result.copy()
    values[is_known] = np.clip(wdl[is_known], 0, 1)
    return values.astype(np.float16)


# ---- the position that planes show ---------------------------------------------------------------


def row_of_planes(masks: np.ndarray) -> np.ndarray:
    """Return the position row uint64[16] that planes uint64[112] show, as
    `engine.network.planes.encode` writes them.

    Castling rights belong to the outermost rooks. The move number is 1, as planes lack it.
    Repetitions are not counted. Raises FenError for an unplayable position.
    """
    board = chess.Board(None, chess960=True)
    board.turn = not masks[lc0.BLACK_TO_MOVE_PLANE]
    boards = masks[: 2 * lc0.PLANES_PER_POSITION]
    if board.turn == chess.BLACK:
        boards = boards.byteswap()
    _put_pieces(board, boards[:6], boards[6:12])
    for plane in range(4):
        if masks[lc0.CASTLING_PLANE + plane]:
            board.castling_rights |= _outermost_rook(
                board, board.turn ^ (plane >= 2), queenside=plane % 2 == 0
            )
    board.halfmove_clock = int(masks[lc0.FIFTY_MOVE_PLANE])
    their_pawns = int(boards[6])
    their_pawns_before = int(boards[lc0.PLANES_PER_POSITION + 6])
    board.ep_square = _passed_square(board.turn, their_pawns, their_pawns_before)
    return row_from_board(board)


def _put_pieces(board: chess.Board, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Put pieces on an empty board; uint64[6] each, pawns to kings, ours of the side to move.
    Raises FenError for two on one square.
    """
    board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings = (
        ours | theirs
    ).tolist()
    board.occupied_co[board.turn] = int(np.bitwise_or.reduce(ours))
    board.occupied_co[not board.turn] = int(np.bitwise_or.reduce(theirs))
    board.occupied = board.occupied_co[chess.WHITE] | board.occupied_co[chess.BLACK]
    pieces = int(np.bitwise_count([ours, theirs]).sum())
    if pieces != board.occupied.bit_count():
        raise FenError("two pieces on one square", "placement")


def _outermost_rook(board: chess.Board, color: chess.Color, queenside: bool) -> chess.Bitboard:
    """Return the bit of the rook with a castling right. Raises FenError if there is none."""
    king = board.king(color)
    rank = chess.BB_RANK_1 if color == chess.WHITE else chess.BB_RANK_8
    rooks = chess.SquareSet(board.rooks & board.occupied_co[color] & rank)
    candidates = [rook for rook in rooks if king is not None and (rook < king) == queenside]
    if not candidates:
        raise FenError("a castling right without its rook", "castling")
    rook = min(candidates) if queenside else max(candidates)
    return chess.BB_SQUARES[rook]


def _passed_square(turn: chess.Color, pawns: int, before: int) -> chess.Square | None:
    """Return the square that a pawn passed over in the last move, made by the side not to move."""
    gone, come = before & ~pawns, pawns & ~before
    home, back = (chess.BB_RANK_7, 8) if turn == chess.WHITE else (chess.BB_RANK_2, -8)
    if not gone & home or gone.bit_count() != 1 or come.bit_count() != 1:
        return None
    square = chess.lsb(come) + back
    if chess.lsb(gone) != square + back:
        return None
    return square


# ---- kernels -------------------------------------------------------------------------------------

FOLLOWED = 0
NOT_THE_POSITION = 1
NOT_A_MOVE = 2


@kernel()
def follow_game(
    stack, masks, played, shares, moves, counts, target_moves, target_shares, scratch, planes
):
    """Recover moves uint16[n] and targets of n records; the stack begins with the first one's
    position.

    Returns (n, FOLLOWED), or (record, its fault). played int64[n] are policy indices; shares
    float32[n, 1858] are by policy index, zero if none. planes uint64[112] is scratch space.
    """
    filled = 0
    for record in range(len(moves)):
        encode(stack, record, planes)
        if not same_position(planes, masks[record]):
            return record, NOT_THE_POSITION
        count = generate(stack[record], scratch)
        chosen = -1
        for i in range(count):
            index = policy_index(stack[record], scratch[i])
            if index == played[record]:
                chosen = i
            if shares[record, index] > 0:
                target_moves[filled] = scratch[i]
                target_shares[filled] = shares[record, index]
                shares[record, index] = 0
                counts[record] += 1
                filled += 1
        if chosen < 0 or shares[record].any():
            return record, NOT_A_MOVE
        moves[record] = scratch[chosen]
        push(stack, record, moves[record])
    return len(moves), FOLLOWED


@kernel()
def same_position(a, b):
    """Whether planes uint64[112] agree on the pieces, castling, side to move and fifty-move
    counter.
    """
    for plane in range(lc0.FIFTY_MOVE_PLANE + 1):
        if a[plane] != b[plane] and (plane < _PIECE_PLANES or plane >= lc0.CASTLING_PLANE):
            return False
    return True
