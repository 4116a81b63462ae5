"""What no evaluator may talk the search into: known losses, repetition while winning, an early end
of a lost game.

Moves that no careful player makes: known disasters from both sides, the Fool's Mate, and single
traps. No book.
"""

import tomllib
from pathlib import Path

import chess
import numpy as np
import pytest

from engine.board.layout import KEY
from tests.boards import board_after, moves_in
from tests.stand_ins import StandIn
from tests.unit.search.trees import alone, search_nodes


class Erratic(StandIn):
    """Values and policies without sense, the same whenever the same position is asked for."""

    round_size = 16

    def __init__(self, seed, favourite=-1):
        self.seed = seed
        # a move code that gets nearly all of the policy wherever it is legal
        self.favourite = favourite

    def evaluate(self, leaves, count):
        for leaf in range(count):
            n = int(leaves.n_moves[leaf])
            rng = np.random.default_rng([self.seed, int(leaves.rows[leaf, KEY])])
            leaves.logits[leaf, :n] = rng.normal(0.0, 2.0, n)
            leaves.logits[leaf, :n][leaves.moves[leaf, :n] == self.favourite] = 12.0
            win, draw = sorted(rng.random(2))
            leaves.wdl[leaf] = win, draw - win, 1.0 - draw
            leaves.moves_left[leaf] = 40


def searched(board, nodes, seed=1, favourite=None):
    code = -1 if favourite is None else favourite.from_square | favourite.to_square << 6
    with alone(board, Erratic(seed, code)) as engine:
        return search_nodes(engine, nodes)


def dangerous_positions():
    """(number, FEN, moves that allow mate in one) from the lines `FEN | moves` of a file beside this
    one, where other moves do not: before the Fool's Mate, and of random games.
    """
    lines = Path(__file__).with_name("dangerous.txt").read_text().splitlines()
    for number, line in enumerate(lines):
        fen, _, fatal = line.partition(" | ")
        yield number, fen, moves_in(fatal)


@pytest.mark.parametrize(("number", "fen", "fatal"), list(dangerous_positions()))
@pytest.mark.parametrize("nodes", [60, 400])
def test_a_move_that_is_known_to_lose_is_never_chosen_while_there_is_another(
    number, fen, fatal, nodes
):
    favourite = fatal[number % len(fatal)]
    children = searched(chess.Board(fen), nodes, seed=number, favourite=favourite).children
    tempted = next(child for child in children if child.move == favourite)
    assert tempted.prior > 0.5
    best = children[0]
    assert tempted.mate == -1 or best.mate is not None
    all_decided = all(child.mate is not None for child in children)
    assert best.mate is None or best.mate > 0 or all_decided
    assert best.move not in fatal or all_decided


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("fen", "favourite"),
    [
        ("6k1/5ppp/8/8/8/8/4QPPP/3R2K1 w - - 0 1", "e2h5"),
        (
            "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2",
            "e8e7",
        ),  # the Fool's Mate
    ],
)
def test_a_mate_in_one_is_played_whatever_the_evaluator_says(fen, favourite, seed):
    board = chess.Board(fen)
    board.push(searched(board, 3, seed, favourite=chess.Move.from_uci(favourite)).best_move)
    assert board.is_checkmate()


# Every move loses; these hold out longest, the others get mated at once.
LOST = {
    "8/8/8/8/8/8/4kQR1/1K6 b - - 0 1": {"Kd3"},
    "8/6k1/3K4/8/6R1/4R3/8/8 b - - 0 1": {"Kf8", "Kf7"},
    "5n2/8/8/8/Q1K5/8/R7/5k2 b - - 0 1": {"Ke1"},
    "k1K5/8/3Q3B/8/8/2n5/8/8 b - - 0 1": {"Ka7"},
    "6K1/3n4/8/8/5R2/8/6R1/2k5 b - - 0 1": {"Nf6+"},
}


@pytest.mark.parametrize("fen", LOST)
@pytest.mark.parametrize("seed", range(2))
def test_when_all_moves_lose_the_longest_defence_is_played(fen, seed):
    board = chess.Board(fen)
    short = next(move for move in board.legal_moves if board.san(move) not in LOST[fen])
    result = searched(board, 5000, seed, favourite=short)
    assert all(child.mate is not None and child.mate < 0 for child in result.children)
    assert board.san(result.best_move) in LOST[fen]
    assert result.infos[0].score_mate <= -2


# ---- repetition ----------------------------------------------------------------------------------

SHUFFLE = ("e7e6", "a1b1", "e6e7", "b1a1")  # of White's queen and Black's king


def shuffled(plies):
    """White, a queen up, after so many plies of SHUFFLE; the start, with Black to move, is the
    first occurrence.
    """
    return board_after((SHUFFLE * 2)[:plies], "8/4k3/8/8/8/8/5PPP/Q5K1 b - - 0 1")


def test_a_winning_side_does_not_repeat_for_the_third_time(search):
    board = shuffled(7)
    repeating = chess.Move.from_uci(SHUFFLE[3])
    assert completes_third(board, repeating)
    result = search(board, 400)
    assert result.best_move != repeating
    drawn = next(child for child in result.children if child.move == repeating)
    assert drawn.visits == 0 or drawn.q == 0.0


def test_a_losing_side_takes_the_third_occurrence(search_material):
    board = board_after(
        "d7e7 a1b1 e7e6 b1a1 e6e7 a1c1 e7e6 c1a1", "8/3k4/8/8/8/8/5PPP/Q5K1 b - - 0 1"
    )
    repeating = chess.Move.from_uci("e6e7")
    assert completes_third(board, repeating)
    assert search_material(board, 400).best_move == repeating


def completes_third(board, move):
    """Whether the move, and nothing before it, brings a position about for the third time."""
    after = board.copy()
    after.push(move)
    return after.is_repetition(3) and not board.is_repetition(3)


def entries(name):
    """The tables of a file beside this one, as parameters named after them."""
    tables = tomllib.loads(Path(__file__).with_name(f"{name}s.toml").read_text())[name]
    return [pytest.param(table, id=table["name"]) for table in tables]


def board_before(disaster):
    """The position in which the blunder is possible, its game on the move stack."""
    return board_after(disaster["moves"], disaster.get("fen", chess.STARTING_FEN))


@pytest.mark.parametrize("disaster", entries("disaster"))
def test_the_victim_avoids_the_blunder(search_material, seen, disaster):
    board = board_before(disaster)
    board, blunder = seen(board, board.parse_san(disaster["blunder"]))
    assert search_material(board, disaster["nodes"]).best_move != blunder


@pytest.mark.parametrize("disaster", entries("disaster"))
def test_the_attacker_finds_the_punishment(search_material, seen, disaster):
    board = board_before(disaster)
    board.push_san(disaster["blunder"])
    wins = [seen(board, board.parse_san(san))[1] for san in disaster["wins"]]
    board = seen(board, wins[0])[0]
    assert search_material(board, disaster["nodes"]).best_move in wins


@pytest.mark.parametrize("trap", entries("trap"))
def test_the_trap_is_seen(search_material, seen, trap):
    board = chess.Board(trap["fen"])
    good, bad = (
        [seen(board, board.parse_san(san))[1] for san in trap.get(kind, ())]
        for kind in ("play", "avoid")
    )
    assert good or bad
    board = seen(board, chess.Move.null())[0]
    move = search_material(board, trap["nodes"]).best_move
    assert move not in bad
    assert not good or move in good


# The first engine of this lineage lost to it in four moves.
@pytest.mark.parametrize("nodes", [100, 400])
@pytest.mark.parametrize(("moves", "blunder"), [("f3 e5", "g4"), ("g4 e5", "f3")])
def test_the_fools_mate_is_given_by_every_evaluator_but_never_allowed(
    search, seen, moves, blunder, nodes
):
    board = board_after(moves)
    before, refused = seen(board, board.parse_san(blunder))
    assert search(before, nodes).best_move != refused
    board.push_san(blunder)
    after, mate = seen(board, board.parse_san("Qh4#"))
    assert search(after, nodes).best_move == mate
