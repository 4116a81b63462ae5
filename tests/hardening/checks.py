"""The table of the long checks: what runs, and how much of it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.hardening.targets import TARGETS

FUZZED_FILES = 100_000  # of each format
SMALL_KERNELS = ("-m", "plain", "-W", "ignore::RuntimeWarning")  # NumPy's scalars warn where words wrap around
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

    def size(full: int, small: int) -> int:
        return small if quick else full

    def module(name: str, *words: object) -> list[str]:
        return [sys.executable, "-m", name, *map(str, words)]

    def tests(name: str, *words: object, **environment: str) -> Check:
        return Check(name, 0, "tests", module("pytest", "-q", *words), {**os.environ, **environment})

    games, lines, kills = size(1000, 4), size(1_000_000, 5_000), size(100, 2)
    visits, inputs, seconds = size(10_000_000, 300_000), size(FUZZED_FILES, 500), size(600, 30)
    fuzzers = [
        Check(
            f"fuzz-{name}",
            inputs,
            "files",
            module("tests.hardening.fuzz", name, "--inputs", inputs, "--seed", seed, "--keep", logs / "findings"),
        )
        for name in TARGETS
    ]
    surroundings = [
        tests(name, *words, f"tests/hardening/test_{name.replace('-', '_')}.py")
        for name, words in {
            "security": (),
            "places": (),
            "clock-jumps": (),
            "low-memory": (),
            "full-disk": ("-m", "slow or not slow"),
            "network": (),
        }.items()
    ]
    return [
        *surroundings,
        tests("plain-kernels", *SMALL_KERNELS, "tests/unit", NUMBA_DISABLE_JIT="1"),
        *fuzzers,
        Check("fuzz-uci", lines, "lines", module("tests.protocol.fuzz", "--lines", lines, "--seed", seed)),
        Check("fuzz-options", lines, "lines", module("tests.protocol.fuzz_options", "--lines", lines, "--seed", seed)),
        Check("determinism", size(3, 2), "runs each", module("benchmarks.determinism", "--runs", size(3, 2))),
        Check(
            "endurance",
            visits,
            "visits",
            module("benchmarks.endurance", "--visits", visits, "--searches", size(500, 20)),
        ),
        Check("side-by-side", seconds, "seconds", module("tests.hardening.side_by_side", "--seconds", seconds)),
        Check("kill-campaign", kills, "kills", module("benchmarks.kill_campaign", "--kills", kills, "--seed", seed)),
        # Two matches, against itself and against Stockfish.
        Check(
            "forfeits", games, "games", module("benchmarks.forfeits", "--games", games // 2, "--out", logs / "forfeits")
        ),
        tests(
            "bounds",
            *(BOUNDED if not quick else BOUNDED[:1]),
            NUMBA_BOUNDSCHECK="1",
            AINO_CACHE_DIR=str(logs / "bounds"),
        ),
        Check(
            "install",
            size(12, 3),
            "environments",
            module("tests.hardening.install", *(["--pythons", "{}.{}".format(*sys.version_info)] if quick else [])),
        ),
    ]
