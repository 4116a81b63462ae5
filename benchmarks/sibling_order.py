"""Measure how networks order quiet siblings and how they rank their parents; games ask for both.

    python -m benchmarks.sibling_order --teacher teacher.nnue --data labels/parents new.dit default

Siblings are the positions after all moves of a position, whose order decides what a search plays.
`aino-train teach --held-out` draws the positions. The teacher, Stockfish 15.1's value net, labels
the siblings two plies deep. The measure is the correlation of a judge's values with the labels of
quiet siblings, centred within their parent: what all of them share cancels in a tree. "levels" is
the correlation between parents of their siblings' mean values, which decides between branches:
networks whose order rose while their levels fell lost games. A column for each sort of move tells
the correlation among moves of that sort, and in brackets by how much they are overrated (+) or
underrated (-), in Q = W - L of the side to move. A judge is a net file, `default` for the net that
comes with Aino, or `material`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measuring import Row, at_least, existing, judge_name, new_parser, report
from engine.board.attacks import (
    KING_ATTACKS,
    ZERO,
    bit,
    in_check,
    is_attacked,
    pawn_attack_set,
    piece_at,
)
from engine.board.attacks import piece_attacks as officer_attacks
from engine.board.layout import BLACK, KING, MAX_MOVES, PAWN, ROW_WORDS, SIDE, WHITE
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.errors import DataError
from engine.evaluation import make_evaluator
from engine.evaluation.leaves import fill_leaf
from engine.evaluation.protocol import Evaluator, input_format_of, new_leaf_batch
from engine.native.jit import kernel
from engine.native.pool import ThreadPool
from engine.tactics.quiescence import immediate_gain, take_best
from selfplay.records.label_folder import BALANCED_CP, LabelFolder, fields_of
from selfplay.records.packed import unpack_row
from selfplay.records.targets import CALM_VALUES, MOVE_SCORES, UNSETTLED_VALUES, Calibration
from selfplay.teachers.accumulators import advance
from selfplay.teachers.net_file import StockfishNet, read_stockfish_net
from selfplay.teachers.quiet_search import (
    CHECK_PLIES,
    MATE,
    begin_quiescence,
    new_teacher,
    teacher_quiescence,
    to_cp,
)
from selfplay.teachers.static_value import static_value

LEAST_PIECES = (
    17  # of parents whose siblings are compared: the middlegame, where most points are lost
)
LABEL_PLIES = 2
DEPTH_2_SCORES = Calibration(
    4.0, 80.0, 50.0
)  # of positions off a game's path; fitted as in `records.targets`
CALM_CP = 40
STATIC, CAPTURES = (
    -1,
    -2,
)  # depths that mean the static value, and quiescence without quiet checks; others are plies
NEAR_BEST = 0.3  # of W - L: siblings that are worse than the best by more are hardly played
EXTENSION_PLIES = 6  # plies from the root up to which a check at the horizon extends the search
JUDGED_AT_ONCE = 256
TEACHERS = (
    ("teacher, static", STATIC, CALM_VALUES["trees"]),
    ("teacher, quiescence", 0, UNSETTLED_VALUES["trees"]),
    ("teacher, depth 1", 1, MOVE_SCORES["trees"]),
    ("teacher, depth 2", LABEL_PLIES, DEPTH_2_SCORES),
)
# Sorts of moves, by bit: a move may have several.
SORTS = ("no capture", "attacks anew", "leaves an attack", "king", "pawn")
NO_CAPTURE, ATTACKS_ANEW, LEAVES_AN_ATTACK, KING_MOVE, PAWN_MOVE = (
    1 << i for i in range(len(SORTS))
)


Judge = Callable[[np.ndarray], np.ndarray]  # rows [N, 16] -> Q [N]


class Siblings(NamedTuple):
    """The positions after all moves of some positions."""

    rows: np.ndarray  # uint64 [S, 16]
    parent: np.ndarray  # int64 [S]
    label: np.ndarray  # float64 [S] Q of the parent's mover, by the teacher at depth 2
    quiet: np.ndarray  # bool [S] calm and close to the best sibling
    sorts: np.ndarray  # int64 [S] of the moves that lead there


class Order(NamedTuple):
    """How a judge orders siblings."""

    correlation: float  # with the labels, centred within the parent
    error: float  # its standard error, by leaving out parents
    # mean of judged minus labelled differences to all quiet siblings of the parent, Q of its mover
    bias: float


def siblings_of(net: StockfishNet, parents: np.ndarray, threads: int = 1) -> Siblings:
    """All children of the rows uint64[P, 16] that have a move, labelled by the teacher.

    Raises DataError if there are none.
    """
    found, owner, sorts = children_of(np.ascontiguousarray(parents))
    if not len(found):
        raise DataError("no balanced position with a move among the parents")
    label = -q_of(DEPTH_2_SCORES.wdl(teacher_cp(net, found, LABEL_PLIES, threads)))
    best = np.full(len(parents), -np.inf)
    np.maximum.at(best, owner, label)
    quiet = settled_mask(net, found, threads) & (label > best[owner] - NEAR_BEST)
    return Siblings(found, owner, label, quiet, sorts)


def children_of(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows [S, 16], number of the parent [S], sorts of the move [S]) of all children that have a
    move.
    """
    most = len(parents) * MAX_MOVES
    rows = np.zeros((most, ROW_WORDS), np.uint64)
    owner = np.zeros(most, np.int64)
    sorts = np.zeros(most, np.int64)
    count = write_children(parents, rows, owner, sorts)
    return rows[:count].copy(), owner[:count], sorts[:count]


@kernel()
def write_children(parents, rows, owner, sorts):
    """Write the children that have a move, and return their number."""
    moves = np.zeros(MAX_MOVES, np.uint16)
    replies = np.zeros(MAX_MOVES, np.uint16)
    count = np.int64(0)
    for number in range(len(parents)):
        for i in range(np.int64(generate(parents[number], moves))):
            make(parents[number], moves[i], rows[count])
            if generate(rows[count], replies):
                owner[count] = number
                sorts[count] = sorts_of(parents[number], moves[i], rows[count])
                count += 1
    return count


@kernel()
def sorts_of(row, move, child):
    """Return the sorts of a move as bits: bit i for SORTS[i].

    A move attacks anew if the piece attacks one on its new square that it did not attack before, or
    leaves an attack if the enemy attacked its old square. Castling is a move of the king.
    """
    side = np.int64(row[SIDE])
    origin, target = np.int64(move) & 63, np.int64(move) >> 6 & 63
    kind = piece_at(row, origin)
    theirs = row[BLACK - side]
    castles = bit(target) & row[WHITE + side] != ZERO
    sorts = np.int64(0)
    if row[BLACK - side] == child[BLACK - side]:
        sorts |= NO_CAPTURE
    if kind == KING:
        sorts |= KING_MOVE
    elif kind == PAWN:
        sorts |= PAWN_MOVE
    if is_attacked(row, origin, row[WHITE] | row[BLACK], 1 - side):
        sorts |= LEAVES_AN_ATTACK
    if (
        not castles
        and attacks_of(child, target, side)
        & child[BLACK - side]
        & ~attacks_of(row, origin, side)
        & theirs
    ):
        sorts |= ATTACKS_ANEW
    return sorts


@kernel()
def attacks_of(row, square, side):
    """Squares that the piece of a side on a square attacks."""
    kind = piece_at(row, square)
    if kind == PAWN:
        return pawn_attack_set(bit(square), side)
    if kind == KING:
        return KING_ATTACKS[square]
    return officer_attacks(kind, square, row[WHITE] | row[BLACK])


def order(judged: np.ndarray, siblings: Siblings, sort: int | None = None) -> Order:
    """How Q float64[S] of the parents' movers orders the quiet siblings, all or those of
    SORTS[sort] alone.
    """
    quiet = siblings.quiet
    a = judged[quiet]
    b = siblings.label[quiet]
    owner = siblings.parent[quiet]
    bias = _centred(a, owner) - _centred(b, owner)
    of_sort = np.ones(len(a), np.bool_) if sort is None else siblings.sorts[quiet] >> sort & 1 > 0
    if not of_sort.any():
        return Order(0.0, 0.0, 0.0)
    correlation, error = _centred_correlation(a[of_sort], b[of_sort], owner[of_sort])
    return Order(correlation, error, float(bias[of_sort].mean()))


def levels(judged: np.ndarray, siblings: Siblings) -> float:
    """Correlation of Q float64[S] with the labels between parents: of the means of their quiet
    siblings.
    """
    owner = siblings.parent[siblings.quiet]
    counts = np.bincount(owner)
    sums = [np.bincount(owner, values[siblings.quiet]) for values in (judged, siblings.label)]
    judged_means, label_means = (total[counts > 0] / counts[counts > 0] for total in sums)
    return float(np.corrcoef(judged_means, label_means)[0, 1])


def _centred(a: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Values less their owner's mean."""
    counts = np.maximum(np.bincount(owner), 1)
    return a - (np.bincount(owner, a) / counts)[owner]


def _centred_correlation(a: np.ndarray, b: np.ndarray, owner: np.ndarray) -> tuple[float, float]:
    """(correlation within owners, its standard error by leaving out one owner at a time)."""
    a, b = _centred(a, owner), _centred(b, owner)
    products = np.stack([np.bincount(owner, x) for x in (a * b, a * a, b * b)])
    total = products.sum(axis=1, keepdims=True)
    left = _correlation(total - products[:, np.bincount(owner) > 0])
    error = np.sqrt((len(left) - 1) * np.mean((left - left.mean()) ** 2))
    return float(_correlation(total)[0]), float(error)


def _correlation(products: np.ndarray) -> np.ndarray:
    """Correlation from sums of ab, aa and bb [3, n]; 0 if a or b never varies."""
    scale = np.sqrt(np.maximum(products[1] * products[2], 0.0))
    return np.divide(products[0], scale, out=np.zeros_like(scale), where=scale > 1e-12)


# ---- the teacher ---------------------------------------------------------------------------------


def teacher_cp(net: StockfishNet, rows: np.ndarray, depth: int, threads: int = 1) -> np.ndarray:
    """Return the teacher's centipawns int64[N] of rows. depth: STATIC, CAPTURES, 0 for quiescence,
    or plies of alpha-beta.
    """
    score_cp = np.zeros(len(rows), np.int64)

    def work(first: int, last: int) -> None:
        label_rows(new_teacher(net), rows[first:last], np.int64(depth), score_cp[first:last])

    bounds = [*range(0, len(rows), JUDGED_AT_ONCE), len(rows)]
    with ThreadPool(threads, "label") as pool:
        pool.map(work, *zip(*pairwise(bounds), strict=True)) if len(rows) else None
    return score_cp


@kernel()
def label_rows(teacher, rows, depth, score_cp):
    """Write the teacher's centipawns of every row to `score_cp`."""
    for i in range(len(rows)):
        begin_quiescence(teacher, rows[i])
        if depth == STATIC:
            value = static_value(teacher.net, teacher.acc, np.int64(0), rows[i])
        elif depth == CAPTURES:
            value = teacher_quiescence(
                teacher, np.int64(0), np.int64(-CHECK_PLIES), np.int64(-MATE), np.int64(MATE)
            )
        else:
            value = deep_value(teacher, rows[i], depth)
        score_cp[i] = to_cp(value)


def q_of(wdl: np.ndarray) -> np.ndarray:
    """Win minus loss."""
    return wdl[:, 0].astype(np.float64) - wdl[:, 2]


def settled_mask(net: StockfishNet, rows: np.ndarray, threads: int = 1) -> np.ndarray:
    """bool[N]: captures change the static value little."""
    return (
        np.abs(teacher_cp(net, rows, CAPTURES, threads) - teacher_cp(net, rows, STATIC, threads))
        < CALM_CP
    )


@kernel()
def teacher_quiet_value(teacher, row):
    """Units for the side to move once captures are settled."""
    begin_quiescence(teacher, row)
    return teacher_quiescence(teacher, np.int64(0), np.int64(0), np.int64(-MATE), np.int64(MATE))


@kernel()
def deep_value(teacher, row, depth):
    """Units for the side to move by alpha-beta of `depth` plies; 0 is quiescence."""
    if depth <= 0:
        return teacher_quiet_value(teacher, row)
    begin_quiescence(teacher, row)
    return _search(teacher, np.int64(0), np.int64(depth), np.int64(-MATE), np.int64(MATE))


@kernel()
def _search(teacher, ply, depth, alpha, beta):
    """Units for the side to move of rows[ply], whose accumulators are set; captures of most
    material first.
    """
    row, child = teacher.rows[ply], teacher.rows[ply + 1]
    checked = in_check(row)
    if depth <= 0 and not (checked and ply <= EXTENSION_PLIES):
        teacher.nodes[0] = 0
        return teacher_quiescence(teacher, ply, ply, alpha, beta)
    count = np.int64(generate(row, teacher.moves[ply]))
    if count == 0:
        return np.int64(ply - MATE) if checked else np.int64(0)
    for i in range(count):
        teacher.scores[ply, i] = immediate_gain(row, teacher.moves[ply, i])
    best = np.int64(-MATE)
    for i in range(count):
        make(row, take_best(teacher.moves[ply], teacher.scores[ply], i, count), child)
        advance(teacher.net, teacher.acc, ply, row, child)
        best = max(best, -_search(teacher, ply + 1, depth - 1, -beta, -max(alpha, best)))
        if best >= beta:
            break
    return best


# ---- judges --------------------------------------------------------------------------------------


def parents_of_folder(folder: Path, most: int) -> np.ndarray:
    """Balanced positions of the middlegame from a label folder, spread over it: rows uint64[P, 16]
    with P <= `most`.

    Raises DataError for a damaged folder.
    """
    packed = LabelFolder(folder).values
    balanced = np.abs(fields_of(packed)["score"].astype(np.int32)) < BALANCED_CP
    numbers = np.flatnonzero(balanced & (np.bitwise_count(packed[:, 0]) >= LEAST_PIECES))
    spread = numbers[
        np.linspace(0, len(numbers), min(most, len(numbers)), endpoint=False).astype(np.int64)
    ]
    rows = np.zeros((len(spread), ROW_WORDS), np.uint64)
    for number, row in zip(spread, rows, strict=True):
        if not unpack_row(np.ascontiguousarray(packed[number]), row):
            raise DataError(f"{folder}: row {number:,} is not a position")
    return rows


def orders(judged: np.ndarray, siblings: Siblings) -> list[Order]:
    """How Q float64[S] of the parents' movers orders the quiet siblings: all of them, then those
    after each sort.
    """
    return [order(judged, siblings, sort) for sort in (None, *range(len(SORTS)))]


def evaluator_judge(evaluator: Evaluator) -> Judge:
    """Judge by an engine evaluator, on positions without history."""
    leaves = new_leaf_batch(JUDGED_AT_ONCE)

    def judge(rows: np.ndarray) -> np.ndarray:
        q = np.zeros(len(rows))
        for first in range(0, len(rows), JUDGED_AT_ONCE):
            part = rows[first : first + JUDGED_AT_ONCE]
            for leaf, row in enumerate(part):
                fill_leaf(leaves, leaf, row[None], input_format_of(evaluator))
            evaluator.evaluate(leaves, len(part))
            q[first : first + len(part)] = q_of(leaves.wdl[: len(part)])
        return q

    return judge


def teacher_judge(
    net: StockfishNet, depth: int, calibration: Calibration, threads: int = 1
) -> Judge:
    """Judge by the teacher itself at `depth`."""
    return lambda rows: q_of(calibration.wdl(teacher_cp(net, rows, depth, threads)))


def compare(
    name: str, judges: list[str], net: StockfishNet, parents: np.ndarray, threads: int
) -> list[Row]:
    """How the judges, then the teacher, order the quiet siblings of parents [P, 16]; counts go to
    stderr.
    """
    found = siblings_of(net, parents, threads)
    print(
        f"{name}: {len(parents):,} parents, {len(found.rows):,} siblings, {found.quiet.mean():.1%} quiet and near the "
        f"best; labels of {LABEL_PLIES} plies",
        file=sys.stderr,
    )
    shares = [np.mean(found.sorts[found.quiet] >> sort & 1) for sort in range(len(SORTS))]
    titles = [f"{sort} ({share:.0%})" for sort, share in zip(SORTS, shares, strict=True)]
    rows: list[Row] = []
    for of_judge, judge in _judges(judges, net, threads):
        judged = -judge(found.rows)
        every, *by_sort = orders(judged, found)
        cells = [f"{one.correlation:.3f} ({one.bias:+.3f})" for one in by_sort]
        all_quiet = f"{every.correlation:.4f} +- {every.error:.4f}"
        of_all = {
            "judge": of_judge,
            "quiet siblings": all_quiet,
            "levels": f"{levels(judged, found):.4f}",
        }
        rows.append({**of_all, **dict(zip(titles, cells, strict=True))})
    return rows


def _judges(names: list[str], net: StockfishNet, threads: int) -> Iterator[tuple[str, Judge]]:
    for name in names:
        with closing(_judge_of(name)) as evaluator:
            yield name, evaluator_judge(evaluator)
    for name, depth, calibration in TEACHERS:
        yield name, teacher_judge(net, depth, calibration, threads)


def _judge_of(name: str) -> Evaluator:
    """Return the evaluator of a judge."""
    path = None if name in ("default", "material") else name
    return make_evaluator("material" if name == "material" else "auto", path)


def main(words: Sequence[str] | None = None) -> int:
    """Show every judge, beside the teacher, on each folder of positions."""
    parser = new_parser(__doc__)
    text = "label siblings with this value net, as Stockfish 15.1 writes it (export_net)"
    parser.add_argument("--teacher", type=existing, required=True, metavar="FILE", help=text)
    text = "compare the siblings of balanced middlegame positions in this label folder; repeatable"
    parser.add_argument(
        "--data", type=existing, action="append", required=True, metavar="FOLDER", help=text
    )
    text = "compare the siblings of at most this many positions; 8,000 give an error below 0.005 (default %(default)s)"
    parser.add_argument("--count", type=at_least(1), default=8000, metavar="N", help=text)
    parser.add_argument(
        "--threads", type=at_least(1), default=1, metavar="N", help="label on this many threads"
    )
    text = "measure these (default: the net that comes with Aino)"
    parser.add_argument(
        "judges", nargs="*", type=judge_name, default=["default"], metavar="JUDGE", help=text
    )
    arguments = parser.parse_args(words)
    net = read_stockfish_net(arguments.teacher)
    for name in arguments.judges:  # Labels take minutes: what is wrong with a judge is told before.
        _judge_of(name).close()
    parents = {folder.name: parents_of_folder(folder, arguments.count) for folder in arguments.data}
    for name, rows in parents.items():
        report(compare(name, arguments.judges, net, rows, arguments.threads), arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
