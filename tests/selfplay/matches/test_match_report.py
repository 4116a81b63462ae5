"""What is said of a match while it runs and at its end."""

import json
from dataclasses import replace

import chess

from engine.files.json_text import json_text
from selfplay.matches.engine_match import (
    game_line,
    match_json,
    score_text,
    standing,
    standing_lines,
)
from selfplay.matches.statistics import Sprt
from tests.selfplay.matches.rows import NAMES, PLAYED


def row(number, result, **more):
    white, black = NAMES if number % 2 == 0 else NAMES[::-1]
    opening = chess.Board.from_chess960_pos(number // 2).fen()
    played = replace(PLAYED, number=number, white=white, black=black, result=result)
    return replace(played, start_fen=opening, uci="e2e4 e7e5", **more)


ROWS = [
    row(0, "1-0"),
    row(1, "0-1"),
    row(2, "1/2-1/2"),
    row(3, "1-0", offender="one", reason="no answer", detail="why"),
    row(4, "1-0"),
]


def test_a_running_match_tells_its_score_with_its_test():
    test = Sprt(0.0, 10.0)
    now = standing(ROWS, NAMES, test.follow([2.0, 0.5]))
    assert score_text(now, test).startswith(
        "+3 =1 -1 (70.0%)  SPRT [0, 10] alpha 0.05 beta 0.05: LLR "
    )


def test_the_json_of_a_match_has_no_infinite_numbers():
    values = json.loads(json_text(match_json(standing(ROWS[:2], NAMES))))
    assert values["estimate"]["score"] == 1.0
    assert values["estimate"]["elo"] is None


def test_lines_name_the_engine_at_fault():
    now = standing(ROWS, NAMES)
    assert game_line(ROWS[3], score_text(now)) == (
        "game 4: two - one 1-0 (no answer by one: why, 2 plies)  +3 =1 -1 (70.0%)"
    )
    lines = standing_lines(now, NAMES, "1+0.1")
    assert lines[0] == "one against two, 5 games at 1+0.1: +3 =1 -1 (70.0%)"
    assert "no answer 1" in lines[2]


def test_half_a_pair_gives_no_elo():
    half = standing_lines(standing(ROWS[:1], NAMES), NAMES, "1+0.1")
    assert half[1].startswith("  one: time forfeit 0")


def test_games_that_repeat_others_are_counted():
    rows = [row(number, "1/2-1/2") for number in range(4)]
    again = [replace(game, number=game.number + 4) for game in rows[:2]]
    assert standing(rows, NAMES).copies == 0
    text = "\n".join(standing_lines(standing(rows + again, NAMES), NAMES, "800 nodes a move"))
    assert "  2 games repeat an earlier one move by move: the intervals are too narrow" in text
    assert "  in 3 of 3 pairs both games have the same moves and split the points" in text
