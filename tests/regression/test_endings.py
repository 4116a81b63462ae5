"""Won endings are converted against the best defence that the tables know, and lost ones are not
given up early.

Forced mates are found, and shown with the line that mates.
"""

from itertools import chain

import chess.syzygy
import pytest

from engine.evaluation import MaterialEvaluator
from engine.search.limits import Limits
from tests.boards import random_positions
from tests.unit.search.trees import alone, search_nodes

MATERIAL = ("KQk", "KRk", "KPk", pytest.param("KQkr", marks=pytest.mark.slow), "KRPk")


@pytest.fixture(scope="module")
def player(syzygy):
    with alone(evaluator=MaterialEvaluator(), syzygy_path=str(syzygy)) as engine:
        yield engine


def longest_win(material, tables):
    """The longest win among random positions with these pieces, White to move."""
    return max(
        (board for board in random_positions(material, 150, seed=1) if board.turn),
        key=tables.probe_dtz,
    )


def best_defence(board, plies_to_win):
    """The move after which the winner needs most plies; one that draws, if the winner let it."""
    plies = {}
    for move in list(board.legal_moves):
        board.push(move)
        plies[move] = -1 if board.is_insufficient_material() else plies_to_win(board)
        board.pop()
    draws = [move for move, distance in plies.items() if distance <= 0]
    return draws[0] if draws else max(plies, key=lambda move: plies[move])


def play_out(player, board, tables):
    """Let the engine, with White, play against the best defence; whether it mates."""
    player.new_game()
    while not (board.is_game_over() or board.halfmove_clock >= 100 or board.is_repetition(3)):
        if board.turn == chess.WHITE:
            player.set_position(board)
            board.push(search_nodes(player, 24).best_move)  # too few to find it alone
        else:
            board.push(best_defence(board, tables.probe_dtz))
    return board.is_checkmate()


@pytest.mark.parametrize("material", MATERIAL)
def test_a_won_ending_is_won_against_the_best_defence(player, tables, material):
    board = longest_win(material, tables)
    start = board.fen()
    assert play_out(player, board, tables), f"{start} ended with {board.fen()}"


def test_a_win_with_the_clock_nearly_run_out_is_brought_home(player, tables):
    board = longest_win("KBNk", tables)
    board.halfmove_clock = 99 - tables.probe_dtz(board)
    assert play_out(player, board, tables)


# In one move: by what piece, and as few others as can be.
IN_ONE = {
    "rook on the back rank": "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1",
    "smothered": "6rk/6pp/8/6N1/8/8/8/6K1 w - - 0 1",
    "discovered by the king": "8/4n3/R2Pr1P1/8/K1P3pN/3B4/7p/k7 w - - 0 1",
    "king from the long diagonal": "2R1K2k/7p/P1PP4/4q2p/7p/8/4P3/B7 w - - 0 1",
    "promotion to a knight": "8/4PP2/1N1k4/5b2/1K4pP/7p/4R1B1/3r4 w - - 0 1",
    "capture with promotion to a knight": "1r6/P1p3P1/2k2pK1/5R2/1Q5P/3N4/8/1b6 w - - 0 1",
    "quiet pawn": "8/4B3/7p/K1P4k/8/1p3P2/2B3Pp/1N6 w - - 0 1",
    "castling": "R7/8/p7/8/8/3P4/7Q/2k1K2R w K - 0 1",
}
# In two or three: the key move, the only one that mates so soon.
IN_TWO = {
    "4k3/6p1/8/8/1Bp5/1b4Q1/8/K7 w - - 0 1": "Qc7",
    "4K3/3p4/2p1R3/4p3/3p4/8/7Q/5k2 w - - 0 1": "Rg6",
    "8/3K2Q1/8/8/4B3/k7/rn6/8 w - - 0 1": "Qc3+",
    "8/1p2K3/p4R2/8/3pk3/2Q4p/8/8 w - - 0 1": "Qf3+",
    "r1b2k1r/ppp1bppp/8/1B1Q4/5q2/2P5/PPP2PPP/R3R1K1 w - - 1 1": "Qd8+",
    "8/6k1/R7/3Rp3/8/2p4K/2p3p1/1B6 w - - 0 1": "Rd7+",
    "8/7k/2r3R1/8/4n1K1/5Q2/8/8 w - - 0 1": "Qf7+",
}
IN_THREE = {
    "2K5/8/p7/8/7p/3pQ1p1/6N1/5k2 w - - 0 1": "Qf3+",
    "6nr/B7/8/4Q3/8/2K5/8/3k4 w - - 0 1": "Qd4+",
    "8/1p6/3QK2k/5b2/8/3p1R2/8/8 w - - 0 1": "Kxf5+",
    "1k6/8/8/2Q5/8/2q2p2/B3p3/1K6 w - - 0 1": "Qb6+",
}


@pytest.mark.parametrize("fen", IN_ONE.values(), ids=list(IN_ONE))
def test_a_mate_in_one_is_played_at_once(search_material, seen, fen):
    board = seen(chess.Board(fen), chess.Move.null())[0]
    result = search_material(board, 1)
    assert result.infos[0].score_mate == 1
    board.push(result.best_move)
    assert board.is_checkmate()


@pytest.mark.parametrize("fen", [*IN_TWO, *IN_THREE])
def test_a_mate_in_two_or_three_is_proven(search_material, fen):
    """The line shown is a mate; where it is of the shortest kind, it begins with the key move."""
    board = chess.Board(fen)
    shortest, key_move = (2, IN_TWO[fen]) if fen in IN_TWO else (3, IN_THREE[fen])
    result = search_material(board, 20_000)
    mate = result.infos[0].score_mate
    assert mate >= shortest
    assert (mate > shortest) == (board.san(result.best_move) != key_move)
    check_line(board, result.infos[0])


# ---- a score of mate comes with a line that mates in so many moves -------------------------------


# the rules find a mate that 1,000 nodes do not prove
CHECKED = "8/8/2p5/8/2P1p1Pp/1P2Pk1P/rpB1bP2/b2Q2K1 w - - 0 1"
FENS = [CHECKED, *IN_ONE.values(), *IN_TWO, *IN_THREE]


def check_line(board, info):
    line = board.copy()
    for move in info.pv:
        assert line.is_legal(move), f"{board.fen()}: {info}"
        line.push(move)
    if info.score_mate is not None:
        plies = 2 * info.score_mate - 1 if info.score_mate > 0 else -2 * info.score_mate
        assert line.is_checkmate(), f"{board.fen()}: {info}"
        assert len(info.pv) == plies, f"{board.fen()}: {info}"


def check_result(board, result):
    for info in result.infos:
        check_line(board, info)
        child = next(child for child in result.children if child.move == info.pv[0])
        assert child.mate == info.score_mate
        assert list(child.pv) == info.pv
    line = result.infos[0].pv
    assert result.best_move == line[0]
    assert result.ponder_move == (line[1] if len(line) > 1 else None)


def search_to_the_end(player, board, limits):
    """Play both sides, and check all lines; returns the number of those with a mate."""
    mates = 0
    while not board.is_game_over(claim_draw=True) and board.ply() < 12:
        player.set_position(board)
        reports = []
        check_result(board, player.search(limits, reports.append))
        for info in chain.from_iterable(reports):
            check_line(board, info)
        mates += sum(info.score_mate is not None for info in reports[-1])
        board.push(reports[-1][0].pv[0])
    return mates


@pytest.mark.parametrize(
    "limits",
    [
        *(Limits(nodes=nodes) for nodes in (1, 60, 1000)),
        Limits(white_time_ms=900, black_time_ms=900),
    ],
    ids=["1 node", "60 nodes", "1000 nodes", "clock"],
)
@pytest.mark.parametrize(
    "options", [{}, {"multi_pv": 4}, {"multi_pv": 3, "analyse_mode": True}], ids=str
)
def test_a_mate_is_shown_with_the_line_that_mates(options, limits):
    """Both sides of positions with mates, played on: mates for the mover and against it."""
    with alone(evaluator=MaterialEvaluator(), **options) as player:
        assert sum(search_to_the_end(player, chess.Board(fen), limits) for fen in FENS) > 20


def test_lines_of_a_tree_that_forgot_its_proofs_are_no_mates_or_whole_ones():
    """A tree of 1 MiB is full before this mate is found."""
    with alone(evaluator=MaterialEvaluator(), hash_mib=1, multi_pv=20) as player:
        for fen in (
            "8/8/8/8/8/2k5/2q5/K7 b - - 0 1",
            "7k/8/8/8/8/3K4/8/6R1 w - - 0 1",
            next(iter(IN_THREE)),
        ):
            player.set_position(chess.Board(fen))
            check_result(chess.Board(fen), search_nodes(player, 40_000))
