"""Starting where it is difficult: nowhere to keep compiled kernels, nothing compiled yet, several engines at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import chess.engine
import pytest

from engine.errors import StillCompilingError
from engine.native import jit
from engine.options import EngineOptions
from tests.protocol.fake_engine import Conversation
from uci.bench import compile_times
from uci.bench.engine_process import COMMAND, AinoProcess
from uci.bench.startup import measure_start, no_home
from uci.loading import background
from uci.loading.background import Preparation, Progress
from uci.loading.child import child_environment
from uci.loading.patient import PatientEngine

ROOT = Path(__file__).resolve().parents[2]
MATERIAL = ("--evaluator", "material", "--hash-mib", "16")
OPTIONS = EngineOptions(evaluator="material", hash_mib=16)
WAIT_S = 60.0
MOST_COMPILATIONS = 225  # of a start in one process


def test_home_folder_that_cannot_be_written_is_no_obstacle() -> None:
    base = jit.cache_base()
    assert base is not None
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(base.parent))  # where the kernels are compiled already
    measure_start(MATERIAL, {**no_home(), **temporary})


# ---- a compiler that only pretends ----------------------------------------------------------------------------------

# It compiles nothing: it counts to 10 and notes that it was at work. A file `stop` in its folder makes it wait, `fail`
# ends it with an error.
PRETENDER = """
import sys, time
from pathlib import Path
from engine.native.locks import FileLock
from uci.loading.compiler import LOCKED, Place

place = Place(Path(sys.argv[1]), *sys.argv[2:])
lock = FileLock(place.lock)
if not lock.try_acquire():
    sys.exit(LOCKED)
if (place.folder / "fail").exists():
    sys.exit(1)
with (place.folder / "work").open("a") as work:
    work.write("x")
place.progress.write_text("   10\\n")
for _ in range(10):
    with place.progress.open("a") as progress:
        progress.write(".")
    time.sleep(0.05)
    while (place.folder / "stop").exists():
        time.sleep(0.05)
place.done.touch()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and the pretender in the compiler's place."""
    (tmp_path / "pretended_compiler.py").write_text(PRETENDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(background, "_COMPILER", "pretended_compiler")
    monkeypatch.setattr(background, "_AGAIN_S", 0.1)
    monkeypatch.setattr(background, "_TELL_S", 0.1)
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(jit, "cache_folder", lambda source: cache)
    return cache


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_progress_is_told_while_the_compiler_works_and_nothing_when_it_has(folder: Path) -> None:
    told: list[Progress] = []
    Preparation(OPTIONS).wait(told.append)
    assert told
    assert all(0 < progress.done <= progress.total == 10 for progress in told)
    assert str(told[-1]).startswith(f"compiling {told[-1].done} of 10, {told[-1].done}0%")
    warm = Preparation(OPTIONS)
    assert warm.finished
    warm.wait(told.clear)  # type: ignore[arg-type]
    assert (folder / "work").read_text() == "x"


def test_two_programs_at_once_compile_once_and_both_wait(folder: Path) -> None:
    told: list[Progress] = []
    first, second = Preparation(OPTIONS), Preparation(OPTIONS)
    second.wait(told.append)
    first.wait(None)
    assert told
    assert (folder / "work").read_text() == "x"


def test_other_options_are_compiled_after_the_first(folder: Path) -> None:
    first, second = Preparation(OPTIONS), Preparation(EngineOptions(evaluator="hybrid", threads=1))
    first.wait(None)
    second.wait(None)
    assert (folder / "work").read_text() == "xx"


def test_the_compiler_outlives_an_impatient_client(folder: Path) -> None:
    (folder / "stop").touch()
    impatient = Preparation(OPTIONS)
    with pytest.raises(StillCompilingError, match="no search yet"):
        impatient.wait(None, lambda: (folder / "work").exists())
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from uci.loading import background\n"
        "background.jit.cache_folder = lambda source: Path(sys.argv[1])\n"
        "background._COMPILER = 'pretended_compiler'\n"
        "background.Preparation(background.EngineOptions(evaluator='network'))\n"
    )
    other = folder.parent / "other"
    other.mkdir()
    command = [sys.executable, "-P", "-c", program, str(other)]
    subprocess.run(command, env=child_environment(), check=True, timeout=WAIT_S)
    wait_for(lambda: bool(list(other.glob("compiled-*"))))
    (folder / "stop").unlink()
    impatient.wait(None)


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_when_the_compiler_is_killed_another_program_goes_on(folder: Path) -> None:
    (folder / "stop").touch()
    first = Preparation(OPTIONS)
    wait_for((folder / "work").exists)
    second = Preparation(OPTIONS)
    assert first._compiler is not None
    first._compiler.kill()
    (folder / "stop").unlink()
    second.wait(None)
    first.wait(None)  # it does without
    assert (folder / "work").read_text() == "xx"


def test_when_the_compiler_fails_the_first_search_compiles(folder: Path) -> None:
    (folder / "fail").touch()
    Preparation(OPTIONS).wait(None)
    assert not list(folder.glob("compiled-*"))


def test_where_no_process_can_be_started_the_first_search_compiles(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(folder / "no such python"))
    Preparation(OPTIONS).wait(None)
    assert not (folder / "work").exists()


def test_where_nothing_can_be_kept_there_is_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "cache_folder", lambda source: None)
    assert Preparation(OPTIONS).finished


def test_the_compiler_runs_no_code_from_the_working_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wicked = tmp_path / "wicked"
    (wicked / "uci").mkdir(parents=True)
    (wicked / "uci" / "__init__.py").write_text("open('was-here', 'w').close()\n")
    monkeypatch.chdir(wicked)
    Preparation(OPTIONS).wait(None)
    assert (folder / "work").exists()
    assert not (wicked / "was-here").exists()


def test_a_search_waits_and_says_so_and_stop_brings_a_move_at_once(folder: Path) -> None:
    (folder / "stop").touch()
    talk = Conversation(PatientEngine, OPTIONS)  # type: ignore[arg-type]
    talk.say("isready")
    assert talk.answers("readyok") == ["readyok"]
    talk.say("eval", "position startpos moves e2e4", "go movetime 100")
    wait_for(lambda: any(info.startswith("compiling 1 of 10, 10%") for info in talk.infos()))
    talk.say("isready", "stop")
    talk.wait_for("bestmove")
    board = chess.Board()
    board.push_uci("e2e4")
    assert chess.Move.from_uci(talk.answers("bestmove")[0].split()[1]) in board.legal_moves
    assert "eval: not before everything is compiled" in talk.infos()
    assert any(info.startswith("no search yet, compiling 1 of 10") for info in talk.infos())
    (folder / "stop").unlink()
    talk.say("go nodes 8")
    talk.wait_for("bestmove")
    talk.session._close()


# ---- the real one ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_first_start_compiles_no_more_than_it_did_and_the_second_nothing(tmp_path: Path) -> None:
    first = compile_times.start(ROOT, tmp_path)
    assert len(first) <= MOST_COMPILATIONS
    kernels = Counter((one.name, one.signature) for one in first if one.ours)
    assert max(kernels.values()) <= 2, "once for Python, once for other kernels"
    assert compile_times.start(ROOT, tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_eight_impatient_starts_in_a_row_and_killed_compilers_end_in_a_complete_cache(tmp_path: Path) -> None:
    rng = random.Random(1)
    environment = {"AINO_CACHE_DIR": str(tmp_path)}
    for number in range(8):
        with AinoProcess(*MATERIAL, environment=environment) as aino:
            begun = time.monotonic()
            aino.ready()
            aino.send("go nodes 8")
            aino.read_for(max(0.1, 10.0 - (time.monotonic() - begun)))
        if number < 4:
            time.sleep(rng.random())
            for line in subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines():
                pid, _, command = line.strip().partition(" ")
                if "uci.loading.compiler" in command and str(tmp_path) in command:
                    os.kill(int(pid), signal.SIGKILL)
    with AinoProcess(*MATERIAL, environment=environment) as aino:
        aino.ready()
        assert aino.go("startpos", "nodes 8")[-1].startswith("bestmove")
    assert list(tmp_path.rglob("compiled-*"))
    moved = measure_start(MATERIAL, environment)[2]
    assert moved < 30.0


@pytest.mark.slow
def test_python_chess_starts_an_engine_on_an_empty_cache(tmp_path: Path) -> None:
    """Its `popen_uci` waits ten seconds for an answer."""
    environment = child_environment() | {"AINO_CACHE_DIR": str(tmp_path)}
    command = [*COMMAND, "--config", os.devnull, *MATERIAL]
    with chess.engine.SimpleEngine.popen_uci(command, env=environment, timeout=10.0) as engine:
        engine.timeout = None
        assert engine.play(chess.Board(), chess.engine.Limit(nodes=8)).move in chess.Board().legal_moves
