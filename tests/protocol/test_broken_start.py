"""Whatever breaks a search: its name is told, and the answer is a move found without one."""

import errno
import os
import threading
from pathlib import Path

import chess
import pytest

from engine.errors import EvaluatorError
from engine.native import jit
from engine.options import EngineOptions
from tests.new_process import posix, wait_until
from tests.protocol.aino_process import ROOT, START_S, AinoProcess
from tests.protocol.fake_engine import Conversation, FakeEngine
from uci.loading import background
from uci.loading.patient import PatientEngine

# a search takes the queen; the first legal move does not
QUEENS = "fen 4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1"
SMALL = EngineOptions(hash_mib=8, threads=1, tactical_nodes=0.0)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        RuntimeError("Failed in nopython mode pipeline"),
        ImportError("Numba needs NumPy 2.3 or less"),
        OSError(errno.EACCES, "Permission denied", "/cache"),
        EvaluatorError("my:Network fails"),
        SystemError("initialisation of a module failed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_search_that_fails_plays_a_good_move(error, capsys):
    class Failing(FakeEngine):
        def search(self, limits, on_info=None, job=None):
            raise error

    talk = Conversation(Failing)
    talk.say(f"position {QUEENS}", "go nodes 5", "go nodes 5 searchmoves e1e2 e1f2")
    assert talk.wait_for("bestmove", 2)[0] == "bestmove e4d5"
    assert talk.answers("bestmove")[1] in ("bestmove e1e2", "bestmove e1f2")
    assert talk.infos() == [f"search failed: {type(error).__name__}: {error}"] * 2
    assert talk.lines.count("info nodes 0 time 0") == 2
    assert ("Traceback" in capsys.readouterr().err) != isinstance(error, EvaluatorError)


def test_an_engine_that_cannot_be_made_plays_a_good_move():
    def make(options):
        raise RuntimeError("broken")

    talk = Conversation(make)
    talk.say(f"position {QUEENS}", "go nodes 5", "isready", "go nodes 5")
    assert talk.wait_for("bestmove", 2) == ["bestmove e4d5"] * 2
    assert talk.answers("readyok") == ["readyok"]
    assert talk.infos().count("search failed: RuntimeError: broken") == 2


def test_move_that_was_found_before_the_search_failed_is_played():
    class Late(FakeEngine):
        def search(self, limits, on_info=None, job=None):
            on_info([self._info(chess.Move.from_uci("d2d4"), 1)])
            raise MemoryError("full")

    talk = Conversation(Late)
    talk.say("go nodes 5")
    assert talk.wait_for("bestmove") == ["bestmove d2d4"]


@pytest.mark.parametrize(
    "command", ["go nodes 5", "go infinite", "go nodes 5 searchmoves a2a3", "go perft 2", "isready"]
)
def test_a_command_that_gets_no_thread_is_answered(command, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    talk = Conversation()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    talk.say(command)
    expected = "bestmove a2a3" if "a2a3" in command else "bestmove g1h3"
    assert talk.lines[-1] in (expected, "readyok")
    assert f"{command.split()[0]} failed: RuntimeError: can't start new thread" in talk.infos()
    monkeypatch.undo()
    talk.say("go nodes 5")
    talk.wait_for("bestmove", 1 + command.startswith("go"))
    assert talk.answers("bestmove")[-1] != "bestmove (none)"


DYING = """
import ctypes, os, signal, sys
print("a warning", file=sys.stderr)
end = {end}
"""
ENDS = {
    "aborts": ("os.abort()", "-6 (a warning)"),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", "-9 (a warning)"),
    "reads a wrong address": ("ctypes.string_at(0)", "-11 (a warning)"),
    "has no memory": ("exec('raise MemoryError')", "1 (MemoryError)"),
}


@pytest.fixture
def dying_compiler(tmp_path, monkeypatch):
    """Puts a compiler in place that ends in some way."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(background, "_COMPILER", "dying_compiler")
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    return lambda end: (tmp_path / "dying_compiler.py").write_text(DYING.format(end=end)) and None


@posix  # ends by signals
@pytest.mark.parametrize("way", ENDS)
def test_a_search_does_not_go_the_way_of_the_compilers(way, dying_compiler, capsys):
    """It compiled in the engine's own process, which then died without a move, or was busy for
    ever.
    """
    end, status = ENDS[way]
    dying_compiler(end)
    talk = Conversation(PatientEngine, SMALL)
    talk.say("isready", f"position {QUEENS}")
    for count in (1, 2):
        talk.say("go nodes 5")
        wait_until(lambda count=count: len(talk.answers("bestmove")) == count)
    assert talk.answers("bestmove") == ["bestmove e4d5"] * 2
    assert f"the compiler failed with status {status}; starting it again" in talk.infos()
    last = f"the compiler failed twice, with status {status}"
    assert sum(text.endswith(last) for text in talk.infos()) == 2
    assert capsys.readouterr().err == ""
    talk.session._close()


@pytest.mark.parametrize(
    ("part", "word", "move"),
    [
        ("numba.core.registry", "ModuleNotFoundError", "e4d5"),
        ("chess", "ModuleNotFoundError", "(none)"),
        ("engine.evaluation.sparse", "sparse", "e4d5"),
    ],
)
def test_an_engine_whose_part_is_broken_plays_a_good_move(part, word, move, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{part!r}] = None")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    flags = "--hash-mib 16 --threads 1 --tactical-nodes 0".split()
    with AinoProcess(*flags, environment={"PYTHONPATH": path}) as aino:
        aino.send("uci")
        aino.read_until("uciok")
        lines = aino.ready() + aino.go(QUEENS, "nodes 50", START_S)
        assert lines[-1] == f"bestmove {move}"
        assert any(word in line for line in lines if line.startswith("info string")), lines
        aino.send("quit")
        assert aino.finish()[0] == 0


def test_a_damaged_note_of_a_digest_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_base", lambda: tmp_path)
    source = tmp_path / "source.py"
    source.write_text("x = 1\n")
    digest = jit._noted([source])
    (note,) = (tmp_path / "sources").iterdir()
    for damaged in (b"\xff\xfe", b"", b"\0" * 64, b"not a digest"):
        note.write_bytes(damaged)
        assert jit._noted([source]) == digest
    note.unlink()
    note.mkdir()
    assert jit._noted([source]) == digest


def test_cache_folder_that_cannot_be_read_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv(jit.CACHE_ENVIRONMENT_VARIABLE, str(tmp_path))
    usable = os.access

    def write_only(path, mode):
        return mode & os.R_OK == 0 if tmp_path in Path(path).parents else usable(path, mode)

    monkeypatch.setattr(os, "access", write_only)
    jit.cache_base.cache_clear()
    try:
        assert tmp_path not in (jit.cache_base() or Path("/")).parents
    finally:
        jit.cache_base.cache_clear()
