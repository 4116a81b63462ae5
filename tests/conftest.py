"""What several test folders share: outside data and programs, each of which a test may lack."""

import contextlib
import hashlib
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import chess.syzygy
import numba
import pytest
from hypothesis import settings

from engine.backend import NUMPY, get_backend
from engine.native.jit import cache_folder
from engine.native.link_time import Kernel
from engine.native.locks import FileLock
from engine.network import weights
from engine.options import EngineOptions
from tests.strict_cupy import strict_cupy
from tests.strict_files import strict

os.environ["LANGUAGE"] = "en"  # of the sentences, whatever the system's is

# An example that takes long shows that the machine is busy, or that something compiles, and no
# fault.
settings.register_profile("aino", deadline=None, max_examples=50)
settings.register_profile("long", deadline=None, max_examples=100_000)
settings.load_profile("aino")

# The tests marked `quick`, as beginnings of paths below this folder: they start no process and no
# browser, and train nothing. They are for the loop of editing and trying.
QUICK = tuple(
    """
perft/
unit/board/
unit/evaluation/test_material
unit/files/
unit/native/
unit/nn/
unit/search/
unit/test_options
protocol/test_parser
selfplay/matches/test_statistics
selfplay/records/test_game_record
""".split()
)
# Files, and tests in them, that cost most.
NOT_QUICK = tuple(
    """
unit/board/test_board_differential
unit/board/test_game_splices
unit/board/test_pgn.py::test_a_huge_game
unit/board/test_pgn.py::test_a_changed_character
unit/board/test_pgn.py::test_games_in_every_form
unit/board/test_pgn.py::test_whole_games
unit/files/test_dit.py::test_a_file_cut
unit/files/test_dit.py::test_every_damaged
unit/files/test_source_text
unit/files/test_text.py::test_an_archive
unit/files/test_wire
unit/native/test_compiler
unit/native/test_jit
unit/native/test_targets
unit/native/test_link_time
unit/native/test_numba_names
unit/native/test_atomics
unit/native/test_aligned_arrays
unit/nn/test_callbacks
unit/nn/test_damaged_checkpoints
unit/nn/test_loader
unit/nn/test_model_use
unit/nn/test_nn_backend
unit/nn/test_nn_sequences
unit/nn/test_notebook
unit/nn/test_onnx_file
unit/nn/test_resuming
unit/nn/test_trainer
unit/nn/test_losses.py::test_confusion_is_drawn
unit/search/test_book
unit/search/test_butterfly
unit/search/test_finishing
unit/search/test_forgetting
unit/search/test_goals
unit/search/test_human_time
unit/search/test_interrupts
unit/search/test_late_policy
unit/search/test_lc0
unit/search/test_like_people
unit/search/test_nodes_time
unit/search/test_play_or_analysis
unit/search/test_repetitions
unit/search/test_run
unit/search/test_stint
unit/search/test_tactical_priors
unit/search/test_transpositions
unit/search/test_walkers
unit/search/test_params.py::test_parameters
selfplay/matches/test_statistics.py::test_error_rates
""".split()
)


def pytest_xdist_auto_num_workers(config):
    """Two workers more than processors, because tests wait for programs a third of their time; at
    most four.

    The quick ones do not wait, and each worker costs what all imports do.
    """
    processors = os.cpu_count() or 1
    return min(2, processors) if config.option.markexpr == "quick" else min(4, processors + 2)


def pytest_sessionstart(session):
    """Each kernel is compiled once: those that most tests use before the workers begin, others by
    the first to call.

    Workers would compile them at the same time, each for itself, and so would the engines that they
    start. They fill the processors, so matrix products get one thread each: others would wait for
    it at full speed.
    """
    if session.config.getvalue("dist") != "no":
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    folder = cache_folder()
    if numba.config.DISABLE_JIT or folder is None:
        return
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder.mkdir(exist_ok=True)
        Kernel.compile = compile_alone(Kernel.compile, folder)
    elif session.config.getvalue("dist") != "no" and not session.config.option.collectonly:
        with ThreadPoolExecutor() as pool:
            pool.map(_compile_for, ("auto", "material"))


def _compile_for(evaluator):
    from uci.loading.loader import make_engine

    with (
        contextlib.suppress(Exception),
        make_engine(EngineOptions(hash_mib=1, evaluator=evaluator)) as engine,
    ):
        engine.wait()  # Where it fails, a test says why.


def compile_alone(compile, folder):
    """`Kernel.compile`, but another process that wants the same kernel waits, and finds it in the
    cache.
    """

    def compile_or_wait(kernel, signature):
        function = kernel.py_func
        name = hashlib.sha256(
            f"{function.__module__}.{function.__qualname__}{signature}".encode()
        ).hexdigest()
        lock = FileLock(folder / f"{name[:16]}.lock")
        while not lock.try_acquire():
            time.sleep(0.02)
        try:
            return compile(kernel, signature)
        finally:
            lock.remove()

    return compile_or_wait


@pytest.fixture(scope="session", autouse=True)
def shipped_net_is_read_once():
    """Engines of one process share the net to play with: none changes it, and to read it takes half
    a second.
    """
    load = weights.load_net
    load_shipped = cache(load)

    def load_once(path=None, *heads):
        if weights.is_default(path):
            return load_shipped(weights.default_net_path(), *heads)
        return load(path, *heads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "load_net", load_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_open_file_is_renamed():
    """What Windows refuses fails here, too: a file renamed, or replaced, while it is open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", strict(os.replace))
        patch.setattr(os, "rename", strict(os.rename))
        yield


def is_quick(name):
    return name.startswith(QUICK) and not name.startswith(NOT_QUICK)


def pytest_ignore_collect(collection_path, config):
    """Spare `-m quick` the imports of all other tests."""
    if config.option.markexpr != "quick" or not collection_path.name.startswith("test_"):
        return None
    name = collection_path.relative_to(Path(__file__).parent).as_posix()
    return None if is_quick(name) else True


def pytest_collection_modifyitems(items):
    for item in items:
        if is_quick(item.nodeid.removeprefix("tests/")) and item.get_closest_marker("slow") is None:
            item.add_marker("quick")


@pytest.fixture(scope="session")
def test_data():
    """The data folder named by AINO_TEST_DATA; tests that want it are skipped without."""
    folder = os.environ.get("AINO_TEST_DATA")
    if not folder:
        pytest.skip("AINO_TEST_DATA is not set")
    path = Path(folder)
    assert path.is_dir(), f"AINO_TEST_DATA names no folder: {folder}"
    return path


def find_stockfish():
    """Path of the Stockfish program, also looking outside PATH where Debian puts it; None if there
    is none.
    """
    return shutil.which("stockfish") or shutil.which("stockfish", path="/usr/games:/usr/local/bin")


@pytest.fixture(scope="session")
def stockfish():
    """The Stockfish program."""
    program = find_stockfish()
    if program is None:
        pytest.skip("Stockfish is not installed")
    return program


@pytest.fixture(scope="session")
def syzygy(test_data):
    """The folder of endgame tables."""
    return test_data / "syzygy"


@pytest.fixture(scope="session")
def tables(syzygy):
    """The tables as python-chess reads them."""
    with chess.syzygy.open_tablebase(str(syzygy)) as opened:
        yield opened


@pytest.fixture
def listens_to_interrupts():
    """A process started in the background of a shell ignores SIGINT, and by `nohup` SIGHUP; this
    one must not.
    """
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if hasattr(signal, "SIGHUP"):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def device():
    """A stand-in for CuPy and a GPU, where `Backend cupy` and `auto` find it."""
    with strict_cupy() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def gpu():
    """The backend of a GPU, where one answers."""
    backend = get_backend("auto")
    if backend is NUMPY:
        pytest.skip("CuPy is missing or no GPU answers")
    return backend


@pytest.fixture
def small_parts(monkeypatch):
    """Batches of a device in small parts, so that small towers fill several."""
    for module in ("engine.network.device_network", "engine.evaluation.device"):
        monkeypatch.setattr(f"{module}.PART_SIZES", (4, 16))
        monkeypatch.setattr(f"{module}.PART", 16)
