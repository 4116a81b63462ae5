"""`aino-train measure`: how well evaluators judge calm positions and quiet siblings, against long searches."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.table import Table

from engine.evaluation import make_evaluator
from engine.live_lines import show, show_view
from selfplay.records.calibration import CALM_VALUE, MOVE_SCORES, QUIESCENCE_VALUE, fit_calibration
from selfplay.records.targets import wdl_from_score
from selfplay.teachers.net_file import StockfishNet, read_stockfish_net
from selfplay.teachers.quality import (
    STATIC,
    Judge,
    Truth,
    calm_mask,
    evaluator_judge,
    measure,
    read_truth,
    siblings_of,
    teacher_cp,
    teacher_judge,
)

EXAMPLE = """example:
  aino-train measure --net teacher.nnue --truth trees-30000-nodes.txt.xz new.dit material
A judge is a net file, `default` for the net that comes with Aino, or `material`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = EXAMPLE
    text = "value net that labels siblings and says what is calm, as Stockfish 15.1 writes it (export_net)"
    parser.add_argument("--net", type=Path, required=True, metavar="FILE", help=text)
    text = "positions with the values of long searches, lines FEN|cp|cp of the long search|..."
    parser.add_argument("--truth", type=Path, required=True, metavar="FILE", help=text)
    parser.add_argument("--fit", action="store_true", help="fit the calibrations of the teacher's values as well")
    parser.add_argument("judges", nargs="*", default=["default"], metavar="JUDGE", help="what to measure")


def run(arguments: argparse.Namespace) -> int:
    """Measure every judge, and the teacher."""
    net, truth = read_stockfish_net(arguments.net), read_truth(arguments.truth)
    calm, siblings = calm_mask(net, truth.rows), siblings_of(net, truth)
    show(
        f"{len(truth.rows):,} positions, {calm.mean():.1%} calm; "
        f"{len(siblings.rows):,} siblings, {siblings.quiet.mean():.1%} quiet and near the best"
    )
    table = Table("judge", "error", "calm", "calm, balanced", "quiet siblings", "positions/s")
    for name, judge in _judges(arguments.judges, net):
        begun = perf_counter()
        judge(truth.rows)
        speed = len(truth.rows) / (perf_counter() - begun)
        found = measure(judge, truth, calm, siblings)
        table.add_row(
            name, f"{found.error:.4f}", f"{found.calm_error:.4f}", f"{found.balanced_error:.4f}",
            f"{found.siblings:.3f} +- {found.siblings_error:.3f}", f"{speed:,.0f}",
        )  # fmt: skip
    show_view(table)
    if arguments.fit:
        _fit(net, truth, calm)
    return 0


def _judges(names: list[str], net: StockfishNet) -> Iterator[tuple[str, Judge]]:
    for name in names:
        path = None if name in ("default", "material") else name
        with closing(make_evaluator("material" if name == "material" else "auto", path)) as evaluator:
            yield name, evaluator_judge(evaluator)
    yield "teacher, static", teacher_judge(net, STATIC, CALM_VALUE)
    yield "teacher, quiescence", teacher_judge(net, 0, QUIESCENCE_VALUE)
    yield "teacher, depth 1", teacher_judge(net, 1, MOVE_SCORES)
    yield "teacher, depth 2", teacher_judge(net, 2, MOVE_SCORES)


def _fit(net: StockfishNet, truth: Truth, calm: np.ndarray) -> None:
    """Fit on every second position, and show the error on the others."""
    wdl = wdl_from_score(truth.score_cp)
    even = np.arange(len(wdl)) % 2 == 0
    everything = np.ones(len(wdl), np.bool_)
    for name, depth, where in (
        ("calm, static", STATIC, calm),
        ("not calm, quiescence", 0, ~calm),
        ("all, depth 1", 1, everything),
        ("all, depth 2", 2, everything),
    ):
        score_cp = teacher_cp(net, truth.rows, depth)
        fitted = fit_calibration(score_cp[where & even], wdl[where & even])
        errors = ((fitted.wdl(score_cp) - wdl)[where & ~even]) @ np.array([1.0, 0.0, -1.0])
        square = np.mean(errors**2)
        show(f"{name}: {fitted}, mean error {errors.mean():+.4f}, square {square:.4f} on the other half")
