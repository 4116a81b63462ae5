"""Feed the readers of one format hundreds of thousands of broken files.

    python -m tests.hardening.fuzz pgn --inputs 100000 --seed 1
    python -m tests.hardening.fuzz pgn --inputs 1 --first 4711      only this input of the same seed

A finding is an exception outside the tree of `engine/errors.py`, an input that takes more than `LONGEST_S` seconds of
CPU time, or memory that grows beyond what the input can explain. Findings are printed, and their inputs kept with
`--keep`. The last line of the output is a JSON object; the exit status is 1 if there was a finding.
"""

import argparse
import ctypes
import faulthandler
import gc
import json
import logging
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measuring import Progress
from engine.errors import AinoError
from tests.hardening.mutations import mutated, noise
from tests.hardening.target import Target

NOISE_SHARE = 0.05  # of the inputs
SEALED_SHARE = 0.6  # of the others: mutated inside, then packed and with their checksums right
LONGEST_S = 5.0  # of processor time, for one input
FROZEN_S = 300  # of wall time: compiled code cannot be interrupted, the process ends with a traceback
ROOM_MIB = 128  # memory above what the good samples took
ADDRESS_ROOM = 2 << 30  # bytes of address space above it: what nobody touches counts, too
MOST_TOLD = 10  # findings, by their place


class TooSlow(BaseException):
    """The input has used up its time. This is a BaseException, so that no reader catches it."""


@dataclass
class Report:
    """What came of the inputs; `findings` count by kind and place."""

    name: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    slowest_ms: float = 0.0
    grown_mib: float = 0.0
    findings: Counter[str] = field(default_factory=Counter)


def fuzz(target: Target, inputs: int, seed: int, first: int = 0, keep: Path | None = None) -> Report:
    """Reads this many broken inputs. Raises what the reader raises if it refuses a good sample."""
    report = Report(target.name)
    progress = Progress(target.name, inputs)
    with tempfile.TemporaryDirectory() as folder, _bounded():
        path = Path(folder) / f"input{target.suffix}"
        for sample in target.samples:
            path.write_bytes(target.seal(sample))
            target.read(path)
        _give_back()  # What came before must not make room for an input.
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of what came before
        start_mib = _most_mib()
        room = start_mib + ROOM_MIB
        for number in range(first, first + inputs):
            data = make_input(target, random.Random(f"{target.name} {seed} {number}"))
            path.write_bytes(data)
            finding = _read(target, path, report)
            if _most_mib() > room:
                finding = finding or f"memory: {_most_mib() - start_mib:.0f} MiB above the start at ?"
                room = _most_mib() + ROOM_MIB
            if finding:
                _note(report, finding, number, data, keep)
            progress.update(number - first + 1)
    report.inputs, report.grown_mib = inputs, _most_mib() - start_mib
    return report


def make_input(target: Target, rng: random.Random) -> bytes:
    """One broken input."""
    if rng.random() < NOISE_SHARE:
        return noise(rng, target.words)
    if rng.random() < SEALED_SHARE:
        return target.seal(mutated(rng, target.samples, target.words))
    return mutated(rng, [target.seal(rng.choice(target.samples))], target.words)


def _read(target: Target, path: Path, report: Report) -> str:
    """Reads one input into the report; returns the finding, if it is one."""
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
    faulthandler.dump_traceback_later(FROZEN_S, exit=True)
    try:
        target.read(path)
        report.accepted += 1
    except AinoError:
        report.refused += 1
    except TooSlow as error:
        return f"slow: over {LONGEST_S:.0f} s at {_place(error)}"
    except Exception as error:  # noqa: BLE001 - whatever else a reader raises is what is looked for
        return f"{type(error).__name__}: {str(error)[:80]} at {_place(error)}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        faulthandler.cancel_dump_traceback_later()
        report.slowest_ms = max(report.slowest_ms, (time.process_time() - begun) * 1000)
    return ""


def _place(error: BaseException) -> str:
    """The project's innermost line in a traceback."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "site-packages" not in one.filename]
    ours = [one for one in frames if any(f"/{part}/" in one.filename for part in ("engine", "selfplay", "uci"))]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"


def _note(report: Report, finding: str, number: int, data: bytes, keep: Path | None) -> None:
    kind = finding.split(":")[0] + " at " + finding.rpartition(" at ")[2]
    report.findings[kind] += 1
    if report.findings[kind] == 1 and len(report.findings) <= MOST_TOLD:
        print(f"{report.name} input {number}: {finding}: {data[:100]!r}", flush=True)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{report.name}-{number}").write_bytes(data)


@contextmanager
def _bounded() -> Iterator[None]:
    """Bounds on address space and time; what readers log and warn of is silent."""

    def too_slow(signal_number: int, frame: object) -> None:
        raise TooSlow

    old_handler = signal.signal(signal.SIGVTALRM, too_slow)
    old_limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_ROOM, old_limits[1]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable()
            yield
    finally:
        logging.disable(logging.NOTSET)
        resource.setrlimit(resource.RLIMIT_AS, old_limits)
        signal.signal(signal.SIGVTALRM, old_handler)


def _give_back() -> None:
    """Return what is free to the system; a training before may have told glibc to keep it (`keep_freed_memory`)."""
    gc.collect()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _most_mib() -> float:
    """The most resident memory since the peak was forgotten; `getrusage` never forgets that of who started us."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    from tests.hardening.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="begin with the input of this number")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="save inputs that are findings here")
    options = parser.parse_args(arguments)
    report = fuzz(TARGETS[options.target](), options.inputs, options.seed, options.first, options.keep)
    print(json.dumps(vars(report)))
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
