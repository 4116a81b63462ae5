"""Kill a tiny run with `kill -9` at random moments, resume it, and compare it with an undisturbed
run.

    python -m tests.selfplay.run.kill_campaign --kills 100 --seed 1

Each process is killed at a random moment of a phase drawn at random: while games are played, the
candidate is trained, the gate is played, or between the gate's verdict and the first game of the
next generation (promotion). After every kill all files are read: published segments must be whole
and unchanged, every stored game the same as before, networks complete. In the end games,
candidates, verdicts, the promoted network and the state of a training that was killed too (weights,
averages, optimizer) must be those of the run without a kill, bit for bit. The exit status is 1 if
they are not.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import new_parser, report
from engine.files import dit_file
from selfplay.main import main as aino_train
from selfplay.records.game import encode_record
from selfplay.records.replay import part_path, published_generations, read_segment, segment_path
from selfplay.run.folder import RunFolder
from selfplay.training.learner import load_checkpoint

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "games": {"count": 16, "concurrent": 3, "visits": 12, "longest": 40, "resign_below": -1.0},
    "fit": {
        "positions": 2048,
        "batch_size": 32,
        "shard_size": 16,
        "window": 2,
        "checkpoint_s": 0.05,
    },
    # So that every generation promotes.
    "gate": {"pairs": 3, "visits": 12, "longest": 40, "accept_score": 0.0},
}
FLAGS = [
    "--net=16x1",
    "--workers=1",
    *(
        f"--{part}.{name}={value}"
        for part, values in SETTINGS.items()
        for name, value in values.items()
    ),
]
# After its beginning.
KILL_WITHIN_S = {"generate": 0.6, "fit": 0.5, "gate": 0.4, "promote": 0.04}
PATIENCE_S = 300.0
PRELOADED = ["selfplay.main", "selfplay.commands.loop"]


class Broken(Exception):
    """A promise that was not kept."""


@dataclass
class Watch:
    """What was seen of a run after the kills, to be seen again unchanged.

    Attributes:
        segments: content of the published segments, by generation.
        games: encoded games, by generation and number.
        torn: how many kills left a torn record behind.
    """

    segments: dict[int, bytes] = field(default_factory=dict)
    games: dict[tuple[int, int], bytes] = field(default_factory=dict)
    torn: int = 0

    def look(self, run: Path) -> None:
        """Read everything. Raises Broken; AinoError for files that cannot be read."""
        replay = run / "replay"
        published = published_generations(replay) if replay.is_dir() else []
        if not set(self.segments) <= set(published):
            raise Broken(
                f"published generations {sorted(set(self.segments) - set(published))} are gone"
            )
        for generation in published:
            path = segment_path(replay, generation)
            if self.segments.setdefault(generation, path.read_bytes()) != path.read_bytes():
                raise Broken(f"{path} is not what was published")
        begun = part_path(replay, (published or [0])[-1] + 1)
        for path in [segment_path(replay, generation) for generation in published[-1:]] + [begun]:
            if path.is_file() and path.stat().st_size >= 8:
                self._look_at_games(path)
        for path in run.glob("nets/*.dit"):
            dit_file.load_tensors(path)  # verifies the checksums
        for path in run.glob("fit/*.npz"):
            load_checkpoint(path)

    def _look_at_games(self, path: Path) -> None:
        records, damaged = read_segment(path)
        if damaged and path.suffix == ".replay":
            raise Broken(f"{path}: {damaged} damaged bytes in a published segment")
        self.torn += bool(damaged)
        for record in records:
            stored = encode_record(record)
            if self.games.setdefault((record.generation, record.number), stored) != stored:
                raise Broken(f"{path}: game {record.number} was played again, but not the same")


def place(run: Path) -> str:
    """Return the phase in which a run is, from its files: `start` before there is any game."""
    segments = list((run / "replay").glob("gen-*"))
    if not segments:
        return "start"
    newest = max(segments, key=lambda path: path.stem)
    if newest.suffix == ".part":
        return "generate"
    if not (run / "nets" / f"{newest.stem}.dit").is_file():
        return "fit"
    # Not read-only: whoever opens first after a kill has to take the change back that it cut short.
    with closing(sqlite3.connect(f"file:{run / 'ledger.sqlite'}?mode=rw", uri=True)) as ledger:
        number = int(newest.stem.removeprefix("gen-"))
        judged = ledger.execute("SELECT 1 FROM gates WHERE generation = ?", (number,)).fetchone()
    return "promote" if judged else "gate"


class Lives:
    """Starts processes that are to be killed: forks of one that has everything imported, where the
    system can fork.
    """

    def __init__(self, folder: Path) -> None:
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            self._context.set_forkserver_preload(PRELOADED)
        self._said = folder / "said.txt"

    def live_and_die(self, words: Sequence[str], run: Path, target: str, wait_s: float) -> str:
        """Start a command, kill it `wait_s` seconds after the target phase has begun; returns where
        the run then stood.

        Returns "" for a command that ends before. Raises Broken when it fails.
        """
        process = self._context.Process(target=_live, args=(words, self._said))
        process.start()
        deadline = time.monotonic() + PATIENCE_S
        try:
            while process.is_alive() and place(run) != target and time.monotonic() < deadline:
                time.sleep(0.0005)
            time.sleep(wait_s)
            late = time.monotonic() >= deadline
        finally:
            process.kill()
            process.join()
        if late:
            raise Broken(f"the run did not come to {target} in {PATIENCE_S:.0f} s")
        if process.exitcode == -signal.SIGKILL:
            return place(run)
        if process.exitcode == 0:
            return ""
        raise Broken(
            f"{' '.join(words)}: exit status {process.exitcode}: {self._said.read_text(errors='replace')}"
        )


def _live(words: Sequence[str], said: Path) -> None:
    """Run an `aino-train` command in this process, its output in a file."""
    with open(said, "wb") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
    sys.exit(aino_train(words))


def train(*words: object) -> None:
    """Run an `aino-train` command to its end. Raises Broken."""
    command = [sys.executable, "-m", "selfplay", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def campaign(folder: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill, resume, compare; returns what happened. Raises Broken, AinoError."""
    rng = np.random.default_rng(seed)
    watch = Watch()
    killed = folder / "killed"
    straight = folder / "straight"
    lives = Lives(folder)
    began = time.monotonic()
    # This also compiles the kernels: lives are too short for it.
    train("loop", straight, *FLAGS, "--generations", 1)
    died = _kill_often(lives, killed, kills, rng, watch)
    train("loop", killed, *FLAGS, "--generations", 1)
    generations = published_generations(killed / "replay")[-1]
    if generations > 1:
        train("loop", straight, "--workers=1", "--generations", generations - 1)
    for run in (killed, straight):
        train("loop", run, "--workers=1", "--until=fit")
    died["fit"] += _kill_last_training(lives, killed, rng)
    train("loop", straight, "--until=gate")
    watch.look(killed)
    compare(killed, straight, generations)
    return {
        "kills": died.total(),
        **{phase: died[phase] for phase in ("start", *KILL_WITHIN_S)},
        "torn records": watch.torn,
        "generations": generations,
        "games": len(watch.games),
        "minutes": (time.monotonic() - began) / 60,
        "equal": True,
    }


def _kill_often(
    lives: Lives, run: Path, kills: int, rng: np.random.Generator, watch: Watch
) -> Counter[str]:
    """Kill a loop in each phase about equally often, and look at the run each time; returns where
    it died.
    """
    died = Counter[str]()
    targets = list(KILL_WITHIN_S) * (kills // len(KILL_WITHIN_S) + 1)
    for number, target in enumerate(rng.permutation(targets[:kills]).tolist()):
        wait_s = rng.uniform(0, KILL_WITHIN_S[target])
        died[lives.live_and_die(["loop", str(run), *FLAGS], run, target, wait_s)] += 1
        watch.look(run)
        print(f"{number + 1} of {kills} kills", file=sys.stderr)
    return died


def _kill_last_training(lives: Lives, run: Path, rng: np.random.Generator) -> bool:
    """Kill the training behind the last generation, and resume it up to its end; returns whether it
    died.
    """
    wait_s = rng.uniform(0, KILL_WITHIN_S["fit"])
    died = lives.live_and_die(["loop", str(run), "--until=gate"], run, "fit", wait_s)
    if place(run) == "fit":
        train("loop", run, "--until=gate")
    return bool(died)


def compare(killed: Path, straight: Path, generations: int) -> None:
    """Everything that was learned in both runs, with one more generation up to its training. Raises
    Broken.
    """
    ours, theirs = (RunFolder(path, {}) for path in (killed, straight))
    for number in range(1, generations + 2):
        _compare_games(ours, theirs, number)
        _compare_nets(ours.candidate(number), theirs.candidate(number))
        if ours.ledger.gates().get(number) != theirs.ledger.gates().get(number):
            raise Broken(f"generation {number}: another verdict")
        for kind in ("train", "before", "after"):
            if ours.ledger.losses(number, kind) != theirs.ledger.losses(number, kind):
                raise Broken(f"generation {number}: other losses of kind {kind}")
    _compare_nets(ours.best, theirs.best)
    (mine, values), (undisturbed, values_of_other) = (
        load_checkpoint(run.fit_checkpoint(generations + 1)) for run in (ours, theirs)
    )
    if values != values_of_other or mine.keys() != undisturbed.keys():
        raise Broken("the learners' states have other parts")
    if different := [name for name in mine if mine[name].tobytes() != undisturbed[name].tobytes()]:
        raise Broken(f"the learners' states differ in {', '.join(different)}")
    ours.close()
    theirs.close()


def _compare_games(ours: RunFolder, theirs: RunFolder, number: int) -> None:
    games = []
    for run in (ours, theirs):
        records, damaged = read_segment(segment_path(run.replay, number))
        if damaged or len(run.ledger.games(number)) != len(records):
            raise Broken(
                f"{run.path}: generation {number} is not whole, or the ledger does not know all its games"
            )
        games.append({record.number: encode_record(record) for record in records})
    if games[0] != games[1]:
        raise Broken(f"generation {number}: other games")


def _compare_nets(mine: Path, other: Path) -> None:
    """Compare all but the files' provenance, which has their date and command."""
    (header, weights), (its_header, its_weights) = (
        dit_file.load_tensors(path) for path in (mine, other)
    )
    same = all(
        header[name] == its_header[name] for name in header if name not in ("provenance", "crc32")
    )
    if not same or any(weights[name].tobytes() != its_weights[name].tobytes() for name in weights):
        raise Broken(f"{mine} differs from {other}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__, kills=100, seed=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            report([campaign(Path(folder), options.kills, options.seed)], options.json)
        except Broken as broken:
            print(f"NOT KEPT: {broken}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
