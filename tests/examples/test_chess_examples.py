"""The examples that learn from chess games, in small versions."""

import chess
import numpy as np
import pytest

from engine.errors import DataError
from engine.nn import Data
from examples.nn import boards, flat_spatial, move_gpt


def random_games(count, plies, seed=0):
    rng = np.random.default_rng(seed)
    games = []
    for _ in range(count):
        board = chess.Board()
        while board.ply() < plies and not board.is_game_over():
            moves = sorted(board.legal_moves, key=lambda move: move.uci())
            board.push(moves[rng.integers(len(moves))])
        games.append([move.uci() for move in board.move_stack])
    return games


@pytest.mark.slow
def test_the_spatial_net_wins_with_equally_many_parameters(test_data):
    pictures, moves = flat_spatial.read_positions(
        test_data / "games" / "human.tsv.xz", 9000, seed=0
    )
    train = Data(flat_spatial.Boards(pictures[:8000]), moves[:8000])
    held_out = Data(flat_spatial.Boards(pictures[8000:]), moves[8000:])
    result = flat_spatial.run(train, held_out, epochs=4, filters=32, blocks=1)
    assert result.parameters["flat"] == pytest.approx(result.parameters["spatial"], rel=0.1)
    assert result.top1("spatial") > max(0.1, 1.5 * result.top1("flat"))


def test_game_tables_are_read(tmp_path):
    path = tmp_path / "games.tsv"
    path.write_text("result\tuci\n1-0\te2e4 e7e5 g1f3\n0-1\td2d4\n")
    assert list(boards.read_games(path, shortest=2)) == [["e2e4", "e7e5", "g1f3"]]
    path.write_text(
        "uci\n" + 2 * "e2e4 e7e5 g1f3\n" + 3 * "e2e4 c7c5 g1f3\n" + 2 * "d2d4 d7d5 c2c4\n"
    )
    first, special = move_gpt.select_games(path, 2, 2 * move_gpt.MOVE_LENGTH, move_gpt.OPENING)
    assert first == [["e2e4", "e7e5", "g1f3"]] * 2
    assert special == [["e2e4", "c7c5", "g1f3"]] * 3


@pytest.mark.parametrize(
    ("text", "words"),
    [("result\tmoves\n1-0\te2e4\n", "column 'uci'"), ("result\tuci\n1-0\n", "expected 2 columns")],
)
def test_a_bad_game_table_is_refused(tmp_path, text, words):
    path = tmp_path / "games.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        list(boards.read_games(path))


@pytest.mark.slow
def test_fine_tuning_turns_a_small_gpt_to_the_opening():
    config = move_gpt.GptConfig(width=32, blocks=1, heads=2, length=40)
    opening = ["a2a3"]
    written = [game for game in random_games(700, 12, seed=2) if len(game) == 12]
    special = [[*opening, *game[1:]] for game in written[350:]]
    result = move_gpt.run(
        written[:350], special, 3, 12, config=config, opening=opening, held_out=50
    )
    before, after = result.stages.values()
    characters = len(move_gpt.ALPHABET) ** move_gpt.MOVE_LENGTH
    assert before.perplexities["all"] < characters**0.75
    assert after.perplexities["opening"] < before.perplexities["opening"]
    assert sum(game.startswith("a2a3 ") for game in after.games) >= 2
