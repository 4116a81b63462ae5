"""Games into a run and out of it, as PGN and as Lc0's training chunks."""

import os
import sys
from dataclasses import replace

import chess
import chess.pgn
import numpy as np
import pytest

from engine.board.convert import decode_move, row_from_board
from engine.files.text import printable
from selfplay.data.cache import load_or_parse
from selfplay.data.kinds import PGN
from selfplay.data.pgn import pgn_reader, read_pgn
from selfplay.data.split import game_key, game_keys
from selfplay.data.v6_games import game_of_chunk
from selfplay.interrupt import Stopped
from selfplay.records.collect import collect
from selfplay.records.endings import Ending
from selfplay.records.game import training_game
from selfplay.records.replay import read_segment, segment_path, write_segment
from selfplay.run.exchange import import_games, pgn_text
from selfplay.run.fitting import replay_set
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Phase
from tests.selfplay.conftest import random_game
from tests.selfplay.data.test_v6 import STARTS, searched_game
from tests.selfplay.data.v6_chunks import chunk_of_game

FLAGS = ["--net=16x1"]
FIT = "--fit.positions=64 --fit.batch_size=32 --fit.shard_size=16 --fit.heldout_share=0.3".split()


@pytest.fixture
def pgn_file(tmp_path):
    """Four random games, one of Chess960 and one of weak players, and a copy of the first."""
    rng = np.random.default_rng(3)
    path = tmp_path / "games.pgn"
    boards = [random_game(rng, 20) for _ in range(3)]
    boards.append(random_game(rng, 20, chess.Board(STARTS[4], chess960=True)))
    with open(path, "w", encoding="ascii") as stream:
        for i, board in enumerate([*boards, boards[0]]):
            game = chess.pgn.Game.from_board(board)
            game.headers.update(
                Result=("1-0", "0-1", "1/2-1/2")[i % 3],
                WhiteElo="2500",
                BlackElo=str(2600 - 300 * i),
            )
            print(game, file=stream, end="\n\n")
    return path


def played_run(path):
    """A run with a published generation of random games, of which one was resigned."""
    run = RunFolder(path, {"net": "16x1"})
    games = [
        searched_game(np.random.default_rng(i), STARTS[i % len(STARTS)], 30)[0] for i in range(5)
    ]
    games[1] = replace(games[1], ending=Ending.RESIGNATION, white_points=-1)
    write_segment(run.replay, 1, games)
    return run


def test_imported_pgn_is_the_next_generation(tmp_path, pgn_file, aino_train):
    flags = (*FLAGS, *FIT, "--data", pgn_file, pgn_file)  # of which one was entered
    printed = aino_train("import", tmp_path / "run", *flags)
    assert (
        "generation 1: 4 games (1 duplicates skipped), 80 positions imported. Next: aino-train loop"
        in printed
    )
    run = RunFolder(tmp_path / "run", {})
    assert run.ledger.current() == (1, Phase.FIT)
    assert run.ledger.imports() == {1: [(str(pgn_file), 4, 1)]}
    games, _ = read_segment(segment_path(run.replay, 1))
    assert [game.white_points for game in games] == [1, -1, 0, 1]
    assert {game.ending for game in games} == {Ending.OTHER}
    positions = replay_set(run, 1)
    assert (positions.n_games, positions.usable.all()) == (4, True)
    assert np.array_equal(positions.target_moves, positions.moves)
    assert "generation 1 has to fit first" in aino_train(
        f"import {tmp_path}/run --data {pgn_file}", status=1
    )
    assert "held-out losses" in aino_train(f"loop {tmp_path}/run --until=gate")


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_a_file_whose_name_is_no_text_is_imported(tmp_path, pgn_file, monkeypatch):
    """The network's card, the run's database and the cache of parsed games could not hold it."""
    odd = pgn_file.rename(tmp_path / os.fsdecode(b"M\xfcller.pgn"))
    monkeypatch.setattr(sys, "argv", ["aino-train", "import", str(odd)])
    run = RunFolder(tmp_path / "run", {"net": "16x1"})
    assert import_games(run, [(odd, PGN)]).games == 4
    assert run.ledger.imports() == {1: [(printable(odd), 4, 1)]}
    assert load_or_parse(odd, pgn_reader(), tmp_path / "cache").n_games == 5


def test_an_import_tells_why_it_left_games_out(tmp_path, aino_train):
    path = tmp_path / "mixed.pgn"
    game = '[Event "x"]\n[Result "{result}"]\n[WhiteElo "2500"]\n[BlackElo "{elo}"]\n\n{moves}\n\n'
    texts = [
        game.format(elo=elo, moves=moves, result=result)
        for moves, result, elo in (
            ("1. e4 e5", "1-0", 2400),
            ("1. f4 (1. g4) f5", "1-0", 2400),
            ("1. c4 e9", "1-0", 2400),
            ("", "1-0", 2400),
            ("1. f3 e5 2. g4 Qh4#", "1-0", 2400),
            ("1. a4", "*", 2400),
            ("1. Nf3", "1-0", 1000),
        )
    ]
    path.write_text("".join(texts), encoding="utf-8")
    printed = aino_train("import", tmp_path / "run", *FLAGS, "--data", path, "--pgn-min-elo", 2000)
    assert f"{path}: 7 games seen, 2 read, 5 skipped (1 with a fault, " in printed
    for reason in (
        "1 without moves",
        "1 without a result",
        "1 below the Elo",
        "1 with a result that the board",
    ):
        assert reason in printed


def test_same_games_are_not_imported_twice(tmp_path, pgn_file, aino_train):
    aino_train("import", tmp_path / "run", *FLAGS, "--data", pgn_file, "--pgn-min-elo", 2300)
    run = RunFolder(tmp_path / "run", {})
    run.ledger.enter_phase(1, Phase.DONE)
    done = import_games(run, [(pgn_file, PGN)])
    assert (done.generation, done.games, done.duplicates) == (2, 2, 3)
    run.ledger.enter_phase(2, Phase.DONE)
    assert "games are known already" in aino_train(
        f"import {tmp_path}/run --data {pgn_file}", status=1
    )
    assert not segment_path(tmp_path / "run" / "replay", 3).exists()


def test_interrupted_import_leaves_the_run_as_it_was(tmp_path, pgn_file):
    run = RunFolder(tmp_path / "run", {"net": "16x1"})
    calls = iter([False, False, True])
    with pytest.raises(Stopped):
        import_games(run, [(pgn_file, PGN)], stop=lambda: next(calls))
    assert run.ledger.current() == (0, Phase.DONE)
    assert list(run.replay.iterdir()) == []


def test_exported_pgn_holds_the_games(tmp_path, aino_train):
    played_run(tmp_path / "run").close()
    assert "5 games" in aino_train(f"export {tmp_path}/run/nets/.. --pgn {tmp_path}/out/games.pgn")
    games, _ = read_segment(segment_path(tmp_path / "run" / "replay", 1))
    with open(tmp_path / "out" / "games.pgn", encoding="ascii") as stream:
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
    keys = {game_key(one.start, one.played) for one in (game, again)}
    assert in_run.n_positions == plies, "the position in which a side resigned teaches, too"
    if plies > 1:  # a game of no played move is none
        (read,) = read_pgn(tmp_path / "games.pgn")
        keys.add(game_key(read.start, read.moves))
        for games in (in_run, collect([read])[0], collect([training_game(again, 0.5)])[0]):
            keys |= set(game_keys(games))
        assert in_run.moves_left.tolist() == list(range(plies - 1, -1, -1))
    assert len(keys) == 1


def test_a_run_knows_its_own_games_again(tmp_path, aino_train):
    run = played_run(tmp_path / "run")
    run.ledger.begin_generation(1, "")
    run.ledger.enter_phase(1, Phase.DONE)
    run.close()
    games = tmp_path / "games.pgn"
    games.write_text('[White "Me"]')  # an export took the place of what begins with a tag
    aino_train(f"export {tmp_path}/run --pgn {games}")
    told = aino_train(f"import {tmp_path}/run --data {tmp_path}/games-2.pgn", status=1)
    assert "all 5 games are known already" in told


def test_export_of_nothing_is_refused(tmp_path, aino_train):
    assert "no published games" in aino_train(f"export {tmp_path} --pgn {tmp_path}/x.pgn", status=1)
    assert "nothing to import: give --data FILE" in aino_train("import", tmp_path / "run", status=1)
    assert not (tmp_path / "x.pgn").exists()
