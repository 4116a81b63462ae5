"""Alpha-beta beside the tree: what it finds, and what the tree makes of it."""

from unittest.mock import patch

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, encode_move, row_from_board, stack_from_board
from engine.board.layout import NO_MOVE
from engine.evaluation.material import MaterialEvaluator
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.tree.arrays import NO_NODE, ROOT
from engine.search.tree.params import HINT_MARGIN_CP, HINT_PRIOR
from engine.search.tree.priors import hint, own_priors, restore
from engine.tactics.alphabeta import (
    MATE_FROM_CP,
    MAX_PLY,
    PASSING,
    alpha_beta,
    best_reply,
    find_better,
    new_alpha_beta,
)
from engine.tactics.quiescence import MATE_CP
from tests.boards import board_after
from tests.unit.search.trees import (
    alone,
    search_alone,
    search_nodes,
    small_tree,
    tree_fingerprint,
    visit,
)

WINDOW = np.int64(MATE_CP)
CLOCKS = {"white_time_ms": 600_000, "black_time_ms": 600_000}
SHARE = np.float32(HINT_PRIOR)
QUEEN_GIVEN_UP = "r1b2k1r/ppp1bppp/8/1B1Q4/5q2/2P5/PPP2PPP/R3R1K1 w - - 1 1"  # mate in two
# of the WAC suite (Reinfeld, "Win at Chess"): the first move is nothing that a game would show
COMBINATIONS = [
    ("r1q3rk/1ppbb1p1/4Np1p/p3pP2/P3P3/2N4R/1PP1Q1PP/3R2K1 w - - 0 1", "e2d2"),
    ("4r1k1/pq3p1p/2p1r1p1/2Q1p3/3nN1P1/1P6/P1P2P1P/3RR1K1 w - - 0 1", "d1d4"),
    ("2k2r2/2p5/1pq5/p1p1n3/P1P2n1B/1R4Pp/2QR4/6K1 b - - 0 1", "f4e2"),
]
MATING = ("r2rb1k1/pp1q1p1p/2n1p1p1/2bp4/5P2/PP1BPR1Q/1BPN2PP/R5K1 w - - 0 1", "h3h7")


@pytest.fixture(scope="module")
def space():
    return new_alpha_beta(1 << 14)


def value(space, board, depth, nodes, at=-1):
    """What alpha-beta with an empty table says of the last position of a game, or one before."""
    space.keys[:] = 0
    space.history[:] = 0
    rows = stack_from_board(board)
    space.rows[: len(rows)] = rows
    space.nodes_left[0] = nodes
    ply = np.int64(len(rows) + at)
    return alpha_beta(space, ply, np.int64(depth), -WINDOW, WINDOW, PASSING)


def better_than(space, fen, first, nodes=20_000):
    """What alpha-beta has against a move."""
    board = chess.Board(fen)
    row = row_from_board(board)
    legal = sorted(board.legal_moves, key=lambda move: move.uci() != first)
    moves = np.array([encode_move(board, move) for move in legal], np.uint16)
    code = find_better(
        space, row, moves, np.int64(len(legal)), np.int64(HINT_MARGIN_CP), np.int64(nodes)
    )
    return None if code == NO_MOVE else decode_move(row, int(code))


@pytest.mark.parametrize(
    ("fen", "first", "better"),
    [
        ("4k3/8/8/3q4/8/2N5/8/4K3 w - - 0 1", "e1f2", "c3d5"),  # a queen for nothing
        (QUEEN_GIVEN_UP, "d5f7", "d5d8"),
        (QUEEN_GIVEN_UP, "d5d8", None),  # the tree prefers it already
        ("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1", "h2h3", "d1d8"),
        (chess.STARTING_FEN, "a2a3", None),  # worse, but nothing is lost with it
    ],
)
def test_what_is_better(space, fen, first, better):
    move = better_than(space, fen, first)
    assert (move and move.uci()) == better
    assert first != "d5d8" or space.nodes_left[0] > 0, "it mates: nothing is looked for"


def test_a_mate_is_seen(space):
    assert value(space, chess.Board(QUEEN_GIVEN_UP), 3, 100_000) > MATE_FROM_CP


def test_a_repetition_on_the_stack_is_a_draw(space):
    board = board_after("g1f1 h8g8 f1g1 g8h8", "7k/8/8/8/8/8/q7/6K1 w - - 0 1")
    assert value(space, board, 1, 1000) == 0
    assert value(space, board, 1, 1000, at=-2) > 0


def test_what_its_nodes_leave_unfinished_leaves_no_trace(space):
    answers = []
    for nodes in (20_000, 500):
        space.keys[:] = 0
        space.history[:] = 0
        better_than(space, QUEEN_GIVEN_UP, "d5f7", nodes)
        answers.append(better_than(space, QUEEN_GIVEN_UP, "d5f7"))
    assert answers[0] == answers[1]


def test_a_long_forced_line_fits_the_stack(space):
    """Every check makes the search a ply deeper: perpetual check goes to the end of the stack."""
    board = chess.Board("6k1/5ppp/7Q/8/8/8/5qPP/7K w - - 0 1")
    assert abs(value(space, board, MAX_PLY, 200_000)) <= MATE_CP


def test_the_table_knows_the_reply(space):
    fen = "3r2k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"
    better_than(space, fen, "g1f1")
    row = row_from_board(board_after("g1f1", fen))
    assert decode_move(row, int(best_reply(space, row))).uci() == "d8d1"


# ---- priors --------------------------------------------------------------------------------------


def test_a_hinted_move_gives_its_prior_back():
    tree = small_tree([0.5, 0.3, 0.15, 0.05])
    visit(tree, ROOT, 0, 0.1)
    child = tree.child[0]
    own = np.empty(4, np.float32)
    for move in (3, 2, 3):
        hint(tree, ROOT, np.uint16(move), SHARE)
        assert tree.prior[:4][tree.move[:4] == move] == pytest.approx(HINT_PRIOR)
        assert tree.prior[:4].sum() == pytest.approx(1.0)
        assert (tree.move[0], tree.child[0]) == (0, child)
        assert (np.diff(tree.prior[1:4]) <= 0).all()  # `select_edge` relies on it
        own_priors(tree, ROOT, own)
        assert sorted(own) == pytest.approx([0.05, 0.15, 0.3, 0.5])
    restore(tree, ROOT)
    assert tree.move[:4].tolist() == [0, 1, 2, 3]
    assert tree.prior[:4] == pytest.approx([0.5, 0.3, 0.15, 0.05])


def test_a_move_that_is_likely_anyway_or_not_there_leaves_no_hint():
    tree = small_tree([0.9, 0.1])
    visit(tree, ROOT, 0, 0.1)
    for move, child in ((0, tree.child[0]), (7, NO_NODE)):
        hint(tree, ROOT, np.uint16(1), SHARE)
        assert hint(tree, ROOT, np.uint16(move), SHARE) == child
        assert tree.prior[:2] == pytest.approx([0.9, 0.1])
        assert tree.hinted[ROOT] == NO_MOVE


# ---- the search ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("fen", "move"), [MATING, *COMBINATIONS[1:]])
def test_combinations_that_the_tree_overlooks(fen, move):
    """The policy gives the move a few percent, and 20,000 visits without hints do not find it."""
    for nodes_per_visit, finds in ((0.0, False), (4.0, True)):
        result = search_alone(fen, 20_000, tactical_nodes=nodes_per_visit)
        assert (result.best_move.uci() == move) is finds
        shown = next(child for child in result.children if child.move.uci() == move)
        assert shown.prior < 0.1  # the policy's own word is shown


def searches_before(player):
    """Two games, whose table of alpha-beta is large enough to outlive a tree."""
    for fen in (QUEEN_GIVEN_UP, COMBINATIONS[1][0]):
        player.set_position(chess.Board(fen))
        search_nodes(player, 600)
        player.new_game()


def questions_before(player):
    player.set_position(chess.Board(COMBINATIONS[0][0]))
    stop_between_answers(player)
    player.new_game()


@pytest.mark.parametrize("before", [searches_before, questions_before])
@pytest.mark.parametrize(("evaluator", "threads"), [("sparse", 1), ("hybrid", 2)])
def test_a_new_game_is_a_new_game(evaluator, threads, before):
    """Alpha-beta's table does not outlive the tree, nor do the time to ask and open questions."""
    trees = []
    for first in (lambda player: None, before):
        with alone(evaluator=evaluator, threads=threads) as player:
            first(player)
            player.set_position(chess.Board(COMBINATIONS[1][0]))
            search_nodes(player, 800)
            trees.append(tree_fingerprint(player._search))
    assert trees[0] == trees[1]


def stop_between_answers(player):
    """Begin a search and stop it when alpha-beta has answered a question and not yet all."""
    tactical_priors = player._tactical_priors
    job = SearchJob()
    plain = tactical_priors.answer_next

    def answer_and_stop():
        was_last = plain()
        if not was_last:
            job.stop()
        return was_last

    with patch.object(tactical_priors, "answer_next", answer_and_stop):
        player.search(Limits(nodes=5000), job=job)
    assert job.stopped


def test_a_stop_between_two_answers_changes_nothing():
    trees = []
    for stopped in (True, False):
        with alone(COMBINATIONS[0][0]) as player:
            if stopped:
                stop_between_answers(player)
                assert player._tactical_priors.is_asking
            search_nodes(player, 5000)
            trees.append(tree_fingerprint(player._search))
    assert trees[0] == trees[1]


@pytest.mark.parametrize(
    ("limits", "options", "hinted"),
    [
        ({"movetime_ms": 60_000}, {}, True),
        (CLOCKS, {}, False),
        (CLOCKS, {"multi_pv": 3}, False),
        (CLOCKS, {"analyse_mode": True}, True),
    ],
)
def test_it_is_off_in_games_with_a_clock(limits, options, hinted):
    with alone(evaluator=MaterialEvaluator(), hash_mib=32, **options) as engine:
        engine.search(Limits(nodes=2_000, **limits))
        assert (engine._search.tree.asked_at[ROOT] > 0) == hinted
        search_nodes(engine, 4_000)
        assert engine._search.tree.asked_at[ROOT] > 0


def test_a_search_of_some_moves_shows_what_the_policy_gave():
    """It takes back the hints of the search before."""
    fen, move = COMBINATIONS[0]
    with alone(fen) as player:
        search_nodes(player, 20_000)
        assert player._search.tree.hinted[ROOT] != NO_MOVE
        only = player.search(Limits(nodes=2000, searchmoves=(chess.Move.from_uci(move),)))
        assert [child.prior for child in only.children] == [pytest.approx(1.0)]


def test_a_full_tree_gets_hints_like_any_other():
    with alone(COMBINATIONS[0][0], hash_mib=1) as player:
        assert search_nodes(player, 20_000).best_move is not None
        assert player._search.fullness > 0.99
        assert player._search.tree.asked_at[ROOT] > 0
