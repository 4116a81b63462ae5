"""Positions that `aino-train label` asks about: from games, position lists, a run's self-play and label folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.board.convert import board_from_row, row_from_board
from engine.board.layout import MAX_MOVES, ROW_WORDS, SIDE
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.errors import DataError
from selfplay.data.label_sampler import held_out
from selfplay.data.split import is_held_out_game
from selfplay.data.teacher import UNKNOWN_RESULT
from selfplay.data.text_files import numbered_lines
from selfplay.records.collect import GameRecord
from selfplay.records.label_folder import LabelFolder, fields_of
from selfplay.records.opening_set import parse_position
from selfplay.records.packed import SOURCE_MASK, SOURCES, unpack_row
from selfplay.records.uci_text import king_takes_rook, text_of_move


@dataclass(frozen=True)
class LabelTask:
    """A game with positions to label.

    Attributes:
        stack: uint64[n + 1, 16], its positions.
        moves: uint16[n].
        result: PGN's, or UNKNOWN_RESULT.
        plies: plies of the positions to label, ascending; ply n is after the last move.
        chess960: whether castling is written as king takes rook.
    """

    stack: np.ndarray
    moves: np.ndarray
    result: str
    plies: tuple[int, ...]
    chess960: bool

    @property
    def fen(self) -> str:
        """The start position."""
        return board_from_row(self.stack[0], self.chess960).fen()

    def uci_moves(self, ply: int) -> list[str]:
        """The moves that lead to the position of a ply."""
        return [self.move_text(earlier) for earlier in range(ply)]

    def move_text(self, ply: int) -> str:
        """The move of a ply in UCI notation."""
        return text_of_move(self.stack[ply], int(self.moves[ply]), self.chess960)


@dataclass(frozen=True)
class Sampling:
    """Which positions of a game are labelled.

    Attributes:
        per_game: most positions per game, drawn at random; 0 = all.
        deviate: share of them replaced by the position after another move, so that labels also answer bad moves. The
            search visited that move if the game records visits; otherwise it is any legal move.
        seed: random seed of the draws.
        off_path: whether trees are grown from the positions. A position of a tree does not tell which game it came
            from, and neither does a deviation, so none is drawn from games that trainings hold out.
        held_out: draw from held-out games alone, to measure with.
    """

    per_game: int = 0
    deviate: float = 0.0
    seed: int = 1
    off_path: bool = False
    held_out: bool = False


def tasks_of_games(games: Iterable[GameRecord], sampling: Sampling) -> Iterator[LabelTask]:
    """The games as tasks, in order. The draws from a game depend only on its number and the seed.

    A game with an illegal move ends before that move.
    """
    for number, game in enumerate(games):
        rng = np.random.default_rng([sampling.seed, number])
        stack, moves = _replayed(game)
        n = len(moves)
        if not n:
            continue
        plies = np.arange(n)
        if sampling.per_game:
            plies = np.sort(rng.permutation(n)[: sampling.per_game])
        leaves = rng.random(len(plies)) < sampling.deviate
        held = is_held_out_game(stack[0], moves)
        if (held and sampling.off_path and not sampling.held_out) or held < sampling.held_out:
            continue
        if held and not sampling.held_out:
            plies, leaves = plies[~leaves], leaves[~leaves]
        chess960 = _is_chess960(stack[0])
        if not leaves.all():
            yield LabelTask(stack, moves, _result(game), tuple(plies[~leaves].tolist()), chess960)
        for ply in plies[leaves].tolist():
            if (other := _other_move(game, stack[ply], ply, moves[ply], rng)) is not None:
                yield _deviation(stack, moves, ply, other, chess960)


def _replayed(game: GameRecord) -> tuple[np.ndarray, np.ndarray]:
    """(positions uint64[n + 1, 16] before and after the moves, moves uint16[n]) up to the first illegal move."""
    stack = np.zeros((len(game.moves) + 1, ROW_WORDS), np.uint64)
    stack[0] = game.start
    moves, legal = np.zeros(len(game.moves), np.uint16), np.zeros(MAX_MOVES, np.uint16)
    for ply, text_move in enumerate(game.moves):
        moves[ply] = king_takes_rook(stack[ply], int(text_move))
        if moves[ply] not in legal[: generate(stack[ply], legal)]:
            return stack[: ply + 1], moves[:ply]
        push(stack, ply, moves[ply])
    return stack, moves


def _result(game: GameRecord) -> str:
    """The game's result, read from its last value target; only a known result makes that target certain."""
    if not game.ended:
        return UNKNOWN_RESULT
    points = float(game.wdl[-1, 0] - game.wdl[-1, 2]) * (-1 if (len(game.wdl) - 1 + int(game.start[SIDE])) % 2 else 1)
    return {1.0: "1-0", 0.0: "1/2-1/2", -1.0: "0-1"}.get(points, UNKNOWN_RESULT)


def _other_move(
    game: GameRecord, row: np.ndarray, ply: int, played: np.uint16, rng: np.random.Generator
) -> np.uint16 | None:
    """Draw a move other than the one played, by share of visits; any legal one if visits show only one move."""
    first = int(np.sum(game.target_counts[:ply]))
    part = slice(first, first + int(game.target_counts[ply]))
    moves, shares = game.target_moves[part].astype(np.uint16), game.target_probs[part].astype(np.float64)
    if len(moves) < 2:
        legal = np.zeros(MAX_MOVES, np.uint16)
        moves = legal[: generate(row, legal)]
        shares = np.ones(len(moves))
    shares = np.where(moves == played, 0.0, shares)
    return moves[rng.choice(len(moves), p=shares / shares.sum())] if shares.any() else None


def _deviation(stack: np.ndarray, moves: np.ndarray, ply: int, other: np.uint16, chess960: bool) -> LabelTask:
    branch = np.concatenate([stack[: ply + 1], np.zeros((1, ROW_WORDS), np.uint64)])
    push(branch, ply, other)
    return LabelTask(branch, np.append(moves[:ply], other), UNKNOWN_RESULT, (ply + 1,), chess960)


def positions_of_file(path: Path) -> Iterator[LabelTask]:
    """Tasks from an EPD or FEN file, one position per line. Raises DataError naming the line."""
    for number, line in numbered_lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        board = parse_position(line, f"{path}:{number}", chess960=True)
        stack = row_from_board(board)[None]
        yield LabelTask(stack, np.zeros(0, np.uint16), UNKNOWN_RESULT, (0,), _is_chess960(stack[0]))


def positions_of_labels(folder: Path, source: str | None, seed: int) -> Iterator[LabelTask]:
    """Tasks from a label folder's held-out positions with a value, in random order: those of one source, or all.

    Raises DataError for a damaged folder.
    """
    labels = LabelFolder(folder)
    wanted = np.flatnonzero(held_out(labels.values))
    if source is not None:
        wanted = wanted[fields_of(labels.values)["kind"][wanted] & SOURCE_MASK == SOURCES.index(source)]
    legal = np.zeros(MAX_MOVES, np.uint16)
    for number in np.random.default_rng(seed).permutation(wanted):
        row = np.zeros(ROW_WORDS, np.uint64)
        if not unpack_row(np.ascontiguousarray(labels.values[number]), row):
            raise DataError(f"{folder}: row {number:,} is not a position")
        if generate(row, legal):
            yield LabelTask(row[None], np.zeros(0, np.uint16), UNKNOWN_RESULT, (0,), _is_chess960(row))


def _is_chess960(row: np.ndarray) -> bool:
    """Whether the position has castling rights that standard chess lacks."""
    return board_from_row(row, chess960=True).has_chess960_castling_rights()
