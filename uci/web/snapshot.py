"""What the page shows, as plain JSON types: the game, the position that is looked at, lines of
analysis.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import chess
import chess.pgn

from engine.board.notation import board_after, move_number
from engine.board.pgn.annotations import is_told
from engine.pages.board import Facts, legal_moves, shown_position, squares_of
from engine.search.result import SearchInfo
from uci.annotate.comments import move_comment, turning_sentence
from uci.annotate.material import Moves
from uci.annotate.move_marks import chances_of, for_people, rank_of
from uci.common.evaluation import Evaluation
from uci.language import later, shown_moves
from uci.web.board_game import BoardGame
from uci.web.review_state import BoardReview, Lesson, ReadyReview, RunningReview
from uci.web.study import Study

_LINE_PLIES = 12  # plies shown of a line of analysis without a mate


def snapshot(
    board_game: BoardGame, is_new: bool, review: BoardReview = None, lesson: Lesson | None = None
) -> Facts:
    """Return the state of the board; of the moves, those that changed since the last time, or all to
    a page new to it.
    """
    board = board_game.to_play
    study = board_game.study
    legal = list[tuple[int, int, str]]()
    if board_game.is_analysing or board_game.is_human_turn:
        legal = legal_moves(board)
    return {
        "do": "state",
        "isGame": board_game.is_game,
        "asks": board_game.setup.is_asked and board_game.plies == board_game.first_ply,
        "human": _name_of(board_game.human),
        "mine": _name_of(board_game.seen_by),
        "level": board_game.level.text,
        "analysing": board_game.is_analysing,
        "isNew": is_new,
        "nodes": study.news(is_new),
        "last": study.numbers[study.last],
        "here": study.numbers[study.here],
        "legal": legal,
        "turn": chess.COLOR_NAMES[board.turn],
        "clock": _clock(board_game),
        "end": board_game.end and asdict(board_game.end),
        "thinking": board_game.is_engine_turn,
        "loading": board_game.is_loading and (board_game.is_engine_turn or board_game.is_asked),
        **_heading(board_game),
        "title": board_game.tags.title if board_game.may_be_named else None,
        "review": review_told(review),
        "lesson": lesson and _lesson(lesson, study),
    }


def _name_of(side: chess.Color | None) -> str | None:
    if side is None:
        return None
    return chess.COLOR_NAMES[side]


def review_of(review: BoardReview, study: Study) -> Facts:
    """Return what a review says of the moves, by their numbers in the study, if still there:
    its marks, its curve of White's winning chances after each move, what it says of each side, and
    what turned the game.

    Squares are those of the better move, and of the answer to this one.
    """
    if not isinstance(review, ReadyReview):
        return {"marks": {}, "curve": [], "sides": None, "turning": ""}
    judged = review.kept.review
    marks = dict[int, Any]()
    curve = [(0, round(chances_of(judged.start), 3))]
    for move, node in zip(judged.moves, review.moves, strict=False):
        number = study.numbers.get(node)
        if number is None:
            continue
        curve.append((number, round(chances_of(move.after), 3)))
        if move.mark is not None:
            lines = {"better": () if move.is_best else move.best_line, "answer": move.reply_line}
            squares = {name: squares_of(line)[0] for name, line in lines.items() if line}
            marks[number] = {"nag": move.mark.nag, "says": move_comment(move), **squares}
    return {
        "marks": marks,
        "curve": curve,
        "sides": {chess.COLOR_NAMES[side]: judged.summary(side) for side in chess.COLORS},
        "turning": turning_sentence(judged),
    }


def review_told(review: BoardReview) -> Facts:
    """Return how far a review is."""
    progress = review if isinstance(review, RunningReview) else RunningReview(0, 0)
    return {
        "running": isinstance(review, RunningReview),
        "ready": isinstance(review, ReadyReview),
        "done": progress.done,
        "total": progress.total,
    }


def _lesson(lesson: Lesson, study: Study) -> Facts:
    """Return what is shown of a mistake that one tries to do better; without a try, no squares."""
    return {
        "node": study.numbers[lesson.node],
        "asks": lesson.asks,
        "says": lesson.says,
        "over": lesson.is_over,
        "looking": lesson.is_looking,
        **tried(lesson.mistake.board, lesson.line[:2]),
    }


def tried(board: chess.Board, line: Moves) -> Facts:
    """Return what is shown of a try and what answers it: their squares, and the position after
    them.
    """
    shown = shown_position(board_after(board, *line), None)
    return {"squares": squares_of(line), "after": shown["fen"], "check": shown["check"]}


def _clock(board_game: BoardGame) -> Facts | None:
    """Seconds left, and whose clock runs."""
    if board_game.clock is None:
        return None
    left: Facts = {
        chess.COLOR_NAMES[side]: max(0.0, board_game.clock.left(side)) for side in chess.COLORS
    }
    return {**left, "running": _name_of(board_game.clock.running)}


def _heading(board_game: BoardGame) -> Facts:
    """Return what stands above the board: the players' names, and of a game of others their Elo,
    its title, its day and its result, as far as its tags tell them.
    """
    ratings: dict[str, str] = dict.fromkeys(chess.COLOR_NAMES, "")
    if board_game.is_game:
        names = {chess.COLOR_NAMES[side]: name for side, name in board_game.names.items()}
        return {"names": names, "ratings": ratings, "about": []}
    tags = board_game.tags
    for side in chess.COLOR_NAMES:
        rating = tags[f"{side.title()}Elo"]
        if is_told(rating):
            ratings[side] = rating
    names = {side: tags[side.title()] or side.title() for side in chess.COLOR_NAMES}
    day = tags["Date"].replace(".", "-").removesuffix("-??").removesuffix("-??")
    about = [text for text in (tags.title, day, tags["Result"]) if is_told(text) and text != "*"]
    return {"names": names, "ratings": ratings, "about": about}


def lines_of(board: chess.Board, infos: Sequence[SearchInfo], most: int) -> Facts:
    """Return at most so many lines of analysis of a board for the page, the best one for the side
    to move first; scores and chances are White's, on the scale of reviews.

    A pawn that becomes less than a queen has no line where its promotion to a queen has a better
    one.
    """
    first = infos[0]

    def worth(info: SearchInfo) -> tuple[float, float]:
        return rank_of(Evaluation.of_info(info), chess.WHITE)

    lines = list[Facts]()
    promoted = set[tuple[chess.Square, chess.Square]]()
    for info in sorted(infos, key=worth, reverse=True):
        moves = _with_queens(board, info.line(_LINE_PLIES))
        if moves and moves[0].promotion is not None:
            squares = (moves[0].from_square, moves[0].to_square)
            if squares in promoted:
                continue
            promoted.add(squares)
        lines.append(_line(board, info, moves))
    return {
        "do": "lines",
        "fen": board.fen(),
        "lines": lines[:most],
        "depth": f"{first.depth}/{first.seldepth}",
        "nodes": first.nodes,
        "nps": first.nps,
    }


def _with_queens(board: chess.Board, line: Moves) -> list[chess.Move]:
    """Return a line in which each pawn that promotes and is taken at once becomes a queen: to the
    search all pieces are as good there.
    """
    walk = board.copy(stack=False)
    moves = list[chess.Move]()
    for ply, move in enumerate(line):
        following = line[ply + 1 : ply + 2]
        if move.promotion is not None and following:
            queen = chess.Move(move.from_square, move.to_square, chess.QUEEN)
            is_taken = following[0].to_square == move.to_square
            if is_taken and board_after(walk, queen).is_legal(following[0]):
                move = queen
        moves.append(move)
        walk.push(move)
    return moves


def _line(board: chess.Board, info: SearchInfo, line: Moves) -> Facts:
    walk = board.copy(stack=False)
    moves = []
    for move in line:
        san = shown_moves(walk.san(move))
        moves.append({"uci": move.uci(), "san": san, "number": move_number(walk)})
        walk.push(move)
    squares = list[chess.Square]()
    if line:
        (squares,) = squares_of(line[:1])
    return {
        **_verdict(for_people(Evaluation.of_info(info)).seen_by_white(board.turn)),
        "moves": moves,
        "squares": squares,
    }


def _verdict(verdict: Evaluation) -> Facts:
    return {"score": verdict.text, "wdl": verdict.wdl, "expected": chances_of(verdict)}


def verdict_at_end(board: chess.Board) -> Facts:
    """Lines of a position without legal moves: none, and its result."""
    verdict = Evaluation.of_result(board.result())
    name = later("Stalemate")
    if board.is_checkmate():
        name = later("Checkmate")
    return {
        "do": "lines",
        "fen": board.fen(),
        "lines": [],
        "over": {**_verdict(verdict), "text": name},
    }
