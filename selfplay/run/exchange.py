"""Games into a run and out of it: PGN and Lc0's training chunks.

Imported games form a generation whose next phase is fit; the run database's `imports` table names
their sources. A crash before they are entered there leaves a segment behind, which the generation's
next segment replaces.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import chess
import chess.pgn
import numpy as np

from engine.board.convert import board_from_row, decode_move
from engine.board.pgn.game_writer import game_text
from engine.errors import DataError, RunError
from engine.files.text import printable
from selfplay.data.cache import Bookmark
from selfplay.data.kinds import CHUNKS, PGN
from selfplay.data.pgn import Tally, read_pgn, white_points_of
from selfplay.data.split import game_key
from selfplay.data.v6_games import ending_of, games_of_chunks
from selfplay.interrupt import Stop, Stopped
from selfplay.records.endings import positions_of
from selfplay.records.game import SelfPlayRecord
from selfplay.records.replay import (
    published_games,
    published_generations,
    read_segment,
    segment_path,
    write_segment,
)
from selfplay.records.targets import RESULTS
from selfplay.run.config import config_text
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Phase, SelfPlayRow, ledger_row


@dataclass(frozen=True)
class Imported:
    """Result of an import: the new generation, its games and positions, and the number of skipped
    duplicates.
    """

    generation: int
    games: int
    positions: int
    duplicates: int
    tallies: tuple[tuple[Path, Tally], ...] = ()  # of each PGN file


# ---- into a run ----------------------------------------------------------------------------------


def import_games(
    run: RunFolder,
    files: Sequence[tuple[Path, str]],
    pgn_min_elo: int = 0,
    report: Callable[[int], None] = lambda games: None,
    stop: Stop = lambda: False,
) -> Imported:
    """Make the games of the files, with their kinds PGN and CHUNKS, the run's next generation, to
    be fitted next.

    Of equal games one is taken, and none that the run has already. `report` gets the number of
    games now and then. Raises RunError while a generation is in progress, DataError for broken
    files or when there is no new game, Stopped when interrupted.
    """
    number, phase = run.ledger.current()
    if phase is not Phase.DONE:
        advice = f"`aino-train loop {run.path} --generations 1`"
        raise RunError(f"{run.path}: generation {number} has to {phase} first: {advice}")
    tallies = tuple((path, Tally()) for path, kind in files if kind == PGN)
    readers = [(path, _pgn_games(path, pgn_min_elo, tally)) for path, tally in tallies]
    readers += [(path, games_of_chunks(path, Bookmark())) for path, kind in files if kind == CHUNKS]
    new = _NewGames(number + 1, _known_games(run.replay))

    def new_games() -> Iterator[SelfPlayRecord]:
        for path, games in readers:
            for game in new.taken_from(path, games):
                if stop():
                    raise Stopped
                report(len(new.rows))
                yield game
        if not new.rows:
            seen = "".join(f"; {path}: {tally}" for path, tally in tallies)
            raise DataError(f"{new.why_none}{seen}")

    write_segment(run.replay, number + 1, new_games())
    run.ledger.note_import(number + 1, config_text(run.config), new.sources, new.rows)
    plies = sum(row.plies for row in new.rows)
    return Imported(number + 1, len(new.rows), plies, new.duplicates, tallies)


def _known_games(replay: Path) -> set[int]:
    """Return the keys of the games of all published generations."""
    segments = [segment_path(replay, number) for number in published_generations(replay)]
    return {
        game_key(game.start, game.played) for path in segments for game in read_segment(path)[0]
    }


class _NewGames:
    """Takes the games that are not known yet, and counts them for the run database.

    Attributes:
        rows: one for each game taken.
        sources: of each file that was read, its name, the games taken, and those known already.
    """

    def __init__(self, generation: int, known: set[int]) -> None:
        self.rows: list[SelfPlayRow] = []
        self.sources: list[tuple[str, int, int]] = []
        self._generation = generation
        self._known = known

    def taken_from(self, path: Path, games: Iterable[SelfPlayRecord]) -> Iterator[SelfPlayRecord]:
        """Yield the games of a file that are not known, as games of the generation."""
        before = len(self.rows)
        duplicates = 0
        for game in games:
            key = game_key(game.start, game.played)
            if key in self._known:
                duplicates += 1
                continue
            self._known.add(key)
            mine = replace(game, generation=self._generation, number=len(self.rows))
            self.rows.append(ledger_row(mine))
            yield mine
        self.sources.append((printable(path), len(self.rows) - before, duplicates))

    @property
    def duplicates(self) -> int:
        """How many games were known already."""
        return sum(duplicates for _, _, duplicates in self.sources)

    @property
    def why_none(self) -> str:
        """Why no game was taken."""
        names = ", ".join(name for name, _, _ in self.sources)
        if self.duplicates:
            return f"{names}: all {self.duplicates:,} games are known already"
        return f"{names}: no games found"


def _pgn_games(path: Path, least_elo: int, tally: Tally) -> Iterator[SelfPlayRecord]:
    """Make every position a target: the policy is the move played, the value is the game's
    result.
    """
    for game in read_pgn(path, least_elo=least_elo, tally=tally):
        n = len(game.moves)
        points = white_points_of(game)
        if (ending := ending_of(positions_of(game.start, game.moves)[-1], 0, points)) is None:
            tally.read -= 1
            tally.skipped["with a result that the board contradicts"] += 1
            continue
        yield SelfPlayRecord(
            generation=0, number=0, white_points=points, ending=ending, start=game.start, moves=game.moves,
            full=np.ones(n, np.bool_), target_counts=np.ones(n, np.uint8), target_moves=game.moves,
            target_visits=np.ones(n, np.uint16), root_wdl=game.wdl.astype(np.float16),
        )  # fmt: skip


# ---- out of a run --------------------------------------------------------------------------------


def games_of_run(replay: Path, first: int = 1, last: int | None = None) -> Iterator[SelfPlayRecord]:
    """Games of the published generations first..last of a replay folder, by generation and number.

    Raises RunError where there is none.
    """
    generations = [
        n for n in published_generations(replay) if n >= first and (last is None or n <= last)
    ]
    if not generations:
        raise RunError(f"{replay}: no published games of these generations there")
    for generation in generations:
        yield from published_games(replay, generation)


def pgn_text(game: SelfPlayRecord, event: str) -> str:
    """Return the game in PGN. Without the last move of a resigned game, which was chosen but not
    played.
    """
    start = board_from_row(game.start, chess960=True)
    chess960 = start.has_chess960_castling_rights()
    board = board_from_row(game.start, chess960)
    for row, move in zip(positions_of(game.start, game.played), game.played, strict=False):
        board.push(decode_move(row, move, chess960))
    tree = chess.pgn.Game.from_board(board)
    name = "?" if game.target_scores is None else "Aino"  # unscored games were imported
    tree.headers.update(
        Event=event, Round=f"{game.generation}.{game.number + 1}", White=name, Black=name,
        Result=RESULTS[game.white_points], Termination=game.ending.name.lower(),
    )  # fmt: skip
    return game_text(tree)
