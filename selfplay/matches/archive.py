"""A match on disk: `games.jsonl` is the record that a resumed match reads, `games.pgn` is a copy
for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

import chess
import chess.pgn

from engine.board.pgn.game_writer import game_text
from engine.errors import RunError
from engine.files.atomic import append, write_file
from engine.files.settings_file import read_noted
from selfplay.matches.match_game import FAULTS, Reason, Thought, mate_of

GAMES_FILE, SETTINGS_FILE = "games.jsonl", "match.json"
RESULT_FILE = "result.json"


@dataclass(frozen=True)
class GameRow:
    """One finished game. Games 2k and 2k + 1 share an opening; in the odd one the first engine has
    Black.
    """

    number: int
    white: str
    black: str
    start_fen: str
    uci: str  # moves separated by spaces, including the opening's
    result: str
    reason: str
    offender: str  # name of the engine at fault; empty when play decided the game
    detail: str
    slowest_ms: tuple[float, float]  # longest thinking time in milliseconds: (White, Black)
    thoughts: tuple[Thought, ...] = ()  # one for each move after the opening
    controls: tuple[str, str] = ("", "")  # time controls: (White, Black)
    chess960: bool = False
    date: str = "????.??.??"  # of its begin, as in PGN

    @property
    def players(self) -> tuple[str, str]:
        """Names of the first engine and of the second."""
        if self.number % 2:
            return self.black, self.white
        return self.white, self.black

    @property
    def first_points(self) -> float:
        """Points the first engine scored: 1, 1/2 or 0."""
        white = {"1-0": 1.0, "0-1": 0.0, "1/2-1/2": 0.5}[self.result]
        if self.number % 2:
            return 1.0 - white
        return white

    @classmethod
    def from_json(cls, line: str) -> GameRow:
        """Read a row from the JSON of its `asdict`. Raises an Exception of some kind for what is
        none.

        The moves are not played: most readers only count results.
        """
        values = json.loads(line)
        values["thoughts"] = tuple(starmap(Thought, values.get("thoughts", ())))
        row = cls(**values)
        reasons = FAULTS if row.offender else tuple(Reason)
        for what, is_good in (
            ("white", isinstance(row.white, str)),
            ("black", isinstance(row.black, str)),
            ("controls", len(row.controls) == 2),
            ("number", type(row.number) is int and row.number >= 0),
            ("result", row.result in ("1-0", "0-1", "1/2-1/2")),
            ("offender", row.offender in ("", row.white, row.black)),
            ("reason", row.reason in reasons),
        ):
            if not is_good:
                raise ValueError(f"{what} {getattr(row, what)!r}")
        return row

    def pgn(self, event: str) -> str:
        """Return the game as PGN. Each move has a comment with its score (from the mover's side),
        depth, time and nodes.

        The comments have the form of cutechess and fastchess: `+0.31/12 0.105s, n=20480`, and `+M5`
        or `-M4` for a mate in so many plies. Raises an Exception of some kind for a game that
        cannot have been played.
        """
        board = chess.Board(self.start_fen, chess960=self.chess960)
        for text in self.uci.split():
            board.push_uci(text)
        game = chess.pgn.Game.from_board(board)
        white, black = self.controls
        limits = {"": white} if white == black else {"White": white, "Black": black}
        clocks = {f"{side}TimeControl": _time_control(limit) for side, limit in limits.items()}
        clocks |= {f"{side}Limit": limit for side, limit in limits.items() if " " in limit}
        game.headers.update(
            Event=event, Date=self.date, Round=f"{self.number // 2 + 1}.{self.number % 2 + 1}", White=self.white,
            Black=self.black, Result=self.result, **clocks, Termination=self.reason,
        )  # fmt: skip
        if self.thoughts:
            book = len(board.move_stack) - len(self.thoughts)
            for ply, node in enumerate(game.mainline()):
                node.comment = "book"
                if ply >= book:
                    node.comment = _comment(self.thoughts[ply - book])
        if self.detail:
            game.comment = f"{self.offender}: {self.detail}"
        return game_text(game)

    def json_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def points_of(rows: Iterable[GameRow]) -> dict[int, float]:
    """Return the first engine's points by the number of the game."""
    return {row.number: row.first_points for row in rows}


def _time_control(limit: str) -> str:
    """Return PGN's TimeControl of a limit in words: a move in so many seconds is `1/0.3`, nodes
    alone are no time.
    """
    clock = re.sub(r"(\S+) s a move", r"1/\1", limit.partition(", ")[0])
    if " " in clock:
        return "-"
    return clock or "?"


def _comment(thought: Thought) -> str:
    words = f"{thought.time_ms / 1000:.3f}s"
    if thought.score_cp is not None:
        words = f"{_score_word(thought.score_cp)}/{thought.depth or 0} {words}"
    if thought.nodes is not None:
        words += f", n={thought.nodes}"
    return words


def _score_word(score_cp: int) -> str:
    """Return a score as other programs write it: +0.31, -M2, 0.00."""
    if not score_cp:
        return "0.00"
    mate = mate_of(score_cp)
    if mate is None:
        return f"{score_cp / 100:+.2f}"
    plies = 2 * abs(mate)
    if score_cp < 0:
        return f"-M{plies}"
    return f"+M{max(0, plies - 1)}"  # the mating side makes the last move


class MatchArchive:
    """The folder of one match. It refuses a match with other contestants or settings.

    settings: what must stay the same when the match is resumed. resolved: all other settings,
    stored for the reader. Raises RunError when the folder belongs to another match or a complete
    line of its games cannot be read, ConfigError when its settings cannot.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        resolved: Mapping[str, Any] | None = None,
        event: str = "Match",
    ) -> None:
        self.folder = folder
        self._event = event
        folder.mkdir(parents=True, exist_ok=True)
        self._games = folder / GAMES_FILE
        path = folder / SETTINGS_FILE
        if path.is_file():
            expected = json.loads(json.dumps(settings))
            stored = read_noted(path)
            if differ := sorted(key for key in expected if stored.get(key) != expected[key]):
                raise RunError(
                    f"{folder} holds another {path.stem} ({', '.join(differ)} differ): use a new folder"
                )
        write_file(path, json.dumps({**settings, **(resolved or {})}, indent=2) + "\n")
        pgn = dict[int, str]()
        self.rows = read_game_rows(folder, lambda row: pgn.update({row.number: row.pgn(event)}))
        # It would not be that of the games that follow.
        (folder / RESULT_FILE).unlink(missing_ok=True)
        write_file(self._games, "".join(map(GameRow.json_line, self.rows.values())))
        write_file(folder / "games.pgn", "".join(pgn.values()))

    def add(self, row: GameRow) -> None:
        """Append a finished game. The game is on disk when this returns."""
        self.rows[row.number] = row
        append(self._games, row.json_line())
        append(self.folder / "games.pgn", row.pgn(self._event))


def read_game_rows(
    folder: Path, use: Callable[[GameRow], None] = lambda row: None
) -> dict[int, GameRow]:
    """Return the games in a match's folder by number, none where none is stored. Raises RunError if
    they are damaged.

    `use` gets every game; what it raises also counts as damage. Text after the last line end is
    dropped: it is being written, or a crash cut that line short.
    """
    path = folder / GAMES_FILE
    if not path.is_file():
        return {}
    rows = {}
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            row = GameRow.from_json(line.decode())
            use(row)
        except Exception as error:  # a line that somebody has edited may raise anything
            raise RunError(
                f"{path}:{number}: not a game of a match: {type(error).__name__}: {error}"
            ) from error
        rows[row.number] = row
    return rows
