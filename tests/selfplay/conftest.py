"""Data that the self-play tests make themselves: random games as records, as PGN and as a set."""

import contextlib
import os

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, encode_move, row_from_board
from selfplay.records.collect import GameRecord, collect
from selfplay.records.positions import offsets
from selfplay.records.targets import policy_from_scores, wdl_from_result, wdl_from_score
from tests.boards import random_game

RESULTS = {"1-0": 1, "0-1": -1, "1/2-1/2": 0}


def scored_game(game, result):
    """A game with scored moves in every position, by somebody who likes captures; 1/4 of a value is
    the result's.
    """
    board = game.root()
    counts = []
    moves = []
    scores = []
    for played in game.move_stack:
        likes = {
            move: 100 * board.is_capture(move) - 3 * order
            for order, move in enumerate(board.legal_moves)
        }
        best = sorted(likes, key=lambda move: -likes[move])[:5]
        counts.append(len(best))
        moves += [encode_move(board, move) for move in best]
        scores += [likes[move] for move in best]
        board.push(played)
    board = game.root()
    first = offsets(np.array(counts))
    ends = wdl_from_result(RESULTS[result], np.arange(len(counts)) % 2 == 1)
    return GameRecord(
        start=row_from_board(board),
        moves=np.array(
            [(encode_move(board, move), board.push(move))[0] for move in game.move_stack], np.uint16
        ),
        target_counts=np.array(counts),
        target_moves=np.array(moves, np.uint16),
        target_probs=policy_from_scores(np.array(scores), first),
        wdl=0.75 * wdl_from_score(np.array(scores)[first[:-1]]) + 0.25 * ends,
        usable=np.ones(len(counts), np.bool_),
        target_scores=np.array(scores, np.int16),
    )


def pgn_of(game, result):
    return f'[Result "{result}"]\n\n{game.root().variation_san(game.move_stack)} {result}\n\n'


@pytest.fixture(scope="session")
def ended_games():
    """Twelve games of up to 40 plies with their results."""
    rng = np.random.default_rng(5)
    return [(random_game(rng, 40), list(RESULTS)[rng.integers(3)]) for _ in range(12)]


@pytest.fixture(scope="session")
def boards(ended_games):
    return [board for board, _ in ended_games]


@pytest.fixture(scope="session")
def scored_games(ended_games):
    return [scored_game(*game) for game in ended_games]


@pytest.fixture(scope="session")
def game_texts(ended_games):
    """The games as PGN."""
    return [pgn_of(*game) for game in ended_games]


@pytest.fixture
def games_file(tmp_path, game_texts):
    """The games as a file."""
    path = tmp_path / "part1.pgn"
    path.write_text("".join(game_texts))
    return path


@pytest.fixture(scope="session")
def positions(scored_games):
    """The games with scored moves as a set."""
    packed, illegal = collect(scored_games)
    assert illegal == 0
    return packed


def assert_same(a, b):
    """The same arrays by the same names."""
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], name, strict=True)


def games_of(positions, first, last):
    """The games first..last-1 of a set."""
    numbers = np.arange(positions.n_games)
    return positions.select((numbers >= first) & (numbers < last))


def boards_of(positions, game):
    """The positions of a game that began at the start position, before each of its moves."""
    board = chess.Board()
    boards = []
    for move in positions.moves[positions.game_first[game] : positions.game_first[game + 1]]:
        boards.append(board.copy())
        board.push(decode_move(row_from_board(board), int(move)))
    return boards


@pytest.fixture
def few_files():
    """This process may open no more than 40 files beside those it holds."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # numbers in use may lie anywhere, so the highest of 40 free ones counts
    with contextlib.ExitStack() as free:
        limit = max(free.enter_context(open(os.devnull)).fileno() for _ in range(40)) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def aino_train(capsys):
    """Runs an `aino-train` command that must succeed; returns what it printed. Games are played in
    this process.
    """
    from selfplay.main import main

    def call(*words, status=0):
        """words: the first may be a whole line, and so may those that begin with a flag."""
        line = []
        for word in map(str, words):
            line += word.split() if not line or word.startswith("--") else [word]
        flags = ["--workers=1"] if line[0] == "loop" else []
        assert main([*line, *flags]) == status
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.out + captured.err

    return call
