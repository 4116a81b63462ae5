"""Starting where it is difficult: nowhere to keep compiled kernels, nothing compiled yet, several
engines at once.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import chess.engine
import pytest

from benchmarks.startup import measure_start, no_home
from engine.errors import StillCompilingError
from engine.native import jit
from engine.network.weights import default_net_path
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.result import SearchResult
from tests.boards import board_after, moves_in
from tests.compile_events import Compilation
from tests.new_process import output_of, posix, wait_until
from tests.protocol.fake_engine import Conversation
from tests.unit.search.trees import search_nodes
from uci.loading import background, warmup
from uci.loading.background import Preparation
from uci.loading.compiler import child_environment
from uci.loading.patient import PatientEngine
from uci.protocol.fallback_move import fallback_move

MATERIAL = "--evaluator material --hash-mib 16".split()
OPTIONS = EngineOptions(evaluator="material", hash_mib=16)
WAIT_S = 200.0


@posix  # the temporary folder has another form
def test_home_folder_that_cannot_be_written_is_no_obstacle(tmp_path):
    private = tmp_path / f"aino-{os.getuid()}"
    private.mkdir(mode=0o700)
    # where the kernels are compiled already
    (private / "aino-kernels").symlink_to(jit.cache_base())
    measure_start(MATERIAL, {**no_home(), "TMPDIR": str(tmp_path)})


# It compiles nothing: it counts to 10 and notes that it was at work. A file `stop` in its folder
# makes it wait, `fail` ends it with an error.
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
if place.is_compiled:
    sys.exit(0)
with (place.folder / "work").open("a") as work:
    work.write("x")
place.progress.write_bytes(b"   10\\n")
for _ in range(10):
    with place.progress.open("a") as progress:
        progress.write(".")
    time.sleep(0.05)
    while (place.folder / "stop").exists():
        time.sleep(0.05)
place.done.touch()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, and the pretender in the compiler's place, which does not outlive the test."""
    started = []
    monkeypatch.setattr(background, "_started", started)
    (tmp_path / "pretended_compiler.py").write_text(PRETENDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(background, "_COMPILER", "pretended_compiler")
    monkeypatch.setattr(background, "_AGAIN_S", 0.1)
    monkeypatch.setattr(background, "_TELL_S", 0.1)
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(jit, "cache_folder", lambda: cache)
    yield cache
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def loaded():
    """This process has the kernels, which a search would compile for minutes where the cache is
    empty.
    """
    with Engine(OPTIONS) as engine:
        engine.warm_up()


def preparation(evaluator="material"):
    return Preparation(OPTIONS, evaluator)


@pytest.fixture
def waiting(folder):
    """A preparation whose compiler waits until the file `stop` is removed."""
    (folder / "stop").touch()
    prepared = preparation()
    work = folder / "work"
    wait_until(lambda: work.exists() and work.read_text())
    yield prepared
    (folder / "stop").unlink(missing_ok=True)


def test_the_progress_is_told_while_the_compiler_works(folder):
    steps = []
    preparation().wait(steps.append)
    assert steps
    assert all(0 < step.done <= step.total == 10 for step in steps)
    assert str(steps[-1]) == f"compiling {steps[-1].done} of about 10"
    warm = preparation()
    assert warm.finished
    warm.wait(steps.clear)
    assert (folder / "work").read_text() == "x"


def test_kernels_that_a_cleaner_deleted_are_missed(folder):
    """The mark that all are compiled was believed: `isready` took 18 s, and `stop` was not heard."""
    preparation().wait(None)
    (mark,) = folder.glob("compiled-*")
    mark.write_text("3 run_visits-1.kernel\n")
    (folder / "run_visits-1.kernel").write_bytes(b"abc")
    assert preparation().finished
    for damage in (lambda path: path.write_bytes(b"a"), Path.unlink):
        damage(folder / "run_visits-1.kernel")
        assert not preparation().finished


@pytest.mark.parametrize(("evaluator", "work"), [("material", "x"), ("sparse", "xx")])
def test_two_programs_compile_the_same_once(folder, evaluator, work):
    progress = []
    first, second = preparation(), preparation(evaluator)
    second.wait(progress.append)
    first.wait(None)
    assert progress
    assert (folder / "work").read_text() == work


def test_fractions_of_tactical_nodes_have_the_same_kernels(folder):
    preparation().wait(None)
    for nodes in (0.25, 0.5, 1.0, 100.0):
        assert Preparation(replace(OPTIONS, tactical_nodes=nodes), "material").finished
    assert not Preparation(replace(OPTIONS, tactical_nodes=0.0), "material").finished


def test_a_net_of_the_same_architecture_under_another_path_is_not_compiled_again(
    folder, monkeypatch
):
    monkeypatch.setattr(PatientEngine, "warm_up", lambda engine: None)
    copy = folder.parent / "other.dit"
    shutil.copy(default_net_path(), copy)
    options = EngineOptions(hash_mib=8, threads=1)
    same = replace(options, weights_file=str(copy))
    with PatientEngine(options) as engine:
        engine.wait()
        engine.set_options(same)
        assert engine.is_prepared
        engine.set_options(replace(options, evaluator="material"))
        assert not engine.is_prepared
        engine.wait()
    for warm in (same, replace(same, evaluator="sparse")):
        with PatientEngine(warm) as engine:
            assert engine.is_prepared
    assert (folder / "work").read_text() == "xx"


@pytest.mark.usefixtures("loaded")
def test_kernels_are_loaded_before_the_time_of_the_first_search_begins(folder):
    (folder / "stop").touch()
    gc.unfreeze()
    before = len(gc.get_objects())
    board = chess.Board("4k3/8/8/8/8/8/8/R3K3 w Q - 0 1")
    with PatientEngine(OPTIONS) as engine:
        engine.set_position(board)
        loads = []
        warm_up = engine.warm_up
        engine.warm_up = lambda: (loads.append("loaded"), warm_up())
        (folder / "stop").unlink()
        assert search_nodes(engine, 8).best_move in board.legal_moves
        search_nodes(engine, 8)
        assert loads == ["loaded"]
        engine.set_options(replace(OPTIONS, multi_pv=2))
        assert loads == ["loaded"]
        assert len(gc.get_objects()) < before / 10, (
            "a search leaves the garbage collector little to visit"
        )
    gc.unfreeze()


@pytest.mark.parametrize(
    "limits", [Limits(movetime_ms=300), Limits(white_time_ms=3000, black_time_ms=10)]
)
def test_a_clock_that_runs_does_not_wait_for_the_compiler(folder, limits):
    """The game was lost on time. Where no clock runs, the search waits."""
    (folder / "stop").touch()
    with PatientEngine(OPTIONS) as engine:
        job = SearchJob[SearchResult](time.perf_counter())
        begun = time.perf_counter()
        with pytest.raises(StillCompilingError):
            engine.search(limits, job=job)
        assert time.perf_counter() - begun > 0.2
        ponder = SearchJob[SearchResult](time.perf_counter()).start(
            lambda job: engine.search(replace(limits, ponder=True), job=job)
        )
        with pytest.raises(TimeoutError):
            ponder.result(1.0)
        ponder.ponderhit()
        with pytest.raises(StillCompilingError):
            ponder.result(WAIT_S)


def test_the_compiler_outlives_an_impatient_client(folder):
    (folder / "stop").touch()
    impatient = preparation()
    with pytest.raises(StillCompilingError, match="no search yet"):
        impatient.wait(None, lambda: (folder / "work").exists())
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from uci.loading import background\n"
        "background.jit.cache_folder = lambda: Path(sys.argv[1])\n"
        "background._COMPILER = 'pretended_compiler'\n"
        "background.Preparation(background.EngineOptions(), 'sparse')\n"
    )
    second_folder = folder.parent / "other"
    second_folder.mkdir()
    command = [sys.executable, "-P", "-c", program, str(second_folder)]
    subprocess.run(command, env=child_environment(), check=True, timeout=WAIT_S)
    wait_until(lambda: bool(list(second_folder.glob("compiled-*"))))
    (folder / "stop").unlink()
    impatient.wait(None)


@posix  # kills a process
@pytest.mark.parametrize(
    "another",
    [False, True],  # beside another program, which goes on
)
def test_a_compiler_that_was_killed_is_started_again(folder, waiting, another):
    steps = []
    others = [preparation()] if another else []
    waiting._compiler.kill()
    (folder / "stop").unlink()
    for second in others:
        second.wait(None)
    waiting.wait(steps.append)
    problems = [] if another else ["the compiler failed with status -9; starting it again"]
    assert [str(step) for step in steps if step.problem] == problems
    assert (folder / "work").read_text() == "xx"
    assert list(folder.glob("compiled-*"))


def test_the_first_search_compiles_when_the_compiler_fails_twice(folder):
    (folder / "fail").touch()
    steps = []
    preparation().wait(steps.append)
    assert not list(folder.glob("compiled-*"))
    problems = [str(step).split("; ")[1] for step in steps if step.problem]
    assert problems == ["starting it again", "the search compiles and cannot be stopped"]
    steps.clear()
    with pytest.raises(StillCompilingError):  # a search that was stopped meanwhile
        preparation().wait(steps.append, lambda: len(steps) == 2)


@pytest.mark.parametrize(
    ("moves", "only", "best"),
    [
        ("f2f3 e7e5 g2g4", "", "d8h4"),  # mates
        ("f2f3 e7e5", "g2g4 h2h4", "h2h4"),  # the first would be mated
        ("f2f3 e7e5", "g2g4", "g2g4"),
        ("e2e4 e7e5 g1f3 d8h4", "", "f3h4"),
        ("e2e4 d7d5 e4d5 d8d5 b1c3", "a7a6 d5c4 d5a5", "d5a5"),  # the others lose the queen
    ],
)
def test_stop_before_anything_is_compiled_takes_a_good_move(moves, only, best):
    board = board_after(moves)
    moves = moves_in(only) or list(board.legal_moves)
    assert fallback_move(board, moves).uci() == best


def test_where_no_process_can_be_started_the_first_search_compiles(folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(folder / "no such python"))
    preparation().wait(None)
    assert not (folder / "work").exists()
    # nothing can be kept, and there is nothing to wait for
    monkeypatch.setattr(jit, "cache_folder", lambda: None)
    assert preparation().finished


def test_the_compiler_runs_no_code_from_the_working_folder(folder, tmp_path, monkeypatch):
    wicked = tmp_path / "wicked"
    (wicked / "uci").mkdir(parents=True)
    (wicked / "uci" / "__init__.py").write_text("open('was-here', 'w').close()\n")
    monkeypatch.chdir(wicked)
    preparation().wait(None)
    assert (folder / "work").exists()
    assert not (wicked / "was-here").exists()


@pytest.mark.usefixtures("loaded")
def test_stop_brings_a_move_while_a_search_waits(folder):
    (folder / "stop").touch()
    talk = Conversation(PatientEngine, OPTIONS)
    talk.say("isready")
    assert talk.answers("readyok") == ["readyok"]
    talk.say("eval", "position startpos moves e2e4", "go nodes 1000")
    wait_until(lambda: any(info.startswith("compiling 1 of about 10") for info in talk.infos()))
    talk.say("isready", "stop")
    talk.wait_for("bestmove")
    assert board_after("e2e4").parse_uci(talk.answers("bestmove")[0].split()[1])
    assert "eval: wait until everything is compiled" in talk.infos()
    assert any(info.startswith("no search yet, compiling 1 of about 10") for info in talk.infos())
    (folder / "stop").unlink()
    talk.say("go nodes 8")
    talk.wait_for("bestmove")
    talk.session._close()


def test_choosing_an_evaluator_compiles_nothing(tmp_path):
    """It did so on the thread that reads commands, which then heard no `stop` for seconds."""
    program = (
        "from engine import Engine, EngineOptions\n"
        "from tests.compile_events import CompileLog\n"
        "from engine.options import EVALUATORS\n"
        "with CompileLog() as log, Engine(EngineOptions(hash_mib=2, backend='numpy')) as engine:\n"
        "    for name in EVALUATORS:\n"
        "        engine.set_options(EngineOptions(hash_mib=2, backend='numpy', evaluator=name))\n"
        "print([one.name for one in log.compilations])\n"
    )
    assert output_of(program, AINO_CACHE_DIR=str(tmp_path)) == "[]\n"


def test_warmup_keeps_no_network_while_the_compilers_run(monkeypatch):
    engines = []

    class Counted(Engine):
        def __enter__(self):
            engines.append(self)
            return super().__enter__()

        def close(self):
            engines.remove(self)
            super().close()

    def prepare(options, needed):
        raise LookupError(f"{len(engines)}")

    monkeypatch.setattr(warmup, "Engine", Counted)
    monkeypatch.setattr(warmup, "Preparation", prepare)
    parser = argparse.ArgumentParser()
    warmup.add_arguments(parser)
    with pytest.raises(LookupError, match=r"^0$"):
        warmup.run(parser.parse_args([]))


# Mates in one, two and three for either side, a hint of alpha-beta, a full tree, a game of several
# moves, chosen moves, several lines: rare things that take kernels of their own.
RARE = """
import chess

from engine import Engine, EngineOptions, Limits
from tests.compile_events import CompileLog

fens = [
    "k7/8/1K6/8/8/8/8/7R w - - 0 1",
    "8/8/8/8/8/5k2/6q1/7K w - - 0 1",
    "r1bq2rk/pp3pbp/2p1p1pQ/7P/3P4/2PB1N2/PP3PPR/2KR4 w - - 0 1",
    "8/8/1p1r1k2/p1pPN1p1/P3KnP1/1P6/8/3R4 b - - 0 1",
    "5rk1/1ppb3p/p1pb4/6q1/3P1p1r/2P1R2P/PP1BQ1P1/5RKN w - - 0 1",
    "8/8/8/4k3/8/8/4P3/4K3 w - - 99 80",
]
with CompileLog() as log, Engine(EngineOptions(hash_mib=2, multi_pv=3)) as engine:
    engine.warm_up()
    for fen in fens:
        engine.new_game()
        engine.set_position(chess.Board(fen))
        engine.search(Limits(nodes=20_000))
    board = chess.Board()
    for _ in range(4):
        engine.set_position(board)
        moves = tuple(board.legal_moves)[:5]
        board.push(engine.search(Limits(nodes=1_000, searchmoves=moves)).best_move)
print(len(log.compilations), *(one.name for one in log.compilations))
"""


FIRST_START = """
import json
from tests.compile_events import CompileLog

with CompileLog() as log:
    from engine.options import EngineOptions
    from engine.player import Engine
    with Engine(EngineOptions()) as engine:
        engine.warm_up()
print(json.dumps(log.compilations))
"""


@pytest.mark.slow
def test_only_the_first_start_compiles(tmp_path):
    rows = json.loads(output_of(FIRST_START, AINO_CACHE_DIR=str(tmp_path)))
    first = [Compilation(*row) for row in rows]
    # 31.7 CPU seconds, where 291 longer kernels took 33.7
    assert len(first) <= 330
    kernels = Counter(
        (compilation.name, compilation.signature) for compilation in first if compilation.ours
    )
    assert max(kernels.values()) <= 2, "once for Python, once for other kernels"
    assert (
        Counter(compilation.name for compilation in first)["engine.search.tree.visits.run_visits"]
        == 1
    ), "for one set of types"
    assert output_of(RARE, AINO_CACHE_DIR=str(tmp_path)).split() == ["0"]
