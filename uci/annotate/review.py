"""Going through a game with the engine: an evaluation of every position, a mark for every move.

Every position is searched once. Then a pass from the end of the game settles what each one is worth
(`settling`), and another one marks the moves (`marking`). Marks, curve and accuracy all come from
the settled evaluations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import chess
import chess.pgn

from engine.board.notation import board_after
from engine.errors import StillCompilingError
from engine.search.job import SearchInterrupted, SearchJob
from engine.search.limits import Limits
from engine.search.result import SearchResult
from uci.annotate.looks import Looks, ReviewSearch
from uci.annotate.marking import marked, unmarked
from uci.annotate.move_review import GameReview, MoveReview
from uci.annotate.people import Predict, people_network, rating_of
from uci.annotate.settling import GameInReview, PlyState, settle_backwards

if TYPE_CHECKING:
    from engine.player import Engine

DEFAULT_LIMITS = Limits(nodes=10_000)  # for each position
# Shares of the effort that are done after the first look and when all is settled, in the mean of
# three games of club players. The rest is for marks.
_SEARCHED = 0.15
_SETTLED = 0.8


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
    come before an interrupt. `on_ply(done, total)` tells how much is done, in plies of the game:
    most of the effort goes into the way back. `people` tells what players of a rating do, by default
    with the network of people. Raises NetFileError where that cannot be read.
    """
    engine.new_game()
    plies = _plies(game)
    in_review = GameInReview(
        plies,
        Looks(engine, limits, search, _claimed_draw(game, plies[-1].board)),
        people or people_network(),
        {color: rating_of(game.headers, color) for color in chess.COLORS},
        side,
    )
    moves = dict[int, MoveReview]()  # those that are marked, by ply
    try:
        _go_through(in_review, moves, on_ply)
    except KeyboardInterrupt:
        raise ReviewInterrupted(_review_so_far(game, in_review, moves)) from None
    start = plies[0].known.evaluation
    return GameReview(game, start, [moves[ply] for ply in sorted(moves)], side)


def _go_through(
    in_review: GameInReview, moves: dict[int, MoveReview], on_ply: Callable[[int, int], object]
) -> None:
    """Search and settle all positions, then mark the moves, the last one first."""
    plies = in_review.plies
    last = len(plies) - 1
    most = 0

    def tell(share: float) -> None:
        nonlocal most
        most = max(most, int(share * last))  # some positions are settled anew
        if last:
            on_ply(most, last)

    for ply, state in enumerate(plies):
        state.seen = in_review.looks.at(state.board)
        tell(_SEARCHED * ply / len(plies))
    settle_backwards(in_review, lambda share: tell(_SEARCHED + (_SETTLED - _SEARCHED) * share))
    for ply in reversed(range(last)):
        moves[ply] = marked(in_review, ply)
        tell(1.0 - (1.0 - _SETTLED) * ply / last)


def _plies(game: chess.pgn.Game) -> list[PlyState]:
    """Return the positions of the main line, with the moves that were played."""
    board = game.board()
    plies = []
    for move in game.mainline_moves():
        plies.append(PlyState(board, move))
        board = board_after(board, move)
    return [*plies, PlyState(board, chess.Move.null())]


def _claimed_draw(game: chess.pgn.Game, last: chess.Board) -> chess.Board | None:
    """Return the last position where a player claimed a draw in it."""
    may_claim = last.is_repetition(3) or last.is_fifty_moves()
    if may_claim and game.headers.get("Result") == "1/2-1/2":
        return last
    return None


def _review_so_far(
    game: chess.pgn.Game, in_review: GameInReview, moves: dict[int, MoveReview]
) -> GameReview | None:
    """Return the moves between positions that were searched, those marked with their marks; None
    where there are none.
    """
    searched = [state for state in in_review.plies if state.seen]
    if len(searched) < 2:
        return None
    covered = [moves.get(ply) or unmarked(in_review, ply) for ply in range(len(searched) - 1)]
    judged_from = 1 + min(moves, default=len(covered))
    start = searched[0].known.evaluation
    return GameReview(game, start, covered, in_review.side, judged_from)


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
