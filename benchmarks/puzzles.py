"""Draw puzzles from games, and check them with another engine.

    python -m benchmarks.puzzles draw games.pgn --out drawn.csv
    python -m benchmarks.puzzles check drawn.csv --engine stockfish --nodes 1000000 --sample 100

`draw` reviews games as `aino annotate` does and writes the puzzles of both sides in Lichess's form.
`check` counts a puzzle as wrong if the engine prefers another first move, or if its second move
loses less than 5% of winning chances, as a move that a review calls good, too; exit status 1 if 2%
or more are wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import chess
import chess.engine

from benchmarks.measuring import Progress, existing, new_parser, program, report
from engine.errors import AinoError
from engine.files.atomic import write_file
from engine.files.output_files import output_file
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from uci.annotate.accuracy import win_percent
from uci.annotate.review import review_game
from uci.library.puzzles import Puzzle, puzzles_of, read_lichess
from uci.terminal.reading import read_every_game

_REVIEW = Limits(nodes=10_000)  # as `aino annotate`
_UNRATED = "1500,350"  # the rating, and its deviation
_LITTLE = 5.0  # percent; a second move that loses less is good, too, as in reviews


def line_of(board: chess.Board, best: str) -> str:
    """Return a puzzle in Lichess's form: the opponent's move comes first."""
    before = board.copy()
    last = before.pop()
    name = f"{zlib.crc32(board.fen().encode()):08x}"
    return f"{name},{before.fen()},{last.uci()} {best},{_UNRATED}\n"


def draw(source: Path, path: Path) -> None:
    """Write the puzzles of both sides' mistakes in reviewed games."""
    lines: list[str] = []
    with Engine(EngineOptions(threads=1, hash_mib=64, analyse_mode=True)) as engine:
        games = (found.game for found in read_every_game(source) if not found.faults)
        for number, game in enumerate(games, 1):
            review = review_game(engine, game, _REVIEW)
            boards = {move.board.fen(): move.board for move in review.moves}
            drawn = [one for side in chess.COLORS for one in puzzles_of(review, side)]
            lines += [
                line_of(boards[one["fen"]], one["moves"][0])
                for one in drawn
                if boards[one["fen"]].move_stack
            ]
            print(f"game {number}: {len(drawn)} puzzles", file=sys.stderr, flush=True)
            write_file(path, "".join(lines))


# ---- check ---------------------------------------------------------------------------------------


def fault(engine: chess.engine.SimpleEngine, puzzle: Puzzle, nodes: int) -> str:
    """Return what another engine holds against a puzzle; "" for nothing."""
    board = chess.Board(puzzle.fen)
    first, *others = engine.analyse(board, chess.engine.Limit(nodes=nodes), multipv=2)
    best, second = (
        win_percent(_cp(line["score"].relative)) for line in (first, others[0] if others else first)
    )
    found = f"{board.san(first['pv'][0])} {first['score'].relative}"
    if first["pv"][0].uci() != puzzle.moves[0]:
        return f"prefers {found}"
    if others and best - second < _LITTLE:
        return f"{found}, but also {board.san(others[0]['pv'][0])} {others[0]['score'].relative}"
    return ""


def _cp(score: chess.engine.Score) -> int:
    return max(-2000, min(2000, score.score(mate_score=100_000)))


def check(options: argparse.Namespace) -> int:
    """Check a sample of a file's puzzles."""
    puzzles = list(read_lichess(options.file))
    sample = random.Random(options.seed).sample(puzzles, min(options.sample, len(puzzles)))
    wrong = 0
    progress = Progress("checked", len(sample))
    with chess.engine.SimpleEngine.popen_uci(options.engine) as engine:
        for number, puzzle in enumerate(sample, 1):
            found = fault(engine, puzzle, options.nodes)
            wrong += bool(found)
            if found:
                print(f"{puzzle.fen}: {puzzle.moves[0]} ({puzzle.rating:.0f}): {found}", flush=True)
            progress.update(number)
    share = wrong / max(1, len(sample))
    report(
        [
            {
                "puzzles": len(puzzles),
                "checked": len(sample),
                "wrong": wrong,
                "share": f"{share:.1%}",
            }
        ],
        options.json,
    )
    return int(share >= 0.02)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("what", choices=("draw", "check"))
    text = "puzzles, or the games to draw them from"
    parser.add_argument("file", type=existing, metavar="FILE", help=text)
    parser.add_argument("--out", type=output_file, help="where puzzles go")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="stockfish")
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=100)
    options = parser.parse_args(arguments)
    if options.what == "draw" and options.out is None:
        parser.error("--out: expected the file where puzzles go")
    try:
        if options.what == "draw":
            draw(options.file, options.out)
            return 0
        program(options.engine)
        return check(options)
    except (AinoError, argparse.ArgumentTypeError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
