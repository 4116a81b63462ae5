"""The search with evaluators whose answers are known."""

from __future__ import annotations

import threading
import time

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, encode_move, row_from_board, stack_from_board
from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.choice import choose_move
from engine.search.limits import Limits, SearchControl
from engine.search.params import SearchParams
from engine.search.result import centipawns, mate_moves, per_mille
from engine.search.session import Search
from engine.search.tree import (
    BYTES_PER_EDGE,
    BYTES_PER_NODE,
    EDGES_PER_NODE,
    LOSS,
    NO_NODE,
    NODES,
    PENDING,
    ROOT,
    WIN,
    new_tree,
)
from engine.tactics.mates import mating_move
from tests.unit.search.rounds import apply_leaves, gather_leaves


class FlatEvaluator:
    """Every position is even; the policy is a fixed pseudo-random function of position and move."""

    name = "flat"
    round_size = 16
    needs_planes = False

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        for k in range(count):
            n = leaves.n_moves[k]
            mixed = leaves.moves[k, :n].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ leaves.rows[k, 13]
            leaves.logits[k, :n] = (mixed >> np.uint64(40)).astype(np.float32) / 2**24
            leaves.wdl[k] = (0.3, 0.4, 0.3)
            leaves.moves_left[k] = 40

    def close(self) -> None:
        pass


class BlunderingEvaluator(FlatEvaluator):
    """Gives one move nearly all of the policy, and every position a good value for White."""

    def __init__(self, blunder: str) -> None:
        move = chess.Move.from_uci(blunder)
        self.code = move.from_square | move.to_square << 6

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        super().evaluate(leaves, count)
        for k in range(count):
            leaves.logits[k, : leaves.n_moves[k]] = np.where(
                leaves.moves[k, : leaves.n_moves[k]] == self.code, 8.0, 0.0
            )
            leaves.wdl[k] = (0.8, 0.1, 0.1) if leaves.rows[k, 10] == 0 else (0.1, 0.1, 0.8)


def engine(evaluator=None, **options) -> Engine:
    return Engine(EngineOptions(hash_mib=8, **options), evaluator or FlatEvaluator())


def search(board: chess.Board, evaluator=None, **limits):
    with engine(evaluator) as player:
        player.set_position(board)
        return player.search(Limits(**limits))


# ---- proofs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen", "best", "mate"),
    [
        ("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1", "a1a8", 1),
        ("r3k3/8/8/8/8/8/5PPP/6K1 b - - 0 1", "a8a1", 1),
        ("kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1", "a1a6", 2),  # Morphy
        ("6k1/5Npp/8/8/2Q5/8/8/K5r1 w - - 0 1", None, None),
    ],
)
def test_forced_mates_are_proven_and_played(fen, best, mate):
    board = chess.Board(fen)
    result = search(board, nodes=20000)
    if best:
        assert result.best_move.uci() == best
        assert result.infos[0].score_mate == mate
        for move in result.infos[0].pv:
            assert board.is_legal(move)
            board.push(move)
        assert board.is_checkmate()
    else:  # the mated king's side: White is in check and must not lose a proven game knowingly
        assert board.is_legal(result.best_move)


def test_mate_in_one_is_found_at_the_root_with_one_round_whatever_the_policy_says():
    board = chess.Board("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1")
    assert search(board, BlunderingEvaluator("e1e2"), nodes=5).best_move.uci() == "a1a8"


def test_a_move_that_allows_mate_in_one_is_given_up_after_one_visit():
    board = chess.Board()
    for text in ("f2f3", "e7e5"):
        board.push_uci(text)
    result = search(board, BlunderingEvaluator("g2g4"), nodes=100)
    blunder = next(child for child in result.children if child.move.uci() == "g2g4")
    assert blunder.prior > 0.8
    assert blunder.mate == -1
    assert result.best_move.uci() != "g2g4"


def test_a_lost_side_defends_as_long_as_it_can():
    board = chess.Board("8/8/8/8/8/2k5/1q6/K7 w - - 0 1")
    result = search(board, nodes=10)
    assert result.best_move is None  # already mate
    board = chess.Board("k7/8/1K6/8/8/8/8/7R b - - 0 1")
    result = search(board, nodes=2000)
    assert result.best_move.uci() == "a8b8"
    assert result.infos[0].score_mate == -1


def test_proven_values_replace_the_average():
    board = chess.Board("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1")
    result = search(board, nodes=50)
    assert result.children[0].q == 1.0
    assert result.infos[0].wdl[0] == 1000


def test_lines_never_tried_beside_a_proven_mate_are_worth_what_the_evaluator_says_less_urgency():
    with engine(multi_pv=8) as player:
        player.set_position(chess.Board("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1"))
        best, *rest = player.search(Limits(nodes=200)).infos
    assert best.score_mate == 1
    assert len(rest) == 7
    for info in rest:  # FlatEvaluator says 0: win 0.3, draw 0.4, loss 0.3
        assert info.score_mate is None
        assert -60 < info.score_cp < 0
        assert info.wdl[1] == 400


def test_what_the_evaluator_said_of_the_root_is_known_when_its_subtree_is_kept():
    board = chess.Board()
    with engine() as player:
        player.set_position(board)
        board.push(player.search(Limits(nodes=300)).best_move)
        player.set_position(board)
        player.search(Limits(nodes=1))
        assert player._search.visits > 1
        assert player._search.own_value == pytest.approx((0.0, 0.4), abs=1e-6)


def test_lines_that_lose_are_shown_as_mates_behind_all_others():
    board = chess.Board("6k1/8/8/8/8/8/r4PPP/3R2K1 w - - 0 1")  # whoever lets go of the first rank is mated
    with engine(multi_pv=40) as player:
        player.set_position(board)
        infos = player.search(Limits(nodes=3000)).infos
    losing = [info for info in infos if info.score_mate is not None and info.score_mate < 0]
    mates = {info.pv[0].uci(): info.score_mate for info in losing}
    assert mates["d1d3"] == mates["d1d6"] == -2  # the rook may come back once
    assert infos[-len(losing) :] == losing
    for info in losing:
        assert info.score_cp < -10_000
        assert info.wdl == (0, 0, 1000)


def test_a_mating_move_is_found_exactly_where_there_is_one():
    rng, moves, mates = np.random.default_rng(5), np.zeros(MAX_MOVES, np.uint16), 0
    for game in range(60):
        board = chess.Board.from_chess960_pos(int(rng.integers(960))) if game % 2 else chess.Board()
        while not board.is_game_over() and board.ply() < 120:
            row = row_from_board(board)
            count = np.int64(generate(row, moves))
            found = int(mating_move(row, moves, count, np.empty_like(row), np.zeros_like(moves)))
            decoded = [decode_move(row, int(move), board.chess960) for move in moves[:count]]
            mating = [index for index, move in enumerate(decoded) if board.gives_check(move) and mates_by(board, move)]
            assert found == (mating[0] if mating else -1), board.fen()
            mates += bool(mating)
            board.push(decoded[int(rng.integers(count))])
    assert mates > 20


def mates_by(board: chess.Board, move: chess.Move) -> bool:
    """Whether a move gives checkmate."""
    board.push(move)
    mate = board.is_checkmate()
    board.pop()
    return mate


# ---- draws --------------------------------------------------------------------------------------------------------


def test_stalemate_and_bare_kings_are_draws():
    result = search(chess.Board("7k/8/6Q1/8/8/8/8/K7 w - - 0 1"), nodes=3000)
    values = {child.move.uci(): child for child in result.children}
    assert result.best_move.uci() != "g6f7"
    stalemates = [
        m for m in values if (b := chess.Board("7k/8/6Q1/8/8/8/8/K7 w - - 0 1")).push_uci(m) and b.is_stalemate()
    ]
    assert stalemates
    assert all(values[m].q == 0.0 and values[m].draw == 1.0 for m in stalemates if values[m].visits)


def test_the_fifty_move_rule_ends_lines():
    result = search(chess.Board("7k/8/8/8/8/8/R7/K7 w - - 99 80"), nodes=500)
    quiet = [child for child in result.children if child.visits and child.mate is None]
    assert quiet
    assert all(child.q == 0.0 for child in quiet)


def test_a_second_occurrence_in_the_path_is_a_draw_and_taken_back_when_the_root_passes_it():
    tree_search = Search(SearchParams(needs_planes=False), new_tree(20000))
    board = chess.Board("7k/8/8/8/8/8/8/KR6 w - - 0 1")
    leaves = new_leaf_batch(16)

    def run(visits: int) -> None:
        while tree_search.visits < visits:
            count = gather_leaves(tree_search, leaves, 16)
            FlatEvaluator().evaluate(leaves, count)
            apply_leaves(tree_search, leaves)

    tree_search.set_position(stack_from_board(board))
    run(15000)
    repeated = np.flatnonzero(tree_search.tree.state[: tree_search.tree.counters[NODES]] == 3)
    assert len(repeated) > 0
    for _ in range(2):
        board.push(chess.Move.from_uci(best_uci(tree_search, board)))
        assert tree_search.set_position(stack_from_board(board))
        nodes = int(tree_search.tree.counters[NODES])
        assert not (tree_search.tree.state[:nodes] == 3).any()
        check_consistency(tree_search)


def best_uci(tree_search: Search, board: chess.Board) -> str:
    """The most visited move that does not end the game."""
    for index in np.argsort(-tree_search.root_visits()):
        code = int(tree_search.root_moves()[index])
        move = chess.Move(code & 63, code >> 6 & 63)
        after = board.copy()
        after.push(move)
        child = tree_search.children(ROOT)[index]
        if not after.is_game_over() and tree_search.tree.n_edges[child]:
            return move.uci()
    raise AssertionError("every move ends the game")


# ---- the tree -----------------------------------------------------------------------------------------------------


def check_consistency(tree_search: Search) -> None:
    """Nothing in flight, children numbered above parents, visits add up, values in range."""
    tree = tree_search.tree
    for node in range(int(tree.counters[NODES])):
        assert tree.in_flight[node] == 0
        assert tree.state[node] != PENDING or tree.visits[node] == 0
        assert abs(tree.value_sum[node]) <= tree.visits[node] + 1e-6
        children = [child for child in tree_search.children(node) if child != NO_NODE]
        assert all(child > node and tree.parent[child] == node for child in children)
        if children:
            assert sum(tree.visits[child] for child in children) <= tree.visits[node]


def tree_fingerprint(tree_search: Search) -> tuple:
    tree = tree_search.tree
    nodes = int(tree.counters[NODES])
    edges = int(tree.n_edges[:nodes].sum())
    return tuple(
        field.tobytes()
        for field in (
            tree.visits[:nodes],
            tree.value_sum[:nodes],
            tree.lower[:nodes],
            tree.upper[:nodes],
            tree.move[:edges],
            tree.prior[:edges],
        )
    )


def test_the_same_search_gives_the_same_tree_and_leaves_nothing_in_flight():
    prints = set()
    for _ in range(3):
        with engine() as player:
            player.set_position(chess.Board())
            player.search(Limits(nodes=3000))
            check_consistency(player._search)
            prints.add(tree_fingerprint(player._search))
    assert len(prints) == 1


def test_nodes_are_exact_and_visits_of_the_root_moves_add_up():
    for nodes in (1, 2, 37, 500):
        result = search(chess.Board(), nodes=nodes)
        assert result.nodes == nodes
        assert sum(child.visits for child in result.children) == nodes - 1


def test_the_played_moves_subtree_is_kept_with_its_statistics():
    with engine() as player:
        board = chess.Board()
        player.set_position(board)
        result = player.search(Limits(nodes=2000))
        board.push(result.children[0].move)
        reply = player._search.principal_variation(int(player._search.best_order()[0]))[1]
        visits = result.children[0].visits
        stack = stack_from_board(board)
        assert player._search.set_position(stack)
        assert player._search.visits == visits
        assert reply[1] in player._search.root_moves()
        check_consistency(player._search)


def test_another_game_forgets_the_tree():
    with engine() as player:
        player.set_position(chess.Board())
        player.search(Limits(nodes=200))
        board = chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1")
        player.set_position(board)
        assert board.is_legal(player.search(Limits(nodes=100)).best_move)


def test_a_full_tree_goes_on_without_growing():
    tree_search = Search(SearchParams(needs_planes=False), new_tree(300))
    tree_search.set_position(stack_from_board(chess.Board()))
    leaves = new_leaf_batch(16)
    for _ in range(200):
        count = gather_leaves(tree_search, leaves, 16)
        FlatEvaluator().evaluate(leaves, count)
        apply_leaves(tree_search, leaves)
    assert tree_search.visits > 1000
    assert tree_search.tree.counters[NODES] <= 300
    check_consistency(tree_search)


def test_an_edge_costs_at_most_forty_bytes_all_in():
    assert (BYTES_PER_NODE + EDGES_PER_NODE * BYTES_PER_EDGE) / EDGES_PER_NODE <= 40


def test_root_noise_keeps_the_priors_a_distribution():
    tree_search = Search(SearchParams(needs_planes=False), new_tree(2000))
    tree_search.set_position(stack_from_board(chess.Board()))
    leaves = new_leaf_batch(8)
    count = gather_leaves(tree_search, leaves, 1)
    FlatEvaluator().evaluate(leaves, count)
    apply_leaves(tree_search, leaves)
    before = tree_search.root_priors().copy()
    tree_search.add_root_noise(np.random.default_rng(1), 0.25, 0.3)
    after = tree_search.root_priors()
    assert after.sum() == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(before, after)


# ---- limits -------------------------------------------------------------------------------------------------------


def test_searchmoves_are_obeyed_also_after_a_wider_search():
    allowed = (chess.Move.from_uci("a2a3"), chess.Move.from_uci("h2h4"))
    with engine() as player:
        player.set_position(chess.Board())
        assert len(player.search(Limits(nodes=100)).children) == 20
        narrowed = player.search(Limits(nodes=200, searchmoves=allowed))
        assert {child.move for child in narrowed.children} == set(allowed)
        assert len(player.search(Limits(nodes=300)).children) == 20


def test_multi_pv_gives_complete_lines_in_order():
    with engine(multi_pv=3) as player:
        player.set_position(chess.Board())
        result = player.search(Limits(nodes=300))
        assert [info.multipv for info in result.infos] == [1, 2, 3]
        assert [info.pv[0] for info in result.infos] == [child.move for child in result.children[:3]]


def test_stop_ends_an_infinite_search_and_a_stop_before_the_start_counts():
    with engine() as player:
        player.set_position(chess.Board())
        control = SearchControl()
        results = []
        thread = threading.Thread(target=lambda: results.append(player.search(Limits(infinite=True), None, control)))
        thread.start()
        time.sleep(0.05)
        assert not results
        control.stop()
        thread.join(5)
        assert results[0].best_move is not None
        stopped = SearchControl()
        stopped.stop()
        assert player.search(Limits(infinite=True), None, stopped).best_move is not None


def test_pondering_waits_for_ponderhit_even_when_the_work_is_done():
    with engine() as player:
        player.set_position(chess.Board())
        control = SearchControl()
        results = []
        limits = Limits(ponder=True, nodes=10)
        thread = threading.Thread(target=lambda: results.append(player.search(limits, None, control)))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        control.ponderhit()
        thread.join(5)
        assert results[0].best_move is not None


def test_no_legal_move_gives_no_best_move():
    assert search(chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"), nodes=10).best_move is None


def test_movetime_is_kept():
    with engine() as player:
        player.set_position(chess.Board())
        player.search(Limits(nodes=50))
        begun = time.monotonic()
        player.search(Limits(movetime_ms=150))
        assert 0.05 < time.monotonic() - begun < 1.0


# ---- numbers that are shown -----------------------------------------------------------------------------------------


def test_scores_follow_the_stated_formulas():
    assert centipawns(0.0) == 0
    assert centipawns(0.5) == -centipawns(-0.5) == 89
    assert mate_moves(1, True) == 1
    assert mate_moves(3, True) == 2
    assert mate_moves(2, False) == -1
    assert sum(per_mille(0.25, 0.5)) == 1000
    assert per_mille(1.0, 0.3) == (1000, 0, 0)


def test_root_statistics_name_wins_and_losses_from_the_movers_side():
    tree_search = Search(SearchParams(needs_planes=False), new_tree(2000))
    board = chess.Board("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1")
    tree_search.set_position(stack_from_board(board))
    leaves = new_leaf_batch(8)
    count = gather_leaves(tree_search, leaves, 1)
    FlatEvaluator().evaluate(leaves, count)
    apply_leaves(tree_search, leaves)
    index = list(tree_search.root_moves()).index(encode_move(board, chess.Move.from_uci("a1a8")))
    assert tree_search.root_proven()[index] == WIN
    assert tree_search.is_proven
    assert tree_search.tree.lower[ROOT] == tree_search.tree.upper[ROOT] == LOSS
    assert tree_search.root_wdl()[0] == 1.0


# ---- the move at the end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ((5000, 0.10), (2000, 0.20), 1),  # found late, and better
        ((5000, 0.10), (2000, 0.12), 0),  # not better by more than the visits tell
        ((20000, 0.10), (1900, 0.90), 0),  # hardly looked at
        ((1200, 0.10), (900, 0.90), 0),  # small trees go by visits
    ],
)
def test_a_move_found_late_is_played_for_its_value(
    first: tuple[int, float], second: tuple[int, float], chosen: int
) -> None:
    for by_value in (True, False):
        with Engine(EngineOptions(hash_mib=8, threads=1, evaluator="material", tactical_nodes=0.0)) as player:
            player.search(Limits(nodes=200))
            search = player._search
            search.params = search.params._replace(choose_by_value=by_value)
            children = search.children(ROOT)
            search.tree.visits[children] = np.minimum(search.tree.visits[children], 1)
            for child, (visits, q) in zip(children, (first, second), strict=False):
                search.tree.visits[child], search.tree.value_sum[child] = visits, q * visits
            assert search.best_order()[0] == (chosen if by_value else 0)
            assert choose_move(search, 0.0, np.random.default_rng(1)) == search.best_order()[0]
