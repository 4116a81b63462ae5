"""Kill a tiny run with `kill -9` at random moments, resume it, and compare it with an undisturbed
run.

    python -m tests.selfplay.run.kill_campaign --kills 100 --seed 1

Each process is killed at a random moment of a phase drawn at random: while games are played, the
candidate is trained, the gate is played, or between the gate's verdict and the first game of the
next generation (promotion). After every kill all files are read: published segments must be whole
and unchanged, every stored game the same as before, networks complete. In the end games,
candidates, verdicts, the promoted network and the state of a training that was killed too (weights,
averages, optimizer) must be those of the run without a kill, bit for bit. If they are not, an
AssertionError says what differs.
"""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.measuring import new_parser, report
from engine.files import dit_file
from selfplay.main import main as aino_train
from selfplay.records.game import encode_record
from selfplay.records.replay import part_path, published_generations, read_segment, segment_path
from selfplay.run.folder import RunFolder
from selfplay.training.learner import load_checkpoint
from tests.new_process import ROOT
from tests.selfplay.run.crews import flags_of, stored_games, weights_of

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
FLAGS = ["--net=16x1", "--workers=1", *flags_of(SETTINGS)]
# After its beginning.
KILL_WITHIN_S = {"generate": 0.6, "fit": 0.5, "gate": 0.4, "promote": 0.04}
PATIENCE_S = 300.0


class Watch:
    """What was seen of a run after the kills, to be seen again unchanged."""

    def __init__(self):
        self.segments = {}  # content of the published segments, by generation
        self.games = {}  # encoded games, by generation and number
        self.torn = 0  # how many kills left a torn record behind

    def look(self, run):
        """Read everything."""
        replay = run / "replay"
        published = published_generations(replay) if replay.is_dir() else []
        assert set(self.segments) <= set(published), "published generations are gone"
        for generation in published:
            content = segment_path(replay, generation).read_bytes()
            assert self.segments.setdefault(generation, content) == content, generation
        begun = part_path(replay, (published or [0])[-1] + 1)
        for path in [segment_path(replay, generation) for generation in published[-1:]] + [begun]:
            if path.is_file() and path.stat().st_size >= 8:
                self._look_at_games(path)
        for path in run.glob("nets/*.dit"):
            dit_file.load_tensors(path)  # verifies the checksums
        for path in run.glob("fit/*.npz"):
            load_checkpoint(path)

    def _look_at_games(self, path):
        records, damaged = read_segment(path)
        assert not damaged or path.suffix != ".replay", f"{path}: {damaged} damaged bytes"
        self.torn += bool(damaged)
        for record in records:
            stored = encode_record(record)
            first = self.games.setdefault((record.generation, record.number), stored)
            assert first == stored, f"{path}: game {record.number} is another one now"


def place(run):
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


def live_and_die(words, run, target, wait_s):
    """Start a command, kill it `wait_s` seconds after the target phase has begun; returns where the
    run then stood, "" for a command that ends before.
    """
    output = run.with_suffix(".txt")
    # A fork of a process that has everything imported.
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["selfplay.main", "selfplay.commands.loop"])
    process = forking.Process(target=_live, args=(words, output))
    process.start()
    deadline = time.monotonic() + PATIENCE_S
    try:
        while process.is_alive() and place(run) != target and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(wait_s)
        assert time.monotonic() < deadline, f"the run did not come to {target}"
    finally:
        process.kill()
        process.join()
    if process.exitcode == 0:
        return ""
    assert process.exitcode == -signal.SIGKILL, output.read_text(errors="replace")
    return place(run)


def _live(words, output):
    """Run an `aino-train` command in this process, its output in a file."""
    with open(output, "wb") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
    sys.exit(aino_train(words))


def train(*words):
    """Run an `aino-train` command to its end."""
    command = [sys.executable, "-m", "selfplay", *map(str, words)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


def campaign(folder, kills, seed):
    """Kill, resume, compare; returns what happened."""
    rng = np.random.default_rng(seed)
    watch = Watch()
    killed = folder / "killed"
    straight = folder / "straight"
    began = time.monotonic()
    # This also compiles the kernels: lives are too short for it.
    train("loop", straight, *FLAGS, "--generations", 1)
    died = _kill_often(killed, kills, rng, watch)
    train("loop", killed, *FLAGS, "--generations", 1)
    generations = published_generations(killed / "replay")[-1]
    if generations > 1:
        train("loop", straight, "--workers=1", "--generations", generations - 1)
    for run in (killed, straight):
        train("loop", run, "--workers=1", "--until=fit")
    died["fit"] += _kill_last_training(killed, rng)
    train("loop", straight, "--until=gate")
    watch.look(killed)
    with closing(RunFolder(killed, {})) as ours, closing(RunFolder(straight, {})) as theirs:
        compare(ours, theirs, generations)
    return {
        "kills": died.total(),
        **{phase: died[phase] for phase in ("start", *KILL_WITHIN_S)},
        "torn records": watch.torn,
        "generations": generations,
        "games": len(watch.games),
        "minutes": (time.monotonic() - began) / 60,
    }


def _kill_often(run, kills, rng, watch):
    """Kill a loop in each phase about equally often, and look at the run each time; returns where
    it died.
    """
    died = Counter()
    targets = list(KILL_WITHIN_S) * (kills // len(KILL_WITHIN_S) + 1)
    for number, target in enumerate(rng.permutation(targets[:kills]).tolist()):
        wait_s = rng.uniform(0, KILL_WITHIN_S[target])
        died[live_and_die(["loop", str(run), *FLAGS], run, target, wait_s)] += 1
        watch.look(run)
        print(f"{number + 1} of {kills} kills", file=sys.stderr)
    return died


def _kill_last_training(run, rng):
    """Kill the training behind the last generation, and resume it up to its end; returns whether it
    died.
    """
    wait_s = rng.uniform(0, KILL_WITHIN_S["fit"])
    died = live_and_die(["loop", str(run), "--until=gate"], run, "fit", wait_s)
    if place(run) == "fit":
        train("loop", run, "--until=gate")
    return bool(died)


def compare(ours, theirs, generations):
    """Everything that was learned in both runs, with one more generation up to its training."""
    for number in range(1, generations + 2):
        games = stored_games(ours.path, number)
        assert games == stored_games(theirs.path, number), f"generation {number}: other games"
        assert len(ours.ledger.games(number)) == len(games), "the ledger lacks games"
        weights = weights_of(ours.candidate(number))
        assert weights == weights_of(theirs.candidate(number)), f"generation {number}: the network"
        gates = [run.ledger.gates().get(number) for run in (ours, theirs)]
        assert gates[0] == gates[1], f"generation {number}: the verdict"
        for kind in ("train", "before", "after"):
            losses = [run.ledger.losses(number, kind) for run in (ours, theirs)]
            assert losses[0] == losses[1], f"generation {number}: losses of kind {kind}"
    assert weights_of(ours.best) == weights_of(theirs.best), "the promoted network"
    (arrays, values), (other_arrays, other_values) = (
        load_checkpoint(run.fit_checkpoint(generations + 1)) for run in (ours, theirs)
    )
    assert values == other_values
    assert arrays.keys() == other_arrays.keys()
    for name, array in arrays.items():
        assert array.tobytes() == other_arrays[name].tobytes(), f"the learner's {name}"


def main(arguments=None):
    options = new_parser(__doc__, kills=100, seed=1).parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report([campaign(Path(folder), options.kills, options.seed)], options.json)


if __name__ == "__main__":
    main()
