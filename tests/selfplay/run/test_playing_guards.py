"""Guards over self-play: draws and wrong resignations are counted, and the next generation's
settings follow.
"""

import contextlib
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import DataError
from selfplay.games.game_settings import GameSettings
from selfplay.records.endings import Ending
from selfplay.records.game import decode_record, encode_record
from selfplay.run.folder import RunFolder
from selfplay.run.generating import (
    generate_games,
    giving_up,
    guarded,
    guarded_settings,
    safe_threshold,
    summarise,
)
from selfplay.run.phase_games import GenerationTask, usual_start
from tests.selfplay.run.crews import record_of
from tests.selfplay.segments import write_segment

SETTINGS = GameSettings(resign_below=-0.9, resign_moves=2, resign_errors=0.1, most_draws=0.6)


def game_of(values, points=0, gave_up=0, played_through=True):
    """A game by the root values (win minus loss) of its moves, White first; the moves do not matter
    here.
    """
    game = record_of(
        [0] * len(values),
        [[(1 + value) / 2, 0.0, (1 - value) / 2] for value in values],
        white_points=points,
        ending=Ending.LENGTH,
    )
    return replace(game, played_through=played_through, gave_up=gave_up)


@pytest.mark.parametrize(
    ("values", "side"),
    [
        ([-0.95, 0.9, -0.95, 0.9], 1),
        ([0.0, -0.95, 0.0, -0.95], -1),
        ([-0.95, -0.95, 0.5, 0.5, -0.95, -0.95], 0),
        ([-0.95, -0.95, -0.95, -0.95], 1),
        ([], 0),
    ],
)
def test_moves_in_a_row_make_a_side_give_up(values, side):
    assert giving_up(game_of(values), -0.9, 2) == side


def test_unknown_bits_of_the_ending_are_refused():
    data = bytearray(encode_record(game_of([0.5])))
    data[9] |= 0x30
    with pytest.raises(DataError, match="ending"):
        decode_record(bytes(data))


def lost(value):
    return game_of([value, 0.9] * 3, -1)


def saved(value):
    return game_of([value, 0.9] * 3, 0)


@pytest.mark.parametrize("below", [-0.9, -0.3, -0.1])
def test_a_threshold_without_evidence_stays_to_the_bit(below):
    """Rounding had made -0.30000000000000004 of -0.3, which each generation told as a change."""
    assert safe_threshold([], below, 2, 0.1) == below


@pytest.mark.parametrize(
    ("games", "threshold"),
    [
        ([lost(-0.99)] * 40 + [saved(-0.92)] * 4, -0.9),
        ([lost(-0.99)] * 40 + [saved(-0.92)] * 10, -0.95),
        ([saved(-1.0)] * 40, -1.0),
        ([saved(-1.0)] * 5, -0.9),  # too few to tell
        ([replace(saved(-1.0), played_through=False)] * 50, -0.9),
    ],
)
def test_threshold_sinks_until_few_resignations_are_wrong(games, threshold):
    assert safe_threshold(games, -0.9, 2, 0.1) == pytest.approx(threshold)


def draws(share):
    return [game_of([0.0], points=0 if k < 100 * share else 1) for k in range(100)]


@pytest.mark.parametrize(
    ("shares", "opening_share", "temperature_plies"),
    [([1.0, 0.6], 0.5, 24), ([], 0.5, 24), ([0.8], 0.75, 36), ([1.0], 1.0, 48)],
)
def test_many_draws_bring_variety(shares, opening_share, temperature_plies):
    settings = guarded(SETTINGS, [draws(share) for share in shares])
    assert settings.opening_share == pytest.approx(opening_share)
    assert settings.temperature_plies == temperature_plies


def test_a_guard_that_is_off_changes_nothing():
    settings = replace(SETTINGS, most_draws=1.0)
    assert guarded(settings, [draws(1.0)]) == settings


def test_only_the_generation_before_counts(tmp_path):
    write_segment((run := RunFolder(tmp_path, {})).replay, 3, draws(1.0))
    assert guarded_settings(SETTINGS, run, 3) == (SETTINGS, [])
    assert guarded_settings(SETTINGS, run, 8) == (SETTINGS, [])
    assert guarded_settings(SETTINGS, run, 4)[0].opening_share == 1.0


def test_the_summary_counts_games_that_were_played_through():
    games = [
        game_of([0.5], 1, 1),
        game_of([0.5], -1, 1),
        game_of([0.5], 0, 0),
        game_of([0.5], 0, -1),  # a draw after all
        game_of([0.5], 0, -1, False),
    ]
    summary = summarise(games, SETTINGS)
    assert summary.games == 5
    assert summary.drawn == 3
    assert summary.given_up == 3
    assert summary.wrong == 2


def test_a_generation_is_played_with_guarded_settings(tmp_path):
    values = {"net": "8x1", "games": {"count": 2, "visits": 2, "longest": 4, "most_draws": 0.5}}
    run = RunFolder(tmp_path, values)
    run.ensure_first_network()
    write_segment(run.replay, 1, draws(1.0))
    seen = []
    lines = []

    def play(task, numbers, finish, stop):
        seen.append(task.settings)
        for number in numbers:
            finish(replace(game_of([0.0, -1.0], points=1, gave_up=-1), generation=2, number=number))

    assert generate_games(run, 2, print, lines.append, lambda: False, play)
    assert seen[0].opening_share == 1.0
    why = "100% of the games of generation 1 were drawn, more than games.most_draws = 50%"
    assert f"games.opening_share is 1 instead of 0.5, because {why}" in lines
    assert f"games.temperature_plies is 48 instead of 24, because {why}" in lines
    assert any(
        "0% drawn; resigning below -0.96 was wrong in 0 of 2 games" in text for text in lines
    )
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        stored = ledger.execute(
            "SELECT generation, games, drawn, given_up, opening_share FROM self_play"
        ).fetchall()
    assert stored == [(2, 2, 0, 2, 1.0)]


def test_starts_of_chess960_vary(tmp_path):
    settings = replace(SETTINGS, opening_share=0.0, chess960_share=0.5)
    task = GenerationTask(1, 1, settings, tmp_path / "none.dit", usual_start()[None])
    starts = [task.new_game(number).start for number in range(40)]
    standard = sum(np.array_equal(start, usual_start()) for start in starts)
    assert 8 <= standard <= 32
    assert len({start.tobytes() for start in starts}) > 40 - standard - 3
    assert np.array_equal(task.new_game(7).start, starts[7])
