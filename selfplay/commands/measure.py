"""`aino-train measure`: how well networks judge, against long searches and on games that nothing learned from."""

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import thread_time

import numpy as np
from rich.table import Table

from engine.cli.live_lines import show, show_view
from engine.errors import ConfigError
from engine.evaluation import make_evaluator
from engine.network.weights import default_net_path
from engine.nn import dit
from selfplay.data.split import without_known_games
from selfplay.data.teacher import read_teacher, teacher_files
from selfplay.records.calibration import CALM_VALUES, DEPTH_2_SCORES, UNSETTLED_VALUES
from selfplay.records.collect import collect
from selfplay.records.positions import concatenate
from selfplay.teachers import quality
from selfplay.teachers.net_file import StockfishNet, read_stockfish_net
from selfplay.training.families import family_of_model
from selfplay.training.losses import number_text

EXAMPLES = """examples:
  aino-train measure --net teacher.nnue --truth trees-30000-nodes.txt.xz new.dit material
  aino-train measure --net teacher.nnue --truth trees.txt.xz --truth games.txt.xz
  aino-train measure --teacher new-games.txt.xz new.dit weights/tower-64x6.dit
A judge is a net file, `default` for the net that comes with Aino, or `material`. A --truth file holds what `aino-train
label` writes, say with --nodes 30000 --multipv 1, or lines FEN|cp|cp of the long search. The games of --teacher come
from that command, too; use games that no judge has learned from.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "label siblings and tell calm positions with this value net, as Stockfish 15.1 writes it (export_net)"
    parser.add_argument("--net", type=Path, metavar="FILE", help=text)
    text = "compare with the values of long searches in this file; repeat the flag for other kinds of positions"
    parser.add_argument("--truth", type=Path, action="append", default=[], metavar="FILE", help=text)
    text = "score networks on labelled games (files or folders of *.txt.xz): first moves, policy and value losses"
    parser.add_argument("--teacher", type=Path, action="append", default=[], metavar="PATH", help=text)
    text = "measure these (default: the net that comes with Aino)"
    parser.add_argument("judges", nargs="*", default=["default"], metavar="JUDGE", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Measure every judge on the labelled games, and beside the teacher on each file of truth."""
    if not (arguments.truth or arguments.teacher) or (arguments.truth and arguments.net is None):
        raise ConfigError("nothing to measure: give --teacher, or --truth with the --net that tells calm positions")
    if arguments.teacher:
        _score(arguments.judges, arguments.teacher)
    if not arguments.truth:
        return 0
    net = read_stockfish_net(arguments.net)
    for path in arguments.truth:
        truth = quality.read_truth(path)
        _measure(path.name, arguments.judges, net, truth, quality.calm_mask(net, truth.rows))
    return 0


def _score(judges: list[str], paths: list[Path]) -> None:
    """Show every network's scores on the labelled positions of files."""
    games, _ = without_known_games(concatenate([collect(read_teacher(path))[0] for path in teacher_files(paths)]), {})
    show(f"{games.n_games:,} games, {np.count_nonzero(games.usable):,} labelled positions")
    table = Table("network", "first move", "policy loss", "value loss")
    for name in judges:
        model, _ = dit.load(default_net_path() if name == "default" else Path(name))
        scores = family_of_model(model).heldout(games, games.n_positions).evaluate(model)
        table.add_row(name, number_text(scores.top1, ".2%"), number_text(scores.policy), number_text(scores.value))
    show_view(table)


def _measure(name: str, judges: list[str], net: StockfishNet, truth: quality.Truth, calm: np.ndarray) -> None:
    siblings = quality.siblings_of(net, truth)
    show(
        f"{name}: {len(truth.rows):,} positions, {calm.mean():.1%} calm; "
        f"{len(siblings.rows):,} siblings, {siblings.quiet.mean():.1%} quiet and near the best"
    )
    table = Table("judge", "error", "calm", "calm, balanced", "quiet siblings", "positions/s")
    try:
        for judge_name, judge in _judges(judges, net):
            judge(truth.rows[:1])  # kernels may have to be compiled
            begun = thread_time()
            judge(truth.rows)
            speed = len(truth.rows) / (thread_time() - begun)
            found = quality.measure(judge, truth, calm, siblings)
            table.add_row(
                judge_name, f"{found.error:.4f}", f"{found.calm_error:.4f}", f"{found.balanced_error:.4f}",
                f"{found.siblings:.3f} +- {found.siblings_error:.3f}", f"{speed:,.0f}",
            )  # fmt: skip
    finally:  # what was measured before Ctrl-C, or before a judge that cannot be read
        if table.row_count:
            show_view(table)


def _judges(names: list[str], net: StockfishNet) -> Iterator[tuple[str, quality.Judge]]:
    for name in names:
        path = None if name in ("default", "material") else name
        with closing(make_evaluator("material" if name == "material" else "auto", path)) as evaluator:
            yield name, quality.evaluator_judge(evaluator)
    yield "teacher, static", quality.teacher_judge(net, quality.STATIC, CALM_VALUES["trees"])
    yield "teacher, quiescence", quality.teacher_judge(net, 0, UNSETTLED_VALUES["trees"])
    yield "teacher, depth 2", quality.teacher_judge(net, 2, DEPTH_2_SCORES)
