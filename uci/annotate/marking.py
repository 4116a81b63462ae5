"""The marks of a game whose positions are settled: what a move was, which others were good, and what
a mistake teaches.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import chess

from engine.board.notation import board_after
from engine.search.result import SearchInfo
from uci.annotate.looks import THOROUGH, Searched, allows_mate, loss, moves_without
from uci.annotate.material import Moves, cheapest_capture, offers
from uci.annotate.move_marks import (
    BLUNDER,
    BRILLIANT,
    GREAT,
    INACCURACY,
    MISTAKE,
    is_only_move,
    mark_of,
)
from uci.annotate.move_review import MoveReview
from uci.annotate.people import PeopleShares, nearest_known
from uci.annotate.settling import GameInReview, praise_at_first_sight
from uci.annotate.solutions import Candidate, is_puzzle, only_line, solution
from uci.common.evaluation import Evaluation
from uci.openings.opening_names import position_name

_LITTLE = 0.05  # winning chances; a move that loses less than an inaccuracy is good, too
_AS_GOOD = 0.01  # winning chances; people care no more about such a difference


def unmarked(game: GameInReview, ply: int) -> MoveReview:
    """Return what is known of a move without judging it."""
    state = game.plies[ply]
    before, after = state.known, game.plies[ply + 1].known
    return MoveReview(
        ply + 1,
        state.board,
        state.played,
        before.evaluation,
        after.evaluation,
        before.line,
        reply_line=after.line,
    )


def marked(game: GameInReview, ply: int) -> MoveReview:
    """Judge a move from the settled evaluations before and after it; a pass is no move to judge."""
    move = unmarked(game, ply)
    if not game.judges(ply):
        return move
    before, after = game.plies[ply].known, game.plies[ply + 1].known
    mark = mark_of(move.loss, move.chances[0], allows_mate(before, after, move.mover))
    # Known opening moves have no other mark.
    if mark != BLUNDER and position_name(game.plies[ply + 1].board):
        mark = None
    if mark is None:
        return _praised(game, move, before, after)
    bad = replace(move, mark=mark, taken=_taken(game, move))
    return _with_solution(game, _with_better_moves(game, bad))


def _praised(game: GameInReview, move: MoveReview, before: Searched, after: Searched) -> MoveReview:
    """Add to the best move by how much it is better than the others, and the praise for it."""
    ply = move.ply - 1
    alternatives = moves_without(game.plies[ply].seen, move.move)
    if not move.is_best or not alternatives:
        return move
    praise = praise_at_first_sight(game, ply, before)
    if praise is not None:
        alternatives = list(game.looks.beside(move.board, [move.move], THOROUGH))
    gap = loss(after, alternatives[0], move.mover)
    is_great = praise is not None and is_only_move(gap, move.chances[1])
    if praise == BRILLIANT and gap >= _LITTLE:
        mark = BRILLIANT
    elif is_great:
        mark = GREAT
    else:
        return replace(move, gap=gap)
    return replace(move, gap=gap, mark=mark, people=_shares(game, move, [move.move]))


def _taken(game: GameInReview, move: MoveReview) -> Moves:
    """Return what follows if the answer is a sacrifice and is taken, which the line may not
    show.
    """
    answered = move.answered
    if not move.reply_line or not offers(answered, move.reply_line[0]):
        return ()
    answer, *rest = move.reply_line
    if rest and rest[0].to_square == answer.to_square:
        return tuple(rest)
    offered = board_after(answered, answer)
    taking = cheapest_capture(offered, answer.to_square)
    assert taking is not None
    return (taking, *game.looks.at(board_after(offered, taking))[0].line)


def _with_better_moves(game: GameInReview, bad: MoveReview) -> MoveReview:
    """Add to a bad move the other good ones than the best, or else by how much that is better than
    all others. Of moves about as good as the best, the one that most people find comes first.
    """
    best = bad.best_line
    # A puzzle needs a sure answer.
    times = 1 if bad.mark == INACCURACY else THOROUGH
    alternatives = game.looks.beside(bad.board, best[:1], times)
    losses = {}
    for candidate in alternatives:
        if candidate.line:
            losses[candidate.line[0]] = bad.chances[0] - candidate.chances[bad.mover]
    good = [move for move, lost in losses.items() if lost < _LITTLE and move != bad.move]
    people = _shares(game, bad, [*best[:1], *good])
    if not good and losses:
        return replace(bad, people=people, gap=min(losses.values()))
    named = _likeliest(game, bad, alternatives)
    also_good = tuple(move for move in (*best[:1], *good) if move != named[0])
    return replace(bad, people=people, best_line=named, also_good=also_good)


def _likeliest(game: GameInReview, bad: MoveReview, alternatives: Sequence[Searched]) -> Moves:
    """Return the line of the move that most people find among the best one and those that two
    searches hold for as good.
    """
    predicted = game.predicted(bad.ply - 1)
    least = bad.chances[0] - _AS_GOOD
    deep = game.looks.beside(bad.board, [bad.move], THOROUGH)
    as_good = {candidate.line[0] for candidate in deep if candidate.chances[bad.mover] >= least}
    as_good.discard(bad.move)
    lines = [bad.best_line]
    for candidate in alternatives:
        is_good = candidate.chances[bad.mover] >= least
        if is_good and candidate.line and candidate.line[0] in as_good:
            lines.append(candidate.line)
    return max(lines, key=lambda line: predicted.get(line[0], 0.0))


def _shares(game: GameInReview, move: MoveReview, good: Collection[chess.Move]) -> PeopleShares:
    """Return the shares of players, in thousandths, who play a move and who find a good one."""
    predicted = game.predicted(move.ply - 1)
    find = sum(predicted.get(better, 0.0) for better in good)
    play = predicted.get(move.move, 0.0)
    own = game.ratings[move.mover]
    rating = nearest_known(own)
    unknown = 0 if rating == own else own
    return PeopleShares(rating, round(play, 3), round(find, 3), unknown)


def _with_solution(game: GameInReview, bad: MoveReview) -> MoveReview:
    """Add to a mistake that makes a puzzle the moves that solve it."""
    is_clear = is_puzzle(bad.chances[0], bad.gap) and not bad.also_good
    if bad.mark not in (BLUNDER, MISTAKE) or not is_clear:
        return bad

    def sure_choices(board: chess.Board) -> list[Candidate]:
        """Return the two best moves of a position, found thoroughly if one is much better."""
        choices = _choices(game, board, 1)
        if only_line(choices):
            return _choices(game, board, THOROUGH)
        return choices

    return replace(bad, solution=solution(bad.board, bad.best_line, sure_choices))


def _choices(game: GameInReview, board: chess.Board, times: int) -> list[Candidate]:
    """Return the two best moves of a position, or the only one."""
    best = game.looks.at(board, times)[0]
    second = game.looks.beside(board, best.line[:1], times)[:1]
    return [Candidate(choice.line, choice.chances[board.turn]) for choice in (best, *second)]


def instead_of(bad: MoveReview, move: chess.Move, info: SearchInfo | None) -> MoveReview:
    """Return the review of another legal move than a marked one, by a search of the position after
    it; `info` is None where the game is over there.
    """
    after = board_after(bad.board, move)
    if info is None:
        after_move = Searched.of(Evaluation.of_result(after.result(claim_draw=True)))
    else:
        after_move = Searched.of(Evaluation.of_info(info).seen_by_white(after.turn), info.pv)
    before = Searched.of(bad.before, bad.best_line)
    tried = MoveReview(
        bad.ply,
        bad.board,
        move,
        bad.before,
        after_move.evaluation,
        bad.best_line,
        reply_line=after_move.line,
    )
    mark = mark_of(tried.loss, tried.chances[0], allows_mate(before, after_move, bad.mover))
    return replace(tried, mark=mark)
