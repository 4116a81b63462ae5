"""The table of the long checks: what runs, and how much of it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.hardening.targets import TARGETS

FUZZED_FILES = 100_000  # of each format: the profile `long` of tests/conftest.py
FUZZING = "tests/hardening/test_fuzzing.py::test_readers_refuse_broken_files_by_the_houses_own_errors[%s]"
SMALL_KERNELS = ("-m", "plain", "-W", "ignore::RuntimeWarning")  # NumPy's scalars warn where words wrap around
LINES, COUNT = 100_000, object()
BOUNDED = ("tests/perft", "tests/unit", "tests/regression", "tests/selfplay")


@dataclass(frozen=True)
class Check:
    """A command whose exit status tells, and how often it does what; 0 where pytest counts."""

    name: str
    count: int
    unit: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def checks(quick: bool, seed: int, logs: Path) -> list[Check]:
    """All of them, the shortest first. `logs` also takes what a check writes."""

    def module(name: str, *words: object) -> list[str]:
        return [sys.executable, "-m", name, *map(str, words)]

    def tests(name: str, *words: object, **environment: str) -> Check:
        return Check(name, 0, "tests", module("pytest", "-q", *words), {**os.environ, **environment})

    def check(name: str, full: int, small: int, unit: str, program: str, *words: object) -> Check:
        """A module that counts; COUNT among its words stands for how often."""
        count = small if quick else full
        return Check(name, count, unit, module(program, *(count if word is COUNT else word for word in words)))

    numbered = ("--seed", seed)
    profile = "aino" if quick else "long"
    surroundings = ("security", "places", "clock-jumps", "low-memory", "full-disk", "network")
    return [
        *(
            tests(name, "-m", "not overlong", f"tests/hardening/test_{name.replace('-', '_')}.py")
            for name in surroundings
        ),
        tests("plain-kernels", *SMALL_KERNELS, "tests/unit", NUMBA_DISABLE_JIT="1"),
        *(
            Check(
                f"fuzz-{name}",
                100 if quick else FUZZED_FILES,
                "files",
                module("pytest", "-q", "-n", 0, "--timeout=0", f"--hypothesis-profile={profile}", FUZZING % name),
            )
            for name in TARGETS
        ),
        check("fuzz-uci", LINES, 5_000, "lines", "tests.protocol.fuzz", "--lines", COUNT, *numbered),
        check("determinism", 3, 2, "runs each", "benchmarks.determinism", "--runs", COUNT),
        check(
            "endurance",
            10_000_000,
            300_000,
            "visits",
            "benchmarks.endurance",
            "--visits",
            COUNT,
            "--searches",
            20 if quick else 500,
        ),
        check("side-by-side", 600, 30, "seconds", "tests.hardening.side_by_side", "--seconds", COUNT),
        check("kill-campaign", 100, 2, "kills", "benchmarks.kill_campaign", "--kills", COUNT, *numbered),
        # Two matches, against itself and against Stockfish.
        check("forfeits", 500, 2, "games each", "benchmarks.forfeits", "--games", COUNT, "--out", logs / "forfeits"),
        tests("bounds", *BOUNDED[: 1 if quick else None], NUMBA_BOUNDSCHECK="1", AINO_CACHE_DIR=str(logs / "bounds")),
    ]
