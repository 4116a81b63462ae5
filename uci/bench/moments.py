"""Games between people, or their sharp moments, to measure the marks of `aino annotate` on.

    python -m uci.bench.moments human.tsv.xz --games 200 --out moments.pgn
    aino annotate moments.pgn --nodes 5000 --out marked
    python -m uci.bench.marks marked.pgn

Masters blunder once in a hundred moves, so that whole games give few marks for their time. Of each drawn game a quick
judge (two lines, a few nodes) chooses at most two moments of three plies: from the move that lost most, and from the
quiet move that was best by most while the game was open. The errors of `annotate` are more common there than elsewhere.
`--whole` writes the drawn games themselves, without a judge, and `--skip` leaves out the first drawn ones, so that
marks can be measured on other games than those that a rule was made on. The games are tab-separated with the columns
`welo belo date result uci`.
"""

from __future__ import annotations

import csv
import lzma
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import chess
import chess.engine
import chess.pgn

from engine.measuring import Progress, new_parser
from uci.bench.marks import expected
from uci.bench.referee import MATE_CP

OPENING = 8  # plies at the start of a game in which no moment is looked for
PLIES = 3  # of a moment
LEAST_LOSS, LEAST_GAP = 0.05, 0.12  # expected points in the quick look
OPEN = (0.35, 0.92)  # expected points before an only move
SEED = 2711
DRAW = "1/2-1/2"


class Glance(NamedTuple):
    """The quick judge's view of a move that was played; expected points of the mover."""

    loss: float
    gap: float  # to the second best move, 0 where another one was best
    is_capture: bool
    chances: float  # before the move


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the moments as games with a FEN, or whole games."""
    parser = new_parser(__doc__)
    parser.add_argument("source", type=Path, help="games as tab-separated text, compressed with xz")
    parser.add_argument("--games", type=int, default=200, metavar="N", help="games to draw (default %(default)s)")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="leave out the first N drawn games")
    parser.add_argument(
        "--decisive", action="store_true", help="draw no drawn games; in won ones marks are more common"
    )
    parser.add_argument("--whole", action="store_true", help="write the whole games instead of their moments")
    parser.add_argument("--judge", default="stockfish", help="a UCI engine's command (default %(default)s)")
    parser.add_argument("--nodes", type=int, default=2000, help="of the judge's searches (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the PGN file to write")
    options = parser.parse_args(arguments)
    drawn = drawn_games(options.source, options.games, options.skip, options.decisive)
    if options.whole:
        games = (whole_game(row, options.skip + number) for number, row in enumerate(drawn))
        options.out.write_text("".join(f"{game}\n\n" for game in games), encoding="utf-8")
        return
    progress = Progress("games looked through", options.games)
    with chess.engine.SimpleEngine.popen_uci(options.judge) as judge, options.out.open("w", encoding="utf-8") as out:
        for number, row in enumerate(drawn, options.skip):
            moves = moves_of(row)
            seen = glances(judge, moves, chess.engine.Limit(nodes=options.nodes), number)
            for kind, ply in moments(seen):
                print(moment(row, number, kind, moves, ply), file=out, end="\n\n", flush=True)
            progress.update(number + 1 - options.skip)


def drawn_games(source: Path, count: int, skip: int = 0, decisive: bool = False) -> list[dict[str, str]]:
    """Some games of the file, the same ones each time, from number `skip` on."""
    with lzma.open(source, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    random.Random(SEED).shuffle(rows)
    rows = [row for row in rows if len(row["uci"].split()) >= 20 and not (decisive and row["result"] == DRAW)]
    return rows[skip : skip + count]


def moves_of(row: dict[str, str]) -> list[chess.Move]:
    """The moves of a drawn game."""
    return [chess.Move.from_uci(text) for text in row["uci"].split()]


def whole_game(row: dict[str, str], number: int) -> chess.pgn.Game:
    """A drawn game with its moves."""
    game = chess.pgn.Game()
    headers = {"White": row["welo"], "Black": row["belo"], "Date": row["date"], "Result": row["result"]}
    game.headers.update(Event=f"game {number}", **headers)
    game.add_line(moves_of(row))
    return game


def glances(
    judge: chess.engine.SimpleEngine, moves: Sequence[chess.Move], limit: chess.engine.Limit, game: object
) -> list[Glance]:
    """The quick view of every move."""
    board = chess.Board()
    looks: list[tuple[float, float, chess.Move | None]] = []  # expected points of the best move, gap, best move
    captures = []
    for move in (*moves, None):
        looks.append(_look(judge, board, limit, game))
        if move is not None:
            captures.append(board.is_capture(move))
            board.push(move)
    found = []
    for ply, move in enumerate(moves):
        value, gap, best = looks[ply]
        loss = 0.0 if move == best else max(0.0, value - (1.0 - looks[ply + 1][0]))
        found.append(Glance(loss, gap if move == best else 0.0, captures[ply], value))
    return found


def _look(
    judge: chess.engine.SimpleEngine, board: chess.Board, limit: chess.engine.Limit, game: object
) -> tuple[float, float, chess.Move | None]:
    if board.is_game_over():
        return (0.0 if board.is_checkmate() else 0.5), 0.0, None
    infos = judge.analyse(board, limit, multipv=2, game=game)
    values = [expected(max(-MATE_CP, min(MATE_CP, info["score"].relative.score(mate_score=MATE_CP)))) for info in infos]
    return values[0], values[0] - values[1] if len(values) > 1 else 0.0, infos[0]["pv"][0]


def moments(seen: Sequence[Glance]) -> Iterator[tuple[str, int]]:
    """(kind, first ply) of a game's moments."""
    plies = range(OPENING, len(seen) - 1)
    worst = max(plies, key=lambda ply: seen[ply].loss)
    lonely = [
        ply
        for ply in plies
        if seen[ply].gap >= LEAST_GAP and not seen[ply].is_capture and OPEN[0] <= seen[ply].chances <= OPEN[1]
    ]
    is_costly = seen[worst].loss >= LEAST_LOSS
    if is_costly:
        yield "costliest move", worst
    if lonely:
        only = max(lonely, key=lambda ply: seen[ply].gap)
        if not (is_costly and abs(only - worst) < PLIES):
            yield "only move", only


def moment(row: dict[str, str], number: int, kind: str, moves: Sequence[chess.Move], ply: int) -> chess.pgn.Game:
    """The plies of a moment as a game that begins with its position."""
    board = chess.Board()
    for move in moves[:ply]:
        board.push(move)
    game = chess.pgn.Game()
    game.setup(chess.Board(board.fen()))
    game.headers.update(Event=f"game {number}: {kind}", White=row["welo"], Black=row["belo"], Date=row["date"])
    game.add_line(moves[ply : ply + PLIES])
    return game


if __name__ == "__main__":
    main()
