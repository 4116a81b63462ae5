"""Score loss (also called regret) of Aino's moves as judged by a stronger engine: a quick guide before matches.

    python -m uci.bench.regret games.pgn --judge stockfish --positions 500 --nodes 10000 \\
        "base" "bold CPuct=2.5" "cool PolicyTemperature=1.2 nodes=3000"

One position is taken from each game of the PGN file, the same ones for every setting. A setting is a name and UCI
options; it searches on one thread, and `nodes=N` changes its number of nodes. The judge says what winning chances (a
logistic curve of its score, 150 cp) the chosen move costs against its own best; positions that it calls decided are
left out. Its answers are kept in a file beside the games. Errors are standard errors, those of differences from paired
positions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import chess
import chess.engine
import chess.pgn
import numpy as np

from engine import Engine
from engine.measuring import Progress, Row, new_parser, report
from engine.options import EngineOptions, set_option
from engine.search.limits import Limits
from uci.bench.referee import Referee

LOGISTIC_CP = 150.0
DECIDED_CP = 500
SKIPPED_PLIES = 4  # plies left out at both ends of a game
BLUNDER = 0.15  # a blunder loses more winning chances than this, 0..1


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for every setting."""
    parser = new_parser(__doc__)
    parser.add_argument("games", type=Path, help="take positions from this PGN file")
    parser.add_argument("settings", nargs="+", metavar="SETTING", help="measure NAME [OPTION=VALUE ...] [nodes=N]")
    text = "judge with this UCI engine's command (default %(default)s)"
    parser.add_argument("--judge", default="stockfish", help=text)
    parser.add_argument("--judge-nodes", type=int, default=150_000)
    parser.add_argument("--positions", type=int, default=500)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args(arguments)
    judge = Referee(
        options.judge, chess.engine.Limit(nodes=options.judge_nodes), options.games.with_suffix(".judged.jsonl")
    )
    try:
        boards = sampled(options.games, options.positions, random.Random(options.seed))
        boards = [board for board in boards if abs(judge.look(board).score_cp) < DECIDED_CP]
        losses = {setting.split()[0]: losses_of(setting, options.nodes, boards, judge) for setting in options.settings}
    finally:
        judge.close()
    first = next(iter(losses.values()))
    report([row(name, loss, loss - first) for name, loss in losses.items()], options.json)


def sampled(path: Path, count: int, rng: random.Random) -> list[chess.Board]:
    """A position from each of this many games, with the moves before it."""
    with path.open(encoding="utf-8", errors="replace") as file:
        games = list(iter(lambda: chess.pgn.read_game(file), None))
    rng.shuffle(games)
    return list(positions_of(games, rng))[:count]


def positions_of(games: Sequence[chess.pgn.Game], rng: random.Random) -> Iterator[chess.Board]:
    """One position of each game long enough, where there is something to choose."""
    for game in games:
        moves = list(game.mainline_moves())
        if len(moves) <= 2 * SKIPPED_PLIES:
            continue
        board = game.board()
        for move in moves[: rng.randrange(SKIPPED_PLIES, len(moves) - SKIPPED_PLIES)]:
            board.push(move)
        if board.legal_moves.count() > 1:
            yield board


def losses_of(setting: str, nodes: int, boards: Sequence[chess.Board], judge: Referee) -> np.ndarray:
    """What the moves chosen with a setting cost, float64 [positions]."""
    name, *words = setting.split()
    engine_options = EngineOptions(threads=1)
    for word in words:
        option, _, value = word.partition("=")
        if option == "nodes":
            nodes = int(value)
        else:
            engine_options = set_option(engine_options, option, value)
    losses = np.zeros(len(boards))
    progress = Progress(name, len(boards))
    with Engine(engine_options) as engine:
        for number, board in enumerate(boards):
            engine.new_game()
            engine.set_position(board)
            move = engine.search(Limits(nodes=nodes)).best_move
            assert move is not None  # a position that is drawn from a game has moves
            best, chosen = judge.look(board).score_cp, judge.look(board, [move]).score_cp
            losses[number] = max(0.0, chances(best) - chances(chosen))
            progress.update(number + 1)
    return losses


def chances(score_cp: int) -> float:
    """Winning chances of a score."""
    return 1.0 / (1.0 + math.exp(-score_cp / LOGISTIC_CP))


def row(name: str, losses: np.ndarray, differences: np.ndarray) -> Row:
    """One row of the table, in percent of winning chances."""
    root = math.sqrt(len(losses))
    return {
        "setting": name,
        "positions": len(losses),
        "mean loss, %": 100 * float(losses.mean()),
        "+-": 100 * float(losses.std()) / root,
        "against the first": 100 * float(differences.mean()),
        "+- ": 100 * float(differences.std()) / root,
        "blunders, %": 100 * float((losses > BLUNDER).mean()),
    }


if __name__ == "__main__":
    main()
