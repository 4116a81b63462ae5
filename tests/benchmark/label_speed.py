"""Speed of the teacher inside the process, and of training batches from its labels.

    python -m tests.benchmark.label_speed --net teacher.nnue --teacher games.txt.xz
    python -m tests.benchmark.label_speed --labels FOLDER --nets sparse-256 sparse-768

Teacher: positions per second of one thread's CPU time, the best of three rounds. "Apart" means without the time to draw
the positions; "with drawing" includes drawing a calm one from the sources of `aino-train teach`. Labels: positions per
second of CPU time of the sampler, and of the learner without it, on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.errors import DataError
from engine.evaluation import make_evaluator
from engine.evaluation.protocol import InKernelEvaluator
from engine.measuring import Row, new_parser, report
from engine.native.jit import kernel
from selfplay.data.cache import load_or_parse
from selfplay.data.label_sampler import rows_of
from selfplay.data.sparse_sampler import SparseBatch
from selfplay.data.teacher import read_teacher
from selfplay.records.label_folder import LabelFolder
from selfplay.records.packed import TOP_MOVES, unpack_row
from selfplay.teachers.draw_sources import games_of_sets, new_roots
from selfplay.teachers.labelling import LabelPlan, TreeNet, draw_chunk
from selfplay.teachers.net_file import StockfishNet, read_stockfish_net
from selfplay.teachers.net_teacher import score_position
from selfplay.teachers.quality import STATIC, label_rows
from selfplay.teachers.quiet_search import Teacher, new_teacher
from selfplay.training.families import family_of
from selfplay.training.learner import Learner
from selfplay.training.mixture import Map, SparseMixture
from selfplay.training.recipe import SPARSE_RECIPE, LearnerSettings

CHUNK = 32_768
ROUNDS = 3
# What is measured: name, plies of `quality.label_rows`, positions per round.
VALUES = (("static", STATIC, 20_000), ("quiescence", 0, 20_000), ("depth 1", 1, 4000), ("depth 2", 2, 1000))
SCORED_MOVES = ((1, 4000), (2, 500))  # depth, positions per round


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables asked for."""
    parser = new_parser(__doc__)
    parser.add_argument("--net", type=Path, metavar="FILE", help="label with this net of the teacher")
    parser.add_argument("--teacher", type=Path, nargs="+", default=[], metavar="FILE", help="draw from these games")
    parser.add_argument("--labels", type=Path, metavar="FOLDER", help="sample from this label folder")
    text = "train these (default %(default)s)"
    parser.add_argument("--nets", nargs="+", default=["sparse-256", "sparse-768"], help=text)
    options = parser.parse_args(arguments)
    if options.net:
        report(list(teacher_speeds(read_stockfish_net(options.net), options.teacher)), options.json)
    if options.labels:
        report([row for name in options.nets for row in training_speeds(name, options.labels)], options.json)


def best_of(work: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    """Seconds of the fastest round, after one to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        begun = clock()
        work()
        times.append(clock() - begun)
    return min(times)


def teacher_speeds(net: StockfishNet, games: Sequence[Path]) -> list[Row]:
    """A row for each way to label."""
    roots = new_roots(games_of_sets([load_or_parse(path, read_teacher, None) for path in games]))
    evaluator = make_evaluator("auto")
    assert isinstance(evaluator, InKernelEvaluator)
    plan, tree_net = LabelPlan(chunk_rows=CHUNK, scored_share=0.0), TreeNet(evaluator, evaluator.name)
    chunk = draw_chunk(net, roots, plan, 0, tree_net)
    drawing = best_of(lambda: draw_chunk(net, roots, plan, 0, tree_net)) / len(chunk.values)
    evaluator.close()
    rows = unpacked(chunk.values[np.random.default_rng(1).permutation(len(chunk.values))])
    teacher, found = new_teacher(net), []
    for name, depth, count in VALUES:
        part, out = rows[:count], np.zeros(count, np.int64)
        apart = best_of(lambda: label_rows(teacher, part, np.int64(depth), out)) / count  # noqa: B023 - called at once
        included = drawing if depth == STATIC else drawing + apart
        found.append(speeds(f"value, {name}", apart, included))
    for depth, count in SCORED_MOVES:
        part = rows[:count]
        apart = best_of(lambda: score_all(teacher, part, np.int64(depth))) / count  # noqa: B023 - called at once
        found.append(speeds(f"{TOP_MOVES} best moves, depth {depth}", apart, drawing + apart))
    return found


def speeds(name: str, apart: float, included: float) -> Row:
    """A row of the table from seconds per position."""
    return {"label": name, "apart, a second": round(1 / apart), "with drawing": round(1 / included)}


def unpacked(packed: np.ndarray) -> np.ndarray:
    """Positions of packed rows, uint64 [n, 16]."""
    rows = np.zeros((len(packed), ROW_WORDS), np.uint64)
    for words, row in zip(packed, rows, strict=True):
        if not unpack_row(words, row):
            raise DataError("a drawn row is not a position")
    return rows


def score_all(teacher: Teacher, rows: np.ndarray, depth: np.int64) -> None:
    """Score the best moves of every row."""
    moves, scores = np.zeros(MAX_MOVES, np.uint16), np.zeros(MAX_MOVES, np.int64)
    score_rows(teacher, rows, moves, scores, np.int64(TOP_MOVES), depth)


@kernel()
def score_rows(teacher, rows, moves, scores, exact, depth):
    """`score_position` for every row."""
    for i in range(len(rows)):
        score_position(teacher, rows[i], moves, scores, exact, depth)


class OneBatch:
    """The same batch at every step, so that a step is the learner alone."""

    def __init__(self, mixture: SparseMixture) -> None:
        self.batch_size, self.n_positions = mixture.batch_size, mixture.n_positions
        self._batch = mixture.batch(0)

    def batch(self, step: int, run: Map = map) -> SparseBatch:
        """That batch."""
        return self._batch


def training_speeds(name: str, folder: Path) -> list[Row]:
    """Sampler and learner on values alone, and on values and scored moves as `pretrain` mixes them."""
    values, scored = rows_of(LabelFolder(folder))
    found = []
    for kind, sets, shares in (("values", [values], [1.0]), ("values and moves", [values, scored], [0.75, 0.25])):
        settings = LearnerSettings(SPARSE_RECIPE.batch_size, SPARSE_RECIPE.weight_decay, threads=1)
        family = family_of(name)
        mixture = SparseMixture(sets, shares, settings.batch_size, seed=1)
        sampling = best_of(lambda: mixture.batch(1))  # noqa: B023 - called at once
        learner = Learner(family, family.build(np.random.default_rng(1)), OneBatch(mixture), settings)
        learning = best_of(lambda: learner.step(1e-3))  # noqa: B023 - called at once
        learner.close()
        size = settings.batch_size
        found.append({"net": name, "labels": kind, "sampled/s": round(size / sampling),
                      "learned/s": round(size / learning), "ratio": learning / sampling})  # fmt: skip
    return found


if __name__ == "__main__":
    main()
