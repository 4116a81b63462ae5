"""`aino-train pretrain`: supervised training from labels and games."""

import argparse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import COMPILES, LOG_S, LiveLine, live_line, log, shell_word, show
from engine.cli.option_forms import (
    add_flag,
    add_setting_flags,
    at_least,
    given_settings,
    hide_seldom,
)
from engine.files.output_files import check_output, output_file
from selfplay.data.cache import files_in
from selfplay.families.by_name import family_of
from selfplay.interrupt import stop_flag
from selfplay.lock import folder_lock
from selfplay.run.pretraining import Pretraining, PretrainSettings, ProgressReport
from selfplay.training.losses import number_text
from selfplay.training.recipe import (
    PEOPLE_RECIPE,
    PEOPLE_TOWER_RECIPE,
    SPARSE_RECIPE,
    TOWER_RECIPE,
    VALUE_RECIPE,
    LearnerSettings,
)
from selfplay.training.source_files import Source, SourceFiles, TrainingData, load_training_data

DEFAULT_NET = "64x6"
EXAMPLES = """FILE is PGN, Lc0 training chunks of version 6 (.gz, .tar), a folder or a pattern (*.pgn) of such files,
a folder of policies, or a label folder (aino-train teach), from which only sparse networks learn. Its content tells
which. WEIGHT is its part of every batch, relative to the others'. Without any weights all positions count alike.

examples:
  aino-train pretrain --data games.pgn --net 64x6 --minutes 60 --run runs/first --out first.dit
  aino-train pretrain --data games.pgn=0.2 labels/main=0.5 labels/later=0.3 --net sparse-768 --minutes 60 \\
    --run runs/second --out second.dit

Ctrl-C stops at once; the same command continues. `aino play --weights-file first.dit` plays with the network.
"""
RECIPES = {
    "towers": TOWER_RECIPE,
    "sparse networks": SPARSE_RECIPE,
    "value trunks": VALUE_RECIPE,
    "networks of people": PEOPLE_RECIPE,
    "towers of people": PEOPLE_TOWER_RECIPE,
}
SELDOM = (
    "heldout_share scored_share cache storage evaluate_minutes checkpoint_minutes batch_size shard_size weight_decay "
    "seed"
).split()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_data_flags(parser.add_argument_group("data"))
    _add_run_flags(parser.add_argument_group("run"))
    _add_learning_flags(parser.add_argument_group("learning"))
    hide_seldom(parser, SELDOM)


def _add_data_flags(group: Any) -> None:
    group.add_argument(
        "--data",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE[=WEIGHT]",
        help="learn from these (see below)",
    )
    add_setting_flags(group, SourceFiles)
    group.add_argument(
        "--heldout",
        type=Path,
        metavar="FILE",
        help="score on the games of this file, folder or pattern, the same for all trainings of a comparison",
    )
    group.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keep parsed data here (default: in the run folder)",
    )


def _add_run_flags(group: Any) -> None:
    group.add_argument(
        "--run",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="keep the run here; the same command continues it",
    )
    group.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="FILE.dit",
        help="write the trained network here",
    )
    add_flag(
        group, "--storage", "float32", "store weights in this type", choices=("float32", "float16")
    )
    length = group.add_mutually_exclusive_group(required=True)
    length.add_argument(
        "--minutes",
        type=at_least(0, float),
        default=0.0,
        help="train for this many minutes, over all sessions",
    )
    length.add_argument(
        "--positions", type=at_least(0), default=0, help="train on this many positions"
    )
    add_setting_flags(group, PretrainSettings, "checkpoint_minutes", "evaluate_minutes")


def _add_learning_flags(group: Any) -> None:
    add_setting_flags(group, PretrainSettings, "net", of={"": SimpleNamespace(net=DEFAULT_NET)})
    add_setting_flags(group, PretrainSettings, "part", "seed", "backend")
    group.add_argument(
        "--start-from",
        type=Path,
        metavar="FILE.dit",
        help="start from this network's weights; it may lack the value trunk",
    )
    add_setting_flags(group, PretrainSettings, "peak_rate", of=RECIPES)
    add_setting_flags(group, LearnerSettings, "batch_size", "weight_decay", of=RECIPES)
    add_setting_flags(group, LearnerSettings, "shard_size", "threads")


def settings_of(arguments: argparse.Namespace) -> PretrainSettings:
    """Return the flags as settings. Raises ConfigError for values out of range."""
    net = arguments.net or DEFAULT_NET
    recipe = family_of(net, arguments.part).recipe
    settings = PretrainSettings(
        net=net,
        peak_rate=recipe.peak_rate,
        start_from=arguments.start_from,
        minutes=arguments.minutes,
        positions=arguments.positions,
        learner=recipe.learner_settings(**given_settings(LearnerSettings, arguments)),
        files=_files_of(arguments),
    )
    return replace(settings, **given_settings(PretrainSettings, arguments))


def _files_of(arguments: argparse.Namespace) -> SourceFiles:
    data = tuple(Source.parse(text) for text in arguments.data)
    files = SourceFiles(data, heldout=arguments.heldout, **given_settings(SourceFiles, arguments))
    if arguments.part == "value":
        return replace(files, scored_share=0.0)
    return files


def run(arguments: argparse.Namespace) -> int:
    """Train, or continue; Ctrl-C leaves a checkpoint behind."""
    with folder_lock(arguments.run, "a pretraining"):
        settings = settings_of(arguments)
        check_output(arguments.out, _files_read(settings.files))
        settings.check_beginning()
        return _train(arguments, settings)


def _files_read(files: SourceFiles) -> Iterator[Path]:
    """Yield the files and folders of the data, and the files in these folders."""
    for path, _kind in chain(*files.found()):
        yield path
        if path.is_dir():
            yield from files_in(path)


def _train(arguments: argparse.Namespace, settings: PretrainSettings) -> int:
    data = _load(arguments, settings)
    if data is None:
        return INTERRUPTED
    training = Pretraining(arguments.run, settings, data)
    show(
        f"{settings.net}: {training.positions:,} positions trained so far, {training.progress:.1%} of the run"
    )
    with closing(training):
        with stop_flag() as stop, live_line(f"pretrain {settings.net}", LOG_S, COMPILES) as line:
            finished = training.train(
                lambda report: _show(report, training.seconds_left(report.positions_per_s), line),
                stop.is_set,
            )
        if not finished:
            show(f"stopped at {training.progress:.1%}; the same command continues")
            return INTERRUPTED
        scores = training.finish(arguments.out, arguments.storage)
    show(
        f"{arguments.out}: held-out top-1 {number_text(scores.top1, '.2%')}, "
        f"policy {number_text(scores.policy)}, value {number_text(scores.value)}"
    )
    if family_of(settings.net).plays:
        show(f"  play against it:  aino play --weights-file {shell_word(arguments.out)}")
    show(f"  see the run:      aino-train report {shell_word(arguments.run)}")
    return 0


def _load(arguments: argparse.Namespace, settings: PretrainSettings) -> TrainingData | None:
    """Return the data, with progress while it is read; None after Ctrl-C."""
    cache = arguments.cache or arguments.run / "cache"
    with live_line("reading", LOG_S) as line:
        try:
            return load_training_data(
                settings.files,
                cache,
                show,
                lambda name, share, games: line.update(share, f"{name}: {games:,} games"),
            )
        except KeyboardInterrupt:
            show("stopped; the same command continues with what has been read")
            return None


def _show(report: ProgressReport, left_s: float | None, line: LiveLine) -> None:
    speed = f"{number_text(report.positions_per_s, ',.0f')}/s"
    if (losses := report.losses) is not None:
        policy, value = number_text(losses.policy, ".3f"), number_text(losses.value, ".3f")
        line.update(
            report.progress,
            f"{report.positions:,} positions, {speed}, policy {policy} value {value}",
            left_s,
        )
    if (scores := report.scores) is not None:
        top1 = number_text(scores.top1, "6.2%")
        log(
            f"{report.progress:6.1%} {report.positions:12,} positions  held out: top-1 {top1}  "
            f"policy {number_text(scores.policy)}  value {number_text(scores.value)}  "
            f"moves left {number_text(scores.moves_left)}  ({speed})"
        )
