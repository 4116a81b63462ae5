"""Main lines and results of collections of any size, by kernels; of games in rare forms by the
players of tokens.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import chess
import numpy as np

from engine.board.convert import codes_of, row_from_board
from engine.board.pgn.cutter import Cutter, GameText, standard_row
from engine.board.pgn.game_reader import ReadGame, play_game
from engine.board.pgn.letters import CODED_RESULTS
from engine.board.pgn.scan_buffers import CutGame
from engine.errors import FenError, MoveError


@dataclass(slots=True)
class MainLine:
    """The moves of a game without its variations."""

    line: int  # the line on which the game begins, from 1
    # From its first tag on, and where the next one begins: bytes of the text from its beginning.
    begin: int
    end: int
    start: np.ndarray  # the first position, uint64 [16]
    moves: np.ndarray  # uint16 [plies], codes of `engine.board.layout`
    result: str  # the result behind the moves; "" where there is none
    tag_result: str  # that of the tags, in the same way
    # Ratings of White and Black, of one to four digits (`2500?`, `2500 FIDE`); -1 for none.
    elo: tuple[int, int]
    # What all tags say.
    read_tags: Callable[[], Mapping[str, str]] = field(repr=False)
    chess960: bool  # whether the tags or the start position say so
    has_start: bool  # whether the tags give a start position
    # What is wrong with the game, or the text between games; "" for nothing. Its line comes first.
    fault: str = ""
    is_game: bool = True  # False of a fault between games


def main_lines(text: GameText) -> Iterator[MainLine]:
    """Yield all games of a text from `text.at` on, in order, and the faults between them."""
    cutter = Cutter(text, False)
    standard = standard_row()
    while (batch := cutter.cut()) is not None:
        base = text.dropped
        tags_of = batch.tags_of
        for game in batch.games:
            text.skip(game.begin - text.at)
            if game.kept_whole:
                for read in play_game(text, batch, game, main_line=True):
                    yield _line_of(read, game)
            elif game.tags or game.movetext:
                special = game.begin == batch.start_at
                yield MainLine(
                    text.line,
                    base + game.text_begin,
                    base + game.end,
                    batch.row if special else standard,
                    batch.moves[game.first_move : game.last_move],
                    CODED_RESULTS[game.result],
                    CODED_RESULTS[game.tag_result],
                    (game.white_elo, game.black_elo),
                    partial(tags_of, game),
                    special and batch.start.board.chess960,
                    special and batch.start.is_told,
                )


def _line_of(game: ReadGame, cut: CutGame) -> MainLine:
    """Return a game that was played from its tokens as a main line."""
    headers = game.game.headers
    fault = ""
    if game.faults:
        fault = str(game.faults[0])
    if game.start_fault:
        board = chess.Board()
    else:
        board = game.game.board()
    start = board.copy()
    moves = list[int]()
    first = standard_row()
    try:
        first = row_from_board(start)
        moves.extend(codes_of(board, game.game.mainline_moves()))
    except (FenError, MoveError) as error:
        fault = fault or f"{game.line}:1: ply {len(moves) + 1}: {error}"
    return MainLine(
        game.line, game.begin, game.end, first, np.array(moves, np.uint16), game.result, game.tag_result,
        (cut.white_elo, cut.black_elo), lambda: headers, board.chess960, "FEN" in headers, fault, game.is_game,
    )  # fmt: skip
