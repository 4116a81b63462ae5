"""The `aino-train` command table, and what all of its commands share."""

import contextlib
import importlib
import signal
import time

import pytest

import uci.main
from selfplay.interrupt import stop_flag
from selfplay.main import COMMANDS, main
from tests.new_process import output_of, posix


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
    ("line", "advice"),
    [
        (
            "loop {}/r --cpuct-init=2 --VISITS=9",
            "'--search.cpuct_init', '--games.visits', '--gate.visits'?",
        ),
        ("loop {}/notes.txt", "notes.txt is a file, and a self-play run needs a folder"),
        ("loop {}/run --net small.py", "or module:Class, a class of yours, got 'small.py'"),
        ("loop {}/run --initial {}/maia.pb.gz", "maia.pb.gz NAME.dit` makes one of a network"),
        (
            "loop {}/run --candidate=x.dit",
            "to generate first: `aino-train loop {}/run --until fit`",
        ),
        ("loop {}/run --hours nan", "--hours: expected above 0, got nan"),
        ("report {}/nowhere", "nowhere: no such folder"),
        ("export {} --pgn {}/x.pgn", "no published games"),
        ("gauntlet --against strong x --out {}/x", "a rating as a whole number, got 'strong'"),
        ("match --opening-plies=-1", "--opening-plies: expected a number of at least 0, got -1"),
        (
            "match --first=a --second=b --out={}/m --resign=3:0",
            "colons, the first 2 above 0",
        ),
        ("loop ", "argument RUN: expected a name, got ''"),  # Path("") is this folder
        ("pretrain --data =1 --run={} --out=y --minutes=1", "=1: expected FILE=WEIGHT"),  # so here
        ("pretrain --minutes=inf", "--minutes: expected a number of at least 0, got inf"),
        (
            "pretrain --data=x --run={} --out=y --minutes=1 --evaluate-minutes=0",
            "above 0, got 0",
        ),
    ],
)
def test_a_slip_is_refused_with_what_to_write(line, advice, tmp_path, capsys):
    for name in ("notes.txt", "maia.pb.gz"):
        (tmp_path / name).write_bytes(b"\x1f\x8b")
    with contextlib.suppress(SystemExit):  # argparse ends by itself
        assert main(line.format(*[tmp_path] * 2).split(" ")) == 1
    assert advice.format(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("call", [lambda: main(["loop"]), lambda: uci.main.main(["bench"])])
def test_ctrl_c_during_imports_ends_quietly(call, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli.command_line.importlib.import_module", interrupted)
    assert call() == 130


@posix  # the system has no SIGHUP
def test_what_ignores_a_closed_terminal_goes_on():
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


def test_help_loads_no_compiler():
    program = "import sys, selfplay.main; sys.argv = ['aino-train', '--help']\n"
    program += "try: selfplay.main.main()\nexcept SystemExit: print('numba' in sys.modules)"
    assert output_of(program).endswith("\nFalse\n")
