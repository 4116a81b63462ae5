"""Going through a game with the engine: a verdict on every position, a judgement on every move.

Every position is searched once. A move that seems to deserve a mark is then looked at again with four times the nodes,
after the move itself and after its best alternative, and is marked only as far as both looks agree, with a margin.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import chess
import chess.pgn

from engine.board.notation import board_after, move_number
from engine.search.limits import Limits
from engine.search.result import SearchResult
from uci.annotate.accuracy import START_CP, RatedMove, game_accuracy, phases, rated_moves, rating_played, winning_cp
from uci.annotate.judge import (
    BAD,
    BLUNDER,
    BRILLIANT,
    GREAT,
    INACCURACY,
    MISTAKE,
    Judgement,
    is_only_move,
    judge,
    judge_loss,
    winning_chances,
)
from uci.annotate.reasons import Lines, is_sacrifice, reason
from uci.language import _, several
from uci.terminal.opening_names import opening_name, position_name
from uci.terminal.verdict import Verdict

if TYPE_CHECKING:
    from engine.player import Engine

_SUSPICIOUS = 0.05  # winning chances; above this loss the best move is searched as thoroughly as the move played
_MISSED = 0.1  # winning chances; less than this is the noise of two searches
_HIDDEN_PRIOR = 0.2  # a move with a higher prior is not hard to find
_BRILLIANT_PRIOR = 0.1  # the same for a sacrifice
_SOUND = 0.5  # winning chances that a sacrifice must leave
_MOST_TRIED = 3  # moves of a position, the one played included, that are searched as thoroughly as that one
_DEEPER = 4  # times the nodes, or the time, in the second look at a move that seems to deserve a mark
_LITTLE = 0.05  # winning chances; a move that loses less than an inaccuracy is good, too
_PERHAPS = 0.15  # winning chances; moves that lose less at first sight are searched, each with a quarter of the nodes

ReviewSearch = Callable[["Engine", Limits], SearchResult]


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
    reply_line: tuple[chess.Move, ...] = ()  # what follows the move
    gap: float = 0.0  # winning chances between an only good move, or the one that was missed, and the best other one
    is_confirmed: bool = False  # whether the mark comes from two looks
    also_good: tuple[chess.Move, ...] = ()  # instead of a marked move: others than the best one that lose little

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
    def reason(self) -> str:
        """Why the move is worse than the best one; "" where no rule knows."""
        played, better = (_mate(verdict, self.mover) for verdict in (self.after, self.before))
        cost_cp = (self.before.score_cp - self.after.score_cp) * (1 if self.mover == chess.WHITE else -1)
        return reason(Lines(self.board, (self.move, *self.reply_line), self.best_line, played, better, cost_cp))

    @property
    def is_best(self) -> bool:
        """Whether Aino would have played it."""
        return bool(self.best_line) and self.best_line[0] == self.move

    @property
    def praise(self) -> str:
        """What a move without a judgement is: book, only or best; "" for another one."""
        if self.judgement is not None or not self.move:
            return ""
        if position_name(board_after(self.board.copy(stack=False), self.move)):
            return "book"
        return "" if not self.is_best else "only" if is_only_move(self.gap, self.chances[1]) else "best"


@dataclass(frozen=True)
class GameReview:
    """A game's moves, and what follows from them."""

    game: chess.pgn.Game
    start: Verdict
    moves: list[MoveReview]  # fewer than the game's where Ctrl-C ended the review
    side: chess.Color | None = None  # whose moves are judged; None for both

    @property
    def opening(self) -> str:
        """Its name, "" for none."""
        return opening_name(self.game.end().board())

    def accuracy(self, side: chess.Color, phase: str = "") -> float | None:
        """0..100, of the whole game or of one phase; None for a side that never moved in it."""
        rows = zip(self.moves, self._rated, self.phases, strict=False)
        own = (row for row in rows if row[0].mover == side and row[0].move)  # a pass is no move
        return game_accuracy([rated for _, rated, during in own if phase in ("", during)])

    def rating_played(self, side: chess.Color) -> str:
        """Return the rating that a side's accuracy points to, with its spread; "" where it moved too little."""
        accuracy, moves = self.accuracy(side), sum(move.mover == side for move in self.moves)
        return "" if accuracy is None else rating_played(accuracy, moves)

    @functools.cached_property
    def phases(self) -> list[str]:
        """The phase of each move."""
        return phases(move.board for move in self.moves)

    @functools.cached_property
    def _rated(self) -> list[RatedMove]:
        """The moves but for one that mates, which has no score after it."""
        start = START_CP if self.game.board() == chess.Board() else self.start.score_cp
        scores = [start, *(move.after.score_cp for move in self.moves if move.after.mate != 0)]
        return rated_moves(scores, self.game.turn())

    def count(self, side: chess.Color, judgement: Judgement) -> int:
        """How many of a side's moves received this judgement."""
        return sum(move.judgement == judgement and move.mover == side for move in self.moves)

    def summary(self, side: chess.Color) -> str:
        """`accuracy 87%, 1 blunder, 2 mistakes`."""
        accuracy = self.accuracy(side)
        words = [_("no moves") if accuracy is None else _("accuracy {accuracy}%", accuracy=f"{accuracy:.0f}")]
        blunders, mistakes, inaccuracies = (self.count(side, kind) for kind in (BLUNDER, MISTAKE, INACCURACY))
        words += [several("{count} blunder", "{count} blunders", blunders)] * (blunders > 0)
        words += [several("{count} mistake", "{count} mistakes", mistakes)] * (mistakes > 0)
        words += [several("{count} inaccuracy", "{count} inaccuracies", inaccuracies)] * (inaccuracies > 0)
        return ", ".join(words)

    @property
    def sides(self) -> tuple[chess.Color, ...]:
        """The sides whose moves are judged."""
        return (chess.WHITE, chess.BLACK) if self.side is None else (self.side,)

    @property
    def turning_points(self) -> list[MoveReview]:
        """The moves that were judged bad, in the order of the game."""
        return [move for move in self.moves if move.judgement in BAD]


class ReviewInterrupted(KeyboardInterrupt):
    """Ctrl-C during a review; `review` covers the moves finished by then, None if there are none."""

    def __init__(self, review: GameReview | None) -> None:
        super().__init__()
        self.review = review


def review_game(
    engine: Engine,
    game: chess.pgn.Game,
    limits: Limits,
    on_ply: Callable[[int, int], None] = lambda done, total: None,
    side: chess.Color | None = None,
    search: ReviewSearch = lambda engine, limits: engine.start(limits).result(),
) -> GameReview:
    """Review the main line, each position searched within `limits` by `search`; Ctrl-C raises ReviewInterrupted.

    Only the moves of `side` are judged, where one is given.

    `on_ply(done, total)` is called after each move, and after each second look, which add to the total. Moves that an
    interrupt keeps from their second look have no mark.
    """
    reviewer = _Reviewer(engine, limits, search)
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
            if played[ply]:  # a pass says nothing of its position
                looks[ply] = reviewer.corrected(boards[ply], played[ply], looks[ply], looks[ply + 1])
        moves = [reviewer.judged(boards[ply], move, looks[ply], looks[ply + 1]) for ply, move in enumerate(played)]
        moves = [move if side in (None, move.mover) else replace(move, judgement=None) for move in moves]
        doubtful = [ply for ply, move in enumerate(moves) if move.judgement is not None]
        for done, ply in enumerate(doubtful, 1):
            moves[ply] = reviewer.confirmed(moves[ply], looks[ply + 1])
            on_ply(len(played) + done, len(played) + len(doubtful))
        return GameReview(game, looks[0].verdict, moves, side)
    except KeyboardInterrupt:
        if not moves:
            searched = enumerate(played[: max(0, len(looks) - 1)])
            moves = [reviewer.judged(boards[ply], move, looks[ply], looks[ply + 1]) for ply, move in searched]
        moves = [move if move.is_confirmed else replace(move, judgement=None) for move in moves]
        raise ReviewInterrupted(GameReview(game, looks[0].verdict, moves, side) if moves else None) from None


@dataclass(frozen=True)
class _Look:
    """What a search found out about a position."""

    verdict: Verdict  # White's view
    line: tuple[chess.Move, ...]
    gap: float  # winning chances between the best move and the second
    # P of each move, without hints: the policy's, which in a tree kept from the position before a sparse network's
    # butterfly history may have changed a little.
    priors: Mapping[chess.Move, float]
    later: chess.Board | None = None  # the game's later position that the verdict comes from, if it does
    values: Mapping[chess.Move, float] = field(default_factory=dict)  # the mover's winning chances after each move


class _Reviewer:
    def __init__(self, engine: Engine, limits: Limits, search: ReviewSearch) -> None:
        self._engine = engine
        self._search = search
        self._limits = limits
        self._deep_limits = deeper(limits)

    def look(self, board: chess.Board, without: Collection[chess.Move] = (), limits: Limits | None = None) -> _Look:
        """Search a position, or all of its moves but some; `limits` replaces the usual ones."""
        if not any(board.legal_moves) or board.is_insufficient_material():  # other draws need not end a recorded game
            return _Look(_for_people(Verdict.of_result(board.result())), (), 0.0, {})
        others = tuple(move for move in board.legal_moves if move not in without) if without else ()
        self._engine.set_position(board)
        result = self._search(self._engine, replace(limits or self._limits, searchmoves=others))
        priors = {child.move: child.prior for child in result.children}
        verdict = _for_people(Verdict.of_info(result.infos[0])).seen_by_white(board.turn)
        seen = (child for child in result.children if child.visits > 0)
        values = {child.move: winning_chances(Verdict.of_move(child).expected) for child in seen}
        return _Look(verdict, tuple(result.infos[0].pv), _gap(values), priors, values=values)

    def corrected(self, board: chess.Board, move: chess.Move, look: _Look, following: _Look) -> _Look:
        """Return a look at a position, made to agree with the look behind the move that was played there.

        A move that turned out much better than the look is its best. Where the look promised more than the move
        brought, its best other moves are searched as thoroughly, one after the other, until one of them is better; the
        better of the two is what the position is worth.
        """
        gain = _chances(following.verdict, board.turn) - _chances(look.verdict, board.turn)
        is_best = look.line[:1] == (move,)
        later = following.later or board_after(board, move)
        verdict = _a_ply_earlier(following.verdict, board.turn)
        as_played = _Look(verdict, (move, *following.line), 0.0, look.priors, later)
        if gain >= _MISSED:
            return as_played
        if gain > -(_MISSED if is_best else _SUSPICIOUS):
            return look
        tried = [move]
        line = look.line
        while len(tried) < min(board.legal_moves.count(), _MOST_TRIED):
            if line[0] in tried:
                line = self.look(board, without=tried).line
            other = self.look(board_after(board, line[0])).verdict
            if _loss(other, following.verdict, board.turn) > 0.0:
                return _Look(_a_ply_earlier(other, board.turn), line, 0.0, look.priors)
            tried.append(line[0])
        return as_played

    def judged(self, board: chess.Board, move: chess.Move, look: _Look, following: _Look) -> MoveReview:
        """Judge a move from the corrected looks before and after it; a pass is no move to judge."""
        is_best = look.line[:1] == (move,)
        loss = 0.0 if is_best else _loss(look.verdict, following.verdict, board.turn)
        after = board_after(board, move)
        facts = MoveReview(
            len(after.move_stack), board, move, look.verdict, following.verdict, look.line, loss, None, following.line,
            look.gap if is_best else 0.0,
        )  # fmt: skip
        if not move:
            return replace(facts, loss=0.0)
        prior = look.priors.get(move, 0.0)
        is_hidden = is_best and prior < _HIDDEN_PRIOR and not board.is_capture(move)
        chances = _chances(look.verdict, board.turn)
        judgement = _unless_known(after, judge(loss, look.gap if is_hidden else 0.0, chances))
        if judgement is None and _allows_mate(look.verdict, following.verdict, board.turn):
            judgement = MISTAKE
        is_offer = loss == 0.0 and prior < _BRILLIANT_PRIOR and is_sacrifice(board, (move, *following.line))
        if is_offer and _chances(following.verdict, board.turn) >= _SOUND:
            judgement = BRILLIANT
        return replace(facts, judgement=judgement)

    def confirmed(self, move: MoveReview, following: _Look) -> MoveReview:
        """Return a judged move after the second look; its mark is the milder one of both or milder still, and may be
        gone.
        """
        after, line = self._second_look(move, following)
        move = replace(move, after=after, reply_line=line)
        return self._praise(move) if move.judgement in (GREAT, BRILLIANT) else self._blame(move)

    def _second_look(self, move: MoveReview, following: _Look) -> tuple[Verdict, tuple[chess.Move, ...]]:
        """Return the deeper verdict on the position after a move, and its line, not blind to a reply that the game
        showed.
        """
        board = board_after(move.board, move.move)
        look = self.look(board, limits=self._deep_limits)
        if following.later is None:
            return look.verdict, look.line
        later = following.later
        at_end = self.look(later, limits=self._deep_limits)
        played = later.move_stack[len(board.move_stack) :]
        shown = at_end.verdict
        for ply in range(len(played)):
            shown = _a_ply_earlier(shown, later.turn if ply % 2 else not later.turn)
        found = ((look.verdict, look.line), (shown, (*played, *at_end.line)))
        return max(found, key=lambda one: _chances(one[0], board.turn))

    def _blame(self, move: MoveReview) -> MoveReview:
        better = self.look(board_after(move.board, move.best_line[0]), limits=self._deep_limits)
        after = move.after
        loss = _loss(better.verdict, after, move.mover)
        best = max(_chances(better.verdict, move.mover), _chances(after, move.mover))
        judgement = judge_loss((move.loss, loss), best, _allows_mate(better.verdict, after, move.mover))
        judgement = _unless_known(board_after(move.board, move.move), judgement)
        return replace(
            move,
            before=_a_ply_earlier(better.verdict if loss else after, move.mover),
            best_line=(move.best_line[0], *better.line) if loss else (move.move,),
            loss=loss,
            judgement=judgement,
            is_confirmed=True,
            **({} if judgement is None else self._other_moves(move, best)),
        )

    def _other_moves(self, marked: MoveReview, best: float) -> dict[str, Any]:
        """Other good moves than the best one, or else by how much that one is better than all others."""
        good = self._good_moves(marked, best)
        if good or marked.board.legal_moves.count() < 2:
            return {"also_good": good}
        other = self.look(marked.board, without=[marked.best_line[0]], limits=self._deep_limits).verdict
        return {"gap": best - _chances(other, marked.mover)}

    def _good_moves(self, marked: MoveReview, best: float) -> tuple[chess.Move, ...]:
        """Search for moves besides the best and the marked one that leave nearly the winning chances `best`."""
        values = self.look(marked.board).values
        others = [move for move in values if move not in (marked.move, marked.best_line[0])]
        looks = {
            move: self.look(board_after(marked.board, move), limits=_scaled(self._limits, 1 / _DEEPER)).verdict
            for move in others
            if values[move] > best - _PERHAPS
        }
        return tuple(move for move, verdict in looks.items() if _chances(verdict, marked.mover) > best - _LITTLE)

    def _praise(self, move: MoveReview) -> MoveReview:
        other = self.look(move.board, without=[move.move], limits=self._deep_limits).verdict
        chances = _chances(move.after, move.mover)
        gap = chances - _chances(other, move.mover)
        judgement = judge(0.0, gap, chances)
        if move.judgement == BRILLIANT and gap >= 0.0 and chances >= _SOUND:
            judgement = BRILLIANT
        return replace(move, gap=gap, judgement=judgement, is_confirmed=True)


def deeper(limits: Limits) -> Limits:
    """Return the limits of the second look at a move."""
    return _scaled(limits, _DEEPER)


def _scaled(limits: Limits, factor: float) -> Limits:
    """Return limits of so many times the nodes, or the time."""
    if limits.nodes is not None:
        return replace(limits, nodes=max(1, round(factor * limits.nodes)))
    return replace(limits, movetime_ms=max(1, round(factor * (limits.movetime_ms or 0))))


def _unless_known(after: chess.Board, judgement: Judgement | None) -> Judgement | None:
    """Return the judgement of the move to `after`; known opening moves have none, unless they are blunders."""
    return None if judgement != BLUNDER and position_name(after) else judgement


def _a_ply_earlier(verdict: Verdict, side: chess.Color) -> Verdict:
    """White's view of a position from which `side` moves into one of this verdict: its mate takes a move more."""
    mate, step = verdict.mate, 1 if side == chess.WHITE else -1
    return replace(verdict, mate=mate + step) if mate is not None and mate * step >= 0 else verdict


def _for_people(verdict: Verdict) -> Verdict:
    """Return the verdict with its score on Stockfish's scale, which Lichess and other readers of PGN expect."""
    return replace(verdict, score_cp=winning_cp(winning_chances(verdict.expected)))


def _mate(verdict: Verdict, side: chess.Color) -> int | None:
    """Return moves to mate as one side sees them, negative where it is mated."""
    return verdict.mate if verdict.mate is None or side == chess.WHITE else -verdict.mate


def _allows_mate(best: Verdict, after: Verdict, side: chess.Color) -> bool:
    """Whether a side is mated after its move, and not after its best one."""
    return (_mate(after, side) or 0) < 0 <= (_mate(best, side) or 0)


def _gap(values: Mapping[chess.Move, float]) -> float:
    first, *others = values.values() if len(values) > 1 else (0.0, 0.0)
    return first - max(others)


def _chances(verdict: Verdict, side: chess.Color) -> float:
    return winning_chances(verdict.expected if side == chess.WHITE else 1.0 - verdict.expected)


def _loss(best: Verdict, after: Verdict, side: chess.Color) -> float:
    return max(0.0, _chances(best, side) - _chances(after, side))
