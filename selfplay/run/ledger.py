"""The run database: a SQLite file that records a run's history and where to resume it."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import RunError
from selfplay.matches.statistics import elo_from_score
from selfplay.records.game import SelfPlayRecord

VERSION = 1  # version of the tables below
ADVICE = "Put a copy of it back, or begin another run with `--initial nets/best.dit` of this one"
LOCKED_S = 60.0  # for other programs that read the file, such as notebooks
LOSSES = ("policy", "value", "moves_left", "top1")
ENVIRONMENT = ("aino", "revision", "processor", "cores", "workers", "libraries")
SCHEMA = """
CREATE TABLE IF NOT EXISTS runs ( -- created, started, finished: seconds since 1970
    id INTEGER PRIMARY KEY CHECK (id = 1), created REAL NOT NULL, net TEXT NOT NULL, seed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS generations ( -- phase: generate, fit, gate, done; config: TOML
    number INTEGER PRIMARY KEY, phase TEXT NOT NULL, config TEXT NOT NULL, started REAL NOT NULL, finished REAL);
CREATE TABLE IF NOT EXISTS environments ( -- a row when what works on the run changes
    started REAL NOT NULL, generation INTEGER NOT NULL, aino TEXT, revision TEXT, processor TEXT, cores INTEGER,
    workers TEXT, libraries TEXT);
CREATE TABLE IF NOT EXISTS work ( -- without pauses
    generation INTEGER PRIMARY KEY, seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS games ( -- white_points: 1, 0, -1
    generation INTEGER, number INTEGER, plies INTEGER, white_points INTEGER, ending TEXT,
    PRIMARY KEY (generation, number));
CREATE TABLE IF NOT EXISTS self_play ( -- given_up, wrong: resignations played through; settings as played
    generation INTEGER PRIMARY KEY, games INTEGER, drawn INTEGER, given_up INTEGER, wrong INTEGER,
    resign_below REAL, opening_share REAL, temperature_plies INTEGER);
CREATE TABLE IF NOT EXISTS losses ( -- kind: train; of held-out games before, after, and their standard errors
    generation INTEGER, step INTEGER, kind TEXT, policy REAL, value REAL, moves_left REAL, top1 REAL,
    PRIMARY KEY (generation, step, kind));
CREATE TABLE IF NOT EXISTS candidate_games ( -- 2k and 2k + 1 are a pair; conditions: a hash; points: 1, 0.5, 0
    generation INTEGER, number INTEGER, conditions TEXT, points REAL, plies INTEGER, ending TEXT,
    PRIMARY KEY (generation, number, conditions));
CREATE TABLE IF NOT EXISTS gates ( -- decided: by the SPRT; pentanomial: JSON
    generation INTEGER PRIMARY KEY, accepted INTEGER, decided INTEGER, pentanomial TEXT, llr REAL,
    score REAL, elo REAL, elo_low REAL, elo_high REAL);
"""


class Phase(StrEnum):
    """The next phase of a generation."""

    GENERATE = "generate"
    FIT = "fit"
    GATE = "gate"
    DONE = "done"


def gate_difference(score: float, games: int) -> float:
    """Return the Elo difference that a gate's score, 0..1, means. A perfect score counts half a
    point less.
    """
    half_point = 0.5 / games
    return elo_from_score(min(max(score, half_point), 1 - half_point))


@dataclass(frozen=True)
class GateResult:
    """A candidate's gate result; `decided` is true if the SPRT ended the gate, false if the pair
    limit did.
    """

    accepted: bool
    decided: bool
    pentanomial: tuple[int, ...]
    llr: float
    score: float
    elo: float
    elo_low: float
    elo_high: float

    @property
    def games(self) -> int:
        return 2 * sum(self.pentanomial)

    @property
    def difference(self) -> float:
        """The candidate's lead in Elo."""
        return gate_difference(self.score, self.games)

    @property
    def gained(self) -> float:
        """What the run has won by this gate, in Elo; at most, because the same games chose."""
        return self.difference if self.accepted else 0.0


class GenerationRow(NamedTuple):
    """A generation: `config` as TOML, times in seconds since 1970, `finished` is None while it is
    in progress.
    """

    number: int
    phase: Phase
    config: str
    started: float
    finished: float | None


class SelfPlayRow(NamedTuple):
    """A self-play game; `ending` is the lower-case name of an Ending."""

    number: int
    plies: int
    white_points: int
    ending: str


class GateRecord(NamedTuple):
    """A finished game of a gate."""

    number: int
    candidate_points: float  # 1, 1/2 or 0
    plies: int
    ending: str


class Ledger:
    """Rows are written once and are durable when a method returns; methods may be called from any
    thread.

    Every method raises RunError when the file cannot be read or written, as on a full disk. A
    change is entered completely or not at all.

    is_copy: read a copy in memory, of one moment. The file stays as it is, even where an older Aino
    made it.
    """

    def __init__(self, path: Path, is_copy: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=LOCKED_S, check_same_thread=False, isolation_level=None
            )
            if is_copy:
                with closing(self._connection) as file:
                    # `backup` would wait for ever.
                    file.executescript("BEGIN; SELECT 1 FROM sqlite_master")
                    self._connection = sqlite3.connect(":memory:", isolation_level=None)
                    file.backup(self._connection)
            self._connection.execute("PRAGMA synchronous = FULL")
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                self.close()
                expected = f"expected a run database of version {VERSION}, found {version}"
                raise RunError(f"{path}: made by a later Aino: {expected}")
            self._connection.executescript(SCHEMA)
            if version < VERSION:
                self._connection.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def close(self) -> None:
        self._connection.close()

    def _fault(self, error: sqlite3.Error) -> RunError:
        text = f"{self._path}: {error}"
        if not isinstance(error, sqlite3.OperationalError):  # such as a full disk
            text += f". {ADVICE}"
        return RunError(text)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute("BEGIN")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._fault(error) from error
                raise

    def _write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._transaction() as connection:
            connection.executemany(statement, rows)

    def _enter(self, table: str, *rows: tuple[Any, ...]) -> None:
        """Write whole rows, in the place of those with the same keys."""
        with self._transaction() as connection:
            _put(connection, table, rows)

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._fault(error) from error

    # ---- runs and generations --------------------------------------------------------------------

    def note_run(self, net: str, seed: int) -> None:
        """Enter what the run trains; once. Raises RunError where it began with another net or
        seed.
        """
        self._write("INSERT OR IGNORE INTO runs VALUES (1, ?, ?, ?)", [(time.time(), net, seed)])
        began = self._read("SELECT net, seed FROM runs")[0]
        if began != (net, seed):
            text = f"this run began with the net {began[0]} and the seed {began[1]}, not with {net} and {seed}"
            raise RunError(f"{self._path}: {text}: restore its config.toml")

    def note_environment(self, facts: Mapping[str, Any]) -> None:
        """Enter what works on the run from now on, fields as in ENVIRONMENT, unless the same has
        worked on it last.
        """
        if self.environments()[-1:] != [row := {name: facts[name] for name in ENVIRONMENT}]:
            self._enter("environments", (time.time(), self.current()[0], *row.values()))

    def environments(self) -> list[dict[str, Any]]:
        """Return what has worked on the run, in order of time."""
        rows = self._read(f"SELECT {', '.join(ENVIRONMENT)} FROM environments ORDER BY rowid")
        return [dict(zip(ENVIRONMENT, row, strict=True)) for row in rows]

    def current(self) -> tuple[int, Phase]:
        """Return the newest generation and its phase; generation 0 is done before any."""
        rows = self._read("SELECT number, phase FROM generations ORDER BY number DESC LIMIT 1")
        if not rows:
            return 0, Phase.DONE
        return rows[0][0], Phase(rows[0][1])

    def begin_generation(self, number: int, config: str) -> None:
        """Enter a generation that is about to generate, or other settings of one that goes on."""
        row = "(?, 'generate', ?, ?, NULL) ON CONFLICT (number) DO UPDATE SET config = excluded.config"
        self._write(f"INSERT INTO generations VALUES {row}", [(number, config, time.time())])

    def enter_phase(self, number: int, phase: Phase) -> None:
        finished = time.time() if phase is Phase.DONE else None
        self._write(
            "UPDATE generations SET phase = ?, finished = ? WHERE number = ?",
            [(phase, finished, number)],
        )

    def add_work(self, number: int, seconds: float) -> None:
        added = "ON CONFLICT (generation) DO UPDATE SET seconds = seconds + excluded.seconds"
        self._write(f"INSERT INTO work VALUES (?, ?) {added}", [(number, seconds)])

    def work(self) -> dict[int, float]:
        """Seconds that were spent on each generation."""
        return dict(self._read("SELECT generation, seconds FROM work"))

    def begin_again(self, number: int) -> None:
        """Let a generation generate again."""
        self._write("UPDATE generations SET phase = ? WHERE number = ?", [(Phase.GENERATE, number)])

    def generations(self) -> list[GenerationRow]:
        rows = self._read(
            "SELECT number, phase, config, started, finished FROM generations ORDER BY number"
        )
        return [GenerationRow(number, Phase(phase), *columns) for number, phase, *columns in rows]

    # ---- games and losses ------------------------------------------------------------------------

    def note_games(self, generation: int, games: Iterable[SelfPlayRow], anew: bool = False) -> None:
        """Enter self-play games; `anew` forgets all others."""
        with self._transaction() as connection:
            if anew:
                connection.execute("DELETE FROM games WHERE generation = ?", (generation,))
            _put(connection, "games", [(generation, *game) for game in games])

    def games(self, generation: int) -> list[SelfPlayRow]:
        query = "SELECT number, plies, white_points, ending FROM games WHERE generation = ? ORDER BY number"
        return list(starmap(SelfPlayRow, self._read(query, generation)))

    def note_self_play(self, generation: int, summary: Mapping[str, float]) -> None:
        """Save the statistics of a generation's games; fields and their order as in
        `generating.SelfPlaySummary`.
        """
        self._enter("self_play", (generation, *summary.values()))

    def resignations(self) -> dict[int, tuple[int, int]]:
        """(games played through in which a side would have resigned, those that it did not lose) by
        generation.
        """
        rows = self._read("SELECT generation, given_up, wrong FROM self_play")
        return {generation: (given_up, wrong) for generation, given_up, wrong in rows}

    def note_losses(
        self, generation: int, step: int, kind: str, values: dict[str, float | None]
    ) -> None:
        """Enter losses of kind `train`, or on held-out games `before` or `after`, and their
        standard errors.
        """
        rows = [(generation, step, kind, *map(values.get, LOSSES))]
        errors = [values.get(f"{name}_error") for name in LOSSES]
        if any(errors):
            rows.append((generation, step, f"{kind}_error", *errors))
        self._enter("losses", *rows)

    def forget_losses(self, generation: int) -> None:
        """Remove what was entered about a training that begins again."""
        self._write("DELETE FROM losses WHERE generation = ?", [(generation,)])

    def losses(self, generation: int, kind: str) -> list[dict[str, Any]]:
        """Losses of one kind, by step; None for what was not measured."""
        columns = ("step", *LOSSES)
        query = f"SELECT {', '.join(columns)} FROM losses WHERE generation = ? AND kind = ? ORDER BY step"
        return [dict(zip(columns, row, strict=True)) for row in self._read(query, generation, kind)]

    # ---- gate ------------------------------------------------------------------------------------

    def note_gate_game(self, generation: int, conditions: str, game: GateRecord) -> None:
        """Enter a gate game; games 2k and 2k + 1 are a pair.

        conditions: names all that the game depends on besides its number; under others it is
        another game.
        """
        self._enter("candidate_games", (generation, game.number, conditions, *game[1:]))

    def gate_points(self, generation: int) -> dict[str, dict[int, float]]:
        points_by_conditions: dict[str, dict[int, float]] = {}
        query = "SELECT conditions, number, points FROM candidate_games WHERE generation = ? ORDER BY number"
        for conditions, number, points in self._read(query, generation):
            points_by_conditions.setdefault(conditions, {})[number] = points
        return points_by_conditions

    def note_gate(self, generation: int, result: GateResult) -> None:
        # SQLite stores infinities, but JSON and plots cannot read them.
        elos = (
            max(-9_999.0, min(9_999.0, elo))
            for elo in (result.elo, result.elo_low, result.elo_high)
        )
        verdict = result.accepted, result.decided, json.dumps(result.pentanomial)
        self._enter("gates", (generation, *verdict, result.llr, result.score, *elos))

    def promoted(self) -> list[int]:
        """Return the generations whose candidates were accepted, in order."""
        return [number for number, verdict in self.gates().items() if verdict.accepted]

    def gates(self) -> dict[int, GateResult]:
        """Return the verdicts over the candidates, by generation."""
        rows = self._read("SELECT * FROM gates ORDER BY generation")
        return {
            row[0]: GateResult(bool(row[1]), bool(row[2]), tuple(json.loads(row[3])), *row[4:])
            for row in rows
        }


def _put(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for row in rows:
        connection.execute(
            f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row
        )


def ledger_row(record: SelfPlayRecord) -> SelfPlayRow:
    return SelfPlayRow(
        record.number, len(record.moves), record.white_points, record.ending.name.lower()
    )
