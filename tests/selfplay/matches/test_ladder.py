"""The ladder: the fit over rungs, the choice of the next one, and climbing with interruptions."""

import json
from dataclasses import replace

import chess
import numpy as np
import pytest

from engine.errors import ConfigError, RunError
from selfplay.matches.archive import MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.rating import fit_rung, most_informative_rung
from selfplay.matches.rungs import Ladder, LadderSettings
from tests.selfplay.matches.rows import PLAYED

RUNGS = list(range(1350, 2851, 50))


def climb(elo, stretch, rng, games=200):
    """Simulate an engine that scores 50% at `elo`: (median, low, high)."""
    results = {}
    rating = fit_rung(results, RUNGS)
    for _ in range(games // 2):
        rung = most_informative_rung(rating, RUNGS)
        win = 1.0 / (1.0 + 10.0 ** (-stretch * (elo - rung) / 400.0))
        results.setdefault(rung, []).append(float(rng.binomial(2, win)))
        rating = fit_rung(results, RUNGS)
        if rating.half_width <= 50.0:
            break
    return rating.elo, rating.low, rating.high


def test_intervals_hold_the_strength_of_a_simulated_engine():
    rng = np.random.default_rng(3)
    found = [(elo, climb(elo, stretch, rng)) for elo in (1450, 2700) for stretch in (0.7, 1.0)]
    held = [low <= elo <= high for elo, (_, low, high) in found]
    assert sum(held) >= 3
    assert max(abs(median - elo) for elo, (median, _, _) in found) < 150


def test_intervals_narrow_with_even_results():
    few, many = (fit_rung({2000: [0.0, 1.0, 2.0] * count}, RUNGS) for count in (5, 40))
    drawn = fit_rung({2000: [1.0] * 120}, RUNGS)
    assert few.elo == pytest.approx(2000, abs=5)
    assert drawn.half_width < many.half_width < few.half_width


@pytest.mark.parametrize(
    ("points", "text"), [([2.0] * 30, "above 35"), ([0.0] * 30, "below 24"), ([], "not known yet")]
)
def test_games_that_are_all_won_or_lost_bound_one_side(points, text):
    """The upper end was 3800, where the prior stops."""
    assert fit_rung({3000: points}, [3000]).text.startswith(text)


@pytest.mark.parametrize(
    ("results", "rung"),
    [({}, 2100), ({1500: [2.0] * 10, 1900: [0.0] * 10, 1700: [1.0] * 4}, 1700)],
    ids=["the middle before any game", "the even one"],
)
def test_the_next_rung_is_the_one_that_tells_most(results, rung):
    assert abs(most_informative_rung(fit_rung(results, RUNGS), RUNGS) - rung) <= 50


def ladder_settings(**changes):
    engine, opponent = Contestant("climber", ("climber",)), Contestant("stockfish", ("stockfish",))
    given = {
        "engine": engine,
        "opponent": opponent,
        "control": TimeControl(1.0),
        "openings": [chess.STARTING_FEN],
    }
    return LadderSettings(**given | changes)


@pytest.fixture
def strength(monkeypatch):
    """Has games decided by comparing the rung with an engine of that strength, `concurrency` of
    them under way.
    """

    def use(elo):
        def play(ladder, report, stop):
            running = []
            while not stop() and not ladder.decided:
                while (
                    len(running) < ladder.settings.concurrency
                    and (game := ladder.next_game()) is not None
                ):
                    running.append(game)
                if not running:
                    break
                game = running.pop(0)
                rung = int(game.second.options[-1][1])
                result = "1-0" if (elo > rung) == (game.number % 2 == 0) else "0-1"
                white, black = game.colours[chess.WHITE].name, game.colours[chess.BLACK].name
                row = replace(PLAYED, number=game.number, white=white, black=black, result=result)
                ladder._archive.add(row)
                ladder.finish(row)
                report(row)
            return ladder.decided or ladder.is_complete

        monkeypatch.setattr(Ladder, "play", play)

    return use


def climbed(settings, folder, stop_after=1000):
    ladder = Ladder(settings, MatchArchive(folder, settings.description()))
    seen = []
    finished = ladder.play(seen.append, lambda: len(seen) >= stop_after)
    assert finished == (len(seen) < stop_after)
    return ladder


@pytest.mark.parametrize("concurrency", [1, 3])
def test_engine_is_found_above_the_rungs_it_beats(concurrency, strength, tmp_path):
    strength(2110)
    now = climbed(ladder_settings(concurrency=concurrency), tmp_path).standing()
    assert now.rating.low < 2110 < now.rating.high
    assert now.rating.half_width <= 50.0
    assert now.games < 200
    assert not now.below
    assert not now.above


def test_interrupted_ladder_keeps_the_rung_of_a_pair(strength, tmp_path):
    strength(1610)
    settings = ladder_settings(games=12, precision=1.0)
    assert climbed(settings, tmp_path, stop_after=3).standing().games == 3
    assert climbed(settings, tmp_path).standing().games == 12
    rows = [json.loads(line) for line in (tmp_path / "games.jsonl").read_text().splitlines()]
    assert [row["number"] for row in rows] == list(range(12))
    opponents = [{row["white"], row["black"]} for row in rows]
    assert opponents[::2] == opponents[1::2]
    assert [row["white"] == "climber" for row in rows] == [True, False] * 6


def test_games_against_others_are_no_ladder(strength, tmp_path):
    strength(1610)
    climbed(ladder_settings(), tmp_path, stop_after=1)
    path = tmp_path / "games.jsonl"
    path.write_text(path.read_text().replace("stockfish-", "other-"))
    with pytest.raises(RunError, match="not between climber and stockfish"):
        climbed(ladder_settings(), tmp_path)


@pytest.mark.parametrize(("elo", "where"), [(100, "below the ladder: on its rung 1350 it scores 0.0%"),
                                            (3500, "above the ladder: on its rung 2850 it scores 100.0%")])  # fmt: skip
def test_engine_outside_the_ladder_gets_its_score_on_the_last_rung(
    elo, where, strength, aino_train, tmp_path
):
    strength(elo)
    output = aino_train(f"ladder --tc 1+0.01 --out {tmp_path}")
    assert output.splitlines()[-1].startswith(where)
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["below"], result["above"]) == (elo == 100, elo == 3500)
    assert 30 <= result["games"] < 200


def test_ladders_that_make_no_sense_are_refused(tmp_path):
    MatchArchive(tmp_path, ladder_settings().description())
    with pytest.raises(RunError, match=r"another match \(step differ\)"):
        MatchArchive(tmp_path, ladder_settings(step=100).description())
    for changes in ({"games": 3}, {"lowest": 2000, "highest": 1500}, {"precision": 0.0}):
        with pytest.raises(ConfigError):
            ladder_settings(**changes)


def test_stockfish_offers_the_rungs(stockfish, tmp_path):
    engine = Contestant(
        "sf-2000", (stockfish,), (("UCI_LimitStrength", "true"), ("UCI_Elo", "2000"))
    )
    opponent = Contestant("stockfish", (stockfish,))
    settings = ladder_settings(
        engine=engine, opponent=opponent, control=TimeControl(nodes=500), games=2
    )
    now = climbed(settings, tmp_path).standing()
    assert now.games == 2
    assert not any(sum(counts.values()) for counts in now.faults.values())
