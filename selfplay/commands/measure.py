"""`aino-train measure`: how networks order quiet siblings, which is what a search plays by."""

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.table import Table

from engine.cli.live_lines import show, show_view
from engine.cli.setting_flags import add_flag, add_former
from engine.errors import ConfigError
from engine.evaluation import make_evaluator
from selfplay.records.calibration import CALM_VALUES, DEPTH_2_SCORES, MOVE_SCORES, STATIC, UNSETTLED_VALUES
from selfplay.teachers import quality
from selfplay.teachers.net_file import StockfishNet, read_stockfish_net
from selfplay.teachers.siblings import LABEL_PLIES, SORTS, siblings_of

EXAMPLES = """examples:
  aino-train teach --net teacher.nnue --held-out --data games.pgn --mixture trees=1 --tree-visits 3000 \\
    --count 40000 --scored-share 0 --unsettled-share 1 --out parents
  aino-train measure --net teacher.nnue --parents parents new.dit default
A judge is a net file, `default` for the net that comes with Aino, or `material`.
"""

TEACHERS = (
    ("teacher, static", STATIC, CALM_VALUES["trees"]),
    ("teacher, quiescence", 0, UNSETTLED_VALUES["trees"]),
    ("teacher, depth 1", 1, MOVE_SCORES["trees"]),
    ("teacher, depth 2", 2, DEPTH_2_SCORES),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "label siblings with this value net, as Stockfish 15.1 writes it (export_net)"
    parser.add_argument("--net", type=Path, required=True, metavar="FILE", help=text)
    text = "compare the order of quiet siblings of positions in this label folder; draw it with `teach --held-out`"
    parser.add_argument("--parents", type=Path, action="append", default=[], metavar="FOLDER", help=text)
    text = "compare the siblings of at most this many positions; 8,000 give an error below 0.005"
    add_flag(parser, "--sibling-parents", 8000, text)
    add_flag(parser, "--threads", 1, "label on this many threads")
    advice = "errors of values did not predict games; write --parents FOLDER, drawn with `teach --held-out`"
    add_former(parser, dict.fromkeys(("--truth", "--teacher"), advice))
    text = "measure these (default: the net that comes with Aino)"
    parser.add_argument("judges", nargs="*", default=["default"], metavar="JUDGE", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Measure every judge, beside the teacher, on each folder of parents."""
    if not arguments.parents:
        raise ConfigError("nothing to measure: give --parents, a label folder of positions whose moves are compared")
    net = read_stockfish_net(arguments.net)
    for folder in arguments.parents:
        parents = quality.parents_of_folder(folder, arguments.sibling_parents)
        _show_orders(folder.name, arguments.judges, net, parents, arguments.threads)
    return 0


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
    try:
        for judge_name, judge in _judges(judges, net, threads):
            every, *by_sort = quality.orders(judge, found)
            table.add_row(
                judge_name,
                f"{every.correlation:.4f} +- {every.error:.4f}",
                *(f"{one.correlation:.3f} ({one.bias:+.3f})" for one in by_sort),
            )
    finally:  # also what was measured before Ctrl-C, or before a judge that cannot be read
        if table.row_count:
            show_view(table)


def _judges(names: list[str], net: StockfishNet, threads: int) -> Iterator[tuple[str, quality.Judge]]:
    for name in names:
        path = None if name in ("default", "material") else name
        with closing(make_evaluator("material" if name == "material" else "auto", path)) as evaluator:
            yield name, quality.evaluator_judge(evaluator)
    for name, depth, calibration in TEACHERS:
        yield name, quality.teacher_judge(net, depth, calibration, threads)
