"""Games of Lc0's training chunks: moves are recovered from planes, targets from probabilities."""

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
from selfplay.records.endings import WITHOUT_MOVES, Ending, game_ending
from selfplay.records.game import SelfPlayRecord, training_game
from selfplay.records.targets import RESULTS, wdl_from_result

MOST_VISITS = 65_535  # most visits of one move in a replay record
_PIECE_PLANES = 12  # piece planes of one board in the history
SUM_TOLERANCE = 0.01  # how far the sum of a record's probabilities may be from 1
# How far probability times visits may be from a whole number; float32 is 0.004 off at 65,535.
COUNT_TOLERANCE = 0.01


def read_v6(path: Path, bookmark: Bookmark | None = None) -> Iterator[GameRecord]:
    """Yield training games of `games_of_chunks`; root value and result count alike."""
    return (training_game(game, 0.5) for game in games_of_chunks(path, bookmark or Bookmark()))


def games_of_chunks(path: Path, bookmark: Bookmark) -> Iterator[SelfPlayRecord]:
    """Yield the games of a file, an archive or a folder (`open_chunks`) after the bookmark.

    Skips chunks that cannot be read or whose records are not one game, and logs them. Raises
    DataError as `open_chunks`, and for the first such chunk where no other has a game.
    """
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


def game_of_chunk(records: np.ndarray, name: str) -> SelfPlayRecord:
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
    points, ending = _told_end(records[-1], stack[-1], name)
    return SelfPlayRecord(
        generation=0,
        number=0,
        white_points=points,
        ending=ending,
        start=stack[0].copy(),
        moves=moves,
        full=records["invariance_info"] & NOT_FOR_TRAINING == 0,
        target_counts=counts,
        target_moves=target_moves,
        target_visits=_visits(target_shares, counts, records["visits"]),
        root_wdl=_root_wdl(records, stack[:-1, SIDE] != 0, points),
    )


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


def _told_end(record: np.void, last: np.ndarray, name: str) -> tuple[int, Ending]:
    """Return White's points and the ending that a game's last record tells. Raises DataError where
    the last position uint64[16] contradicts them.
    """
    result = float(record["result_q"])
    if not -1.0 <= result <= 1.0:
        raise DataError(f"{name}: result_q {result}, expected -1..1")
    points = -round(result) if record["side_to_move_or_enpassant"] else round(result)
    ending = ending_of(last, int(record["invariance_info"]), points)
    if ending is None:
        raise DataError(f"{name}: the result is {RESULTS[points]}, which the board contradicts")
    return points, ending


def _target_shares(records: np.ndarray, name: str) -> np.ndarray:
    """Probabilities float32[n, 1858] with zeros for illegal moves and for records that were never
    searched.

    Raises DataError if a training record's probabilities do not sum to 1.
    """
    probabilities = records["probabilities"]
    shares = np.where(
        np.isfinite(probabilities) & (probabilities > 0), probabilities, np.float32(0)
    )
    training = records["invariance_info"] & NOT_FOR_TRAINING == 0
    sums = shares.sum(axis=1, dtype=np.float64)
    bad = training & (np.abs(sums - 1.0) > SUM_TOLERANCE)
    if bad.any():
        first = int(np.argmax(bad))
        raise DataError(
            f"{name}: record {first}: probabilities sum to {sums[first]:.4g}, expected 1"
        )
    shares[~training & (records["visits"] == 0)] = 0.0
    return shares


def ending_of(last: np.ndarray, info: int, white_points: int) -> Ending | None:
    """Return how a game with this last position uint64[16] ended; None if mate or stalemate
    contradicts its result.
    """
    by_rule = game_ending(last, 0, longest=1)
    if by_rule is not None and by_rule[1] == white_points:
        return by_rule[0]
    if info & LENGTH_LIMIT:
        return Ending.LENGTH
    if white_points and info & ADJUDICATED:
        return Ending.RESIGNATION
    return None if by_rule is not None and by_rule[0] in WITHOUT_MOVES else Ending.OTHER


def _visits(shares: np.ndarray, counts: np.ndarray, root_visits: np.ndarray) -> np.ndarray:
    """Visit counts uint16[t] from shares [t]; record i owns counts[i] of them.

    Counts are exact if share * (root visits - 1) is whole for all of a record's shares; else they
    are shares of 65,535.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    children = root_visits.astype(np.float64) - 1
    exact = shares * children[owner]
    broken = np.bincount(
        owner, weights=np.abs(exact - np.rint(exact)) > COUNT_TOLERANCE, minlength=len(counts)
    )
    whole = (children >= 1) & (children <= MOST_VISITS) & (broken == 0)
    scale = np.where(whole, children, MOST_VISITS)
    return np.rint(shares * scale[owner]).clip(0, MOST_VISITS).astype(np.uint16)


def _root_wdl(records: np.ndarray, black: np.ndarray, white_points: int) -> np.ndarray:
    """float16[n, 3] for n positions (black bool[n]): root values where records have them, else the
    result.
    """
    q = records["root_q"].astype(np.float64)
    d = records["root_d"].astype(np.float64)
    wdl = np.stack([(1 - d + q) / 2, d, (1 - d - q) / 2], axis=1)
    with np.errstate(invalid="ignore"):
        is_known = np.all(np.abs(wdl - 0.5) <= 0.5 + SUM_TOLERANCE, axis=1)  # False for NaN, too
    values = wdl_from_result(white_points, black)
    values[is_known] = np.clip(wdl[is_known], 0, 1)
    return values.astype(np.float16)


# ---- the position that planes show ---------------------------------------------------------------


def row_of_planes(masks: np.ndarray) -> np.ndarray:
    """Return the position row uint64[16] that planes uint64[112] show, as
    `engine.network.planes.encode` writes them.

    Castling rights belong to the outermost rooks. The move number is 1, as planes lack it.
    Repetitions are not counted. Raises FenError for an unplayable position.
    """
    moments = masks[: 2 * lc0.PLANES_PER_POSITION]
    boards = moments.byteswap() if masks[lc0.BLACK_TO_MOVE_PLANE] else moments
    board = chess.Board(None, chess960=True)
    board.turn = not masks[lc0.BLACK_TO_MOVE_PLANE]
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
        int(word) for word in ours | theirs
    )
    board.occupied_co[board.turn] = int(np.bitwise_or.reduce(ours))
    board.occupied_co[not board.turn] = int(np.bitwise_or.reduce(theirs))
    board.occupied = board.occupied_co[chess.WHITE] | board.occupied_co[chess.BLACK]
    pieces = sum(int(word).bit_count() for word in (*ours, *theirs))
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
    return chess.BB_SQUARES[min(candidates) if queenside else max(candidates)]


def _passed_square(turn: chess.Color, pawns: int, before: int) -> chess.Square | None:
    """Return the square that a pawn passed over in the last move, made by the side not to move."""
    gone, come = before & ~pawns, pawns & ~before
    home, back = (chess.BB_RANK_7, 8) if turn == chess.WHITE else (chess.BB_RANK_2, -8)
    if not gone & home or gone.bit_count() != 1 or come.bit_count() != 1:
        return None
    return chess.lsb(come) + back if chess.lsb(gone) == chess.lsb(come) + 2 * back else None


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
        encode(stack, record, 0, planes)
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
