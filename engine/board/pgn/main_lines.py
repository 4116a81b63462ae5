"""Main lines and results of collections of any size, by kernels; of games in rare forms by the
players of tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import chess
import numpy as np

from engine.board.convert import codes_of, row_from_board
from engine.board.pgn.cutter import CutGames, Cutter, GameText, standard_row
from engine.board.pgn.desks import (
    BEGIN,
    END,
    FIRST_MOVE,
    KEPT_WHOLE,
    LAST_MOVE,
    MOVETEXT,
    RESULT,
    TAG_RESULT,
    TAGS,
)
from engine.board.pgn.game_reader import ReadGame, play_game
from engine.board.pgn.letters import CODED_RESULTS
from engine.errors import FenError, MoveError

_ELO = re.compile(r"(?<![\d.,])\d{1,4}(?![\d,])", re.ASCII)


@dataclass
class MainLine:
    """The moves of a game without its variations."""

    line: int  # the line on which the game begins, from 1
    end: int  # where the next one begins: bytes of the text from its beginning
    start: np.ndarray  # the first position, uint64 [16]
    moves: np.ndarray  # uint16 [plies], codes of `engine.board.layout`
    result: str  # the result behind the moves; "" where there is none
    tag_result: str  # that of the tags, in the same way
    # What is wrong with the game, or the text between games; "" for nothing. Its line comes first.
    fault: str = ""
    is_game: bool = True  # False of a fault between games
    chess960: bool = False  # whether the tags or the start position say so
    has_start: bool = False  # whether the tags give a start position
    # What all tags say.
    read_tags: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)

    @property
    def elo(self) -> tuple[int, int]:
        """Ratings of White and Black, of one to four digits (`2500?`, `2500 FIDE`); -1 where there
        are none.
        """
        tags = self.read_tags()
        white, black = (_ELO.search(tags.get(name, "")) for name in ("WhiteElo", "BlackElo"))
        return int(white[0]) if white else -1, int(black[0]) if black else -1


def main_lines(text: GameText) -> Iterator[MainLine]:
    """Yield all games of a text from `text.at` on, in order, and the faults between them."""
    cutter = Cutter(text, False)
    while (found := cutter.cut()) is not None:
        yield from _lines(text, found)


def _lines(text: GameText, found: CutGames) -> Iterator[MainLine]:
    base = text.dropped
    standard = standard_row()
    tags_of = found.tags_of
    for game in found.games:
        if game[KEPT_WHOLE]:
            yield from map(_line_of, play_game(text, found, game, main_line=True))
            continue
        if text.at < game[BEGIN]:
            text.skip(game[BEGIN] - text.at)
        line = text.line
        text.skip(game[END] - text.at)
        special = game[BEGIN] == found.start_at
        if game[TAGS] or game[MOVETEXT]:
            yield MainLine(
                line,
                base + game[END],
                found.row if special else standard,
                found.moves[game[FIRST_MOVE] : game[LAST_MOVE]],
                CODED_RESULTS[game[RESULT]],
                CODED_RESULTS[game[TAG_RESULT]],
                chess960=special and found.start.board.chess960,
                has_start=special and found.start.is_told,
                read_tags=partial(tags_of, game),
            )


def _line_of(game: ReadGame) -> MainLine:
    """Return a game that was played from its tokens as a main line."""
    headers = game.game.headers
    fault = str(game.faults[0]) if game.faults else ""
    board = chess.Board() if game.start_fault else game.game.board()
    start = board.copy()
    moves = list[int]()
    first = standard_row()
    try:
        first = row_from_board(start)
        moves.extend(codes_of(board, game.game.mainline_moves()))
    except (FenError, MoveError) as error:
        fault = fault or f"{game.line}:1: ply {len(moves) + 1}: {error}"
    return MainLine(
        game.line, game.end, first, np.array(moves, np.uint16), game.result, game.tag_result, fault, game.is_game,
        board.chess960, "FEN" in headers, lambda: headers,
    )  # fmt: skip
