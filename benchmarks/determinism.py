"""Does the same search give the same tree? A hash over all its nodes and edges, by evaluator and
threads.

    python -m benchmarks.determinism --threads 1 2 4 --runs 3

Every run is a fresh process that searches some positions of a game in order and keeps the subtree.
Batched evaluators must give one tree whatever the threads (`across threads`); evaluators inside
kernels give one tree for one thread, and with several the tree depends on timing. The exit status
is 1 if a tree differs that must not.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measuring import (
    EVALUATORS,
    game_boards,
    new_engine,
    new_parser,
    report,
    tree_hash,
)
from engine.evaluation.protocol import InKernelEvaluator
from engine.search.limits import Limits

POSITIONS = slice(6, 14, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__, threads=[1, 2, 4], runs=3, nodes=2000)
    parser.add_argument("--evaluators", nargs="+", choices=EVALUATORS, default=list(EVALUATORS))
    text = "search once in this process and print the tree's hash"
    parser.add_argument("--in-this-process", action="store_true", help=text)
    options = parser.parse_args(arguments)
    if options.in_this_process:
        print(search_hash(options.evaluators[0], options.threads[0], options.nodes))
        return 0
    rows = [
        compare(name, options.threads, options.runs, options.nodes) for name in options.evaluators
    ]
    report(rows, options.json)
    return 0 if all(row["kept"] for row in rows) else 1


def compare(name: str, threads: Sequence[int], runs: int, nodes: int) -> dict[str, object]:
    """One row: the hashes seen at each number of threads, and whether they are as promised."""
    hashes = {number: {run_apart(name, number, nodes) for _ in range(runs)} for number in threads}
    across = len(set().union(*hashes.values())) == 1
    alone = len(hashes.get(1, set())) <= 1
    with new_engine(name, threads=1, hash_mib=8) as engine:
        in_kernel = isinstance(engine.evaluator, InKernelEvaluator)
    row: dict[str, object] = {"evaluator": name, "in kernel": in_kernel}
    row |= {f"{number} threads": " ".join(sorted(seen)) for number, seen in hashes.items()}
    return row | {"across threads": across, "kept": alone if in_kernel else across}


def run_apart(name: str, threads: int, nodes: int) -> str:
    """Return the hash of one run in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--in-this-process", "--evaluators", name]
    command += ["--threads", str(threads), "--nodes", str(nodes)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def search_hash(name: str, threads: int, nodes: int) -> str:
    """One hash over the trees of all positions."""
    digest = hashlib.sha256()
    with new_engine(name, threads) as engine:
        for board in game_boards()[POSITIONS]:
            engine.set_position(board)
            engine.search(Limits(nodes=nodes))
            digest.update(tree_hash(engine).encode())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
