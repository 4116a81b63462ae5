"""The `aino-train` command table, and what all of its commands share."""

import contextlib
import importlib
import signal
import time

import pytest

import uci.main
from selfplay.interrupt import stop_flag
from selfplay.main import COMMANDS, main
from tests.new_process import output_of


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_that_begins_with_its_name(name):
    assert importlib.import_module(COMMANDS[name][0]).__doc__.startswith(f"`aino-train {name}`")


def test_unknown_command_is_refused(capsys):
    assert main(["dance"]) == 2
    assert main(["lop"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "aino-train: unknown command 'dance'. `aino-train --help` lists the commands.",
        "aino-train: unknown command 'lop'; did you mean 'loop'? `aino-train --help` lists the commands.",
    ]


def test_house_errors_are_one_line(capsys):
    assert main("match --first a --second b --tc soon --out nowhere".split()) == 1
    assert capsys.readouterr().err == (
        "aino-train match: time control 'soon': expected BASE+INCREMENT in seconds, such as 1+0.1\n"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["loop", "{}/r", "--cpuct-init=2", "--VISITS=9"],
            "'--search.cpuct_init', '--games.visits', '--gate.visits'?",
        ),
        (["loop", "{}/notes.txt"], "notes.txt is a file, and a self-play run needs a folder"),
        (
            ["loop", "{}/run", "--net", "small.py"],
            "or module:Class, a class of yours, got 'small.py'",
        ),
        (
            ["loop", "{}/run", "--initial", "{}/maia.pb.gz"],
            "maia.pb.gz NAME.dit` makes one of a network of Lc0's",
        ),
        (
            ["loop", "{}/run", "--candidate=x.dit"],
            "has to generate first: `aino-train loop {}/run --until fit`",
        ),
        (["report", "{}/nowhere"], "nowhere: no such folder"),
        (
            ["match", "--opening-plies=-1"],
            "--opening-plies: expected a number of at least 0, got -1",
        ),
        (
            ["match", "--first=a", "--second=b", "--out={}/m", "--resign=3:0"],
            "colons, the first 2 above 0",
        ),
        (
            ["loop", "{}/run", "--generations=0"],
            "--generations: expected a number of at least 1, got 0",
        ),
        (
            ["loop", "{}/run", "--cluster=local", "--workers=-1"],
            "--workers: expected a number of at least 0, got -1",
        ),
        (
            ["loop", "", "--generations=0"],
            "argument RUN: expected a name, got ''",
        ),  # Path("") had been this folder
        (
            ["pretrain", "--data", "=1", "--run={}", "--out=y", "--minutes=1"],
            "=1: expected FILE=WEIGHT",
        ),  # so here
        (["export", "{}", "--first=-3"], "--first: expected a number of at least 1, got -3"),
        (
            [
                "pretrain",
                "--data=x",
                "--run={}",
                "--out=x.dit",
                "--minutes=1",
                "--evaluate-minutes=0",
            ],
            "above 0, got 0",
        ),
        (
            ["pretrain", "--minutes=inf"],
            "--minutes: expected a number of at least 0, got inf",
        ),  # at a rate of nothing
        (
            ["pretrain", "--data=x", "--run={}", "--out=y", "--minutes=1", "--weight-decay=inf"],
            "at least 0, got inf",
        ),
    ],
)
def test_a_slip_was_refused_without_what_to_write(words, says, tmp_path, capsys):
    for name in ("notes.txt", "maia.pb.gz"):
        (tmp_path / name).write_bytes(b"\x1f\x8b")
    with contextlib.suppress(SystemExit):  # argparse ends by itself
        assert main([word.format(tmp_path) for word in words]) == 1
    assert says.format(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("call", [lambda: main(["loop"]), lambda: uci.main.main(["bench"])])
def test_ctrl_c_during_imports_ended_in_a_traceback(call, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli.command_line.importlib.import_module", interrupted)
    assert call() == 130


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
def test_a_terminal_that_closed_ended_what_was_to_go_on():
    for usual, stops in ((signal.SIG_IGN, False), (lambda *_: None, True)):
        before = signal.signal(signal.SIGHUP, usual)
        with stop_flag() as stop:
            for _twice in range(2):
                signal.raise_signal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, before)
        assert stop.is_set() == stops


@pytest.mark.usefixtures("listens_to_interrupts")
def test_a_second_ctrl_c_ends_a_command_once_the_first_was_not_heard_for_long(monkeypatch, capsys):
    monkeypatch.setattr("selfplay.interrupt.SAME_REQUEST_S", 0.05)
    with stop_flag() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()

    def press_again_after_a_while():
        with stop_flag():
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_again_after_a_while()
    assert "ended at once" in capsys.readouterr().out


def test_help_costs_less_than_half_a_second_of_processor_time():
    program = "import sys, time, selfplay.main; sys.argv = ['aino-train', '--help']\n"
    program += "try: selfplay.main.main()\nexcept SystemExit: print('seconds', time.process_time())"
    assert float(output_of(program).split()[-1]) < 0.5
