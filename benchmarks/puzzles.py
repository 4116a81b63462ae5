"""Draw puzzles from games, rate them by Aino's levels, and check them with another engine.

    python -m benchmarks.puzzles make uci/library/puzzles.csv.xz --count 3000
    python -m benchmarks.puzzles draw games.pgn drawn.csv
    python -m benchmarks.puzzles check drawn.csv --engine stockfish --nodes 1000000 --sample 100

`make` adds puzzles to a file until it has so many, from games that Aino plays against itself at its levels, half of
them from endings; it can be stopped and continued. `draw` reviews games as `aino annotate` does and takes the puzzles
of both sides. Both write Lichess's form. `check` counts a puzzle as wrong if the engine prefers another first move, or
if its second move loses less than 10% of winning chances, which is a mistake; exit status 1 if 2% or more are wrong.
"""

from __future__ import annotations

import csv
import io
import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import chess
import chess.engine
import numpy as np

from benchmarks.measuring import Progress, new_parser, report
from engine.errors import AinoError
from engine.files.atomic import atomic_write
from engine.files.text import open_unpacked
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.choice import choose_weaker, plan_for
from engine.search.limits import Limits
from uci.annotate.accuracy import win_percent
from uci.annotate.judge import winning_chances
from uci.annotate.review import review_game
from uci.library.puzzles import Puzzle, is_puzzle, puzzles_of, read_lichess
from uci.terminal.opening_names import book_move
from uci.terminal.reading import read_pgn_games
from uci.terminal.verdict import Verdict

_FIRST_LOOK = Limits(nodes=400)  # at each position of a game
_SECOND_LOOKS = (2_000, 15_000)  # nodes, each with and without the best move
_OBVIOUS = 0.4  # probability that the policy gives to a move that needs no thought
_REVIEW = Limits(nodes=20_000)  # as `aino annotate`
_LONGEST_PLIES = 160
_SUSPECTED = 0.2  # winning chances between the two best moves, at the first look
_LEVELS = (700, 1000, 1300, 1600, 1900, 2200, 2450)  # Elo; each tries each puzzle twice
_MATERIAL = ("PvP PPvP PPvPP PPPvPP RPvR RPvRP RPPvRP RPPvRPP QvP QPvQ QPvQP BPvN NPvB NPPvBP BPPvBP RvP RvPP RvBP "
             "RvNP RPvBP NPPvNP BPPvNPP QvRP RBPvRN RNPvRBP RRPvRRP QPPvRRP").split()  # fmt: skip
_MISTAKE = 10.0  # percent


# ---- games ----------------------------------------------------------------------------------------------------------


def ending(rng: random.Random) -> chess.Board:
    """Return a legal random position with some men, in which nobody is in check."""
    while True:
        board = chess.Board(None)
        strong, weak = rng.choice(_MATERIAL).split("v")
        squares = rng.sample(chess.SQUARES, len(strong) + len(weak) + 2)
        for square, letter in zip(squares, f"K{strong}k{weak.lower()}", strict=True):
            board.set_piece_at(square, chess.Piece.from_symbol(letter))
        board.turn = rng.random() < 0.5
        if board.is_valid() and not board.is_check():
            return board.mirror() if rng.random() < 0.5 else board


def played_positions(engine: Engine, rng: random.Random, dice: np.random.Generator) -> Iterator[chess.Board]:
    """Yield positions of a game between two levels, in which one move only may be good."""
    board = ending(rng) if rng.random() < 0.5 else chess.Board()
    plans = {side: plan_for(rng.randrange(800, 2200)) for side in chess.COLORS}
    for _ in range(_LONGEST_PLIES):
        known = book_move(board, rng)
        if known is None:
            if board.is_game_over(claim_draw=True):
                return
            engine.set_position(board)
            children = engine.search(_FIRST_LOOK).children
            values = [winning_chances(Verdict.of_move(child).expected) for child in children if child.visits]
            gap = values[0] - max(values[1:], default=values[0])
            if board.move_stack and children[0].prior < _OBVIOUS and is_puzzle(values[0], gap, _SUSPECTED):
                yield board.copy()
            known = choose_weaker(children, plans[board.turn], dice).move
        board.push(known)


# ---- puzzles --------------------------------------------------------------------------------------------------------


def only_move(engine: Engine, board: chess.Board) -> chess.Move | None:
    """Return the only good move of a position, where a short and a long search agree."""
    best = None
    for nodes in _SECOND_LOOKS:
        engine.set_position(board)
        result = engine.search(Limits(nodes=nodes))
        if best not in (None, result.best_move):
            return None
        best = result.best_move
        others = tuple(move for move in board.legal_moves if move != best)
        if not others:
            return None
        engine.set_position(board)
        other = engine.search(Limits(nodes=nodes, searchmoves=others))
        chances, second = (winning_chances(Verdict.of_info(one.infos[0]).expected) for one in (result, other))
        if not is_puzzle(chances, chances - second, _SUSPECTED):
            return None
    return best


def rating(engines: dict[int, Engine], board: chess.Board, best: chess.Move) -> int:
    """Fit the rating at which half of all tries succeed to the levels' tries; people's mean is the prior."""
    tries = list[tuple[int, bool]]()
    for elo, engine in engines.items():
        for _ in range(2):
            if all(solved for _, solved in tries[-4:]) and len(tries) >= 4:  # so do stronger levels
                tries.append((elo, True))
                continue
            engine.new_game()
            engine.set_position(board)
            tries.append((elo, engine.search(Limits(nodes=12_000)).best_move == best))

    def likelihood(points: int) -> float:
        odds = [(points - elo) * (1 if solved else -1) / 400 for elo, solved in tries]
        return -sum(math.log1p(10**value) for value in odds) - ((points - 1500) / 600) ** 2 / 2

    return max(range(400, 3001, 10), key=likelihood)


def row_of(puzzle_board: chess.Board, best: str, points: float, deviation: float) -> list[str]:
    """Return a row of Lichess's form: the opponent's move comes first."""
    before = puzzle_board.copy()
    last = before.pop()
    key = f"{abs(hash((puzzle_board.fen(), best))) % 16**8:08x}"
    return [key, before.fen(), f"{last.uci()} {best}", f"{points:.0f}", f"{deviation:.0f}"]


def make(path: Path, count: int, seed: int) -> None:
    """Add puzzles to a file until it has `count`."""
    rows = read_rows(path) if path.exists() else []
    known = {puzzle.fen.split(" ")[0] for puzzle in read_lichess(path)} if rows else set()
    rng, dice = random.Random(seed + len(rows)), np.random.default_rng(seed + len(rows))
    options = EngineOptions(threads=1, hash_mib=64)
    progress = Progress("puzzles", count)
    engine = Engine(replace(options, analyse_mode=True))
    levels = {elo: Engine(replace(options, limit_strength=True, elo=elo, hash_mib=16)) for elo in _LEVELS}
    try:
        while len(rows) < count:
            for board in played_positions(engine, rng, dice):
                name = board.fen().split(" ")[0]
                best = None if name in known else only_move(engine, board)
                known.add(name)
                if best is not None:
                    rows.append(row_of(board, best.uci(), rating(levels, board, best), 150))
                    progress.update(len(rows))
            write_rows(path, rows[:count])
    finally:
        for one in (engine, *levels.values()):
            one.close()


def draw(source: Path, path: Path) -> None:
    """Write the puzzles of both sides' mistakes in reviewed games."""
    rows = []
    with Engine(EngineOptions(threads=1, hash_mib=64, analyse_mode=True)) as engine:
        for number, game in enumerate(read_pgn_games(source), 1):
            review = review_game(engine, game, _REVIEW)
            boards = {move.board.fen(): move.board for move in review.moves}
            drawn = [one for side in chess.COLORS for one in puzzles_of(review, side)]
            rows += [
                row_of(boards[one["fen"]], one["moves"][0], 1500, 350) for one in drawn if boards[one["fen"]].move_stack
            ]
            print(f"game {number}: {len(drawn)} puzzles", file=sys.stderr, flush=True)
            write_rows(path, rows)


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a file without a heading."""
    with open_unpacked(path) as (stream, _):
        return list(csv.reader(io.TextIOWrapper(stream, "utf-8", newline="")))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    """Write a file of puzzles, packed where its name says so."""
    import lzma

    text = "".join(",".join(row) + "\n" for row in rows).encode()
    with atomic_write(path) as file:
        file.write(lzma.compress(text, preset=9) if path.suffix == ".xz" else text)


# ---- check ----------------------------------------------------------------------------------------------------------


def fault(engine: chess.engine.SimpleEngine, puzzle: Puzzle, nodes: int) -> str:
    """Return what another engine holds against a puzzle; "" for nothing."""
    board = chess.Board(puzzle.fen)
    first, *others = engine.analyse(board, chess.engine.Limit(nodes=nodes), multipv=2)
    best, second = (win_percent(_cp(line["score"].relative)) for line in (first, others[0] if others else first))
    found = f"{board.san(first['pv'][0])} {first['score'].relative}"
    if first["pv"][0].uci() != puzzle.moves[0]:
        return f"prefers {found}"
    if others and best - second < _MISTAKE:
        return f"{found}, but also {board.san(others[0]['pv'][0])} {others[0]['score'].relative}"
    return ""


def _cp(score: chess.engine.Score) -> int:
    return max(-2000, min(2000, score.score(mate_score=100_000)))


def check(options: object) -> int:
    """Check a sample of a file's puzzles."""
    puzzles = list(read_lichess(options.file))  # type: ignore[attr-defined]
    sample = random.Random(options.seed).sample(puzzles, min(options.sample, len(puzzles)))  # type: ignore[attr-defined]
    wrong = 0
    progress = Progress("checked", len(sample))
    with chess.engine.SimpleEngine.popen_uci(options.engine) as engine:  # type: ignore[attr-defined]
        for number, puzzle in enumerate(sample, 1):
            found = fault(engine, puzzle, options.nodes)  # type: ignore[attr-defined]
            wrong += bool(found)
            if found:
                print(f"{puzzle.fen}: {puzzle.moves[0]} ({puzzle.rating:.0f}): {found}", flush=True)
            progress.update(number)
    share = wrong / max(1, len(sample))
    report([{"puzzles": len(puzzles), "checked": len(sample), "wrong": wrong, "share": f"{share:.1%}"}], options.json)  # type: ignore[attr-defined]
    return int(share >= 0.02)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("what", choices=("make", "draw", "check"))
    parser.add_argument("file", type=Path, metavar="FILE", help="puzzles, or the games to draw them from")
    parser.add_argument("out", type=Path, nargs="?", help="where drawn puzzles go")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="stockfish")
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=100)
    options = parser.parse_args(arguments)
    try:
        if options.what == "make":
            make(options.file, options.count, options.seed)
        elif options.what == "draw":
            draw(options.file, options.out)
        else:
            return check(options)
    except AinoError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
