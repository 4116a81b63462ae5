"""A second opinion on the sentences of reviews: what they say of pieces and mates is checked against the boards.

Nothing of `uci.annotate` is used. Whether a fork is one, test_reasons.py asks people who named the themes of puzzles.
"""

import re
from collections import Counter
from collections.abc import Sequence

import chess

SHOWN = 8  # plies of a line that the reader sees
WORTH = {"queen": 9, "rook": 5, "bishop": 3, "knight": 3, "pawn": 1, "king": 100}
NUMBERS = {"a": 1, "the": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
MOST_COST_CP = 250  # for each pawn that is named


def faults(
    board: chess.Board, played: Sequence[chess.Move], better: Sequence[chess.Move], sentence: str, cost_cp: float
) -> list[str]:
    """What is not so in a reason; `played` begins with the judged move, and mates are checked as far as lines show."""
    material = re.match(
        r"(?:loses|wins only .* instead of|.*which wins|.*a chance to win|.*of winning) ([^:]*)", sentence
    )
    if material and cost_cp > MOST_COST_CP * value(named(re.split(" to | through ", material[1])[0]))[0]:
        return ["names less than the move costs"]
    return line_faults(board, played, better, sentence)


def line_faults(
    board: chess.Board, played: Sequence[chess.Move], better: Sequence[chess.Move], sentence: str
) -> list[str]:
    """What the lines do not show."""
    own, best = boards_of(board, played[: 1 + SHOWN]), better[:SHOWN]
    theirs = boards_of(board, best)
    for kind, square in re.findall(rf"({'|'.join(WORTH)}) on (\w\d)", sentence):
        if not any(kind_at(one, chess.parse_square(square)) == kind for one in own + theirs):
            return [f"no {kind} on {square}"]
    if "mate" in sentence:
        return mate_faults(board, own, theirs, sentence)
    if found := re.fullmatch(r"misses (.*), which wins (.*)", sentence):
        return win_faults(own, theirs, found[2], board)
    if found := re.fullmatch(r"misses a chance to win (.*)", sentence):
        return win_faults(own, theirs, found[1].partition(" through ")[0], board)
    if found := re.fullmatch(r"loses (.*?)(?:(?: to |: ).*)?", sentence):
        return loss_faults(own, theirs, found[1], board)
    if found := re.fullmatch(r"wins only (.*) instead of (.*)", sentence):
        lesser = [] if any(is_named(change(board, one), found[1]) for one in own) else ["does not win that"]
        return lesser + better_faults(theirs, found[2], board)
    if found := re.fullmatch(r"only trades (pieces|pawns) instead of winning (.*)", sentence):
        traded = change(board, own[-1])[1]
        kinds = [] if traded and board.is_capture(played[0]) else ["trades nothing"]
        return kinds + better_faults(theirs, found[2], board)
    if found := re.fullmatch(r"takes the (\w+) with the wrong piece", sentence):
        same = played[0].to_square == best[0].to_square and played[0].from_square != best[0].from_square
        return [] if same and kind_at(board, played[0].to_square) in (found[1], "") else ["another capture"]
    promoted = {"lets a pawn promote": (own, not board.turn), "misses the promotion of a pawn": (theirs, board.turn)}
    if sentence in promoted:
        boards, side = promoted[sentence]
        return [] if any(promotions(one, board, side) for one in boards) else ["nothing promotes"]
    return structure_faults(board, own[-1], theirs[-1], sentence)


def boards_of(board: chess.Board, line: Sequence[chess.Move]) -> list[chess.Board]:
    boards = [board.copy(stack=False)]
    for move in line:
        boards.append(boards[-1].copy(stack=False))
        boards[-1].push(move)
    return boards


def kind_at(board: chess.Board, square: chess.Square) -> str:
    kind = board.piece_type_at(square)
    return chess.piece_name(kind) if kind else ""


def pieces(board: chess.Board, side: chess.Color) -> Counter[str]:
    return Counter(chess.piece_name(piece.piece_type) for piece in board.piece_map().values() if piece.color == side)


def promotions(after: chess.Board, before: chess.Board, side: chess.Color) -> int:
    """Pieces that a side has more than before."""
    return sum((pieces(after, side) - pieces(before, side)).values())


def change(before: chess.Board, after: chess.Board) -> tuple[Counter[str], Counter[str]]:
    """What the side to move before has won and lost since."""
    side = before.turn
    return pieces(before, not side) - pieces(after, not side), pieces(before, side) - pieces(after, side)


def minors(won: Counter[str], lost: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """Without what cancels out; bishops count as knights."""
    won, lost = (Counter({**part, "knight": part["knight"] + part["bishop"], "bishop": 0}) for part in (won, lost))
    return won - lost, lost - won


def named(text: str) -> tuple[Counter[str], Counter[str]]:
    if text == "the exchange":
        return Counter(rook=1), Counter(knight=1)
    parts: list[Counter[str]] = []
    for part in (text.partition(" for ")[0], text.partition(" for ")[2]):
        words = re.findall(r"(\w+) (queen|rook|bishop|knight|pawn)s?", part)
        parts.append(Counter())
        for number, kind in words:
            parts[-1][kind] += NUMBERS[number]
    return minors(parts[0], parts[1])


def value(balance: tuple[Counter[str], Counter[str]]) -> list[int]:
    """Of what is won, and of what is lost, in pawns."""
    return [sum(WORTH[kind] * count for kind, count in part.items()) for part in balance]


def is_named(balance: tuple[Counter[str], Counter[str]], text: str) -> bool:
    return minors(*balance) == named(text)


def with_recapture(boards: list[chess.Board]) -> list[chess.Board]:
    """And the positions after the last capture is retaken."""
    last = boards[-1]
    return boards + [boards_of(last, [move])[-1] for move in last.generate_legal_captures()]


def win_faults(own: list[chess.Board], theirs: list[chess.Board], text: str, board: chess.Board) -> list[str]:
    found = better_faults(theirs, text, board)
    taken = pieces(own[0], not board.turn) - pieces(own[1], not board.turn)
    if minors(taken, Counter())[0] & named(text)[0]:
        found.append("the move takes what it is said to miss")
    return found


def better_faults(theirs: list[chess.Board], text: str, board: chess.Board) -> list[str]:
    wins = any(is_named(change(board, one), text) for one in with_recapture(theirs))
    return [] if wins else [f"the better line does not win {text}"]


def loss_faults(own: list[chess.Board], theirs: list[chess.Board], text: str, board: chess.Board) -> list[str]:
    if any(is_named(change(board, one)[::-1], text) for one in with_recapture(own)):
        return []
    for ours, other in zip(own, [*theirs, *[theirs[-1]] * len(own)], strict=False):  # more than the better line loses
        lost, kept = minors(*change(board, ours))[1], minors(*change(board, other))[1]
        if minors(lost - kept, kept - lost) == named(text):
            return []
    return [f"does not lose {text}"]


def mate_faults(board: chess.Board, own: list[chess.Board], theirs: list[chess.Board], sentence: str) -> list[str]:
    found = []
    for verb, pattern, text in re.findall(r"(allows|misses) (?:a )?(back-rank |smothered )?mate in (\d+)", sentence):
        boards = own[1:] if verb == "allows" else theirs
        plies = 2 * int(text) - 1
        if plies < len(boards) and not boards[plies].is_checkmate():
            found.append(f"no mate after {plies} plies")
        if pattern and not boards[-1].is_checkmate():
            found.append(f"a {pattern}mate that is not shown")
    return found if re.search(r"mate in \d", sentence) else ["unknown words"]


def structure_faults(board: chess.Board, own: chess.Board, theirs: chess.Board, sentence: str) -> list[str]:
    side = board.turn
    if sentence == "gives up the bishop pair":
        pairs = [len(one.pieces(chess.BISHOP, side)) > 1 for one in (board, theirs, own)]
        return [] if pairs == [True, True, False] else ["no such pair"]
    if found := re.fullmatch(r"gives the other side a passed pawn on (\w\d)", sentence):
        square = chess.parse_square(found[1])
        passed = [is_passed(one, square, not side) for one in (own, theirs)]
        return [] if passed == [True, False] else ["no such pawn"]
    return [f"unknown words: {sentence}"]


def is_passed(board: chess.Board, square: chess.Square, side: chess.Color) -> bool:
    if board.piece_at(square) != chess.Piece(chess.PAWN, side):
        return False
    file, rank = chess.square_file(square), chess.square_rank(square)
    ahead = range(rank + 1, 8) if side else range(rank)
    return not any(
        board.piece_at(chess.square(f, r)) == chess.Piece(chess.PAWN, not side)
        for f in range(max(0, file - 1), min(7, file + 1) + 1)
        for r in ahead
    )
