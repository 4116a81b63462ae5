"""A run folder: one generation end to end, continued after interruptions, and its settings."""

import argparse
import json
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from unittest.mock import Mock

import pytest

from engine.errors import ConfigError, RunError
from selfplay.commands import pretrain
from selfplay.commands.loop import has_promoted
from selfplay.games.game_settings import SearchSettings
from selfplay.main import main
from selfplay.matches.opening_book import OpeningRows, load_openings
from selfplay.run import gating
from selfplay.run.config import GateSettings, config_text, configured, default_config, read_toml
from selfplay.run.fitting import learner_settings
from selfplay.run.folder import RunFolder
from selfplay.run.gating import GateTest
from selfplay.run.ledger import Ledger, Phase
from selfplay.run.phases import adopt_candidate, gain_so_far, run_generations
from tests.selfplay.report.runs import gate_result, run_with
from tests.selfplay.run.crews import (
    TINY,
    TINY_FLAGS,
    assert_same_generation,
    finish_generation,
    network_file,
    never,
    open_run,
    stored_games,
    weights_of,
)


def test_one_generation_leaves_everything_behind(straight):
    assert len(stored_games(straight.path)) == 6
    assert [sorted(points) for points in straight.ledger.gate_points(1).values()] == [[0, 1, 2, 3]]
    for kind in ("before", "after"):
        assert 0 < straight.ledger.losses(1, kind)[0]["policy"] < 10
    assert [row["step"] for row in straight.ledger.losses(1, "train")] == [8]
    accepted = straight.ledger.gates().get(1).accepted
    assert straight.best.read_bytes() == straight.candidate(int(accepted)).read_bytes()


def test_no_generation_begins_after_the_hours_of_a_run(straight):
    worked = sum(straight.ledger.work().values()) / 3600
    assert worked > 0
    assert run_generations(straight, None, never, hours=worked)
    assert straight.ledger.current() == (1, Phase.DONE)


@pytest.mark.parametrize(
    "flag", ["heldout=no.pgn", "fit.backend=cupy", "openings=random:41", "openings=no.epd"]
)
def test_what_a_run_lacks_is_found_before_it_begins(flag, aino_train, tmp_path, monkeypatch):
    monkeypatch.setattr("selfplay.run.folder.get_backend", Mock(side_effect=ConfigError("no cupy")))
    assert flag.partition("=")[2] in aino_train(
        "loop", tmp_path / "run", *TINY_FLAGS, f"--{flag}", status=1
    )
    assert not (tmp_path / "run" / "config.toml").exists()


def test_interrupted_run_ends_like_one_that_was_not(straight, tmp_path):
    patience = 3

    def impatient():
        nonlocal calls
        calls += 1
        return calls > patience

    for _ in range(60):
        calls = 0
        run = open_run(tmp_path)
        before = run.ledger.work().get(1, 0.0)
        done = run_generations(run, 1, impatient)
        assert run.ledger.work()[1] > before, "pauses are no work, and what was done stays"
        if done:
            break
        patience += 20
    assert done
    assert_same_generation(open_run(tmp_path), straight)


@pytest.mark.parametrize(
    "net", [pytest.param("transformer-16x1x2", marks=pytest.mark.slow), "sparse-128"]
)
def test_loop_command_continues_with_the_next_generation(net, aino_train, tmp_path):
    first = aino_train("loop", tmp_path, f"--net={net}", *TINY_FLAGS, "--generations", 1)
    assert "generation 1: held-out losses before -> after" in first
    assert "generation 1: candidate" in first
    assert "generation 2: candidate" in aino_train(f"loop {tmp_path} --generations 1")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT generation, COUNT(*) FROM games GROUP BY 1").fetchall()
    assert dict(rows) == {1: 6, 2: 6}


def test_a_run_tells_what_it_has_gained_and_what_is_left_of_its_hours(tmp_path):
    with closing(run_with(tmp_path, [gate_result(30), gate_result(-40, accepted=False)])) as run:
        run.ledger.add_work(1, 1800)
        words = gain_so_far(run, hours=2.0)
    assert words == (
        "so far: 1 of 2 candidates promoted, Elo +30 at most, 0.50 h of work, 1.50 h left"
    )


@pytest.mark.parametrize("accepted", [True, False])
def test_a_loop_calls_a_network_the_best_so_far_where_one_was_promoted(accepted, tmp_path):
    run_with(tmp_path, [gate_result(30, accepted)]).close()
    assert has_promoted(tmp_path) == accepted


def test_a_run_whose_training_diverged_goes_on_with_another_rate(aino_train, tmp_path):
    command = ("loop", tmp_path, "--net=sparse-128", *TINY_FLAGS, "--workers=1", "--generations=1")
    assert "a lower --fit.peak_rate" in aino_train(*command, "--fit.peak_rate=10", status=1)
    assert "generation 1: candidate" in aino_train(*command, "--fit.peak_rate=0.001")


def test_a_loop_that_stopped_before_a_phase_goes_on(straight, aino_train, tmp_path):
    command = ["loop", tmp_path, "--generations", 1]
    for phase in ("fit", "gate"):
        for _ in range(2):  # the second time, nothing is left to do
            aino_train(*command, "--net=16x1", *TINY_FLAGS, "--workers=1", "--until", phase)
            assert open_run(tmp_path).ledger.current() == (1, Phase(phase))
    assert "generation 1: candidate" in aino_train(*command)
    assert_same_generation(open_run(tmp_path), straight)


def test_a_network_that_was_trained_elsewhere_can_be_the_candidate(straight, tmp_path):
    run = open_run(tmp_path / "run")
    theirs = straight.candidate(1)
    with pytest.raises(RunError, match="has to generate first"):
        adopt_candidate(run, theirs)
    finish_generation(run, Phase.FIT)
    with pytest.raises(RunError, match="not of the architecture"):
        adopt_candidate(run, network_file(tmp_path / "other.dit", "8x1"))

    for _ in range(2):  # the second time as after an interruption of the match
        assert main(f"loop {tmp_path}/run --candidate {theirs} --until=gate".split()) == 0
    run = open_run(tmp_path / "run")
    assert weights_of(run.candidate(1)) == weights_of(theirs)
    finish_generation(run)
    assert [*run.ledger.gate_points(1).values()] == [*straight.ledger.gate_points(1).values()]


# ---- gate ----------------------------------------------------------------------------------------


def conditions_of(run, first=0):
    """The conditions of games from the openings behind the `first` ones."""
    return gating._conditions(run, 1, OpeningRows(load_openings()[first:]))


@pytest.mark.parametrize(
    ("section", "name"),
    [("gate", "visits"), ("gate", "longest"), *(("search", field.name) for field in fields(SearchSettings))],
)  # fmt: skip
def test_gate_games_count_only_under_the_settings_they_were_played_with(
    section, name, straight, monkeypatch
):
    """Without the search's constants among the conditions, every test still passed."""
    conditions = conditions_of(straight)
    part = getattr(straight.config, section)
    value = getattr(part, name)
    changed = replace(part, **{name: value / 2 if isinstance(value, float) else value + 1})
    monkeypatch.setattr(straight, "config", replace(straight.config, **{section: changed}))
    assert conditions_of(straight) != conditions


def test_gate_games_count_only_from_the_openings_they_were_played_from(straight):
    """Without the openings among the conditions, every test still passed."""
    assert conditions_of(straight, first=1) != conditions_of(straight)


def test_verdict_waits_for_missing_pairs():
    settings = GateSettings(pairs=2, accept_score=0.52)
    assert GateTest(settings, {0: 1.0, 1: 1.0, 2: 1.0}).verdict is None
    assert GateTest(settings, {2: 1.0, 3: 1.0}).verdict is None
    result = GateTest(settings, {0: 1.0, 1: 0.5, 2: 0.5, 3: 0.5}).verdict
    assert not result.decided
    assert result.pentanomial == (0, 0, 1, 1, 0)


def test_verdict_ignores_games_after_the_decision():
    settings = GateSettings(pairs=60)
    won = dict.fromkeys(range(60), 1.0)
    early = GateTest(settings, won).verdict
    assert early.accepted
    assert early.decided
    assert GateTest(settings, won | dict.fromkeys(range(60, 120), 0.0)).verdict == early


def test_a_gate_plays_each_opening_once(tmp_path):
    openings = tmp_path / "three.epd"
    openings.write_text("\n".join(load_openings()[:3]))
    undecided = {**TINY["gate"], "pairs": 50, "elo0": -1.0, "elo1": 1.0}
    run = RunFolder(tmp_path / "run", {**TINY, "gate": undecided, "openings": str(openings)})
    run.ensure_first_network()
    finish_generation(run)
    result = run.ledger.gates().get(1)
    assert sum(result.pentanomial) == 3
    assert not result.decided


# ---- settings, ledger, lock ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"games": {"visit": 3}}, "games.visit"), ({"games": {"visits": "many"}}, "games.visits"),
        ({"games": {"noise_share": 1.5}}, "games.noise_share: expected 0 to 1, got 1.5"),
        ({"games": {"resign_below": 0.0}}, "games.resign_below: expected at least -1 and below 0"),
        ({"games": {"backend": "abacus"}}, "games.backend: expected .*numpy.*, got 'abacus'"),
        ({"games": {"resign_below": float("nan")}}, "games.resign_below"), ({"fit": 3}, "fit"),
        ({"openings": "x" * 901}, "openings: expected UTF-8 of at most 900 bytes"),
        ({"openings": "\udcff.epd"}, "openings: expected UTF-8 of at most 900 bytes"),
        ({"net": "big"}, "expected a name such as 64x6, transformer-128x4x8, sparse-768"),
        ({"gate": {"elo0": 90.0}}, "elo0 < elo1"),
        ({"anchors": {"opponents": "rybka:3"}}, "expected first, material:NODES, .* got 'rybka:3'"),
        ({"anchors": {"opponents": "material:0"}}, "got 'material:0'"),
        ({"anchors": {"opponents": "first"}}, "expected one besides first"),
        ({"anchors": {"games": 3}}, "expected an even number, got 3"),
        ({"search": {"policy_temperature": 0.0}}, r"search\.policy_temperature: expected 0\.1 to 10, got 0\.0"),
    ],
)  # fmt: skip
def test_bad_settings_are_named(values, named):
    with pytest.raises(ConfigError, match=named):
        configured(values)


def test_help_tells_every_setting(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")  # or lines would break within words
    with pytest.raises(SystemExit):
        main(["loop", "--help-all"])
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "--games.longest N call a game a draw after this many plies (at least 1; default of new runs: 400)"
        in text
    )
    assert "(at least 2; default of new runs: 256 for towers, 8192 for sparse networks)" in text
    config = default_config("16x1")
    settings = [
        setting for part in (config.games, config.fit, config.gate) for setting in fields(part)
    ]
    assert len(settings) > 30
    assert all(setting.metadata["help"] in text for setting in settings)


@pytest.mark.parametrize("net", ["64x6", "sparse-256"])
def test_loop_trains_a_network_with_the_settings_of_its_family_as_pretrain_does(net, tmp_path):
    parser = argparse.ArgumentParser()
    pretrain.add_arguments(parser)
    words = ["--net", net, "--data", "x.pgn", "--run", "x", "--out", "x.dit", "--positions", "9"]
    alone = pretrain.settings_of(parser.parse_args(words))
    run = RunFolder(tmp_path, {"net": net})
    ours, theirs = learner_settings(run.config), alone.learner
    assert ours.batch_size == theirs.batch_size
    assert ours.weight_decay == theirs.weight_decay
    assert run.config.fit.peak_rate == alone.peak_rate


def test_changed_settings_of_a_run_are_kept(tmp_path):
    open_run(tmp_path).close()
    assert RunFolder(tmp_path, {"games": {"visits": 9}}).config.games.visits == 9
    assert read_toml(tmp_path / "config.toml")["games"]["visits"] == 9


BEGAN = r"this run began with the net .* and the seed"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda text: text.replace("[games]\n", "[games]\ngumbel = 0\n"),
            ConfigError,
            r"unknown setting games\.gumbel; .* remove its line to continue",
        ),
        (lambda text: "", RunError, BEGAN),
        (lambda text: text.replace("seed = ", "seed = 9"), RunError, BEGAN),
    ],
)
def test_a_file_of_settings_that_no_run_began_with_is_refused(change, error, words, tmp_path):
    RunFolder(tmp_path, TINY).close()
    file = tmp_path / "config.toml"
    file.write_text(change(file.read_text()))
    with pytest.raises(error, match=words):
        RunFolder(tmp_path, {})


def test_flags_win_over_the_file(aino_train, tmp_path):
    values = TINY | {"openings": "\U0001f600\x7f.epd"}
    (tmp_path / "small.toml").write_text(config_text(configured(values)), encoding="utf-8")
    assert configured(read_toml(tmp_path / "small.toml")) == configured(values), (
        "a run could not be read again"
    )
    (tmp_path / "small.toml").write_text(config_text(configured(TINY)))
    aino_train(
        f"loop {tmp_path}/run --until=fit --config {tmp_path}/small.toml --games.count 2",
    )
    stored = read_toml(tmp_path / "run" / "config.toml")
    assert stored["games"]["count"] == 2
    assert stored["games"]["visits"] == 4


def test_unbounded_elo_is_stored_as_a_number(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    result = GateTest(GateSettings(pairs=1), {0: 1.0, 1: 1.0}).verdict
    assert result is not None
    ledger.note_gate(3, result)
    stored = ledger.gates().get(3)
    assert stored.elo == 9999.0
    assert json.dumps(stored.elo_low)
    ledger.close()
