"""Reviews that are kept beside the games, without words, so that a page of one speaks the language
of who reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import chess

from engine.board.notation import board_after
from engine.board.pgn.game_writer import game_text
from engine.errors import DataError
from engine.files.atomic import write_file
from engine.search.limits import Limits
from uci.annotate.accuracy import PHASE_NAMES
from uci.annotate.comments import add_comments, how_reviewed
from uci.annotate.game_page import game_section, render_game_page
from uci.annotate.judge import BAD, BRILLIANT, GREAT
from uci.annotate.review import GameReview, MoveReview
from uci.game.game_file import REVIEWS, owning
from uci.language import _
from uci.library.puzzles import puzzles_of
from uci.terminal.reading import read_text_games
from uci.terminal.verdict import Verdict

_JUDGEMENTS = {one.nag: one for one in (*BAD, GREAT, BRILLIANT)}


@dataclass(frozen=True)
class KeptReview:
    """A review, who judged within which limits, and the side whose player reads it (None: both)."""

    review: GameReview
    evaluator: str
    limits: Limits
    reader: chess.Color | None

    def page(self, nonce: str) -> str:
        """Return its page in the language that is spoken here, for a server that allows scripts by
        a nonce.
        """
        how = how_reviewed(self.evaluator, self.limits)
        section = game_section(
            self.review, 1, game_text(add_comments(self.review, how)), self.reader
        )
        return render_game_page(_("Review of the game"), [section], how, nonce)

    def write(self, wish: Path, look: Callable[[], object] = lambda: None) -> None:
        """Keep it beside the file that wishes for it, with what a list shows and its puzzles, in
        place of that file.

        Where the wish is gone, because the game was deleted meanwhile, nothing is kept. A deleted
        game may have been wished for again: `look` raises where it is not there any more. Raises
        OSError.
        """
        kept = {"game": game_text(self.review.game), "start": asdict(self.review.start), "side": self.review.side,
                "moves": list(map(_pack, self.review.moves)), "evaluator": self.evaluator, "reader": self.reader,
                "nodes": self.limits.nodes, "movetime_ms": self.limits.movetime_ms,
                "facts": review_facts(self.review), "puzzles": puzzles_of(self.review, self.reader)}  # fmt: skip
        with owning(wish.parents[1]):
            look()
            if wish.exists():
                write_file(wish.with_suffix(".json"), json.dumps(kept))
                wish.unlink()

    @classmethod
    def read(cls, folder: Path, key: str) -> KeptReview:
        """Return the review of a game of a folder. Raises DataError."""
        try:
            kept = json.loads((folder / REVIEWS / f"{key}.json").read_text(encoding="utf-8"))
            game = next(found.game for found in read_text_games(kept["game"], key) if found.number)
            board, moves = game.board(), list[MoveReview]()
            for move, packed in zip(game.mainline_moves(), kept["moves"], strict=False):
                moves.append(_unpack(board, move, packed))
                board = board_after(board, move)
            review = GameReview(game, _verdict(kept["start"]), moves, kept["side"])
            limits = Limits(nodes=kept["nodes"], movetime_ms=kept["movetime_ms"])
            return cls(review, kept["evaluator"], limits, kept["reader"])
        except Exception as error:
            raise DataError(_("there is no review of this game: {error}", error=error)) from error


def _pack(move: MoveReview) -> list[Any]:
    lines = (
        " ".join(map(chess.Move.uci, line))
        for line in (move.best_line, move.reply_line, move.also_good)
    )
    judgement = move.judgement.nag if move.judgement else None
    return [asdict(move.before), asdict(move.after), *lines, move.loss, move.gap, judgement]


def _unpack(board: chess.Board, move: chess.Move, packed: list[Any]) -> MoveReview:
    before, after = map(_verdict, packed[:2])
    best, reply, good = (tuple(map(chess.Move.from_uci, line.split())) for line in packed[2:5])
    gap, judgement = (
        packed[6],
        _JUDGEMENTS.get(packed[-1]),
    )  # reviews of version 1.0 have another fact between them
    return MoveReview(
        len(board.move_stack) + 1, board, move, before, after, best, judgement, reply, gap, good
    )


def _verdict(packed: dict[str, Any]) -> Verdict:
    return Verdict(packed["score_cp"], packed["mate"], tuple(packed["wdl"]))


def review_facts(review: GameReview) -> dict[str, Any]:
    """Return what a list shows: each side's accuracy, and its mistakes in each phase."""
    facts: dict[str, Any] = {"mistakes": {}}
    for side in chess.COLORS:
        name = chess.COLOR_NAMES[side]
        facts[name] = review.accuracy(side)
        own = [phase for move, phase in zip(review.moves, review.phases, strict=False)
               if move.mover == side and move.judgement in BAD]  # fmt: skip
        facts["mistakes"][name] = [own.count(phase) for phase in PHASE_NAMES]
    return facts
