"""Progress in a log, where no bar can be drawn."""

import pytest

from engine.cli import live_lines
from engine.cli.live_lines import live_line


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that `live_line` sees, in seconds."""
    now = [100.0]
    monkeypatch.setattr(live_lines.time, "monotonic", lambda: now[0])
    return now


def test_log_tells_share_speed_and_time_left(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with live_line("games", log_s=60.0) as line:
        line.update(0.1, "1/10 games")  # the share that an earlier process had done
        clock[0] += 59
        line.update(0.2, "2/10 games")
        clock[0] += 1
        line.update(0.3, "3/10 games")
        clock[0] += 30
        line.update(0.4, "4/10 games")
    assert capsys.readouterr().out == "games 30%, 3/10 games, 0:03:30 left\n"


def test_log_is_silent_unless_asked(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with live_line("games") as line:
        for done in (0.0, 0.5, 1.0):
            line.update(done)
            clock[0] += 1000
    assert capsys.readouterr().out == ""
