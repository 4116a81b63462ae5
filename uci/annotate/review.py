"""Going through a game with the engine: a verdict on every position, a judgement on every move.

Every position is searched once. Then a pass from the end of the game settles what each one is
worth: the better one of the move that was played, as the game went on, and of the other moves.
Where the others promise more, all of them together, and the position that speaks for the game, are
searched with eight times the nodes, and what lies between is settled anew. Marks, curve and
accuracy all come from the settled verdicts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
)
from uci.annotate.judge import (
    BAD,
    BLUNDER,
    BRILLIANT,
    GREAT,
    INACCURACY,
    LEAST_LOSS,
    MISTAKE,
    Judgement,
    chances_of,
    for_people,
    is_only_move,
    judge,
    worth_of,
)
from uci.annotate.material import cheapest_capture
from uci.annotate.people import PeopleShares, Predict, people_network, rating_of
from uci.annotate.reasons import Lines, MoveReason, find_reason, is_sacrifice, offers
from uci.annotate.solutions import Candidate, is_puzzle, only_line, solution
from uci.common.verdict import Verdict
from uci.language import _, later, several, shown_moves, shows_own_letters, spoken
from uci.openings.opening_names import opening_name, position_name

if TYPE_CHECKING:
    from engine.player import Engine

DEFAULT_LIMITS = Limits(nodes=10_000)  # for each position
_SUSPICIOUS = 0.05  # winning chances; a move that seems to lose as much is looked at thoroughly
_HIDDEN = 0.2  # of the players around a rating; a move that more of them play is not hard to find
_RARE = 0.1  # the same for a sacrifice
_SOUND = 0.5  # winning chances that a sacrifice must leave
_NEAR_MATE = 4  # moves; to allow a mate further off costs no more than the chances that it takes
_DEEPER = 8  # times the nodes, or the time, of a thorough search
_DEEPEST = 32  # the same of a third look
# Winning chances; a loss between them after the second look may have a third.
_UNSURE = (0.03, 0.12)
_THIRD_SHARE = 0.25  # of the time for the other looks, that the third ones take at most
_LITTLE = 0.05  # winning chances; a move that loses less than an inaccuracy is good, too
_AS_GOOD = 0.01  # winning chances; people care no more about such a difference

_COUNTED = {
    BLUNDER: (later("{count} blunder"), later("{count} blunders")),
    MISTAKE: (later("{count} mistake"), later("{count} mistakes")),
    INACCURACY: (later("{count} inaccuracy"), later("{count} inaccuracies")),
}

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
    # Instead of a marked move: others than the best one that lose little.
    also_good: tuple[chess.Move, ...] = ()
    people: PeopleShares | None = None  # of a marked move; None where an older version judged it
    # Where the answer to a bad move is a sacrifice: the capture, and what follows.
    taken: tuple[chess.Move, ...] = ()
    # The only good moves, with the answers to them, where a mistake makes a puzzle.
    solution: tuple[chess.Move, ...] = ()
    # What `reason` has told, by the language and whether the letters for pieces are its own.
    _reasons: dict[tuple[str, bool], MoveReason] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

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
    def name(self) -> str:
        """`12. Nf3`, in the letters that are shown."""
        return f"{self.number} {shown_moves(self.san)}"

    @property
    def title(self) -> str:
        """The name with its mark, `12. Nf3?`."""
        return self.name + (self.judgement.symbol if self.judgement else "")

    @property
    def chances(self) -> tuple[float, float]:
        """The mover's winning chances before and after the move."""
        return chances_of(self.before, self.mover), chances_of(self.after, self.mover)

    @property
    def loss(self) -> float:
        """Winning chances that the mover lost, 0 for the best move."""
        return max(0.0, self.chances[0] - self.chances[1])

    def reason(self, is_own: bool | None = None) -> MoveReason:
        """Why the move is worse than the best one, in letters as for `shown_moves`; without a text
        where no rule knows. It takes some hundredths of a second, once in each language.
        """
        is_own = shows_own_letters.get() if is_own is None else is_own
        told_in = spoken(), is_own
        if told_in not in self._reasons:
            self._reasons[told_in] = find_reason(self._lines(is_own))
        return self._reasons[told_in]

    def _lines(self, is_own: bool) -> Lines:
        before, after = (verdict.seen_by_white(self.mover) for verdict in (self.before, self.after))
        return Lines(
            # Each copy of it copies its history, too.
            self.board.copy(stack=False),
            (self.move, *self.reply_line),
            self.best_line,
            mate_played=after.mate,
            mate_better=before.mate,
            cost_cp=before.score_cp - after.score_cp,
            best_cp=before.score_cp,
            is_own=is_own,
            taken=self.taken,
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
        """Return the band of ratings that a side's accuracy points to; "" where it moved too little
        or made too few mistakes to tell.
        """
        moves = sum(move.mover == side for move in self.moves)
        mistakes = sum(move.mover == side for move in self.turning_points)
        return rating_played(self.accuracy(side) or 0.0, moves, mistakes)

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
        for kind, (one, many) in _COUNTED.items():
            if count := self.count(side, kind):
                words.append(several(one, many, count))
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
    """Ctrl-C during a review; `review` covers the moves finished by then, None if there are
    none.
    """

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
    people: Predict | None = None,
) -> GameReview:
    """Review the main line, each position searched within `limits` by `search`; Ctrl-C raises
    ReviewInterrupted.

    Only the moves of `side` are judged, where one is given, and none to which the way back did not
    come before an interrupt. `on_ply(done, total)` is called after each position, in both
    directions. `people` tells what players of a rating do, by default with the network of people.
    Raises NetFileError where that cannot be read.
    """
    engine.new_game()
    reviewer = _Reviewer(engine, limits, search, people or people_network(), game, side)
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
    # Ply of the game's position whose search gave the verdict; None for one beside the game.
    source: int | None = None


# What a search found out about a position: the moves searched, the best one first; a finished game
# has one without a line.
_Look = tuple[_Known, ...]


class _Reviewer:
    """The way there and back through a game."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        search: ReviewSearch,
        people: Predict,
        game: chess.pgn.Game,
        side: chess.Color | None,
    ) -> None:
        self._engine = engine
        self._search = search
        self._people = people
        self._predicted: dict[int, Mapping[chess.Move, float]] = {}  # by ply
        self._ratings = {side: rating_of(game.headers, side) for side in chess.COLORS}
        self._limits = limits
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
        self._times = [1] * len(self._boards)  # the limits, within which each was searched
        self._spent = 0  # times the limits, in all searches
        self._third = set[int]()  # plies that have a third look
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
        self._settle_all()
        if unsure := self._unsure():
            self._third |= unsure
            self._settle_all()
        for ply in range(last - 1, -1, -1):
            self._moves[ply] = self._judged(ply)
            on_ply(2 * last - ply, 2 * last)

    def _settle_all(self) -> None:
        ply = len(self._played)
        while ply >= 0:
            ply = self._settle(ply)

    def _unsure(self) -> set[int]:
        """Return the plies of moves whose loss may be another one than it seems, those nearest to
        having or losing a mark first, as many as a third look has time for.
        """
        losses = dict[int, float]()
        for ply, move in enumerate(self._played):
            side = self._boards[ply].turn
            if move and self._side in (None, side):
                losses[ply] = _loss(self._settled[ply], self._settled[ply + 1], side)
        near = [ply for ply, loss in losses.items() if _UNSURE[0] <= loss <= _UNSURE[1]]
        near.sort(key=lambda ply: abs(losses[ply] - LEAST_LOSS))
        return set(near[: int(_THIRD_SHARE * self._spent / (2 * _DEEPEST))])

    def known(self, ply: int) -> _Known:
        """Return what a position is worth, settled or as it was seen on the way there."""
        return self._settled.get(ply) or self._looks[ply][0]

    @property
    def moves(self) -> list[MoveReview]:
        """The moves between positions that were searched, those judged with their marks."""
        searched = range(min(len(self._played), len(self._looks) - 1))
        return [self._moves.get(ply) or self._facts(ply) for ply in searched]

    def _look(
        self, board: chess.Board, without: Collection[chess.Move] = (), times: int = 1
    ) -> _Look:
        """Search a position, or all of its moves but some, within so many times the limits."""
        if not any(board.legal_moves) or board.is_insufficient_material() or board is self._claimed:
            return (_Known(for_people(Verdict.of_result(board.result(claim_draw=True))), ()),)
        others = tuple(move for move in board.legal_moves if move not in without) if without else ()
        if without and not others:
            return ()
        limits = replace(deeper(self._limits, times), searchmoves=others)
        key = (tuple(board.move_stack), limits)
        if key not in self._found:
            self._spent += times
            self._engine.set_position(board)
            self._found[key] = _seen(self._search(self._engine, limits), board.turn)
        return self._found[key]

    def _settle(self, ply: int) -> int:
        """Settle what a position is worth, the one after it being settled; return the ply of the
        next one to settle.

        Where the move that was played seems to lose, the search that says so is made thorough
        first, if it was not. The positions from its ply on have to be settled again then.
        """
        board = self._boards[ply]
        if ply == len(self._played) or not self._played[ply]:  # a pass says nothing of its position
            seen = self._looks[ply][0]
            self._settled[ply] = seen._replace(source=ply if seen.line else None)
            return ply - 1
        move = self._played[ply]
        as_played = self._as_played(ply)
        others = self._at_first(ply, as_played)
        best = _better(as_played, [one._replace(source=ply) for one in others[:1]], board.turn)
        for times in self._looks_at(ply):
            is_doubtful = times == _DEEPEST or _is_doubtful(best, as_played, board.turn)
            asks = is_doubtful or self._feat(ply, as_played)
            source = as_played.source
            if asks and source is not None and self._deepen(source, times):
                return source
            if is_doubtful:
                others = self._look(board, without=[move], times=times)
                best = _better(as_played, others, board.turn)
        if ply - 1 in self._third and best.source is None:
            best = self._best_of_all(ply, as_played)
        if best is as_played and _may_escape(board, best, others):
            best = best._replace(verdict=replace(best.verdict, mate=None))
        self._settled[ply] = best
        return ply - 1

    def _best_of_all(self, ply: int, as_played: _Known) -> _Known:
        """Return the better one of the played move and a third look at all moves. Else a look at
        the others alone spoke for them, within less than the move before is compared with.
        """
        self._deepen(ply, _DEEPEST)
        whole = self._looks[ply][0]._replace(source=ply)
        return _better(as_played, [whole], self._boards[ply].turn)

    def _as_played(self, ply: int) -> _Known:
        """Return what a position is worth as the game went on."""
        following = self._settled[ply + 1]
        verdict = _a_ply_earlier(following.verdict, self._boards[ply].turn)
        return _Known(verdict, (self._played[ply], *following.line), following.source)

    def _at_first(self, ply: int, as_played: _Known) -> Sequence[_Known]:
        """Return the other moves than the played one as the first look saw them, or one at them
        alone where it held the played move for much better than it was.
        """
        look = self._looks[ply]
        board, move = self._boards[ply], self._played[ply]
        is_misjudged = _loss(look[0], as_played, board.turn) >= _SUSPICIOUS
        if look[0].line[:1] == (move,) and is_misjudged:
            look = self._look(board, without=[move])
        return _others(look, move)

    def _looks_at(self, ply: int) -> list[int]:
        """Return how many times the limits a move may be looked at thoroughly with, in order."""
        if self._side not in (None, self._boards[ply].turn):
            return []
        return [_DEEPER, _DEEPEST] if ply in self._third else [_DEEPER]

    def _deepen(self, ply: int, times: int) -> bool:
        """Search a position of the game within so many times the limits; return whether it was not
        before.
        """
        if times <= self._times[ply]:
            return False
        self._times[ply] = times
        self._looks[ply] = self._look(self._boards[ply], times=times)
        return True

    def _facts(self, ply: int) -> MoveReview:
        before, after = self.known(ply), self.known(ply + 1)
        board, move = self._boards[ply], self._played[ply]
        return MoveReview(
            ply + 1, board, move, before.verdict, after.verdict, before.line, reply_line=after.line
        )

    def _judged(self, ply: int) -> MoveReview:
        """Judge a move from the settled verdicts before and after it; a pass is no move to
        judge.
        """
        facts = self._facts(ply)
        if not facts.move or self._side not in (None, facts.mover):
            return facts
        before, after = self._settled[ply], self._settled[ply + 1]
        judgement = judge(facts.loss, facts.chances[0], _allows_mate(before, after, facts.mover))
        # Known opening moves have no other mark.
        if judgement != BLUNDER and position_name(self._boards[ply + 1]):
            judgement = None
        if judgement is not None:
            marked = replace(facts, judgement=judgement, taken=self._taken(facts))
            return self._with_solution(self._with_better_moves(marked))
        others = _others(self._looks[ply], facts.move)
        if not facts.is_best or not others:
            return facts
        feat = self._feat(ply, before)
        if feat is not None:
            others = list(self._look(facts.board, without=[facts.move], times=_DEEPER))
        gap = _loss(after, others[0], facts.mover)
        if feat == BRILLIANT and gap >= _LITTLE:
            return self._praised(replace(facts, gap=gap, judgement=BRILLIANT))
        if feat is not None and is_only_move(gap, facts.chances[1]):
            return self._praised(replace(facts, gap=gap, judgement=GREAT))
        return replace(facts, gap=gap)

    def _taken(self, move: MoveReview) -> tuple[chess.Move, ...]:
        """Return what follows if the answer is a sacrifice and is taken, which the line may not
        show.
        """
        answered = board_after(move.board, move.move)
        answer, *rest = move.reply_line or (None,)
        if answer is None or not offers(answered, answer):
            return ()
        if rest and rest[0].to_square == answer.to_square:
            return tuple(rest)
        offered = board_after(answered, answer)
        taking = cheapest_capture(offered, answer.to_square)
        assert taking is not None
        return (taking, *self._look(board_after(offered, taking))[0].line)

    def _praised(self, move: MoveReview) -> MoveReview:
        return replace(move, people=self._shares(move, [move.move]))

    def _with_better_moves(self, marked: MoveReview) -> MoveReview:
        """Add to a bad move the other good ones than the best, or else by how much that is better
        than all others. Of moves about as good as the best, the one that most people find comes
        first.
        """
        best = marked.best_line
        # A puzzle needs a sure answer.
        times = 1 if marked.judgement == INACCURACY else _DEEPER
        rest = self._look(marked.board, without=best[:1], times=times)
        losses = {
            one.line[0]: marked.chances[0] - chances_of(one.verdict, marked.mover)
            for one in rest
            if one.line
        }
        good = [move for move, loss in losses.items() if loss < _LITTLE and move != marked.move]
        people = self._shares(marked, [*best[:1], *good])
        if not good and losses:
            return replace(marked, people=people, gap=min(losses.values()))
        named = self._likeliest(marked, rest)
        also_good = tuple(move for move in (*best[:1], *good) if move != named[0])
        return replace(marked, people=people, best_line=named, also_good=also_good)

    def _likeliest(self, marked: MoveReview, rest: Sequence[_Known]) -> tuple[chess.Move, ...]:
        """Return the line of the move that most people find among the best one and those that two
        searches hold for as good.
        """
        chances = self._predict(marked.ply - 1)
        deep = self._look(marked.board, without=[marked.move], times=_DEEPER)
        least = marked.chances[0] - _AS_GOOD
        as_good = {one.line[0] for one in deep if chances_of(one.verdict, marked.mover) >= least}
        lines = [
            one.line
            for one in rest
            if one.line[:1]
            and one.line[0] in as_good
            and one.line[0] != marked.move
            and chances_of(one.verdict, marked.mover) >= least
        ]
        return max([marked.best_line, *lines], key=lambda line: chances.get(line[0], 0.0))

    def _predict(self, ply: int) -> Mapping[chess.Move, float]:
        """Return how likely players of the mover's rating make each move of a position."""
        if ply not in self._predicted:
            board = self._boards[ply]
            self._predicted[ply] = self._people(board, self._ratings[board.turn])
        return self._predicted[ply]

    def _shares(self, move: MoveReview, good: Collection[chess.Move]) -> PeopleShares:
        """Return the shares of players, in thousandths, who play a move and who find a good one."""
        chances = self._predict(move.ply - 1)
        find = sum(chances.get(one, 0.0) for one in good)
        play = chances.get(move.move, 0.0)
        return PeopleShares(self._ratings[move.mover], round(play, 3), round(find, 3))

    def _with_solution(self, marked: MoveReview) -> MoveReview:
        """Add to a mistake that makes a puzzle the moves that solve it."""
        is_clear = is_puzzle(marked.chances[0], marked.gap) and not marked.also_good
        if marked.judgement not in (BLUNDER, MISTAKE) or not is_clear:
            return marked
        found = solution(marked.board, marked.best_line, self._sure_choices)
        return replace(marked, solution=found)

    def _sure_choices(self, board: chess.Board) -> list[Candidate]:
        """Return the two best moves of a position, found thoroughly if one is much better."""
        choices = self._choices(board, 1)
        return self._choices(board, _DEEPER) if only_line(choices) else choices

    def _choices(self, board: chess.Board, times: int) -> list[Candidate]:
        best = self._look(board, times=times)[0]
        rest = self._look(board, without=best.line[:1], times=times)[:1]
        return [Candidate(one.line, chances_of(one.verdict, board.turn)) for one in (best, *rest)]

    def _feat(self, ply: int, as_played: _Known) -> Judgement | None:
        """Return the praise that a move deserves at first sight: hard to find and the only good
        one, or a sacrifice.
        """
        board = self._boards[ply]
        move = self._played[ply]
        chances = chances_of(as_played.verdict, board.turn)
        if not (others := _others(self._looks[ply], move)):
            return None
        share = self._predict(ply).get(move, 0.0)
        if chances >= _SOUND and share < _RARE and is_sacrifice(board, as_played.line):
            return BRILLIANT
        is_hidden = share < _HIDDEN and not board.is_capture(move)
        return (
            GREAT
            if is_hidden and is_only_move(_loss(as_played, others[0], board.turn), chances)
            else None
        )


def _seen(result: SearchResult, side: chess.Color) -> _Look:
    """Return what a search of a position with this side to move found out."""
    info, *_rest = result.infos
    best = _Known(for_people(Verdict.of_info(info)).seen_by_white(side), tuple(info.pv))
    others = [
        _Known(for_people(Verdict.of_move(child)).seen_by_white(side), child.pv or (child.move,))
        for child in result.children
        if child.visits > 0 and (child.move,) != best.line[:1]
    ]
    return (best, *sorted(others, key=lambda one: _worth(one, side), reverse=True))


def deeper(limits: Limits, times: int = _DEEPER) -> Limits:
    """Return the limits of a thorough search, so many times as wide."""
    nodes, movetime_ms = (count and times * count for count in (limits.nodes, limits.movetime_ms))
    return replace(limits, nodes=nodes, movetime_ms=movetime_ms)


def _a_ply_earlier(verdict: Verdict, side: chess.Color) -> Verdict:
    """White's view of a position from which `side` moves into one of this verdict: its mate takes a
    move more.
    """
    mate = verdict.mate
    step = 1 if side == chess.WHITE else -1
    return replace(verdict, mate=mate + step) if mate is not None and mate * step >= 0 else verdict


def _mate(known: _Known, side: chess.Color) -> int:
    """Return moves to mate as one side sees them, negative where it is mated; 0 without one, or
    where it is there.
    """
    return known.verdict.seen_by_white(side).mate or 0


def _allows_mate(best: _Known, after: _Known, side: chess.Color) -> bool:
    """Whether a side is mated soon after its move, and not after its best one."""
    return -_NEAR_MATE <= _mate(after, side) < 0 <= _mate(best, side)


def _is_doubtful(best: _Known, as_played: _Known, side: chess.Color) -> bool:
    """Whether the move that was played seems to lose so much that one looks again."""
    is_costly = _loss(best, as_played, side) >= _SUSPICIOUS
    return is_costly or _allows_mate(best, as_played, side)


def _may_escape(board: chess.Board, mated: _Known, others: Sequence[_Known]) -> bool:
    """Whether a move that was not looked at may escape the mate that follows the played one."""
    lost = [one for one in others if _mate(one, board.turn) < 0]
    return _mate(mated, board.turn) < 0 and len(lost) + 1 < board.legal_moves.count()


def _better(as_played: _Known, others: Sequence[_Known], side: chess.Color) -> _Known:
    """Return the first of the other moves where it is better than the played one, which is the
    other answer.
    """
    if others and _worth(others[0], side) > _worth(as_played, side):
        return others[0]
    return as_played


def _others(look: _Look, move: chess.Move) -> list[_Known]:
    """Return the moves but for one, the best one first."""
    return [known for known in look if known.line[:1] != (move,)]


def _worth(known: _Known, side: chess.Color) -> tuple[float, float]:
    """Return what moves are compared by."""
    return worth_of(known.verdict, side)


def _loss(best: _Known, other: _Known, side: chess.Color) -> float:
    """Return by how many winning chances of a side one is better than the other; negative where it
    is worse.
    """
    return chances_of(best.verdict, side) - chances_of(other.verdict, side)


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
    found = _Known(for_people(verdict), reply)
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
