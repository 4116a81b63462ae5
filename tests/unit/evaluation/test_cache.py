"""The evaluation cache: the same bits, in bounded memory, whatever the number of threads."""

import chess
import numpy as np
import pytest

from benchmarks.measuring import game_boards, tree_hash
from engine import Engine
from engine.board.convert import row_from_board
from engine.errors import ConfigError
from engine.evaluation import HybridEvaluator, MaterialEvaluator, NetworkEvaluator
from engine.evaluation.cache import BYTES_PER_ENTRY, MAX_KEPT_MOVES, EvaluationCache, OpenQuestions
from engine.evaluation.leaves import leaves_of
from engine.evaluation.protocol import LeafBatch
from engine.network.tower.inference import FusedTower
from engine.network.tower.model import TowerConfig, build_tower
from engine.options import EngineOptions
from engine.search.limits import Limits
from tests.unit.network.fused_tower import fused

MANY_MOVES = "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1"  # 218


class Numbering:
    """Answers every question with another number, and counts the questions."""

    name = "numbering"
    round_size = 16
    needs_planes = True

    def __init__(self) -> None:
        self.asked = 0

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        for leaf in range(count):
            self.asked += 1
            n = leaves.n_moves[leaf]
            leaves.logits[leaf, :n] = self.asked + 0.001 * leaves.moves[leaf, :n]
            leaves.wdl[leaf] = self.asked, 0, 0
            leaves.moves_left[leaf] = -self.asked


class Cached:
    """Passes on to `inner` only what a cache does not know."""

    def __init__(self, inner: Numbering, mebibytes: float = 1) -> None:
        self.inner, self.cache = inner, EvaluationCache(mebibytes, inner.needs_planes)

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        unanswered = OpenQuestions(count)
        self.cache.look_up(leaves, count, unanswered)
        self.inner.evaluate(unanswered.asked, unanswered.count)
        self.cache.take_answers(leaves, unanswered)


class BatchedMaterial:
    """The evaluator that sees no history, outside the search's kernels."""

    name, round_size, needs_planes = "material", 32, False

    def __init__(self, threads: int) -> None:
        inner = MaterialEvaluator(threads)
        self.evaluate, self.close = inner.evaluate, inner.close


def answers(evaluator, boards: list[chess.Board]) -> list[int]:
    """Which question's answer each board gets; all parts of an answer agree."""
    leaves = leaves_of(boards)
    evaluator.evaluate(leaves, len(boards))
    numbers = [int(wdl[0]) for wdl in leaves.wdl[: len(boards)]]
    for leaf, number in enumerate(numbers):
        moves = leaves.moves[leaf, : leaves.n_moves[leaf]]
        assert np.allclose(leaves.logits[leaf, : len(moves)], number + 0.001 * moves, atol=1e-2)
        assert leaves.moves_left[leaf] == -number
    return numbers


def small_net() -> FusedTower:
    config = TowerConfig.parse("16x2")
    return fused(build_tower(config, np.random.default_rng(3)), config)


def test_only_new_questions_are_passed_on_and_in_order():
    cached = Cached(Numbering())
    a, b, c, d, e = game_boards()[:5]
    assert answers(cached, [a, b, c]) == [1, 2, 3]
    assert answers(cached, [b, d, a, b]) == [2, 4, 1, 2]
    assert answers(cached, [e, e]) == [5, 6], "both are asked"
    assert answers(cached, [e]) == [6], "and one is kept"
    cached.cache.clear()
    assert answers(cached, [a]) == [7]


def test_history_and_clock_are_part_of_the_question():
    cached = Cached(Numbering())
    by_move, by_hand = chess.Board(), chess.Board()
    for text in ("g1f3", "g8f6", "b1c3"):
        by_move.push_uci(text)
    for text in ("b1c3", "g8f6", "g1f3"):
        by_hand.push_uci(text)
    later = chess.Board(by_move.fen())
    later.halfmove_clock += 1
    assert row_from_board(by_move)[13] == row_from_board(by_hand)[13]
    assert answers(cached, [by_move, by_hand, chess.Board(by_move.fen()), later]) == [1, 2, 3, 4]


def test_castling_rooks_and_en_passant_are_part_of_the_question():
    cached = Cached(Numbering())
    inner, outer = (chess.Board(f"4k3/8/8/8/8/8/8/4K1RR w {right} - 0 1", chess960=True) for right in "GH")
    capture = chess.Board("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1")
    none = chess.Board("4k3/8/8/3pP3/8/8/8/4K3 w - - 0 1")
    assert len(set(answers(cached, [inner, outer, capture, none]))) == 4


def test_positions_with_very_many_moves_are_asked_every_time():
    cached = Cached(Numbering())
    board = chess.Board(MANY_MOVES)
    assert board.legal_moves.count() > MAX_KEPT_MOVES
    assert answers(cached, [board]) == [1]
    assert answers(cached, [board]) == [2]


def test_an_answer_takes_the_place_of_the_one_before():
    cached = Cached(Numbering(), BYTES_PER_ENTRY / 2**20)  # one entry
    a, b = game_boards()[:2]
    assert answers(cached, [a]) == answers(cached, [a]) == [1]
    assert answers(cached, [b]) == [2]
    assert answers(cached, [a]) == [3]


@pytest.mark.parametrize("mebibytes", [0.01, 1, 7.3])
def test_the_table_keeps_to_its_size(mebibytes):
    size = sum(field.nbytes for field in EvaluationCache(mebibytes, True).table)
    assert mebibytes * 2**20 - BYTES_PER_ENTRY < size <= mebibytes * 2**20


@pytest.mark.parametrize("mebibytes", [0, -1, 0.0001])
def test_a_size_without_room_is_refused(mebibytes):
    with pytest.raises(ConfigError, match="cache"):
        EvaluationCache(mebibytes, True)


def analysis_trees(evaluator, cache: EvaluationCache | None = None) -> list[str]:
    """Fingerprints of the trees of an analysis that goes forward through a game, then back, and looks at it again."""
    boards = game_boards()[10:14]
    hashes = []
    with Engine(EngineOptions(hash_mib=8, threads=1), evaluator) as engine:
        engine._cache = cache
        for board in [*boards, *reversed(boards), boards[2]]:
            engine.set_position(board)
            engine.search(Limits(nodes=250))
            hashes.append(tree_hash(engine))
    evaluator.close()
    return hashes


@pytest.mark.parametrize(
    "make",
    [
        lambda net, threads: NetworkEvaluator(net, threads),
        lambda net, threads: HybridEvaluator(NetworkEvaluator(net, threads), 0.5, threads),
        lambda net, threads: BatchedMaterial(threads),
    ],
    ids=["network", "hybrid", "material"],
)
def test_search_builds_the_same_trees_with_and_without_a_cache_at_any_number_of_threads(make):
    net = small_net()
    plain = analysis_trees(make(net, 1))
    for threads, mebibytes in ((1, 4), (3, 4), (2, 0.05)):
        evaluator = make(net, threads)
        cache = EvaluationCache(mebibytes, evaluator.needs_planes)
        assert analysis_trees(evaluator, cache) == plain
    assert cache.table.keys.any(axis=1).mean() > 0.9, "the small one"


class Asked(NetworkEvaluator):
    """Counts what it is asked."""

    count = 0

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        self.count += last - first
        super().evaluate_part(leaves, first, last)


@pytest.mark.parametrize(("clock_ms", "saves"), [(None, True), (10**7, False)])
def test_an_analysis_that_steps_back_asks_little_and_a_game_does_without_the_cache(clock_ms: int | None, saves: bool):
    limits, boards, evaluator = Limits(nodes=300, white_time_ms=clock_ms), game_boards()[10:14], Asked(small_net(), 1)
    with Engine(EngineOptions(hash_mib=8, threads=1), evaluator) as engine:
        engine._cache, counts = EvaluationCache(4, True), []
        for board in [*boards, *reversed(boards)]:
            before = evaluator.count
            engine.set_position(board)
            engine.search(limits)
            counts.append(evaluator.count - before)
    assert (sum(counts[5:]) < 0.5 * sum(counts[:3])) == saves
    evaluator.close()
