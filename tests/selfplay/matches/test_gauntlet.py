"""An engine is rated by games against several engines whose ratings are known."""

import json
from dataclasses import replace

import pytest

from engine.errors import ConfigError, RunError
from selfplay.matches.archive import MatchArchive
from selfplay.matches.control import TimeControl
from selfplay.matches.rated_opponents import Gauntlet, GauntletSettings
from selfplay.matches.rating import fit_gauntlet
from tests.selfplay.matches.rows import ENGINE, scripted

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"


def settings_of(*opponents, games=2):
    """Against opponents (name, rating, how it plays); the engine plays the first legal move."""
    return GauntletSettings(
        engine=scripted("one"),
        opponents=tuple(scripted(name, *how) for name, _, *how in opponents),
        ratings=tuple(rating for _, rating, *_ in opponents),
        games=games,
        control=TimeControl(nodes=9),
        openings=(START,),
        longest=6,
        patience_s=60.0,
    )


def gauntlet_in(folder, settings):
    return Gauntlet(settings, MatchArchive(folder, settings.description()))


def play(gauntlet, most=99):
    seen = []
    gauntlet.play(seen.append, lambda: len(seen) >= most)


LIKE, LOSES = ("like", 2500), ("loses", 2200, "illegal", 2)


def width(points):
    rating = fit_gauntlet({2000: points})
    assert rating.elo == pytest.approx(2000, abs=5)
    return rating.high - rating.low


def test_intervals_narrow_with_even_results():
    assert width([1.0] * 120) < width([0.0, 1.0, 2.0] * 40) < width([0.0, 1.0, 2.0] * 5)


@pytest.mark.parametrize(
    ("points", "text"), [([2.0] * 30, "above 35"), ([0.0] * 30, "below 24"), ([], "not known yet")]
)
def test_games_that_are_all_won_or_lost_bound_one_side(points, text):
    """The upper end was 3800, where the prior stops."""
    assert fit_gauntlet({3000: points}).text.startswith(text)


def test_points_against_all_opponents_make_one_rating(tmp_path):
    gauntlet = gauntlet_in(tmp_path, settings_of(LIKE, LOSES, games=4))
    play(gauntlet, most=4)
    now = gauntlet.standing()
    assert [opponent.games for opponent in now.against.values()] == [2, 2], "they take turns"
    play(gauntlet)
    now = gauntlet.standing()
    assert now.against["like"].score == 0.5
    assert now.against["loses"].score == 1.0
    assert now.rating.high > 2500
    assert now.rating.elo > 2400


def test_another_gauntlet_is_not_continued(tmp_path):
    play(gauntlet_in(tmp_path, settings_of(LIKE)), most=1)
    with pytest.raises(RunError, match="holds another match"):
        gauntlet_in(tmp_path, settings_of(LOSES))
    with pytest.raises(RunError, match="opponents, ratings"):
        gauntlet_in(tmp_path, settings_of(("like", 2600), LOSES))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"games": 3}, "even number"),
        ({"opponents": ()}, "at least one opponent"),
        ({"opponents": (scripted("one"),)}, "two engines are called 'one'"),
    ],
)
def test_settings_that_make_no_gauntlet_are_refused(settings, error):
    with pytest.raises(ConfigError, match=error):
        replace(settings_of(LIKE), **settings)


def test_command_tells_the_rating(aino_train, tmp_path):
    flags = ["--nodes", 9, "--longest", 6, "--games", 2, "--out", tmp_path / "out"]
    engine, like = f"name=one {ENGINE}", f"name=like {ENGINE}"
    output = aino_train("gauntlet", "--engine", engine, "--against", 2500, like, *flags)
    assert "like (2500): +0 =2 -0 (50.0%)" in output
    rating = json.loads((tmp_path / "out" / "result.json").read_text())["rating"]
    assert rating["low"] < rating["elo"] < rating["high"]
    assert rating["elo"] == pytest.approx(2500, abs=5)
