"""Kernels that carry visits out, with an evaluator resolved by the type of its model."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import chess, numpy as np
from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.search.params import SearchParams
from engine.search.session import Search
from engine.search.tree import new_tree
from engine.search.visits import new_walker, run_visits

search = Search(SearchParams(needs_planes=False), new_tree(100))
search.set_position(stack_from_board(chess.Board()))
walker = new_walker(MaterialEvaluator().new_model())
run_visits(search.tree, search.params, walker, np.array([1]), np.int64(1), np.int64(0))
assert walker.leaves.n_moves[0] == 20 and walker.leaves.wdl[0].sum() > 0.99
print(sum(run_visits.stats.cache_misses.values()), sum(run_visits.stats.cache_hits.values()))
"""


def test_a_second_start_compiles_nothing_though_the_evaluator_is_resolved_by_type(tmp_path: Path) -> None:
    environment = os.environ | {"AINO_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    answers, kept = [], []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        answers.append(done.stdout.split())
        kept.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")})
    assert answers == [["1", "0"], ["0", "1"]]  # (compiled, loaded)
    assert kept[0] == kept[1]
