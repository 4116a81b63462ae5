"""Phases that are begun from a given network, find nothing to do, are not due, or are resumed with
other settings.
"""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from engine.errors import ConfigError, DataError, RunError
from selfplay.matches.opening_book import OpeningRows, load_openings
from selfplay.records.replay import published_games, segment_path
from selfplay.report.run_numbers import read_run
from selfplay.run import fitting
from selfplay.run.config import GateSettings, default_config
from selfplay.run.folder import RunFolder
from selfplay.run.gating import GateTest
from selfplay.run.ledger import ENVIRONMENT, Ledger, Phase
from selfplay.run.phases import adopt_candidate, run_generations
from tests.new_process import wait_until
from tests.selfplay.run.crews import (
    TINY,
    TINY_FLAGS,
    finish_generation,
    network_file,
    never,
    open_run,
    weights_of,
)


def run_with(path, section, **settings):
    """The tiny run with some settings of a section changed."""
    run = RunFolder(path, {**TINY, section: {**TINY[section], **settings}})
    run.ensure_first_network()
    return run


# ---- the initial network -------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["sparse-128", "sparse-128+v128", "16x1"])
def test_run_trains_the_kind_of_network_that_it_starts_from_with_its_recipe(net, tmp_path):
    run = RunFolder(tmp_path / "run", {}, network_file(tmp_path / "first.dit", net))
    assert run.config == default_config(net)
    assert RunFolder(tmp_path / "run", {}).config == default_config(net)


def test_net_that_contradicts_the_initial_network_is_refused(tmp_path, aino_train):
    first = network_file(tmp_path / "first.dit", "sparse-128")
    error = aino_train(f"loop {tmp_path}/run --net=32x4 --initial {first}", status=1)
    assert f"{first} is a network sparse-128, but net is '32x4'" in error
    assert not (tmp_path / "run" / "config.toml").exists()


def test_command_that_began_a_run_from_a_network_continues_it(tmp_path, aino_train):
    first = network_file(tmp_path / "first.dit", "16x1")
    line = f"loop {tmp_path}/run --initial {first} --gate.accept_score=0 --generations 1"
    command = [line, *TINY_FLAGS]
    aino_train(*command)
    assert "generation 2: candidate" in aino_train(*command)
    run = RunFolder(tmp_path / "run", {}, first)
    run.ledger.note_gate(2, verdict(GateSettings(pairs=1, accept_score=0.0), [0.5, 0.5]))
    run.best.unlink()
    run.ensure_first_network()  # promotes the newest network again, not the initial one
    assert run.best.read_bytes() == run.candidate(2).read_bytes()


def test_run_does_not_continue_from_another_initial_network(tmp_path):
    first = network_file(tmp_path / "first.dit", "16x1")
    run = RunFolder(tmp_path / "run", {}, first)
    run.ensure_first_network()
    assert weights_of(run.best) == weights_of(first)
    run = RunFolder(tmp_path / "run", {}, network_file(tmp_path / "other.dit", "16x1", seed=2))
    with pytest.raises(
        ConfigError, match=r"this run did not start from .*other\.dit; --initial is for new runs"
    ):
        run.ensure_first_network()
    with pytest.raises(ConfigError, match="net is '16x1' in this run and cannot change"):
        RunFolder(tmp_path / "run", {}, network_file(tmp_path / "wider.dit", "24x1"))


def test_a_run_keeps_its_newest_networks(tmp_path):
    run = open_run(tmp_path / "run")
    assert run.config.keep_nets == 10
    run = RunFolder(tmp_path / "run", {"keep_nets": 2})
    accepted = verdict(GateSettings(pairs=1, accept_score=0.0), [0.5, 0.5])
    for number in range(1, 9):
        shutil.copy(run.candidate(0), run.candidate(number))
        run.ledger.note_gate(number, replace(accepted, accepted=number in (1, 3, 4)))
        run.remove_old_networks(number)
    networks = {path.name for path in run.nets.iterdir()}
    assert networks == {"best.dit", *(f"gen-{number:05d}.dit" for number in (0, 3, 4, 7, 8))}
    run.best.unlink()
    run.ensure_first_network()  # what a lost best network is made from is still there
    assert run.best.read_bytes() == run.candidate(4).read_bytes()


def test_the_hours_of_a_phase_are_kept_while_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("selfplay.run.phases.WORK_S", 0.01)
    run = open_run(tmp_path)
    hours = []

    def play(*_):  # a kill here would leave what the run database has
        wait_until(lambda: sum(Ledger(tmp_path / "ledger.sqlite").work().values()) > 0)
        hours.extend(run.ledger.work().values())

    assert not run_generations(run, 1, never, play)
    assert 0 < hours[0] <= run.ledger.work()[1]


def test_what_worked_on_a_run_is_noted_when_it_changes(tmp_path, monkeypatch):
    ledger = open_run(tmp_path).ledger
    facts = dict.fromkeys(ENVIRONMENT, "x")
    monkeypatch.setattr("time.time", iter((9.0, 8.0)).__next__)  # a clock that is set back
    for workers in ("1", "1", "2", "2"):
        ledger.note_environment(facts | {"workers": workers})
    assert [facts["workers"] for facts in ledger.environments()] == ["1", "2"]


def test_a_report_gives_up_a_file_that_another_program_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("selfplay.run.ledger.LOCKED_S", 0.01)
    open_run(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as locked:
        locked.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RunError, match="database is locked"):
            Ledger(tmp_path / "ledger.sqlite", is_copy=True)


# ---- nothing to learn from -----------------------------------------------------------------------


def test_candidate_needs_no_held_out_games(tmp_path, aino_train):
    flags = ["--net=16x1", *TINY_FLAGS, "--games.count=1"]
    aino_train("loop", tmp_path / "run", "--until=fit", *flags)
    candidate = network_file(tmp_path / "new.dit", "16x1", seed=2)
    output = aino_train(f"loop {tmp_path}/run --candidate {candidate} --generations=1")
    assert "no held-out positions" in output
    assert "generation 1: candidate" in output
    aino_train("report", tmp_path / "run")


def test_candidate_is_taken_where_no_game_can_be_learned_from(tmp_path):
    run = run_with(tmp_path / "run", "games", full_share=0.0)
    finish_generation(run, Phase.FIT)
    adopt_candidate(run, network_file(tmp_path / "new.dit", "16x1", seed=2))
    assert run.ledger.current() == (1, Phase.GATE)


def test_one_game_is_fitted(tmp_path):
    run = run_with(tmp_path, "games", count=1)
    finish_generation(run)
    assert run.ledger.losses(1, "train")
    assert not run.ledger.losses(1, "after")


def test_games_without_a_position_to_learn_from_are_played_again(tmp_path):
    run = run_with(tmp_path, "games", full_share=0.0)
    with pytest.raises(RunError, match=r"no position to learn from\. They are given up"):
        finish_generation(run)
    assert run.ledger.current() == (1, Phase.GENERATE)
    run = run_with(tmp_path, "games", full_share=1.0, count=4)
    finish_generation(run)
    assert len(published_games(run.replay, 1)) == len(run.ledger.games(1)) == 4


@pytest.mark.usefixtures("finished")
def test_generation_without_a_position_to_learn_from_is_fitted_from_the_older_ones(tmp_path):
    run = run_with(tmp_path, "games", full_share=0.0)
    finish_generation(run)
    assert run.ledger.current() == (2, Phase.DONE)


def test_games_do_not_begin_where_they_are_drawn_at_once(tmp_path):
    drawn = "8/8/4k3/8/8/3K4/8/8 w - -\n8/8/4k3/8/8/3KB3/8/8 b - -\n"
    openings = tmp_path / "openings.epd"
    good = load_openings()[0]
    openings.write_text(drawn + good)
    run = RunFolder(tmp_path / "run", {**TINY, "openings": str(openings)})
    assert np.array_equal(run.opening_rows(), OpeningRows([good]))
    openings.write_text(drawn)
    with pytest.raises(
        DataError,
        match=r"openings\.epd:2: the game is over before an engine moves: no side can mate",
    ):
        run.opening_rows()


@pytest.mark.usefixtures("generated")
def test_fewer_games_than_before_the_damage_are_enough(tmp_path):
    segment_path(tmp_path / "replay", 1).unlink()
    run = run_with(tmp_path, "games", count=3)
    finish_generation(run)
    assert len(run.ledger.games(1)) == 3


def test_lost_candidate_is_trained_again(generated, straight):
    finish_generation(generated, Phase.GATE)
    generated.candidate(1).unlink()
    finish_generation(generated)
    assert weights_of(generated.candidate(1)) == weights_of(straight.candidate(1))


# ---- phases that are not due, or resumed with other settings -------------------------------------


def stopped_after(calls):
    """A stop function that is true after so many calls."""
    left = iter([False] * calls)
    return lambda: next(left, True)


def test_training_resumed_with_other_settings_begins_again(played, tmp_path, capsys):
    for name in ("resumed", "straight"):
        shutil.copytree(played, tmp_path / name)
    assert not run_generations(
        open_run(tmp_path / "resumed"), 1, until=Phase.GATE, stop=stopped_after(5)
    )
    resumed, straight = (RunFolder(tmp_path / name, {"fit": {"batch_size": 16}, "games": {"count": 7}})
                         for name in ("resumed", "straight"))  # fmt: skip
    for run in (resumed, straight):
        finish_generation(run, Phase.GATE)
    assert "begins again" in capsys.readouterr().out
    assert weights_of(resumed.candidate(1)) == weights_of(straight.candidate(1))
    assert resumed.ledger.losses(1, "train") == straight.ledger.losses(1, "train")
    # with which nothing has been made yet
    RunFolder(tmp_path / "resumed", {"fit": {"batch_size": 8}})
    settings = read_run(tmp_path / "resumed").settings
    assert (settings["games.count"], settings["fit.batch_size"]) == (6, 16), (
        "a generation had settings that came after it"
    )


def test_training_that_was_begun_in_another_order_begins_again(generated, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(fitting, "ORDER_VERSION", 1)
        assert not run_generations(generated, 1, until=Phase.GATE, stop=stopped_after(5))
    finish_generation(generated, Phase.GATE)
    assert "begins again" in capsys.readouterr().out


def test_gate_resumed_with_other_settings_counts_its_own_games(
    generated, straight, tmp_path, capsys
):
    finish_generation(generated, Phase.GATE)
    resumed = run_with(tmp_path, "gate", visits=12, longest=10, pairs=9)
    seen = [0]

    def after_some_games():
        seen[0] = sum(map(len, resumed.ledger.gate_points(1).values()))
        return seen[0] >= 3

    assert not run_generations(resumed, 1, after_some_games)
    resumed = open_run(tmp_path)
    finish_generation(resumed)
    assert (
        f"{seen[0]} gate games were played under other settings and do not count"
        in capsys.readouterr().out
    )
    assert resumed.ledger.gates().get(1) == straight.ledger.gates().get(1)
    ((conditions, points),) = straight.ledger.gate_points(1).items()
    assert resumed.ledger.gate_points(1)[conditions] == points


# ---- the gate's error rate -----------------------------------------------------------------------


def verdict(settings, points):
    """The verdict over games with these points of the candidate."""
    return GateTest(settings, dict(enumerate(points))).verdict


@pytest.mark.parametrize("alpha", [0.05, GateSettings.alpha])
def test_equal_candidate_is_promoted_no_more_often_than_alpha(alpha):
    """All results of three pairs of games without draws, each as likely as any other."""
    settings = GateSettings(pairs=3, alpha=alpha)
    promoted = [verdict(settings, points).accepted for points in product((0.0, 1.0), repeat=6)]
    assert sum(promoted) <= alpha * len(promoted)


@pytest.mark.parametrize(("limit", "accepted"), [(1.0, False), (0.6, True), (0.7, False)])
def test_score_at_the_limit_promotes_where_it_is_asked_to(limit, accepted):
    settings = GateSettings(pairs=2, accept_score=limit)
    assert verdict(settings, [1.0, 0.5, 0.5, 0.5]).accepted == accepted


def window(run):
    """The games to train on, and the held-out ones."""
    return fitting._window(run, 1, run.config.fit.heldout_share)


def test_candidates_can_be_scored_on_the_same_games_always(
    straight, games_file, tmp_path, monkeypatch
):
    shutil.copytree(straight.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run", {"fit": {"heldout": str(games_file)}})
    training, heldout = window(run)
    assert heldout.n_games == 12
    own, _ = window(straight)
    assert np.array_equal(training.moves, own.moves)
    monkeypatch.setattr(fitting, "read_heldout", lambda path, cache: own)
    assert not window(run)[0].n_games
