"""Worker processes: the games of one process, whatever happens to the workers; and none is left
behind.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import deque
from concurrent.futures import Future
from dataclasses import replace

import pytest

from engine.cli.command_line import INTERRUPTED
from engine.errors import ConfigError, NetFileError, RunError
from selfplay.main import main
from selfplay.records.game import decode_record, encode_record
from selfplay.run import sharing, workers
from selfplay.run.config import GateSettings
from selfplay.run.gating import GateTask
from selfplay.run.phase_games import GenerationTask, play_numbers
from selfplay.run.sharing import ATTEMPTS, SharedPlay, WorkerLost, play_share, source_hash
from selfplay.run.workers import WorkerPool
from tests.new_process import ROOT, linux, posix, running, wait_until
from tests.selfplay.run.crews import (
    NUMBERS,
    SESSION,
    games_of,
    network_file,
    never,
    processes,
    stored_games,
)


def test_processes_play_the_games_of_a_gate(task):
    opponent = network_file(task.nets[0].with_name("other.dit"), "8x1", seed=2)
    gate = GateTask(
        3,
        1,
        task.settings,
        (opponent, *task.nets),
        task.openings,
        GateSettings(visits=4, longest=20),
    )
    here, there = [], []
    play_numbers(gate, NUMBERS, here.append, never)
    assert sorted(game.number for game in here) == list(NUMBERS)
    WorkerPool(2)(gate, NUMBERS, there.append, never)
    assert sorted(there) == sorted(here)


@posix
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)]
)
def test_the_games_of_a_lost_worker_are_the_same(number, task, expected):
    lines = []
    finished = []

    def attack(record):
        if not finished:
            for victim in multiprocessing.active_children():
                os.kill(victim.pid, number)
        finished.append(record.number)
        assert encode_record(record) == expected[record.number]

    WorkerPool(2, lines.append, patience_s=600 if number == signal.SIGKILL else 4)(
        task, NUMBERS, attack, never
    )
    assert sorted(finished) == list(NUMBERS)
    assert lines
    expected_end = "exit status -9" if number == signal.SIGKILL else "gave no sign of life in time"
    assert not [text for text in lines if expected_end not in text]


def test_broken_net_is_named_by_its_own_error(task, tmp_path):
    broken = tmp_path / "broken.dit"
    broken.write_bytes(task.nets[0].read_bytes()[:100])
    with pytest.raises(NetFileError, match=r"broken\.dit"):
        games_of(WorkerPool(1), replace(task, nets=(broken,)), NUMBERS)
    assert not multiprocessing.active_children()


def test_a_pool_whose_first_process_cannot_start_is_closed(task, monkeypatch):
    """It raised AttributeError, and its pipe and its executor stayed open."""

    def no_process(*words):
        raise OSError("no more processes")

    pool = workers._Processes(task, NUMBERS, 2)
    monkeypatch.setattr(pool._executor, "submit", no_process)
    with pytest.raises(OSError, match="no more"):
        pool.start(0)
    pool.close()
    assert pool._reader.closed
    assert pool._writer.closed


def test_a_worker_that_still_plays_has_its_own_number(task, monkeypatch):
    """It was the place in the order in which workers were started."""
    pool = workers._Processes(task, NUMBERS, 2)
    monkeypatch.setattr(pool._executor, "submit", lambda *words: Future())
    pool.start(1)
    assert pool.playing() == [1]
    pool.close()


FLAGS = "--net=16x1 --games.count=24 --games.visits=12 --games.longest=60 --games.resign_below=-1".split()


@contextlib.contextmanager
def generating(run):
    """Self-play with two workers as a shell's foreground job, once its first game is stored."""
    command = [
        sys.executable,
        *"-m selfplay loop --until=fit --workers=2".split(),
        *FLAGS,
        str(run),
    ]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    part = run / "replay" / "gen-00001.part"
    with running(command, cwd=ROOT, start_new_session=True, **streams) as process:
        wait_until(
            lambda: process.poll() is not None or (part.is_file() and part.stat().st_size > 500)
        )
        yield process


@posix
def test_an_interrupted_command_goes_on_to_the_same_games(tmp_path):
    with generating(tmp_path / "workers") as process:
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=400)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in output
    assert "was lost" not in output
    assert main(["loop", str(tmp_path / "workers"), "--until=fit", *FLAGS, "--workers=1"]) == 0
    assert main(["loop", str(tmp_path / "alone"), "--until=fit", *FLAGS, "--workers=1"]) == 0
    assert len(stored_games(tmp_path / "alone")) == 24
    assert stored_games(tmp_path / "workers") == stored_games(tmp_path / "alone")


@pytest.mark.slow
@linux  # looks for processes in /proc
def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    with generating(tmp_path) as process:
        assert len(processes(SESSION, process.pid)) >= 2
    wait_until(lambda: not processes(SESSION, process.pid))


class PretendedPlay(SharedPlay):
    """Its pool is itself, one process that plays game after game; a number of `poison` ends it, and
    a `mute` one says nothing at all.
    """

    def __init__(self, records, poison=(), mute=False):
        self.told = []
        super().__init__(2, self.told.append)
        self.records = records
        self.poison = poison
        self.mute = mute
        self.lines = []
        self.opened = 0
        self.closed = 0

    def _pool(self, task, numbers, count):
        self.opened += 1
        self.numbers = deque(numbers)
        self.count = len(numbers)
        self.started = []
        self.is_up = False
        self.is_poisoned = False
        return self

    def start(self, worker):
        self.started.append(worker)

    def receive(self, timeout_s):
        if self.mute or not self.numbers:
            return None
        if not self.is_up:
            self.is_up = True
            return 0, None
        if self.lines:
            return 0, self.lines.pop()
        if self.numbers[0] in self.poison:
            self.is_poisoned = True
            return None
        number = self.numbers.popleft()
        return self.started[number % len(self.started)], decode_record(self.records[number])

    def playing(self):
        if self.is_poisoned:
            raise WorkerLost("pretended to die")
        return self.started if self.numbers else []

    def taken(self):
        return self.count - len(self.numbers) + 1

    def close(self):
        self.closed += 1


def test_a_deadly_game_is_played_last(task, expected):
    play = PretendedPlay(expected, poison=[3])
    finished = []
    with pytest.raises(
        RunError, match="lost 3 times before they finished game 3: pretended to die"
    ):
        play(task, NUMBERS, lambda record: finished.append(record.number), never)
    assert finished == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert len(play.told) == play.opened - 1 == ATTEMPTS + 1
    assert play.closed == play.opened


def test_workers_that_never_start_are_given_up(task, expected, monkeypatch):
    monkeypatch.setattr(sharing, "PATIENCE_S", 0.0)
    play = PretendedPlay(expected, mute=True)
    with pytest.raises(
        RunError, match="before they finished any game: gave no sign of life in time"
    ):
        games_of(play, task, NUMBERS)
    assert play.opened == ATTEMPTS


def test_a_worker_says_that_it_is_up_before_it_draws(task, expected):
    sent = []

    def take():
        assert sent == [None]
        yield from (0, 1)

    play_share(
        task, take(), lambda record: sent.append(record and encode_record(record)), source_hash()
    )
    assert sorted(sent[1:]) == sorted(expected[number] for number in (0, 1))


def test_a_worker_of_another_version_refuses(task):
    with pytest.raises(ConfigError, match="another version"):
        play_share(task, iter([0]), print, "0" * 64)


def test_a_line_of_several_workers_is_told_once(task, expected):
    play = PretendedPlay(expected)
    play.lines = ["a device failed"] * 2
    assert games_of(play, task, NUMBERS) == expected
    assert play.told == ["a device failed"]


class DeadlyTask(GenerationTask):
    """A generation whose game 3 ends the process that plays it."""

    def new_game(self, number):
        if number == 3:
            os._exit(7)
        return super().new_game(number)


class FailingTask(GenerationTask):
    """A generation whose games cannot be made."""

    def new_game(self, number):
        raise MemoryError(f"no room for game {number}")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (DeadlyTask, r"process \d+ ended with exit status 7"),
        (FailingTask, r"MemoryError\('no room for game 0'\)"),
    ],
)
def test_what_a_worker_cannot_do_is_told(kind, error, task, monkeypatch):
    monkeypatch.setattr(sharing, "ATTEMPTS", 1)
    lines = []
    with pytest.raises(RunError, match=rf"lost 1 times before they finished game 3: {error}"):
        games_of(WorkerPool(2, lines.append), kind(**vars(task)), [3])
    assert not lines
    assert not multiprocessing.active_children()
