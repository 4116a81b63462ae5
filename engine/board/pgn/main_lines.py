"""Main lines and results of collections of any size: kernels read the common form, `game_reader` the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import chess
import chess.pgn
import numpy as np

from engine.board import layout
from engine.board.convert import codes_of, row_from_board
from engine.board.pgn.game_reader import GameText, ReadGame, next_game
from engine.board.pgn.main_line_kernels import (
    BEGIN,
    BLACK_ELO,
    COLUMNS,
    END,
    FIRST_MOVE,
    FULL,
    LAST_MOVE,
    LONGEST,
    OWN_START,
    RESULT,
    TAG_RESULT,
    WHITE_ELO,
    read_main_lines,
)
from engine.board.pgn.san_kernels import MORE
from engine.board.pgn.token_player import start_of
from engine.board.pgn.tokens import LONGEST_COMMENT, TAG, read_tag
from engine.errors import DataError, FenError, MoveError

CODED_RESULTS = ("", "1-0", "0-1", "1/2-1/2", "*")  # by the kernel's code
_GAMES, _MOVES = 1024, 16 * LONGEST


@dataclass
class MainLine:
    """The moves of a game without its variations."""

    line: int  # the line on which the game begins, from 1
    end: int  # where the next one begins: bytes of the text from its beginning
    start: np.ndarray  # the first position, uint64 [16]
    moves: np.ndarray  # uint16 [plies], codes of `engine.board.layout`
    result: str  # the result behind the moves; "" where there is none
    tag_result: str  # that of the tags, in the same way
    elo: tuple[int, int]  # ratings of White and Black, -1 where the tags have none
    fault: str = ""  # what is wrong with the game, or the text between games; "" for nothing. Its line comes first.
    is_game: bool = True  # False of a fault between games
    chess960: bool = False  # whether the tags or the start position say so
    has_start: bool = False  # whether the tags give a start position


def main_lines(text: GameText) -> Iterator[MainLine]:
    """All games of a text from `text.at` on, in order, and the faults between them."""
    reader = _Reader(text)
    while not (text.final and text.at == len(text.data)):
        yield from reader.read()


class _Reader:
    """Reads the games that are in memory by the kernel, and then the one at which it stopped."""

    def __init__(self, text: GameText) -> None:
        self._text = text
        self._games = np.zeros((_GAMES, COLUMNS), np.int64)
        self._moves = np.zeros(_MOVES, np.uint16)
        self._rows, self._legal = layout.empty_stack(3), np.zeros(layout.MAX_MOVES, np.uint16)
        self._standard = row_from_board(chess.Board())
        self._rows[2] = self._standard
        self._starts: dict[tuple[str, str, str], tuple[np.ndarray, bool]] = {}
        self._start_at, self._start, self._chess960 = -1, self._standard, False

    def read(self) -> Iterator[MainLine]:
        text = self._text
        data = np.frombuffer(text.data, np.uint8)
        count, place, reason = read_main_lines(
            data, text.at, text.final, self._start_at, self._start, self._games, self._moves, self._rows, self._legal
        )
        place, reason = int(place), int(reason)
        yield from self._lines(int(count))
        text.skip(place - text.at)
        if reason == MORE and not text.final and len(text.data) - place < LONGEST_COMMENT:
            text.more()
            self._start_at = -1
        elif reason == OWN_START and self._take_start():
            self._start_at = place
        elif reason != FULL:
            self._start_at = -1
            yield from self._rare()

    def _lines(self, count: int) -> Iterator[MainLine]:
        text, base, moves = self._text, self._text.dropped, self._moves[: self._games[count - 1, LAST_MOVE]].copy()
        for game in self._games[:count].tolist():
            text.skip(game[BEGIN] - text.at)
            line = text.line
            text.skip(game[END] - text.at)
            special = game[BEGIN] == self._start_at
            yield MainLine(
                line,
                base + game[END],
                self._start if special else self._standard,
                moves[game[FIRST_MOVE] : game[LAST_MOVE]],
                CODED_RESULTS[game[RESULT]],
                CODED_RESULTS[game[TAG_RESULT]],
                (game[WHITE_ELO], game[BLACK_ELO]),
                chess960=special and self._chess960,
                has_start=special,
            )

    def _take_start(self) -> bool:
        """Whether the tags of the game at `text.at` have a start position that can be played; it is kept."""
        data, at = self._text.data, self._text.at
        head = data[at : at + 4096].decode(errors="replace")
        tags = dict(map(read_tag, TAG.finditer(head.partition("\n\n")[0])))
        if "FEN" not in tags:  # it stands behind an empty line
            return False
        key = (tags["FEN"], tags.get("Variant", ""), tags.get("SetUp", ""))
        if key not in self._starts:
            try:
                board = start_of(
                    {name: value for name, value in zip(("FEN", "Variant", "SetUp"), key, strict=True) if value}
                )
                self._starts = {} if len(self._starts) > 1000 else self._starts
                self._starts[key] = row_from_board(board), board.chess960
            except (DataError, FenError):
                return False
        self._start, self._chess960 = self._starts[key]
        return True

    def _rare(self) -> Iterator[MainLine]:
        found = next_game(self._text, main_line=True)
        if found is not None:
            raw, game = found
            yield _line_of(game, raw.result, self._text.dropped + self._text.at)


def _line_of(game: ReadGame, result: str, end: int) -> MainLine:
    """Return a game of the whole grammar as a main line."""
    headers = game.game.headers
    fault = str(game.faults[0]) if game.faults else ""
    board = chess.Board() if game.start_fault else game.game.board()
    start, moves = board.copy(), list[int]()
    first = row_from_board(chess.Board())
    try:
        first = row_from_board(start)
        moves.extend(codes_of(board, game.game.mainline_moves()))
    except (FenError, MoveError) as error:
        fault = fault or f"{game.line}:1: {error}"
    elo = (_elo(headers.get("WhiteElo", "")), _elo(headers.get("BlackElo", "")))
    tag_result = headers.get("Result", "")
    return MainLine(
        game.line, end, first, np.array(moves, np.uint16), result, tag_result if tag_result in CODED_RESULTS else "",
        elo, fault, game.is_game, board.chess960, "FEN" in headers,
    )  # fmt: skip


def _elo(text: str) -> int:
    return int(text) if 1 <= len(text) <= 4 and text.isascii() and text.isdigit() else -1
