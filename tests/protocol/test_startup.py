"""Starting where it is difficult: nowhere to keep compiled kernels, and several engines at once on an empty cache."""

from __future__ import annotations

import errno
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import NetFileError
from engine.native import jit
from engine.options import EngineOptions
from uci.bench.startup import measure_start, measure_together, no_home
from uci.loading import cold_start, compile_lock

MATERIAL = ("--evaluator", "material", "--hash-mib", "16")
SOURCE = Path(jit.__file__)
HOLD_S = 0.2


def test_home_folder_that_cannot_be_written_is_no_obstacle() -> None:
    base = jit.cache_base()
    assert base is not None
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(base.parent))  # where the kernels are compiled already
    measure_start(MATERIAL, {**no_home(), **temporary})


@pytest.mark.slow
def test_engines_started_at_once_on_an_empty_cache_all_play(tmp_path: Path) -> None:
    environment = {"AINO_CACHE_DIR": str(tmp_path)}
    measure_together(MATERIAL, environment)
    assert list(tmp_path.rglob("compiled-*"))


# ---- the lock -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(jit, "cache_base", lambda: tmp_path)
    return tmp_path


def test_second_engine_waits_until_the_first_has_compiled(cache: Path) -> None:
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with compile_lock.compiling_alone(SOURCE, "hybrid"):
            inside.set()
            time.sleep(HOLD_S)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with compile_lock.compiling_alone(SOURCE, "hybrid"):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_nobody_waits_for_what_was_compiled_before(cache: Path) -> None:
    with compile_lock.compiling_alone(SOURCE, "hybrid") as cold:
        assert cold
    with (
        compile_lock.compiling_alone(SOURCE, "material") as other_cold,
        compile_lock.compiling_alone(SOURCE, "hybrid") as cold,  # would wait for the other
    ):
        assert other_cold
        assert not cold


def test_failed_compilation_is_not_taken_for_done(cache: Path) -> None:
    with pytest.raises(MemoryError), compile_lock.compiling_alone(SOURCE, "hybrid"):
        raise MemoryError
    assert not list(cache.rglob("compiled-*"))


def test_without_a_cache_folder_there_is_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "cache_base", lambda: None)
    with compile_lock.compiling_alone(SOURCE, "x") as cold, compile_lock.compiling_alone(SOURCE, "x"):
        assert not cold


def test_disk_without_room_is_no_obstacle(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", full)
        with compile_lock.compiling_alone(SOURCE, "x") as cold:
            assert cold
    folder = jit.cache_folder(SOURCE)
    assert folder is not None
    (folder / "lock").unlink()
    folder.rmdir()
    folder.touch()  # where no folder can be made
    with compile_lock.compiling_alone(SOURCE, "x") as cold:
        assert not cold


# ---- the second compiler --------------------------------------------------------------------------------------------


def test_second_compiler_evaluates_with_the_net_and_stops_with_a_broken_one(tmp_path: Path) -> None:
    for evaluator in ("auto", "hybrid"):
        cold_start.main(evaluator, EngineOptions().weights_file)
    with pytest.raises(NetFileError, match="missing"):
        cold_start.main("auto", str(tmp_path / "missing.dit"))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that are started from now on."""
    processes: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **names: Any) -> None:
            super().__init__(*arguments, **names)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return processes


def test_second_compiler_runs_no_code_from_the_working_folder(
    started: list[subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uci").mkdir()
    (tmp_path / "uci" / "__init__.py").write_text("open('was-here', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    with cold_start.second_compiler(EngineOptions(threads=2, weights_file="missing.dit")):
        assert started[0].wait(60) == 1  # no such net
    assert not (tmp_path / "was-here").exists()


def test_second_compiler_is_gone_when_the_first_is_done(started: list[subprocess.Popen[bytes]]) -> None:
    with cold_start.second_compiler(EngineOptions(threads=2)):
        assert started[0].poll() is None
    assert started[0].returncode is not None
    with cold_start.second_compiler(EngineOptions(evaluator="material")):
        pass
    assert len(started) == 1
