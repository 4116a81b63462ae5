"""Games of a run as PGN, and one key of a game in every form."""

from dataclasses import replace

import chess.pgn
import numpy as np
import pytest

from engine.board.convert import decode_move, row_from_board
from selfplay.data.pgn import read_pgn, record_of_result
from selfplay.data.split import game_keys
from selfplay.data.v6_games import game_of_chunk
from selfplay.records.collect import collect
from selfplay.records.endings import Ending
from selfplay.records.game import training_game
from selfplay.records.replay import read_segment, segment_path
from selfplay.run.folder import RunFolder
from selfplay.run.games_out import pgn_text
from tests.selfplay.data.test_v6 import STARTS, searched_game
from tests.selfplay.data.v6_chunks import chunk_of_game
from tests.selfplay.segments import write_segment


def played_run(path):
    """A run with a published generation of random games, of which one was resigned."""
    run = RunFolder(path, {"net": "16x1"})
    games = [
        searched_game(np.random.default_rng(i), STARTS[i % len(STARTS)], 30)[0] for i in range(5)
    ]
    games[1] = replace(games[1], ending=Ending.RESIGNATION, white_points=-1)
    write_segment(run.replay, 1, games)
    return run


def test_exported_pgn_holds_the_games(tmp_path, aino_train):
    played_run(tmp_path / "run").close()
    assert "5 games" in aino_train(f"export {tmp_path}/run/nets/.. --pgn {tmp_path}/out/games.pgn")
    games, _ = read_segment(segment_path(tmp_path / "run" / "replay", 1))
    with open(tmp_path / "out" / "games.pgn") as stream:
        for game in games:
            read = chess.pgn.read_game(stream)
            assert not read.errors
            assert read.headers["Result"] == {1: "1-0", 0: "1/2-1/2", -1: "0-1"}[game.white_points]
            assert read.headers["Event"] == "run generation 0"
            assert read.headers["Termination"] == game.ending.name.lower()
            board = read.board()
            assert np.array_equal(row_from_board(board), game.start)
            for move, code in zip(read.mainline_moves(), game.played, strict=True):
                assert move == decode_move(row_from_board(board), code, board.chess960)
                board.push(move)


@pytest.mark.parametrize("plies", [1, 2, 3, 30])
@pytest.mark.parametrize("start", STARTS)
def test_a_resigned_game_has_one_key_in_every_form(tmp_path, start, plies):
    game, _ = searched_game(np.random.default_rng(1), start, plies)
    game = replace(game, ending=Ending.RESIGNATION, white_points=1)
    in_run = collect([training_game(game, 0.5)])[0]
    (tmp_path / "games.pgn").write_text(pgn_text(game, "x"))
    again = game_of_chunk(chunk_of_game(game), "chunk")
    played = record_of_result(game.start, game.played, 1)
    keys = set(game_keys(collect([played])[0]))
    assert in_run.n_positions == plies, "the position in which a side resigned teaches, too"
    if plies > 1:  # a game of no played move is none
        (read,) = read_pgn(tmp_path / "games.pgn")
        for games in (in_run, collect([read])[0], collect([again])[0]):
            keys |= set(game_keys(games))
        assert in_run.moves_left.tolist() == list(range(plies - 1, -1, -1))
    assert len(keys) == 1
