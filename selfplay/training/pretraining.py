"""Supervised training from labels and games, as one interruptible run in one folder.

config.json     the resolved configuration; only the run's length and intervals may change later
checkpoint.npz  complete learner state, written every few minutes and on interruption
log.jsonl       one JSON object a line: training losses, held-out scores
latest.dit      the averaged network of the last held-out evaluation
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import ConfigError, RunError
from engine.files.atomic import atomic_write, naming, remove_left_behind
from engine.network.value.parameters import VALUE_TRUNK
from engine.nn import dit
from engine.nn.checkpoint import write_checkpoint
from engine.nn.layer import Layer
from engine.nn.schedules import WarmupCosine
from selfplay.training.families import family_of
from selfplay.training.family import HeldOutScores
from selfplay.training.learner import Learner, load_checkpoint
from selfplay.training.losses import Losses
from selfplay.training.recipe import LearnerSettings
from selfplay.training.source_files import SourceFiles, TrainingData

# A continued run may change these settings. A longer run continues at the rate of its new schedule.
CHANGEABLE = {"minutes", "positions", "checkpoint_minutes", "evaluate_minutes"}
LOG_STEPS = 20  # steps between progress reports and training lines in the log


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of a supervised run. Exactly one of `minutes` and `positions` is positive; it ends run and schedule."""

    net: str
    peak_rate: float
    learner: LearnerSettings
    part: str = "policy"  # what to train of a network with a value trunk (`family_of`)
    start_from: Path | None = None  # network of the same size, or without the value trunk, whose weights start the run
    minutes: float = 0.0  # time limit for training, checkpoints and evaluations, without loading data
    positions: int = 0
    seed: int = 1
    checkpoint_minutes: float = 3.0
    evaluate_minutes: float = 5.0
    heldout_positions: int = 8192
    files: SourceFiles = field(default_factory=SourceFiles)

    def __post_init__(self) -> None:
        if (self.minutes > 0) == (self.positions > 0):
            raise ConfigError(f"give either minutes or positions to train, got {self.minutes} and {self.positions}")
        family_of(self.net, self.part)


@dataclass(frozen=True)
class ProgressReport:
    """Progress of a run; `scores` is set only right after an evaluation."""

    progress: float  # 0..1
    positions: int  # trained on so far, counting repetitions
    positions_per_s: float  # since the last report
    losses: Losses  # means since the last report
    scores: HeldOutScores | None


class Pretraining:
    """A run in a folder that nobody else uses. `train` continues from its checkpoint until done or stopped."""

    def __init__(self, folder: Path, settings: PretrainSettings, data: TrainingData) -> None:
        self.folder = folder
        self.settings = settings
        self.elapsed_s = 0.0
        self._bind_configuration()
        family, rates = family_of(settings.net, settings.part), WarmupCosine.over_progress(settings.peak_rate)
        batches = family.batches(data, settings.learner, settings.seed)
        model = _first_model(settings)
        self.learner = Learner(family, model, batches, settings.learner, lambda step: rates(self.progress))
        self._heldout = family.heldout(data.heldout, settings.heldout_positions)
        if self._checkpoint.is_file():
            arrays, values = load_checkpoint(self._checkpoint)
            self.learner.restore(arrays, values["learner"])
            self.elapsed_s = values["elapsed_s"]

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def positions(self) -> int:
        """Positions trained on so far, counting repetitions."""
        return self.learner.steps_done * self.settings.learner.batch_size

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0..1."""
        if self.settings.minutes > 0:
            return min(1.0, self.elapsed_s / (60.0 * self.settings.minutes))
        return min(1.0, self.positions / self.settings.positions)

    def train(self, report: Callable[[ProgressReport], None], stop: Callable[[], bool]) -> bool:
        """Train until the run is done (True) or `stop()` (False). Both leave a checkpoint."""
        begun = time.monotonic() - self.elapsed_s
        last_checkpoint = last_evaluation = self.elapsed_s
        self._reported = self.elapsed_s, self.positions
        seen: list[Losses] = []
        while self.progress < 1.0 and not stop():
            seen.append(self.learner.step())
            self.elapsed_s = time.monotonic() - begun
            if len(seen) == LOG_STEPS:
                report(self._report(seen, None))
                seen = []
            if self.elapsed_s - last_evaluation >= 60 * self.settings.evaluate_minutes:
                report(self._report(seen, self._evaluate(self.folder / "latest.dit")))
                seen, last_evaluation = [], self.elapsed_s
                self.elapsed_s = time.monotonic() - begun
            if self.elapsed_s - last_checkpoint >= 60 * self.settings.checkpoint_minutes:
                self.checkpoint()
                last_checkpoint = self.elapsed_s
        self.checkpoint()
        return self.progress >= 1.0

    def finish(self, path: Path, dtype: str = "float32") -> HeldOutScores:
        """Write the averaged network to `path`, stored as `dtype`, and return its held-out scores."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._evaluate(path, dtype)

    def checkpoint(self) -> None:
        """Write the complete state of the run."""
        arrays, values = self.learner.state()
        write_checkpoint(self._checkpoint, arrays, {"learner": values, "elapsed_s": self.elapsed_s})

    def close(self) -> None:
        """Stop the learner's threads."""
        self.learner.close()

    def _evaluate(self, path: Path, dtype: str = "float32") -> HeldOutScores:
        model = self.learner.averaged_model()
        scores = self._heldout.evaluate(model, self.settings.learner.threads)
        card = {
            "kind": "supervised",
            "data": _data_names(self.settings.files),
            "positions": self.positions,
            "minutes": round(self.elapsed_s / 60, 1),
            "batch_size": self.settings.learner.batch_size,
            "peak_rate": self.settings.peak_rate,
            "heldout": {"positions": self._heldout.n_positions, **asdict(scores)},
        }
        dit.save(path, model, card, dtype, configuration=_configuration(self.settings))
        return scores

    def _report(self, seen: list[Losses], scores: HeldOutScores | None) -> ProgressReport:
        seconds, positions = self.elapsed_s - self._reported[0], self.positions - self._reported[1]
        self._reported = self.elapsed_s, self.positions
        speed = positions / seconds if seconds > 0 else 0.0
        names = Losses.__dataclass_fields__
        means = Losses(*(float(np.mean([getattr(one, name) for one in seen or [Losses(0, 0, 0)]])) for name in names))
        report = ProgressReport(self.progress, self.positions, speed, means, scores)
        line = {"step": self.learner.steps_done, "elapsed_s": round(self.elapsed_s, 1), **asdict(report)}
        path = self.folder / "log.jsonl"
        with naming(path), open(path, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        return report

    def _bind_configuration(self) -> None:
        """Store the configuration. In an existing folder, only the run's length and intervals may differ."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_left_behind(self.folder)
        path = self.folder / "config.json"
        values = json.loads(json.dumps(asdict(self.settings), default=str))
        if path.is_file():
            stored = json.loads(path.read_text(encoding="utf-8"))
            different = {name for name in stored.keys() | values.keys() if stored.get(name) != values.get(name)}
            if refused := sorted(different - CHANGEABLE):
                raise RunError(f"{self.folder} holds a run with other {', '.join(refused)} (see {path.name})")
            if not different:
                return
        with atomic_write(path) as stream:
            stream.write(json.dumps(values, indent=2).encode())


def _first_model(settings: PretrainSettings) -> Layer:
    """The network that a new run begins with. Raises ConfigError if `start_from` has another architecture."""
    model = family_of(settings.net).build(np.random.default_rng(settings.seed))
    if settings.start_from is None:
        return model
    start, _ = dit.load(settings.start_from)
    wanted = model.config()
    if start.config() == wanted:
        return start
    if start.config() == {name: value for name, value in wanted.items() if name != VALUE_TRUNK}:
        return start.with_children(model.children())
    raise ConfigError(f"{settings.start_from}: not a network of the architecture {settings.net}")


def _configuration(settings: PretrainSettings) -> dict[str, object]:
    """The settings as a network file stores them, without folders of the training machine."""
    start = settings.start_from.name if settings.start_from else ""
    return {name: value for name, value in asdict(settings).items() if name != "files"} | {"start_from": start}


def _data_names(files: SourceFiles) -> dict[str, list[str]]:
    """File names by kind, without folders: they identify the data, not its place on this machine."""
    kinds = {
        "teacher": files.teacher,
        "engine games": files.engine_games,
        "human games": files.human_games,
        "pgn": files.pgn,
        "training chunks": files.v6,
        "tree positions": files.searched,
        "labels": files.labels,
    }
    return {kind: [path.name for path in paths] for kind, paths in kinds.items() if paths}
