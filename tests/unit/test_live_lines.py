"""Progress in a log, where no bar can be drawn."""

import io

import pytest
from rich.console import Console

from engine.cli import live_lines
from engine.cli.live_lines import live_line, log


@pytest.fixture
def clock(monkeypatch):
    """The time that `live_line` sees, in seconds."""
    now = [100.0]
    monkeypatch.setattr(live_lines, "uptime_s", lambda: now[0])
    monkeypatch.setattr(live_lines.time, "strftime", lambda form: "12:34:56")
    return now


def test_a_log_tells_the_time_left(clock, capsys):
    with live_line("games", log_s=60.0) as line:
        line.update(0.1, "1/10 games")  # the share that an earlier process had done
        clock[0] += 59
        line.update(0.2, "2/10 games")
        clock[0] += 1
        line.update(0.3, "3/10 games")
        clock[0] += 30
        line.update(0.4, "4/10 games")
    assert capsys.readouterr().out == "12:34:56 games 30%, 3/10 games, 0:03:30 left\n"


def test_lines_of_a_log_have_a_time_of_day(clock, capsys):
    log("generation 1: stopped")
    with live_line("suite", log_s=60.0) as line:
        line.update(0.0)
        clock[0] += 60
        line.update(0.5)
    assert (
        capsys.readouterr().out
        == "12:34:56 generation 1: stopped\n12:34:56 suite 50%, 0:01:00 left\n"
    )


def test_log_is_silent_unless_asked(clock, capsys):
    with live_line("games") as line:
        for done in (0.0, 0.5, 1.0):
            line.update(done)
            clock[0] += 1000
    assert capsys.readouterr().out == ""


def test_a_log_tells_why_nothing_is_done_yet(clock, capsys):
    """`aino-train` stood at 0% for a minute without a word, while it compiled."""
    with live_line("games", log_s=60.0, compiles="compiling") as line:
        line.note_compiled(1)
        line.update(0.0, "0 games")
        clock[0] += 60
        line.update(0.0, "0 games")
        clock[0] += 60
        line.update(0.5, "1 game")
    assert capsys.readouterr().out.splitlines() == [
        "12:34:56 games 0%, 0 games, compiling",
        "12:34:56 games 50%, 1 game",
    ]


def test_a_log_speaks_of_no_compilation_where_there_is_none(clock, capsys):
    with live_line("games", log_s=60.0, compiles="compiling") as line:
        line.update(0.0, "0 games")
        clock[0] += 60
        line.update(0.1, "1 game")
    assert "compiling" not in capsys.readouterr().out


def test_the_time_left_does_not_count_the_compilation(clock, capsys):
    """It said 52 s where 25 remained."""
    with live_line("games", log_s=60.0, compiles="compiling") as line:
        line.update(0.0)
        line.note_compiled(1)
        clock[0] += 1000
        line.update(0.1)
        clock[0] += 60
        line.update(0.4)
    assert capsys.readouterr().out.splitlines()[-1] == "12:34:56 games 40%, 0:02:00 left"


def test_the_time_left_is_the_callers_where_it_knows_it(clock, capsys):
    with live_line("pretrain", log_s=60.0) as line:
        line.update(0.0)
        clock[0] += 60
        line.update(0.1, left_s=25.0)
    assert capsys.readouterr().out == "12:34:56 pretrain 10%, 0:00:25 left\n"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_keeps_its_times_and_cuts_its_text(monkeypatch, clock, width):
    """At 120 columns the bar and the time were cut."""
    stream = io.StringIO()
    monkeypatch.setattr(
        live_lines, "_console", Console(file=stream, force_terminal=True, width=width)
    )
    with live_line("generation 12: training") as line:
        line.update(0.5, "step 12/34, policy 1.234 value 0.987, " * 4, left_s=3600)
        line._progress.refresh()
        shown = stream.getvalue()
    for words in ("generation 12: training", "50%", "1:00:00 left"):
        assert words in shown


def test_a_bar_says_why_nothing_is_done_yet(monkeypatch):
    monkeypatch.setattr(
        live_lines, "_console", Console(file=io.StringIO(), force_terminal=True, width=120)
    )
    with live_line("games", compiles="compiling") as line:
        (task,) = line._progress.tasks
        line.note_compiled(1)
        line.update(0.0, "0 games")
        assert task.fields["text"] == "0 games, compiling"
        line.update(0.5, "1 game")
        assert (task.fields["text"], task.percentage) == ("1 game", 50)
