"""Teacher labels of chosen positions. Asks each position once and appends answers; safe to kill at any moment.

While labels are being made they are plain text in `NAME.txt.part`, one game a line as `selfplay/data/teacher.py` reads
it; finishing packs them into `NAME.txt.xz`. The lines themselves tell which positions are done. `NAME.teacher.json`
tells whose labels they are.
"""

from __future__ import annotations

import json
import lzma
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.board.layout import KEY, MAX_MOVES
from engine.board.movegen import generate
from engine.errors import ConfigError, RunError
from engine.files.atomic import atomic_write, make_durable, naming, write_file
from engine.files.settings_file import read_noted
from selfplay.data.split import position_keys
from selfplay.data.teacher import read_teacher
from selfplay.interrupt import Report, Stop, Tell
from selfplay.records.collect import collect
from selfplay.records.uci_text import MOVE_OF_TEXT, king_takes_rook
from selfplay.teachers.label_tasks import LabelTask
from selfplay.teachers.uci_engine import EngineDied, UciEngine
from selfplay.threads import share_out

MOST_DEATHS = 3  # give up after this many engine deaths in a row
LabelsByPly = dict[int, list[tuple[str, int]]]  # (move, score) of each ply, best first
SYNC_S = 1.0  # seconds between syncs, which protect lines from a power loss; a killed process loses no line


def labelled_keys(path: Path) -> np.ndarray:
    """Keys uint64[n] of the positions labelled in a file. Raises DataError if it is malformed."""
    positions, _ = collect(read_teacher(path))
    return position_keys(positions)[positions.usable]


class LabelFile:
    """The growing file of one teacher's labels; reopening continues after the last whole line.

    teacher: all that its scores depend on, as JSON values. Raises ConfigError for a name that does not end in .txt.xz,
    RunError for a file of another teacher, DataError for a file with other lines.

    Attributes:
        keys: keys of the positions in the file.
        cut_bytes: length in bytes of the torn line cut on opening.
    """

    def __init__(self, path: Path, teacher: Mapping[str, Any]) -> None:
        if not path.name.endswith(".txt.xz"):
            raise ConfigError(f"{path}: labels are kept in a file whose name ends in .txt.xz")
        self.path = path
        self.part = path.with_name(path.name.removesuffix(".xz") + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._bind(teacher)
        if path.is_file() and not self.part.is_file():
            with lzma.open(path) as packed, atomic_write(self.part) as stream:
                shutil.copyfileobj(packed, stream)
        self._stream = self.part.open("a+b")
        try:
            self.cut_bytes = self._cut_torn_line()
            self.keys = set(labelled_keys(self.part).tolist())
        except BaseException:
            self._stream.close()
            raise
        self._synced = time.monotonic()

    def _bind(self, teacher: Mapping[str, Any]) -> None:
        """Note whose labels the file holds; refuse a file that holds others or does not tell."""
        note = self.path.with_name(self.path.name.removesuffix(".txt.xz") + ".teacher.json")
        if not (self.path.is_file() or self.part.is_file()):
            write_file(note, json.dumps(teacher, indent=2))
            return
        try:
            stored = read_noted(note) if note.is_file() else {}
        except ConfigError as error:
            raise RunError(f"not a record of the labels' teacher: {error}") from error
        other = sorted(key for key, value in teacher.items() if stored.get(key) != value)
        if other:
            raise RunError(
                f"{self.path} holds labels of another teacher or kind ({', '.join(other)}; see {note.name}): "
                "write to a new file; --known skips the positions of this one"
            )

    def _cut_torn_line(self) -> int:
        data = self.part.read_bytes()
        whole = data.rfind(b"\n") + 1
        self._stream.truncate(whole)
        return len(data) - whole

    def append(self, line: str, keys: Iterable[int]) -> None:
        """Add one game with the keys of its labelled positions."""
        with naming(self.part):
            self._stream.write(line.encode("ascii") + b"\n")
            self._stream.flush()
        self.keys.update(keys)
        if time.monotonic() - self._synced >= SYNC_S:
            make_durable(self._stream.fileno())
            self._synced = time.monotonic()

    def finish(self) -> None:
        """Pack the labels and give them their final name."""
        self.close()
        with open(self.part, "rb") as lines, atomic_write(self.path) as stream, lzma.open(stream, "wb") as packed:
            shutil.copyfileobj(lines, packed)
        self.part.unlink()

    def close(self) -> None:
        """Close the file; the next opening continues with the appended lines."""
        if not self._stream.closed:
            with naming(self.part), self._stream:
                self._stream.flush()
                make_durable(self._stream.fileno())


def label_positions(
    tasks: Iterator[LabelTask],
    new_engine: Callable[[], UciEngine],
    out: LabelFile,
    known: np.ndarray,
    count: int,
    concurrency: int,
    report: Report,
    tell: Tell,
    stop: Stop,
) -> bool:
    """Label positions until `out` has `count` of them or the tasks end; False when stopped before.

    known: sorted keys uint64[n] of positions labelled elsewhere. Raises the teacher's errors, such as EngineDied.
    """
    asked, before, started = set(out.keys), len(out.keys), time.monotonic()

    def claimed() -> Iterator[tuple[LabelTask, list[int]]]:
        """Tasks with the plies that nobody has labelled or is labelling."""
        for task in tasks:
            if stop() or len(asked) >= count:
                return
            plies = []
            for ply in task.plies:
                key = int(task.stack[ply, KEY])
                if key not in asked and len(asked) < count and not _contains(known, key):
                    asked.add(key)
                    plies.append(ply)
            if plies:
                yield task, plies

    def take(found: tuple[LabelTask, LabelsByPly]) -> None:
        task, labels = found
        out.append(label_line(task, labels), (int(task.stack[ply, KEY]) for ply in labels))
        done = len(out.keys)
        speed = (done - before) / (time.monotonic() - started)
        report(done / count, f"{done:,} of {count:,}, {speed:,.1f} positions/s")

    share_out(claimed(), concurrency, "labels", lambda: _Teacher(new_engine, tell), _label, take, stop)
    return not stop()


def _contains(known: np.ndarray, key: int) -> bool:
    place = int(np.searchsorted(known, np.uint64(key)))
    return place < len(known) and int(known[place]) == key


def _label(
    teacher: _Teacher,
    wanted: tuple[LabelTask, list[int]],
    give: Callable[[tuple[LabelTask, LabelsByPly]], None],
    halted: Stop,
) -> None:
    """Ask the teacher about the plies of a task, and give what it said even if it then dies."""
    task, plies = wanted
    labels: LabelsByPly = {}
    try:
        for ply in plies:
            if halted():
                break
            if answer := teacher.labels(task, ply):
                labels[ply] = answer
    finally:
        if labels:
            give((task, labels))


class _Teacher:
    """Asks a UCI engine, restarts it when it dies, and skips the position that it died on. One thread may use it.

    Raises ConfigError if the engine does not start.
    """

    def __init__(self, new_engine: Callable[[], UciEngine], tell: Tell) -> None:
        self._new_engine = new_engine
        self._tell = tell
        self._engine = new_engine()
        self._task: LabelTask | None = None  # of which the engine was told
        self._deaths = 0  # engine deaths in a row

    def labels(self, task: LabelTask, ply: int) -> list[tuple[str, int]]:
        """Legal moves with scores, best first. Raises EngineDied the third time in a row, ConfigError."""
        try:
            if task is not self._task:
                self._engine.new_game(task.chess960)
                self._task = task
            answer = self._engine.labels(task.fen, [task.move_text(earlier) for earlier in range(ply)])
            self._deaths = 0
            return _legal(task, ply, answer)
        except EngineDied as error:
            self._engine.close()
            self._deaths += 1
            self._tell(f"engine: {error}; skipping the position after {ply} moves from {task.fen}")
            if self._deaths == MOST_DEATHS:
                raise
            self._engine, self._task = self._new_engine(), None
            return []

    def close(self) -> None:
        self._engine.close()


def _legal(task: LabelTask, ply: int, answer: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the answer without illegal moves, which a faulty engine may give."""
    row, legal = task.stack[ply], np.zeros(MAX_MOVES, np.uint16)
    allowed = set(legal[: generate(row, legal)].tolist())
    return [(text, score) for text, score in answer if king_takes_rook(row, MOVE_OF_TEXT.get(text, 0)) in allowed]


def label_line(task: LabelTask, labels: LabelsByPly) -> str:
    """Return the line of a task; a last position without a move of its own plays its best one."""
    plies = []
    for ply in range(len(task.moves) + 1):
        scored = ",".join(f"{move}={score}" for move, score in labels.get(ply, ()))
        played = task.move_text(ply) if ply < len(task.moves) else labels[ply][0][0] if scored else ""
        if played:
            plies.append(f"{played}:{scored}" if scored else played)
    return f"{task.fen}|{task.result}|{';'.join(plies)}"
