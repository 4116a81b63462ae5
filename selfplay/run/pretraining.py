"""Supervised training from labels and games, as one interruptible run in one folder.

config.json     the resolved configuration; only the run's length, intervals, threads and backend
                may change later
checkpoint.npz  complete learner state, written every few minutes and on interruption
log.jsonl       one JSON object a line: training losses, held-out scores; none after the
                checkpoint's step is kept
latest.dit      the averaged network of the last held-out evaluation
"""

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import BACKEND_NAMES
from engine.errors import ConfigError, RunError
from engine.files.atomic import append, remove_left_behind, write_file
from engine.files.json_text import json_text
from engine.files.output_files import check_output
from engine.files.settings_file import read_noted
from engine.native.uptime import uptime_s
from engine.network.value.value_parameters import VALUE_TRUNK
from engine.nn import dit
from engine.nn.layer import Layer
from engine.nn.training.checkpoint import write_checkpoint
from engine.nn.training.schedules import WarmupCosine
from engine.options.settings import REQUIRED, check_settings, setting
from selfplay.families.by_name import PARTS, family_of
from selfplay.interrupt import Stop
from selfplay.training.family import HeldOutScores, saved_at_last
from selfplay.training.learner import load_checkpoint
from selfplay.training.losses import Losses, mean_of
from selfplay.training.recipe import TRAIN_BACKEND, LearnerSettings
from selfplay.training.source_files import SourceFiles, TrainingData

CONFIG, RUN_LOG = "config.json", "log.jsonl"
# A continued run may change these settings. A longer run continues at the rate of its new schedule.
CHANGEABLE = {
    "backend",
    "minutes",
    "positions",
    "checkpoint_minutes",
    "evaluate_minutes",
    "threads",
}
LOG_STEPS = 20  # steps between progress reports and training lines in the log


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of a supervised run. Exactly one of `minutes` and `positions` is positive; it ends
    run and schedule.
    """

    # fmt: off
    net: str = setting(REQUIRED,
        "train a tower (FILTERSxBLOCKS), a transformer (transformer-WIDTHxLAYERS), a sparse network (sparse-WIDTH or "
        "sparse-WIDTH+vWIDTH, multiples of 128), a network that predicts people (people-WIDTH, or a tower, "
        "people-FILTERSxBLOCKS) or your own "
        "(module:Class)", metavar="NET")
    peak_rate: float = setting(REQUIRED, "use this peak learning rate", above=0, flag="--rate")
    learner: LearnerSettings = REQUIRED
    part: str = setting(PARTS[0],
        "train this part of sparse-WIDTH+vWIDTH; the value trunk learns from label folders alone", PARTS)
    # Network of the same size, or without the value trunk, whose weights start the run.
    start_from: Path | None = None
    # Time limit for training, checkpoints and evaluations, without loading data and compiling.
    minutes: float = 0.0
    positions: int = 0
    seed: int = setting(1, "seed all random numbers with this", least=0)
    backend: str = setting("numpy", TRAIN_BACKEND, BACKEND_NAMES)
    checkpoint_minutes: float = setting(3.0, "save a checkpoint this many minutes apart", above=0)
    evaluate_minutes: float = setting(5.0, "evaluate on held-out games this many minutes apart", above=0)
    heldout_positions: int = 8192
    # fmt: on
    files: SourceFiles = field(default_factory=SourceFiles)

    def __post_init__(self) -> None:
        if (self.minutes > 0) == (self.positions > 0):
            raise ConfigError(
                f"give either minutes or positions to train, got {self.minutes} and {self.positions}"
            )
        check_settings(self)
        family_of(self.net, self.part)

    def check_beginning(self) -> None:
        """Raise what a training with these settings would raise once its data are read:
        ConfigError, DeviceError, and NetFileError for `start_from`.
        """
        family_of(self.net, self.part).check_learning(self.backend)
        _first_model(self)


@dataclass(frozen=True)
class ProgressReport:
    """Progress of a run; `scores` is set only right after an evaluation."""

    progress: float  # 0..1
    positions: int  # trained on so far, counting repetitions
    positions_per_s: float | None  # since the last report; None without a step since then
    losses: Losses | None  # means since the last report; None without a step since then
    scores: HeldOutScores | None


class Pretraining:
    """A run in a folder that nobody else uses. `train` continues from its checkpoint until done or
    stopped.
    """

    def __init__(self, folder: Path, settings: PretrainSettings, data: TrainingData) -> None:
        self.folder = folder
        self.settings = settings
        self.elapsed_s = 0.0
        self._data_names = data.names
        self._bind_configuration(data)
        family = family_of(settings.net, settings.part)
        rates = WarmupCosine.over_progress(settings.peak_rate)
        batches = family.batches(data, settings.learner, settings.seed)
        model = _first_model(settings)
        self.learner = family.learner(
            model, batches, settings.learner, lambda step: rates(self.progress), settings.backend
        )
        self._heldout = family.heldout(data.heldout, settings.heldout_positions)
        if self._checkpoint.is_file():
            arrays, values = load_checkpoint(self._checkpoint)
            self.learner.restore(arrays, values["learner"])
            self.elapsed_s = values["elapsed_s"]
        self._log = _kept_log(folder / RUN_LOG, self.learner.steps_done)

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

    def seconds_left(self, positions_per_s: float | None) -> float | None:
        """Return how long the run goes on, at this speed where positions end it; None without."""
        if self.settings.minutes > 0:
            return max(0.0, 60.0 * self.settings.minutes - self.elapsed_s)
        if not positions_per_s:
            return None
        return max(0, self.settings.positions - self.positions) / positions_per_s

    def train(self, report: Callable[[ProgressReport], None], stop: Stop) -> bool:
        """Train until the run is done (True) or `stop()` (False). Both leave a checkpoint.

        The first step and the first evaluation of a session may compile kernels, and take no time
        of the run's.
        """
        self._known_work = set[str]()
        self._counted = uptime_s()
        last_checkpoint = last_evaluation = self.elapsed_s
        self._reported = self.elapsed_s, self.positions
        seen: list[Losses] = []
        with saved_at_last(self.checkpoint):
            while self.progress < 1.0 and not stop():
                self.learner.remember()
                seen.append(self.learner.step())
                self._count_time("step")
                if len(seen) == LOG_STEPS:
                    report(self._report(seen, None))
                    seen = []
                if self.elapsed_s - last_evaluation >= 60 * self.settings.evaluate_minutes:
                    scores = self._evaluate(self.folder / "latest.dit")
                    report(self._report(seen, scores))
                    seen = []
                    last_evaluation = self.elapsed_s
                    self._count_time("evaluation")
                if self.elapsed_s - last_checkpoint >= 60 * self.settings.checkpoint_minutes:
                    self.checkpoint()
                    last_checkpoint = self.elapsed_s
            if seen:
                report(self._report(seen, None))
            self.checkpoint()
        return self.progress >= 1.0

    def _count_time(self, work: str) -> None:
        """Count the seconds of some work that has ended, but for the first of its kind, which may
        compile kernels.
        """
        now = uptime_s()
        if work in self._known_work:
            self.elapsed_s += now - self._counted
        self._known_work.add(work)
        self._counted = now

    def finish(self, path: Path, dtype: str = "float32") -> HeldOutScores:
        """Write the averaged network to `path`, stored as `dtype`; log and return its held-out
        scores.
        """
        check_output(path, ())  # of this run, when it began
        scores = self._evaluate(path, dtype)
        if not any(
            row["step"] == self.learner.steps_done and row.get("scores") for row in self._log[-2:]
        ):
            self._reported = self.elapsed_s, self.positions
            self._report([], scores)
        return scores

    def checkpoint(self) -> None:
        arrays, values = self.learner.state()
        write_checkpoint(self._checkpoint, arrays, {"learner": values, "elapsed_s": self.elapsed_s})

    def close(self) -> None:
        self.learner.close()

    def _evaluate(self, path: Path, dtype: str = "float32") -> HeldOutScores:
        model = self.learner.averaged_model()
        scores = self._heldout.evaluate(model, self.settings.learner.threads)
        card = {
            "kind": "supervised",
            "data": dict(self._data_names),
            "positions": self.positions,
            "minutes": round(self.elapsed_s / 60, 1),
            "batch_size": self.settings.learner.batch_size,
            "peak_rate": self.settings.peak_rate,
            "heldout": {"positions": self._heldout.n_positions, **asdict(scores)},
        }
        # The network file names no folders of the training machine.
        configuration = asdict(self.settings)
        del configuration["files"]
        configuration["start_from"] = ""
        if self.settings.start_from is not None:
            configuration["start_from"] = self.settings.start_from.name
        dit.save(path, model, card, dtype, configuration=configuration)
        return scores

    def _report(self, seen: list[Losses], scores: HeldOutScores | None) -> ProgressReport:
        seconds, positions = self.elapsed_s - self._reported[0], self.positions - self._reported[1]
        self._reported = self.elapsed_s, self.positions
        speed = positions / seconds if seconds > 0 and positions > 0 else None
        report = ProgressReport(self.progress, self.positions, speed, _means(seen), scores)
        progress = {"step": self.learner.steps_done, "elapsed_s": round(self.elapsed_s, 1)}
        self._log.append(progress | asdict(report))
        append(self.folder / RUN_LOG, json_text(self._log[-1]) + "\n")
        return report

    def _differ(self, stored: dict[str, Any], values: dict[str, Any]) -> bool:
        """Whether any setting is another one than is stored. Raises RunError if one may not be."""
        advice = "Give it those that it began with, or begin another --run with --start-from"
        free = CHANGEABLE | {"data"}
        if not self.settings.files.heldout:
            free |= {"heldout"}
        old = _without_paths(stored)
        new = _without_paths(values)
        different = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        if names := sorted(different - free):
            raise RunError(
                f"{self.folder} holds a run with other {', '.join(names)} (see {CONFIG}). {advice}"
            )
        pairs = zip_longest(values["data"].items(), old.get("data", {}).items(), fillvalue=("", ""))
        if changed := [name or old for (name, mark), (old, old_mark) in pairs if mark != old_mark]:
            raise RunError(
                f"{self.folder} holds a run with other data: {', '.join(changed)} changed. {advice}"
            )
        return bool(different)

    def _bind_configuration(self, data: TrainingData) -> None:
        """Store configuration and what the data are. In an existing folder, only CHANGEABLE
        settings may differ.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_left_behind(self.folder)
        path = self.folder / CONFIG
        values = json.loads(json.dumps(asdict(self.settings), default=str))
        values["data"] = dict(data.fingerprints)
        if (start := self.settings.start_from) is not None:
            values["data"][str(start)] = hashlib.sha256(start.read_bytes()).hexdigest()[:16]
        values["heldout"] = data.heldout_name
        if path.is_file() and not self._differ(read_noted(path), values):
            return
        write_file(path, json.dumps(values, indent=2))


def _without_paths(values: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is compared: files may be moved, as their marks tell what they
    hold.
    """
    values = json.loads(json.dumps(values))
    with contextlib.suppress(KeyError, TypeError):
        values["threads"] = values["learner"].pop("threads", None)  # which change no result
        values["start_from"] = values["start_from"] is not None
        values["files"]["heldout"] = values["files"]["heldout"] is not None
        values["files"]["data"] = [weight for _path, weight in values["files"]["data"]]
    return values


def _means(seen: list[Losses]) -> Losses | None:
    """Means over steps, of each loss over those that have it."""
    if not seen:
        return None
    means = []
    for column in zip(*map(astuple, seen), strict=True):
        losses = [loss for loss in column if loss is not None]
        means.append(mean_of(float(np.sum(losses)), len(losses)))
    return Losses(*means)


def _kept_log(path: Path, step: int) -> list[dict[str, Any]]:
    """Return the log's rows up to a step, and cut later ones, written after the checkpoint, and
    torn ones.
    """
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = [row for row in read_log(text) if row["step"] <= step]
    content = "".join(json_text(row) + "\n" for row in rows)
    if content != text:
        write_file(path, content)
    return rows


def read_log(text: str) -> list[dict[str, Any]]:
    """Return the rows of a log, without torn lines, and without those of steps that were repeated
    after a kill.
    """
    rows: list[dict[str, Any]] = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                while rows and _place(rows[-1]) >= _place(row):
                    rows.pop()
                rows.append(row)
    return rows


def _place(row: dict[str, Any]) -> tuple[int, bool]:
    """Return the order of rows: by steps, and the scores after a step behind its losses."""
    return row["step"], bool(row.get("scores"))


def _first_model(settings: PretrainSettings) -> Layer:
    """Return the network that a new run begins with. Raises ConfigError if `start_from` has another
    architecture.
    """
    family = family_of(settings.net)
    model = family.build(np.random.default_rng(settings.seed))
    if settings.start_from is None:
        return model
    start = family.load(settings.start_from)
    architecture = dict(model.config())
    if start.config() == architecture:
        return start
    architecture.pop(VALUE_TRUNK, None)
    if start.config() == architecture:
        return start.with_children(model.children())
    raise ConfigError(f"{settings.start_from}: not a network of the architecture {settings.net}")
