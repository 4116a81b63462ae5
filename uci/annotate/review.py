"""Going through a game with the engine: a verdict on every position, a judgement on every move.

Every position is searched once. Then a pass from the end of the game settles what each one is
worth: the better one of the move that was played, as the game went on, and of the other moves.
Where the others promise more, all of them together, and the position that speaks for the game, are
searched with eight times the nodes, and what lies between is settled anew. Marks, curve and
accuracy all come from the settled verdicts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import chess
import chess.pgn

from engine.board.notation import board_after, move_number
from engine.errors import StillCompilingError
from engine.search.job import SearchInterrupted, SearchJob
from engine.search.limits import Limits
from engine.search.result import SearchInfo, SearchResult
from uci.annotate.accuracy import (
    START_CP,
    RatedMove,
    game_accuracy,
    phases,
    rated_moves,
    rating_played,
    winning_cp,
)
from uci.annotate.judge import (
    BAD,
    BLUNDER,
    BRILLIANT,
    GREAT,
    INACCURACY,
    Judgement,
    is_only_move,
    judge,
    winning_chances,
)
from uci.annotate.reasons import Lines, is_sacrifice, reason
from uci.language import _, several
from uci.terminal.opening_names import opening_name, position_name
from uci.terminal.verdict import Verdict

if TYPE_CHECKING:
    from engine.player import Engine

DEFAULT_LIMITS = Limits(nodes=10_000)  # for each position
_SUSPICIOUS = 0.05  # winning chances; a move that seems to lose as much is looked at thoroughly
_HIDDEN_PRIOR = 0.2  # a move with a higher prior is not hard to find
_BRILLIANT_PRIOR = 0.1  # the same for a sacrifice
_SOUND = 0.5  # winning chances that a sacrifice must leave
_NEAR_MATE = 4  # moves; to allow a mate further off costs no more than the chances that it takes
_DEEPER = 8  # times the nodes, or the time, of a thorough search
_LITTLE = 0.05  # winning chances; a move that loses less than an inaccuracy is good, too

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
    judgement: Judgement | None = None  # None too for known opening moves, if they are no blunders
    reply_line: tuple[chess.Move, ...] = ()  # what follows the move
    # Winning chances between an only good move, or the one that was missed, and the best other one.
    gap: float = 0.0
    also_good: tuple[
        chess.Move, ...
    ] = ()  # instead of a marked move: others than the best one that lose little

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
    def loss(self) -> float:
        """Winning chances that the mover lost, 0 for the best move."""
        return max(0.0, self.chances[0] - self.chances[1])

    def reason(self, is_own: bool | None = None) -> str:
        """Why the move is worse than the best one, in letters as for `shown_moves`; "" where no
        rule knows.
        """
        before, after = (verdict.seen_by_white(self.mover) for verdict in (self.before, self.after))
        line = (self.move, *self.reply_line)
        best_cp = before.score_cp
        cost_cp = before.score_cp - after.score_cp
        return reason(
            Lines(
                self.board, line, self.best_line, after.mate, before.mate, cost_cp, best_cp, is_own
            )
        )

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
        if not self.is_best:
            return ""
        return "only" if is_only_move(self.gap, self.chances[1]) else "best"


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
        """Return the rating that a side's accuracy points to, with its spread; "" where it moved
        too little.
        """
        accuracy = self.accuracy(side)
        moves = sum(move.mover == side for move in self.moves)
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
        words = [
            _("no moves")
            if accuracy is None
            else _("accuracy {accuracy}%", accuracy=f"{accuracy:.0f}")
        ]
        blunders, mistakes, inaccuracies = (self.count(side, kind) for kind in BAD)
        words += [several("{count} blunder", "{count} blunders", blunders)] * (blunders > 0)
        words += [several("{count} mistake", "{count} mistakes", mistakes)] * (mistakes > 0)
        words += [several("{count} inaccuracy", "{count} inaccuracies", inaccuracies)] * (
            inaccuracies > 0
        )
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
    on_ply: Callable[[int, int], object] = lambda done, total: None,
    side: chess.Color | None = None,
    search: ReviewSearch = lambda engine, limits: engine.start(limits).result(),
) -> GameReview:
    """Review the main line, each position searched within `limits` by `search`; Ctrl-C raises
    ReviewInterrupted.

    Only the moves of `side` are judged, where one is given, and none to which the way back did not
    come before an interrupt. `on_ply(done, total)` is called after each position, in both
    directions.
    """
    engine.new_game()
    reviewer = _Reviewer(engine, limits, search, game, side)
    try:
        reviewer.review(on_ply)
        return GameReview(game, reviewer.known(0).verdict, reviewer.moves, side)
    except KeyboardInterrupt:
        moves = reviewer.moves
        raise ReviewInterrupted(
            GameReview(game, reviewer.known(0).verdict, moves, side) if moves else None
        ) from None


def until_stopped(job: SearchJob[Any], wait: Callable[[], None] = lambda: None) -> ReviewSearch:
    """Return the search of a review that a job stops: then it raises SearchInterrupted, compiling
    or not. It calls `wait` before each position.
    """

    def search(engine: Engine, limits: Limits) -> SearchResult:
        wait()
        result = None
        try:
            result = engine.search(limits, None, job)
        except StillCompilingError:
            if not job.stopped:
                raise
        if result is None or job.stopped:
            raise SearchInterrupted(result)
        return result

    return search


class _Known(NamedTuple):
    """What is known of a position, or of a move there."""

    verdict: Verdict  # White's view
    line: tuple[chess.Move, ...]
    source: int | None = (
        # Ply of the game's position whose search gave the verdict; None for one beside the game.
        None
    )


class _Look(NamedTuple):
    """What a search found out about a position."""

    # Those searched, the best one first; a finished game has one without a line.
    moves: tuple[_Known, ...]
    # P of each move, without hints: the policy's, which in a tree kept from the position before a
    # sparse network's butterfly history may have changed a little.
    priors: Mapping[chess.Move, float]

    def others(self, move: chess.Move) -> list[_Known]:
        """Return the moves but for one, the best one first."""
        return [known for known in self.moves if known.line[:1] != (move,)]


class _Reviewer:
    """The way there and back through a game."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        search: ReviewSearch,
        game: chess.pgn.Game,
        side: chess.Color | None,
    ) -> None:
        self._engine = engine
        self._search = search
        self._limits = limits
        self._deep_limits = deeper(limits)
        self._side = side
        self._played = list(game.mainline_moves())
        self._boards = [game.board()]
        for move in self._played:
            self._boards.append(board_after(self._boards[-1], move))
        last = self._boards[-1]
        is_drawn = game.headers.get("Result") == "1/2-1/2"
        # As a draw.
        self._claimed = (
            last if is_drawn and (last.is_repetition(3) or last.is_fifty_moves()) else None
        )
        self._looks: list[_Look] = []
        self._found: dict[object, _Look] = {}  # by what was searched
        self._settled: dict[int, _Known] = {}  # by ply
        self._moves: dict[int, MoveReview] = {}  # those judged

    def review(self, on_ply: Callable[[int, int], object]) -> None:
        """Search every position, then settle and judge from the last one on."""
        last = len(self._played)
        for ply, board in enumerate(self._boards):
            self._looks.append(self._look(board))
            if ply:
                on_ply(ply, 2 * last)
        ply = last
        while ply >= 0:
            ply = self._settle(ply)
        for ply in range(last - 1, -1, -1):
            self._moves[ply] = self._judged(ply)
            on_ply(2 * last - ply, 2 * last)

    def known(self, ply: int) -> _Known:
        """Return what a position is worth, settled or as it was seen on the way there."""
        return self._settled.get(ply) or self._looks[ply].moves[0]

    @property
    def moves(self) -> list[MoveReview]:
        """The moves between positions that were searched, those judged with their marks."""
        searched = range(min(len(self._played), len(self._looks) - 1))
        return [self._moves.get(ply) or self._facts(ply) for ply in searched]

    def _look(
        self, board: chess.Board, without: Collection[chess.Move] = (), limits: Limits | None = None
    ) -> _Look:
        """Search a position, or all of its moves but some, within the usual limits or others."""
        if not any(board.legal_moves) or board.is_insufficient_material() or board is self._claimed:
            return _Look(
                (_Known(_for_people(Verdict.of_result(board.result(claim_draw=True))), ()),), {}
            )
        others = tuple(move for move in board.legal_moves if move not in without) if without else ()
        if without and not others:
            return _Look((), {})
        limits = replace(limits or self._limits, searchmoves=others)
        key = (tuple(board.move_stack), limits)
        if key not in self._found:
            self._engine.set_position(board)
            result = self._search(self._engine, limits)
            info, *_rest = result.infos
            found = [
                _Known(_for_people(Verdict.of_info(info)).seen_by_white(board.turn), tuple(info.pv))
            ]
            for child in result.children:
                if child.visits > 0 and (child.move,) != found[0].line[:1]:
                    verdict = _for_people(Verdict.of_move(child)).seen_by_white(board.turn)
                    found.append(_Known(verdict, child.pv or (child.move,)))
            found[1:] = sorted(found[1:], key=lambda one: _worth(one, board.turn), reverse=True)
            self._found[key] = _Look(
                tuple(found), {child.move: child.prior for child in result.children}
            )
        return self._found[key]

    def _settle(self, ply: int) -> int:
        """Settle what a position is worth, the one after it being settled; return the ply of the
        next one to settle.

        Where the move that was played seems to lose, the search that says so is made thorough
        first, if it was not. The positions from its ply on have to be settled again then.
        """
        board, look = self._boards[ply], self._looks[ply]
        if ply == len(self._played) or not self._played[ply]:  # a pass says nothing of its position
            self._settled[ply] = look.moves[0]._replace(source=ply if look.moves[0].line else None)
            return ply - 1
        move, following = self._played[ply], self._settled[ply + 1]
        as_played = _Known(
            _a_ply_earlier(following.verdict, board.turn), (move, *following.line), following.source
        )
        if (
            look.moves[0].line[:1] == (move,)
            and _loss(look.moves[0], as_played, board.turn) >= _SUSPICIOUS
        ):
            look = self._look(board, without=[move])
        others = look.others(move)
        best = as_played
        if others and _worth(others[0], board.turn) > _worth(as_played, board.turn):
            best = others[0]._replace(source=ply)
        is_judged = self._side in (None, board.turn)
        is_doubtful = _loss(best, as_played, board.turn) >= _SUSPICIOUS or _allows_mate(
            best, as_played, board.turn
        )
        if is_judged and (is_doubtful or self._feat(ply, as_played)):
            if (source := following.source) is not None and self._deepen(source):
                return source
            if is_doubtful:
                others = list(self._look(board, without=[move], limits=self._deep_limits).moves)
                is_better = _worth(others[0], board.turn) > _worth(as_played, board.turn)
                best = others[0] if is_better else as_played
        lost = [one for one in others if _mate(one, board.turn) < 0]
        if (
            best is as_played
            and _mate(best, board.turn) < 0
            and len(lost) + 1 < board.legal_moves.count()
        ):
            # Another move may escape the mate.
            best = best._replace(verdict=replace(best.verdict, mate=None))
        self._settled[ply] = best
        return ply - 1

    def _deepen(self, ply: int) -> bool:
        """Search a position of the game thoroughly; return whether it was not before."""
        before = self._looks[ply]
        self._looks[ply] = self._look(self._boards[ply], limits=self._deep_limits)
        return self._looks[ply] is not before

    def _facts(self, ply: int) -> MoveReview:
        before, after = self.known(ply), self.known(ply + 1)
        board, move = self._boards[ply], self._played[ply]
        return MoveReview(
            ply + 1, board, move, before.verdict, after.verdict, before.line, reply_line=after.line
        )

    def _judged(self, ply: int) -> MoveReview:
        """Judge a move from the settled verdicts before and after it; a pass is no move to judge."""
        facts = self._facts(ply)
        if not facts.move or self._side not in (None, facts.mover):
            return facts
        before, after = self._settled[ply], self._settled[ply + 1]
        judgement = judge(facts.loss, facts.chances[0], _allows_mate(before, after, facts.mover))
        # Known opening moves have no other mark.
        if judgement != BLUNDER and position_name(self._boards[ply + 1]):
            judgement = None
        if judgement is not None:
            marked = replace(facts, judgement=judgement)
            return replace(marked, **self._other_moves(marked))
        others = self._looks[ply].others(facts.move)
        if facts.is_best and others:
            feat = self._feat(ply, before)
            if feat is not None:
                others = self._look(
                    facts.board, without=[facts.move], limits=self._deep_limits
                ).others(facts.move)
            gap = _loss(after, others[0], facts.mover)
            is_brilliant = feat == BRILLIANT and gap >= 0.0
            if not is_brilliant:
                is_great = feat is not None and is_only_move(gap, facts.chances[1])
                feat = GREAT if is_great else None
            return replace(facts, gap=gap, judgement=feat)
        return facts

    def _other_moves(self, marked: MoveReview) -> dict[str, Any]:
        """Other good moves than the best one, or else by how much that one is better than all
        others.
        """
        # A puzzle needs a sure answer.
        limits = None if marked.judgement == INACCURACY else self._deep_limits
        rest = self._look(marked.board, without=marked.best_line[:1], limits=limits).moves
        losses = {
            one.line[0]: marked.chances[0] - _chances(one.verdict, marked.mover)
            for one in rest
            if one.line
        }
        good = tuple(
            move for move, loss in losses.items() if loss < _LITTLE and move != marked.move
        )
        return {"also_good": good} if good or not losses else {"gap": min(losses.values())}

    def _feat(self, ply: int, as_played: _Known) -> Judgement | None:
        """Return the praise that a move deserves at first sight: hard to find and the only good
        one, or a sacrifice.
        """
        board = self._boards[ply]
        look = self._looks[ply]
        move = self._played[ply]
        prior = look.priors.get(move, 0.0)
        chances = _chances(as_played.verdict, board.turn)
        if not (others := look.others(move)):
            return None
        if chances >= _SOUND and prior < _BRILLIANT_PRIOR and is_sacrifice(board, as_played.line):
            return BRILLIANT
        is_hidden = prior < _HIDDEN_PRIOR and not board.is_capture(move)
        return (
            GREAT
            if is_hidden and is_only_move(_loss(as_played, others[0], board.turn), chances)
            else None
        )


def deeper(limits: Limits) -> Limits:
    """Return the limits of a thorough search."""
    nodes, movetime_ms = (count and _DEEPER * count for count in (limits.nodes, limits.movetime_ms))
    return replace(limits, nodes=nodes, movetime_ms=movetime_ms)


def _a_ply_earlier(verdict: Verdict, side: chess.Color) -> Verdict:
    """White's view of a position from which `side` moves into one of this verdict: its mate takes a
    move more.
    """
    mate = verdict.mate
    step = 1 if side == chess.WHITE else -1
    return replace(verdict, mate=mate + step) if mate is not None and mate * step >= 0 else verdict


def _for_people(verdict: Verdict) -> Verdict:
    """Return the verdict with its score on Stockfish's scale, which Lichess and other readers of
    PGN expect.
    """
    return replace(verdict, score_cp=winning_cp(winning_chances(verdict.expected)))


def _mate(known: _Known, side: chess.Color) -> int:
    """Return moves to mate as one side sees them, negative where it is mated; 0 without one, or
    where it is there.
    """
    return known.verdict.seen_by_white(side).mate or 0


def _allows_mate(best: _Known, after: _Known, side: chess.Color) -> bool:
    """Whether a side is mated soon after its move, and not after its best one."""
    return -_NEAR_MATE <= _mate(after, side) < 0 <= _mate(best, side)


def _worth(known: _Known, side: chess.Color) -> tuple[float, float]:
    """Return what moves are compared by: a side's chances, and of mates how near its own is, or how
    far the other's.
    """
    mate = _mate(known, side)
    return _chances(known.verdict, side), 1.0 / mate if mate else 0.0


def _chances(verdict: Verdict, side: chess.Color) -> float:
    return winning_chances(verdict.expected if side == chess.WHITE else 1.0 - verdict.expected)


def _loss(best: _Known, other: _Known, side: chess.Color) -> float:
    """Return by how many winning chances of a side one is better than the other; negative where it
    is worse.
    """
    return _chances(best.verdict, side) - _chances(other.verdict, side)


def instead_of(marked: MoveReview, move: chess.Move, info: SearchInfo | None) -> MoveReview:
    """Return the review of another legal move than a marked one, by a search of the position after
    it; None where the game is over there.
    """
    after = board_after(marked.board, move)
    verdict = Verdict.of_result(after.result(claim_draw=True))
    reply = tuple[chess.Move, ...]()
    if info is not None:
        verdict = Verdict.of_info(info).seen_by_white(after.turn)
        reply = tuple(info.pv)
    before = _Known(marked.before, marked.best_line)
    found = _Known(_for_people(verdict), reply)
    one = MoveReview(
        marked.ply,
        marked.board,
        move,
        marked.before,
        found.verdict,
        marked.best_line,
        reply_line=reply,
    )
    allows_mate = _allows_mate(before, found, marked.mover)
    return replace(one, judgement=judge(one.loss, one.chances[0], allows_mate))
