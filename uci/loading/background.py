"""Kernels are compiled once, by a process of its own that outlives whoever started it.

On an empty cache an engine is ready at once and only its first search waits; a GUI that gives up
after ten seconds loses nothing. Programs that start at the same time share the work: a lock lets
one of them compile, and the others watch its progress. A compiler that is killed leaves whole
kernels; the next one, which is started once, goes on there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import CompilerError, StillCompilingError, message
from engine.evaluation.custom import STAND_IN
from engine.evaluation.protocol import ANY_NETWORK
from engine.native import jit
from engine.options import EngineOptions
from uci.loading.compiler import LOCKED, NOT_KEPT, Place, child_environment

_COMPILER = "uci.loading.compiler"
COMPILER_HASH_MIB = 4  # enough to compile, whatever memory the engine itself has
# What the compiler's engine has as ours.
_ENGINE_FIELDS = ("evaluator", "weights_file", "backend", "preset")
_PYTHON_FAILED = (1, 2)  # exit statuses of a Python that raised an error
_POLL_S = 0.02
_AGAIN_S = 2.0  # from one attempt to become the compiler to the next, while another one is at work
_TELL_S = 2.0  # between two messages about the progress
NOWHERE = Place(Path(), "", "")  # of kernels that no folder keeps

# A Popen object complains if it goes before its process has ended.
_started = list[subprocess.Popen[bytes]]()


class LoadingProgress(NamedTuple):
    """How far the compiler is, or what went wrong."""

    done: int  # steps
    total: int  # steps, by estimate
    problem: str = ""

    @property
    def share(self) -> float:
        """The part done, 0 to 1."""
        return self.done / self.total

    def __str__(self) -> str:
        return self.problem or message(
            "compiling {done} of about {total}", done=self.done, total=self.total
        )


OnProgress = Callable[[LoadingProgress], None]


def place_of(options: EngineOptions, needed: str) -> Place:
    """Where the kernels for an engine with these options are kept; NOWHERE if no folder can be made
    for them.

    `needed` is its evaluator's `kernels_needed`: another network may need no others.
    """
    folder = jit.cache_folder()
    if folder is None:
        return NOWHERE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return NOWHERE
    deciding = _deciding_options(options)
    chosen = _compiler_options(options, needed) | deciding
    return Place(folder, _kernel_key(needed, deciding), json.dumps(chosen))


def _deciding_options(options: EngineOptions) -> dict[str, Any]:
    """Return what decides which kernels are compiled, beside the evaluator."""
    return {
        "preset": options.preset,
        "play_like": options.play_like,
        "threads": min(2, options.thread_count),
        # Whether there are hints, not how much.
        "tactical_nodes": float(options.tactical_nodes > 0),
    }


def _compiler_options(options: EngineOptions, needed: str) -> dict[str, Any]:
    """Return what else the compiler's engine is made with."""
    chosen = {field: getattr(options, field) for field in _ENGINE_FIELDS}
    chosen["hash_mib"] = COMPILER_HASH_MIB
    # Somebody's code runs in our process alone: others wait for the compiler.
    if ":" in options.evaluator:
        chosen |= {"evaluator": STAND_IN, "weights_file": EngineOptions().weights_file}
    if needed.endswith(ANY_NETWORK):  # A large network would be loaded twice, and take its time.
        chosen |= {"weights_file": "", "stand_ins": True}
    return chosen


def _kernel_key(needed: str, deciding: dict[str, Any]) -> str:
    """Return the name of a set of kernels, another one for other sources."""
    facts = json.dumps([needed, deciding, jit.sources_hash()])
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


class Preparation:
    """Gets an engine's kernels into the cache: starts the compiler if they are missing, and again
    if it fails.

    `options` and `needed` as for `place_of`.
    """

    def __init__(self, options: EngineOptions, needed: str) -> None:
        self._place = place_of(options, needed)
        self._compiler: subprocess.Popen[bytes] | None = None
        self._tried = 0.0
        self._may_start_again = True  # once
        # Whether something ended a compiler that could not say why, or memory was short.
        self._dies = False
        self._failure = ""
        self.finished = self._place is NOWHERE or self._place.is_compiled
        if not self.finished:
            self._start()

    def changed(self, options: EngineOptions, needed: str) -> Preparation:
        """Return the preparation for a changed engine: this one, unless it needs other kernels."""
        if place_of(options, needed).name == self._place.name:
            return self
        return Preparation(options, needed)

    def progress(self) -> LoadingProgress | None:
        """How far the compiler is; None before it has compiled anything, which it may not have
        to.
        """
        done, total = self._place.counted()
        if done == 0:
            return None
        return LoadingProgress(done, total)

    def wait(
        self,
        tell: OnProgress | None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait until the kernels are in the cache, or until no compiler can be had and the first
        search must compile.

        `tell` hears of the progress every two seconds. Raises StillCompilingError once `stopped`
        gives true, and CompilerError where compilers die: in the engine's own process the same
        would end a game, or last for ever.
        """
        told_at = 0.0
        while not self.finished:
            problem = "" if self._failure else self._check()
            if self._failure:
                raise CompilerError(self._failure)
            if problem and tell is not None:
                tell(LoadingProgress(0, 1, problem))
            progress = self.progress()
            now = time.monotonic()
            if stopped():
                raise StillCompilingError(f"no search yet, {progress or 'compiling'}")
            if progress is not None and tell is not None and now - told_at >= _TELL_S:
                told_at = now
                tell(progress)
            time.sleep(_POLL_S)

    def _check(self) -> str:
        """Update `finished` and keep a compiler at work; return what went wrong with it in words,
        "" for nothing.
        """
        status: int | None = 0  # where none could be started
        if self._compiler is not None:
            status = self._compiler.poll()
        if self._place.is_compiled or status == 0:
            self.finished = True
        elif status == LOCKED:
            if time.monotonic() - self._tried >= _AGAIN_S:
                self._start()
        elif status == NOT_KEPT:
            self.finished = True
            return f"{self._place.folder} keeps no compiled code (is the disk full?): every start compiles anew"
        elif status is not None:
            return self._after_failure(status)
        return ""

    def _after_failure(self, status: int) -> str:
        words = self._place.take_last_words()
        reason = f"with status {status}"
        if words:
            reason += f" ({words})"
        self._dies = self._dies or status not in _PYTHON_FAILED or "MemoryError" in words
        if self._may_start_again:
            self._may_start_again = False
            self._start()
            return f"the compiler failed {reason}; starting it again"
        if self._dies:
            self._failure = f"the compiler failed twice, {reason}"
            return ""
        self.finished = True
        return f"the compiler failed again, {reason}; the search compiles and cannot be stopped"

    def _start(self) -> None:
        self._tried = time.monotonic()
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(
            subprocess, "CREATE_NEW_PROCESS_GROUP", 0
        )
        command = [sys.executable, "-P", "-m", _COMPILER, *map(str, self._place)]
        # Where we may not start processes, the first search compiles.
        with contextlib.suppress(OSError), self._place.errors.open("ab") as errors:
            self._compiler = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=child_environment(),
                start_new_session=os.name == "posix",  # Ctrl-C in our terminal is not meant for it
                creationflags=flags,
            )
            _started.append(self._compiler)
