"""A second opinion on the sentences of reviews: each claim is read back and checked against the board.

Nothing of `uci.annotate` is used: pieces are counted on the boards, and attacks are python-chess's.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import chess

SHOWN = 8  # plies of a line that the reader sees
WORTH = {"queen": 9, "rook": 5, "bishop": 3, "knight": 3, "pawn": 1, "king": 100}
TIMES = {"once": 1, "twice": 2, "three times": 3, "four times": 4, "five times": 5}
NUMBERS = {"a": 1, "the": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
STATE = r"the (\w+) on (\w\d) is (?:unguarded|attacked (.+) and guarded (.+))|a (\w+) attacks the (\w+) on (\w\d)"
UNGUARDING = r"(?:the removal of a guard|a deflection): the (\w+) on (\w\d) guarded the (\w+) on (\w\d)"
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
    own, reply, best = boards_of(board, played[: 1 + SHOWN]), played[1 : 1 + SHOWN], better[:SHOWN]
    theirs = boards_of(board, best)
    if "mate" in sentence:
        return mate_faults(board, own, theirs, sentence)
    if found := re.fullmatch(r"misses (.*), which wins (.*)", sentence):
        return win_faults(own, theirs, found[2], board) + motif_faults(theirs, best, found[1])
    if found := re.fullmatch(r"misses a chance to win (.*)", sentence):
        material, _, how = found[1].partition(" through ")
        return win_faults(own, theirs, material, board) + motif_faults(theirs, best, how)
    if found := re.fullmatch(r"loses (.*?)(?:(?: to |: )(.*))?", sentence):
        return loss_faults(own, theirs, found[1], board) + motif_faults(own[1:], reply, found[2] or "")
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


# ---- material -------------------------------------------------------------------------------------------------------


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


# ---- motifs ---------------------------------------------------------------------------------------------------------


def motif_faults(boards: list[chess.Board], line: Sequence[chess.Move], text: str) -> list[str]:
    """Whether the side to move carries a motif out in a line."""
    checks: dict[str, Callable[..., bool]] = {
              r"a fork of (.*) by the (\w+) on (\w\d)": is_fork, r"a skewer of (.*) by the (\w+) on (\w\d)": is_skewer,
              r"a discovered check": is_discovered_check, r"a discovered attack on the (\w+) on (\w\d)": is_discovery,
              r"a pin: the (\w+) on (\w\d) is pinned to the (king|queen)(.*)": is_pin,
              UNGUARDING: is_unguarding, STATE: is_state}  # fmt: skip
    if not text:
        return []
    for pattern, check in checks.items():
        if found := re.fullmatch(pattern, text):
            return [] if check(boards, line, *(word or "" for word in found.groups())) else [f"no such thing: {text}"]
    return [f"unknown words: {text}"]


def own_moves(boards: list[chess.Board], line: Sequence[chess.Move]) -> list[tuple[int, chess.Move]]:
    return [(at, line[at]) for at in range(0, len(line), 2)]


def kinds_of(text: str) -> list[str]:
    if text.startswith("two "):
        return [text.removeprefix("two ").removesuffix("s")] * 2
    return re.split(r", | and ", text)


def is_fork(boards: list[chess.Board], line: Sequence[chess.Move], prey: str, by: str, square: str) -> bool:
    where = chess.parse_square(square)
    for at, move in own_moves(boards, line):
        after = boards[at + 1]
        targets = [one for one in after.attacks(where) if after.color_at(one) == after.turn]
        is_there = move.to_square == where and kind_at(after, where) == by
        if is_there and not Counter(kinds_of(prey)) - Counter(kind_at(after, one) for one in targets):
            later = [other for step, other in own_moves(boards, line) if step > at and other.from_square == where]
            return any(other.to_square in targets and boards[at + 1].piece_at(other.to_square) for other in later)
    return False


def is_skewer(boards: list[chess.Board], line: Sequence[chess.Move], prey: str, by: str, square: str) -> bool:
    where, (front, behind) = chess.parse_square(square), kinds_of(prey)
    for at, move in own_moves(boards, line)[:-1]:
        reply, later = line[at + 1], line[at + 2 : at + 3]
        if move.to_square == where and later and later[0].from_square == where:
            on_line = reply.from_square in chess.SquareSet.between(where, later[0].to_square)
            kinds = kind_at(boards[at + 1], reply.from_square), kind_at(boards[at + 1], later[0].to_square)
            return on_line and kinds == (front, behind) and kind_at(boards[at + 1], where) == by
    return False


def is_discovered_check(boards: list[chess.Board], line: Sequence[chess.Move]) -> bool:
    return any(set(boards[at + 1].checkers()) - {move.to_square} for at, move in own_moves(boards, line))


def is_discovery(boards: list[chess.Board], line: Sequence[chess.Move], kind: str, square: str) -> bool:
    target = chess.parse_square(square)
    return any(
        kind_at(boards[at + 1], target) == kind
        and set(boards[at + 1].attackers(boards[at].turn, target))
        - set(boards[at].attackers(boards[at].turn, target))
        - {move.to_square}
        for at, move in own_moves(boards, line)
    )


def is_pin(boards: list[chess.Board], line: Sequence[chess.Move], kind: str, square: str, to: str, rest: str) -> bool:
    where = chess.parse_square(square)
    for at, move in own_moves(boards, line):
        defender = not boards[at].turn
        known = boards[max(0, at - 1)]
        stands = kind_at(boards[at], where) == kind and boards[at].is_capture(move)
        if rest:
            is_guard = where in boards[at].attackers(defender, move.to_square)
            retakes = any(boards[at + 1].generate_legal_moves(to_mask=chess.BB_SQUARES[move.to_square]))
            if stands and is_guard and boards[at].is_pinned(defender, where) and not retakes:
                return True
        elif stands and move.to_square == where:
            without = known.copy(stack=False)
            without.remove_piece_at(where)
            behind = [one for one in chess.SQUARES if known.piece_at(one) == chess.Piece.from_symbol(to[0]) or
                      (kind_at(known, one) == to and known.color_at(one) == defender)]  # fmt: skip
            opened = [one for one in behind if kind_at(known, one) == to and
                      without.attackers_mask(not defender, one) & ~known.attackers_mask(not defender, one)]  # fmt: skip
            if opened:
                return True
    return False


def is_unguarding(
    boards: list[chess.Board], line: Sequence[chess.Move], guard: str, at_guard: str, kind: str, at_kind: str
) -> bool:
    where, target = chess.parse_square(at_guard), chess.parse_square(at_kind)
    for at, move in own_moves(boards, line)[:-1]:
        before, second = boards[at], boards[at + 2]
        guarded = where in before.attackers(not before.turn, target)
        named_right = (kind_at(before, where), kind_at(before, target)) == (guard, kind)
        gone = move.to_square == where or line[at + 1].from_square == where
        taken = at + 2 < len(line) and line[at + 2].to_square == target
        if guarded and named_right and gone and taken and not second.attackers(not second.turn, target):
            return True
    return False


def is_state(boards: list[chess.Board], line: Sequence[chess.Move], *words: str) -> bool:
    """Of a piece that the line's first move takes."""
    kind, square, attacked, guarded, attacker, other_kind, other_square = words
    board, move = boards[0], line[0]
    where = chess.parse_square(square or other_square)
    guards = board.attackers(not board.turn, where)
    if move.to_square != where or kind_at(board, where) != (kind or other_kind):
        return False
    if attacker:
        return kind_at(board, move.from_square) == attacker and WORTH[attacker] < WORTH[other_kind]
    if attacked:
        attackers = board.attackers(board.turn, where)
        return len(attackers) == TIMES[attacked] > len(guards) == TIMES[guarded]
    return not guards and not any(boards[1].generate_legal_moves(to_mask=chess.BB_SQUARES[where]))


# ---- mates and pawns ------------------------------------------------------------------------------------------------


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
