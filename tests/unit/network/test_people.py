"""The network of people: what it sees of a game, and the probabilities it gives."""

import json

import chess
import numpy as np
import pytest

from benchmarks import people as benchmark
from engine.board.convert import encode_move, stack_from_board
from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from engine.errors import NetFileError
from engine.native.aligned_arrays import buffers
from engine.network.people import people_features as features
from engine.network.people.people_features import PeopleSight, look
from engine.network.people.people_model import PeopleNetwork
from engine.network.people.people_parameters import PeopleConfig
from engine.network.people.people_policy import PeoplePolicy
from engine.network.weights import default_net_path
from engine.nn import dit
from tests.boards import board_after

CONFIG = PeopleConfig(width=128, mixer=64, layers=2, hidden=8)


FIRST_6 = features.FIRST_4 + CONFIG.n_bands * (features.SORTS_4 + features.SORTS_5)
FIRST_7 = FIRST_6 + features.SORTS_6
# The first number of a sort, and the sizes of its parts.
SORTS = {
    4: (features.FIRST_4, (6, features.ANSWERS, 2, 2, 2)),  # kind, answer, again, back, struck
    # Kind, steps from the target and from the source of the move before, escapes.
    7: (FIRST_7, (6, 8, 8, features.ESCAPES)),
    # Kind, exchange, whether it is the best one, whether it takes.
    8: (FIRST_7 + features.SORTS_7, (6, features.EXCHANGES, 2, 2)),
}


class View:
    """What the network sees of a board with its game."""

    def __init__(self, board, band=0):
        stack = stack_from_board(board)
        self.moves = np.zeros(MAX_MOVES, np.uint16)
        self.sight = buffers(PeopleSight)
        n_moves = generate(stack[-1], self.moves)
        ply = len(stack) - 1
        bands = np.int64(CONFIG.n_bands)
        n = look(stack, ply, np.int64(band), bands, self.moves, n_moves, self.sight)
        self.features = sorted(self.sight.features[:n].tolist())
        self.moves = self.moves[:n_moves]
        self.board = board

    def of_kind(self, first, last):
        return [number - first for number in self.features if first <= number < last]

    def sort(self, san, number):
        """One sort of a move."""
        code = encode_move(self.board, self.board.parse_san(san))
        return int(self.sight.sorts[np.flatnonzero(self.moves == code)[0], number])

    def parts(self, san, number):
        """What one sort of a move, for the first band, is made of."""
        first, sizes = SORTS[number]
        return tuple(map(int, np.unravel_index(self.sort(san, number) - first, sizes)))


@pytest.fixture(scope="module")
def policy():
    rng = np.random.default_rng(4)
    network = PeopleNetwork(CONFIG, rng)
    for name, array in network.params.items():
        network.params[name] = array + 0.05 * rng.standard_normal(array.shape, np.float32)
    return PeoplePolicy(network.named_parameters(), CONFIG)


# ---- what it sees --------------------------------------------------------------------------------


TARGET = features.TARGET_FEATURE, features.SOURCE_FEATURE
SOURCE = features.SOURCE_FEATURE, features.TAKEN_FEATURE
TAKEN = features.TAKEN_FEATURE, features.OWN_TARGET_FEATURE
ANY = features.TARGET_FEATURE, features.BAND_FEATURE
CASTLED_IN_PLACE = chess.Board("4k3/8/8/8/8/8/8/6KR w H - 0 1", chess960=True)
CASTLED_IN_PLACE.push_san("O-O")
SEEN = [
    # the target, from the mover's side
    (board_after("e4"), TARGET, [chess.E4 ^ 56]),
    # the source, from the mover's side
    (board_after("e4"), SOURCE, [chess.E2 ^ 56]),
    # the target of a capture
    (board_after("e4 d5 exd5"), TARGET, [64 + (chess.D5 ^ 56)]),
    # what a capture took
    (board_after("e4 d5 exd5"), TAKEN, [0]),
    # a pawn taken in passing
    (board_after("e4 a6 e5 d5 exd6"), TAKEN, [0]),
    # where castling leads the king
    (board_after("e4 e5 Nf3 Nc6 Bb5 a6 O-O"), TARGET, [chess.G1 ^ 56]),
    # where castling to the other side takes the king from
    (
        board_after("d4 d5 Nc3 Nc6 Bf4 Bf5 Qd2 Qd7 O-O-O"),
        SOURCE,
        [chess.E1 ^ 56],
    ),
    # the rook of a king that castles where it stands
    (
        CASTLED_IN_PLACE,
        SOURCE,
        [chess.H1 ^ 56],
    ),
    # no move before the first position
    (
        chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"),
        ANY,
        [],
    ),
]


@pytest.mark.parametrize(("board", "kind", "numbers"), SEEN)
def test_the_move_before_shows(board, kind, numbers):
    assert View(board).of_kind(*kind) == numbers


def test_black_sees_the_mirrored_game_as_white_does():
    white = board_after("e4 e5 Nf3 Nc6 Bb5 a6 Bxc6")
    black = chess.Board(white.root().fen()).mirror()
    black.turn = chess.BLACK
    for move in white.move_stack:
        black.push(chess.Move(move.from_square ^ 56, move.to_square ^ 56, move.promotion))
    assert View(white).features == View(black).features


def test_the_rating_is_one_feature():
    plain, rated = View(chess.Board(), 0), View(chess.Board(), 5)
    assert set(plain.features) ^ set(rated.features) == {
        features.BAND_FEATURE,
        features.BAND_FEATURE + 5,
    }


GUARDED = chess.Board("4k3/8/4p3/8/8/2N5/8/4K3 w - - 0 1")
HANGING = chess.Board("4k3/8/8/3q4/8/2N5/8/4K3 w - - 0 1")
BACK_RANK = chess.Board("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1")
CORNER = chess.Board("k7/8/1K6/8/8/8/8/6Q1 w - - 0 1")
MADE_OF = [
    # a recapture
    (board_after("e4 d5 exd5"), "Qxd5", 4, (4, 2, 0, 0, 0)),
    # back
    (board_after("Nf3 a6"), "Ng1", 4, (1, 0, 1, 1, 0)),
    # away from what struck it
    (board_after("e4 a6 Bc4 b5"), "Bb3", 4, (2, 0, 1, 0, 1)),
    # no escape from a mate
    (BACK_RANK, "Ra8#", 7, (3, 6, 7, 1)),
    # no escape from a queen
    (CORNER, "Qg8#", 7, (4, 6, 7, 1)),
    # the best wins a queen
    (HANGING, "Nxd5", 8, (1, 7, 1, 1)),
    # where it is taken
    (GUARDED, "Nd5", 8, (1, 1, 0, 0)),
    # where it is safe
    (GUARDED, "Nb5", 8, (1, features.EVEN, 0, 0)),
]


@pytest.mark.parametrize(("board", "san", "sort", "parts"), MADE_OF)
def test_a_sort_of_move_tells_what_it_is_made_of(board, san, sort, parts):
    assert View(board).parts(san, sort) == parts


def test_sort_5_knows_what_a_move_takes():
    view = View(board_after("e4 d5"))
    captured = (view.sort("exd5", 5) - features.FIRST_4) - CONFIG.n_bands * features.SORTS_4
    assert captured % 6 == 1


def test_every_sort_has_a_place_in_the_table():
    view = View(board_after("e4 d5 exd5 Qxd5 Nc3"), CONFIG.n_bands - 1)
    assert view.sight.sorts[: len(view.moves)].max() < CONFIG.sizes["S"]


# ---- what it answers -----------------------------------------------------------------------------


def test_all_legal_moves_have_probabilities_the_likeliest_first(policy):
    board = chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1")
    chance_of = policy.probabilities(board, 1400)
    assert set(chance_of) == set(board.legal_moves)
    chances = list(chance_of.values())
    assert sum(chances) == pytest.approx(1.0)
    assert chances == sorted(chances, reverse=True)
    assert policy.probabilities(board_after("f3 e5 g4 Qh4#"), 1400) == {}


def test_a_rating_takes_most_from_the_nearest_band(policy):
    """The odds of two moves show how much: 1420 has four fifths of 1400, a fifth of 1500."""
    stack = stack_from_board(board_after("e4 e5"))

    def odds(rating):
        _, chances = policy.predict(stack, rating)
        return np.log(chances[0] / chances[1:])

    assert np.allclose(odds(1420), 0.8 * odds(1400) + 0.2 * odds(1500), atol=1e-4)


def test_ratings_beyond_the_teachers_count_as_the_last(policy):
    board = board_after("e4 e5")
    assert policy.probabilities(board, 600) == policy.probabilities(board, 1100)
    assert policy.probabilities(board, 2700) == policy.probabilities(board, 1900)


def test_another_network_is_refused():
    with pytest.raises(NetFileError, match="a network of people"):
        PeoplePolicy.load(default_net_path())


# ---- measured ------------------------------------------------------------------------------------

GAME = """[WhiteElo "1450"]
[BlackElo "850"]
[Result "1-0"]

1. e4 e5 2. Nf3 f6 3. Nxe5 fxe5 4. Qh5+ g6 1-0
"""
GAME_MOVES = "e4 e5 Nf3 f6 Nxe5 fxe5 Qh5+ g6".split()


def test_the_benchmark_counts_played_moves_by_band_and_calibration_all_moves(tmp_path, capsys):
    net, game = tmp_path / "people.dit", tmp_path / "game.pgn"
    dit.save(net, PeopleNetwork(CONFIG, np.random.default_rng(5)))
    game.write_text(GAME)

    def rows(*words):
        benchmark.main([str(game), "--net", str(net), "--json", *words])
        return json.loads(capsys.readouterr().out)

    played = [(row["band"], row["moves"]) for row in rows()]
    assert played == [("below 900", 4), ("1300 to 1599", 4)]
    boards = [board_after(GAME_MOVES[:ply]) for ply in range(len(GAME_MOVES))]
    calibration = sum(row["moves"] for row in rows("--calibration"))
    assert calibration == sum(board.legal_moves.count() for board in boards)


def test_an_interval_counts_the_moves_of_a_game_as_one_sample():
    numbers = np.array([1.0, 1.0, 0.0, 0.0])
    one_game, four_games = (
        benchmark.with_interval(numbers, games, ".3f")
        for games in (np.array([0, 0, 1, 1]), np.arange(4))
    )
    assert (one_game, four_games) == ("0.500 +- 0.693", "0.500 +- 0.490")
