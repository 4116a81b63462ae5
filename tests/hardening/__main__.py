"""Run every long check of the program, one after another, and say what came of each.

    python -m tests.hardening                                  hours: the full counts
    python -m tests.hardening --quick                          minutes: the same with small counts
    python -m tests.hardening --only fuzz-pgn forfeits

Each check is a process of its own. Its output goes to `--logs`; a check passes when its exit status
is 0. The exit status is 1 if one failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.hardening.targets import TARGETS
from tests.protocol.aino_process import ROOT

SURROUNDINGS = ("security", "places", "clock-jumps", "full-disk")
FUZZING = (
    "tests/hardening/test_fuzzing.py::test_readers_refuse_broken_files_by_the_houses_own_errors[{}]"
)
BOUNDED = ("tests/perft", "tests/unit", "tests/regression", "tests/selfplay")
ENVIRONMENT = {"plain-kernels": {"NUMBA_DISABLE_JIT": "1"}, "bounds": {"NUMBA_BOUNDSCHECK": "1"}}


def checks(quick, logs):
    """The words behind `python -m` of each check, the shortest first. `logs` also takes what a
    check writes.
    """
    profile, lines = ("aino", 5_000) if quick else ("long", 100_000)
    tests, fuzzing = ("pytest", "-q"), ("-n", 0, "--timeout=0", f"--hypothesis-profile={profile}")
    # NumPy's scalars warn where words wrap around.
    plain = [*tests, "-m", "plain", "-W", "ignore::RuntimeWarning", "tests/unit"]
    return {
        **{one: [*tests, "-m", "not overlong", f"tests/hardening/test_{one.replace('-', '_')}.py"]
           for one in SURROUNDINGS},
        "plain-kernels": plain,
        **{f"fuzz-{name}": [*tests, *fuzzing, FUZZING.format(name)] for name in TARGETS},
        "fuzz-uci": ["tests.protocol.fuzz", "--lines", lines],
        "determinism": ["benchmarks.determinism", "--runs", 2 if quick else 3],
        "kill-campaign": ["benchmarks.kill_campaign", "--kills", 2 if quick else 100],
        "forfeits": ["benchmarks.forfeits", "--games", 2 if quick else 500, "--out", logs / "forfeits"],
        "bounds": [*tests, *BOUNDED[: 1 if quick else None]],
    }  # fmt: skip


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m tests.hardening",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run only these checks")
    parser.add_argument("--quick", action="store_true", help="run with small counts")
    parser.add_argument("--logs", type=Path, help="write logs here (default: a new folder)")
    parser.add_argument("--list", action="store_true", help="print the checks and their commands")
    options = parser.parse_args(arguments)
    logs = options.logs or Path(tempfile.mkdtemp(prefix="aino-hardening-"))
    known = {name: ["-m", *map(str, words)] for name, words in checks(options.quick, logs).items()}
    if unknown := set(options.only or ()) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if options.list:
        print("\n".join(f"{name}: python {' '.join(words)}" for name, words in known.items()))
        return 0
    return max([run(name, known[name], logs) for name in options.only or known])


def run(name, words, logs):
    """Run one check, and print what came of it; 1 for a failure."""
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    begun = time.monotonic()
    environment = {**os.environ, **ENVIRONMENT.get(name, {})}
    with log.open("w") as stream:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    result = "good" if done.returncode == 0 else f"exit status {done.returncode}, see {log}"
    print(f"{name}: {result}, {time.monotonic() - begun:.0f} s", flush=True)
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
