"""The folder of a supervised run: whose it is, and what its log tells."""

import json
import shutil
import signal
from functools import partialmethod

import numpy as np
import pytest

from engine.cli.command_line import INTERRUPTED
from engine.errors import RunError
from engine.files.output_files import FOLDERS
from engine.network.weights import default_net_path
from engine.nn.training.checkpoint import read_checkpoint, write_checkpoint
from selfplay.commands import pretrain
from selfplay.lock import folder_lock
from selfplay.run.pretraining import Pretraining, PretrainSettings
from selfplay.training.learner import Learner, load_checkpoint
from selfplay.training.source_files import Source, SourceFiles, load_training_data
from tests.selfplay.conftest import assert_same
from tests.selfplay.training.learners import pretrain_line
from tests.selfplay.training.test_learner import SETTINGS


def pretraining(folder, games_file, **length):
    files = SourceFiles((Source(games_file),), heldout_share=0.2)
    settings = PretrainSettings("16x1", 2e-3, SETTINGS, files=files, **length)
    return Pretraining(folder, settings, load_training_data(files, None, print))


def trained(run, steps=1e9):
    """Reports up to a number of steps in all; the run is closed."""
    reports = []
    run.train(reports.append, lambda: run.learner.steps_done >= steps)
    run.close()
    return reports


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def press_twice(learner, step):
    """The second came in the step that the first had to wait for, and ended it without a save."""
    losses = step(learner)
    if learner.steps_done == 2:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    return losses


def end_at_once(learner, step):
    if learner.steps_done == 2:
        raise KeyboardInterrupt
    return step(learner)


@pytest.mark.usefixtures("listens_to_interrupts")
@pytest.mark.parametrize(
    ("press", "ending"), [(press_twice, "stopped at 20.0%"), (end_at_once, "ended at once")]
)
def test_ctrl_c_keeps_the_steps_that_were_taken(
    press, ending, games_file, tmp_path, aino_train, monkeypatch
):
    monkeypatch.setattr(Learner, "step", partialmethod(press, Learner.step))
    run = tmp_path / "run"
    assert ending in aino_train(pretrain_line(run, games_file, 320), status=INTERRUPTED)
    assert load_checkpoint(run / "checkpoint.npz")[1]["learner"]["steps_done"] == 2


@pytest.mark.usefixtures("listens_to_interrupts")
def test_ctrl_c_in_the_middle_of_a_checkpoint_is_held_until_it_is_whole(tmp_path, monkeypatch):
    save = np.savez

    def interrupted(*words, **arrays):
        signal.raise_signal(signal.SIGINT)
        save(*words, **arrays)

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path / "kept.npz", {}, {"steps": 3})
    assert read_checkpoint(tmp_path / "kept.npz")[1] == {"steps": 3}


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ("--backend cupy", "needs the cupy package"),
        ("--start-from nowhere.dit", "nowhere.dit: file not found"),
        (
            f"--start-from {default_net_path(entry='default_tower')}",
            "not a network of the architecture",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_games_are_read(
    flags, reason, games_file, tmp_path, aino_train, monkeypatch
):
    def read(*_):
        raise AssertionError("the games were read")

    monkeypatch.setattr(pretrain, "load_training_data", read)
    error = aino_train(pretrain_line(tmp_path / "run", games_file), flags, status=1)
    assert reason in error


def test_games_without_a_position_to_score_on_are_refused_with_advice(tmp_path, aino_train):
    games = "\n\n".join(
        f'[Round "{n}"]\n\n1. {move} 1-0' for n, move in enumerate(["e4", "d4"] * 14)
    )
    (tmp_path / "games.pgn").write_text(games)
    error = aino_train(pretrain_line(tmp_path / "run", tmp_path / "games.pgn"), status=1)
    assert "give more or longer games" in error


def test_the_log_repeats_no_step_after_a_kill(games_file, tmp_path):
    def train_to(step):
        trained(pretraining(tmp_path, games_file, positions=320), step)

    train_to(2)
    log = tmp_path / "log.jsonl"
    row = json.loads(log.read_text())
    later = json.dumps({**row, "step": 3}) + "\n" + json.dumps({**row, "step": 4}) + "\n"
    # logged after the checkpoint, then killed
    log.write_text(log.read_text() + later + '{"step": 5, "elaps')
    train_to(4)
    assert [row["step"] for row in log_of(tmp_path)] == [2, 4]
    (tmp_path / "checkpoint.npz").unlink()
    train_to(1)
    assert [row["step"] for row in log_of(tmp_path)] == [1], (
        "a run that begins again has no older log"
    )


def test_an_interrupted_run_ends_like_one_that_was_not(games_file, tmp_path):
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    trained(pretraining(killed, games_file, positions=320), 4)
    left = killed / ".checkpoint.npz.0000007b.tmp"
    # every kill left one more unfinished checkpoint, hundreds of megabytes
    left.write_bytes(b"half")
    ends = []
    for folder in (killed, straight):
        run = pretraining(folder, games_file, positions=320)
        trained(run)
        assert run.positions == 320
        ends.append(run.learner.state()[0])
    assert_same(*ends)
    assert not left.exists()


def test_minutes_do_not_count_compiling(games_file, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("selfplay.run.pretraining.uptime_s", lambda: now[0])
    run = pretraining(tmp_path, games_file, minutes=0.1, evaluate_minutes=0.05)
    step = run.learner.step
    evaluate = run._evaluate
    costs = iter([60.0])

    def slow_step():
        now[0] += next(costs, 1.0)
        return step()

    evaluations = iter([45.0])

    def slow_evaluate(path):
        now[0] += next(evaluations, 0.25)
        return evaluate(path)

    monkeypatch.setattr(run.learner, "step", slow_step)
    monkeypatch.setattr(run, "_evaluate", slow_evaluate)
    trained(run)
    assert run.learner.steps_done >= 6
    assert 6.0 <= run.elapsed_s < 7.5


@pytest.mark.parametrize("change", ["a result", "a game less", "a game more"])
def test_a_run_does_not_go_on_with_other_data_of_the_same_name(
    change, games_file, game_texts, tmp_path, aino_train
):
    aino_train(pretrain_line(tmp_path / "run", games_file))
    text = games_file.read_text()
    changed = {
        "a result": text.replace("1-0", "0-1"),
        "a game less": "".join(game_texts[1:]),
        "a game more": text + game_texts[0],
    }
    games_file.write_text(changed[change])
    error = aino_train(pretrain_line(tmp_path / "run", games_file, 128), status=1)
    assert "holds a run with other data" in error
    assert games_file.name in error


def test_a_run_goes_on_with_its_data_elsewhere(games_file, tmp_path, aino_train):
    aino_train(pretrain_line(tmp_path / "run", games_file))
    moved = games_file.rename(tmp_path / "moved.pgn")
    aino_train(pretrain_line(tmp_path / "run", moved, 160))
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["files"]["data"] == [[str(moved), None]]


def test_held_out_games_that_are_all_there_is_leave_nothing_to_train_on(
    games_file, tmp_path, aino_train
):
    line = pretrain_line(tmp_path / "run", games_file)
    error = aino_train(line, f"--heldout {games_file}", status=1)
    assert "nothing to train on: held-out games have every position" in error


def test_a_run_knows_the_network_that_it_began_with(games_file, tmp_path, aino_train):
    start = tmp_path / "start.dit"
    aino_train(pretrain_line(tmp_path / "one", games_file))
    shutil.copy(tmp_path / "one" / "net.dit", start)
    again = pretrain_line(tmp_path / "two", games_file)
    aino_train(again, f"--start-from {start}")
    shutil.copy(tmp_path / "two" / "net.dit", start)
    assert "start.dit" in aino_train(again, f"--start-from {start}", status=1)
    shutil.copy(tmp_path / "one" / "net.dit", tmp_path / "moved.dit")
    aino_train(again, f"--start-from {tmp_path}/moved.dit")


def test_a_folder_holds_one_kind_of_work(games_file, tmp_path, aino_train):
    run, loop = tmp_path / "run", tmp_path / "other"
    aino_train(pretrain_line(run, games_file))
    assert "is a pretraining" in aino_train(f"loop {run}", "--net=16x1", status=1)
    loop.mkdir()
    (loop / "config.toml").write_text("format = 4\n")
    assert "is a self-play run" in aino_train(pretrain_line(loop, games_file), status=1)
    for kind, (word, (mark, *_names)) in FOLDERS.items():
        (tmp_path / mark).write_bytes(word)
        for opened in FOLDERS:
            if opened != kind:
                with pytest.raises(RunError, match=f"is {kind}"), folder_lock(tmp_path, opened):
                    pass
        (tmp_path / mark).unlink()


def test_trainings_on_different_games_are_scored_on_the_same_ones(game_texts, tmp_path, aino_train):
    for name, lines in (("a", game_texts[:5]), ("b", game_texts[5:9]), ("common", game_texts[8:])):
        (tmp_path / f"{name}.pgn").write_text("".join(lines))
    common = tmp_path / "common.pgn"
    lines = {
        name: pretrain_line(tmp_path / f"run-{name}", tmp_path / f"{name}.pgn") for name in "ab"
    }
    outputs = [aino_train(line, f"--heldout {common}") for line in lines.values()]
    assert all("common.pgn: 4 games are held out" in text for text in outputs)
    assert "4 games (1 duplicates skipped)" in outputs[1], "a game to be scored was trained on"
    configs = [json.loads((tmp_path / f"run-{name}" / "config.json").read_text()) for name in "ab"]
    assert configs[0]["heldout"] == configs[1]["heldout"]
    moved = common.rename(tmp_path / "moved.pgn")
    again = lines["a"], f"--heldout {moved}"
    aino_train(*again)
    moved.write_text("".join(game_texts[9:]))
    assert "holds a run with other heldout" in aino_train(*again, status=1), (
        "one curve had scores on two sets of games"
    )
