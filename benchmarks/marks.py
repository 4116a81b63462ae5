"""Compare every mark of reviews that `aino annotate` wrote with a strong engine, and list their
sentences to read.

    python -m benchmarks.marks games.annotated.pgn --engine stockfish --nodes 500_000 --cache
    verdicts.jsonl

A bad mark is confirmed if the engine sees a loss of an inaccuracy's size, 5% of winning chances, and
its size is right if the loss is that of its kind: from 5%, 10% or 15% on. A loss of a mistake's
size, 10%, without a mark is missed. All are counted as Lichess counts, from
the engine's scores before and after the move. Every position is searched with a tenth of the nodes,
and those around a mark or a loss with all of them. A mark is wrong if the engine contradicts its
sentences: a mate that is none, a better move that is not better, material of which the move costs
less than half (`benchmarks.reviews`). The list has, for every mark, what the review says and what
the engine plays; it is for a person to judge the other reasons. With `--cache`, the engine's
verdicts are kept in a file, so that another review of the same games costs little.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import chess
import chess.engine
import chess.pgn

from benchmarks.measuring import Row, new_parser, report
from benchmarks.reviews import add_reviews, check_move, exact_answer, games_in
from engine.files.output_files import output_file
from uci.annotate.accuracy import win_percent

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


class Seen(NamedTuple):
    """The engine's verdict: White's score in centipawns, mates as thousands, and its line."""

    score_cp: int
    line: str

    def percent(self, side: chess.Color) -> float:
        """Return a side's winning chances as Lichess has them, 0..100."""
        score = max(-_MOST_CP, min(_MOST_CP, self.score_cp))
        return win_percent(score if side == chess.WHITE else -score)


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
        winner = chess.WHITE if score_cp > 0 else chess.BLACK
        given = chess.engine.Mate(moves) if moves else chess.engine.MateGiven
        return chess.engine.PovScore(given, winner)


def judged_moves(game: chess.pgn.Game, judge: Judge, nodes: int) -> Iterator[dict[str, object]]:
    """Yield, for each move, its mark, the engine's loss in percent, the review's sentences, which
    are wrong, and the engine's lines.
    """
    for node in game.mainline():
        before = node.parent.board()
        after = node.board()
        mover = node.parent.turn()
        mark = next((symbol for nag, symbol in _BAD.items() if nag in node.nags), "")

        def loss(
            nodes: int, boards: Sequence[chess.Board] = (before, after), mover: chess.Color = mover
        ) -> float:
            best, played = (judge.see(board, nodes).percent(mover) for board in boards)
            return max(0.0, best - played)

        short = loss(nodes // _SHORT)
        asked = nodes if mark or short >= _SUSPECT else nodes // _SHORT
        best, played = (judge.see(board, asked) for board in (before, after))
        claims = check_move(node, partial(judge.score, nodes=nodes)) if mark else ()
        yield {
            "move": before.variation_san([node.move]),
            "mark": mark,
            "loss": loss(asked),
            "best": best,
            "played": played,
            "comment": node.comment if mark else "",
            "wrong": [str(claim["claim"]) for claim in claims if not claim["holds"]],
        }


def explanation(comment: str) -> str:
    """Return how a mark's comment explains it: by a "reason", by a "line", or by "nothing"."""
    found = _COMMENT.search(re.sub(r"\[.*?\]", "", comment, flags=re.DOTALL))
    reason, cost = (found[1].strip(), found[2]) if found else ("", "")
    if reason and not re.match(r"allows \d+\.", reason):
        return "reason"
    return "line" if reason or ", with " in cost else "nothing"


def size_of(loss: float) -> str:
    """Return the mark that a loss in percent has on Lichess, "" for none."""
    return next((mark for least, mark in _SIZES if loss >= least), "")


def loss_of(move: dict[str, object]) -> float:
    """Return the percent of winning chances that a move loses."""
    return float(str(move["loss"]))


def count(name: str, moves: Sequence[dict[str, object]]) -> Row:
    """Return a game's row: marks, those confirmed, losses missed, wrong sentences, and how marks
    are explained.
    """
    marked = [move for move in moves if move["mark"]]
    lost = [move for move in moves if loss_of(move) >= _MISSED]
    return {
        "game": name,
        "moves": len(moves),
        "marks": len(marked),
        "confirmed": sum(loss_of(move) >= _CONFIRMED for move in marked),
        "sized": sum(move["mark"] == size_of(loss_of(move)) for move in marked),
        "losses": len(lost),
        "missed": sum(not move["mark"] for move in lost),
        "wrong": sum(bool(move["wrong"]) for move in marked),
        **{
            told: sum(explanation(str(move["comment"])) == told for move in marked)
            for told in _EXPLANATIONS
        },
    }


def listed(move: dict[str, object]) -> str:
    """Return a move's mark, sentences and the engine's view in three lines."""
    best, played = move["best"], move["played"]
    assert isinstance(best, Seen)
    assert isinstance(played, Seen)
    words = " ".join(re.sub(r"\[.*?\]", "", str(move["comment"]), flags=re.DOTALL).split())
    wrong = f"\n    contradicts: {move['wrong']}" if move["wrong"] else ""
    return (
        f"{move['move']}{move['mark'] or ' (no mark)'} {words}\n"
        f"    engine: loses {move['loss']:.0f}%; {best.score_cp / 100:+.2f} with {best.line}\n"
        f"    then {played.score_cp / 100:+.2f} with {played.line}{wrong}"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Print the list and the table; the exit status."""
    parser = new_parser(__doc__, nodes=(500_000, "nodes a position"))
    add_reviews(parser)
    parser.add_argument(
        "--cache", type=output_file, metavar="FILE", help="keep the engine's verdicts in this file"
    )
    arguments = parser.parse_args(words)
    rows: list[Row] = []
    with chess.engine.SimpleEngine.popen_uci(arguments.engine) as engine:
        judge = Judge(engine, arguments.cache)
        for game in games_in(arguments.pgn):
            moves = list(judged_moves(game, judge, arguments.nodes))
            rows.append(count(f"{game.headers['White']} - {game.headers['Black']}", moves))
            told = [move for move in moves if move["mark"] or loss_of(move) >= _MISSED]
            print(f"\n{rows[-1]['game']}", *map(listed, told), sep="\n", file=sys.stderr)
    if rows:
        sums = {name: sum(int(str(row[name])) for row in rows) for name in list(rows[0])[1:]}
        rows.append({"game": "all", **sums})
    report(rows, arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
