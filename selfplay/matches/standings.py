"""The text of a match: one line per game, a summary, and the live table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from selfplay.matches.archive import GameRow
from selfplay.matches.series import MatchStanding
from selfplay.matches.statistics import EloEstimate, Sprt


def score_text(now: MatchStanding) -> str:
    """Wins, draws, losses and score so far."""
    return f"+{now.wins} ={now.draws} -{now.losses} ({now.score:.1%})"


def game_line(row: GameRow, behind: str) -> str:
    """One line for a finished game, followed by the caller's text `behind`."""
    fault = f" by {row.offender}: {row.detail}" if row.offender else ""
    how = f"{row.reason}{fault}, {len(row.uci.split())} plies"
    return f"game {row.number + 1}: {row.white} - {row.black} {row.result} ({how})  {behind}"


def estimate_text(e: EloEstimate) -> str:
    """Score and Elo with their 95% intervals, and the likelihood of superiority."""
    return (
        f"score {e.score:.1%} [{e.score_low:.1%}, {e.score_high:.1%}], Elo {e.elo:+.0f} "
        f"[{e.elo_low:+.0f}, {e.elo_high:+.0f}], LOS {e.los:.1%}"
    )


def sprt_text(now: MatchStanding, test: Sprt) -> str:
    """Return the test's hypotheses, its log-likelihood ratio with both bounds, and its decision."""
    assert now.sprt is not None
    reject, accept = test.bounds
    verdict = {None: "undecided", True: f"elo1 = {test.elo1:g} accepted", False: f"elo0 = {test.elo0:g} accepted"}
    return (
        f"SPRT [{test.elo0:g}, {test.elo1:g}] alpha {test.alpha:g} beta {test.beta:g}: "
        f"LLR {now.sprt.llr:+.2f} ({reject:.2f}, {accept:.2f}) after {sum(now.sprt.pentanomial)} pairs, "
        f"{verdict[now.sprt.decision]}"
    )


def fault_lines(faults: Mapping[str, Mapping[str, int]]) -> list[str]:
    """One line of faults per engine, even for an engine without faults."""
    return [
        f"  {name}: " + ", ".join(f"{reason} {count}" for reason, count in counts.items())
        for name, counts in faults.items()
    ]


def standing_lines(now: MatchStanding, names: tuple[str, str], control: object, test: Sprt | None = None) -> list[str]:
    """Return the summary: score and Elo with 95% intervals, the SPRT, and every engine's faults."""
    lines = [f"{names[0]} against {names[1]}, {now.games} games at {control}: {score_text(now)}"]
    if (e := now.estimate) is not None:
        lines.append(f"  {estimate_text(e)} (95%, {e.pairs} pairs {list(now.pentanomial)})")
    if test is not None:
        lines.append(f"  {sprt_text(now, test)}")
    if now.copies:
        lines.append(f"  {now.copies:,} games repeat an earlier one move by move: the intervals are too narrow")
    return lines + fault_lines(now.faults)


def match_json(now: MatchStanding) -> dict[str, Any]:
    """Return the standing as JSON values. An infinite Elo, such as a perfect score gives, becomes null."""
    values = asdict(now) | {"games": now.games, "score": now.score}
    for key, value in (values["estimate"] or {}).items():
        values["estimate"][key] = None if abs(value) == float("inf") else value
    return values


class Pace:
    """The speed of the match, measured on the games that this process has played."""

    def __init__(self, done: int, total: int) -> None:
        self._begun = time.monotonic()
        self._first = done
        self.done = done
        self.total = total

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun

    @property
    def left_s(self) -> float | None:
        """Estimated seconds until the last game ends; None before the first game."""
        played = self.done - self._first
        return self.elapsed_s / played * (self.total - self.done) if played else None

    def view(self, most: str = "") -> Table:
        """Return a bar with games done, speed, time spent and time left. most: text placed before the time left."""
        played = self.done - self._first
        left = "-" if self.left_s is None else _clock(self.left_s)
        speed = f"{60.0 * played / self.elapsed_s:.1f} games/min" if played else "..."
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(self.total, self.done, width=30)
        row.add_row(bar, f"{self.done}/{self.total}", speed, _clock(self.elapsed_s), f"left {most}{left}")
        return row


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def match_view(now: MatchStanding, names: tuple[str, str], test: Sprt | None, pace: Pace) -> Group:
    """Return the live table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "points", "won", "drawn", "lost", "faults"):
        table.add_column(title, justify="left" if not title else "right")
    half = now.draws / 2
    for name, won, lost in ((names[0], now.wins, now.losses), (names[1], now.losses, now.wins)):
        faults = ", ".join(f"{reason} {count}" for reason, count in now.faults[name].items() if count)
        table.add_row(Text(name), f"{won + half:g}", str(won), str(now.draws), str(lost), faults or "none")
    lines = [Text(f"{estimate_text(now.estimate)}   pairs {list(now.pentanomial)}")] if now.estimate else []
    if test is not None:
        lines.append(Text(sprt_text(now, test)))
    return Group(table, *lines, pace.view("at most " if test else ""))
