"""Progress in a log, where no bar can be drawn."""

import io

import pytest
from rich.console import Console

from engine.cli import live_lines
from engine.cli.live_lines import live_line


@pytest.fixture
def clock(monkeypatch):
    """The time that `live_line` sees, in seconds."""
    now = [100.0]
    monkeypatch.setattr(live_lines, "uptime_s", lambda: now[0])
    monkeypatch.setattr(live_lines.time, "strftime", lambda form: "12:34:56")
    return now


@pytest.fixture
def logged(clock, capsys):
    """The lines of a log that is told of (seconds later, share, words), behind the time of day."""

    def call(*updates, compiled=0, log_s=60.0, **told):
        with live_line("games", log_s=log_s, compiles="compiling") as line:
            if compiled:
                line.note_compiled(compiled)
            for later, *update in updates:
                clock[0] += later
                line.update(*update, **told)
        return capsys.readouterr().out.replace("12:34:56 games ", "").splitlines()

    return call


def test_a_log_tells_the_time_left(logged):
    # the first share is what an earlier process had done
    shown = logged((0, 0.1, "1/10"), (59, 0.2, "2/10"), (1, 0.3, "3/10"), (30, 0.4, "4/10"))
    assert shown == ["30%, 3/10, 0:03:30 left"]


def test_log_is_silent_unless_asked(logged):
    assert logged((0, 0.0), (1000, 0.5), (1000, 1.0), log_s=0.0) == []


def test_a_log_tells_why_nothing_is_done_yet(logged):
    """`aino-train` stood at 0% for a minute without a word, while it compiled."""
    shown = logged((0, 0.0, "0 games"), (60, 0.0, "0 games"), (60, 0.5, "1 game"), compiled=1)
    assert shown == ["0%, 0 games, compiling", "50%, 1 game"]


def test_a_log_speaks_of_no_compilation_where_there_is_none(logged):
    assert "compiling" not in "".join(logged((0, 0.0, "0 games"), (60, 0.1, "1 game")))


def test_the_time_left_does_not_count_the_compilation(logged):
    """It said 52 s where 25 remained."""
    assert logged((0, 0.0), (1000, 0.1), (60, 0.4), compiled=1)[-1] == "40%, 0:02:00 left"


def test_the_time_left_is_the_callers_where_it_knows_it(logged):
    assert logged((0, 0.0), (60, 0.1), left_s=25.0) == ["10%, 0:00:25 left"]


def set_terminal(monkeypatch, width):
    """Write to a terminal of a width; returns what is written there."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width)
    monkeypatch.setattr(live_lines, "_console", console)
    return stream


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_keeps_its_times_and_cuts_its_text(monkeypatch, width):
    """At 120 columns the bar and the time were cut."""
    stream = set_terminal(monkeypatch, width)
    with live_line("generation 12: training") as line:
        line.update(0.5, "step 12/34, policy 1.234 value 0.987, " * 4, left_s=3600)
        line._progress.refresh()
        shown = stream.getvalue()
    for words in ("generation 12: training", "50%", "1:00:00 left"):
        assert words in shown


def test_a_bar_says_why_nothing_is_done_yet(monkeypatch):
    set_terminal(monkeypatch, 120)
    with live_line("games", compiles="compiling") as line:
        (task,) = line._progress.tasks
        line.note_compiled(1)
        line.update(0.0, "0 games")
        assert task.fields["text"] == "0 games, compiling"
        line.update(0.5, "1 game")
        assert (task.fields["text"], task.percentage) == ("1 game", 50)
