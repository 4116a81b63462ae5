"""Check reviews that `aino annotate` wrote, with code and an engine that are not Aino's.

    python -m benchmarks.reviews games.annotated.pgn --engine stockfish --nodes 200000

The first table compares the accuracies of each review with Lichess's formula, applied to the
evaluations in the same PGN and to the engine's own. The second asks the engine about every
sentence: that a mate is allowed or missed, that what is lost or missed costs at least so much, that
an ending becomes what is said, and that the better move is better. Exit status 1 if an accuracy of
a game from the usual start differs by more than rounding, or the engine contradicts a sentence
about a mate.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import chess
import chess.engine
import chess.pgn
import numpy as np

from benchmarks.measuring import Row, existing, new_parser, program, report

_WORTH = {"queen": 9, "rook": 5, "bishop": 3, "knight": 3, "pawn": 1}
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
_JUDGEMENT = re.compile(
    r"(?:Blunder|Mistake|Inaccuracy): (?:(.*?)\. ?)??(?:[Yy]our winning .*?%\. ?)?(?:Better was ([^\s,.]+)|\[|$)",
    re.DOTALL,
)
_GAIN = r"loses|misses a chance to win|wins only .* instead of|only trades .* instead of winning"
_ROUNDING = 0.6  # percent; PGN has whole percents and hundredths of pawns
# Scores of an ending.
_RESULTS_CP = {"won": (150, 3000), "even": (-150, 150), "lost": (-3000, -150)}
# Of the pawns that a sentence names, which the engine must see lost: there is compensation for a
# part.
_SHARE = 0.5


# ---- accuracy ------------------------------------------------------------------------------------


def lichess_accuracies(
    scores_cp: Sequence[float], start_cp: float = 15, first: chess.Color = chess.WHITE
) -> list[float | None]:
    """White's and Black's accuracy from White's score after each move of a game, in which `first`
    moves first.

    Lichess takes 15 for the score of every start position, Aino for that of the usual one.
    As the code of Lichess has it, line by line:
    https://github.com/lichess-org/lila, modules/analyse/src/main/AccuracyPercent.scala
    """
    win = 50 + 50 * (
        2 / (1 + np.exp(-0.00368208 * np.clip([start_cp, *scores_cp], -1000, 1000))) - 1
    )
    size = min(8, max(2, len(scores_cp) // 10))
    windows = [win[:size]] * (min(size, len(win)) - 2) + [
        win[i : i + size] for i in range(len(win) - size + 1)
    ]
    weights = [min(12.0, max(0.5, float(np.std(window)))) for window in windows]
    sides: list[list[tuple[float, float]]] = [[], []]
    for i, weight in enumerate(weights):
        mover = (i + (first == chess.BLACK)) % 2
        before, after = (win[i], win[i + 1]) if mover == 0 else (win[i + 1], win[i])
        raw = (
            103.1668100711649 * np.exp(-0.04354415386753951 * (before - after))
            - 3.166924740191411
            + 1
        )
        sides[mover].append(
            (100.0 if after >= before else min(100.0, max(0.0, float(raw))), weight)
        )
    return [
        (
            sum(value * weight for value, weight in side) / sum(weight for _, weight in side)
            + len(side) / sum(1 / max(1.0, value) for value, _ in side)
        )
        / 2
        if side
        else None
        for side in sides
    ]


def pgn_scores(text: str) -> list[float]:
    """White's scores in centipawns, a mate as 1000, from the evaluations in a PGN."""
    found = re.findall(r"\[%eval (#?)(-?[\d.]+)", text)
    return [
        math.copysign(1000, float(value)) if mate else 100 * float(value) for mate, value in found
    ]


def exact_score(
    engine: chess.engine.SimpleEngine, board: chess.Board, limit: chess.engine.Limit
) -> chess.engine.PovScore:
    """Return the engine's last score of the position that is no bound."""
    with engine.analysis(board, limit) as lines:
        exact = [
            one["score"]
            for one in lines
            if "score" in one and not one.keys() & {"lowerbound", "upperbound"}
        ]
    return exact[-1]


def compare(
    game: chess.pgn.Game, engine: chess.engine.SimpleEngine, limit: chess.engine.Limit
) -> list[Row]:
    """Return a row for each side: Aino's accuracy, Lichess's for Aino's evaluations, and Lichess's
    for the engine's.

    A PGN does not have Aino's score of a start position of its own, which the engine's replaces;
    whether the accuracies are equal is not known then.
    """
    board = game.board()
    start_cp = 15.0
    is_usual = board == chess.Board()
    if not is_usual:
        start_cp = exact_score(engine, board, limit).white().score(mate_score=1000)
    told = {
        side.lower(): float(text)
        for side, text in re.findall(r"(White|Black): accuracy (\d+)%", game.comment)
    }
    of_aino = lichess_accuracies(pgn_scores(str(game)), start_cp, board.turn)
    scores = []
    for node in game.mainline():
        if not node.board().is_game_over():
            scores.append(exact_score(engine, node.board(), limit).white().score(mate_score=1000))
    of_engine = lichess_accuracies(scores, start_cp, board.turn)
    name = f"{game.headers['White']} - {game.headers['Black']}"
    return [
        {"game": name, "side": side, "plies": sum(1 for _ in game.mainline()), "aino": told[side],
         "lichess": round(of_aino[at] or 0, 1),
         "equal": abs(told[side] - (of_aino[at] or 0)) < _ROUNDING if is_usual else None,
         "lichess_of_engine": round(of_engine[at] or 0, 1)}
        for at, side in enumerate(("white", "black"))
        if side in told
    ]  # fmt: skip


# ---- sentences -----------------------------------------------------------------------------------


def pawns_named(text: str) -> int:
    """Return what a sentence's first noun phrase is worth in pawns: `a rook and two pawns for a
    bishop` is 4.
    """
    won, _, lost = re.split(r" to | by | through |: ", text)[0].partition(" for ")

    def worth(part: str) -> int:
        words = re.findall(r"(a|the|two|three|four|five) (queen|rook|bishop|knight|pawn)", part)
        return sum(_NUMBERS.get(number, 1) * _WORTH[piece] for number, piece in words)

    return 2 if "the exchange" in won else worth(won) - worth(lost)


def check_move(
    node: chess.pgn.ChildNode, score_of: Callable[[chess.Board], chess.engine.PovScore]
) -> Iterator[Row]:
    """Yield a row for each claim of a judged move's comment; `score_of` asks the engine."""
    board = node.parent.board()
    mover = node.parent.turn()
    found = _JUDGEMENT.search(node.comment)
    if found is None:
        return
    reason = found[1] or ""
    better = found[2]

    def score_after(move: chess.Move | None) -> chess.engine.Score:
        after = board.copy()
        if move is not None:
            after.push(move)
        return score_of(after).pov(mover)

    best, played = score_after(None), score_after(node.move)
    named = {"game": node.game().headers["White"], "move": board.variation_san([node.move])}

    def row(claim: str, said: object, holds: bool) -> Row:
        return {**named, "claim": claim, "engine": str(said), "holds": holds}

    if better:
        other = score_after(board.parse_san(better))
        yield row(f"better was {better}", f"{other} against {played}", other > played)
    for claim, moves in re.findall(r"(allows|misses) (?:a )?(?:[\w-]+ )?mate in (\d+)", reason):
        mate = played.mate() if claim == "allows" else best.mate()
        is_right = (
            mate is not None
            and (mate < 0 if claim == "allows" else mate > 0)
            and abs(mate) <= int(moves)
        )
        yield row(
            f"{claim} mate in {moves}",
            f"mate in {abs(mate)}" if mate is not None else str(played),
            is_right,
        )
    if ending := re.match(r"turns an? (won|even) ending into an? (even|lost) one", reason):
        scores = [score.score(mate_score=3000) for score in (best, played)]
        is_right = all(
            least <= score <= most
            for score, (least, most) in zip(
                scores, (_RESULTS_CP[name] for name in ending.groups()), strict=True
            )
        )
        yield row(ending[0], f"{best} against {played}", is_right)
    if (prevented := re.search(r"which prevents \d+\.(?:\.\.)? ?([^\s.]+)", reason)) and better:
        improved = board.copy()
        improved.push_san(better)
        answer = node.board().parse_san(prevented[1])
        if is_left := improved.is_legal(answer):
            improved.push(answer)
        after = score_of(improved).pov(mover) if is_left else best
        yield row(
            f"{better} prevents {prevented[1]}",
            f"{after} against {best}",
            not is_left or after > best,
        )
    if material := re.match(rf"(?:{_GAIN}) (.*)", reason):
        pawns = pawns_named(material[1])
        drop = (best.score(mate_score=3000) - played.score(mate_score=3000)) / 100
        yield row(
            f"costs {pawns} pawns: {reason}"[:90], f"{drop:.1f} pawns", drop >= _SHARE * pawns
        )


# ---- the command ---------------------------------------------------------------------------------


def check(paths: Iterable[Path], command: str, nodes: int) -> tuple[list[Row], list[Row]]:
    """Return the rows of both tables, for the reviews in some PGN files."""
    limit = chess.engine.Limit(nodes=nodes)
    accuracies: list[Row] = []
    claims: list[Row] = []
    with chess.engine.SimpleEngine.popen_uci(command) as engine:

        def score_of(board: chess.Board) -> chess.engine.PovScore:
            return exact_score(engine, board, limit)

        for path in paths:
            with path.open(encoding="utf-8") as file:
                while (game := chess.pgn.read_game(file)) is not None:
                    accuracies += compare(game, engine, limit)
                    for node in game.mainline():
                        claims += check_move(node, score_of)
    return accuracies, claims


def main(words: Sequence[str] | None = None) -> int:
    """Print both tables; the exit status."""
    parser = new_parser(__doc__, nodes=(200_000, "nodes a position"))
    parser.add_argument("pgn", nargs="+", type=existing, help="check the reviews in these files")
    parser.add_argument(
        "--engine",
        type=program,
        default="stockfish",
        help="ask this UCI engine (default %(default)s)",
    )
    arguments = parser.parse_args(words)
    accuracies, claims = check(arguments.pgn, arguments.engine, arguments.nodes)
    report(accuracies, arguments.json)
    report(claims, arguments.json)
    wrong = [row for row in claims if not row["holds"]]
    print(f"{len(claims) - len(wrong)} of {len(claims)} claims hold", file=sys.stderr)
    return int(
        any(row["equal"] is False for row in accuracies)
        or any("mate" in str(row["claim"]) for row in wrong)
    )


if __name__ == "__main__":
    sys.exit(main())
