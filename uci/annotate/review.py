"""Going through a game with the engine: a verdict on every position, a judgement on every move.

Every position is searched once. A move that seems to deserve a mark is then looked at again with four times the nodes,
after the move itself and after its best alternative, and is marked only as far as both looks agree, with a margin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import chess
import chess.pgn

from engine.search.limits import Limits
from engine.search.result import SearchResult
from uci.annotate.judge import (
    BLUNDER,
    GREAT,
    INACCURACY,
    MISTAKE,
    Judgement,
    judge,
    judge_loss,
    mean_accuracy,
    winning_chances,
)
from uci.terminal.notation import move_number
from uci.terminal.opening_names import is_named, opening_name
from uci.terminal.verdict import Verdict
from uci.terminal.waiting import search_interruptibly

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["GameReview", "MoveReview", "ReviewInterrupted", "deeper", "review_game"]

_SUSPICIOUS = 0.05  # winning chances; above this loss the best move is searched as thoroughly as the move played
_MISSED = 0.1  # winning chances; less than this is the noise of two searches
_HIDDEN_PRIOR = 0.2  # a move with a higher prior is not hard to find
_MOST_TURNING_POINTS = 6
_MOST_TRIED = 3  # moves of a position, the one played included, that are searched as thoroughly as that one
_DEEPER = 4  # times the nodes, or the time, in the second look at a move that seems to deserve a mark


@dataclass(frozen=True)
class MoveReview:
    """One move. Verdicts are White's view."""

    ply: int  # from 1
    board: chess.Board  # before the move
    move: chess.Move
    before: Verdict
    after: Verdict
    best_line: tuple[chess.Move, ...]  # begins with the best move
    loss: float  # winning chances of the mover, 0 for the best move
    judgement: Judgement | None  # None too for known opening moves, if they are no blunders
    gap: float = 0.0  # winning chances between an only good move and the best other one
    is_confirmed: bool = False  # whether the mark comes from two looks

    @property
    def mover(self) -> chess.Color:
        """Who made the move."""
        return self.board.turn

    @property
    def number(self) -> str:
        """`12.` or `12...`."""
        return move_number(self.board)

    @property
    def san(self) -> str:
        """The move."""
        return self.board.san(self.move)

    @property
    def chances(self) -> tuple[float, float]:
        """The mover's winning chances before and after the move."""
        return _chances(self.before, self.mover), _chances(self.after, self.mover)

    @property
    def is_best(self) -> bool:
        """Whether Aino would have played it."""
        return bool(self.best_line) and self.best_line[0] == self.move


@dataclass(frozen=True)
class GameReview:
    """A game's moves, and what follows from them."""

    game: chess.pgn.Game
    start: Verdict
    moves: list[MoveReview]  # fewer than the game's where Ctrl-C ended the review

    @property
    def opening(self) -> str:
        """Its name, "" for none."""
        return opening_name(self.game.end().board())

    def accuracy(self, side: chess.Color) -> float | None:
        """0..100; None for a side that never moved."""
        return mean_accuracy([move.loss for move in self.moves if move.mover == side])

    def count(self, side: chess.Color, judgement: Judgement) -> int:
        """How many of a side's moves received this judgement."""
        return sum(move.judgement == judgement and move.mover == side for move in self.moves)

    def summary(self, side: chess.Color) -> str:
        """`accuracy 87%, 1 blunder, 2 mistakes`."""
        accuracy = self.accuracy(side)
        words = [f"accuracy {accuracy:.0f}%" if accuracy is not None else "no moves"]
        for judgement, plural in ((BLUNDER, "blunders"), (MISTAKE, "mistakes"), (INACCURACY, "inaccuracies")):
            count = self.count(side, judgement)
            if count:
                words.append(f"{count} {plural if count > 1 else judgement.name}")
        return ", ".join(words)

    @property
    def turning_points(self) -> list[MoveReview]:
        """The costliest moves that were judged bad, in the order of the game."""
        costly = [move for move in self.moves if move.judgement in (BLUNDER, MISTAKE, INACCURACY)]
        return sorted(sorted(costly, key=lambda move: -move.loss)[:_MOST_TURNING_POINTS], key=lambda move: move.ply)


class ReviewInterrupted(KeyboardInterrupt):
    """Ctrl-C during a review; `review` covers the moves finished by then, None if there are none."""

    def __init__(self, review: GameReview | None) -> None:
        super().__init__()
        self.review = review


def review_game(
    engine: Engine, game: chess.pgn.Game, limits: Limits, on_ply: Callable[[int, int], None] = lambda done, total: None
) -> GameReview:
    """Reviews the main line, each position searched within `limits`; Ctrl-C raises ReviewInterrupted.

    `on_ply(done, total)` is called after each move, and after each second look, which add to the total. Moves that an
    interrupt keeps from their second look have no mark.
    """
    reviewer = _Reviewer(engine, limits)
    engine.new_game()
    board = game.board()
    played = list(game.mainline_moves())
    boards: list[chess.Board] = []
    looks: list[_Look] = []
    moves: list[MoveReview] = []
    try:
        for ply in range(len(played) + 1):
            looks.append(reviewer.look(board))
            boards.append(board.copy())
            if ply:
                on_ply(ply, len(played))
            if ply < len(played):
                board.push(played[ply])
        for ply in range(len(played) - 1, -1, -1):  # backwards: the look after a move corrects the look before it
            looks[ply] = reviewer.corrected(boards[ply], played[ply], looks[ply], looks[ply + 1])
        moves = [reviewer.judged(boards[ply], move, looks[ply], looks[ply + 1]) for ply, move in enumerate(played)]
        doubtful = [ply for ply, move in enumerate(moves) if move.judgement is not None]
        for done, ply in enumerate(doubtful, 1):
            moves[ply] = reviewer.confirmed(moves[ply], looks[ply + 1])
            on_ply(len(played) + done, len(played) + len(doubtful))
        return GameReview(game, looks[0].verdict, moves)
    except KeyboardInterrupt:
        if not moves:
            searched = enumerate(played[: max(0, len(looks) - 1)])
            moves = [reviewer.judged(boards[ply], move, looks[ply], looks[ply + 1]) for ply, move in searched]
        moves = [move if move.is_confirmed else replace(move, judgement=None) for move in moves]
        raise ReviewInterrupted(GameReview(game, looks[0].verdict, moves) if moves else None) from None


@dataclass(frozen=True)
class _Look:
    """What a search found out about a position."""

    verdict: Verdict  # White's view
    line: tuple[chess.Move, ...]
    gap: float  # winning chances between the best move and the second
    prior: float  # how likely the policy thought the best move, before any search
    later: chess.Board | None = None  # the game's later position that the verdict comes from, if it does


class _Reviewer:
    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._deep_limits = deeper(limits)

    def look(self, board: chess.Board, without: Collection[chess.Move] = (), limits: Limits | None = None) -> _Look:
        """Searches a position, or all of its moves but some; `limits` replaces the usual ones."""
        if board.is_game_over():
            return _Look(Verdict.of_result(board.result()), (), 0.0, 0.0)
        others = tuple(move for move in board.legal_moves if move not in without) if without else ()
        self._engine.set_position(board)
        result = search_interruptibly(self._engine, replace(limits or self._limits, searchmoves=others))
        verdict = Verdict.of_info(result.infos[0]).seen_by_white(board.turn)
        return _Look(verdict, tuple(result.infos[0].pv), _gap(result), result.children[0].prior)

    def corrected(self, board: chess.Board, move: chess.Move, look: _Look, following: _Look) -> _Look:
        """A look at a position, made to agree with the look behind the move that was played there.

        A move that turned out much better than the look is its best. Where the look promised more than the move
        brought, its best other moves are searched as thoroughly, one after the other, until one of them is better; the
        better of the two is what the position is worth.
        """
        gain = _chances(following.verdict, board.turn) - _chances(look.verdict, board.turn)
        is_best = look.line[:1] == (move,)
        later = following.later or _after(board, move)
        verdict = _a_ply_earlier(following.verdict, board.turn)
        as_played = _Look(verdict, (move, *following.line), 0.0, look.prior, later)
        if gain >= _MISSED:
            return as_played
        if gain > -(_MISSED if is_best else _SUSPICIOUS):
            return look
        tried = [move]
        line = look.line
        while len(tried) < min(board.legal_moves.count(), _MOST_TRIED):
            if line[0] in tried:
                line = self.look(board, without=tried).line
            other = self.look(_after(board, line[0])).verdict
            if _loss(other, following.verdict, board.turn) > 0.0:
                return _Look(_a_ply_earlier(other, board.turn), line, 0.0, look.prior)
            tried.append(line[0])
        return as_played

    def judged(self, board: chess.Board, move: chess.Move, look: _Look, following: _Look) -> MoveReview:
        """Judges a move from the corrected looks before and after it."""
        is_best = look.line[:1] == (move,)
        loss = 0.0 if is_best else _loss(look.verdict, following.verdict, board.turn)
        after = _after(board, move)
        is_hidden = is_best and look.prior < _HIDDEN_PRIOR and not board.is_capture(move)
        chances = _chances(look.verdict, board.turn)
        judgement = _unless_known(after, judge(loss, look.gap if is_hidden else 0.0, chances))
        return MoveReview(
            len(after.move_stack), board, move, look.verdict, following.verdict, look.line, loss, judgement
        )

    def confirmed(self, move: MoveReview, following: _Look) -> MoveReview:
        """A judged move after the second look; its mark is the milder one of both or milder still, and may be gone."""
        after = self._second_look(move, following)
        return self._praise(move, after) if move.judgement == GREAT else self._blame(move, after)

    def _second_look(self, move: MoveReview, following: _Look) -> Verdict:
        """The deeper verdict on the position after a move, not blind to a reply whose strength the game showed."""
        board = _after(move.board, move.move)
        verdict = self.look(board, limits=self._deep_limits).verdict
        if following.later is None:
            return verdict
        shown, later = self.look(following.later, limits=self._deep_limits).verdict, following.later
        for ply in range(len(later.move_stack) - len(board.move_stack)):
            shown = _a_ply_earlier(shown, later.turn if ply % 2 else not later.turn)
        return max(verdict, shown, key=lambda found: _chances(found, board.turn))

    def _blame(self, move: MoveReview, after: Verdict) -> MoveReview:
        better = self.look(_after(move.board, move.best_line[0]), limits=self._deep_limits)
        loss = _loss(better.verdict, after, move.mover)
        best = max(_chances(better.verdict, move.mover), _chances(after, move.mover))
        judgement = judge_loss((move.loss, loss), best)
        return replace(
            move,
            before=_a_ply_earlier(better.verdict if loss else after, move.mover),
            after=after,
            best_line=(move.best_line[0], *better.line) if loss else (move.move,),
            loss=loss,
            judgement=_unless_known(_after(move.board, move.move), judgement),
            is_confirmed=True,
        )

    def _praise(self, move: MoveReview, after: Verdict) -> MoveReview:
        other = self.look(move.board, without=[move.move], limits=self._deep_limits).verdict
        gap = _chances(after, move.mover) - _chances(other, move.mover)
        judgement = judge(0.0, gap, _chances(after, move.mover))
        return replace(move, after=after, gap=gap, judgement=judgement, is_confirmed=True)


def deeper(limits: Limits) -> Limits:
    """The limits of the second look at a move."""
    if limits.nodes is not None:
        return replace(limits, nodes=_DEEPER * limits.nodes)
    return replace(limits, movetime_ms=_DEEPER * (limits.movetime_ms or 0))


def _unless_known(after: chess.Board, judgement: Judgement | None) -> Judgement | None:
    """The judgement of the move to `after`; known opening moves have none, unless they are blunders."""
    return None if judgement != BLUNDER and is_named(after) else judgement


def _after(board: chess.Board, move: chess.Move) -> chess.Board:
    after = board.copy()
    after.push(move)
    return after


def _a_ply_earlier(verdict: Verdict, side: chess.Color) -> Verdict:
    """White's view of a position from which `side` moves into one of this verdict: its mate takes a move more."""
    mate, step = verdict.mate, 1 if side == chess.WHITE else -1
    return replace(verdict, mate=mate + step) if mate is not None and mate * step >= 0 else verdict


def _gap(result: SearchResult) -> float:
    seen = [winning_chances(Verdict.of_move(child).expected) for child in result.children if child.visits > 0]
    return seen[0] - max(seen[1:]) if len(seen) > 1 else 0.0


def _chances(verdict: Verdict, side: chess.Color) -> float:
    return winning_chances(verdict.expected if side == chess.WHITE else 1.0 - verdict.expected)


def _loss(best: Verdict, after: Verdict, side: chess.Color) -> float:
    return max(0.0, _chances(best, side) - _chances(after, side))
