"""Matches between UCI processes: who is at fault, what is stored, and going on after an interruption."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import chess
import chess.pgn
import pytest

from engine.errors import ConfigError, RunError
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import Contestant, parse_contestant
from selfplay.matches.match import MatchSettings, play_match, standing
from selfplay.matches.play import Reason, TimeControl

SCRIPT = Path(__file__).with_name("scripted_engine.py")
NAMES = "one", "two"


def scripted(name: str, *behaviour: object) -> Contestant:
    return Contestant(name, (sys.executable, str(SCRIPT), *map(str, behaviour)))


def match_of(*behaviour: object, games: int = 2, openings: int = 1, longest: int = 12) -> MatchSettings:
    """A match in which the second engine behaves as told."""
    fens = [chess.STARTING_FEN, "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2"]
    control = TimeControl.parse("0.5+0.01")
    return MatchSettings(
        scripted("one"), scripted("two", *behaviour), control, games, tuple(fens[:openings]), longest=longest
    )


def played(settings: MatchSettings, folder: Path, stop_after: int | None = None) -> list[GameRow]:
    archive = MatchArchive(folder, settings.description())
    seen: list[GameRow] = []
    play_match(settings, archive, seen.append, lambda: stop_after is not None and len(seen) >= stop_after)
    return [archive.rows[number] for number in sorted(archive.rows)]


def test_pairs_share_an_opening_with_colours_swapped(tmp_path: Path) -> None:
    rows = played(match_of(games=4, openings=2), tmp_path)
    assert [(row.white, row.black) for row in rows] == [NAMES, NAMES[::-1]] * 2
    assert rows[0].start_fen == rows[1].start_fen != rows[2].start_fen == rows[3].start_fen
    assert {row.reason for row in rows} == {Reason.LENGTH}
    now = standing(rows, NAMES)
    assert (now.wins, now.draws, now.losses, now.pentanomial) == (0, 4, 0, (0, 0, 2, 0, 0))


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("crash", Reason.CRASH), ("illegal", Reason.ILLEGAL), ("slow", Reason.TIME), ("hang", Reason.TIME)],
)
def test_faults_lose_and_are_counted_by_engine(
    behaviour: str, reason: Reason, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfplay.matches.play.HANG_S", 0.5)
    rows = played(match_of(behaviour, 2), tmp_path)
    assert [(row.result, row.reason, row.offender) for row in rows] == [
        ("1-0", reason, "two"),
        ("0-1", reason, "two"),
    ]
    now = standing(rows, NAMES)
    assert (now.wins, now.losses) == (2, 0)
    assert now.faults["two"][reason] == 2
    assert sum(now.faults["one"].values()) == 0


def test_stored_games_are_legal_pgn(tmp_path: Path) -> None:
    rows = played(match_of(), tmp_path)
    with open(tmp_path / "games.pgn", encoding="utf-8") as stream:
        games = [chess.pgn.read_game(stream), chess.pgn.read_game(stream)]
        assert chess.pgn.read_game(stream) is None
    for game, row in zip(games, rows, strict=True):
        assert game is not None
        assert not game.errors
        assert game.headers["Result"] == row.result
        assert " ".join(move.uci() for move in game.mainline_moves()) == row.uci


def test_interrupted_match_plays_what_is_missing(tmp_path: Path) -> None:
    settings = match_of(games=4)
    assert len(played(settings, tmp_path, stop_after=1)) == 1
    torn = (tmp_path / "games.jsonl").read_bytes() + b'{"number": 1, "whi'
    (tmp_path / "games.jsonl").write_bytes(torn)
    rows = played(settings, tmp_path)
    assert [row.number for row in rows] == [0, 1, 2, 3]
    lines = (tmp_path / "games.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["number"] for line in lines) == [0, 1, 2, 3]
    assert (tmp_path / "games.pgn").read_text().count("[Round ") == 4


def test_folder_of_another_match_is_refused(tmp_path: Path) -> None:
    MatchArchive(tmp_path, match_of().description())
    with pytest.raises(RunError, match="another match"):
        MatchArchive(tmp_path, match_of("crash", 1).description())


def test_engines_are_described_in_words() -> None:
    one = parse_contestant('name=sf cmd="stockfish -x" option.UCI_Elo=1350 option.Threads=1')
    assert one == Contestant("sf", ("stockfish", "-x"), (("UCI_Elo", "1350"), ("Threads", "1")))
    assert parse_contestant("/usr/bin/some engine") == Contestant("some", ("/usr/bin/some", "engine"))
    assert parse_contestant("aino").command == (sys.executable, "-m", "uci")
    for bad in ("", "name=x", "cmd=a colour=red"):
        with pytest.raises(ConfigError):
            parse_contestant(bad)


def test_unknown_option_is_an_error(tmp_path: Path) -> None:
    settings = match_of()
    odd = Contestant("two", settings.second.command, (("Depth", "3"),))
    with pytest.raises(ConfigError, match="no UCI option 'Depth'"):
        played(MatchSettings(settings.first, odd, settings.control, 2, settings.openings), tmp_path)


def test_missing_program_is_an_error(tmp_path: Path) -> None:
    settings = match_of()
    gone = Contestant("two", (str(tmp_path / "no-such-engine"),))
    with pytest.raises(ConfigError, match="no-such-engine' does not start"):
        played(MatchSettings(settings.first, gone, settings.control, 2, settings.openings), tmp_path)


@pytest.mark.parametrize("text", ["", "fast", "0+1", "1+-1"])
def test_bad_time_controls_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="time control"):
        TimeControl.parse(text)


def test_odd_number_of_games_is_refused() -> None:
    with pytest.raises(ConfigError, match="even number"):
        match_of(games=3)


def test_match_command_sums_up(aino_train: Callable[..., str], tmp_path: Path) -> None:
    engines = [f'name={name} cmd="{sys.executable} {SCRIPT}" option.Level=2' for name in NAMES]
    words = ["match", "--first", engines[0], "--second", engines[1], "--games", 2, "--tc", "1+0", "--longest", 8]
    output = aino_train(*words, "--out", tmp_path)
    assert "one against two, 2 games at 1+0: +0 =2 -0 (50.0%)" in output
    assert "one: time forfeit 0, illegal move 0, crash 0" in output
    assert "+0 =2 -0" in aino_train(*words, "--out", tmp_path)


def test_aino_beats_the_first_legal_move(aino_train: Callable[..., str], tmp_path: Path) -> None:
    aino = "name=aino cmd=aino option.Evaluator=material option.Threads=1"
    first_mover = f'name=first cmd="{sys.executable} {SCRIPT}"'
    words = ["match", "--first", aino, "--second", first_mover, "--games", 2, "--tc", "2+0.05", "--out", tmp_path]
    output = aino_train(*words)
    assert "+2 =0 -0 (100.0%)" in output
    assert "aino: time forfeit 0, illegal move 0, crash 0" in output


def test_limited_stockfish_plays_through_the_driver(
    aino_train: Callable[..., str], stockfish: str, tmp_path: Path
) -> None:
    limited = f"name=limited cmd={stockfish} option.UCI_LimitStrength=true option.UCI_Elo=1350"
    full = f"name=full cmd={stockfish} option.Threads=1"
    words = ["match", "--first", full, "--second", limited, "--games", 2, "--tc", "0.5+0.01", "--out", tmp_path]
    assert "(100.0%)" in aino_train(*words)
