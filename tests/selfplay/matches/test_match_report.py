"""What is said of a match while it runs and at its end."""

import json

from selfplay.matches.archive import GameRow
from selfplay.matches.series import standing
from selfplay.matches.standings import game_line, match_json, score_text, standing_lines

NAMES = "one", "two"


def row(number: int, result: str, offender: str = "", reason: str = "checkmate") -> GameRow:
    white, black = NAMES if number % 2 == 0 else NAMES[::-1]
    detail = "why" * bool(offender)
    return GameRow(
        number, white, black, f"opening {number // 2}", "e2e4 e7e5", result, reason, offender, detail, (0.0, 0.0)
    )


ROWS = [row(0, "1-0"), row(1, "0-1"), row(2, "1/2-1/2"), row(3, "1-0", "one", "no answer"), row(4, "1-0")]


def test_lines_name_the_engine_at_fault() -> None:
    now = standing(ROWS, NAMES)
    assert game_line(ROWS[3], score_text(now)) == (
        "game 4: two - one 1-0 (no answer by one: why, 2 plies)  +3 =1 -1 (70.0%)"
    )
    lines = standing_lines(now, NAMES, "1+0.1")
    assert lines[0] == "one against two, 5 games at 1+0.1: +3 =1 -1 (70.0%)"
    assert "no answer 1" in lines[2]
    assert standing_lines(standing(ROWS[:1], NAMES), NAMES, "1+0.1")[1].startswith("  one: time forfeit 0"), (
        "half a pair gives no Elo"
    )


def test_json_has_no_infinite_numbers() -> None:
    values = json.loads(json.dumps(match_json(standing(ROWS[:2], NAMES)), allow_nan=False))
    assert values["estimate"]["score"] == 1.0
    assert values["estimate"]["elo"] is None
    assert values["games"] == 2
