"""`aino-train pretrain`: supervised training from teacher labels and game collections."""

import argparse
import shlex
from pathlib import Path

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import COMPILES, LiveLine, live_line, show
from engine.cli.setting_flags import add_files, add_flag
from engine.errors import ConfigError
from selfplay.interrupt import StopFlag
from selfplay.lock import folder_lock
from selfplay.training.families import PARTS, family_of
from selfplay.training.losses import LossWeights, number_text
from selfplay.training.pretraining import Pretraining, PretrainSettings, ProgressReport
from selfplay.training.recipe import SPARSE_RECIPE, TOWER_RECIPE, VALUE_RECIPE, LearnerSettings
from selfplay.training.source_files import SourceFiles, TrainingData, load_training_data

DEFAULT_NET = "64x6"
LOG_S = 60.0  # seconds between progress lines while reading, when the output is not a terminal
EXAMPLES = """example:
  aino-train pretrain --pgn games.pgn --net 64x6 --minutes 60 --run runs/first --out first.dit

Ctrl-C stops at once; the same command continues. `aino play --weights-file first.dit` plays with the network.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_data_flags(parser.add_argument_group("data (at least one file)"))
    _add_run_flags(parser.add_argument_group("run"))


def _add_data_flags(group: argparse._ArgumentGroup) -> None:
    add_files(group, "--teacher", "learn from teacher labels: files, or folders of *.txt.xz", "PATH")
    add_files(group, "--engine-games", "learn from engine games with evaluations, JSON lines")
    add_files(group, "--human-games", "learn from human games, tab-separated")
    add_files(group, "--pgn", "learn from PGN collections of any size")
    text = "learn from Lc0 training chunks of version 6: gzip files, tar archives or folders of them"
    add_files(group, "--v6", text, "PATH")
    text = "learn from labels of tree positions (aino-train label --tree), in the form of --teacher"
    add_files(group, "--tree-labels", text, "PATH")
    add_files(group, "--labels", "learn from label folders (aino-train teach); sparse networks only", "FOLDER")
    text = "skip PGN games in which a player is rated below this Elo (default: none)"
    group.add_argument("--pgn-min-elo", type=int, default=0, metavar="ELO", help=text)
    defaults = SourceFiles()
    text = "mix the kinds above with these weights in every batch, in that order; trailing ones may be omitted (default"
    shares = " ".join(map(str, defaults.shares))
    group.add_argument("--mixture", type=float, nargs="+", default=[], metavar="X", help=f"{text} {shares})")
    text = "hold out this share of all games (1/64 at least), by a hash of the moves; score on those of the first file"
    add_flag(group, "--heldout-share", defaults.heldout_share, text)
    text = "draw this share of --labels from positions with scored moves, the only ones that teach the policy"
    add_flag(group, "--scored-share", defaults.scored_share, text)
    text = "keep parsed data in this folder (default: in the run folder)"
    group.add_argument("--cache", type=Path, metavar="FOLDER", help=text)


def _add_run_flags(group: argparse._ArgumentGroup) -> None:
    text = "keep the run in this folder; the same command continues it"
    group.add_argument("--run", type=Path, required=True, metavar="FOLDER", help=text)
    group.add_argument("--out", type=Path, required=True, metavar="FILE.dit", help="write the trained network here")
    text = "store the network's weights in this type"
    add_flag(group, "--storage", "float32", text, choices=("float32", "float16"))
    length = group.add_mutually_exclusive_group(required=True)
    text = "train for this many minutes, over all sessions of the run, without compiling"
    length.add_argument("--minutes", type=float, default=0.0, help=text)
    length.add_argument("--positions", type=int, default=0, help="train on this many positions")
    text = "train a tower (FILTERSxBLOCKS) or a sparse network (sparse-WIDTH; with a value trunk sparse-WIDTH+vWIDTH)"
    add_flag(group, "--net", DEFAULT_NET, text, "NET")
    text = "train this part of a network with a value trunk; the value trunk learns from --labels"
    add_flag(group, "--part", PARTS[0], text, choices=PARTS)
    text = "start from this network's weights instead of random ones; it must match --net but may lack the value trunk"
    group.add_argument("--start-from", type=Path, metavar="FILE.dit", help=text)
    tower, sparse, value = TOWER_RECIPE, SPARSE_RECIPE, VALUE_RECIPE
    text = f"use this peak learning rate (default {tower.peak_rate} for towers, {sparse.peak_rate} for sparse networks"
    text += f", {value.peak_rate} for value trunks)"
    group.add_argument("--rate", type=float, dest="peak_rate", metavar="X", help=text)
    text = f"train on this many positions per step (default {tower.batch_size} for towers, "
    text += f"{sparse.batch_size} for sparse networks)"
    group.add_argument("--batch", type=int, dest="batch_size", metavar="N", help=text)
    text = "replace this share of scored positions by the one after a scored move"
    text += f" (sparse networks only; default {sparse.variations})"
    group.add_argument("--variations", type=float, metavar="X", help=text)
    text = "shrink each weight by the learning rate times this, every step (decoupled weight decay; "
    text += f"default {tower.weight_decay} for towers, {sparse.weight_decay} for sparse networks, "
    text += f"{value.weight_decay} for value trunks)"
    group.add_argument("--weight-decay", type=float, metavar="X", help=text)
    text = (
        "multiply the squared errors of differences between siblings, in log odds, by this; for the value trunk, whose"
    )
    text += " --labels must then hold groups (aino-train teach --groups-of)"
    add_flag(group, "--sibling-weight", LossWeights.siblings, text)
    add_flag(group, "--threads", LearnerSettings.threads, "train on this many threads")
    add_flag(group, "--seed", PretrainSettings.seed, "seed all random numbers with this")
    text = "evaluate on held-out games this many minutes apart"
    add_flag(group, "--evaluate-minutes", PretrainSettings.evaluate_minutes, text)
    text = "save a checkpoint this many minutes apart"
    add_flag(group, "--checkpoint-minutes", PretrainSettings.checkpoint_minutes, text)


def settings_of(arguments: argparse.Namespace) -> PretrainSettings:
    """The flags as settings. Raises ConfigError for values out of range."""
    if arguments.sibling_weight and arguments.part != "value":
        raise ConfigError("--sibling-weight: only the value trunk learns from groups (--part value)")
    kinds = ("teacher", "engine_games", "human_games", "pgn", "v6", "labels")
    files = SourceFiles(
        **{name: tuple(getattr(arguments, name)) for name in kinds},
        searched=tuple(arguments.tree_labels),
        pgn_min_elo=arguments.pgn_min_elo,
        shares=_shares(arguments.mixture),
        heldout_share=arguments.heldout_share,
        scored_share=0.0 if arguments.part == "value" else arguments.scored_share,
    )
    recipe = family_of(arguments.net, arguments.part).recipe

    of_recipe = {name: getattr(recipe, name) for name in ("batch_size", "variations", "weight_decay", "peak_rate")}
    given = {name: value for name in of_recipe if (value := getattr(arguments, name)) is not None}
    peak_rate = (values := of_recipe | given).pop("peak_rate")
    loss = LossWeights(siblings=arguments.sibling_weight)
    learner = LearnerSettings(**values, threads=arguments.threads, loss=loss)
    same = ("net", "part", "start_from", "minutes", "positions", "seed", "checkpoint_minutes", "evaluate_minutes")
    return PretrainSettings(
        **{name: getattr(arguments, name) for name in same}, peak_rate=peak_rate, learner=learner, files=files
    )


def _shares(given: list[float]) -> tuple[float, ...]:
    defaults = SourceFiles().shares
    if len(given) > len(defaults):
        raise ConfigError(f"--mixture: expected at most {len(defaults)} numbers, got {len(given)}")
    return tuple(given) + defaults[len(given) :]


def run(arguments: argparse.Namespace) -> int:
    """Train, or continue; Ctrl-C leaves a checkpoint behind."""
    with folder_lock(arguments.run, "a pretraining"):
        return _train(arguments, settings_of(arguments))


def _train(arguments: argparse.Namespace, settings: PretrainSettings) -> int:
    data = _load(arguments, settings)
    if data is None:
        return INTERRUPTED
    training = Pretraining(arguments.run, settings, data)
    show(f"{settings.net}: {training.positions:,} positions trained so far, {training.progress:.1%} of the run")
    try:
        with StopFlag() as stop, live_line(f"pretrain {settings.net}", at_first=COMPILES) as line:
            finished = training.train(lambda report: _show(report, line), stop.is_set)
        if not finished:
            show(f"stopped at {training.progress:.1%}; the same command continues")
            return INTERRUPTED
        scores = training.finish(arguments.out, arguments.storage)
    finally:
        training.close()
    top1, losses = number_text(scores.top1, ".2%"), [number_text(x) for x in (scores.policy, scores.value)]
    show(f"{arguments.out}: held-out top-1 {top1}, policy {losses[0]}, value {losses[1]}")
    show(f"  play against it:  aino play --weights-file {shlex.quote(str(arguments.out))}")
    show(f"  see the run:      aino-train report {shlex.quote(str(arguments.run))}")
    return 0


def _load(arguments: argparse.Namespace, settings: PretrainSettings) -> TrainingData | None:
    """The data, with progress while it is read; None after Ctrl-C."""
    with live_line("reading", LOG_S) as line:
        reading = ""

        def watch(name: str, share: float, games: int) -> None:
            nonlocal reading
            reading = name
            line.update(share, f"{name}: {games:,} games")

        try:
            return load_training_data(settings.files, arguments.cache or arguments.run / "cache", show, watch)
        except KeyboardInterrupt:
            show(f"stopped{f' in {reading}' if reading else ''}; the same command continues with what has been read")
            return None


def _show(report: ProgressReport, line: LiveLine) -> None:
    speed = f"{number_text(report.positions_per_s, ',.0f')}/s"
    if (losses := report.losses) is not None:
        policy, value = number_text(losses.policy, ".3f"), number_text(losses.value, ".3f")
        line.update(report.progress, f"{report.positions:,} positions, {speed}, policy {policy} value {value}")
    if (scores := report.scores) is not None:
        top1 = number_text(scores.top1, "6.2%")
        show(
            f"{report.progress:6.1%} {report.positions:12,} positions  held out: top-1 {top1}  "
            f"policy {number_text(scores.policy)}  value {number_text(scores.value)}  "
            f"moves left {number_text(scores.moves_left)}  siblings {number_text(scores.siblings)}  ({speed})"
        )
