"""Draw puzzles from games, rate them by Aino's levels, and check them with another engine.

    python -m benchmarks.puzzles make part1.txt.xz --out uci/library/puzzles.csv.xz --count 3000
    python -m benchmarks.puzzles draw games.pgn --out drawn.csv
    python -m benchmarks.puzzles check drawn.csv --engine stockfish --nodes 1000000 --sample 100

`make` adds puzzles to a file until it has so many, from games that were made to train Aino: those
with a teacher's five best moves (`aino-train teach`), in which the teacher prefers one move by far,
and segments of its own games (`RUN/replay/*.replay`), in which most visits went to one move. Aino
has to prefer it, too, by far. A stopped `make` continues. `draw` reviews games as `aino annotate`
does and takes the puzzles of both sides. Both write Lichess's form. `check` counts a puzzle as
wrong if the engine prefers another first move, or if its second move loses less than 5% of winning
chances, as a move that a review calls good, too; exit status 1 if 2% or more are wrong. With
`--out`, it writes the others to a file.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import lzma
import math
import random
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import chess
import chess.engine
import numpy as np

from benchmarks.measuring import Progress, existing, new_parser, program, report
from engine.board.convert import board_from_row, decode_move, row_from_board
from engine.errors import AinoError
from engine.files.atomic import atomic_write
from engine.files.output_files import output_file
from engine.files.text import open_unpacked
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.levels import MEASURED, choose_weaker
from engine.search.limits import Limits
from engine.search.result import RootMove
from selfplay.records.replay import read_segment
from uci.annotate.accuracy import win_percent
from uci.annotate.judge import winning_chances
from uci.annotate.review import review_game
from uci.library.puzzles import Puzzle, is_puzzle, puzzles_of, read_lichess
from uci.terminal.reading import read_every_game
from uci.terminal.verdict import Verdict

_REVIEW = Limits(nodes=10_000)  # as `aino annotate`
_CLEAR = 0.25  # winning chances between the two best moves of a teacher
_PREFERRED = 0.7  # the least share of visits of a move that an own game's search preferred by far
_LEVELS, _TRIES = 8, 8  # of `MEASURED`, the weakest ones, and how often each tries
# The weakest of them, and the share of their tries above which nobody has to think.
_BEGINNERS = 3
_EASY = 0.5
_DEVIATION = 150  # of such a rating
_BETWEEN = 50  # puzzles until the file is written again
_LITTLE = 5.0  # percent; a second move that loses less is good, too, as in reviews


# ---- puzzles -------------------------------------------------------------------------------------


def clear_moves(path: Path) -> Iterator[tuple[chess.Board, chess.Move]]:
    """Yield positions of games, one a game at most, in which one move is clearly best, and that
    move.
    """
    games = _own_games(path) if path.suffix == ".replay" else _teachers_games(path)
    for number, found in enumerate(games):
        if found:
            # Any of them, by chance, always the same one.
            yield found[len(found) * number % 97 % len(found)]


def _teachers_games(path: Path) -> Iterator[list[tuple[chess.Board, chess.Move]]]:
    with open_unpacked(path) as (stream, _):
        for line in io.TextIOWrapper(stream, "utf-8"):
            fen, _result, plies = line.rstrip().split("|")
            board = chess.Board(fen)
            found = list[tuple[chess.Board, chess.Move]]()
            for played, scores in (ply.split(":") for ply in plies.split(";")):
                if board.move_stack and (best := _clear_move(board, scores.split(","))) is not None:
                    found.append((board.copy(stack=1), best))
                board.push_uci(played)
            yield found


def _own_games(path: Path) -> Iterator[list[tuple[chess.Board, chess.Move]]]:
    for game in read_segment(path)[0]:
        board = board_from_row(game.start)
        found = list[tuple[chess.Board, chess.Move]]()
        at = 0
        for played, count, full in zip(
            game.played, game.target_counts.tolist(), game.full, strict=False
        ):
            visits, moves = game.target_visits[at : at + count], game.target_moves[at : at + count]
            if (
                full
                and count > 1
                and board.move_stack
                and visits.max() >= _PREFERRED * visits.sum()
            ):
                best = decode_move(row_from_board(board), int(moves[visits.argmax()]))
                if best.to_square != board.peek().to_square:
                    found.append((board.copy(stack=1), best))
            board.push(decode_move(row_from_board(board), int(played)))
            at += count
        yield found


def _clear_move(board: chess.Board, scores: Sequence[str]) -> chess.Move | None:
    """Return the best of some moves with scores if it is a puzzle, and no recapture."""
    moves, values = zip(*(one.split("=") for one in scores), strict=True)
    if len(moves) < 2 or chess.parse_square(moves[0][2:4]) == board.peek().to_square:
        return None
    best, second = (win_percent(max(-2000, min(2000, int(value)))) / 100 for value in values[:2])
    return chess.Move.from_uci(moves[0]) if is_puzzle(best, best - second, _CLEAR) else None


def rating(
    engine: Engine, board: chess.Board, best: chess.Move, dice: np.random.Generator
) -> int | None:
    """Return the rating at which half of all tries succeed, fitted to tries of the levels; people's
    mean is the prior.

    None where the strongest of them does not see one good move only, or the weakest mostly find it.
    """
    tries = list[tuple[float, float]]()
    children = list[RootMove]()
    for elo, plan in MEASURED[:_LEVELS]:
        engine.new_game()
        engine.set_position(board)
        children = engine.search(Limits(nodes=plan.nodes)).children
        tries.append(
            (
                elo,
                sum(choose_weaker(children, plan, dice).move == best for _ in range(_TRIES))
                / _TRIES,
            )
        )
        if len(tries) == _BEGINNERS and sum(solved for _, solved in tries) > _EASY * _BEGINNERS:
            return None
    chances, *others = (
        winning_chances(Verdict.of_move(child).expected) for child in children if child.visits
    )
    if children[0].move != best or not is_puzzle(chances, chances - max(others, default=0.0)):
        return None

    def likelihood(points: int) -> float:
        odds = [((points - elo) / 400, solved) for elo, solved in tries]
        return (
            -sum(
                solved * math.log1p(10**gap) + (1 - solved) * math.log1p(10**-gap)
                for gap, solved in odds
            )
            - 0.5 * ((points - 1500) / 600) ** 2
        )

    return max(range(400, 3001, 10), key=likelihood)


def row_of(board: chess.Board, best: str, points: float, deviation: float) -> list[str]:
    """Return a row of Lichess's form: the opponent's move comes first."""
    before = board.copy()
    last = before.pop()
    return [
        f"{zlib.crc32(board.fen().encode()):08x}",
        before.fen(),
        f"{last.uci()} {best}",
        f"{points:.0f}",
        f"{deviation:.0f}",
    ]


def make(sources: Sequence[Path], path: Path, count: int) -> None:
    """Add puzzles to a file until it has `count`; what was looked at is not looked at again."""
    rows = read_rows(path) if path.exists() else []
    done = {row[0] for row in rows}
    candidates = itertools.chain.from_iterable(map(clear_moves, sources))
    progress = Progress("puzzles", count)
    dice = np.random.default_rng(1)
    try:
        with Engine(EngineOptions(threads=1, hash_mib=16, analyse_mode=True)) as engine:
            for board, best in candidates:
                if len(rows) >= count:
                    break
                row = row_of(board, best.uci(), 0, _DEVIATION)
                if row[0] not in done and (points := rating(engine, board, best, dice)) is not None:
                    rows.append([*row[:3], str(points), row[4]])
                    done.add(row[0])
                    progress.update(len(rows))
                    if len(rows) % _BETWEEN == 0:
                        write_rows(path, rows)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    write_rows(path, rows)


def draw(source: Path, path: Path) -> None:
    """Write the puzzles of both sides' mistakes in reviewed games."""
    rows = []
    with Engine(EngineOptions(threads=1, hash_mib=64, analyse_mode=True)) as engine:
        games = (found.game for found in read_every_game(source) if not found.faults)
        for number, game in enumerate(games, 1):
            review = review_game(engine, game, _REVIEW)
            boards = {move.board.fen(): move.board for move in review.moves}
            drawn = [one for side in chess.COLORS for one in puzzles_of(review, side)]
            rows += [
                row_of(boards[one["fen"]], one["moves"][0], 1500, 350)
                for one in drawn
                if boards[one["fen"]].move_stack
            ]
            print(f"game {number}: {len(drawn)} puzzles", file=sys.stderr, flush=True)
            write_rows(path, rows)


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a file without a heading."""
    with open_unpacked(path) as (stream, _):
        lines = io.TextIOWrapper(stream, "utf-8", newline="")
        return list(csv.reader(lines))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    """Write a file of puzzles, packed where its name says so."""
    text = "".join(",".join(row) + "\n" for row in rows).encode()
    with atomic_write(path) as file:
        file.write(lzma.compress(text, preset=9) if path.suffix == ".xz" else text)


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
    """Check a sample of a file's puzzles, and keep the good ones if there is a file for them."""
    puzzles = list(zip(read_lichess(options.files[0]), read_rows(options.files[0]), strict=True))
    sample = random.Random(options.seed).sample(puzzles, min(options.sample, len(puzzles)))
    wrong = 0
    kept = []
    progress = Progress("checked", len(sample))
    with chess.engine.SimpleEngine.popen_uci(options.engine) as engine:
        for number, (puzzle, row) in enumerate(sample, 1):
            found = fault(engine, puzzle, options.nodes)
            wrong += bool(found)
            kept += [] if found else [row]
            if found:
                print(f"{puzzle.fen}: {puzzle.moves[0]} ({puzzle.rating:.0f}): {found}", flush=True)
            progress.update(number)
    share = wrong / max(1, len(sample))
    if options.out:
        write_rows(options.out, kept)
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
    parser.add_argument("what", choices=("make", "draw", "check"))
    parser.add_argument(
        "files",
        type=existing,
        nargs="+",
        metavar="FILE",
        help="puzzles, or the games to draw them from",
    )
    parser.add_argument("--out", type=output_file, help="where puzzles go")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="stockfish")
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=100)
    options = parser.parse_args(arguments)
    if options.what != "check" and options.out is None:
        parser.error("--out: expected the file where puzzles go")
    try:
        if options.what == "check":
            program(options.engine)
        if options.what == "make":
            make(options.files, options.out, options.count)
        elif options.what == "draw":
            draw(options.files[0], options.out)
        else:
            return check(options)
    except (AinoError, argparse.ArgumentTypeError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
