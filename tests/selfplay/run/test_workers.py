"""Worker processes: the games of one process, whatever happens to the workers; and none is left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.cli.command_line import INTERRUPTED
from engine.errors import ConfigError, NetFileError, RunError
from engine.nn import dit
from selfplay.games.gate_game import GateRecord
from selfplay.main import main
from selfplay.records.game import SelfPlayRecord, decode_record, encode_record
from selfplay.run.config import GateSettings
from selfplay.run.gating import GateTask
from selfplay.run.playing import GenerationTask, play_numbers
from selfplay.run.station import Report, Station, source_hash
from selfplay.run.supervision import ATTEMPTS, SupervisedPlay, WorkerLost
from selfplay.run.workers import WorkerPool
from selfplay.training.families import family_of
from tests.new_process import wait_until
from tests.selfplay.run.crews import NUMBERS, games_here, games_of, never, stored_games, tiny_task

ROOT = Path(__file__).parents[3]

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals that only POSIX has")


# ---- processes ----------------------------------------------------------------------------------------------------


def test_processes_play_the_games_of_one(task: GenerationTask, expected: dict[int, bytes]) -> None:
    assert games_of(WorkerPool(2), task, NUMBERS) == expected
    assert not multiprocessing.active_children()


def test_processes_play_the_games_of_the_family_without_batches(tmp_path: Path) -> None:
    sparse = tiny_task(tmp_path, net="sparse-128")
    assert games_of(WorkerPool(2), sparse, NUMBERS) == games_here(sparse, NUMBERS)


def test_processes_play_the_games_of_a_gate(task: GenerationTask) -> None:
    other = task.nets[0].with_name("other.dit")
    dit.save(other, family_of("8x1").build(np.random.default_rng(2)))
    gate = GateTask(3, 1, task.settings, (other, *task.nets), task.openings, GateSettings(visits=4, longest=20))
    here: list[GateRecord] = []
    play_numbers(gate, NUMBERS, here.append, never)
    assert sorted(game.number for game in here) == list(NUMBERS)
    there: list[GateRecord] = []
    WorkerPool(2)(gate, NUMBERS, there.append, never)
    assert sorted(there) == sorted(here)


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_lost_worker_is_replaced_and_its_games_are_the_same(
    number: int, task: GenerationTask, expected: dict[int, bytes]
) -> None:
    told: list[str] = []
    finished: list[int] = []

    def attack(record: SelfPlayRecord) -> None:
        if not finished:
            for victim in multiprocessing.active_children():
                os.kill(victim.pid, number)
        finished.append(record.number)
        assert encode_record(record) == expected[record.number]

    WorkerPool(2, told.append, patience_s=8.0)(task, NUMBERS, attack, never)
    assert sorted(finished) == list(NUMBERS)
    assert told
    assert all(("exit status -9" if number == signal.SIGKILL else "gave no answer for 8 s") in text for text in told)


def test_broken_net_is_named_by_its_own_error(task: GenerationTask, tmp_path: Path) -> None:
    broken = tmp_path / "broken.dit"
    broken.write_bytes(task.nets[0].read_bytes()[:100])
    with pytest.raises(NetFileError, match=r"broken\.dit"):
        games_of(WorkerPool(1), replace(task, nets=(broken,)), NUMBERS)
    assert not multiprocessing.active_children()


def test_stop_gives_up_the_games_in_flight(task: GenerationTask, expected: dict[int, bytes]) -> None:
    finished: list[SelfPlayRecord] = []
    WorkerPool(2)(task, NUMBERS, finished.append, lambda: bool(finished))
    assert 0 < len(finished) < len(NUMBERS)
    assert not multiprocessing.active_children()


# ---- commands -----------------------------------------------------------------------------------------------------

FLAGS = ["--net=16x1", "--games.count=40", "--games.visits=12", "--games.longest=60", "--games.resign_below=-1"]


def start_generating(run: Path) -> subprocess.Popen[str]:
    """`aino-train generate` with two workers as a shell's foreground job, once its first game is stored."""
    command = [sys.executable, "-m", "selfplay.main", "generate", str(run), *FLAGS, "--workers=2"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    part = run / "replay" / "gen-00001.part"
    wait_until(lambda: process.poll() is not None or (part.is_file() and part.stat().st_size > 500))
    return process


def session_members(session: int) -> list[int]:
    """Processes of a session that are neither dead nor zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state not in "ZX":
            found.append(int(path.parent.name))
    return found


@posix
def test_interrupted_command_ends_quietly_and_goes_on_the_same(tmp_path: Path) -> None:
    process = start_generating(tmp_path / "workers")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in output
    assert "was lost" not in output
    assert main(["generate", str(tmp_path / "workers"), *FLAGS, "--workers=2"]) == 0
    assert main(["generate", str(tmp_path / "alone"), *FLAGS, "--workers=1"]) == 0
    assert len(stored_games(tmp_path / "alone")) == 40
    assert stored_games(tmp_path / "workers") == stored_games(tmp_path / "alone")


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks for processes in /proc")
def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    process = start_generating(tmp_path)
    assert len(session_members(process.pid)) >= 2
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: not session_members(process.pid), 30)


@pytest.mark.parametrize("flags", [["--workers=-1"], ["--cluster=local", "--workers=-1"]])
def test_negative_number_of_workers_is_refused(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(tmp_path / "run"), *flags]) == 1
    assert "--workers" in capsys.readouterr().err


# ---- supervision, with workers that only pretend ------------------------------------------------------------------


class Pretender:
    """Plays at once what it is given, unless `poison` is among it."""

    def __init__(self, records: dict[int, bytes], poison: set[int], stillborn: bool) -> None:
        self._records = records
        self._poison = poison
        self._stillborn = stillborn
        self._given: deque[int] = deque()
        self.largest_lot = 0
        self.killed = False

    def ask(self, numbers: list[int]) -> None:
        self._given.extend(numbers)
        self.largest_lot = max(self.largest_lot, len(numbers))

    def answer(self) -> Report:
        if self._stillborn or self._poison & set(self._given):
            raise WorkerLost("pretended to die")
        finished = [decode_record(self._records[number]) for number in self._given]
        self._given.clear()
        return Report(finished, wanted=4)

    def kill(self) -> None:
        self.killed = True


class PretendedPlay(SupervisedPlay):
    """Pretenders, all of them remembered."""

    def __init__(
        self, records: dict[int, bytes], size: int = 2, poison: Sequence[int] = (), stillborn: bool = False
    ) -> None:
        self.told: list[str] = []
        super().__init__(size, self.told.append)
        self.hired: list[Pretender] = []
        self._arguments = (records, set(poison), stillborn)

    def _hirer(self, task: GenerationTask) -> Callable[[], Pretender]:
        return self._hire

    def _hire(self) -> Pretender:
        self.hired.append(Pretender(*self._arguments))
        return self.hired[-1]

    def _ready(self, workers: Sequence[Pretender], timeout_s: float) -> Sequence[Pretender]:
        return list(workers)


def test_lots_are_small_and_every_game_is_handed_out_once(task: GenerationTask, expected: dict[int, bytes]) -> None:
    play = PretendedPlay(expected)
    assert games_of(play, task, NUMBERS) == expected
    assert 1 < max(worker.largest_lot for worker in play.hired) <= 4
    assert len(play.hired) == 2
    assert all(worker.killed for worker in play.hired)
    assert not play.told


def test_deadly_game_is_given_up_after_some_workers(task: GenerationTask, expected: dict[int, bytes]) -> None:
    play = PretendedPlay(expected, poison=[3])
    with pytest.raises(RunError, match=r"3 workers were lost with game .*pretended to die"):
        games_of(play, task, NUMBERS)
    assert len(play.told) == ATTEMPTS - 1
    assert all(worker.killed for worker in play.hired)


def test_workers_that_never_start_are_given_up(task: GenerationTask, expected: dict[int, bytes]) -> None:
    play = PretendedPlay(expected, size=8, stillborn=True)
    with pytest.raises(RunError, match="at their start"):
        games_of(play, task, NUMBERS)
    assert len(play.hired) == ATTEMPTS


# ---- the station --------------------------------------------------------------------------------------------------


def test_station_asks_for_more_before_it_has_nothing_left(task: GenerationTask, expected: dict[int, bytes]) -> None:
    station = Station(task, source_hash())
    assert station.exchange([]) == Report([], wanted=4)
    records: list[bytes] = []
    report = station.exchange([0, 1])
    pending = deque([2, 3, 4])
    while len(records) < 5:
        assert report.wanted >= 0
        lot = [pending.popleft() for _ in range(min(len(pending), report.wanted))]
        report = station.exchange(lot)
        records += map(encode_record, report.records)
    assert sorted(records) == sorted(expected[number] for number in range(5))


def test_station_of_another_version_refuses_to_play(task: GenerationTask) -> None:
    report = Station(task, "0" * 64).exchange([])
    assert isinstance(report.error, ConfigError)
    assert "another version" in str(report.error)
