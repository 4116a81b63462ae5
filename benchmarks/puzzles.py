"""Choose the puzzles that come with Aino, draw puzzles from games, and check them with another
engine.

    python -m benchmarks.puzzles choose lichess.csv --out chosen.csv --count 3000
    python -m benchmarks.puzzles draw games.pgn --out drawn.csv
    python -m benchmarks.puzzles check drawn.csv --engine stockfish --nodes 1000000 --sample 100

`choose` takes puzzles of Lichess's file (database.lichess.org, CC0), as many of each hundred rating
points from 600 to 2400: first of those whose themes it tells, and again and again the one whose
rarest theme was taken least often. It keeps those whose moves Aino holds for the only good ones,
too: better than every other by 15% of winning chances. `draw` reviews games as `aino annotate` does
and takes the puzzles of both sides. Both write Lichess's form. `check` counts a puzzle as wrong if
the engine prefers another first move, or if its second move loses less than 5% of winning chances,
as a move that a review calls good, too; exit status 1 if 2% or more are wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import chess
import chess.engine

from benchmarks.measuring import Progress, existing, new_parser, program, report
from engine.board.puzzle_rows import puzzle_fields
from engine.errors import AinoError
from engine.files.atomic import write_file
from engine.files.output_files import output_file
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from uci.annotate.accuracy import win_percent
from uci.annotate.judge import winning_chances
from uci.annotate.review import review_game
from uci.annotate.solutions import Candidate, is_solution
from uci.common.reading import read_every_game
from uci.common.verdict import Verdict
from uci.library.puzzles import Puzzle, puzzles_of, read_lichess

_REVIEW = Limits(nodes=10_000)  # as `aino annotate`
_LOOKS = (Limits(nodes=3_000), Limits(nodes=30_000))  # the longer one where the shorter objects
_RATINGS = range(600, 2400, 100)  # where each band of chosen puzzles begins
_FIELDS = (
    "puzzleid",
    "fen",
    "moves",
    "rating",
    "",
    "",
    "",
    "themes",
)  # what is kept of a row
_UNRATED = "1500,350"  # the rating, and its deviation
_LITTLE = 5.0  # percent; a second move that loses less is good, too, as in reviews


def choose(source: Path, path: Path, count: int, seed: int) -> None:
    """Write `count` puzzles of a file in Lichess's form, spread over ratings and themes."""
    kinds = read_kinds(source, seed)
    taken = Counter[str]()
    chosen = list[str]()
    progress = Progress("puzzles", count)
    options = EngineOptions(threads=1, hash_mib=16, analyse_mode=True, multi_pv=2)
    with Engine(options) as engine:
        for number, least in enumerate(_RATINGS, 1):
            most = count * number // len(_RATINGS)
            for kind in kinds:
                band = [one for one in kind if least <= one[0].rating < least + _RATINGS.step]
                while band and len(chosen) < most:
                    puzzle, row = best = min(band, key=lambda one: rarity(one[0], taken))
                    band.remove(best)
                    if is_sound(engine, puzzle):
                        taken.update(puzzle.themes)
                        chosen.append(",".join(row) + "\n")
                        progress.update(len(chosen))
    write_file(path, "".join(chosen))


def read_kinds(source: Path, seed: int) -> list[list[tuple[Puzzle, list[str]]]]:
    """Return the puzzles of a file with their rows, shuffled: those with themes, and the others."""
    rows = ([fields.get(name, "") for name in _FIELDS] for _, fields in puzzle_fields(source))
    pairs = list(zip(read_lichess(source), rows, strict=True))
    kinds = [[pair for pair in pairs if bool(pair[1][-1]) == told] for told in (True, False)]
    dice = random.Random(seed)
    for kind in kinds:
        dice.shuffle(kind)
    return kinds


def rarity(puzzle: Puzzle, taken: Counter[str]) -> int:
    """Return how often the rarest of a puzzle's themes was taken."""
    return min((taken[theme] for theme in puzzle.themes), default=0)


def is_sound(engine: Engine, puzzle: Puzzle) -> bool:
    """Whether Aino holds all moves of a solution for the only good ones."""
    moves = [chess.Move.from_uci(move) for move in puzzle.moves]

    def look(limits: Limits, board: chess.Board) -> list[Candidate]:
        engine.new_game()
        engine.set_position(board)
        infos = engine.search(limits).infos
        return [Candidate(one.pv, winning_chances(Verdict.of_info(one).expected)) for one in infos]

    return any(is_solution(puzzle.start, moves, partial(look, limits)) for limits in _LOOKS)


def line_of(board: chess.Board, moves: str) -> str:
    """Return a puzzle in Lichess's form: the opponent's move comes first."""
    before = board.copy()
    last = before.pop()
    name = f"{zlib.crc32(board.fen().encode()):08x}"
    return f"{name},{before.fen()},{last.uci()} {moves},{_UNRATED}\n"


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
                line_of(boards[one["fen"]], " ".join(one["moves"]))
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
    parser = new_parser(
        __doc__, count=3000, seed=1, engine="stockfish", nodes=1_000_000, sample=100
    )
    parser.add_argument("what", choices=("choose", "draw", "check"))
    text = "puzzles, or the games to draw them from"
    parser.add_argument("file", type=existing, metavar="FILE", help=text)
    parser.add_argument("--out", type=output_file, help="where puzzles go")
    options = parser.parse_args(arguments)
    if options.what != "check" and options.out is None:
        parser.error("--out: expected the file where puzzles go")
    try:
        if options.what == "choose":
            choose(options.file, options.out, options.count, options.seed)
            return 0
        if options.what == "draw":
            draw(options.file, options.out)
            return 0
        program(options.engine)
        return check(options)
    except (AinoError, argparse.ArgumentTypeError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
