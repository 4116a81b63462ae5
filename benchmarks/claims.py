"""What the sentences of a review claim, and what another engine says of it.

`benchmarks.reviews` asks about every sentence: that a mate is allowed or missed, that what is lost
or missed costs at least so much, that an ending becomes what is said, and that the better move is
better.
"""

import re
from collections.abc import Callable, Iterator

import chess
import chess.engine
import chess.pgn

from benchmarks.measuring import Row

_WORTH = {"queen": 9, "rook": 5, "bishop": 3, "knight": 3, "pawn": 1}
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
_JUDGEMENT = re.compile(
    r"(?:Blunder|Mistake|Inaccuracy): (?:(.*?)\. ?)??(?:[Yy]our winning .*?%\. ?)?(?:Better was ([^\s,.]+)|\[|$)",
    re.DOTALL,
)
_GAIN = r"loses|misses a chance to win|wins only .* instead of|only trades .* instead of winning"
# Scores of an ending.
_RESULTS_CP = {"won": (150, 3000), "even": (-150, 150), "lost": (-3000, -150)}
# Of the pawns that a sentence names, which the engine must see lost: there is compensation for a
# part.
_SHARE = 0.5


ScoreOf = Callable[[chess.Board], chess.engine.PovScore]


def pawns_named(text: str) -> int:
    """Return what a sentence's first noun phrase is worth in pawns: `a rook and two pawns for a
    bishop` is 4.
    """
    won, _, lost = re.split(r" to | by | through |: ", text)[0].partition(" for ")

    def worth(part: str) -> int:
        words = re.findall(r"(a|the|two|three|four|five) (queen|rook|bishop|knight|pawn)", part)
        return sum(_NUMBERS.get(number, 1) * _WORTH[piece] for number, piece in words)

    if "the exchange" in won:
        return 2
    return worth(won) - worth(lost)


def check_move(node: chess.pgn.ChildNode, score_of: ScoreOf) -> Iterator[Row]:
    """Yield a row for each claim of a judged move's comment; `score_of` asks the engine."""
    judgement = _JUDGEMENT.search(node.comment)
    if judgement is None:
        return
    move = _JudgedMove(node, judgement[1] or "", judgement[2] or "", score_of)
    place = {
        "game": node.game().headers["White"],
        "move": move.board.variation_san([node.move]),
    }
    for claims in (better_claims, mate_claims, ending_claims, prevention_claims, material_claims):
        for claim, verdict, holds in claims(move):
            yield {**place, "claim": claim, "engine": str(verdict), "holds": holds}


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
        better = move.score(move.after_better())
        yield f"better was {move.better}", f"{better} against {move.played}", better > move.played


def mate_claims(move: _JudgedMove) -> Claims:
    """Check that a mate is allowed or missed, and in how many moves."""
    for claim, moves in re.findall(
        r"(allows|misses) (?:a )?(?:[\w-]+ )?mate in (\d+)", move.reason
    ):
        allows = claim == "allows"
        mate = move.played.mate() if allows else move.best.mate()
        verdict = str(move.played)
        holds = False
        if mate is not None:
            verdict = f"mate in {abs(mate)}"
            holds = (mate < 0) == allows and 0 < abs(mate) <= int(moves)
        yield f"{claim} mate in {moves}", verdict, holds


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
        drop = (move.best.score(mate_score=3000) - move.played.score(mate_score=3000)) / 100
        claim = f"costs {pawns} pawns: {move.reason}"[:90]
        yield claim, f"{drop:.1f} pawns", drop >= _SHARE * pawns
