"""`aino-train teach`: label positions in bulk inside this process, with a value net of Stockfish
15.1 or with the policies of other networks.
"""

import argparse
from contextlib import closing
from dataclasses import asdict
from itertools import starmap
from pathlib import Path

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import COMPILES, LOG_S, live_line, show
from engine.cli.option_forms import add_files, add_flag, add_setting_flags, given_settings
from engine.errors import ConfigError
from engine.evaluation import make_evaluator
from engine.evaluation.protocol import InKernelEvaluator
from engine.network.weights import default_net_path
from selfplay.data.cache import load_or_parse
from selfplay.data.kinds import CHUNKS, PGN, data_files, reader_of
from selfplay.data.policy_folder import PolicyFolder
from selfplay.interrupt import stop_flag
from selfplay.lock import folder_lock
from selfplay.records.collect import collect
from selfplay.records.game import training_game
from selfplay.records.label_folder import LabelFolder, composition
from selfplay.records.positions import UNKNOWN_RATING, PositionSet
from selfplay.run.games_out import games_of_run
from selfplay.teachers.labelling import LabelPlan, LabelRun, TreeNet, file_hash
from selfplay.teachers.net_file import read_stockfish_net
from selfplay.teachers.policy_labels import PolicyPlan, PolicyRun, PolicyTeacher, is_network
from selfplay.teachers.sample_sources import Games, Shares, games_of_sets

EXAMPLES = """examples:
  printf 'export_net teacher.nnue\\nquit\\n' | stockfish
  aino-train teach --teacher teacher.nnue --data games.pgn --count 200000000 --threads 2 --out labels
  aino-train teach --teacher teacher.nnue --out labels --check
  aino-train teach --teacher maia-1100.pb.gz=1100 maia-1900.pb.gz=1900 --data games.pgn --count 5000000 --out policies
A value net writes a label folder of single positions. Lc0's networks and Aino's own write a folder of policies: games
with the probability of every move, and the Elo behind `=`.
After Ctrl-C or a crash the same command continues where the folder ends, and makes the same bytes.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--teacher",
        nargs="+",
        action="extend",
        required=True,
        metavar="FILE[=ELO]",
        help="label with this value net, as Stockfish 15.1 writes it (export_net), or with the policies of these "
        "networks (.pb.gz, .dit), which may stand for players of an Elo",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="continue this label folder, or create it",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="label nothing: show what the folder holds, and look at every row of it",
    )
    group = parser.add_argument_group("games to sample from")
    add_files(
        group, "--data", "sample around these games: PGN, Lc0 training chunks, or folders of them"
    )
    group.add_argument(
        "--run",
        type=Path,
        metavar="RUN",
        help="sample around the self-play games of a training run",
    )
    group.add_argument(
        "--held-out", action="store_true", help="sample around held-out games only, to measure with"
    )
    group.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keep parsed games in this folder (default: in the label folder)",
    )
    group = parser.add_argument_group("labels")
    add_flag(
        group,
        "--count",
        1_000_000,
        "stop once the folder has this many positions with a value, or with a policy",
    )
    add_flag(group, "--threads", 1, "label on this many threads")
    add_setting_flags(group, LabelPlan)
    group.add_argument(
        "--tree-net",
        type=Path,
        metavar="FILE.dit",
        help="search those trees with this sparse network (default: the one that comes with Aino)",
    )
    weights = " ".join(f"{name}={weight}" for name, weight in asdict(Shares()).items())
    add_setting_flags(group, PolicyPlan, "own_share", "label_share")
    group.add_argument(
        "--mixture",
        nargs="+",
        default=[],
        metavar="SOURCE=X",
        help=f"sample from the sources with these relative weights (default {weights})",
    )


def run(arguments: argparse.Namespace) -> int:
    teachers = list(map(PolicyTeacher.parse, arguments.teacher))
    if any(is_network(teacher.path) for teacher in teachers):
        return _teach_policies(arguments, teachers)
    (path, rating), *further = teachers
    if further or rating != UNKNOWN_RATING:
        raise ConfigError("--teacher: expected one value net, or networks (.pb.gz, .dit)")
    net = read_stockfish_net(path)
    if arguments.check:
        return _check(LabelFolder(arguments.out))
    plan = LabelPlan(**given_settings(LabelPlan, arguments), shares=_shares(arguments.mixture))
    tree_net = None
    if plan.shares.trees > 0:
        tree_net = _tree_net(arguments.tree_net or default_net_path())
    with folder_lock(arguments.out, "a label folder"):
        run = LabelRun(arguments.out, path, net, _games(arguments), plan, tree_net)
        return _label(run, arguments)


def _teach_policies(arguments: argparse.Namespace, teachers: list[PolicyTeacher]) -> int:
    if arguments.check:
        labels = PolicyFolder(arguments.out)
        labels.verify()
        show(f"{labels.n_labels:,} positions with a policy, in {labels.n_parts:,} parts")
        return 0
    plan = PolicyPlan(**given_settings(PolicyPlan, arguments))
    with (
        folder_lock(arguments.out, "a folder of policies"),
        closing(PolicyRun(arguments.out, teachers, _games(arguments), plan)) as run,
    ):
        return _label(run, arguments)


def _tree_net(path: Path) -> TreeNet:
    """Load the net whose searches' trees are a source. Raises ConfigError for a tower, which no
    kernel evaluates.
    """
    evaluator = make_evaluator("auto", path)
    if not isinstance(evaluator, InKernelEvaluator):
        evaluator.close()
        raise ConfigError(f"--tree-net: expected a sparse network, found another kind in {path}")
    return TreeNet(evaluator, file_hash(path))


def _label(run: LabelRun | PolicyRun, arguments: argparse.Namespace) -> int:
    out = arguments.out
    show(f"{out}: {run.told} so far")
    with stop_flag() as stop, live_line(f"labels {out.name}", LOG_S, COMPILES) as line:
        finished = run.run(arguments.count, arguments.threads, line.update, stop.is_set)
    if not finished:
        show(f"stopped at {run.told}; the same command continues")
        return INTERRUPTED
    show(f"{out}: {run.told}")
    return 0


def _check(labels: LabelFolder) -> int:
    for name, rows in (("with a value", labels.values), ("with scored moves", labels.scored)):
        summary = composition(rows)
        total = max(1, summary.rows)
        show(
            f"{summary.rows:,} positions {name}: {summary.calm / total:.1%} calm, "
            f"{summary.balanced / total:.1%} balanced"
        )
        shares = (
            f"{source} {count / total:.1%}" for source, count in summary.sources.items() if count
        )
        show(f"  {', '.join(shares)}")
    labels.verify()
    show("every row is a position")
    return 0


def _shares(mixture: list[str]) -> Shares:
    """Weights of the sources named; without any named, the default ones."""
    if not mixture:
        return Shares()
    names = list(asdict(Shares()))
    weights = dict.fromkeys(names, 0.0)
    for text in mixture:
        name, _, weight = text.partition("=")
        try:
            weights[names[names.index(name)]] = float(weight)
        except ValueError as error:
            raise ConfigError(
                f"--mixture: expected SOURCE=X with one of {', '.join(names)}, got {text!r}"
            ) from error
    return Shares(**weights)


def _games(arguments: argparse.Namespace) -> Games:
    """Read the games to sample from, and say how many they are."""
    cache = arguments.cache or arguments.out / "cache"
    with live_line("reading", LOG_S) as line:

        def load(path: Path, kind: str) -> PositionSet:
            return load_or_parse(
                path,
                reader_of(kind),
                cache,
                lambda share, games: line.update(share, f"{path.name}: {games:,} games"),
            )

        sets = list(starmap(load, data_files(arguments.data, PGN, CHUNKS)))
    if arguments.run:
        played = games_of_run(arguments.run / "replay")
        sets.append(collect(training_game(game, value_share=0.0) for game in played)[0])
    games = games_of_sets(sets, arguments.held_out)
    show(f"{len(games.starts):,} games, {len(games.moves):,} positions to sample from")
    return games
