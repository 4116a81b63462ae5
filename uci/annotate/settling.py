"""What each position of a game is worth, settled from the end to the beginning.

A position is worth the better one of the move that was played, as the game went on, and of the
other moves. Where the others promise more, all of them together, and the position that speaks for
the game, are searched thoroughly, and what lies between is settled anew.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import chess

from uci.annotate.looks import (
    MOST_THOROUGH,
    THOROUGH,
    Looks,
    Searched,
    SearchedMoves,
    allows_mate,
    better_of,
    loss,
    moves_without,
)
from uci.annotate.material import is_sacrifice
from uci.annotate.move_marks import BRILLIANT, GREAT, LEAST_LOSS, MoveMark, is_only_move
from uci.annotate.people import Predict, nearest_known

_SUSPICIOUS = 0.05  # winning chances; a move that seems to lose as much is looked at thoroughly
_HIDDEN = 0.2  # of the players around a rating; a move that more of them play is not hard to find
_RARE = 0.1  # the same for a sacrifice
_SOUND = 0.5  # winning chances that a sacrifice must leave
# Winning chances; a loss between them after the second look may have a third.
_UNSURE = (0.03, 0.12)
# Of the effort for settling, before third looks; they take a sixth where there are any.
_FIRST_SHARE = 0.85
_THIRD_SHARE = 0.25  # of the time for the other looks, that the third ones take at most


@dataclass
class PlyState:
    """All that is known of one position of the game, and of the move that was played there."""

    board: chess.Board
    played: chess.Move  # a null move for a pass, and behind the last move
    seen: SearchedMoves = ()  # of the widest search so far
    effort: int = 1  # times the limits, of that search
    has_third_look: bool = False
    settled: Searched | None = None
    predicted: Mapping[chess.Move, float] | None = None  # how likely players make each move

    @property
    def known(self) -> Searched:
        """What the position is worth, settled or as it was seen on the way there."""
        return self.settled or self.seen[0]


@dataclass
class GameInReview:
    """A game's positions, how they are searched, and what is known of the players."""

    plies: list[PlyState]
    looks: Looks
    people: Predict
    ratings: Mapping[chess.Color, int]
    side: chess.Color | None = None  # whose moves are judged; None for both

    def judges(self, ply: int) -> bool:
        """Whether the move of a ply is one of those that are judged."""
        state = self.plies[ply]
        return bool(state.played) and self.side in (None, state.board.turn)

    def predicted(self, ply: int) -> Mapping[chess.Move, float]:
        """Return how likely players of the mover's rating make each move of a position."""
        state = self.plies[ply]
        if state.predicted is None:
            rating = nearest_known(self.ratings[state.board.turn])
            state.predicted = self.people(state.board, rating)
        return state.predicted


def settle_backwards(game: GameInReview, on_share: Callable[[float], object]) -> None:
    """Settle what each position is worth; twice where some losses deserve a third look.

    `on_share` hears which share of the work is done.
    """
    _settle_all(game, lambda share: on_share(_FIRST_SHARE * share))
    if unsure := _unsure(game):
        for ply in unsure:
            game.plies[ply].has_third_look = True
        _settle_all(game, lambda share: on_share(_FIRST_SHARE + (1.0 - _FIRST_SHARE) * share))


def _settle_all(game: GameInReview, on_share: Callable[[float], object]) -> None:
    plies = len(game.plies)
    ply = plies - 1
    while ply >= 0:
        ply = _settle(game, ply)
        on_share((plies - 1 - ply) / plies)


def _settle(game: GameInReview, ply: int) -> int:
    """Settle what a position is worth, the one after it being settled; return the ply of the next
    one to settle.

    Where the move that was played seems to lose, the search that says so is made thorough first, if
    it was not. The positions from its ply on have to be settled again then.
    """
    state = game.plies[ply]
    if not state.played:  # a pass says nothing of its position
        state.settled = state.seen[0]
        if state.settled.line:
            state.settled = state.settled._replace(source=ply)
        return ply - 1
    side = state.board.turn
    as_played = _as_played(game, ply)
    alternatives = _at_first(game, ply, as_played)
    best = better_of(
        as_played, [candidate._replace(source=ply) for candidate in alternatives[:1]], side
    )
    for times in _thorough_looks(game, ply):
        is_doubtful = times == MOST_THOROUGH or _is_doubtful(best, as_played, side)
        deserves_look = is_doubtful or praise_at_first_sight(game, ply, as_played) is not None
        source = as_played.source
        if deserves_look and source is not None and _deepen(game, source, times):
            return source
        if is_doubtful:
            alternatives = game.looks.beside(state.board, [state.played], times)
            best = better_of(as_played, alternatives, side)
    is_compared_deeply = ply > 0 and game.plies[ply - 1].has_third_look
    if is_compared_deeply and best.source is None:
        best = _best_of_all(game, ply, as_played)
    if best is as_played and _may_escape(state.board, best, alternatives):
        best = best._replace(evaluation=replace(best.evaluation, mate=None))
    state.settled = best
    return ply - 1


def _as_played(game: GameInReview, ply: int) -> Searched:
    """Return what a position is worth as the game went on."""
    state, following = game.plies[ply], game.plies[ply + 1].settled
    assert following is not None
    return following.a_ply_earlier(state.played, state.board.turn)


def _at_first(game: GameInReview, ply: int, as_played: Searched) -> Sequence[Searched]:
    """Return the other moves than the played one as the first look saw them, or one at them alone
    where it held the played move for much better than it was.
    """
    state = game.plies[ply]
    searched = state.seen
    is_misjudged = loss(searched[0], as_played, state.board.turn) >= _SUSPICIOUS
    if searched[0].line[:1] == (state.played,) and is_misjudged:
        searched = game.looks.beside(state.board, [state.played])
    return moves_without(searched, state.played)


def _thorough_looks(game: GameInReview, ply: int) -> list[int]:
    """Return how many times the limits a move may be looked at thoroughly with, in order."""
    if not game.judges(ply):
        return []
    if game.plies[ply].has_third_look:
        return [THOROUGH, MOST_THOROUGH]
    return [THOROUGH]


def _deepen(game: GameInReview, ply: int, times: int) -> bool:
    """Search a position of the game within so many times the limits; return whether it was not
    before.
    """
    state = game.plies[ply]
    if times <= state.effort:
        return False
    state.effort = times
    state.seen = game.looks.at(state.board, times)
    return True


def _best_of_all(game: GameInReview, ply: int, as_played: Searched) -> Searched:
    """Return the better one of the played move and a third look at all moves. Else a look at the
    others alone spoke for them, within less than the move before is compared with.
    """
    _deepen(game, ply, MOST_THOROUGH)
    state = game.plies[ply]
    whole = state.seen[0]._replace(source=ply)
    return better_of(as_played, [whole], state.board.turn)


def _unsure(game: GameInReview) -> list[int]:
    """Return the plies of moves whose loss may be another one than it seems, those nearest to
    having or losing a mark first, as many as a third look has time for.
    """
    losses = {}
    for ply, (state, following) in enumerate(itertools.pairwise(game.plies)):
        if game.judges(ply):
            losses[ply] = loss(state.known, following.known, state.board.turn)
    near = [ply for ply, lost in losses.items() if _UNSURE[0] <= lost <= _UNSURE[1]]
    near.sort(key=lambda ply: abs(losses[ply] - LEAST_LOSS))
    return near[: int(_THIRD_SHARE * game.looks.effort / (2 * MOST_THOROUGH))]


def _is_doubtful(best: Searched, as_played: Searched, side: chess.Color) -> bool:
    """Whether the move that was played seems to lose so much that one looks again."""
    is_costly = loss(best, as_played, side) >= _SUSPICIOUS
    return is_costly or allows_mate(best, as_played, side)


def _may_escape(board: chess.Board, mated: Searched, alternatives: Sequence[Searched]) -> bool:
    """Whether a move that was not looked at may escape the mate that follows the played one."""
    lost = [candidate for candidate in alternatives if candidate.mate(board.turn) < 0]
    return mated.mate(board.turn) < 0 and len(lost) + 1 < board.legal_moves.count()


def praise_at_first_sight(game: GameInReview, ply: int, as_played: Searched) -> MoveMark | None:
    """Return the praise that a move deserves at first sight: hard to find and the only good one, or
    a sacrifice.
    """
    state = game.plies[ply]
    board, move = state.board, state.played
    alternatives = moves_without(state.seen, move)
    if not alternatives:
        return None
    chances = as_played.chances[board.turn]
    share = game.predicted(ply).get(move, 0.0)
    if chances >= _SOUND and share < _RARE and is_sacrifice(board, as_played.line):
        return BRILLIANT
    is_hidden = share < _HIDDEN and not board.is_capture(move)
    if is_hidden and is_only_move(loss(as_played, alternatives[0], board.turn), chances):
        return GREAT
    return None
