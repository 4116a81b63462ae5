"""Show how a network learned: the same positions judged by the networks of a run from nothing, as
one web page.

    python -m benchmarks.gallery runs/nothing --hours 0.02 0.1 0.3 1 --puzzles puzzles.csv --games
    games.pgn

For each of the hours of work, the page shows the network that was best then (the run must have kept
it: `--keep_nets 0`), and the random network before all of them. It has

- the policy's first choices as arrows and White's expected points, without any search, in eight
  positions;
- what share of a set of positions the policy alone solves: the first moves of Lichess puzzles by
  their themes, and the castling moves of the games. A network has discovered something once it
  solves half as many as the last one, if that solves twice as many as the random one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import chess

from benchmarks.measuring import existing, new_parser
from engine.errors import AinoError, DataError, RunError
from engine.files.atomic import write_file
from engine.files.output_files import output_file
from engine.options import EngineOptions
from engine.pages.board import Arrow, board_svg
from engine.pages.render import page_environment
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import RootMove
from selfplay.report.run_numbers import read_run
from selfplay.suites.problem import Problem, read_puzzles
from uci.common.reading import read_every_game

_POSITIONS = {
    "The first move": chess.STARTING_FEN,
    "Time to castle": "r1bqk1nr/pppp1ppp/2n5/2b1p3/2B1P3/5N2/PPPP1PPP/RNBQK2R w KQkq - 4 4",
    "A fork of king and rook": "r3k2r/ppp2ppp/8/3N4/8/8/PPP2PPP/R3K2R w KQkq - 0 15",
    "A queen that hangs": "rnb1kbnr/pppp1ppp/8/4p3/4P2q/5N2/PPPP1PPP/RNBQKB1R w KQkq - 2 3",
    "Mate in one": "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4",
    "A rook behind the passed pawn": "8/5pk1/6p1/P6p/8/6P1/5PKP/3R4 w - - 0 40",
    "A passed pawn at its goal": "8/1P4k1/6p1/8/2r5/6P1/5PKP/8 w - - 0 50",
    "Rook against king": "8/8/8/3k4/8/8/4K3/7R w - - 0 60",
}
_THEMES = (
    "mateIn1",
    "hangingPiece",
    "fork",
    "pin",
    "advancedPawn",
    "promotion",
    "backRankMate",
    "quietMove",
)
# Moves of the policy that are shown, and the least probability of one.
_ARROWS = 3
_LEAST_SHOWN = 0.08
_MOST = 500  # positions of each set


@dataclass(frozen=True)
class Stage:
    """A network of the run, and when it was the best one."""

    name: str
    path: Path
    told: str  # its generation, games and positions


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        stages = list(stages_of(options.run, options.hours))
        sets = themes_of(options.puzzles) if options.puzzles else {}
        if options.games:
            sets["castling"] = castlings(options.games)
        _write(options, stages, sets)
    except (AinoError, OSError) as error:
        print(f"benchmarks.gallery: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = new_parser(__doc__)
    parser.add_argument("run", type=existing, metavar="RUN", help="the folder of the run")
    parser.add_argument(
        "--hours", type=float, nargs="+", required=True, help="hours of work, as reports count them"
    )
    parser.add_argument(
        "--puzzles", type=existing, metavar="FILE.csv", help="puzzles in Lichess's form"
    )
    parser.add_argument(
        "--games", type=existing, metavar="FILE.pgn", help="games in which people castle"
    )
    parser.add_argument(
        "--out", type=output_file, default=Path("gallery.html"), metavar="FILE.html"
    )
    return parser.parse_args(arguments)


def _write(
    options: argparse.Namespace, stages: list[Stage], sets: dict[str, list[Problem]]
) -> None:
    views: list[list[dict[str, object]]] = []
    shares: list[dict[str, float]] = []
    for stage in stages:
        with Engine(_options(stage)) as engine:
            views.append([_view(engine, title, fen) for title, fen in _POSITIONS.items()])
            shares.append({name: _solved(engine, tasks) for name, tasks in sets.items()})
        print(
            stage.name,
            stage.told,
            *(f"{name} {share:.0%}" for name, share in shares[-1].items()),
            flush=True,
        )
    _write_page(options, stages, views, sets, shares)


def _write_page(
    options: argparse.Namespace,
    stages: list[Stage],
    views: list[list[dict[str, object]]],
    sets: dict[str, list[Problem]],
    shares: list[dict[str, float]],
) -> None:
    """Write what each stage made of the positions, and its shares of the sets."""
    template = Path(__file__).with_name("gallery.html.j2").read_text(encoding="utf-8")
    page = page_environment("selfplay.report", "Aino").from_string(template)
    rows = [(name, len(tasks), [share[name] for share in shares]) for name, tasks in sets.items()]
    text = page.render(
        title=f"How {options.run.resolve().name} learned",
        stages=stages,
        positions=[(title, [view[i] for view in views]) for i, title in enumerate(_POSITIONS)],
        sets=[(name, count, row, _discovered(row)) for name, count, row in rows],
    )
    write_file(options.out, text)


def _options(stage: Stage) -> EngineOptions:
    return EngineOptions(weights_file=str(stage.path), threads=1, hash_mib=16, tactical_nodes=0.0)


# ---- the networks --------------------------------------------------------------------------------


def stages_of(run: Path, hours: Sequence[float]) -> Iterator[Stage]:
    """Yield the random network and, for each of the hours, the one that was best after so much
    work, unless it was the best one before, too.

    Raises RunError for a network that is not kept any more.
    """
    rows = read_run(run).rows
    shown = 0
    yield _stage(run, "nothing", 0, 0, 0)
    for limit in sorted(hours):
        done = [row for row in rows if (row.get("hours") or 0) <= limit]
        best = max((int(row["generation"] or 0) for row in done if row.get("accepted")), default=0)
        if best == shown:
            continue
        shown = best
        played = sum(int(row.get("games") or 0) for row in done)
        learned = max((int(row.get("all_positions") or 0) for row in done), default=0)
        yield _stage(
            run,
            f"{60 * limit:.0f} minutes" if limit < 2 else f"{limit:g} hours",
            best,
            played,
            learned,
        )


def _stage(run: Path, name: str, generation: int, games: int, positions: int) -> Stage:
    path = run / "nets" / f"gen-{generation:05d}.dit"
    if not path.is_file():
        raise RunError(f"{path}: the run has not kept this network; give new runs --keep_nets 0")
    return Stage(name, path, f"generation {generation}, {games:,} games, {positions:,} positions")


# ---- what they see -------------------------------------------------------------------------------


def _policy(engine: Engine, board: chess.Board) -> tuple[list[RootMove], float]:
    """Return the moves, the likeliest first, and the mover's expected points, both without a
    search.
    """
    engine.new_game()
    engine.set_position(board)
    result = engine.search(Limits(nodes=1))
    win, draw, _ = result.infos[0].wdl
    return sorted(result.children, key=lambda child: -child.prior), (win + draw / 2) / 1000


def _view(engine: Engine, title: str, fen: str) -> dict[str, object]:
    board = chess.Board(fen)
    moves, expected = _policy(engine, board)
    shown = [child for child in moves[:_ARROWS] if child.prior >= _LEAST_SHOWN] or moves[:1]
    kinds = ["better", *["other"] * (_ARROWS - 1)]
    arrows = [
        Arrow(c.move.from_square, c.move.to_square, kind)
        for c, kind in zip(shown, kinds, strict=False)
    ]
    words = ", ".join(f"{board.san(child.move)} {child.prior:.0%}" for child in shown)
    white = expected if board.turn else 1 - expected
    return {
        "board": board_svg(board, arrows=arrows[::-1], label=title),
        "moves": words,
        "white": white,
    }


def _solved(engine: Engine, problems: Sequence[Problem]) -> float:
    """Return the share of problems of which the policy's first choice is right."""
    firsts = (
        problem.accepts(_policy(engine, problem.board())[0][0].move, None) for problem in problems
    )
    return sum(firsts) / len(problems)


def _discovered(shares: Sequence[float]) -> int | None:
    """Return the first network from which on all solve half as many as the last one; None if that
    solves less than twice as many as the random one.
    """
    if shares[-1] < 2 * shares[0]:
        return None
    return next(i for i in range(len(shares)) if min(shares[i:]) >= shares[-1] / 2)


def themes_of(path: Path) -> dict[str, list[Problem]]:
    """Return the first puzzles of each theme. Raises DataError for a file without puzzles."""
    puzzles = read_puzzles(path)
    found = {theme: [one for one in puzzles if theme in one.groups][:_MOST] for theme in _THEMES}
    return {theme: problems for theme, problems in found.items() if problems}


def castlings(path: Path) -> list[Problem]:
    """Return positions of the games in which a player castled. Raises DataError if there is
    none.
    """
    problems: list[Problem] = []
    for read in read_every_game(path):
        board = read.game.board()
        for move in read.game.mainline_moves():
            if board.is_castling(move):
                problems.append(
                    Problem(
                        "castling",
                        (),
                        board.fen(),
                        frozenset({move.uci()}),
                        chess960=board.chess960,
                    )
                )
            board.push(move)
        if len(problems) >= _MOST:
            break
    if not problems:
        raise DataError(f"{path}: nobody castles in these games")
    return problems[:_MOST]


if __name__ == "__main__":
    sys.exit(main())
