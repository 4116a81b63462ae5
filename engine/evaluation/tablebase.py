"""Syzygy endgame tables through python-chess: the root moves that keep the result, and the results
of tree leaves.

    WDL, in python-chess's numbers, for the side to move: 2 win, 1 cursed win (the fifty-move rule
    makes it a draw), 0 draw, -1 blessed loss, -2 loss; valid if the halfmove clock is 0 DTZ: plies
    to the next capture or pawn move with best play, sometimes one too few

Bad files in the folders never raise: an unreadable table counts as unknown, and `take_news` reports
it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import chess
import numpy as np

from engine.board.convert import board_from_row
from engine.board.ending import FIFTY_MOVE_PLIES
from engine.tactics.solved_endings import MOST_SOLVED_PIECES, Wait, probe

if TYPE_CHECKING:
    import chess.syzygy  # Few games have tables, and it takes a while.

WIN = 2
MOST_PIECES = 7  # Of a table that python-chess reads.

_MAGIC = {".rtbw": b"\x71\xe8\x23\x5d", ".rtbz": b"\xd7\x66\x0c\xa5"}
# White's codes; Black's have bit 3 set.
_PIECE_CODES = {letter: code for code, letter in enumerate("PNBRQK", 1)}
_HEADER_BYTES = 5 + 4 * (2 + MOST_PIECES)

# Halfmove clock up to which a winner may choose among all moves that hold the win. Set by hand.
FREE_PLIES = 40

PHASE = 1000  # Weight of a ply to the next capture or pawn move against one of the phase after it.


class Rank(NamedTuple):
    """What tables know of a move, compared item by item; see `Tablebase._rank`."""

    result: int  # WDL for its mover.
    worth: int  # Of the way.
    progress: int
    mate_plies: int = 0  # Plies from the move, which is the first, to mate. 0 = unknown.


DRAWN_RANK = Rank(0, 0, 0)


class Tablebase:
    """The tables of some folders. With an empty path or folders without tables, every position is
    unknown.

    `path`: folders, separated as in PATH. `probe_limit`: probe up to this many pieces.
    `fifty_move_rule`: whether cursed wins are draws; otherwise they count as wins. Only one thread
    may use the object at a time.
    """

    def __init__(
        self, path: str, probe_limit: int = MOST_PIECES, fifty_move_rule: bool = True
    ) -> None:
        self.fifty_move_rule = fifty_move_rule
        self.hits = 0  # positions found since the start
        self._news: list[str] = []
        self._unreadable: set[str] = set()  # material whose tables failed, such as "KQvKR"
        self._tables: chess.syzygy.Tablebase | None = None
        self.largest = 0
        if path:
            self._open(path, probe_limit)

    def _open(self, path: str, probe_limit: int) -> None:
        import chess.syzygy

        self._tables = tables = chess.syzygy.Tablebase()
        for folder in filter(None, path.split(os.pathsep)):
            self._add_folder(tables, Path(os.path.expanduser(folder)))
        most_pieces = max((len(material) - 1 for material in tables.wdl), default=0)
        self.largest = min(probe_limit, most_pieces)
        # A table is there under two names, one for each side's pieces first.
        wdl = len(set(tables.wdl.values()))
        dtz = len(set(tables.dtz.values()))
        if wdl:
            self._news.insert(
                0, f"Syzygy tables found: {wdl} WDL, {dtz} DTZ; used up to {self.largest} pieces"
            )
        elif not self._news:
            self._news.append(f"no Syzygy tables found in {path}")

    def _add_folder(self, tables: chess.syzygy.Tablebase, folder: Path) -> None:
        from chess.syzygy import is_tablename

        try:
            files = sorted(folder.iterdir())
            for file in files:
                if file.suffix in _MAGIC and is_tablename(file.stem, piece_count=MOST_PIECES):
                    if fault := _fault(file):
                        self._news.append(f"Syzygy table {file} is not used: {fault}")
                    else:
                        tables.add_file(str(file))
        except OSError as error:
            self._news.append(f"Syzygy folder {folder} cannot be read: {error.strerror}")

    def take_news(self) -> list[str]:
        """Return what was found in the folders, and problems, since the last call: one sentence
        each, for the user.
        """
        news = self._news
        self._news = []
        return news

    def close(self) -> None:
        """Close the files. The tablebase must not be used afterwards."""
        if self._tables is not None:
            self._tables.close()

    # ---- in the tree ----

    def wdl(self, row: np.ndarray) -> int | None:
        """Return the WDL of a position row (uint64 [16]) for its side to move; None if unknown.

        The halfmove clock is taken as 0. Positions in which a side may castle are unknown.
        """
        return self._wdl(board_from_row(row))

    def _wdl(self, board: chess.Board) -> int | None:
        wdl = self._ask(board, wants_dtz=False)
        if wdl is not None and not self.fifty_move_rule:
            return WIN * ((wdl > 0) - (wdl < 0))
        return wdl

    def _ask(self, board: chess.Board, wants_dtz: bool) -> int | None:
        """Return the DTZ or the WDL of a position, None if a table is missing or broken."""
        tables = self._tables
        if tables is None or board.castling_rights:
            return None
        if chess.popcount(board.occupied) > self.largest:
            return None
        from chess.syzygy import calc_key

        material = calc_key(board)
        if material not in tables.wdl or material in self._unreadable:
            return None
        try:
            answer = tables.probe_dtz(board) if wants_dtz else tables.probe_wdl(board)
        except KeyError:  # no table for what a capture leads to
            return None
        except Exception as error:  # noqa: BLE001 - damaged data leads python-chess anywhere
            self._unreadable.add(material)
            self._news.append(
                f"Syzygy tables for {material} cannot be read: {type(error).__name__}: {error}"
            )
            return None
        self.hits += 1
        return answer

    # ---- at the root ----

    def ranks(self, board: chess.Board, wait: Wait | None = None) -> dict[chess.Move, Rank]:
        """Return the rank of every legal move; higher is better.

        WDL is the move's, under the fifty-move rule. Empty if tables are missing. `wait` waits for
        the solution of an ending (`tactics.solved_endings`), which counts to mate; None = do not
        ask for it.
        """
        pieces = chess.popcount(board.occupied)
        probes = []
        if wait is not None and pieces <= max(self.largest, MOST_SOLVED_PIECES):
            probes.append(partial(self._solved, wait=wait))
        if pieces <= self.largest:
            probes += [partial(self._rank, with_dtz=with_dtz) for with_dtz in (True, False)]
        if not probes or board.clean_castling_rights():
            return {}
        # A copy of a long game takes a millisecond; no position before the last capture comes again.
        board = board.copy(stack=board.halfmove_clock)
        for probe_move in probes:
            ranks: dict[chess.Move, Rank] = {}
            for move in board.legal_moves:
                rank = probe_move(board, move)
                if rank is None:
                    break
                ranks[move] = rank
            else:
                return ranks
        return {}

    def _solved(self, board: chess.Board, move: chess.Move, wait: Wait) -> Rank | None:
        """Return the rank of a move in a solved ending: the shortest mate and the longest defence
        are worth most.
        """
        after, end = self._after(board, move)
        if end is not None:
            return end
        solved = probe(after, wait, to_mate=True)
        if solved is None:
            return None
        result = -solved[0]
        plies = abs(solved[1])
        mate_plies = 1 + plies if result else 0
        if self._is_too_late(result, plies, after):  # A capture may come in time.
            result = self._under_the_rule(result, abs((probe(after, wait) or solved)[1]), after)
            mate_plies = 0
        worth = -plies if result > 0 else plies
        return Rank(result, worth, 0, mate_plies)

    def _rank(self, board: chess.Board, move: chess.Move, with_dtz: bool) -> Rank | None:
        """Return the rank of a move by tables; None is unknown.

        Tables count to the next capture or pawn move, which says nothing of how good a way is: the
        shortest one may give away a queen. So all moves that hold the win have the same worth,
        unless no capture or pawn move has come for long, or a position came again: then the
        shortest way to one is worth most, and among these the shortest phase after it, so that
        every move makes progress. All draws, and all losses, rank alike.
        """
        after, end = self._after(board, move)
        if end is not None:
            return end
        wdl = self._wdl(after)
        dtz = self._ask(after, wants_dtz=True) if with_dtz else 0
        if wdl is None or dtz is None:
            return None
        plies = abs(dtz)
        result = self._under_the_rule(-wdl, plies, after)
        if result < 0:
            return Rank(result, 0, plies)
        if result == 0 or not with_dtz:
            return Rank(result, 0, 0)
        if board.is_zeroing(move):
            return Rank(result, 0, -PHASE - plies)
        free = max(0, FREE_PLIES - after.halfmove_clock)
        if after.is_repetition(2) or has_repeated(board):
            free = 0
        return Rank(result, min(0, free - plies), -PHASE * (1 + plies))

    def _after(self, board: chess.Board, move: chess.Move) -> tuple[chess.Board, Rank | None]:
        """Return the board after a move, and the move's rank if it ends the game."""
        after = board.copy()
        after.castling_rights = chess.BB_EMPTY
        after.push(move)
        if after.is_checkmate():
            return after, Rank(WIN, 1, 0, 1)
        is_drawn = (
            after.is_insufficient_material() or after.is_stalemate() or after.is_repetition(3)
        )
        if is_drawn or (self.fifty_move_rule and after.halfmove_clock >= FIFTY_MOVE_PLIES):
            return after, DRAWN_RANK
        return after, None

    def _under_the_rule(self, result: int, plies: int, after: chess.Board) -> int:
        """Return a result as it is under the fifty-move rule, so many plies before a capture, a
        pawn move or mate.
        """
        if self._is_too_late(result, plies, after):
            return int(result / 2)
        return result

    def _is_too_late(self, result: int, plies: int, after: chess.Board) -> bool:
        """Whether the fifty-move rule prevents a win."""
        return (
            self.fifty_move_rule
            and abs(result) == WIN
            and plies + after.halfmove_clock > FIFTY_MOVE_PLIES
        )


def has_repeated(board: chess.Board) -> bool:
    """Whether a position has come again since the last capture or pawn move."""
    before = board.copy()
    for _ in range(min(board.halfmove_clock, len(board.move_stack))):
        if before.is_repetition(2):
            return True
        before.pop()
    return False


def good_moves(ranks: Mapping[chess.Move, Rank], slack: int = 0) -> list[chess.Move]:
    """Return the moves of the best result that are worth at most `slack` less than the best, for a
    search to choose from.
    """
    best = max(ranks.values(), default=DRAWN_RANK)
    return [
        move
        for move, rank in ranks.items()
        if rank.result == best.result and rank.worth >= best.worth - slack
    ]


def _fault(file: Path) -> str:
    """Return the fault that makes a table file unusable, judged by size and header; "" if there is
    none.

    python-chess would notice a fault only while probing, and a wrong list of pieces would make it
    loop for ever.
    """
    try:
        size = file.stat().st_size
        with open(file, "rb") as opened:
            header = opened.read(_HEADER_BYTES)
    except OSError as error:
        return str(error.strerror)
    if size % 64 != 16 or len(header) < _HEADER_BYTES:
        return f"{size} bytes, which no whole table has"
    if header[:4] != _MAGIC[file.suffix]:
        return "it does not begin like a table"
    white, black = file.stem.split("v")
    expected = sorted(_PIECE_CODES[letter] for letter in white) + sorted(
        _PIECE_CODES[letter] | 8 for letter in black
    )
    mirrored = sorted(code ^ 8 for code in expected)
    orders = 1 + ("P" in white and "P" in black)  # bytes of order before each list of pieces
    lists = 4 if "P" in file.stem else 1  # with pawns, one list per file of the leading pawn
    sides = 2 if file.suffix == ".rtbw" else 1
    for k in range(lists):
        first = 5 + k * (orders + len(expected)) + orders
        codes = header[first : first + len(expected)]
        for side in range(sides):
            if sorted(code >> 4 * side & 15 for code in codes) not in (expected, mirrored):
                return "its name tells other pieces"
    return ""
