"""Check every mark, sentence and accuracy of reviews that `aino annotate` wrote with a strong engine.

    python -m benchmarks.reviews games.annotated.pgn --engine stockfish --nodes 200000

A bad mark is confirmed if the engine sees a loss of an inaccuracy's size, 5% of winning chances, and
its size is right if the loss is that of its kind: from 5%, 10% or 15% on. A loss of a mistake's
size, 10%, without a mark is missed. All are counted as Lichess counts, from the engine's scores
before and after the move. Every position is searched with a tenth of the nodes, and those around a
mark or a loss with all of them. Behind each accuracy stands, in brackets, that of the same formula
for the engine's scores.

The second table has every claim of the sentences, and what the engine says of it
(`benchmarks.claims`). A mark is wrong if the engine contradicts one. On stderr come, for every mark
and every missed loss, what the review says and what the engine plays, for a person to judge the
other reasons. With `--cache`, the engine's verdicts are kept in a file, so that another review of
the same games costs little. Exit status 1 if the engine contradicts a sentence about a mate.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import chess
import chess.engine
import chess.pgn

from benchmarks.claims import check_move
from benchmarks.measuring import Row, existing, new_parser, program, report
from engine.files.output_files import output_file
from uci.annotate.accuracy import START_CP, game_accuracy, rated_moves, win_percent

# Percent of winning chances, an inaccuracy and a mistake on Lichess.
_CONFIRMED, _MISSED = (5.0, 10.0)
_SIZES = ((15.0, "??"), (10.0, "?"), (5.0, "?!"))
_SUSPECT = 4.0  # percent; a loss that a short search sees and a long one is asked about
_SHORT = 10  # times fewer nodes in a short search
_MOST_CP = 1000  # larger scores count as this, as on Lichess
_MATE_CP = 10_000
_LONGEST_MATE = 500  # moves
_SHOWN = 10  # plies of the engine's lines
_EXPLANATIONS = ("reason", "line", "nothing")
_BAD = {2: "?", 4: "??", 6: "?!"}
_COMMENT = re.compile(
    r"(?:Blunder|Mistake|Inaccuracy): (.*?)([Yy]our winning chances drop.*|Better was.*|$)",
    re.DOTALL,
)


# ---- what the engine says ------------------------------------------------------------------------


class Seen(NamedTuple):
    """The engine's verdict: White's score in centipawns, mates as thousands, and its line, which is
    empty where the game is over.
    """

    score_cp: int
    line: str

    def percent(self, side: chess.Color) -> float:
        """Return a side's winning chances as Lichess has them, 0..100."""
        score_cp = max(-_MOST_CP, min(_MOST_CP, self.score_cp))
        if side == chess.BLACK:
            score_cp = -score_cp
        return win_percent(score_cp)


class Judge:
    """Asks an engine about positions, and remembers its answers in a file, a line of JSON each."""

    def __init__(self, engine: chess.engine.SimpleEngine, cache: Path | None) -> None:
        self.engine = engine
        self._cache = cache
        self._known: dict[str, Seen] = {}
        if cache is not None and cache.exists():
            for line in cache.read_text(encoding="utf-8").splitlines():
                key, score, moves = json.loads(line)
                self._known[key] = Seen(score, moves)

    def see(self, board: chess.Board, nodes: int) -> Seen:
        """Return the engine's last exact verdict on a position."""
        if board.is_game_over():
            return Seen({"1-0": _MATE_CP, "0-1": -_MATE_CP}.get(board.result(), 0), "")
        key = f"{nodes} {board.fen()}"
        if key not in self._known:
            answer = exact_answer(self.engine, board, chess.engine.Limit(nodes=nodes))
            score = answer["score"].white().score(mate_score=_MATE_CP)
            line = board.variation_san(answer.get("pv", [])[:_SHOWN])
            self._known[key] = Seen(score, line)
            if self._cache is not None:
                with self._cache.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, *self._known[key]]) + "\n")
        return self._known[key]

    def score(self, board: chess.Board, nodes: int) -> chess.engine.PovScore:
        """Return the engine's score of a position."""
        score_cp = self.see(board, nodes).score_cp
        moves = _MATE_CP - abs(score_cp)
        if moves > _LONGEST_MATE:
            return chess.engine.PovScore(chess.engine.Cp(score_cp), chess.WHITE)
        mate: chess.engine.Score = chess.engine.MateGiven
        if moves:
            mate = chess.engine.Mate(moves)
        return chess.engine.PovScore(mate, score_cp > 0)


def exact_answer(
    engine: chess.engine.SimpleEngine, board: chess.Board, limit: chess.engine.Limit
) -> chess.engine.InfoDict:
    """Return the engine's last line about the position whose score is no bound."""
    with engine.analysis(board, limit, game=object()) as lines:
        exact = [
            line
            for line in lines
            if "score" in line and not line.keys() & {"lowerbound", "upperbound"}
        ]
    return exact[-1]


# ---- what the review says ------------------------------------------------------------------------


class JudgedMove(NamedTuple):
    """A move with its mark, "" for none, what the review says of it, and the engine's verdicts
    before and after it.
    """

    name: str
    mark: str
    comment: str
    claims: list[Row]
    best: Seen
    played: Seen
    loss: float  # percent of winning chances, by the engine

    @property
    def is_wrong(self) -> bool:
        """Whether the engine contradicts a sentence."""
        return not all(claim["holds"] for claim in self.claims)


def judged_moves(game: chess.pgn.Game, judge: Judge, nodes: int) -> Iterator[JudgedMove]:
    """Yield the moves of a game."""
    for node in game.mainline():
        mover = node.parent.turn()
        boards = (node.parent.board(), node.board())
        mark = next((symbol for nag, symbol in _BAD.items() if nag in node.nags), "")
        comment = ""
        claims = list[Row]()
        if mark:
            comment = node.comment
            claims = list(check_move(node, partial(judge.score, nodes=nodes)))
        best, played = (judge.see(board, nodes // _SHORT) for board in boards)
        if mark or best.percent(mover) - played.percent(mover) >= _SUSPECT:
            best, played = (judge.see(board, nodes) for board in boards)
        yield JudgedMove(
            name=boards[0].variation_san([node.move]),
            mark=mark,
            comment=comment,
            claims=claims,
            best=best,
            played=played,
            loss=max(0.0, best.percent(mover) - played.percent(mover)),
        )


def explanation(comment: str) -> str:
    """Return how a mark's comment explains it: by a "reason", by a "line", or by "nothing"."""
    sentences = _COMMENT.search(re.sub(r"\[.*?\]", "", comment, flags=re.DOTALL))
    if sentences is None:
        return "nothing"
    reason = sentences[1].strip()
    if reason and not re.match(r"allows \d+\.", reason):
        return "reason"
    if reason or ", with " in sentences[2]:
        return "line"
    return "nothing"


def size_of(loss: float) -> str:
    """Return the mark that a loss in percent has on Lichess, "" for none."""
    return next((mark for least, mark in _SIZES if loss >= least), "")


# ---- the table -----------------------------------------------------------------------------------


def count(game: chess.pgn.Game, moves: Sequence[JudgedMove]) -> Row:
    """Return a game's row: marks, those confirmed, losses missed, wrong sentences, how marks are
    explained, and the accuracies.
    """
    marked = [move for move in moves if move.mark]
    explained = Counter(explanation(move.comment) for move in marked)
    lost = [move for move in moves if move.loss >= _MISSED]
    return {
        "game": f"{game.headers['White']} - {game.headers['Black']}",
        "moves": len(moves),
        "marks": len(marked),
        "confirmed": sum(move.loss >= _CONFIRMED for move in marked),
        "sized": sum(move.mark == size_of(move.loss) for move in marked),
        "losses": len(lost),
        "missed": sum(not move.mark for move in lost),
        "wrong": sum(move.is_wrong for move in marked),
        **{kind: explained[kind] for kind in _EXPLANATIONS},
        "accuracy": accuracies(game, moves),
    }


def accuracies(game: chess.pgn.Game, moves: Sequence[JudgedMove]) -> str:
    """Return each side's accuracy as the review tells it, and in brackets by the engine's scores."""
    scores_cp = [START_CP]
    if game.board() != chess.Board():
        scores_cp = [moves[0].best.score_cp]
    scores_cp += [move.played.score_cp for move in moves if move.played.line]
    rated = rated_moves(scores_cp, game.turn())
    white, black = game_accuracy(rated[::2]), game_accuracy(rated[1::2])
    if game.turn() == chess.BLACK:
        white, black = black, white
    by_engine = {"White": white, "Black": black}
    by_review = re.findall(r"(White|Black): accuracy (\d+)%", game.comment)
    return ", ".join(f"{side} {text} ({by_engine[side] or 0:.0f})" for side, text in by_review)


def listed(move: JudgedMove) -> str:
    """Return a move's mark, sentences and the engine's view in three lines."""
    words = " ".join(re.sub(r"\[.*?\]", "", move.comment, flags=re.DOTALL).split())
    text = (
        f"{move.name}{move.mark or ' (no mark)'} {words}\n"
        f"    engine: loses {move.loss:.0f}%; {move.best.score_cp / 100:+.2f} with {move.best.line}\n"
        f"    then {move.played.score_cp / 100:+.2f} with {move.played.line}"
    )
    if move.is_wrong:
        wrong = [claim["claim"] for claim in move.claims if not claim["holds"]]
        text += f"\n    contradicts: {wrong}"
    return text


# ---- the command ---------------------------------------------------------------------------------


def games_in(paths: Iterable[Path]) -> Iterator[chess.pgn.Game]:
    """Yield the games of some PGN files."""
    for path in paths:
        with path.open(encoding="utf-8") as file:
            while (game := chess.pgn.read_game(file)) is not None:
                yield game


def check(
    paths: Iterable[Path], command: str, nodes: int, cache: Path | None = None
) -> tuple[list[Row], list[Row]]:
    """Return the rows of both tables, for the reviews in some PGN files; list the moves on stderr."""
    rows: list[Row] = []
    claims: list[Row] = []
    with chess.engine.SimpleEngine.popen_uci(command) as engine:
        judge = Judge(engine, cache)
        for game in games_in(paths):
            moves = list(judged_moves(game, judge, nodes))
            rows.append(count(game, moves))
            print(f"\n{rows[-1]['game']}", file=sys.stderr)
            for move in moves:
                claims += move.claims
                if move.mark or move.loss >= _MISSED:
                    print(listed(move), file=sys.stderr)
    return rows, claims


def main(words: Sequence[str] | None = None) -> int:
    """Print the list and both tables; the exit status."""
    parser = new_parser(__doc__, nodes=(200_000, "nodes a position"))
    parser.add_argument("pgn", nargs="+", type=existing, help="check the reviews in these files")
    parser.add_argument(
        "--engine",
        type=program,
        default="stockfish",
        help="ask this UCI engine (default %(default)s)",
    )
    parser.add_argument(
        "--cache", type=output_file, metavar="FILE", help="keep the engine's verdicts in this file"
    )
    arguments = parser.parse_args(words)
    rows, claims = check(arguments.pgn, arguments.engine, arguments.nodes, arguments.cache)
    if rows:
        counts = [name for name, value in rows[0].items() if isinstance(value, int)]
        sums = {name: sum(int(str(row[name])) for row in rows) for name in counts}
        rows.append({"game": "all", **sums, "accuracy": ""})
    report(rows, arguments.json)
    report(claims, arguments.json)
    wrong = [str(row["claim"]) for row in claims if not row["holds"]]
    print(f"{len(claims) - len(wrong)} of {len(claims)} claims hold", file=sys.stderr)
    return int(any("mate" in claim for claim in wrong))


if __name__ == "__main__":
    sys.exit(main())
