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

import argparse
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


ScoreOf = Callable[[chess.Board], chess.engine.PovScore]


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
    scores = np.clip([start_cp, *scores_cp], -1000, 1000)
    win = 50 + 50 * (2 / (1 + np.exp(-0.00368208 * scores)) - 1)
    sides: list[list[tuple[float, float]]] = [[], []]
    for i, weight in enumerate(_volatilities(win)):
        mover = i % 2 if first == chess.WHITE else (i + 1) % 2
        before, after = (win[i], win[i + 1]) if mover == 0 else (win[i + 1], win[i])
        sides[mover].append((_move_accuracy(before, after), weight))
    return [_mean_accuracy(side) if side else None for side in sides]


def _volatilities(win: np.ndarray) -> list[float]:
    """Return the weight of each move, by how much White's chances change around it."""
    moves = len(win) - 1
    size = min(8, max(2, moves // 10))
    windows = [win[:size]] * (min(size, len(win)) - 2)
    windows += [win[i : i + size] for i in range(len(win) - size + 1)]
    return [min(12.0, max(0.5, float(np.std(window)))) for window in windows]


def _move_accuracy(before: float, after: float) -> float:
    """Return the accuracy of a move, in percent, from its side's chances before and after it."""
    if after >= before:
        return 100.0
    loss = before - after
    raw = 103.1668100711649 * np.exp(-0.04354415386753951 * loss) - 3.166924740191411 + 1
    return min(100.0, max(0.0, float(raw)))


def _mean_accuracy(side: Sequence[tuple[float, float]]) -> float:
    """Return the mean of a side's weighted and harmonic means, from accuracies and weights."""
    weighted = sum(value * weight for value, weight in side) / sum(weight for _, weight in side)
    harmonic = len(side) / sum(1 / max(1.0, value) for value, _ in side)
    return (weighted + harmonic) / 2


def pgn_scores(text: str) -> list[float]:
    """White's scores in centipawns, a mate as 1000, from the evaluations in a PGN."""
    found = re.findall(r"\[%eval (#?)(-?[\d.]+)", text)
    return [
        math.copysign(1000, float(value)) if mate else 100 * float(value) for mate, value in found
    ]


def exact_answer(
    engine: chess.engine.SimpleEngine, board: chess.Board, limit: chess.engine.Limit
) -> chess.engine.InfoDict:
    """Return the engine's last line about the position whose score is no bound."""
    with engine.analysis(board, limit, game=object()) as lines:
        exact = [
            one for one in lines if "score" in one and not one.keys() & {"lowerbound", "upperbound"}
        ]
    return exact[-1]


def exact_score(
    engine: chess.engine.SimpleEngine, board: chess.Board, limit: chess.engine.Limit
) -> chess.engine.PovScore:
    """Return the engine's last score of the position that is no bound."""
    return exact_answer(engine, board, limit)["score"]


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


def check_move(node: chess.pgn.ChildNode, score_of: ScoreOf) -> Iterator[Row]:
    """Yield a row for each claim of a judged move's comment; `score_of` asks the engine."""
    found = _JUDGEMENT.search(node.comment)
    if found is None:
        return
    move = _JudgedMove(node, found[1] or "", found[2] or "", score_of)
    named = {
        "game": node.game().headers["White"],
        "move": move.board.variation_san([node.move]),
    }
    for claims in (better_claims, mate_claims, ending_claims, prevention_claims, material_claims):
        for claim, said, holds in claims(move):
            yield {**named, "claim": claim, "engine": str(said), "holds": holds}


class _JudgedMove:
    """A move with the sentences about it, and the engine's scores for its side."""

    def __init__(
        self, node: chess.pgn.ChildNode, reason: str, better: str, score_of: ScoreOf
    ) -> None:
        self.board = node.parent.board()
        self.after = node.board()
        self.reason = reason
        self.better = better  # the better move that is named; "" for none
        self._mover = node.parent.turn()
        self._score_of = score_of
        self.best = self.score(self.board)
        self.played = self.score(self.after)

    def score(self, board: chess.Board) -> chess.engine.Score:
        return self._score_of(board).pov(self._mover)

    def after_better(self) -> chess.Board:
        """Return the position after the better move."""
        board = self.board.copy()
        board.push_san(self.better)
        return board


# What is claimed, what the engine says of it, and whether it holds.
Claims = Iterator[tuple[str, object, bool]]


def better_claims(move: _JudgedMove) -> Claims:
    """Check that the better move is better."""
    if move.better:
        other = move.score(move.after_better())
        yield f"better was {move.better}", f"{other} against {move.played}", other > move.played


def mate_claims(move: _JudgedMove) -> Claims:
    """Check that a mate is allowed or missed, and in how many moves."""
    for claim, moves in re.findall(
        r"(allows|misses) (?:a )?(?:[\w-]+ )?mate in (\d+)", move.reason
    ):
        allows = claim == "allows"
        mate = move.played.mate() if allows else move.best.mate()
        said = f"mate in {abs(mate)}" if mate is not None else str(move.played)
        holds = mate is not None and (mate < 0) == allows and 0 < abs(mate) <= int(moves)
        yield f"{claim} mate in {moves}", said, holds


def ending_claims(move: _JudgedMove) -> Claims:
    """Check that an ending becomes what is said."""
    ending = re.match(r"turns an? (won|even) ending into an? (even|lost) one", move.reason)
    if ending is None:
        return
    holds = True
    for score, name in zip((move.best, move.played), ending.groups(), strict=True):
        least, most = _RESULTS_CP[name]
        holds &= least <= score.score(mate_score=3000) <= most
    yield ending[0], f"{move.best} against {move.played}", holds


def prevention_claims(move: _JudgedMove) -> Claims:
    """Check that the better move prevents an answer, or makes it worse for the other side."""
    prevented = re.search(r"which prevents \d+\.(?:\.\.)? ?([^\s.]+)", move.reason)
    if prevented is None or not move.better:
        return
    improved = move.after_better()
    answer = move.after.parse_san(prevented[1])
    claim = f"{move.better} prevents {prevented[1]}"
    if not improved.is_legal(answer):
        yield claim, f"{move.best} against {move.best}", True
        return
    improved.push(answer)
    score = move.score(improved)
    yield claim, f"{score} against {move.best}", score > move.best


def material_claims(move: _JudgedMove) -> Claims:
    """Check that what is lost or missed costs at least so much."""
    if material := re.match(rf"(?:{_GAIN}) (.*)", move.reason):
        pawns = pawns_named(material[1])
        best, played = (one.score(mate_score=3000) for one in (move.best, move.played))
        drop = (best - played) / 100
        yield (
            f"costs {pawns} pawns: {move.reason}"[:90],
            f"{drop:.1f} pawns",
            drop >= _SHARE * pawns,
        )


# ---- the command ---------------------------------------------------------------------------------


def games_in(paths: Iterable[Path]) -> Iterator[chess.pgn.Game]:
    """Yield the games of some PGN files."""
    for path in paths:
        with path.open(encoding="utf-8") as file:
            while (game := chess.pgn.read_game(file)) is not None:
                yield game


def add_reviews(parser: argparse.ArgumentParser) -> None:
    """Add the files with reviews and the engine that is asked about them."""
    parser.add_argument("pgn", nargs="+", type=existing, help="check the reviews in these files")
    parser.add_argument(
        "--engine",
        type=program,
        default="stockfish",
        help="ask this UCI engine (default %(default)s)",
    )


def check(paths: Iterable[Path], command: str, nodes: int) -> tuple[list[Row], list[Row]]:
    """Return the rows of both tables, for the reviews in some PGN files."""
    limit = chess.engine.Limit(nodes=nodes)
    accuracies: list[Row] = []
    claims: list[Row] = []
    with chess.engine.SimpleEngine.popen_uci(command) as engine:
        for game in games_in(paths):
            accuracies += compare(game, engine, limit)
            for node in game.mainline():
                claims += check_move(node, lambda board: exact_score(engine, board, limit))
    return accuracies, claims


def main(words: Sequence[str] | None = None) -> int:
    """Print both tables; the exit status."""
    parser = new_parser(__doc__, nodes=(200_000, "nodes a position"))
    add_reviews(parser)
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
