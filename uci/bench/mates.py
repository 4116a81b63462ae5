"""How many forced mates each evaluator's search finds, and how many drawn stalemate endings it sees as drawn.

    AINO_TEST_DATA=... python -m uci.bench.mates --nodes 100 10000 100000 --evaluators hybrid network material

Mates in 1 to 4 and stalemates from the `suites` folder, each searched from an empty tree up to the smallest number of
nodes, then on to the next. Shares of positions:

    proven      the best move is a proven mate
    shortest    and one in no more moves than the suite says
    right       according to Stockfish, the first move mates in so many moves, or holds the draw of a stalemate ending;
                left out if Stockfish is not installed
    drawn       of the stalemates: |Q| of the best move is below 0.2
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import chess
import chess.engine

from engine import Engine
from engine.machine import find_stockfish
from engine.measuring import EVALUATORS, Progress, data_folder, new_engine, new_parser, report
from engine.search.limits import Limits
from engine.search.result import SearchResult

MATES = (1, 2, 3, 4)
DRAWN_Q = 0.2
HOLD_DEPTH, LOST_CP = 14, 200
HASH_MIB = 256


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--evaluators", nargs="+", default=list(EVALUATORS))
    parser.add_argument("--mates", type=int, nargs="*", default=list(MATES), choices=MATES)
    parser.add_argument("--stalemates", action="store_true", help="run the stalemate suite, too")
    parser.add_argument("--limit", type=int, default=0, help="use N positions spread over each suite (0 = all)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    folder = data_folder() / "suites"
    rows = []
    with ExitStack() as stack:
        oracle = _stockfish(stack)
        for name in options.evaluators:
            engine = stack.enter_context(new_engine(name, options.threads, HASH_MIB))
            for mate in options.mates:
                boards = read_suite(folder / f"mate{mate}.fen", options.limit)
                rows += measure_mates(engine, boards, mate, sorted(options.nodes), oracle)
            if options.stalemates:
                boards = read_suite(folder / "stalemate2.fen", options.limit)
                rows += measure_stalemates(engine, boards, sorted(options.nodes), oracle)
    report(rows, options.json)


def read_suite(path: Path, limit: int = 0) -> list[chess.Board]:
    """The positions of a file of FENs in which there is a move."""
    boards = [chess.Board(line.strip()) for line in path.read_text().splitlines() if line.strip()]
    boards = [board for board in boards if board.is_valid() and any(board.legal_moves)]
    step = max(1, len(boards) // limit) if limit else 1
    return boards[::step][: limit or None]


def measure_mates(
    engine: Engine,
    boards: Sequence[chess.Board],
    mate: int,
    nodes: Sequence[int],
    oracle: chess.engine.SimpleEngine | None,
) -> list[dict[str, object]]:
    """One row for each number of nodes."""
    counts = {number: {"proven": 0, "shortest": 0, "right": 0} for number in nodes}
    progress = Progress(f"{engine.evaluator.name}, mates in {mate}", len(boards))
    for done, board in enumerate(boards):
        for number, result in zip(nodes, searches(engine, board, nodes), strict=True):
            found = result.children[0].mate
            counts[number]["proven"] += found is not None and found > 0
            counts[number]["shortest"] += found is not None and 0 < found <= mate
            if oracle is not None:
                counts[number]["right"] += mates_within(oracle, board, result.children[0].move, mate)
        progress.update(done + 1)
    return [row(engine, f"mate in {mate}", number, boards, counts[number], oracle is None) for number in nodes]


def measure_stalemates(
    engine: Engine, boards: Sequence[chess.Board], nodes: Sequence[int], oracle: chess.engine.SimpleEngine | None
) -> list[dict[str, object]]:
    """One row for each number of nodes."""
    counts = {number: {"drawn": 0, "right": 0} for number in nodes}
    for board in boards:
        for number, result in zip(nodes, searches(engine, board, nodes), strict=True):
            best = result.children[0]
            counts[number]["drawn"] += abs(best.q) < DRAWN_Q
            counts[number]["right"] += oracle is not None and holds(oracle, board, best.move)
    return [row(engine, "stalemate", number, boards, counts[number], oracle is None) for number in nodes]


def searches(engine: Engine, board: chess.Board, nodes: Sequence[int]) -> list[SearchResult]:
    """Results at each number of nodes, in ascending order, on one growing tree."""
    engine.new_game()
    engine.set_position(board)
    return [engine.search(Limits(nodes=number)) for number in nodes]


def mates_within(oracle: chess.engine.SimpleEngine, board: chess.Board, move: chess.Move, mate: int) -> bool:
    """Whether the move mates in at most this many moves, according to Stockfish."""
    after = board.copy(stack=False)
    after.push(move)
    if after.is_checkmate():
        return True
    if mate == 1 or not any(after.legal_moves):
        return False
    score = oracle.analyse(after, chess.engine.Limit(depth=2 * mate + 6))["score"].relative.mate()
    return score is not None and -mate < score < 0


def holds(oracle: chess.engine.SimpleEngine, board: chess.Board, move: chess.Move) -> bool:
    """Whether the move avoids a lost position, according to Stockfish."""
    after = board.copy(stack=False)
    after.push(move)
    if not any(after.legal_moves):
        return True
    score = oracle.analyse(after, chess.engine.Limit(depth=HOLD_DEPTH))["score"].relative
    return score.score(mate_score=100_000) <= LOST_CP


def row(
    engine: Engine,
    suite: str,
    nodes: int,
    boards: Sequence[chess.Board],
    counts: dict[str, int],
    without_oracle: bool,
) -> dict[str, object]:
    """The printed shares; every row has all columns."""
    shares: dict[str, object] = dict.fromkeys(("proven", "shortest", "right", "drawn"), "-")
    shares |= {name: count / len(boards) for name, count in counts.items()}
    if without_oracle:
        shares["right"] = "-"
    return {"evaluator": engine.evaluator.name, "suite": suite, "positions": len(boards), "nodes": nodes, **shares}


def _stockfish(stack: ExitStack) -> chess.engine.SimpleEngine | None:
    program = find_stockfish()
    return None if program is None else stack.enter_context(chess.engine.SimpleEngine.popen_uci(program))


if __name__ == "__main__":
    main()
