"""The text of a match: one line per game, and a summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from selfplay.matches.archive import GameRow
from selfplay.matches.series import MatchStanding
from selfplay.matches.statistics import Sprt


def score_text(now: MatchStanding, test: Sprt | None = None) -> str:
    """Wins, draws, losses and score so far, and what a test says of them."""
    text = f"+{now.wins} ={now.draws} -{now.losses} ({now.score:.1%})"
    return f"{text}  {sprt_text(now, test)}" if test else text


def game_line(row: GameRow, behind: str) -> str:
    """One line for a finished game, followed by the caller's text `behind`."""
    fault = f" by {row.offender}: {row.detail}" if row.offender else ""
    how = f"{row.reason}{fault}, {len(row.uci.split())} plies"
    return f"game {row.number + 1}: {row.white} - {row.black} {row.result} ({how})  {behind}"


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
        lines.append(
            f"  score {e.score:.1%} [{e.score_low:.1%}, {e.score_high:.1%}], Elo {e.elo:+.0f} [{e.elo_low:+.0f}, "
            f"{e.elo_high:+.0f}], LOS {e.los:.1%} (95%, {e.pairs} pairs {list(now.pentanomial)})"
        )
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
