"""What is said of a match while it runs and at its end."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import chess
import pytest

from benchmarks import list_rating
from selfplay.matches.archive import GameRow
from selfplay.matches.play import Thought
from selfplay.matches.series import game_line, match_json, score_text, standing, standing_lines
from selfplay.matches.statistics import Sprt

NAMES = "one", "two"


def row(number: int, result: str, offender: str = "", reason: str = "checkmate") -> GameRow:
    white, black = NAMES if number % 2 == 0 else NAMES[::-1]
    opening, why = chess.Board.from_chess960_pos(number // 2).fen(), "why" * bool(offender)
    return GameRow(
        number, white, black, opening, "e2e4 e7e5", result, reason, offender, why, (0.0, 0.0)
    )


ROWS = [
    row(0, "1-0"),
    row(1, "0-1"),
    row(2, "1/2-1/2"),
    row(3, "1-0", "one", "no answer"),
    row(4, "1-0"),
]


def test_a_running_match_has_score_and_test_and_its_json_no_infinite_numbers() -> None:
    test = Sprt(0.0, 10.0)
    now = standing(ROWS, NAMES, test.follow([2.0, 0.5]))
    assert score_text(now, test).startswith(
        "+3 =1 -1 (70.0%)  SPRT [0, 10] alpha 0.05 beta 0.05: LLR "
    )
    values = json.loads(json.dumps(match_json(standing(ROWS[:2], NAMES)), allow_nan=False))
    assert values["estimate"]["score"] == 1.0
    assert values["estimate"]["elo"] is None
    assert values["games"] == 2


def test_lines_name_the_engine_at_fault_and_games_that_repeat_others() -> None:
    now = standing(ROWS, NAMES)
    assert game_line(ROWS[3], score_text(now)) == (
        "game 4: two - one 1-0 (no answer by one: why, 2 plies)  +3 =1 -1 (70.0%)"
    )
    lines = standing_lines(now, NAMES, "1+0.1")
    assert lines[0] == "one against two, 5 games at 1+0.1: +3 =1 -1 (70.0%)"
    assert "no answer 1" in lines[2]
    half = standing_lines(standing(ROWS[:1], NAMES), NAMES, "1+0.1")
    assert half[1].startswith("  one: time forfeit 0"), "half a pair gives no Elo"
    rows = [row(number, "1/2-1/2") for number in range(4)]
    again = [replace(one, number=one.number + 4) for one in rows[:2]]
    assert standing(rows, NAMES).copies == 0
    lines = standing_lines(standing(rows + again, NAMES), NAMES, "800 nodes a move")
    assert "  2 games repeat an earlier one move by move: the intervals are too narrow" in lines
    assert "  in 3 of 3 pairs both games have the same moves and split the points" in "\n".join(
        lines
    )


def test_matches_against_rated_engines_give_a_rating(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, results in (
        ("even", ("1/2-1/2", "1/2-1/2", "1-0", "1-0")),
        ("weaker", ("1-0", "0-1", "1-0", "1/2-1/2")),
    ):
        (tmp_path / name).mkdir()
        lines = [
            json.dumps(asdict(row(number, results[number % 4]))) + "\n" for number in range(41)
        ]
        (tmp_path / name / "games.jsonl").write_text("".join(lines))
    assert list_rating.main([f"{tmp_path}/even=2500", "--json"]) == 0
    match, estimate = json.loads(capsys.readouterr().out)
    assert (match["games"], match["points"]) == (40, 20.0), (
        "the game without its other half counts no more than it"
    )
    assert abs(int(estimate["rating"].split()[0]) - 2500) < 5
    list_rating.main([f"{tmp_path}/even=2500", f"{tmp_path}/weaker=2200", "--json"])
    rating, low, high = map(
        int,
        json.loads(capsys.readouterr().out)[2]["rating"]
        .translate({91: 32, 93: 32, 44: 32})
        .split(),
    )
    assert low < rating < high
    assert 2450 < rating < 2550
    for wrong in (f"{tmp_path}/even", f"{tmp_path}/even=strong", f"{tmp_path}/absent=2000"):
        with pytest.raises(SystemExit):
            list_rating.main([wrong])


def match_folder(
    folder: Path, first: dict[str, object], names: tuple[str, str] = NAMES, ms: int = 5
) -> str:
    """A folder with a pair of games, as an argument of `list_rating`."""
    folder.mkdir(parents=True)
    more = {"thoughts": (Thought(ms, 0, 1, 2),)}
    rows = [
        replace(row(n, "1/2-1/2"), white=names[n], black=names[1 - n], **more) for n in range(2)
    ]
    (folder / "games.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in rows))
    settings = {
        "first": {"name": "one", "command": ["aino"], "options": [], "control": None} | first,
        "control": "1+0.1",
    }
    (folder / "match.json").write_text(json.dumps(settings))
    return f"{folder}=2500"


def test_matches_that_are_not_of_one_engine_or_count_twice_made_one_rating(tmp_path, capsys):
    plain = match_folder(tmp_path / "plain", {})
    assert list_rating.main([plain, match_folder(tmp_path / "like", {}, ms=6)]) == 0
    others = (
        {"name": "two"},
        {"command": ["other"]},
        {"options": [["Threads", "2"]]},
        {"control": "10+0.1"},
    )
    for number, other in enumerate(others, 7):
        with pytest.raises(SystemExit):
            list_rating.main([plain, match_folder(tmp_path / str(number), other, ms=number)])
        assert "another first engine" in capsys.readouterr().err
    ladder = tmp_path / "ladder"
    match_folder(ladder, {}, ms=20)
    with (ladder / "games.jsonl").open("a") as stream:
        stream.write(json.dumps(asdict(replace(row(2, "1-0"), black="stockfish-1400"))) + "\n")
    with pytest.raises(SystemExit):
        list_rating.main([f"{ladder}=1350"])
    assert "not a match between two engines" in capsys.readouterr().err
    copy = match_folder(tmp_path / "copy", {})
    for again in (plain, f"{tmp_path}/x/../plain=2600", copy):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(SystemExit):
            list_rating.main([plain, again])
        assert "would count twice" in capsys.readouterr().err
