"""Positions that `aino-train label` asks about: from games, position lists and search trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import chess
import numpy as np

from engine.board.convert import board_from_row, decode_move, row_from_board
from engine.board.layout import KEY, ROW_WORDS
from engine.board.makemove import push
from engine.files.note_log import NoteLog
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import Branch
from selfplay.data.pgn import white_points_of
from selfplay.data.split import is_held_out_game
from selfplay.data.teacher import UNKNOWN_RESULT
from selfplay.data.text_files import position_lines
from selfplay.matches.opening_book import parse_position
from selfplay.records.collect import GameRecord
from selfplay.records.targets import RESULTS

WIDEST = 60  # most moves followed per node of a tree; more are hardly ever visited


@dataclass(frozen=True)
class LabelTask:
    """A game with positions to label."""

    stack: np.ndarray  # uint64[n + 1, 16], its positions
    moves: np.ndarray  # uint16[n]
    result: str  # PGN's, or UNKNOWN_RESULT
    plies: tuple[int, ...]  # plies of the positions to label, ascending; ply n is after the last move

    @cached_property
    def chess960(self) -> bool:
        """Whether the start has castling rights that standard chess lacks; castling is then king takes rook."""
        return board_from_row(self.stack[0], chess960=True).has_chess960_castling_rights()

    @property
    def fen(self) -> str:
        return board_from_row(self.stack[0], self.chess960).fen()

    def move_text(self, ply: int) -> str:
        return decode_move(self.stack[ply], self.moves[ply], self.chess960).uci()


def tasks_of_games(
    games: Iterable[GameRecord], per_game: int, seed: int = 1, off_path: bool = False, held_out: bool = False
) -> Iterator[LabelTask]:
    """Yield the games of a collection as tasks, in order. Samples depend only on the game's number and the seed.

    per_game: most positions per game, sampled at random; 0 = all.
    off_path: whether trees are grown from the positions. A position of a tree does not tell which game it came from, so
        none is sampled from games that trainings hold out.
    held_out: sample from held-out games alone, to measure with.
    """
    for number, game in enumerate(games):
        rng = np.random.default_rng([seed, number])
        n = len(game.moves)
        held = is_held_out_game(game.start, game.moves)
        if (held and off_path and not held_out) or held < held_out:
            continue
        stack = np.zeros((n + 1, ROW_WORDS), np.uint64)
        stack[0] = game.start
        for ply, move in enumerate(game.moves):
            push(stack, ply, move)
        plies = np.sort(rng.permutation(n)[:per_game]) if per_game else np.arange(n)
        result = RESULTS[white_points_of(game)]
        yield LabelTask(stack, game.moves, result, tuple(plies.tolist()))


def positions_of_file(path: Path) -> Iterator[LabelTask]:
    """Tasks from an EPD or FEN file, packed or not, one position per line. Raises DataError naming the line."""
    notes = NoteLog(path)
    for number, line in position_lines(path):
        board = parse_position(line, f"{path}:{number}", chess960=True, note=notes.note)
        yield _single(row_from_board(board))
    notes.close()


def _single(row: np.ndarray) -> LabelTask:
    return LabelTask(row[None], np.zeros(0, np.uint16), UNKNOWN_RESULT, (0,))


def positions_of_trees(tasks: Iterable[LabelTask], per_tree: int, nodes: int, seed: int) -> Iterator[LabelTask]:
    """Replace each position of the tasks by about `per_tree` positions of the tree that the default evaluator grows.

    A search asks the network about positions that games seldom reach. Searches take from half to twice `nodes`, so that
    trees have several ages. Each position becomes a separate task without the moves before it. They depend only on
    the tasks, net and seed.
    """
    seen: set[int] = set()
    rng = np.random.default_rng(seed)
    with Engine(EngineOptions(threads=1, seed=max(1, seed))) as engine:
        for task in tasks:
            for ply in task.plies:
                board = board_from_row(task.stack[ply], task.chess960)
                size = max(1, nodes * int(rng.choice([1, 2, 4])) // 2)
                engine.new_game()
                engine.set_position(board)
                engine.search(Limits(nodes=size))
                for row in _sampled(board, engine.tree(1, WIDEST), per_tree / size, rng):
                    if int(row[KEY]) not in seen:
                        seen.add(int(row[KEY]))
                        yield _single(row)


def _sampled(
    board: chess.Board, branches: tuple[Branch, ...], share: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Rows of a random `share` of the tree's positions; leaves the board unchanged."""
    for branch in branches:
        board.push(branch.move)
        if rng.random() < share and any(board.generate_legal_moves()):
            yield row_from_board(board)
        yield from _sampled(board, branch.replies, share, rng)
        board.pop()
