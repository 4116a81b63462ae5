"""Reviews of whole games: every reason is read back and checked against the board and the lines that are shown."""

import io

import chess.pgn
import pytest

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from tests.uci.annotate.sentences import faults
from uci.annotate.review import MoveReview, review_game

GAMES = """\
[White "Aino 500"]
[Black "Aino 800"]
[Result "0-1"]

1. Nc3 e5 2. g4 g6 3. e4 Nc6 4. h3 Nge7 5. Bg2 d6 6. d4 exd4 7. Nd5 Bg7 8. h4 Nxd5 9. exd5 Nb8 10. Qe2+ Qe7 11.
Bf4 O-O 12. Qxe7 Na6 13. O-O-O Bxg4 14. Qe1 Nc5 15. f3 Bf5 16. b4 Rfe8 17. Kd2 a5 18. bxc5 Rxe1 19. c6 Rxd1+ 20.
Kxd1 b5 21. Nh3 Rc8 22. Bd2 Re8 23. Bxa5 Bxh3 24. Rxh3 Ra8 25. Be1 Rxa2 26. Kc1 Bf6 27. Rg3 Ra1+ 28. Kd2 h6 29.
Rh3 Kf8 30. h5 Bg5+ 31. f4 gxh5 32. Kd3 Rc1 33. Rxh5 Rxe1 34. fxg5 b4 35. Bh1 hxg5 36. Bf3 f5 37. Rh1 Re3+ 38. Kd2
f4 39. Bd1 Kg7 40. Rf1 Kf6 41. Rf2 Rg3 42. c3 bxc3+ 43. Ke2 g4 44. Kf1 Ke5 45. Ra2 d3 46. Ra7 Kxd5 47. Rxc7 Kc5
48. Rc8 c2 49. Rf8 cxd1=Q+ 50. Kf2 Qe2# 0-1

[White "Aino 1100"]
[Black "Aino 800"]
[Result "0-1"]

1. Nh3 f5 2. b4 e6 3. a3 Nc6 4. e3 Nf6 5. Bb2 a5 6. b5 Na7 7. c4 Be7 8. d3 b6 9. d4 d6 10. Nf4 c6 11. Nc3 Bd7 12.
Be2 O-O 13. O-O Qe8 14. h3 Nc8 15. bxc6 Bxc6 16. Nxe6 Qg6 17. Nxf8 Qxg2# 0-1
"""


def reasons_of(move: MoveReview) -> list[str]:
    cost_cp = (move.before.score_cp - move.after.score_cp) * (1 if move.mover else -1)
    found = faults(move.board, (move.move, *move.reply_line), move.best_line, move.reason, cost_cp)
    return [f"{move.number} {move.san} {move.reason}: {fault}" for fault in found]


@pytest.mark.slow
def test_every_reason_of_a_review_is_what_the_board_shows() -> None:
    """Two games between weak levels of Aino, in which many moves are bad."""
    sentences, wrong = 0, []
    with Engine(EngineOptions(threads=1, hash_mib=32)) as engine:
        text = io.StringIO(GAMES)
        while (game := chess.pgn.read_game(text)) is not None:
            for move in review_game(engine, game, Limits(nodes=500)).moves:
                if move.judgement is not None and move.loss > 0.0 and move.reason:
                    sentences += 1
                    wrong += reasons_of(move)
    assert not wrong
    assert sentences > 12, sentences


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("loses a pawn: the pawn on e5 is unguarded", ""),
        ("loses a pawn: the pawn on d5 is unguarded", "no pawn on d5"),
        ("loses a knight", "does not lose a knight"),
        ("misses a chance to win a pawn", "the better line does not win a pawn"),
        ("allows mate in 1", "no mate after 1 plies"),
        ("gives up the bishop pair", "no such pair"),
        ("gets a headache", "unknown words"),
    ],
)
def test_the_rules_find_a_sentence_that_is_false(sentence: str, fault: str) -> None:
    board = chess.pgn.read_game(io.StringIO("1. e4 e5 2. Nf3 *")).end().board()  # type: ignore[union-attr]
    lines = []
    for text in ("h6 Nxe5 d6", "Nc6 Bb5 a6"):
        after = board.copy()
        lines.append([after.push_san(san) for san in text.split()])
    found = faults(board, *lines, sentence, 120.0)
    assert (fault in found[0]) if fault else not found
    assert faults(board, *lines, "loses a pawn", 400.0) == ["names less than the move costs"]
