"""`aino-train measure`: how well networks judge, against long searches and on games that nothing learned from."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from time import thread_time

import numpy as np
from rich.table import Table

from engine.cli.live_lines import show, show_view
from engine.cli.setting_flags import add_flag
from engine.errors import ConfigError
from engine.evaluation import make_evaluator
from engine.network.weights import default_net_path
from engine.nn import dit
from selfplay.data.kinds import label_files
from selfplay.data.split import without_known_games
from selfplay.data.teacher import read_teacher
from selfplay.records.calibration import CALM_VALUES, DEPTH_2_SCORES, MOVE_SCORES, STATIC, UNSETTLED_VALUES
from selfplay.records.collect import collect
from selfplay.records.positions import concatenate
from selfplay.teachers import quality
from selfplay.teachers.net_file import StockfishNet, read_stockfish_net
from selfplay.teachers.siblings import LABEL_PLIES, SORTS, siblings_of
from selfplay.teachers.values import calm_mask
from selfplay.training.families import family_of_model
from selfplay.training.losses import number_text

EXAMPLES = """examples:
  aino-train measure --net teacher.nnue --truth trees-30000-nodes.txt.xz new.dit material
  aino-train measure --net teacher.nnue --truth trees.txt.xz --truth games.txt.xz
  aino-train teach --net teacher.nnue --held-out --data games.pgn --mixture trees=1 --tree-visits 3000 \\
    --count 40000 --scored-share 0 --unsettled-share 1 --out parents
  aino-train measure --net teacher.nnue --truth trees.txt.xz --parents parents new.dit default
  aino-train measure --teacher new-games.txt.xz new.dit weights/tower-64x6.dit
A judge is a net file, `default` for the net that comes with Aino, or `material`. A --truth file holds what `aino-train
label` writes, say with --nodes 30000 --multipv 1, or lines FEN|cp|cp of the long search. The games of --teacher come
from that command, too; use games that no judge has learned from.
"""

TEACHERS = (
    ("teacher, static", STATIC, CALM_VALUES["trees"]),
    ("teacher, quiescence", 0, UNSETTLED_VALUES["trees"]),
    ("teacher, depth 1", 1, MOVE_SCORES["trees"]),
    ("teacher, depth 2", 2, DEPTH_2_SCORES),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "label siblings and tell calm positions with this value net, as Stockfish 15.1 writes it (export_net)"
    parser.add_argument("--net", type=Path, metavar="FILE", help=text)
    text = "compare with the values of long searches in this file; repeat the flag for other kinds of positions"
    parser.add_argument("--truth", type=Path, action="append", default=[], metavar="FILE", help=text)
    text = "compare the order of quiet siblings of positions in this label folder; draw it with `teach --held-out`"
    parser.add_argument("--parents", type=Path, action="append", default=[], metavar="FOLDER", help=text)
    text = "compare the siblings of at most this many positions; 8,000 give an error below 0.005"
    add_flag(parser, "--sibling-parents", 8000, text)
    add_flag(parser, "--threads", 1, "label on this many threads")
    text = "score networks on labelled games (files or folders of *.txt.xz): first moves, policy and value losses"
    parser.add_argument("--teacher", type=Path, action="append", default=[], metavar="PATH", help=text)
    text = "measure these (default: the net that comes with Aino)"
    parser.add_argument("judges", nargs="*", default=["default"], metavar="JUDGE", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Measure every judge on the labelled games, and beside the teacher on each file of truth and its siblings."""
    by_net = arguments.truth or arguments.parents
    if not (by_net or arguments.teacher) or (by_net and arguments.net is None):
        raise ConfigError(
            "nothing to measure: give --teacher, or --truth or --parents with the --net that tells calm positions"
        )
    if arguments.teacher:
        _score(arguments.judges, arguments.teacher)
    if not by_net:
        return 0
    net, threads, most = read_stockfish_net(arguments.net), arguments.threads, arguments.sibling_parents
    for path in arguments.truth:
        truth = quality.read_truth(path)
        _show_errors(path.name, arguments.judges, net, truth, threads)
        if not arguments.parents:
            _show_orders(path.name, arguments.judges, net, quality.parents_of(truth, most), threads)
    for folder in arguments.parents:
        parents = quality.parents_of_folder(folder, most)
        _show_orders(folder.name, arguments.judges, net, parents, threads)
    return 0


def _score(judges: list[str], paths: list[Path]) -> None:
    """Show every network's scores on the labelled positions of files."""
    games, _ = without_known_games(
        concatenate([collect(read_teacher(path))[0] for path in chain(*map(label_files, paths))]), {}
    )
    show(f"{games.n_games:,} games, {np.count_nonzero(games.usable):,} labelled positions")
    table = Table("network", "first move", "policy loss", "value loss")
    for name in judges:
        model, _ = dit.load(default_net_path() if name == "default" else Path(name))
        scores = family_of_model(model).heldout(games, games.n_positions).evaluate(model)
        table.add_row(name, number_text(scores.top1, ".2%"), number_text(scores.policy), number_text(scores.value))
    show_view(table)


def _show_errors(name: str, judges: list[str], net: StockfishNet, truth: quality.Truth, threads: int) -> None:
    calm = calm_mask(net, truth.rows)
    show(f"{name}: {len(truth.rows):,} positions, {calm.mean():.1%} calm")
    table = Table("judge", "error", "calm", "calm, balanced", "positions/s")
    with _shown(table):
        for judge_name, judge in _judges(judges, net, threads):
            judge(truth.rows[:1])  # kernels may have to be compiled
            begun = thread_time()
            found = quality.measure(judge, truth, calm)
            speed = len(truth.rows) / (thread_time() - begun)
            errors = (found.error, found.calm_error, found.balanced_error)
            table.add_row(judge_name, *(f"{error:.4f}" for error in errors), f"{speed:,.0f}")


@contextmanager
def _shown(table: Table) -> Iterator[None]:
    """Show at the end what was measured, also before Ctrl-C, or before a judge that cannot be read."""
    try:
        yield
    finally:
        if table.row_count:
            show_view(table)


def _show_orders(name: str, judges: list[str], net: StockfishNet, parents: np.ndarray, threads: int) -> None:
    """How the judges order quiet siblings; without parents, why there is nothing to show."""
    if not len(parents):
        show(f"{name}: no balanced position of {quality.LEAST_MEN} pieces or more, so no siblings are compared")
        return
    found = siblings_of(net, parents, threads)
    shares = [np.mean(found.sorts[found.quiet] >> sort & 1) for sort in range(len(SORTS))]
    show(
        f"{name}: {len(parents):,} parents, {len(found.rows):,} siblings, {found.quiet.mean():.1%} quiet and near the "
        f"best. Correlation of differences with labels of {LABEL_PLIES} plies; in brackets the mean error in Q"
    )
    table = Table(
        "judge", "quiet siblings", *(f"{sort} ({share:.0%})" for sort, share in zip(SORTS, shares, strict=True))
    )
    with _shown(table):
        for judge_name, judge in _judges(judges, net, threads):
            every, *by_sort = quality.orders(judge, found)
            table.add_row(
                judge_name,
                f"{every.correlation:.4f} +- {every.error:.4f}",
                *(f"{one.correlation:.3f} ({one.bias:+.3f})" for one in by_sort),
            )


def _judges(names: list[str], net: StockfishNet, threads: int) -> Iterator[tuple[str, quality.Judge]]:
    for name in names:
        path = None if name in ("default", "material") else name
        with closing(make_evaluator("material" if name == "material" else "auto", path)) as evaluator:
            yield name, quality.evaluator_judge(evaluator)
    for name, depth, calibration in TEACHERS:
        yield name, quality.teacher_judge(net, depth, calibration, threads)
